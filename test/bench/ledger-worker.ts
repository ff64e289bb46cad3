// What `npm run bench:ledger` measures, inside the runtime: the consumer's own code on a real D1, reports over synthetic
// roll-ups and events, and the limiter object as an isolate under load calls it. Generating is not measured.
import { EXPORT_START, EXPORT_COLUMNS, exportPage } from '../../src/ledger/export-events.ts'
import { GROUP_DIMENSIONS, ROLLUP_SUMS } from '../../src/ledger/columns.ts'
import { sumDays } from '../../src/ledger/days.ts'
import type { Group, Metric } from '../../src/ledger/report-query.ts'
import { report } from '../../src/ledger/report.ts'
import { NDJSON, tableStream } from '../../src/ledger/table-text.ts'
import type { UsageBatch, UsageEvent } from '../../src/core/money/usage-event.ts'
import { deliverAll, eventAt, messagesOf } from '../support/ledger-events.ts'
import { type LimiterLoad, MeasuredLimiter, limited } from './limiter-load.ts'

export { MeasuredLimiter }

interface BenchEnv {
  readonly DB: D1Database
  readonly TENANT_LIMITER: DurableObjectNamespace<MeasuredLimiter>
  readonly USAGE: Queue<UsageBatch>
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** A deployment with as many keys as this, each of one model. */
const TENANTS = 20
const KEYS = 10
/** One that has a single tenant, of three keys and two models. */
const ALONE = { tenants: 1, keys: 3, models: 2 }
const MODELS = ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet', 'gemini-flash']

function eventsOf(count: number, from: number, firstMs: number, stepMs: number, isAlone = false): UsageEvent[] {
  const { tenants, keys, models } = isAlone ? ALONE : { tenants: TENANTS, keys: KEYS, models: MODELS.length }
  return Array.from({ length: count }, (_, at) => {
    const number = from + at
    const tenant = number % tenants
    const key = Math.floor((number * 2654435761) / 2 ** 16) % keys
    return eventAt(Math.floor(firstMs + at * stepMs), number, {
      tenantId: `ten_${tenant}`,
      keyId: `key_${tenant}_${key}`,
      teamId: `team_${tenant}_${key % 3}`,
      model: MODELS[(tenant + key) % models] ?? '',
      endUser: `user_${number % 5000}`,
      tags: [`app_${key}`],
      streamed: true,
      traceId: `${number}`.padStart(32, '0'),
      latencyMs: 300 + (number % 3000),
      ttftMs: 100 + (number % 500),
    })
  })
}

let outboxId = 1

/** How long the consumer takes for `batches` of the queue, and what it writes. `isAlone`: for a deployment with a single tenant. */
async function consumed(env: BenchEnv, batches: number, events: number, inMessage: number, isAlone: boolean) {
  let rows = 0
  const byStatement: Record<string, number> = {}
  const db = new Proxy(env.DB, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property)
      if (property === 'batch') {
        return async (statements: D1PreparedStatement[]) => {
          const results = await target.batch(statements)
          for (const [at, { meta }] of results.entries()) {
            rows += meta.rows_written
            byStatement[at] = (byStatement[at] ?? 0) + meta.rows_written
          }
          return results
        }
      }
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  let messages = 0
  let tookMs = 0
  for (let batch = 0; batch < batches; batch++) {
    const nowMs = Date.now()
    const all = messagesOf(eventsOf(events, batch * events, nowMs, 0.1, isAlone), inMessage, outboxId)
    outboxId += all.length
    messages += all.length
    const begunMs = Date.now()
    await deliverAll(db, all, nowMs)
    tookMs += Date.now() - begunMs
  }
  return { events: batches * events, messages, rows, tookMs, byStatement }
}

/** Raw events of a stretch of time, written as they are. */
async function filledEvents(env: BenchEnv, count: number, from: number, firstMs: number, stepMs: number) {
  const columns = EXPORT_COLUMNS.join(', ')
  const { EVENT_COLUMNS, rowOf } = await import('../../src/ledger/columns.ts')
  const names = Object.keys(EVENT_COLUMNS)
  const rows = eventsOf(count, from, firstMs, stepMs).map((event) =>
    rowOf({ ...event, isUnpriced: false, usage: { ...event.usage } }),
  )
  await env.DB.prepare(
    `INSERT INTO usage_events (${columns}) SELECT ${names.map((_, at) => `value ->> ${at}`).join(', ')} FROM json_each(?1)`,
  )
    .bind(JSON.stringify(rows))
    .run()
}

/** Roll-ups of `days` days before `untilMs`, of `perHour` events an hour in all, and of the days. */
async function filledRollups(env: BenchEnv, day: number, untilMs: number, perHour: number) {
  const groups = Object.keys(GROUP_DIMENSIONS)
  const sums = Object.keys(ROLLUP_SUMS)
  const each = Math.round(perHour / (TENANTS * KEYS))
  const value: Readonly<Record<string, string>> = {
    requests: `${each}`,
    attempts: `${each}`,
    errors: '1',
    input_tokens: `${each * 10}`,
    output_tokens: `${each * 20}`,
    cost_nano_usd: `${each * 1000} + g.value`,
    latency_ms: `${each * 900}`,
    latency_to_1000: `${each}`,
    ttft_ms: `${each * 300}`,
    ttft_to_300: `${each}`,
    speed_tokens: `${each * 20}`,
    speed_ms: `${each * 600}`,
  }
  const list = `[${Array.from({ length: TENANTS * KEYS }, (_, at) => at).join(',')}]`
  const dims = `'ten_' || (g.value % ${TENANTS}), 'team_' || (g.value % ${TENANTS}) || '_' || ((g.value / ${TENANTS}) % 3),
    'key_' || (g.value % ${TENANTS}) || '_' || (g.value / ${TENANTS}), '', 'openai',
    'model_' || ((g.value % ${TENANTS} + g.value / ${TENANTS}) % 4), 'route_1'`
  const startMs = untilMs - (day + 1) * DAY_MS
  const hours = `[${Array.from({ length: 24 }, (_, at) => startMs + at * HOUR_MS).join(',')}]`
  const insert = (table: string, time: string, times: string, factor: string): D1PreparedStatement =>
    env.DB.prepare(
      `INSERT INTO ${table} (${[time, ...groups, ...sums].join(', ')})
       SELECT t.value, ${dims}, ${sums.map((sum) => `(${value[sum] ?? '0'})${factor}`).join(', ')}
       FROM json_each(?1) AS t CROSS JOIN json_each(?2) AS g`,
    ).bind(times, list)
  await env.DB.batch([
    insert('usage_hourly', 'hour_ms', hours, ''),
    insert('usage_daily', 'day_ms', `[${startMs}]`, ' * 24'),
    env.DB.prepare(
      `INSERT INTO usage_zones SELECT 'ten_' || value, 'UTC' FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING`,
    ).bind(`[${Array.from({ length: TENANTS }, (_, at) => at).join(',')}]`),
    env.DB.prepare(`INSERT INTO ledger_progress VALUES ('days', ?1) ON CONFLICT DO UPDATE SET until_ms = ?1`).bind(
      untilMs,
    ),
  ])
}

/** The median of some runs of a report, in ms; the number of its rows. */
async function reported(
  env: BenchEnv,
  fromMs: number,
  toMs: number,
  metrics: Metric[],
  groupBy: Group[],
  isCompared: boolean,
) {
  const times: number[] = []
  let rows = 0
  let requests: unknown = null
  for (let run = 0; run < 7; run++) {
    const begunMs = Date.now()
    const found = await report(env.DB, { fromMs, toMs, metrics, groupBy, filters: {}, limit: 1000, isCompared })
    times.push(Date.now() - begunMs)
    if (!found.ok) throw new Error(found.error)
    rows = found.value.rows.length
    requests = found.value.total['requests'] ?? null
  }
  return { medianMs: times.toSorted((a, b) => a - b)[3], worstMs: Math.max(...times), rows, requests }
}

async function streamed(env: BenchEnv, fromMs: number, toMs: number) {
  const begunMs = Date.now()
  let bytes = 0
  let largest = 0
  const read = exportPage.bind(null, env.DB, { fromMs, toMs, tenantId: null })
  const stream = tableStream(NDJSON, EXPORT_COLUMNS, EXPORT_START, read)
  let rows = 0
  for await (const chunk of stream) {
    bytes += chunk.byteLength
    largest = Math.max(largest, chunk.byteLength)
    for (const byte of chunk) if (byte === 10) rows += 1
  }
  return { rows, bytes, largest, tookMs: Date.now() - begunMs }
}

interface Asked {
  readonly what: 'consume' | 'events' | 'rollups' | 'sum' | 'report' | 'limiter' | 'export'
  readonly numbers: readonly number[]
  readonly metrics?: Metric[]
  readonly groupBy?: Group[]
  readonly isCompared?: boolean
  readonly isAlone?: boolean
  readonly load?: LimiterLoad
}

export default {
  async fetch(request: Request, env: BenchEnv): Promise<Response> {
    const asked: Asked = await request.json()
    const { what, numbers, metrics = [], groupBy = [], isCompared = false, isAlone = false } = asked
    const [a = 0, b = 0, c = 0, d = 0] = numbers
    switch (what) {
      case 'consume':
        return Response.json(await consumed(env, a, b, c, isAlone))
      case 'events':
        return Response.json((await filledEvents(env, a, b, c, d)) ?? {})
      case 'rollups':
        return Response.json((await filledRollups(env, a, b, c)) ?? {})
      case 'sum':
        await sumDays(env.DB, Date.now())
        return Response.json({})
      case 'report':
        return Response.json(await reported(env, a, b, metrics, groupBy, isCompared))
      case 'limiter':
        return asked.load === undefined
          ? new Response('what load?', { status: 400 })
          : Response.json(await limited(env.TENANT_LIMITER, asked.load))
      case 'export':
        return Response.json(await streamed(env, a, b))
    }
  },
}
