// One client's request while it is being served: who, what, since when. Made once, read by every step.
import type { Caller, Route } from '../core/directory.ts'
import type { InvalidRequest } from '../core/failure.ts'
import type { JsonObject } from '../core/json.ts'
import { SHADOW_KEY_ID } from '../core/routing/shadow.ts'
import { readTraceparent } from '../core/trace-context.ts'
import type { CacheState, Ending, EventDraft } from '../core/money/usage-event.ts'
import { USAGE_EVENT_VERSION } from '../core/money/usage-event.ts'
import { NO_USAGE } from '../core/money/usage.ts'
import type { Later, Services } from '../ports.ts'
import { Client } from './client.ts'
import { END_USER_CHARS_MAX, END_USER_HEADER, endUserOf } from './limits/end-user.ts'
import { labelsIn, labelsOf } from './labels.ts'
import { smoothLagMs } from './answer/smooth.ts'
import type { ShortBody } from './bodies/large-body.ts'
import type { Protocol, ReplyContext, RequestFacts, Speaker } from '../protocols/protocol.ts'

/** What the client may ask of the gateway itself, by header. */
export interface RequestOptions {
  /** `x-tidegate-timeout-ms`: by when a whole reply has to be there, or a streamed one to have begun, whatever is tried. */
  readonly timeoutMs: number | null
  /** `x-tidegate-attempt-timeout-ms`: the same of each attempt, where that is less than its target may take. */
  readonly attemptTimeoutMs: number | null
  /** `x-tidegate-idle-timeout-ms`: a lower timeout between two chunks. */
  readonly idleMs: number | null
  /** `x-tidegate-cache: off`, or `cache-control: no-store`. */
  readonly isCacheOff: () => boolean
  /** `x-tidegate-smooth`: how long text may be held back to leave evenly; null for not at all. Ms. */
  readonly smoothLagMs: () => number | null
  /** `x-tidegate-failover: off`: nobody else goes on with a stream that breaks off. */
  readonly isFailoverOff: () => boolean
  readonly tags: readonly string[]
  readonly costCenter: string | null
  /** `x-tidegate-user`: the end user, in place of the body's. */
  readonly endUser: string | null
  /** Any header, by its name in lower case: for rules that ask for it. */
  readonly header: (name: string) => string | null
  /** The first of its times that can't be read as one. */
  readonly mistaken: InvalidRequest | null
  /** Where the client is, as the platform says on the request itself (`cf` on Cloudflare); null where it doesn't. */
  readonly place: (what: 'country' | 'continent' | 'isEUCountry') => string | null
}

export interface Exchange<P extends Speaker = Protocol> {
  readonly requestId: string
  readonly traceId: string | null
  /** The client's span, as the event keeps it. */
  readonly parentSpan: string | null
  readonly startedAtMs: number
  /** What its attempts that are over have cost. Nano-USD. */
  readonly spent: { nanoUsd: number }
  readonly protocol: P
  readonly options: RequestOptions
  /** Headers of the client's that its protocol passes on. */
  readonly passed: Readonly<Record<string, string>>
  readonly client: Client
  readonly services: Services
  readonly later: Later
}

/** An exchange whose request has been read and whose caller is known. */
export interface ReadExchange<P extends Speaker = Protocol> extends Exchange<P> {
  readonly caller: Caller
  /** The model that the client asked for, where its limits sent it to another. */
  readonly downgradedFrom?: string
  /** The preset that some of its members come from. */
  readonly preset?: string
  /** Goes on with a reply that broke off. */
  readonly isContinued?: true
  readonly facts: RequestFacts
  /** The body as the client wrote it, and parsed: see `RequestBody`. */
  readonly text: string
  readonly bytes: ArrayBuffer | null
  readonly body: () => JsonObject
  readonly short: ShortBody | null
}

const TIMEOUT_MS_MIN = 50
const TAGS_MAX = 16
const TAG_CHARS_MAX = 128
const TRACE_ID_CHARS_MAX = 128

/** Begins an exchange. */
export function begin<P extends Speaker>(request: Request, protocol: P, services: Services, later: Later): Exchange<P> {
  const { traceId, parentSpan } = traceIn(request.headers)
  return {
    requestId: services.newId(),
    traceId,
    parentSpan,
    startedAtMs: services.nowMs(),
    spent: { nanoUsd: 0 },
    protocol,
    options: options(request),
    passed: passedHeaders(request.headers, protocol.passesHeaders),
    client: new Client(request.signal, later),
    services,
    later,
  }
}

/** The exchange once its request has been read. Written out: spreading costs more, and this runs for every request. */
export function readExchange<P extends Speaker>(
  begun: Exchange<P>,
  caller: Caller,
  read: Pick<ReadExchange<P>, 'facts' | 'text' | 'bytes' | 'body' | 'short'>,
): ReadExchange<P> {
  return {
    requestId: begun.requestId,
    traceId: begun.traceId,
    parentSpan: begun.parentSpan,
    startedAtMs: begun.startedAtMs,
    spent: begun.spent,
    protocol: begun.protocol,
    options: begun.options,
    passed: begun.passed,
    client: begun.client,
    services: begun.services,
    later: begun.later,
    caller,
    facts: read.facts,
    text: read.text,
    bytes: read.bytes,
    body: read.body,
    short: read.short,
  }
}

/** The trace that a client names, and its span in it. */
export function traceIn(headers: Headers): Pick<Exchange, 'traceId' | 'parentSpan'> {
  const traceparent = headers.get('traceparent')
  const parent = traceparent === null ? null : readTraceparent(traceparent)
  const traceId = parent?.traceId ?? headers.get('x-trace-id')?.slice(0, TRACE_ID_CHARS_MAX) ?? null
  return { traceId, parentSpan: parent?.span ?? null }
}

/** Which request a log line is about. */
export function logged({ requestId, traceId }: Pick<Exchange, 'requestId' | 'traceId'>) {
  return { request: requestId, trace: traceId }
}

const NONE_PASSED: Readonly<Record<string, string>> = {}

function passedHeaders(headers: Headers, names: readonly string[] | undefined): Readonly<Record<string, string>> {
  if (names === undefined) return NONE_PASSED
  const passed: Record<string, string> = {}
  for (const name of names) {
    const value = headers.get(name)
    if (value !== null) passed[name] = value
  }
  return passed
}

/** The usage event of this exchange as far as it is known before anything was tried. */
export function eventTemplate(
  exchange: ReadExchange<Speaker>,
  route: string,
  cache: CacheState,
  attempt: number,
): EventDraft {
  const { caller, facts } = exchange
  return {
    v: USAGE_EVENT_VERSION,
    kind: 'cost',
    requestId: exchange.requestId,
    attempt,
    startedAtMs: exchange.startedAtMs,
    tenantId: caller.tenantId,
    teamId: caller.teamId,
    keyId: caller.keyId,
    costCenter: exchange.options.costCenter ?? caller.costCenter,
    endUser: endUserOf(exchange),
    tags: tagsOf(exchange),
    traceId: exchange.traceId,
    protocol: exchange.protocol.name,
    streamed: facts.isStreamed,
    requestedModel: exchange.downgradedFrom ?? facts.model,
    route,
    targetId: null,
    provider: null,
    model: null,
    status: 0,
    ending: 'failed' satisfies Ending,
    failure: null,
    cache,
    isFinal: true,
    usage: NO_USAGE,
    isEstimated: false,
    costNanoUsd: 0,
    savedNanoUsd: 0,
    priceVersion: null,
    isUnpriced: false,
    latencyMs: 0,
    ttftMs: null,
    credential: null,
    plan: null,
    parentSpan: exchange.parentSpan,
    afterMs: 0,
  }
}

/** Epoch ms by which a whole reply has to be there, or a streamed one to have begun, over all attempts; `Infinity` where
 *  neither the client nor the route says so. */
export function deadlineOf({ startedAtMs, options }: Exchange<Speaker>, route: Route): number {
  return startedAtMs + Math.min(options.timeoutMs ?? Infinity, route.timeoutMs ?? Infinity)
}

/** On the events of a request that its limits sent to another model. */
const DOWNGRADED_TAG = 'tidegate:downgraded'
/** On the events of requests that name a preset, with its name. */
const PRESET_TAG = 'tidegate:preset:'
/** On the events of attempts that go on with a reply which broke off. */
export const CONTINUED_TAG = 'tidegate:continued'

function tagsOf(exchange: ReadExchange<Speaker>): readonly string[] {
  const { caller, options, downgradedFrom, isContinued, preset } = exchange
  const own = [...bodyLabels(exchange)]
  if (isContinued === true) own.push(CONTINUED_TAG)
  if (preset !== undefined) own.push(PRESET_TAG + preset)
  if (downgradedFrom !== undefined) own.push(DOWNGRADED_TAG)
  return options.tags.length + own.length === 0 ? caller.tags : [...caller.tags, ...options.tags, ...own]
}

const NO_LABELS: readonly string[] = []

/** Of its metadata. Most bodies have none, and are not taken apart to know that. A mirror is for nothing. */
function bodyLabels(exchange: ReadExchange<Speaker>): readonly string[] {
  if (exchange.caller.keyId === SHADOW_KEY_ID) return NO_LABELS
  const text = exchange.short?.text ?? exchange.text
  return text.includes('"metadata"') ? labelsOf(settingsOf(exchange)['metadata']) : NO_LABELS
}

/** The body as far as its settings go: a large one needn't be taken apart for them. */
export function settingsOf(exchange: Pick<ReadExchange<Speaker>, 'short' | 'body'>): JsonObject {
  return exchange.short?.body ?? exchange.body()
}

/** What the client's protocol has to know to write a reply of `model`. */
export function replyContext(exchange: ReadExchange, model: string): ReplyContext {
  return {
    id: exchange.protocol.idPrefix + exchange.requestId,
    createdSeconds: Math.floor(exchange.startedAtMs / 1000),
    model,
    wantsUsage: exchange.facts.wantsUsage,
    get request() {
      return exchange.body()
    },
  }
}

function options(request: Request): RequestOptions {
  const { headers } = request
  const timeoutMs = timeout(headers.get('x-tidegate-timeout-ms'))
  const attemptTimeoutMs = timeout(headers.get('x-tidegate-attempt-timeout-ms'))
  const idleMs = timeout(headers.get('x-tidegate-idle-timeout-ms'))
  return {
    timeoutMs: timeoutMs ?? null,
    attemptTimeoutMs: attemptTimeoutMs ?? null,
    idleMs: idleMs ?? null,
    isCacheOff: () =>
      headers.get('x-tidegate-cache') === 'off' || /no-store|no-cache/.test(headers.get('cache-control') ?? ''),
    isFailoverOff: () => headers.get('x-tidegate-failover') === 'off',
    smoothLagMs: () => smoothLagMs(headers.get('x-tidegate-smooth')),
    tags: [...tags(headers.get('x-tidegate-tags')), ...labelsIn(headers)],
    costCenter: headers.get('x-tidegate-cost-center')?.slice(0, TAG_CHARS_MAX) ?? null,
    endUser: headers.get(END_USER_HEADER)?.slice(0, END_USER_CHARS_MAX) ?? null,
    header: (name) => headers.get(name),
    mistaken:
      notMs('x-tidegate-timeout-ms', timeoutMs) ??
      notMs('x-tidegate-attempt-timeout-ms', attemptTimeoutMs) ??
      notMs('x-tidegate-idle-timeout-ms', idleMs),
    place: (what) => placeOf(request, what),
  }
}

function placeOf(request: Request, what: string): string | null {
  const cf: unknown = Reflect.get(request, 'cf')
  const value: unknown = typeof cf === 'object' && cf !== null ? Reflect.get(cf, what) : null
  return typeof value === 'string' ? value : null
}

/** Who sets a time relies on it: one that can't be read is told, not left out. */
function notMs(header: string, read: number | null | undefined): InvalidRequest | null {
  if (read !== undefined) return null
  return { kind: 'invalid-request', field: header, message: `Invalid header '${header}': expected milliseconds.` }
}

/** Null where none is given, undefined where it can't be read. */
function timeout(value: string | null): number | null | undefined {
  if (value === null) return null
  const ms = Number(value)
  return Number.isFinite(ms) && ms > 0 ? Math.max(TIMEOUT_MS_MIN, Math.floor(ms)) : undefined
}

function tags(value: string | null): readonly string[] {
  if (value === null) return []
  const all = value.split(',').map((tag) => tag.trim().slice(0, TAG_CHARS_MAX))
  return all.filter((tag) => tag !== '').slice(0, TAGS_MAX)
}
