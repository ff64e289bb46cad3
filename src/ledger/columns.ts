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
  after_ms: 'afterMs',
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

/** What the sums are made of, as SQL: judgements of a row, and in which stretch of time it falls. */
interface Judgement {
  readonly isRequest: string
  readonly isError: string
  /** What a provider answered: how long that took says something of it. A reply from the cache doesn't. */
  readonly isAnswer: string
  readonly hasTtft: string
  readonly hasSpeed: string
  /** Whether the time of an answer is in the stretch of that number. */
  readonly isIn: (name: TimeName, at: number) => string
}

type TimeName = 'latency' | 'ttft'

// A request is counted once, on the attempt whose answer went to the client. A correction counts no request.
const IS_REQUEST = `(is_final AND kind = 'cost')`
const IS_ERROR = `(ending IN ('provider-cut', 'timed-out', 'failed', 'lost') OR (status >= 400 AND ending <> 'client-left'))`

/** The others by these two. */
function judgedBy(isRequest: string, isError: string): Omit<Judgement, 'isIn'> {
  const isAnswer = `(${isRequest} AND NOT ${isError} AND cache <> 'hit')`
  const hasTtft = `(${isAnswer} AND ttft_ms IS NOT NULL)`
  const hasSpeed = `(${isAnswer} AND coalesce(latency_ms > ttft_ms, 0))`
  return { isRequest, isError, isAnswer, hasTtft, hasSpeed }
}

/** Upper ends, in ms, of the stretches in which times are counted, the last without an end. Percentiles are read from the
 *  counts. They are names of columns: a change needs a migration. */
export const TIME_BOUNDS_MS = [
  100, 200, 300, 500, 750, 1000, 1500, 2000, 3000, 5000, 7500, 10_000, 15_000, 30_000, 60_000,
] as const

/** The columns that count the times of `name`, in the order of `TIME_BOUNDS_MS`, and one for what is beyond. */
export function timeColumns(name: TimeName): readonly string[] {
  return [...TIME_BOUNDS_MS.map((bound) => `${name}_to_${bound}`), `${name}_beyond`]
}

function timeCounts(name: TimeName, { isIn }: Judgement): Record<string, string> {
  return Object.fromEntries(timeColumns(name).map((column, at) => [column, isIn(name, at)]))
}

function sumsBy(judgement: Judgement): Readonly<Record<string, string>> {
  const { isRequest, isError, isAnswer, hasTtft, hasSpeed } = judgement
  return {
    requests: isRequest,
    errors: `(${isRequest} AND ${isError})`,
    cache_hits: `(${isRequest} AND cache = 'hit')`,
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
    latency_ms: `iif(${isAnswer}, latency_ms, 0)`,
    ttft_ms: `iif(${hasTtft}, ttft_ms, 0)`,
    // Tokens per second are the one by the other: what came after the first content, and how long that took.
    speed_tokens: `iif(${hasSpeed}, output_tokens + audio_output_tokens, 0)`,
    speed_ms: `iif(${hasSpeed}, latency_ms - ttft_ms, 0)`,
    ...timeCounts('latency', judgement),
    ...timeCounts('ttft', judgement),
  }
}

const INLINE = judgedBy(IS_REQUEST, IS_ERROR)

/** Summed column of `usage_hourly` and `usage_daily` → what one row of `usage_events` adds to it. */
export const ROLLUP_SUMS = sumsBy({
  ...INLINE,
  isIn: (name, at) => {
    const low = at === 0 ? [] : [`${name}_ms > ${TIME_BOUNDS_MS[at - 1]}`]
    const high = at === TIME_BOUNDS_MS.length ? [] : [`${name}_ms <= ${TIME_BOUNDS_MS[at]}`]
    return `(${[name === 'ttft' ? INLINE.hasTtft : INLINE.isAnswer, ...low, ...high].join(' AND ')})`
  },
})

const stretchOf = (name: TimeName, isCounted: string): string =>
  `CASE WHEN NOT ${isCounted} THEN -1 ${TIME_BOUNDS_MS.map((bound, at) => `WHEN ${name}_ms <= ${bound} THEN ${at}`).join(' ')}
    ELSE ${TIME_BOUNDS_MS.length} END`

const NAMED = judgedBy('is_request', 'is_error')

/** To follow a CTE `event` of rows of `usage_events`: `judged`, the same with what `JUDGED_SUMS` asks of them. Judged once
 *  they are summed in half the time, since most sums ask the same. */
export const JUDGED = `judged_first AS MATERIALIZED (SELECT *, ${IS_REQUEST} AS is_request, ${IS_ERROR} AS is_error FROM event),
  judged AS MATERIALIZED (SELECT *, ${NAMED.isAnswer} AS is_answer, ${NAMED.hasTtft} AS has_ttft, ${NAMED.hasSpeed} AS has_speed,
    ${stretchOf('latency', NAMED.isAnswer)} AS latency_at, ${stretchOf('ttft', NAMED.hasTtft)} AS ttft_at FROM judged_first)`

/** `ROLLUP_SUMS` for a row of `judged`. */
export const JUDGED_SUMS = sumsBy({
  isRequest: 'is_request',
  isError: 'is_error',
  isAnswer: 'is_answer',
  hasTtft: 'has_ttft',
  hasSpeed: 'has_speed',
  isIn: (name, at) => `(${name}_at = ${at})`,
})

/** Columns of `usage_events` that `JUDGED` and `JUDGED_SUMS` read, besides those of the dimensions. */
export const SUMMED_COLUMNS = [
  ...['attempt', 'kind', 'status', 'ending', 'cache', 'is_final', 'is_unpriced', 'latency_ms', 'ttft_ms'],
  ...['input_tokens', 'cache_read_tokens', 'cache_write_tokens', 'cache_write_long_tokens', 'output_tokens'],
  ...['reasoning_tokens', 'audio_input_tokens', 'audio_output_tokens', 'cost_nano_usd', 'saved_nano_usd'],
]

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
