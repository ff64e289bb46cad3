// The ledger's columns, once: where each is in a usage event, and how each sum of a roll-up is computed from a row of
// events. The consumer, the reports and the reconciliation all build their SQL from these lists, so they can't differ.
import { type Json, type JsonObject, isJsonObject } from '../core/json.ts'

/** Column of `usage_events` → the event's field; `usage.…` for one of its buckets. */
export const EVENT_COLUMNS = {
  request_id: 'requestId',
  attempt: 'attempt',
  kind: 'kind',
  started_at_ms: 'startedAtMs',
  tenant_id: 'tenantId',
  team_id: 'teamId',
  key_id: 'keyId',
  cost_center: 'costCenter',
  end_user: 'endUser',
  tags: 'tags',
  trace_id: 'traceId',
  protocol: 'protocol',
  streamed: 'streamed',
  requested_model: 'requestedModel',
  route: 'route',
  target_id: 'targetId',
  provider: 'provider',
  model: 'model',
  status: 'status',
  ending: 'ending',
  failure: 'failure',
  cache: 'cache',
  is_final: 'isFinal',
  input_tokens: 'usage.input',
  cache_read_tokens: 'usage.cacheRead',
  cache_write_tokens: 'usage.cacheWrite',
  cache_write_long_tokens: 'usage.cacheWriteLong',
  output_tokens: 'usage.output',
  reasoning_tokens: 'usage.reasoning',
  audio_input_tokens: 'usage.audioInput',
  audio_output_tokens: 'usage.audioOutput',
  is_estimated: 'isEstimated',
  cost_nano_usd: 'costNanoUsd',
  saved_nano_usd: 'savedNanoUsd',
  price_version: 'priceVersion',
  latency_ms: 'latencyMs',
  ttft_ms: 'ttftMs',
  plan: 'plan',
} as const

const FIELDS = Object.values(EVENT_COLUMNS).map((path) => path.split('.'))

/** The event's values in the order of `EVENT_COLUMNS`; a list is JSON text. */
export function rowOf(event: JsonObject): readonly Json[] {
  return FIELDS.map(([field = '', bucket]) => {
    const value = event[field] ?? null
    if (bucket !== undefined) return isJsonObject(value) ? (value[bucket] ?? null) : null
    return Array.isArray(value) ? JSON.stringify(value) : value
  })
}

/** Key column of `usage_hourly` → its value for a row of `usage_events`. */
export const ROLLUP_DIMENSIONS = {
  hour_ms: `started_at_ms - started_at_ms % 3600000`,
  tenant_id: `tenant_id`,
  team_id: `coalesce(team_id, '')`,
  key_id: `key_id`,
  cost_center: `coalesce(cost_center, '')`,
  provider: `coalesce(provider, '')`,
  model: `coalesce(model, '')`,
} as const

// A request is counted once, on the attempt whose answer went to the client. A correction counts no request.
const IS_REQUEST = `(is_final AND kind = 'cost')`
const IS_ERROR = `(ending IN ('provider-cut', 'timed-out', 'failed', 'lost') OR (status >= 400 AND ending <> 'client-left'))`

/** Summed column of `usage_hourly` → what one row of `usage_events` adds to it. */
export const ROLLUP_SUMS = {
  requests: IS_REQUEST,
  errors: `(${IS_REQUEST} AND ${IS_ERROR})`,
  cache_hits: `(${IS_REQUEST} AND cache = 'hit')`,
  attempts: `(attempt > 0 AND kind = 'cost')`,
  input_tokens: `input_tokens`,
  cache_read_tokens: `cache_read_tokens`,
  cache_write_tokens: `cache_write_tokens`,
  cache_write_long_tokens: `cache_write_long_tokens`,
  output_tokens: `output_tokens`,
  reasoning_tokens: `reasoning_tokens`,
  audio_input_tokens: `audio_input_tokens`,
  audio_output_tokens: `audio_output_tokens`,
  cost_nano_usd: `cost_nano_usd`,
  saved_nano_usd: `saved_nano_usd`,
} as const

/** `name → expression` pairs as a SQL select list. */
export function selectList(columns: Readonly<Record<string, string>>): string {
  return Object.entries(columns)
    .map(([name, expression]) => `${expression} AS ${name}`)
    .join(', ')
}

/** The same, each expression summed over its group. */
export function sumList(columns: Readonly<Record<string, string>>): string {
  return Object.entries(columns)
    .map(([name, expression]) => `sum(${expression}) AS ${name}`)
    .join(', ')
}
