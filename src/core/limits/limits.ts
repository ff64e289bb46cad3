// What a tenant's limiter is told to enforce, and the messages between it and the isolates that hold leases from it.
// Amounts are integers: requests, LLM tokens, slots (attempts that run at once) and nano-USD.
import type { Amounts, Counts, Flags } from './amounts.ts'
import type { BudgetPeriod, LimitScope, RateUnit } from '../failure.ts'
import type { HealthAnswer, HealthTalk } from '../health/health-news.ts'
import type { LimitPolicy, RunawayAction, RunawayRule } from './limit-policy.ts'
import type { SpentBudget } from './recovery.ts'
import type { LimitState, Standings } from './standing.ts'
import type { Switches } from '../switches.ts'

export { type Amounts, NOTHING } from './amounts.ts'

/** A limit that is higher by `by` until then, in the limit's own unit. */
export interface Increase {
  readonly by: number
  readonly untilMs: number
}

/** A token bucket of requests or tokens. */
export interface RateLimit {
  readonly kind: 'rate'
  readonly unit: RateUnit
  /** Refill of the bucket. */
  readonly perMinute: number
  /** Capacity of the bucket; null for one minute's worth. */
  readonly burst: number | null
  readonly increase: Increase | null
}

/** How many attempts may run at once. */
export interface SlotLimit {
  readonly kind: 'slots'
  readonly most: number
  readonly increase: Increase | null
}

/** Money per window. */
export interface BudgetLimit {
  readonly kind: 'budget'
  readonly amountNanoUsd: number
  readonly period: BudgetPeriod
  /** Shares of the amount, in per cent, that are announced when they are used; each once a window. */
  readonly alertsPercent: readonly number[]
  readonly increase: Increase | null
}

export type Limit = RateLimit | SlotLimit | BudgetLimit

/** Announced where nothing else is set. */
export const ALERTS_PERCENT: readonly number[] = [50, 80, 100]

/** One level of a tenant's tree, or the requests for some models within it, with the limits set there. */
export interface LimiterNode {
  readonly scope: LimitScope
  readonly id: string
  /** Model names this is about: an exact one, or a prefix with `*` at its end; null for all. */
  readonly model: string | null
  /** One of a kind, unit and period at most. */
  readonly limits: readonly Limit[]
  /** What a request does that these limits refuse; missing: it is refused. */
  readonly policy?: LimitPolicy
  /** Watches over all that is spent here; on nodes for all models only. */
  readonly runaway?: RunawayRule
}

/** How long a lease is good for unless the deployment says otherwise: so long an isolate may go on without the limiter. */
export const LEASE_TTL_MS = 30_000

/** Of this shape of configuration, messages and rows. */
export const LIMITS_VERSION = 2

/** Everything a tenant's limiter enforces. The control plane sends it whole after every change. */
export interface LimiterConfig {
  readonly v: typeof LIMITS_VERSION
  /** Grows with every change; an older configuration never replaces a newer one. */
  readonly revision: number
  /** IANA zone in which budget windows begin and end. */
  readonly timeZone: string
  /** The tenant, its teams and its keys; nodes without limits may be left out. */
  readonly nodes: readonly LimiterNode[]
  readonly revokedKeyIds: readonly string[]
  /** Secrets that end sooner than every isolate has read that they do, or have lately. Missing: none. */
  readonly secretEnds?: readonly SecretEnd[]
  /** What is switched off. Missing: as it was. */
  readonly switches?: Switches
}

/** A secret of a key that was replaced is taken until then. */
export interface SecretEnd {
  readonly keyId: string
  /** `secretMark` of its digest. */
  readonly mark: string
  readonly untilMs: number
}

/** The nodes that an admission has to agree with, outermost first. */
export interface LimiterPath {
  readonly tenantId: string
  readonly teamId: string | null
  /** In limits beside the tenant's, whoever stands in a key's place: `sidePath`. */
  readonly keyId: string
  /** As the client asked for it; null where there is none. */
  readonly model: string | null
}

/** Cumulative totals of one lease, as its holder knows them. Totals never shrink, so messages may be lost, repeated or
 *  reordered: the authority keeps the greatest. */
export interface LeaseReport {
  readonly leaseId: string
  readonly keyId: string
  /** Settled: final amounts of finished attempts. */
  readonly settled: Counts
  /** Given back unused. */
  readonly returned: Counts
  /** Nothing more will be settled under this lease. */
  readonly isDone: boolean
  /** The most money that its holder reserves without telling, from this message on until it is granted something; missing:
   *  as much as it was ever told it may. */
  readonly blindNanoUsd?: number
  /** Reserved by what runs: attempts that cost more than they had reserved may have used up what was granted for it.
   *  Missing: all that is reserved is granted. */
  readonly reserved?: Counts
}

/** An attempt in flight: enough to book it should its isolate die. */
export interface AdmissionRecord {
  /** `<request id>#<attempt>` */
  readonly id: string
  readonly leaseId: string
  readonly reserved: Amounts
  /** JSON text of the usage event to write if nothing better ever arrives. */
  readonly event: string
  /** An operator wants it to end: its holder is told until it has. */
  readonly isCancelled?: true
}

/** A run of usage events, serialised once by the isolate; resent as it is until acknowledged. */
export interface EventChunk {
  /** Sequence numbers of the first and the last event, per holder, starting at 1. */
  readonly from: number
  readonly to: number
  /** JSON array text. */
  readonly events: string
  /** Admissions that these events settle. */
  readonly settles: readonly string[]
}

/** What an isolate asks for. */
export interface LeaseWant {
  readonly leaseId: string
  /** The holder has not been granted anything under this id: only then may it be opened. */
  readonly isNew: boolean
  readonly path: LimiterPath
  /** Cumulative grant without which the waiting requests can't be admitted. */
  readonly need: Counts
  /** Cumulative grant that would cover the near future, too. */
  readonly target: Counts
  /** Cumulative grant with which the first waiting request could be admitted: less than that is a refusal. */
  readonly first: Counts
  /** What would then be reserved that the authority hasn't heard of and won't before long. */
  readonly unheardNanoUsd: number
  /** How much more of that it can make use of before its next message arrives; missing: any amount. */
  readonly blindNanoUsd?: number
}

export interface LimiterCall {
  readonly v: typeof LIMITS_VERSION
  readonly tenantId: string
  /** The isolate: unique per isolate life. */
  readonly holder: string
  /** Counts this holder's messages, so that a straggler's admissions and wants are not taken for new ones. */
  readonly number: number
  readonly reports: readonly LeaseReport[]
  readonly admissions: readonly AdmissionRecord[]
  readonly chunks: readonly EventChunk[]
  readonly wants: readonly LeaseWant[]
  /** Revision of the switches that the isolate knows of: it is told of newer ones. Missing: it is told of none. */
  readonly switchesSeen?: number
  /** Keys whose requests were answered without a lease, from the cache: of those, too, it is told which are revoked. */
  readonly unleasedKeyIds?: readonly string[]
  /** What it has heard of targets, and how far it has heard the limiter. Missing: it is told nothing. */
  readonly health?: HealthTalk
}

/** Which limit said no. */
export interface DeniedBy {
  readonly scope: LimitScope
  /** The models that it is about; null for all. */
  readonly model: string | null
  /** What is left of it now, in its own unit. */
  readonly left: number
  /** What to do about it; missing: refuse. */
  readonly policy?: LimitPolicy
}

/** Why nothing was granted. */
export type Denial =
  | (DeniedBy & {
      readonly kind: 'rate'
      readonly unit: RateUnit
      readonly limitPerMinute: number
      /** What the bucket holds when it is full. */
      readonly size: number
      /** Until it is full, if nothing more is taken. */
      readonly resetAfterMs: number
      /** null: the request is larger than the bucket and can never pass. */
      readonly retryAfterMs: number | null
      /** How much was lacking, in 1/60000 of a unit; missing where the rate is about to change. */
      readonly lacking?: number
    })
  | (DeniedBy & { readonly kind: 'slots'; readonly most: number; readonly retryAfterMs: number })
  | (DeniedBy & {
      readonly kind: 'budget'
      readonly limitNanoUsd: number
      readonly period: BudgetPeriod
      readonly resetsAtMs: number
      /** null: the request may cost more than the whole budget and can never pass. */
      readonly retryAfterMs: number | null
    })
  /** Spending ran away and is slowed down or stopped. */
  | {
      readonly kind: 'runaway'
      readonly scope: LimitScope
      readonly action: Exclude<RunawayAction, 'alert'>
      /** What may be spent in a minute meanwhile; 0 where it is stopped. */
      readonly perMinuteNanoUsd: number
      readonly retryAfterMs: number
    }
  | { readonly kind: 'revoked' }
  /** The lease is no longer open: ask again under a new id. */
  | { readonly kind: 'stale-lease' }

export interface LeaseGrant {
  readonly leaseId: string
  /** Cumulative. */
  readonly granted: Counts
  /** How long it is good for: to the end of its shortest budget window at most. */
  readonly ttlMs: number
  /** False where no limit on the path is about the resource: reservations of it are always admitted. */
  readonly limited: Flags
  /** Little is left of these: hold on to nothing that isn't needed. */
  readonly tail: Flags
  /** Nano-USD that may be reserved without the limiter having heard of the admissions; in place of what was said before. */
  readonly blindNanoUsd: number
  /** What of that is beyond what was waiting: all that is left of it when that was told of. Missing: all. */
  readonly blindAheadNanoUsd?: number
  /** Models with limits of their own on the path: requests that differ in which of these they match need other leases. */
  readonly patterns: readonly string[]
  /** How the tightest limit of each resource stands after this; missing where there is none. */
  readonly standings?: Standings
}

export interface LeaseDenial {
  readonly leaseId: string
  readonly patterns: readonly string[]
  readonly denial: Denial
}

export interface LimiterReply {
  /** Highest event sequence number that is durable. */
  readonly acknowledged: number
  readonly ttlMs: number
  readonly grants: readonly LeaseGrant[]
  readonly denials: readonly LeaseDenial[]
  /** Those of the reported leases whose slots were given to others: what runs under them has to end. */
  readonly slotsLost: readonly string[]
  /** Those of the mentioned keys that are revoked. */
  readonly revokedKeyIds: readonly string[]
  /** Those of their secrets that end; missing for none. */
  readonly secretEnds?: readonly SecretEnd[]
  /** Those of the reported leases that may admit nothing more: what they are for is asked for anew. */
  readonly closedLeases?: readonly string[]
  /** What is switched off, where the isolate's list is older. */
  readonly switches?: Switches
  /** All of the holder's admissions that have to end by an operator's word; missing for none. */
  readonly cancelled?: readonly string[]
  /** Whether the keys without a lease were looked at. */
  readonly hasSeenUnleased?: true
  /** What other isolates have heard of targets since this one was last told. */
  readonly health?: HealthAnswer
}

/** An attempt in flight, as its limiter knows it. */
export interface InFlight {
  /** `<request id>#<attempt>` */
  readonly id: string
  readonly reserved: Amounts
  /** JSON text of its usage event as it stood at admission, packed. */
  readonly event: string
  readonly isCancelled: boolean
}

/** A node's money in its current window, for the dashboard and `GET /admin/overview`. */
export interface NodeStanding {
  readonly scope: LimitScope
  readonly id: string
  readonly model: string | null
  readonly period: BudgetPeriod
  /** Settled, and what expired leases still hold: that is presumed spent. */
  readonly spentNanoUsd: number
  /** Held by live leases: granted, not yet settled or returned. */
  readonly heldNanoUsd: number
  readonly limitNanoUsd: number
  readonly windowStartMs: number
  readonly windowEndMs: number
}

export interface LimiterStanding {
  readonly nodes: readonly NodeStanding[]
  /** Outbox rows not yet confirmed by the usage consumer. */
  readonly unconfirmed: number
  /** When the oldest request among them was accepted; null or missing where there is none, or no telling. */
  readonly oldestUnconfirmedMs?: number | null
}

/** The remote surface of a tenant's limiter object. */
export interface LimiterObject {
  call(message: LimiterCall): Promise<LimiterReply>
  /** Takes messages of several holders at once, as a region passes them on: all of them, and answers in their order, or none. */
  relay(messages: readonly LimiterCall[]): Promise<readonly LimiterReply[]>
  /** Whether it was ever told of any limits, and remembers. */
  hasLimits(): Promise<boolean>
  /** `spent`: what budgets have spent by the ledger, for an object that has no limits. */
  configure(config: LimiterConfig, spent?: readonly SpentBudget[]): Promise<void>
  revoke(keyId: string): Promise<void>
  /** Takes what is switched off; a list that isn't newer changes nothing. */
  takeSwitches(switches: Switches): Promise<void>
  /** Attempts in flight, the oldest first, at most so many. */
  inFlight(most: number): Promise<readonly InFlight[]>
  /** Has the attempts of a request ended. Whether there are any in flight. */
  cancel(requestId: string): Promise<boolean>
  confirm(outboxIds: readonly number[]): Promise<void>
  live(): Promise<LimiterStanding>
  /** Every limit on a path as it stands, outermost first; null for a key that is revoked. Changes nothing. */
  limits(path: LimiterPath): Promise<readonly LimitState[] | null>
}

/** Whether a model's name is the one that `pattern` names, or begins as it does before its `*`. */
export function matchesModel(pattern: string, model: string | null): boolean {
  if (model === null) return false
  return pattern.endsWith('*') ? model.startsWith(pattern.slice(0, -1)) : model === pattern
}
