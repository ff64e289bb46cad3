// Everything that we write to clients of OpenAI's wires is what OpenAI publishes that it sends: replies of every fixture, of
// any shape, and recorded ones, whole and as streams; every failure; embeddings of every provider.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Failure, UpstreamClass } from '../../src/core/failure.ts'
import { fold, unfold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralEvent } from '../../src/core/neutral.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { dialects, protocols } from '../support/registries.ts'
import { taskCodecs } from '../../src/dialects/tasks/index.ts'
import type { Protocol } from '../../src/protocols/protocol.ts'
import { tasks } from '../../src/protocols/tasks/index.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { anyReply } from '../contracts/any-reply.ts'
import { loadExchanges, missingCorpus, recordedApis } from '../corpus/exchanges.ts'
import { eventsOf, readingOf } from '../corpus/readers.ts'
import { fixturesOf } from '../fixtures/replies.ts'
import { anyParts, replyOf } from '../support/any-parts.ts'
import { type ReplyKind, missingDescription, schemasOfDescription, schemasOfTypes } from '../support/openai-schema.ts'

if (missingDescription !== null) console.warn(`OpenAI's description of its API: ${missingDescription}`)
if (missingCorpus !== null) test.skip(`recorded exchanges: ${missingCorpus}`, () => {})
if (missingDescription !== null) test.skip(`OpenAI's description of its API: ${missingDescription}`, () => {})

const schemas = [schemasOfTypes(), schemasOfDescription()].filter((known) => known !== null)

/** Where the API itself doesn't keep to what is published of it. */
const EXPECTED: readonly { readonly kind: ReplyKind; readonly objection: RegExp; readonly reason: string }[] = [
  {
    kind: 'completion',
    objection: /^\/choices\/\d+\/finish_reason must be (?:string|equal to one of the allowed values)/,
    reason: 'a chunk has the form of the whole, but no reason yet: the API sends null',
  },
  {
    kind: 'chatChunk',
    objection: /^\/choices\/\d+\/delta\/tool_calls\/\d+\/type .*\["function"\]/,
    reason: "a custom tool's call is streamed too: newer types know it, older descriptions don't",
  },
]

/** What is wrong with a reply, with the reply itself in the last line. */
function objectionsTo(kind: ReplyKind, reply: Json): readonly string[] {
  return schemas.flatMap(({ name, objections }) => {
    const lines = objections(kind, reply).filter((line) => !isExpected(kind, line, reply))
    if (lines.length === 0) return []
    return [...lines.map((line) => `${kind}, by ${name}: ${line}`), `in ${JSON.stringify(reply).slice(0, 600)}`]
  })
}

function isExpected(kind: ReplyKind, line: string, reply: Json): boolean {
  if (!EXPECTED.some((known) => known.kind === kind && known.objection.test(line))) return false
  const [choice] = arrayOf(objectOf(reply)['choices'])
  return kind !== 'completion' || objectOf(choice)['finish_reason'] === null
}

interface Spoken {
  readonly protocol: Protocol
  readonly whole: ReplyKind
  readonly chunk: ReplyKind
}

const SPOKEN: readonly Spoken[] = [
  { protocol: protocols.chat, whole: 'chat', chunk: 'chatChunk' },
  { protocol: protocols.responses, whole: 'response', chunk: 'responseEvent' },
  { protocol: protocols.completions, whole: 'completion', chunk: 'completion' },
]

const REQUESTS: readonly JsonObject[] = [
  {},
  {
    instructions: 'Be brief.',
    max_output_tokens: 200,
    metadata: { berth: '7' },
    reasoning: { effort: 'low', summary: 'auto' },
    temperature: 0.5,
    tools: [
      { type: 'function', name: 'tide_at', parameters: { type: 'object' }, strict: false },
      { type: 'web_search' },
    ],
    tool_choice: { type: 'function', name: 'tide_at' },
    text: { format: { type: 'json_schema', name: 'tide', schema: { type: 'object' } }, verbosity: 'low' },
    top_logprobs: 2,
    user: 'keeper',
    n: 3,
    stream_options: { include_usage: true },
  },
]

/** What is wrong with what a client is sent of a reply that says `events`. */
function objectionsToReply(events: readonly NeutralEvent[]): readonly string[] {
  const reply = fold(events)
  return SPOKEN.flatMap((spoken) =>
    REQUESTS.flatMap((request, index) => {
      const context = { id: 'reply-1', createdSeconds: 1_760_000_000, model: 'asked', wantsUsage: index === 0, request }
      const whole = reply.failure === null ? objectionsTo(spoken.whole, spoken.protocol.write(reply, context)) : []
      const streams = [events, unfold(reply)].map((told) => {
        const writer = spoken.protocol.writer(context)
        return told.map((event) => writer.push(event)).join('') + (reply.failure === null ? writer.end() : '')
      })
      return [...whole, ...streams.flatMap((text) => objectionsToStream(spoken.chunk, text))]
    }),
  )
}

function objectionsToStream(kind: ReplyKind, text: string): readonly string[] {
  const framer = createFramer('text/event-stream', 'sse')
  const frames = [...framer.push(new TextEncoder().encode(text)), ...framer.end()]
  return frames.flatMap(({ data }) => {
    const message = objectOf(parseJson(data))
    if (data === '[DONE]') return []
    return objectionsTo(kind !== 'responseEvent' && message['error'] !== undefined ? 'error' : kind, message)
  })
}

test('what is missing, wrong or unheard of is noticed', () => {
  const usage = { prompt_tokens: 1, total_tokens: 'one' }
  const faults: readonly (readonly [ReplyKind, Json, string])[] = [
    ['chat', {}, "must have required property 'choices'"],
    ['completion', { choices: [{ finish_reason: 'tool_calls' }] }, '/choices/0/finish_reason must be equal'],
    ['responseEvent', { type: 'response.wondered' }, 'no event is called "response.wondered"'],
    ['responseEvent', { type: 'response.completed', response: {} }, "/response must have required property 'output'"],
    ['embeddings', { usage }, '/usage/total_tokens must be'],
    ['error', { error: { message: 'm' } }, "/error must have required property 'param'"],
  ]
  for (const [kind, reply, objection] of faults) {
    for (const { objections } of schemas) expect(objections(kind, reply).join()).toContain(objection)
  }
})

describe('a reply that every client of OpenAI understands', () => {
  for (const dialect of Object.values(dialects)) {
    test.each(fixturesOf(dialect.wire).map((fixture) => [fixture.name, fixture] as const))(
      `${dialect.name}: %s`,
      (_, { whole, bytes, contentType, target, error }) => {
        if (whole !== null) expect(objectionsToReply(dialect.read(whole, target))).toEqual([])
        if (bytes !== null) {
          const framer = createFramer(contentType, dialect.framing)
          const reader = dialect.reader(target)
          const frames = [...framer.push(bytes), ...framer.end()]
          const events = [...frames.flatMap((frame) => reader.push(frame)), ...reader.end()]
          expect(objectionsToReply(events)).toEqual([])
          const { failure } = fold(events)
          if (failure !== null) expect(objectionsToFailure(upstreamFailed(failure))).toEqual([])
        }
        if (error === null) return
        const headers = { get: (name: string) => String(objectOf(error['headers'])[name] ?? '') }
        const failure = dialect.fail(Number(error['status']), headers, String(error['body']), 0)
        expect(objectionsToFailure(upstreamFailed(failure))).toEqual([])
      },
    )
  }

  test('of any shape', () => {
    fc.assert(
      fc.property(anyReply, (reply) => {
        expect(objectionsToReply(unfold(reply))).toEqual([])
      }),
    )
  })

  test('with parts of any kind', () => {
    fc.assert(
      fc.property(anyParts, (parts) => {
        expect(objectionsToReply(unfold(replyOf(parts)))).toEqual([])
      }),
    )
  })
})

type Upstream = Extract<Failure, { readonly kind: 'upstream-failed' }>['upstream']

function upstreamFailed(upstream: Upstream): Failure {
  return { kind: 'upstream-failed', provider: 'provider', upstream }
}

function upstream(upstreamClass: UpstreamClass, status: number): Failure {
  return upstreamFailed({
    class: upstreamClass,
    status,
    message: 'said so',
    code: null,
    type: null,
    param: null,
    retryAfterMs: null,
  })
}

/** One of every arm; a new arm that is missing here doesn't compile. */
const FAILURES: Readonly<Record<Failure['kind'], readonly Failure[]>> = {
  'invalid-request': [
    { kind: 'invalid-request', field: 'messages[2].role', message: 'wrong' },
    { kind: 'invalid-request', field: null, message: 'wrong' },
  ],
  'unsupported-media-type': [{ kind: 'unsupported-media-type', received: 'text/plain' }],
  'request-too-large': [{ kind: 'request-too-large', limitBytes: 1000 }],
  unauthenticated: (['missing', 'malformed', 'unknown', 'expired', 'revoked'] as const).map((reason) => {
    return { kind: 'unauthenticated', reason }
  }),
  'model-not-found': [{ kind: 'model-not-found', model: 'm', suggestions: ['n'] }],
  'switched-off': [
    { kind: 'switched-off', what: 'key' },
    { kind: 'switched-off', what: 'model', model: 'm' },
    { kind: 'switched-off', what: 'target', model: 'm', targets: ['a', 'b'] },
  ],
  'data-policy': [{ kind: 'data-policy', model: 'm', of: 'tenant', need: 'data_region' }],
  'model-not-allowed': [{ kind: 'model-not-allowed', model: 'm' }],
  'not-passed-through': [
    { kind: 'not-passed-through', reason: 'off', subject: 'GET /openai/v1/files', needed: 'models' },
    { kind: 'not-passed-through', reason: 'unrouted-model', subject: 'm', needed: 'all' },
    { kind: 'not-passed-through', reason: 'kept-reference', subject: 'cachedContent', needed: null },
  ],
  unpriced: [{ kind: 'unpriced', model: 'm' }],
  'refused-by-rule': [{ kind: 'refused-by-rule', model: 'm', rule: 'r', message: 'Not at night.' }],
  unsupported: [{ kind: 'unsupported', model: 'm', gaps: [{ field: 'seed', reason: 'none' }] }],
  'rate-limited': [1200, null].map((retryAfterMs) => {
    return { kind: 'rate-limited', scope: 'key', unit: 'tokens', limitPerMinute: 10, requested: 5, retryAfterMs }
  }),
  'too-many-at-once': [{ kind: 'too-many-at-once', scope: 'key', most: 2, retryAfterMs: 1000 }],
  runaway: [{ kind: 'runaway', scope: 'key', action: 'stop', perMinuteNanoUsd: 0, retryAfterMs: 3_600_000 }],
  'budget-exhausted': [
    { kind: 'budget-exhausted', scope: 'team', limitNanoUsd: 5e9, window: 'month', resetsAtMs: 1e12 },
  ],
  'directory-unavailable': [{ kind: 'directory-unavailable' }],
  'not-loaded': [{ kind: 'not-loaded' }],
  'limiter-unavailable': [{ kind: 'limiter-unavailable' }],
  'upstream-failed': [
    upstream('connection', 0),
    upstream('timeout', 0),
    upstream('server', 500),
    upstream('overloaded', 529),
    upstream('throttled', 429),
    upstream('credential', 401),
    upstream('incapable', 501),
    upstream('client', 422),
    upstream('stream', 200),
  ],
  'no-target-available': [{ kind: 'no-target-available', model: 'm', retryAfterMs: null }],
  'endpoint-not-found': [{ kind: 'endpoint-not-found', path: '/x' }],
  'method-not-allowed': [{ kind: 'method-not-allowed', allowed: 'POST' }],
  internal: [{ kind: 'internal', requestId: 'req_1' }],
}

function objectionsToFailure(failure: Failure): readonly string[] {
  return SPOKEN.flatMap(({ protocol, chunk }) => [
    ...objectionsTo('error', protocol.fail(failure, 'req_1').body),
    ...objectionsToStream(chunk, protocol.failInStream(failure, 'req_1')),
  ])
}

describe('an error that every client of OpenAI understands', () => {
  test.each(Object.entries(FAILURES))('%s', (_, failures) => {
    expect(failures.flatMap((failure) => objectionsToFailure(failure))).toEqual([])
  })
})

/** Two vectors as each wire has them; Bedrock's has one a call. */
const VECTORS: Readonly<Record<string, Json>> = {
  'openai-chat': {
    object: 'list',
    model: 'm',
    data: [vector(0), vector(1)],
    usage: { prompt_tokens: 4, total_tokens: 4 },
  },
  'openai-responses': { object: 'list', model: 'm', data: [vector(0), vector(1)] },
  cohere: { embeddings: { float: [[0.1], [0.2]] }, meta: { billed_units: { input_tokens: 4 } } },
  ollama: { embeddings: [[0.1], [0.2]], prompt_eval_count: 4 },
  tgi: [[0.1], [0.2]],
  'workers-ai': { result: { shape: [2, 1], data: [[0.1], [0.2]] }, success: true, errors: [], messages: [] },
  gemini: { embeddings: [{ values: [0.1] }, { values: [0.2] }] },
  'bedrock-converse': { embeddings: { float: [[0.1], [0.2]] }, inputTextTokenCount: 4 },
}

function vector(index: number): JsonObject {
  return { object: 'embedding', index, embedding: [0.1] }
}

describe('embeddings that every client of OpenAI understands', () => {
  test.each(Object.keys(taskCodecs.embeddings))('%s: in one call or in several', (dialect) => {
    const request = { body: { model: 'm', input: ['ebb', 'flood'] }, text: null, model: 'm' }
    const reply = taskCodecs.embeddings[dialect]?.read(VECTORS[dialect] ?? null, request)
    // Usage that a provider doesn't tell is filled in by the path.
    const body = { usage: { prompt_tokens: 4, total_tokens: 4 }, ...reply?.body }
    expect(objectionsTo('embeddings', body)).toEqual([])
    expect(objectionsTo('embeddings', tasks.embeddings.batches?.join([body, body]) ?? null)).toEqual([])
  })
})

describe.runIf(missingCorpus === null)('recorded replies, as every client of OpenAI understands them', () => {
  test.each(recordedApis())('%s', (api) => {
    const wrong = loadExchanges(api).flatMap((exchange) => {
      const reading = readingOf(exchange)
      if (typeof reading === 'string') return []
      if (exchange.status !== 200) return []
      const events = eventsOf(reading, exchange, [exchange.bytes])
      return objectionsToReply(events).map((line) => `${exchange.id}: ${line}`)
    })
    expect(wrong.slice(0, 5)).toEqual([])
  })
})
