// When a lease goes back that nobody asks for any more, and how large the slices of slow isolates are. Against a real authority, in
// virtual time.
import { describe, expect, test } from 'vitest'
import type { LimiterConfig } from '../../src/core/limits/limits.ts'
import { isAdmitted } from '../../src/ports.ts'
import { type HeldTenant, heldTenant, weigh } from '../support/held-tenant.ts'
import { configOf, node, outOf } from '../support/limiter-receiver.ts'
import { usageEvent } from '../support/usage-events.ts'

const RICH: LimiterConfig = configOf([
  node('tenant', 't', { tokensPerMinute: 6_000_000, budget: { amountNanoUsd: 1e12, period: 'day' } }),
])
const REQUEST = { tokens: 1_000, nanoUsd: 10_000 }

/** What is out of all limits together. */
function allOut(world: HeldTenant): number {
  return [...world.receiver.authority.gauges.values()].reduce((sum, gauge) => sum + outOf(gauge), 0)
}

describe('a lease that was asked for again and again', () => {
  /** A request each two seconds, then none; how often the limiter was talked to since. */
  async function inUse() {
    const world = heldTenant(RICH)
    for (let count = 1; count <= 5; count++) {
      world.finish(await world.admitted(`r${count}`, REQUEST), `r${count}`)
      await world.clock.advance(2_000)
    }
    const before = world.messages.length
    return { world, messages: () => world.messages.length - before }
  }
  const heldOf = (world: HeldTenant): number => world.receiver.standing('tenant:t').heldNanoUsd

  test('is kept for 16 s without a request, and its limiter heard of after 8', async () => {
    const { world, messages } = await inUse()
    await world.clock.advance(5_900)
    expect(messages()).toBe(0)
    await world.clock.advance(200)
    expect(messages()).toBe(1)
    await world.clock.advance(7_600)
    expect(heldOf(world)).toBeGreaterThan(0)
    expect(world.ask('late', REQUEST)).not.toBeInstanceOf(Promise)
  })

  test('goes back whole after those', async () => {
    const { world } = await inUse()
    await world.clock.advance(14_500)
    expect(heldOf(world)).toBe(0)
    expect(allOut(world)).toBe(0)
    expect(world.holder.isIdle).toBe(true)
  })

  test('hears of its limiter each 8 s without a request, however often somebody comes back', async () => {
    const { world, messages } = await inUse()
    await world.clock.advance(8_500)
    world.finish(await world.admitted('again', REQUEST), 'again')
    await world.clock.advance(1_000)
    const before = messages()
    await world.clock.advance(7_500)
    expect(messages()).toBe(before + 1)
  })

  test('goes back after 8 s where little is left', async () => {
    const world = heldTenant(configOf([node('key', 'k', { tokensPerMinute: 10_000 })]))
    for (let count = 1; count <= 5; count++) {
      world.finish(await world.admitted(`r${count}`, { tokens: 1_900, nanoUsd: 0 }), `r${count}`, {
        tokens: 1_900,
        nanoUsd: 0,
      })
      await world.clock.advance(100)
    }
    await world.clock.advance(8_500)
    expect(allOut(world)).toBe(0)
  })
})

test('idleness is watched for in turns: no request’s work goes on for 30 s after it', async () => {
  const world = heldTenant(RICH)
  let longestMs = 0
  for (let count = 1; count <= 40; count++) {
    const id = `r${count}`
    const beganMs = world.clock.nowMs()
    const later = (work: Promise<void>): void => {
      world.later(work.then(() => void (longestMs = Math.max(longestMs, world.clock.nowMs() - beganMs))))
    }
    const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
    const answer = world.holder.admit(path, weigh(REQUEST), usageEvent(id), later)
    const admitted = await world.clock.until(Promise.resolve(answer))
    if (isAdmitted(admitted)) admitted.settle(weigh(REQUEST), usageEvent(id), later)
    await world.clock.advance(3_100)
  }
  await world.clock.advance(18_000)
  expect(world.holder.isIdle).toBe(true)
  expect(longestMs).toBeGreaterThan(8_000)
  expect(longestMs).toBeLessThan(30_000)
})

test('a holder asks for eight requests ahead at a slow pace, too', async () => {
  const world = heldTenant(RICH)
  for (let count = 0; count < 60; count++) {
    world.finish(await world.admitted(`r${count}`, REQUEST), `r${count}`, REQUEST)
    await world.clock.advance(3_500)
  }
  const ahead = world.messages.flatMap(({ wants }) => wants.map(({ need, target }) => target.nanoUsd - need.nanoUsd))
  expect(ahead.length).toBeGreaterThan(5)
  // Of the first, one is needed at once.
  for (const nanoUsd of ahead) expect(nanoUsd).toBeGreaterThanOrEqual(7 * REQUEST.nanoUsd)
})
