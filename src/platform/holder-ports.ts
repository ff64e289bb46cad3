// What a lease holder needs from outside, and how one differs from another.
import type { Amounts, LimiterCall, LimiterReply, SecretEnd } from '../core/limits/limits.ts'
import type { SwitchBoard } from '../core/switches.ts'
import type { Reservation } from '../ports.ts'
import type { Journal } from './event-journal.ts'
import type { HealthDesk } from './target-news.ts'

/** The outside world of a holder. */
export interface HolderPorts {
  readonly send: (message: LimiterCall) => Promise<LimiterReply>
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly onRevoked: (keyIds: readonly string[]) => void
  /** Told when secrets of keys end. Missing: nobody is. */
  readonly onSecretEnds?: (ends: readonly SecretEnd[]) => void
  /** What is switched off: asked, and told what the limiter knows. Missing: the limiter isn't asked about it. */
  readonly switches?: SwitchBoard
  /** What is known of targets: told to the limiter, and heard from it. Missing: nothing is. */
  readonly health?: HealthDesk | undefined
}

/** How a holder of limits beside the tenant's differs. */
export interface HolderManner {
  readonly journal: Journal
  /** How many requests ahead a lease asks for. */
  readonly aheadRequests: number
  /** Records and what little there was of go back after this. */
  readonly flushDelayMs: number
}

/** A reservation whose latest extension can be taken back; only that of a holder with a manner can. */
export type HeldReservation = Reservation & { readonly retract?: (more: Amounts) => void }
