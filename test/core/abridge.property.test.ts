// Laws of looking into a large JSON text: what is left out is valid, and comes back to the byte.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import { promptBeginning, shortBody } from '../../src/data-plane/bodies/large-body.ts'
import { chatFacts } from '../../src/protocols/chat/facts.ts'
import { abridge, restore, valueWithin } from '../../src/wire/abridge.ts'

const PIECES = [
  'lorem ',
  '"',
  '\\',
  '}',
  '{',
  '"}',
  '","',
  '\n',
  '\u0001',
  'ü',
  '潮',
  '😀',
  '\ud800',
  'data:',
  '/',
  ',',
]

/** Strings of a few characters, or of many thousand. */
const anyText = fc
  .tuple(fc.array(fc.constantFrom(...PIECES), { maxLength: 12 }), fc.constantFrom(1, 1, 300, 1_500))
  .map(([pieces, times]) => pieces.join('').repeat(times))

/** The same, with nothing in ASCII left to spare: how some clients write JSON. */
function escaped(json: string): string {
  return json.replace(/[^\0-\x7f]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const anyBody = fc
  .tuple(
    fc.array(
      fc.oneof(
        fc.record({ role: fc.constantFrom('user', 'system'), content: anyText }),
        fc.record({ content: anyText, role: fc.constant('user') }),
        fc.record({ content: fc.array(fc.record({ type: fc.constant('text'), text: anyText }), { maxLength: 3 }) }),
        fc.dictionary(anyText, fc.jsonValue(), { maxKeys: 2 }),
      ),
      { maxLength: 4 },
    ),
    fc.constantFrom(undefined, 1, '\t', '\r\n '),
    fc.boolean(),
  )
  .map(([messages, indent, isAscii]) => {
    const text = JSON.stringify({ model: 'm', messages, max_tokens: 5 }, null, indent)
    return isAscii ? escaped(text) : text
  })

/** A text with one character lost, added or changed, near a quote or a backslash as often as not. */
const brokenBody = fc
  .tuple(
    anyBody,
    fc.nat(),
    fc.constantFrom('', '"', '\\', '\n', '}', ']', ',', '\\u12', 'x'),
    fc.boolean(),
    fc.boolean(),
  )
  .map(([text, place, char, replaces, isNearQuote]) => {
    const near = text.indexOf(place % 2 === 0 ? '"' : '\\', place % text.length)
    const at = isNearQuote && near !== -1 ? near : place % text.length
    return text.slice(0, at) + char + text.slice(at + (replaces || char === '' ? 1 : 0))
  })

function isJson(text: string): boolean {
  return parseJson(text) !== undefined
}

const RUNS = { numRuns: 600 }

describe('abridging', () => {
  test('gives JSON exactly for JSON', () => {
    fc.assert(
      fc.property(fc.oneof(anyBody, brokenBody), (text) => {
        const short = abridge(text)
        if (short !== null) expect(isJson(short.text)).toBe(isJson(text))
      }),
      RUNS,
    )
  })

  test('is undone to the byte', () => {
    fc.assert(
      fc.property(fc.oneof(anyBody, brokenBody), (text) => {
        const short = abridge(text)
        if (short !== null) expect(restore(short.text, short.cuts) === text).toBe(true)
      }),
      RUNS,
    )
  })

  test('changes nothing but the long strings', () => {
    fc.assert(
      fc.property(anyBody, (text) => {
        const short = abridge(text)
        if (short === null) return
        const filled = JSON.stringify(parseJson(short.text), (_, value: unknown) => {
          const cut = short.cuts.find(({ standIn }) => standIn === value)
          return cut === undefined ? value : parseJson(`"${cut.raw}"`)
        })
        // Long names are left out: a replacer doesn't see them.
        const hasLongName = short.cuts.some(({ standIn }) => filled.includes(standIn))
        if (!hasLongName) expect(filled === JSON.stringify(parseJson(text))).toBe(true)
      }),
      RUNS,
    )
  })

  test('finds the long string of an ordinary request, whatever is in it', () => {
    const content = 'if (a["b"] == "\\n") { return "c" }\n'.repeat(100)
    const text = JSON.stringify({ model: 'm', messages: [{ role: 'user', content }] })
    const short = abridge(text)
    expect(short?.text.length).toBeLessThan(150)
    expect(short?.cuts.map(({ raw }): unknown => parseJson(`"${raw}"`))).toEqual([content])
  })

  test('leaves what might be taken for a stand-in alone', () => {
    const long = 'x'.repeat(5_000)
    const standIn = abridge(JSON.stringify([long]))?.cuts[0]?.standIn ?? ''
    expect(abridge(JSON.stringify([standIn, long]))).toBeNull()
    expect(abridge(JSON.stringify([long, long]))?.cuts).toHaveLength(2)
  })

  test('lets a long string be edited around, but not lost or doubled', () => {
    const short = abridge(JSON.stringify({ a: 1, long: 'x'.repeat(5_000) }))
    if (short === null) throw new Error('there was something to be cut')
    const edited = parseJson(restore(short.text.replace('1', '{"b":2}'), short.cuts) ?? '')
    expect(isJsonObject(edited) && edited['a']).toEqual({ b: 2 })
    expect(restore('{"a":1}', short.cuts)).toBeNull()
    expect(restore(short.text + short.text, short.cuts)).toBeNull()
  })
})

describe('a sample of a string as it is written', () => {
  test('is a part of its value', () => {
    fc.assert(
      fc.property(anyText, fc.nat(), fc.nat({ max: 120 }), fc.boolean(), (value, from, chars, isAscii) => {
        const literal = isAscii ? escaped(JSON.stringify(value)) : JSON.stringify(value)
        const raw = literal.slice(1, -1)
        const sample = valueWithin(raw, raw.length === 0 ? 0 : from % raw.length, chars)
        expect(value.includes(sample)).toBe(true)
        expect(sample.length).toBeLessThanOrEqual(chars + 6)
      }),
      RUNS,
    )
  })
})

test('the beginning of a prompt is the same however large its request is', () => {
  const CHARS = 1_024
  const filler = { role: 'user', content: 'and so on '.repeat(1_500) }
  const turn = fc.record({ role: fc.constantFrom('user', 'assistant'), content: anyText })
  const beginningOf = (messages: readonly object[]): { readonly text: string; readonly isShort: boolean } => {
    const text = JSON.stringify({ model: 'm', messages })
    const short = shortBody(text)
    const whole = parseJson(text)
    const facts = chatFacts(short?.body ?? (isJsonObject(whole) ? whole : {}))
    if (!facts.ok) throw new Error('not a request')
    return { text: promptBeginning(facts.value, short, CHARS), isShort: short !== null }
  }
  let shortened = 0
  fc.assert(
    fc.property(fc.array(turn, { minLength: 1, maxLength: 3 }), (turns) => {
      const plain = turns.map(({ content }) => content).join('\n')
      fc.pre(plain.isWellFormed())
      const [alone, longer] = [beginningOf(turns), beginningOf([...turns, filler])]
      if (longer.isShort) shortened += 1
      const known = Math.min(CHARS, plain.length)
      expect(alone.text).toBe(plain.slice(0, CHARS))
      expect(longer.text.slice(0, known)).toBe(alone.text.slice(0, known))
    }),
  )
  expect(shortened).toBeGreaterThan(20)
})
