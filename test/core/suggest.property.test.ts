// What a client is told to try instead: only what it may use, and nothing that leads to what has failed.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Caller, Route } from '../../src/core/directory.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import { suggestModels } from '../../src/core/routing/suggest.ts'
import { someTarget } from '../support/targets.ts'

const TARGETS = [
  someTarget('a'),
  someTarget('b'),
  someTarget('c', { dialect: 'anthropic-messages' }),
  someTarget('d', { dialect: 'anthropic-messages' }),
]

function callerWith(...allowedModels: readonly string[]): Caller {
  const cache = { mode: 'off' as const, ttlSeconds: 60 }
  return { tenantId: 'tenant', teamId: null, keyId: 'key', costCenter: null, tags: [], allowedModels, cache }
}

function tableOf(routes: readonly (readonly [model: string, targets: readonly string[], tenantId?: string | null])[]) {
  return routeTable({
    revision: 1,
    targets: Object.fromEntries(TARGETS.map((target) => [target.id, target])),
    routes: routes.map(([model, targets, tenantId = null], at): Route => {
      return { id: `route-${at}`, model, tenantId, targets, allowedGaps: [] }
    }),
  })
}

const failed = (...ids: readonly string[]) => TARGETS.filter((target) => ids.includes(target.id))

describe('suggestions', () => {
  test('are at most three, allowed, other, exact, to be had, and never of what failed', () => {
    const name = fc.constantFrom('tide-1', 'tide-2', 'tide-2-mini', 'ebb', 'flood-*', 'tide-embed', 'moon')
    const ids = fc.subarray(['a', 'b', 'c', 'd', 'gone'])
    const routes = fc.array(fc.tuple(name, ids, fc.constantFrom(null, 'tenant', 'other')))
    const allowed = fc.subarray(['tide*', 'ebb', 'moon'])
    fc.assert(
      fc.property(routes, allowed, fc.subarray(['a', 'b', 'c', 'd']), name, (list, patterns, dead, model) => {
        const table = tableOf(list)
        const caller = callerWith(...patterns)
        const told = suggestModels(table, caller, model, failed(...dead))
        expect(told.length).toBeLessThanOrEqual(3)
        expect(new Set(told).size).toBe(told.length)
        for (const one of told) {
          expect(one).not.toBe(model)
          expect(one).not.toContain('*')
          expect(
            patterns.length === 0 ||
              patterns.some((p) => p === one || one.startsWith(p.replace('*', '?').split('?')[0] ?? '')),
          ).toBe(true)
          const found = table.find('tenant', one)
          expect(found).not.toBeNull()
          expect(list.some(([routed, , tenant]) => routed === one && tenant !== 'other')).toBe(true)
        }
      }),
    )
  })

  test('of the same dialect come first, then those with the likest names', () => {
    const table = tableOf([
      ['claude-tide', ['c']],
      ['tide-1-mini', ['b']],
      ['wholly-different', ['b']],
      ['tide-10', ['d']],
    ])
    expect(suggestModels(table, callerWith(), 'tide-1', failed('a'))).toEqual([
      'tide-1-mini',
      'wholly-different',
      'tide-10',
    ])
    expect(suggestModels(table, callerWith(), 'tide-1', failed('b'))).toEqual(['tide-10', 'claude-tide'])
  })

  test('for a name that nobody knows are the names that are like it, and none where none is', () => {
    const table = tableOf([
      ['tide-4o', ['a']],
      ['tide-4o-mini', ['a']],
      ['ebb', ['b']],
    ])
    expect(suggestModels(table, callerWith(), 'tide-40', [])).toEqual(['tide-4o', 'tide-4o-mini'])
    expect(suggestModels(table, callerWith(), 'something-else', [])).toEqual([])
  })

  test('never send a question to a model for something else', () => {
    const table = tableOf([
      ['tide-embed-2', ['b']],
      ['tide-2', ['b']],
    ])
    expect(suggestModels(table, callerWith(), 'tide-1', failed('a'))).toEqual(['tide-2'])
    expect(suggestModels(table, callerWith(), 'tide-embed-1', failed('a'))).toEqual(['tide-embed-2'])
  })
})
