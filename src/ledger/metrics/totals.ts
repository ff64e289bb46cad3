// What was served, by provider and model, since the ledger began: days that are over and the hours since, as reports read
// them, so that a scrape reads rows by the day and not by the hour.
import { IS_LIVE_KEY } from '../../core/routing/shadow.ts'
import { TIME_BOUNDS_MS, timeColumns } from '../columns.ts'
import { ledgerState, sourceOf } from '../report-source.ts'
import { type Family, type Labels, type Sample, usdOf } from './exposition.ts'

/** Pairs of provider and model that are told apart: those with most requests; all others together are `other`. */
export const PAIRS_MAX = 200
const HOUR_MS = 3_600_000
const OTHER: Labels = { provider: 'other', model: 'other' }

const COUNTS = [
  'requests',
  'errors',
  'cache_hits',
  'attempts',
  'unpriced',
  'input_tokens',
  'cache_read_tokens',
  'cache_write_tokens',
  'cache_write_long_tokens',
  'output_tokens',
  'reasoning_tokens',
  'audio_input_tokens',
  'audio_output_tokens',
  'latency_ms',
  'ttft_ms',
  ...timeColumns('latency'),
  ...timeColumns('ttft'),
] as const
const MONEY = ['cost_nano_usd', 'saved_nano_usd'] as const

/** Kinds of tokens; no token is of two. */
const TOKENS: readonly (readonly [type: string, ...columns: string[]])[] = [
  ['input', 'input_tokens'],
  ['cache_read', 'cache_read_tokens'],
  ['cache_write', 'cache_write_tokens', 'cache_write_long_tokens'],
  ['output', 'output_tokens'],
  ['reasoning', 'reasoning_tokens'],
  ['audio_input', 'audio_input_tokens'],
  ['audio_output', 'audio_output_tokens'],
]

type SumRow = Readonly<Record<string, string | number | null>>

interface Pair {
  readonly labels: Labels
  readonly row: SumRow
}

/** Families of requests, attempts, tokens, money and times. */
export async function totalFamilies(db: D1Database, nowMs: number): Promise<readonly Family[]> {
  const sums = [...COUNTS, ...MONEY]
  const query = {
    time: null,
    dimensions: ['provider', 'model', 'key_id'] as const,
    sums,
    withFeedback: false,
    isByKey: false,
  }
  // Up to the end of the hour that runs: then no single event has to be read.
  const toMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS + HOUR_MS
  const { sql, parameters } = sourceOf({ ...query, fromMs: 0, toMs }, await ledgerState(db))
  const columns = [
    ...COUNTS.map((name) => `sum(${name}) AS ${name}`),
    ...MONEY.map((name) => `CAST(sum(${name}) AS TEXT) AS ${name}`),
  ]
  const found = await db
    .prepare(
      `SELECT provider, model, ${columns.join(', ')} FROM (${sql})
       WHERE ${IS_LIVE_KEY}
       GROUP BY provider, model ORDER BY sum(requests) DESC, provider, model`,
    )
    .bind(...parameters)
    .all<SumRow>()
  return familiesOf(pairsOf(found.results))
}

function pairsOf(rows: readonly SumRow[]): readonly Pair[] {
  const pairs = rows.slice(0, PAIRS_MAX).map((row) => {
    return { labels: { provider: String(row['provider'] ?? ''), model: String(row['model'] ?? '') }, row }
  })
  const others = rows.slice(PAIRS_MAX)
  return others.length === 0 ? pairs : [...pairs, { labels: OTHER, row: others.reduce(added) }]
}

function added(a: SumRow, b: SumRow): SumRow {
  const counts = COUNTS.map((name) => [name, count(a, name) + count(b, name)] as const)
  const money = MONEY.map((name) => [name, String(BigInt(a[name] ?? 0) + BigInt(b[name] ?? 0))] as const)
  return Object.fromEntries<string | number>([...counts, ...money])
}

function count(row: SumRow, ...names: readonly string[]): number {
  return names.reduce((sum, name) => sum + Number(row[name] ?? 0), 0)
}

function familiesOf(pairs: readonly Pair[]): readonly Family[] {
  const counter = (name: string, help: string, samples: (pair: Pair) => readonly Sample[]): Family => {
    return { name, help, type: 'counter', samples: pairs.flatMap(samples) }
  }
  const of =
    (column: string) =>
    ({ labels, row }: Pair) => [{ labels, value: count(row, column) }]
  return [
    counter('tidegate_requests_total', 'Requests by outcome; no request has two.', requestSamples),
    counter('tidegate_attempts_total', 'Calls to providers.', of('attempts')),
    counter('tidegate_unpriced_attempts_total', 'Calls of models that have no price.', of('unpriced')),
    counter('tidegate_tokens_total', 'LLM tokens by type; no token is of two.', ({ labels, row }) =>
      TOKENS.map(([type, ...columns]) => ({ labels: { ...labels, type }, value: count(row, ...columns) })),
    ),
    counter('tidegate_cost_usd_total', 'What was charged.', ({ labels, row }) => [
      { labels, value: usdOf(row['cost_nano_usd'] ?? 0) },
    ]),
    counter('tidegate_saved_usd_total', 'What the reply cache spared.', ({ labels, row }) => [
      { labels, value: usdOf(row['saved_nano_usd'] ?? 0) },
    ]),
    times(
      'tidegate_request_duration_seconds',
      'Time to the end of requests that a provider answered.',
      'latency',
      pairs,
    ),
    times('tidegate_time_to_first_content_seconds', 'Time to the first content of streamed answers.', 'ttft', pairs),
  ]
}

/** A request that failed is none that was answered from the cache, whatever the cache had to do with it. */
function requestSamples({ labels, row }: Pair): readonly Sample[] {
  const [requests, failed] = [count(row, 'requests'), count(row, 'errors')]
  const cached = Math.min(count(row, 'cache_hits'), requests - failed)
  const outcomes = { answered: requests - failed - cached, cached, failed }
  return Object.entries(outcomes).map(([outcome, value]) => ({ labels: { ...labels, outcome }, value }))
}

function times(name: string, help: string, of: 'latency' | 'ttft', pairs: readonly Pair[]): Family {
  const columns = timeColumns(of)
  const samples = pairs.map(({ labels, row }) => {
    return { labels, counts: columns.map((column) => count(row, column)), sum: count(row, `${of}_ms`) / 1000 }
  })
  return { name, help, type: 'histogram', bounds: TIME_BOUNDS_MS.map((ms) => ms / 1000), samples }
}
