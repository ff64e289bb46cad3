// The circuit breaker of one target, as a reducer: (state, event, now) → state. Runs in every isolate (to stop a storm in
// milliseconds) and, with the same rules, in the shared object that hands out the single recovery probe. Times are epoch
// ms. An outcome older than the window never counts.
import type { UpstreamClass } from './failure.ts'

/** Weighted failures and calls in one second. */
interface Second {
  readonly second: number
  readonly calls: number
  readonly failures: number
}

export type BreakerState =
  | {
      readonly state: 'closed'
      readonly seconds: readonly Second[]
      /** When the latest failures came, with no success since: no more than would open it. */
      readonly inARow: readonly number[]
      readonly openings: number
    }
  /** No calls until `untilMs`; then one probe. */
  | { readonly state: 'open'; readonly untilMs: number; readonly openings: number }
  /** One probe is out; unless it ends by `untilMs` it counts as failed. */
  | { readonly state: 'half-open'; readonly untilMs: number; readonly openings: number }

/** What one attempt tells about its target. */
export type Outcome = 'success' | 'ignored' | { readonly weight: number }

export const BREAKER = {
  /** Outcomes older than this never count. */
  windowMs: 10_000,
  /** Opens at this share of weighted failures … */
  failureShare: 0.5,
  /** … over at least so many calls … */
  callsMin: 10,
  /** … or at so many failures in a row without any success. */
  inARowMax: 5,
  openMs: 5_000,
  openMsMax: 300_000,
  probeMs: 30_000,
} as const

/** A breaker that has seen nothing. */
export const CLOSED: BreakerState = { state: 'closed', seconds: [], inARow: [], openings: 0 }

/** What an upstream failure says about its target. A client's mistake, a throttle and what it isn't made for
 *  say nothing against it. */
export function outcomeOf(upstream: UpstreamClass | null): Outcome {
  switch (upstream) {
    case null:
      return 'success'
    case 'connection':
      return { weight: 3 }
    case 'timeout':
      return { weight: 2 }
    case 'server':
    case 'overloaded':
    case 'stream':
      return { weight: 1 }
    case 'client':
    case 'throttled':
    case 'credential':
    case 'incapable':
      return 'ignored'
  }
}

/** Takes one outcome in. In the open state a straggler's outcome changes nothing. */
export function afterOutcome(state: BreakerState, outcome: Outcome, nowMs: number, jitter: number): BreakerState {
  if (outcome === 'ignored') return state
  if (state.state === 'open') return state
  if (state.state === 'half-open') {
    return outcome === 'success' ? { ...CLOSED, openings: 0 } : opened(state.openings + 1, nowMs, jitter)
  }
  const isFailure = outcome !== 'success'
  const seconds = counted(state.seconds, isFailure ? outcome.weight : 0, nowMs)
  const inARow = isFailure ? [...recentInARow(state, nowMs), nowMs] : []
  if (inARow.length >= BREAKER.inARowMax || isTooBad(seconds)) return opened(state.openings + 1, nowMs, jitter)
  return { state: 'closed', seconds, inARow, openings: isFailure ? state.openings : 0 }
}

/** When the latest failures in a row came, those in the window. */
export function recentInARow(state: BreakerState, nowMs: number): readonly number[] {
  if (state.state !== 'closed') return []
  return state.inARow.filter((atMs) => atMs > nowMs - BREAKER.windowMs && atMs <= nowMs)
}

/** Whether a call may go out: yes, no, or only as the probe (then move on with `probing`). */
export function verdict(state: BreakerState, nowMs: number): 'yes' | 'no' | 'probe' {
  if (state.state === 'closed') return 'yes'
  return nowMs >= state.untilMs ? 'probe' : 'no'
}

/** The probe is out. */
export function probing(state: BreakerState, nowMs: number): BreakerState {
  const openings = state.state === 'closed' ? 0 : state.openings
  return { state: 'half-open', untilMs: nowMs + BREAKER.probeMs, openings }
}

/** Open since somebody else found the target broken: until `untilMs`. */
export function openUntil(untilMs: number, openings: number): BreakerState {
  return { state: 'open', untilMs, openings }
}

function opened(openings: number, nowMs: number, jitter: number): BreakerState {
  const openMs = Math.min(BREAKER.openMs * 2 ** (openings - 1), BREAKER.openMsMax)
  return { state: 'open', untilMs: nowMs + Math.round(openMs * (0.8 + 0.4 * jitter)), openings }
}

function counted(seconds: readonly Second[], weight: number, nowMs: number): readonly Second[] {
  const second = Math.floor(nowMs / 1000)
  const recent = seconds.filter((entry) => entry.second > second - BREAKER.windowMs / 1000 && entry.second <= second)
  const last = recent[recent.length - 1]
  const calls = Math.max(1, weight)
  if (last?.second !== second) return [...recent, { second, calls, failures: weight }]
  return [...recent.slice(0, -1), { second, calls: last.calls + calls, failures: last.failures + weight }]
}

function isTooBad(seconds: readonly Second[]): boolean {
  let calls = 0
  let failures = 0
  for (const entry of seconds) {
    calls += entry.calls
    failures += entry.failures
  }
  return calls >= BREAKER.callsMin && failures >= calls * BREAKER.failureShare
}
