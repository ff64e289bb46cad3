// The format of a virtual key: `tg_live_<kid>_<secret>_<crc>`. The kid is public and is how the key is looked up; the
// secret is 190 bits and is stored only as a keyed digest; the checksum turns away typing errors and random guesses
// without any look-up, and lets secret scanners recognise a leaked key. Separate because minting (control plane) and
// authentication (data plane) must agree on it to the letter. Pure: random bytes come in as an argument.
import { err, ok, type Result } from './result.ts'

/** `live` keys open a production deployment, `test` keys every other one. */
export type KeyMode = 'live' | 'test'

/** A virtual key, taken apart. `secret` is confidential: never log it, never store it. */
export interface VirtualKey {
  readonly mode: KeyMode
  /** Public name of the key: 10 base62 characters. */
  readonly kid: string
  /** 32 base62 characters. */
  readonly secret: string
}

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const KID_LENGTH = 10
const SECRET_LENGTH = 32
const CHECKSUM_LENGTH = 6
const SHAPE = /^tg_(live|test)_([0-9A-Za-z]{10})_([0-9A-Za-z]{32})_([0-9A-Za-z]{6})$/
/** The largest multiple of 62 that a byte can hold: bytes from here on are thrown away, so that no letter is likelier. */
const UNBIASED_BYTES = 248
/** A source of random bytes that needs more refills than this is broken. */
const REFILLS_MAX = 64

/** Random characters of the base62 alphabet, every one equally likely. Throws when the source is not random. */
export function randomBase62(length: number, randomBytes: (count: number) => Uint8Array): string {
  let text = ''
  for (let refill = 0; text.length < length; refill++) {
    if (refill === REFILLS_MAX) throw new Error('the source of random bytes is broken')
    for (const byte of randomBytes(length)) {
      if (byte < UNBIASED_BYTES && text.length < length) text += ALPHABET.charAt(byte % ALPHABET.length)
    }
  }
  return text
}

/** A new key, or with a `kid` another secret for the key of that name. `randomBytes` must be cryptographically secure. */
export function mintVirtualKey(mode: KeyMode, randomBytes: (count: number) => Uint8Array, kid?: string): VirtualKey {
  return { mode, kid: kid ?? randomBase62(KID_LENGTH, randomBytes), secret: randomBase62(SECRET_LENGTH, randomBytes) }
}

/** The key as its owner sends it. `parseVirtualKey` reads back exactly what this writes. */
export function formatVirtualKey(key: VirtualKey): string {
  const text = `tg_${key.mode}_${key.kid}_${key.secret}`
  return `${text}_${base62Checksum(text)}`
}

/** Takes a key apart, without any look-up. `malformed`: not the shape of a key; `checksum`: a mistyped or guessed one. */
export function parseVirtualKey(text: string): Result<VirtualKey, 'malformed' | 'checksum'> {
  const found = SHAPE.exec(text)
  if (found === null) return err('malformed')
  const [, mode, kid = '', secret = '', checksum] = found
  if (base62Checksum(text.slice(0, -CHECKSUM_LENGTH - 1)) !== checksum) return err('checksum')
  return ok({ mode: mode === 'live' ? 'live' : 'test', kid, secret })
}

/** CRC-32 (IEEE 802.3, as in zip and Ethernet) of ASCII text, as an unsigned 32-bit integer. */
export function crc32(text: string): number {
  let crc = 0xffffffff
  for (let at = 0; at < text.length; at++) {
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ text.charCodeAt(at)) & 0xff] ?? 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}

/** The checksum at the end of keys and tokens: `crc32` of ASCII text, in six base62 characters. */
export function base62Checksum(text: string): string {
  let rest = crc32(text)
  let digits = ''
  for (let at = 0; at < CHECKSUM_LENGTH; at++) {
    digits = ALPHABET.charAt(rest % ALPHABET.length) + digits
    rest = Math.floor(rest / ALPHABET.length)
  }
  return digits
}

const CRC_TABLE: readonly number[] = Array.from({ length: 256 }, (_, byte) => {
  let value = byte
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value >>> 0
})
