// What every protocol promises. Run over the registry, with the dialect of the same wire to read back what it writes.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Failure, UpstreamClass, UpstreamFailure } from '../../src/core/failure.ts'
import { fold, unfold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { NeutralReply } from '../../src/core/neutral.ts'
import { createSseFramer } from '../../src/data-plane/framing/sse.ts'
import type { Dialect } from '../../src/dialects/dialect.ts'
import type { Protocol } from '../../src/protocols/protocol.ts'
import { objectOf } from '../../src/wire/read.ts'
import { anyReply } from './any-reply.ts'
import { ALWAYS_TELL_USAGE, shown } from './shown.ts'
import { TARGET } from '../support/target.ts'

const IDENTITY = { id: 'reply-1', createdSeconds: 1_760_000_000, model: 'asked' }
const CONTEXT = { ...IDENTITY, wantsUsage: true, request: {} }

/** Holds `protocol` to the contract. `dialect` speaks the same wire. */
export function protocolContract(protocol: Protocol, dialect: Dialect): void {
  describe(`protocol ${protocol.name}`, () => {
    requestLaws(protocol)
    replyLaws(protocol, dialect)
    failureLaws(protocol, dialect)
  })
}

function requestLaws(protocol: Protocol): void {
  test('judges any request body without throwing, and reads none that its facts refuse', () => {
    fc.assert(
      fc.property(anyRequest, (body) => {
        const facts = protocol.facts(body)
        const read = protocol.read(body)
        if (!facts.ok) expect(read).toEqual(facts)
        else expect(facts.value.promptText()).toBeTypeOf('string')
        if (read.ok) expect(read.value.model).toBe(body['model'])
        else expect(read.error.message).not.toBe('')
      }),
      { numRuns: 300 },
    )
  })
}

const anyMessage = fc.record(
  {
    role: fc.oneof(fc.constantFrom('system', 'user', 'assistant', 'tool'), fc.jsonValue()),
    content: fc.oneof(
      fc.string(),
      fc.array(fc.record({ type: fc.constantFrom('text', 'image_url'), text: fc.jsonValue() })),
      fc.jsonValue(),
    ),
    tool_calls: fc.jsonValue(),
    tool_call_id: fc.jsonValue(),
  },
  { requiredKeys: ['role'] },
)

const anyRequest: fc.Arbitrary<JsonObject> = fc
  .record(
    {
      model: fc.oneof(fc.constant('gpt'), fc.jsonValue()),
      messages: fc.oneof(fc.array(anyMessage, { minLength: 1, maxLength: 4 }), fc.jsonValue()),
      stream: fc.oneof(fc.boolean(), fc.jsonValue()),
      stream_options: fc.jsonValue(),
      max_tokens: fc.oneof(fc.nat(), fc.jsonValue()),
      n: fc.oneof(fc.nat(5), fc.jsonValue()),
      temperature: fc.oneof(fc.double(), fc.jsonValue()),
      tools: fc.jsonValue(),
      tool_choice: fc.jsonValue(),
      response_format: fc.jsonValue(),
      stop: fc.jsonValue(),
    },
    { requiredKeys: ['model', 'messages'] },
  )
  .map((body) => objectOf(parseJson(JSON.stringify(body))))

function replyLaws(protocol: Protocol, dialect: Dialect): void {
  const asWritten = (reply: NeutralReply) => shown(protocol.wire, { ...reply, ...IDENTITY })

  test('what it writes whole, a client of the wire reads back', () => {
    fc.assert(
      fc.property(anyReply, (reply) => {
        expect(fold(dialect.read(protocol.write(reply, CONTEXT), TARGET))).toEqual(asWritten(reply))
      }),
    )
  })

  test('what it writes as a stream, a client of the wire reads back', () => {
    fc.assert(
      fc.property(anyReply, (reply) => {
        expect(readBack(dialect, streamed(protocol, reply, true))).toEqual(asWritten(reply))
      }),
    )
  })

  const isOptional = !ALWAYS_TELL_USAGE.has(protocol.wire)
  test.runIf(isOptional)('usage that was not asked for stays out of the stream', () => {
    fc.assert(
      fc.property(anyReply, (reply) => {
        expect(readBack(dialect, streamed(protocol, reply, false)).usage).toBeNull()
      }),
    )
  })
}

function streamed(protocol: Protocol, reply: NeutralReply, wantsUsage: boolean): string {
  const writer = protocol.writer({ ...CONTEXT, wantsUsage })
  return (
    unfold(reply)
      .map((event) => writer.push(event))
      .join('') + writer.end()
  )
}

function readBack(dialect: Dialect, text: string): NeutralReply {
  const framer = createSseFramer()
  const reader = dialect.reader(TARGET)
  const events = [...framer.push(text), ...framer.end()].flatMap((frame) => reader.push(frame))
  return fold([...events, ...reader.end()])
}

const SECRET = 'http://10.0.0.7:9000 sk-secret-of-the-provider'

function upstream(upstreamClass: UpstreamClass, status: number): Failure {
  const failure: UpstreamFailure = {
    class: upstreamClass,
    status,
    message: SECRET,
    code: 'c',
    type: 't',
    param: 'p',
    retryAfterMs: 2500,
  }
  return { kind: 'upstream-failed', provider: 'provider', upstream: failure }
}

/** Every arm of the union, with the status that clients of any protocol expect. */
const FAILURES: readonly (readonly [status: number, failure: Failure])[] = [
  [400, { kind: 'invalid-request', field: 'messages[2].role', message: 'wrong' }],
  [415, { kind: 'unsupported-media-type', received: 'text/plain' }],
  [413, { kind: 'request-too-large', limitBytes: 1000 }],
  [401, { kind: 'unauthenticated', reason: 'unknown' }],
  [404, { kind: 'model-not-found', model: 'm' }],
  [403, { kind: 'model-not-allowed', model: 'm' }],
  [403, { kind: 'not-passed-through', reason: 'runs-no-model', subject: 'GET /openai/v1/files', needed: 'all' }],
  [403, { kind: 'switched-off', what: 'tenant' }],
  [403, { kind: 'switched-off', what: 'key' }],
  [503, { kind: 'switched-off', what: 'model', model: 'm' }],
  [403, { kind: 'unpriced', model: 'm' }],
  [403, { kind: 'refused-by-rule', model: 'm', rule: 'r', message: 'Not at night.' }],
  [400, { kind: 'unsupported', model: 'm', gaps: [{ field: 'seed', reason: 'none' }] }],
  [429, { kind: 'rate-limited', scope: 'key', unit: 'tokens', limitPerMinute: 10, requested: 5, retryAfterMs: 1200 }],
  [429, { kind: 'rate-limited', scope: 'key', unit: 'tokens', limitPerMinute: 10, requested: 50, retryAfterMs: null }],
  [
    429,
    {
      kind: 'rate-limited',
      scope: 'team',
      model: 'tide-*',
      unit: 'requests',
      limitPerMinute: 10,
      requested: 1,
      retryAfterMs: 9,
    },
  ],
  [429, { kind: 'too-many-at-once', scope: 'tenant', model: null, most: 3, retryAfterMs: 1000 }],
  [402, { kind: 'budget-exhausted', scope: 'team', limitNanoUsd: 5e9, window: 'month', resetsAtMs: 1e12 }],
  [429, { kind: 'runaway', scope: 'key', action: 'throttle', perMinuteNanoUsd: 5e7, retryAfterMs: 9_000 }],
  [503, { kind: 'limiter-unavailable' }],
  [503, { kind: 'directory-unavailable' }],
  [503, { kind: 'not-loaded' }],
  [502, upstream('connection', 0)],
  [504, upstream('timeout', 0)],
  [502, upstream('server', 500)],
  [503, upstream('overloaded', 529)],
  [429, upstream('throttled', 429)],
  [502, upstream('credential', 401)],
  [502, upstream('credential', 403)],
  [501, upstream('incapable', 501)],
  [422, upstream('client', 422)],
  [400, upstream('client', 0)],
  [502, upstream('stream', 200)],
  [503, { kind: 'no-target-available', model: 'm', retryAfterMs: null }],
  [404, { kind: 'endpoint-not-found', path: '/x' }],
  [405, { kind: 'method-not-allowed', allowed: 'POST' }],
  [500, { kind: 'internal', requestId: 'req_1' }],
]

function failureLaws(protocol: Protocol, dialect: Dialect): void {
  test.each(FAILURES)('%i for %j', (status, failure) => {
    const wire = protocol.fail(failure, 'req_1')
    expect(wire.status).toBe(status)
    expect(objectOf(objectOf(wire.body)['error'])['message']).toBeTypeOf('string')
    const mayQuote = failure.kind === 'upstream-failed' && failure.upstream.class === 'client'
    expect(JSON.stringify(wire).includes(SECRET)).toBe(mayQuote)
  })

  test.each(FAILURES)('in mid-stream, %i for %j is an error and no end', (_, failure) => {
    const reply = readBack(dialect, protocol.failInStream(failure, 'req_1'))
    expect(reply.failure).not.toBeNull()
    expect(reply.failure?.class).not.toBe('stream')
    expect(protocol.failInStream(failure, 'req_1')).not.toContain('[DONE]')
  })

  test('a wait is told in seconds and in milliseconds, both rounded up', () => {
    const { headers } = protocol.fail(upstream('throttled', 429), 'req_1')
    expect(headers).toMatchObject({ 'retry-after': '3', 'retry-after-ms': '2500', 'x-should-retry': 'true' })
  })
}
