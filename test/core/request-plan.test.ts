// Where a request goes and in which order it is tried again: routes, plans, retries.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Route, modelMatches } from '../../src/core/directory.ts'
import { gapsOf, plan } from '../../src/core/routing/plan.ts'
import {
  FULL_RETRY_BUDGET,
  backoffMs,
  earned,
  mayFallBack,
  mayRetrySameTarget,
  spentRetry,
} from '../../src/core/health/retry.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import { someSituation } from '../support/situations.ts'
import { someTarget } from '../support/targets.ts'

function route(id: string, model: string, tenantId: string | null, fields: Partial<Route> = {}): Route {
  return { id, model, tenantId, targets: [], allowedGaps: [], ...fields }
}

/** From the most to the least particular, for tenant `t` asking for `gpt-4o-mini`. */
const RANKED = [
  route('tenant exact', 'gpt-4o-mini', 't'),
  route('tenant prefix', 'gpt-*', 't'),
  route('tenant all', '*', 't'),
  route('global exact', 'gpt-4o-mini', null),
  route('global longer prefix', 'gpt-4o*', null),
  route('global prefix', 'gpt-*', null),
  route('global all', '*', null),
]
const OTHERS = [
  route('other tenant', 'gpt-4o-mini', 'u'),
  route('other tenant all', '*', 'u'),
  route('no', 'claude', null),
]

describe('a route table', () => {
  test('finds the most particular route, whatever the order in which routes are listed', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray(RANKED), fc.shuffledSubarray(OTHERS), fc.boolean(), (some, others, first) => {
        const routes = first ? [...some, ...others] : [...others, ...some]
        const found = routeTable({ revision: 1, targets: {}, routes }).find('t', 'gpt-4o-mini')
        expect(found?.id ?? null).toBe(RANKED.find((ranked) => some.includes(ranked))?.id ?? null)
      }),
    )
  })

  test('never shows one tenant the routes of another', () => {
    const table = routeTable({ revision: 1, targets: {}, routes: [...RANKED, ...OTHERS] })
    expect(table.models('u').map(({ tenantId }) => tenantId)).not.toContain('t')
    expect(table.find('v', 'gpt-4o-mini')?.id).toBe('global exact')
  })

  test('names the targets that exist, in the order of the route', () => {
    const [a, b] = [someTarget('a'), someTarget('b')]
    const only = route('r', 'm', null, { targets: ['b', 'gone', 'a'] })
    const table = routeTable({ revision: 1, targets: { a, b }, routes: [only] })
    expect(table.targets(only)).toEqual([b, a])
  })

  test('covers by a prefix exactly what begins with it', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (prefix, rest) => {
        expect(modelMatches(`${prefix}*`, prefix + rest)).toBe(true)
        expect(modelMatches(`${prefix}*`, rest)).toBe(rest.startsWith(prefix))
      }),
    )
  })
})

describe('a plan', () => {
  const gap = (field: string) => ({ field, reason: 'has no place for it' })
  const targets = [someTarget('a'), someTarget('b'), someTarget('c')]

  test('leaves out the targets with a gap that the route does not allow, and says which', () => {
    const made = plan(
      route('r', 'm', null, { allowedGaps: ['seed'] }),
      targets,
      { gaps: ({ id }) => (id === 'a' ? [gap('seed'), gap('logprobs')] : id === 'b' ? [gap('seed')] : []) },
      () => someSituation(),
    )
    expect(made.candidates.map(({ target }) => target.id)).toEqual(['b', 'c'])
    expect(made.excluded).toEqual([{ targetId: 'a', reason: 'gap', gaps: [gap('logprobs')] }])
  })

  test('loses no target: each is a candidate or excluded with a reason', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.constantFrom('seed', 'n', 'stop'))),
        fc.subarray(['seed', 'n', 'stop']),
        (gaps, allowedGaps) => {
          const all = gaps.map((_, index) => someTarget(String(index)))
          const made = plan(
            route('r', 'm', null, { allowedGaps }),
            all,
            { gaps: ({ id }) => (gaps[Number(id)] ?? []).map(gap) },
            () => someSituation(),
          )
          const ids = [
            ...made.candidates.map(({ target }) => target.id),
            ...made.excluded.map(({ targetId }) => targetId),
          ]
          expect(ids.toSorted()).toEqual(all.map(({ id }) => id).toSorted())
          for (const reason of made.excluded) expect(gapsOf([reason]).length).toBeGreaterThan(0)
        },
      ),
    )
  })
})

describe('a retry', () => {
  test('budget pays for ten at once and then for one in ten first attempts', () => {
    let budget = FULL_RETRY_BUDGET
    let retries = 0
    for (let attempt = 0; attempt < 10_000; attempt++) {
      budget = earned(budget)
      const left = spentRetry(budget)
      if (left === null) continue
      budget = left
      retries += 1
    }
    expect(retries).toBeLessThanOrEqual(10 + 10_000 / 10)
    expect(retries).toBeGreaterThan(10_000 / 10)
  })

  test('never comes before the provider allows it, and not at all when that is too long a wait', () => {
    fc.assert(
      fc.property(
        fc.nat(40),
        fc.option(fc.nat(10_000)),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (retry, asked, draw) => {
          const waitMs = backoffMs(retry, asked, draw)
          if (asked !== null && asked > 2_000) {
            expect(waitMs).toBeNull()
            return
          }
          expect(waitMs).toBeGreaterThanOrEqual(asked ?? 0)
          expect(waitMs).toBeLessThanOrEqual(Math.max(asked ?? 0, Math.min(5_000, 100 * 2 ** retry)))
        },
      ),
    )
  })

  test('goes to the same target only where that can help, and nowhere after a mistake of the client', () => {
    expect(mayFallBack('client')).toBe(false)
    for (const upstream of ['client', 'credential', 'throttled', 'timeout', 'incapable'] as const) {
      expect(mayRetrySameTarget(upstream)).toBe(false)
    }
    for (const upstream of [
      'connection',
      'timeout',
      'server',
      'overloaded',
      'throttled',
      'credential',
      'incapable',
      'stream',
    ] as const) {
      expect(mayFallBack(upstream)).toBe(true)
    }
  })
})
