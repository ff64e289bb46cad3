// Laws of the framer: chunking doesn't matter, nothing is lost, and on conforming streams it agrees with a parser that
// follows the standard.
import { createParser } from 'eventsource-parser'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSseFramer, EVENT_CHARS_MAX } from '../../src/data-plane/framing/sse.ts'
import type { SseFrame } from '../../src/data-plane/framing/sse.ts'

/** Text that is mostly made of what matters to a framer. */
const anyStream = fc
  .array(
    fc.constantFrom(
      '\n',
      '\r',
      '\r\n',
      '\n\n',
      'data: ',
      'data:',
      'event: x',
      'error: {"a":1}',
      ': hi',
      '{"e":1}',
      'a',
      ' ',
      '潮',
      '\ufeff',
    ),
    {
      maxLength: 40,
    },
  )
  .map((tokens) => tokens.join(''))

function frame(texts: readonly string[]): { frames: readonly SseFrame[]; rest: string } {
  const framer = createSseFramer()
  const frames = texts.flatMap((text) => framer.push(text))
  return { frames, rest: framer.rest }
}

function cut(text: string, places: readonly number[]): readonly string[] {
  const ends = [...places.toSorted((a, b) => a - b), text.length]
  return ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end))
}

describe('SSE framer', () => {
  test('any chunking gives the same frames, the end included', () => {
    fc.assert(
      fc.property(anyStream, fc.array(fc.nat(80), { maxLength: 12 }), (text, places) => {
        const whole = createSseFramer()
        const expected = [...whole.push(text), ...whole.end()]
        const chunked = createSseFramer()
        const places_ = places.filter((place) => place <= text.length)
        const frames = cut(text, places_).flatMap((piece) => chunked.push(piece))
        expect([...frames, ...chunked.end()]).toEqual(expected)
      }),
      { numRuns: 2000 },
    )
  })

  test('the raw texts of all frames and the rest are the stream', () => {
    fc.assert(
      fc.property(anyStream, (text) => {
        const { frames, rest } = frame([text])
        expect(frames.map((one) => one.raw).join('') + rest).toBe(text)
        const framer = createSseFramer()
        const all = [...framer.push(text), ...framer.end()]
        expect(all.map((one) => one.raw).join('')).toBe(text)
        expect(framer.isAtBoundary).toBe(true)
      }),
    )
  })

  test('agrees with a parser of the standard on conforming streams', () => {
    const field = fc.constantFrom('data: one', 'data:two', 'data', 'event: ping', ': comment', 'id: 7', 'retry: 5')
    const event = fc.array(field, { minLength: 1, maxLength: 4 })
    const eol = fc.constantFrom('\n', '\r\n')
    fc.assert(
      fc.property(fc.array(event, { maxLength: 6 }), eol, (events, end) => {
        const text = events.map((lines) => lines.join(end) + end + end).join('')
        const expected: { event: string; data: string }[] = []
        const parser = createParser({ onEvent: (one) => expected.push({ event: one.event ?? '', data: one.data }) })
        parser.feed(text)
        const hasData = frame([text]).frames.filter((one) => /^data/m.test(one.raw))
        expect(hasData.map(({ event: name, data }) => ({ event: name, data }))).toEqual(expected)
      }),
    )
  })

  test('joins the lines of one event', () => {
    expect(frame(['data: a\ndata: b\n\n']).frames).toEqual([{ event: '', data: 'a\nb', raw: 'data: a\ndata: b\n\n' }])
  })

  test('reports an error that stands outside any data field', () => {
    expect(frame(['error: {"detail":"x"}\n\n']).frames).toMatchObject([{ event: 'error', data: '{"detail":"x"}' }])
    const framer = createSseFramer()
    const frames = [...framer.push('data: a\n\n{\n  "error": {\n    "code": 499\n  }\n}\n'), ...framer.end()]
    expect(frames.map((one) => [one.event, one.data])).toEqual([
      ['', 'a'],
      ['error', '{\n  "error": {\n    "code": 499\n  }\n}'],
    ])
  })

  test('says when it stands between two events', () => {
    const framer = createSseFramer()
    expect(framer.isAtBoundary).toBe(true)
    framer.push('data: a\n\nda')
    expect(framer.isAtBoundary).toBe(false)
    framer.push('ta: b\n\n')
    expect(framer.isAtBoundary).toBe(true)
  })

  test('gives up on an event that is too long, with an error, and holds none of it', () => {
    for (const size of [EVENT_CHARS_MAX, 1000]) {
      const framer = createSseFramer()
      const frames: SseFrame[] = [...framer.push('data: first\n\ndata: ')]
      for (let sent = 0; sent <= EVENT_CHARS_MAX; sent += size) frames.push(...framer.push('x'.repeat(size)))
      expect(frames.map((one) => one.event)).toEqual(['', 'error'])
      expect(framer.isOverflowed).toBe(true)
      expect(framer.rest).toBe('')
      expect([...framer.push('\n\ndata: more\n\n'), ...framer.end()]).toEqual([])
    }
  })
})
