// Keeps providers' credentials in D1 and KV so that neither gives one away: AES-256-GCM under the secret CREDENTIAL_KEY, 32
// random bytes. Each is bound to its name and version: moved to another row it can't be opened. The key's id stands beside it,
// so that the key itself can be replaced. Loaded with the first credential that is kept so.
import { err, ok, type Result } from '../../core/result.ts'

const VERSION = 'v1'
const IV_BYTES = 12
const KEY_BYTES = 32
const KEY_ID_CHARS = 8
/** Keys that are kept imported: two, and two while they are replaced. */
const KEYS_MAX = 4

/** The secrets CREDENTIAL_KEY and CREDENTIAL_KEY_PREVIOUS, as an environment has them. */
export interface MasterKeys {
  readonly CREDENTIAL_KEY?: string | undefined
  /** Opens what was encrypted before CREDENTIAL_KEY was replaced. */
  readonly CREDENTIAL_KEY_PREVIOUS?: string | undefined
}

/** What a ciphertext belongs to. */
export interface About {
  readonly id: string
  readonly version: number
}

interface MasterKey {
  /** Tells keys apart, and nothing of what they are. */
  readonly id: string
  readonly key: CryptoKey
}

export const KEY_FORM = '32 bytes in base64: openssl rand -base64 32'

/** The encrypted text, as `v1.<key id>.<iv>.<ciphertext>`; an error where CREDENTIAL_KEY is missing or no key. */
export async function seal(keys: MasterKeys, about: About, text: string): Promise<Result<string, string>> {
  const master = await masterOf(keys.CREDENTIAL_KEY)
  if (master === null) return err(missing(keys))
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const parameters = { name: 'AES-GCM', iv, additionalData: additional(about) }
  const sealed = await crypto.subtle.encrypt(parameters, master.key, encode(text))
  return ok([VERSION, master.id, toBase64(iv), toBase64(new Uint8Array(sealed))].join('.'))
}

/** The text again; where that can't be, why, without a word of what it was. */
export async function unseal(keys: MasterKeys, about: About, sealed: string): Promise<Result<string, string>> {
  const [version, keyId = '', iv = '', data = ''] = sealed.split('.')
  const [ivBytes, bytes] = [fromBase64(iv), fromBase64(data)]
  if (version !== VERSION || ivBytes === null || bytes === null) return err(DAMAGED)
  const master = await masterWith(keys, keyId)
  if (master === null) return err(await unopenable(keys, keyId))
  try {
    const parameters = { name: 'AES-GCM', iv: ivBytes, additionalData: additional(about) }
    return ok(new TextDecoder().decode(await crypto.subtle.decrypt(parameters, master.key, bytes)))
  } catch {
    return err(DAMAGED)
  }
}

/** Under which of the keys something was encrypted; null for neither. */
export async function sealedUnder(keys: MasterKeys, sealed: string): Promise<'current' | 'previous' | null> {
  const keyId = sealed.split('.')[1]
  if ((await masterOf(keys.CREDENTIAL_KEY))?.id === keyId) return 'current'
  return (await masterOf(keys.CREDENTIAL_KEY_PREVIOUS))?.id === keyId ? 'previous' : null
}

/** Why nothing can be encrypted; null where it can. */
export async function masterProblem(keys: MasterKeys): Promise<string | null> {
  return (await masterOf(keys.CREDENTIAL_KEY)) === null ? missing(keys) : null
}

const DAMAGED = 'what is kept of it is damaged, or was another credential’s: rotate it'

function missing({ CREDENTIAL_KEY: key = '' }: MasterKeys): string {
  return key === '' ? 'the secret CREDENTIAL_KEY is not set' : `the secret CREDENTIAL_KEY is not ${KEY_FORM}`
}

async function unopenable(keys: MasterKeys, keyId: string): Promise<string> {
  const problem = await masterProblem(keys)
  return problem ?? `it was encrypted under another CREDENTIAL_KEY (${keyId.slice(0, KEY_ID_CHARS)}): rotate it`
}

async function masterWith(keys: MasterKeys, keyId: string): Promise<MasterKey | null> {
  for (const text of [keys.CREDENTIAL_KEY, keys.CREDENTIAL_KEY_PREVIOUS]) {
    const master = await masterOf(text)
    if (master?.id === keyId) return master
  }
  return null
}

const imported = new Map<string, MasterKey>()

/** Null for what is no key. */
async function masterOf(text: string | undefined): Promise<MasterKey | null> {
  if (text === undefined || text === '') return null
  const known = imported.get(text)
  if (known !== undefined) return known
  const bytes = fromBase64(text.trim().replaceAll('-', '+').replaceAll('_', '/'))
  if (bytes?.byteLength !== KEY_BYTES) return null
  const key = await crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt'])
  const named = new Uint8Array(await crypto.subtle.digest('SHA-256', joined(encode('tidegate credential key '), bytes)))
  const id = Array.from(named, (byte) => byte.toString(16).padStart(2, '0'))
    .join('')
    .slice(0, KEY_ID_CHARS)
  const master = { id, key }
  if (imported.size >= KEYS_MAX) imported.clear()
  imported.set(text, master)
  return master
}

function additional({ id, version }: About): Uint8Array<ArrayBuffer> {
  return encode(JSON.stringify(['credential', id, version]))
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(a.byteLength + b.byteLength)
  both.set(a)
  both.set(b, a.byteLength)
  return both
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text))
}

function toBase64(bytes: Uint8Array): string {
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary)
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0))
  } catch {
    return null
  }
}
