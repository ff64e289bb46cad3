// Metrics out of usage events, as deltas: what a batch adds. An isolate that comes and goes has no totals to tell. Seconds,
// tokens, USD. A bounded number of series.
import type { UsageEvent } from '../../core/money/usage-event.ts'
import { completionTokens, promptTokens } from '../../core/money/usage.ts'
import { errorOf, operationOf, providerOf } from './gen-ai.ts'
import {
  type MetricHead,
  type OtlpAttribute,
  type OtlpMetric,
  attributesOf,
  deltaHistogram,
  deltaSum,
  nanos,
} from './otlp.ts'
import { firstChunkSeconds } from './spans.ts'

/** Bounds that the conventions name for tokens and for seconds. */
const TOKEN_BOUNDS = [
  1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
] as const
const SECOND_BOUNDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92] as const

const NANO = 1e9

const METRICS = {
  tokens: histogram('gen_ai.client.token.usage', '{token}', 'Number of input and output tokens used.', TOKEN_BOUNDS),
  duration: histogram('gen_ai.client.operation.duration', 's', 'GenAI operation duration.', SECOND_BOUNDS),
  firstChunk: histogram(
    'gen_ai.client.operation.time_to_first_chunk',
    's',
    'Time to receive the first chunk of a streamed answer.',
    SECOND_BOUNDS,
  ),
  requests: histogram('tidegate.request.duration', 's', 'Duration of a request, over all attempts.', SECOND_BOUNDS),
  cost: sum('tidegate.cost', 'USD', 'What attempts cost.'),
  saved: sum('tidegate.cost.saved', 'USD', 'What answers from the reply cache spared.'),
  promptCache: sum(
    'tidegate.prompt_cache.tokens',
    '{token}',
    'Input tokens read from, or written to, a provider’s cache.',
  ),
} as const

type MetricName = keyof typeof METRICS

interface Instrument extends MetricHead {
  /** Missing for a sum. */
  readonly bounds?: readonly number[]
}

function histogram(name: string, unit: string, description: string, bounds: readonly number[]): Instrument {
  return { name, unit, description, bounds }
}

function sum(name: string, unit: string, description: string): Instrument {
  return { name, unit, description }
}

interface Series {
  readonly attributes: readonly OtlpAttribute[]
  count: number
  sum: number
  min: number
  max: number
  readonly buckets: number[]
}

/** Series of the metrics of one export. */
export type Measures = ReadonlyMap<MetricName, ReadonlyMap<string, Series>>

/** What names may be told: the first so many that come, `other` in place of any further one. A client names models. */
export class BoundedNames {
  readonly #known = new Set<string>()
  readonly #most: number

  constructor(most: number) {
    this.#most = most
  }

  of(name: string): string {
    if (this.#known.has(name)) return name
    if (this.#known.size >= this.#most) return 'other'
    this.#known.add(name)
    return name
  }
}

/** Bounds of what an isolate tells apart, for its life. */
export interface KnownNames {
  readonly models: BoundedNames
  readonly tenants: BoundedNames
}

const MODELS_MAX = 200
const TENANTS_MAX = 500

export function knownNames(): KnownNames {
  return { models: new BoundedNames(MODELS_MAX), tenants: new BoundedNames(TENANTS_MAX) }
}

/** What events add. Corrections are left out: a delta can't take back. */
export function measure(events: readonly UsageEvent[], known: KnownNames): Measures {
  const all = new Map<MetricName, Map<string, Series>>()
  const add: Add = (metric, attributes, value) => addTo(all, metric, attributesOf(attributes), value)
  for (const event of events) {
    if (event.kind !== 'cost') continue
    if (event.attempt > 0) addAttempt(event, known, add)
    if (event.isFinal) addRequest(event, known, add)
  }
  return all
}

type Add = (metric: MetricName, attributes: Parameters<typeof attributesOf>[0], value: number) => void

function addAttempt(event: UsageEvent, known: KnownNames, add: Add): void {
  const { usage } = event
  const call = {
    'gen_ai.operation.name': operationOf(event.protocol),
    'gen_ai.provider.name': providerOf(event.provider ?? ''),
    'gen_ai.request.model': known.models.of(event.model ?? ''),
  }
  const seconds = Math.max(0, event.latencyMs - (event.afterMs ?? 0)) / 1000
  add('duration', { ...call, 'error.type': errorOf(event) }, seconds)
  const firstSeconds = firstChunkSeconds(event)
  if (firstSeconds !== null) add('firstChunk', call, firstSeconds)
  const [input, output] = [promptTokens(usage), completionTokens(usage)]
  if (input > 0) add('tokens', { ...call, 'gen_ai.token.type': 'input' }, input)
  if (output > 0) add('tokens', { ...call, 'gen_ai.token.type': 'output' }, output)
  const written = usage.cacheWrite + usage.cacheWriteLong
  if (usage.cacheRead > 0) add('promptCache', { ...call, 'tidegate.prompt_cache.use': 'read' }, usage.cacheRead)
  if (written > 0) add('promptCache', { ...call, 'tidegate.prompt_cache.use': 'write' }, written)
  if (event.costNanoUsd > 0) {
    add('cost', { ...call, 'tidegate.tenant.id': known.tenants.of(event.tenantId) }, event.costNanoUsd / NANO)
  }
}

function addRequest(event: UsageEvent, known: KnownNames, add: Add): void {
  const facts = {
    'gen_ai.operation.name': operationOf(event.protocol),
    'tidegate.cache': event.cache,
    'http.response.status_code': BigInt(event.status),
    'error.type': errorOf(event),
  }
  add('requests', facts, event.latencyMs / 1000)
  if (event.savedNanoUsd === 0) return
  add('saved', { 'tidegate.tenant.id': known.tenants.of(event.tenantId) }, event.savedNanoUsd / NANO)
}

function addTo(
  all: Map<MetricName, Map<string, Series>>,
  metric: MetricName,
  attributes: readonly OtlpAttribute[],
  value: number,
): void {
  const { bounds = [] } = METRICS[metric]
  const series = all.get(metric) ?? new Map<string, Series>()
  all.set(metric, series)
  const key = JSON.stringify(attributes)
  const one = series.get(key) ?? { ...EMPTY, attributes, buckets: Array.from({ length: bounds.length + 1 }, () => 0) }
  series.set(key, one)
  one.count += 1
  one.sum += value
  one.min = Math.min(one.min, value)
  one.max = Math.max(one.max, value)
  // A bound belongs to the bucket below it.
  const at = bounds.findIndex((bound) => value <= bound)
  const bucket = at === -1 ? bounds.length : at
  one.buckets[bucket] = (one.buckets[bucket] ?? 0) + 1
}

const EMPTY = { count: 0, sum: 0, min: Infinity, max: -Infinity } as const

/** The metrics to send, for the time from one export to the next. */
export function metricsOf(measures: Measures, fromMs: number, toMs: number): readonly OtlpMetric[] {
  const time = { startTimeUnixNano: nanos(fromMs), timeUnixNano: nanos(toMs) }
  return [...measures].map(([metric, series]) => {
    const { bounds, ...head } = METRICS[metric]
    const all = [...series.values()]
    if (bounds === undefined) {
      return deltaSum(
        head,
        all.map((one) => ({ attributes: one.attributes, ...time, asDouble: one.sum })),
      )
    }
    return deltaHistogram(
      head,
      all.map(({ attributes, count, buckets, sum: total, min, max }) => ({
        attributes,
        ...time,
        count: String(count),
        sum: total,
        min,
        max,
        bucketCounts: buckets.map(String),
        explicitBounds: bounds,
      })),
    )
  })
}
