// Laws of the virtual key's format.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  crc32,
  formatVirtualKey,
  mintVirtualKey,
  parseVirtualKey,
  randomBase62,
  type VirtualKey,
} from '../../src/core/virtual-key.ts'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const base62 = (length: number) =>
  fc.array(fc.constantFrom(...ALPHABET), { minLength: length, maxLength: length }).map((letters) => letters.join(''))
const virtualKey: fc.Arbitrary<VirtualKey> = fc.record({
  mode: fc.constantFrom('live', 'test'),
  kid: base62(10),
  secret: base62(32),
})

describe('virtual key', () => {
  it('reads back what it writes', () => {
    fc.assert(
      fc.property(virtualKey, (key) => {
        expect(parseVirtualKey(formatVirtualKey(key))).toEqual({ ok: true, value: key })
      }),
    )
  })

  it('turns away every key with one mistyped character', () => {
    fc.assert(
      fc.property(virtualKey, fc.nat(), fc.constantFrom(...ALPHABET, '_', ' '), (key, where, letter) => {
        const text = formatVirtualKey(key)
        const at = where % text.length
        fc.pre(text.charAt(at) !== letter)
        expect(parseVirtualKey(text.slice(0, at) + letter + text.slice(at + 1)).ok).toBe(false)
      }),
    )
  })

  it('turns away two swapped neighbours', () => {
    fc.assert(
      fc.property(virtualKey, fc.nat(), (key, where) => {
        const text = formatVirtualKey(key)
        const at = where % (text.length - 1)
        fc.pre(text.charAt(at) !== text.charAt(at + 1))
        const swapped = text.slice(0, at) + text.charAt(at + 1) + text.charAt(at) + text.slice(at + 2)
        expect(parseVirtualKey(swapped).ok).toBe(false)
      }),
    )
  })

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(parseVirtualKey(text).ok).toBe(false)
      }),
    )
  })

  it('tells a wrong shape from a wrong checksum', () => {
    const text = formatVirtualKey({ mode: 'live', kid: '0123456789', secret: 'A'.repeat(32) })
    expect(parseVirtualKey('sk-proj-abc')).toEqual({ ok: false, error: 'malformed' })
    expect(parseVirtualKey(`${text} `)).toEqual({ ok: false, error: 'malformed' })
    expect(parseVirtualKey(text.replace('AAAA', 'AAAB'))).toEqual({ ok: false, error: 'checksum' })
  })

  it('has the CRC-32 of the standard', () => {
    expect(crc32('123456789')).toBe(0xcbf43926)
    expect(crc32('')).toBe(0)
  })

  it('makes every letter equally likely: over all byte values each letter appears four times', () => {
    const bytes = Uint8Array.from({ length: 256 }, (_, value) => value)
    const text = randomBase62(248, () => bytes)
    for (const letter of ALPHABET) expect(text.split(letter).length - 1).toBe(4)
  })

  it('mints different keys from different chance and refuses a broken source', () => {
    const source = (seed: number) => (count: number) =>
      Uint8Array.from({ length: count }, (_, at) => (seed + at * 7) % 248)
    expect(mintVirtualKey('test', source(1))).not.toEqual(mintVirtualKey('test', source(2)))
    expect(parseVirtualKey(formatVirtualKey(mintVirtualKey('live', source(3)))).ok).toBe(true)
    expect(() => mintVirtualKey('test', (count) => new Uint8Array(count).fill(255))).toThrow('broken')
  })
})
