// What the ledger shows that no limiter tells of: found once a window, within its bounds and not below them.
import { applyD1Migrations, type D1Migration } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { watchLedger } from '../../src/alerting.ts'
import { createAdmin } from '../../src/control-plane/admin.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import type { AlertRow } from '../../src/ledger/alerts/alert.ts'
import { wordsOf } from '../../src/ledger/alerts/words.ts'
import { applyBatch } from '../../src/ledger/apply-batch.ts'
import { textAt } from '../../src/ledger/event-times.ts'
import { readBatch } from '../../src/ledger/read-batch.ts'
import { usageEvent } from '../support/usage-events.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env {
      DB: D1Database
      TEST_MIGRATIONS: D1Migration[]
    }
  }
}

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const WEEK_MS = 7 * DAY_MS
// A Saturday.
const NOON_MS = Date.UTC(2026, 10, 21, 12)
/** Minutes in which anomalies of the running hour aren't looked for. */
const NOW_MS = NOON_MS + 32 * MINUTE_MS
const TOKEN = 'admin-token-of-the-tests'
const TABLES = [
  'alerts',
  'alert_channels',
  'alert_deliveries',
  'alert_rules',
  'applied',
  'usage_events',
  'usage_hourly',
  'provider_minutes',
]
const CONFIGURED = ['virtual_keys', 'teams', 'tenants']

let made = 0

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(async () => {
  await env.DB.batch([...TABLES, ...CONFIGURED].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
  await env.DB.batch([
    env.DB.prepare(
      `INSERT INTO tenants (id, name, cache_mode, cache_ttl_seconds, time_zone, created_at_ms)
       VALUES ('ten_a', 'acme', 'off', 60, 'Europe/Berlin', 0)`,
    ),
    env.DB.prepare(`INSERT INTO teams (id, tenant_id, name, created_at_ms) VALUES ('team_1', 'ten_a', 'research', 0)`),
    env.DB.prepare(
      `INSERT INTO virtual_keys (id, kid, tenant_id, team_id, name, hashes, tags, models, created_at_ms)
       VALUES ('key_1', 'kid', 'ten_a', 'team_1', 'lab', '[]', '[]', '[]', 0)`,
    ),
  ])
})

/** Books attempts, each as the fields say, at `startedAtMs`. */
async function book(count: number, startedAtMs: number, fields: Partial<UsageEvent> = {}): Promise<void> {
  const events = Array.from({ length: count }, (_, at) =>
    usageEvent(`${textAt(startedAtMs)}-${made}-${at}`, {
      startedAtMs,
      tenantId: 'ten_a',
      keyId: 'key_1',
      provider: 'openai',
      model: 'gpt-4o',
      costNanoUsd: 0,
      ...fields,
    }),
  )
  made += 1
  const tenantId = fields.tenantId ?? 'ten_a'
  const batch = readBatch({ v: 1, tenantId, outboxId: made, events: JSON.stringify(events) })
  if (!batch.ok) throw new Error(batch.error)
  expect(await applyBatch(env.DB, batch.value, startedAtMs)).toEqual({ kind: 'applied' })
}

const FAILED = { status: 502, ending: 'failed', failure: 'server' } as const

async function alerts(): Promise<readonly AlertRow[]> {
  return (await env.DB.prepare(`SELECT * FROM alerts ORDER BY scope, subject_id, seq`).all<AlertRow>()).results
}

async function subjects(): Promise<readonly string[]> {
  return (await alerts()).map(({ kind, tenant_id, scope, subject_id }) => `${kind} ${tenant_id} ${scope} ${subject_id}`)
}

describe('calls that fail', () => {
  it('too often are told of by key, model and provider, once an hour', async () => {
    await book(10, NOW_MS - 4 * MINUTE_MS)
    await book(10, NOW_MS - 2 * MINUTE_MS, FAILED)
    await watchLedger(env.DB, NOW_MS, false)
    await watchLedger(env.DB, NOW_MS + MINUTE_MS, false)
    expect(await subjects()).toEqual([
      'error-rate ten_a key key_1',
      'error-rate  model gpt-4o',
      'error-rate  provider openai',
    ])
    const [first] = await alerts()
    expect(first === undefined ? null : wordsOf(first)).toMatchObject({
      title: '50 % of the calls of key lab fail',
      lines: ['10 of 20 calls failed for acme in the five minutes before 2026-11-21 12:32 UTC.', expect.anything()],
    })
    await book(20, NOW_MS + 58 * MINUTE_MS, FAILED)
    await watchLedger(env.DB, NOW_MS + 59 * MINUTE_MS, false)
    expect((await alerts()).filter(({ kind }) => kind === 'error-rate')).toHaveLength(6)
  })

  it('by the client’s own mistake count for its key alone', async () => {
    await book(30, NOW_MS - MINUTE_MS, { status: 400, ending: 'failed', failure: 'client' })
    await watchLedger(env.DB, NOW_MS, false)
    expect(await subjects()).toEqual(['error-rate ten_a key key_1'])
  })

  it('too rarely, too few or too long ago are nobody’s business', async () => {
    await book(11, NOW_MS - MINUTE_MS, { keyId: 'few' })
    await book(9, NOW_MS - MINUTE_MS, { ...FAILED, keyId: 'few' })
    await book(19, NOW_MS - MINUTE_MS, { ...FAILED, keyId: 'other', provider: 'small', model: 'small' })
    await book(50, NOW_MS - 7 * MINUTE_MS, { ...FAILED, keyId: 'then', provider: 'then', model: 'then' })
    await watchLedger(env.DB, NOW_MS, false)
    expect((await subjects()).filter((subject) => subject.startsWith('error-rate'))).toEqual([])
  })

  it('that another target made good are not the client’s, but the provider’s', async () => {
    await book(20, NOW_MS - MINUTE_MS, { ...FAILED, isFinal: false })
    await book(20, NOW_MS - MINUTE_MS, { provider: 'anthropic', model: 'claude', attempt: 2 })
    await watchLedger(env.DB, NOW_MS, false)
    expect(await subjects()).toEqual(['error-rate  model gpt-4o', 'error-rate  provider openai'])
  })
})

describe('a provider', () => {
  it('whose calls have done nothing but fail for five minutes is down; told once an hour', async () => {
    await book(1, NOW_MS - 9 * MINUTE_MS)
    for (const ago of [8, 6, 1]) await book(1, NOW_MS - ago * MINUTE_MS, FAILED)
    await watchLedger(env.DB, NOW_MS - 4 * MINUTE_MS, false)
    expect(await subjects()).toEqual([])
    await watchLedger(env.DB, NOW_MS, false)
    await watchLedger(env.DB, NOW_MS + MINUTE_MS, false)
    expect(await subjects()).toEqual(['provider-down  provider openai'])
    const [down] = await alerts()
    expect(down === undefined ? null : wordsOf(down)).toMatchObject({
      title: 'provider openai has been down for 8 minutes',
      lines: ['No call of it has succeeded since 2026-11-21 12:24 UTC; 3 failed (server).', expect.anything()],
    })
  })

  it('is found down however much is called besides, and costs nothing to watch while it never fails', async () => {
    await book(100, NOW_MS - 9 * MINUTE_MS, { provider: 'busy' })
    expect(await env.DB.prepare(`SELECT count(*) FROM provider_minutes`).raw()).toEqual([[0]])
    for (const ago of [8, 6, 1]) await book(1, NOW_MS - ago * MINUTE_MS, FAILED)
    await env.DB.prepare(`DELETE FROM usage_events`).run()
    await watchLedger(env.DB, NOW_MS, false)
    expect(await subjects()).toEqual(['provider-down  provider openai'])
    await watchLedger(env.DB, NOW_MS + 3 * HOUR_MS, true)
    expect(await env.DB.prepare(`SELECT count(*) FROM provider_minutes`).raw()).toEqual([[0]])
  })

  it('that has answered since, or isn’t called any more, is not', async () => {
    for (const ago of [8, 6, 5]) await book(1, NOW_MS - ago * MINUTE_MS, FAILED)
    await book(1, NOW_MS - 4 * MINUTE_MS)
    for (const ago of [50, 45, 40]) await book(1, NOW_MS - ago * MINUTE_MS, { ...FAILED, provider: 'left' })
    await watchLedger(env.DB, NOW_MS, false)
    expect(await subjects()).toEqual([])
  })
})

describe('a model', () => {
  it('without a price that is used is told of once a day and tenant', async () => {
    await book(3, NOW_MS - MINUTE_MS, { isUnpriced: true, model: 'mystery' })
    await book(1, NOW_MS - MINUTE_MS, { isUnpriced: true, model: 'mystery', tenantId: 'ten_b' })
    await watchLedger(env.DB, NOW_MS, false)
    await book(1, NOW_MS + HOUR_MS, { isUnpriced: true, model: 'mystery' })
    await watchLedger(env.DB, NOW_MS + HOUR_MS, false)
    expect(await subjects()).toEqual(['unknown-price ten_a model mystery', 'unknown-price ten_b model mystery'])
    const [first] = await alerts()
    expect(first === undefined ? null : wordsOf(first).title).toBe('mystery of openai was used and has no price')
  })
})

describe('an hour', () => {
  const dollars = (usd: number) => ({ costNanoUsd: usd * 1e9 })

  it('that costs a key far more than the same hour of the weeks before is told of while it runs', async () => {
    for (const week of [1, 2, 4]) await book(1, NOON_MS - week * WEEK_MS, dollars(2))
    await book(1, NOON_MS - WEEK_MS, { ...dollars(100), keyId: 'regular' })
    await book(1, NOON_MS - 2 * WEEK_MS, { ...dollars(100), keyId: 'regular' })
    await book(1, NOON_MS, { ...dollars(100), keyId: 'regular' })
    await book(1, NOON_MS, { ...dollars(100), keyId: 'new' })
    await book(1, NOON_MS, dollars(9))
    await watchLedger(env.DB, NOON_MS + 5 * MINUTE_MS, false)
    expect(await subjects()).toEqual([])
    await book(1, NOON_MS + MINUTE_MS, dollars(1))
    await watchLedger(env.DB, NOON_MS + 10 * MINUTE_MS, false)
    await watchLedger(env.DB, NOON_MS + 15 * MINUTE_MS, false)
    await watchLedger(env.DB, NOON_MS + 67 * MINUTE_MS, true)
    expect(await subjects()).toEqual(['anomaly ten_a key key_1'])
    const [first] = await alerts()
    expect(first === undefined ? null : wordsOf(first).lines[0]).toBe(
      '$10.00 is spent for acme since 2026-11-21 12:00 UTC; the same hour of the weeks before cost $2.00.',
    )
  })

  it('of small money is not', async () => {
    for (const week of [1, 2]) await book(1, NOON_MS - week * WEEK_MS, dollars(0.01))
    await book(1, NOON_MS, dollars(0.99))
    await watchLedger(env.DB, NOON_MS + 5 * MINUTE_MS, false)
    expect(await subjects()).toEqual([])
  })
})

describe('a month', () => {
  // In Berlin November began an hour before UTC's; 20.5 of 30 days are over.
  const START_MS = Date.UTC(2026, 9, 31, 23)

  it('that will not last is told of once, for tenants, teams and keys', async () => {
    await env.DB.batch([
      env.DB.prepare(`UPDATE tenants SET budget_nano_usd = 100000000000, budget_period = 'month'`),
      env.DB.prepare(`UPDATE teams SET budget_nano_usd = 1000000000, budget_period = 'day'`),
      env.DB.prepare(
        `UPDATE virtual_keys SET limit_rules = '[{"kind":"budget","amount_usd":"200","period":"month","model":null},{"kind":"budget","amount_usd":"1","period":"month","model":"m"}]'`,
      ),
    ])
    await book(1, START_MS - MINUTE_MS, { costNanoUsd: 500e9 })
    await book(1, START_MS, { costNanoUsd: 50e9, teamId: 'team_1' })
    await book(1, NOON_MS, { costNanoUsd: 19e9, teamId: 'team_1' })
    await watchLedger(env.DB, NOW_MS, true)
    await watchLedger(env.DB, NOW_MS + DAY_MS, true)
    expect(await subjects()).toEqual(['forecast ten_a tenant ten_a'])
    const [first] = await alerts()
    expect(first).toMatchObject({ window_start_ms: START_MS, window_end_ms: START_MS + 30 * DAY_MS })
    expect(first === undefined ? null : wordsOf(first)).toMatchObject({
      title: 'At this pace the month of tenant acme costs $100.66, its budget is $100.00',
      lines: ['$69.00 is spent, since 2026-10-31 23:00 UTC.', expect.anything()],
    })
    await book(1, NOON_MS, { costNanoUsd: 70e9, teamId: 'team_1' })
    await watchLedger(env.DB, NOW_MS, true)
    expect(await subjects()).toEqual(['forecast ten_a key key_1', 'forecast ten_a tenant ten_a'])
  })

  it('is nobody’s business at its beginning, or once the budget is used up', async () => {
    await env.DB.prepare(`UPDATE tenants SET budget_nano_usd = 10000000000, budget_period = 'month'`).run()
    await book(1, START_MS, { costNanoUsd: 9e9 })
    await watchLedger(env.DB, START_MS + DAY_MS, true)
    await book(1, START_MS + DAY_MS, { costNanoUsd: 1e9 })
    await watchLedger(env.DB, NOW_MS, true)
    expect(await subjects()).toEqual([])
  })
})

describe('rules', () => {
  const app = new Hono().route('/admin', createAdmin({ services: [], probe: () => Promise.reject(new Error('none')) }))
  async function call(method: string, path: string, body?: object) {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const answer = await app.request(`/admin${path}`, init, { DB: env.DB, ADMIN_TOKEN: TOKEN, ENVIRONMENT: 'local' })
    const text = await answer.text()
    const parsed: unknown = text === '' ? null : JSON.parse(text)
    return { status: answer.status, body: parsed }
  }

  it('of a tenant come before everybody’s, those before the usual; null is none', async () => {
    const usual = {
      error_rate: { percent: 50, min_calls: 20 },
      provider_down: { minutes: 5 },
      unknown_price: true,
      forecast: { percent: 100 },
      anomaly: { factor: 5, min_usd: '1.00' },
    }
    expect(await call('GET', '/alert-rules')).toMatchObject({ body: { rules: usual, tenants: [] } })
    const shared = {
      error_rate: { percent: 10, min_calls: 5 },
      forecast: null,
      anomaly: { factor: 9, min_usd: '2.50' },
    }
    expect(await call('PUT', '/alert-rules', shared)).toMatchObject({
      status: 200,
      body: { rules: { ...usual, ...shared } },
    })
    expect(await call('PUT', '/alert-rules/acme', { error_rate: null, unknown_price: false })).toMatchObject({
      status: 200,
    })
    const own = { ...usual, ...shared, error_rate: null, unknown_price: false }
    expect(await call('GET', '/alert-rules/ten_a')).toEqual({ status: 200, body: { tenant_id: 'ten_a', rules: own } })
    expect(await call('GET', '/alert-rules')).toMatchObject({ body: { tenants: [{ tenant_id: 'ten_a', rules: own }] } })
    await book(5, NOW_MS - MINUTE_MS, { ...FAILED, isUnpriced: true })
    await book(5, NOW_MS - MINUTE_MS, { ...FAILED, isUnpriced: true, tenantId: 'ten_b' })
    await watchLedger(env.DB, NOW_MS, false)
    expect(await subjects()).toEqual([
      'error-rate ten_b key key_1',
      'error-rate  model gpt-4o',
      'unknown-price ten_b model gpt-4o',
      'error-rate  provider openai',
    ])
    expect(await call('DELETE', '/alert-rules/acme')).toMatchObject({ status: 204 })
    expect(await call('GET', '/alert-rules/acme')).toMatchObject({ body: { rules: { ...usual, ...shared } } })
    expect(await call('DELETE', '/alert-rules')).toMatchObject({ status: 204 })
    expect(await call('GET', '/alert-rules/acme')).toMatchObject({ body: { rules: usual } })
  })

  it.each([
    [{ error_rate: { percent: 0, min_calls: 1 } }, 'error_rate.percent'],
    [{ error_rate: { percent: 50 } }, 'error_rate.min_calls'],
    [{ provider_down: { minutes: 61 } }, 'provider_down.minutes'],
    [{ unknown_price: 'yes' }, 'unknown_price'],
    [{ forecast: 100 }, 'forecast'],
    [{ anomaly: { factor: 5, min_usd: '0' } }, 'anomaly.min_usd'],
    [{ anomaly: { factor: 5, min_usd: '1', color: 1 } }, 'anomaly.color'],
    [{ nothing: 1 }, 'nothing'],
  ])('name the field of %j that is wrong', async (body, field) => {
    expect(await call('PUT', '/alert-rules', body)).toMatchObject({ status: 422, body: { error: { field } } })
  })

  it('about providers are everybody’s', async () => {
    const answer = await call('PUT', '/alert-rules/acme', { provider_down: { minutes: 9 } })
    expect(answer).toMatchObject({ status: 422, body: { error: { field: 'provider_down' } } })
    expect(await call('PUT', '/alert-rules/none', {})).toMatchObject({ status: 404 })
  })
})
