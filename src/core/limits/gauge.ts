// The state of one limit: a bucket, a count of slots, or a budget in its window. What is lent, spent, handed back or lost
// of it, by the rule of its kind: money that nobody accounts for is presumed spent, rates are forgotten without refund,
// slots are free again. Mutable plain data. Times are epoch ms.
import type { Resource } from './amounts.ts'
import type { LimitScope } from '../failure.ts'
import type { BudgetLimit, Denial, Limit, LimiterNode, RateLimit, SlotLimit } from './limits.ts'
import {
  type Bucket,
  type BucketRule,
  forgotten,
  fullBucket,
  handedBack,
  lackingParts,
  lent,
  refilled,
  reruled,
  spent,
  waitMs,
} from './token-bucket.ts'
import { type Window, periodName, windowAt } from './window.ts'

/** Whose limit it is. */
export interface GaugeOwner {
  readonly scope: LimitScope
  readonly ownerId: string
  readonly model: string | null
}

export interface RateGauge extends GaugeOwner {
  readonly kind: 'rate'
  readonly id: string
  limit: RateLimit
  bucket: Bucket
}

export interface SlotGauge extends GaugeOwner {
  readonly kind: 'slots'
  readonly id: string
  limit: SlotLimit
  held: number
}

export interface BudgetGauge extends GaugeOwner {
  readonly kind: 'budget'
  readonly id: string
  limit: BudgetLimit
  window: Window
  spentNanoUsd: number
  heldNanoUsd: number
  /** Alerts that were given in this window. */
  alertedPercent: readonly number[]
}

export type Gauge = RateGauge | SlotGauge | BudgetGauge

/** What one report changes of one limit. */
export interface Move {
  readonly settled: number
  /** Of what was exposed: paid for by the grant. */
  readonly covered: number
  readonly released: number
}

/** Budgets of which less than this share is left are shared out by need only; slots sooner, since a slot kept by one
 *  isolate is missed by another at once. */
const TAIL_BELOW = 0.1
const TAIL_BELOW_SLOTS = 0.5
/** How long running attempts may take to make room: nobody knows. */
const SLOT_RETRY_MS = 1_000

/** The name of a node within its tenant. */
export function nodeId(scope: LimitScope, ownerId: string, model: string | null): string {
  return model === null ? `${scope}:${ownerId}` : `${scope}:${ownerId}/${model}`
}

/** The name of a limit within its tenant. */
export function gaugeId(node: LimiterNode, limit: Limit): string {
  return `${nodeId(node.scope, node.id, node.model)}#${limitName(limit)}`
}

function limitName(limit: Limit): string {
  if (limit.kind === 'rate') return limit.unit
  return limit.kind === 'slots' ? 'slots' : periodName(limit.period)
}

/** Which resource it limits. */
export function resourceOf(gauge: Gauge): Resource {
  if (gauge.kind === 'rate') return gauge.limit.unit
  return gauge.kind === 'slots' ? 'slots' : 'nanoUsd'
}

/** A limit of which nothing is used yet. */
export function newGauge(node: LimiterNode, limit: Limit, timeZone: string, nowMs: number): Gauge {
  const owner = { id: gaugeId(node, limit), scope: node.scope, ownerId: node.id, model: node.model }
  switch (limit.kind) {
    case 'rate':
      return { kind: 'rate', ...owner, limit, bucket: fullBucket(bucketRule(limit, nowMs), nowMs) }
    case 'slots':
      return { kind: 'slots', ...owner, limit, held: 0 }
    case 'budget': {
      const window = windowAt(limit.period, timeZone, nowMs)
      return { kind: 'budget', ...owner, limit, window, spentNanoUsd: 0, heldNanoUsd: 0, alertedPercent: [] }
    }
  }
}

/** Fits a gauge to a changed limit of its kind. */
export function relimit(gauge: Gauge, limit: Limit, nowMs: number): void {
  if (gauge.kind === 'rate' && limit.kind === 'rate') {
    advance(gauge, '', nowMs)
    gauge.limit = limit
    gauge.bucket = reruled(gauge.bucket, bucketRule(limit, nowMs))
  } else if (gauge.kind === 'slots' && limit.kind === 'slots') gauge.limit = limit
  else if (gauge.kind === 'budget' && limit.kind === 'budget') rebudget(gauge, limit, nowMs)
}

/** Of a budget that was raised, the shares that are less than used again are told anew when they are. */
function rebudget(gauge: BudgetGauge, limit: BudgetLimit, nowMs: number): void {
  const wasRaised = limit.amountNanoUsd > gauge.limit.amountNanoUsd
  gauge.limit = limit
  if (!wasRaised) return
  const most = gauge.spentNanoUsd + gauge.heldNanoUsd
  gauge.alertedPercent = gauge.alertedPercent.filter((percent) => most >= (sizeOf(limit, nowMs) * percent) / 100)
}

/** Brings a gauge to `nowMs`: refills a bucket, begins a budget's next window. Returns whether a window began: what was
 *  spent or held in the one before no longer counts. */
export function advance(gauge: Gauge, timeZone: string, nowMs: number): boolean {
  if (gauge.kind === 'rate') gauge.bucket = bucketAt(gauge.bucket, gauge.limit, nowMs)
  if (gauge.kind !== 'budget' || nowMs < gauge.window.endMs) return false
  beginAnew(gauge, timeZone, nowMs)
  return true
}

export function beginAnew(gauge: BudgetGauge, timeZone: string, nowMs: number): void {
  gauge.window = windowAt(gauge.limit.period, timeZone, nowMs)
  gauge.spentNanoUsd = 0
  gauge.heldNanoUsd = 0
  gauge.alertedPercent = []
}

/** How much may be granted of it; negative when more is out than the limit has become. */
export function roomOf(gauge: Gauge, nowMs: number): number {
  if (gauge.kind === 'rate') return gauge.bucket.level
  if (gauge.kind === 'slots') return sizeOf(gauge.limit, nowMs) - gauge.held
  return sizeOf(gauge.limit, nowMs) - gauge.spentNanoUsd - gauge.heldNanoUsd
}

/** Whether little enough is left that holders should keep nothing ahead. */
export function isTail(gauge: Gauge, nowMs: number): boolean {
  const share = gauge.kind === 'slots' ? TAIL_BELOW_SLOTS : TAIL_BELOW
  return roomOf(gauge, nowMs) < sizeOf(gauge.limit, nowMs) * share
}

/** Lends `units` out. Whether they are there is the caller's to check. */
export function lend(gauge: Gauge, units: number): void {
  if (gauge.kind === 'rate') gauge.bucket = lent(gauge.bucket, units)
  else if (gauge.kind === 'slots') gauge.held += units
  else gauge.heldNanoUsd += units
}

/** Takes a report in, as far as it is about this limit. */
export function move(gauge: Gauge, { settled, covered, released }: Move): void {
  if (gauge.kind === 'rate') gauge.bucket = handedBack(spent(gauge.bucket, settled, covered), released)
  else if (gauge.kind === 'slots') gauge.held -= covered + released
  else {
    gauge.spentNanoUsd += settled
    gauge.heldNanoUsd -= covered + released
  }
}

/** Rates lent to nobody who lives are not refunded. `atMs`: when they ran out, before anything is refilled beyond. */
export function forget(gauge: RateGauge, units: number, atMs: number): void {
  gauge.bucket = forgotten(bucketAt(gauge.bucket, gauge.limit, atMs), units)
}

/** A limit's size at `nowMs`, in its own unit: of a rate, the capacity of its bucket. */
export function sizeOf(limit: Limit, nowMs: number): number {
  if (limit.kind === 'rate') return bucketRule(limit, nowMs).capacity
  return (limit.kind === 'slots' ? limit.most : limit.amountNanoUsd) + raised(limit, nowMs)
}

/** The bucket that a rate is at `nowMs`. */
export function bucketRule(limit: RateLimit, nowMs: number): BucketRule {
  const by = raised(limit, nowMs)
  return { capacity: (limit.burst ?? limit.perMinute) + by, perMinute: limit.perMinute + by }
}

function raised({ increase }: Limit, nowMs: number): number {
  return increase !== null && nowMs < increase.untilMs ? increase.by : 0
}

/** Refilled to `nowMs`; where an increase ran out in between, at the higher rate until then and at the lower since. */
function bucketAt(bucket: Bucket, limit: RateLimit, nowMs: number): Bucket {
  const untilMs = limit.increase?.untilMs ?? null
  const isOver = untilMs !== null && bucket.atMs < untilMs && nowMs >= untilMs
  const from = isOver ? lowered(bucket, limit, untilMs) : bucket
  return refilled(from, bucketRule(limit, nowMs), nowMs)
}

function lowered(bucket: Bucket, limit: RateLimit, untilMs: number): Bucket {
  return reruled(refilled(bucket, bucketRule(limit, bucket.atMs), untilMs), bucketRule(limit, untilMs))
}

/** The refusal of `units` that are not there. */
export function denialOf(gauge: Gauge, units: number, nowMs: number): Denial {
  const { scope, model } = gauge
  const by = { scope, model, left: Math.max(0, roomOf(gauge, nowMs)) }
  switch (gauge.kind) {
    case 'rate': {
      const { unit } = gauge.limit
      const { perMinute: limitPerMinute, capacity: size } = bucketRule(gauge.limit, nowMs)
      const resetAfterMs = fullAfterMs(gauge, nowMs)
      const retryAfterMs = rateWaitMs(gauge, units, nowMs)
      const isSteady = (gauge.limit.increase?.untilMs ?? 0) <= nowMs
      const lacking = isSteady && retryAfterMs !== null ? { lacking: lackingParts(gauge.bucket, units) } : {}
      return { kind: 'rate', ...by, unit, limitPerMinute, size, resetAfterMs, retryAfterMs, ...lacking }
    }
    case 'slots':
      return { kind: 'slots', ...by, most: sizeOf(gauge.limit, nowMs), retryAfterMs: SLOT_RETRY_MS }
    case 'budget': {
      const { period } = gauge.limit
      const { endMs: resetsAtMs } = gauge.window
      const limitNanoUsd = sizeOf(gauge.limit, nowMs)
      const retryAfterMs = units > sizeOf(gauge.limit, resetsAtMs) ? null : resetsAtMs - nowMs
      return { kind: 'budget', ...by, limitNanoUsd, period, resetsAtMs, retryAfterMs }
    }
  }
}

/** How long a bucket takes to fill up, if nothing is taken from it and what is lent comes back unused or is spent. */
export function fullAfterMs(gauge: RateGauge, nowMs: number): number {
  const untilMs = gauge.limit.increase?.untilMs ?? nowMs
  return rateWaitMs(gauge, bucketRule(gauge.limit, nowMs).capacity, nowMs) ?? untilMs - nowMs
}

function rateWaitMs({ bucket, limit }: RateGauge, units: number, nowMs: number): number | null {
  const wait = waitMs(bucket, bucketRule(limit, nowMs), units)
  const untilMs = limit.increase?.untilMs ?? 0
  if (nowMs >= untilMs || (wait !== null && nowMs + wait < untilMs)) return wait
  const rest = waitMs(lowered(bucket, limit, untilMs), bucketRule(limit, untilMs), units)
  return rest === null ? null : untilMs - nowMs + rest
}
