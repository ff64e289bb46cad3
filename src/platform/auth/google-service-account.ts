// Access tokens for Google's clouds, from a service account's own JSON: a signed assertion is exchanged for a token, which
// is kept until shortly before it ends. https://developers.google.com/identity/protocols/oauth2/service-account#httprest
import { isJsonObject, parseJson } from '../../core/json.ts'
import { limitedText } from '../../data-plane/call-upstream.ts'
import { countOf, stringOf } from '../../wire/read.ts'
import { CredentialError } from './credential-error.ts'

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const TOKEN_URI = 'https://oauth2.googleapis.com/token'
const ASSERTION_SECONDS = 3600
/** A token is not used when it has less time left than this, or than half of its life. */
const SPARE_MS = 5 * 60_000
const TIMEOUT_MS = 10_000
const ANSWER_BYTES_MAX = 65_536
/** Tokens that are kept: one for each credential. */
const TOKENS_MAX = 64

export interface TokenContext {
  /** Lets the token endpoint be anywhere. Never in production. */
  readonly allowPrivate: boolean
  readonly nowMs: () => number
}

interface Token {
  readonly value: string
  readonly untilMs: number
}

const tokens = new Map<string, Token>()
const flights = new Map<string, Promise<Token>>()

/**
 * A token for the service account that `credential` describes: the one that is kept, or a new one; who asks meanwhile
 * waits for the same. Rejects with a CredentialError where there is none to be had.
 */
export async function accessToken(credential: string, context: TokenContext): Promise<string> {
  const known = tokens.get(credential)
  if (known !== undefined && context.nowMs() < known.untilMs) return known.value
  const flight = flights.get(credential)
  const token = (flight === undefined ? null : await arrival(flight)) ?? (await depart(credential, context))
  return token.value
}

/** What somebody else's exchange comes to; null where it takes too long, as when its own request was ended. */
async function arrival(flight: Promise<Token>): Promise<Token | null> {
  let stop = (): void => {}
  const late = new Promise<null>((resolve) => {
    const timer = setTimeout(() => resolve(null), TIMEOUT_MS / 2)
    stop = () => clearTimeout(timer)
  })
  try {
    return await Promise.race([flight, late])
  } finally {
    stop()
  }
}

async function depart(credential: string, context: TokenContext): Promise<Token> {
  const flight = exchange(credential, context)
  flights.set(credential, flight)
  try {
    const token = await flight
    const [oldest] = tokens.keys()
    if (tokens.size >= TOKENS_MAX && oldest !== undefined) tokens.delete(oldest)
    tokens.set(credential, token)
    return token
  } finally {
    if (flights.get(credential) === flight) flights.delete(credential)
  }
}

async function exchange(credential: string, { allowPrivate, nowMs }: TokenContext): Promise<Token> {
  const account = readAccount(credential)
  const endpoint = tokenEndpoint(account.tokenUri, allowPrivate)
  const startedAtMs = nowMs()
  const assertion = await signedAssertion(account, Math.floor(startedAtMs / 1000))
  const body = new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion })
  const answer = await answerOf(endpoint, body.toString())
  const value = stringOf(answer['access_token'])
  if (value === null) throw new CredentialError(`The token endpoint gave no token${reasonIn(answer)}.`)
  const lifeMs = (countOf(answer['expires_in']) || ASSERTION_SECONDS) * 1000
  return { value, untilMs: startedAtMs + Math.max(lifeMs / 2, lifeMs - SPARE_MS) }
}

async function answerOf(endpoint: URL, body: string) {
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    const answer = parseJson((await limitedText(response, ANSWER_BYTES_MAX)) ?? '')
    return isJsonObject(answer) ? answer : {}
  } catch {
    throw new CredentialError('The token endpoint of the service account could not be reached.')
  }
}

/** The endpoint's own code for its refusal, if it looks like one. */
function reasonIn(answer: { readonly error?: unknown }): string {
  return typeof answer.error === 'string' && /^[a-z_]{1,60}$/.test(answer.error) ? `: ${answer.error}` : ''
}

interface Account {
  readonly email: string
  readonly privateKey: string
  readonly keyId: string | null
  readonly tokenUri: string
}

function readAccount(credential: string): Account {
  const json = parseJson(credential)
  const account = isJsonObject(json) ? json : {}
  const email = stringOf(account['client_email'])
  const privateKey = stringOf(account['private_key'])
  if (email === null || privateKey === null) {
    throw new CredentialError("The credential must be a service account's JSON, with client_email and private_key.")
  }
  const tokenUri = stringOf(account['token_uri']) ?? TOKEN_URI
  return { email, privateKey, keyId: stringOf(account['private_key_id']), tokenUri }
}

/** Where tokens are to be had: Google's own, so that no assertion can be sent to anybody else. */
function tokenEndpoint(uri: string, allowPrivate: boolean): URL {
  const url = URL.parse(uri)
  const isGoogle = url !== null && url.protocol === 'https:' && /^(?:[a-z0-9-]+\.)*googleapis\.com$/.test(url.host)
  const isPrivate = allowPrivate && url !== null && (url.protocol === 'http:' || url.protocol === 'https:')
  if (url === null || url.username !== '' || url.password !== '' || (!isGoogle && !isPrivate)) {
    throw new CredentialError("The service account's token_uri must be https, on googleapis.com.")
  }
  return url
}

/** The account's word for itself: a JWT under RS256. */
async function signedAssertion(account: Account, nowSeconds: number): Promise<string> {
  const kid = account.keyId === null ? {} : { kid: account.keyId }
  const claims = {
    iss: account.email,
    scope: SCOPE,
    aud: account.tokenUri,
    iat: nowSeconds,
    exp: nowSeconds + ASSERTION_SECONDS,
  }
  const head = base64Url(encoder.encode(JSON.stringify({ alg: 'RS256', typ: 'JWT', ...kid })))
  const unsigned = `${head}.${base64Url(encoder.encode(JSON.stringify(claims)))}`
  const key = await importKey(account.privateKey)
  const signature = await crypto.subtle.sign('RSASSA-PKCS1-v1_5', key, encoder.encode(unsigned))
  return `${unsigned}.${base64Url(new Uint8Array(signature))}`
}

const encoder = new TextEncoder()

async function importKey(pem: string): Promise<CryptoKey> {
  const base64 = pem.replaceAll(/-----[^-]+-----/g, '').replaceAll(/\s|\\n/g, '')
  try {
    const bytes = Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
    return await crypto.subtle.importKey('pkcs8', bytes, algorithm, false, ['sign'])
  } catch {
    throw new CredentialError("The service account's private_key is no key in PKCS #8 form.")
  }
}

function base64Url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}
