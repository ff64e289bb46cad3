// A change of traffic that looks after itself: a share that grows with time, and a bound on errors beyond which it is taken
// back. Pure functions of what was written and of the time, so that every isolate agrees. Weights are shares, times epoch ms.

/** How a member's weight grows. */
export interface Ramp {
  readonly from: number
  readonly to: number
  readonly startsAtMs: number
  readonly overMinutes: number
}

/** When a member is taken out. */
export interface CanaryWatch {
  /** Share of failed calls, in [0, 1), beyond which it is. */
  readonly maxErrorRate: number
  /** Fewer calls than these in the window say nothing. */
  readonly minRequests: number
  readonly windowMinutes: number
}

/** What became of calls. */
export interface Tally {
  readonly requests: number
  readonly failures: number
}

/** A member's weight at `nowMs`: `from` before the ramp begins, `to` when it is over, in between in proportion to the time.
 *  One without a ramp has the weight that is written. A ramp may lead down. */
export function weightAt(member: { readonly weight: number; readonly ramp?: Ramp }, nowMs: number): number {
  const { ramp } = member
  if (ramp === undefined) return member.weight
  const passed = (nowMs - ramp.startsAtMs) / (ramp.overMinutes * 60_000)
  return ramp.from + (ramp.to - ramp.from) * Math.min(1, Math.max(0, passed))
}

/** Whether a member is to be taken out: enough calls, a larger share of them failed than is allowed, and a larger one than
 *  of the calls of the others together. Where the others had no calls, nothing of theirs speaks for it. */
export function isBeyond(watch: CanaryWatch, own: Tally, others: Tally): boolean {
  if (own.requests < watch.minRequests) return false
  const rate = errorRate(own)
  return rate > watch.maxErrorRate && rate > errorRate(others)
}

/** 0 for no calls. */
export function errorRate({ requests, failures }: Tally): number {
  return requests === 0 ? 0 : failures / requests
}

/** A member that failed more than it may, and how many calls show it. */
export interface CanaryFinding {
  readonly routeId: string
  readonly target: string
  /** Which state of the route this is about. */
  readonly sinceMs: number
  /** In the window. */
  readonly own: Tally
  readonly others: Tally
  readonly ownErrorRate: number
  readonly othersErrorRate: number
  /** Since the watch began. `seen`: failures that were the client's answer, since nobody else could serve. */
  readonly all: Tally & { readonly seen: number }
}

/** A revision that is worse than the one before it, and how many calls show it. */
export interface RevisionFinding {
  readonly revision: number
  /** Whose calls these are; null for all that it touched. */
  readonly target: string | null
  readonly own: Tally
  readonly before: Tally
  readonly ownErrorRate: number
  readonly beforeErrorRate: number
  /** Failures that were the client's answer, since nobody else could serve. */
  readonly seen: number
}
