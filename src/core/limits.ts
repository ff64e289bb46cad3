// What a tenant's limiter is told to enforce, and the messages between it and the isolates that hold leases from it.
// Amounts are units of the two limited resources: LLM tokens (a rate) and nano-USD (a budget). All integers.
import type { BudgetPeriod, LimitScope } from './failure.ts'

/** An amount of each limited resource. */
export interface Amounts {
  readonly tokens: number
  readonly nanoUsd: number
}

export const NOTHING: Amounts = { tokens: 0, nanoUsd: 0 }

/** One level of a tenant's tree, with the limits set on it. */
export interface LimiterNode {
  readonly scope: LimitScope
  readonly id: string
  /** Refill rate of the token bucket; null for no rate limit. */
  readonly tokensPerMinute: number | null
  /** Capacity of the bucket; null for one minute's worth. */
  readonly burstTokens: number | null
  readonly budget: { readonly amountNanoUsd: number; readonly period: BudgetPeriod } | null
}

/** Everything a tenant's limiter enforces. The control plane sends it whole after every change. */
export interface LimiterConfig {
  /** Grows with every change; an older configuration never replaces a newer one. */
  readonly revision: number
  /** IANA zone in which budget windows begin and end. */
  readonly timeZone: string
  /** The tenant, its teams and its keys; nodes without limits may be left out. */
  readonly nodes: readonly LimiterNode[]
  readonly revokedKeyIds: readonly string[]
}

/** The nodes that an admission has to agree with, outermost first. */
export interface LimiterPath {
  readonly tenantId: string
  readonly teamId: string | null
  readonly keyId: string
}

/** Cumulative totals of one lease, as its holder knows them. Totals never shrink, so messages may be lost, repeated or
 *  reordered: the authority keeps the greatest. */
export interface LeaseReport {
  readonly leaseId: string
  readonly keyId: string
  /** Settled: final amounts of finished attempts. */
  readonly settled: Amounts
  /** Given back unused. */
  readonly returned: Amounts
  /** Nothing more will be settled under this lease. */
  readonly isDone: boolean
}

/** An attempt in flight: enough to book it should its isolate die. */
export interface AdmissionRecord {
  /** `<request id>#<attempt>` */
  readonly id: string
  readonly leaseId: string
  readonly reserved: Amounts
  /** JSON text of the usage event to write if nothing better ever arrives. */
  readonly event: string
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
  readonly need: Amounts
  /** Cumulative grant that would cover the near future, too. */
  readonly target: Amounts
  /** Cumulative grant with which the first waiting request could be admitted: less than that is a refusal. */
  readonly first: Amounts
}

export interface LimiterCall {
  readonly tenantId: string
  /** The isolate: unique per isolate life. */
  readonly holder: string
  /** Counts this holder's messages, so that a straggler's admissions and wants are not taken for new ones. */
  readonly number: number
  readonly reports: readonly LeaseReport[]
  readonly admissions: readonly AdmissionRecord[]
  readonly chunks: readonly EventChunk[]
  readonly wants: readonly LeaseWant[]
}

/** Why nothing was granted. */
export type Denial =
  | {
      readonly kind: 'rate'
      readonly scope: LimitScope
      readonly limitTokensPerMinute: number
      /** null: the request is larger than the bucket and can never pass. */
      readonly retryAfterMs: number | null
    }
  | {
      readonly kind: 'budget'
      readonly scope: LimitScope
      readonly limitNanoUsd: number
      readonly period: BudgetPeriod
      readonly resetsAtMs: number
      readonly retryAfterMs: number
    }
  | { readonly kind: 'revoked' }
  /** The lease is no longer open: ask again under a new id. */
  | { readonly kind: 'stale-lease' }

export interface LeaseGrant {
  readonly leaseId: string
  /** Cumulative. */
  readonly granted: Amounts
  /** How long it is good for: to the end of its budget window at most. */
  readonly ttlMs: number
  /** False where no node on the path limits the resource: reservations of it are always admitted. */
  readonly limitsTokens: boolean
  readonly limitsMoney: boolean
  /** Little is left: hold on to nothing that isn't needed. */
  readonly isTail: boolean
}

export interface LimiterReply {
  /** Highest event sequence number that is durable. */
  readonly acknowledged: number
  readonly ttlMs: number
  readonly grants: readonly LeaseGrant[]
  readonly denials: readonly { readonly leaseId: string; readonly denial: Denial }[]
  /** Those of the mentioned keys that are revoked. */
  readonly revokedKeyIds: readonly string[]
}

/** A node's money in its current window, for the dashboard and `GET /admin/overview`. */
export interface NodeStanding {
  readonly scope: LimitScope
  readonly id: string
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
}

/** The remote surface of a tenant's limiter object. */
export interface LimiterObject {
  call(message: LimiterCall): Promise<LimiterReply>
  configure(config: LimiterConfig): Promise<void>
  revoke(keyId: string): Promise<void>
  confirm(outboxIds: readonly number[]): Promise<void>
  live(): Promise<LimiterStanding>
}

/** a + b, resource by resource. */
export function plus(a: Amounts, b: Amounts): Amounts {
  return { tokens: a.tokens + b.tokens, nanoUsd: a.nanoUsd + b.nanoUsd }
}

/** a − b, resource by resource; may be negative. */
export function minus(a: Amounts, b: Amounts): Amounts {
  return { tokens: a.tokens - b.tokens, nanoUsd: a.nanoUsd - b.nanoUsd }
}

/** The greater of each resource. */
export function greatest(a: Amounts, b: Amounts): Amounts {
  return { tokens: Math.max(a.tokens, b.tokens), nanoUsd: Math.max(a.nanoUsd, b.nanoUsd) }
}
