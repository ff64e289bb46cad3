// What the ledger costs to write, and its reports and exports, on a real D1.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { LIMITS_VERSION } from '../../src/core/limits/limits.ts'
import { SHADOW_KEY_ID } from '../../src/core/routing/shadow.ts'
import { windowAt } from '../../src/core/limits/window.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { auditBudgets, auditDays, isAlarming } from '../../src/ledger/audit.ts'
import { dayAt, sumDays } from '../../src/ledger/days.ts'
import { EXPORT_COLUMNS, EXPORT_START, exportPage } from '../../src/ledger/export-events.ts'
import { usd } from '../../src/ledger/export-focus.ts'
import { pruneEvents, readKeptDays } from '../../src/ledger/prune.ts'
import { percentile } from '../../src/ledger/percentile.ts'
import { sumFacets } from '../../src/ledger/report-facets.ts'
import type { Group, ReportQuery } from '../../src/ledger/report-query.ts'
import { type Report, report } from '../../src/ledger/report.ts'
import { HISTORY_SERIES, history, SUMMARY_ROWS, summary } from '../../src/ledger/summary.ts'
import { CSV, NDJSON, tableStream } from '../../src/ledger/table-text.ts'
import { usageReport } from '../../src/ledger/usage-report.ts'
import { deliverAll, eventAt, messagesOf } from '../support/ledger-events.ts'
import { node } from '../support/limiter-receiver.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const NOON_MS = Date.UTC(2026, 10, 20, 12)
const TABLES = [
  'applied',
  'usage_events',
  'usage_hourly',
  'usage_daily',
  'usage_hourly_teams',
  'usage_daily_teams',
  'usage_daily_keys',
  'usage_weekly_keys',
  'usage_facets',
  'usage_late',
  'usage_zones',
  'ledger_progress',
  'feedback',
  'tenants',
]

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(empty)

async function empty(): Promise<void> {
  await env.DB.batch(TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
}

async function addTenant(id: string, zone: string): Promise<void> {
  await env.DB.prepare(
    `INSERT INTO tenants (id, name, cache_mode, cache_ttl_seconds, time_zone, created_at_ms) VALUES (?1, ?1, 'off', 60, ?2, 0)`,
  )
    .bind(id, zone)
    .run()
}

/** The real database, and how many rows its batches have written. */
function counting(): { db: D1Database; written: () => number } {
  let rows = 0
  const db = new Proxy(env.DB, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (property === 'batch') {
        return async (statements: D1PreparedStatement[]) => {
          const results = await target.batch(statements)
          for (const { meta } of results) rows += meta.rows_written
          return results
        }
      }
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { db, written: () => rows }
}

describe('writing', () => {
  it.each([
    ['a second of 1,000 requests', 1000, 25],
    ['a second of 200 requests', 200, 10],
  ])('costs at most 1.3 rows an event: %s', async (_, requests, inMessage) => {
    // Five tenants with four busy keys each, every key with a model of its own.
    const events = Array.from({ length: requests }, (_unused, at) => {
      const key = at % (requests / 25 < 20 ? 8 : 20)
      return eventAt(NOON_MS + at, at, {
        tenantId: `ten_${key % 4}`,
        keyId: `key_${key}`,
        model: `model_${key % 3}`,
        endUser: `user_${at}`,
        tags: [`tag_${at % 7}`],
      })
    })
    // The tenants are known: that is written once.
    await deliverAll(
      env.DB,
      messagesOf(events.slice(0, 8), 8, 900).map((one) => one),
      NOON_MS,
    )
    await env.DB.prepare(`DELETE FROM usage_events`).run()
    const { db, written } = counting()
    await deliverAll(db, messagesOf(events, inMessage), NOON_MS)
    expect(await env.DB.prepare(`SELECT count(*) AS n FROM usage_events`).first('n')).toBe(requests)
    expect(written() / requests).toBeLessThanOrEqual(1.3)
  })

  it('finds what started in a stretch of time, whatever its id says', async () => {
    const odd = { requestId: 'an-older-id', startedAtMs: NOON_MS }
    const early = eventAt(NOON_MS - 3 * HOUR_MS, 2, { startedAtMs: NOON_MS + 1 })
    await deliverAll(env.DB, messagesOf([eventAt(NOON_MS, 1), eventAt(NOON_MS, 3, odd), early], 10), NOON_MS)
    const found = await report(env.DB, asked({ fromMs: NOON_MS, toMs: NOON_MS + 2, metrics: ['requests'] }))
    expect(found.ok && found.value.total['requests']).toBe(3)
    const pages = await exported(NOON_MS, NOON_MS + 2)
    expect(pages).toHaveLength(3)
  })
})

function asked(fields: Partial<ReportQuery>): ReportQuery {
  return {
    fromMs: 0,
    toMs: NOON_MS + DAY_MS,
    metrics: ['spend', 'requests'],
    groupBy: [],
    filters: {},
    limit: 1000,
    isCompared: false,
    ...fields,
  }
}

async function reported(fields: Partial<ReportQuery>): Promise<Report> {
  const found = await report(env.DB, asked(fields))
  if (!found.ok) throw new Error(found.error)
  return found.value
}

describe('reports', () => {
  const zones = { ten_a: 'UTC', ten_b: 'America/New_York', ten_c: 'Pacific/Auckland' } as const
  const event = fc.record({
    startedAtMs: fc.integer({ min: NOON_MS - 4 * DAY_MS, max: NOON_MS }),
    tenantId: fc.constantFrom('ten_a', 'ten_b', 'ten_c'),
    teamId: fc.constantFrom(null, 'team_1'),
    keyId: fc.constantFrom('key_1', 'key_2'),
    model: fc.constantFrom(null, 'm1', 'm2'),
    route: fc.constantFrom('route_1', 'route_2'),
    status: fc.constantFrom(200, 502),
    costNanoUsd: fc.nat(1_000_000),
    latencyMs: fc.nat(100_000),
  })
  const groups: fc.Arbitrary<Group[]> = fc.subarray(['tenant', 'team', 'key', 'model', 'route'] as const)
  const time = fc.constantFrom<Group | null>(null, 'day', 'hour')
  const instant = fc.integer({ min: NOON_MS - 5 * DAY_MS, max: NOON_MS + HOUR_MS })

  it('are the sums of the events, for every grouping, cut of time and time zone, however far the days are summed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { minLength: 1, maxLength: 40 }),
        groups,
        time,
        instant,
        instant,
        fc.constantFrom(0, 1, 2),
        async (drawn, groupBy, timeGroup, a, b, summing) => {
          await empty()
          for (const [id, zone] of Object.entries(zones)) await addTenant(id, zone)
          const events = drawn.map((fields, at) => eventAt(fields.startedAtMs, at, fields))
          const half = Math.ceil(events.length / 2)
          await deliverAll(env.DB, messagesOf(events.slice(0, half), 20), NOON_MS)
          if (summing > 0) await sumDays(env.DB, NOON_MS)
          // What comes after its day was summed.
          await deliverAll(env.DB, messagesOf(events.slice(half), 20, 500), NOON_MS)
          if (summing > 1) await sumDays(env.DB, NOON_MS)
          const query = { fromMs: Math.min(a, b), toMs: Math.max(a, b) + 1 }
          const names: Group[] = timeGroup === null ? groupBy : [timeGroup, ...groupBy]
          const found = await reported({ ...query, groupBy: names, metrics: ['spend', 'errors'] })
          const chosen = events.filter((one) => one.startedAtMs >= query.fromMs && one.startedAtMs < query.toMs)
          const expected = sumsBy(chosen, names)
          const rows = found.rows.map(({ values }) => [
            JSON.stringify(names.map((name) => values[name])),
            [values['cost_nano_usd'], values['requests'], values['errors']],
          ])
          const isEmptyTotal = names.length === 0 && chosen.length === 0
          expect(Object.fromEntries(rows)).toEqual(isEmptyTotal ? { '[]': ['0', 0, 0] } : expected)
          expect(found.total['cost_nano_usd']).toBe(
            String(chosen.reduce((sum, one) => sum + BigInt(one.costNanoUsd), 0n)),
          )
        },
      ),
      { numRuns: 60 },
    )
  }, 120_000)

  /** The same computed the plain way. */
  function sumsBy(events: readonly UsageEvent[], names: readonly Group[]): Record<string, unknown> {
    const sums: Record<string, [bigint, number, number]> = {}
    for (const one of events) {
      const zone = Object.entries(zones).find(([id]) => id === one.tenantId)?.[1] ?? 'UTC'
      const day = new Intl.DateTimeFormat('en-CA', { timeZone: zone }).format(one.startedAtMs)
      const all: Partial<Record<Group, unknown>> = {
        hour: one.startedAtMs - (one.startedAtMs % HOUR_MS),
        day,
        tenant: one.tenantId,
        team: one.teamId,
        key: one.keyId,
        model: one.model,
        route: one.route,
      }
      const name = JSON.stringify(names.map((group) => all[group]))
      const [cost, requests, errors] = sums[name] ?? [0n, 0, 0]
      sums[name] = [cost + BigInt(one.costNanoUsd), requests + 1, errors + (one.status >= 400 ? 1 : 0)]
    }
    return Object.fromEntries(Object.entries(sums).map(([name, [cost, ...rest]]) => [name, [String(cost), ...rest]]))
  }

  it('of a zone whose midnight cuts an hour hold every event once', async () => {
    await addTenant('ten_a', 'Asia/Kolkata')
    const events = Array.from({ length: 300 }, (_, at) => eventAt(NOON_MS - 3 * DAY_MS + at * 0.25 * HOUR_MS, at))
    await deliverAll(env.DB, messagesOf(events, 50), NOON_MS)
    await sumDays(env.DB, NOON_MS)
    expect(await env.DB.prepare(`SELECT count(*) AS n FROM usage_daily`).first('n')).toBeGreaterThan(2)
    for (let cut = 0; cut < 60; cut++) {
      const [fromMs, toMs] = [NOON_MS - 3 * DAY_MS + cut * 7 * 60_000, NOON_MS - cut * 11 * 60_000]
      const chosen = events.filter((one) => one.startedAtMs >= fromMs && one.startedAtMs < toMs)
      expect((await reported({ fromMs, toMs })).total['requests']).toBe(chosen.length)
    }
    const { startMs, endMs } = dayAt('Asia/Kolkata', NOON_MS - 2 * DAY_MS)
    const whole = await reported({ fromMs: startMs, toMs: endMs, groupBy: ['day'] })
    expect(whole.rows).toMatchObject([{ values: { day: '2026-11-18', requests: 96 } }])
  })

  it('move with a tenant that changes its time zone', async () => {
    await addTenant('ten_a', 'UTC')
    const events = Array.from({ length: 96 }, (_, at) => eventAt(NOON_MS - 4 * DAY_MS + at * HOUR_MS, at))
    await deliverAll(env.DB, messagesOf(events, 50), NOON_MS)
    await sumDays(env.DB, NOON_MS)
    const before = await reported({ groupBy: ['day'] })
    await env.DB.prepare(`UPDATE tenants SET time_zone = 'Asia/Tokyo'`).run()
    await sumDays(env.DB, NOON_MS)
    const after = await reported({ groupBy: ['day'] })
    expect(before.rows.map(({ values }) => values['requests'])).toEqual([12, 24, 24, 24, 12])
    expect(after.rows.map(({ values }) => values['requests'])).toEqual([3, 24, 24, 24, 21])
  })

  it('read only days where days are enough', async () => {
    const events = Array.from({ length: 96 }, (_, at) => eventAt(NOON_MS - 4 * DAY_MS + at * HOUR_MS, at))
    await deliverAll(env.DB, messagesOf(events, 50), NOON_MS)
    await sumDays(env.DB, NOON_MS)
    await env.DB.batch([env.DB.prepare(`DELETE FROM usage_events`), env.DB.prepare(`DELETE FROM usage_hourly`)])
    const midnight = NOON_MS - 12 * HOUR_MS
    expect((await reported({ fromMs: midnight - 3 * DAY_MS, toMs: midnight })).total['requests']).toBe(72)
  })

  it('are summed up with the dearest of each and their history, which hold every nano-dollar, whosoever it is', async () => {
    await addTenant('ten_a', 'Asia/Tokyo')
    const events = Array.from({ length: 240 }, (_, at) => {
      const owner = { tenantId: at % 4 === 0 ? 'ten_b' : 'ten_a', teamId: at % 3 === 0 ? null : 'team_1' }
      const key = { keyId: at === 7 ? SHADOW_KEY_ID : `key_${at % 60}`, costNanoUsd: 1000 * ((at % 60) + 1) }
      return eventAt(NOON_MS - at * 0.4 * HOUR_MS, at, { ...owner, ...key })
    })
    await deliverAll(env.DB, messagesOf(events, 20), NOON_MS)
    await sumDays(env.DB, NOON_MS - DAY_MS)
    const span = { fromMs: NOON_MS - 80.3 * HOUR_MS, toMs: NOON_MS - 0.7 * HOUR_MS }
    for (const owner of [
      { tenantId: null, teamId: null },
      { tenantId: 'ten_a', teamId: 'team_1' },
    ]) {
      const own = events.filter(
        ({ startedAtMs: ms, tenantId, teamId, keyId }) =>
          ms >= span.fromMs &&
          ms < span.toMs &&
          keyId !== SHADOW_KEY_ID &&
          (owner.tenantId === null || (tenantId === owner.tenantId && teamId === owner.teamId)),
      )
      const nano = (of: readonly UsageEvent[]): number => of.reduce((sum, one) => sum + one.costNanoUsd, 0)
      const found = await summary(env.DB, { ...span, ...owner })
      expect(found.total).toMatchObject({ requests: own.length, cost_nano_usd: String(nano(own)) })
      const byKey = [...Map.groupBy(own, ({ keyId }) => keyId)].map(([id, of]) => ({
        id,
        cost_nano_usd: String(nano(of)),
      }))
      const dearest = byKey.map((one) => Number(one.cost_nano_usd)).toSorted((a, b) => b - a)
      expect(found.tables.key?.count).toBe(byKey.length)
      expect(found.tables.key?.rows.map((one) => Number(one.cost_nano_usd))).toEqual(dearest.slice(0, SUMMARY_ROWS))
      expect(byKey).toEqual(
        expect.arrayContaining((found.tables.key?.rows ?? []).map(({ id, cost_nano_usd }) => ({ id, cost_nano_usd }))),
      )
      expect(found.tables.team?.rows.some(({ id }) => id === null)).toBe(owner.tenantId === null)
      for (const bucket of ['hour', 'day'] as const) {
        const { rows } = await history(env.DB, { ...span, ...owner, by: 'key', bucket })
        expect(rows.reduce((sum, row) => sum + Number(row.cost_nano_usd), 0)).toBe(nano(own))
        const named = rows.filter((row) => !row.is_rest)
        expect(new Set(named.map(({ id }) => id))).toEqual(
          new Set(found.tables.key?.rows.slice(0, HISTORY_SERIES).map(({ id }) => id)),
        )
        expect(rows.every(({ at_ms }) => at_ms % (bucket === 'hour' ? HOUR_MS : DAY_MS) === 0)).toBe(true)
      }
    }
  })

  it('filter by any dimension, and name what has none', async () => {
    const models = [null, 'm1', 'm2', 'm2']
    const events = models.map((model, at) => eventAt(NOON_MS, at, { model, costCenter: at === 3 ? 'cc' : null }))
    await deliverAll(env.DB, messagesOf(events, 10), NOON_MS)
    const by = await reported({ groupBy: ['model'], filters: { model: ['m2', ''] } })
    expect(by.rows.map(({ values }) => [values['model'], values['requests']])).toEqual([
      ['m2', 2],
      [null, 1],
    ])
    expect((await reported({ filters: { model: ['m2'], cost_center: ['cc'] } })).total['requests']).toBe(1)
  })

  it('leave out what mirrors requests unless it is asked for, and then tell it beside what it mirrors', async () => {
    const shadow = {
      keyId: 'shadow',
      model: 'new',
      costNanoUsd: 300,
      latencyMs: 400,
      status: 502,
      ending: 'failed',
    } as const
    const events = [
      ...Array.from({ length: 40 }, (_, at) => eventAt(NOON_MS - 30 * HOUR_MS + at * HOUR_MS, at)),
      ...Array.from({ length: 4 }, (_, at) => eventAt(NOON_MS - 29 * HOUR_MS + at * 9 * HOUR_MS, 100 + at, shadow)),
    ]
    await deliverAll(env.DB, messagesOf(events, 11), NOON_MS)
    await sumDays(env.DB, NOON_MS)
    const metrics = ['spend', 'requests', 'errors', 'latency', 'tokens'] as const
    const usual = await reported({ metrics, groupBy: ['model'] })
    expect(usual.rows.map(({ values }) => values['model'])).toEqual(['gpt-4o'])
    expect(usual.total).toMatchObject({ cost_nano_usd: '40000', requests: 40, errors: 0 })
    const compared = await reported({ metrics, groupBy: ['route', 'traffic'] })
    expect(compared.rows.map(({ values }) => values)).toMatchObject([
      { route: 'route_1', traffic: 'live', requests: 40, cost_nano_usd: '40000', error_rate: 0, output_tokens: 800 },
      { route: 'route_1', traffic: 'shadow', requests: 4, cost_nano_usd: '1200', error_rate: 1, output_tokens: 80 },
    ])
    const alone = await reported({ groupBy: ['traffic'], filters: { traffic: ['shadow'], route: ['route_1'] } })
    expect(alone.rows.map(({ values }) => values['requests'])).toEqual([4])
    expect((await reported({ filters: { key: ['shadow'] } })).total['requests']).toBe(4)
    const stretch = { fromMs: NOON_MS - 40 * HOUR_MS, toMs: NOON_MS + 20 * HOUR_MS }
    const usage = await usageReport(env.DB, { ...stretch, groupBy: ['model'] })
    expect(usage).toMatchObject({ ok: true, value: { total: { requests: 40, cost_nano_usd: '40000' } } })
    expect(usage.ok && usage.value.rows).toHaveLength(1)
    expect(await env.DB.prepare(`SELECT count(*) AS n FROM provider_minutes`).first('n'), 'nobody is alarmed').toBe(0)
  })

  it('compare with the stretch before, those that moved furthest first', async () => {
    const at = (hour: number, model: string, costNanoUsd: number, number: number) =>
      eventAt(NOON_MS + hour * HOUR_MS, number, { model, costNanoUsd })
    const events = [at(-2, 'gone', 500, 1), at(-2, 'same', 900, 2), at(-1, 'same', 950, 3), at(-1, 'new', 700, 4)]
    await deliverAll(env.DB, messagesOf(events, 10), NOON_MS)
    const found = await reported({
      fromMs: NOON_MS - HOUR_MS,
      toMs: NOON_MS,
      groupBy: ['model'],
      metrics: ['spend'],
      isCompared: true,
    })
    expect(found.rows).toEqual([
      { values: { model: 'new', cost_nano_usd: '700' }, previous: { cost_nano_usd: '0' }, change: '700' },
      { values: { model: 'gone', cost_nano_usd: '0' }, previous: { cost_nano_usd: '500' }, change: '-500' },
      { values: { model: 'same', cost_nano_usd: '950' }, previous: { cost_nano_usd: '900' }, change: '50' },
    ])
  })

  it('tell percentiles and tokens per second of what providers answered', async () => {
    const answers = Array.from({ length: 100 }, (_, at) =>
      eventAt(NOON_MS, at, { latencyMs: (at + 1) * 20, ttftMs: (at + 1) * 10 }),
    )
    const hit = eventAt(NOON_MS, 200, { cache: 'hit', attempt: 0, latencyMs: 1 })
    const failed = eventAt(NOON_MS, 201, { status: 502, latencyMs: 90_000 })
    await deliverAll(env.DB, messagesOf([...answers, hit, failed], 60), NOON_MS)
    const { total } = await reported({ metrics: ['latency'] })
    expect(total).toEqual({
      latency_mean_ms: 1010,
      latency_p50_ms: 1000,
      latency_p90_ms: 1800,
      latency_p95_ms: 1900,
      latency_p99_ms: 1980,
      ttft_mean_ms: 505,
      ttft_p50_ms: 500,
      ttft_p90_ms: 900,
      ttft_p95_ms: 950,
      ttft_p99_ms: 990,
      // 20 tokens in 505 ms on average.
      tokens_per_second: 39.6,
    })
  })

  it('know end users and tags: the days that are over from roll-ups, the rest from events', async () => {
    const events = Array.from({ length: 72 }, (_, at) =>
      eventAt(NOON_MS - 3 * DAY_MS + at * HOUR_MS, at, { endUser: `u${at % 2}`, tags: at % 3 === 0 ? ['a', 'b'] : [] }),
    )
    await deliverAll(env.DB, messagesOf(events, 50), NOON_MS)
    const all = { fromMs: NOON_MS - 3 * DAY_MS, toMs: NOON_MS }
    const raw = [await reported({ ...all, groupBy: ['end_user'] }), await reported({ ...all, groupBy: ['tag'] })]
    await sumFacets(env.DB, NOON_MS)
    const rolled = [await reported({ ...all, groupBy: ['end_user'] }), await reported({ ...all, groupBy: ['tag'] })]
    expect(rolled).toEqual(raw)
    const counts = rolled.map(({ rows }) =>
      rows.map(({ values }) => [values['end_user'] ?? values['tag'], values['requests']]),
    )
    expect(counts).toEqual([
      [
        ['u0', 36],
        ['u1', 36],
      ],
      [
        ['a', 24],
        ['b', 24],
      ],
    ])
    const crossed = await reported({ ...all, groupBy: ['model'], filters: { end_user: ['u1'] } })
    expect(crossed.rows).toMatchObject([{ values: { model: 'gpt-4o', requests: 36 } }])
    // Whole days come from the roll-ups indeed.
    await env.DB.prepare(`DELETE FROM usage_events`).run()
    const midnight = NOON_MS - 12 * HOUR_MS
    const kept = await reported({ fromMs: midnight - 2 * DAY_MS, toMs: midnight, groupBy: ['end_user'] })
    expect(kept.total['requests']).toBe(48)
  })

  it('keep the end users that cost most by name, and the others together', async () => {
    const events = Array.from({ length: 250 }, (_, at) =>
      eventAt(NOON_MS - 2 * DAY_MS, at, { endUser: `u${at}`, costNanoUsd: 1000 + at }),
    )
    await deliverAll(env.DB, messagesOf(events, 250), NOON_MS)
    await sumFacets(env.DB, NOON_MS)
    const rows = await env.DB.prepare(
      `SELECT count(*) AS n, sum(requests) AS requests, sum(cost_nano_usd) AS cost FROM usage_facets`,
    ).first()
    expect(rows).toEqual({ n: 201, requests: 250, cost: 250 * 1000 + (249 * 250) / 2 })
  })
})

describe('percentile', () => {
  it('is in the stretch of the true one, and never falls with its share', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { minLength: 16, maxLength: 16 }), (counts) => {
        const all = [0, 0.1, 0.5, 0.9, 0.99, 1].map((share) => percentile(counts, share))
        if (counts.every((count) => count === 0)) expect(all.every((one) => one === null)).toBe(true)
        else expect(all).toEqual(all.toSorted((a, b) => (a ?? 0) - (b ?? 0)))
      }),
    )
    const one = Array.from({ length: 16 }, () => 0)
    expect([percentile(one.with(3, 4), 0.5), percentile(one.with(15, 1), 0.5), percentile(one, 0.5)]).toEqual([
      400,
      60_000,
      null,
    ])
  })
})

async function exported(fromMs: number, toMs: number) {
  const rows = []
  let place: Parameters<typeof exportPage>[2] | null = EXPORT_START
  while (place !== null) {
    const page = await exportPage(env.DB, { fromMs, toMs, tenantId: null }, place)
    rows.push(...page.rows)
    place = page.next
  }
  return rows
}

describe('exports', () => {
  it('hold every event once, over all pages, in the order of their ids', async () => {
    const events = Array.from({ length: 4500 }, (_, at) => eventAt(NOON_MS + at, at))
    for (let at = 0; at < events.length; at += 1500) {
      await deliverAll(env.DB, messagesOf(events.slice(at, at + 1500), 500, at), NOON_MS)
    }
    const ids = (await exported(NOON_MS, NOON_MS + 4000)).map((row) => row[0])
    expect(ids).toEqual(events.slice(0, 4000).map((one) => one.requestId))
  })

  it('read a page only when there is room for it', async () => {
    const read: number[] = []
    const stream = tableStream(NDJSON, ['n'], 0, async (place: number) => {
      read.push(place)
      return { rows: [[place]], next: place < 4 ? place + 1 : null }
    })
    const reader = stream.getReader()
    await reader.read()
    expect(read).toEqual([0])
    let text = ''
    for (let got = await reader.read(); !got.done; got = await reader.read())
      text += new TextDecoder().decode(got.value)
    expect([read, text]).toEqual([[0, 1, 2, 3, 4], '{"n":1}\n{"n":2}\n{"n":3}\n{"n":4}\n'])
  })

  it('break off where a page can not be read', async () => {
    const stream = tableStream(CSV, ['n'], 0, (place: number) =>
      place === 0 ? Promise.resolve({ rows: [[1]], next: 1 }) : Promise.reject(new Error('away')),
    )
    await expect(new Response(stream).text()).rejects.toThrow('away')
  })

  it('write money exactly, and no formula for a spreadsheet', () => {
    expect(['0', '5', '-5', '1500000000', '12345678901234567890'].map(usd)).toEqual([
      '0.000000000',
      '0.000000005',
      '-0.000000005',
      '1.500000000',
      '12345678901.234567890',
    ])
    expect(CSV.row([], ['=1+1', 'a"b,c', null, -3, '-4.5', true])).toBe(`'=1+1,"a""b,c",,-3,-4.5,true\r\n`)
  })

  it('are CSV, NDJSON and FOCUS through the admin API', async () => {
    const token = 'operator-token-0123456789'
    const admin = createAdmin({ nowMs: () => NOON_MS + 1, probe: () => Promise.reject(new Error('unused')) })
    const call = (path: string, accept = 'application/json') => {
      const headers = { authorization: `Bearer ${token}`, accept }
      return admin.request(path, { headers }, { ...env, ADMIN_TOKEN: token })
    }
    await addTenant('ten_a', 'UTC')
    const events = [eventAt(NOON_MS - 5, 1), eventAt(NOON_MS - 4, 2, { model: 'm,2', costNanoUsd: 2500 })]
    await deliverAll(env.DB, messagesOf(events, 10), NOON_MS)

    const json = await call('/reports?group_by=model&metrics=spend,requests')
    expect(await json.json()).toMatchObject({
      group_by: ['model'],
      rows: [{ model: 'm,2', cost_nano_usd: '2500', requests: 1 }, { model: 'gpt-4o' }],
      total: { cost_nano_usd: '3500', requests: 2 },
    })
    const csv = await call('/reports?group_by=model&metrics=spend', 'text/csv')
    expect(await csv.text()).toBe('model,cost_nano_usd\r\n"m,2",2500\r\ngpt-4o,1000\r\n')

    const ndjson = await call('/exports/events', 'application/x-ndjson')
    const lines = (await ndjson.text()).trim().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { request_id: events[0]?.requestId, cost_nano_usd: '1000', latency_ms: 800 },
      { request_id: events[1]?.requestId, cost_nano_usd: '2500' },
    ])
    expect(Object.keys(JSON.parse(lines[0] ?? '{}'))).toEqual(EXPORT_COLUMNS)

    const focus = await call('/exports/focus', 'application/x-ndjson')
    const charges = (await focus.text())
      .trim()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line))
    expect(charges).toMatchObject([
      {
        BilledCost: '0.000001000',
        BillingCurrency: 'USD',
        BillingPeriodStart: '2026-11-01T00:00:00Z',
        BillingPeriodEnd: '2026-12-01T00:00:00Z',
        ChargeCategory: 'Usage',
        ChargePeriodStart: '2026-11-20T11:00:00Z',
        ChargePeriodEnd: '2026-11-20T12:00:00Z',
        ConsumedQuantity: 30,
        ServiceName: 'gpt-4o',
        SubAccountId: 'ten_a',
      },
      { BilledCost: '0.000002500', ServiceName: 'm,2' },
    ])

    for (const [path, field] of [
      ['/reports?metrics=spend,nothing', 'metrics'],
      ['/reports?group_by=hour,day', 'group_by'],
      ['/reports?group_by=day&compare=previous', 'compare'],
      ['/reports?group_by=end_user,tag', 'group_by'],
      ['/reports?from=5&to=4', 'from'],
      ['/reports?limit=0', 'limit'],
      ['/exports/events?until=4', 'until'],
    ] as const) {
      const refused = await call(path)
      expect([refused.status, await refused.json()]).toMatchObject([422, { error: { field } }])
    }
  })
})

it('a tenant is told by its name, too, and one that there is not by a 404 instead of nothing spent', async () => {
  const token = 'operator-token-0123456789'
  const admin = createAdmin({ nowMs: () => NOON_MS + 1, probe: () => Promise.reject(new Error('unused')) })
  const call = (path: string) =>
    admin.request(path, { headers: { authorization: `Bearer ${token}` } }, { ...env, ADMIN_TOKEN: token })
  await addTenant('ten_a', 'UTC')
  await env.DB.prepare(`UPDATE tenants SET name = 'acme' WHERE id = 'ten_a'`).run()
  await deliverAll(env.DB, messagesOf([eventAt(NOON_MS - 5, 1, { tenantId: 'ten_a' })], 10), NOON_MS)
  for (const path of ['/reports?tenant=', '/forecast?tenant=', '/requests?tenant=', '/exports/events?tenant=']) {
    const [byName, byId, lost] = [await call(`${path}acme`), await call(`${path}ten_a`), await call(`${path}akme`)]
    const text = await byName.text()
    expect([byName.status, text]).toEqual([200, await byId.text()])
    expect(text).toMatch(/1000/)
    expect([lost.status, await lost.json()]).toMatchObject([404, { error: { field: 'tenant', code: 'not_found' } }])
    expect((await call(`${path}ten_gone`)).status).toBe(200)
  }
})

describe('a forecast', () => {
  const token = 'operator-token-0123456789'
  const admin = createAdmin({ nowMs: () => NOON_MS, probe: () => Promise.reject(new Error('unused')) })
  const asked = async (query: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await admin.request(`/forecast${query}`, { headers }, { ...env, ADMIN_TOKEN: token })
    return answer.json()
  }

  it('is what is spent, and what days like those cost until the month is over, in the time zone of its tenant', async () => {
    await addTenant('ten_a', 'Pacific/Auckland')
    const costing = { tenantId: 'ten_a', keyId: 'key_1', costNanoUsd: 6_000_000_000 }
    // An hour ago it was yesterday there already, and so on for twenty days.
    const events = Array.from({ length: 21 }, (_, day) => eventAt(NOON_MS - HOUR_MS - day * DAY_MS, day, costing))
    const other = eventAt(NOON_MS - 2 * DAY_MS, 99, { ...costing, tenantId: 'ten_b', keyId: 'key_2' })
    await deliverAll(env.DB, messagesOf([...events, other], 30), NOON_MS)
    const { startMs, endMs } = windowAt('month', 'Pacific/Auckland', NOON_MS)
    const spent = events.filter(({ startedAtMs }) => startedAtMs >= startMs).length * 6e9
    const day = windowAt('day', 'Pacific/Auckland', NOON_MS)
    const left = (endMs - NOON_MS) / DAY_MS
    const found = z.record(z.string(), z.unknown()).parse(await asked('?tenant=ten_a'))
    expect(found).toMatchObject({
      time_zone: 'Pacific/Auckland',
      from: startMs,
      to: endMs,
      spent_nano_usd: String(spent),
      likelihood: 0.8,
      days_known: 20 + (NOON_MS - HOUR_MS < day.startMs ? 1 : 0),
    })
    // A summer's hour more or less is not the question.
    expect(Number(found['expected_nano_usd']) / (spent + left * 6e9)).toBeCloseTo(1, 2)
    expect([found['low_nano_usd'], found['high_nano_usd']]).toEqual([
      found['expected_nano_usd'],
      found['expected_nano_usd'],
    ])
    expect(await asked('?tenant=ten_b')).toMatchObject({ spent_nano_usd: '6000000000', expected_nano_usd: null })
    expect(await asked('?key=key_1,key_2')).toMatchObject({ time_zone: 'UTC', days_known: 19 })
  })
})

describe('retention', () => {
  const DAYS = 40
  const events = Array.from({ length: DAYS * 12 }, (_, at) =>
    eventAt(NOON_MS - DAYS * DAY_MS + at * 2 * HOUR_MS, at, { endUser: `u${at % 3}`, costNanoUsd: 1000 + at }),
  )
  const forgetting = { keptDays: 30, archive: null, turnsMax: 60 } as const

  it('forgets no event that is not in every roll-up', async () => {
    await deliverAll(env.DB, messagesOf(events, 100), NOON_MS)
    expect(await pruneEvents(env.DB, NOON_MS, forgetting)).toBe(0)
    await sumDays(env.DB, NOON_MS)
    expect(await pruneEvents(env.DB, NOON_MS, forgetting)).toBe(0)
    // Three days a run.
    await sumFacets(env.DB, NOON_MS)
    expect(await pruneEvents(env.DB, NOON_MS, forgetting)).toBe(3 * 12 - 6)
  })

  it('changes no report of whole hours and days', async () => {
    await deliverAll(env.DB, messagesOf(events, 100), NOON_MS)
    const whole = { fromMs: NOON_MS - DAYS * DAY_MS, toMs: NOON_MS }
    const names: Group[][] = [['day'], ['model', 'day'], ['end_user'], []]
    for (let run = 0; run < 20; run++) await sumFacets(env.DB, NOON_MS)
    await sumDays(env.DB, NOON_MS)
    const midnight = NOON_MS - 12 * HOUR_MS
    const facets = { fromMs: midnight - 35 * DAY_MS, toMs: midnight }
    const before = []
    for (const groupBy of names)
      before.push(await reported({ ...(groupBy.includes('end_user') ? facets : whole), groupBy }))
    expect(await pruneEvents(env.DB, NOON_MS, forgetting)).toBe(10 * 12)
    const after = []
    for (const groupBy of names)
      after.push(await reported({ ...(groupBy.includes('end_user') ? facets : whole), groupBy }))
    expect(after).toEqual(before)
    expect((await reported({ fromMs: whole.fromMs + 1, toMs: NOON_MS })).from).toBe(whole.fromMs)
    const gone = await report(
      env.DB,
      asked({ ...whole, fromMs: NOON_MS - 31 * DAY_MS + 1, groupBy: ['end_user', 'model'] }),
    )
    expect(gone).toMatchObject({ ok: false, error: expect.stringContaining('gone') })
  })

  it('archives what it forgets, and forgets nothing that could not be archived', async () => {
    await deliverAll(env.DB, messagesOf(events, 100), NOON_MS)
    for (let run = 0; run < 20; run++) await sumFacets(env.DB, NOON_MS)
    await sumDays(env.DB, NOON_MS)
    const broken = { put: () => Promise.reject(new Error('R2 is away')) }
    await expect(pruneEvents(env.DB, NOON_MS, { ...forgetting, archive: broken })).rejects.toThrow('R2 is away')
    const left = async () => env.DB.prepare(`SELECT count(*) AS n FROM usage_events`).first('n')
    expect(await left()).toBe(events.length)
    const objects = new Map<string, ArrayBuffer>()
    const archive = { put: async (name: string, value: ArrayBuffer) => void objects.set(name, value) }
    await pruneEvents(env.DB, NOON_MS, { ...forgetting, archive })
    expect(await left()).toBe(30 * 12)
    const [[name, zipped] = ['', new ArrayBuffer()]] = objects
    expect(name).toBe(`events/2026-10-11/${events[0]?.requestId}.ndjson.gz`)
    const lines = await new Response(new Blob([zipped]).stream().pipeThrough(new DecompressionStream('gzip'))).text()
    const ids = lines
      .trim()
      .split('\n')
      .map((line): { request_id: string } => JSON.parse(line))
    expect(ids.map((one) => one.request_id)).toEqual(events.slice(0, 120).map((one) => one.requestId))
  })

  it('goes on where a run stopped, and takes strays along', async () => {
    const old = NOON_MS - 35 * DAY_MS
    const many = Array.from({ length: 4100 }, (_, at) => eventAt(old + at, at))
    const stray = eventAt(old, 9000, { requestId: 'of-an-older-gateway' })
    await deliverAll(env.DB, messagesOf([...many.slice(0, 1900), stray], 400), NOON_MS)
    await deliverAll(env.DB, messagesOf(many.slice(1900), 400, 100), NOON_MS)
    for (let run = 0; run < 20; run++) await sumFacets(env.DB, NOON_MS)
    await sumDays(env.DB, NOON_MS)
    const turns = []
    for (let run = 0; run < 5; run++) turns.push(await pruneEvents(env.DB, NOON_MS, { ...forgetting, turnsMax: 1 }))
    // A run that has used up its turns leaves strays to the next.
    expect(turns).toEqual([2000, 2000, 100, 0, 0])
    expect(await pruneEvents(env.DB, NOON_MS, forgetting)).toBe(1)
  })

  it('reads its setting, and takes what it can not read for the usual', () => {
    expect([undefined, '', '90', '3', 'forever'].map(readKeptDays)).toEqual([30, 30, 90, 3, null])
    for (const text of ['2', '-1', 'x', '1e3', '99999999']) expect(readKeptDays(text)).toBeUndefined()
  })
})

describe('the audit', () => {
  const budget = (spentNanoUsd: number, scope: 'tenant' | 'key', id: string) => ({
    scope,
    id,
    model: null,
    period: 'day' as const,
    spentNanoUsd,
    heldNanoUsd: 0,
    limitNanoUsd: 1e12,
    windowStartMs: NOON_MS - 12 * HOUR_MS,
    windowEndMs: NOON_MS + 12 * HOUR_MS,
  })

  it('finds a budget that the ledger has otherwise, to the nano-dollar', async () => {
    const events = [
      eventAt(NOON_MS, 1, { costNanoUsd: 70_000_000 }),
      eventAt(NOON_MS, 2, { costNanoUsd: 5, keyId: 'key_2' }),
      eventAt(NOON_MS - DAY_MS, 3, { costNanoUsd: 999 }),
    ]
    await deliverAll(env.DB, messagesOf(events, 10), NOON_MS)
    const nodes = [budget(70_000_005, 'tenant', 'ten_a'), budget(70_000_000, 'key', 'key_1'), budget(6, 'key', 'key_2')]
    const found = await auditBudgets(env.DB, 'ten_a', { nodes, unconfirmed: 0 })
    expect(found.map((one) => [one.id, one.agrees, one.difference_nano_usd])).toEqual([
      ['ten_a', true, '0'],
      ['key_1', true, '0'],
      ['key_2', false, '1'],
    ])
    // One nano-dollar wakes nobody, nor does what is still on its way.
    expect(found.some(isAlarming)).toBe(false)
    const lost = { nodes: [budget(90_000_000, 'tenant', 'ten_a')], unconfirmed: 0 }
    expect((await auditBudgets(env.DB, 'ten_a', lost)).map(isAlarming)).toEqual([true])
    expect((await auditBudgets(env.DB, 'ten_a', { ...lost, unconfirmed: 1 })).map(isAlarming)).toEqual([false])
  })

  it('finds days that are not the sums of their hours', async () => {
    const events = Array.from({ length: 96 }, (_, at) => eventAt(NOON_MS - 4 * DAY_MS + at * HOUR_MS, at))
    await deliverAll(env.DB, messagesOf(events, 50), NOON_MS)
    await sumDays(env.DB, NOON_MS)
    await sumDays(env.DB, NOON_MS)
    expect(await auditDays(env.DB, NOON_MS)).toEqual([])
    await env.DB.prepare(`UPDATE usage_daily SET cost_nano_usd = cost_nano_usd + 1 WHERE day_ms = ?1`)
      .bind(NOON_MS - 2.5 * DAY_MS)
      .run()
    expect(await auditDays(env.DB, NOON_MS)).toMatchObject([
      { tenant: 'ten_a', days_nano_usd: '60001', hours_nano_usd: '60000' },
    ])
  })

  it('is told by the admin API, with budgets from the real limiter', async () => {
    const token = 'operator-token-0123456789'
    const admin = createAdmin({ nowMs: () => Date.now(), probe: () => Promise.reject(new Error('unused')) })
    const reconcile = async (body: object): Promise<{ status: number; body: unknown }> => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const init = { method: 'POST', headers, body: JSON.stringify(body) }
      const answer = await admin.request('/reconcile', init, { ...env, ADMIN_TOKEN: token })
      return { status: answer.status, body: await answer.json() }
    }
    const tenantId = 'ten_audited'
    await addTenant(tenantId, 'UTC')
    await env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId)).configure({
      v: LIMITS_VERSION,
      revision: 1,
      timeZone: 'UTC',
      revokedKeyIds: [],
      nodes: [node('tenant', tenantId, { budget: { amountNanoUsd: 1e12, period: 'day' } })],
    })
    expect(await reconcile({ tenant: tenantId })).toMatchObject({
      status: 200,
      body: { agrees: true, budgets: [{ tenant: tenantId, limiter_nano_usd: '0', ledger_nano_usd: '0' }] },
    })
    // Somebody wrote to the ledger what no limiter knows of.
    await deliverAll(env.DB, messagesOf([eventAt(Date.now(), 1, { tenantId })], 10), Date.now())
    expect(await reconcile({ tenant: tenantId })).toMatchObject({
      body: { agrees: false, rollups: { mismatches: 0 }, budgets: [{ difference_nano_usd: '-1000' }] },
    })
    expect(await reconcile({ hours: 73 })).toMatchObject({ status: 422, body: { error: { field: 'hours' } } })
  })
})
