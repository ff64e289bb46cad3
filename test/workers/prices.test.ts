// Prices as an operator sets them, on the real database and KV: checked, published with the routes, kept as they were; and
// what the ledger keeps of what was charged.
import { applyD1Migrations, type D1Migration } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { TenantLimiter } from '../../durable-objects/tenant-limiter.ts'
import type { SideLimiter } from '../../durable-objects/side-limiter.ts'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { DIRECTORY_ROUTING_NAME, type RoutingSnapshot, type TenantRecord } from '../../src/core/directory.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { PriceBook } from '../../src/core/money/price-book.ts'
import { type UsageEvent, packEvent } from '../../src/core/money/usage-event.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'
import { applyBatch } from '../../src/ledger/apply-batch.ts'
import { auditBudgets } from '../../src/ledger/audit.ts'
import { latestRequests } from '../../src/ledger/latest-requests.ts'
import { readBatch } from '../../src/ledger/read-batch.ts'
import { reconcile } from '../../src/ledger/reconcile.ts'
import { usageReport } from '../../src/ledger/usage-report.ts'
import { usageEvent } from '../support/usage-events.ts'

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
const NOW_MS = Date.parse('2026-11-21T12:00:00Z')
const app = new Hono().route(
  '/admin',
  createAdmin({ probe: async () => ({ ok: true, status: 200, latencyMs: 1, saw: 'ok' }), nowMs: () => NOW_MS }),
)

interface Answer {
  readonly status: number
  readonly body: JsonObject
}

async function admin(method: string, path: string, body?: unknown): Promise<Answer> {
  const response = await app.request(
    `/admin${path}`,
    {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
    { ...env, OPENAI_API_KEY: 'sk' },
  )
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
}

const snapshot = () => env.DIRECTORY.get<RoutingSnapshot>(DIRECTORY_ROUTING_NAME, 'json')
const USD = { input_usd_per_million: '3', output_usd_per_million: '15' }

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(async () => {
  for (const table of [
    'prices',
    'routes',
    'targets',
    'tenants',
    'usage_events',
    'usage_hourly',
    'usage_daily',
    'corrected',
    'applied',
  ])
    await env.DB.exec(`DELETE FROM ${table}`)
})

describe('a price', () => {
  it('is published as it was written, in integers', async () => {
    const tenant = await admin('POST', '/tenants', { name: 'acme' })
    const made = await admin('POST', '/prices', {
      provider: 'openai',
      model: 'gpt-4o*',
      tenant: 'acme',
      from: '2027-01-01T00:00:00Z',
      price: {
        ...USD,
        cache_read_usd_per_million: '0.3',
        request_usd: '0.005',
        image_usd: '0.04',
        search_usd: '0.01',
        second_usd: '0.0001',
        characters_usd_per_million: '15',
        tiers: { flex: { input_usd_per_million: '1.5', output_usd_per_million: '7.5' } },
        long_prompts: [{ above_tokens: 200_000, input_usd_per_million: '6', output_usd_per_million: '22.5' }],
        hardware: { usd_per_hour: '3.6', energy_usd_per_hour: '0.36', at_once: 8 },
      },
      note: 'contract 17',
    })
    expect(made).toMatchObject({
      status: 201,
      body: { model: 'gpt-4o*', tenant_id: tenant.body['id'], note: 'contract 17' },
    })
    const [rule] = (await snapshot())?.prices ?? []
    expect(rule).toMatchObject({
      provider: 'openai',
      tenantId: tenant.body['id'],
      fromMs: Date.parse('2027-01-01T00:00:00Z'),
    })
    expect(rule?.price).toEqual({
      input: 3_000_000,
      cacheRead: 300_000,
      cacheWrite: 3_000_000,
      cacheWriteLong: 3_000_000,
      output: 15_000_000,
      reasoning: 15_000_000,
      audioInput: 3_000_000,
      audioOutput: 15_000_000,
      units: {
        requests: 5_000_000_000,
        images: 40_000_000_000,
        searches: 10_000_000_000,
        milliseconds: 100_000,
        characters: 15_000_000,
        // $3.96 an hour, shared by eight: 137.5 nano-USD a millisecond.
        busyMilliseconds: 137_500,
      },
      tiers: {
        flex: {
          input: 1_500_000,
          cacheRead: 1_500_000,
          cacheWrite: 1_500_000,
          cacheWriteLong: 1_500_000,
          output: 7_500_000,
          reasoning: 7_500_000,
          audioInput: 1_500_000,
          audioOutput: 7_500_000,
        },
      },
      longPrompts: [
        {
          aboveTokens: 200_000,
          tokens: {
            input: 6_000_000,
            cacheRead: 6_000_000,
            cacheWrite: 6_000_000,
            cacheWriteLong: 6_000_000,
            output: 22_500_000,
            reasoning: 22_500_000,
            audioInput: 6_000_000,
            audioOutput: 22_500_000,
          },
        },
      ],
    })
    const book = new PriceBook()
    book.take((await snapshot())?.prices ?? [])
    const model = { provider: 'openai', model: 'gpt-4o-mini', price: null, priceVersion: null }
    const terms = { tenantId: String(tenant.body['id']), atMs: Date.parse('2027-01-01T00:00:00Z') }
    expect(book.priceOf(model, terms)?.priceVersion).toBe(made.body['price_version'])
    expect(book.priceOf(model, { ...terms, atMs: terms.atMs - 1 })).toBeNull()
  })

  it('can be a margin or a discount, and is gone from the edge when it is taken away', async () => {
    const made = await admin('POST', '/prices', { provider: '*', model: '*', adjust_percent: '-12.5' })
    expect(made).toMatchObject({ status: 201, body: { adjust_percent: -12.5, price: null, from_ms: NOW_MS } })
    expect((await snapshot())?.prices).toMatchObject([{ basisPoints: -1_250, price: null, tenantId: null }])
    expect((await admin('GET', `/prices/${String(made.body['id'])}`)).body).toEqual(made.body)
    expect((await admin('GET', '/prices')).body['rows']).toEqual([made.body])
    expect((await admin('DELETE', `/prices/${String(made.body['id'])}`)).status).toBe(204)
    expect((await snapshot())?.prices).toBeUndefined()
    expect((await admin('GET', `/prices/${String(made.body['id'])}`)).status).toBe(404)
  })

  it.each([
    ['neither price nor margin', { provider: '*', model: '*' }, 'price'],
    ['both', { provider: '*', model: '*', price: USD, adjust_percent: '1' }, 'price'],
    ['a provider that nobody knows', { provider: 'acme', model: '*', price: USD }, 'provider'],
    [
      'a fraction beyond what is exact',
      { provider: '*', model: '*', price: { ...USD, input_usd_per_million: '0.0000001' } },
      'price.input_usd_per_million',
    ],
    [
      'a number that is not text',
      { provider: '*', model: '*', price: { ...USD, request_usd: 0.1 } },
      'price.request_usd',
    ],
    ['more than all off', { provider: '*', model: '*', adjust_percent: '-100.01' }, 'adjust_percent'],
    [
      'a tier that nobody has',
      { provider: '*', model: '*', price: { ...USD, tiers: { gold: USD } } },
      'price.tiers.gold',
    ],
    [
      'long prompts that are shorter than the ones before',
      {
        provider: '*',
        model: '*',
        price: { ...USD, long_prompts: [9, 8].map((above_tokens) => ({ above_tokens, ...USD })) },
      },
      'price.long_prompts',
    ],
    ['a tenant that is not there', { provider: '*', model: '*', tenant: 'nobody', price: USD }, null],
    ['a date without a zone', { provider: '*', model: '*', from: '2027-01-01', price: USD }, 'from'],
  ])('is refused with %s, and nothing is stored', async (_, body, field) => {
    const refused = await admin('POST', '/prices', body)
    expect(refused.status).toBeGreaterThanOrEqual(400)
    expect(refused.body).toMatchObject({ error: { field } })
    expect((await admin('GET', '/prices')).body['rows']).toEqual([])
  })

  it('goes with its tenant', async () => {
    const { body } = await admin('POST', '/tenants', { name: 'acme' })
    await admin('POST', '/prices', { provider: '*', model: '*', tenant: 'acme', price: USD })
    await admin('DELETE', `/tenants/${String(body['id'])}`)
    expect((await admin('GET', '/prices')).body['rows']).toEqual([])
  })
})

describe('a model without a price', () => {
  const target = { provider: 'openai', model: 'my-own', credential: 'OPENAI_API_KEY', force: true }

  it('is seen at its target, until it has one', async () => {
    const made = await admin('POST', '/targets', target)
    expect(made).toMatchObject({ status: 201, body: { is_unpriced: true, price: null, price_version: null } })
    const changed = await admin('PATCH', `/targets/${String(made.body['id'])}`, { price: USD, force: true })
    expect(changed.body).toMatchObject({ is_unpriced: false, price: { input_pico_usd_per_token: 3_000_000 } })
  })

  it('is what its tenant says, told to the edge', async () => {
    const { body } = await admin('POST', '/tenants', { name: 'acme', unpriced: 'refuse' })
    expect(body).toMatchObject({ unpriced: 'refuse', default_price: null })
    const record = () => env.DIRECTORY.get<TenantRecord>(`tenant:${String(body['id'])}`, 'json')
    expect((await record())?.unpriced).toEqual({ action: 'refuse' })
    const refused = await admin('PATCH', '/tenants/acme', { unpriced: 'default' })
    expect(refused).toMatchObject({ status: 422, body: { error: { field: 'default_price' } } })
    await admin('PATCH', '/tenants/acme', { unpriced: 'default', default_price: USD })
    expect((await record())?.unpriced).toMatchObject({
      action: 'default',
      price: { input: 3_000_000, output: 15_000_000 },
      priceVersion: expect.stringMatching(/^default#[0-9a-f]{8}$/),
    })
    await admin('PATCH', '/tenants/acme', { unpriced: null })
    expect((await record())?.unpriced).toBeUndefined()
  })
})

describe('the ledger', () => {
  async function apply(outboxId: number, events: readonly UsageEvent[]): Promise<string> {
    const batch = readBatch({ v: 1, tenantId: 't', outboxId, events: `[${events.map(packEvent).join(',')}]` })
    return batch.ok ? (await applyBatch(env.DB, batch.value, NOW_MS)).kind : batch.error
  }

  it('keeps what was counted besides tokens, the tier, and that nobody knew the price', async () => {
    const at = { startedAtMs: NOW_MS, tenantId: 't' }
    const usage = { ...NO_USAGE, input: 1, units: { images: 2, searches: 3 }, tier: 'flex' } as const
    const events = [
      usageEvent('r1', { ...at, usage, costNanoUsd: 5, priceVersion: 'v' }),
      usageEvent('r2', { ...at, isUnpriced: true }),
    ]
    expect(await apply(1, events)).toBe('applied')
    const { rows } = await latestRequests(env.DB, { limit: 10, before: null })
    expect(
      rows.map(({ request_id, is_unpriced, units, service_tier }) => ({
        request_id,
        is_unpriced,
        units,
        service_tier,
      })),
    ).toEqual([
      { request_id: 'r2', is_unpriced: true, units: null, service_tier: null },
      { request_id: 'r1', is_unpriced: false, units: '{"images":2,"searches":3}', service_tier: 'flex' },
    ])
    const report = await usageReport(env.DB, { fromMs: NOW_MS - 1, toMs: NOW_MS + 3_600_000, groupBy: ['model'] })
    expect(report).toMatchObject({ ok: true, value: { rows: [{ model: 'm', unpriced: 1, requests: 2 }] } })
    expect(await reconcile(env.DB, 2, NOW_MS)).toMatchObject({ mismatches: 0 })
  })

  it.each([
    ['a unit that nobody has', { ...NO_USAGE, units: { lies: 1 } }, 'usage.units.lies'],
    ['less than none', { ...NO_USAGE, units: { images: -1 } }, 'usage.units.images'],
    ['a tier that nobody has', { ...NO_USAGE, tier: 'gold' }, 'usage.tier'],
  ])('refuses %s', async (_, usage, complaint) => {
    const event = { ...JSON.parse(packEvent(usageEvent('r1', { startedAtMs: NOW_MS }))), usage }
    const batch = readBatch({ v: 1, tenantId: 't', outboxId: 1, events: JSON.stringify([event]) })
    expect(batch).toMatchObject({ ok: false, error: expect.stringContaining(complaint) })
  })
})

describe('history at another price', () => {
  const FROM = '2026-11-21T10:00:00Z'
  const TO = '2026-11-21T13:00:00Z'
  const STARTED = { startedAtMs: NOW_MS, tenantId: 't', provider: 'openai', model: 'my-own', targetId: null }
  const usage = { ...NO_USAGE, input: 100, output: 10, units: { searches: 2 } }

  async function apply(outboxId: number, events: readonly UsageEvent[]): Promise<void> {
    const batch = readBatch({ v: 1, tenantId: 't', outboxId, events: `[${events.map(packEvent).join(',')}]` })
    expect(batch.ok ? await applyBatch(env.DB, batch.value, NOW_MS) : batch.error).toEqual({ kind: 'applied' })
  }

  async function total(): Promise<string | null> {
    const report = await usageReport(env.DB, { fromMs: NOW_MS - 3_600_000, toMs: NOW_MS + 3_600_000, groupBy: [] })
    expect(await reconcile(env.DB, 4, NOW_MS)).toMatchObject({ mismatches: 0 })
    return report.ok ? report.value.total.cost_nano_usd : null
  }

  const rerated = async (id: string, more: object = {}): Promise<JsonObject> => {
    const answer = await admin('POST', '/rerate', { id, from: FROM, to: TO, ...more })
    expect(answer.status).toBe(200)
    return answer.body
  }

  beforeEach(async () => {
    await apply(1, [
      usageEvent('r1', { ...STARTED, usage, costNanoUsd: 7, priceVersion: 'wrong' }),
      usageEvent('r2', { ...STARTED, usage, isUnpriced: true }),
      usageEvent('r3', { ...STARTED, model: 'other', usage, costNanoUsd: 5 }),
      usageEvent('r4', { ...STARTED, usage, ending: 'lost', isEstimated: true, costNanoUsd: 1_000_000 }),
      usageEvent('r5', { ...STARTED, usage, startedAtMs: Date.parse(TO), costNanoUsd: 3 }),
    ])
    const price = { ...USD, search_usd: '0.01' }
    await admin('POST', '/prices', { provider: 'openai', model: 'my-own', from: '2026-01-01T00:00:00Z', price })
  })

  // 100 × 3 + 10 × 15 USD a million, and two searches.
  const RIGHT = 450_000 + 20_000_000

  it('is told first, and changes nothing then', async () => {
    const before = await total()
    expect(await rerated('fix', { model: 'my-own', dry_run: true })).toMatchObject({
      attempts: 2,
      changed: 2,
      before_nano_usd: '7',
      after_nano_usd: String(2 * RIGHT),
      next: null,
    })
    expect(await total()).toBe(before)
  })

  it('is charged by the difference, once, in events of their own and in the sums', async () => {
    expect(await rerated('fix', { model: 'my-own' })).toMatchObject({ attempts: 2, changed: 2 })
    const right = String(2 * RIGHT + 5 + 1_000_000)
    expect(await total()).toBe(right)
    expect(await rerated('fix', { model: 'my-own' })).toMatchObject({ attempts: 2, changed: 0 })
    expect(await rerated('again', { model: 'my-own' })).toMatchObject({ attempts: 2, changed: 0 })
    expect(await total()).toBe(right)
    const stored = await env.DB.prepare(
      `SELECT request_id, kind, cost_nano_usd, input_tokens, price_version FROM usage_events WHERE kind <> 'cost' ORDER BY 1`,
    ).all()
    expect(stored.results).toMatchObject([
      { request_id: 'r1', kind: 'correction:fix', cost_nano_usd: RIGHT - 7, input_tokens: 0 },
      { request_id: 'r2', kind: 'correction:fix', cost_nano_usd: RIGHT, input_tokens: 0 },
    ])
    const first = await env.DB.prepare(
      `SELECT cost_nano_usd FROM usage_events WHERE request_id = 'r1' AND kind = 'cost'`,
    ).first()
    expect(first).toEqual({ cost_nano_usd: 7 })
    const { rows } = await latestRequests(env.DB, { limit: 10, before: null })
    expect(rows.find((row) => row.request_id === 'r1')?.cost_nano_usd).toBe(String(RIGHT))
    expect(rows.filter((row) => row.request_id === 'r1')).toHaveLength(1)
  })

  it('can be put right again, down as well as up', async () => {
    await rerated('fix', { model: 'my-own' })
    await admin('POST', '/prices', { provider: 'openai', model: 'my-own', from: '2026-02-01T00:00:00Z', price: USD })
    await rerated('lower', { model: 'my-own' })
    expect(await total()).toBe(String(2 * 450_000 + 5 + 1_000_000))
  })

  it('counts what a lost attempt came to after all', async () => {
    const true_ = { ...STARTED, kind: 'adj', usage: { ...NO_USAGE, input: -40 }, costNanoUsd: -999_990 } as const
    await apply(2, [usageEvent('r4', true_)])
    await rerated('fix', { model: 'my-own' })
    const { rows } = await latestRequests(env.DB, { limit: 10, before: null })
    const found = rows.find((row) => row.request_id === 'r4')
    expect(found).toMatchObject({ input_tokens: 60, cost_nano_usd: String(60 * 3_000 + 150_000 + 20_000_000) })
  })

  it('is no difference to a budget, which held what was known', async () => {
    const [node] = [
      { scope: 'tenant', id: 't', model: null, period: 'month', heldNanoUsd: 0, limitNanoUsd: 1e12 },
    ] as const
    const [windowStartMs, windowEndMs] = [Date.parse(FROM), Date.parse(TO)]
    const known = 7 + 5 + 1_000_000
    const compare = async (spentNanoUsd: number) => {
      const nodes = [{ ...node, windowStartMs, windowEndMs, spentNanoUsd }]
      return (await auditBudgets(env.DB, 't', { nodes, unconfirmed: 0 }))[0]
    }
    expect(await compare(known)).toMatchObject({ agrees: true, rerated_nano_usd: '0' })
    await rerated('fix', { model: 'my-own' })
    const rerated_nano_usd = String(2 * RIGHT - 7)
    expect(await compare(known)).toMatchObject({ agrees: true, rerated_nano_usd, ledger_nano_usd: await total() })
    await rerated('fix', { model: 'my-own' })
    await admin('POST', '/prices', { provider: 'openai', model: 'my-own', from: '2026-02-01T00:00:00Z', price: USD })
    await rerated('lower', { model: 'my-own' })
    expect(await compare(known)).toMatchObject({ agrees: true, rerated_nano_usd: String(2 * 450_000 - 7) })
    expect(await compare(known + 1)).toMatchObject({ agrees: false, difference_nano_usd: '1' })
  })

  it('leaves alone what nobody has a price for', async () => {
    expect(await rerated('fix', { model: 'other' })).toMatchObject({ attempts: 1, changed: 0, unpriced: 1 })
  })
})
