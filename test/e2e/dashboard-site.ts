// The built dashboard over HTTP, with a scripted stand-in for the admin API on the same origin: the page is what is under
// test. Answers are computed from one list of attempts, so tiles, tables, chart and log must agree with each other.
import { readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { extname, join, normalize } from 'node:path'
import type { ApiMe } from '../../src/dashboard/access/access-data.ts'
import type {
  ApiHistory,
  ApiKey,
  ApiKeyLine,
  ApiKeyLines,
  ApiKeyNames,
  ApiOverview,
  ApiRequestRow,
  ApiSummary,
  ApiUsageCounters,
  ApiUsageRow,
} from '../../src/dashboard/api-types.ts'
import { SPEND_DIMENSIONS } from '../../src/dashboard/parts/ranges.ts'
import { budgetsOf, KEYS } from './dashboard-data.ts'

export const ADMIN_TOKEN = 'tg_admin_right'

const HOUR_MS = 3_600_000

/** What the API stands for; tests change it between requests. */
export interface Script {
  overview: ApiOverview
  /** Left out: the usual ones of `dashboard-data.ts`. */
  keys?: readonly ApiKey[]
  /** Newest first. */
  attempts: readonly ApiRequestRow[]
  /** Answers of the admin API wait for this. */
  gate: Promise<void>
  /** Answered to every admin call instead of data. */
  refusal: { status: number; code: string; message: string } | null
  /** Paths and queries of admin calls that were let in, in order. */
  readonly calls: string[]
  /** Bytes of every answer with data, in order, where somebody counts them. */
  readonly sizes?: number[]
}

export interface DashboardSite {
  readonly url: string
  readonly script: Script
  close(): Promise<void>
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
}

/** Serves `folder` at `/` and the script at `/admin`, on a free port of the loopback. */
export async function serveDashboard(folder: string, script: Script): Promise<DashboardSite> {
  const server = createServer((request, response) => {
    const answer = request.url?.startsWith('/admin/') ? answerAdmin : answerFile
    answer(request, response, { folder, script }).catch((thrown: unknown) => {
      response.writeHead(500).end(String(thrown))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  return {
    url: `http://127.0.0.1:${address.port}`,
    script,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

interface Site {
  readonly folder: string
  readonly script: Script
}

async function answerFile(request: IncomingMessage, response: ServerResponse, { folder }: Site): Promise<void> {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  // An address within the dashboard is the page's own business.
  const isPage = pathname.startsWith('/dashboard/') && !pathname.includes('.')
  const path = normalize(isPage ? '/dashboard/index.html' : pathname)
  const body = await readFile(join(folder, path)).catch(() => null)
  if (body === null) return void response.writeHead(404).end()
  response.writeHead(200, { 'content-type': CONTENT_TYPES[extname(path)] ?? 'application/octet-stream' }).end(body)
}

async function answerAdmin(request: IncomingMessage, response: ServerResponse, { script }: Site): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://localhost')
  if (url.pathname === '/admin/sign-in') return void sendJson(response, { methods: [] })
  if (script.refusal !== null) return sendRefusal(response, script.refusal)
  if (request.headers.authorization !== `Bearer ${ADMIN_TOKEN}`) {
    return sendRefusal(response, { status: 401, code: 'unauthorized', message: 'wrong admin token' })
  }
  if (url.pathname === '/admin/me') return void sendJson(response, ME)
  script.calls.push(url.pathname + url.search)
  await script.gate
  const answers: Readonly<Record<string, () => unknown>> = {
    '/admin/overview': () => script.overview,
    '/admin/usage': () => usage(script.attempts, url.searchParams),
    '/admin/summary': () => summary(script.attempts, url.searchParams),
    '/admin/summary/history': () => history(script.attempts, url.searchParams),
    '/admin/requests': () => page(script.attempts, url.searchParams),
    '/admin/reports': () => report(script.attempts, url.searchParams),
    '/admin/keys/lines': () => keyLines(script, url.searchParams),
    '/admin/keys/names': () => keyNames(script, url.searchParams),
  }
  const answer = answers[url.pathname]
  if (answer === undefined)
    return sendRefusal(response, { status: 404, code: 'not_found', message: 'no such endpoint' })
  const bytes = sendJson(response, answer())
  script.sizes?.push(bytes)
}

/** Somebody who may only look. */
const ME: ApiMe = {
  who: 'ADMIN_TOKEN',
  by: 'admin-token',
  role: 'owner',
  scope: { kind: 'deployment', tenant_id: null, team_id: null },
  csrf: null,
  may: [],
}

/** Returns how many bytes it was. */
function sendJson(response: ServerResponse, body: unknown): number {
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(200, { 'content-type': 'application/json' }).end(bytes)
  return bytes.length
}

function sendRefusal(response: ServerResponse, { status, code, message }: NonNullable<Script['refusal']>): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { message, code } }))
}

function usage(attempts: readonly ApiRequestRow[], query: URLSearchParams): unknown {
  const from = Number(query.get('from'))
  const to = Number(query.get('to'))
  const groupBy = (query.get('group_by') ?? '').split(',')
  const within = attempts.filter((row) => row.started_at_ms >= from && row.started_at_ms <= to)
  const groups = Map.groupBy(within, (row) => JSON.stringify(groupBy.map((field) => fieldOf(row, field))))
  const rows: ApiUsageRow[] = [...groups].map(([id, members]) => {
    const values: unknown[] = JSON.parse(id)
    return { ...Object.fromEntries(groupBy.map((field, index) => [field, values[index]])), ...counters(members) }
  })
  return { from, to, group_by: groupBy, rows, total: counters(within) }
}

/** Dearest first. */
function summary(attempts: readonly ApiRequestRow[], query: URLSearchParams): ApiSummary {
  const { from, to, within } = stretchOf(attempts, query)
  const table = (field: 'model' | 'key' | 'team' | 'tenant'): NonNullable<ApiSummary['tables']['model']> => {
    const groups = Map.groupBy(within, (row) => row[field])
    const rows = [...groups].map(([id, members]) => ({ id, ...counters(members) }))
    rows.sort((a, b) => Number(BigInt(b.cost_nano_usd) - BigInt(a.cost_nano_usd)) || b.requests - a.requests)
    return { rows: rows.slice(0, 50), count: rows.length }
  }
  const tables = { model: table('model'), key: table('key'), team: table('team'), tenant: table('tenant') }
  return { from, to, total: counters(within), tables }
}

function history(attempts: readonly ApiRequestRow[], query: URLSearchParams): ApiHistory {
  const { from, to, within } = stretchOf(attempts, query)
  const by = SPEND_DIMENSIONS.find((name) => name === query.get('by')) ?? 'model'
  const bucket = query.get('bucket') === 'day' ? 'day' : 'hour'
  const groups = Map.groupBy(within, (row) => JSON.stringify([fieldOf(row, bucket), row[by]]))
  const rows = [...groups].map(([name, members]) => {
    const [at_ms, id]: [number, string | null] = JSON.parse(name)
    return { at_ms, id, is_rest: false, cost_nano_usd: counters(members).cost_nano_usd }
  })
  return { from, to, by, bucket, rows }
}

function stretchOf(attempts: readonly ApiRequestRow[], query: URLSearchParams) {
  const from = Number(query.get('from'))
  const to = Number(query.get('to'))
  return { from, to, within: attempts.filter((row) => row.started_at_ms >= from && row.started_at_ms <= to) }
}

/** Spend by key. */
function report(attempts: readonly ApiRequestRow[], query: URLSearchParams): unknown {
  const from = Number(query.get('from'))
  const within = attempts.filter((row) => row.started_at_ms >= from)
  const groups = Map.groupBy(within, (row) => row.key)
  return { rows: [...groups].map(([key, members]) => ({ key, ...counters(members) })) }
}

/** A page of keys, searched and sorted as the API does it. */
function keyLines({ keys = KEYS, attempts }: Script, query: URLSearchParams): ApiKeyLines {
  const words = (query.get('q') ?? '').toLowerCase().split(' ')
  const spent = Map.groupBy(attempts, (row) => row.key)
  const lines = keys
    .filter((key) => query.get('state') === 'all' || key.status === 'active')
    .filter((key) => words.every((word) => [key.name, key.id, key.kid].join(' ').toLowerCase().includes(word)))
    .map((key): ApiKeyLine => {
      const own = spent.get(key.id) ?? []
      const cost = counters(own).cost_nano_usd
      const atMs = Math.max(...own.map((row) => row.started_at_ms))
      const last_used = own.length === 0 ? null : { from_ms: atMs - HOUR_MS / 2, to_ms: atMs + HOUR_MS / 2 }
      return { ...key, today_nano_usd: cost, month_nano_usd: cost, last_used, budgets: budgetsOf([key], 'key') }
    })
  const sort = query.get('sort')
  const sign = query.get('order') === 'reversed' ? -1 : 1
  const used = (line: ApiKeyLine): number => Number(line.budgets[0]?.used_usd ?? -1)
  if (sort === 'name') lines.sort((a, b) => sign * (a.name < b.name ? -1 : 1))
  else if (sort === 'budget') lines.sort((a, b) => sign * (used(b) - used(a)))
  else lines.sort((a, b) => sign * Number(BigInt(b.month_nano_usd) - BigInt(a.month_nano_usd)))
  const limit = Number(query.get('limit') ?? 50)
  const at = Number(query.get('page') ?? 0)
  return { count: lines.length, page: at, rows: lines.slice(at * limit, (at + 1) * limit) }
}

function keyNames({ keys = KEYS }: Script, query: URLSearchParams): ApiKeyNames {
  const ids = query.get('ids')?.split(',')
  const found = keys.filter(({ id }) => ids?.includes(id) ?? true)
  return { rows: found.slice(0, 200), count: found.length }
}

function fieldOf(row: ApiRequestRow, field: string): unknown {
  if (field === 'hour') return Math.floor(row.started_at_ms / 3_600_000) * 3_600_000
  if (field === 'day') return Math.floor(row.started_at_ms / 86_400_000) * 86_400_000
  return Object.entries(row).find(([name]) => name === field)?.[1] ?? null
}

function counters(rows: readonly ApiRequestRow[]): ApiUsageCounters {
  const sum = (of: (row: ApiRequestRow) => number): number => rows.reduce((total, row) => total + of(row), 0)
  const money = (of: (row: ApiRequestRow) => string): string =>
    rows.reduce((total, row) => total + BigInt(of(row)), 0n).toString()
  return {
    requests: sum((row) => (row.is_final ? 1 : 0)),
    errors: sum((row) => (row.is_final && row.status >= 400 ? 1 : 0)),
    cache_hits: sum((row) => (row.cache === 'hit' ? 1 : 0)),
    input_tokens: sum((row) => row.input_tokens),
    cache_read_tokens: sum((row) => row.cache_read_tokens),
    output_tokens: sum((row) => row.output_tokens),
    reasoning_tokens: sum((row) => row.reasoning_tokens),
    cost_nano_usd: money((row) => row.cost_nano_usd),
    saved_nano_usd: money((row) => row.saved_nano_usd),
  }
}

/** A page whose cursor is the index of its first row. */
function page(attempts: readonly ApiRequestRow[], query: URLSearchParams): unknown {
  const start = Number(query.get('before') ?? 0)
  const end = start + Number(query.get('limit') ?? 50)
  return { rows: attempts.slice(start, end), next: end < attempts.length ? String(end) : null }
}
