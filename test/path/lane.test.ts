// Both lanes over every recorded stream of the fixtures, cut in every way that a network cuts: what goes to the client,
// where pieces end, what was understood of it, and how it ends.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { DialectName } from '../../src/core/directory.ts'
import type { UpstreamFailure } from '../../src/core/failure.ts'
import { fold, isWhole } from '../../src/core/reply/fold.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { createSseFramer } from '../../src/data-plane/framing/sse.ts'
import { BROKEN_OFF, type Lane, nativeLane, translatedLane } from '../../src/data-plane/answer/lane.ts'
import { dialects, protocols } from '../support/registries.ts'
import { chance } from '../support/chance.ts'
import { fixturesOf } from '../fixtures/replies.ts'
import { TARGET } from '../support/target.ts'

const CONTEXT = {
  id: 'chatcmpl-own',
  createdSeconds: 1_760_000_000,
  model: 'own-model',
  wantsUsage: true,
  request: {},
}
const DONE = 'data: [DONE]\n\n'
const encoder = new TextEncoder()

type LaneKind = 'native' | 'native without usage' | 'translated'

const KINDS: readonly LaneKind[] = ['native', 'native without usage', 'translated']

/** A lane of this kind for a provider that speaks `wire`. */
function laneFor(kind: LaneKind, wire: DialectName): Lane {
  const dialect = dialects[wire]
  if (kind === 'translated') {
    const framer = createFramer('text/event-stream', 'sse')
    return translatedLane(framer, dialect.reader(TARGET), protocols.chat.writer(CONTEXT), { collects: true })
  }
  const ending = (): string => protocols.chat.writer({ ...CONTEXT, wantsUsage: false }).end()
  return nativeLane(dialect, TARGET, { hidesUsage: kind === 'native without usage', collects: true, ending })
}

/** Everything that came out of a lane. */
interface Passage {
  readonly pieces: readonly string[]
  readonly bytes: Uint8Array
  readonly failure: UpstreamFailure | null
  readonly lane: Lane
}

/** Sends chunks through as a relay does: nothing after a failure. */
function passed(lane: Lane, chunks: readonly Uint8Array[]): Passage {
  const out: Uint8Array[] = []
  let failure: UpstreamFailure | null = null
  for (const read of [...chunks.map((chunk) => () => lane.push(chunk)), () => lane.end()]) {
    const step = read()
    if (step.out !== null) out.push(typeof step.out === 'string' ? encoder.encode(step.out) : step.out)
    failure = step.failure
    if (failure !== null) break
  }
  const pieces = out.map((bytes) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  return { pieces, bytes: Buffer.concat(out), failure, lane }
}

function sized(bytes: Uint8Array, size: () => number): readonly Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + size())
    chunks.push(bytes.slice(at, end))
    at = end
  }
  return chunks
}

function cutAt(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const ends = [...cuts.toSorted((a, b) => a - b), bytes.length]
  return ends.map((end, index) => bytes.slice(ends[index - 1] ?? 0, end))
}

/** Every place inside a character of more than one byte. */
function insideCharacters(bytes: Uint8Array): readonly number[] {
  return [...bytes.keys()].filter((at) => ((bytes[at] ?? 0) & 0xc0) === 0x80)
}

/** Ways to cut a stream, by name. */
function chunkings(bytes: Uint8Array): Readonly<Record<string, readonly Uint8Array[]>> {
  const random = chance(bytes.length)
  return {
    'in one piece': [bytes],
    'byte by byte': sized(bytes, () => 1),
    'seven bytes at a time': sized(bytes, () => 7),
    'at random': sized(bytes, () => 1 + random.below(120)),
    'inside every character': cutAt(bytes, insideCharacters(bytes)),
    'with empty chunks': sized(bytes, () => 50).flatMap((chunk) => [chunk, new Uint8Array()]),
  }
}

interface Recording {
  readonly name: string
  readonly wire: DialectName
  readonly text: string
  /** It tells a whole reply. */
  readonly isWhole: boolean
}

const RECORDINGS: readonly Recording[] = (['openai-chat', 'anthropic-messages'] as const).flatMap((wire) =>
  fixturesOf(wire).flatMap(({ name, stream, reply }) =>
    stream === null ? [] : [{ name: `${wire} ${name}`, wire, text: stream, isWhole: reply !== null }],
  ),
)

/** A recording's own bytes, and with the line ends of other providers. */
function variants({ text }: Recording): Readonly<Record<string, string>> {
  return { LF: text, CRLF: text.replaceAll('\n', '\r\n'), 'a byte order mark': `\ufeff${text}` }
}

const whole = RECORDINGS.filter((recording) => recording.isWhole)
const broken = RECORDINGS.filter((recording) => !recording.isWhole)
const native = (recording: Recording): boolean => recording.wire === 'openai-chat'

/** Streams of this wire that end as they should. */
const closed = whole.filter((recording) => native(recording) && recording.text.endsWith(DONE))
/** An event that is there for the usage alone. Some providers tell it with the last of the content, where it stays. */
const isUsageOnly = (data: string): boolean => /"choices": ?\[\]/.test(data) && data.includes('prompt_tokens')
const usageLast = closed.filter(({ text }) =>
  createSseFramer()
    .push(text)
    .some(({ data }) => isUsageOnly(data)),
)

test('there is something to read', () => {
  expect(closed.length).toBeGreaterThan(usageLast.length)
  expect(usageLast.length).toBeGreaterThan(4)
  expect(whole.filter((recording) => !native(recording)).length).toBeGreaterThan(5)
  expect(broken.length).toBeGreaterThan(3)
})

describe.each(closed)('native lane, $name', (recording) => {
  test.each(Object.entries(variants(recording)))('is the provider to the byte, with %s', (_, text) => {
    const bytes = encoder.encode(text)
    for (const [cut, chunks] of Object.entries(chunkings(bytes))) {
      const { failure, bytes: out } = passed(laneFor('native', recording.wire), chunks)
      expect(failure, cut).toBeNull()
      expect(Buffer.compare(out, bytes), cut).toBe(0)
    }
  })

  test.each(Object.entries(variants(recording)))('hides usage and nothing else, with %s', (_, text) => {
    const frames = createSseFramer().push(text)
    const kept = frames.filter(({ data }) => !isUsageOnly(data)).map(({ raw }) => raw)
    expect(kept.length).toBe(frames.length - (usageLast.includes(recording) ? 1 : 0))
    for (const [cut, chunks] of Object.entries(chunkings(encoder.encode(text)))) {
      const { failure, pieces, lane } = passed(laneFor('native without usage', recording.wire), chunks)
      expect(failure, cut).toBeNull()
      expect(pieces.join(''), cut).toBe(kept.join(''))
      expect(lane.usage, cut).not.toBeNull()
    }
  })

  test.each([
    ['an end without [DONE]', (text: string) => text.slice(0, text.lastIndexOf('data: [DONE]')), DONE],
    ['[DONE] without its blank line', (text: string) => text.trimEnd(), '\n\n'],
    ['[DONE] with half of it', (text: string) => `${text.trimEnd()}\n`, '\n'],
    ['[DONE] among blanks', (text: string) => text.replace('data: [DONE]', 'data:  [DONE] '), ''],
  ])('closes %s', (_, change, added) => {
    const text = change(recording.text)
    for (const [cut, chunks] of Object.entries(chunkings(encoder.encode(text)))) {
      const { failure, pieces } = passed(laneFor('native', recording.wire), chunks)
      expect(failure, cut).toBeNull()
      expect(pieces.join(''), cut).toBe(text + added)
    }
  })
})

test('usage without its blank line at the end is hidden, too', () => {
  for (const { text, wire } of usageLast) {
    const unfinished = text.slice(0, text.indexOf('data: [DONE]')).trimEnd()
    expect(unfinished).toMatch(/"total_tokens":.*$/)
    for (const [cut, chunks] of Object.entries(chunkings(encoder.encode(unfinished)))) {
      const { failure, pieces, lane } = passed(laneFor('native without usage', wire), chunks)
      expect(failure, cut).toBeNull()
      expect(pieces.join(''), cut).not.toContain('total_tokens')
      expect(lane.usage, cut).not.toBeNull()
    }
  }
})

describe.each(RECORDINGS)('$name', (recording) => {
  const kinds = KINDS.filter((kind) => kind === 'translated' || native(recording))

  test.each(kinds)('%s: every piece ends where an event does', (kind) => {
    for (const [line, text] of Object.entries(variants(recording))) {
      for (const [cut, chunks] of Object.entries(chunkings(encoder.encode(text)))) {
        const framer = createSseFramer()
        for (const piece of passed(laneFor(kind, recording.wire), chunks).pieces) {
          framer.push(piece)
          expect(piece, `${line}, ${cut}`).not.toBe('')
          expect(framer.isAtBoundary, `${line}, ${cut}`).toBe(true)
        }
      }
    }
  })

  test.each(kinds)('%s: what is understood does not depend on how it is cut', (kind) => {
    const reference = understood(passed(laneFor(kind, recording.wire), [encoder.encode(recording.text)]))
    for (const [line, text] of Object.entries(variants(recording))) {
      const bytes = encoder.encode(text)
      for (const [cut, chunks] of Object.entries(chunkings(bytes))) {
        expect(understood(passed(laneFor(kind, recording.wire), chunks)), `${line}, ${cut}`).toEqual(reference)
      }
    }
    const bytes = encoder.encode(recording.text)
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 30 }), (cuts) => {
        expect(understood(passed(laneFor(kind, recording.wire), cutAt(bytes, cuts)))).toEqual(reference)
      }),
      { numRuns: 30 },
    )
  })

  test.each(kinds)('%s: the lanes agree with the dialect', (kind) => {
    const { lane, failure } = passed(laneFor(kind, recording.wire), [encoder.encode(recording.text)])
    const framer = createSseFramer()
    const frames = [...framer.push(recording.text), ...framer.end()]
    const reader = dialects[recording.wire].reader(TARGET)
    const said = fold([...frames.flatMap((frame) => reader.push(frame)), ...reader.end()])
    expect(lane.usage).toEqual(said.usage)
    expect(lane.isComplete).toBe(recording.isWhole)
    if (recording.isWhole) expect(fold(lane.events ?? [])).toEqual(said)
    else expect(failure?.class).toBe(said.failure?.class)
    if (recording.name.includes('error')) expect(failure).toEqual(said.failure)
  })
})

/** What a passage says, apart from how it was cut. */
function understood({ pieces, failure, lane }: Passage) {
  const { usage, visibleChars, isComplete, hasContent } = lane
  const reply = fold(lane.events ?? [])
  const framer = createSseFramer()
  const frames = pieces.flatMap((piece) => framer.push(piece)).map(({ event, data }) => ({ event, data }))
  return { usage, visibleChars, isComplete, hasContent, failure, reply, said: frames.filter(({ data }) => data !== '') }
}

describe('translated lane', () => {
  test.each(whole)('$name: what the client reads folds to what the provider said', ({ wire, text }) => {
    const { pieces, lane, failure } = passed(laneFor('translated', wire), [encoder.encode(text)])
    expect(failure).toBeNull()
    const written = pieces.join('')
    expect(written.endsWith(DONE)).toBe(true)
    expect(written.split(DONE)).toHaveLength(2)
    const framer = createSseFramer()
    const reader = dialects['openai-chat'].reader(TARGET)
    const read = fold([...framer.push(written).flatMap((frame) => reader.push(frame)), ...reader.end()])
    const said = fold(lane.events ?? [])
    expect(isWhole(said)).toBe(true)
    // The chat wire has no word for a pause.
    const finishes = said.choices.map(({ finish }) => (finish === 'paused' ? 'stop' : finish))
    expect(read.choices.map(({ finish }) => finish)).toEqual(finishes)
    for (const kind of ['text', 'reasoning', 'tool-call'] as const) {
      expect(read.choices.map(({ parts }) => joined(parts, kind))).toEqual(
        said.choices.map(({ parts }) => joined(parts, kind)),
      )
    }
  })
})

function joined(parts: readonly object[], kind: string): string {
  const texts = parts.map((part) => ('kind' in part && part.kind === kind ? part : null))
  return texts
    .map((part) =>
      part === null ? '' : 'text' in part ? part.text : 'argumentsText' in part ? part.argumentsText : '',
    )
    .join('')
}

describe.each(broken)('a stream that fails, $name', (recording) => {
  const kinds = KINDS.filter((kind) => kind === 'translated' || native(recording))
  const isError = recording.name.includes('error')

  test.each(kinds)('%s: ends with a failure, and without a clean end', (kind) => {
    for (const [line, text] of Object.entries(variants(recording))) {
      for (const [cut, chunks] of Object.entries(chunkings(encoder.encode(text)))) {
        const { failure, pieces } = passed(laneFor(kind, recording.wire), chunks)
        expect(failure, `${line}, ${cut}`).not.toBeNull()
        expect(pieces.join(''), `${line}, ${cut}`).not.toContain('[DONE]')
      }
    }
  })

  if (!isError) return

  test.each(kinds)('%s: nothing of an error frame leaks, with or without its blank line', (kind) => {
    for (const text of [recording.text, recording.text.trimEnd(), `${recording.text}${contentAfter(recording.wire)}`]) {
      for (const [cut, chunks] of Object.entries(chunkings(encoder.encode(text)))) {
        const { failure, pieces } = passed(laneFor(kind, recording.wire), chunks)
        expect(pieces.join(''), cut).not.toMatch(/error|engine stopped|out of memory|overloaded/i)
        expect(failure?.message, cut).not.toBe(BROKEN_OFF.message)
      }
    }
  })
})

/** An event with text in it. */
function contentAfter(wire: DialectName): string {
  const delta = { index: 0, delta: { type: 'text_delta', text: ' after the error', content: ' after the error' } }
  const data = wire === 'openai-chat' ? { choices: [delta] } : { type: 'content_block_delta', ...delta }
  return `data: ${JSON.stringify(data)}\n\n`
}

describe.each(whole)('a stream that is cut, $name', (recording) => {
  const kinds = KINDS.filter((kind) => kind === 'translated' || native(recording))
  const frames = createSseFramer().push(recording.text)

  test.each(kinds)('%s: fails unless the reply was whole by then', (kind) => {
    let failures = 0
    for (let length = 0; length < frames.length; length += 1) {
      const text = frames
        .slice(0, length)
        .map(({ raw }) => raw)
        .join('')
      const { failure, lane, pieces } = passed(
        laneFor(kind, recording.wire),
        sized(encoder.encode(text), () => 64),
      )
      expect(failure === null).toBe(lane.isComplete)
      expect(pieces.join('').endsWith(DONE)).toBe(failure === null)
      failures += failure === null ? 0 : 1
    }
    expect(failures).toBeGreaterThan(0)
  })

  test.each(kinds)('%s: a piece of an event at the end is not passed on as one', (kind) => {
    const half = recording.text.indexOf('}') - 5
    const { failure, pieces } = passed(laneFor(kind, recording.wire), [encoder.encode(recording.text.slice(0, half))])
    expect(failure?.class).toBe('stream')
    for (const { data } of pieces.flatMap((piece) => createSseFramer().push(piece))) {
      if (data !== '') expect(() => JSON.parse(data)).not.toThrow()
    }
  })
})

test('an event whose data never came is not passed on; comments are', () => {
  const chunk = { id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm' }
  const said = `data: ${JSON.stringify({ ...chunk, choices: [{ index: 0, delta: { content: 'ebb' }, finish_reason: null }] })}\n\n`
  const lane = laneFor('native', 'openai-chat')
  const { pieces } = passed(lane, [encoder.encode(`: still there\n\n${said}event: chunk\ndata:\n\ndata:\n\n${said}`)])
  expect(pieces).toEqual([`: still there\n\n${said}${said}`])
})

test('nothing but a last word is passed on behind the end of a whole reply', () => {
  const completed = { type: 'response.completed', response: { id: 'r', output: [], status: 'completed' } }
  const whole = `event: response.completed\ndata: ${JSON.stringify(completed)}\n\n`
  const lane = laneFor('native', 'openai-responses')
  const { pieces, failure } = passed(lane, [
    encoder.encode(whole),
    encoder.encode(`data: {"error":{"message":"late"}}\n\n${DONE}`),
  ])
  expect([pieces.join(''), failure]).toEqual([whole + DONE, null])
})

test('a choice that begins with the last bytes of a stream, behind others that are whole, is no whole reply', () => {
  const chunk = (index: number, text: string, finish: string | null): string =>
    `data: ${JSON.stringify({ id: 'c', object: 'text_completion', choices: [{ index, text, finish_reason: finish }] })}\n\n`
  const text = chunk(0, 'ebb', null) + chunk(0, '', 'stop') + chunk(1, 'flood', null).trimEnd()
  expect(passed(laneFor('native', 'openai-completions'), [encoder.encode(text)]).failure).toBe(BROKEN_OFF)
})
