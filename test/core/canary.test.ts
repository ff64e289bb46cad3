// Shares that grow, bounds on errors, and switches: laws of what every isolate decides for itself.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isBeyond, weightAt } from '../../src/core/routing/canary.ts'
import { type RouteGroup, orderGroup } from '../../src/core/routing/route-group.ts'
import { SwitchBoard } from '../../src/core/switches.ts'
import { watchedMembers, withoutMember } from '../../src/core/watched-members.ts'
import { seededDraw, someSituation } from '../support/situations.ts'
import { TARGET } from '../support/target.ts'

const weight = fc.double({ min: 0, max: 1_000, noNaN: true })
const ramp = fc.record({
  from: weight,
  to: weight,
  startsAtMs: fc.integer({ min: 0, max: 1e12 }),
  overMinutes: fc.integer({ min: 1, max: 10_000 }),
})

describe('a ramp', () => {
  test('is at its ends before and after, between them in between, and never turns back', () => {
    fc.assert(
      fc.property(ramp, fc.nat(2e9), fc.nat(1e9), (grows, after, later) => {
        const at = (ms: number): number => weightAt({ weight: 7, ramp: grows }, grows.startsAtMs + ms)
        expect(at(-1)).toBe(grows.from)
        expect(at(grows.overMinutes * 60_000)).toBeCloseTo(grows.to, 6)
        expect(at(after)).toBeGreaterThanOrEqual(Math.min(grows.from, grows.to) - 1e-6)
        expect(at(after)).toBeLessThanOrEqual(Math.max(grows.from, grows.to) + 1e-6)
        const step = (at(after + later) - at(after)) * Math.sign(grows.to - grows.from)
        expect(step).toBeGreaterThanOrEqual(-1e-6)
      }),
    )
    expect(weightAt({ weight: 7 }, 1)).toBe(7)
  })

  test('gives its member the share of the moment', () => {
    const candidates = ['main', 'canary'].map((id) => ({ target: { ...TARGET, id } }))
    const group: RouteGroup = {
      strategy: 'weighted',
      members: [
        { target: 'main', weight: 90 },
        { target: 'canary', weight: 90, ramp: { from: 0, to: 90, startsAtMs: 1_000_000, overMinutes: 10 } },
      ],
    }
    const share = (minutes: number): number => {
      const draw = seededDraw(7)
      const nowMs = 1_000_000 + minutes * 60_000
      const firsts = Array.from(
        { length: 2_000 },
        () => orderGroup(group, candidates, someSituation({ nowMs, draw }))[0],
      )
      return firsts.filter((first) => first?.target.id === 'canary').length / 2_000
    }
    expect(share(0)).toBe(0)
    expect(share(1)).toBeCloseTo(9 / 99, 1)
    expect(share(10)).toBeCloseTo(0.5, 1)
  })
})

describe('a watch', () => {
  const watch = { maxErrorRate: 0.1, minRequests: 20, windowMinutes: 5 }
  test.each([
    ['too few calls', { requests: 19, failures: 19 }, { requests: 100, failures: 0 }, false],
    ['within its bound', { requests: 100, failures: 10 }, { requests: 100, failures: 0 }, false],
    ['beyond it', { requests: 100, failures: 11 }, { requests: 100, failures: 1 }, true],
    ['beyond it, as the others are', { requests: 100, failures: 30 }, { requests: 100, failures: 30 }, false],
    ['beyond it, with nobody to compare', { requests: 20, failures: 3 }, { requests: 0, failures: 0 }, true],
  ])('%s', (_, own, others, expected) => {
    expect(isBeyond(watch, own, others)).toBe(expected)
  })

  test('finds its members however deep, compares them with those beside them, and lets go of one alone', () => {
    const inner: RouteGroup = {
      strategy: 'weighted',
      members: [
        { target: 'b', weight: 1, watch, ramp: { from: 0, to: 5, startsAtMs: 0, overMinutes: 1 } },
        { target: 'c', weight: 3, watch },
        { target: 'd', weight: 2 },
      ],
    }
    const group: RouteGroup = {
      strategy: 'priority',
      members: [
        { group: inner, weight: 1 },
        { target: 'a', weight: 1 },
      ],
    }
    const rules = [{ name: 'r', when: { all: [] }, do: { kind: 'use', group: inner } as const }]
    const found = watchedMembers({ group, rules })
    expect(found.map(({ target, others }) => [target, others])).toEqual([
      ['b', ['c', 'd']],
      ['c', ['b', 'd']],
      ['b', ['c', 'd']],
      ['c', ['b', 'd']],
    ])
    const left = withoutMember({ group, rules }, 'b')
    expect(watchedMembers(left).map(({ target }) => target)).toEqual(['c', 'c'])
    expect(left.group.members[0]).toMatchObject({ group: { members: [{ target: 'b', weight: 0 }, { weight: 3 }, {}] } })
    expect(JSON.stringify(left)).not.toContain('ramp')
  })
})

describe('switches', () => {
  test('are those of the newest list, in whichever order and however often lists arrive', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (revisions) => {
        const board = new SwitchBoard()
        for (const revision of revisions) board.take({ revision, off: { key: [`k${revision}`] } })
        const newest = Math.max(...revisions)
        expect(board.revision).toBe(newest)
        for (const revision of revisions) {
          const off = board.ofCaller({ tenantId: 't', keyId: `k${revision}` })
          expect(off).toBe(revision === newest ? 'key' : null)
        }
      }),
    )
  })

  test('tell what is off about a target, a model by either name, a caller', () => {
    const board = new SwitchBoard()
    expect(board.ofTarget(TARGET, 'm')).toBeNull()
    const off = { provider: ['p'], target: ['t'], model: ['gpt-4*', 'exact'], tenant: ['ten'] }
    board.take({ revision: 3, off })
    expect(board.ofTarget({ ...TARGET, id: 't' }, 'm')).toBe('target')
    expect(board.ofTarget({ ...TARGET, provider: 'p' }, 'm')).toBe('provider')
    expect(board.ofTarget({ ...TARGET, model: 'gpt-4o' }, 'm')).toBe('model')
    expect(board.ofTarget({ ...TARGET, model: '*' }, 'exact')).toBe('model')
    expect(board.ofTarget({ ...TARGET, model: 'exactly' }, 'exact')).toBeNull()
    expect(board.ofModel('gpt-4')).toBe(true)
    expect(board.ofCaller({ tenantId: 'ten', keyId: 'k' })).toBe('tenant')
    board.take({ revision: 4, off: {} })
    expect(board.ofCaller({ tenantId: 'ten', keyId: 'k' })).toBeNull()
  })
})
