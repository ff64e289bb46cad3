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
  credential: 'credential',
  plan: 'plan',
  is_unpriced: 'isUnpriced',
  units: 'usage.units',
  service_tier: 'usage.tier',
} as const

const FIELDS = Object.values(EVENT_COLUMNS).map((path) => path.split('.'))

/** The event's values in the order of `EVENT_COLUMNS`; a list or an object is JSON text. */
export function rowOf(event: JsonObject): readonly Json[] {
  return FIELDS.map(([field = '', bucket]) => {
    const value = event[field] ?? null
    if (bucket !== undefined) return isJsonObject(value) ? cellOf(value[bucket] ?? null) : null
    return cellOf(value)
  })
}

function cellOf(value: Json): Json {
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : value
}

/** Key column of `usage_hourly` and `usage_daily`, besides the time → its value for a row of `usage_events`. */
export const GROUP_DIMENSIONS = {
  tenant_id: `tenant_id`,
  team_id: `coalesce(team_id, '')`,
  key_id: `key_id`,
  cost_center: `coalesce(cost_center, '')`,
  provider: `coalesce(provider, '')`,
  model: `coalesce(model, '')`,
  route: `route`,
} as const

/** Key column of `usage_hourly` → its value for a row of `usage_events`. */
export const ROLLUP_DIMENSIONS = {
  hour_ms: `started_at_ms - started_at_ms % 3600000`,
  ...GROUP_DIMENSIONS,
} as const

// A request is counted once, on the attempt whose answer went to the client. A correction counts no request.
const IS_REQUEST = `(is_final AND kind = 'cost')`
const IS_ERROR = `(ending IN ('provider-cut', 'timed-out', 'failed', 'lost') OR (status >= 400 AND ending <> 'client-left'))`

// What a provider answered: how long that took says something of it. A reply from the cache doesn't.
const IS_ANSWER = `(${IS_REQUEST} AND NOT ${IS_ERROR} AND cache <> 'hit')`

/** Upper ends, in ms, of the stretches in which times are counted, the last without an end. Percentiles are read from the
 *  counts. They are names of columns: a change needs a migration. */
export const TIME_BOUNDS_MS = [
  100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 7500, 10_000, 15_000, 30_000, 60_000,
] as const

/** The columns that count the times of `name`, in the order of `TIME_BOUNDS_MS`, and one for what is beyond. */
export function timeColumns(name: 'latency' | 'ttft'): readonly string[] {
  return [...TIME_BOUNDS_MS.map((bound) => `${name}_to_${bound}`), `${name}_beyond`]
}

function timeCounts(name: 'latency' | 'ttft', of: string): Record<string, string> {
  const value = `${name}_ms`
  const counted = timeColumns(name).map((column, at) => {
    const low = at === 0 ? [] : [`${value} > ${TIME_BOUNDS_MS[at - 1]}`]
    const high = at === TIME_BOUNDS_MS.length ? [] : [`${value} <= ${TIME_BOUNDS_MS[at]}`]
    return [column, `(${[of, ...low, ...high].join(' AND ')})`] as const
  })
  return Object.fromEntries(counted)
}

const HAS_TTFT = `(${IS_ANSWER} AND ttft_ms IS NOT NULL)`
const HAS_SPEED = `(${IS_ANSWER} AND coalesce(latency_ms > ttft_ms, 0))`

/** Summed column of `usage_hourly` and `usage_daily` → what one row of `usage_events` adds to it. */
export const ROLLUP_SUMS: Readonly<Record<string, string>> = {
  requests: IS_REQUEST,
  errors: `(${IS_REQUEST} AND ${IS_ERROR})`,
  cache_hits: `(${IS_REQUEST} AND cache = 'hit')`,
  attempts: `(attempt > 0 AND kind = 'cost')`,
  unpriced: `(is_unpriced AND kind = 'cost')`,
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
  latency_ms: `iif(${IS_ANSWER}, latency_ms, 0)`,
  ttft_ms: `iif(${HAS_TTFT}, ttft_ms, 0)`,
  // Tokens per second are the one by the other: what came after the first content, and how long that took.
  speed_tokens: `iif(${HAS_SPEED}, output_tokens + audio_output_tokens, 0)`,
  speed_ms: `iif(${HAS_SPEED}, latency_ms - ttft_ms, 0)`,
  ...timeCounts('latency', IS_ANSWER),
  ...timeCounts('ttft', HAS_TTFT),
}

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
