// Keeps channels' secrets in D1 so that the database alone gives none of them away: AES-256-GCM under a key that is derived
// from the secret ALERT_KEY. Each is bound to its channel: moved to another it can't be opened.

/** Fewer characters could be guessed. */
export const MASTER_LENGTH_MIN = 16

const VERSION = 'v1'
const IV_BYTES = 12

/** The encrypted text, as `v1.<iv>.<ciphertext>` in base64. `about` is what it belongs to. */
export async function seal(master: string, about: string, text: string): Promise<string> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const parameters = { name: 'AES-GCM', iv, additionalData: encode(about) }
  const sealed = await crypto.subtle.encrypt(parameters, await keyOf(master), encode(text))
  return [VERSION, toBase64(iv), toBase64(new Uint8Array(sealed))].join('.')
}

/** The text again; null where it was encrypted under another secret, for something else, or was tampered with. */
export async function unseal(master: string, about: string, sealed: string): Promise<string | null> {
  const [version, iv = '', data = ''] = sealed.split('.')
  const [ivBytes, bytes] = [fromBase64(iv), fromBase64(data)]
  if (version !== VERSION || ivBytes === null || bytes === null) return null
  try {
    const parameters = { name: 'AES-GCM', iv: ivBytes, additionalData: encode(about) }
    return new TextDecoder().decode(await crypto.subtle.decrypt(parameters, await keyOf(master), bytes))
  } catch {
    return null
  }
}

async function keyOf(master: string): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', encode(master), 'HKDF', false, ['deriveKey'])
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: encode('tidegate alert channels') }
  return crypto.subtle.deriveKey(parameters, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text))
}

export function toBase64(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
}

/** Null for what isn't base64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  } catch {
    return null
  }
}
