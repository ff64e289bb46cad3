// What is hidden before anything is kept: everything that is described, nothing else, in one pass.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Json } from '../../src/core/json.ts'
import { redactor } from '../../src/core/guard/redact.ts'
import { ELEMENTS_MAX, findPattern, readPattern } from '../../src/core/guard/safe-pattern.ts'

const CLASSES: Readonly<Record<string, string>> = { '#': '[0-9]', '&': '\\p{L}', '?': '\\S', '*': '\\S+' }

/** The same pattern for a matcher that tries everything. */
function expressionOf(pattern: string): RegExp {
  const parts = pattern.match(/\\.|[^]/gu)?.map((part) => {
    const escaped = part.length > 1 ? part.slice(1) : part
    return CLASSES[part] ?? escaped.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  })
  return new RegExp(`^(?:${parts?.join('') ?? ''})$`, 'u')
}

describe('a pattern', () => {
  const pattern = fc
    .array(fc.constantFrom('a', 'b', '1', '#', '&', '?', '*', '\\*'), { minLength: 1, maxLength: 6 })
    .map((parts) => parts.join(''))
    .filter((text) => readPattern(text) !== null)
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', '2', ' ', '*'), maxLength: 14 })

  it('takes every stretch that it describes, and no character besides', () => {
    fc.assert(
      fc.property(pattern, text, (source, given) => {
        const safe = readPattern(source)
        if (safe === null) throw new Error('not read')
        const expression = expressionOf(source)
        const isTaken = Array.from(given, () => false)
        for (let from = 0; from < given.length; from++) {
          for (let to = from + 1; to <= given.length; to++) {
            if (expression.test(given.slice(from, to))) isTaken.fill(true, from, to)
          }
        }
        const found = Array.from(given, () => false)
        for (const [from, to] of findPattern(safe, given)) found.fill(true, from, to)
        expect(found).toEqual(isTaken)
      }),
      { numRuns: 2_000 },
    )
  })

  it('takes as long as the text is, however both were made', () => {
    const safe = readPattern(`${'a*'.repeat(14)}b!`)
    if (safe === null) throw new Error('not read')
    expect(findPattern(safe, 'a'.repeat(500_000))).toEqual([])
  })

  it.each(['', '?', 'a*', 'a\\', '*'.repeat(3), 'x'.repeat(ELEMENTS_MAX + 1)])('is refused: %j', (source) => {
    expect(readPattern(source)).toBeNull()
  })
})

describe('what is hidden', () => {
  const all = redactor(['keys', 'emails', 'cards', { pattern: 'EMP-####' }, { member: 'password' }])

  it.each([
    ['a provider’s key', 'use sk-proj-Ab12Cd34Ef56Gh78, please', 'use [redacted], please'],
    ['one of this gateway', 'tg_test_9FyybStOdT9aaaa', '[redacted]'],
    ['a bearer token', 'Authorization: Bearer abc.def-123456', 'Authorization: Bearer [redacted]'],
    ['an address', 'write to joe.doe+x@mail.example.com.', 'write to [redacted].'],
    ['addresses side by side', 'a@b.co,c@d.co', '[redacted],[redacted]'],
    ['a card', 'card 4111 1111 1111 1111 ok', 'card [redacted] ok'],
    ['a card beside other numbers', '12 4111-1111-1111-1111 7', '12 [redacted] 7'],
    ['a long token whole', `eyJ${'a'.repeat(3000)} ok`, '[redacted] ok'],
    ['what an operator describes', 'EMP-1234 and EMP-12', '[redacted] and EMP-12'],
  ])('%s', (_, given, shown) => {
    expect(all.text(given)).toBe(shown)
  })

  it.each(['a task-force of people', '4111 1111 1111 1112', 'x @ y.com', 'me@localhost', 'the risk-based approach'])(
    'not %s',
    (given) => {
      expect(all.text(given)).toBe(given)
    },
  )

  it('members of JSON by their name, and texts at any depth', () => {
    const given: Json = { Password: { deep: 1 }, list: ['a@b.co', { n: 1, t: null }], 'a@b.co': true }
    expect(all.json(given)).toEqual({
      Password: '[redacted]',
      list: ['[redacted]', { n: 1, t: null }],
      '[redacted]': true,
    })
  })

  it('nothing without rules', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const given: Json = JSON.parse(JSON.stringify(value))
        expect(redactor([]).json(given)).toEqual(given)
      }),
    )
  })

  it('every address, wherever it stands', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'B', '7'), minLength: 1, maxLength: 8 })
    const around = fc.string({ unit: fc.constantFrom(' ', '"', '(', ',', '\n', '<', '@') })
    fc.assert(
      fc.property(around, word, word, around, (before, local, domain, after) => {
        const address = `${local}@${domain}.com`
        expect(redactor(['emails']).text(`${before} ${address}${after}`)).not.toContain(address)
      }),
    )
  })
})
