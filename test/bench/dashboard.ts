// `npm run bench:dashboard`: how long the dashboard's pages and what they read take at one tenant of ten thousand keys and
// five million events in thirty days, on a whole local system. The hours are written as they are, few keys busy and most
// quiet; the days are summed as the consumer sums them. `--keys=`, `--events=` for other sizes; with `--state=` a folder that
// is filled once and measured again and again.
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { GROUP_DIMENSIONS, ROLLUP_SUMS } from '../../src/ledger/columns.ts'
import { sumDays } from '../../src/ledger/days.ts'
import { startSystem } from '../../src/local/system.ts'
import { launchBrowser } from '../e2e/browser.ts'
import { median } from './statistics.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const DAYS = 30
const ADMIN_TOKEN = 'admin-token-of-the-bench'
const RUNS = 7
/** The busiest key has about this part of the traffic; the others ever less. */
const HEAD = 10
const WAIT_MS = 20_000

function numberOf(name: string, usual: number): number {
  return Number(process.argv.find((one) => one.startsWith(`--${name}=`))?.slice(name.length + 3) ?? usual)
}
const KEYS = numberOf('keys', 10_000)
const EVENTS = numberOf('events', 5_000_000)

const KEPT = process.argv.find((one) => one.startsWith('--state='))?.slice(8) ?? null
const MARK = 'filled'

if (KEPT !== null) await mkdir(KEPT, { recursive: true })
const folder =
  KEPT ?? (await mkdtemp(path.join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tidegate-dashboard-bench-')))
const system = await startSystem({
  stateDir: folder,
  onLog: () => undefined,
  secrets: { ADMIN_TOKEN, KEY_PEPPER: 'pepper-of-the-bench', ALERT_KEY: 'alert-key-of-the-bench' },
})
const nowMs = Date.now()
const thisHourMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS
function line(...cells: readonly string[]): void {
  const [first = '', ...rest] = cells
  console.log(first.padEnd(46) + rest.map((cell) => cell.padStart(12)).join(''))
}

/** Fills tables; returns how many hours of keys there are. */
async function fill(): Promise<number> {
  const db = await system.mf.getD1Database('DB', 'tidegate')
  const numbers = JSON.stringify(Array.from({ length: KEYS }, (_, at) => at))
  await db.batch([
    db
      .prepare(
        `INSERT INTO tenants (id, name, cache_mode, cache_ttl_seconds, time_zone, created_at_ms) VALUES ('ten_huge', 'Huge', 'off', 3600, 'UTC', ?1)`,
      )
      .bind(nowMs),
    db
      .prepare(
        `INSERT INTO teams (id, tenant_id, name, created_at_ms)
        SELECT 'team_' || value, 'ten_huge', 'Team ' || value, ?2 FROM json_each(?1) WHERE value < 40`,
      )
      .bind(numbers, nowMs),
    db
      .prepare(
        `INSERT INTO virtual_keys (id, kid, tenant_id, team_id, name, hashes, tags, models, limit_rules, budget_nano_usd, budget_period, created_at_ms)
        SELECT 'key_' || value, format('kid%.6d', value), 'ten_huge', 'team_' || (value % 40), 'service-' || value, '[]', '[]', '[]', '[]',
          iif(value % 2 = 0, 20000000000, NULL), iif(value % 2 = 0, 'month', NULL), ?2 FROM json_each(?1)`,
      )
      .bind(numbers, nowMs),
    db.prepare(`INSERT INTO usage_zones VALUES ('ten_huge', 'UTC')`),
  ])
  // The tenant's limiter hears of its tree with any change of a team.
  await admin('/admin/teams', { tenant: 'Huge', name: 'One more' })
  const weights = Array.from({ length: KEYS }, (_, at) => 1 / (at + HEAD))
  const scale = EVENTS / DAYS / 24 / weights.reduce((sum, one) => sum + one, 0)
  let rows = 0
  for (let hour = DAYS * 24; hour >= 0; hour--) {
    const list = weights.flatMap((weight, at) => {
      const many = drawn(weight * scale, hour * KEYS + at)
      return many === 0 ? [] : [[at, many]]
    })
    rows += list.length
    await db
      .prepare(HOURS)
      .bind(JSON.stringify(list), thisHourMs - hour * HOUR_MS)
      .run()
  }
  const perHour = Math.round(EVENTS / DAYS / 24)
  for (const back of [0, 1, 23, 24, 25])
    await db
      .prepare(RAW)
      .bind(thisHourMs - back * HOUR_MS, perHour)
      .run()
  return rows
}

const VALUES: Readonly<Record<string, string>> = {
  requests: 'n',
  attempts: 'n',
  errors: 'n / 50',
  cache_hits: 'n / 9',
  input_tokens: 'n * 900',
  output_tokens: 'n * 200',
  cost_nano_usd: 'n * 2500000 + k',
  latency_ms: 'n * 900',
  latency_to_1000: 'n',
}
const HOURS = `INSERT INTO usage_hourly (hour_ms, ${[...Object.keys(GROUP_DIMENSIONS), ...Object.keys(ROLLUP_SUMS)].join(', ')})
  SELECT ?2, 'ten_huge', 'team_' || (k % 40), 'key_' || k, '', 'openai', 'model-' || (k % 6), 'route_1',
    ${Object.keys(ROLLUP_SUMS)
      .map((name) => VALUES[name] ?? '0')
      .join(', ')}
  FROM (SELECT value ->> 0 AS k, value ->> 1 AS n FROM json_each(?1))`
/** Single events, for the hours that a range cuts. */
const RAW = `WITH RECURSIVE one (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM one WHERE n < ?2 - 1),
  made AS (SELECT n, CAST(?1 AS INTEGER) + n * ${HOUR_MS} / CAST(?2 AS INTEGER) AS ms, (n * 2654435761) % ${KEYS} AS k FROM one)
  INSERT INTO usage_events (request_id, attempt, kind, started_at_ms, tenant_id, team_id, key_id, tags, protocol, streamed,
    requested_model, route, provider, model, status, ending, cache, is_final, input_tokens, cache_read_tokens, cache_write_tokens,
    cache_write_long_tokens, output_tokens, reasoning_tokens, audio_input_tokens, audio_output_tokens, is_estimated, cost_nano_usd,
    saved_nano_usd, latency_ms)
  SELECT format('%.8x-%.4x-7000-8000-%.12x', ms >> 16, ms & 65535, n), 1, 'cost', ms, 'ten_huge', 'team_' || (k % 40), 'key_' || k, '[]',
    'chat', 1, 'model-' || (k % 6), 'route_1', 'openai', 'model-' || (k % 6), 200, 'finished', 'off', 1, 900, 0, 0, 0, 200, 0, 0, 0, 0,
    2500000, 0, 900 FROM made`

/** How many of about `mean`, the same for the same number. */
function drawn(mean: number, number: number): number {
  const chance = (Math.imul(number + 1, 2_654_435_761) >>> 0) / 2 ** 32
  return Math.floor(mean + chance)
}

async function admin(pathname: string, body?: object): Promise<string> {
  const response = await fetch(system.url + pathname, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  if (!response.ok) return `! ${response.status} ${text.slice(0, 200)}`
  return text
}

/** Sums what the consumer's hourly runs sum, until nothing is left. */
async function sumAll(db: D1Database): Promise<void> {
  const far = `SELECT group_concat(name || until_ms) AS far FROM ledger_progress`
  for (let before = ''; ;) {
    await sumDays(db, Date.now())
    const after = (await db.prepare(far).first<{ far: string }>())?.far ?? ''
    if (after === before) return
    before = after
  }
}

async function measureCalls(): Promise<void> {
  line('What pages read, one at a time', 'median ms', 'worst ms', 'KB')
  const atMs = Date.now()
  const summary = (days: number, tables: string): string =>
    `/admin/summary?from=${atMs - days * DAY_MS}&tables=${tables}`
  const history = (days: number, by: string, bucket: string): string =>
    `/admin/summary/history?from=${atMs - days * DAY_MS}&by=${by}&bucket=${bucket}`
  const lines = (query: string): string => `/admin/keys/lines?${query}`
  const calls = {
    overview: '/admin/overview',
    'totals of 24 h': summary(1, 'model,team,tenant'),
    'totals of 7 days': summary(7, 'model,team,tenant'),
    'totals of 30 days': summary(30, 'model,team,tenant'),
    'dearest keys of 24 h': summary(1, 'key'),
    'dearest keys of 7 days': summary(7, 'key'),
    'dearest keys of 30 days': summary(30, 'key'),
    'history of 24 h by model': history(1, 'model', 'hour'),
    'history of 24 h by key': history(1, 'key', 'hour'),
    'history of 7 days by key': history(7, 'key', 'hour'),
    'history of 30 days by key': history(30, 'key', 'day'),
    requests: '/admin/requests?limit=50',
    'keys, dearest of the month first': lines(''),
    'keys by name': lines('sort=name'),
    'keys by last use': lines('sort=used'),
    'keys by budget': lines('sort=budget'),
    'keys searched': lines('q=service-99'),
    'a key’s use of 7 days': `/admin/reports?metrics=spend,requests,errors,tokens,savings&group_by=hour,model&key=key_7&limit=20000&from=${atMs - 7 * DAY_MS}`,
    'a key’s requests': '/admin/keys/key_7/requests',
    'a key’s limits': '/admin/keys/key_8/limits',
  }
  for (const [name, pathname] of Object.entries(calls)) {
    const times: number[] = []
    let text = ''
    for (let run = 0; run < RUNS; run++) {
      const begunMs = performance.now()
      text = await admin(pathname)
      times.push(performance.now() - begunMs)
    }
    const said = text.startsWith('!') ? text.slice(0, 60) : String(Math.round(text.length / 1024))
    line(name, median(times).toFixed(0), Math.max(...times).toFixed(0), said)
  }
}

const REPORT_RUNS = 20
const EVERYTHING = 'spend,tokens,requests,errors,latency,savings,feedback'
/** Of thirty days, to the millisecond. */
const REPORTS = [
  ['spend,requests', ''],
  ['spend,requests', 'day'],
  [EVERYTHING, 'model'],
  [EVERYTHING, 'team'],
  ['latency,requests', 'day,model'],
  ['spend', 'hour,model'],
  ['spend,requests', 'key'],
  ['spend,requests', 'tenant,team,key'],
  ['spend', 'key,model'],
  ['spend', 'day,key'],
  [EVERYTHING, 'key&limit=200'],
  ['spend', 'key&compare=previous&limit=20'],
  [EVERYTHING, 'day&key=key_7'],
] as const

async function measureReports(): Promise<void> {
  line('\nReports on 30 days (aim: 200 ms)', 'median ms', 'p95 ms', 'KB')
  for (const [metrics, groupBy] of REPORTS) {
    const times: number[] = []
    let bytes = 0
    for (let run = 0; run < REPORT_RUNS; run++) {
      const from = Date.now() - DAYS * DAY_MS + 12_345
      const begunMs = performance.now()
      bytes = (await admin(`/admin/reports?metrics=${metrics}&group_by=${groupBy}&from=${from}`)).length
      times.push(performance.now() - begunMs)
    }
    const sorted = times.toSorted((a, b) => a - b)
    const p95 = sorted[Math.ceil(REPORT_RUNS * 0.95) - 1] ?? 0
    const name = `${metrics === EVERYTHING ? 'everything' : metrics} by ${groupBy === '' ? 'nothing' : groupBy}`
    line(name.slice(0, 45), median(times).toFixed(0), p95.toFixed(0), String(Math.round(bytes / 1024)))
  }
}

/** What has to be on a page before it is of use. */
const PAGES: Readonly<Record<string, readonly string[]>> = {
  '/dashboard/#range=24h&by=model': [
    '.tile-spend .money',
    '.panel-history canvas',
    '.budget',
    '.requests-table tbody tr',
  ],
  '/dashboard/#range=30d&by=key': ['.tile-spend .money', '.panel-history canvas', '.requests-table tbody tr'],
  // The overview's table of keys is read last.
  '/dashboard/#range=24h': ['.panel-by-key tbody tr'],
  '/dashboard/#range=30d': ['.panel-by-key tbody tr'],
  '/dashboard/keys': ['.keys-table tbody tr', '.cell-month .money'],
  '/dashboard/keys?sort=name': ['.keys-table tbody tr', '.cell-month .money'],
  '/dashboard/keys?sort=budget': ['.keys-table tbody tr', '.cell-month .money'],
  '/dashboard/keys/key_8': ['.facts', '.limits-table tbody tr', '.panel-history canvas', '.tile-spend .money'],
  '/dashboard/requests': ['.requests-table tbody tr'],
  '/dashboard/teams': ['main table tbody tr'],
  '/dashboard/alerts': ['.panel-alerts :is(.teach, .alert, .nothing)'],
  '/dashboard/routes': ['main :is(.teach, .route)'],
}

/** Each in a browser context of its own, so that nothing is in the browser's cache; the gateway's isolate is warm from the
 *  calls before, and a first visit that isn't counted. */
async function measurePages(): Promise<void> {
  line('\nPages, ms from navigation to …', 'first data', 'usable', 'worst')
  const browser = await launchBrowser()
  for (const [pathname, wanted] of Object.entries(PAGES)) {
    const firsts: number[] = []
    const alls: number[] = []
    for (let run = 0; run <= 5; run++) {
      const context = await browser.newContext({ bypassCSP: true })
      const page = await context.newPage()
      await page.addInitScript(`sessionStorage.setItem('tidegate.admin-token', '${ADMIN_TOKEN}')`)
      const begunMs = performance.now()
      await page.goto(system.url + pathname, { waitUntil: 'commit' })
      const times = await Promise.all(
        wanted.map(async (one) => {
          // Looked at with every frame: a locator's own wait has pauses of half a second.
          await page.waitForFunction(`document.querySelector(${JSON.stringify(one)}) !== null`, undefined, {
            timeout: WAIT_MS,
            polling: 'raf',
          })
          return performance.now() - begunMs
        }),
      ).catch((error: unknown) => {
        console.log(String(error).split('\n').slice(0, 3).join(' '))
        return [NaN]
      })
      if (run > 0) {
        firsts.push(Math.min(...times))
        alls.push(Math.max(...times))
      }
      await context.close()
    }
    line(pathname, median(firsts).toFixed(0), median(alls).toFixed(0), Math.max(...alls).toFixed(0))
  }
  await browser.close()
}

try {
  if (!existsSync(path.join(folder, MARK))) {
    const begunMs = Date.now()
    const rows = await fill()
    console.log(
      `${KEYS.toLocaleString('en')} keys, ${EVENTS.toLocaleString('en')} events in ${rows.toLocaleString('en')} ` +
        `hours of keys; filled in ${Math.round((Date.now() - begunMs) / 1000)} s\n`,
    )
    await writeFile(path.join(folder, MARK), '')
  }
  await sumAll(await system.mf.getD1Database('DB', 'tidegate'))
  await measureCalls()
  await measureReports()
  await measurePages()
} finally {
  await system.dispose()
  if (KEPT === null) await rm(folder, { recursive: true, force: true })
}
