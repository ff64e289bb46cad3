// What a month will have cost when it is over, from what its days and those before it cost: a level that follows the latest
// weeks, the shape of the week, and a band as wide as days differ from that. Money in nano-USD, as numbers.

/** A day that is over. */
export interface DaySpend {
  /** 0 for Sunday to 6. */
  readonly weekday: number
  readonly nanoUsd: number
}

export interface MonthSoFar {
  /** Days that are over, one after the other up to yesterday, the oldest first; also those of earlier months. */
  readonly days: readonly DaySpend[]
  /** Since the month began, today included. */
  readonly spentNanoUsd: number
  readonly today: { readonly weekday: number; readonly share: number }
  /** Days of the month after today. */
  readonly daysLeft: number
}

/** Four times in five what it comes to is from `low` to `high`. */
export interface Forecast {
  readonly expectedNanoUsd: number
  readonly lowNanoUsd: number
  readonly highNanoUsd: number
}

/** With fewer nobody can say. */
export const FORECAST_DAYS_MIN = 3
/** More say nothing of today. */
export const FORECAST_DAYS_MAX = 56
/** The share of the band. */
export const FORECAST_LIKELIHOOD = 0.8
/** How far a band of that share reaches, in standard deviations, if days differ as errors do. */
const REACH = 1.2816
/** A day counts half as much as one so much later. */
const HALF_LIFE_DAYS = 14
/** The week has a shape from then on; each weekday is taken for an average one as far as so many days would say so. */
const WEEKS_DAYS_MIN = 14
const SHAPE_DOUBT_DAYS = 1
const WEEK = 7

/** Null where too few days are known. Never less than what is spent, and exactly that when the month is over. */
export function forecastMonth({ days, spentNanoUsd, today, daysLeft }: MonthSoFar): Forecast | null {
  const known = days.slice(-FORECAST_DAYS_MAX)
  if (known.length < FORECAST_DAYS_MIN) return null
  const shape = shapeOf(known)
  const factorOf = (weekday: number): number => shape[weekday % WEEK] ?? 1
  const weights = known.map((_, at) => 0.5 ** ((known.length - 1 - at) / HALF_LIFE_DAYS))
  const weight = sum(weights)
  const weighted = (valueOf: (day: DaySpend) => number): number =>
    sum(known.map((day, at) => valueOf(day) * (weights[at] ?? 0))) / weight
  // What a day of the average kind costs: days that cost little of themselves say little of that.
  const level =
    weighted(({ nanoUsd }) => nanoUsd) /
    Math.max(
      weighted(({ weekday }) => factorOf(weekday)),
      1e-9,
    )
  const spread = weighted(({ weekday, nanoUsd }) => (nanoUsd - level * factorOf(weekday)) ** 2)
  const variance = (spread * known.length) / (known.length - 1)
  const left = [
    (1 - today.share) * factorOf(today.weekday),
    ...Array.from({ length: daysLeft }, (_, at) => factorOf(today.weekday + 1 + at)),
  ]
  const factors = sum(left)
  const alike = weight ** 2 / sum(weights.map((one) => one ** 2))
  // Each day differs for itself, and the level is known as well as so many days tell it.
  const deviation = Math.sqrt(variance * (1 - today.share + daysLeft) + (variance * factors ** 2) / alike)
  const rest = level * factors
  const reach = daysLeft === 0 && today.share >= 1 ? 0 : REACH * deviation
  return {
    expectedNanoUsd: Math.round(spentNanoUsd + rest),
    lowNanoUsd: Math.round(spentNanoUsd + Math.max(0, rest - reach)),
    highNanoUsd: Math.round(spentNanoUsd + rest + reach),
  }
}

/** What a weekday costs beside an average day. */
function shapeOf(days: readonly DaySpend[]): readonly number[] {
  const mean = sum(days.map(({ nanoUsd }) => nanoUsd)) / days.length
  if (days.length < WEEKS_DAYS_MIN || mean === 0) return []
  return Array.from({ length: WEEK }, (_, weekday) => {
    const own = days.filter((day) => day.weekday === weekday)
    const said = sum(own.map(({ nanoUsd }) => nanoUsd)) + SHAPE_DOUBT_DAYS * mean
    return said / ((own.length + SHAPE_DOUBT_DAYS) * mean)
  })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
