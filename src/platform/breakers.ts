// What this isolate knows of its targets' health. A target in good standing costs no call to anyone; one in doubt is asked
// about at the shared object, which lets a single prober through and says how fast the traffic comes back. A target that has
// not proved itself yet gets a few calls at a time, so that a storm on a dead address is a handful of attempts and not a
// thousand.
import {
  BREAKER,
  type BreakerState,
  CLOSED,
  type Outcome,
  advanced,
  afterOutcome,
  openUntil,
  outcomeOf,
  probing,
  recentInARow,
  shareOf,
  verdict,
} from '../core/health/breaker.ts'
import type { Target } from '../core/directory.ts'
import type { UpstreamClass } from '../core/failure.ts'
import { FULL_RETRY_BUDGET, earned, spentRetry } from '../core/health/retry.ts'
import type { Dated, Permit, Told } from '../core/health/shared-breaker.ts'
import type { Breakers, CallPermit, Closed, Later, TargetStanding } from '../ports.ts'
import { Cooldowns } from './cooldowns.ts'
import { type Health, type NewsPorts, hearOthers, pass, take, tellPause } from './target-news.ts'

/** The shared object of a target. */
export interface SharedBreaker {
  tripped(untilMs: number): Promise<Dated<Told>>
  permit(): Promise<Dated<Permit>>
  report(outcome: Outcome): Promise<Dated<Told>>
  withdraw(): Promise<void>
  /** There is traffic, and the target wants to be checked. */
  watch(target: Target): Promise<Dated<Told>>
}

export interface BreakerPorts extends NewsPorts {
  readonly shared: (targetId: string) => SharedBreaker
  readonly draw: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/** Calls that a target which hasn't answered lately may have under way. */
const PROVING_MAX = BREAKER.unprovenMax
/** A success vouches for the target this long. */
const PROVEN_MS = 60_000
/** The others wait at most this long for the first answers: a slow target is not a dead one. */
const PROVING_WAIT_MS = 250
/** While the next step of a ramp is asked for, the present one goes on. */
const ASKING_MS = 2_000
/** How often a target that is checked is told that it has traffic, and asked how it stands. */
const WATCH_MS = 30_000
const TARGETS_MAX = 2_000

/** The health of targets, as this isolate and their shared objects know it. */
export function isolateBreakers(ports: BreakerPorts): Breakers {
  const targets = new Map<string, Health>()

  function healthOf(target: Target): Health {
    const health = targets.get(target.id) ?? begun(target)
    if (health.heard < ports.health.board.serial) hearOthers(ports, target, health)
    return health
  }

  function begun(target: Target): Health {
    if (targets.size >= TARGETS_MAX) targets.clear()
    const health: Health = {
      state: CLOSED,
      epoch: 0,
      heard: 0,
      retries: FULL_RETRY_BUDGET,
      cooldowns: new Cooldowns(),
      provenAtMs: -Infinity,
      recoveredAtMs: -Infinity,
      watchedAtMs: -Infinity,
      inFlight: 0,
      waiting: [],
    }
    targets.set(target.id, health)
    return health
  }

  return {
    permit(target, isLast = false) {
      const health = healthOf(target)
      const nowMs = ports.nowMs()
      health.retries = earned(health.retries)
      const closed = closedFor(target, health, nowMs)
      if (closed !== null) return closed
      if (verdict(health.state, nowMs) === 'probe') return askHowItStands(ports, target, health, isLast)
      return grantShare(ports, target, health, isLast)
    },
    mayRetry(target) {
      const health = healthOf(target)
      const left = spentRetry(health.retries)
      if (left === null) return false
      health.retries = left
      return true
    },
    inFlight: (target) => targets.get(target.id)?.inFlight ?? 0,
    standing(target) {
      const isKnown = targets.has(target.id) || ports.health.board.hasNews(target.id, 0)
      return standingOf(target, isKnown ? healthOf(target) : undefined, ports.nowMs())
    },
  }
}

function standingOf(target: Target, health: Health | undefined, nowMs: number): TargetStanding {
  const closed = health === undefined ? null : closedFor(target, health, nowMs)
  if (health === undefined || (closed === null && health.state.state === 'closed')) return IN_GOOD_STANDING
  const { state } = health
  const retryAfterMs = closed?.retryAfterMs ?? null
  if (state.state === 'ramping' && closed === null) return { state: 'ramping', retryAfterMs, share: shareOf(state) }
  if (state.state === 'closed' || state.state === 'ramping') return { state: 'resting', retryAfterMs }
  const isProbing = state.state === 'half-open' || closed === null
  return { state: isProbing ? 'probing' : 'open', retryAfterMs }
}

const IN_GOOD_STANDING: TargetStanding = { state: 'closed', retryAfterMs: null }

function closedFor(target: Target, health: Health, nowMs: number): Closed | null {
  const restMs = health.cooldowns.leftMs(target.model, nowMs)
  if (restMs > 0) return { retryAfterMs: restMs }
  const { state } = health
  return verdict(state, nowMs) === 'no' && state.state !== 'closed' ? { retryAfterMs: state.untilMs - nowMs } : null
}

function isCrowded(health: Health, nowMs: number): boolean {
  return (
    health.inFlight + recentInARow(health.state, nowMs).length >= PROVING_MAX && nowMs - health.provenAtMs > PROVEN_MS
  )
}

/** Leave to call, or not this time while the traffic comes back: who has nobody else to ask is let through. */
function grantShare(
  ports: BreakerPorts,
  target: Target,
  health: Health,
  isLast: boolean,
): CallPermit | Closed | Promise<CallPermit | Closed> {
  const nowMs = ports.nowMs()
  const { state } = health
  if (state.state === 'ramping' && !isLast && ports.draw() >= shareOf(state)) {
    return { retryAfterMs: Math.max(0, state.untilMs - nowMs), isRamping: true }
  }
  return isCrowded(health, nowMs) ? waitForProof(ports, target, health) : grant(ports, target, health, false)
}

/** Waits until the calls under way have shown something, then decides anew. */
async function waitForProof(ports: BreakerPorts, target: Target, health: Health): Promise<CallPermit | Closed> {
  const deadlineMs = ports.nowMs() + PROVING_WAIT_MS
  const expired = ports.sleep(PROVING_WAIT_MS)
  for (;;) {
    const shown = new Promise<void>((resolve) => health.waiting.push(resolve))
    await Promise.race([shown, expired])
    const nowMs = ports.nowMs()
    const closed = closedFor(target, health, nowMs)
    if (closed !== null) return closed
    if (nowMs >= deadlineMs || !isCrowded(health, nowMs)) return grant(ports, target, health, false)
  }
}

/** Asks the shared object: whether to probe, or to what step the traffic has come back. */
async function askHowItStands(
  ports: BreakerPorts,
  target: Target,
  health: Health,
  isLast: boolean,
): Promise<CallPermit | Closed> {
  const before = health.state
  const nowMs = ports.nowMs()
  // Requests that come while the question is out don't ask again.
  const asking = before.state === 'ramping' ? { ...before, untilMs: nowMs + ASKING_MS } : probing(before, nowMs)
  health.state = asking
  const word = await sharedPermit(ports, target)
  if (word !== null) pass(ports, target, health, word)
  const answer = word ?? alone(before, ports.nowMs())
  if (answer.kind === 'probe') {
    health.state = probing(before, ports.nowMs())
    return grant(ports, target, health, true)
  }
  // What came to light meanwhile counts for more.
  if (health.state.state === asking.state) take(ports, target, health, answer)
  const closed = closedFor(target, health, ports.nowMs())
  return closed ?? grantShare(ports, target, health, isLast)
}

/** The shared object's word; null without it. */
async function sharedPermit(ports: BreakerPorts, target: Target): Promise<Dated<Permit> | null> {
  try {
    return await ports.shared(target.id).permit()
  } catch {
    ports.log.warn('breaker-unreachable', { target: target.id })
    return null
  }
}

/** How this isolate goes on by itself. */
function alone(before: BreakerState, nowMs: number): Permit {
  const state = advanced(before, nowMs)
  if (state.state === 'closed') return { kind: 'closed' }
  return state.state === 'ramping' ? { kind: 'ramp', step: state.step, untilMs: state.untilMs } : { kind: 'probe' }
}

function grant(ports: BreakerPorts, target: Target, health: Health, isProbe: boolean): CallPermit {
  health.inFlight += 1
  const sinceMs = ports.nowMs()
  let isOpen = true
  const close = (conclusion: () => void): void => {
    if (!isOpen) return
    isOpen = false
    health.inFlight -= 1
    conclusion()
    for (const wake of health.waiting.splice(0)) wake()
  }
  return {
    isProbe,
    done: (failure, retryAfterMs, later) =>
      close(() => conclude(ports, target, health, { failure, retryAfterMs, isProbe, sinceMs }, later)),
    withdraw: (later) => close(() => (isProbe ? returnProbe(ports, target, health, later) : undefined)),
  }
}

/** The probe goes back untried: whoever comes next may ask for it. */
function returnProbe(ports: BreakerPorts, target: Target, health: Health, later: Later): void {
  if (health.state.state !== 'half-open') return
  health.state = openUntil(ports.nowMs(), health.state.openings)
  later(ports.shared(target.id).withdraw().catch(ignore))
}

interface Conclusion {
  readonly failure: UpstreamClass | null
  readonly retryAfterMs: number | null
  readonly isProbe: boolean
  /** When the call was let through. */
  readonly sinceMs: number
}

function conclude(ports: BreakerPorts, target: Target, health: Health, end: Conclusion, later: Later): void {
  const nowMs = ports.nowMs()
  const outcome = outcomeOf(end.failure)
  if (end.failure === null) health.provenAtMs = nowMs
  if (health.cooldowns.note(target, end, nowMs)) health.provenAtMs = -Infinity
  if (end.failure === 'throttled' || end.failure === 'overloaded') tellPause(ports, target, health, end.failure, nowMs)
  watch(ports, target, health, later)
  const before = health.state.state
  // While a probe is out, only the probe decides: what was called earlier tells of the past.
  if (before === 'half-open' && !end.isProbe) return
  if (before === 'ramping' && end.sinceMs < health.recoveredAtMs) return
  // A probe that our own request spoilt has still reached a living target.
  health.state = afterOutcome(
    health.state,
    end.isProbe && outcome === 'ignored' ? 'success' : outcome,
    nowMs,
    ports.draw(),
  )
  const { state } = health
  if (state.state === 'ramping' && before !== 'ramping') health.recoveredAtMs = nowMs
  if (state.state === 'open' && before !== 'open') {
    health.provenAtMs = -Infinity
    const forMs = state.untilMs - nowMs
    ports.log.warn('target-opened', { target: target.id, provider: target.provider, failure: end.failure, forMs })
  }
  tellOthers(ports, target, health, end, before, later)
}

function tellOthers(
  ports: BreakerPorts,
  target: Target,
  health: Health,
  end: Conclusion,
  before: BreakerState['state'],
  later: Later,
): void {
  const hear = (word: Dated<Told>): void => pass(ports, target, health, word)
  if (end.isProbe) {
    later(ports.shared(target.id).report(outcomeOf(end.failure)).then(hear, ignore))
    return
  }
  const { state } = health
  if (state.state === 'open' && before !== 'open') {
    health.epoch = Infinity
    later(ports.shared(target.id).tripped(state.untilMs).then(hear, ignore))
  }
}

/** Tells the shared object of a target that is checked that there is traffic, now and then, and hears how it stands. */
function watch(ports: BreakerPorts, target: Target, health: Health, later: Later): void {
  const nowMs = ports.nowMs()
  if (target.healthCheck === undefined || nowMs - health.watchedAtMs < WATCH_MS) return
  health.watchedAtMs = nowMs
  const hear = (word: Dated<Told>): void => {
    if (word.kind !== 'open' || health.state.state !== 'closed') return
    pass(ports, target, health, word)
    take(ports, target, health, word)
  }
  later(ports.shared(target.id).watch(target).then(hear, ignore))
}

function ignore(): void {
  // Other isolates find out for themselves.
}
