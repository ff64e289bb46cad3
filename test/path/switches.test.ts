// What operators have switched off or cancelled, as it reaches an isolate and its clients: by the limiter's replies, within
// seconds even where nothing but one long stream runs.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Switches } from '../../src/core/switches.ts'
import { explain } from '../../src/data-plane/explain/explain.ts'
import { heldTenant } from '../support/held-tenant.ts'
import { configOf, node } from '../support/limiter-receiver.ts'
import { WAYS, ended, holdTime, pathWorld } from '../support/path-world.ts'
import { contentEvent } from '../support/raw-provider.ts'
import { says, silence, streamed } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

const RICH = configOf([node('key', 'k', { tokensPerMinute: 6_000_000 })])
const REQUEST = { tokens: 100 }
const off = (list: Switches['off'], revision = 9): Switches => ({ revision, off: list })

describe('a holder of leases', () => {
  test('tells which switches it knows, and takes newer ones from any reply', async () => {
    const world = heldTenant(RICH)
    world.news = { switches: off({ provider: ['p'] }) }
    await world.admitted('r1', REQUEST)
    expect(world.messages[0]?.switchesSeen).toBe(0)
    expect(world.switches.ofTarget(someTarget('a', { provider: 'p' }), 'm')).toBe('provider')
    world.news = { switches: off({ provider: ['q'] }, 8) }
    await world.clock.advance(100)
    expect(world.messages.at(-1)?.switchesSeen).toBe(9)
    expect(world.switches.revision, 'an older list changes nothing').toBe(9)
  })

  test('refuses who waits while the reply says that the key is off, though a lease was granted', async () => {
    const world = heldTenant(RICH)
    world.news = { switches: off({ key: ['k'] }) }
    const refused = await world.clock.until(Promise.resolve(world.ask('r1', REQUEST)))
    expect(refused).toEqual({ kind: 'switched-off', what: 'key' })
    world.news = { switches: off({}, 10) }
    await world.clock.advance(5_000)
    await world.admitted('r2', REQUEST, 'other')
    await world.admitted('r3', REQUEST)
  })

  test('hears of the limiter every few seconds while a stream runs, and never without one', async () => {
    const world = heldTenant(RICH)
    const stream = await world.admitted('stream', REQUEST)
    await world.clock.advance(200)
    const before = world.messages.length
    for (let at = 0; at < 30_000; at += stream.keepAliveMs) {
      stream.keepAlive(world.later)
      await world.clock.advance(stream.keepAliveMs)
    }
    expect(stream.keepAliveMs).toBeLessThanOrEqual(3_000)
    expect(world.messages.length - before).toBeGreaterThanOrEqual(9)
    expect(world.messages.length - before).toBeLessThanOrEqual(12)
    world.finish(stream, 'stream')
    await world.clock.advance(60_000)
    const after = world.messages.length
    await world.clock.advance(60_000)
    expect(world.messages.length).toBe(after)
  })

  test('knows which attempt is cancelled, and that the others are not', async () => {
    const world = heldTenant(RICH)
    const [one, other] = [await world.admitted('one', REQUEST), await world.admitted('other', REQUEST)]
    expect(one.isCancelled?.()).toBe(false)
    world.news = { cancelled: ['one#1'] }
    await world.clock.advance(4_000)
    one.keepAlive(world.later)
    await world.clock.advance(100)
    expect([one.isCancelled?.(), other.isCancelled?.()]).toEqual([true, false])
  })
})

describe('a client', () => {
  beforeEach(holdTime)
  afterEach(() => void vi.useRealTimers())

  test.each([
    ['key', { key: ['key'] }],
    ['tenant', { tenant: ['tenant'] }],
  ] as const)('whose %s is off hears so, and no provider does', async (what, list) => {
    for (const [, body] of WAYS) {
      const world = pathWorld([someTarget('a')])
      world.switches.take(off(list))
      const response = await world.ask(body)
      expect(response.status).toBe(403)
      expect(response.headers.get('x-should-retry')).toBe('false')
      expect(await response.json()).toMatchObject({ error: { code: `${what}_switched_off` } })
      expect(world.calls).toEqual([])
    }
  })

  test.each([
    ['target', { target: ['a'] }],
    ['provider', { provider: ['bad'] }],
    ['model', { model: ['a-mod*'] }],
  ] as const)('whose first target has its %s off is served by the next', async (what, list) => {
    const world = pathWorld([someTarget('a', { provider: 'bad', model: 'a-model' }), someTarget('b')])
    world.upstream = says
    world.switches.take(off(list))
    const response = await world.ask(WAYS[0][1])
    expect(response.headers.get('x-tidegate-target')).toBe('b')
    expect(response.headers.get('x-tidegate-plan')).toBe('priority: b; not a (switched-off)')
    expect(world.admitted[0]?.settled[0]?.event.plan).toMatch(/^priority: b; not a \(switched-off: .+\)$/)
    const told = await world.serve((services, later) =>
      explain(
        new Request('https://gateway.test/v1/route/explain', {
          method: 'POST',
          headers: { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' },
          body: JSON.stringify(WAYS[0][1]),
        }),
        services,
        later,
      ),
    )
    const detail: unknown = expect.stringContaining(what === 'target' ? 'switched off' : `its ${what} is switched off`)
    expect(await told.json()).toMatchObject({ excluded: [{ target: 'a', reason: 'switched-off', detail }] })
  })

  test.each([
    ['its targets', { target: ['a', 'b'] }, 'target', 'a, b'],
    ['one and the other’s provider', { target: ['a'], provider: ['bad'] }, 'target', 'a, b'],
    ['the models of its targets', { model: ['a', 'b'] }, 'model', '`asked`'],
    ['the model itself', { model: ['asked'] }, 'model', '`asked`'],
  ] as const)('is told which where %s are off, and not to try again at once', async (_, list, what, named) => {
    const world = pathWorld([someTarget('a'), someTarget('b', { provider: 'bad' })])
    world.switches.take(off(list))
    const response = await world.ask(WAYS[0][1])
    expect(response.status).toBe(503)
    expect(response.headers.get('x-should-retry')).toBe('false')
    const message: unknown = expect.stringContaining(named)
    expect(await response.json()).toMatchObject({ error: { code: `${what}_switched_off`, message } })
  })

  test('whose key goes off in mid-stream gets an orderly end that says why', async () => {
    const world = pathWorld([someTarget('a', { timeouts: LONG })])
    world.upstream = (call) => streamed(call, [contentEvent('So far')], 'hangs')
    const response = await world.ask(WAYS[1][1])
    world.switches.take(off({ key: ['key'] }))
    const text = await ended(world, response)
    expect(text).toContain('So far')
    expect(text).toContain('"reason":"switched_off"')
    expect(text.trimEnd().endsWith('data: [DONE]')).toBe(true)
    expect(world.admitted[0]?.settled[0]?.event).toMatchObject({ ending: 'cut-by-limit', failure: 'switched-off' })
  })

  test.each(WAYS)(
    'whose request is cancelled before its answer (%s) hears so, and nobody else is asked',
    async (_, body) => {
      const world = pathWorld([someTarget('a', { timeouts: LONG }), someTarget('b')])
      world.upstream = (call) => {
        world.mustEnd = 'cancelled'
        return silence(call)
      }
      const response = await world.ask(body)
      expect(response.status).toBe(403)
      expect(await response.json()).toMatchObject({ error: { code: 'ended_by_operator' } })
      await world.finish()
      expect(world.calls.map(({ target }) => target.id)).toEqual(['a'])
      expect(world.admitted.flatMap(({ settled }) => settled)).toHaveLength(1)
      expect(world.permits[0]?.heard, 'no fault of the target').toEqual(['client'])
    },
  )
})

const LONG = { firstContentMs: 9_000, idleMs: 60_000, totalMs: 600_000 }
