// Laws of the binary framer: chunking doesn't matter, what was encoded comes out, and nothing that is damaged does.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEventStreamFramer, MESSAGE_BYTES_MAX } from '../../src/data-plane/framing/event-stream.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import type { Frame } from '../../src/dialects/dialect.ts'
import {
  encodeMessage,
  encodeRaw,
  eventMessage,
  exceptionMessage,
  textHeader,
  type EventMessage,
} from '../support/event-stream.ts'

const anyMessage: fc.Arbitrary<EventMessage> = fc.record({
  headers: fc
    .tuple(fc.string({ maxLength: 20 }), fc.string({ unit: 'grapheme', maxLength: 20 }))
    .map(([event, more]): Record<string, string> => ({ ':message-type': 'event', ':event-type': `e${event}`, more })),
  payload: fc.string({ unit: 'grapheme', maxLength: 200 }),
})
const anyStream = fc.array(anyMessage, { maxLength: 6 })

function encoded(messages: readonly EventMessage[]): Uint8Array {
  return Buffer.concat(messages.map((message) => encodeMessage(message)))
}

function framesOf(chunks: readonly Uint8Array[]): readonly Frame[] {
  const framer = createEventStreamFramer()
  return [...chunks.flatMap((chunk) => framer.push(chunk)), ...framer.end()]
}

function cut(bytes: Uint8Array, places: readonly number[]): readonly Uint8Array[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end))
}

describe('event stream framer', () => {
  test('what was encoded comes out, whatever the chunking', () => {
    fc.assert(
      fc.property(anyStream, fc.array(fc.nat(), { maxLength: 30 }), (messages, places) => {
        const expected = messages.map(({ headers, payload }) => ({ event: headers[':event-type'], data: payload }))
        expect(framesOf(cut(encoded(messages), places))).toEqual(expected)
      }),
      { numRuns: 500 },
    )
  })

  test('a byte at a time is a chunking too, cuts inside the prelude included', () => {
    const bytes = encoded([eventMessage('messageStart', { role: 'assistant' }), eventMessage('flood', { tide: '潮' })])
    const expected = [
      { event: 'messageStart', data: '{"role":"assistant"}' },
      { event: 'flood', data: '{"tide":"潮"}' },
    ]
    expect(framesOf(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(expected)
    for (let at = 0; at <= 16; at += 1) {
      expect(framesOf([bytes.slice(0, at), bytes.slice(at)])).toEqual(expected)
    }
  })

  test('a stream that ends inside a message gives the messages before it', () => {
    fc.assert(
      fc.property(anyStream, anyMessage, fc.nat(), (messages, last, length) => {
        const end = encodeMessage(last)
        const stream = Buffer.concat([encoded(messages), end.subarray(0, length % end.length)])
        expect(framesOf([stream])).toHaveLength(messages.length)
      }),
    )
  })

  test('a damaged byte is an error, and nothing is read after it', () => {
    fc.assert(
      fc.property(anyStream, anyMessage, fc.nat(), fc.integer({ min: 1, max: 255 }), (before, message, at, change) => {
        const damaged = encodeMessage(message)
        const place = at % damaged.length
        damaged.writeUInt8((damaged[place] ?? 0) ^ change, place)
        const frames = framesOf([encoded(before), damaged, encoded(before)])
        expect(frames).toHaveLength(before.length + 1)
        expect(frames.at(-1)?.event).toBe('error')
        expect(frames.at(-1)?.data).toContain('unreadable_stream')
      }),
      { numRuns: 500 },
    )
  })

  test('any bytes are read without throwing', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 8 }), (chunks) => {
        expect(framesOf(chunks)).toEqual(expect.any(Array))
      }),
    )
  })

  test('any headers with right checksums are read without throwing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (headers) => {
        expect(framesOf([encodeRaw(Buffer.from(headers), Buffer.from('{}'))])).toHaveLength(1)
      }),
      { numRuns: 500 },
    )
  })

  test('headers of every type are passed over but for text', () => {
    const fixed: readonly (readonly [type: number, bytes: number])[] = [
      [0, 0],
      [1, 0],
      [2, 1],
      [3, 2],
      [4, 4],
      [5, 8],
      [8, 8],
      [9, 16],
    ]
    const others = fixed.map(([type, bytes]) => Buffer.from([1, 0x61, type, ...Array.from({ length: bytes }, () => 7)]))
    const binary = Buffer.from([1, 0x62, 6, 0, 2, 1, 2])
    const headers = Buffer.concat([...others, binary, textHeader(':event-type', 'ebb')])
    expect(framesOf([encodeRaw(headers, Buffer.from('{}'))])).toEqual([{ event: 'ebb', data: '{}' }])
  })

  test('exceptions and errors are told apart from events', () => {
    const error = { ':message-type': 'error', ':error-code': 'InternalError', ':error-message': 'The light went out.' }
    const bytes = encoded([
      exceptionMessage('throttlingException', { message: 'Slow.' }),
      { headers: error, payload: '' },
    ])
    expect(framesOf([bytes])).toEqual([
      { event: 'exception:throttlingException', data: '{"message":"Slow."}' },
      { event: 'error', data: '{"error":{"message":"The light went out.","code":"InternalError"}}' },
    ])
  })

  test('events of a model that are wrapped in base64 come unwrapped', () => {
    const inner = '{"type":"ping","tide":"潮"}'
    const bytes = { bytes: Buffer.from(inner).toString('base64'), p: 'abcdef' }
    const broken = eventMessage('chunk', { bytes: '*' })
    const frames = framesOf([encoded([eventMessage('chunk', bytes), eventMessage('chunk', { b: 1 }), broken])])
    expect(frames.slice(0, 2)).toEqual([
      { event: '', data: inner },
      { event: 'chunk', data: '{"b":1}' },
    ])
    expect(frames[2]?.event).toBe('error')
  })

  test('a message beyond the limit is an error before it is there', () => {
    const long = encodeRaw(Buffer.alloc(0), Buffer.alloc(MESSAGE_BYTES_MAX))
    expect(framesOf([long.subarray(0, 12)])[0]?.data).toContain('too long')
    const longest = encodeRaw(Buffer.alloc(0), Buffer.alloc(MESSAGE_BYTES_MAX - 16, 0x61))
    expect(framesOf(cut(longest, [5, 70_000, 900_000]))[0]?.data).toHaveLength(MESSAGE_BYTES_MAX - 16)
  })

  test('the content type says that a stream is one', () => {
    const framer = createFramer('application/vnd.amazon.eventstream', 'sse')
    expect(framer.push(encodeMessage(eventMessage('ebb', {})))).toEqual([{ event: 'ebb', data: '{}' }])
  })
})
