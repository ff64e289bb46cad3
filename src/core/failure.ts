// Every reason a request is not served, as one closed union. Each protocol phrases each arm for its own SDKs in one
// exhaustive switch, so a new arm doesn't compile until every protocol can say it.

import type { DataNeed, DataPolicyOwner } from './routing/data-policy.ts'
import type { PassThroughPolicy } from './guard/pass-through-policy.ts'

/** How a provider's failure is to be treated: by the breaker, by retries, by fallback. */
export type UpstreamClass =
  /** No connection: refused, DNS, TLS. Counts heavily against the target. */
  | 'connection'
  /** Nothing came in time: no first content, or silence in mid-stream. */
  | 'timeout'
  /** The provider's own fault: 500, 502, 504. */
  | 'server'
  /** The provider is out of capacity: 503, 529. */
  | 'overloaded'
  /** We sent too much: 429. A cooldown, not an error of the target. */
  | 'throttled'
  /** Our credential: 401, 402, 403. Another target may serve. */
  | 'credential'
  /** The target isn't made for it: 501, 405, 410, 451. Nothing is wrong with it; another target may serve. */
  | 'incapable'
  /** The client's own mistake: 400, 404, 413, 422. No other target is tried. */
  | 'client'
  /** The answer broke off, was empty, or could not be read. */
  | 'stream'

/** What a dialect makes of a provider's error, whatever its shape. */
export interface UpstreamFailure {
  readonly class: UpstreamClass
  /** HTTP status from the provider, or the one that an error inside a 200 or a stream names; 0 for none. */
  readonly status: number
  readonly message: string
  /** The provider's own machine-readable code and type, where it has them. */
  readonly code: string | null
  readonly type: string | null
  /** The request field the provider complains of. */
  readonly param: string | null
  /** How long the provider asks to wait; null when it doesn't say. */
  readonly retryAfterMs: number | null
}

/** Who has to do something about it: the client with its request, the gateway's operator, or the provider. */
export type Blame = 'client' | 'operator' | 'provider'

const OPERATORS: ReadonlySet<UpstreamClass> = new Set(['credential', 'throttled', 'incapable'])

/** Whose fault an upstream failure of that class is. A rate limit is the operator's: it is on the gateway's account; and so
 *  is a route to a target that isn't made for what is asked. */
export function blameOf(upstream: UpstreamClass): Blame {
  if (upstream === 'client') return 'client'
  return OPERATORS.has(upstream) ? 'operator' : 'provider'
}

/** Something the request asks for that a dialect can't carry. */
export interface Gap {
  /** The request field, as the client wrote it, e.g. `logprobs`: the name by which a route allows it. */
  readonly field: string
  /** Where it stands, if that isn't the same: `messages[2].content[0].zz` of the field `messages.content.zz`. */
  readonly path?: string
  readonly reason: string
}

/** A request body that can't be read. `field` is a path like `messages[2].content`, or null for the whole body. */
export interface InvalidRequest {
  readonly kind: 'invalid-request'
  readonly field: string | null
  readonly message: string
}

/** What the client may ask for instead: model names that its key may use, the likeliest first; missing for none. */
export interface Suggesting {
  readonly suggestions?: readonly string[]
}

/** A request for a provider's own API that isn't the caller's to make. */
export interface NotPassedThrough {
  readonly kind: 'not-passed-through'
  /** `off`: nothing is passed through. Else only calls that run a model, and this: runs none as far as is known; names none;
   *  names one that no route leads to; refers to something that is kept at the provider. */
  readonly reason: 'off' | 'runs-no-model' | 'names-no-model' | 'unrouted-model' | 'kept-reference'
  /** What it is about: method and path, the model, or the member that refers. */
  readonly subject: string
  /** The least that `pass_through` would have to be; null where it is `all` and the key's list of models is in the way. */
  readonly needed: Exclude<PassThroughPolicy, 'off'> | null
}

/** Any reason a request is not served. */
export type Failure =
  | InvalidRequest
  /** `expected`: JSON unless it says otherwise. */
  | { readonly kind: 'unsupported-media-type'; readonly received: string; readonly expected?: string }
  | { readonly kind: 'request-too-large'; readonly limitBytes: number }
  | {
      readonly kind: 'unauthenticated'
      /** `rotated`: the key has another secret, and the overlap is over. */
      readonly reason: 'missing' | 'malformed' | 'unknown' | 'expired' | 'revoked' | 'rotated'
    }
  | ({ readonly kind: 'model-not-found'; readonly model: string } & Suggesting)
  | { readonly kind: 'model-not-allowed'; readonly model: string }
  /** An operator has switched it off. `model`: the requested one. */
  | { readonly kind: 'switched-off'; readonly what: 'tenant' | 'key' | 'model'; readonly model?: string }
  /** The same of all that could serve the model, whether they are off by themselves or with their providers. */
  | {
      readonly kind: 'switched-off'
      readonly what: 'target'
      readonly model: string
      readonly targets: readonly string[]
    }
  /** Nobody knows what the model costs, and it isn't served at an unknown price. */
  | { readonly kind: 'unpriced'; readonly model: string }
  /** Nothing that serves it meets the policy about data. */
  | { readonly kind: 'data-policy'; readonly model: string; readonly of: DataPolicyOwner; readonly need: DataNeed }
  /** A rule of the model's route says no to requests like this one. */
  | { readonly kind: 'refused-by-rule'; readonly model: string; readonly rule: string; readonly message: string }
  | ({ readonly kind: 'unsupported'; readonly model: string; readonly gaps: readonly Gap[] } & Suggesting)
  | {
      readonly kind: 'rate-limited'
      /** Which scope refused: tenant, team or key. */
      readonly scope: LimitScope
      /** The models that the limit is about; null or missing for all. */
      readonly model?: string | null
      readonly unit: RateUnit
      readonly limitPerMinute: number
      readonly requested: number
      /** What was there; missing where it isn't known. */
      readonly left?: number
      /** What there can be at most, and how long it takes until it is there. */
      readonly size?: number
      readonly resetAfterMs?: number
      /** Waiting this long makes the same request admissible; null when it can never be (it exceeds the burst). */
      readonly retryAfterMs: number | null
    }
  /** As many attempts run at once as may. */
  | {
      readonly kind: 'too-many-at-once'
      readonly scope: LimitScope
      readonly model?: string | null
      readonly most: number
      readonly retryAfterMs: number
    }
  | {
      readonly kind: 'budget-exhausted'
      readonly scope: LimitScope
      readonly model?: string | null
      readonly limitNanoUsd: number
      readonly leftNanoUsd?: number
      readonly window: BudgetPeriod
      readonly resetsAtMs: number
      /** Until the reset; null when that doesn't help, since the request may cost more than the whole budget. */
      readonly retryAfterMs?: number | null
    }
  /** So much more is spent than usual that it is slowed down or stopped. */
  | {
      readonly kind: 'runaway'
      readonly scope: LimitScope
      readonly action: 'throttle' | 'stop'
      /** What may be spent in a minute meanwhile; 0 where it is stopped. */
      readonly perMinuteNanoUsd: number
      readonly retryAfterMs: number
    }
  /** Keys and routes can't be looked up: nobody is let in on trust. */
  | { readonly kind: 'directory-unavailable' }
  /** Code that is loaded when it is first needed can't be. */
  | { readonly kind: 'not-loaded' }
  /** The limiter object can't be reached: budgets fail closed. */
  | { readonly kind: 'limiter-unavailable' }
  | ({ readonly kind: 'upstream-failed'; readonly provider: string; readonly upstream: UpstreamFailure } & Suggesting)
  /** No candidate could be tried: all breakers open or cooling down. */
  | ({
      readonly kind: 'no-target-available'
      readonly model: string
      readonly retryAfterMs: number | null
    } & Suggesting)
  | { readonly kind: 'endpoint-not-found'; readonly path: string }
  | NotPassedThrough
  | { readonly kind: 'method-not-allowed'; readonly allowed: string }
  | { readonly kind: 'internal'; readonly requestId: string }

/** Where a limit is set: at a level of the tenant's tree, for each of its end users, or at a target. */
export type LimitScope = 'tenant' | 'team' | 'key' | 'user' | 'target'

/** What a rate counts; `tokens`: input and output together. */
export type RateUnit = 'requests' | 'tokens' | 'inputTokens' | 'outputTokens'

/** A window of the calendar. */
export type CalendarPeriod = 'hour' | 'day' | 'week' | 'month'

/** Windows of so many days, one of which begins on the day `from` (`YYYY-MM-DD`). */
export interface EveryDays {
  readonly everyDays: number
  readonly from: string
}

/** The window of a budget. */
export type BudgetPeriod = CalendarPeriod | EveryDays
