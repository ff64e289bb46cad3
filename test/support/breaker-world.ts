// Isolates in front of one shared breaker, on a clock of the test's.
import { type BreakerState, CLOSED, type Outcome, advanced } from '../../src/core/health/breaker.ts'
import type { UpstreamClass } from '../../src/core/failure.ts'
import { HealthBoard } from '../../src/core/health/health-news.ts'
import {
  type Dated,
  type Permit,
  type Told,
  afterQuestion,
  afterReport,
  afterTrip,
  afterWithdrawal,
  isChange,
  nextEpoch,
  toldOf,
} from '../../src/core/health/shared-breaker.ts'
import { isolateBreakers } from '../../src/platform/breakers.ts'
import { windowedLog } from '../../src/platform/log.ts'
import type { Breakers } from '../../src/ports.ts'
import { someTarget } from './targets.ts'
import { virtualClock } from './virtual-clock.ts'

export const TARGET = someTarget('gpt')

/** Isolates in front of one shared breaker, which is made of what the object is made of. */
export function breakerWorld() {
  const clock = virtualClock()
  const lines: string[] = []
  const log = windowedLog(clock.nowMs, (line) => lines.push(line))
  const draws = { next: 0.5 }
  let state: BreakerState = CLOSED
  let epoch = 0
  const keep = (next: BreakerState): void => {
    if (isChange(state, next)) epoch = nextEpoch(epoch, clock.nowMs())
    state = next
  }
  const told = (): Dated<Told> => {
    keep(advanced(state, clock.nowMs()))
    return { ...toldOf(state, clock.nowMs()), epoch }
  }
  const shared = {
    questions: 0,
    probes: 0,
    watched: 0,
    isReachable: true,
    async tripped(untilMs: number): Promise<Dated<Told>> {
      if (!shared.isReachable) throw new Error('unreachable')
      keep(afterTrip(state, untilMs, clock.nowMs()))
      return told()
    },
    async permit(): Promise<Dated<Permit>> {
      shared.questions += 1
      if (!shared.isReachable) throw new Error('unreachable')
      const answer = afterQuestion(state, clock.nowMs())
      keep(answer.state)
      if (answer.permit.kind === 'probe') shared.probes += 1
      return { ...answer.permit, epoch }
    },
    async report(outcome: Outcome): Promise<Dated<Told>> {
      keep(afterReport(state, outcome, clock.nowMs(), 0.5))
      return told()
    },
    async withdraw(): Promise<void> {
      keep(afterWithdrawal(state, clock.nowMs()))
    },
    async watch(): Promise<Dated<Told>> {
      shared.watched += 1
      return told()
    },
  }
  const isolate = (board = new HealthBoard(clock.nowMs())): Breakers => {
    const health = { board, region: () => 'eu' as const }
    return isolateBreakers({
      shared: () => shared,
      health,
      nowMs: clock.nowMs,
      draw: () => draws.next,
      sleep: clock.sleep,
      log,
    })
  }
  return { clock, lines, draws, shared, isolate, later: (work: Promise<void>) => void work }
}

export type BreakerWorld = ReturnType<typeof breakerWorld>

/** Asks for leave to call and, where it is given, calls: the target answers as `failure` after `tookMs`. */
export async function call(
  at: BreakerWorld,
  breakers: Breakers,
  failure: UpstreamClass | null,
  tookMs = 1,
): Promise<'called' | 'closed'> {
  const permit = await breakers.permit(TARGET)
  if ('retryAfterMs' in permit) return 'closed'
  await at.clock.sleep(tookMs)
  permit.done(failure, null, at.later)
  return 'called'
}

export async function storm(
  at: BreakerWorld,
  breakers: Breakers,
  failure: UpstreamClass | null,
  tookMs: number,
  count = 1_000,
) {
  const all = Promise.all(Array.from({ length: count }, () => call(at, breakers, failure, tookMs)))
  const results = await at.clock.until(all)
  return { called: results.filter((result) => result === 'called').length, results }
}

/** Five failures in a row have opened the isolate's breaker. */
export async function opened(at: BreakerWorld, breakers: Breakers): Promise<void> {
  for (let count = 0; count < 5; count++) await at.clock.until(call(at, breakers, 'server'))
  if ((await call(at, breakers, 'server')) !== 'closed') throw new Error('not opened')
}
