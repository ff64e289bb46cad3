// How money, counts, shares, durations and instants are written: the only place that turns figures into text.
// Money is BigInt nano-USD until the last step, so nothing is rounded twice and nothing is rounded away unseen.

const NANO_PER_USD = 1_000_000_000n
const NANO_DIGITS = 9
const SMALL_AMOUNT_SIGNIFICANT_DIGITS = 3

/** Reads integer nano-USD as the API writes them. Anything else is an error, never zero. */
export function readNanoUsd(text: string): bigint {
  if (!/^-?\d+$/.test(text)) throw new Error(`not an integer amount of nano-USD: ${text.slice(0, 40)}`)
  return BigInt(text)
}

/** Reads decimal USD (`"12.5"`) into nano-USD; null for what isn't one. Digits beyond nano are cut. */
export function readDecimalUsd(text: string): bigint | null {
  const match = /^(\d+)(?:\.(\d*))?$/.exec(text.trim())
  if (match === null) return null
  const fraction = (match[2] ?? '').slice(0, NANO_DIGITS).padEnd(NANO_DIGITS, '0')
  return BigInt(match[1] ?? '0') * NANO_PER_USD + BigInt(fraction)
}

/**
 * An amount to read at a glance: cents from a dollar up, four decimals from a cent up, and below that three significant
 * digits (`$0.000123`). Rounded half away from zero; an amount that isn't zero never reads as zero.
 */
export function formatUsd(nanoUsd: bigint): string {
  const magnitude = nanoUsd < 0n ? -nanoUsd : nanoUsd
  return sign(nanoUsd) + '$' + fixed(magnitude, decimalsFor(magnitude))
}

/** The amount to its last digit, with at least cents: `$0.000123456`. */
export function formatUsdExact(nanoUsd: bigint): string {
  const magnitude = nanoUsd < 0n ? -nanoUsd : nanoUsd
  const [whole = '0', fraction = ''] = fixed(magnitude, NANO_DIGITS).split('.')
  return `${sign(nanoUsd)}$${whole}.${fraction.replace(/0+$/, '').padEnd(2, '0')}`
}

/** An axis label, with as many decimals as the axis' step needs; only a number of dollars is at hand there. */
export function formatUsdAxis(usd: number, stepUsd: number): string {
  if (usd === 0) return '$0'
  if (stepUsd >= 1_000)
    return '$' + new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 2 }).format(usd)
  const needed = Math.max(0, Math.ceil(-Math.log10(stepUsd) - 1e-9))
  const decimals = Math.min(
    NANO_DIGITS,
    stepUsd * 10 ** needed === Math.round(stepUsd * 10 ** needed) ? needed : needed + 1,
  )
  return '$' + usd.toFixed(decimals === 1 ? 2 : decimals)
}

/** A count with thousands separators: `12,345`. */
export function formatCount(count: number): string {
  return new Intl.NumberFormat('en-US').format(count)
}

/** `1 request`, `12,345 requests`. */
export function formatRequests(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'request' : 'requests'}`
}

/** A count to read at a glance: as it is to 9,999, then `12.3K`, `4.56M`. */
export function formatCountShort(count: number): string {
  if (Math.abs(count) < 10_000) return formatCount(count)
  return new Intl.NumberFormat('en-US', { notation: 'compact', maximumSignificantDigits: 3 }).format(count)
}

/** `part` of `whole` in per cent: `12.3 %`; `<0.1 %` for a trace; `–` of nothing. */
export function formatShare(part: number, whole: number): string {
  if (whole === 0) return '–'
  const percent = (part / whole) * 100
  if (percent > 0 && percent < 0.1) return '<0.1 %'
  const isRound = percent === 0 || percent.toFixed(1) === '100.0'
  return `${percent.toFixed(isRound ? 0 : 1)} %`
}

/** `part / whole` as a number of per cent for drawing, without losing large amounts; 0 of nothing. */
export function percentOf(part: bigint, whole: bigint): number {
  return whole === 0n ? 0 : Number((part * 100_000n) / whole) / 1_000
}

/** A duration: `85 ms`, `1.24 s`, `2 min 5 s`; `–` for none. */
export function formatDuration(ms: number | null): string {
  if (ms === null) return '–'
  if (ms < 1_000) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / 1_000).toFixed(ms < 9_995 ? 2 : 1)} s`
  const seconds = Math.round(ms / 1_000)
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
}

/** Time of day in the viewer's zone; with the date when it wasn't on the day of `nowMs`. */
export function formatInstant(instantMs: number, nowMs: number): string {
  const instant = new Date(instantMs)
  const time = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium', hour12: false }).format(instant)
  if (instant.toDateString() === new Date(nowMs).toDateString()) return time
  return new Intl.DateTimeFormat(undefined, { month: 'short', day: 'numeric' }).format(instant) + ', ' + time
}

/** Date, time to the millisecond and zone, in the viewer's zone. */
export function formatInstantExact(instantMs: number): string {
  return new Intl.DateTimeFormat(undefined, {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    fractionalSecondDigits: 3,
    hour12: false,
    timeZoneName: 'short',
  }).format(new Date(instantMs))
}

function sign(nanoUsd: bigint): string {
  return nanoUsd < 0n ? '−' : ''
}

/** Decimals for a magnitude, decided after rounding would be, so that $0.99999 reads `$1.00`. */
function decimalsFor(magnitude: bigint): number {
  if (magnitude === 0n || magnitude >= 999_950_000n) return 2
  if (magnitude >= 9_995_000n) return 4
  const digits = magnitude.toString().length
  const decimals = NANO_DIGITS - digits + SMALL_AMOUNT_SIGNIFICANT_DIGITS
  return Math.min(NANO_DIGITS, decimals)
}

/** `magnitude` nano-USD as a decimal with `decimals` places (at most nine), grouped, rounded half up. */
function fixed(magnitude: bigint, decimals: number): string {
  const step = 10n ** BigInt(NANO_DIGITS - decimals)
  const units = (magnitude + step / 2n) / step
  const scale = 10n ** BigInt(decimals)
  const whole = new Intl.NumberFormat('en-US').format(units / scale)
  return `${whole}.${(units % scale).toString().padStart(decimals, '0')}`
}
