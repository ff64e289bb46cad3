import fc from 'fast-check'
import { expect, test } from 'vitest'
import { escapedText } from '../../src/wire/write.ts'

test('text is escaped as a serialiser does it, halves of characters and all', () => {
  const odd = fc.constantFrom('"', '\\', '\n', '\u007f', '\u2028', '潮', '🌊', '\ud83c', '\udf0a')
  const anyText = fc.array(fc.oneof(odd, fc.string()), { maxLength: 12 }).map((units) => units.join(''))
  const property = fc.property(anyText, (text) => {
    expect(`"${escapedText(text)}"`).toBe(JSON.stringify(text))
  })
  fc.assert(property)
})
