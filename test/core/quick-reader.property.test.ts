// Sparing a reader the plain messages of a stream changes nothing, whatever the messages are.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NeutralEvent } from '../../src/core/neutral.ts'
import { framerFor } from '../../src/data-plane/framing/index.ts'
import type { Frame } from '../../src/dialects/dialect.ts'
import { type SparedReader, quickReader } from '../../src/dialects/quick-reader.ts'
import { STREAMS } from '../bench/streams.ts'
import { fixturesOf } from '../fixtures/replies.ts'
import { dialects } from '../support/registries.ts'
import { TARGET } from '../support/target.ts'
import { anyEdits, bothReadings, withEdits } from '../support/spared-reading.ts'

/** A reader that says what it is given, and counts. */
class Teller implements SparedReader {
  readonly usage = null
  readonly isFinished = false
  pushed = 0
  heard = ''

  push({ data }: Frame): readonly NeutralEvent[] {
    this.pushed += 1
    const message: { readonly say?: string } = JSON.parse(data)
    return message.say === undefined ? [] : [{ type: 'part-delta', choice: 0, part: 0, text: message.say }]
  }

  hear({ text }: { readonly text: string }, name: string): void {
    this.heard += `${name}:${text};`
  }

  end(): readonly NeutralEvent[] {
    return []
  }
}

const said = (message: object): Frame => ({ event: '', data: JSON.stringify(message) })

describe('a reader', () => {
  test('is spared the messages after a plain one that differ in nothing but their text', () => {
    const teller = new Teller()
    const reader = quickReader(teller, { texts: [['say']], variables: [{ kind: 'number', place: ['at'] }] })
    const texts = ['high', 'low', 'a "tide"\n', 'in'].flatMap((say, at) => reader.push(said({ at, say, of: 'day' })))
    expect(texts.map((event) => event.type === 'part-delta' && event.text)).toEqual(['high', 'low', 'a "tide"\n', 'in'])
    expect(teller).toMatchObject({ pushed: 1, heard: 'say:low;say:a "tide"\n;say:in;' })
  })

  test('gets a message of the same form that has its text elsewhere', () => {
    const inner = (say: string): string => `{"of":{"say":"${say}"},"say":"in"}`
    const doubled = (say: string): string => `{"say":"${say}","say" :"in"}`
    for (const form of [inner, doubled]) {
      const reader = quickReader(new Teller(), { texts: [['say']] })
      const events = ['in', 'out'].flatMap((say) => reader.push({ event: '', data: form(say) }))
      expect(events.map((event) => event.type === 'part-delta' && event.text)).toEqual(['in', 'in'])
    }
  })

  test('gets a message of another name', () => {
    const teller = new Teller()
    const reader = quickReader(teller, { texts: [['say']] })
    for (const event of ['a', 'a', 'b', 'error']) reader.push({ ...said({ say: 'in' }), event })
    expect(teller.pushed).toBe(3)
  })

  test('gets every message that differs in anything else', () => {
    const teller = new Teller()
    const reader = quickReader(teller, { texts: [['say']] })
    const messages = [{ say: 'a' }, { say: 'b', of: 1 }, { of: 1, say: 'c' }, { say: '' }, {}, { say: 'd' }]
    for (const message of messages) reader.push(said(message))
    expect(teller.pushed).toBe(messages.length)
  })
})

test('Gemini quotes what was said, so a message that quotes is read', () => {
  const message = (text: string): Frame =>
    said({
      candidates: [
        {
          content: { parts: [{ text }], role: 'model' },
          citationMetadata: { citationSources: [{ startIndex: 20, endIndex: 30, uri: 'https://tide.test/' }] },
        },
      ],
    })
  const frames = ['The', ' tide', ' rises', ' twice a day', ', most days'].map((text) => message(text))
  const { spared, whole } = bothReadings(() => dialects.gemini.reader(TARGET), frames)
  expect(spared).toEqual(whole)
})

describe.each(Object.values(dialects).map((dialect) => [dialect.name, dialect] as const))('%s', (name, dialect) => {
  for (const fixture of fixturesOf(dialect.wire)) {
    const { bytes, target, contentType } = fixture
    if (bytes === null) continue
    const framer = framerFor(dialect, target, contentType)
    const frames = [...framer.push(bytes), ...framer.end()]
    test(`${fixture.name}: the same with every message read and with plain ones spared`, () => {
      const property = fc.property(anyEdits, (edits) => {
        const { spared, whole } = bothReadings(() => dialect.reader(target), withEdits(frames, edits))
        expect(spared).toEqual(whole)
      })
      fc.assert(property, { numRuns: 60 })
    })
  }

  test.each(STREAMS.filter((stream) => stream.dialect === name))(
    'a stream of $says: the same with every message read',
    ({ target, bytes }) => {
      const framer = framerFor(dialect, target, null)
      const frames = [...framer.push(bytes(40)), ...framer.end()]
      const { spared, whole } = bothReadings(() => dialect.reader(target), frames)
      expect(spared).toEqual(whole)
      expect(spared.filter(({ type }) => type === 'part-delta')).toHaveLength(40)
    },
  )
})
