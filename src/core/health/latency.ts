// How long a target takes to its first content, watched in two averages: a fast one that follows the last seconds and a slow
// one that remembers the last minutes. Where the fast one runs away, the target has become slow, and where its siblings
// haven't, it is the target's doing. Pure. Times in ms.

/** Latencies of one target. */
export interface Latency {
  /** Half of it is from the last ten seconds. */
  readonly fastMs: number
  /** Half of it is from the last five minutes. */
  readonly slowMs: number
  readonly count: number
  readonly atMs: number
}

/** What a target becomes slow by, and how much it is spared then. */
export const LATENCY = {
  fastHalfLifeMs: 10_000,
  slowHalfLifeMs: 300_000,
  /** Fewer measurements say nothing. */
  countMin: 20,
  /** Slow: the fast average is more than so many times the slow one … */
  risen: 3,
  /** … and more than so many times the median of the siblings. */
  aboveSiblings: 2,
  /** Even the slowest keeps so much of its traffic: without it nobody would know when it is fast again. */
  shareMin: 0.02,
  /** After so long a silence a target has to be tried to be known. */
  knownMs: 120_000,
} as const

/** Takes one measurement in. Time running backwards is no time. */
export function afterLatency(before: Latency | null, ms: number, nowMs: number): Latency {
  if (before === null || nowMs - before.atMs > LATENCY.knownMs) return { fastMs: ms, slowMs: ms, count: 1, atMs: nowMs }
  const count = before.count + 1
  const elapsedMs = Math.max(0, nowMs - before.atMs)
  return {
    fastMs: followed(before.fastMs, ms, weightOf(elapsedMs, LATENCY.fastHalfLifeMs, count)),
    slowMs: followed(before.slowMs, ms, weightOf(elapsedMs, LATENCY.slowHalfLifeMs, count)),
    count,
    atMs: Math.max(before.atMs, nowMs),
  }
}

/** Whether the fast average has run away from the slow one: what there is to know without the siblings. */
export function hasRisen(latency: Latency, nowMs: number): boolean {
  if (latency.count < LATENCY.countMin || nowMs - latency.atMs > LATENCY.knownMs) return false
  return latency.fastMs > LATENCY.risen * latency.slowMs
}

/**
 * The share of its traffic that each member of a pool keeps: 1 but for those that have become slow, which keep less the
 * slower they are and get it back as they get faster. At most half of the pool is spared, the slowest first. Null: a member
 * of which nothing is known; it keeps its share.
 */
export function keptShares(pool: readonly (Latency | null)[], nowMs: number): readonly number[] {
  const shares = pool.map(() => 1)
  const slow = pool
    .flatMap((latency, index) => {
      if (latency === null || !hasRisen(latency, nowMs)) return []
      const median = medianOf(pool.flatMap((other, at) => (other === null || at === index ? [] : [other.fastMs])))
      return median !== null && latency.fastMs > LATENCY.aboveSiblings * median ? [{ index, latency, median }] : []
    })
    .toSorted((a, b) => b.latency.fastMs - a.latency.fastMs)
  for (const { index, latency, median } of slow.slice(0, Math.floor(pool.length / 2))) {
    shares[index] = Math.max(LATENCY.shareMin, median / latency.fastMs)
  }
  return shares
}

/** The latencies of the last calls. */
export interface Recent {
  readonly ms: number[]
  next: number
}

const RECENT_MAX = 100
/** Of fewer, nobody knows what is late. */
const RECENT_MIN = 20

/** Keeps one, in place of the oldest. */
export function keepRecent(recent: Recent, ms: number): void {
  recent.ms[recent.next] = ms
  recent.next = (recent.next + 1) % RECENT_MAX
}

/** What 95 of 100 took no longer than; null for too few. */
export function p95Of({ ms }: Recent): number | null {
  if (ms.length < RECENT_MIN) return null
  const sorted = ms.toSorted((a, b) => a - b)
  return sorted[Math.ceil(0.95 * sorted.length) - 1] ?? null
}

/** At first a plain average, then one that forgets by time. */
function weightOf(elapsedMs: number, halfLifeMs: number, count: number): number {
  return Math.max(1 - 2 ** (-elapsedMs / halfLifeMs), count <= LATENCY.countMin ? 1 / count : 0)
}

function followed(before: number, ms: number, weight: number): number {
  return before + weight * (ms - before)
}

function medianOf(values: readonly number[]): number | null {
  if (values.length === 0) return null
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const [low, high] = [sorted[middle - 1], sorted[middle]]
  if (high === undefined) return null
  return sorted.length % 2 === 1 || low === undefined ? high : (low + high) / 2
}
