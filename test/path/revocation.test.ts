// How an isolate hears that a key is revoked which it answers from the cache, without a lease: with the event of its answer, or by
// asking.
import { describe, expect, test } from 'vitest'
import { heldTenant } from '../support/held-tenant.ts'
import { configOf, node } from '../support/limiter-receiver.ts'
import { limiterOver } from '../support/limiter-over.ts'
import { usageEvent } from '../support/usage-events.ts'

const RICH = configOf([node('key', 'k', { tokensPerMinute: 6_000_000 })])
const REQUEST = { tokens: 100 }
const PATH = { tenantId: 't', teamId: null, keyId: 'k', model: null }

describe('a key that is answered from the cache', () => {
  test('is heard of with the event of its answer: that it is revoked, or that it was not a moment ago', async () => {
    const world = heldTenant(RICH)
    const news = () => world.holder.keys.newsOf('cached', world.clock.nowMs())
    expect(news()).toEqual({ isRevoked: null, isDue: true })
    const answer = (requestId: string) => world.holder.record(usageEvent(requestId, { keyId: 'cached' }), world.later)
    answer('r1')
    await world.clock.advance(100)
    expect(news()).toEqual({ isRevoked: false, isDue: false })
    await world.clock.advance(7_000)
    expect([news(), news()]).toEqual([
      { isRevoked: false, isDue: true },
      { isRevoked: false, isDue: false },
    ])
    await world.clock.advance(1_000)
    expect(news()).toEqual({ isRevoked: null, isDue: true })
    world.receiver.authority.config = { ...world.receiver.authority.config, revokedKeyIds: ['cached'] }
    answer('r2')
    await world.clock.advance(50)
    expect([world.revoked, news()]).toEqual([['cached'], { isRevoked: true, isDue: false }])
  })

  test('is named once to the limiter, and again only for another answer', async () => {
    const world = heldTenant(RICH)
    world.fates.push('reply-lost')
    world.holder.record(usageEvent('r1', { keyId: 'cached' }), world.later)
    await world.clock.advance(20_000)
    const told = world.messages.map(({ unleasedKeyIds }) => unleasedKeyIds)
    expect(told.slice(0, 2), 'the answer to the first was lost').toEqual([['cached'], ['cached']])
    await world.admitted('r2', REQUEST)
    expect(world.messages.at(-1)?.unleasedKeyIds).toBeUndefined()
  })
})

describe('a key with another secret', () => {
  test('has the end of the old one told with whatever mentions it, lease or none, and goes on', async () => {
    const world = heldTenant(RICH)
    const end = (keyId: string) => ({ keyId, mark: 'mark', untilMs: 5 })
    const reservation = await world.admitted('r1', REQUEST)
    await world.clock.advance(50)
    const secretEnds = [end('k'), end('cached'), end('wanted'), end('other')]
    world.receiver.authority.config = { ...world.receiver.authority.config, secretEnds }
    world.finish(reservation, 'r1')
    await world.clock.advance(100)
    expect(world.secretEnds).toEqual([end('k')])
    const answer = world.ask('r0', REQUEST, 'wanted')
    await world.clock.advance(world.rttMs)
    expect(world.secretEnds, 'with the grant itself').toContainEqual(end('wanted'))
    await answer
    expect([world.revoked, reservation.isRevoked()]).toEqual([[], false])
    world.holder.record(usageEvent('r2', { keyId: 'cached' }), world.later)
    await world.clock.advance(100)
    expect(world.secretEnds).toContainEqual(end('cached'))
    expect(world.secretEnds).not.toContainEqual(end('other'))
    await world.admitted('r3', REQUEST)
  })
})

describe('a key without a lease', () => {
  test('is asked about where it was not heard of for 8 s, ahead of that behind a request', async () => {
    let asked = 0
    let isRevoked = false
    const { limiter, clock } = limiterOver(async () => {
      asked += 1
      return isRevoked ? null : []
    })
    const later: Promise<void>[] = []
    const ask = async () => clock.until(Promise.resolve(limiter.isRevoked?.(PATH, (work) => later.push(work))))
    expect([await ask(), await ask(), asked]).toEqual([false, false, 1])
    await clock.advance(4_001)
    expect([await ask(), await ask(), later.length]).toEqual([false, false, 1])
    await Promise.all(later)
    expect(asked).toBe(2)
    isRevoked = true
    await clock.advance(8_001)
    expect([await ask(), await ask(), asked]).toEqual([true, true, 3])
  })

  test('goes on while the limiter is away, and does not wait for it each time', async () => {
    const { limiter, clock } = limiterOver(() => new Promise(() => {}))
    const ask = () => limiter.isRevoked?.(PATH, () => {})
    expect(await clock.until(Promise.resolve(ask()), 1_000)).toBe(false)
    expect(ask()).toBe(false)
  })
})
