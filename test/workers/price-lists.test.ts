// Price lists that are fetched: read as they are published, refused where they can't be right, named by what they say; and
// what they do to targets, and to those that pass every model on.
import { applyD1Migrations, type D1Migration } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SideLimiter } from '../../durable-objects/side-limiter.ts'
import type { TenantLimiter } from '../../durable-objects/tenant-limiter.ts'
import { type PriceList, findPrice } from '../../src/catalog/price-catalogue.ts'
import { LISTED_PRICES } from '../../src/catalog/listed-prices.ts'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { listObjection, readFeed } from '../../src/control-plane/prices/price-feed.ts'
import { DIRECTORY_ROUTING_NAME, PRICE_LIST_NAME, type RoutingSnapshot } from '../../src/core/directory.ts'
import { type JsonObject, parseJson } from '../../src/core/json.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env {
      DB: D1Database
      DIRECTORY: KVNamespace
      TENANT_LIMITER: DurableObjectNamespace<TenantLimiter>
      SIDE_LIMITER: DurableObjectNamespace<SideLimiter>
      TEST_MIGRATIONS: D1Migration[]
    }
  }
}

const TOKEN = 'admin-token-of-the-tests'
const NOW_MS = Date.parse('2027-03-01T12:00:00Z')
const DAY = '2027-03-01'
const app = new Hono().route(
  '/admin',
  createAdmin({ probe: async () => ({ ok: true, status: 200, latencyMs: 1, saw: 'ok' }), nowMs: () => NOW_MS }),
)

async function admin(method: string, path: string, body?: unknown, bindings: object = {}) {
  const response = await app.request(
    `/admin${path}`,
    {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
    { ...env, OPENAI_API_KEY: 'sk', PRICE_LIST_URL: 'https://prices.test/data.json', ...bindings },
  )
  const answer: JsonObject = JSON.parse(await response.text())
  return { status: response.status, body: answer }
}

interface FeedModel {
  readonly id: string
  readonly match: unknown
  readonly prices: unknown
}

/** The built-in list in the form in which such lists are published, each model changed as given. */
function feed(change: (model: FeedModel, provider: string) => FeedModel | null = (model) => model) {
  const providers: { id: string; models: FeedModel[] }[] = []
  for (const line of LISTED_PRICES.trim().split('\n')) {
    const [id = '', match = '', prices = ''] = line.split('\t')
    if (line.startsWith('# ')) providers.push({ id: line.slice(2), models: [] })
    else {
      const [input, output, cacheRead] = prices.split(',').map((number) => (number === '' ? null : Number(number)))
      const model = {
        id,
        match: match === '' ? { equals: id } : parseJson(match),
        prices: { input_mtok: input ?? null, output_mtok: output ?? null, cache_read_mtok: cacheRead ?? null },
      }
      const changed = change(model, providers.at(-1)?.id ?? '')
      if (changed !== null) providers.at(-1)?.models.push(changed)
    }
  }
  return providers
}

const DEARER = { input_mtok: { base: 3, tiers: [{ start: 200_000, price: 6 }] }, output_mtok: 12, cache_read_mtok: 1.5 }
const dearer = feed((model, provider) =>
  provider === 'openai' && model.id === 'gpt-4o' ? { ...model, prices: DEARER } : model,
)

const answers = (body: unknown, status = 200): void => {
  vi.spyOn(globalThis, 'fetch').mockImplementation(async () => new Response(JSON.stringify(body), { status }))
}

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(async () => {
  for (const table of ['routes', 'targets', 'price_lists']) await env.DB.exec(`DELETE FROM ${table}`)
  await env.DIRECTORY.delete(PRICE_LIST_NAME)
})
afterEach(() => {
  vi.restoreAllMocks()
})

describe('a published list', () => {
  it('is read into the form of our own, with the prices of its day', async () => {
    const dated = [
      { constraint: { start_date: '2027-02-01' }, prices: DEARER },
      { constraint: { start_date: '2027-04-01' }, prices: { input_mtok: 9, output_mtok: 9 } },
    ]
    const read = readFeed(
      feed((model) =>
        model.id === 'gpt-4o' ? { ...model, prices: [{ prices: { input_mtok: 1, output_mtok: 1 } }, ...dated] } : model,
      ),
      DAY,
    )
    const list: PriceList = { origin: 'x', lines: read.ok ? read.value : '' }
    expect(await findPrice('openai', 'gpt-4o', list)).toMatchObject({
      price: {
        input: 3_000_000,
        cacheRead: 1_500_000,
        longPrompts: [{ aboveTokens: 200_000, tokens: { input: 6_000_000, cacheRead: 1_500_000, output: 12_000_000 } }],
      },
    })
    expect(await findPrice('openai', 'gpt-4o-mini', list)).toMatchObject({ price: { input: 150_000, output: 600_000 } })
    expect(listObjection(LISTED_PRICES, list.lines)).toBeNull()
  })

  it.each([
    ['no list', {}],
    ['a price below nothing', feed((model) => ({ ...model, prices: { input_mtok: -1, output_mtok: 1 } }))],
    ['a price in words', feed((model) => ({ ...model, prices: { input_mtok: '1', output_mtok: 1 } }))],
    ['a name that would be two lines', feed((model) => ({ ...model, id: `${model.id}\n# openai` }))],
  ])('is refused as %s', (_, body) => {
    expect(readFeed(body, DAY).ok).toBe(false)
  })

  it.each([
    ['half of the models', feed((model) => (model.id.length % 2 === 0 ? null : model)), 'of the'],
    ['a provider gone', feed().filter(({ id }) => id !== 'openai'), 'no prices of openai'],
    [
      'everything a thousandfold',
      feed((model) => ({ ...model, prices: { input_mtok: 4_000, output_mtok: 4_000 } })),
      'factor',
    ],
    ['everything free', feed((model) => ({ ...model, prices: { input_mtok: 0, output_mtok: 0 } })), 'factor'],
    [
      'one absurd price',
      feed((model) => (model.id === 'gpt-4o' ? { ...model, prices: { input_mtok: 1e6, output_mtok: 1 } } : model)),
      'would cost',
    ],
  ])('is refused with %s', (_, body, reason) => {
    const read = readFeed(body, DAY)
    expect(read.ok ? listObjection(LISTED_PRICES, read.value) : null).toContain(reason)
  })
})

describe('a refresh', () => {
  const inputAtEdge = async (id: string): Promise<number | undefined> => {
    const snapshot = await env.DIRECTORY.get<RoutingSnapshot>(DIRECTORY_ROUTING_NAME, 'json')
    return snapshot?.targets[id]?.price?.input
  }

  it('prices listed targets anew, leaves the operator’s own alone, and tells the edge', async () => {
    const target = { provider: 'openai', model: 'gpt-4o', credential: 'OPENAI_API_KEY' }
    const price = { input_usd_per_million: '7', output_usd_per_million: '7' }
    await admin('POST', '/targets', { ...target, id: 'listed' })
    await admin('POST', '/targets', { ...target, id: 'own', price })
    answers(dearer)
    const { status, body } = await admin('POST', '/prices/refresh')
    expect(status).toBe(200)
    expect(body['version']).toMatch(/^[0-9a-f]{12}$/)
    expect([await inputAtEdge('listed'), await inputAtEdge('own')]).toEqual([3_000_000, 7_000_000])
    const list = await env.DIRECTORY.get<PriceList>(PRICE_LIST_NAME, 'json')
    expect(await findPrice('openai', 'gpt-4o', list)).toMatchObject({
      price: { input: 3_000_000 },
      priceVersion: expect.stringContaining(`genai-prices-${String(body['version'])}@${DAY}`),
    })
    // Whoever is registered from then on has the new price, too.
    expect((await admin('POST', '/targets', { ...target, id: 'later' })).body).toMatchObject({
      price: { input_pico_usd_per_token: 3_000_000 },
    })
  })

  it('can be undone: the built-in list is pinned, until it is let go', async () => {
    await admin('POST', '/targets', { id: 'listed', provider: 'openai', model: 'gpt-4o', credential: 'OPENAI_API_KEY' })
    answers(dearer)
    const { body } = await admin('POST', '/prices/refresh')
    expect((await admin('PUT', '/prices/pin', { version: 'built-in' })).body).toMatchObject({ version: 'built-in' })
    expect(await inputAtEdge('listed')).toBe(2_500_000)
    expect(await env.DIRECTORY.get(PRICE_LIST_NAME)).toBeNull()
    // What is pinned stays, whatever is fetched.
    await admin('POST', '/prices/refresh')
    expect(await inputAtEdge('listed')).toBe(2_500_000)
    expect((await admin('PUT', '/prices/pin', { version: null })).body).toMatchObject({ version: body['version'] })
    expect(await inputAtEdge('listed')).toBe(3_000_000)
    expect((await admin('PUT', '/prices/pin', { version: 'no-such' })).status).toBe(404)
  })

  it.each([
    [
      'a list that can’t be right',
      () => answers(feed((model) => ({ ...model, prices: { input_mtok: 0, output_mtok: 0 } }))),
    ],
    ['an answer that is none', () => answers({}, 500)],
    ['nobody there', () => void vi.spyOn(globalThis, 'fetch').mockRejectedValue(new Error('no route'))],
  ])('by %s changes nothing, and says why', async (_, arrange) => {
    arrange()
    const { status, body } = await admin('POST', '/prices/refresh')
    expect(status).toBe(409)
    expect(JSON.stringify(body)).toContain('The list counts as before')
    expect((await admin('GET', '/prices')).body).toMatchObject({ list: { version: 'built-in', lists: [] } })
    expect(await env.DIRECTORY.get(PRICE_LIST_NAME)).toBeNull()
  })

  it('is not made unless somebody says from where', async () => {
    const fetched = vi.spyOn(globalThis, 'fetch')
    expect((await admin('POST', '/prices/refresh', undefined, { PRICE_LIST_URL: '' })).status).toBe(409)
    expect(fetched).not.toHaveBeenCalled()
  })
})
