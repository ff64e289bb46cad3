// The immutable record of one attempt (or of a request that needed none): what it was, for whom, what it cost. It is
// written once by the gateway, carried by the Queue, and applied once by the usage consumer. Money in nano-USD, times in
// epoch ms or ms. The shape is versioned, since events of an older gateway may still be under way after a deploy.
import type { ThresholdCrossing } from './alert.ts'
import { isJsonObject, type JsonObject } from '../json.ts'
import type { RunawayAlert } from '../limits/runaway.ts'
import { NO_USAGE, type Usage } from './usage.ts'

export const USAGE_EVENT_VERSION = 1

/** How a relay ended. Exactly one per attempt. */
export type Ending =
  | 'finished'
  | 'client-left'
  | 'provider-cut'
  | 'timed-out'
  /** We ended it in order: its budget had no more, its place was lost, or its key was revoked. */
  | 'cut-by-limit'
  /** Another attempt of the same request began to answer first. */
  | 'overtaken'
  /** The attempt never produced an answer. */
  | 'failed'
  /** The isolate died with the request in flight; booked from its admission record. */
  | 'lost'

/** What the reply cache had to do with it. */
export type CacheState = 'hit' | 'miss' | 'bypass' | 'off'

/** A share of a budget that is used: travels with the events of its tenant, once a window. */
export interface ThresholdEvent extends ThresholdCrossing {
  readonly v: typeof USAGE_EVENT_VERSION
  readonly kind: 'threshold'
  readonly tenantId: string
}

/** Somebody's spending runs away: travels in the same way, once an episode. */
export interface RunawayEvent extends RunawayAlert {
  readonly v: typeof USAGE_EVENT_VERSION
  readonly kind: 'runaway'
  readonly tenantId: string
}

/** JSON array text of the alerts for `runaways`. */
export function runawayEvents(tenantId: string, runaways: readonly RunawayAlert[]): string {
  return JSON.stringify(
    runaways.map((alert): RunawayEvent => ({ v: USAGE_EVENT_VERSION, kind: 'runaway', tenantId, ...alert })),
  )
}

/** JSON array text of the alerts for `crossings`. */
export function thresholdEvents(tenantId: string, crossings: readonly ThresholdCrossing[]): string {
  const events = crossings.map((crossing): ThresholdEvent => {
    return { v: USAGE_EVENT_VERSION, kind: 'threshold', tenantId, ...crossing }
  })
  return JSON.stringify(events)
}

/** `cost`: a charge. `adj`: a correction of an earlier charge of the same attempt (may be negative). */
export type UsageEventKind = 'cost' | 'adj'

export interface UsageEvent {
  readonly v: typeof USAGE_EVENT_VERSION
  readonly kind: UsageEventKind
  readonly requestId: string
  /** 0 for a request served without calling a provider (a cache hit), else 1, 2, … */
  readonly attempt: number
  /** When the request was accepted. The cost is attributed to this instant's windows. */
  readonly startedAtMs: number
  readonly tenantId: string
  readonly teamId: string | null
  readonly keyId: string
  readonly costCenter: string | null
  readonly endUser: string | null
  readonly tags: readonly string[]
  readonly traceId: string | null
  readonly protocol: string
  readonly streamed: boolean
  readonly requestedModel: string
  readonly route: string
  readonly targetId: string | null
  readonly provider: string | null
  readonly model: string | null
  /** HTTP status that the client got (or, for an attempt that was given up, that the provider gave; 0 for none). */
  readonly status: number
  readonly ending: Ending
  /** Class of the failure, or null. */
  readonly failure: string | null
  readonly cache: CacheState
  /** True for the attempt whose answer went to the client (or whose failure did). */
  readonly isFinal: boolean
  readonly usage: Usage
  /** True where the provider reported no usage and the counts are our own. */
  readonly isEstimated: boolean
  readonly costNanoUsd: number
  /** What the same answer cost when it was first made, for a cache hit. */
  readonly savedNanoUsd: number
  /** Which price this was computed from; null for a model without a price, and where no model ran. */
  readonly priceVersion: string | null
  /** Nobody knows what the model costs: it was charged nothing. Missing: somebody does. */
  readonly isUnpriced?: boolean
  readonly latencyMs: number
  /** ms from acceptance to the first content; null for none. */
  readonly ttftMs: number | null
  /** Name of the secret that paid, where the target has several; null or missing where there was no choice. */
  readonly credential?: string | null
  /** The plan in one line, with its reasons (`storyOf` in `core/routing/plan.ts`); null or missing on rows of older gateways. */
  readonly plan?: string | null
  /** The client's span, `<id>-<flags>` (`core/trace-context.ts`); null or missing where it named none. */
  readonly parentSpan?: string | null
  /** ms from acceptance until this attempt began; missing for none. */
  readonly afterMs?: number
}

/** One message of the usage Queue: an immutable run of events of one tenant, applied as a whole or not at all. */
export interface UsageBatch {
  readonly v: typeof USAGE_EVENT_VERSION
  readonly tenantId: string
  /** Outbox row in the tenant's limiter, to confirm. */
  readonly outboxId: number
  /** JSON array text of packed events (`packEvent`): kept as text so that objects and queues in between don't parse it. */
  readonly events: string
}

/** What a field is when it is left out on the way. Most events leave most of these out, which halves their size. */
const FIELD_DEFAULTS = {
  kind: 'cost',
  teamId: null,
  costCenter: null,
  endUser: null,
  tags: [],
  traceId: null,
  streamed: false,
  targetId: null,
  provider: null,
  model: null,
  failure: null,
  isFinal: true,
  isEstimated: false,
  savedNanoUsd: 0,
  priceVersion: null,
  isUnpriced: false,
  ttftMs: null,
  credential: null,
  plan: null,
  parentSpan: null,
  afterMs: 0,
} as const satisfies Partial<UsageEvent>

/** An event while it is being made. */
export type EventDraft = { -readonly [Field in keyof UsageEvent]: UsageEvent[Field] }

/** JSON text of an event for its way to the ledger, without the fields that are at their defaults. Written out field by
 *  field, since this runs for every request. */
export function packEvent(event: UsageEvent): string {
  const packed: PackedEvent = {
    v: event.v,
    requestId: event.requestId,
    attempt: event.attempt,
    startedAtMs: event.startedAtMs,
    tenantId: event.tenantId,
    keyId: event.keyId,
    protocol: event.protocol,
    requestedModel: event.requestedModel,
    route: event.route,
    status: event.status,
    ending: event.ending,
    cache: event.cache,
    costNanoUsd: event.costNanoUsd,
    latencyMs: event.latencyMs,
    usage: packUsage(event.usage),
  }
  if (event.kind !== 'cost') packed.kind = event.kind
  if (event.targetId !== null) packed.targetId = event.targetId
  if (event.provider !== null) packed.provider = event.provider
  if (event.model !== null) packed.model = event.model
  if (event.priceVersion !== null) packed.priceVersion = event.priceVersion
  if (event.isUnpriced === true) packed.isUnpriced = true
  if (event.teamId !== null) packed.teamId = event.teamId
  if (event.costCenter !== null) packed.costCenter = event.costCenter
  if (event.endUser !== null) packed.endUser = event.endUser
  if (event.tags.length > 0) packed.tags = event.tags
  if (event.traceId !== null) packed.traceId = event.traceId
  if (event.streamed) packed.streamed = true
  if (event.failure !== null) packed.failure = event.failure
  if (!event.isFinal) packed.isFinal = false
  if (event.isEstimated) packed.isEstimated = true
  if (event.savedNanoUsd !== 0) packed.savedNanoUsd = event.savedNanoUsd
  if (event.ttftMs !== null) packed.ttftMs = event.ttftMs
  if (event.credential != null) packed.credential = event.credential
  if (event.plan != null) packed.plan = event.plan
  if (event.parentSpan != null) packed.parentSpan = event.parentSpan
  if (event.afterMs !== undefined && event.afterMs > 0) packed.afterMs = event.afterMs
  return JSON.stringify(packed)
}

type PackedEvent = Partial<Omit<EventDraft, 'usage'>> & { usage: Partial<Usage> }

/** Most replies have nothing but fresh input and visible output. */
function packUsage(usage: Usage): Partial<Usage> {
  const isPlain =
    usage.units === undefined && usage.tier === undefined && PLAIN_BUCKETS.every((bucket) => usage[bucket] === 0)
  return isPlain ? { input: usage.input, output: usage.output } : usage
}

const PLAIN_BUCKETS = ['cacheRead', 'cacheWrite', 'cacheWriteLong', 'reasoning', 'audioInput', 'audioOutput'] as const

/** A packed event with all its fields again. Whether they are right is for the reader to check. */
export function unpackEvent(packed: JsonObject): JsonObject {
  const usage = packed['usage']
  return { ...FIELD_DEFAULTS, ...packed, ...(isJsonObject(usage) ? { usage: { ...NO_USAGE, ...usage } } : {}) }
}

/** The same for an event that this code packed itself. */
export function unpackOwnEvent(packed: UsageEvent): UsageEvent {
  return { ...FIELD_DEFAULTS, ...packed, usage: { ...NO_USAGE, ...packed.usage } }
}
