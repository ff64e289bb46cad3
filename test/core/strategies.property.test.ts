// How a route's targets are put in order: by each strategy alone, and in groups of groups.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type RouteGroup, orderGroup, targetsOfGroup } from '../../src/core/routing/route-group.ts'
import { STRATEGY_NAMES, type StrategyName, strategies } from '../../src/core/strategies/index.ts'
import type { Member, Situation } from '../../src/core/strategies/strategy.ts'
import { unitHash } from '../../src/core/unit-hash.ts'
import { seededDraw, someSituation } from '../support/situations.ts'
import { someTarget } from '../support/targets.ts'

const MANY = 20_000

function member(name: string, weight = 1): Member {
  return { name, weight, candidates: [{ target: someTarget(name) }] }
}

function names(members: readonly Member[]): readonly string[] {
  return members.map(({ name }) => name)
}

/** How often each member came first. */
function firsts(strategy: StrategyName, members: readonly Member[], situations: readonly Situation[]) {
  const counts = new Map(members.map(({ name }) => [name, 0]))
  for (const situation of situations) {
    const [first] = strategies[strategy].order(members, situation, {})
    if (first !== undefined) counts.set(first.name, (counts.get(first.name) ?? 0) + 1)
  }
  return counts
}

const unit = fc.double({ min: 0, max: 0.999_999, noNaN: true })
const anySituation: fc.Arbitrary<Situation> = fc
  .record({
    seed: fc.nat(),
    costs: fc.dictionary(fc.string(), fc.nat()),
    speeds: fc.dictionary(fc.string(), fc.record({ ttftMs: fc.nat(60_000), tokensPerSecond: fc.nat(500) })),
    calls: fc.dictionary(fc.string(), fc.nat(500)),
    session: fc.option(fc.string()),
  })
  .map(({ seed, costs, speeds, calls, session }) =>
    someSituation({
      draw: seededDraw(seed),
      costNanoUsd: ({ id }) => costs[id] ?? null,
      speed: ({ id }) => speeds[id] ?? null,
      inFlight: ({ id }) => calls[id] ?? 0,
      affinity: () => session,
    }),
  )

describe('every strategy', () => {
  test('is listed by its own name', () => {
    expect(Object.values(strategies).map(({ name }) => name)).toEqual([...STRATEGY_NAMES])
    expect(Object.keys(strategies)).toEqual([...STRATEGY_NAMES])
  })

  test.each(Object.values(strategies))('$name gives a permutation, whatever the weights and the world', (strategy) => {
    const weights = fc.oneof(fc.constant(0), fc.double({ min: 0, max: 1e6, noNaN: true }))
    fc.assert(
      fc.property(fc.uniqueArray(fc.string()), fc.array(weights), anySituation, (ids, some, situation) => {
        const members = ids.map((id, index) => member(id, some[index] ?? 1))
        expect(names(strategy.order(members, situation, {})).toSorted()).toEqual(ids.toSorted())
      }),
    )
  })
})

describe('by weight', () => {
  test('each member comes first as often as its weight says, and the next by the weights that are left', () => {
    const members = [member('a', 1), member('b', 9), member('c', 90), member('never', 0)]
    const draw = seededDraw(7)
    const orders = Array.from({ length: MANY }, () =>
      names(strategies.weighted.order(members, someSituation({ draw }), {})),
    )
    const share = (match: (order: readonly string[]) => boolean): number => orders.filter(match).length / MANY
    // Four standard deviations at most.
    expect(Math.abs(share(([first]) => first === 'a') - 0.01)).toBeLessThan(0.003)
    expect(Math.abs(share(([first]) => first === 'b') - 0.09)).toBeLessThan(0.009)
    const afterC = orders.filter(([first]) => first === 'c')
    const bNext = afterC.filter(([, second]) => second === 'b').length / afterC.length
    expect(Math.abs(bNext - 0.9)).toBeLessThan(0.01)
    expect(orders.every((order) => order.at(-1) === 'never')).toBe(true)
  })
})

describe('by price', () => {
  test('the cheapest for this request comes first, what has no price last, equals in the order of the group', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(5))), (costs) => {
        const members = costs.map((_, index) => member(String(index)))
        const situation = someSituation({ costNanoUsd: ({ id }) => costs[Number(id)] ?? null })
        const order = strategies.cheapest.order(members, situation, {}).map(({ name }) => Number(name))
        const keys = order.map((index) => [costs[index] ?? Infinity, index] as const)
        for (const [at, [cost, index]] of keys.entries()) {
          const next = keys[at + 1]
          if (next !== undefined) expect(cost < next[0] || (cost === next[0] && index < next[1])).toBe(true)
        }
      }),
    )
  })
})

describe('by speed', () => {
  const speeds: Record<string, { ttftMs: number; tokensPerSecond: number }> = {
    quick: { ttftMs: 100, tokensPerSecond: 20 },
    steady: { ttftMs: 800, tokensPerSecond: 200 },
  }
  const members = [member('quick'), member('steady')]
  const at = (likelyOutputTokens: number): Situation =>
    someSituation({ likelyOutputTokens, speed: ({ id }) => speeds[id] ?? null })

  test('a short reply goes where the first token is early, a long one where the pace is high', () => {
    expect(names(strategies.fastest.order(members, at(5), {}))).toEqual(['quick', 'steady'])
    expect(names(strategies.fastest.order(members, at(1_000), {}))).toEqual(['steady', 'quick'])
  })

  test('what is not known is tried', () => {
    expect(names(strategies.fastest.order([...members, member('new')], at(5), {}))[0]).toBe('new')
  })

  test('what somebody else has been sent to try comes last', () => {
    const speed: Situation['speed'] = ({ id }) => speeds[id] ?? 'tried-elsewhere'
    const order = strategies.fastest.order([member('new'), ...members], someSituation({ speed }), {})
    expect(names(order)[2]).toBe('new')
  })
})

describe('by load', () => {
  test('the member with the most room for its capacity comes first', () => {
    const calls: Record<string, number> = { small: 2, large: 10, off: 0 }
    const members = [member('small', 2), member('large', 32), member('off', 0)]
    const order = strategies['least-busy'].order(members, someSituation({ inFlight: ({ id }) => calls[id] ?? 0 }), {})
    expect(names(order)).toEqual(['large', 'small', 'off'])
  })
})

describe('what stays together', () => {
  const sessions = Array.from({ length: MANY }, (_, index) => someSituation({ affinity: () => `session ${index}` }))

  test('goes to the same member, evenly, and moves only when its member goes', () => {
    const [a, b, c] = [member('a'), member('b'), member('c')]
    const all = firsts('sticky', [a, b, c], sessions)
    for (const count of all.values()) expect(Math.abs(count / MANY - 1 / 3)).toBeLessThan(0.015)
    for (const situation of sessions.slice(0, 2_000)) {
      const [before] = strategies.sticky.order([a, b, c], situation, {})
      const [after] = strategies.sticky.order([c, a], situation, {})
      if (before?.name !== 'b') expect(after?.name).toBe(before?.name)
    }
  })

  test('is told apart by the first kind that the request has, and follows the group without any', () => {
    const order = (affinity: Situation['affinity']) =>
      names(strategies.sticky.order([member('a'), member('b')], someSituation({ affinity }), { by: ['user', 'key'] }))
    expect(order(() => null)).toEqual(['a', 'b'])
    const byKey = (key: string) => order((kind) => (kind === 'key' ? key : null))
    const byBoth = (key: string) => order((kind) => (kind === 'key' ? key : kind === 'user' ? 'u' : null))
    expect(new Set(['k1', 'k2', 'k3', 'k4', 'k5', 'k6'].map((key) => byKey(key)[0])).size).toBe(2)
    expect(new Set(['k1', 'k2', 'k3', 'k4', 'k5', 'k6'].map((key) => byBoth(key)[0])).size).toBe(1)
  })

  test('an experiment keeps who takes part, and a larger share takes in without letting go', () => {
    const assigned = (weight: number, situation: Situation, experiment: string) =>
      strategies.split.order([member('new', weight), member('old', 100 - weight)], situation, { experiment })[0]?.name
    const some = sessions.slice(0, 5_000)
    const small = some.filter((situation) => assigned(10, situation, 'x') === 'new')
    expect(Math.abs(small.length / some.length - 0.1)).toBeLessThan(0.02)
    for (const situation of small) expect(assigned(20, situation, 'x')).toBe('new')
    const other = some.filter((situation) => assigned(10, situation, 'y') === 'new')
    const both = small.filter((situation) => other.includes(situation))
    expect(both.length / small.length).toBeLessThan(0.2)
  })
})

describe('a hash', () => {
  test('lies in [0, 1), and is even over texts that are alike', () => {
    const counts = Array.from({ length: 10 }, () => 0)
    for (let index = 0; index < MANY; index++) {
      const value = unitHash(`user-${index}`)
      expect(value >= 0 && value < 1).toBe(true)
      counts[Math.floor(value * 10)] = (counts[Math.floor(value * 10)] ?? 0) + 1
    }
    for (const count of counts) expect(Math.abs(count / MANY - 0.1)).toBeLessThan(0.012)
  })
})

describe('a group', () => {
  const { group: anyGroup } = fc.letrec<{ group: RouteGroup }>((tie) => ({
    group: fc.record({
      strategy: fc.constantFrom(...STRATEGY_NAMES),
      members: fc.array(
        fc.oneof(
          { depthSize: 'small' },
          fc.record({ target: fc.constantFrom('a', 'b', 'c', 'd', 'gone'), weight: unit }),
          fc.record({ group: tie('group'), weight: unit }),
        ),
        { maxLength: 4 },
      ),
    }),
  }))

  test('orders exactly the candidates that it names, each once, whatever it is made of', () => {
    const candidates = ['a', 'b', 'c', 'd', 'unnamed'].map((id) => ({ target: someTarget(id) }))
    fc.assert(
      fc.property(anyGroup, anySituation, fc.subarray(candidates), (group, situation, some) => {
        const named = targetsOfGroup(group)
        const expected = some.map(({ target }) => target.id).filter((id) => named.includes(id))
        const ordered = orderGroup(group, some, situation).map(({ target }) => target.id)
        expect(ordered.toSorted()).toEqual(expected.toSorted())
      }),
    )
  })

  test('holds its members together: the second of the cheaper pair comes before the other group', () => {
    const costs: Record<string, number> = { a1: 5, a2: 9, b1: 1, b2: 2 }
    const of = (...ids: readonly string[]): RouteGroup => ({
      strategy: 'cheapest',
      members: ids.map((target) => ({ target, weight: 1 })),
    })
    const group: RouteGroup = {
      strategy: 'priority',
      members: [
        { group: of('a2', 'a1'), weight: 1 },
        { group: of('b2', 'b1'), weight: 1 },
      ],
    }
    const candidates = ['b1', 'b2', 'a1', 'a2'].map((id) => ({ target: someTarget(id) }))
    const ordered = orderGroup(group, candidates, someSituation({ costNanoUsd: ({ id }) => costs[id] ?? null }))
    expect(ordered.map(({ target }) => target.id)).toEqual(['a1', 'a2', 'b1', 'b2'])
  })
})
