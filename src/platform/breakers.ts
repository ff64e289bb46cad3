// What this isolate knows of its targets' health. A target in good standing costs no call to anyone; one in doubt is asked
// about at the shared object, which lets a single prober through. A target that has not proved itself yet gets a few
// calls at a time, so that a storm on a dead address is a handful of attempts and not a thousand.
import type { Permit } from '../../durable-objects/target-breaker.ts'
import {
  BREAKER,
  type BreakerState,
  CLOSED,
  type Outcome,
  afterOutcome,
  openUntil,
  outcomeOf,
  probing,
  recentInARow,
  verdict,
} from '../core/breaker.ts'
import type { Target } from '../core/directory.ts'
import type { UpstreamClass } from '../core/failure.ts'
import { FULL_RETRY_BUDGET, type RetryBudget, earned, spentRetry } from '../core/retry.ts'
import type { Breakers, CallPermit, Closed, Later, Log, TargetStanding } from '../ports.ts'

/** The shared object of a target. */
export interface SharedBreaker {
  tripped(untilMs: number): Promise<void>
  permit(): Promise<Permit>
  report(outcome: Outcome): Promise<Permit>
  withdraw(): Promise<void>
}

export interface BreakerPorts {
  readonly shared: (targetId: string) => SharedBreaker
  readonly nowMs: () => number
  readonly draw: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly log: Log
}

/** Calls that a target which hasn't answered lately may have under way. */
const PROVING_MAX = BREAKER.inARowMax
/** A success vouches for the target this long. */
const PROVEN_MS = 60_000
/** The others wait at most this long for the first answers: a slow target is not a dead one. */
const PROVING_WAIT_MS = 250
/** After a 429 that names no delay. */
const COOLDOWN_MS = 1_000
const COOLDOWN_MS_MAX = 60_000
const COOLDOWNS_MAX = 100
const TARGETS_MAX = 2_000

interface Health {
  state: BreakerState
  retries: RetryBudget
  /** By model: a provider limits each of them apart, and one target may serve many. */
  readonly cooldowns: Map<string, number>
  provenAtMs: number
  inFlight: number
  readonly waiting: (() => void)[]
}

export function isolateBreakers(ports: BreakerPorts): Breakers {
  const targets = new Map<string, Health>()

  function healthOf(target: Target): Health {
    const known = targets.get(target.id)
    if (known !== undefined) return known
    if (targets.size >= TARGETS_MAX) targets.clear()
    const health: Health = {
      state: CLOSED,
      retries: FULL_RETRY_BUDGET,
      cooldowns: new Map(),
      provenAtMs: -Infinity,
      inFlight: 0,
      waiting: [],
    }
    targets.set(target.id, health)
    return health
  }

  return {
    permit(target) {
      const health = healthOf(target)
      const nowMs = ports.nowMs()
      health.retries = earned(health.retries)
      const closed = closedFor(target, health, nowMs)
      if (closed !== null) return closed
      if (verdict(health.state, nowMs) === 'probe') return askToProbe(ports, target, health)
      return isCrowded(health, nowMs) ? waitForProof(ports, target, health) : grant(ports, target, health, false)
    },
    mayRetry(target) {
      const health = healthOf(target)
      const left = spentRetry(health.retries)
      if (left === null) return false
      health.retries = left
      return true
    },
    inFlight: (target) => targets.get(target.id)?.inFlight ?? 0,
    standing: (target) => standingOf(target, targets.get(target.id), ports.nowMs()),
  }
}

function standingOf(target: Target, health: Health | undefined, nowMs: number): TargetStanding {
  const closed = health === undefined ? null : closedFor(target, health, nowMs)
  if (health === undefined || (closed === null && health.state.state === 'closed')) return IN_GOOD_STANDING
  if (health.state.state === 'closed') return { state: 'resting', retryAfterMs: closed?.retryAfterMs ?? null }
  const isProbing = health.state.state === 'half-open' || closed === null
  return { state: isProbing ? 'probing' : 'open', retryAfterMs: closed?.retryAfterMs ?? null }
}

const IN_GOOD_STANDING: TargetStanding = { state: 'closed', retryAfterMs: null }

function closedFor(target: Target, health: Health, nowMs: number): Closed | null {
  const cooldownUntilMs = health.cooldowns.get(target.model) ?? 0
  if (nowMs < cooldownUntilMs) return { retryAfterMs: cooldownUntilMs - nowMs }
  const { state } = health
  return state.state !== 'closed' && nowMs < state.untilMs ? { retryAfterMs: state.untilMs - nowMs } : null
}

function isCrowded(health: Health, nowMs: number): boolean {
  return (
    health.inFlight + recentInARow(health.state, nowMs).length >= PROVING_MAX && nowMs - health.provenAtMs > PROVEN_MS
  )
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

async function askToProbe(ports: BreakerPorts, target: Target, health: Health): Promise<CallPermit | Closed> {
  const before = health.state
  // Requests that come while the question is out don't ask again.
  health.state = probing(before, ports.nowMs())
  const answer = await sharedPermit(ports, target)
  if (answer.kind === 'probe') return grant(ports, target, health, true)
  if (answer.kind === 'open') {
    health.state = openUntil(answer.untilMs, before.openings)
    return { retryAfterMs: Math.max(0, answer.untilMs - ports.nowMs()) }
  }
  health.state = CLOSED
  return grant(ports, target, health, false)
}

/** The shared object's word; without it this isolate probes on its own. */
async function sharedPermit(ports: BreakerPorts, target: Target): Promise<Permit> {
  try {
    return await ports.shared(target.id).permit()
  } catch {
    ports.log.warn('breaker-unreachable', { target: target.id })
    return { kind: 'probe' }
  }
}

function grant(ports: BreakerPorts, target: Target, health: Health, isProbe: boolean): CallPermit {
  health.inFlight += 1
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
      close(() => conclude(ports, target, health, { failure, retryAfterMs, isProbe }, later)),
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
}

function conclude(ports: BreakerPorts, target: Target, health: Health, end: Conclusion, later: Later): void {
  const nowMs = ports.nowMs()
  const outcome = outcomeOf(end.failure)
  if (end.failure === null) health.provenAtMs = nowMs
  if (end.failure === 'throttled') {
    if (health.cooldowns.size >= COOLDOWNS_MAX) health.cooldowns.clear()
    health.cooldowns.set(target.model, nowMs + Math.min(end.retryAfterMs ?? COOLDOWN_MS, COOLDOWN_MS_MAX))
  }
  const before = health.state.state
  // While a probe is out, only the probe decides: what was called earlier tells of the past.
  if (before === 'half-open' && !end.isProbe) return
  // A probe that our own request spoilt has still reached a living target.
  health.state = afterOutcome(
    health.state,
    end.isProbe && outcome === 'ignored' ? 'success' : outcome,
    nowMs,
    ports.draw(),
  )
  const { state } = health
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
  if (end.isProbe) {
    later(ports.shared(target.id).report(outcomeOf(end.failure)).then(ignore, ignore))
    return
  }
  const { state } = health
  if (state.state === 'open' && before !== 'open') {
    later(ports.shared(target.id).tripped(state.untilMs).catch(ignore))
  }
}

function ignore(): void {
  // Other isolates find out for themselves.
}
