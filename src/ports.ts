// What the data plane needs from outside, as types. src/platform has an adapter for each; nothing in src/data-plane knows
// which platform it runs on beyond Web standards.
import type { PriceList } from './catalog/price-catalogue.ts'
import type { Caller, DialectName, Target } from './core/directory.ts'
import type { Failure, UpstreamClass } from './core/failure.ts'
import type { JsonObject } from './core/json.ts'
import type { Batcher } from './core/batch.ts'
import type { Counts, Flags } from './core/limits/amounts.ts'
import type { Calibration } from './core/estimate/calibration.ts'
import type { Amounts, Denial, LimiterPath } from './core/limits/limits.ts'
import type { PriceBook } from './core/money/price-book.ts'
import type { Shortage } from './core/health/provider-limits.ts'
import type { NeutralReply } from './core/neutral.ts'
import type { RouteTable } from './core/routing/route-table.ts'
import type { LimitState, ToldStandings } from './core/limits/standing.ts'
import type { Situation } from './core/strategies/strategy.ts'
import type { SwitchBoard } from './core/switches.ts'
import type { UsageEvent } from './core/money/usage-event.ts'
import type { Usage } from './core/money/usage.ts'
import type { UpstreamCall } from './dialects/dialect.ts'

/** Keeps background work of the current request alive. */
export type Later = (work: Promise<void>) => void

/** An admitted attempt. Exactly one of `settle` calls has effect. */
export interface Reservation {
  readonly amounts: Amounts
  /** Whether a budget stands behind it: then the cost must not exceed `amounts.nanoUsd`. */
  readonly limitsMoney: boolean
  /** Whether a limit of output tokens, or of tokens in all, stands behind it. */
  readonly limitsTokens: boolean
  /** Replaces the reservation by what was used, and hands the event over for the ledger. */
  settle(actual: Amounts, event: UsageEvent, later: Later): void
  /** Reserves more for the same attempt, in mid-stream: tokens and money. At once from what is in hand, else after one
   *  call; false when the limits have no more, and nothing has changed then. */
  extend(more: Amounts, later: Later): boolean | Promise<boolean>
  /** How often `keepAlive` wants to be called. */
  readonly keepAliveMs: number
  /** Called now and then while the attempt runs: renews the lease that covers it. */
  keepAlive(later: Later): void
  /** True when a limit of attempts at once no longer keeps a place for this one: it has to end. */
  hasLostSlot(): boolean
  /** True once its key is known to be revoked: it has to end. */
  isRevoked(): boolean
  /** True once an operator wants it to end. Missing: nobody can want that. */
  isCancelled?(): boolean
  /** How the caller's limits stand with this reservation counted; null where there are none. Missing: nobody knows. */
  standings?(): ToldStandings | null
}

/** Why a request could not be admitted. */
export type Refusal = Denial | Unavailable | SwitchedOff | TargetNews

/** The limiter's answer brought news of the target that was to be called: its breaker is to be asked again. Nothing is held. */
export interface TargetNews {
  readonly kind: 'target-news'
}

/** The limiter's answer brought the news that the caller is switched off. */
export interface SwitchedOff {
  readonly kind: 'switched-off'
  readonly what: 'tenant' | 'key'
}

/** Nobody can be asked. `isFull`: because events of earlier requests have yet to be told of. `scope`: it is only about the
 *  target's own limits. */
export interface Unavailable {
  readonly kind: 'unavailable'
  readonly scope?: 'target'
  readonly isFull?: true
}

/** Why a presented key doesn't open the gateway. */
export type KeyProblem = (Failure & { readonly kind: 'unauthenticated' })['reason']

/** Who it is, why it is nobody, or that there is no telling now. */
export type CallerAnswer = Caller | KeyProblem | 'unavailable'

/** Keys and routes, as published by the control plane. */
export interface Directory {
  /** Who presents this key. At once when it was seen lately, else by a look-up. Never rejects. */
  caller(presented: string): CallerAnswer | Promise<CallerAnswer>
  /** The current routes: at once when held, refreshed in the background. Null when there are none and none to be had. */
  routes(later: Later): RouteTable | Promise<RouteTable | null>
}

/** Whose limits an attempt needs leave of besides its tenant's. */
export interface Beside {
  /** The end user, where the tenant limits each of them. */
  readonly endUser: string | null
  /** The team and key within which that user has limits as well; missing for neither. */
  readonly within?: readonly string[]
  /** The target, where it has limits; `model` as its provider names it. */
  readonly target: { readonly id: string; readonly model: string } | null
}

/** A call that mirrors a client's. */
export interface ShadowAsk {
  /** The route whose shadow's budget pays; null where it has none. */
  readonly budgetOf: string | null
  readonly path: LimiterPath
  readonly amounts: Amounts
  readonly template: UsageEvent
  readonly beside: Beside | null
}

/** Admission and the way of events into the ledger. */
export interface Limiter {
  /** `leastNanoUsd`: where the budgets have less money than `amounts` say, but this much, what they have is reserved: see
   *  the reservation's `amounts`. Missing: all or nothing. `beside`: who else is asked; it takes from all or from none. */
  admit(
    path: LimiterPath,
    amounts: Amounts,
    template: UsageEvent,
    later: Later,
    leastNanoUsd?: number,
    beside?: Beside | null,
  ): Reservation | Promise<Reservation | Refusal>
  /** Leave for a call that mirrors a client's: from the budget of the route's shadow, where it has one, and from what limits
   *  the target; never from the tenant's. Its event goes the way of all others. Missing: nothing is mirrored. */
  admitShadow?(asked: ShadowAsk, later: Later): Promise<Reservation | Refusal>
  /** An event of a request that needed no admission. */
  record(event: UsageEvent, later: Later): void
  /** Whether a key is revoked, for what is answered without an admission: at once where the limiter was heard of it in the last
   *  seconds, else after asking. False while the limiter is away. Missing: nobody can say. */
  isRevoked?(path: LimiterPath, later: Later): boolean | Promise<boolean>
  /** Every limit on a path as it stands, outermost first, in one call; `unavailable` where that doesn't succeed. */
  limits(path: LimiterPath): Promise<readonly LimitState[] | 'revoked' | 'unavailable'>
  /** The same of an end user and of a target, as far as they have any. Missing: nobody can say. */
  limitsBeside?(tenantId: string, model: string | null, beside: Beside): Promise<readonly LimitState[] | 'unavailable'>
  /** What this isolate may admit on a path without asking anybody; null for nothing. Missing: nobody can say. */
  inHand?(path: LimiterPath): LeaseInHand | null
}

/** What a lease has left. Resources that aren't `limited` are there without end. */
export interface LeaseInHand {
  readonly free: Counts
  readonly limited: Flags
  readonly expiresInMs: number
}

/** Leave to call a target. Every permit is closed by exactly one `done` or `withdraw`. */
export interface CallPermit {
  readonly isProbe: boolean
  /** How the call went; null for well. */
  done(failure: UpstreamClass | null, retryAfterMs: number | null, later: Later): void
  /** The call was not made, or told nothing about the target. */
  withdraw(later: Later): void
}

export interface Breakers {
  /** Leave to call, or how long there will be none. At once for a target in good standing. `isLast`: there is nobody else to
   *  ask, so that one which gets only a share of its traffic gets this request as well. */
  permit(target: Target, isLast?: boolean): CallPermit | Closed | Promise<CallPermit | Closed>
  /** Takes a retry from the target's budget; false when there is none left. */
  mayRetry(target: Target): boolean
  /** Calls of this isolate that are under way. */
  inFlight(target: Target): number
  /** How a target stands, without asking for leave. */
  standing(target: Target): TargetStanding
}

/** How this isolate sees a target. `resting`: it asked for a pause; `open`: it failed; `probing`: one call tries whether it
 *  is back; `ramping`: it is, and gets `share` of its traffic. `retryAfterMs` is null where nothing has to be waited for. */
export interface TargetStanding {
  readonly state: 'closed' | 'resting' | 'open' | 'probing' | 'ramping'
  readonly retryAfterMs: number | null
  readonly share?: number
}

/** How long a reply took. `ttftMs`: to its first content, or, of a whole reply, to all of it. Ms. */
export interface Measured {
  readonly isStreamed: boolean
  readonly ttftMs: number
  readonly outputTokens: number
  /** What its tokens took after the first. */
  readonly writingMs: number
}

/** How fast targets answered lately: this isolate, and those of its region. */
export interface Speeds {
  /** How fast it is, as strategies ask for it. */
  of(target: Target): ReturnType<Situation['speed']>
  /** A reply that was whole, or one that was waited for at least so long. */
  note(target: Target, measured: Measured, later: Later): void
  /** What 95 of 100 took no longer than to begin; null for too few to tell. */
  p95Ms(target: Target, isStreamed: boolean): number | null
  /** The share that each target of a pool keeps of its traffic (`core/health/latency.ts`); null where none has become slow. */
  shares(targets: readonly Target[], model: string, isStreamed: boolean): readonly number[] | null
  /** Those of a pool that are to be spared this time, since they have become slow; null for none. */
  spared(
    candidates: readonly { readonly target: Target }[],
    model: string,
    isStreamed: boolean,
  ): ReadonlySet<Target> | null
}

/** Which credential pays, where a target has several. A target stands for itself with its `credential`. */
export interface CredentialPools {
  /** The target with the credential that is to pay, which is none of `tried`; how long there will be none; or null when all
   *  have been tried. */
  choose(target: Target, tried: readonly string[]): Target | Closed | null
  /** It was answered 429: it rests. */
  throttled(target: Target, retryAfterMs: number | null): void
  /** It isn't accepted any more: it is left out for a while. */
  refused(target: Target): void
  served(target: Target): void
  standing(target: Target): readonly CredentialStanding[]
}

/** How a credential of several stands: by name, and what it was used for. */
export interface CredentialStanding {
  readonly credential: string
  readonly state: 'ready' | 'resting' | 'disabled'
  readonly retryAfterMs: number | null
  readonly calls: number
}

/** A target that is not to be called now. */
export interface Closed {
  readonly retryAfterMs: number
  /** It is coming back, and others are to have this request if there are any. */
  readonly isRamping?: true
}

/** What providers say is left of their own limits, as far as this isolate has heard. */
export interface Headroom {
  /** Which limit has no room for a request of that size now; null where none is known to. `amountsOf` is asked only where
   *  something is known. */
  shortage(target: Target, amountsOf: () => Amounts): Shortage | null
  /** A call of that size goes out. */
  sent(target: Target, amounts: Amounts): void
  /** What the provider's answer says, whatever its status. */
  note(target: Target, headers: Headers): void
}

/** A reply in the cache, with what a replay has to tell. */
export interface CachedReply {
  readonly reply: NeutralReply
  readonly provider: string
  readonly model: string
  readonly targetId: string
  readonly usage: Usage
  readonly costNanoUsd: number
  readonly storedAtMs: number
}

/** Replies by key. Never the reason for a failure: a store that can't be reached is a miss. */
export interface ReplyCache {
  get(key: string): Promise<CachedReply | null>
  put(key: string, reply: CachedReply, ttlSeconds: number): Promise<void>
}

/** Keeps what a tenant wants kept of its prompts and replies. */
export interface BodyKeeper {
  /** Keeps `body` for so many days. Rejects where it can't be kept. */
  keep(
    requestId: string,
    owner: { readonly tenantId: string; readonly teamId: string | null },
    body: JsonObject,
    ttlDays: number,
  ): Promise<void>
}

/** A dialect's call as it leaves: its body may be the client's own bytes. */
export interface OutgoingCall extends Omit<UpstreamCall, 'body'> {
  readonly body: string | ArrayBuffer
  /** A body that is sent as it comes, in place of `body`; `streamBytes` is its length where it is known. */
  readonly stream?: ReadableStream<Uint8Array>
  readonly streamBytes?: number | null
  /** POST unless it says otherwise. */
  readonly method?: string
}

export interface Upstream {
  /** Calls a provider, credential added. Rejects when there is no connection or `signal` aborts. */
  call(target: Target, call: OutgoingCall, dialect: DialectName, signal: AbortSignal): Promise<Response>
  /** Why a target can't be called, as far as its credential goes; null for nothing. Nothing is sent. Missing: nobody can say. */
  objection?(target: Target): Promise<string | null>
}

/** Structured log lines; one per kind and window, so that a storm is a line and not a flood. */
export interface Log {
  warn(event: string, facts: Readonly<Record<string, string | number | boolean | null>>): void
}

export interface Services {
  readonly directory: Directory
  readonly limiter: Limiter
  readonly breakers: Breakers
  readonly speeds: Speeds
  readonly credentials: CredentialPools
  readonly headroom: Headroom
  /** What this isolate has learned of how models count tokens. */
  readonly calibration: Calibration
  /** What is charged where that is not the listed price, as far as this isolate has heard. */
  readonly prices: PriceBook
  /** The price list that counts in place of the built-in one; null where that does. Missing: that does. */
  readonly priceList?: () => Promise<PriceList | null>
  /** What operators have switched off, as far as this isolate has heard. */
  readonly switches: SwitchBoard
  readonly replies: ReplyCache
  /** Missing where nothing can be kept. */
  readonly bodies?: BodyKeeper
  readonly upstream: Upstream
  /** Where small requests meet, by name: those of a tenant for a target. Missing: nowhere but in this isolate. */
  readonly batcher?: (tenantId: string, targetId: string) => Batcher
  readonly log: Log
  /** Epoch ms. */
  nowMs(): number
  /** In [0, 1). */
  draw(): number
  /** Unique and sortable. */
  newId(): string
  sleep(ms: number): Promise<void>
  /** A pipe of bytes with no room of its own: a write resolves when the reader took it. */
  byteChannel(): { readonly readable: ReadableStream<Uint8Array>; readonly writable: WritableStream<Uint8Array> }
  /** HMAC-SHA-256 of a cache key's text under a secret of this deployment, in hex. */
  digest(text: string): Promise<string>
}

/** True for a reservation, false for a refusal. */
export function isAdmitted(result: Reservation | Refusal): result is Reservation {
  return 'settle' in result
}
