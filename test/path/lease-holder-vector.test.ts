// One isolate's lease holder where several kinds of limits hold at once: requests, tokens, slots, models, money; and
// attempts that need more while they run.
import { describe, expect, test } from 'vitest'
import { type HeldTenant, heldTenant } from '../support/held-tenant.ts'
import { budget, configOf, node, outOf, rate, slots } from '../support/limiter-receiver.ts'

function held(world: HeldTenant, gaugeId: string): number {
  const gauge = world.receiver.authority.gauges.get(gaugeId)
  return gauge === undefined ? NaN : outOf(gauge)
}

describe('requests per minute', () => {
  test('admit as many as there are, and say when the next may come', async () => {
    const world = heldTenant(configOf([node('key', 'k', { more: [rate('requests', 3)] })]))
    for (let count = 1; count <= 3; count++) world.finish(await world.admitted(`r${count}`, { tokens: 9 }), `r${count}`)
    const refused = await world.clock.until(Promise.resolve(world.ask('r4', { tokens: 1 })))
    expect(refused).toMatchObject({ kind: 'rate', unit: 'requests', limitPerMinute: 3, left: 0 })
  })
})

describe('slots', () => {
  const two = configOf([node('key', 'k', { more: [slots(2)] })])

  test('are free again as soon as an attempt ends', async () => {
    const world = heldTenant(two)
    const first = await world.admitted('r1', { slots: 1 })
    await world.admitted('r2', { slots: 1 })
    const refused = await world.clock.until(Promise.resolve(world.ask('r3', { slots: 1 })))
    expect(refused).toMatchObject({ kind: 'slots', most: 2, left: 0 })
    world.finish(first, 'r1')
    await world.clock.advance(1_100)
    await world.admitted('r4', { slots: 1 })
  })

  test('are kept while an attempt runs and its isolate is heard of, past every deadline of its lease', async () => {
    const world = heldTenant(two)
    const stream = await world.admitted('r1', { slots: 1 })
    for (let at = 0; at < 180_000; at += stream.keepAliveMs) {
      stream.keepAlive(world.later)
      await world.clock.advance(stream.keepAliveMs)
      world.receiver.expire(world.clock.nowMs())
      expect(stream.hasLostSlot()).toBe(false)
    }
    expect(held(world, 'key:k#slots')).toBeGreaterThanOrEqual(1)
  })

  test('of an isolate that is not heard of are lost to it before they are given to others', async () => {
    const world = heldTenant(two)
    const stream = await world.admitted('r1', { slots: 1 })
    world.usualFate = 'request-lost'
    await world.clock.advance(29_000)
    expect(held(world, 'key:k#slots')).toBeGreaterThanOrEqual(1)
    await world.clock.advance(600)
    expect(stream.hasLostSlot()).toBe(true)
    await world.clock.advance(600)
    world.receiver.expire(world.clock.nowMs())
    expect(held(world, 'key:k#slots')).toBe(0)
  })
})

describe('a model with limits of its own', () => {
  const config = configOf([
    node('tenant', 't', { tokensPerMinute: 1_000 }),
    node('tenant', 't', { model: 'tide-*', more: [rate('requests', 1)] }),
  ])

  test('is held to them and leaves the others alone', async () => {
    const world = heldTenant(config)
    await world.admitted('r1', { tokens: 1 }, 'k', 'tide-1')
    await world.admitted('r2', { tokens: 1 }, 'k', 'lighthouse')
    const refused = await world.clock.until(Promise.resolve(world.ask('r3', { tokens: 1 }, 'k', 'tide-2')))
    expect(refused).toMatchObject({ kind: 'rate', model: 'tide-*', unit: 'requests' })
    await world.admitted('r4', { tokens: 1 }, 'k', 'lighthouse')
  })
})

describe('an attempt that needs more', () => {
  const config = configOf([node('tenant', 't', { budget: { amountNanoUsd: 1_000_000, period: 'day' } })])

  test('gets it from the lease in hand at once, else after one call, and no more than there is', async () => {
    const world = heldTenant(config)
    const stream = await world.admitted('r1', { nanoUsd: 50 })
    const more = { requests: 0, inputTokens: 0, outputTokens: 0, slots: 0, nanoUsd: 20 }
    expect(stream.extend(more, world.later)).toBe(true)
    const calls = world.messages.length
    const asked = stream.extend({ ...more, nanoUsd: 800_000 }, world.later)
    expect(await world.clock.until(Promise.resolve(asked), 20)).toBe(true)
    expect(world.messages.length - calls).toBeLessThanOrEqual(2)
    expect(stream.amounts.nanoUsd).toBe(800_070)
    const refused = stream.extend({ ...more, nanoUsd: 200_000 }, world.later)
    expect(await world.clock.until(Promise.resolve(refused))).toBe(false)
    expect(stream.amounts.nanoUsd).toBe(800_070)
    world.finish(stream, 'r1', { nanoUsd: 860 })
    await world.clock.advance(20_000)
    expect(world.receiver.standing('tenant:t')).toMatchObject({ spentNanoUsd: 860, heldNanoUsd: 0 })
  })

  test('pays from the window of its admission what that lease covers, and the rest where it was extended', async () => {
    const world = heldTenant(configOf([node('tenant', 't', { budget: { amountNanoUsd: 1_000, period: 'day' } })]))
    const stream = await world.admitted('r1', { nanoUsd: 50 })
    world.holder.forget('k')
    const more = { requests: 0, inputTokens: 0, outputTokens: 0, slots: 0, nanoUsd: 30 }
    expect(await world.clock.until(Promise.resolve(stream.extend(more, world.later)))).toBe(true)
    world.finish(stream, 'r1', { nanoUsd: 70 })
    await world.clock.advance(20_000)
    expect(world.receiver.standing('tenant:t')).toMatchObject({ spentNanoUsd: 70, heldNanoUsd: 0 })
    expect(world.holder.isIdle).toBe(true)
  })
})

describe('an attempt that costs more than it reserved', () => {
  const spare = async (world: HeldTenant, keyId: string): Promise<unknown> =>
    world.clock.until(Promise.resolve(world.ask(`of-${keyId}`, { nanoUsd: 60 }, keyId)))

  test('is charged in full, and lowers what follows at once, though others of its lease still run', async () => {
    const world = heldTenant(configOf([node('tenant', 't', { more: [budget(1_000, 'day')] })]))
    const [first, other] = await Promise.all([
      world.admitted('r1', { nanoUsd: 400 }),
      world.admitted('r2', { nanoUsd: 400 }),
    ])
    world.finish(first, 'r1', { nanoUsd: 550 })
    await world.clock.advance(100)
    expect(world.receiver.standing('tenant:t')).toMatchObject({ spentNanoUsd: 550, heldNanoUsd: 400 })
    expect(await spare(world, 'k')).toMatchObject({ kind: 'budget', left: 50 })
    expect(await spare(world, 'another')).toMatchObject({ kind: 'budget', left: 50 })
    world.finish(other, 'r2', { nanoUsd: 390 })
    await world.clock.advance(1_100)
    expect(world.receiver.standing('tenant:t')).toMatchObject({ spentNanoUsd: 940, heldNanoUsd: 0 })
    expect(await spare(world, 'another')).toMatchObject({ amounts: { nanoUsd: 60 } })
  })
})

describe('shares of a budget', () => {
  test('are announced once a window each, and again in the next', async () => {
    const world = heldTenant(configOf([node('tenant', 't', { more: [budget(1_000, 'hour')] })]))
    const percents = (): readonly number[] => world.receiver.crossings.map(({ percent }) => percent)
    for (let count = 1; count <= 10; count++) {
      world.finish(await world.admitted(`r${count}`, { nanoUsd: 100 }), `r${count}`)
      await world.clock.advance(100)
    }
    expect(percents()).toEqual([50, 80, 100])
    expect(world.receiver.crossings[1]).toMatchObject({ scope: 'tenant', limitNanoUsd: 1_000, spentNanoUsd: 800 })
    await world.clock.advance(3_600_000)
    world.finish(await world.admitted('next', { nanoUsd: 600 }), 'next')
    await world.clock.advance(100)
    expect(percents()).toEqual([50, 80, 100, 50])
  })
})

describe('an increase', () => {
  test('raises a budget until it runs out, and no longer', async () => {
    const start = Date.UTC(2026, 4, 4, 12)
    const increase = { by: 500, untilMs: start + 60_000 }
    const world = heldTenant(configOf([node('tenant', 't', { more: [{ ...budget(1_000, 'day'), increase }] })]))
    world.finish(await world.admitted('r1', { nanoUsd: 1_200 }), 'r1')
    await world.clock.advance(61_000)
    const refused = await world.clock.until(Promise.resolve(world.ask('r2', { nanoUsd: 1 })))
    expect(refused).toMatchObject({ kind: 'budget', limitNanoUsd: 1_000, left: 0 })
  })
})
