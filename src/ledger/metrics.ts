// The ledger's totals as Prometheus text. They are read from D1, not counted in an isolate: isolates come and go.

interface ModelTotals {
  readonly provider: string
  readonly model: string
  readonly requests: number
  readonly errors: number
  readonly cache_hits: number
  readonly attempts: number
  readonly input: number
  readonly cache_read: number
  readonly cache_write: number
  readonly output: number
  readonly reasoning: number
  readonly cost: string
  readonly saved: string
}

/** More series than this would drown a scraper; the largest by requests are shown. */
const MODELS_MAX = 500

const TOTALS = `SELECT provider, model, sum(requests) AS requests, sum(errors) AS errors, sum(cache_hits) AS cache_hits,
    sum(attempts) AS attempts, sum(input_tokens + audio_input_tokens) AS input, sum(cache_read_tokens) AS cache_read,
    sum(cache_write_tokens + cache_write_long_tokens) AS cache_write, sum(output_tokens + audio_output_tokens) AS output,
    sum(reasoning_tokens) AS reasoning, CAST(sum(cost_nano_usd) AS TEXT) AS cost,
    CAST(sum(saved_nano_usd) AS TEXT) AS saved
  FROM usage_hourly GROUP BY provider, model ORDER BY sum(requests) DESC LIMIT ${MODELS_MAX}`

const TOKEN_TYPES = ['input', 'cache_read', 'cache_write', 'output', 'reasoning'] as const

/** All totals in the Prometheus text format 0.0.4. Money in nano-USD, exact. */
export async function metricsText(db: D1Database): Promise<string> {
  const [totals, letters] = await Promise.all([
    db.prepare(TOTALS).all<ModelTotals>(),
    db
      .prepare(`SELECT count(*) AS waiting FROM dead_letters WHERE replayed_at_ms IS NULL`)
      .first<{ waiting: number }>(),
  ])
  const rows = totals.results
  return [
    ...series(rows, 'tidegate_requests_total', 'Requests answered.', (row) => row.requests),
    ...series(rows, 'tidegate_errors_total', 'Requests that ended in an error.', (row) => row.errors),
    ...series(rows, 'tidegate_cache_hits_total', 'Requests answered from the reply cache.', (row) => row.cache_hits),
    ...series(rows, 'tidegate_attempts_total', 'Calls to providers.', (row) => row.attempts),
    ...series(rows, 'tidegate_cost_nano_usd_total', 'Cost in nano-USD.', (row) => row.cost),
    ...series(
      rows,
      'tidegate_saved_nano_usd_total',
      'Cost spared by the reply cache, in nano-USD.',
      (row) => row.saved,
    ),
    ...tokenSeries(rows),
    '# HELP tidegate_dead_letters Usage messages that wait for an operator.',
    '# TYPE tidegate_dead_letters gauge',
    `tidegate_dead_letters ${letters?.waiting ?? 0}`,
    '',
  ].join('\n')
}

function series(
  rows: readonly ModelTotals[],
  name: string,
  help: string,
  value: (row: ModelTotals) => number | string,
): string[] {
  return [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} counter`,
    ...rows.map((row) => `${name}{${labels(row)}} ${value(row)}`),
  ]
}

function tokenSeries(rows: readonly ModelTotals[]): string[] {
  return [
    '# HELP tidegate_tokens_total LLM tokens by type; no token is in two types.',
    '# TYPE tidegate_tokens_total counter',
    ...rows.flatMap((row) =>
      TOKEN_TYPES.map((type) => `tidegate_tokens_total{${labels(row)},type="${type}"} ${row[type]}`),
    ),
  ]
}

function labels(row: ModelTotals): string {
  return `provider="${escapeLabel(row.provider)}",model="${escapeLabel(row.model)}"`
}

function escapeLabel(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}
