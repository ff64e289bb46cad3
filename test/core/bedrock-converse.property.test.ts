// Laws of the Converse reader that need its own events: nothing throws, order is legal, and the meter agrees, whatever
// comes in whatever order; and usage adds up, however a model counts what it had cached.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import type { NeutralEvent } from '../../src/core/neutral.ts'
import { promptTokens } from '../../src/core/money/usage.ts'
import { bedrockConverse } from '../../src/dialects/bedrock-converse/index.ts'
import type { Frame } from '../../src/dialects/dialect.ts'
import { joinBase64 } from '../../src/wire/base64.ts'
import { familyOf, formatOf, readConverseUsage } from '../../src/wire/bedrock-converse.ts'
import { orderObjection } from '../contracts/event-order.ts'
import { TARGET } from '../support/target.ts'

const index = fc.nat({ max: 3 })
const text = fc.oneof(fc.string({ maxLength: 6 }), fc.constant(undefined), fc.constant(null))
const anyDelta = fc.oneof(
  fc.record({ text }),
  fc.record({ toolUse: fc.record({ input: text }) }),
  fc.record({ reasoningContent: fc.record({ text, signature: text, redactedContent: text }) }),
  fc.record({ citation: fc.record({ title: text, location: fc.jsonValue(), sourceContent: fc.jsonValue() }) }),
  fc.record({ toolResult: fc.jsonValue() }),
  fc.record({ image: fc.record({ source: fc.record({ bytes: text }) }) }),
  fc.jsonValue(),
)
const anyStart = fc.oneof(
  fc.record({
    toolUse: fc.record({ toolUseId: text, name: text, type: fc.constantFrom('tool_use', 'server_tool_use') }),
  }),
  fc.record({ toolResult: fc.record({ toolUseId: text }) }),
  fc.record({ image: fc.record({ format: text }) }),
  fc.jsonValue(),
)
const anyPayload = fc.oneof(
  fc.tuple(fc.constant('messageStart'), fc.constant({ role: 'assistant' })),
  fc.tuple(fc.constant('contentBlockStart'), fc.record({ contentBlockIndex: index, start: anyStart })),
  fc.tuple(fc.constant('contentBlockDelta'), fc.record({ contentBlockIndex: index, delta: anyDelta })),
  fc.tuple(fc.constant('contentBlockStop'), fc.record({ contentBlockIndex: index })),
  fc.tuple(
    fc.constant('messageStop'),
    fc.record({ stopReason: fc.constantFrom('end_turn', 'tool_use', 'max_tokens', 'malformed_tool_use', 'new', null) }),
  ),
  fc.tuple(fc.constant('metadata'), fc.record({ usage: fc.record({ inputTokens: fc.nat(), outputTokens: fc.nat() }) })),
  fc.tuple(fc.constantFrom('exception:throttlingException', 'exception:', 'error', 'ping'), fc.jsonValue()),
)
const anyFrame = anyPayload.map(([event, payload]): Frame => ({ event, data: JSON.stringify(payload) ?? '' }))

function eventsOf(frames: readonly Frame[]): readonly NeutralEvent[] {
  const reader = bedrockConverse.reader(TARGET)
  return [...frames.flatMap((frame) => reader.push(frame)), ...reader.end()]
}

describe('Converse reader', () => {
  test('events in any order give legal events, and the meter agrees', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 20 }), (frames) => {
        const events = eventsOf(frames)
        expect(orderObjection(events)).toBeNull()
        const reply = fold(events)
        const meter = bedrockConverse.meter(TARGET)
        for (const frame of frames) meter.push(frame)
        expect(meter.isComplete).toBe(reply.failure === null)
        expect(meter.usage).toEqual(reply.usage)
        if (meter.failure !== null) expect(reply.failure).toEqual(meter.failure)
      }),
      { numRuns: 1000 },
    )
  })

  test.each([
    ['throttlingException', 'throttled', 429],
    ['serviceUnavailableException', 'overloaded', 503],
    ['internalServerException', 'server', 500],
    ['modelStreamErrorException', 'server', 424],
    ['modelTimeoutException', 'timeout', 408],
    ['validationException', 'client', 400],
    ['somethingNewException', 'server', 500],
  ])('the exception %s is a failure of class %s', (type, meaning, status) => {
    const [failure] = eventsOf([{ event: `exception:${type}`, data: '{"message":"Not now."}' }])
    expect(failure).toMatchObject({
      type: 'failure',
      failure: { class: meaning, status, type, message: 'Not now.' },
    })
  })
})

describe('Converse usage', () => {
  const count = fc.nat({ max: 1_000_000 })

  test('adds up to the total, cached tokens beside the input', () => {
    fc.assert(
      fc.property(count, count, count, count, count, (input, read, short, long, output) => {
        const usage = readConverseUsage({
          inputTokens: input,
          outputTokens: output,
          cacheReadInputTokens: read,
          cacheWriteInputTokens: short + long,
          cacheDetails: [
            { ttl: '5m', inputTokens: short },
            { ttl: '1h', inputTokens: long },
          ],
          totalTokens: input + read + short + long + output,
        })
        if (usage === null) return expect(input + read + short + long + output).toBe(0)
        expect(usage).toMatchObject({ input, cacheRead: read, cacheWrite: short, cacheWriteLong: long, output })
      }),
    )
  })

  test('adds up to the total where a model counts cached tokens inside the input', () => {
    const usage = readConverseUsage({ inputTokens: 100, outputTokens: 5, cacheReadInputTokens: 60, totalTokens: 105 })
    expect(usage).toMatchObject({ input: 40, cacheRead: 60, output: 5 })
    expect(usage === null ? 0 : promptTokens(usage)).toBe(100)
  })

  test('is read in the older spelling too', () => {
    const usage = { inputTokens: 1, outputTokens: 2, cacheReadInputTokenCount: 3, cacheWriteInputTokenCount: 4 }
    expect(readConverseUsage(usage)).toMatchObject({ input: 1, cacheRead: 3, cacheWrite: 4, output: 2 })
  })
})

describe('base64 in pieces', () => {
  test('holds what the pieces hold, wherever they were cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 6 }), (pieces) => {
        const joined = joinBase64(pieces.map((piece) => Buffer.from(piece).toString('base64')))
        expect(joined).toBe(Buffer.concat(pieces).toString('base64'))
      }),
    )
  })
})

describe('Converse names', () => {
  test.each([
    ['anthropic.claude-haiku-4-5-20251001-v1:0', 'anthropic'],
    ['arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-5', 'anthropic'],
    ['us.amazon.nova-2-lite-v1:0', 'nova'],
    ['openai.gpt-oss-20b-1:0', 'openai'],
    ['mistral.mistral-large-2407-v1:0', 'mistral'],
    ['arn:aws:bedrock:eu-west-1:1:application-inference-profile/abc', 'other'],
  ])('%s is of the family %s', (model, family) => {
    expect(familyOf(model)).toBe(family)
  })

  test.each([
    ['image', 'image/jpg', 'jpeg'],
    ['image', 'image/png; charset=binary', 'png'],
    ['document', 'text/plain', 'txt'],
    ['document', 'application/vnd.openxmlformats-officedocument.wordprocessingml.document', 'docx'],
    ['audio', 'audio/mpeg', 'mp3'],
    ['video', 'video/3gpp', 'three_gp'],
    ['image', 'application/pdf', null],
    ['image', 'png', null],
    ['document', '', null],
  ] as const)('%s of type %s is %s', (kind, mediaType, format) => {
    expect(formatOf(kind, mediaType)).toBe(format)
  })
})
