// What routing rules say of a request, and what a plan makes of it.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Condition, type ConditionFacts, holds } from '../../src/core/routing/condition.ts'
import type { Route } from '../../src/core/directory.ts'
import { plan } from '../../src/core/routing/plan.ts'
import type { RouteGroup } from '../../src/core/routing/route-group.ts'
import { type RouteRule, ruling } from '../../src/core/routing/route-rules.ts'
import { someSituation } from '../support/situations.ts'
import { someTarget } from '../support/targets.ts'

interface Known {
  readonly texts?: Readonly<Record<string, readonly string[]>>
  readonly numbers?: Readonly<Record<string, number>>
  readonly flags?: readonly string[]
}

function facts({ texts = {}, numbers = {}, flags = [] }: Known): ConditionFacts {
  return {
    texts: (field) => texts[field] ?? [],
    number: (field) => numbers[field] ?? null,
    flag: (field) => flags.includes(field),
  }
}

const ALWAYS: Condition = { all: [] }
const NEVER: Condition = { any: [] }

describe('a condition', () => {
  test('on text holds for one of several values, exactly or by a prefix', () => {
    const known = facts({ texts: { tag: ['batch', 'eu-west'], 'header.x-app': ['Cursor'] } })
    expect(holds({ text: 'tag', in: ['other', 'batch'] }, known)).toBe(true)
    expect(holds({ text: 'tag', in: ['eu-*'] }, known)).toBe(true)
    expect(holds({ text: 'tag', in: ['eu'] }, known)).toBe(false)
    expect(holds({ text: 'header.x-app', in: ['Cursor'] }, known)).toBe(true)
    expect(holds({ text: 'team', in: ['*'] }, known)).toBe(false)
  })

  test('on a number includes its bounds, and never holds for what is not known', () => {
    const known = facts({ numbers: { prompt_tokens: 100 } })
    expect(holds({ number: 'prompt_tokens', from: 100 }, known)).toBe(true)
    expect(holds({ number: 'prompt_tokens', to: 100 }, known)).toBe(true)
    expect(holds({ number: 'prompt_tokens', from: 101 }, known)).toBe(false)
    expect(holds({ number: 'max_output_tokens', to: 5 }, known)).toBe(false)
    expect(holds({ number: 'max_output_tokens' }, known)).toBe(false)
  })

  test('obeys the laws of logic', () => {
    const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
      condition: fc.oneof(
        { depthSize: 'small' },
        fc.record({ flag: fc.constantFrom('tools' as const, 'images' as const), is: fc.boolean() }),
        fc.record({ not: tie('condition') }),
        fc.record({ all: fc.array(tie('condition'), { maxLength: 3 }) }),
        fc.record({ any: fc.array(tie('condition'), { maxLength: 3 }) }),
      ),
    }))
    const known = fc.subarray(['tools', 'images']).map((flags) => facts({ flags }))
    fc.assert(
      fc.property(condition, condition, known, (a, b, some) => {
        expect(holds({ not: { all: [a, b] } }, some)).toBe(holds({ any: [{ not: a }, { not: b }] }, some))
        expect(holds({ not: { not: a } }, some)).toBe(holds(a, some))
        expect(holds({ any: [a, { not: a }] }, some)).toBe(true)
        expect(holds({ all: [a, NEVER] }, some)).toBe(false)
        expect(holds({ all: [a, ALWAYS] }, some)).toBe(holds(a, some))
      }),
    )
  })
})

const cheap: RouteGroup = { strategy: 'priority', members: [{ target: 'b', weight: 1 }] }
const targets = [
  someTarget('a', { labels: ['eu'] }),
  someTarget('b'),
  someTarget('c', { labels: ['eu', 'no-training'] }),
]

function planned(rules: readonly RouteRule[], route: Partial<Route> = {}) {
  const whole: Route = { id: 'r', model: 'm', tenantId: null, targets: ['a', 'b', 'c'], allowedGaps: [], ...route }
  const made = plan(whole, targets, { gaps: () => [] }, () => someSituation(), ruling(rules, facts({})))
  return { ...made, ids: made.candidates.map(({ target }) => target.id) }
}

describe('a rule', () => {
  test('that is met sends the request to its own group; every other target is excluded by its name', () => {
    const made = planned([
      { name: 'no', when: NEVER, do: { kind: 'refuse', message: 'no' } },
      { name: 'cheap', when: ALWAYS, do: { kind: 'use', group: cheap } },
      { name: 'late', when: ALWAYS, do: { kind: 'refuse', message: 'too late' } },
    ])
    expect(made).toMatchObject({ ids: ['b'], rule: 'cheap' })
    expect(made.excluded).toEqual([
      { targetId: 'a', reason: 'rule', rule: 'cheap' },
      { targetId: 'c', reason: 'rule', rule: 'cheap' },
    ])
  })

  test('keeps a request from targets by name and by label, together with others', () => {
    const made = planned([
      { name: 'europe', when: ALWAYS, do: { kind: 'require-labels', labels: ['eu'] } },
      { name: 'not a', when: ALWAYS, do: { kind: 'exclude', targets: ['a', 'b'] } },
    ])
    expect(made.ids).toEqual(['c'])
    expect(made.excluded).toEqual([
      { targetId: 'a', reason: 'rule', rule: 'not a' },
      { targetId: 'b', reason: 'rule', rule: 'europe' },
    ])
  })

  test('that refuses has the last word, and says who it is', () => {
    const ruled = ruling([{ name: 'night', when: ALWAYS, do: { kind: 'refuse', message: 'Not at night.' } }], facts({}))
    expect(ruled).toMatchObject({ refusal: { rule: 'night', message: 'Not at night.' }, met: ['night'] })
  })

  test('that is not met changes nothing', () => {
    const made = planned([{ name: 'no', when: NEVER, do: { kind: 'exclude', targets: ['a'] } }])
    expect(made).toMatchObject({ ids: ['a', 'b', 'c'], excluded: [] })
    expect(made.rule).toBeUndefined()
  })
})

describe('a plan by group', () => {
  test('is in the order of its strategy, and asks for the situation only then', () => {
    const group: RouteGroup = {
      strategy: 'priority',
      members: ['c', 'a', 'b'].map((target) => ({ target, weight: 1 })),
    }
    expect(planned([], { group }).ids).toEqual(['c', 'a', 'b'])
    const route: Route = { id: 'r', model: 'm', tenantId: null, targets: [], allowedGaps: [] }
    const unasked = (): never => {
      throw new Error('asked for the situation')
    }
    expect(plan(route, targets, { gaps: () => [] }, unasked).candidates).toHaveLength(3)
  })
})
