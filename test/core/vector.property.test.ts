// Vectors in base64 are what everybody else's decoder reads.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeVector, encodeVector } from '../../src/wire/vector.ts'

const VECTOR = fc.array(fc.float({ noNaN: true }), { maxLength: 40 })

test('a vector comes back as it was, by our decoder and by another', () => {
  fc.assert(
    fc.property(VECTOR, (vector) => {
      const text = encodeVector(vector)
      expect(text).toBe(Buffer.from(Float32Array.from(vector).buffer).toString('base64'))
      expect(decodeVector(text)).toEqual(vector)
    }),
  )
})

test('what is no vector is none', () => {
  for (const text of ['AAA', 'A', '====', 'AAAAAAA=', 'é潮', '!!!!!!!!']) expect(decodeVector(text)).toBeNull()
  fc.assert(fc.property(fc.string(), (text) => void decodeVector(text)))
})
