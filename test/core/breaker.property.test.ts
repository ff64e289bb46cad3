// The laws of the circuit breaker, as a state machine over outcomes and time.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  BREAKER,
  type BreakerState,
  CLOSED,
  type Outcome,
  advanced,
  afterOutcome,
  openUntil,
  outcomeOf,
  probing,
  shareOf,
  verdict,
} from '../../src/core/health/breaker.ts'

const NOW_MS = Date.UTC(2026, 0, 1)
const HALF = 0.5
const failure: Outcome = { weight: 1 }

const outcomes: fc.Arbitrary<Outcome> = fc.constantFrom(
  'success' as const,
  'ignored' as const,
  failure,
  { weight: 2 },
  { weight: 3 },
)
const histories = fc.array(fc.tuple(outcomes, fc.nat(3_000)), { maxLength: 60 })

function after(state: BreakerState, history: readonly Outcome[], nowMs = NOW_MS): BreakerState {
  return history.reduce((before, outcome) => afterOutcome(before, outcome, nowMs, HALF), state)
}

describe('a closed breaker', () => {
  test('opens at the fifth failure in a row where nothing else was seen, not at the fourth', () => {
    const four = after(CLOSED, [failure, failure, failure, failure])
    expect(four.state).toBe('closed')
    expect(after(four, [failure]).state).toBe('open')
  })

  test('counts from anew after a success', () => {
    const row = [failure, failure, failure, failure]
    expect(after(CLOSED, [...row, 'success', ...row]).state).toBe('closed')
  })

  test('opens when half of twenty weighted calls failed, and not below', () => {
    const alternating = Array.from({ length: 20 }, (_, at): Outcome => (at % 2 === 0 ? 'success' : failure))
    expect(after(CLOSED, alternating.slice(0, 19)).state).toBe('closed')
    expect(after(CLOSED, alternating).state).toBe('open')
    const better = Array.from({ length: 100 }, (_, at): Outcome => (at % 5 < 3 ? 'success' : failure))
    expect(after(CLOSED, better).state).toBe('closed')
  })

  test('opens at failures in a row that weigh 15, however much went well before', () => {
    for (const weight of [1, 2, 3]) {
      const well = Array.from({ length: 1_000 }, (): Outcome => 'success')
      const most = Math.ceil(15 / weight)
      const row = Array.from({ length: most }, (): Outcome => ({ weight }))
      expect(after(CLOSED, [...well, ...row.slice(1)]).state).toBe('closed')
      expect(after(CLOSED, [...well, ...row]).state).toBe('open')
    }
  })

  test('never counts an outcome older than the window: what came before it changes nothing', () => {
    fc.assert(
      fc.property(histories, histories, fc.integer({ min: 0, max: 1e8 }), (past, present, idleMs) => {
        let nowMs = NOW_MS
        let state = CLOSED
        for (const [outcome, waitMs] of past) {
          const next = afterOutcome(state, outcome, (nowMs += waitMs), HALF)
          if (next.state === 'closed') state = next
        }
        nowMs += BREAKER.windowMs + idleMs
        let fresh = CLOSED
        for (const [outcome, waitMs] of present) {
          nowMs += waitMs
          state = afterOutcome(state, outcome, nowMs, HALF)
          fresh = afterOutcome(fresh, outcome, nowMs, HALF)
          expect(state.state).toBe(fresh.state)
          if (outcome !== 'ignored') expect(state).toEqual(fresh)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('does not take five failures of five days for a storm', () => {
    let state: BreakerState = CLOSED
    for (let day = 0; day < 30; day++) state = afterOutcome(state, failure, NOW_MS + day * 86_400_000, HALF)
    expect(state.state).toBe('closed')
  })

  test('takes nothing amiss that says nothing about the target', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('client' as const, 'throttled' as const, 'credential' as const)),
        (classes) => {
          expect(after(CLOSED, classes.map(outcomeOf))).toBe(CLOSED)
        },
      ),
    )
  })
})

describe('an open breaker', () => {
  test('is not moved by stragglers', () => {
    fc.assert(
      fc.property(fc.array(outcomes), fc.nat(100_000), (history, afterMs) => {
        const open = openUntil(NOW_MS + 5_000, 2)
        expect(after(open, history, NOW_MS + afterMs)).toBe(open)
      }),
    )
  })

  test('lets nothing through before its time, then one probe', () => {
    const open = openUntil(NOW_MS + 5_000, 1)
    expect(verdict(open, NOW_MS + 4_999)).toBe('no')
    expect(verdict(open, NOW_MS + 5_000)).toBe('probe')
    const out = probing(open, NOW_MS + 5_000)
    expect(verdict(out, NOW_MS + 5_000)).toBe('no')
    expect(verdict(out, NOW_MS + 5_000 + BREAKER.probeMs - 1)).toBe('no')
    expect(verdict(out, NOW_MS + 5_000 + BREAKER.probeMs)).toBe('probe')
  })

  test('stays open twice as long after every failed probe, up to five minutes, give or take a fifth', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (failed, draw) => {
        let state = after(
          CLOSED,
          Array.from({ length: 5 }, () => failure),
        )
        let nowMs = NOW_MS
        for (let count = 0; count < failed; count++) {
          if (state.state !== 'open') throw new Error(`${state.state} after a failed probe`)
          nowMs = state.untilMs
          state = afterOutcome(probing(state, nowMs), failure, nowMs, draw)
        }
        const openMs = Math.min(BREAKER.openMs * 2 ** failed, BREAKER.openMsMax)
        const spread = failed === 0 ? HALF : draw
        expect(state).toMatchObject({ state: 'open', untilMs: nowMs + Math.round(openMs * (0.8 + 0.4 * spread)) })
      }),
    )
  })

  test('ramps after a good probe, then closes and forgets how often it had opened', () => {
    const ramping = afterOutcome(probing(openUntil(NOW_MS, 7), NOW_MS), 'success', NOW_MS, HALF)
    expect([0, 4_999, 5_000, 9_999, 10_000].map((ms) => shareOf(advanced(ramping, NOW_MS + ms)))).toEqual([
      0.05, 0.05, 0.25, 0.25, 1,
    ])
    expect(advanced(ramping, NOW_MS + 10_000)).toEqual(CLOSED)
  })
})

describe('a ramping breaker', () => {
  const ramping = afterOutcome(probing(openUntil(NOW_MS, 1), NOW_MS), 'success', NOW_MS, HALF)

  test('opens for longer at a lost connection, or at three errors', () => {
    expect(after(ramping, [{ weight: 3 }])).toMatchObject({ state: 'open', openings: 2 })
    expect(after(ramping, [failure, failure]).state).toBe('ramping')
    expect(after(ramping, [failure, failure, failure]).state).toBe('open')
  })

  test('forgives single failures among many successes', () => {
    const well = Array.from({ length: 10 }, (): Outcome => 'success')
    expect(after(ramping, [...well, { weight: 3 }, ...well, failure]).state).toBe('ramping')
  })

  test('never takes less than the target had before while all goes well', () => {
    fc.assert(
      fc.property(fc.nat(20_000), fc.nat(20_000), (ms, moreMs) => {
        const share = shareOf(advanced(ramping, NOW_MS + ms))
        expect(shareOf(advanced(ramping, NOW_MS + ms + moreMs))).toBeGreaterThanOrEqual(share)
      }),
    )
  })
})
