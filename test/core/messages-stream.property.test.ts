// The stream of a message, whatever the order in which a provider tells its parts: blocks never overlap, their numbers are
// dense, and what is said arrives. Held against the official SDK, which puts streams together by the letter.
import Anthropic from '@anthropic-ai/sdk'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { NeutralEvent, NeutralPart, Signature } from '../../src/core/neutral.ts'
import { createSseFramer } from '../../src/data-plane/framing/sse.ts'
import { cutTemplate, templateChars } from '../../src/dialects/frame-template.ts'
import { messages } from '../../src/protocols/messages/index.ts'
import { objectOf } from '../../src/wire/read.ts'

const CONTEXT = { id: 'msg_1', createdSeconds: 1, model: 'asked', wantsUsage: true, request: {} }

const text = fc.string({ minLength: 1, unit: 'grapheme' })
const signature: fc.Arbitrary<Signature> = fc.record({
  maker: fc.constantFrom('anthropic', 'gemini'),
  value: fc.stringMatching(/^[a-zA-Z0-9+/]{1,12}$/),
})

/** The events of one part, in their order. */
const anyPart = fc.oneof(
  fc.record({ start: fc.constant({ kind: 'text' as const }), texts: fc.array(text, { minLength: 1, maxLength: 3 }) }),
  fc.record({
    start: fc.constant({ kind: 'reasoning' as const }),
    texts: fc.array(text, { minLength: 1, maxLength: 3 }),
    signature,
  }),
  fc.record({
    start: fc.record({
      kind: fc.constant('tool-call' as const),
      id: fc.uuid(),
      name: fc.stringMatching(/^[a-z_]{1,9}$/),
    }),
    texts: fc.jsonValue().map((input) => cutInThree(JSON.stringify({ input }))),
    signature: fc.option(
      signature.map((of) => ({ ...of, maker: 'gemini' })),
      { nil: undefined },
    ),
  }),
)

function cutInThree(whole: string): string[] {
  const third = Math.ceil(whole.length / 3)
  return [whole.slice(0, third), whole.slice(third, 2 * third), whole.slice(2 * third)].filter((piece) => piece !== '')
}

/** Parts told all at once: their events interleave at random, each part's own in order. */
const anyTelling: fc.Arbitrary<readonly NeutralEvent[]> = fc
  .tuple(fc.array(anyPart, { minLength: 1, maxLength: 4 }), fc.infiniteStream(fc.nat()))
  .map(([parts, draws]) => {
    const queues = parts.map((part, number): NeutralEvent[] => {
      const at = { choice: 0, part: number }
      const signed: NeutralEvent[] =
        'signature' in part && part.signature !== undefined
          ? [{ type: 'part-signature', ...at, signature: part.signature, redacted: false }]
          : []
      return [
        ...part.texts.map((piece): NeutralEvent => ({ type: 'part-delta', ...at, text: piece })),
        ...signed,
        { type: 'part-end', ...at },
      ]
    })
    const events: NeutralEvent[] = [{ type: 'reply-start', id: 'x', model: 'm', createdSeconds: null }]
    let begun = 0
    for (const draw of draws) {
      const open = queues.slice(0, begun).filter((queue) => queue.length > 0)
      if (open.length === 0 && begun === queues.length) break
      const choice = draw % (open.length + (begun < queues.length ? 1 : 0))
      const start = parts[begun]?.start
      if (choice === open.length && start !== undefined) {
        events.push({ type: 'part-start', choice: 0, part: begun, start })
        begun += 1
      } else events.push(...(open[choice]?.splice(0, 1) ?? []))
    }
    return [...events, { type: 'finish', choice: 0, reason: 'stop' }]
  })

function streamOf(events: readonly NeutralEvent[]): string {
  const writer = messages.writer(CONTEXT)
  return events.map((event) => writer.push(event)).join('') + writer.end()
}

describe('a message in pieces', () => {
  test('blocks come one after another, with dense numbers', () => {
    fc.assert(
      fc.property(anyTelling, (events) => {
        let open = -1
        let next = 0
        for (const frame of createSseFramer().push(streamOf(events))) {
          const message = objectOf(parseJson(frame.data))
          expect(message['type']).toBe(frame.event)
          if (frame.event === 'content_block_start') {
            expect([open, message['index']]).toEqual([-1, next])
            open = next
            next += 1
          } else if (frame.event.startsWith('content_block')) {
            expect(message['index']).toBe(open)
            if (frame.event === 'content_block_stop') open = -1
          }
        }
        expect(open).toBe(-1)
      }),
    )
  })

  test('the SDK puts together what was said, and takes everything back', async () => {
    await fc.assert(
      fc.asyncProperty(anyTelling, async (events) => {
        const client = new Anthropic({
          apiKey: 'none',
          baseURL: 'http://gateway.test',
          fetch: async () => new Response(streamOf(events), { headers: { 'content-type': 'text/event-stream' } }),
        })
        const body = { model: 'm', max_tokens: 1, messages: [{ role: 'user' as const, content: 'x' }] }
        const message = await client.messages.stream(body).finalMessage()
        const again = messages.read({
          ...body,
          messages: [{ role: 'assistant', content: objectOf(parseJson(JSON.stringify(message)))['content'] ?? null }],
        })
        if (!again.ok) throw new Error(again.error.message)
        expect(again.value.messages[0]?.parts.map(comparable)).toEqual(fold(events).choices[0]?.parts.map(comparable))
      }),
      { numRuns: 60 },
    )
  })

  test('a call that is all there makes room for the next part at once', () => {
    const writer = messages.writer(CONTEXT)
    const call = { kind: 'tool-call' as const, id: 'c1', name: 'tide' }
    writer.push({ type: 'part-start', choice: 0, part: 0, start: call })
    writer.push({ type: 'part-delta', choice: 0, part: 0, text: '{"port":"Brest"}' })
    const next = writer.push({ type: 'part-start', choice: 0, part: 1, start: { ...call, id: 'c2' } })
    expect(next).toContain('content_block_stop')
    expect(next).toContain('"id":"c2"')
    expect(writer.push({ type: 'part-end', choice: 0, part: 0 })).toBe('')
    expect(writer.push({ type: 'part-delta', choice: 0, part: 1, text: '{}' })).toContain('input_json_delta')
  })
})

function comparable(part: NeutralPart): unknown {
  return part.kind === 'tool-call' ? { ...part, argumentsText: parseJson(part.argumentsText) } : part
}

describe('a template of messages', () => {
  const frame = (said: string, padding: number): string =>
    `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":${JSON.stringify(said)}}${' '.repeat(padding)}}`

  test('measures every message that differs in nothing but its text and its padding', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.nat(20), fc.nat(20), (first, second, before, after) => {
        const template = cutTemplate(frame(first, before), 'text', first)
        if (template === null) throw new Error('no template')
        expect(templateChars(frame(second, after), template)).toBe(second.length)
      }),
    )
  })

  test('measures no other', () => {
    const template = cutTemplate(frame('a', 3), 'text', 'a')
    if (template === null) throw new Error('no template')
    const others = [
      frame('b', 0).replace('"index":0', '"index":1'),
      frame('b', 0).replace('text_delta', 'json_delta'),
      `${frame('b', 0)} `,
      `${frame('b', 0)}}`,
      frame('b', 0).slice(0, -1),
      frame('b', 0).replace('}}', ',"more":1}}'),
    ]
    for (const other of others) expect(templateChars(other, template)).toBe(-1)
    expect(cutTemplate('{"text":"a","x":{"text":"a"}}', 'text', 'a')).toBeNull()
    expect(cutTemplate('{"x":"a"}', 'text', 'a')).toBeNull()
  })
})
