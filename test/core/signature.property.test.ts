// Signatures of foreign makers survive a wire that has one string for them, and members come out of a text cleanly.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseJson } from '../../src/core/json.ts'
import { openSignature, sealSignature } from '../../src/core/reply/signature.ts'
import { objectOf } from '../../src/wire/read.ts'
import { withoutMember } from '../../src/wire/splice.ts'

const maker = fc.constantFrom('anthropic', 'gemini', 'openai-responses', 'bedrock')
const value = fc.stringMatching(/^[a-zA-Z0-9+/=._-]{1,30}$/).filter((text) => !text.startsWith('tg1.'))

test('what is sealed is opened as it was', () => {
  const itemId = fc.option(fc.string({ minLength: 1, unit: 'grapheme' }), { nil: undefined })
  fc.assert(
    fc.property(maker, maker, value, itemId, (own, made, text, item) => {
      const id = item === undefined || made === own ? {} : { itemId: item }
      const signature = { maker: made, value: text, ...id }
      expect(openSignature(sealSignature(signature, own), own)).toEqual(signature)
    }),
  )
})

test("a wire's own signature, and one that nobody claims, stays as it is", () => {
  fc.assert(
    fc.property(maker, value, (own, text) => {
      expect(sealSignature({ maker: own, value: text }, own)).toBe(text)
      expect(sealSignature({ maker: null, value: text }, own)).toBe(text)
      expect(openSignature(text, own)).toEqual({ maker: own, value: text })
    }),
  )
})

test('opens any text without throwing', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(openSignature(`tg1.${text}`, null).value).toBeTypeOf('string')
    }),
  )
})

test('a member is taken out, and the rest stays to the byte', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(2), (others, indent) => {
      const body = objectOf(parseJson(JSON.stringify(others)))
      const { model: _, ...rest } = body
      for (const given of [{ model: 'm', ...rest }, { ...rest, model: 'm' }, rest]) {
        const text = JSON.stringify(given, null, indent)
        const edited = withoutMember(text, 'model')
        if (edited === null) continue
        expect(parseJson(edited)).toEqual(rest)
        expect(edited.length).toBeLessThanOrEqual(text.length)
      }
    }),
  )
})
