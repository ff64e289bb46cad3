// Reads messages twice: as they come, where a reader may be spared the plain ones, and with an empty one between any two,
// where it is spared none. And makes messages that are nearly like others.
import fc from 'fast-check'
import type { NeutralEvent } from '../../src/core/neutral.ts'
import type { Frame, StreamReader } from '../../src/dialects/dialect.ts'

const EMPTY: Frame = { event: '', data: '' }

function eventsOf(reader: StreamReader, frames: readonly Frame[]): readonly NeutralEvent[] {
  const events = frames.flatMap((frame) => reader.push(frame))
  return [...events, ...reader.end()]
}

/** The events of the messages, spared and not. */
export function bothReadings(
  createReader: () => StreamReader,
  frames: readonly Frame[],
): { readonly spared: readonly NeutralEvent[]; readonly whole: readonly NeutralEvent[] } {
  const parted = frames.flatMap((frame) => [frame, EMPTY])
  return { spared: eventsOf(createReader(), frames), whole: eventsOf(createReader(), parted) }
}

/** A change of one message of a stream. */
export interface Edit {
  /** Which message, and which of the places in it that can be changed so; both go round. */
  readonly message: number
  readonly at: number
  readonly kind: keyof typeof EDITS
  readonly text: string
}

const LITERAL = /(?<=:\s*)"(?:[^"\\]|\\.)*"/g
const NUMBER = /(?<=[:,[]\s*)-?\d[\d.eE+-]*/g
const MEMBER = /"(?:[^"\\]|\\.)*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|-?\d[\d.]*|null|true|false)/g

const EDITS = {
  /** Another text, as a serialiser writes it. */
  say: (data, { at, text }) => replaced(data, LITERAL, at, () => JSON.stringify(text)),
  /** Another text, every character of it escaped. */
  escape: (data, { at, text }) =>
    replaced(data, LITERAL, at, () => `"${[...Array(text.length).keys()].map((i) => escaped(text, i)).join('')}"`),
  /** What no JSON text may hold, and what looks like its end. */
  raw: (data, { at, text }) => replaced(data, LITERAL, at, () => `"${text}"`),
  number: (data, { at }) => replaced(data, NUMBER, at, () => ['0', '-1', '1.5e3', '01', '7'][at % 5] ?? '0'),
  twice: (data, { at }) => replaced(data, MEMBER, at, (member) => `${member},${member}`),
  again: (data, { at, text }) => replaced(data, MEMBER, at, (member) => `${member},${renewed(member, text)}`),
  before: (data, { at, text }) => replaced(data, MEMBER, at, (member) => `${renewed(member, text)},${member}`),
  extra: (data, { at, text }) => replaced(data, MEMBER, at, (member) => `${member},"extra":${JSON.stringify(text)}`),
  lost: (data, { at }) => replaced(data, MEMBER, at, () => '"lost":0'),
  null: (data, { at }) => replaced(data, LITERAL, at, () => 'null'),
  space: (data, { at }) => replaced(data, /[:,{}]/g, at, (mark) => `${mark} `),
  padding: (data, { at }) => data.replace(/\}$/, `${' '.repeat(at % 9)}}`),
  cut: (data, { at }) => data.slice(0, at % (data.length + 1)),
  delete: (data, { at }) => data.slice(0, at % (data.length + 1)) + data.slice((at % (data.length + 1)) + 1),
  insert: (data, { at, text }) => data.slice(0, at % (data.length + 1)) + text + data.slice(at % (data.length + 1)),
} satisfies Record<string, (data: string, edit: Pick<Edit, 'at' | 'text'>) => string>

function replaced(data: string, pattern: RegExp, at: number, by: (found: string) => string): string {
  const found = [...data.matchAll(pattern)]
  const match = found[at % Math.max(1, found.length)]
  if (match === undefined) return data
  return data.slice(0, match.index) + by(match[0]) + data.slice(match.index + match[0].length)
}

function escaped(text: string, at: number): string {
  return `\\u${text.charCodeAt(at).toString(16).padStart(4, '0')}`
}

function renewed(member: string, text: string): string {
  return member.replace(/:\s*.*$/s, () => `:${JSON.stringify(text)}`)
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 6 }),
  fc.string({ maxLength: 6 }),
  fc.constantFrom('', ' tide', 'a"b', '\\', 'a\nb', '9', '","content":"x', '\\"', '\u2028', '\ud83c\udf0a', '[DONE]'),
)

/** Changes of messages. */
export const anyEdits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.record({
    message: fc.nat(),
    at: fc.nat(10_000),
    kind: fc.oneof(fc.constant('say' as const), fc.constantFrom(...keysOf(EDITS))),
    text: anyText,
  }),
  { maxLength: 12 },
)

function keysOf(edits: typeof EDITS): Edit['kind'][] {
  return Object.keys(edits).filter((key): key is Edit['kind'] => Object.hasOwn(edits, key))
}

/** The messages, each followed by itself and by what the edits make of it, so that there is something to be spared. */
export function withEdits(frames: readonly Frame[], edits: readonly Edit[]): readonly Frame[] {
  return frames.flatMap((frame, index) => {
    const own = edits.filter(({ message }) => message % frames.length === index)
    if (own.length === 0) return [frame]
    return [frame, frame, ...own.map((edit) => ({ ...frame, data: EDITS[edit.kind](frame.data, edit) }))]
  })
}
