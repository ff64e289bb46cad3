// The simulation is worth something only if it notices faults: each of these is one that a limiter could plausibly have.
import { describe, expect, test } from 'vitest'
import { LeaseWorld, type WorldOptions } from '../support/lease-world.ts'
import { type Fault, mutant } from '../support/mutant.ts'

const SEEDS_MAX = 400

/** The first seed whose simulation objects, and what it objects to; null when none of them does. */
function objection(faults: readonly Fault[], options: Partial<WorldOptions>): string | null {
  const machines = mutant(faults)
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    try {
      const world = new LeaseWorld({ seed, steps: 400, ...options, ...machines }).run()
      world.close()
      if (options.crashes !== true) expect(world.openPositions).toEqual({ held: 0, outstanding: 0 })
    } catch (error) {
      return `${seed}: ${error instanceof Error ? error.message : String(error)}`
    }
  }
  return null
}

const FAULTS: readonly (readonly [string, Fault, Partial<WorldOptions>])[] = [
  [
    'money of an expired lease is given out again',
    {
      file: 'authority.ts',
      from: "  lease.state = 'expired'\n",
      to: "  for (const id of Object.keys(lease.budgetNodes)) { const node = authority.nodes.get(id); if (node) node.heldNanoUsd -= exposure(lease).nanoUsd }\n  remove(authority, lease)\n  lease.state = 'expired'\n",
    },
    { crashes: true },
  ],
  [
    'tokens of an expired lease are refunded',
    {
      file: 'authority.ts',
      from: 'state.bucket = forgotten(',
      to: 'state.bucket = handedBack(',
    },
    { crashes: true, tight: true },
  ],
  [
    'reports are taken for differences instead of totals',
    {
      file: 'authority.ts',
      from: 'minus(greatest(report.settled, lease.settled), lease.settled)',
      to: 'report.settled',
    },
    {},
  ],
  [
    'more is granted than is available',
    { file: 'grant.ts', from: 'Math.max(fair, missing), room))', to: 'Math.max(fair, missing)))' },
    {},
  ],
  [
    'a settlement frees money that was spent',
    { file: 'lease.ts', from: 'plus(lease.settled, actual)', to: 'plus(lease.settled, times(actual, 0.5))' },
    {},
  ],
  [
    'what was given back is used all the same',
    {
      file: 'lease.ts',
      from: 'minus(lease.granted, plus(lease.settled, plus(lease.reserved, lease.returned)))',
      to: 'minus(lease.granted, plus(lease.settled, lease.reserved))',
    },
    {},
  ],
  [
    'a bucket refills as if nothing were lent',
    {
      file: 'token-bucket.ts',
      from: 'rule.capacity - bucket.outstanding)\n  const parts',
      to: 'rule.capacity)\n  const parts',
    },
    {},
  ],
  [
    'a lease that is gone is opened again under its old name',
    { file: 'grant.ts', from: 'known === undefined ? !want.isNew :', to: 'known === undefined ? false :' },
    {},
  ],
  [
    'a budget that begins anew inherits the leases of the old one',
    {
      file: 'authority.ts',
      from: 'if (lease.budgetNodes[id] === undefined) continue',
      to: 'if (lease.id !== id) continue',
    },
    { reconfigures: true },
  ],
  [
    'an attempt that cost more than it reserved leaves its excess held',
    {
      file: 'authority.ts',
      from: 'lease.granted = greatest(lease.granted, plus(lease.settled, lease.returned))',
      to: 'lease.granted = plus(lease.granted, NOTHING)',
    },
    { mayOverrun: true },
  ],
]

describe('the simulation of leases', () => {
  test('has no objection to what is shipped', () => {
    expect(objection([], {})).toBeNull()
  })

  test.each(FAULTS)('notices when %s', (_, fault, options) => {
    expect(objection([fault], options)).not.toBeNull()
  })
})
