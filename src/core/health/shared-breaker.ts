// The breaker that all isolates share, as reducers: what each question and each report makes of its state, and what is
// answered. It hands out one probe at a time and says how fast the traffic comes back. Times are epoch ms.
import { type BreakerState, type Outcome, advanced, afterOutcome, openUntil, probing, verdict } from './breaker.ts'

/** How a target stands for all isolates. */
export type Told =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; readonly untilMs: number }
  /** It gets the share of this step of the ramp until then; whoever is first after that asks anew. */
  | { readonly kind: 'ramp'; readonly step: number; readonly untilMs: number }

/** What an isolate may do about a target in doubt. */
export type Permit =
  | Told
  /** The caller is the one to probe, and has to say how it went. */
  | { readonly kind: 'probe' }

/** What the shared breaker says, and since when it is so: epoch ms, made unique. What becomes so later has a later epoch, also after
 *  its object has lost its storage. */
export type Dated<T extends Told | Permit> = T & { readonly epoch: number }

/** While a probe is out, isolates are told to come back after this: it is usually answered long before its time is over. */
const PROBED_MS = 2_000

/** Whether isolates are to be told something else from then on. */
export function isChange(before: BreakerState, after: BreakerState): boolean {
  if (before.state === 'closed' || after.state === 'closed') return before.state !== after.state
  return before.state !== after.state || before.untilMs !== after.untilMs
}

/** The epoch of a change that follows on `epoch`. */
export function nextEpoch(epoch: number, nowMs: number): number {
  return Math.max(epoch + 1, nowMs)
}

/** How the target stands. */
export function toldOf(before: BreakerState, nowMs: number): Told {
  const state = advanced(before, nowMs)
  if (state.state === 'closed') return { kind: 'closed' }
  if (state.state === 'ramping') return { kind: 'ramp', step: state.step, untilMs: state.untilMs }
  const untilMs = state.state === 'half-open' ? Math.min(state.untilMs, nowMs + PROBED_MS) : state.untilMs
  return { kind: 'open', untilMs: Math.max(untilMs, nowMs) }
}

/** May this isolate call? At most one probe is out at any time; a probe not reported in time counts as failed. */
export function afterQuestion(
  before: BreakerState,
  nowMs: number,
): { readonly state: BreakerState; readonly permit: Permit } {
  const state = advanced(before, nowMs)
  if (verdict(state, nowMs) !== 'probe') return { state, permit: toldOf(state, nowMs) }
  return { state: probing(state, nowMs), permit: { kind: 'probe' } }
}

/** An isolate found the target broken and stopped calling it until `untilMs`. What is open already stays as it is. */
export function afterTrip(before: BreakerState, untilMs: number, nowMs: number): BreakerState {
  const state = advanced(before, nowMs)
  if (state.state !== 'closed' && state.state !== 'ramping') return state
  return openUntil(untilMs, state.openings + 1)
}

/** The probe was answered. Even a refusal of our request has reached a living target. A report that comes when no probe is
 *  out changes nothing. */
export function afterReport(state: BreakerState, outcome: Outcome, nowMs: number, jitter: number): BreakerState {
  if (state.state !== 'half-open') return state
  return afterOutcome(state, outcome === 'ignored' ? 'success' : outcome, nowMs, jitter)
}

/** The probe was not tried after all: the next to ask may have it. */
export function afterWithdrawal(state: BreakerState, nowMs: number): BreakerState {
  return state.state === 'half-open' ? openUntil(nowMs, state.openings) : state
}
