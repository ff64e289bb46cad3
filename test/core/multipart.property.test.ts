// A form's beginning is understood the same however it is cut, and the model's name is found to the byte.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FormHead, boundaryOf } from '../../src/wire/multipart.ts'

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

interface Part {
  readonly name: string
  readonly value: string
  readonly file?: string
}

function formOf(parts: readonly Part[], boundary: string): Uint8Array {
  const texts = parts.map(({ name, value, file }) => {
    const filename = file === undefined ? '' : `; filename="${file}"\r\nContent-Type: audio/wav`
    return `--${boundary}\r\nContent-Disposition: form-data; name="${name}"${filename}\r\n\r\n${value}\r\n`
  })
  return new TextEncoder().encode(`${texts.join('')}--${boundary}--\r\n`)
}

/** Pushes `bytes` in pieces until the head knows enough. */
function headOf(bytes: Uint8Array, boundary: string, sizes: readonly number[]): FormHead {
  const head = new FormHead(boundary, decode)
  for (let at = 0, turn = 0; at < bytes.length && !head.isKnown; turn += 1) {
    const size = sizes[turn % sizes.length] ?? bytes.length
    head.push(bytes.subarray(at, at + size))
    at += size
  }
  return head
}

const VALUE = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('', '--', '\r\n', '\r\n--', '--edge', '\r\n--edg', 'é潮'),
)
const PARTS = fc.array(fc.record({ name: fc.constantFrom('prompt', 'language', 'stream'), value: VALUE }), {
  maxLength: 4,
})

test('any way of cutting a form gives the same fields and the same place of the model', () => {
  fc.assert(
    fc.property(
      PARTS,
      PARTS,
      VALUE,
      fc.boolean(),
      fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }),
      (before, after, sound, isFileFirst, sizes) => {
        const file = { name: 'file', value: sound, file: 'deck.wav' }
        const model = { name: 'model', value: 'tide/ear-1' }
        const parts = isFileFirst ? [...before, file, model, ...after] : [...before, model, file, ...after]
        const whole = formOf(parts, 'edge of the form').length
        const bytes = formOf(parts, 'edge-of-the-form')
        expect(whole).toBe(bytes.length)
        const head = headOf(bytes, 'edge-of-the-form', sizes)
        const { model: span } = head
        expect(span).not.toBeNull()
        expect(decode(bytes.subarray(span?.start, span?.end))).toBe('tide/ear-1')
        for (const { name, value } of before) {
          const last = before.findLast((part) => part.name === name)
          if (last?.value === value) expect(head.fields[name]).toBe(value)
        }
        expect(decode(head.bytes)).toBe(decode(bytes.subarray(0, head.bytes.length)))
      },
    ),
  )
})

test('anything at all is read without an exception, and never as a model', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 500 }), fc.integer({ min: 1, max: 100 }), (bytes, size) => {
      expect(headOf(bytes, 'edge', [size]).model).toBeNull()
    }),
  )
})

test('the boundary is found where there is one', () => {
  const types = [
    'multipart/form-data; boundary=a',
    'multipart/form-data; charset=x; boundary="b c"',
    'application/json',
    'multipart/form-data',
    null,
  ]
  expect(types.map((type) => boundaryOf(type))).toEqual(['a', 'b c', null, null, null])
})
