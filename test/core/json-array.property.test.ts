// The laws of cutting a stream that is one JSON array: any chunking gives the same elements, and they are the array's.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { createJsonArrayFramer, ELEMENT_CHARS_MAX } from '../../src/data-plane/framing/json-array.ts'
import type { Frame } from '../../src/dialects/dialect.ts'

const element = fc.dictionary(
  fc.oneof(fc.string(), fc.constantFrom('"', '\\', '{', ']')),
  fc.oneof(fc.jsonValue(), fc.constantFrom('}, {"a":1}', '\\"]', '🌊 [ebb]')),
)

function framesOf(text: string, cuts: readonly number[], contentType: string | null = null): readonly Frame[] {
  const bytes = new TextEncoder().encode(text)
  const framer = createFramer(contentType, contentType === null ? 'json-array' : 'sse')
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  const frames = ends.flatMap((end, n) => framer.push(bytes.subarray(ends[n - 1] ?? 0, end)))
  return [...frames, ...framer.end()]
}

test('the elements of an array are its frames, however it is printed and cut', () => {
  const cuts = fc.array(fc.nat(), { maxLength: 40 })
  fc.assert(
    fc.property(fc.array(element), fc.constantFrom(undefined, 2, '\t'), cuts, (elements, indent, places) => {
      const text = JSON.stringify(elements, null, indent)
      for (const contentType of [null, 'application/json; charset=UTF-8']) {
        const frames = framesOf(text, places, contentType)
        expect(frames.map((frame) => frame.event)).toEqual(elements.map(() => ''))
        // As text: what stands in the stream.
        const printed = elements.map((value) => JSON.stringify([value], null, indent).slice(1, -1).trim())
        expect(frames.map((frame) => frame.data)).toEqual(printed)
      }
    }),
  )
})

test('an array that is cut off gives the elements that are whole', () => {
  fc.assert(
    fc.property(fc.array(element), fc.nat(), (elements, at) => {
      const text = JSON.stringify(elements)
      const data = framesOf(text.slice(0, at % (text.length + 1)), []).map((frame) => frame.data)
      expect(data).toEqual(elements.slice(0, data.length).map((value) => JSON.stringify(value)))
    }),
  )
})

test('elements come as soon as they are whole', () => {
  const framer = createJsonArrayFramer()
  expect(framer.push('[{\n  "a": 1\n}')).toEqual([{ event: '', data: '{\n  "a": 1\n}' }])
  expect(framer.push('\n,\n{"b"')).toEqual([])
  expect(framer.push(':2}')).toEqual([{ event: '', data: '{"b":2}' }])
  expect(framer.push('\n]\n')).toEqual([])
})

test('one object is one frame, of the kind of JSON outside of events', () => {
  expect(framesOf('{\n "error": {}\n}\n', [3, 4])).toEqual([{ event: 'error', data: '{\n "error": {}\n}' }])
  expect(framesOf('{"error":{}}', [], 'application/json')).toEqual([{ event: 'error', data: '{"error":{}}' }])
})

test('what is no JSON is an error, and nothing is read after it', () => {
  const frames = framesOf('[{"a":1}, <html>{"b":2}]', [5])
  expect(frames).toHaveLength(2)
  expect(frames[1]).toMatchObject({ event: 'error', data: expect.stringContaining('not_json') })
})

test('events under the name of JSON are events', () => {
  const frames = framesOf('\n: hello\n\ndata: {"a":1}\r\n\r\n', [1, 2, 9], 'application/json')
  expect(frames.filter((frame) => frame.data !== '')).toMatchObject([{ event: '', data: '{"a":1}' }])
  expect(framesOf('', [], 'application/json')).toEqual([])
})

test('an element that is too long is an error', () => {
  const framer = createJsonArrayFramer()
  const piece = 'x'.repeat(1024 * 1024)
  expect(framer.push('[{"a":"')).toEqual([])
  const frames: Frame[] = []
  for (let chars = 0; chars <= ELEMENT_CHARS_MAX; chars += piece.length) frames.push(...framer.push(piece))
  expect(frames).toMatchObject([{ event: 'error', data: expect.stringContaining('event_too_long') }])
  expect(framer.push('"}]')).toEqual([])
})
