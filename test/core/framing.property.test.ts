// The framers that are no event streams: lines of JSON, and answers in one piece. However the bytes are cut, the messages
// are the same, and nothing that can't be read goes unnoticed.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { createLineFramer, LINE_CHARS_MAX } from '../../src/data-plane/framing/ndjson.ts'
import type { Frame, Framing } from '../../src/dialects/dialect.ts'

const line = fc.oneof(
  fc.jsonValue().map((value) => JSON.stringify(value)),
  fc.jsonValue().map((value) => `data: ${JSON.stringify(value)}`),
  fc.constantFrom('', '   ', ': keep-alive', 'event: message', 'data:', 'id: 7', '{"half":', 'data: [DONE]'),
)
const ending = fc.constantFrom('\n', '\r\n', '\n\n')
const stream = fc
  .array(fc.tuple(line, ending), { maxLength: 12 })
  .map((lines) => lines.map(([text, end]) => text + end).join(''))

function framesOf(text: string, cuts: readonly number[], framing: Framing = 'ndjson'): readonly Frame[] {
  const bytes = new TextEncoder().encode(text)
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  const framer = createFramer(null, framing)
  const frames = ends.flatMap((end, n) => framer.push(bytes.subarray(ends[n - 1] ?? 0, end)))
  return [...frames, ...framer.end()]
}

describe('lines of JSON', () => {
  test('any chunking gives the same messages', () => {
    fc.assert(
      fc.property(fc.oneof(stream, fc.string()), fc.array(fc.nat(), { maxLength: 20 }), (text, cuts) => {
        expect(framesOf(text, cuts)).toEqual(framesOf(text, []))
      }),
    )
  })

  test('every line of JSON is a message, whatever stands between', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 8 }), ending, (values, end) => {
        const text = values.map((value) => `: comment${end}${JSON.stringify(value)}`).join(end)
        expect(framesOf(text, []).map((frame) => frame.data)).toEqual(values.map((value) => JSON.stringify(value)))
      }),
    )
  })

  test('a line that is dressed as a server-sent event is undressed', () => {
    expect(framesOf('event: error\ndata: {"a":1}\n\ndata:{"b":2}\n', [])).toEqual([
      { event: 'error', data: '{"a":1}' },
      { event: '', data: '{"b":2}' },
    ])
  })

  test('what is no JSON is an error, and nothing is read after it', () => {
    expect(framesOf('{"a":1}\n<html>Bad gateway</html>\n{"b":2}\n', [])).toEqual([
      { event: '', data: '{"a":1}' },
      { event: 'error', data: '<html>Bad gateway</html>' },
    ])
  })

  test('a byte order mark and a missing last newline change nothing', () => {
    expect(framesOf('\ufeff{"a":1}\r\n{"b":2}', [])).toEqual([
      { event: '', data: '{"a":1}' },
      { event: '', data: '{"b":2}' },
    ])
  })

  test('memory is bounded: an endless line is an error', () => {
    const framer = createLineFramer()
    const piece = 'x'.repeat(LINE_CHARS_MAX / 4)
    const frames = Array.from({ length: 20 }, () => framer.push(`"${piece}`)).flat()
    expect(frames).toHaveLength(1)
    expect(frames[0]).toMatchObject({ event: 'error', data: expect.stringContaining('line_too_long') })
    expect(framer.end()).toEqual([])
  })

  test.each([
    'application/x-ndjson',
    'application/ndjson; charset=utf-8',
    'application/stream+json',
    'application/jsonl',
  ])('%s is cut into lines', (contentType) => {
    const framer = createFramer(contentType, 'sse')
    expect(framer.push(new TextEncoder().encode('{"a":1}\n'))).toEqual([{ event: '', data: '{"a":1}' }])
  })
})

describe('an answer in one piece', () => {
  test('is one message at the end, however it came', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.array(fc.nat(), { maxLength: 20 }), (value, cuts) => {
        const text = JSON.stringify(value, null, 2)
        expect(framesOf(text, cuts, 'whole')).toEqual([{ event: '', data: text }])
      }),
    )
  })

  test('is none where nothing came', () => {
    expect(framesOf(' \n', [], 'whole')).toEqual([])
  })
})
