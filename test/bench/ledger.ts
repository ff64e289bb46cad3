// `npm run bench:ledger`: how fast the usage consumer is, what a million requests cost on Cloudflare's price list by the
// operations that were counted here, how long reports over five million events take, and an export of a million.
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Log, LogLevel, Miniflare, convertV4MiniflareOptions } from 'miniflare'
import * as z from 'zod/mini'
import { bundleWorker } from '../../src/local/bundle.ts'
import { migrate } from '../../src/local/migrate.ts'
import { endWorkerdWithThisProcess } from '../../src/local/reaper.ts'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const DAYS = 30
const EVENTS = 5_000_000
/** Characters of an event in a message. */
const EVENT_CHARS = 500
/** `--rows`: what is written by which statement. */
const isDetailed = process.argv.includes('--rows')
/** `--only-costs`: without reports and export. */
const isShort = process.argv.includes('--only-costs')
const EXPORTED = Number(process.argv.find((one) => one.startsWith('--export='))?.slice(9) ?? 1_000_000)

/** USD per million, beyond what is included (developers.cloudflare.com, read 2026-11-21). */
const PRICES = {
  'Worker requests': 0.3,
  'Durable Object requests': 0.15,
  'Durable Object rows written': 1,
  'Queue operations': 0.4,
  'D1 rows written': 1,
  'KV reads': 0.5,
} as const
type Operation = keyof typeof PRICES

const memory = '/dev/shm'
const folder = await mkdtemp(path.join(existsSync(memory) ? memory : tmpdir(), 'tidegate-ledger-bench-'))
const mf = new Miniflare(
  convertV4MiniflareOptions({
    host: '127.0.0.1',
    port: 0,
    cf: false,
    telemetry: { enabled: false },
    logRequests: false,
    log: new Log(LogLevel.ERROR),
    d1Persist: path.join(folder, 'd1'),
    durableObjectsPersist: path.join(folder, 'do'),
    workers: [
      {
        name: 'ledger',
        modules: [
          { type: 'ESModule', path: 'ledger.mjs', contents: await bundleWorker('test/bench/ledger-worker.ts') },
        ],
        compatibilityDate: '2026-10-23',
        compatibilityFlags: ['enable_request_signal'],
        d1Databases: { DB: 'tidegate' },
        durableObjects: { TENANT_LIMITER: { className: 'MeasuredLimiter', useSQLite: true } },
        queueProducers: { USAGE: { queueName: 'usage' } },
        unsafeDirectSockets: [{ host: '127.0.0.1', port: 0 }],
      },
    ],
  }),
)
await endWorkerdWithThisProcess()

async function ask<Schema extends z.ZodMiniType>(schema: Schema, what: object): Promise<z.infer<Schema>> {
  const url = await mf.unsafeGetDirectURL('ledger')
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(what) })
  if (!response.ok) throw new Error(`${JSON.stringify(what)}: ${response.status} ${await response.text()}`)
  return schema.parse(await response.json())
}

const BY_STATEMENT = z.record(z.string(), z.number())
const CONSUMED = z.object({
  events: z.number(),
  messages: z.number(),
  rows: z.number(),
  tookMs: z.number(),
  byStatement: BY_STATEMENT,
})
const LIMITED = z.object({
  requests: z.number(),
  rows: z.number(),
  calls: z.number(),
  alarms: z.number(),
  messages: z.number(),
  byStatement: BY_STATEMENT,
})
const REPORTED = z.object({ medianMs: z.number(), worstMs: z.number(), rows: z.number(), requests: z.unknown() })
const STREAMED = z.object({ rows: z.number(), bytes: z.number(), largest: z.number(), tookMs: z.number() })

function line(...cells: readonly string[]): void {
  const [first = '', ...rest] = cells
  console.log(first.padEnd(46) + rest.map((cell) => cell.padStart(14)).join(''))
}

/** Requests come evenly to isolates, of which a location has a few, and to three keys; each takes so long. What idle isolates give
 *  back at the end is in it. */
const LOADS = [
  { perSecond: 20, isolates: 1, seconds: 30, latencyMs: 300 },
  { perSecond: 20, isolates: 3, seconds: 30, latencyMs: 300 },
  { perSecond: 20, isolates: 3, seconds: 30, latencyMs: 4_000 },
  { perSecond: 20, isolates: 48, seconds: 30, latencyMs: 300 },
  { perSecond: 2, isolates: 3, seconds: 30, latencyMs: 300 },
  { perSecond: 100, isolates: 6, seconds: 10, latencyMs: 300 },
  { perSecond: 500, isolates: 12, seconds: 5, latencyMs: 300 },
] as const
type Load = (typeof LOADS)[number]

/** Operations for one request of a tenant that has the deployment to itself: there is no company in the queue, so that each
 *  message is a batch of its own. */
function operationsOf(
  { perSecond, isolates }: Load,
  limiter: z.infer<typeof LIMITED>,
  consumer: z.infer<typeof CONSUMED>,
): Record<Operation, number> {
  const messages = limiter.messages / limiter.requests
  const chunks = Math.ceil((limiter.requests / limiter.messages) * (EVENT_CHARS / 64_000))
  return {
    'Worker requests': 1 + messages,
    // The consumer confirms each batch.
    'Durable Object requests': (limiter.calls + limiter.alarms) / limiter.requests + messages,
    // The row of a confirmed message is deleted.
    'Durable Object rows written': limiter.rows / limiter.requests + messages,
    'Queue operations': 3 * messages * chunks,
    'D1 rows written': consumer.rows / consumer.events,
    // A key and its tenant, known for a minute to an isolate that is asked more often than that.
    'KV reads': Math.min(2, (2 * isolates * 3) / (perSecond * 60)),
  }
}

try {
  await migrate(await mf.getD1Database('DB'))
  console.log('The usage consumer, in batches as the queue makes them (aim: 2,000 events/s, 1.3 rows an event)\n')
  line('', 'events/s', 'rows/event')
  await ask(CONSUMED, { what: 'consume', numbers: [3, 500, 25] })
  for (const [events, inMessage] of [
    [100, 5],
    [500, 25],
    [1500, 25],
  ] as const) {
    const found = await ask(CONSUMED, { what: 'consume', numbers: [Math.ceil(6000 / events), events, inMessage] })
    const speed = Math.round((found.events / found.tookMs) * 1000)
    line(`${events} events in messages of ${inMessage}`, String(speed), (found.rows / found.events).toFixed(3))
    if (isDetailed) console.log(JSON.stringify(found.byStatement))
  }

  console.log(
    '\nA million requests of one tenant with two budgets and three keys, by counted operations (aim: $2.50)\n',
  )
  // Those that are mostly waiting, at the same time.
  const measure = (load: Load): Promise<z.infer<typeof LIMITED>> =>
    ask(LIMITED, { what: 'limiter', numbers: [], load: { ...load, keys: 3 } })
  const limiters = await Promise.all(LOADS.filter(({ seconds }) => seconds > 10).map(measure))
  for (const load of LOADS.filter(({ seconds }) => seconds <= 10)) limiters.push(await measure(load))
  const columns: Record<Operation, number>[] = []
  for (const [at, load] of LOADS.entries()) {
    const limiter = limiters[at]
    if (limiter === undefined) throw new Error('nothing was measured')
    const inMessage = Math.max(1, Math.round(limiter.requests / limiter.messages))
    const numbers = [Math.ceil(1500 / inMessage), inMessage, inMessage]
    columns.push(operationsOf(load, limiter, await ask(CONSUMED, { what: 'consume', numbers, isAlone: true })))
    if (isDetailed) console.log(JSON.stringify(load), JSON.stringify(limiter))
  }
  line('requests a second', ...LOADS.map(({ perSecond }) => String(perSecond)))
  line('isolates', ...LOADS.map(({ isolates }) => String(isolates)))
  line('s a request', ...LOADS.map(({ latencyMs }) => String(latencyMs / 1000)))
  const totals = LOADS.map(() => 0)
  for (const operation of [
    'Worker requests',
    'Durable Object requests',
    'Durable Object rows written',
    'Queue operations',
    'D1 rows written',
    'KV reads',
  ] as const) {
    const cells = columns.map((column, at) => {
      const cost = column[operation] * PRICES[operation]
      totals[at] = (totals[at] ?? 0) + cost
      return `${column[operation].toFixed(3)} $${cost.toFixed(2)}`
    })
    line(operation, ...cells)
  }
  line('together', ...totals.map((total) => `$${total.toFixed(2)}`))
  line('and once the event is forgotten', ...totals.map((total) => `$${(total + 1).toFixed(2)}`))
  console.log('\nCPU time ($0.02 a million ms) and storage come on top, and what an account includes is not taken off.')

  if (!isShort) await fill()
} finally {
  await mf.dispose()
  await rm(folder, { recursive: true, force: true })
}

async function fill(): Promise<void> {
  const nowMs = Date.now()
  const midnight = Math.floor(nowMs / DAY_MS) * DAY_MS
  const perHour = EVENTS / DAYS / 24
  for (let day = 0; day < 2 * DAYS; day++)
    await ask(z.unknown(), { what: 'rollups', numbers: [day, midnight, perHour] })
  // What the hourly runs sum from that, four weeks in each.
  for (let run = 0; run < 4; run++) await ask(z.unknown(), { what: 'sum', numbers: [] })
  // Events of the last days, for the hours that a report cuts, and for the export.
  const firstMs = midnight - 4 * DAY_MS
  const stepMs = (nowMs - firstMs) / EXPORTED
  const CHUNK = 4000
  for (let at = 0; at < EXPORTED; at += CHUNK) {
    const count = Math.min(CHUNK, EXPORTED - at)
    await ask(z.unknown(), {
      what: 'events',
      numbers: [count, 10_000_000 + at, Math.floor(firstMs + at * stepMs), stepMs],
    })
  }
  console.log(`\nReports on ${DAYS} days of ${EVENTS.toLocaleString('en')} events, median of seven (aim: 200 ms)\n`)
  line('', 'median ms', 'worst ms', 'rows')
  const [fromMs, toMs] = [midnight - DAYS * DAY_MS + 12_345, midnight - HOUR_MS + 12_345]
  const reports = [
    ['spend by day', ['spend', 'requests'], ['day'], false],
    ['spend by model', ['spend', 'requests'], ['model'], false],
    [
      'everything by model',
      ['spend', 'tokens', 'requests', 'errors', 'latency', 'savings', 'feedback'],
      ['model'],
      false,
    ],
    ['spend by tenant, team and key', ['spend', 'requests'], ['tenant', 'team', 'key'], false],
    ['top movers by key', ['spend', 'requests'], ['key'], true],
    ['latency by day and model', ['latency', 'requests'], ['day', 'model'], false],
  ] as const
  for (const [name, metrics, groupBy, isCompared] of reports) {
    const found = await ask(REPORTED, { what: 'report', numbers: [fromMs, toMs], metrics, groupBy, isCompared })
    line(name, String(found.medianMs), String(found.worstMs), String(found.rows))
  }
  const found = await ask(STREAMED, { what: 'export', numbers: [firstMs, nowMs + HOUR_MS] })
  console.log(
    `\nExport of ${found.rows.toLocaleString('en')} events: ${(found.tookMs / 1000).toFixed(1)} s, ` +
      `${(found.bytes / 1e6).toFixed(0)} MB, never more than ${(found.largest / 1e6).toFixed(2)} MB in hand.`,
  )
}
