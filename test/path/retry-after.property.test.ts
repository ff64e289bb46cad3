// What a refusal says is exact: a client that waits as many whole seconds as `retry-after` says is let in, one that waits a
// second less is not. Through the real holder and the real authority, on a clock that the test turns; nothing else moves.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Limit, LimiterConfig } from '../../src/core/limits/limits.ts'
import { failureOf } from '../../src/data-plane/refuse.ts'
import { type Refusal, isAdmitted } from '../../src/ports.ts'
import { failChat } from '../../src/protocols/chat/failure.ts'
import { type HeldTenant, type Weight, heldTenant, weigh } from '../support/held-tenant.ts'
import { budget, configOf, node, rate, slots } from '../support/limiter-receiver.ts'
import { virtualClock } from '../support/virtual-clock.ts'

const START_MS = Date.UTC(2026, 4, 4, 12)

/** A tenant in front of which no message takes any time. */
function tenant(config: LimiterConfig, startMs = START_MS): HeldTenant {
  const world = heldTenant(config, 30_000, virtualClock(startMs))
  world.rttMs = 0
  return world
}

let count = 0

/** Uses `weight` up: asked for, admitted and settled at once. False where it is refused. */
async function use(world: HeldTenant, weight: Weight): Promise<Refusal | null> {
  const id = `r${(count += 1)}`
  const answer = await world.clock.until(Promise.resolve(world.ask(id, weight)))
  if (!isAdmitted(answer)) return answer
  world.finish(answer, id)
  return null
}

/** Uses it again and again until it is refused: with gaps at first, then as fast as can be. */
async function exhaust(world: HeldTenant, weight: Weight, gapsMs: readonly number[]): Promise<Refusal> {
  for (let at = 0; at < 2_000; at++) {
    const refusal = await use(world, weight)
    if (refusal !== null) return refusal
    if (at < 40) await world.clock.advance(gapsMs[at % gapsMs.length] ?? 0)
  }
  throw new Error('never refused')
}

/** The seconds of the header, as an SDK reads them; null for none. */
function toldSeconds(refusal: Refusal, weight: Weight): number | null {
  const { headers } = failChat(failureOf(refusal, weigh(weight)), 'id')
  const told = headers['retry-after']
  return told === undefined ? null : Number(told)
}

/** The same story twice: once the client waits a second less than it is told, once as long. */
async function expectExact(
  tell: () => Promise<{ world: HeldTenant; refusal: Refusal; weight: Weight }>,
): Promise<void> {
  const early = await tell()
  const seconds = toldSeconds(early.refusal, early.weight)
  if (seconds === null) throw new Error(`no wait was told: ${JSON.stringify(early.refusal)}`)
  await early.world.clock.advance((seconds - 1) * 1000)
  expect(await use(early.world, early.weight), `after ${seconds - 1} s`).not.toBeNull()
  const late = await tell()
  expect(toldSeconds(late.refusal, late.weight)).toBe(seconds)
  await late.world.clock.advance(seconds * 1000)
  expect(await use(late.world, late.weight), `after ${seconds} s`).toBeNull()
}

const GAPS = fc.array(fc.integer({ min: 0, max: 300 }), { minLength: 1, maxLength: 5 })

describe('the wait that a refusal tells is exact', () => {
  test('by a rate of requests or tokens', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('requests' as const, 'tokens' as const, 'inputTokens' as const),
        fc.integer({ min: 1, max: 5_000 }),
        fc.integer({ min: 1, max: 40 }),
        GAPS,
        async (unit, perMinute, share, gapsMs) => {
          const burst = Math.max(1, Math.ceil(perMinute / 7))
          const tokens = unit === 'requests' ? 1 : Math.max(1, Math.floor(burst / share))
          const weight = { tokens }
          await expectExact(async () => {
            const world = tenant(configOf([node('key', 'k', { more: [rate(unit, perMinute, burst)] })]))
            return { world, refusal: await exhaust(world, weight, gapsMs), weight }
          })
        },
      ),
      { numRuns: 60 },
    )
  })

  test('by a budget, to the end of its window', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('hour' as const, 'day' as const, 'week' as const),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 0, max: 40 * 3_600_000 }),
        GAPS,
        async (period, share, offsetMs, gapsMs) => {
          const weight = { nanoUsd: Math.floor(1e9 / share) }
          await expectExact(async () => {
            const world = tenant(configOf([node('key', 'k', { more: [budget(1e9, period)] })]), START_MS + offsetMs)
            return { world, refusal: await exhaust(world, weight, gapsMs), weight }
          })
        },
      ),
      { numRuns: 30 },
    )
  })

  test('by several limits at several levels at once: the longest of those that refuse', async () => {
    const limits = fc.array(
      fc.oneof(
        fc.integer({ min: 1, max: 90 }).map((perMinute): Limit => rate('requests', perMinute, 5)),
        fc.integer({ min: 10, max: 900 }).map((perMinute): Limit => rate('tokens', perMinute, 50)),
        fc.integer({ min: 10, max: 900 }).map((perMinute): Limit => rate('inputTokens', perMinute, 50)),
      ),
      { minLength: 1, maxLength: 3 },
    )
    await fc.assert(
      fc.asyncProperty(
        limits,
        limits,
        fc.integer({ min: 1, max: 10 }),
        GAPS,
        async (ofTenant, ofKey, tokens, gapsMs) => {
          const once = (all: readonly Limit[]): readonly Limit[] =>
            all.filter((limit, at) => all.findIndex((other) => unitOf(other) === unitOf(limit)) === at)
          await expectExact(async () => {
            const nodes = [node('tenant', 't', { more: once(ofTenant) }), node('key', 'k', { more: once(ofKey) })]
            const world = tenant(configOf(nodes))
            return { world, refusal: await exhaust(world, { tokens }, gapsMs), weight: { tokens } }
          })
        },
      ),
      { numRuns: 60 },
    )
  })

  test('also when it is repeated from memory, and to a request that asks for more', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 999 }),
        fc.integer({ min: 20, max: 2_000 }),
        fc.integer({ min: 0, max: 30 }),
        async (laterMs, perMinute, more) => {
          const weight = { tokens: 10 + more }
          await expectExact(async () => {
            const world = tenant(configOf([node('key', 'k', { more: [rate('tokens', perMinute, 60)] })]))
            await exhaust(world, { tokens: 10 }, [0])
            const calls = world.messages.filter(({ wants }) => wants.length > 0).length
            await world.clock.advance(laterMs)
            const refusal = await use(world, weight)
            if (refusal === null) return { world, refusal: await exhaust(world, weight, [0]), weight }
            const asked = world.messages.filter(({ wants }) => wants.length > 0).length - calls
            expect(asked).toBeLessThanOrEqual(1)
            return { world, refusal, weight }
          })
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('a refusal says', () => {
  test('that waiting is of no use where a request is larger than the whole budget', async () => {
    const world = tenant(configOf([node('key', 'k', { more: [budget(1_000, 'day')] })]))
    const refusal = await use(world, { nanoUsd: 1_001 })
    expect(refusal).toMatchObject({ kind: 'budget', retryAfterMs: null, left: 1_000 })
    expect(toldSeconds(refusal ?? { kind: 'unavailable' }, {})).toBeNull()
  })

  test('the same where it is only for now that the budget is large enough', async () => {
    const raised = { ...budget(1_000, 'day'), increase: { by: 500, untilMs: START_MS + 3_600_000 } }
    const world = tenant(configOf([node('key', 'k', { more: [raised] })]))
    expect(await use(world, { nanoUsd: 1_200 })).toBeNull()
    expect(await use(world, { nanoUsd: 1_200 })).toMatchObject({ limitNanoUsd: 1_500, left: 300, retryAfterMs: null })
    expect(await use(world, { nanoUsd: 900 })).toMatchObject({ retryAfterMs: 12 * 3_600_000 })
  })

  test('which limit it is, what is left of it, and when it is whole again', async () => {
    const world = tenant(configOf([node('team', 'team'), node('key', 'k', { more: [rate('tokens', 60, 60)] })]))
    const refusal = await exhaust(world, { tokens: 25 }, [0])
    const { status, body } = failChat(failureOf(refusal, weigh({ tokens: 25 })), 'id')
    expect(status).toBe(429)
    expect(body).toMatchObject({
      error: {
        retry_after_ms: 15_000,
        limit: {
          scope: 'key',
          kind: 'rate',
          unit: 'tokens',
          per_minute: 60,
          size: 60,
          requested: 25,
          remaining: 10,
          reset_after_ms: 50_000,
        },
      },
    })
  })

  test('of slots, a guess: nobody knows when one is free', async () => {
    const world = tenant(configOf([node('key', 'k', { more: [slots(1)] })]))
    await world.admitted('held', { slots: 1 })
    expect(await use(world, { slots: 1 })).toMatchObject({ kind: 'slots', most: 1, left: 0, retryAfterMs: 1_000 })
  })

  test('to a small request in a crowd nothing that was meant for a large one', async () => {
    const world = tenant(configOf([node('key', 'k', { more: [rate('tokens', 60, 60)] })]))
    await world.admitted('first', { tokens: 40 })
    const large = Promise.resolve(world.ask('large', { tokens: 30 }))
    const small = Promise.resolve(world.ask('small', { tokens: 5 }))
    const larger = Promise.resolve(world.ask('larger', { tokens: 45 }))
    expect(await world.clock.until(large)).toMatchObject({ retryAfterMs: 10_000 })
    expect(isAdmitted(await world.clock.until(small))).toBe(true)
    expect(await world.clock.until(larger)).toMatchObject({ retryAfterMs: 25_000 })
  })
})

function unitOf(limit: Limit): string {
  return limit.kind === 'rate' ? limit.unit : limit.kind
}
