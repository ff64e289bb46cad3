// A data point of Workers Analytics Engine for each attempt, where a dataset is bound. Of more attempts than an invocation may
// write, some stand for all: each point says for how many. Limits:
// https://developers.cloudflare.com/analytics/analytics-engine/limits/ (read 2026-11-21)
import type { UsageEvent } from '../../core/money/usage-event.ts'
import { completionTokens, promptTokens } from '../../core/money/usage.ts'
import { errorOf } from './gen-ai.ts'

export interface DataPoint {
  readonly indexes: [string]
  readonly blobs: string[]
  readonly doubles: number[]
}

/** The part of a dataset that is used. */
export interface Dataset {
  writeDataPoint(point: DataPoint): void
}

const POINTS_MAX = 25
const INDEX_BYTES_MAX = 96
const BLOB_CHARS_MAX = 250

/** Writes the attempts among `events`, and requests that needed none. Costs no time: the platform takes it from there. */
export function writeDataPoints(dataset: Dataset, events: readonly UsageEvent[]): void {
  const counted = events.filter(({ kind }) => kind === 'cost')
  const written = Math.min(counted.length, POINTS_MAX)
  const weight = counted.length / Math.max(written, 1)
  for (let at = 0; at < written; at++) {
    const event = counted[Math.floor(at * weight)]
    if (event !== undefined) dataset.writeDataPoint(pointOf(event, weight))
  }
}

/**
 * index1: tenant. blob1…: provider, model, route, protocol, cache, error, ending, target, key, team, cost centre, request id.
 * double1…: for how many it stands, latency ms, ms to the first content (-1 for none), input tokens, output tokens, tokens
 * read from a provider's cache, nano-USD, nano-USD saved, status, attempt, whether it is the final one.
 */
function pointOf(event: UsageEvent, weight: number): DataPoint {
  const names = [
    event.provider,
    event.model,
    event.route,
    event.protocol,
    event.cache,
    errorOf(event),
    event.ending,
    event.targetId,
    event.keyId,
    event.teamId,
    event.costCenter,
    event.requestId,
  ]
  return {
    indexes: [event.tenantId.slice(0, INDEX_BYTES_MAX)],
    blobs: names.map((name) => (name ?? '').slice(0, BLOB_CHARS_MAX)),
    doubles: [
      weight,
      event.latencyMs,
      event.ttftMs ?? -1,
      promptTokens(event.usage),
      completionTokens(event.usage),
      event.usage.cacheRead,
      event.costNanoUsd,
      event.savedNanoUsd,
      event.status,
      event.attempt,
      event.isFinal ? 1 : 0,
    ],
  }
}
