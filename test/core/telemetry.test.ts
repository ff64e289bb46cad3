// What a collector is told of usage events: read by the protocol's own definitions, the same for the same event, and what
// becomes of a message whichever way the collector answers.
import { describe, expect, it } from 'vitest'
import { packEvent, type UsageEvent } from '../../src/core/money/usage-event.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'
import { writeDataPoints, type DataPoint } from '../../src/ledger/telemetry/data-points.ts'
import { type ExportPorts, exportMessages } from '../../src/ledger/telemetry/export.ts'
import { forward } from '../../src/ledger/telemetry/forward.ts'
import { BoundedNames, knownNames } from '../../src/ledger/telemetry/measures.ts'
import { attributesOf } from '../../src/ledger/telemetry/otlp.ts'
import { otlpSettings } from '../../src/ledger/telemetry/settings.ts'
import { type ReadMetric, type ReadSpan, readMetrics, readSpans } from '../support/otlp-reader.ts'
import { usageEvent } from '../support/usage-events.ts'

const ID = '0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b'
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'

interface Delivered {
  readonly id: string
  readonly body: unknown
  readonly attempts: number
  readonly outcome: string[]
  ack(): void
  retry(options: { readonly delaySeconds: number }): void
}

function delivered(events: readonly UsageEvent[], attempts = 1): Delivered {
  const outcome: string[] = []
  const [first] = events
  const body = { v: 1, tenantId: first?.tenantId ?? 't', outboxId: 1, events: `[${events.map(packEvent).join(',')}]` }
  return {
    id: 'm1',
    body,
    attempts,
    outcome,
    ack: () => void outcome.push('ack'),
    retry: ({ delaySeconds }) => void outcome.push(`retry after ${delaySeconds}`),
  }
}

/** A collector that answers as it is told, then 200, and what it got. */
function collector(...answers: readonly (Response | Error)[]) {
  const left = [...answers]
  const got: { readonly url: string; readonly headers: Headers; readonly body: string }[] = []
  const lines: unknown[] = []
  const ports: ExportPorts = {
    fetch: async (url, init) => {
      got.push({ url, headers: new Headers(init.headers), body: String(init.body) })
      const answer = left.shift() ?? new Response('{}')
      if (answer instanceof Error) throw answer
      return answer
    },
    nowMs: () => 2_000_000,
    log: (line) => void lines.push(line),
    resource: attributesOf({ 'service.name': 'tidegate' }),
    known: knownNames(),
    sinceMs: 1_990_000,
  }
  const bodies = (signal: string): readonly string[] =>
    got.flatMap(({ url, body }) => (url.endsWith(signal) ? [body] : []))
  const spans = (): readonly ReadSpan[] => bodies('/v1/traces').flatMap(readSpans)
  const metrics = (): readonly ReadMetric[] => bodies('/v1/metrics').flatMap(readMetrics)
  return { got, lines, ports, spans, metrics }
}

function settings(env: Parameters<typeof otlpSettings>[0] = {}) {
  const read = otlpSettings({ OTLP_ENDPOINT: 'http://collector:4318', ...env })
  if (read === null) throw new Error('off')
  return read
}

const SERVED = usageEvent(ID, {
  attempt: 2,
  startedAtMs: 1_700_000_000_123,
  traceId: TRACE,
  parentSpan: `${PARENT}-01`,
  streamed: true,
  provider: 'azure',
  model: 'gpt-4o',
  requestedModel: 'fast',
  tags: ['a', 'b'],
  usage: { ...NO_USAGE, input: 10, cacheRead: 90, cacheWrite: 5, output: 20, reasoning: 7 },
  costNanoUsd: 1_500_000,
  latencyMs: 2_000,
  afterMs: 500,
  ttftMs: 900,
})

describe('a request with a retry', () => {
  const first = usageEvent(ID, {
    ...SERVED,
    attempt: 1,
    isFinal: false,
    ending: 'failed',
    failure: 'server',
    status: 500,
    usage: NO_USAGE,
    costNanoUsd: 0,
    latencyMs: 400,
    afterMs: 0,
    ttftMs: null,
  })

  it('is three spans: its own under the client’s, and one under it for each attempt, with its time', async () => {
    const { ports, spans } = collector()
    await exportMessages([delivered([first, SERVED])], settings(), ports)
    const [failed, request, served, ...others] = spans()
    expect(others).toEqual([])
    expect(request).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, name: 'chat fast', kind: 2, flags: 0x301 })
    expect(failed).toMatchObject({ traceId: TRACE, parentSpanId: request?.spanId, name: 'chat gpt-4o', kind: 3 })
    expect(served).toMatchObject({ traceId: TRACE, parentSpanId: request?.spanId, name: 'chat gpt-4o', kind: 3 })
    expect(new Set([failed, request, served].map((span) => span?.spanId)).size).toBe(3)
    const times = [failed, request, served].map((span) => [span?.startTimeUnixNano, span?.endTimeUnixNano])
    expect(times).toEqual([
      ['1700000000123000000', '1700000000523000000'],
      ['1700000000123000000', '1700000002123000000'],
      ['1700000000623000000', '1700000002123000000'],
    ])
    expect(failed?.status).toEqual({ code: 2, message: 'server' })
    expect(failed?.attributes).toMatchObject({ 'error.type': 'server', 'http.response.status_code': '500' })
    expect(served?.status).toEqual({})
    expect(served?.attributes).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'azure.ai.openai',
      'gen_ai.request.model': 'gpt-4o',
      'gen_ai.request.stream': true,
      'gen_ai.response.time_to_first_chunk': 0.4,
      'gen_ai.usage.input_tokens': '105',
      'gen_ai.usage.output_tokens': '27',
      'gen_ai.usage.cache_read.input_tokens': '90',
      'gen_ai.usage.cache_creation.input_tokens': '5',
      'gen_ai.usage.reasoning.output_tokens': '7',
      'tidegate.cost.usd': 0.0015,
    })
    // Whoever sums up what spans say finds every token once.
    expect(Object.keys(request?.attributes ?? {}).filter((name) => name.startsWith('gen_ai.'))).toEqual([])
  })

  it('is the same spans when it is told of again', async () => {
    const [one, two] = [collector(), collector()]
    for (const { ports } of [one, two]) await exportMessages([delivered([first, SERVED])], settings(), ports)
    expect(one.spans()).toEqual(two.spans())
  })

  it('adds to the metrics what its attempts took, in the buckets of the conventions', async () => {
    const { ports, metrics } = collector()
    await exportMessages([delivered([first, SERVED, SERVED])], settings(), ports)
    const all = new Map(metrics().map((metric) => [metric.name, metric]))
    const tokens = all.get('gen_ai.client.token.usage')?.histogram
    expect(tokens?.aggregationTemporality).toBe(1)
    const input = tokens?.dataPoints.find(({ attributes }) => attributes['gen_ai.token.type'] === 'input')
    // 105 is above 64 and at most 256: the fifth.
    expect(input).toMatchObject({ count: '2', sum: 210, min: 105, max: 105 })
    expect(input?.bucketCounts).toEqual(['0', '0', '0', '0', '2', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0'])
    expect(input?.explicitBounds).toEqual(Array.from({ length: 14 }, (_, at) => 4 ** at))
    const durations = all.get('gen_ai.client.operation.duration')?.histogram?.dataPoints ?? []
    expect(durations.map(({ attributes, sum }) => [attributes['error.type'], sum])).toEqual([
      ['server', 0.4],
      [undefined, 3],
    ])
    expect(durations[0]?.explicitBounds).toEqual(
      Array.from({ length: 14 }, (_, at) => Number((0.01 * 2 ** at).toFixed(2))),
    )
    expect(all.get('gen_ai.client.operation.time_to_first_chunk')?.histogram?.dataPoints).toMatchObject([
      { count: '2', sum: 0.8 },
    ])
    expect(all.get('tidegate.cost')?.sum).toMatchObject({
      aggregationTemporality: 1,
      dataPoints: [{ asDouble: 0.003 }],
    })
    expect(all.get('tidegate.request.duration')?.histogram?.dataPoints).toMatchObject([{ count: '2', sum: 4 }])
    expect(input).toMatchObject({ startTimeUnixNano: '1990000000000', timeUnixNano: '2000000000000' })
    expect(ports.sinceMs).toBe(2_000_000)
  })

  it('a value at a bound is in the bucket below it', async () => {
    const { ports, metrics } = collector()
    const event = usageEvent(ID, { usage: { ...NO_USAGE, input: 64, output: 65 } })
    await exportMessages([delivered([event])], settings(), ports)
    const points = metrics().find(({ name }) => name === 'gen_ai.client.token.usage')?.histogram?.dataPoints ?? []
    expect(points.map(({ bucketCounts }) => bucketCounts?.indexOf('1'))).toEqual([3, 4])
  })
})

describe('which traces are told of', () => {
  const of = async (fields: Partial<UsageEvent>, env = {}) => {
    const { ports, spans } = collector()
    await exportMessages([delivered([usageEvent(ID, fields)])], settings(env), ports)
    return spans()
  }

  it('not one that its client does not sample; one that it does, whatever the share', async () => {
    expect(await of({ traceId: TRACE, parentSpan: `${PARENT}-00` })).toEqual([])
    expect(await of({ traceId: TRACE, parentSpan: `${PARENT}-01` }, { OTLP_SAMPLE_PERCENT: '0' })).toHaveLength(2)
    expect(await of({}, { OTLP_SAMPLE_PERCENT: '0' })).toEqual([])
  })

  it('one whose client named none is named by the request’s id, and begins here', async () => {
    const [request] = await of({ traceId: 'order 17' })
    expect(request?.traceId).toBe(ID.replaceAll('-', ''))
    expect(request).not.toHaveProperty('parentSpanId')
    expect(request?.attributes['tidegate.trace.name']).toBe('order 17')
  })

  it('an answer from the cache is a request without an attempt; a correction is nothing', async () => {
    const hit = await of({ attempt: 0, cache: 'hit', savedNanoUsd: 1_000_000 })
    expect(
      hit.map(({ kind, attributes }) => [kind, attributes['tidegate.cache'], attributes['tidegate.saved.usd']]),
    ).toEqual([[2, 'hit', 0.001]])
    expect(await of({ kind: 'adj' })).toEqual([])
  })
})

describe('a message', () => {
  const message = (attempts = 1) => delivered([SERVED], attempts)

  it('is sent with the headers that were set, to both endpoints', async () => {
    const { ports, got } = collector()
    const one = message()
    const headers = {
      OTLP_ENDPOINT: 'https://otlp.example/otlp/',
      OTLP_HEADERS: 'Authorization=Basic%20YTpi, X-Scope=1',
    }
    await exportMessages([one], settings(headers), ports)
    expect(got.map(({ url }) => url)).toEqual([
      'https://otlp.example/otlp/v1/traces',
      'https://otlp.example/otlp/v1/metrics',
    ])
    for (const { headers: sent } of got) {
      expect([sent.get('authorization'), sent.get('x-scope'), sent.get('content-type')]).toEqual([
        'Basic YTpi',
        '1',
        'application/json',
      ])
    }
    expect(one.outcome).toEqual(['ack'])
  })

  it.each([
    ['no connection', new Error('refused'), 'retry after 8'],
    ['503', new Response('', { status: 503 }), 'retry after 8'],
    ['429 that says when', new Response('', { status: 429, headers: { 'retry-after': '40' } }), 'retry after 40'],
    ['400, which no retry makes better', new Response('bad', { status: 400 }), 'ack'],
    ['a redirect, which may lead anywhere', new Response('', { status: 302 }), 'ack'],
  ])('that meets %s', async (_, answer, outcome) => {
    const { ports, got, lines } = collector(answer)
    const one = message(3)
    const runs = await exportMessages([one], settings(), ports)
    expect(one.outcome).toEqual([outcome])
    expect(lines).toHaveLength(1)
    expect(runs[0]).toMatchObject({ exporter: 'traces', sent: 0, failed: 1, dropped: outcome === 'ack' ? 2 : 0 })
    // Deltas are sent when the spans were, or never will be: not twice.
    expect(got.filter(({ url }) => url.endsWith('metrics'))).toHaveLength(outcome === 'ack' ? 1 : 0)
  })

  it('is given up after an hour, and counted', async () => {
    const { ports, lines } = collector(new Error('refused'))
    const one = message(12)
    const runs = await exportMessages([one], settings(), ports)
    expect(one.outcome).toEqual(['ack'])
    expect(runs.filter(({ dropped }) => dropped > 0)).toMatchObject([
      { exporter: 'traces', dropped: 1 },
      { exporter: 'metrics', dropped: 1 },
    ])
    expect(lines).toHaveLength(2)
  })

  it('of many asks a collector that is away once only', async () => {
    const { ports, got } = collector(new Error('refused'))
    const many = Array.from({ length: 5 }, () => delivered(Array.from({ length: 300 }, () => SERVED)))
    await exportMessages(many, settings(), ports)
    expect(got).toHaveLength(1)
    expect(many.map(({ outcome }) => outcome)).toEqual(many.map(() => ['retry after 2']))
  })

  it('that a collector takes in part is done with, and what was left out is counted', async () => {
    const { ports } = collector(new Response('{"partialSuccess":{"rejectedSpans":"1","errorMessage":"old"}}'))
    const one = message()
    expect(await exportMessages([one], settings(), ports)).toMatchObject([{ sent: 1, dropped: 1 }, { sent: 6 }])
    expect(one.outcome).toEqual(['ack'])
  })

  it('that is none of ours is let go of', async () => {
    const { ports, got } = collector()
    const one = { ...message(), body: { v: 1, events: 'x' } }
    await exportMessages([one], settings(), ports)
    expect([one.outcome, got]).toEqual([['ack'], []])
  })
})

describe('settings', () => {
  it('are off without an address, and told of where they are wrong', () => {
    expect(otlpSettings({})).toBeNull()
    expect(otlpSettings({ OTLP_ENDPOINT: '' })).toBeNull()
    const wrong = { OTLP_SAMPLE_PERCENT: '120', OTLP_SIGNALS: 'logs', OTLP_HEADERS: 'a b=c' }
    expect(settings(wrong)).toMatchObject({
      samplePercent: 100,
      headers: {},
      problems: ['OTLP_SAMPLE_PERCENT', 'OTLP_SIGNALS', 'OTLP_HEADERS'],
    })
    expect(otlpSettings({ OTLP_ENDPOINT: 'collector' })?.problems).toEqual(['OTLP_ENDPOINT'])
    expect([...settings({ OTLP_SIGNALS: 'traces' }).signals]).toEqual(['traces'])
  })
})

describe('names', () => {
  it('are told apart up to a bound', () => {
    const names = new BoundedNames(2)
    expect(['a', 'b', 'c', 'a', 'd'].map((name) => names.of(name))).toEqual(['a', 'b', 'other', 'a', 'other'])
  })
})

describe('the way to the telemetry queue', () => {
  it('takes messages in batches that a queue takes', async () => {
    const sent: number[] = []
    const queue = { sendBatch: async (messages: readonly unknown[]) => void sent.push(messages.length) }
    const small = Array.from({ length: 130 }, () => delivered([SERVED]))
    await forward(queue, small)
    expect(sent).toEqual([100, 30])
    sent.length = 0
    const large = Array.from({ length: 3 }, () => ({ ...delivered([SERVED]), body: { events: 'x'.repeat(90_000) } }))
    await forward(queue, large)
    expect(sent).toEqual([2, 1])
  })
})

describe('data points', () => {
  const written = (count: number): DataPoint[] => {
    const points: DataPoint[] = []
    const events = Array.from({ length: count }, (_, at) => usageEvent(`r${at}`, { costNanoUsd: 5 }))
    writeDataPoints({ writeDataPoint: (point) => void points.push(point) }, events)
    return points
  }

  it('are one for each attempt, as long as an invocation may write so many', () => {
    expect(written(0)).toEqual([])
    expect(written(25).map(({ doubles }) => doubles[0])).toEqual(Array.from({ length: 25 }, () => 1))
  })

  it('stand for all where there are more', () => {
    const points = written(60)
    expect(points).toHaveLength(25)
    expect(points.reduce((sum, { doubles }) => sum + (doubles[0] ?? 0), 0)).toBeCloseTo(60)
    expect(new Set(points.map(({ blobs }) => blobs.at(-1))).size).toBe(25)
    expect(points[0]?.doubles).toHaveLength(11)
  })
})
