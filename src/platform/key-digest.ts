// Keyed digests: how secrets are recognised without being stored, and how cache keys are made unguessable.
import type { KeyHash } from '../core/directory.ts'

const encoder = new TextEncoder()
const ALGORITHM = { name: 'HMAC', hash: 'SHA-256' }
/** Importing a key costs more than using it. */
const imported = new Map<string, Promise<CryptoKey>>()
const IMPORTED_MAX = 8

/** HMAC-SHA-256 of `text` under `secret`. */
export async function hmac(secret: string, text: string): Promise<Uint8Array> {
  const key = await hmacKey(secret)
  return new Uint8Array(await crypto.subtle.sign('HMAC', key, encoder.encode(text)))
}

/** The same in lower-case hex. */
export async function hmacHex(secret: string, text: string): Promise<string> {
  let hex = ''
  for (const byte of await hmac(secret, text)) hex += byte.toString(16).padStart(2, '0')
  return hex
}

/** The one of `hashes` that is of `secret`; null for none. Takes the same time whichever it is, and however wrong. */
export async function matchSecret(hashes: readonly KeyHash[], secret: string, pepper: string): Promise<KeyHash | null> {
  const digest = await hmac(pepper, secret)
  let match: KeyHash | null = null
  for (const hash of hashes) {
    const expected = fromHex(hash.hmacHex)
    if (expected.byteLength === digest.byteLength && crypto.subtle.timingSafeEqual(expected, digest)) match = hash
  }
  return match
}

function hmacKey(secret: string): Promise<CryptoKey> {
  const known = imported.get(secret)
  if (known !== undefined) return known
  if (imported.size >= IMPORTED_MAX) imported.clear()
  const key = crypto.subtle.importKey('raw', encoder.encode(secret), ALGORITHM, false, ['sign'])
  imported.set(secret, key)
  return key
}

function fromHex(hex: string): Uint8Array {
  const bytes = new Uint8Array(hex.length / 2)
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16)
  return bytes
}
