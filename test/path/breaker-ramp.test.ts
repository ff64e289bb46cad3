// How the traffic comes back to a target that was broken: by steps that all isolates share.
import { describe, expect, test } from 'vitest'
import { RAMP } from '../../src/core/health/breaker.ts'
import type { UpstreamClass } from '../../src/core/failure.ts'
import type { Breakers } from '../../src/ports.ts'
import { type BreakerWorld, TARGET, breakerWorld, call, opened, storm } from '../support/breaker-world.ts'
import { settled } from '../support/virtual-clock.ts'

/** An isolate whose target has just been probed well. */
async function recovered(at: BreakerWorld): Promise<Breakers> {
  const breakers = at.isolate()
  await opened(at, breakers)
  await at.clock.advance(7_001)
  expect(await at.clock.until(call(at, breakers, null))).toBe('called')
  return breakers
}

/** How many of so many requests are let through, drawn evenly. */
async function lettingThrough(at: BreakerWorld, breakers: Breakers, failure: UpstreamClass | null, count = 400) {
  let called = 0
  for (let index = 0; index < count; index++) {
    at.draws.next = index / count
    if ((await at.clock.until(call(at, breakers, failure, 0))) === 'called') called += 1
  }
  return called / count
}

describe('after a good probe', () => {
  test('the traffic comes back by steps, and each step is asked for once', async () => {
    const at = breakerWorld()
    const breakers = await recovered(at)
    const questions = at.shared.questions
    for (const { share, forMs } of RAMP) {
      expect(await lettingThrough(at, breakers, null)).toBeCloseTo(share, 2)
      await at.clock.advance(forMs + 1)
    }
    expect(await lettingThrough(at, breakers, null)).toBe(1)
    expect(at.shared.questions - questions).toBe(RAMP.length)
    expect(at.lines.filter((line) => line.includes('target-recovered'))).toHaveLength(1)
  })

  test('all isolates are at the same step, whenever they come', async () => {
    const at = breakerWorld()
    const late = at.isolate()
    await opened(at, late)
    const early = at.isolate()
    await opened(at, early)
    await at.clock.advance(7_001)
    await at.clock.until(call(at, early, null))
    await at.clock.advance(5_100)
    await early.permit(TARGET)
    await late.permit(TARGET)
    expect(early.standing(TARGET)).toMatchObject({ state: 'ramping', share: 0.25 })
    expect(late.standing(TARGET)).toMatchObject({ state: 'ramping', share: 0.25 })
    expect(at.shared.probes).toBe(1)
  })

  test('who has nobody else to ask is let through', async () => {
    const at = breakerWorld()
    const breakers = await recovered(at)
    at.draws.next = 0.9
    expect(await breakers.permit(TARGET)).toMatchObject({ isRamping: true })
    expect(await breakers.permit(TARGET, true)).toHaveProperty('done')
  })

  test('a target that fails again is closed for everybody, for longer', async () => {
    const at = breakerWorld()
    const [breakers, other] = [await recovered(at), at.isolate()]
    at.draws.next = 0
    expect(await at.clock.until(call(at, breakers, 'connection'))).toBe('called')
    expect(breakers.standing(TARGET)).toMatchObject({ state: 'open', retryAfterMs: 10_000 * 0.8 })
    await settled()
    expect(await at.shared.permit()).toMatchObject({ kind: 'open' })
    expect(other.standing(TARGET).state).toBe('closed')
  })

  test('a call from before it says nothing of the target as it is', async () => {
    const at = breakerWorld()
    const breakers = at.isolate()
    const stragglers = await Promise.all(Array.from({ length: 4 }, async () => breakers.permit(TARGET)))
    await storm(at, breakers, 'connection', 1, 5)
    await at.clock.advance(7_001)
    await at.clock.until(call(at, breakers, null))
    for (const straggler of stragglers) if ('done' in straggler) straggler.done('timeout', null, at.later)
    expect(breakers.standing(TARGET)).toMatchObject({ state: 'ramping' })
  })
})
