// The one place that talks to the admin API. Every failure becomes an `ApiFailure` whose kind says what the page should
// do about it; a deadline bounds every call. Shapes are checked just as far as the page relies on them.
import type { ApiMe } from './access/access-data.ts'
import type {
  ApiErrorBody,
  ApiHistory,
  ApiOverview,
  ApiRequests,
  ApiSummary,
  ApiUsage,
  SummaryDimension,
  UsageBucket,
  UsageDimension,
} from './api-types.ts'
import type { Credential } from './frame/session.ts'

const DEADLINE_MS = 30_000
/** Tokens are visible ASCII; anything else can't be sent in a header at all. */
const SENDABLE_TOKEN = /^[\x21-\x7e]+$/

/** `signed-out`: the token is wrong. `closed`: no admin token is configured. `offline`: no answer. `failed`: the rest. */
export type ApiFailureKind = 'signed-out' | 'closed' | 'offline' | 'failed'

/** A call that brought no data. `message` is a sentence for the reader. */
export class ApiFailure extends Error {
  override readonly name = 'ApiFailure'
  readonly kind: ApiFailureKind
  readonly code: string
  /** Path of the field that is wrong, as `limits.rules[0].amount_usd`; null where it isn't about one. */
  readonly field: string | null

  constructor(kind: ApiFailureKind, code: string, message: string, field: string | null = null) {
    super(message)
    this.kind = kind
    this.code = code
    this.field = field
  }
}

export interface UsageQuery {
  readonly fromMs: number
  readonly toMs: number
  readonly groupBy: readonly (UsageBucket | UsageDimension)[]
}

export interface HistoryQuery {
  readonly fromMs: number
  readonly toMs: number
  readonly by: SummaryDimension
  readonly bucket: UsageBucket
}

export interface SummaryQuery {
  readonly fromMs: number
  readonly toMs: number
  /** Besides the sums. */
  readonly tables: readonly SummaryDimension[]
}

export interface RequestsQuery {
  readonly limit: number
  /** Cursor of the page before; null for the newest. */
  readonly before: string | null
}

export interface Tagged<Shape> {
  readonly data: Shape
  readonly etag: string
}

export interface AdminApi {
  me(signal: AbortSignal): Promise<ApiMe>
  overview(signal: AbortSignal): Promise<ApiOverview>
  usage(query: UsageQuery, signal: AbortSignal): Promise<ApiUsage>
  summary(query: SummaryQuery, signal: AbortSignal): Promise<ApiSummary>
  history(query: HistoryQuery, signal: AbortSignal): Promise<ApiHistory>
  requests(query: RequestsQuery, signal: AbortSignal): Promise<ApiRequests>
  /** Any other answer, once it is an object whose `lists` are arrays. */
  read<Shape>(path: string, lists: readonly (keyof Shape & string)[], signal: AbortSignal): Promise<Shape>
  /** A single thing with its ETag, by which a change says what it saw. */
  readTagged<Shape>(path: string, signal: AbortSignal): Promise<Tagged<Shape>>
  /** Changes something; resolves to the answer, or to an empty object where it has no body. With `etag`, only what was seen. */
  send<Shape>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object, etag?: string): Promise<Shape>
}

/** A client that speaks by `credential`. */
export function adminApi(credential: Credential): AdminApi {
  return {
    async me(signal) {
      return shaped<ApiMe>(await get('/admin/me', credential, signal), ['may'])
    },
    async overview(signal) {
      return shaped<ApiOverview>(await get('/admin/overview', credential, signal), [
        'tenants',
        'teams',
        'key_counts',
        'routes',
      ])
    },
    async usage({ fromMs, toMs, groupBy }, signal) {
      const query = new URLSearchParams({ from: String(fromMs), to: String(toMs), group_by: groupBy.join(',') })
      return shaped<ApiUsage>(await get(`/admin/usage?${query}`, credential, signal), ['rows', 'group_by'])
    },
    async summary({ fromMs, toMs, tables }, signal) {
      const query = new URLSearchParams({ from: String(fromMs), to: String(toMs), tables: tables.join(',') })
      return shaped<ApiSummary>(await get(`/admin/summary?${query}`, credential, signal), [])
    },
    async history({ fromMs, toMs, by, bucket }, signal) {
      const query = new URLSearchParams({ from: String(fromMs), to: String(toMs), by, bucket })
      return shaped<ApiHistory>(await get(`/admin/summary/history?${query}`, credential, signal), ['rows'])
    },
    async requests({ limit, before }, signal) {
      const query = new URLSearchParams({ limit: String(limit) })
      if (before !== null) query.set('before', before)
      return shaped<ApiRequests>(await get(`/admin/requests?${query}`, credential, signal), ['rows'])
    },
    async read<Shape>(path: string, lists: readonly (keyof Shape & string)[], signal: AbortSignal) {
      return shaped<Shape>(await get(path, credential, signal), lists)
    },
    async readTagged<Shape>(path: string, signal: AbortSignal) {
      const { answer, etag } = await call({ method: 'GET', path }, credential, signal)
      return { data: shaped<Shape>(answer, []), etag: etag ?? '*' }
    },
    async send<Shape>(method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object, etag?: string) {
      const { answer } = await call({ method, path, body, etag }, credential, new AbortController().signal)
      return shaped<Shape>(answer, [])
    },
  }
}

/** Makes an `ApiFailure` of anything thrown. */
export function asFailure(thrown: unknown): ApiFailure {
  if (thrown instanceof ApiFailure) return thrown
  if (thrown instanceof DOMException && thrown.name === 'TimeoutError') {
    return new ApiFailure('offline', 'timeout', `The gateway has not answered within ${DEADLINE_MS / 1_000} seconds.`)
  }
  if (thrown instanceof TypeError) return new ApiFailure('offline', 'network', 'The gateway can’t be reached.')
  return new ApiFailure('failed', 'unexpected', thrown instanceof Error ? thrown.message : String(thrown))
}

async function get(path: string, credential: Credential, signal: AbortSignal): Promise<unknown> {
  return (await call({ method: 'GET', path }, credential, signal)).answer
}

interface Call {
  readonly method: string
  readonly path: string
  readonly body?: object | undefined
  readonly etag?: string | undefined
}

interface Called {
  readonly answer: unknown
  readonly etag: string | null
}

async function call(asked: Call, credential: Credential, signal: AbortSignal): Promise<Called> {
  const { method, path, body, etag } = asked
  if (credential.kind === 'token' && !SENDABLE_TOKEN.test(credential.token)) {
    throw new ApiFailure('signed-out', 'unauthorized', 'This is not a token.')
  }
  const response = await fetch(path, {
    method,
    headers: {
      ...(credential.kind === 'token' ? { authorization: `Bearer ${credential.token}` } : wordOf(credential, method)),
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(etag === undefined ? {} : { 'if-match': etag }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    cache: 'no-store',
    signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
  })
  const text = await response.text()
  const answer = response.ok && text === '' ? {} : readJson(text)
  if (!response.ok) throw failureOf(response.status, answer)
  if (answer === undefined) throw unreadable()
  return { answer, etag: response.headers.get('etag') }
}

/** A session's word goes with every change: no other page knows it. */
function wordOf({ csrf }: { readonly csrf: string }, method: string): Readonly<Record<string, string>> {
  return method === 'GET' ? {} : { 'x-tidegate-csrf': csrf }
}

function failureOf(status: number, body: unknown): ApiFailure {
  const error = errorOf(body)
  const code = error?.code ?? `http-${status}`
  if (status === 401) return new ApiFailure('signed-out', code, error?.message ?? 'The token was not accepted.')
  if (code === 'admin_closed') return new ApiFailure('closed', code, error?.message ?? 'The admin API is closed.')
  const message = error?.message ?? `The gateway answered with status ${status}.`
  return new ApiFailure('failed', code, message, error?.field ?? null)
}

function errorOf(body: unknown): ApiErrorBody['error'] | null {
  if (!isRecord(body) || !isRecord(body['error'])) return null
  const { message, code, field } = body['error']
  if (typeof message !== 'string' || typeof code !== 'string') return null
  return typeof field === 'string' ? { message, code, field } : { message, code }
}

/** `body` as `Shape`, once it is an object whose `lists` are arrays. */
function shaped<Shape>(body: unknown, lists: readonly (keyof Shape & string)[]): Shape {
  if (!isRecord(body) || lists.some((list) => !Array.isArray(body[list]))) throw unreadable()
  return body as Shape
}

function unreadable(): ApiFailure {
  return new ApiFailure('failed', 'unreadable', 'The gateway’s answer could not be read. Is this its admin API?')
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
