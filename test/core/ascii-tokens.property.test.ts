// The one pass over plain text counts what the library counts that everything else is left to.
import fc from 'fast-check'
import { estimateTokenCount } from 'tokenx'
import { describe, expect, test } from 'vitest'
import { asciiTokens } from '../../src/core/estimate/ascii-tokens.ts'
import { DENSE } from '../../src/core/estimate/estimate.ts'

const PIECES = ['a', 'Zebra', 'lowercase', 'longerthaneight', '7', '2026', '12345678', 'a1b2', "don't", '\u0000']
const SIGNS = ['.', ',', '"', '-', '_', '((', '====', '/*******/', '\\', "'"]
const SPACES = [' ', '  ', '\n', '\r\n', '\n\n', '\n  ', '\t', ' \n', '\f\v']

const text = fc.oneof(
  fc.string({ unit: 'binary-ascii', maxLength: 60 }),
  fc.array(fc.constantFrom(...PIECES, ...SIGNS, ...SPACES), { maxLength: 30 }).map((pieces) => pieces.join('')),
)

describe('likely tokens of ASCII text', () => {
  test('are those that the library says', () => {
    fc.assert(
      fc.property(text, (given) => {
        expect(asciiTokens(given, 1.6)).toBe(estimateTokenCount(given, DENSE))
      }),
      { numRuns: 3_000 },
    )
  })

  test('are nothing to say of text with anything else in it', () => {
    fc.assert(
      fc.property(text, fc.constantFrom('é', 'ж', '字', '🙂', '\u0080'), text, (before, other, after) => {
        expect(asciiTokens(before + other + after, 1.6)).toBeNull()
      }),
    )
  })
})
