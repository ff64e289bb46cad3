// One isolate's lease holder against a real authority behind a sender that may be slow, lossy or away. Time is virtual,
// so a second of waiting costs nothing and a call too many is counted, not guessed.
import { describe, expect, test } from 'vitest'
import type { LimiterConfig } from '../../src/core/limits/limits.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { type HeldTenant, heldTenant } from '../support/held-tenant.ts'
import { configOf, node, outOf } from '../support/limiter-receiver.ts'
import { usageEvent } from '../support/usage-events.ts'
import { virtualClock } from '../support/virtual-clock.ts'

/** An hour before a day window ends, in UTC. */
const RICH: LimiterConfig = configOf([
  node('tenant', 't', { tokensPerMinute: 6_000_000, budget: { amountNanoUsd: 1e12, period: 'day' } }),
  node('key', 'k', { tokensPerMinute: 6_000_000 }),
])

/** A key with a bucket of `tokens` that refills in a minute. */
function bucketOf(tokens: number): LimiterConfig {
  return { ...RICH, nodes: [node('key', 'k', { tokensPerMinute: tokens })] }
}

/** Ids of the requests whose events became durable, in order. */
function durable(world: HeldTenant): readonly string[] {
  return world.receiver.runs.flatMap((run) => {
    const events: readonly UsageEvent[] = JSON.parse(run)
    return events.map((event) => event.requestId)
  })
}

/** What is out of all limits together. */
function allOut(world: HeldTenant): number {
  return [...world.receiver.authority.gauges.values()].reduce((sum, gauge) => sum + outOf(gauge), 0)
}

const REQUEST = { tokens: 1_000, nanoUsd: 10_000 }

describe('a warm holder', () => {
  test('admits a thousand requests in 3 s without a wait after the first, and calls only to flush and renew', async () => {
    const world = heldTenant(RICH)
    const cold = await world.admitted('r0', REQUEST)
    world.finish(cold, 'r0', { tokens: 450, nanoUsd: 4_500 })
    await world.clock.advance(3)
    const flushesBefore = world.messages.length
    let waits = 0
    for (let count = 1; count <= 1_000; count++) {
      if (world.ask(`r${count}`, REQUEST) instanceof Promise) waits += 1
      else world.finish(await world.admitted(`s${count}`, REQUEST), `s${count}`, { tokens: 450, nanoUsd: 4_500 })
      await world.clock.advance(3)
    }
    expect(waits).toBe(0)
    const calls = world.messages.slice(flushesBefore)
    const flushes = calls.filter(({ wants }) => wants.length === 0)
    expect(flushes.length).toBeLessThanOrEqual(3_000 / 25 + 1)
    // The rest renews ahead of need: often while the rate is being learnt, then every half second or so.
    expect(calls.length - flushes.length).toBeLessThanOrEqual(20)
  })

  test('asks once for all that wait for the first lease', async () => {
    const world = heldTenant(RICH)
    const asked = Array.from({ length: 100 }, (_, count) => Promise.resolve(world.ask(`r${count}`, REQUEST)))
    const results = await world.clock.until(Promise.all(asked))
    expect(results.every((result) => 'settle' in result)).toBe(true)
    // The first asks for itself; one more asks for those that came while it was out.
    expect(world.messages.length).toBeLessThanOrEqual(2)
  })

  test('keeps a lease alive under a stream that outlives it', async () => {
    const world = heldTenant(RICH)
    const stream = await world.admitted('stream', REQUEST)
    for (let at = 0; at < 120_000; at += stream.keepAliveMs) {
      stream.keepAlive(world.later)
      await world.clock.advance(stream.keepAliveMs)
      world.receiver.expire(world.clock.nowMs())
    }
    expect([...world.receiver.authority.leases.values()].map((lease) => lease.state)).toEqual(['open'])
    // It is heard of every three seconds, and no oftener.
    expect(world.messages.length).toBeLessThanOrEqual(120 / 3 + 2)
  })
})

describe('a denial', () => {
  test('is remembered for its wait, at most a second, and then the limiter is asked again', async () => {
    const world = heldTenant(bucketOf(60))
    const first = await world.admitted('r1', { tokens: 60 })
    const denied = await world.clock.until(Promise.resolve(world.ask('r2', { tokens: 30 })))
    expect(denied).toMatchObject({ kind: 'rate', scope: 'key' })
    const calls = world.messages.filter(({ wants }) => wants.length > 0).length
    await world.clock.advance(900)
    const again = await world.clock.until(Promise.resolve(world.ask('r3', { tokens: 30 })))
    expect(again).toMatchObject({ kind: 'rate' })
    expect(world.messages.filter(({ wants }) => wants.length > 0).length).toBe(calls)
    world.finish(first, 'r1', { tokens: 20, nanoUsd: 0 })
    await world.clock.advance(200)
    await world.admitted('r4', { tokens: 30 })
    expect(world.messages.filter(({ wants }) => wants.length > 0).length).toBe(calls + 1)
  })

  test('of a large request does not keep a small one out', async () => {
    const world = heldTenant(bucketOf(60))
    expect(await world.clock.until(Promise.resolve(world.ask('r1', { tokens: 61 })))).toEqual({
      kind: 'rate',
      scope: 'key',
      model: null,
      unit: 'tokens',
      limitPerMinute: 60,
      left: 60,
      size: 60,
      resetAfterMs: 0,
      retryAfterMs: null,
      policy: { kind: 'refuse' },
    })
    await world.admitted('r2', { tokens: 60 })
  })

  test('for a revoked key refuses, tells the directory, and asks no more than once a second', async () => {
    const world = heldTenant({ ...RICH, revokedKeyIds: ['k'] })
    expect(await world.clock.until(Promise.resolve(world.ask('r1', REQUEST)), 1_000)).toEqual({ kind: 'revoked' })
    expect(world.revoked).toContain('k')
    const calls = world.messages.length
    expect(calls).toBeLessThanOrEqual(2)
    expect(await world.clock.until(Promise.resolve(world.ask('r2', REQUEST)), 1_000)).toEqual({ kind: 'revoked' })
    expect(world.messages.length).toBe(calls)
  })

  test('by revocation reaches a warm key at its next contact, and what was free goes back', async () => {
    const world = heldTenant(RICH)
    world.finish(await world.admitted('r1', REQUEST), 'r1')
    world.receiver.authority.config = { ...world.receiver.authority.config, revokedKeyIds: ['k'] }
    await world.clock.advance(100)
    expect(world.revoked).toContain('k')
    expect(await world.clock.until(Promise.resolve(world.ask('r2', REQUEST)), 1_000)).toEqual({ kind: 'revoked' })
    await world.clock.advance(100)
    expect(allOut(world)).toBe(0)
  })
})

describe('a lease that can no longer be used', () => {
  test('is replaced without the request noticing when the limits have changed', async () => {
    const world = heldTenant(RICH)
    const before = await world.admitted('r1', REQUEST)
    const nodes = [...RICH.nodes, node('key', 'other', { tokensPerMinute: 60 })]
    world.receiver.configure({ ...RICH, revision: 2, nodes }, world.clock.nowMs())
    const more = { tokens: 100_000, nanoUsd: 1_000_000 }
    const after = await world.admitted('r2', more)
    world.finish(before, 'r1')
    world.finish(after, 'r2')
    await world.clock.advance(18_000)
    const { leases } = world.receiver.authority
    expect(world.receiver.standing('tenant:t')).toMatchObject({ spentNanoUsd: 1_010_000, heldNanoUsd: 0 })
    expect(world.receiver.standing('tenant:t').bucket?.outstanding).toBe(0)
    expect(leases.size).toBe(0)
  })

  test('ends with its budget window: what is admitted after midnight is charged to the new day', async () => {
    const midnight = Date.UTC(2026, 4, 5)
    const world = heldTenant(RICH, 30_000, virtualClock(midnight - 5_000))
    const old = await world.admitted('r1', REQUEST)
    world.finish(old, 'r1')
    await world.clock.advance(5_100)
    const early = await world.admitted('r2', { tokens: 1, nanoUsd: 7 })
    world.finish(early, 'r2')
    await world.clock.advance(10_000)
    world.finish(await world.admitted('r3', { tokens: 1, nanoUsd: 5 }), 'r3')
    await world.clock.advance(18_000)
    expect(world.receiver.standing('tenant:t')).toMatchObject({ spentNanoUsd: 12, heldNanoUsd: 0 })
  })

  test('goes back whole after 8 s without a request', async () => {
    const world = heldTenant(RICH)
    world.finish(await world.admitted('r1', REQUEST), 'r1')
    await world.clock.advance(7_900)
    expect(world.receiver.standing('tenant:t').heldNanoUsd).toBeGreaterThan(0)
    await world.clock.advance(8_200)
    const state = world.receiver.standing('tenant:t')
    expect(state).toMatchObject({ spentNanoUsd: 10_000, heldNanoUsd: 0 })
    expect(state.bucket?.outstanding).toBe(0)
    expect(world.holder.isIdle).toBe(true)
  })
})

describe('without the limiter', () => {
  test('a new lease is unavailable, in time, while one in hand admits until its deadline', async () => {
    const world = heldTenant({ ...RICH, nodes: [...RICH.nodes, node('key', 'k2', { tokensPerMinute: 600 })] })
    world.finish(await world.admitted('r0', REQUEST), 'r0')
    await world.clock.advance(100)
    world.usualFate = 'refused'
    expect(await world.clock.until(Promise.resolve(world.ask('r1', REQUEST, 'k2')))).toEqual({ kind: 'unavailable' })
    for (let at = 0; at < 29; at++) {
      const answer = world.ask(`s${at}`, { tokens: 1, nanoUsd: 1 })
      if (answer instanceof Promise) throw new Error(`had to wait after ${at} s`)
      world.finish(answer, `s${at}`)
      await world.clock.advance(1_000)
    }
    await world.clock.advance(1_000)
    expect(await world.clock.until(Promise.resolve(world.ask('r2', REQUEST)))).toEqual({ kind: 'unavailable' })
    expect(world.failures).toEqual([])
  })

  test('a request waits at most 6 s, also when nothing ever answers', async () => {
    const world = heldTenant(RICH)
    world.usualFate = 'request-lost'
    const asked = Promise.resolve(world.ask('r1', REQUEST))
    expect(await world.clock.until(asked, 6_000)).toEqual({ kind: 'unavailable' })
  })

  test('a request that gave up waiting holds nothing when the answer comes after all', async () => {
    const world = heldTenant(RICH)
    world.rttMs = 4_800
    const first = world.ask('r1', REQUEST)
    await world.clock.advance(10)
    const second = world.ask('r2', { tokens: 90_000, nanoUsd: 900_000 })
    expect(await world.clock.until(Promise.resolve(second))).toEqual({ kind: 'unavailable' })
    const reservation = await world.clock.until(Promise.resolve(first))
    if (!('settle' in reservation)) throw new Error('the first was refused')
    world.finish(reservation, 'r1')
    await world.clock.advance(60_000)
    expect(world.holder.isIdle).toBe(true)
    expect(world.receiver.inFlight.size).toBe(0)
    expect(allOut(world)).toBe(0)
  })

  test('a full journal refuses new requests instead of losing an event', async () => {
    const world = heldTenant(RICH)
    world.finish(await world.admitted('r0', REQUEST), 'r0')
    await world.clock.advance(100)
    world.usualFate = 'refused'
    for (let count = 0; count < 5_000; count++) world.holder.record(usageEvent(`hit${count}`), world.later)
    expect(await world.clock.until(Promise.resolve(world.ask('r1', REQUEST)))).toEqual({
      kind: 'unavailable',
      isFull: true,
    })
    world.usualFate = 'arrives'
    await world.clock.advance(20_000)
    expect(durable(world).length).toBe(5_001)
    await world.admitted('r2', REQUEST)
  })
})

describe('what happened', () => {
  test.each(['reply-lost', 'request-lost', 'refused'] as const)(
    'becomes durable exactly once when an exchange ends as %s',
    async (fate) => {
      const world = heldTenant(RICH)
      for (let count = 0; count < 40; count++) {
        if (count % 4 === 1) world.fates.push(fate)
        const reservation = await world.admitted(`r${count}`, REQUEST).catch(() => null)
        if (reservation !== null) world.finish(reservation, `r${count}`)
        await world.clock.advance(count % 3 === 0 ? 6_000 : 60)
      }
      await world.clock.advance(30_000)
      const ids = durable(world)
      expect(new Set(ids).size).toBe(ids.length)
      expect(ids.length).toBeGreaterThanOrEqual(30)
      expect(world.holder.isIdle).toBe(true)
      const sent = new Map<number, string>()
      for (const chunk of world.messages.flatMap(({ chunks }) => chunks)) {
        expect(sent.get(chunk.from) ?? chunk.events).toBe(chunk.events)
        sent.set(chunk.from, chunk.events)
      }
      const spent = world.receiver.standing('tenant:t').spentNanoUsd
      expect(spent).toBe(ids.length * REQUEST.nanoUsd)
    },
  )

  test('is known to the limiter while it is in flight, after 25 ms at most', async () => {
    const world = heldTenant(RICH)
    const reservation = await world.admitted('r1', REQUEST)
    await world.clock.advance(50 + world.rttMs)
    expect([...world.receiver.inFlight.keys()]).toEqual(['r1#1'])
    world.finish(reservation, 'r1')
    await world.clock.advance(50 + world.rttMs)
    expect([...world.receiver.inFlight.keys()]).toEqual([])
  })

  test('that is over is told at once when nothing was told for 50 ms, else within 25 ms', async () => {
    const world = heldTenant(RICH)
    await world.admitted('cold', REQUEST)
    await world.clock.advance(100)
    const instant = await world.admitted('r1', REQUEST)
    world.finish(instant, 'r1')
    await world.clock.advance(0)
    expect(
      world.messages
        .at(-1)
        ?.chunks.map(({ events }) => events)
        .join(),
    ).toContain('"r1"')
    const runs = (): number => world.messages.filter(({ chunks }) => chunks.length > 0).length
    const told = runs()
    world.holder.record(usageEvent('hit'), world.later)
    world.finish(await world.admitted('r2', REQUEST), 'r2')
    await world.clock.advance(24)
    expect(runs()).toBe(told)
    await world.clock.advance(1 + world.rttMs)
    expect(durable(world)).toEqual(['r1', 'hit', 'r2'])
    // Not yet quiet: the next waits for company, too.
    await world.clock.advance(45 - world.rttMs)
    world.finish(await world.admitted('r3', REQUEST), 'r3')
    await world.clock.advance(24)
    expect(runs()).toBe(told + 1)
    // Of the 25 ms that each admission could have waited nothing is left over.
    await world.clock.advance(100)
    expect(runs()).toBe(told + 2)
  })

  test('in flight goes out again when the message that carried it was lost', async () => {
    const world = heldTenant(RICH)
    const reservation = await world.admitted('r1', REQUEST)
    world.fates.push('request-lost')
    await world.clock.advance(4_900)
    expect([...world.receiver.inFlight.keys()]).toEqual([])
    await world.clock.advance(2_100)
    expect([...world.receiver.inFlight.keys()], 'without any other request').toEqual(['r1#1'])
    world.finish(reservation, 'r1')
  })

  test('settles once, however often it is settled', async () => {
    const world = heldTenant(RICH)
    const reservation = await world.admitted('r1', REQUEST)
    world.finish(reservation, 'r1', { tokens: 500, nanoUsd: 5_000 })
    world.finish(reservation, 'r1', { tokens: 900, nanoUsd: 9_000 })
    await world.clock.advance(20_000)
    expect(durable(world)).toEqual(['r1'])
    expect(world.receiver.standing('tenant:t')).toMatchObject({ spentNanoUsd: 5_000, heldNanoUsd: 0 })
  })
})

describe('an isolate whose limiter is away', () => {
  test('loses no event with money in it, also when there is no room', async () => {
    const world = heldTenant(RICH)
    world.usualFate = 'refused'
    for (let count = 0; count < 5_100; count++) world.holder.record(usageEvent(`hit${count}`), world.later)
    world.holder.record(usageEvent('dear', { costNanoUsd: 7 }), world.later)
    world.usualFate = 'arrives'
    await world.clock.advance(20_000)
    const ids = durable(world)
    expect(ids).toContain('dear')
    expect(ids.length).toBe(5_001)
  })
})

describe('a lease that the limiter closes', () => {
  test('admits nothing more from its next contact on, and what was free goes back', async () => {
    const world = heldTenant({ ...RICH, nodes: [{ ...node('key', 'k'), runaway: RUNAWAY }] })
    world.finish(await world.admitted('r1', REQUEST), 'r1')
    await world.clock.advance(100)
    expect(world.ask('warm', REQUEST)).not.toBeInstanceOf(Promise)
    for (const lease of world.receiver.authority.leases.values()) lease.isStale = true
    world.holder.record(usageEvent('contact'), world.later)
    await world.clock.advance(100)
    const after = world.ask('cold', REQUEST)
    expect(after).toBeInstanceOf(Promise)
    expect(await world.clock.until(Promise.resolve(after))).toHaveProperty('settle')
  })

  test('since spending ran away, is not followed by another until that is over', async () => {
    const world = heldTenant({ ...RICH, nodes: [{ ...node('key', 'k'), runaway: RUNAWAY }] })
    world.finish(await world.admitted('r1', REQUEST), 'r1', { nanoUsd: 5 })
    await world.clock.advance(100)
    const watch = world.receiver.authority.watches.get('key:k')
    if (watch === undefined) throw new Error('nobody watches')
    Object.assign(watch, { hasBaseline: true, baselineNanoUsd: 1_000 })
    world.finish(await world.admitted('loop', { nanoUsd: 900_000 }), 'loop')
    await world.clock.advance(100)
    expect(await world.clock.until(Promise.resolve(world.ask('r3', REQUEST)))).toMatchObject({
      kind: 'runaway',
      scope: 'key',
      action: 'stop',
    })
    await world.clock.advance(61 * 60_000)
    await world.admitted('r4', REQUEST)
  })
})

const RUNAWAY = { factor: 10, minNanoUsdPerHour: 60, action: 'stop' } as const
