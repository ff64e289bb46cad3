// The time ranges on offer, and what the page is set to look at. The choice lives in the address (`#range=24h&by=model`),
// so a reload or a shared link shows the same view. Milliseconds throughout.
import type { UsageBucket } from '../api-types.ts'

export type RangeName = '1h' | '24h' | '7d' | '30d'
export type SpendDimension = 'model' | 'key' | 'team' | 'tenant'

export interface Range {
  readonly name: RangeName
  /** As in "spend in the last …". */
  readonly label: string
  readonly lengthMs: number
  /** Width of the buckets that the usage API is asked for. */
  readonly bucket: UsageBucket
}

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

export const RANGES: readonly Range[] = [
  { name: '1h', label: 'hour', lengthMs: HOUR_MS, bucket: 'hour' },
  { name: '24h', label: '24 hours', lengthMs: DAY_MS, bucket: 'hour' },
  { name: '7d', label: '7 days', lengthMs: 7 * DAY_MS, bucket: 'hour' },
  { name: '30d', label: '30 days', lengthMs: 30 * DAY_MS, bucket: 'day' },
]

export const SPEND_DIMENSIONS: readonly SpendDimension[] = ['model', 'key', 'team', 'tenant']

export interface View {
  readonly range: Range
  readonly dimension: SpendDimension
}

/** The view an address asks for; 24 hours by model where it asks for none or for one that doesn't exist. */
export function readView(hash: string): View {
  const asked = new URLSearchParams(hash.replace(/^#/, ''))
  const range = RANGES.find(({ name }) => name === asked.get('range')) ?? rangeNamed('24h')
  const dimension = SPEND_DIMENSIONS.find((name) => name === asked.get('by')) ?? 'model'
  return { range, dimension }
}

/** The address of a view. */
export function writeView({ range, dimension }: View): string {
  return `#range=${range.name}&by=${dimension}`
}

/** Width of a bucket. */
export function bucketMs(bucket: UsageBucket): number {
  return bucket === 'hour' ? HOUR_MS : DAY_MS
}

function rangeNamed(name: RangeName): Range {
  const found = RANGES.find((range) => range.name === name)
  if (found === undefined) throw new Error(`no range ${name}`)
  return found
}
