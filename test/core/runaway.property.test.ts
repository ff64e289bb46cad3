// The guard against spending that runs away, in simulated days: what grows, rests and bursts as usage does is left alone, a
// loop is noticed within two minutes, once, and forgotten when it is over.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NOTHING, counted } from '../../src/core/limits/amounts.ts'
import { takeRunaways } from '../../src/core/money/alert.ts'
import type { RunawayAction, RunawayRule } from '../../src/core/limits/limit-policy.ts'
import { type LeaseWant, LIMITS_VERSION } from '../../src/core/limits/limits.ts'
import {
  type RunawayAlert,
  type Watch,
  gate,
  newWatch,
  spend,
  thresholdOf,
  turn,
} from '../../src/core/limits/runaway.ts'
import { configOf, node, receiver } from '../support/limiter-receiver.ts'

const MINUTE_MS = 60_000
const START_MS = Date.UTC(2026, 4, 4)
const CENT = 1e7

function rule(action: RunawayAction = 'alert', factor = 10, usdPerHour = 1): RunawayRule {
  return { factor, minNanoUsdPerHour: usdPerHour * 1e9, action }
}

/** Spends through the minutes `from` to `to`, in `requests` equal parts a minute. */
function spendThrough(
  watch: Watch,
  { from, to, requests = 4 }: { readonly from: number; readonly to: number; readonly requests?: number },
  nanoUsdPerMinute: (minute: number) => number,
): RunawayAlert[] {
  const alerts: RunawayAlert[] = []
  for (let minute = from; minute < to; minute++) {
    for (let request = 0; request < requests; request++) {
      const atMs = START_MS + minute * MINUTE_MS + Math.floor((request * MINUTE_MS) / requests)
      const alert = spend(watch, Math.floor(nanoUsdPerMinute(minute) / requests), atMs)
      if (alert !== null) alerts.push(alert)
    }
  }
  return alerts
}

const DAY = 24 * 60

/** By day, and on weekdays, as people work: nothing at night. */
function officeHours(minute: number): number {
  const hour = Math.floor(minute / 60) % 24
  return Math.floor(minute / DAY) % 7 < 5 && hour >= 8 && hour < 18 ? 1 : 0
}

describe('usual spending never trips it', () => {
  test('office hours over three weeks, weekends and a third more every week', () => {
    const watch = newWatch('key', 'k', rule())
    const alerts = spendThrough(watch, { from: 0, to: 21 * DAY }, (minute) => {
      return officeHours(minute) * 20 * CENT * (1 + Math.floor(minute / DAY / 7) / 3)
    })
    expect(alerts).toEqual([])
  })

  test('a job of an hour every night', () => {
    const watch = newWatch('key', 'k', rule())
    const alerts = spendThrough(watch, { from: 0, to: 10 * DAY }, (minute) => (minute % DAY < 60 ? 400 * CENT : CENT))
    expect(alerts).toEqual([])
  })

  test('a minute of twenty times the usual, now and then', () => {
    const watch = newWatch('key', 'k', rule())
    const alerts = spendThrough(watch, { from: 0, to: 3 * DAY }, (minute) => (minute % 45 === 30 ? 400 : 20) * CENT)
    expect(alerts).toEqual([])
  })

  test('growth of up to a half every hour, from whatever rate', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000 }), fc.double({ min: 1, max: 1.5, noNaN: true }), (cents, growth) => {
        const watch = newWatch('tenant', 't', rule())
        const alerts = spendThrough(watch, { from: 0, to: 12 * 60, requests: 2 }, (minute) => {
          return Math.floor(cents * CENT * growth ** (minute / 60))
        })
        expect(alerts).toEqual([])
      }),
      { numRuns: 30 },
    )
  })

  test('whatever is less than the least that matters, from nothing at all', () => {
    const watch = newWatch('key', 'k', rule('alert', 2, 10))
    spendThrough(watch, { from: 0, to: 120 }, () => 0)
    expect(spendThrough(watch, { from: 120, to: 400 }, () => 1e9 / 6 - 1)).toEqual([])
  })

  test('the first hour of a key, however much: there is nothing to hold it against', () => {
    const watch = newWatch('key', 'k', rule())
    expect(spendThrough(watch, { from: 0, to: 60 }, (minute) => minute * 1e9)).toEqual([])
  })
})

describe('a loop', () => {
  test('of fifty times the usual trips it within two minutes, whenever it begins, once', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 60, max: 5 * DAY }),
        fc.integer({ min: 0, max: 59_999 }),
        fc.integer({ min: 2, max: 500 }),
        fc.integer({ min: 2, max: 15 }),
        (minutes, offsetMs, cents, factor) => {
          const watch = newWatch('key', 'k', rule('alert', factor))
          expect(spendThrough(watch, { from: 0, to: minutes, requests: 1 }, () => cents * CENT)).toEqual([])
          const fromMs = START_MS + minutes * MINUTE_MS + offsetMs
          const alerts: RunawayAlert[] = []
          for (let atMs = fromMs; atMs < fromMs + 20 * MINUTE_MS; atMs += 1_000) {
            const alert = spend(watch, Math.ceil((50 * cents * CENT) / 60), atMs)
            if (alert !== null) alerts.push(alert)
          }
          expect(alerts.length).toBe(1)
          expect((alerts[0]?.atMs ?? Infinity) - fromMs).toBeLessThanOrEqual(2 * MINUTE_MS)
          expect(alerts[0]).toMatchObject({ scope: 'key', ownerId: 'k', action: 'alert' })
          expect(alerts[0]?.perHourNanoUsd).toBeGreaterThan(alerts[0]?.thresholdPerHourNanoUsd ?? Infinity)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('is over soon after it ended; the next is told of again', () => {
    const watch = newWatch('key', 'k', rule('throttle'))
    spendThrough(watch, { from: 0, to: DAY }, () => 10 * CENT)
    expect(spendThrough(watch, { from: DAY, to: DAY + 30 }, () => 500 * CENT)).toHaveLength(1)
    expect(spendThrough(watch, { from: DAY + 30, to: DAY + 60 }, () => 10 * CENT)).toEqual([])
    expect(watch.episode).toBeNull()
    expect(spendThrough(watch, { from: DAY + 60, to: DAY + 70 }, () => 500 * CENT)).toHaveLength(1)
  })

  test('does not become a habit where it is slowed down, for days on end', () => {
    const watch = newWatch('key', 'k', rule('throttle'))
    spendThrough(watch, { from: 0, to: DAY }, () => 10 * CENT)
    spendThrough(watch, { from: DAY, to: DAY + 5 }, () => 500 * CENT)
    const slowed = watch.episode?.perMinuteNanoUsd ?? 0
    expect(slowed).toBe(100 * CENT)
    spendThrough(watch, { from: DAY + 5, to: 4 * DAY }, () => slowed)
    expect(watch.episode?.perMinuteNanoUsd).toBe(slowed)
    expect(thresholdOf(watch)).toBeLessThanOrEqual(slowed + 1)
  })

  test('that is stopped may go on after an hour, and is stopped again', () => {
    const watch = newWatch('key', 'k', rule('stop'))
    spendThrough(watch, { from: 0, to: DAY }, () => 10 * CENT)
    const [alert] = spendThrough(watch, { from: DAY, to: DAY + 2 }, () => 500 * CENT)
    const atMs = alert?.atMs ?? 0
    expect(gate(watch, 0, atMs + 59 * MINUTE_MS)).toMatchObject({ action: 'stop', roomNanoUsd: 0, waitMs: MINUTE_MS })
    expect(gate(watch, 0, atMs + 61 * MINUTE_MS)).toBeNull()
    expect(spendThrough(watch, { from: DAY + 70, to: DAY + 75 }, () => 500 * CENT)).toHaveLength(1)
  })
})

test('its numbers are integers and few, whatever happens and when', () => {
  const steps = fc.array(
    fc.tuple(fc.integer({ min: -5_000, max: 40 * DAY * MINUTE_MS }), fc.integer({ min: 0, max: 1e12 })),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(steps, fc.constantFrom('alert' as const, 'throttle' as const, 'stop' as const), (all, action) => {
      const watch = newWatch('team', 'x', rule(action))
      const members = Object.keys(watch).length
      let atMs = START_MS
      for (const [ms, nanoUsd] of all) {
        atMs += ms
        spend(watch, nanoUsd, atMs)
        turn(watch, atMs)
        expect(Object.keys(watch).length).toBe(members)
        for (const value of Object.values(watch)) {
          if (typeof value === 'number') expect(Number.isSafeInteger(value) && value >= 0).toBe(true)
        }
        expect(Number.isSafeInteger(gate(watch, 0, atMs)?.roomNanoUsd ?? 0)).toBe(true)
      }
    }),
  )
})

describe('at the limiter', () => {
  /** A key that spends a request's worth every ten seconds and settles at once. */
  function world(action: RunawayAction) {
    const nodes = [{ ...node('key', 'k'), runaway: rule(action) }]
    const end = receiver(configOf(nodes), START_MS)
    let number = 0
    let lease = 1
    let settled = NOTHING
    let granted = NOTHING
    const ask = (nanoUsd: number, atMs: number): ReturnType<typeof end.call> => {
      const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
      const one = counted({ ...NOTHING, requests: 1, nanoUsd })
      const need = { ...granted, nanoUsd: settled.nanoUsd + one.nanoUsd, requests: settled.requests + 1 }
      const want: LeaseWant = {
        leaseId: `h:${lease}`,
        isNew: granted === NOTHING,
        path,
        need,
        target: need,
        first: need,
        unheardNanoUsd: 0,
      }
      number += 1
      const rest = { admissions: [], chunks: [] }
      const reports = [{ leaseId: `h:${lease}`, keyId: 'k', settled, returned: NOTHING, isDone: false }]
      const reply = end.call(
        { v: LIMITS_VERSION, tenantId: 't', holder: 'h', number, reports, ...rest, wants: [want] },
        atMs,
      )
      const closed = reply.closedLeases?.includes(`h:${lease}`) === true || reply.denials.length > 0
      if (reply.grants[0] !== undefined) {
        granted = reply.grants[0].granted
        settled = { ...settled, requests: settled.requests + 1, nanoUsd: settled.nanoUsd + nanoUsd }
      }
      if (closed) {
        const last = { leaseId: `h:${lease}`, keyId: 'k', settled, returned: NOTHING, isDone: true }
        number += 1
        end.call({ v: LIMITS_VERSION, tenantId: 't', holder: 'h', number, reports: [last], ...rest, wants: [] }, atMs)
        lease += 1
        settled = NOTHING
        granted = NOTHING
      }
      return reply
    }
    /** What got through from minute `from` to minute `to`. */
    const run = (from: number, to: number, nanoUsd: number, everyMs: number): { spent: number; refused: number } => {
      let spent = 0
      let refused = 0
      for (let atMs = START_MS + from * MINUTE_MS; atMs < START_MS + to * MINUTE_MS; atMs += everyMs) {
        const { grants } = ask(nanoUsd, atMs)
        if (grants.length > 0) spent += nanoUsd
        else refused += 1
      }
      return { spent, refused }
    }
    return { end, ask, run }
  }

  test('a loop is held to the threshold where it is to be slowed down, and let go when it is over', () => {
    const { end, run } = world('throttle')
    expect(run(0, 300, 10 * CENT, 10_000).refused).toBe(0)
    run(300, 303, 10 * CENT, 200)
    const alerts = takeRunaways(end.authority)
    expect(alerts).toHaveLength(1)
    const perMinute = (alerts[0]?.thresholdPerHourNanoUsd ?? 0) / 60
    const slowed = run(303, 333, 10 * CENT, 200)
    expect(slowed.refused).toBeGreaterThan(1_000)
    expect(slowed.spent).toBeLessThanOrEqual(perMinute * 30 + 10 * CENT * 30)
    expect(slowed.spent).toBeGreaterThan(perMinute * 25)
    expect(takeRunaways(end.authority)).toEqual([])
    run(333, 350, 10 * CENT, 10_000)
    expect(run(350, 360, 10 * CENT, 10_000).refused).toBe(0)
    expect(end.authority.watches.get('key:k')?.episode).toBeNull()
  })

  test('a loop gets nothing more where it is to be stopped, and is told when it may', () => {
    const { run, ask } = world('stop')
    run(0, 300, 10 * CENT, 10_000)
    run(300, 303, 10 * CENT, 200)
    expect(run(303, 333, 10 * CENT, 200).spent).toBe(0)
    const { denials } = ask(10 * CENT, START_MS + 333 * MINUTE_MS)
    expect(denials[0]?.denial).toMatchObject({ kind: 'runaway', scope: 'key', action: 'stop', perMinuteNanoUsd: 0 })
  })

  test('a loop is only told of where that is all that is wanted', () => {
    const { end, run } = world('alert')
    run(0, 300, 10 * CENT, 10_000)
    expect(run(300, 330, 10 * CENT, 200).refused).toBe(0)
    expect(takeRunaways(end.authority)).toMatchObject([{ scope: 'key', ownerId: 'k', action: 'alert' }])
  })
})
