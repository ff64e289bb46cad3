// Explanations: they say beforehand what the request then does, take nothing, and leave out nothing that it would meet.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { unmet } from '../../src/core/routing/data-policy.ts'
import type { Target } from '../../src/core/directory.ts'
import type { LimitState } from '../../src/core/limits/standing.ts'
import { NOTHING } from '../../src/core/limits/limits.ts'
import { NONE } from '../../src/core/limits/amounts.ts'
import { IDS, explained, given, plain, worldOf } from '../support/explained-worlds.ts'
import { heldTenant } from '../support/held-tenant.ts'
import { configOf, node } from '../support/limiter-receiver.ts'
import { type PathWorld, callerOf, caching, ended, holdTime, pathWorld } from '../support/path-world.ts'
import { fails, says } from '../support/scripted-provider.ts'
import { costingPicoUsd, someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const MESSAGES = [{ role: 'user', content: 'Hello?' }]
const PRICE = { price: costingPicoUsd(1_000_000, 2_000_000), priceVersion: 'p' }

describe('an explanation', () => {
  test('says who is asked, in which order, and what is mirrored, with presets, rules, policies and wishes', async () => {
    const seen = { planned: 0, refused: 0, mirrored: 0, unmirrored: 0 }
    await fc.assert(
      fc.asyncProperty(given, async (one) => {
        const body = {
          model: one.model,
          messages: MESSAGES,
          ...(one.wishes === null ? {} : { provider: plain(one.wishes) }),
        }
        const told = await explained(worldOf(one), body)
        const failing = worldOf(one)
        failing.upstream = (call) => fails(call, 'overloaded')
        const failed = await failing.ask(body)
        await ended(failing, failed)
        expect(failing.calls.map((call) => call.target.id)).toEqual(told.candidates.map((each) => each.target))
        // Every answer to a request with a route says what its explanation does.
        expect(failed.headers.get('x-tidegate-plan')).toBe(told.summary ?? null)
        if (told.would_answer !== undefined) {
          seen.refused += 1
          expect(failed.status).toBe(told.would_answer.status)
          return
        }
        seen.planned += 1
        const served = worldOf(one)
        served.upstream = (call) => (call.target.dialect === 'openai-chat' ? says(call) : fails(call, 'overloaded'))
        const response = await served.ask(body)
        expect(response.headers.get('x-tidegate-plan')).toBe(told.summary)
        expect(response.headers.get('x-tidegate-preset')).toBe(response.ok ? told.preset : null)
        await ended(served, response)
        const mirrors = served.shadows.map(({ settled }) => settled[0]?.event.targetId)
        const expected = response.ok ? (told.shadow?.target ?? null) : null
        expect(mirrors).toEqual(expected === null ? [] : [expected])
        const reached = [...served.calls.map((call) => call.target.id), ...(expected === null ? [] : [expected])]
        for (const name of reached) {
          const fields = one.targets[IDS.findIndex((known) => known === name)]
          for (const own of Object.values(one.policies)) expect(unmet(own, someTarget(name, fields))).toBeNull()
        }
        if (expected === null) seen.unmirrored += 1
        else seen.mirrored += 1
      }),
      { numRuns: 120 },
    )
    // The examples are the same in every run: that all of this is among them is known.
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5)
  })

  test('takes nothing, asks no provider, and draws on nobody', async () => {
    const world = pathWorld([someTarget('a', PRICE)], { shadow: { target: 'a', percent: 100 } })
    const told = await explained(world, { model: 'asked', messages: MESSAGES })
    expect(told.shadow).toMatchObject({ target: 'a', percent: 100, budget_usd: null, excluded: null })
    expect([world.calls, world.admitted, world.shadows, world.permits, world.recorded]).toEqual([[], [], [], [], []])
  })

  test('tells whether the cache has an answer, and whose', async () => {
    const world = caching(pathWorld([someTarget('a', PRICE)]))
    world.upstream = says
    const body = { model: 'asked', messages: MESSAGES, temperature: 0 }
    expect(await explained(world, body)).toMatchObject({ cache: 'miss', cached: null })
    await ended(world, await world.ask(body))
    await vi.advanceTimersByTimeAsync(5_000)
    const age: unknown = expect.any(Number)
    expect(await explained(world, body)).toMatchObject({
      cache: 'hit',
      cached: { target: 'a', provider: 'simulated', age_seconds: age, saves_usd: 0.00002 },
      caller: { cache: { mode: 'all' }, data_policies: [], pass_through: 'models' },
    })
    expect(await explained(world, { ...body, temperature: 0.1 })).toMatchObject({ cache: 'miss' })
  })

  test('of a request without its end user says what it would be answered', async () => {
    const world = pathWorld([someTarget('a')])
    world.caller = { ...callerOf(world), endUsers: { isRequired: true, isLimited: false } }
    const told = await explained(world, { model: 'asked', messages: MESSAGES })
    expect(told).toMatchObject({ candidates: [], would_answer: { status: 400, body: { error: { param: 'user' } } } })
  })
})

describe('limits in an explanation', () => {
  const LIMIT = { id: 'k', model: null, policy: { kind: 'refuse' }, used: 0, held: 0, resetsAtMs: null } as const
  const requests = (left: number): LimitState => {
    const limit = { kind: 'rate', unit: 'requests', perMinute: 60, burst: null, increase: null } as const
    return { ...LIMIT, scope: 'key', limit, size: 60, left }
  }
  const budget = (left: number): LimitState => {
    const limit = { kind: 'budget', amountNanoUsd: 1e9, period: 'day', alertsPercent: [], increase: null } as const
    return { ...LIMIT, scope: 'tenant', limit, size: 1e9, left, resetsAtMs: Date.now() }
  }
  const slots = (left: number): LimitState => {
    return { ...LIMIT, scope: 'target', id: 'a', limit: { kind: 'slots', most: 4, increase: null }, size: 4, left }
  }
  const BODY = { model: 'asked', messages: MESSAGES, max_tokens: 100 }

  async function limitsOf(prepare: (world: PathWorld) => void, fields: Partial<Target> = {}) {
    const world = pathWorld([someTarget('a', { ...PRICE, ...fields })])
    prepare(world)
    return (await explained(world, BODY))['limits']
  }

  test('are told one by one, with what the request needs of each', async () => {
    const told = await limitsOf(
      (world) => {
        world.limits = [budget(1e9), requests(3)]
        world.limitsBeside = [slots(0)]
      },
      { hasLimits: true },
    )
    expect(told).toMatchObject({
      is_available: true,
      in_hand: null,
      needs: { requests: 1, output_tokens: 100, concurrency: 1 },
      would_admit: false,
      limits: [
        { scope: 'tenant', kind: 'budget', remaining_usd: '1.00', fits: true },
        { scope: 'key', kind: 'rate', remaining: 3, needs: 1, fits: true },
        { scope: 'target', id: 'a', kind: 'concurrency', remaining: 0, needs: 1, fits: false },
      ],
    })
  })

  test('are told of each candidate, where its target has limits of its own', async () => {
    const limited = { ...PRICE, hasLimits: true } as const
    const world = pathWorld([someTarget('a', PRICE), someTarget('b', limited), someTarget('c', limited)])
    world.limits = [budget(1e9)]
    const asked: unknown[] = []
    world.limitsBeside = ({ target }) => {
      asked.push(target?.id)
      return [{ ...slots(target?.id === 'b' ? 0 : 2), id: target?.id ?? '' }]
    }
    const told = await explained(world, BODY)
    expect(told).toMatchObject({
      limits: { would_admit: true, limits: [{ scope: 'tenant' }] },
      candidates: [
        { limits: { would_admit: true, limits: [] } },
        { limits: { would_admit: false, limits: [{ id: 'b', remaining: 0, needs: 1, fits: false }] } },
        { limits: { would_admit: true, limits: [{ id: 'c', remaining: 2, needs: 1, fits: true }] } },
      ],
    })
    expect(asked).toEqual(['b', 'c'])
  })

  test('tell of a fallback that money is too short for', async () => {
    const world = pathWorld([someTarget('a', PRICE), someTarget('dear', { price: costingPicoUsd(9e9, 9e9) })])
    world.limits = [budget(1e6)]
    expect(await explained(world, BODY)).toMatchObject({
      limits: { would_admit: true },
      candidates: [{ limits: { would_admit: true } }, { limits: { would_admit: false, limits: [] } }],
    })
  })

  test.each([
    ['room everywhere', [budget(1e9), requests(1)], null, true],
    ['no room for another request', [requests(0)], null, false],
    ['no money', [budget(0)], null, false],
    ['no room but what is in hand', [requests(0)], { requests: 1 }, true],
    ['too little in hand, and nothing beyond', [requests(0)], { requests: 0 }, false],
    ['nobody to ask, but enough in hand', 'unavailable', { requests: 2 }, true],
    ['nobody to ask', 'unavailable', null, null],
  ] as const)('with %s', async (_, limits, free, expected) => {
    const told = await limitsOf((world) => {
      world.limits = limits
      if (free === null) return
      world.inHand = { free: { ...NOTHING, ...free }, limited: { ...NONE, requests: true }, expiresInMs: 9_000 }
    })
    expect(told).toMatchObject({ would_admit: expected, is_available: limits !== 'unavailable' })
    if (free !== null) {
      const isEnough = free.requests > 0
      expect(told).toMatchObject({ in_hand: { expires_in_ms: 9_000, is_enough: isEnough, free } })
      if (limits !== 'unavailable') expect(told).toMatchObject({ limits: [{ needs: 1, fits: isEnough }] })
    }
  })
})

test('what an isolate has in hand is what it then admits without asking', async () => {
  const world = heldTenant(configOf([node('key', 'k', { tokensPerMinute: 6_000 })]))
  const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
  expect(world.holder.inHand(path)).toBeNull()
  world.finish(await world.admitted('r1', { tokens: 100 }), 'r1')
  const told = world.holder.inHand(path)
  expect(told?.limited).toMatchObject({ tokens: true, nanoUsd: false })
  expect(told?.expiresInMs).toBeGreaterThan(0)
  const { tokens = 0 } = told?.free ?? {}
  expect(tokens).toBeGreaterThan(0)
  expect(world.holder.inHand(path)).toEqual(told)
  const all = world.ask('r2', { tokens })
  expect(all).not.toBeInstanceOf(Promise)
  expect(world.holder.inHand(path)?.free.tokens).toBe(0)
  await world.clock.advance(120_000)
  expect(world.holder.inHand(path)).toBeNull()
})
