// Real traffic through the whole running gateway: a stand-in provider serves the recorded responses byte for byte, and what
// the `openai` SDK reads of the gateway's answer must be what the provider's own SDK reads of those bytes.
import { setImmediate } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, createRoute, createTenant, says } from '../support/account.ts'
import { type RawProvider, sent, startRawProvider } from '../support/raw-provider.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'
import { type Reading, difference, readAsClient, readAsProvider } from './compare.ts'
import { type Exchange, chunkings, loadExchanges, missingCorpus } from './exchanges.ts'

/** Exchanges below this rank are the compact core. */
const CORE_RANK = 300
const APIS = ['openai.chat', 'anthropic.messages'] as const
const DIALECTS: Readonly<Record<string, string>> = {
  'openai.chat': 'openai-chat',
  'anthropic.messages': 'anthropic-messages',
}
/** Headers that belong to the recorded connection and not to the response. */
const HOP_HEADERS = /^(?:content-length|content-encoding|transfer-encoding|connection|keep-alive|x-orig-.*)$/

if (missingCorpus !== null) {
  console.warn(`recorded exchanges through the gateway: ${missingCorpus}`)
  test.skip(`recorded exchanges through the gateway: ${missingCorpus}`, () => {})
}

const core = APIS.flatMap((api) => loadExchanges(api)).filter(({ rank }) => rank < CORE_RANK)

/** How one exchange went. */
interface Outcome {
  readonly exchange: Exchange
  readonly isError: boolean
  /** Why the readings differ; null when they don't. */
  readonly difference: string | null
}

describe.runIf(core.length > 0)('recorded exchanges through the gateway', () => {
  const outcomes: Outcome[] = []
  const byId = new Map(core.map((exchange) => [exchange.id, exchange]))
  const readings = new Map<string, Reading>()
  let system: TestSystem
  let provider: RawProvider
  let key: string

  beforeAll(async () => {
    for (const exchange of core) readings.set(exchange.id, await readAsProvider(exchange))
    system = await startTestSystem({ simulated: false })
    key = (await createTenant(system, 'acme')).key
    provider = await startRawProvider(async (response, body) => {
      const exchange = byId.get(/"model":"[^"]*~([^"]+)"/.exec(body)?.[1] ?? '')
      if (exchange === undefined) return void response.writeHead(404).end('{}')
      response.writeHead(exchange.status, headersOf(exchange))
      for (const chunk of chunkings(exchange)['recorded'] ?? []) {
        await sent(response, chunk)
        if (exchange.chunkLengths.length > 0) await setImmediate()
      }
      response.end()
    })
    for (const [group, { api }] of new Map(core.map((exchange) => [groupOf(exchange), exchange]))) {
      const settings = { provider: 'custom', dialect: DIALECTS[api], base_url: provider.url, max_retries: 0 }
      await createRoute(system, `${group}~*`, [{ id: group, model: '*', ...settings }])
    }
  }, 60_000)
  afterAll(async () => {
    console.log(table(outcomes))
    await provider.close()
    await system.dispose()
  })

  /** A target for each kind of answer, and for each failure one of its own: no exchange opens another's breaker. */
  function groupOf(exchange: Exchange): string {
    const reading = readings.get(exchange.id)
    const isGood =
      exchange.status === 200 && reading?.isError === false && reading.choices.every((c) => c.finish !== null)
    return isGood ? `${exchange.api}-${exchange.provider}` : `alone-${exchange.id}`.slice(0, 100)
  }

  test.each(core.map((exchange) => [exchange.id, exchange] as const))(
    '%s: the client reads what the provider said',
    async (id, exchange) => {
      const calls = provider.calls
      const usage = exchange.isStreamed ? { stream: true, stream_options: { include_usage: true } } : {}
      const model = `${groupOf(exchange)}~${id}`
      const response = await ask(system, key, { model, messages: says('As recorded'), ...usage })
      const client = await readAsClient(response, exchange.isStreamed)
      const expected = readings.get(id)
      if (expected === undefined) throw new Error('no reading')
      const found = difference(expected, client)
      outcomes.push({ exchange, isError: client.isError, difference: found })
      expect(provider.calls).toBe(calls + 1)
      expect(found).toBeNull()
    },
  )
})

function headersOf(exchange: Exchange): Record<string, string> {
  const kept = Object.entries(exchange.headers).filter(([name]) => !HOP_HEADERS.test(name))
  return { 'content-type': exchange.isStreamed ? 'text/event-stream' : 'application/json', ...Object.fromEntries(kept) }
}

/** One line for each API, provider and way of asking. */
function table(outcomes: readonly Outcome[]): string {
  const groups = Map.groupBy(outcomes, ({ exchange }) =>
    [exchange.api, exchange.provider, exchange.isStreamed ? 'stream' : 'whole'].join(' | '),
  )
  const line = (name: string, members: readonly Outcome[]): string => {
    const differing = members.filter((outcome) => outcome.difference !== null).length
    const errors = members.filter((outcome) => outcome.isError && outcome.difference === null).length
    return `| ${name} | ${members.length - differing - errors} | ${differing} | ${errors} |`
  }
  const lines = [...groups.keys()].toSorted().map((name) => line(name, groups.get(name) ?? []))
  return [
    '| api | provider | asked | equal | differing | error on both sides |',
    '|---|---|---|--:|--:|--:|',
    ...lines,
    line('all | all | both', outcomes),
  ].join('\n')
}
