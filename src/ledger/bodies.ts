// Prompts and replies that a tenant wants kept: encrypted, in KV, by request id, until their time is over. The gateway puts,
// the admin API reads. AES-256-GCM under a key derived from the secret BODIES_KEY; each is bound to its request and tenant, and
// can't be opened as another's.
import { type JsonObject, isJsonObject, parseJson } from '../core/json.ts'

/** Fewer characters could be guessed. */
export const BODIES_KEY_LENGTH_MIN = 16

/** Whose a body is: told beside it, in the clear. */
export interface BodyOwner {
  readonly tenantId: string
  readonly teamId: string | null
}

/** The part of KV that is used. */
export interface BodyStore {
  put(
    name: string,
    value: ArrayBuffer,
    options: { readonly expirationTtl: number; readonly metadata: BodyOwner },
  ): Promise<void>
  getWithMetadata<Metadata>(
    name: string,
    type: 'arrayBuffer',
  ): Promise<{ readonly value: ArrayBuffer | null; readonly metadata: Metadata | null }>
}

export interface StoredBody {
  readonly owner: BodyOwner
  /** Null where it was encrypted under another secret, or was tampered with. */
  readonly open: (master: string) => Promise<JsonObject | null>
}

const VERSION = 1
const IV_BYTES = 12
const DAY_SECONDS = 86_400

/** Keeps what is to be kept of a request. Rejects where the store doesn't take it. */
export async function putBody(
  store: BodyStore,
  master: string,
  requestId: string,
  owner: BodyOwner,
  body: JsonObject,
  ttlDays: number,
): Promise<void> {
  if (master.length < BODIES_KEY_LENGTH_MIN) throw new Error('BODIES_KEY is too short')
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const parameters = { name: 'AES-GCM', iv, additionalData: about(requestId, owner) }
  const sealed = await crypto.subtle.encrypt(parameters, await keyOf(master), encode(JSON.stringify(body)))
  const value = new Uint8Array(1 + IV_BYTES + sealed.byteLength)
  value.set([VERSION])
  value.set(iv, 1)
  value.set(new Uint8Array(sealed), 1 + IV_BYTES)
  await store.put(nameOf(requestId), value.buffer, { expirationTtl: ttlDays * DAY_SECONDS, metadata: owner })
}

/** What is kept of a request, still sealed; null for nothing. */
export async function findBody(store: BodyStore, requestId: string): Promise<StoredBody | null> {
  const { value, metadata } = await store.getWithMetadata<BodyOwner>(nameOf(requestId), 'arrayBuffer')
  if (value === null || metadata === null) return null
  const bytes = new Uint8Array(value)
  const open = async (master: string): Promise<JsonObject | null> => {
    if (bytes[0] !== VERSION) return null
    const iv = bytes.slice(1, 1 + IV_BYTES)
    const parameters = { name: 'AES-GCM', iv, additionalData: about(requestId, metadata) }
    try {
      const text = await crypto.subtle.decrypt(parameters, await keyOf(master), bytes.slice(1 + IV_BYTES))
      const body = parseJson(new TextDecoder().decode(text))
      return isJsonObject(body) ? body : null
    } catch {
      return null
    }
  }
  return { owner: metadata, open }
}

function nameOf(requestId: string): string {
  return `body:${requestId}`
}

function about(requestId: string, { tenantId, teamId }: BodyOwner): Uint8Array<ArrayBuffer> {
  return encode(JSON.stringify([requestId, tenantId, teamId]))
}

async function keyOf(master: string): Promise<CryptoKey> {
  const material = await crypto.subtle.importKey('raw', encode(master), 'HKDF', false, ['deriveKey'])
  const parameters = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: encode('tidegate bodies') }
  return crypto.subtle.deriveKey(parameters, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new TextEncoder().encode(text))
}
