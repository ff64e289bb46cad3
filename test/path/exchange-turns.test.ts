// Whose turn it is to talk to the limiter, and what becomes of a message that nobody answers. Time is virtual.
import { describe, expect, test } from 'vitest'
import type { LimiterConfig } from '../../src/core/limits/limits.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { heldTenant } from '../support/held-tenant.ts'
import { configOf, node } from '../support/limiter-receiver.ts'
import { usageEvent } from '../support/usage-events.ts'
import { virtualClock } from '../support/virtual-clock.ts'

const RICH: LimiterConfig = configOf([
  node('tenant', 't', { tokensPerMinute: 6_000_000, budget: { amountNanoUsd: 1e12, period: 'day' } }),
])
const REQUEST = { tokens: 1_000, nanoUsd: 10_000 }

describe('a holder', () => {
  test('has two exchanges under way at most, however long a row of them takes', async () => {
    const world = heldTenant(RICH)
    world.rttMs = 4_000
    const asked = []
    for (let count = 0; count < 12; count++) {
      asked.push(Promise.resolve(world.ask(`r${count}`, REQUEST, `k${count}`)))
      await world.clock.advance(700)
    }
    await world.clock.until(Promise.all(asked))
    expect(world.messages.length).toBeGreaterThan(2)
    expect(world.mostAtOnce).toBeLessThanOrEqual(2)
  })

  test('has one exchange under way at a time while nobody waits for it', async () => {
    const world = heldTenant(RICH)
    await world.admitted('r0', REQUEST)
    await world.clock.advance(100)
    world.rttMs = 4_000
    for (let count = 1; count <= 100; count++) {
      world.finish(await world.admitted(`r${count}`, { tokens: 10, nanoUsd: 10 }), `r${count}`)
      await world.clock.advance(100)
    }
    expect(world.mostAtOnce).toBe(1)
  })

  test('asks again soon for who waits when a message is lost, and tells again what was in it', async () => {
    const world = heldTenant(RICH)
    await world.admitted('r0', REQUEST)
    await world.clock.advance(100)
    world.fates.push('request-lost')
    await world.admitted('r1', REQUEST)
    await world.clock.advance(900)
    const before = world.messages.length
    await world.admitted('r2', { tokens: 1_000_000, nanoUsd: 10_000_000 })
    const after = world.messages.slice(before)
    expect(after.length).toBeGreaterThan(0)
    expect(after[0]?.admissions.map(({ id }) => id)).toContain('r1#1')
    expect([...world.receiver.inFlight.keys()]).toContain('r1#1')
  })

  test('asks at once for who waits, while the limiter takes its time to answer what asked for nothing', async () => {
    const world = heldTenant(RICH)
    const reservation = await world.admitted('r0', REQUEST)
    await world.clock.advance(100)
    world.rttMs = 100
    world.finish(reservation, 'r0')
    await world.clock.advance(5)
    const before = world.messages.length
    world.rttMs = 4
    const sinceMs = world.clock.nowMs()
    await world.admitted('r1', { tokens: 1_000_000, nanoUsd: 10_000_000 })
    expect(world.clock.nowMs() - sinceMs).toBeLessThan(10)
    expect([world.messages.length - before, world.mostAtOnce]).toEqual([1, 2])
    await world.clock.advance(200)
    expect(world.receiver.standing('tenant:t').spentNanoUsd).toBe(REQUEST.nanoUsd)
  })

  test('tells what a request was to tell whose background work was cut short: with the next after 5 s', async () => {
    const clock = virtualClock()
    let isCut = false
    const sleep = (ms: number): Promise<void> => (isCut ? new Promise(() => {}) : clock.sleep(ms))
    const world = heldTenant(RICH, 3_600_000, { ...clock, sleep })
    const reservation = await world.admitted('r0', REQUEST)
    await clock.advance(100)
    isCut = true
    world.finish(reservation, 'r0')
    world.holder.record(usageEvent('hit'), world.later)
    await clock.advance(100)
    isCut = false
    expect(world.receiver.runs).toEqual([])
    await clock.advance(5_000)
    world.finish(await world.admitted('r1', REQUEST), 'r1')
    await clock.advance(25 + world.rttMs)
    const told = world.receiver.runs.flatMap((run): UsageEvent[] => JSON.parse(run))
    expect(told.map(({ requestId }) => requestId)).toEqual(['r0', 'hit', 'r1'])
    expect([...world.receiver.inFlight.keys()]).toEqual([])
    expect(world.receiver.standing('tenant:t').spentNanoUsd).toBe(2 * REQUEST.nanoUsd)
  })
})
