// The ledger's columns, once: how each is read from a usage event's JSON, and how each sum of a roll-up is computed from
// an event. The consumer, the reports and the reconciliation all build their SQL from these lists, so they can't differ.

/** Column of `usage_events` → where the value is in the event's JSON. */
export const EVENT_COLUMNS = {
  request_id: `value ->> 'requestId'`,
  attempt: `value ->> 'attempt'`,
  kind: `value ->> 'kind'`,
  started_at_ms: `value ->> 'startedAtMs'`,
  tenant_id: `value ->> 'tenantId'`,
  team_id: `value ->> 'teamId'`,
  key_id: `value ->> 'keyId'`,
  cost_center: `value ->> 'costCenter'`,
  end_user: `value ->> 'endUser'`,
  tags: `value -> 'tags'`,
  trace_id: `value ->> 'traceId'`,
  protocol: `value ->> 'protocol'`,
  streamed: `value ->> 'streamed'`,
  requested_model: `value ->> 'requestedModel'`,
  route: `value ->> 'route'`,
  target_id: `value ->> 'targetId'`,
  provider: `value ->> 'provider'`,
  model: `value ->> 'model'`,
  status: `value ->> 'status'`,
  ending: `value ->> 'ending'`,
  failure: `value ->> 'failure'`,
  cache: `value ->> 'cache'`,
  is_final: `value ->> 'isFinal'`,
  input_tokens: `value ->> '$.usage.input'`,
  cache_read_tokens: `value ->> '$.usage.cacheRead'`,
  cache_write_tokens: `value ->> '$.usage.cacheWrite'`,
  cache_write_long_tokens: `value ->> '$.usage.cacheWriteLong'`,
  output_tokens: `value ->> '$.usage.output'`,
  reasoning_tokens: `value ->> '$.usage.reasoning'`,
  audio_input_tokens: `value ->> '$.usage.audioInput'`,
  audio_output_tokens: `value ->> '$.usage.audioOutput'`,
  is_estimated: `value ->> 'isEstimated'`,
  cost_nano_usd: `value ->> 'costNanoUsd'`,
  saved_nano_usd: `value ->> 'savedNanoUsd'`,
  price_version: `value ->> 'priceVersion'`,
  latency_ms: `value ->> 'latencyMs'`,
  ttft_ms: `value ->> 'ttftMs'`,
} as const

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
