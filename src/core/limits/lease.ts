// The holder's half of a lease: a slice of a tenant's limits in an isolate's memory, from which requests are admitted
// without asking anyone. Mutable plain data on purpose: admission is the hot path. The authority's half is in
// authority.ts; the theorem that both together can't overshoot rests on cumulative totals merged by maximum.
import {
  ALL,
  type Counts,
  type Flags,
  NONE,
  NOTHING,
  RESOURCES,
  each,
  greatest,
  minus,
  plus,
  times,
} from './amounts.ts'
import type { LeaseGrant, LeaseReport, LeaseWant, LimiterPath } from './limits.ts'
import { type Standings, type ToldStandings, aged } from './standing.ts'

/** Law: in a resource that is limited, settled + reserved + returned never exceeds granted by more than attempts cost beyond
 *  what they had reserved. While it exceeds it, nothing is admitted. */
export interface HeldLease {
  readonly id: string
  readonly path: LimiterPath
  granted: Counts
  settled: Counts
  reserved: Counts
  /** How many reservations are open. */
  open: number
  returned: Counts
  /** On the holder's own clock; nothing is admitted from then on. */
  deadlineMs: number
  /** On the same clock: attempts that hold a limited slot must have ended by then. */
  slotsUntilMs: number
  /** What the latest grant was good for; 0 before the first. */
  ttlMs: number
  limited: Flags
  tail: Flags
  /** As the latest grant left them, when its question was sent. */
  standings: { readonly of: Standings; readonly sinceMs: number } | null
  /** No longer admits; closed for good once nothing is reserved. */
  isClosing: boolean
  /** The most money that may be reserved without the authority having heard of it … */
  blindNanoUsd: number
  /** … and what is, … */
  unheardNanoUsd: number
  /** … of which this will not be told before it is settled, … */
  untoldNanoUsd: number
  /** … and this is told in a message that hasn't been answered. */
  tellingNanoUsd: number
  /** `blindNanoUsd` from when that message has arrived. */
  blindThenNanoUsd: number
  /** What of `blindNanoUsd` was granted ahead of requests. */
  blindAheadNanoUsd: number
  /** How long it usually takes until the authority has heard of a reservation. */
  contactMs: number
  /** What was asked of it since `rateSinceMs`, for sizing the next grant. */
  rateAmounts: Counts
  rateSinceMs: number
  /** How many requests like the present one are asked for ahead. */
  readonly aheadRequests: number
}

/** How much ahead a holder usually asks for: this many requests like the present one … */
const AHEAD_REQUESTS = 8
/** … or this long at the present rate, whichever is more. */
const AHEAD_MS = 3_000
/** How much may be reserved before the authority hears of it: so many requests, and as many times what is likely to come
 *  in the time that a message takes. */
const BLIND_REQUESTS = 4
const BLIND_TIMES = 2
/** A message may take so much longer than it usually does. */
const BLIND_MS = 400
/** How long a message takes, while nothing is known of that. */
const CONTACT_MS = 300
/** A holder renews in the background when less than this share of what is likely to be asked for soon is free, or less than
 *  so many requests take. */
const RENEW_BELOW = 0.35
const RENEW_REQUESTS = 2
/** Deadlines are met this much early: the clock may stand still while the isolate computes. */
export const LEASE_GUARD_MS = 500

/** A lease that has nothing yet. */
export function emptyLease(id: string, path: LimiterPath, nowMs: number, aheadRequests = AHEAD_REQUESTS): HeldLease {
  return {
    id,
    path,
    granted: NOTHING,
    settled: NOTHING,
    reserved: NOTHING,
    open: 0,
    returned: NOTHING,
    deadlineMs: 0,
    slotsUntilMs: 0,
    ttlMs: 0,
    limited: ALL,
    tail: NONE,
    standings: null,
    isClosing: false,
    blindNanoUsd: 0,
    unheardNanoUsd: 0,
    untoldNanoUsd: 0,
    tellingNanoUsd: 0,
    blindThenNanoUsd: 0,
    blindAheadNanoUsd: 0,
    contactMs: CONTACT_MS,
    rateAmounts: NOTHING,
    rateSinceMs: nowMs,
    aheadRequests,
  }
}

/** What may still be reserved. */
export function free(lease: HeldLease): Counts {
  return minus(lease.granted, plus(lease.settled, plus(lease.reserved, lease.returned)))
}

/** Reserves `amounts` if the lease is alive and has all of it; a refusal changes nothing. */
export function reserve(lease: HeldLease, amounts: Counts, nowMs: number): boolean {
  if (!has(lease, amounts, nowMs)) return false
  hold(lease, amounts)
  lease.open += 1
  return true
}

/** Reserves `most`, or of its money as much as there is, if that is `leastNanoUsd` at least. What was reserved; null for
 *  nothing, and then nothing has changed. */
export function reserveWithin(lease: HeldLease, most: Counts, leastNanoUsd: number, nowMs: number): Counts | null {
  if (reserve(lease, most, nowMs)) return most
  const free = Math.min(lease.granted.nanoUsd - spokenFor(lease), blindFree(lease))
  const amounts = { ...most, nanoUsd: Math.min(most.nanoUsd, free) }
  return amounts.nanoUsd >= leastNanoUsd && reserve(lease, amounts, nowMs) ? amounts : null
}

/** Adds to a reservation that is open, on the same terms. */
export function extend(lease: HeldLease, amounts: Counts, nowMs: number): boolean {
  if (!has(lease, amounts, nowMs)) return false
  hold(lease, amounts)
  lease.untoldNanoUsd += amounts.nanoUsd
  return true
}

/** Takes back an extension of a reservation that is open: as if it had never been asked for. */
export function retract(lease: HeldLease, amounts: Counts): void {
  lease.reserved = minus(lease.reserved, amounts)
  lease.unheardNanoUsd -= amounts.nanoUsd
  lease.untoldNanoUsd -= amounts.nanoUsd
}

/** Replaces a reservation by what was really used; settling at zero releases it. Once per reservation. `untoldNanoUsd`:
 *  what it was extended by. */
export function settle(lease: HeldLease, reserved: Counts, actual: Counts, untoldNanoUsd = 0): void {
  lease.reserved = minus(lease.reserved, reserved)
  lease.open -= 1
  lease.untoldNanoUsd -= untoldNanoUsd
  lease.settled = plus(lease.settled, actual.slots === 0 ? actual : { ...actual, slots: 0 })
}

/** Takes in the authority's answer to the holder's latest message: what an earlier one was answered is no longer true.
 *  `sentAtMs` is when the question left, on the holder's clock. */
export function accept(lease: HeldLease, grant: LeaseGrant, sentAtMs: number): void {
  lease.granted = greatest(lease.granted, grant.granted)
  lease.limited = grant.limited
  lease.tail = grant.tail
  lease.standings = grant.standings === undefined ? null : { of: grant.standings, sinceMs: sentAtMs }
  lease.blindNanoUsd = grant.blindNanoUsd
  lease.blindThenNanoUsd = grant.blindNanoUsd
  lease.blindAheadNanoUsd = grant.blindAheadNanoUsd ?? grant.blindNanoUsd
  lease.deadlineMs = Math.max(lease.deadlineMs, sentAtMs + grant.ttlMs - guardMs(grant.ttlMs))
  lease.ttlMs = grant.ttlMs
}

/** The authority heard of this lease: its slots are kept for another while, and it knows what it was being told. To be
 *  called with the answer to the latest message only. */
export function heard(lease: HeldLease, sentAtMs: number, ttlMs: number): void {
  lease.slotsUntilMs = Math.max(lease.slotsUntilMs, sentAtMs + ttlMs - guardMs(ttlMs))
  lease.unheardNanoUsd -= lease.tellingNanoUsd
  lease.tellingNanoUsd = 0
  lease.blindNanoUsd = lease.blindThenNanoUsd
}

/** All that there is to tell is in a message that is about to leave, and so is what this lease needs to keep to itself
 *  from then on. An earlier message that wasn't answered may have arrived or not: what both would allow holds. */
export function tell(lease: HeldLease): void {
  lease.blindNanoUsd = Math.min(lease.blindNanoUsd, lease.blindThenNanoUsd)
  lease.tellingNanoUsd = tellable(lease)
  lease.blindThenNanoUsd = Math.min(lease.blindNanoUsd, lease.untoldNanoUsd + lease.blindAheadNanoUsd)
}

/** What the authority has yet to be told. */
function tellable(lease: HeldLease): number {
  return lease.unheardNanoUsd - lease.untoldNanoUsd
}

/** What may be reserved without the authority having heard of it, whether or not the message under way arrives. */
function blindFree({ blindNanoUsd, blindThenNanoUsd, unheardNanoUsd, tellingNanoUsd }: HeldLease): number {
  return Math.min(blindNanoUsd, blindThenNanoUsd + tellingNanoUsd) - unheardNanoUsd
}

/** True when attempts under this lease may no longer run: their slots may be given to others. */
export function hasLostSlots(lease: HeldLease, nowMs: number): boolean {
  return lease.limited.slots && nowMs >= lease.slotsUntilMs
}

/** How the limits behind this lease stand, as far as its holder can know: they were told with the latest grant, and what it
 *  used itself since is counted. Null where there are none. */
export function standingsNow(lease: HeldLease, nowMs: number): ToldStandings | null {
  if (lease.standings === null) return null
  const { granted, settled, reserved, standings } = lease
  const unused = minus(granted, plus(settled, reserved))
  return aged(standings.of, { unused, reserved }, { sinceMs: standings.sinceMs, nowMs })
}

/** What to ask for so that `waiting` (in order of arrival) can be admitted, and the near future as well. `leastNanoUsd`: the
 *  first of them takes less money than it says, if that is all there is. */
export function want(
  lease: HeldLease,
  waiting: readonly Counts[],
  nowMs: number,
  leastNanoUsd: number | null = null,
): LeaseWant {
  const used = plus(lease.settled, plus(lease.reserved, lease.returned))
  const need = waiting.reduce(plus, used)
  const request = waiting[0] ?? NOTHING
  const usual = waiting[0] ?? usualOf(lease)
  const likely = greatest(ahead(lease, nowMs), times(usual, lease.aheadRequests))
  const missing = minus(need, used)
  const target = each(
    (resource) => used[resource] + Math.max(missing[resource], lease.tail[resource] ? 0 : likely[resource]),
  )
  const isNew = lease.deadlineMs === 0
  const unheardNanoUsd = lease.untoldNanoUsd + need.nanoUsd - used.nanoUsd
  const least = leastNanoUsd === null ? request : { ...request, nanoUsd: leastNanoUsd }
  // Who needs nothing of a resource is not refused because more of it was used than there was.
  const first = each((resource) => (least[resource] === 0 ? 0 : used[resource] + least[resource]))
  const blindNanoUsd =
    usual.nanoUsd * BLIND_REQUESTS + BLIND_TIMES * likelyWithin(lease, lease.contactMs + BLIND_MS, nowMs)
  return { leaseId: lease.id, isNew, path: lease.path, need, target, first, unheardNanoUsd, blindNanoUsd }
}

/** True when it is time to renew in the background: little left, less than nothing, much to tell, or the deadline near. */
export function wantsRenewal(lease: HeldLease, nowMs: number): boolean {
  if (lease.isClosing) return false
  if (nowMs >= lease.deadlineMs - lease.ttlMs / 2) return true
  const { limited, tail } = lease
  if (limited.nanoUsd && tellable(lease) * 2 > lease.blindNanoUsd) return true
  const left = free(lease)
  const likely = greatest(ahead(lease, nowMs), times(usualOf(lease), RENEW_REQUESTS / RENEW_BELOW))
  return (
    isLess(left, limited) ||
    (limited.nanoUsd && !tail.nanoUsd && left.nanoUsd < likely.nanoUsd * RENEW_BELOW) ||
    (limited.tokens && !tail.tokens && left.tokens < likely.tokens * RENEW_BELOW) ||
    (limited.inputTokens && !tail.inputTokens && left.inputTokens < likely.inputTokens * RENEW_BELOW) ||
    (limited.outputTokens && !tail.outputTokens && left.outputTokens < likely.outputTokens * RENEW_BELOW) ||
    (limited.requests && !tail.requests && left.requests < likely.requests * RENEW_BELOW) ||
    (limited.slots && !tail.slots && left.slots < likely.slots * RENEW_BELOW)
  )
}

/** Gives back everything that is free (idle). The next report carries it. */
export function giveBack(lease: HeldLease): void {
  lease.returned = plus(lease.returned, greatest(free(lease), NOTHING))
}

/** Whether somebody is likely to ask for it in the next `forMs`, of a lease that lasts for as long and of which there is enough. */
export function isLikelyUsed(lease: HeldLease, forMs: number, nowMs: number): boolean {
  if (lease.isClosing || hasTail(lease) || nowMs + forMs > lease.deadlineMs) return false
  return lease.rateAmounts.requests * forMs >= nowMs - lease.rateSinceMs
}

/** Whether there is little left of anything. */
function hasTail({ tail }: HeldLease): boolean {
  return tail.nanoUsd || tail.slots || tail.requests || tail.tokens || tail.inputTokens || tail.outputTokens
}

/** Gives back what is free of what there is little left of. */
export function giveBackTail(lease: HeldLease): void {
  if (!hasTail(lease)) return
  const { tail } = lease
  const left = free(lease)
  lease.returned = plus(
    lease.returned,
    each((resource) => (tail[resource] ? Math.max(0, left[resource]) : 0)),
  )
}

/** Whether the authority should hear soon of what was settled: others wait for what is left, or think that there is more of it
 *  than there is, since attempts cost more than they had reserved. */
export function isAwaited(lease: HeldLease): boolean {
  return hasTail(lease) || isLess(free(lease), lease.limited)
}

/** Less than nothing of something that is limited. */
function isLess(left: Counts, limited: Flags): boolean {
  return RESOURCES.some((resource) => limited[resource] && left[resource] < 0)
}

/** What the authority needs to know of this lease. */
export function report(lease: HeldLease): LeaseReport {
  return {
    leaseId: lease.id,
    keyId: lease.path.keyId,
    settled: lease.settled,
    returned: lease.returned,
    isDone: lease.isClosing && lease.open === 0,
    blindNanoUsd: Math.max(lease.blindThenNanoUsd, lease.untoldNanoUsd),
    reserved: lease.reserved,
  }
}

/** Begins a new measurement of the consumption rate, at the rate so far; called when a renewal is sent. */
export function restartRate(lease: HeldLease, nowMs: number): void {
  if (nowMs - lease.rateSinceMs < AHEAD_MS) return
  const { requests } = lease.rateAmounts
  const share = AHEAD_MS / 2 / (nowMs - lease.rateSinceMs)
  // Whole requests: what one takes on average stays what it was.
  lease.rateAmounts = times(lease.rateAmounts, requests === 0 ? share : Math.ceil(requests * share) / requests)
  lease.rateSinceMs = nowMs - AHEAD_MS / 2
}

function has(lease: HeldLease, amounts: Counts, nowMs: number): boolean {
  if (lease.isClosing || nowMs >= lease.deadlineMs) return false
  const { limited } = lease
  const left = free(lease)
  return (
    (!limited.nanoUsd ||
      amounts.nanoUsd === 0 ||
      (left.nanoUsd >= amounts.nanoUsd && amounts.nanoUsd <= blindFree(lease))) &&
    (!limited.tokens || left.tokens >= amounts.tokens) &&
    (!limited.requests || left.requests >= amounts.requests) &&
    (!limited.inputTokens || left.inputTokens >= amounts.inputTokens) &&
    (!limited.outputTokens || left.outputTokens >= amounts.outputTokens) &&
    (!limited.slots || (left.slots >= amounts.slots && (amounts.slots === 0 || nowMs < lease.slotsUntilMs)))
  )
}

/** Nano-USD of the lease that are no longer free. */
function spokenFor({ settled, reserved, returned }: HeldLease): number {
  return settled.nanoUsd + reserved.nanoUsd + returned.nanoUsd
}

function hold(lease: HeldLease, amounts: Counts): void {
  lease.reserved = plus(lease.reserved, amounts)
  lease.unheardNanoUsd += amounts.nanoUsd
  lease.rateAmounts = plus(lease.rateAmounts, amounts)
}

/** What is likely to be asked for in the near future: of slots, half as many as are taken. */
function ahead(lease: HeldLease, nowMs: number): Counts {
  const elapsedMs = Math.max(1_000, nowMs - lease.rateSinceMs)
  return { ...times(lease.rateAmounts, AHEAD_MS / elapsedMs), slots: Math.ceil(lease.reserved.slots / 2) }
}

/** Nano-USD that are likely to be asked for in that time. */
function likelyWithin({ rateAmounts, rateSinceMs }: HeldLease, ms: number, nowMs: number): number {
  return Math.ceil((rateAmounts.nanoUsd * ms) / Math.max(1_000, nowMs - rateSinceMs))
}

/** What a request took on average of late. */
function usualOf({ rateAmounts }: HeldLease): Counts {
  return times(rateAmounts, 1 / Math.max(1, rateAmounts.requests))
}

function guardMs(ttlMs: number): number {
  return Math.min(LEASE_GUARD_MS, ttlMs / 4)
}
