// Budget windows tile time in every zone that the runtime knows, through every change of its clocks.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { BudgetPeriod } from '../../src/core/failure.ts'
import { isTimeZone, windowAt } from '../../src/core/limits/window.ts'

const PERIODS: readonly BudgetPeriod[] = [
  'hour',
  'day',
  'week',
  'month',
  { everyDays: 1, from: '2026-01-01' },
  { everyDays: 14, from: '2026-01-05' },
  { everyDays: 90, from: '2031-12-31' },
]
const ZONES = Intl.supportedValuesOf('timeZone')
/** Zones whose clocks change at midnight, by half an hour, by two hours, or for good. */
const ODD_ZONES = [
  'America/Sao_Paulo',
  'America/Havana',
  'America/Asuncion',
  'America/Santiago',
  'Africa/Cairo',
  'Africa/Casablanca',
  'Asia/Amman',
  'Asia/Beirut',
  'Asia/Gaza',
  'Asia/Kathmandu',
  'Asia/Pyongyang',
  'Asia/Tehran',
  'Antarctica/Troll',
  'Australia/Lord_Howe',
  'America/Caracas',
  'Pacific/Norfolk',
  'Pacific/Chatham',
  'Europe/Volgograd',
].filter(isTimeZone)

const HOUR_MS = 3_600_000
const FROM_MS = Date.UTC(2015, 0, 1)
const TO_MS = Date.UTC(2035, 0, 1)
const zones = fc.oneof(fc.constantFrom(...ZONES), fc.constantFrom(...ODD_ZONES))
const instants = fc.integer({ min: FROM_MS, max: TO_MS })

const CLOCKS = new Map<string, Intl.DateTimeFormat>()

/** The wall clock at an instant, told by another means than the code under test uses. */
function wall(timeZone: string, instantMs: number): { readonly date: string; readonly time: string } {
  let clock = CLOCKS.get(timeZone)
  if (clock === undefined) {
    clock = new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' })
    CLOCKS.set(timeZone, clock)
  }
  const text = clock.format(instantMs)
  return { date: text.slice(0, 10), time: text.slice(11) }
}

function expectTiled(period: BudgetPeriod, timeZone: string, instantMs: number): void {
  const window = windowAt(period, timeZone, instantMs)
  expect(window.startMs).toBeLessThanOrEqual(instantMs)
  expect(window.endMs).toBeGreaterThan(instantMs)
  expect(windowAt(period, timeZone, window.startMs)).toEqual(window)
  expect(windowAt(period, timeZone, window.endMs - 1)).toEqual(window)
  expect(windowAt(period, timeZone, window.endMs).startMs).toBe(window.endMs)
}

/** Instants at which a zone's clock changes between two years, to the second. */
function changes(timeZone: string, fromYear: number, toYear: number): readonly number[] {
  const offset = (atMs: number): number => {
    const { date, time } = wall(timeZone, atMs)
    return Date.parse(`${date}T${time}Z`) - atMs
  }
  const found: number[] = []
  const step = 7 * 24 * HOUR_MS
  for (let atMs = Date.UTC(fromYear, 0, 1); atMs < Date.UTC(toYear, 0, 1); atMs += step) {
    if (offset(atMs) === offset(atMs + step)) continue
    let [low, high] = [atMs, atMs + step]
    while (high - low > 1_000) {
      const middle = low + Math.floor((high - low) / 2_000) * 1_000
      if (offset(middle) === offset(low)) low = middle
      else high = middle
    }
    found.push(high)
  }
  return found
}

describe('budget windows', () => {
  test('tile time in every zone: each contains its instants, and the next begins where it ends', () => {
    fc.assert(
      fc.property(fc.constantFrom(...PERIODS), zones, instants, (period, timeZone, instantMs) => {
        expectTiled(period, timeZone, instantMs)
      }),
      { numRuns: 3_000 },
    )
  })

  test.each(ODD_ZONES)('tile time around every change of the clocks in %s', (timeZone) => {
    const around = [-2 * HOUR_MS, -HOUR_MS, -1_800_000, -600_000, -1, 0, 1, 600_000, 1_800_000, HOUR_MS, 2 * HOUR_MS]
    for (const change of changes(timeZone, 2015, 2023)) {
      for (const period of PERIODS) for (const offset of around) expectTiled(period, timeZone, change + offset)
    }
  })

  test('of a day are one date of the local calendar, and 22 to 26 hours long', () => {
    fc.assert(
      fc.property(zones, instants, (timeZone, instantMs) => {
        const { startMs, endMs } = windowAt('day', timeZone, instantMs)
        const { date } = wall(timeZone, instantMs)
        expect(wall(timeZone, startMs).date).toBe(date)
        expect(wall(timeZone, endMs - 1).date).toBe(date)
        expect(wall(timeZone, startMs - 1).date).not.toBe(date)
        expect(wall(timeZone, endMs).date).not.toBe(date)
        expect((endMs - startMs) / HOUR_MS).toBeGreaterThanOrEqual(22)
        expect((endMs - startMs) / HOUR_MS).toBeLessThanOrEqual(26)
      }),
      { numRuns: 1_500 },
    )
  })

  test('of so many days begin on the day that is named, and are that many days of the local calendar long', () => {
    fc.assert(
      fc.property(zones, fc.integer({ min: 1, max: 60 }), instants, instants, (timeZone, everyDays, fromMs, atMs) => {
        const from = new Date(fromMs).toISOString().slice(0, 10)
        const window = windowAt({ everyDays, from }, timeZone, atMs)
        const day = (instantMs: number): number =>
          Date.parse(`${wall(timeZone, instantMs).date}T00:00:00Z`) / 86_400_000
        const offset = (day(window.startMs) - Date.parse(`${from}T00:00:00Z`) / 86_400_000) % everyDays
        expect(Math.abs(offset)).toBe(0)
        expect(day(window.endMs) - day(window.startMs)).toBe(everyDays)
      }),
      { numRuns: 800 },
    )
  })

  test('of a week begin on Monday, of a month on the first', () => {
    fc.assert(
      fc.property(zones, instants, (timeZone, instantMs) => {
        const week = wall(timeZone, windowAt('week', timeZone, instantMs).startMs).date
        expect(new Date(`${week}T00:00:00Z`).getUTCDay()).toBe(1)
        const month = windowAt('month', timeZone, instantMs)
        expect(wall(timeZone, month.startMs).date).toBe(`${wall(timeZone, instantMs).date.slice(0, 8)}01`)
        expect(wall(timeZone, month.endMs).date.slice(8)).toBe('01')
      }),
      { numRuns: 1_000 },
    )
  })

  test.each([
    ['Europe/Berlin', '2026-03-29T10:00:00Z', 23],
    ['Europe/Berlin', '2026-10-25T10:00:00Z', 25],
    ['Australia/Lord_Howe', '2026-04-05T00:00:00Z', 24.5],
    ['Australia/Lord_Howe', '2026-10-04T00:00:00Z', 23.5],
    ['America/Sao_Paulo', '2018-11-04T15:00:00Z', 23],
    ['America/Sao_Paulo', '2019-02-16T15:00:00Z', 25],
    ['America/Havana', '2026-03-08T15:00:00Z', 23],
    ['America/Havana', '2026-11-01T15:00:00Z', 25],
    ['Africa/Cairo', '2026-04-24T10:00:00Z', 23],
    ['Africa/Cairo', '2026-10-29T10:00:00Z', 25],
    ['Asia/Beirut', '2026-03-29T10:00:00Z', 23],
    ['Asia/Kathmandu', '2026-03-29T10:00:00Z', 24],
  ])('of a day in %s at %s last %d hours', (timeZone, instant, hours) => {
    const { startMs, endMs } = windowAt('day', timeZone, Date.parse(instant))
    expect((endMs - startMs) / HOUR_MS).toBe(hours)
  })

  test('of an unknown zone are refused', () => {
    expect(isTimeZone('Mars/Olympus')).toBe(false)
    expect(() => windowAt('day', 'Mars/Olympus', 0)).toThrow(RangeError)
  })
})
