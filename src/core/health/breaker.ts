// The circuit breaker of one target, as a reducer: (state, event, now) → state. Runs in every isolate (to stop a storm in
// milliseconds) and, with the same rules, in the shared object that hands out the single recovery probe. Times are epoch
// ms. An outcome older than the window never counts.
import type { UpstreamClass } from '../failure.ts'

/** Weighted failures and calls in one second. */
interface Second {
  readonly second: number
  readonly calls: number
  readonly failures: number
}

/** A failure, when it came and how much it weighs. */
interface Failed {
  readonly atMs: number
  readonly weight: number
}

export type BreakerState =
  | {
      readonly state: 'closed'
      readonly seconds: readonly Second[]
      /** The latest failures, with no success since: no more than would open it. */
      readonly inARow: readonly Failed[]
      readonly openings: number
    }
  /** No calls until `untilMs`; then one probe. */
  | { readonly state: 'open'; readonly untilMs: number; readonly openings: number }
  /** One probe is out; unless it ends by `untilMs` it counts as failed. */
  | { readonly state: 'half-open'; readonly untilMs: number; readonly openings: number }
  /** A probe succeeded: until `untilMs` it gets the share of `RAMP[step]`, then the next. */
  | Ramping

export interface Ramping {
  readonly state: 'ramping'
  readonly step: number
  readonly untilMs: number
  readonly openings: number
  /** Weighted calls and failures since the probe. */
  readonly calls: number
  readonly failures: number
}

/** What one attempt tells about its target. */
export type Outcome = 'success' | 'ignored' | { readonly weight: number }

export const BREAKER = {
  /** Outcomes older than this never count. */
  windowMs: 10_000,
  /** Opens at this share of weighted failures … */
  failureShare: 0.5,
  /** … over at least so many weighted calls … */
  callsMin: 20,
  /** … or at failures in a row that weigh so much (five lost connections, fifteen errors) … */
  rowWeightMax: 15,
  /** … or at so many failures in a row where nothing else was seen in the window. */
  unprovenMax: 5,
  /** While it ramps: at half of the weighted calls, and so much failed. */
  rampWeightMax: 3,
  openMs: 5_000,
  openMsMax: 300_000,
  probeMs: 30_000,
} as const

/** What of its traffic a target gets after a successful probe, step by step; then all of it. */
export const RAMP: readonly { readonly share: number; readonly forMs: number }[] = [
  { share: 0.05, forMs: 5_000 },
  { share: 0.25, forMs: 5_000 },
]

/** A breaker that has seen nothing. */
export const CLOSED: BreakerState = { state: 'closed', seconds: [], inARow: [], openings: 0 }

/** What an upstream failure says about its target. A client's mistake, a throttle, a lack of capacity (that is a pause, as
 *  it asks for) and what it isn't made for say nothing against it. */
export function outcomeOf(upstream: UpstreamClass | null): Outcome {
  switch (upstream) {
    case null:
      return 'success'
    case 'connection':
      return { weight: 3 }
    case 'timeout':
      return { weight: 2 }
    case 'server':
    case 'stream':
      return { weight: 1 }
    case 'overloaded':
    case 'client':
    case 'throttled':
    case 'credential':
    case 'incapable':
      return 'ignored'
  }
}

/** Takes one outcome in. In the open state a straggler's outcome changes nothing. */
export function afterOutcome(state: BreakerState, outcome: Outcome, nowMs: number, jitter: number): BreakerState {
  if (outcome === 'ignored' || state.state === 'open') return state
  const weight = outcome === 'success' ? 0 : outcome.weight
  if (state.state === 'half-open') {
    return weight === 0 ? ramping(0, state.openings, nowMs) : opened(state.openings + 1, nowMs, jitter)
  }
  if (state.state === 'ramping') return afterRamped(state, weight, nowMs, jitter)
  const seconds = counted(state.seconds, weight, nowMs)
  const inARow = weight > 0 ? [...recentInARow(state, nowMs), { atMs: nowMs, weight }] : []
  if (isBroken(inARow, seconds)) return opened(state.openings + 1, nowMs, jitter)
  return { state: 'closed', seconds, inARow, openings: weight > 0 ? state.openings : 0 }
}

function afterRamped(state: Ramping, weight: number, nowMs: number, jitter: number): BreakerState {
  const calls = state.calls + Math.max(1, weight)
  const failures = state.failures + weight
  const isBad = failures >= BREAKER.rampWeightMax && failures >= calls * BREAKER.failureShare
  return isBad ? opened(state.openings + 1, nowMs, jitter) : { ...state, calls, failures }
}

/** The latest failures in a row, those in the window. */
export function recentInARow(state: BreakerState, nowMs: number): readonly Failed[] {
  if (state.state !== 'closed') return []
  return state.inARow.filter(({ atMs }) => atMs > nowMs - BREAKER.windowMs && atMs <= nowMs)
}

/** Whether a call may go out: yes; no; a share of them (`RAMP`); or only as the probe (then move on with `probing`). While
 *  it ramps, `probe` means that the next step is due. */
export function verdict(state: BreakerState, nowMs: number): 'yes' | 'no' | 'share' | 'probe' {
  if (state.state === 'closed') return 'yes'
  if (nowMs >= state.untilMs) return 'probe'
  return state.state === 'ramping' ? 'share' : 'no'
}

/** What of its traffic a target gets in this state: 0 to 1. */
export function shareOf(state: BreakerState): number {
  if (state.state === 'closed') return 1
  return state.state === 'ramping' ? (RAMP[state.step]?.share ?? 1) : 0
}

/** A step of the ramp begins; beyond the last the breaker is closed. */
export function ramping(step: number, openings: number, nowMs: number): BreakerState {
  const begun = RAMP[step]
  if (begun === undefined) return CLOSED
  return { state: 'ramping', step, untilMs: nowMs + begun.forMs, openings, calls: 0, failures: 0 }
}

/** The ramp at `nowMs`: steps that are over are left behind. Any other state stays. */
export function advanced(state: BreakerState, nowMs: number): BreakerState {
  let now = state
  while (now.state === 'ramping' && nowMs >= now.untilMs) now = ramping(now.step + 1, now.openings, now.untilMs)
  return now
}

/** The probe is out. */
export function probing(state: BreakerState, nowMs: number): BreakerState {
  const openings = state.state === 'closed' ? 0 : state.openings
  return { state: 'half-open', untilMs: nowMs + BREAKER.probeMs, openings }
}

/** Found broken by other signs than outcomes. */
export function trippedAt(state: BreakerState, nowMs: number, jitter: number): BreakerState {
  return opened(state.openings + 1, nowMs, jitter)
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

function isBroken(inARow: readonly Failed[], seconds: readonly Second[]): boolean {
  const rowWeight = inARow.reduce((sum, { weight }) => sum + weight, 0)
  if (rowWeight >= BREAKER.rowWeightMax) return true
  let calls = 0
  let failures = 0
  for (const entry of seconds) {
    calls += entry.calls
    failures += entry.failures
  }
  if (failures === calls && inARow.length >= BREAKER.unprovenMax) return true
  return calls >= BREAKER.callsMin && failures >= calls * BREAKER.failureShare
}
