// One isolate's lease holder near the end of a budget: who makes do with less gets what there is, who needs none gets in, and
// what runs under a revoked key learns of it; and what it takes on for others' limits.
import { describe, expect, test } from 'vitest'
import { type Refusal, type Reservation, isAdmitted } from '../../src/ports.ts'
import { type HeldTenant, heldTenant, weigh } from '../support/held-tenant.ts'
import { configOf, node, rate } from '../support/limiter-receiver.ts'
import { usageEvent } from '../support/usage-events.ts'

const BUDGET = { budget: { amountNanoUsd: 1_000, period: 'day' } } as const

/** Asks for `nanoUsd`, or for `least` where there is no more. */
async function asks(world: HeldTenant, id: string, nanoUsd: number, least?: number): Promise<Reservation | Refusal> {
  const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
  const answer = world.holder.admit(path, weigh({ nanoUsd }), usageEvent(id), world.later, least)
  return world.clock.until(Promise.resolve(answer))
}

describe('who makes do with less', () => {
  test('gets all while it is there, and then what is left, in one call', async () => {
    const world = heldTenant(configOf([node('tenant', 't', BUDGET)]))
    expect(await asks(world, 'r1', 700, 100)).toMatchObject({ amounts: { nanoUsd: 700 }, limitsMoney: true })
    const calls = world.messages.length
    expect(await asks(world, 'r2', 700, 100)).toMatchObject({ amounts: { nanoUsd: 300 } })
    expect(world.messages.length - calls).toBeLessThanOrEqual(2)
    expect(await asks(world, 'r3', 700, 100)).toMatchObject({ kind: 'budget', left: 0 })
    expect(world.receiver.standing('tenant:t')).toMatchObject({ heldNanoUsd: 1_000 })
  })

  test('is refused where there is less than that, and takes nothing', async () => {
    const world = heldTenant(configOf([node('tenant', 't', BUDGET)]))
    const first = await asks(world, 'r1', 950)
    expect(await asks(world, 'r2', 700, 100)).toMatchObject({ kind: 'budget', left: 50 })
    expect(await asks(world, 'r3', 50)).toMatchObject({ amounts: { nanoUsd: 50 } })
    if (isAdmitted(first)) world.finish(first, 'r1', { nanoUsd: 0 })
    await world.clock.advance(1_100)
    expect(await asks(world, 'r4', 950, 100)).toMatchObject({ amounts: { nanoUsd: 950 } })
  })

  test('is not short-changed from the rest of a lease while the limiter has more', async () => {
    const world = heldTenant(configOf([node('tenant', 't', { budget: { amountNanoUsd: 100_000, period: 'day' } })]))
    const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
    const ask = (id: string, nanoUsd: number, least?: number) =>
      world.holder.admit(path, weigh({ nanoUsd }), usageEvent(id), world.later, least)
    // The second comes while the limiter is being asked for the first: what that gets ahead is not for the second to make do with.
    const [first, second] = [ask('r1', 10), ask('r2', 30_000, 1)]
    expect(await world.clock.until(Promise.resolve(first))).toMatchObject({ amounts: { nanoUsd: 10 } })
    expect(await world.clock.until(Promise.resolve(second))).toMatchObject({ amounts: { nanoUsd: 30_000 } })
  })

  test('is refused by other limits as ever', async () => {
    const world = heldTenant(configOf([node('tenant', 't', { ...BUDGET, more: [rate('requests', 1)] })]))
    await asks(world, 'r1', 1)
    expect(await asks(world, 'r2', 700, 100)).toMatchObject({ kind: 'rate', unit: 'requests' })
  })

  test('is charged what it used, and no more', async () => {
    const world = heldTenant(configOf([node('tenant', 't', BUDGET)]))
    await asks(world, 'r1', 700)
    const less = await asks(world, 'r2', 700, 100)
    if (!isAdmitted(less)) throw new Error('refused')
    world.finish(less, 'r2', { nanoUsd: 280 })
    await world.clock.advance(1_000)
    expect(world.receiver.standing('tenant:t')).toMatchObject({ spentNanoUsd: 280, heldNanoUsd: 700 })
  })
})

test('what costs nothing gets in when the budget is used up, and beyond', async () => {
  const world = heldTenant(configOf([node('tenant', 't', BUDGET)]))
  const first = await asks(world, 'r1', 600)
  await asks(world, 'r2', 400)
  expect(await asks(world, 'r3', 1)).toMatchObject({ kind: 'budget' })
  expect(await asks(world, 'r4', 0)).toMatchObject({ amounts: { nanoUsd: 0 } })
  // One costs more than it reserved while another is still open.
  if (isAdmitted(first)) world.finish(first, 'r1', { nanoUsd: 900 })
  await world.clock.advance(1_100)
  expect(await asks(world, 'r5', 1)).toMatchObject({ kind: 'budget' })
  expect(await asks(world, 'r6', 0)).toMatchObject({ amounts: { nanoUsd: 0 } })
})

test('what costs nothing is not refused for money when it has to ask for something else', async () => {
  const world = heldTenant(configOf([node('tenant', 't', { ...BUDGET, more: [rate('requests', 100)] })]))
  const first = await asks(world, 'r1', 600)
  await asks(world, 'r2', 400)
  if (isAdmitted(first)) world.finish(first, 'r1', { nanoUsd: 900 })
  await world.clock.advance(100)
  for (let count = 1; count <= 60; count += 1) {
    expect(await asks(world, `free${count}`, 0)).toMatchObject({ amounts: { nanoUsd: 0 } })
  }
})

test('what runs under a revoked key learns of it when the limiter is next spoken to, and other keys stay', async () => {
  const world = heldTenant(configOf([node('tenant', 't', BUDGET)]))
  const running = await world.admitted('r1', { nanoUsd: 10 })
  const other = await world.admitted('r2', { nanoUsd: 10 }, 'other')
  expect(running.isRevoked()).toBe(false)
  const config = { ...configOf([node('tenant', 't', BUDGET)]), revision: 99, revokedKeyIds: ['k'] }
  world.receiver.configure(config, world.clock.nowMs())
  for (let at = 0; at < 30_000; at += running.keepAliveMs) {
    running.keepAlive(world.later)
    await world.clock.advance(running.keepAliveMs)
  }
  expect(running.isRevoked()).toBe(true)
  expect(other.isRevoked()).toBe(false)
})

describe('an attempt that other limits let in', () => {
  const TEMPLATE = usageEvent('mirror', { keyId: 'shadow', costNanoUsd: 0 })
  const AMOUNTS = weigh({ tokens: 100, nanoUsd: 700 })

  test('is told of before it ends, under no lease, and its event ends it', async () => {
    const world = heldTenant(configOf([node('tenant', 't', BUDGET)]))
    const isCancelled = world.holder.announce(TEMPLATE, AMOUNTS, world.later)
    expect(isCancelled()).toBe(false)
    world.news = { cancelled: ['mirror#1'] }
    await world.clock.advance(1_000)
    expect(isCancelled()).toBe(true)
    const [told] = world.messages.flatMap(({ admissions }) => admissions)
    expect(told).toMatchObject({ id: 'mirror#1', leaseId: '', reserved: { nanoUsd: 700 } })
    expect(told?.event).toContain('"keyId":"shadow"')
    expect(world.receiver.standing('tenant:t'), 'it takes nothing of the tenant’s').toMatchObject({ heldNanoUsd: 0 })
    world.holder.conclude({ ...TEMPLATE, costNanoUsd: 400 }, world.later)
    await world.clock.advance(1_000)
    expect(world.messages.flatMap(({ chunks }) => chunks.flatMap(({ settles }) => settles))).toEqual(['mirror#1'])
    expect(world.receiver.runs.map((run) => JSON.parse(run))).toMatchObject([[{ requestId: 'mirror' }]])
  })

  test('that is over at once is told of with its event alone', async () => {
    const world = heldTenant(configOf([node('tenant', 't', BUDGET)]))
    world.holder.announce(TEMPLATE, AMOUNTS, world.later)
    world.holder.conclude(TEMPLATE, world.later)
    await world.clock.advance(1_000)
    expect(world.messages.flatMap(({ admissions }) => admissions)).toEqual([])
    expect(world.receiver.runs.map((run) => JSON.parse(run))).toMatchObject([[{ requestId: 'mirror' }]])
  })
})
