// A token bucket whose units can be out on lease. Units are LLM tokens, time is epoch ms. Law: in any interval of length
// t, at most capacity + rate × t units are admitted, leases, expiries and refusals included (level + outstanding never
// exceeds the capacity, and only refill raises that sum).

/** How a bucket is set: capacity in units, rate in units per ms. */
export interface BucketRule {
  readonly capacity: number
  readonly perMs: number
}

/** A bucket's state. `outstanding` units are leased out: neither free to grant nor spent. */
export interface Bucket {
  readonly level: number
  readonly outstanding: number
  readonly atMs: number
}

/** A full bucket. */
export function fullBucket(rule: BucketRule, nowMs: number): Bucket {
  return { level: rule.capacity, outstanding: 0, atMs: nowMs }
}

/** The bucket at `nowMs`. Time running backwards refills nothing. Refill stops at capacity − outstanding. */
export function refilled(bucket: Bucket, rule: BucketRule, nowMs: number): Bucket {
  const elapsedMs = nowMs - bucket.atMs
  if (elapsedMs <= 0) return bucket
  const ceiling = Math.max(bucket.level, rule.capacity - bucket.outstanding)
  return { ...bucket, level: Math.min(ceiling, bucket.level + elapsedMs * rule.perMs), atMs: nowMs }
}

/** Leases `units` out. Whether they are there is the caller's to check: a refusal changes nothing by not calling. */
export function lent(bucket: Bucket, units: number): Bucket {
  return { ...bucket, level: bucket.level - units, outstanding: bucket.outstanding + units }
}

/** `units` of those outstanding were spent; what was spent beyond the outstanding is owed by the level. */
export function spent(bucket: Bucket, units: number, fromOutstanding: number): Bucket {
  return {
    ...bucket,
    outstanding: bucket.outstanding - fromOutstanding,
    level: bucket.level - (units - fromOutstanding),
  }
}

/** `units` outstanding came back unused. */
export function handedBack(bucket: Bucket, units: number): Bucket {
  return { ...bucket, level: bucket.level + units, outstanding: bucket.outstanding - units }
}

/** `units` outstanding will never come back: forgotten, not refunded. */
export function forgotten(bucket: Bucket, units: number): Bucket {
  return { ...bucket, outstanding: bucket.outstanding - units }
}

/** Fits a bucket to a changed rule without giving or taking more than the new capacity demands. */
export function reruled(bucket: Bucket, rule: BucketRule): Bucket {
  return { ...bucket, level: Math.min(bucket.level, Math.max(0, rule.capacity - bucket.outstanding)) }
}

/** How long until `units` are free, in whole ms rounded up; null when they never will be (more than the capacity). */
export function waitMs(bucket: Bucket, rule: BucketRule, units: number): number | null {
  if (units > rule.capacity) return null
  if (units <= bucket.level) return 0
  return Math.ceil((units - bucket.level) / rule.perMs)
}
