// A token bucket whose units can be out on lease. Units are LLM tokens, time is epoch ms. Law: in any interval of length
// t, at most capacity + rate × t units are admitted, leases, expiries and refusals included (level + outstanding never
// exceeds the capacity, and only refill raises that sum). What was spent beyond what was lent is owed: the level goes below zero, and
// nothing is lent until it is paid back. Integers only: looking at a bucket can't change what it admits.

/** How a bucket is set, in whole units. */
export interface BucketRule {
  readonly capacity: number
  readonly perMinute: number
}

const MS_PER_MINUTE = 60_000

/** A bucket's state. `outstanding` units are leased out: neither free to grant nor spent. */
export interface Bucket {
  readonly level: number
  /** What has been refilled of the next unit, in 1/60000 of it. */
  readonly fraction: number
  readonly outstanding: number
  readonly atMs: number
}

/** A full bucket. */
export function fullBucket(rule: BucketRule, nowMs: number): Bucket {
  return { level: rule.capacity, fraction: 0, outstanding: 0, atMs: nowMs }
}

/** The bucket at `nowMs`. Time running backwards refills nothing. Refill stops at capacity − outstanding. */
export function refilled(bucket: Bucket, rule: BucketRule, nowMs: number): Bucket {
  const elapsedMs = nowMs - bucket.atMs
  if (elapsedMs <= 0) return bucket
  const ceiling = Math.max(bucket.level, rule.capacity - bucket.outstanding)
  const parts = bucket.fraction + elapsedMs * rule.perMinute
  const level = bucket.level + Math.floor(parts / MS_PER_MINUTE)
  if (level >= ceiling) return { ...bucket, level: ceiling, fraction: 0, atMs: nowMs }
  return { ...bucket, level, fraction: parts % MS_PER_MINUTE, atMs: nowMs }
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
  const ceiling = Math.max(0, rule.capacity - bucket.outstanding)
  return bucket.level < ceiling ? bucket : { ...bucket, level: Math.min(bucket.level, ceiling), fraction: 0 }
}

/** How long until `units` are free, in whole ms rounded up; null when they never will be (more than the capacity). Exact
 *  while nothing is outstanding; what is may keep the bucket from filling up. */
export function waitMs(bucket: Bucket, rule: BucketRule, units: number): number | null {
  if (units > rule.capacity) return null
  return partsWaitMs(lackingParts(bucket, units), rule.perMinute)
}

/** What has to be refilled before `units` are there, in 1/60000 of a unit; not above zero where they are. */
export function lackingParts(bucket: Bucket, units: number): number {
  return (units - bucket.level) * MS_PER_MINUTE - bucket.fraction
}

/** How long the refill of so many 1/60000 of a unit takes, in whole ms rounded up. */
export function partsWaitMs(parts: number, perMinute: number): number {
  return Math.max(0, Math.ceil(parts / perMinute))
}

/** What refilling takes of `units` more, in the same measure. */
export function partsOf(units: number): number {
  return units * MS_PER_MINUTE
}
