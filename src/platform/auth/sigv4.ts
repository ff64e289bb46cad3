// Signs calls as Amazon wants them (Signature Version 4). The path is encoded once more than it is sent, as every service
// but S3 has it. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
import { CredentialError } from './credential-error.ts'

/** The name under which Bedrock, all of its hosts, checks signatures. */
const SERVICE = 'bedrock'
/** Signing keys that are kept: one for each credential, region and day. */
const KEYS_MAX = 16

export interface UnsignedCall {
  readonly method: string
  /** As it is sent. */
  readonly url: string
  readonly body: string | ArrayBuffer
  /** `ACCESS_KEY_ID:SECRET_ACCESS_KEY`, with `:SESSION_TOKEN` behind it for a temporary one. */
  readonly credential: string
  /** Null: as the host names it. */
  readonly region: string | null
  readonly nowMs: number
}

/**
 * The headers that sign a call. A credential without a colon is one of Bedrock's own API keys, which is simply sent.
 * Throws a CredentialError where the credential has another form, or nobody says which region it is.
 */
export async function signingHeaders(call: UnsignedCall): Promise<Record<string, string>> {
  if (!call.credential.includes(':')) return { authorization: `Bearer ${call.credential}` }
  const { keyId, secret, sessionToken } = readCredential(call.credential)
  const url = new URL(call.url)
  const region = call.region ?? regionOf(url.hostname)
  if (region === null) throw new CredentialError('Signing needs a region: give the target settings.region.')
  const amzDate = `${new Date(call.nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
  const payloadHash = hex(await crypto.subtle.digest('SHA-256', bytesOf(call.body)))
  const added: Record<string, string> = { 'x-amz-content-sha256': payloadHash, 'x-amz-date': amzDate }
  if (sessionToken !== null) added['x-amz-security-token'] = sessionToken
  const headers = { host: url.host, ...added }
  const scope = { keyId, secret, region, service: SERVICE, amzDate }
  return { ...added, authorization: await authorization({ method: call.method, url, headers, payloadHash }, scope) }
}

/** What a signature covers; `headers` are all those that are signed, names in lower case. */
export interface SignedParts {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  /** SHA-256 of the body, in hex. */
  readonly payloadHash: string
}

/** Who signs, where, for what and when. `amzDate` is like `20150830T123600Z`. */
export interface SigningScope {
  readonly keyId: string
  readonly secret: string
  readonly region: string
  readonly service: string
  readonly amzDate: string
}

/** The `authorization` header. */
export async function authorization(parts: SignedParts, scope: SigningScope): Promise<string> {
  const names = Object.keys(parts.headers).toSorted()
  const canonical = [
    parts.method,
    canonicalPath(parts.url.pathname),
    canonicalQuery(parts.url.searchParams),
    ...names.map((name) => `${name}:${(parts.headers[name] ?? '').trim().replaceAll(/\s+/g, ' ')}`),
    '',
    names.join(';'),
    parts.payloadHash,
  ].join('\n')
  const day = scope.amzDate.slice(0, 8)
  const where = `${day}/${scope.region}/${scope.service}/aws4_request`
  const hash = hex(await crypto.subtle.digest('SHA-256', encoder.encode(canonical)))
  const key = await signingKey(scope, day)
  const signature = hex(await hmac(key, ['AWS4-HMAC-SHA256', scope.amzDate, where, hash].join('\n')))
  return `AWS4-HMAC-SHA256 Credential=${scope.keyId}/${where}, SignedHeaders=${names.join(';')}, Signature=${signature}`
}

const REGION = /(?:^|\.)([a-z]{2}(?:-[a-z]+){1,3}-\d)(?:\.|$)/

/** The region that a host of Amazon's names; null for any other host. */
export function regionOf(host: string): string | null {
  return REGION.exec(host)?.[1] ?? null
}

function readCredential(credential: string) {
  const [keyId = '', secret = '', sessionToken, ...more] = credential.trim().split(':')
  if (keyId === '' || secret === '' || more.length > 0) {
    throw new CredentialError('The credential must be ACCESS_KEY_ID:SECRET_ACCESS_KEY, or end in :SESSION_TOKEN.')
  }
  return { keyId, secret, sessionToken: sessionToken ?? null }
}

const encoder = new TextEncoder()

function bytesOf(body: string | ArrayBuffer): ArrayBuffer | Uint8Array {
  return typeof body === 'string' ? encoder.encode(body) : body
}

/** What the path says, with every segment encoded again. */
function canonicalPath(pathname: string): string {
  return pathname.split('/').map(encoded).join('/')
}

function canonicalQuery(query: URLSearchParams): string {
  const pairs = [...query].map(([name, value]) => `${encoded(name)}=${encoded(value)}`)
  return pairs.toSorted((one, other) => (one < other ? -1 : one > other ? 1 : 0)).join('&')
}

/** All but letters, digits, `-`, `.`, `_` and `~`. */
function encoded(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

const keys = new Map<string, CryptoKey>()

/** Derived once a day: four rounds that would otherwise precede every call. */
async function signingKey({ secret, region, service }: SigningScope, day: string): Promise<CryptoKey> {
  const name = [secret, day, region, service].join('\n')
  const known = keys.get(name)
  if (known !== undefined) return known
  let key = await hmacKey(encoder.encode(`AWS4${secret}`))
  for (const step of [day, region, service, 'aws4_request']) key = await hmacKey(await hmac(key, step))
  const [oldest] = keys.keys()
  if (keys.size >= KEYS_MAX && oldest !== undefined) keys.delete(oldest)
  keys.set(name, key)
  return key
}

function hmacKey(bytes: ArrayBuffer | Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
}

function hmac(key: CryptoKey, text: string): Promise<ArrayBuffer> {
  return crypto.subtle.sign('HMAC', key, encoder.encode(text))
}

function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
