// Everything that the chat wire has a place for in a reply, there and back: to a client, whole and streamed in pieces, and
// from the client again as history on its next turn, however it has put the pieces together.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { Citation, NeutralChoice, NeutralPart, NeutralReply, Signature } from '../../src/core/neutral.ts'
import { NO_USAGE, withTier } from '../../src/core/money/usage.ts'
import { createSseFramer } from '../../src/data-plane/framing/sse.ts'
import { dialects, protocols } from '../support/registries.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { eventsInPieces } from '../support/any-parts.ts'
import { TARGET } from '../support/target.ts'

const CONTEXT = {
  id: 'chatcmpl-tide',
  createdSeconds: 1_760_000_000,
  model: 'harbour-2',
  wantsUsage: true,
  request: {},
}
const dialect = dialects['openai-chat']

const words = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' })
const opaque = fc.base64String({ minLength: 4, maxLength: 16 })

function optional<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> {
  return fc.option(value, { nil: undefined })
}

function given<Name extends string, Value>(name: Name, value: Value | undefined): { [K in Name]?: Value } {
  const result: { [K in Name]?: Value } = {}
  if (value !== undefined) result[name] = value
  return result
}

const itemId = fc.stringMatching(/^rs_[a-z0-9]{1,8}$/)
const signature: fc.Arbitrary<Signature> = fc.oneof(
  fc.record({ maker: fc.constantFrom('anthropic', 'gemini', 'bedrock', null), value: opaque }),
  fc.record({ maker: fc.constantFrom('openai-responses', 'xai-responses-v1'), value: opaque, itemId }),
)

/** Signed, encrypted, or encrypted with a summary. */
const sealed: fc.Arbitrary<NeutralPart> = fc.oneof(
  fc.record({ kind: fc.constant('reasoning' as const), text: words, signature }),
  fc.record({ kind: fc.constant('reasoning' as const), text: fc.constantFrom('', 'In short.'), redacted: signature }),
)
const reasoning: fc.Arbitrary<readonly NeutralPart[]> = fc.oneof(
  fc.array(sealed, { maxLength: 3 }),
  words.map((text): readonly NeutralPart[] => [{ kind: 'reasoning', text }]),
)

const citation: fc.Arbitrary<Citation> = fc
  .tuple(fc.webUrl(), words, fc.nat(99), optional(words))
  .map(([url, title, start, cited]) => ({ url, title, ...given('citedText', cited), start, end: start + 5 }))

const said: fc.Arbitrary<NeutralPart> = fc
  .tuple(words, fc.array(citation, { maxLength: 2 }), optional(opaque))
  .map(([text, citations, value]) => ({
    kind: 'text',
    text,
    ...(citations.length === 0 ? {} : { citations }),
    ...given('signature', value === undefined ? undefined : { maker: 'gemini', value }),
  }))

const image: fc.Arbitrary<NeutralPart> = fc.oneof(
  fc.webUrl().map((url): NeutralPart => ({ kind: 'image', source: { kind: 'url', url } })),
  opaque.map((data): NeutralPart => ({ kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data } })),
)

const audio: fc.Arbitrary<NeutralPart> = fc
  .tuple(itemId, opaque, words)
  .map(([id, data, transcript]) => ({ kind: 'audio', source: { kind: 'base64', mediaType: '', data }, id, transcript }))

const call: fc.Arbitrary<NeutralPart> = fc
  .tuple(fc.uuid(), fc.stringMatching(/^[a-z_]{1,9}$/), fc.jsonValue(), fc.boolean(), optional(opaque))
  .map(([id, name, input, isCustom, value]) => ({
    kind: 'tool-call',
    id,
    name,
    argumentsText: isCustom ? 'turn the lamp' : JSON.stringify({ input }),
    ...given('signature', value === undefined ? undefined : { maker: 'gemini', value }),
    ...given('isCustom', isCustom ? true : undefined),
  }))

const token = fc.record({
  token: words,
  logprob: fc.constantFrom(-0.5, 0),
  bytes: fc.constant(null),
  top_logprobs: fc.constant([]),
})

const choice: fc.Arbitrary<NeutralChoice> = fc
  .tuple(
    reasoning,
    optional(said),
    optional(words.map((text): NeutralPart => ({ kind: 'refusal', text }))),
    fc.array(image, { maxLength: 2 }),
    optional(audio),
    fc.array(call, { maxLength: 3 }),
    optional(fc.array(token, { minLength: 1, maxLength: 3 })),
  )
  .map(([thought, text, refusal, images, sound, calls, logprobs]) => ({
    parts: [...thought, text, refusal, ...images, sound, ...calls].filter((part) => part !== undefined),
    finish: calls.length > 0 ? 'tool-calls' : 'stop',
    ...given('logprobs', logprobs),
  }))

const anyRichReply: fc.Arbitrary<NeutralReply> = fc
  .tuple(fc.array(choice, { minLength: 1, maxLength: 2 }), optional(fc.constantFrom('flex', 'priority')))
  .map(([choices, tier]) => ({
    id: CONTEXT.id,
    model: CONTEXT.model,
    createdSeconds: CONTEXT.createdSeconds,
    ...given('serviceTier', tier),
    choices,
    usage: withTier({ ...NO_USAGE, input: 5, cacheWrite: 2, cacheWriteLong: 3, output: 4 }, tier ?? null),
    failure: null,
  }))

function streamOf(reply: NeutralReply, pieceChars: number): string {
  const writer = protocols.chat.writer(CONTEXT)
  return (
    eventsInPieces(reply, pieceChars)
      .map((event) => writer.push(event))
      .join('') + writer.end()
  )
}

function chunksOf(stream: string): readonly JsonObject[] {
  const framer = createSseFramer()
  return [...framer.push(stream), ...framer.end()].map((frame) => objectOf(parseJson(frame.data)))
}

function readStream(stream: string): NeutralReply {
  const framer = createSseFramer()
  const reader = dialect.reader(TARGET)
  const events = [...framer.push(stream), ...framer.end()].flatMap((frame) => reader.push(frame))
  return fold([...events, ...reader.end()])
}

/** A client that knows nothing of the members it gets: strings are joined, lists appended, calls put together by number. */
function accumulated(into: Json | undefined, piece: Json): Json {
  if (typeof into === 'string' && typeof piece === 'string') return into + piece
  if (Array.isArray(into) && Array.isArray(piece)) return [...into, ...piece]
  if (!isJsonObject(into) || !isJsonObject(piece)) return piece
  const result: Record<string, Json> = {}
  for (const [name, value] of Object.entries(into)) if (value !== undefined) result[name] = value
  for (const [name, value] of Object.entries(piece)) {
    if (value !== undefined)
      result[name] = ['id', 'type', 'name', 'role'].includes(name) ? value : accumulated(into[name], value)
  }
  return result
}

function messageOf(stream: string, number: number): JsonObject {
  let message: JsonObject = {}
  const calls: Json[] = []
  for (const chunk of chunksOf(stream)) {
    for (const value of arrayOf(chunk['choices'])) {
      const { index, delta } = objectOf(value)
      if (index !== number) continue
      const { tool_calls: pieces, ...rest } = objectOf(delta)
      for (const piece of arrayOf(pieces)) {
        const { index: at, ...more } = objectOf(piece)
        calls[Number(at)] = accumulated(calls[Number(at)], more)
      }
      message = objectOf(accumulated(message, rest))
    }
  }
  return calls.length === 0 ? message : { ...message, tool_calls: calls }
}

function partsSentBack(message: JsonObject): readonly NeutralPart[] {
  const read = protocols.chat.read({ model: 'm', messages: [{ role: 'user', content: 'Hello' }, message] })
  if (!read.ok) throw new Error(read.error.message)
  return read.value.messages[1]?.parts ?? []
}

describe('a reply in the chat wire', () => {
  test('whole, says everything', () => {
    fc.assert(
      fc.property(anyRichReply, (reply) => {
        expect(fold(dialect.read(protocols.chat.write(reply, CONTEXT), TARGET))).toEqual(reply)
      }),
      { numRuns: 300 },
    )
  })

  test('streamed in pieces of any length, says everything', () => {
    fc.assert(
      fc.property(anyRichReply, fc.integer({ min: 1, max: 20 }), (reply, length) => {
        expect(readStream(streamOf(reply, length))).toEqual(reply)
      }),
      { numRuns: 300 },
    )
  })

  test('comes back whole on the next turn', () => {
    fc.assert(
      fc.property(anyRichReply, (reply) => {
        const written = objectOf(protocols.chat.write(reply, CONTEXT))
        arrayOf(written['choices']).forEach((value, number) => {
          expect(partsSentBack(objectOf(objectOf(value)['message']))).toEqual(reply.choices[number]?.parts)
        })
      }),
      { numRuns: 300 },
    )
  })

  test('comes back whole from a client that has put the stream together, however naively', () => {
    fc.assert(
      fc.property(anyRichReply, fc.integer({ min: 1, max: 20 }), (reply, length) => {
        const stream = streamOf(reply, length)
        reply.choices.forEach(({ parts }, number) => {
          expect(partsSentBack(messageOf(stream, number))).toEqual(parts)
        })
      }),
      { numRuns: 300 },
    )
  })

  test('as history goes to a provider of the same wire as it came', () => {
    fc.assert(
      fc.property(choice, ({ parts }) => {
        const message = { role: 'assistant' as const, parts }
        const request = { model: 'm', stream: false, includeUsage: false, messages: [message], tools: [], extra: {} }
        const { body } = dialect.write({ ...request, wire: 'openai-chat' }, TARGET, {
          model: null,
          forceUsage: false,
          maxOutputTokens: null,
        })
        const [sent] = arrayOf(objectOf(parseJson(body))['messages'])
        const sound = parts
          .filter((part) => part.kind === 'audio')
          .map(({ id = '' }) => ({ kind: 'audio', source: { kind: 'file', id }, id }))
        const rest = parts.filter((part) => part.kind !== 'audio')
        const back = partsSentBack(objectOf(sent))
        expect(back.filter((part) => part.kind !== 'audio')).toEqual(rest)
        expect(back.filter((part) => part.kind === 'audio')).toEqual(sound)
      }),
    )
  })
})
