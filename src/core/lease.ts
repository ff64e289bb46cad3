// The holder's half of a lease: a slice of a tenant's limits in an isolate's memory, from which requests are admitted
// without asking anyone. Mutable plain data on purpose: admission is the hot path. The authority's half is in
// authority.ts; the theorem that both together can't overshoot rests on cumulative totals merged by maximum.
import {
  type Amounts,
  type LeaseGrant,
  type LeaseReport,
  type LeaseWant,
  type LimiterPath,
  NOTHING,
  greatest,
  minus,
  plus,
} from './limits.ts'

/** Law: settled + reserved + returned never exceeds granted, in a resource that is limited, while every attempt costs at
 *  most what it reserved. */
export interface HeldLease {
  readonly id: string
  readonly path: LimiterPath
  granted: Amounts
  settled: Amounts
  reserved: Amounts
  /** How many reservations are open. */
  open: number
  returned: Amounts
  /** On the holder's own clock; nothing is admitted from then on. */
  deadlineMs: number
  /** What the latest grant was good for; 0 before the first. */
  ttlMs: number
  limitsTokens: boolean
  limitsMoney: boolean
  isTail: boolean
  /** No longer admits; closed for good once nothing is reserved. */
  isClosing: boolean
  /** Consumption since `rateSinceMs`, for sizing the next grant. */
  rateAmounts: Amounts
  rateSinceMs: number
}

/** How much ahead a holder asks for: this many requests like the present one … */
const AHEAD_REQUESTS = 8
/** … or this long at the present rate, whichever is more. */
const AHEAD_MS = 3_000
/** A holder renews in the background when less than this share of its usual slice is free. */
const RENEW_BELOW = 0.35
/** Deadlines are met this much early: the clock may stand still while the isolate computes. */
export const LEASE_GUARD_MS = 500

/** A lease that has nothing yet. */
export function emptyLease(id: string, path: LimiterPath, nowMs: number): HeldLease {
  return {
    id,
    path,
    granted: NOTHING,
    settled: NOTHING,
    reserved: NOTHING,
    open: 0,
    returned: NOTHING,
    deadlineMs: 0,
    ttlMs: 0,
    limitsTokens: true,
    limitsMoney: true,
    isTail: false,
    isClosing: false,
    rateAmounts: NOTHING,
    rateSinceMs: nowMs,
  }
}

/** What may still be reserved. */
export function free(lease: HeldLease): Amounts {
  return minus(lease.granted, plus(lease.settled, plus(lease.reserved, lease.returned)))
}

/** Reserves `amounts` if the lease is alive and has both resources; a refusal changes nothing. */
export function reserve(lease: HeldLease, amounts: Amounts, nowMs: number): boolean {
  if (lease.isClosing || nowMs >= lease.deadlineMs) return false
  if (lease.limitsTokens || lease.limitsMoney) {
    const left = free(lease)
    if (lease.limitsTokens && left.tokens < amounts.tokens) return false
    if (lease.limitsMoney && left.nanoUsd < amounts.nanoUsd) return false
  }
  lease.reserved = plus(lease.reserved, amounts)
  lease.open += 1
  return true
}

/** Replaces a reservation by what was really used; settling at zero releases it. Once per reservation. */
export function settle(lease: HeldLease, reserved: Amounts, actual: Amounts): void {
  lease.reserved = minus(lease.reserved, reserved)
  lease.open -= 1
  lease.settled = plus(lease.settled, actual)
  lease.rateAmounts = plus(lease.rateAmounts, greatest(actual, NOTHING))
}

/** Takes in the authority's answer. `sentAtMs` is when the question left, on the holder's clock. */
export function accept(lease: HeldLease, grant: LeaseGrant, sentAtMs: number): void {
  lease.granted = greatest(lease.granted, grant.granted)
  lease.limitsTokens = grant.limitsTokens
  lease.limitsMoney = grant.limitsMoney
  lease.isTail = grant.isTail
  lease.deadlineMs = Math.max(lease.deadlineMs, sentAtMs + grant.ttlMs - guardMs(grant.ttlMs))
  lease.ttlMs = grant.ttlMs
}

/** What to ask for so that `waiting` (in order of arrival) can be admitted, and the near future as well. */
export function want(lease: HeldLease, waiting: readonly Amounts[], nowMs: number): LeaseWant {
  const used = plus(lease.settled, plus(lease.reserved, lease.returned))
  const need = waiting.reduce(plus, used)
  const request = waiting[0] ?? NOTHING
  const ahead = lease.isTail ? NOTHING : greatest(atPresentRate(lease, nowMs), times(request, AHEAD_REQUESTS))
  const target = plus(used, greatest(minus(need, used), ahead))
  const isNew = lease.deadlineMs === 0
  return { leaseId: lease.id, isNew, path: lease.path, need, target, first: plus(used, request) }
}

/** True when it is time to renew in the background: little left, or the deadline near. */
export function wantsRenewal(lease: HeldLease, nowMs: number): boolean {
  if (lease.isClosing) return false
  if (nowMs >= lease.deadlineMs - lease.ttlMs / 2) return true
  if (lease.isTail) return false
  const left = free(lease)
  const ahead = atPresentRate(lease, nowMs)
  return (
    (lease.limitsTokens && left.tokens < ahead.tokens * RENEW_BELOW) ||
    (lease.limitsMoney && left.nanoUsd < ahead.nanoUsd * RENEW_BELOW)
  )
}

/** Gives back everything that is free (idle, or tail mode). The next report carries it. */
export function giveBack(lease: HeldLease): void {
  lease.returned = plus(lease.returned, greatest(free(lease), NOTHING))
}

/** What the authority needs to know of this lease. */
export function report(lease: HeldLease): LeaseReport {
  return {
    leaseId: lease.id,
    keyId: lease.path.keyId,
    settled: lease.settled,
    returned: lease.returned,
    isDone: lease.isClosing && lease.open === 0,
  }
}

/** Begins a new measurement of the consumption rate; called when a renewal is sent. */
export function restartRate(lease: HeldLease, nowMs: number): void {
  if (nowMs - lease.rateSinceMs < AHEAD_MS) return
  lease.rateAmounts = times(lease.rateAmounts, 0.5)
  lease.rateSinceMs = nowMs - AHEAD_MS / 2
}

function atPresentRate(lease: HeldLease, nowMs: number): Amounts {
  const elapsedMs = Math.max(1_000, nowMs - lease.rateSinceMs)
  return times(lease.rateAmounts, AHEAD_MS / elapsedMs)
}

function times(amounts: Amounts, factor: number): Amounts {
  return { tokens: Math.ceil(amounts.tokens * factor), nanoUsd: Math.ceil(amounts.nanoUsd * factor) }
}

function guardMs(ttlMs: number): number {
  return Math.min(LEASE_GUARD_MS, ttlMs / 4)
}
