// Real traffic through the whole running gateway: a stand-in provider serves the recorded responses byte for byte on every
// wire, three SDKs ask, and what each reads of the gateway's answer must be what the recorded bytes say. The ledger has one
// charge for each. The compact core runs always, everything with CORPUS_ALL=1.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { RequestRow } from '../../src/ledger/latest-requests.ts'
import { createRoute, createTenant, eventually } from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'
import {
  CLIENTS,
  type ClientName,
  type ClientReading,
  type Verdict,
  askAs,
  compareReadings,
} from './compare-clients.ts'
import { type Exchange, loadExchanges, missingCorpus, recordedApis } from './exchanges.ts'
import { allAttempts, chargeObjection } from './gateway-ledger.ts'
import { type StandIn, standInSecrets, startStandIn, targetFor, wireOf } from './gateway-stand-in.ts'
import { type Expected, expectedOf } from './naive.ts'
import { askForVectors, vectorsDifference } from './gateway-vectors.ts'
import { isEmbeddings } from './vectors.ts'

/** Exchanges below this rank are the compact core. */
const CORE_RANK = process.env['CORPUS_ALL'] === '1' ? Infinity : 300

if (missingCorpus !== null) {
  console.warn(`recorded exchanges through the gateway: ${missingCorpus}`)
  test.skip(`recorded exchanges through the gateway: ${missingCorpus}`, () => {})
}

const all = recordedApis()
  .flatMap((api) => loadExchanges(api))
  .filter((exchange) => exchange.rank < CORE_RANK && wireOf(exchange) !== null)
const replies = all.filter(({ api }) => !isEmbeddings(api))
const vectors = all.filter(({ api }) => isEmbeddings(api))

/** A question that was asked, and what came of it. */
interface Outcome {
  readonly exchange: Exchange
  readonly column: ClientName | 'embeddings'
  readonly kind: Verdict['kind']
  readonly model: string
  readonly expected: Expected
  readonly client: Pick<ClientReading, 'isError' | 'status' | 'usage'>
}

describe.runIf(all.length > 0)('recorded exchanges through the gateway', () => {
  const outcomes: Outcome[] = []
  let system: TestSystem
  let provider: StandIn
  let key: string

  beforeAll(async () => {
    provider = await startStandIn(all)
    system = await startTestSystem({ simulated: false, secrets: standInSecrets(provider.url) })
    key = (await createTenant(system, 'acme')).key
    for (const [group, exchange] of new Map(all.map((exchange) => [groupOf(exchange), exchange]))) {
      const wire = wireOf(exchange)
      if (wire !== null) await createRoute(system, `${group}~*`, [targetFor(group, wire, provider)])
    }
  }, 120_000)
  afterAll(async () => {
    console.log(table(outcomes))
    await provider.close()
    await system.dispose()
  })

  test.each(replies.map((exchange) => [exchange.id, exchange] as const))(
    '%s: every client reads what the provider said',
    async (id, exchange) => {
      const expected = expectedOf(exchange)
      const differences = CLIENTS.map(async (name) => {
        const model = `${groupOf(exchange)}~${id}~${name}`
        const client = await askAs(name, { url: system.url, key }, model, exchange.isStreamed)
        const { kind, difference } = compareReadings(name, expected, client)
        outcomes.push({ exchange, column: name, kind, model, expected, client })
        return difference === null ? [] : [`${name}: ${difference}`]
      })
      expect((await Promise.all(differences)).flat()).toEqual([])
      expect(provider.objectionsTo(id)).toEqual([])
      expect(provider.callsOf(id)).toBe(CLIENTS.length)
    },
    30_000,
  )

  test.each(vectors.map((exchange) => [exchange.id, exchange] as const))(
    '%s: a client gets the vectors that the provider gave',
    async (id, exchange) => {
      const model = `${groupOf(exchange)}~${id}~embeddings`
      const client = await askForVectors(exchange, { url: system.url, key }, model)
      const { expected, difference } = vectorsDifference(exchange, client)
      const kind = difference !== null ? 'differing' : expected.isError ? 'error' : 'equal'
      outcomes.push({ exchange, column: 'embeddings', kind, model, expected, client })
      expect(difference).toBeNull()
      expect(provider.objectionsTo(id)).toEqual([])
      expect(provider.callsOf(id)).toBe(1)
    },
    30_000,
  )

  test('the ledger has one charge for each request, of the tokens that the provider counted', async () => {
    const rows = await eventually(
      () => allAttempts(system),
      (found) => new Set(found.map((row) => row.requested_model)).size >= outcomes.length,
      20_000,
    )
    const byModel = Map.groupBy(rows, (row: RequestRow) => row.requested_model)
    const objections = outcomes.flatMap((outcome) => {
      const found = chargeObjection(byModel.get(outcome.model) ?? [], outcome)
      return found === null ? [] : [`${outcome.model}: ${found}`]
    })
    expect(objections).toEqual([])
    expect(rows.length).toBe(outcomes.length)
  }, 30_000)
})

/** A target for each kind of answer, and for each failure of a provider's one of its own: no exchange opens another's
 *  breaker. What is the client's fault, or a throttle, opens none. */
function groupOf(exchange: Exchange): string {
  const expected = isEmbeddings(exchange.api) ? null : expectedOf(exchange)
  const isShared =
    expected === null
      ? exchange.status < 500
      : expected.blame !== null
        ? expected.blame !== 'provider'
        : !expected.isError && expected.choices.every(({ finish }) => finish !== null)
  if (!isShared || exchange.api === 'tgi.generate') return `alone-${exchange.id}`.slice(0, 100)
  // Vertex embeds newer models and older ones at different paths.
  const own = exchange.api === 'gemini.embedContent' ? `-${exchange.model.replace(/[^\w.-]/g, '-')}` : ''
  return `${exchange.api}-${exchange.provider}${own}`.slice(0, 100)
}

const KINDS = ['equal', 'gap', 'differing', 'error'] as const

/** One line for each API, a column for each protocol. */
function table(outcomes: readonly Outcome[]): string {
  const columns = [...CLIENTS, 'embeddings'] as const
  const cell = (members: readonly Outcome[], column: string): string => {
    const own = members.filter((outcome) => outcome.column === column)
    return own.length === 0 ? '' : KINDS.map((kind) => own.filter((one) => one.kind === kind).length).join(' / ')
  }
  const line = (name: string, members: readonly Outcome[]): string =>
    `| ${name} | ${columns.map((column) => cell(members, column)).join(' | ')} |`
  const byApi = Map.groupBy(outcomes, ({ exchange }) => exchange.api)
  return [
    'equal / declared gap / differing / error on both sides',
    `| recorded | ${columns.join(' | ')} |`,
    `|---|${columns.map(() => '--:|').join('')}`,
    ...[...byApi.keys()].toSorted().map((api) => line(api, byApi.get(api) ?? [])),
    line('all', outcomes),
  ].join('\n')
}
