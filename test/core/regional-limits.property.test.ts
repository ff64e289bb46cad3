// The theorem of leasing with a region in between: it holds on both levels, whatever happens to messages, isolates and regions.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NOTHING, counted } from '../../src/core/limits/amounts.ts'
import { LIMITS_VERSION, type Limit } from '../../src/core/limits/limits.ts'
import * as regions from '../../src/core/limits/regional-limits.ts'
import { type Fault, mutant } from '../support/mutant.ts'
import { budget, configOf, node, receiver, slots } from '../support/limiter-receiver.ts'
import { type RegionMachine, RegionWorld } from '../support/region-world.ts'

const seeds = fc.integer({ min: 0, max: 2 ** 31 })

describe('isolates with leases of a region that has leases of a tenant', { timeout: 60_000 }, () => {
  test.each(['budget', 'rate', 'slots'] as const)('never pass a limit: %s', (kind) => {
    let admitted = 0
    let denied = 0
    fc.assert(
      fc.property(seeds, (seed) => {
        const world = new RegionWorld({ seed, steps: 500, kind }).run()
        admitted += world.admitted
        denied += world.denied
      }),
      { numRuns: 40, endOnFailure: true },
    )
    expect(admitted).toBeGreaterThan(300)
    expect(denied).toBeGreaterThan(300)
  })
})

describe('attempts that cost more than they reserved, in isolates of regions,', { timeout: 60_000 }, () => {
  test('make a budget be passed by no more than the limiter hadn’t been told of when it last had anything left', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        new RegionWorld({ seed, steps: 500, kind: 'budget', mayOverrun: true }).run()
      }),
      { numRuns: 40, endOnFailure: true },
    )
  })

  test('do so while the budget is raised and lowered, too', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        new RegionWorld({ seed, steps: 500, kind: 'budget', mayOverrun: true, reconfigures: true }).run()
      }),
      { numRuns: 40, endOnFailure: true },
    )
  })
})

describe('isolates that live, and their regions,', { timeout: 60_000 }, () => {
  test('leave no money held once all has ended', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        for (const mayOverrun of [false, true]) {
          const world = new RegionWorld({ seed, steps: 300, kind: 'budget', isCalm: true, mayOverrun }).run()
          expect(world.close()).toBe(0)
        }
      }),
      { numRuns: 15, endOnFailure: true },
    )
  })
})

type RegionFault = Omit<Fault, 'file'> & { readonly mayOverrun?: true }

/** What is wrong, and in a world of which limits it shows. */
const FAULTS: readonly (readonly [string, Limit['kind'], RegionFault])[] = [
  [
    'what a dead isolate may have reserved unheard of is lent again',
    'budget',
    { from: 'sub.knownNanoUsd - sub.blindNanoUsd)', to: 'sub.knownNanoUsd)' },
  ],
  [
    'what a dead isolate was known to have reserved is lent again',
    'budget',
    { from: ' - sub.knownNanoUsd - sub', to: ' - sub' },
  ],
  [
    'more is lent than there is',
    'budget',
    { from: 'Math.max(fair, missing[resource]), left[resource]))', to: 'Math.max(fair, missing[resource])))' },
  ],
  [
    'rates that are lost with an isolate are lent again',
    'rate',
    {
      from: 'shift(sub.upper, { settled: lost, released: NOTHING })',
      to: 'shift(sub.upper, { settled: NOTHING, released: lost })',
    },
  ],
  [
    'reports are taken for differences instead of totals',
    'budget',
    { from: 'minus(told.settled, sub.settled)', to: 'told.settled' },
  ],
  [
    'what runs is forgotten where others cost more than they had reserved',
    'budget',
    { from: '{ ...taken, slots: 0 }', to: 'NOTHING', mayOverrun: true },
  ],
  [
    'the region lets itself be taken for dead',
    'budget',
    { from: '({ ...report(lease), blindNanoUsd: BLIND_NANO_USD })', to: '({ ...report(lease), blindNanoUsd: 0 })' },
  ],
]

describe('the simulation of regions', { timeout: 60_000 }, () => {
  test.each(FAULTS)('notices when %s', (_, kind, { mayOverrun, ...fault }) => {
    const machine = mutant([{ file: 'regional-limits.ts', ...fault }]).region
    let objection: unknown = null
    for (let seed = 1; seed <= 300 && objection === null; seed++) {
      try {
        new RegionWorld({ seed, steps: 500, kind, machine, ...(mayOverrun === true ? { mayOverrun } : {}) }).run()
      } catch (error) {
        objection = error
      }
    }
    expect(objection).not.toBeNull()
  })
})

const START_MS = Date.UTC(2026, 4, 4, 12)

const money = (nanoUsd: number) => counted({ ...NOTHING, requests: 1, nanoUsd })

/** For how long an isolate may admit, and keep a slot, when it asks 25 s after its region got a lease of 30 s. */
function lentLate(machine: RegionMachine): { readonly ttlMs: number; readonly slotsMs: number } {
  const root = receiver(configOf([node('tenant', 't', { more: [slots(5)] })]), START_MS, 30_000)
  const region = machine.newRegionalLimits('r')
  const need = counted({ ...NOTHING, slots: 1 })
  const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
  const wanted = { leaseId: 'h:1', isNew: true, path, need, target: need, first: need, unheardNanoUsd: 0 }
  const head = { v: LIMITS_VERSION, tenantId: 't', number: 1, admissions: [], chunks: [] } as const
  const up = machine.upperTalk(region, [wanted], START_MS)
  machine.takeUpper(region, up.reports, root.call({ ...head, holder: 'r', ...up }, START_MS), START_MS)
  const message = { ...head, holder: 'h', reports: [], wants: [wanted] }
  const time = { nowMs: START_MS + 25_000, ttlMs: 10_000 }
  machine.takeIsolate(region, message, false, time)
  const [grant] = machine.lend(region, message, new Map(), time).grants
  const reports = [{ leaseId: 'h:1', keyId: 'k', settled: NOTHING, returned: NOTHING, isDone: false }]
  return {
    ttlMs: grant?.ttlMs ?? 0,
    slotsMs: machine.lend(region, { ...message, reports, wants: [] }, new Map(), time).ttlMs,
  }
}

describe('what a region lends', () => {
  test('is there for whoever needs no money when attempts cost more than the region had', () => {
    const root = receiver(configOf([node('tenant', 't', { more: [budget(100, 'month')] })]), START_MS, 30_000)
    const region = regions.newRegionalLimits('r')
    const head = { v: LIMITS_VERSION, tenantId: 't', number: 1, admissions: [], chunks: [] } as const
    const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
    const wants = (leaseId: string, nanoUsd: number) => {
      const need = counted({ ...NOTHING, requests: 1, nanoUsd })
      return { leaseId, isNew: true, path, need, target: need, first: need, unheardNanoUsd: nanoUsd }
    }
    const up = regions.upperTalk(region, [wants('h:1', 90)], START_MS)
    regions.takeUpper(region, up.reports, root.call({ ...head, holder: 'r', ...up }, START_MS), START_MS)
    const time = { nowMs: START_MS, ttlMs: 10_000 }
    const message = { ...head, holder: 'h', reports: [], wants: [wants('h:1', 90)] }
    expect(regions.lend(region, message, new Map(), time).grants).toHaveLength(1)
    const told = { leaseId: 'h:1', keyId: 'k', returned: NOTHING, isDone: false, reserved: money(40) }
    regions.takeIsolate(region, { ...message, number: 2, reports: [{ ...told, settled: money(80) }] }, false, time)
    expect(regions.lackingIn(region, [wants('g:1', 1)], START_MS)).toHaveLength(1)
    expect(regions.lackingIn(region, [wants('g:1', 0)], START_MS)).toEqual([])
    const free = { ...message, holder: 'g', wants: [wants('g:1', 0)] }
    expect(regions.lend(region, free, new Map(), time).grants).toHaveLength(1)
    const { reports } = regions.upperTalk(region, [], START_MS)
    root.call({ ...head, holder: 'r', number: 2, reports, wants: [] }, START_MS)
    expect(root.standing('tenant:t')).toMatchObject({ spentNanoUsd: 80, heldNanoUsd: 40 })
  })

  test('lasts no longer than what it has itself', () => {
    expect(lentLate(regions)).toEqual({ ttlMs: 4_500, slotsMs: 4_500 })
    const late = { file: 'regional-limits.ts', from: 'Math.min(ttlMs, lease.deadlineMs - nowMs)', to: 'ttlMs' } as const
    expect(lentLate(mutant([late]).region).ttlMs).toBe(10_000)
    const slow = {
      file: 'regional-limits.ts',
      from: 'Math.min(least, slotsUntilMs - nowMs)',
      to: 'least + 0 * slotsUntilMs',
    } as const
    expect(lentLate(mutant([slow]).region).slotsMs).toBe(10_000)
  })
})
