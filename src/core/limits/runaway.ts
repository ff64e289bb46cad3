// Whether somebody spends far beyond their own habits: a loop at three in the morning. The rate of the last minutes, as a
// moving average, is held against the busiest hour of the last days. Money is nano-USD, in integers; times are epoch ms.
// State is a handful of numbers, however much is spent.
import type { LimitScope } from '../failure.ts'
import type { RunawayAction, RunawayRule } from './limit-policy.ts'

/** What is known of one spender's habits. Mutable plain data; persisted. */
export interface Watch {
  readonly id: string
  readonly scope: LimitScope
  readonly ownerId: string
  rule: RunawayRule
  /** The running minute, counted from the epoch; null before anything was spent. */
  minute: number | null
  /** Settled in it. */
  spentNanoUsd: number
  /** Moving average of whole minutes, per minute. */
  recentNanoUsd: number
  /** Whole minutes of the running hour, and what was usual of what was spent in them. Hours begin with the first spending. */
  hourMinutes: number
  hourNanoUsd: number
  /** Of the busiest hour, per minute; fades. */
  baselineNanoUsd: number
  /** An hour has passed: there is a baseline. */
  hasBaseline: boolean
  /** Since when spending runs away; null while it doesn't. */
  episode: { readonly sinceMs: number; readonly perMinuteNanoUsd: number } | null
}

/** Told once for each time that somebody's spending runs away. */
export interface RunawayAlert {
  readonly scope: LimitScope
  readonly ownerId: string
  readonly action: RunawayAction
  /** What is spent, at the rate of the last minutes … */
  readonly perHourNanoUsd: number
  /** … beside the busiest hour of the last days … */
  readonly baselinePerHourNanoUsd: number
  /** … and what would have been too much. */
  readonly thresholdPerHourNanoUsd: number
  readonly atMs: number
}

const MINUTE_MS = 60_000
const MINUTES_PER_HOUR = 60
/** A minute's weight in the moving average: two minutes of fifty times the usual make more than twenty times. */
const RECENT_SHARE = 4
/** In so many hours the busiest hour counts half. */
const HALF_LIFE_HOURS = 72
/** Somebody who was away for so long begins anew. */
const FORGOTTEN_MINUTES = 14 * 24 * 60
/** An episode ends when the rate has fallen under this share of the threshold … */
const CALM_SHARE = 0.5
/** … and, where spending was stopped, no sooner than after this. */
const STOP_MS = 3_600_000

/** Nothing is known yet: for an hour from the first spending there is nothing to hold it against. */
export function newWatch(scope: LimitScope, ownerId: string, rule: RunawayRule): Watch {
  return {
    id: `${scope}:${ownerId}`,
    scope,
    ownerId,
    rule,
    minute: null,
    spentNanoUsd: 0,
    recentNanoUsd: 0,
    hourMinutes: 0,
    hourNanoUsd: 0,
    baselineNanoUsd: 0,
    hasBaseline: false,
    episode: null,
  }
}

/** Another rule for the same habits. What was stopped or slowed down by the one before goes on. */
export function rerule(watch: Watch, rule: RunawayRule): void {
  watch.rule = rule
  watch.episode = null
}

/** Takes in what was settled. Returns the alert if this is where it runs away: one an episode. */
export function spend(watch: Watch, nanoUsd: number, nowMs: number): RunawayAlert | null {
  if (watch.minute === null && nanoUsd === 0) return null
  turn(watch, nowMs)
  watch.spentNanoUsd += nanoUsd
  if (watch.episode !== null || !watch.hasBaseline) return null
  const threshold = thresholdOf(watch)
  const rate = Math.max(watch.recentNanoUsd, averaged(watch.recentNanoUsd, watch.spentNanoUsd))
  if (rate <= threshold) return null
  watch.episode = { sinceMs: nowMs, perMinuteNanoUsd: threshold }
  return {
    scope: watch.scope,
    ownerId: watch.ownerId,
    action: watch.rule.action,
    perHourNanoUsd: rate * MINUTES_PER_HOUR,
    baselinePerHourNanoUsd: watch.baselineNanoUsd * MINUTES_PER_HOUR,
    thresholdPerHourNanoUsd: threshold * MINUTES_PER_HOUR,
    atMs: nowMs,
  }
}

/** Brings a watch to `nowMs`. Time running backwards changes nothing. Returns whether a minute ended. */
export function turn(watch: Watch, nowMs: number): boolean {
  const minute = Math.floor(nowMs / MINUTE_MS)
  if (watch.minute === null) {
    watch.minute = minute
    return true
  }
  const passed = minute - watch.minute
  if (passed <= 0) return false
  endMinute(watch, nowMs)
  if (passed > FORGOTTEN_MINUTES) Object.assign(watch, newWatch(watch.scope, watch.ownerId, watch.rule))
  else passIdle(watch, passed - 1, nowMs)
  watch.minute = minute
  watch.spentNanoUsd = 0
  return true
}

/** What a slowdown leaves. */
export interface Gate {
  readonly action: Exclude<RunawayAction, 'alert'>
  /** What may be spent in this minute beyond what is held. */
  readonly roomNanoUsd: number
  readonly perMinuteNanoUsd: number
  /** How long until there is more. */
  readonly waitMs: number
}

/** What may be spent while spending is slowed down or stopped; null where nothing is the matter. Slowed down, one request a
 *  minute passes whatever it costs. */
export function gate(watch: Watch, heldNanoUsd: number, nowMs: number): Gate | null {
  turn(watch, nowMs)
  const { episode, rule } = watch
  if (episode === null || rule.action === 'alert') return null
  if (rule.action === 'stop') {
    const waitMs = Math.max(MINUTE_MS, episode.sinceMs + STOP_MS - nowMs)
    return { action: rule.action, roomNanoUsd: 0, perMinuteNanoUsd: 0, waitMs }
  }
  const { perMinuteNanoUsd } = episode
  const taken = watch.spentNanoUsd + heldNanoUsd
  const roomNanoUsd = taken === 0 ? Number.MAX_SAFE_INTEGER : Math.max(0, perMinuteNanoUsd - taken)
  return { action: rule.action, roomNanoUsd, perMinuteNanoUsd, waitMs: MINUTE_MS - (nowMs % MINUTE_MS) }
}

/** The rate beyond which it is a runaway, per minute. */
export function thresholdOf({ rule, baselineNanoUsd }: Watch): number {
  return Math.max(Math.ceil(rule.factor * baselineNanoUsd), Math.ceil(rule.minNanoUsdPerHour / MINUTES_PER_HOUR))
}

function endMinute(watch: Watch, nowMs: number): void {
  watch.recentNanoUsd = averaged(watch.recentNanoUsd, watch.spentNanoUsd)
  learn(watch, usual(watch), 1)
  calmDown(watch, nowMs)
}

/** Minutes without spending. */
function passIdle(watch: Watch, minutes: number, nowMs: number): void {
  if (minutes === 0) return
  watch.recentNanoUsd = Math.floor(watch.recentNanoUsd * (1 - 1 / RECENT_SHARE) ** minutes)
  learn(watch, 0, minutes)
  calmDown(watch, nowMs)
}

/** How much of a minute's spending is taken for usual: nothing beyond the threshold, and while it is slowed down or stopped
 *  nothing beyond the baseline, so that a loop doesn't become a habit. */
function usual(watch: Watch): number {
  if (!watch.hasBaseline) return watch.spentNanoUsd
  const isHeld = watch.episode !== null && watch.rule.action !== 'alert'
  return Math.min(watch.spentNanoUsd, isHeld ? watch.baselineNanoUsd : thresholdOf(watch))
}

function learn(watch: Watch, nanoUsd: number, minutes: number): void {
  watch.hourNanoUsd += nanoUsd
  watch.hourMinutes += minutes
  if (watch.hourMinutes < MINUTES_PER_HOUR) return
  const hours = Math.floor(watch.hourMinutes / MINUTES_PER_HOUR)
  const latest = Math.round(watch.hourNanoUsd / MINUTES_PER_HOUR)
  const fade = (of: number, by: number): number => Math.round(of * 2 ** (-by / HALF_LIFE_HOURS))
  watch.baselineNanoUsd = fade(Math.max(fade(watch.baselineNanoUsd, 1), latest), hours - 1)
  watch.hourMinutes %= MINUTES_PER_HOUR
  watch.hourNanoUsd = 0
  watch.hasBaseline = true
}

function calmDown(watch: Watch, nowMs: number): void {
  const { episode, rule } = watch
  if (episode === null) return
  const isOver = rule.action !== 'stop' || nowMs >= episode.sinceMs + STOP_MS
  if (isOver && watch.recentNanoUsd < thresholdOf(watch) * CALM_SHARE) watch.episode = null
}

function averaged(before: number, minute: number): number {
  return before + Math.trunc((minute - before) / RECENT_SHARE)
}
