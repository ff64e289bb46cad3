// What recorded replies cost by the catalogue's prices: targets of known providers and models, registered as an operator
// would, with nothing said of prices. The ledger's cost lies where the provider's counts and the listed prices put it.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findPrice } from '../../src/catalog/price-catalogue.ts'
import { findProvider } from '../../src/catalog/providers.ts'
import type { RequestRow } from '../../src/ledger/latest-requests.ts'
import { createRoute, createTenant, eventually } from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'
import { type ClientReading, askAs } from './compare-clients.ts'
import { type Exchange, loadExchanges, missingCorpus, recordedApis } from './exchanges.ts'
import { allAttempts } from './gateway-ledger.ts'
import { type StandIn, standInSecrets, startStandIn, targetFor, wireOf } from './gateway-stand-in.ts'
import { expectedOf } from './naive.ts'
import { isEmbeddings } from './vectors.ts'

if (missingCorpus !== null) test.skip(`recorded exchanges and prices: ${missingCorpus}`, () => {})

/** The catalogue's name of who answered, where it isn't the recording's. */
const PROVIDER_OF: Readonly<Record<string, string>> = {
  'openai.responses openai': 'openai-responses',
  'gemini.generateContent google': 'gemini',
  'anthropic.messages vertex': 'vertex-anthropic',
  'bedrock.invoke bedrock': 'bedrock-anthropic',
}

interface Priced {
  readonly exchange: Exchange
  readonly provider: string
  /** The least and the most that one token costs, in pico-USD. */
  readonly least: number
  readonly most: number
}

/** One good exchange of each provider on each API, of a model whose price is listed. */
async function pricedExchanges(): Promise<readonly Priced[]> {
  const found = new Map<string, Priced>()
  for (const exchange of recordedApis().flatMap((api) => loadExchanges(api))) {
    const name = `${exchange.api} ${exchange.provider}`
    const provider = findProvider(PROVIDER_OF[name] ?? exchange.provider)
    const wire = wireOf(exchange)
    if (found.has(name) || isEmbeddings(exchange.api) || exchange.model === '') continue
    if (provider === undefined || wire?.dialect !== provider.dialect || exchange.status !== 200) continue
    const { isError, usage } = expectedOf(exchange)
    const listed = await findPrice(provider.name, exchange.model)
    if (isError || usage === null || listed === null) continue
    const { audioInput: _a, audioOutput: _b, units: _u, tiers: _t, longPrompts: _l, ...prices } = listed.price
    const all = Object.values(prices).filter((price) => price > 0)
    found.set(name, { exchange, provider: provider.name, least: Math.min(...all), most: Math.max(...all) })
  }
  return [...found.values()]
}

const priced = await pricedExchanges()

describe.runIf(priced.length > 0)('recorded replies by listed prices', () => {
  let system: TestSystem
  let provider: StandIn
  const answers = new Map<string, ClientReading>()
  let rows: readonly RequestRow[]

  beforeAll(async () => {
    provider = await startStandIn(priced.map(({ exchange }) => exchange))
    system = await startTestSystem({ simulated: false, secrets: standInSecrets(provider.url) })
    const { key } = await createTenant(system, 'acme')
    for (const { exchange, provider: name } of priced) {
      const wire = wireOf(exchange)
      if (wire === null) continue
      const { price: _, dialect: _given, ...target } = targetFor(`at-${name}-${exchange.api}`, wire, provider)
      const base_url = `${new URL(provider.url).origin}/~${exchange.id}~${wire.root}`
      await createRoute(system, exchange.id, [{ ...target, provider: name, model: exchange.model, base_url }])
    }
    for (const { exchange } of priced) {
      answers.set(exchange.id, await askAs('chat', { url: system.url, key }, exchange.id, exchange.isStreamed))
    }
    rows = await eventually(
      () => allAttempts(system),
      (found) => found.length >= priced.length,
    )
  }, 60_000)
  afterAll(async () => {
    await provider.close()
    await system.dispose()
  })

  test.each(priced.map((one) => [`${one.provider} ${one.exchange.model}`, one] as const))(
    '%s: costs what its tokens cost',
    (_, { exchange, provider: name, least, most }) => {
      const client = answers.get(exchange.id)
      const own = rows.filter((row) => row.requested_model === exchange.id)
      const { usage } = expectedOf(exchange)
      const tokens = (usage?.prompt ?? 0) + (usage?.completion ?? 0)
      expect(client).toMatchObject({ isError: false, usage })
      expect(own).toMatchObject([{ provider: name, model: exchange.model, is_estimated: false, is_final: true }])
      expect(own[0]?.price_version).toContain('genai-prices')
      const cost = Number(own[0]?.cost_nano_usd)
      expect(cost).toBeGreaterThanOrEqual(Math.floor((tokens * least) / 1000))
      expect(cost).toBeLessThanOrEqual(Math.ceil((tokens * most) / 1000))
      const told = client?.headers.get('x-tidegate-cost-usd') ?? null
      expect(told === null ? null : Math.round(Number(told) * 1e9)).toBe(exchange.isStreamed ? null : cost)
    },
  )
})
