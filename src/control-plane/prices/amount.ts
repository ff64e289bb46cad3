// Money and prices as they are written by people: decimal text, in and out, without a float in between.

const DECIMAL = /^([0-9]{1,9})(?:\.([0-9]{1,9}))?$/
const NANO_PER_USD = 1_000_000_000n

/** Largest amount, in USD, that is exact in nano-USD as a JS number, rounded down. */
export const AMOUNT_USD_MAX = 9_000_000

/** Decimal USD as integer nano-USD; null for anything but plain decimal text of at most nine decimals and at most
 *  `AMOUNT_USD_MAX`. */
export function readUsd(text: string): number | null {
  const nano = readDecimal(text, 9)
  return nano !== null && nano <= AMOUNT_USD_MAX * 1_000_000_000 ? nano : null
}

/** USD per million tokens as integer pico-USD per token; null for anything but plain decimal text of at most six
 *  decimals and at most a million USD. */
export function readUsdPerMillion(text: string): number | null {
  const pico = readDecimal(text, 6)
  return pico !== null && pico <= 1_000_000_000_000 ? pico : null
}

/** Nano-USD as decimal USD with at least two decimals: 12500000000 is `12.50`. */
export function writeUsd(nanoUsd: number): string {
  const nano = BigInt(nanoUsd)
  const decimals = String(nano % NANO_PER_USD).padStart(9, '0')
  return `${nano / NANO_PER_USD}.${decimals.replace(/0{1,7}$/, '')}`
}

/** Per cents with a sign as integer basis points (1 % is 100); null for anything but decimal text of at most two decimals
 *  from -100 to 1000. */
export function readBasisPoints(text: string): number | null {
  const isNegative = text.startsWith('-')
  const points = readDecimal(isNegative ? text.slice(1) : text, 2)
  if (points === null || points > (isNegative ? 10_000 : 100_000)) return null
  return isNegative && points > 0 ? -points : points
}

function readDecimal(text: string, decimals: number): number | null {
  const found = DECIMAL.exec(text)
  const fraction = found?.[2] ?? ''
  if (found === null || fraction.length > decimals) return null
  const scaled = BigInt(`${found[1]}${fraction.padEnd(decimals, '0')}`)
  return scaled <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(scaled) : null
}
