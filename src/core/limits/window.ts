// Budget windows: calendar hours, days, weeks, months, and stretches of days, in an IANA time zone. Windows tile time without gap or overlap,
// also across daylight-saving changes (a day may be 23 or 25 hours). Times are epoch ms.
import type { BudgetPeriod, EveryDays } from '../failure.ts'

/** A half-open stretch of time [startMs, endMs). */
export interface Window {
  readonly startMs: number
  readonly endMs: number
}

/** The wall clock of a zone at one instant. */
interface WallClock {
  readonly year: number
  /** 1 to 12 */
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
}

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
const FORMATS = new Map<string, Intl.DateTimeFormat>()
/** Formats are costly to make and few in number (one per time zone in use). */
const FORMATS_MAX = 600

/**
 * The window of `period` that contains `nowMs` in `timeZone`. Weeks begin on Monday. Throws RangeError for an unknown
 * zone: zones are validated when they are configured.
 */
export function windowAt(period: BudgetPeriod, timeZone: string, nowMs: number): Window {
  if (period === 'hour') return hourWindow(timeZone, nowMs)
  const now = wallClock(timeZone, nowMs)
  const midnight = Date.UTC(now.year, now.month - 1, now.day)
  if (typeof period === 'object') return stretchWindow(period, midnight, timeZone)
  if (period === 'day') return between(midnight, midnight + DAY_MS, timeZone)
  if (period === 'week') {
    const monday = midnight - ((weekday(midnight) + 6) % 7) * DAY_MS
    return between(monday, monday + 7 * DAY_MS, timeZone)
  }
  return between(Date.UTC(now.year, now.month - 1, 1), Date.UTC(now.year, now.month, 1), timeZone)
}

/** The days that `from` counts from, as a UTC midnight; null for what is no date. */
export function readDay(from: string): number | null {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(from)) return null
  const atMs = Date.parse(`${from}T00:00:00Z`)
  return Number.isNaN(atMs) || new Date(atMs).toISOString().slice(0, 10) !== from ? null : atMs
}

/** A period's name: equal for equal periods. */
export function periodName(period: BudgetPeriod): string {
  return typeof period === 'object' ? `${period.everyDays}d@${period.from}` : period
}

/** True when `timeZone` is one that this runtime knows. */
export function isTimeZone(timeZone: string): boolean {
  try {
    format(timeZone)
    return true
  } catch {
    return false
  }
}

/** Counted in days of the local calendar, also before the first of them. */
function stretchWindow({ everyDays, from }: EveryDays, midnight: number, timeZone: string): Window {
  const lengthMs = everyDays * DAY_MS
  const anchor = readDay(from) ?? 0
  const start = anchor + Math.floor((midnight - anchor) / lengthMs) * lengthMs
  return between(start, start + lengthMs, timeZone)
}

/** Hours follow elapsed time since the zone's own hour began, so that a repeated hour is two windows. Where the clock is
 *  put forward or back by part of an hour, a window ends and another begins. */
function hourWindow(timeZone: string, nowMs: number): Window {
  const now = wallClock(timeZone, nowMs)
  const sinceHourMs = (now.minute * 60 + now.second) * 1000 + (((nowMs % 1000) + 1000) % 1000)
  const startMs = nowMs - sinceHourMs
  const endMs = startMs + HOUR_MS
  return {
    startMs: partHourChange(timeZone, startMs, nowMs) ?? startMs,
    endMs: partHourChange(timeZone, nowMs, endMs) ?? endMs,
  }
}

/** When, in (low, high], the zone's clock is changed by other than whole hours; null for never. To the second. */
function partHourChange(timeZone: string, low: number, high: number): number | null {
  const minutesAt = (instantMs: number): number => offsetAt(timeZone, instantMs) % HOUR_MS
  const before = minutesAt(low)
  if (minutesAt(high) === before) return null
  let last = Math.floor(low / 1000) * 1000
  let first = Math.floor(high / 1000) * 1000
  while (first - last > 1000) {
    const middle = last + Math.floor((first - last) / 2000) * 1000
    if (minutesAt(middle) === before) last = middle
    else first = middle
  }
  return first
}

function between(startWall: number, endWall: number, timeZone: string): Window {
  return { startMs: instantOf(startWall, timeZone), endMs: instantOf(endWall, timeZone) }
}

/**
 * The first instant at which the zone's clock shows `wall` (a wall clock read as if it were UTC) or later: where the
 * clock jumps over it, the jump itself; where it shows it twice, the first time.
 */
function instantOf(wall: number, timeZone: string): number {
  const candidates = [offsetAt(timeZone, wall - DAY_MS), offsetAt(timeZone, wall + DAY_MS)]
    .map((offset) => wall - offset)
    .sort((a, b) => a - b)
  for (const candidate of candidates) if (candidate + offsetAt(timeZone, candidate) === wall) return candidate
  return jumpOver(wall, timeZone, candidates[0] ?? wall, candidates[candidates.length - 1] ?? wall)
}

/** The instant in (low, high] at which the clock first shows `wall` or later, to the second. */
function jumpOver(wall: number, timeZone: string, low: number, high: number): number {
  let before = low - 1000
  let after = high + 1000
  while (after - before > 1000) {
    const middle = before + Math.floor((after - before) / 2000) * 1000
    if (middle + offsetAt(timeZone, middle) >= wall) after = middle
    else before = middle
  }
  return after
}

/** Local time minus UTC at an instant, in ms. */
function offsetAt(timeZone: string, instantMs: number): number {
  const clock = wallClock(timeZone, instantMs)
  const wall = Date.UTC(clock.year, clock.month - 1, clock.day, clock.hour, clock.minute, clock.second)
  return wall - Math.floor(instantMs / 1000) * 1000
}

/** Day of the week of a UTC midnight: 0 is Sunday. 1970-01-01 was a Thursday. */
function weekday(midnightMs: number): number {
  return (((Math.floor(midnightMs / DAY_MS) + 4) % 7) + 7) % 7
}

function wallClock(timeZone: string, instantMs: number): WallClock {
  const clock: Record<string, number> = {}
  for (const part of format(timeZone).formatToParts(instantMs)) clock[part.type] = Number(part.value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = clock
  return { year, month, day, hour, minute, second }
}

function format(timeZone: string): Intl.DateTimeFormat {
  const known = FORMATS.get(timeZone)
  if (known !== undefined) return known
  const made = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  if (FORMATS.size >= FORMATS_MAX) FORMATS.clear()
  FORMATS.set(timeZone, made)
  return made
}
