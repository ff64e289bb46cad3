// What isolates tell each other of targets, by way of the limiters that they talk to anyway (core/health/health-news.ts): what this one
// hears of a target's shared breaker, and the pauses that it was asked for; and what it makes of what others have found out.
import { type BreakerState, CLOSED, openUntil, ramping } from '../core/health/breaker.ts'
import type { Target } from '../core/directory.ts'
import { type HealthBoard, breakerNews } from '../core/health/health-news.ts'
import type { RetryBudget } from '../core/health/retry.ts'
import type { Region } from '../core/region.ts'
import type { Dated, Permit, Told } from '../core/health/shared-breaker.ts'
import type { Log } from '../ports.ts'
import type { Cooldowns } from './cooldowns.ts'

/** A shorter pause is over before anybody hears of it. */
const TOLD_PAUSE_MS = 2_000

/** What isolates tell each other of targets. */
export interface HealthDesk {
  readonly board: HealthBoard
  /** Where this isolate is. */
  readonly region: () => Region
}

export interface NewsPorts {
  readonly health: HealthDesk
  readonly nowMs: () => number
  readonly log: Log
}

/** What an isolate knows of a target. */
export interface Health {
  state: BreakerState
  /** Of the shared object's word that this goes back to; Infinity while it is this isolate's own finding. */
  epoch: number
  /** What others have found out is heard up to here. */
  heard: number
  retries: RetryBudget
  readonly cooldowns: Cooldowns
  provenAtMs: number
  /** What was called before this tells of the past. */
  recoveredAtMs: number
  watchedAtMs: number
  inFlight: number
  readonly waiting: (() => void)[]
}

/** The shared object has said how the target stands: others are to hear of it. */
export function pass(ports: NewsPorts, target: Target, health: Health, word: Dated<Permit>): void {
  // Of a finding of this isolate's own this is the first word; else words may overtake each other.
  health.epoch = health.epoch === Infinity ? word.epoch : Math.max(health.epoch, word.epoch)
  if (word.kind === 'probe') return
  const nowMs = ports.nowMs()
  ports.health.board.take([breakerNews(target.id, ports.health.region(), word, nowMs)], nowMs)
}

/** Takes in what others have found out about a target. */
export function hearOthers(ports: NewsPorts, target: Target, health: Health): void {
  const { board } = ports.health
  health.heard = board.serial
  for (const { finding, epoch, untilMs } of board.about(target.id, ports.nowMs())) {
    if (finding.kind === 'breaker') hearWord(ports, target, health, { ...finding.told, epoch })
    if (finding.kind === 'pause') health.cooldowns.restUntil(finding.model, untilMs)
  }
}

/** A later word counts, unless this isolate was answered by the target since. */
function hearWord(ports: NewsPorts, target: Target, health: Health, word: Dated<Told>): void {
  const isClosed = health.state.state === 'closed'
  if (word.epoch <= health.epoch || (isClosed && health.provenAtMs >= word.epoch)) return
  health.epoch = word.epoch
  if (isClosed && word.kind === 'closed') return
  if (isClosed) ports.log.warn('target-doubted', { target: target.id, told: word.kind })
  take(ports, target, health, word)
}

/** Takes over how the target stands for all. */
export function take(ports: NewsPorts, target: Target, health: Health, told: Told): void {
  const { openings } = health.state
  if (told.kind === 'open') {
    health.state = openUntil(told.untilMs, openings)
    return
  }
  if (told.kind === 'ramp') {
    if (health.state.state !== 'ramping') health.recoveredAtMs = ports.nowMs()
    const step = ramping(told.step, openings, ports.nowMs())
    health.state = step.state === 'ramping' ? { ...step, untilMs: told.untilMs } : step
    return
  }
  if (health.state.state !== 'closed') ports.log.warn('target-recovered', { target: target.id })
  health.state = CLOSED
}

/** What a target has no room for, it has for nobody; what is limited is our account with it, wherever it is called from. */
export function tellPause(
  { health: { board, region } }: NewsPorts,
  { id: targetId, model }: Target,
  { cooldowns }: Health,
  failure: 'throttled' | 'overloaded',
  nowMs: number,
): void {
  const forMs = cooldowns.leftMs(model, nowMs)
  if (forMs < TOLD_PAUSE_MS) return
  const untilMs = nowMs + forMs
  const concerns = failure === 'throttled' ? null : region()
  board.take([{ finding: { kind: 'pause', targetId, model }, region: concerns, epoch: untilMs, untilMs }], nowMs)
}
