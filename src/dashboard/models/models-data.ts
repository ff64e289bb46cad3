// How each model of each provider does: from what it did for clients in a stretch of time, and from what is known of its
// targets (last probe, circuit breakers, switches). And two of them side by side. Pure.
import type { ApiTarget } from '../api-types.ts'
import { readNanoUsd } from '../parts/format.ts'

/** `GET /admin/reports?metrics=requests,errors,latency,tokens,spend,feedback&group_by=provider,model`, as far as it is read. */
export interface ApiModelReport {
  readonly rows: readonly ApiModelRow[]
}

interface ApiModelRow {
  /** Null for what reached none. */
  readonly provider: string | null
  readonly model: string | null
  readonly requests: number
  readonly errors: number
  readonly attempts: number
  readonly cache_hits: number
  readonly ttft_p50_ms: number | null
  readonly ttft_p95_ms: number | null
  readonly latency_p50_ms: number | null
  readonly latency_p95_ms: number | null
  readonly tokens_per_second: number | null
  readonly input_tokens: number
  readonly cache_read_tokens: number
  readonly cache_write_tokens: number
  readonly output_tokens: number
  readonly cost_nano_usd: string
  readonly feedback_count: number
  /** From −1 to 1. */
  readonly feedback_mean: number | null
}

/** `GET /admin/breakers` */
export interface ApiBreakers {
  readonly rows: readonly {
    readonly target: string
    readonly region: string
    readonly state: 'closed' | 'ramping' | 'open'
    readonly at_ms: number
  }[]
}

export const SWITCH_KINDS = ['model', 'provider', 'target', 'tenant', 'key'] as const
export type SwitchKind = (typeof SWITCH_KINDS)[number]

/** `GET /admin/switches` */
export interface ApiSwitches {
  readonly rows: readonly ApiSwitch[]
}

export interface ApiSwitch {
  readonly kind: SwitchKind
  readonly id: string
  readonly reason: string
  readonly since_ms: number
}

/** How a model stands: the worst that is known of it. `text` says it, `why` is the whole of it. */
export interface ModelState {
  readonly tone: 'good' | 'warn' | 'bad' | 'plain'
  readonly text: string
  readonly why: string
}

export interface ModelLine {
  /** `<provider>/<model>` */
  readonly id: string
  readonly provider: string
  readonly model: string
  readonly state: ModelState
  readonly requests: number
  /** Share of requests that failed; null for no requests. */
  readonly errorRate: number | null
  /** Calls that weren't the answer: retried, fallen back from, or outraced by another. */
  readonly otherCalls: number
  readonly calls: number
  readonly ttftP50Ms: number | null
  readonly ttftP95Ms: number | null
  readonly latencyP50Ms: number | null
  readonly latencyP95Ms: number | null
  readonly tokensPerSecond: number | null
  readonly tokens: number
  readonly costNanoUsd: bigint
  /** Null where there were no tokens. */
  readonly perThousandNanoUsd: bigint | null
  readonly feedbackCount: number
  readonly feedbackMean: number | null
}

interface Source {
  readonly report: ApiModelReport
  readonly targets: readonly ApiTarget[]
  readonly breakers: ApiBreakers | null
  readonly switches: ApiSwitches | null
}

/** Failing more than this is worth a word. */
const ERROR_RATE_WARNED = 0.05

/** A line for every model that was asked, and for every one that a target names; the most asked first. */
export function modelLines({ report, targets, breakers, switches }: Source): readonly ModelLine[] {
  const rows = new Map<string, ApiModelRow>()
  for (const target of targets) {
    if (target.model !== '*') rows.set(`${target.provider}/${target.model}`, { ...UNASKED, ...pick(target) })
  }
  for (const row of report.rows) {
    if (row.provider !== null && row.model !== null) rows.set(`${row.provider}/${row.model}`, row)
  }
  const lines = [...rows].map(([id, row]): ModelLine => {
    const provider = row.provider ?? ''
    const model = row.model ?? ''
    const own = targets.filter((one) => one.provider === provider && (one.model === '*' || one.model === model))
    const errorRate = row.requests === 0 ? null : row.errors / row.requests
    const tokens = row.input_tokens + row.cache_read_tokens + row.cache_write_tokens + row.output_tokens
    const costNanoUsd = readNanoUsd(row.cost_nano_usd)
    return {
      ...{ id, provider, model, requests: row.requests, errorRate, tokens, costNanoUsd },
      state: stateOf({ provider, model, own, breakers, switches, errorRate }),
      calls: row.attempts,
      otherCalls: Math.max(0, row.attempts - (row.requests - row.cache_hits)),
      ttftP50Ms: row.ttft_p50_ms,
      ttftP95Ms: row.ttft_p95_ms,
      latencyP50Ms: row.latency_p50_ms,
      latencyP95Ms: row.latency_p95_ms,
      tokensPerSecond: row.tokens_per_second,
      perThousandNanoUsd: tokens === 0 ? null : (costNanoUsd * 1000n) / BigInt(tokens),
      feedbackCount: row.feedback_count,
      feedbackMean: row.feedback_mean,
    }
  })
  return lines.sort((a, b) => b.requests - a.requests || (a.id < b.id ? -1 : 1))
}

const UNASKED: Omit<ApiModelRow, 'provider' | 'model'> = {
  ...{ requests: 0, errors: 0, attempts: 0, cache_hits: 0, tokens_per_second: null },
  ...{ ttft_p50_ms: null, ttft_p95_ms: null, latency_p50_ms: null, latency_p95_ms: null },
  ...{ input_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, output_tokens: 0, cost_nano_usd: '0' },
  ...{ feedback_count: 0, feedback_mean: null },
}

function pick({ provider, model }: ApiTarget): Pick<ApiModelRow, 'provider' | 'model'> {
  return { provider, model }
}

interface Known {
  readonly provider: string
  readonly model: string
  readonly own: readonly ApiTarget[]
  readonly breakers: ApiBreakers | null
  readonly switches: ApiSwitches | null
  readonly errorRate: number | null
}

function stateOf({ provider, model, own, breakers, switches, errorRate }: Known): ModelState {
  const off = switches?.rows.find(({ kind, id }) => {
    return (kind === 'provider' && id === provider) || (kind === 'model' && id === model)
  })
  if (off !== undefined) return { tone: 'bad', text: 'switched off', why: off.reason }
  const names = new Set(own.map(({ id }) => id))
  const ofTargets = switches?.rows.filter(({ kind, id }) => kind === 'target' && names.has(id)) ?? []
  const [target] = ofTargets
  if (target !== undefined) {
    const isAll = ofTargets.length === own.length
    return {
      tone: isAll ? 'bad' : 'warn',
      text: isAll ? 'switched off' : `${ofTargets.length} of ${own.length} targets off`,
      why: target.reason,
    }
  }
  const notes = breakers?.rows.filter((row) => names.has(row.target)) ?? []
  const open = notes.find(({ state }) => state === 'open')
  if (open !== undefined) {
    return { tone: 'bad', text: 'circuit open', why: `${open.target} isn’t called in ${placeOf(open.region)}` }
  }
  const ramping = notes.find(({ state }) => state === 'ramping')
  if (ramping !== undefined) {
    return { tone: 'warn', text: 'coming back', why: `${ramping.target} gets its traffic back bit by bit` }
  }
  const failed = own.find(({ probe }) => probe?.ok === false)
  if (failed !== undefined)
    return { tone: 'warn', text: 'probe failed', why: `${failed.id}: ${failed.probe?.saw ?? ''}` }
  if (errorRate === null) return { tone: 'plain', text: 'no traffic', why: 'Nothing was asked of it in this range.' }
  if (errorRate > ERROR_RATE_WARNED)
    return { tone: 'warn', text: 'failing', why: 'More than 5 % of its requests failed.' }
  return { tone: 'good', text: 'healthy', why: 'No breaker is open, and less than 5 % of its requests failed.' }
}

function placeOf(region: string): string {
  return region === '' ? 'one region' : region
}

/** One thing that two models are compared in. */
export interface Comparison {
  readonly name: string
  readonly hint: string
  readonly kind: 'count' | 'share' | 'ms' | 'speed' | 'money' | 'score'
  readonly first: number | bigint | null
  readonly second: number | bigint | null
  /** Which is better; null where that can't be said. */
  readonly better: 'first' | 'second' | null
}

/** Fewer requests than these say little. */
export const REQUESTS_TELLING = 30

/** Two models, metric by metric. */
export function compareModels(a: ModelLine, b: ModelLine): readonly Comparison[] {
  const row = (
    [name, hint, kind]: readonly [string, string, Comparison['kind']],
    of: (line: ModelLine) => number | bigint | null,
    wanted: 'lower' | 'higher' | 'either',
  ): Comparison => {
    const [first, second] = [of(a), of(b)]
    return { name, hint, kind, first, second, better: betterOf(first, second, wanted) }
  }
  return [
    row(['Requests', 'answers to clients', 'count'], (line) => line.requests, 'either'),
    row(['Errors', 'of requests', 'share'], (line) => line.errorRate, 'lower'),
    row(['Other calls', 'retried, fallen back from or outraced', 'share'], otherShare, 'lower'),
    row(['First token', 'median', 'ms'], (line) => line.ttftP50Ms, 'lower'),
    row(['First token', '95 of 100 are sooner', 'ms'], (line) => line.ttftP95Ms, 'lower'),
    row(['Whole answer', 'median', 'ms'], (line) => line.latencyP50Ms, 'lower'),
    row(['Whole answer', '95 of 100 are sooner', 'ms'], (line) => line.latencyP95Ms, 'lower'),
    row(['Tokens per second', 'after the first', 'speed'], (line) => line.tokensPerSecond, 'higher'),
    row(['Cost per 1K tokens', 'input and output as they came', 'money'], (line) => line.perThousandNanoUsd, 'lower'),
    row(['Spend', 'all together', 'money'], (line) => line.costNanoUsd, 'either'),
    row(['Feedback', 'mean, from −1 to 1', 'score'], (line) => line.feedbackMean, 'higher'),
    row(['Opinions', 'that were given', 'count'], (line) => line.feedbackCount, 'either'),
  ]
}

function otherShare({ otherCalls, calls }: ModelLine): number | null {
  return calls === 0 ? null : otherCalls / calls
}

function betterOf(
  first: number | bigint | null,
  second: number | bigint | null,
  wanted: 'lower' | 'higher' | 'either',
): Comparison['better'] {
  if (first === null || second === null || first === second || wanted === 'either') return null
  return first < second === (wanted === 'lower') ? 'first' : 'second'
}

/** The second beside the first, in per cent of it; null where that says nothing. */
export function changePercent({ first, second }: Pick<Comparison, 'first' | 'second'>): number | null {
  if (first === null || second === null || Number(first) <= 0 || Number(second) < 0) return null
  return (100 * (Number(second) - Number(first))) / Number(first)
}
