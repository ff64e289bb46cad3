// What is sent to an OpenTelemetry collector, as far as it is used: the JSON form of OTLP. 64-bit integers are text, ids are
// hex, enums are numbers. https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding (read 2026-11-21)

export type OtlpValue =
  | { readonly stringValue: string }
  | { readonly intValue: string }
  | { readonly doubleValue: number }
  | { readonly boolValue: boolean }
  | { readonly arrayValue: { readonly values: readonly OtlpValue[] } }

export interface OtlpAttribute {
  readonly key: string
  readonly value: OtlpValue
}

/** What an attribute may be; null and undefined are left out. */
export type AttributeValue = string | number | bigint | boolean | readonly string[] | null | undefined

export const SPAN_KIND = { server: 2, client: 3 } as const
export const STATUS_ERROR = 2
const DELTA = 1

export interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly flags: number
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly OtlpAttribute[]
  readonly status: { readonly code?: number; readonly message?: string }
}

/** One series of a histogram over an interval. `bucketCounts` has one more than `explicitBounds`. */
export interface HistogramPoint {
  readonly attributes: readonly OtlpAttribute[]
  readonly startTimeUnixNano: string
  readonly timeUnixNano: string
  readonly count: string
  readonly sum: number
  readonly min: number
  readonly max: number
  readonly bucketCounts: readonly string[]
  readonly explicitBounds: readonly number[]
}

export interface SumPoint {
  readonly attributes: readonly OtlpAttribute[]
  readonly startTimeUnixNano: string
  readonly timeUnixNano: string
  readonly asDouble: number
}

export interface OtlpMetric {
  readonly name: string
  readonly description: string
  readonly unit: string
  readonly histogram?: { readonly aggregationTemporality: number; readonly dataPoints: readonly HistogramPoint[] }
  readonly sum?: {
    readonly aggregationTemporality: number
    readonly isMonotonic: true
    readonly dataPoints: readonly SumPoint[]
  }
}

/** Numbers that are counts (`bigint`) are integers to a collector; others are doubles, whole or not. */
export function attributesOf(values: Readonly<Record<string, AttributeValue>>): OtlpAttribute[] {
  return Object.entries(values).flatMap(([key, value]) => (value == null ? [] : [{ key, value: valueOf(value) }]))
}

function valueOf(value: NonNullable<AttributeValue>): OtlpValue {
  switch (typeof value) {
    case 'string':
      return { stringValue: value }
    case 'boolean':
      return { boolValue: value }
    case 'bigint':
      return { intValue: String(value) }
    case 'number':
      return { doubleValue: value }
    default:
      return { arrayValue: { values: value.map((stringValue) => ({ stringValue })) } }
  }
}

/** Epoch ms as nanoseconds, exact. */
export function nanos(ms: number): string {
  return String(BigInt(Math.round(ms)) * 1_000_000n)
}

/** A histogram's metric of what came to pass between two exports. */
export function deltaHistogram(head: MetricHead, dataPoints: readonly HistogramPoint[]): OtlpMetric {
  return { ...head, histogram: { aggregationTemporality: DELTA, dataPoints } }
}

/** The same for a sum that only grows. */
export function deltaSum(head: MetricHead, dataPoints: readonly SumPoint[]): OtlpMetric {
  return { ...head, sum: { aggregationTemporality: DELTA, isMonotonic: true, dataPoints } }
}

export type MetricHead = Pick<OtlpMetric, 'name' | 'description' | 'unit'>

const SCOPE = { name: 'tidegate' }

/** The body of a `/v1/traces` request. */
export function tracesBody(resource: readonly OtlpAttribute[], spans: readonly OtlpSpan[]): string {
  return JSON.stringify({
    resourceSpans: [{ resource: { attributes: resource }, scopeSpans: [{ scope: SCOPE, spans }] }],
  })
}

/** The body of a `/v1/metrics` request. */
export function metricsBody(resource: readonly OtlpAttribute[], metrics: readonly OtlpMetric[]): string {
  const scopeMetrics = [{ scope: SCOPE, metrics }]
  return JSON.stringify({ resourceMetrics: [{ resource: { attributes: resource }, scopeMetrics }] })
}
