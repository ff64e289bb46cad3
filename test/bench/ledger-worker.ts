// What `npm run bench:ledger` measures, inside the runtime: the consumer's own code on a real D1, reports over synthetic
// roll-ups and events, and the limiter object as an isolate under load calls it. Generating is not measured.
import { TenantLimiter } from '../../durable-objects/tenant-limiter.ts'
import { EXPORT_START, EXPORT_COLUMNS, exportPage } from '../../src/ledger/export-events.ts'
import { GROUP_DIMENSIONS, ROLLUP_SUMS } from '../../src/ledger/columns.ts'
import { sumDays } from '../../src/ledger/days.ts'
import type { Group, Metric } from '../../src/ledger/report-query.ts'
import { report } from '../../src/ledger/report.ts'
import { NDJSON, tableStream } from '../../src/ledger/table-text.ts'
import { SwitchBoard } from '../../src/core/switches.ts'
import { LIMITS_VERSION, type LimiterPath } from '../../src/core/limits.ts'
import type { UsageBatch, UsageEvent } from '../../src/core/usage-event.ts'
import { LeaseHolder } from '../../src/platform/lease-holder.ts'
import { isAdmitted } from '../../src/ports.ts'
import { deliverAll, eventAt, messagesOf } from '../support/ledger-events.ts'
import { node } from '../support/limiter-receiver.ts'

/** The limiter, which also tells what it wrote. */
export class MeasuredLimiter extends TenantLimiter {
  #alarms = 0
  #calls = 0

  override async call(...message: Parameters<TenantLimiter['call']>): ReturnType<TenantLimiter['call']> {
    this.#calls += 1
    return super.call(...message)
  }

  override async alarm(): Promise<void> {
    this.#alarms += 1
    await super.alarm()
  }

  /** Rows changed, and how often it was called and woken. */
  async counted(): Promise<{ rows: number; calls: number; alarms: number }> {
    const { n } = this.ctx.storage.sql.exec<{ n: number }>('SELECT total_changes() AS n').one()
    return { rows: n, calls: this.#calls, alarms: this.#alarms }
  }
}

interface BenchEnv {
  readonly DB: D1Database
  readonly TENANT_LIMITER: DurableObjectNamespace<MeasuredLimiter>
  readonly USAGE: Queue<UsageBatch>
}

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const TENANTS = 20
const KEYS = 10
const MODELS = ['gpt-4o', 'gpt-4o-mini', 'claude-sonnet', 'gemini-flash']

function eventsOf(count: number, from: number, firstMs: number, stepMs: number): UsageEvent[] {
  return Array.from({ length: count }, (_, at) => {
    const number = from + at
    const tenant = number % TENANTS
    const key = Math.floor((number * 2654435761) / 2 ** 16) % KEYS
    return eventAt(Math.floor(firstMs + at * stepMs), number, {
      tenantId: `ten_${tenant}`,
      keyId: `key_${tenant}_${key}`,
      teamId: `team_${tenant}_${key % 3}`,
      model: MODELS[(tenant + key) % 4] ?? '',
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

/** How long the consumer takes for `batches` of the queue, and what it writes. */
async function consumed(env: BenchEnv, batches: number, events: number, inMessage: number) {
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
  let messages = 0
  let tookMs = 0
  for (let batch = 0; batch < batches; batch++) {
    const nowMs = Date.now()
    const all = messagesOf(eventsOf(events, batch * events, nowMs, 0.1), inMessage, outboxId)
    outboxId += all.length
    messages += all.length
    const begunMs = Date.now()
    await deliverAll(db, all, nowMs)
    tookMs += Date.now() - begunMs
  }
  return { events: batches * events, messages, rows, tookMs }
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

/** One isolate under `perSecond` requests for some seconds: what its limiter's object is called and writes. */
async function limited(env: BenchEnv, perSecond: number, seconds: number) {
  const tenantId = `ten_limited_${perSecond}`
  const stub = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId))
  await stub.configure({
    v: LIMITS_VERSION,
    revision: 1,
    timeZone: 'UTC',
    revokedKeyIds: [],
    nodes: [
      node('tenant', tenantId, { tokensPerMinute: 1e10, budget: { amountNanoUsd: 1e13, period: 'month' } }),
      node('key', 'k', { tokensPerMinute: 1e10, budget: { amountNanoUsd: 1e13, period: 'month' } }),
    ],
  })
  const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  const work: Promise<void>[] = []
  const later = (one: Promise<void>): void => void work.push(one)
  const holder = new LeaseHolder(tenantId, 'isolate', {
    send: (message) => stub.call(message),
    nowMs: () => Date.now(),
    sleep,
    onRevoked: () => {},
    switches: new SwitchBoard(),
  })
  const path: LimiterPath = { tenantId, teamId: null, keyId: 'k', model: 'gpt-4o' }
  const one = async (number: number): Promise<void> => {
    const event = eventAt(Date.now(), number, { tenantId, keyId: 'k' })
    const reserved = { requests: 1, inputTokens: 500, outputTokens: 500, slots: 0, nanoUsd: 5_000_000 }
    const admitted = await holder.admit(path, reserved, event, later)
    if (!isAdmitted(admitted)) throw new Error(JSON.stringify(admitted))
    await sleep(300)
    admitted.settle({ ...reserved, outputTokens: 200, nanoUsd: 2_000_000 }, event, later)
  }
  const requests: Promise<void>[] = []
  const begunMs = Date.now()
  for (let number = 0; number < perSecond * seconds; number++) {
    const waitMs = begunMs + (number * 1000) / perSecond - Date.now()
    if (waitMs > 1) await sleep(waitMs)
    requests.push(one(number))
  }
  await Promise.all(requests)
  await sleep(1500)
  await Promise.all(work)
  const { rows, calls, alarms } = await stub.counted()
  const { unconfirmed } = await stub.live()
  return { requests: requests.length, rows, calls, alarms, messages: unconfirmed }
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
}

export default {
  async fetch(request: Request, env: BenchEnv): Promise<Response> {
    const { what, numbers, metrics = [], groupBy = [], isCompared = false }: Asked = await request.json()
    const [a = 0, b = 0, c = 0, d = 0] = numbers
    switch (what) {
      case 'consume':
        return Response.json(await consumed(env, a, b, c))
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
        return Response.json(await limited(env, a, b))
      case 'export':
        return Response.json(await streamed(env, a, b))
    }
  },
}
