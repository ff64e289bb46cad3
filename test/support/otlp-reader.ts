// Reads what is sent to a collector by the protocol's own definitions, as a collector does: whatever they don't know, or know
// as another type, is an error. Ids are hex in JSON and bytes on the wire, where the usual mapping has base64.
import otlp from '@opentelemetry/otlp-transformer/build/src/generated/root.js'
import * as z from 'zod/mini'

const TRACES_TYPE = typeNamed('opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest')
const METRICS_TYPE = typeNamed('opentelemetry.proto.collector.metrics.v1.ExportMetricsServiceRequest')

const IDS = new Set(['traceId', 'spanId', 'parentSpanId'])

const VALUE = z.object({
  stringValue: z.optional(z.string()),
  intValue: z.optional(z.string()),
  doubleValue: z.optional(z.number()),
  boolValue: z.optional(z.boolean()),
  arrayValue: z.optional(z.object({ values: z.array(z.object({ stringValue: z.string() })) })),
})
const ATTRIBUTES = z.pipe(
  z.array(z.object({ key: z.string(), value: VALUE })),
  z.transform((list): Readonly<Record<string, unknown>> => {
    return Object.fromEntries(list.map(({ key, value }) => [key, Object.values(value)[0]]))
  }),
)
const SPAN = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.optional(z.string()),
  name: z.string(),
  kind: z.number(),
  flags: z.number(),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes: ATTRIBUTES,
  status: z.object({ code: z.optional(z.number()), message: z.optional(z.string()) }),
})
const POINT = z.object({
  attributes: ATTRIBUTES,
  startTimeUnixNano: z.string(),
  timeUnixNano: z.string(),
  count: z.optional(z.string()),
  sum: z.optional(z.number()),
  min: z.optional(z.number()),
  max: z.optional(z.number()),
  asDouble: z.optional(z.number()),
  bucketCounts: z.optional(z.array(z.string())),
  explicitBounds: z.optional(z.array(z.number())),
})
const POINTS = z.object({ aggregationTemporality: z.number(), dataPoints: z.array(POINT) })
const METRIC = z.object({
  name: z.string(),
  unit: z.string(),
  histogram: z.optional(POINTS),
  sum: z.optional(POINTS),
})
const RESOURCE = z.object({ attributes: ATTRIBUTES })
const TRACES = z.object({
  resourceSpans: z.array(z.object({ resource: RESOURCE, scopeSpans: z.array(z.object({ spans: z.array(SPAN) })) })),
})
const METRICS = z.object({
  resourceMetrics: z.array(
    z.object({ resource: RESOURCE, scopeMetrics: z.array(z.object({ metrics: z.array(METRIC) })) }),
  ),
})

export type ReadSpan = z.infer<typeof SPAN>
export type ReadMetric = z.infer<typeof METRIC>

/** The spans of a `/v1/traces` body. Throws for what isn't one. */
export function readSpans(body: string): readonly ReadSpan[] {
  const { resourceSpans } = TRACES.parse(throughProto(TRACES_TYPE, body))
  return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
}

/** The metrics of a `/v1/metrics` body. Throws for what isn't one. */
export function readMetrics(body: string): readonly ReadMetric[] {
  const { resourceMetrics } = METRICS.parse(throughProto(METRICS_TYPE, body))
  return resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics))
}

interface MessageType {
  fromObject(object: { [k: string]: unknown }): object
  encode(message: object): { finish(): Uint8Array }
  decode(bytes: Uint8Array): object
  toObject(message: object, options: object): { [k: string]: unknown }
}

function typeNamed(path: string): MessageType {
  let found: unknown = otlp
  for (const name of path.split('.')) {
    const isObject = typeof found === 'object' && found !== null
    found = isObject || typeof found === 'function' ? Reflect.get(Object(found), name) : undefined
  }
  if (!isMessageType(found)) throw new Error(`the definitions have no ${path}`)
  return found
}

function isMessageType(value: unknown): value is MessageType {
  return typeof value === 'function' && 'fromObject' in value && 'encode' in value && 'decode' in value
}

/** The body after a journey as protobuf, which has to leave it as it was. */
function throughProto(type: MessageType, body: string): unknown {
  const given = z.record(z.string(), z.unknown()).parse(JSON.parse(body))
  const mapped = z.record(z.string(), z.unknown()).parse(withIds(given, 'hex', 'base64'))
  const read = type.decode(type.encode(type.fromObject(mapped)).finish())
  const back = withIds(type.toObject(read, { longs: String, bytes: String, enums: Number }), 'base64', 'hex')
  if (canonical(back) !== canonical(given))
    throw new Error(`not OTLP:\n${canonical(given)}\nread as\n${canonical(back)}`)
  return back
}

function withIds(value: unknown, from: BufferEncoding, to: BufferEncoding): unknown {
  if (Array.isArray(value)) return value.map((item) => withIds(item, from, to))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      const isId = IDS.has(key) && typeof member === 'string'
      return [key, isId ? Buffer.from(member, from).toString(to) : withIds(member, from, to)]
    }),
  )
}

/** JSON with members in the order of their names. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => {
    if (typeof member !== 'object' || member === null || Array.isArray(member)) return member
    return Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
  })
}
