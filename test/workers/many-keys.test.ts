// What is read and sent of a tenant with many keys: reports that don't grow with them, feeds of the dashboard that stay small.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { sumDays } from '../../src/ledger/days.ts'
import type { Group, ReportQuery } from '../../src/ledger/report-query.ts'
import { rankKeys } from '../../src/ledger/rank-keys.ts'
import { ledgerState } from '../../src/ledger/report-source.ts'
import { type Report, report } from '../../src/ledger/report.ts'
import { summary } from '../../src/ledger/summary.ts'

const HOUR_MS = 3_600_000
const NOON_MS = Date.UTC(2026, 10, 20, 12)
const SUMS = [
  'usage_hourly',
  'usage_daily',
  'usage_hourly_teams',
  'usage_daily_teams',
  'usage_daily_keys',
  'usage_weekly_keys',
]
const TABLES = [...SUMS, 'usage_late', 'usage_zones', 'ledger_progress', 'virtual_keys', 'tenants']

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))

/** The real database, and how many rows have been read of it, in batches and by statements that are asked for all. */
function counting(): { db: D1Database; read: () => number } {
  let rows = 0
  const wrapped = new WeakMap<D1PreparedStatement, D1PreparedStatement>()
  function wrap(statement: D1PreparedStatement): D1PreparedStatement {
    const counted = new Proxy(statement, {
      get(target, property) {
        if (property === 'bind') return (...values: unknown[]) => wrap(target.bind(...values))
        const value: unknown = Reflect.get(target, property)
        if (property !== 'all') return typeof value === 'function' ? value.bind(target) : value
        return async () => {
          const found = await target.all()
          rows += found.meta.rows_read
          return found
        }
      },
    })
    wrapped.set(counted, statement)
    return counted
  }
  const db = new Proxy(env.DB, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (property === 'batch') {
        return async (statements: D1PreparedStatement[]) => {
          const results = await target.batch(statements.map((one) => wrapped.get(one) ?? one))
          for (const { meta } of results) rows += meta.rows_read
          return results
        }
      }
      if (property === 'prepare') return (sql: string) => wrap(target.prepare(sql))
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { db, read: () => rows }
}

function asked(fields: Partial<ReportQuery>): ReportQuery {
  return {
    ...{ fromMs: 0, toMs: NOON_MS, metrics: ['spend', 'requests'], groupBy: [], filters: {}, limit: 1000 },
    isCompared: false,
    ...fields,
  }
}

async function reported(fields: Partial<ReportQuery>): Promise<Report> {
  const found = await report(env.DB, asked(fields))
  if (!found.ok) throw new Error(found.error)
  return found.value
}

describe('of a tenant with many keys', () => {
  const HOURS = 60
  const END_MS = NOON_MS - 4 * HOUR_MS
  const span = { fromMs: END_MS - HOURS * HOUR_MS, toMs: END_MS }
  const SPENT = `(k + 1) * 1000 + hour % 7`

  /** Keys that are configured, each with the same hours, and the sums of the consumer's runs. */
  async function fill(keys: number): Promise<void> {
    const list = JSON.stringify(Array.from({ length: keys }, (_, at) => at))
    const hours = JSON.stringify(Array.from({ length: HOURS }, (_, at) => span.fromMs + at * HOUR_MS))
    await env.DB.batch([
      ...TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
      env.DB.prepare(
        `INSERT INTO tenants (id, name, cache_mode, cache_ttl_seconds, time_zone, created_at_ms) VALUES ('ten_a', 'a', 'off', 60, 'UTC', 0)`,
      ),
      env.DB.prepare(`INSERT INTO usage_zones VALUES ('ten_a', 'UTC')`),
      env.DB.prepare(
        `INSERT INTO virtual_keys (id, kid, tenant_id, name, hashes, tags, models, created_at_ms)
        SELECT 'key_' || value, 'kid' || value, 'ten_a', 'service-' || value, '[]', '[]', '[]', 0 FROM json_each(?1)`,
      ).bind(list),
      env.DB.prepare(
        `INSERT INTO usage_hourly (hour_ms, tenant_id, team_id, key_id, cost_center, provider, model, route, requests, cost_nano_usd,
          latency_ms, latency_to_1000)
        SELECT hour, 'ten_a', '', 'key_' || k, '', 'openai', 'm' || (k % 3), 'route_1', 1, ${SPENT}, 900, 1
        FROM (SELECT k.value AS k, h.value AS hour FROM json_each(?1) AS k CROSS JOIN json_each(?2) AS h)`,
      ).bind(list, hours),
    ])
    for (let run = 0; run < 2; run++) await sumDays(env.DB, NOON_MS)
  }

  it('reports by anything else read as many rows as of a tenant with few', async () => {
    const names: Group[][] = [[], ['model'], ['day', 'team'], ['hour', 'model'], ['traffic', 'route', 'cost_center']]
    const readOf = async (keys: number): Promise<readonly number[]> => {
      await fill(keys)
      const rows = []
      for (const groupBy of names) {
        const { db, read } = counting()
        const found = await report(db, asked({ ...span, groupBy, metrics: ['spend', 'latency', 'requests'] }))
        expect(found.ok && found.value.total['requests']).toBe(keys * HOURS)
        rows.push(read())
      }
      return rows
    }
    const few = await readOf(30)
    expect(Math.min(...few)).toBeGreaterThan(0)
    expect(await readOf(600)).toEqual(few)
  })

  it('so does a summary without them, and one of them by themselves is the same table', async () => {
    const names = ['model', 'team', 'tenant'] as const
    const readOf = async (keys: number): Promise<number> => {
      await fill(keys)
      const { db, read } = counting()
      const found = await summary(db, { ...span, tenantId: null, teamId: null }, names)
      expect(found.total.requests).toBe(keys * HOURS)
      expect(found.tables.key).toBeUndefined()
      return read()
    }
    const few = await readOf(30)
    expect(few).toBeGreaterThan(0)
    expect(await readOf(300)).toBe(few)
    const owner = { tenantId: null, teamId: null }
    const whole = await summary(env.DB, { ...span, ...owner })
    expect((await summary(env.DB, { ...span, ...owner }, ['key'])).tables).toEqual({ key: whole.tables.key })
  })

  it('those by key and more tell the first 200 by themselves and the others together, to the nano-dollar', async () => {
    const KEYS = 230
    await fill(KEYS)
    const nano = (k: number, from = 0, to = HOURS): bigint => {
      let sum = 0n
      for (let at = from; at < to; at++) sum += BigInt((k + 1) * 1000 + ((span.fromMs + at * HOUR_MS) % 7))
      return sum
    }
    const all = Array.from({ length: KEYS }, (_, k) => k).toReversed()
    const { rows, total, is_cut } = await reported({ ...span, groupBy: ['key', 'model'] })
    expect(is_cut).toBe(false)
    const told = rows.filter(({ values }) => values['key'] !== null)
    expect(told.map(({ values }) => [values['key'], values['model'], values['cost_nano_usd']])).toEqual(
      all.slice(0, 200).map((k) => [`key_${k}`, `m${k % 3}`, String(nano(k))]),
    )
    const others = Map.groupBy(all.slice(200), (k) => `m${k % 3}`)
    for (const [model, keys] of others) {
      const sum = keys.reduce((rest, k) => rest + nano(k), 0n)
      const row = rows.find(({ values }) => values['key'] === null && values['model'] === model)
      expect(row?.values).toMatchObject({ cost_nano_usd: String(sum), requests: keys.length * HOURS })
    }
    const sum = all.reduce((rest, k) => rest + nano(k), 0n)
    expect(total).toMatchObject({ cost_nano_usd: String(sum), requests: KEYS * HOURS })

    const byHour = await reported({ ...span, groupBy: ['hour', 'key'], limit: 20_000 })
    expect(byHour.rows).toHaveLength(HOURS * 201)
    expect(byHour.rows.reduce((rest, { values }) => rest + BigInt(values['cost_nano_usd'] ?? 0), 0n)).toBe(sum)
    const times = await reported({ ...span, groupBy: ['key'], metrics: ['latency', 'requests'], limit: 3 })
    expect(times.rows).toHaveLength(3)
    expect(times.is_cut).toBe(true)
    expect(times.rows[0]?.values).toMatchObject({ latency_mean_ms: 900, requests: HOURS })
    const one = await reported({ ...span, groupBy: ['hour'], filters: { key: ['key_5'] } })
    expect(one.total['cost_nano_usd']).toBe(String(nano(5)))
    expect(one.rows).toHaveLength(HOURS)
    // A key that isn't configured any more is found as well.
    await env.DB.prepare(`DELETE FROM virtual_keys WHERE id IN ('key_5', 'key_229')`).run()
    expect((await reported({ ...span, filters: { key: ['key_5'] } })).total['cost_nano_usd']).toBe(String(nano(5)))
    const without = await summary(env.DB, { ...span, tenantId: null, teamId: null })
    expect(without.tables.key?.rows[0]).toMatchObject({ id: 'key_229', cost_nano_usd: String(nano(229)) })
  })

  it('months of keys are read by weeks, and are what hours say: at any edge, after what came late, and in another time zone', async () => {
    const KEYS = 12
    const DAYS = 45
    const DAY_MS = 24 * HOUR_MS
    const beginMs = Math.floor((NOON_MS - DAYS * DAY_MS) / DAY_MS) * DAY_MS
    await fill(1)
    await env.DB.batch([
      ...SUMS.map((table) => env.DB.prepare(`DELETE FROM ${table}`)),
      env.DB.prepare(`DELETE FROM ledger_progress`),
      env.DB.prepare(
        `INSERT INTO usage_hourly (hour_ms, tenant_id, team_id, key_id, cost_center, provider, model, route, requests, cost_nano_usd)
        SELECT ?1 + day * ${DAY_MS} + k * ${2 * HOUR_MS}, 'ten_a', '', 'key_' || k, '', 'openai', 'm', 'r', 1, (k * 7919 + day * 104729) % 1000003
        FROM (SELECT k.value AS k, d.value AS day FROM json_each(?2) AS k CROSS JOIN json_each(?3) AS d)`,
      ).bind(beginMs, JSON.stringify([...Array(KEYS).keys()]), JSON.stringify([...Array(DAYS).keys()])),
    ])
    const SPANS = [
      [0, DAYS],
      [1, 30],
      [3.25, 33.5],
      [6, 13],
      [9, 22],
      [2, 44.5],
    ] as const
    const agree = async (): Promise<void> => {
      for (const [from, to] of SPANS) {
        const within = { fromMs: beginMs + from * DAY_MS, toMs: beginMs + to * DAY_MS }
        const { results } = await env.DB.prepare(
          `SELECT key_id, CAST(sum(cost_nano_usd) AS TEXT) AS nano, sum(requests) AS requests FROM usage_hourly
          WHERE hour_ms >= ?1 AND hour_ms < ?2 GROUP BY key_id ORDER BY sum(cost_nano_usd) DESC, key_id`,
        )
          .bind(within.fromMs, within.toMs)
          .all()
        const owner = { tenantId: null, teamId: null }
        const rows = (await summary(env.DB, { ...within, ...owner }, ['key'])).tables.key?.rows ?? []
        expect(rows.map(({ id, cost_nano_usd, requests }) => ({ key_id: id, nano: cost_nano_usd, requests }))).toEqual(
          results,
        )
        const found = await reported({ ...within, groupBy: ['tenant', 'key'] })
        expect(found.rows.map(({ values }) => values['cost_nano_usd'])).toEqual(results.map(({ nano }) => nano))
      }
    }
    const run = async (): Promise<void> => {
      for (let at = 0; at < 3; at++) await sumDays(env.DB, NOON_MS)
    }
    await run()
    await agree()
    // Six weeks in as many rows of a key as there are weeks, and the days at their edges.
    const state = await ledgerState(env.DB)
    const readOf = async (weeksUntilMs: number): Promise<number> => {
      const { db, read } = counting()
      const within = { fromMs: beginMs + DAY_MS, toMs: beginMs + 43 * DAY_MS, tenants: null, teams: null }
      const ranking = await rankKeys(db, { ...within, by: 'cost_nano_usd', limit: 5 }, { ...state, weeksUntilMs })
      expect(ranking.count).toBe(KEYS)
      return read()
    }
    expect(await readOf(state.weeksUntilMs)).toBeLessThan((await readOf(0)) / 2)
    // Late for a day that is in a week.
    await env.DB.batch([
      env.DB.prepare(
        `UPDATE usage_hourly SET cost_nano_usd = cost_nano_usd + 5000000 WHERE key_id = 'key_3' AND hour_ms = ?1`,
      ).bind(beginMs + 10 * DAY_MS + 6 * HOUR_MS),
      env.DB.prepare(`INSERT INTO usage_late (tenant_id, quarter_ms) VALUES ('ten_a', ?1)`).bind(
        beginMs + 10 * DAY_MS + 6 * HOUR_MS,
      ),
    ])
    await agree()
    await run()
    await agree()
    await env.DB.prepare(`UPDATE tenants SET time_zone = 'America/New_York'`).run()
    await run()
    await agree()
  })

  it('what the dashboard reads stays small, and its pages of keys are in the order that is asked for', async () => {
    const KEYS = 2_000
    await fill(KEYS)
    const token = 'operator-token-0123456789'
    const admin = createAdmin({ nowMs: () => NOON_MS, probe: () => Promise.reject(new Error('unused')) })
    const read = async (at: string): Promise<string> => {
      const headers = { authorization: `Bearer ${token}` }
      const answer = await admin.request(at, { headers }, { ...env, ADMIN_TOKEN: token })
      expect(answer.status, at).toBe(200)
      return answer.text()
    }
    const from = `from=${span.fromMs}&to=${span.toMs}`
    for (const at of ['/overview', `/summary?${from}`, `/summary/history?${from}&by=key&bucket=hour`, '/keys/lines']) {
      expect((await read(at)).length, at).toBeLessThan(100_000)
    }
    // What needs no keys is asked for without them.
    const told = z.object({ total: z.object({ requests: z.number() }), tables: z.record(z.string(), z.unknown()) })
    for (const tables of ['model,tenant', 'key', '']) {
      const found = told.parse(JSON.parse(await read(`/summary?${from}&tables=${tables}`)))
      expect(Object.keys(found.tables).join(',')).toBe(tables)
      expect(found.total.requests).toBe(KEYS * HOURS)
    }
    const lines = z.object({ count: z.number(), page: z.number(), rows: z.array(z.object({ id: z.string() })) })
    const pageOf = async (asked: string) => lines.parse(JSON.parse(await read(`/keys/lines?${asked}`)))
    const idsOf = async (asked: string) => (await pageOf(asked)).rows.map(({ id }) => id)
    expect(await idsOf('limit=3')).toEqual(['key_1999', 'key_1998', 'key_1997'])
    expect(await idsOf('limit=2&page=1&order=reversed')).toEqual(['key_2', 'key_3'])
    expect(await idsOf('sort=name&limit=2&q=SERVICE-19')).toEqual(['key_19', 'key_190'])
    expect((await idsOf('sort=used&limit=5')).length).toBe(5)
    // Beyond the last page is the last page.
    expect(await pageOf('limit=200&page=77')).toMatchObject({ count: KEYS, page: 9 })
    expect(await pageOf('q=nothing+like+it')).toEqual({ count: 0, page: 0, rows: [] })
    const named = z.object({ rows: z.array(z.object({ id: z.string(), name: z.string() })), count: z.number() })
    const names = named.parse(JSON.parse(await read('/keys/names?ids=key_7,key_none')))
    expect(names).toEqual({ rows: [{ id: 'key_7', name: 'service-7' }], count: 1 })
    expect(named.parse(JSON.parse(await read('/keys/names?state=active')))).toMatchObject({ count: KEYS })
  })
})
