// How long a provider asks us to wait, in whatever form it says so: seconds, milliseconds, durations, dates, epochs,
// in headers, in the body or in prose. Separate because every dialect needs all of them: gateways mix their providers.
import { isJsonObject } from '../../core/json.ts'
import type { Json } from '../../core/json.ts'
import { arrayOf, numberOf, objectOf, stringOf } from '../../wire/read.ts'

/** Read access to response headers, by name in any case. */
export interface HeaderReader {
  get(name: string): string | null
}

/** No wait longer than this is believed: a hint is for a cooldown, not for a calendar. */
const WAIT_MS_MAX = 24 * 60 * 60 * 1000
/** A bare number from here on is a point in time in epoch ms; one from a thousandth of it on, in epoch seconds. */
const EPOCH_MS_MIN = 1e12
const EPOCH_SECONDS_MIN = 1e9

/**
 * The wait in ms that a failed response asks for, at most a day; null when it doesn't say, or says none. Looks at
 * `retry-after-ms` (0 there gives way to `retry-after`, as Azure sends both), `retry-after`, RetryInfo of the body, the
 * message's own words, then at the reset of whichever limit is used up.
 */
export function retryAfterMs(
  headers: HeaderReader,
  body: Json | undefined,
  message: string,
  nowMs: number,
): number | null {
  const millis = Number.parseFloat(headers.get('retry-after-ms') ?? '')
  if (millis > 0) return bounded(millis)
  return (
    readWait(headers.get('retry-after'), nowMs) ??
    waitInBody(body, nowMs) ??
    waitInMessage(message) ??
    waitOfLimits(headers, nowMs)
  )
}

/** A wait written as seconds, a duration (`25m54.826s`, `6ms`), an RFC 3339 or HTTP date, or an epoch. */
export function readWait(text: string | null, nowMs: number): number | null {
  const value = text?.trim() ?? ''
  if (value === '') return null
  if (/^\d+(\.\d+)?$/.test(value)) return waitOfNumber(Number(value), nowMs)
  return readDuration(value) ?? waitUntil(Date.parse(value), nowMs)
}

function waitOfNumber(number: number, nowMs: number): number | null {
  if (number >= EPOCH_MS_MIN) return waitUntil(number, nowMs)
  if (number >= EPOCH_SECONDS_MIN) return waitUntil(number * 1000, nowMs)
  return bounded(number * 1000)
}

const DURATION =
  /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/

/** A duration like `1h2m3.5s` or `6ms` in ms; null for anything else. */
export function readDuration(text: string): number | null {
  const match = DURATION.exec(text)
  if (match === null || text === '') return null
  const [days, hours, minutes, seconds, millis] = match.slice(1).map((part) => Number(part ?? 0))
  const total = ((((days ?? 0) * 24 + (hours ?? 0)) * 60 + (minutes ?? 0)) * 60 + (seconds ?? 0)) * 1000 + (millis ?? 0)
  return bounded(total)
}

function waitInBody(body: Json | undefined, nowMs: number): number | null {
  const whole = objectOf(body)
  const error = isJsonObject(whole['error']) ? whole['error'] : whole
  for (const detail of arrayOf(error['details'])) {
    const delay = readWait(stringOf(objectOf(detail)['retryDelay']), nowMs)
    if (delay !== null) return delay
  }
  const metadata = objectOf(error['metadata'])
  const millis = numberOf(error['retry_after_ms'])
  const seconds =
    numberOf(metadata['retry_after_seconds']) ?? numberOf(error['retry_after']) ?? numberOf(whole['retry_after'])
  if (millis !== null || seconds !== null) return bounded(millis ?? Number(seconds) * 1000)
  const reset = objectOf(metadata['headers'])['X-RateLimit-Reset']
  return typeof reset === 'number' ? waitOfNumber(reset, nowMs) : readWait(stringOf(reset), nowMs)
}

const UNITS_MS: Readonly<Record<string, number>> = { millisecond: 1, second: 1000, minute: 60_000, hour: 3_600_000 }

/** "Please try again in 9m38.016s", "Please retry in 48.9s", "retry after 3 seconds", "wait 2 minutes". */
function waitInMessage(message: string): number | null {
  const match =
    /(?:(?:try again|retry|retrying) (?:in|after)|please wait|wait for) (?:about )?(\d[\dhms.]*)(?: (millisecond|second|minute|hour)s?)?/i.exec(
      message,
    )
  if (match === null) return null
  const amount = (match[1] ?? '').replace(/\.$/, '')
  const unit = UNITS_MS[match[2]?.toLowerCase() ?? '']
  return unit === undefined ? readDuration(amount) : bounded(Number(amount) * unit)
}

/** Families of limit headers: where what is left stands, and where the time of its reset. */
const LIMIT_HEADERS: readonly (readonly [remaining: string, reset: string])[] = [
  ['x-ratelimit-remaining-requests', 'x-ratelimit-reset-requests'],
  ['x-ratelimit-remaining-tokens', 'x-ratelimit-reset-tokens'],
  ['anthropic-ratelimit-requests-remaining', 'anthropic-ratelimit-requests-reset'],
  ['anthropic-ratelimit-tokens-remaining', 'anthropic-ratelimit-tokens-reset'],
  ['anthropic-ratelimit-input-tokens-remaining', 'anthropic-ratelimit-input-tokens-reset'],
  ['anthropic-ratelimit-output-tokens-remaining', 'anthropic-ratelimit-output-tokens-reset'],
  ['x-ratelimit-remaining-requests-day', 'x-ratelimit-reset-requests-day'],
  ['x-ratelimit-remaining-tokens-minute', 'x-ratelimit-reset-tokens-minute'],
  ['x-ratelimit-remaining-project-requests', 'x-ratelimit-reset-project-requests'],
  ['x-ratelimit-remaining-project-tokens', 'x-ratelimit-reset-project-tokens'],
  ['x-ratelimit-remaining', 'x-ratelimit-reset'],
  ['ratelimit-remaining', 'ratelimit-reset'],
  ['ratelimitbysize-remaining', 'ratelimitbysize-reset'],
]

function waitOfLimits(headers: HeaderReader, nowMs: number): number | null {
  let longest: number | null = null
  for (const [remaining, reset] of LIMIT_HEADERS) {
    if (headers.get(remaining)?.trim() !== '0') continue
    const wait = readWait(headers.get(reset), nowMs)
    if (wait !== null && (longest === null || wait > longest)) longest = wait
  }
  return longest
}

/** Null where it isn't known what time it is, as inside a stream. */
function waitUntil(atMs: number, nowMs: number): number | null {
  return Number.isNaN(atMs) || nowMs <= 0 ? null : bounded(Math.max(0, atMs - nowMs))
}

function bounded(ms: number): number | null {
  return ms > 0 && ms < Number.POSITIVE_INFINITY ? Math.min(Math.ceil(ms), WAIT_MS_MAX) : null
}
