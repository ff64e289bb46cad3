// Signs webhooks as Standard Webhooks 1.0.0 has it, so that a receiver can check them with any of its libraries:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (read 2026-11-21).
import { fromBase64, toBase64 } from './seal.ts'

const PREFIX = 'whsec_'
const KEY_BYTES_MIN = 24
const KEY_BYTES_MAX = 64

/** The key in a secret as the standard writes it, `whsec_` and base64 of 24 to 64 bytes; null for anything else. */
export function readSigningSecret(secret: string): Uint8Array<ArrayBuffer> | null {
  const bytes = secret.startsWith(PREFIX) ? fromBase64(secret.slice(PREFIX.length)) : null
  return bytes !== null && bytes.length >= KEY_BYTES_MIN && bytes.length <= KEY_BYTES_MAX ? bytes : null
}

/** A secret of these random bytes. */
export function writeSigningSecret(bytes: Uint8Array): string {
  return PREFIX + toBase64(bytes)
}

/** A message: the id stays the same however often it is sent, the time is that of this attempt. */
export interface Signable {
  readonly id: string
  readonly atMs: number
  readonly body: string
}

/** The three headers that sign a message. */
export async function signatureHeaders(
  key: Uint8Array<ArrayBuffer>,
  { id, atMs, body }: Signable,
): Promise<Readonly<Record<string, string>>> {
  const timestamp = String(Math.floor(atMs / 1000))
  const signing = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
  const content = new TextEncoder().encode(`${id}.${timestamp}.${body}`)
  const signature = toBase64(new Uint8Array(await crypto.subtle.sign('HMAC', signing, content)))
  return { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': `v1,${signature}` }
}
