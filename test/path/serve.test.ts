// The path of a request as a whole, without a platform: what comes before what, who is tried after whom, and that
// whatever happens is settled once.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { UpstreamClass } from '../../src/core/failure.ts'
import { NOTHING } from '../../src/core/limits/limits.ts'
import type { Refusal } from '../../src/ports.ts'
import { fixturesOf } from '../fixtures/replies.ts'
import { chance } from '../support/chance.ts'
import {
  type PathWorld,
  WAYS,
  caching,
  callerOf,
  ended,
  expectSettled,
  holdTime,
  pathWorld,
} from '../support/path-world.ts'
import { contentEvent } from '../support/raw-provider.ts'
import { fails, isStreamed, says, silence, streamed } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const CLASSES: readonly UpstreamClass[] = [
  'connection',
  'timeout',
  'server',
  'overloaded',
  'throttled',
  'credential',
  'incapable',
  'client',
  'stream',
]
const RETRIED: readonly UpstreamClass[] = ['connection', 'server', 'overloaded', 'stream']
const REFUSED: Refusal = {
  kind: 'rate',
  scope: 'key',
  model: null,
  left: 0,
  unit: 'tokens',
  limitPerMinute: 10,
  size: 10,
  resetAfterMs: 60_000,
  retryAfterMs: 7_000,
}

/** First target with these retries, second target with none. */
function twoTargets(maxRetries = 0): PathWorld {
  return pathWorld([someTarget('a', { maxRetries }), someTarget('b', { maxRetries: 0 })])
}

describe.each(WAYS)('%s: steps', (_, body) => {
  test('come in order', async () => {
    const world = pathWorld([someTarget('a')])
    caching(world)
    world.upstream = says
    const response = await world.ask(body)
    expect(response.status).toBe(200)
    expect(await ended(world, response)).toContain('Hello.')
    expect(world.steps).toEqual(['authenticate', 'routes', 'recall', 'permit', 'admit', 'call'])
    expect(expectSettled(world)).toMatchObject([{ status: 200, ending: 'finished', isFinal: true, attempt: 1 }])
  })

  test('an answer from the cache is for no key that is revoked, whatever the directory knows', async () => {
    const world = caching(pathWorld([someTarget('a')]))
    world.upstream = says
    await ended(world, await world.ask(body))
    const hit = await world.ask(body)
    expect([hit.status, hit.headers.get('x-tidegate-cache'), world.recorded.length]).toEqual([200, 'hit', 1])
    world.mustEnd = 'revoked'
    const refused = await world.ask(body)
    expect([refused.status, await refused.text()]).toEqual([401, expect.stringContaining('revoked')])
    expect([world.recorded.length, world.calls.length]).toEqual([1, 1])
  })

  test('nothing happens for a caller who is not known', async () => {
    for (const problem of ['missing', 'malformed', 'unknown', 'expired', 'revoked'] as const) {
      const world = pathWorld([someTarget('a')])
      world.caller = problem
      expect((await world.ask(body)).status).toBe(401)
      expect(world.steps).toEqual(['authenticate'])
    }
    const world = pathWorld([someTarget('a')])
    expect((await world.ask(body, { headers: { authorization: '' } })).status).toBe(401)
    expect(world.steps).toEqual([])
  })

  test('nobody is called without admission', async () => {
    for (const [refusal, status] of [
      [REFUSED, 429],
      [{ kind: 'revoked' }, 401],
      [{ kind: 'unavailable' }, 503],
    ] as const) {
      const world = twoTargets(2)
      world.refusal = () => refusal
      expect((await world.ask(body)).status).toBe(status)
      expect(world.steps).toEqual(['authenticate', 'routes', 'permit', 'admit'])
      expect(world.calls).toEqual([])
      expect(world.permits).toEqual([{ targetId: 'a', heard: ['withdrawn'] }])
    }
  })

  test("a body that can't be read, or a model that isn't there, reaches nobody", async () => {
    const world = pathWorld([someTarget('a')])
    expect((await world.ask('{"model":')).status).toBe(400)
    expect((await world.ask({ ...body, messages: 'x' })).status).toBe(400)
    expect((await world.ask({ ...body, model: 'other' })).status).toBe(404)
    world.caller = { ...callerOf(world), allowedModels: ['other*'] }
    expect((await world.ask(body)).status).toBe(403)
    expect(world.steps).not.toContain('permit')
  })

  test('a key for some models can name no other to go on with', async () => {
    const world = pathWorld([someTarget('a')])
    world.caller = { ...callerOf(world), allowedModels: [body.model, 'second'] }
    expect((await world.ask({ ...body, models: ['second', 'third'] })).status).toBe(403)
    expect(world.steps).not.toContain('permit')
    world.caller = { ...callerOf(world), allowedModels: [] }
    await world.ask({ ...body, models: ['second', 'third'] })
    expect(world.steps).toContain('permit')
  })
})

describe.each(WAYS)('%s: after a failure', (_, body) => {
  for (const upstream of CLASSES) {
    test.each([0, 1, 2, 5])(`${upstream}, with %s retries`, async (maxRetries) => {
      const world = twoTargets(maxRetries)
      world.upstream = (call) => (call.target.id === 'a' ? fails(call, upstream) : says(call))
      const response = await world.ask(body)
      const text = await ended(world, response)
      const onA = RETRIED.includes(upstream) ? maxRetries + 1 : 1
      const reachesB = upstream !== 'client' && onA < 6
      expect(world.calls.map(({ target }) => target.id)).toEqual([...'a'.repeat(onA), ...(reachesB ? 'b' : '')])
      expect(world.waits).toHaveLength(onA - 1)
      expect(response.status === 200).toBe(reachesB)
      expect(text.includes('Hello.')).toBe(reachesB)

      const events = expectSettled(world)
      expect(events.map(({ failure }) => failure)).toEqual([
        ...Array.from({ length: onA }, () => upstream),
        ...(reachesB ? [null] : []),
      ])
      expect(events.at(-1)).toMatchObject({ isFinal: true, status: response.status })
      expect(world.permits.map(({ heard }) => heard[0])).toEqual(events.map(({ failure }) => failure))
      if (reachesB) {
        expect(response.headers.get('x-tidegate-attempts')).toBe(String(onA + 1))
        expect(response.headers.get('x-tidegate-target')).toBe('b')
      }
    })
  }

  test('a budget for retries that is used up ends them', async () => {
    const world = twoTargets(3)
    world.mayRetry = () => world.calls.length < 2
    world.upstream = (call) => (call.target.id === 'a' ? fails(call, 'server') : says(call))
    await ended(world, await world.ask(body))
    expect(world.calls.map(({ target }) => target.id)).toEqual(['a', 'a', 'b'])
    expectSettled(world)
  })

  test.each([
    [1, ['a', 'a'], [1_000]],
    [60, ['a', 'b'], []],
  ])('a provider that asks for %s s of patience', async (seconds, called, waits) => {
    const world = twoTargets(1)
    world.upstream = (call) => {
      if (world.calls.length > 1) return says(call)
      return new Response('{}', { status: 503, headers: { 'retry-after': String(seconds) } })
    }
    await ended(world, await world.ask(body))
    expect(world.calls.map(({ target }) => target.id)).toEqual(called)
    expect(world.waits).toEqual(waits)
    expectSettled(world)
  })

  test('a closed target is passed over; with all closed, the shortest wait is told', async () => {
    const world = twoTargets(2)
    world.permit = (target) => (target.id === 'a' ? { retryAfterMs: 9_000 } : null)
    world.upstream = (call) => says(call)
    expect((await world.ask(body)).headers.get('x-tidegate-target')).toBe('b')
    world.permit = (target) => ({ retryAfterMs: target.id === 'a' ? 9_000 : 4_000 })
    const refused = await world.ask(body)
    expect(refused.status).toBe(503)
    expect(refused.headers.get('retry-after-ms')).toBe('4000')
    expect(world.recorded).toMatchObject([{ status: 503, failure: 'no-target', attempt: 0 }])
  })

  test('every attempt is admitted for itself', async () => {
    const world = twoTargets(1)
    world.refusal = (number) => (number === 2 ? REFUSED : null)
    world.upstream = (call) => fails(call, 'server')
    const response = await world.ask(body)
    expect(response.status).toBe(429)
    expect(world.calls).toHaveLength(1)
    const events = expectSettled(world)
    expect(events).toMatchObject([{ isFinal: false, status: 500 }])
    expect(world.recorded).toMatchObject([{ isFinal: true, status: 429 }])
  })

  test('a target on another wire takes over, and its answer reads the same', async () => {
    const world = pathWorld([someTarget('a', { maxRetries: 0 }), someTarget('b', { dialect: 'anthropic-messages' })])
    const basic = fixturesOf('anthropic-messages').find(({ name }) => name === 'basic')
    world.upstream = (call) => {
      if (call.target.id === 'a') return fails(call, 'server')
      return isStreamed(call) ? streamed(call, [basic?.stream ?? '']) : Response.json(basic?.whole)
    }
    const response = await world.ask(body)
    const text = await ended(world, response)
    expect(response.headers.get('x-tidegate-attempts')).toBe('2')
    expect(world.calls.map(({ path }) => path)).toEqual(['/chat/completions', '/messages'])
    expect(text).toContain(' turns at six – 潮')
    expect(text).toMatch(/"object":"chat\.completion(?:\.chunk)?"/)
    expect(expectSettled(world)).toMatchObject([{ status: 500 }, { status: 200, usage: { output: 9 } }])
  })

  test('whatever six targets do, there are at most six attempts, each settled once', async () => {
    for (let seed = 1; seed <= 40; seed += 1) {
      const random = chance(seed)
      const ids = ['a', 'b', 'c', 'd', 'e', 'f']
      const world = pathWorld(ids.map((id) => someTarget(id, { maxRetries: random.below(4) })))
      world.upstream = (call) => (random.below(8) === 0 ? says(call) : fails(call, random.pick(CLASSES)))
      world.permit = () => (random.below(5) === 0 ? { retryAfterMs: 100 } : null)
      const response = await world.ask(body)
      const text = await ended(world, response)
      const events = expectSettled(world)
      expect(world.calls.length, `seed ${seed}`).toBe(events.length)
      expect(text.includes('Hello.'), `seed ${seed}`).toBe(events.at(-1)?.ending === 'finished')
      vi.setSystemTime(1_760_000_000_000)
    }
  })
})

describe.each(WAYS)('%s: a client that leaves', (way, body) => {
  const STEPS = ['authenticate', 'routes', 'recall', 'permit', 'admit', 'call', 'sleep'] as const

  test.each(STEPS)('during %s', async (step) => {
    const world = twoTargets(1)
    caching(world)
    world.upstream = (call) => fails(call, 'server')
    const abort = new AbortController()
    let callsBefore = 0
    world.onStep = (name) => {
      if (name !== step || abort.signal.aborted) return
      callsBefore = world.calls.length
      abort.abort()
    }
    await ended(world, await world.ask(body, { signal: abort.signal }))
    expect(abort.signal.aborted).toBe(true)
    expect(world.calls.length).toBe(callsBefore)
    const events = expectSettled(world)
    for (const { settled } of world.admitted.slice(callsBefore)) {
      expect(settled[0]?.actual).toEqual(NOTHING)
    }
    if (events.length > 0) expect(events.at(-1)).toMatchObject({ ending: 'client-left', isFinal: true, status: 499 })
    expect(world.permits.at(-1)?.heard[0] ?? 'withdrawn').toBe(step === 'sleep' ? 'server' : 'withdrawn')
    expect(world.cache.size).toBe(0)
  })

  test.each([
    ['before the provider answers', () => null],
    ['before its first content', () => [': hello\n\n']],
    ['in the middle', () => [contentEvent('One '), contentEvent('two ')]],
  ])('%s', async (_, pieces) => {
    const world = twoTargets(2)
    const abort = new AbortController()
    world.upstream = (call) => {
      const heard = pieces()
      return heard === null || way === 'whole' ? silence(call) : streamed(call, heard, 'hangs')
    }
    setTimeout(() => abort.abort(), 500)
    const response = await world.ask(body, { signal: abort.signal })
    const text = ended(world, response)
    await vi.advanceTimersByTimeAsync(500)
    await text
    expect(world.calls).toHaveLength(1)
    expect(world.calls[0]?.signal.aborted).toBe(true)
    const [event] = expectSettled(world)
    expect(event).toMatchObject({ ending: 'client-left', failure: null, isFinal: true })
    // It had reached the provider, who may charge for it.
    expect(event).toMatchObject({ isEstimated: true })
    expect(event?.usage.input).toBeGreaterThan(0)
  })
})

describe('a stream', () => {
  const [, [, body]] = WAYS

  test.each([
    ['breaks off', 'breaks', 'provider-cut', 'stream'],
    ['ends too early', 'ends', 'provider-cut', 'stream'],
    ['falls silent', 'hangs', 'timed-out', 'timeout'],
  ] as const)(
    'that %s after its first content is told so, and nobody goes on where that is not wanted',
    async (_, then, end, failure) => {
      const world = twoTargets(3)
      world.upstream = (call) => streamed(call, [contentEvent('So far')], then)
      const response = await world.ask(body, { headers: { 'x-tidegate-failover': 'off' } })
      const text = await ended(world, response)
      expect(response.status).toBe(200)
      expect(text).toContain('So far')
      expect(text).toContain('"error"')
      expect(text).not.toContain('[DONE]')
      expect(world.calls).toHaveLength(1)
      expect(expectSettled(world)).toMatchObject([{ ending: end, failure, isFinal: true, isEstimated: true }])
      expect(world.permits).toMatchObject([{ heard: [failure] }])
    },
  )

  test('that carries an error ends with ours', async () => {
    const world = twoTargets(3)
    const error = 'data: {"error":{"message":"secret detail","type":"server_error"}}\n\n'
    world.upstream = (call) => streamed(call, [contentEvent('So far'), error, contentEvent('never')])
    const text = await ended(world, await world.ask(body, { headers: { 'x-tidegate-failover': 'off' } }))
    expect(text).toContain('So far')
    expect(text).not.toContain('never')
    expect(text.match(/"error":/g)).toHaveLength(1)
    expect(text).not.toContain('[DONE]')
    expect(expectSettled(world)).toMatchObject([{ ending: 'provider-cut', failure: 'server' }])
  })

  test('that is slow to begin gets its status and heartbeats first, and its failure then in the stream', async () => {
    const world = pathWorld([someTarget('a', { timeouts: { firstContentMs: 40_000, idleMs: 1_000, totalMs: 90_000 } })])
    world.upstream = silence
    const response = await world.ask(body)
    expect(response.status).toBe(200)
    expect(response.headers.get('x-tidegate-request-id')).toBe('id-1')
    const text = await ended(world, response)
    expect(text).toMatch(/^(?:: ping\n\n)+data: \{"error"/)
    expect(expectSettled(world)).toMatchObject([{ ending: 'timed-out', failure: 'timeout', isFinal: true }])
  })
})
