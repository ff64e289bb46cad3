// Which of a target's credentials pays for an attempt, and which comes next when one isn't accepted.
import type { Target } from '../core/directory.ts'
import type { Speaker } from '../protocols/protocol.ts'
import type { FailedAttempt } from './attempt.ts'
import type { Pursuit } from './pursue.ts'

/** Credentials of one target that were tried for this request. */
export interface Credentials {
  readonly tried: string[]
  /** Refused with a 403, which may be about the request: that is known when another one is accepted. */
  readonly doubtful: Target[]
}

/** The target with the credential that pays for the next attempt; null when there is none. */
export function paidBy(pursuit: Pursuit, target: Target, { tried }: Credentials): Target | null {
  if (target.credentials === undefined) return target
  const chosen = pursuit.exchange.services.credentials.choose(target, tried)
  if (chosen === null || !('retryAfterMs' in chosen)) return chosen
  pursuit.retryAfterMs = Math.min(pursuit.retryAfterMs ?? Infinity, chosen.retryAfterMs)
  return null
}

/** Whether another credential of the target is to be tried at once, since it is this one that is not accepted. */
export function rotates(
  { exchange }: Pursuit,
  { attempt, failure }: FailedAttempt<Speaker>,
  pool: Credentials,
): boolean {
  const { target } = attempt.plan
  if (target.credentials === undefined || target.credential === null) return false
  if (failure.class !== 'throttled' && failure.class !== 'credential') return false
  const { credentials } = exchange.services
  if (failure.class === 'throttled') credentials.throttled(target, failure.retryAfterMs)
  else if (failure.status === 403) pool.doubtful.push(target)
  else credentials.refused(target)
  pool.tried.push(target.credential)
  return true
}

/** A target answered: credentials that are left are told what that says of them. */
export function hasServed({ exchange }: Pursuit, target: Target, { doubtful }: Credentials): void {
  if (target.credentials === undefined) return
  exchange.services.credentials.served(target)
  for (const other of doubtful) exchange.services.credentials.refused(other)
}
