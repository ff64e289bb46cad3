// The forecast of a month against days whose truth is known.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type DaySpend, type MonthSoFar, forecastMonth } from '../../src/core/money/forecast.ts'
import { chance } from '../support/chance.ts'

/** A month of thirty days at the beginning of its `dayOfMonth`th (from 1), after `before` days; day 0 is a Sunday. */
function monthOf(spend: (day: number) => number, dayOfMonth: number, before: number): MonthSoFar & { truth: number } {
  const first = before
  const today = first + dayOfMonth - 1
  const days = Array.from({ length: today }, (_, day): DaySpend => ({ weekday: day % 7, nanoUsd: spend(day) }))
  const total = (from: number, to: number): number => {
    let sum = 0
    for (let day = from; day < to; day += 1) sum += spend(day)
    return sum
  }
  return {
    days,
    spentNanoUsd: total(first, today),
    today: { weekday: today % 7, share: 0 },
    daysLeft: 30 - dayOfMonth,
    truth: total(first, first + 30),
  }
}

const money = fc.integer({ min: 0, max: 1e12 })

describe('a forecast', () => {
  test('of days that all cost the same is exact, and certain', () => {
    fc.assert(
      fc.property(money, fc.integer({ min: 1, max: 30 }), fc.integer({ min: 3, max: 60 }), (cost, day, before) => {
        const month = monthOf(() => cost, day, before)
        const found = forecastMonth(month)
        for (const said of [found?.expectedNanoUsd, found?.lowNanoUsd, found?.highNanoUsd]) {
          expect(Math.abs((said ?? NaN) - month.truth)).toBeLessThanOrEqual(1 + month.truth * 1e-6)
        }
      }),
    )
  })

  test('is never less than what is spent, lies in its band, and grows with what things cost', () => {
    const some = fc.record({
      days: fc.array(fc.record({ weekday: fc.nat(6), nanoUsd: money }), { minLength: 3, maxLength: 80 }),
      spentNanoUsd: money,
      today: fc.record({ weekday: fc.nat(6), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      daysLeft: fc.nat(30),
    })
    fc.assert(
      fc.property(some, (month) => {
        const { expectedNanoUsd = NaN, lowNanoUsd = NaN, highNanoUsd = NaN } = forecastMonth(month) ?? {}
        expect(lowNanoUsd).toBeGreaterThanOrEqual(month.spentNanoUsd)
        expect(expectedNanoUsd).toBeGreaterThanOrEqual(lowNanoUsd)
        expect(highNanoUsd).toBeGreaterThanOrEqual(expectedNanoUsd)
        const twice = forecastMonth({
          ...month,
          days: month.days.map((day) => ({ ...day, nanoUsd: 2 * day.nanoUsd })),
          spentNanoUsd: 2 * month.spentNanoUsd,
        })
        expect(Math.abs((twice?.expectedNanoUsd ?? NaN) - 2 * expectedNanoUsd)).toBeLessThanOrEqual(
          2 + expectedNanoUsd * 1e-9,
        )
      }),
    )
  })

  test('of a month that is over is what was spent', () => {
    const days = [5, 900, 2].map((nanoUsd, weekday) => ({ weekday, nanoUsd }))
    const over = { days, spentNanoUsd: 907, today: { weekday: 3, share: 1 }, daysLeft: 0 }
    expect(forecastMonth(over)).toEqual({ expectedNanoUsd: 907, lowNanoUsd: 907, highNanoUsd: 907 })
  })

  test('knows the weekend', () => {
    const working = (day: number): number => (day % 7 === 0 || day % 7 === 6 ? 0 : 1e9)
    for (const day of [2, 9, 16, 25]) {
      const month = monthOf(working, day, 50)
      const off = Math.abs((forecastMonth(month)?.expectedNanoUsd ?? NaN) - month.truth) / month.truth
      expect(off).toBeLessThan(0.05)
    }
  })

  test('is of fewer than three days nobody’s to make', () => {
    expect(forecastMonth({ ...monthOf(() => 1, 1, 3), days: [] })).toBeNull()
    expect(forecastMonth(monthOf(() => 1, 1, 2))).toBeNull()
  })

  test('has a band that holds what comes about four times in five', () => {
    const draw = chance(7)
    let held = 0
    for (let trial = 0; trial < 400; trial += 1) {
      const spends = Array.from({ length: 90 }, () => {
        const noise = [0, 1, 2, 3, 4, 5].reduce((total) => total + draw.below(1_000) / 1_000, -3)
        return Math.max(0, 1e9 * (1 + 0.5 * noise))
      })
      const month = monthOf((day) => spends[day] ?? 0, 1 + draw.below(25), 50)
      const { lowNanoUsd = NaN, highNanoUsd = NaN } = forecastMonth(month) ?? {}
      if (month.truth >= lowNanoUsd && month.truth <= highNanoUsd) held += 1
    }
    expect(held / 400).toBeGreaterThan(0.7)
    expect(held / 400).toBeLessThan(0.9)
  })
})
