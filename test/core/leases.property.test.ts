// The theorem of leasing, by simulation: no schedule of losses, repeats, delays, crashes, clock errors and window
// roll-overs makes the isolates together spend more than a budget or a bucket allows, and the books always add up.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LeaseWorld, type WorldOptions } from '../support/lease-world.ts'

const seeds = fc.integer({ min: 0, max: 2 ** 31 })

function holds(
  options: Omit<WorldOptions, 'seed'>,
  numRuns: number,
  after: (world: LeaseWorld) => void = () => {},
): void {
  fc.assert(
    fc.property(seeds, (seed) => {
      after(new LeaseWorld({ seed, ...options }).run())
    }),
    { numRuns, endOnFailure: true },
  )
}

describe('isolates with leases of one limiter', { timeout: 60_000 }, () => {
  test('never overshoot a budget or a bucket, whatever happens to messages, clocks and isolates', () => {
    const total = { admitted: 0, denied: 0 }
    holds({ steps: 500, crashes: true }, 80, ({ admitted, denied }) => {
      total.admitted += admitted
      total.denied += denied
    })
    expect(total.admitted).toBeGreaterThan(1_500)
    expect(total.denied).toBeGreaterThan(1_500)
  })

  test('never pass a rate limit, however hard they press', () => {
    holds({ steps: 500, crashes: true, tight: true }, 80)
  })

  test('never overshoot a budget that existed when the lease was granted, while the limits change', () => {
    holds({ steps: 500, crashes: true, reconfigures: true }, 80)
  })

  test('leave nothing held or lent once all leases are closed', () => {
    holds({ steps: 300 }, 80, (world) => {
      world.close()
      expect(world.openPositions).toBe(0)
      expect(world.receiver.authority.leases.size).toBe(0)
    })
  })

  test('overshoot a budget by no more than attempts overran that it hadn’t been told of when it last had anything left', () => {
    holds({ steps: 500, crashes: true, mayOverrun: true }, 30)
    holds({ steps: 500, crashes: true, mayOverrun: true, focus: 'budget' }, 60)
  })

  test('admit within a rate limit what they reserve, and make up for what they overrun before anything more is granted', () => {
    holds({ steps: 500, crashes: true, mayOverrun: true, focus: 'rate' }, 40)
    holds({ steps: 500, mayOverrun: true, tight: true }, 20)
  })

  test('leave nothing held or lent either when attempts cost more than they reserved', () => {
    holds({ steps: 300, mayOverrun: true }, 80, (world) => {
      world.close()
      expect(world.openPositions).toBe(0)
    })
  })

  test('leave nothing held or lent either when the limits were changed in between', () => {
    holds({ steps: 300, mayOverrun: true, reconfigures: true }, 80, (world) => {
      world.close()
      expect(world.openPositions).toBe(0)
    })
  })

  test('that crashed keep their money held until its window ends, and no longer', () => {
    holds({ steps: 300, crashes: true }, 50, (world) => {
      world.close()
      expect(world.openRates).toBe(0)
      world.outlive()
      expect(world.openPositions).toBe(0)
      expect(world.receiver.authority.leases.size).toBe(0)
    })
  })

  test('change nothing by a message that arrives twice', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const once = new LeaseWorld({ seed, steps: 300, crashes: true }).run().receiver.authority
        const twice = new LeaseWorld({ seed, steps: 300, crashes: true, doubled: true }).run().receiver.authority
        expect([...twice.gauges.values()]).toEqual([...once.gauges.values()])
        expect([...twice.leases.values()]).toEqual([...once.leases.values()])
      }),
      { numRuns: 40, endOnFailure: true },
    )
  })
})
