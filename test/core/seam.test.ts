// Where a continuation meets what it continues: what is said again goes, what is new stays, however it is cut.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Seam, type SeamRules } from '../../src/core/reply/seam.ts'

const ASKED = { method: 'instruction', isEchoed: false } as const

/** The whole text, when the continuation comes in pieces of this length. */
function joined(told: string, continuation: string, rules: Partial<SeamRules> = {}, pieceChars = 1): string {
  const seam = new Seam(told, { ...ASKED, shown: told, ...rules })
  let text = told
  for (let at = 0; at < continuation.length; at += pieceChars)
    text += seam.push(continuation.slice(at, at + pieceChars))
  return text + seam.end()
}

describe('asked by an instruction', () => {
  test.each([
    ['goes on to the character', 'The quick bro', 'wn fox.', 'The quick brown fox.'],
    ['says the broken word again', 'The quick bro', 'brown fox.', 'The quick brown fox.'],
    ['says the last words again', 'Look at the quick bro', 'quick brown fox.', 'Look at the quick brown fox.'],
    [
      'says the sentence again',
      'So. And then the tide comes in, which',
      'And then the tide comes in, which is it.',
      'So. And then the tide comes in, which is it.',
    ],
    ['begins anew', 'The quick brown fox jumps', 'The quick brown fox jumps over.', 'The quick brown fox jumps over.'],
    ['begins anew after one word', 'Sure', 'Sure, here it is.', 'Sure, here it is.'],
    ['begins like the text, and says something else', 'The quick brown', 'The slow', 'The quick brownThe slow'],
    ['has nothing more to say', 'All of it.', '', 'All of it.'],
    [
      'says nothing but the same',
      'The quick brown fox jumps',
      'The quick brown fox jumps',
      'The quick brown fox jumps',
    ],
    [
      'begins with half of the text, and no more',
      'The quick brown fox jumps',
      'The quick',
      'The quick brown fox jumpsThe quick',
    ],
  ])('%s', (_, told, continuation, whole) => {
    for (const chars of [1, 3, 7, 1_000]) expect(joined(told, continuation, {}, chars)).toBe(whole)
  })

  test.each([
    ['a repeated word', 'It is very, very', ' very good.'],
    ['the same word after a blank', 'ha ha ', 'ha ha.'],
    ['a refrain', 'na na na na na na na ', 'na na na na.'],
    [
      'a sentence that is said twice',
      'Once more. The tide comes in twice a day. ',
      'The tide comes in twice a day. Good.',
    ],
    ['rows that are alike', '| zero | zero | zero |\n', '| zero | zero | zero |\n'],
    ['figures', 'pi is 3.1111', '11115'],
    ['a syllable', 'ban', 'ana'],
    ['blanks', 'a\n', '\nb'],
  ])('leaves %s as it is', (_, told, continuation) => {
    expect(joined(told, continuation)).toBe(told + continuation)
  })
})

describe('from a prefix', () => {
  test('is taken at its word', () => {
    for (const [told, more] of [
      ['bon', 'bon'],
      ['The quick brown fox', 'The quick brown fox'],
    ] as const)
      expect(joined(told, more, { method: 'prefix' })).toBe(told + more)
  })

  test('has its echo taken off, where it is known to have one', () => {
    const echoed = { method: 'prefix', isEchoed: true } as const
    expect(joined('bon', 'bonbon', echoed)).toBe('bonbon')
    expect(joined('bon', 'jour', echoed)).toBe('bonjour')
  })

  test.each([
    ['said again', 'one\n', 'one', '\n\ntwo', 'one\n\ntwo'],
    ['left out', 'one ', 'one', 'two', 'one two'],
    ['said in part', 'one\n\n', 'one', '\ntwo', 'one\n\ntwo'],
    ['followed by more', 'one ', 'one', '  two', 'one  two'],
  ])('blanks that it was not shown are %s', (_, told, shown, more, whole) => {
    expect(joined(told, more, { method: 'prefix', shown })).toBe(whole)
  })
})

test('the same comes of any pieces', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'b', ' ', '.', '\n'), maxLength: 40 }),
      fc.string({ unit: fc.constantFrom('a', 'b', ' ', '.', '\n'), maxLength: 40 }),
      fc.integer({ min: 1, max: 9 }),
      (told, more, chars) => {
        expect(joined(told, more, {}, chars)).toBe(joined(told, more, {}, 1_000))
      },
    ),
  )
})

test('what goes on from a prefix to the character is whole, whatever it says', () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(), (text, at) => {
      const told = text.slice(0, at % (text.length + 1))
      expect(joined(told, text.slice(told.length), { method: 'prefix' })).toBe(text)
      const shown = told.trimEnd()
      expect(joined(told, text.slice(shown.length), { method: 'prefix', shown })).toBe(text)
    }),
  )
})
