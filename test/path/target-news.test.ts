// What an isolate makes of what others have found out about a target, before it has called it itself.
import { describe, expect, test } from 'vitest'
import { HealthBoard, HealthLink } from '../../src/core/health/health-news.ts'
import { credentialPools } from '../../src/platform/credential-pools.ts'
import type { Breakers } from '../../src/ports.ts'
import { type BreakerWorld, TARGET, breakerWorld, call, opened } from '../support/breaker-world.ts'
import { settled } from '../support/virtual-clock.ts'

/** Isolates with one limiter between them: each talks when it is told to. */
function neighbours() {
  const at = breakerWorld()
  const limiter = new HealthBoard(at.clock.nowMs())
  const make = () => {
    const board = new HealthBoard(at.clock.nowMs())
    const link = new HealthLink(board)
    const talk = (): void => {
      const nowMs = at.clock.nowMs()
      link.take(limiter.answer(link.talk('eu', nowMs), nowMs) ?? undefined, nowMs)
    }
    return { breakers: at.isolate(board), board, talk }
  }
  return { at, one: make(), other: make(), make }
}

async function dark(at: BreakerWorld, breakers: Breakers): Promise<void> {
  await opened(at, breakers)
  await settled()
}

describe('an isolate that has never called a target', () => {
  test('leaves it alone when another has found it dark, and asks nobody about that', async () => {
    const { at, one, other } = neighbours()
    await dark(at, one.breakers)
    one.talk()
    expect(other.breakers.standing(TARGET)).toEqual({ state: 'closed', retryAfterMs: null })
    other.talk()
    expect(other.breakers.standing(TARGET).state).toBe('open')
    expect(await other.breakers.permit(TARGET)).toMatchObject({ retryAfterMs: expect.any(Number) })
    expect(at.shared.questions).toBe(0)
    expect(at.lines.filter((line) => line.includes('target-doubted'))).toHaveLength(1)
  })

  test('asks the shared breaker when the time is over that it was told: one of all gets the probe', async () => {
    const { at, one, make } = neighbours()
    await dark(at, one.breakers)
    one.talk()
    const others = Array.from({ length: 5 }, make)
    for (const other of others) other.talk()
    await at.clock.advance(7_001)
    const results = await at.clock.until(Promise.all(others.map(({ breakers }) => call(at, breakers, null, 50))))
    expect(results.filter((result) => result === 'called')).toHaveLength(1)
    expect(at.shared.probes).toBe(1)
  })

  test('calls it without asking when nobody has said anything for long', async () => {
    const { at, one, other } = neighbours()
    await dark(at, one.breakers)
    one.talk()
    await at.clock.advance(60_000)
    other.talk()
    expect(await at.clock.until(call(at, other.breakers, null))).toBe('called')
    expect(at.shared.questions).toBe(0)
  })

  test('hears of the way back, step by step, and that all is well', async () => {
    const { at, one, other } = neighbours()
    await dark(at, one.breakers)
    await at.clock.advance(7_001)
    await at.clock.until(call(at, one.breakers, null))
    await settled()
    const stands = (): object => {
      one.talk()
      other.talk()
      return other.breakers.standing(TARGET)
    }
    expect(stands()).toMatchObject({ state: 'ramping', share: 0.05 })
    await at.clock.advance(5_001)
    await one.breakers.permit(TARGET)
    expect(stands()).toMatchObject({ state: 'ramping', share: 0.25 })
    await at.clock.advance(5_001)
    await one.breakers.permit(TARGET)
    expect(stands()).toEqual({ state: 'closed', retryAfterMs: null })
    expect(at.shared.questions, 'all of them asked by the first').toBe(3)
  })
})

describe('an isolate that has called it', () => {
  test('is let go on before its own time when the target is back', async () => {
    const { at, one, other } = neighbours()
    await dark(at, one.breakers)
    await at.clock.advance(3_000)
    await dark(at, other.breakers)
    await at.clock.advance(2_100)
    // The first one's opening is what all share; its time is over first.
    await at.clock.until(call(at, one.breakers, null))
    await settled()
    expect(other.breakers.standing(TARGET).state).toBe('open')
    one.talk()
    other.talk()
    expect(other.breakers.standing(TARGET).state).toBe('ramping')
  })

  test('believes what it has seen since', async () => {
    const { at, one, other } = neighbours()
    await dark(at, one.breakers)
    one.talk()
    await at.clock.advance(10)
    await at.clock.until(call(at, other.breakers, null))
    other.talk()
    expect(other.breakers.standing(TARGET).state).toBe('closed')
  })

  test('keeps to its own finding until the shared breaker has heard of it', async () => {
    const { at, one, other } = neighbours()
    await dark(at, one.breakers)
    await at.clock.advance(7_001)
    await at.clock.until(call(at, one.breakers, null))
    await settled()
    one.talk()
    // The shared breaker's word is from before this one has found it dark again.
    at.shared.isReachable = false
    await opened(at, other.breakers)
    other.talk()
    expect(other.breakers.standing(TARGET).state).toBe('open')
  })
})

describe('a pause that a target asks for', () => {
  test('is kept by all, each in its time; a moment’s pause isn’t told', async () => {
    const { at, one, other } = neighbours()
    const throttle = async (retryAfterMs: number): Promise<void> => {
      const permit = await one.breakers.permit(TARGET)
      if ('done' in permit) permit.done('throttled', retryAfterMs, at.later)
      one.talk()
      other.talk()
    }
    await throttle(1_000)
    expect(other.breakers.standing(TARGET).state).toBe('closed')
    await at.clock.advance(1_001)
    await throttle(20_000)
    expect(other.breakers.standing(TARGET)).toEqual({ state: 'resting', retryAfterMs: 20_000 })
    await at.clock.advance(20_000)
    expect(await at.clock.until(call(at, other.breakers, null))).toBe('called')
  })
})

describe('a credential that is out of use', () => {
  test('pays for nothing elsewhere either, until its time is over or it was accepted', () => {
    const at = breakerWorld()
    const [board, others] = [new HealthBoard(0), new HealthBoard(0)]
    const log = { warn: () => {} }
    const [one, other] = [board, others].map((known) => credentialPools(at.clock.nowMs, log, known))
    const target = { ...TARGET, credentials: ['first', 'second'] }
    const refused = { ...target, credential: 'first' }
    one?.refused(refused)
    const pass = (): void => void others.take(board.since(0, 'eu', at.clock.nowMs()).news, at.clock.nowMs())
    pass()
    expect(other?.standing(target).map(({ state }) => state)).toEqual(['disabled', 'ready'])
    other?.served(refused)
    board.take([{ finding: { kind: 'pause', targetId: 'x', model: 'm' }, region: null, epoch: 1, untilMs: 1e15 }], 1)
    pass()
    expect(other?.standing(target).map(({ state }) => state)).toEqual(['ready', 'ready'])
  })

  test('or throttled, for that model alone', () => {
    const at = breakerWorld()
    const board = new HealthBoard(0)
    const log = { warn: () => {} }
    const target = { ...TARGET, credentials: ['first', 'second'] }
    credentialPools(at.clock.nowMs, log, board).throttled({ ...target, credential: 'first' }, 30_000)
    const other = credentialPools(at.clock.nowMs, log, board)
    expect(other.standing(target).map(({ state }) => state)).toEqual(['resting', 'ready'])
    expect(other.standing({ ...target, model: 'another' }).map(({ state }) => state)).toEqual(['ready', 'ready'])
  })
})
