// Vectors in base64 are what everybody else's decoder reads.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeVector } from '../../src/wire/vector.ts'

test('a vector is what another encoder makes of it, and comes back as it was', () => {
  fc.assert(
    fc.property(fc.array(fc.float({ noNaN: true }), { maxLength: 40 }), (vector) => {
      const text = encodeVector(vector)
      expect(text).toBe(Buffer.from(Float32Array.from(vector).buffer).toString('base64'))
      const bytes = Buffer.from(text, 'base64')
      expect(vector.map((_, at) => bytes.readFloatLE(at * 4))).toEqual(vector)
    }),
  )
})
