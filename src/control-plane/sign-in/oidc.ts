// Sign-in with an OpenID Connect provider: the authorization code flow with PKCE. The browser is sent to the provider with a
// state, a nonce and the digest of a verifier, all of them kept in a cookie for ten minutes; it comes back with a code, which
// is exchanged for an ID token. https://openid.net/specs/openid-connect-core-1_0.html, RFC 7636, RFC 9207, RFC 9700.
import { err, ok, type Result } from '../../core/result.ts'
import type { JsonObject } from '../../core/json.ts'
import { randomBase62 } from '../../core/virtual-key.ts'
import { isSame } from '../digest.ts'
import { verifyJwt } from './jwt.ts'
import type { AdminPorts } from '../ports.ts'
import { fetchObject } from './provider-fetch.ts'
import type { SignInFailure, Vouched } from './sign-in.ts'
import type { OidcSettings } from './sign-in-settings.ts'

/** 256 bits, and as long as a verifier has to be. */
const RANDOM_CHARS = 43
const ASKED = /^([0-9A-Za-z]{43})\.([0-9A-Za-z]{43})\.([0-9A-Za-z]{43})$/

interface Provider {
  readonly authorization: string
  readonly token: string
  readonly keys: string
  /** Whether the secret goes into the body rather than a header. */
  readonly takesSecretInBody: boolean
}

/** Where to send the browser, and what to keep until it is back. */
export interface SignInAsked {
  readonly url: string
  readonly kept: string
}

type Ports = Pick<AdminPorts, 'fetch' | 'nowMs' | 'randomBytes'>

/** Begins. `redirectUri` is where the provider sends the browser back to; it has to know that address. */
export async function askProvider(
  settings: OidcSettings,
  redirectUri: string,
  ports: Ports,
): Promise<Result<SignInAsked, SignInFailure>> {
  const found = await discover(settings, ports)
  if (!found.ok) return found
  const draw = (): string => randomBase62(RANDOM_CHARS, ports.randomBytes)
  const [state, nonce, verifier] = [draw(), draw(), draw()]
  const url = new URL(found.value.authorization)
  const parameters = {
    response_type: 'code',
    client_id: settings.clientId,
    redirect_uri: redirectUri,
    scope: settings.scopes,
    state,
    nonce,
    code_challenge: await challengeOf(verifier),
    code_challenge_method: 'S256',
  }
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value)
  return ok({ url: url.href, kept: [state, nonce, verifier].join('.') })
}

export interface CameBack {
  /** The query of the address that the browser came back to. */
  readonly query: URLSearchParams
  readonly kept: string | null
  readonly redirectUri: string
}

/** Ends: whom the provider vouches for. */
export async function takeAnswer(
  settings: OidcSettings,
  { query, kept, redirectUri }: CameBack,
  ports: Ports,
): Promise<Result<Vouched, SignInFailure>> {
  const [, state = '', nonce = '', verifier = ''] = ASKED.exec(kept ?? '') ?? []
  if (state === '' || !(await isSame(state, query.get('state') ?? ''))) return fail('expired', 'another state, or none')
  const issuer = query.get('iss')
  if (issuer !== null && issuer !== settings.issuer) return fail('unverified', `the answer is of ${issuer}`)
  const code = query.get('code')
  if (code === null) return fail('denied', query.get('error') ?? 'no code')
  const found = await discover(settings, ports)
  if (!found.ok) return found
  const answer = await fetchObject(ports.fetch, found.value.token, {
    method: 'POST',
    ...exchangeOf(settings, found.value, { code, verifier, redirectUri }),
  })
  if (!answer.ok) return fail('unavailable', answer.error)
  const token = answer.value['id_token']
  if (typeof token !== 'string') return fail('unverified', 'the answer has no id_token')
  return readIdToken(token, nonce, { settings, keysUrl: found.value.keys, ports })
}

async function readIdToken(
  token: string,
  nonce: string,
  { settings, keysUrl, ports }: { settings: OidcSettings; keysUrl: string; ports: Ports },
): Promise<Result<Vouched, SignInFailure>> {
  const keys = await fetchObject(ports.fetch, keysUrl)
  if (!keys.ok) return fail('unavailable', keys.error)
  const verified = await verifyJwt(token, {
    issuer: settings.issuer,
    audience: settings.clientId,
    keys: keys.value,
    nowMs: ports.nowMs(),
  })
  if (!verified.ok) return fail('unverified', verified.error)
  const claims = verified.value
  if (!(await isSame(nonce, String(claims['nonce'] ?? '')))) return fail('unverified', 'another nonce')
  const isAuthorized = Array.isArray(claims.aud) && claims.aud.length > 1 ? claims['azp'] === settings.clientId : true
  if (!isAuthorized || (claims['azp'] !== undefined && claims['azp'] !== settings.clientId)) {
    return fail('unverified', 'the token is for another client')
  }
  const isEmailTrue = claims['email_verified'] === true || (settings.trustsEmail && claims['email_verified'] !== false)
  return ok({ source: 'oidc', subject: claims.sub ?? '', claims, isEmailTrue })
}

/** The provider's own description, which has to be of the issuer that was asked for. */
async function discover(settings: OidcSettings, ports: Ports): Promise<Result<Provider, SignInFailure>> {
  const found = await fetchObject(ports.fetch, `${settings.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)
  if (!found.ok) return fail('unavailable', found.error)
  const { issuer, authorization_endpoint: authorization, token_endpoint: token, jwks_uri: keys } = found.value
  if (issuer !== settings.issuer) return fail('unavailable', `the provider calls itself ${JSON.stringify(issuer)}`)
  const isSafe = (url: unknown): url is string => {
    return typeof url === 'string' && URL.parse(url)?.protocol === new URL(settings.issuer).protocol
  }
  if (!isSafe(authorization) || !isSafe(token) || !isSafe(keys)) {
    return fail('unavailable', 'the provider describes no endpoints that may be asked')
  }
  return ok({ authorization, token, keys, takesSecretInBody: takesSecretInBody(found.value) })
}

/** A header is what every provider has to take, unless it says otherwise. */
function takesSecretInBody({ token_endpoint_auth_methods_supported: methods }: JsonObject): boolean {
  return Array.isArray(methods) && !methods.includes('client_secret_basic') && methods.includes('client_secret_post')
}

interface Exchange {
  readonly code: string
  readonly verifier: string
  readonly redirectUri: string
}

function exchangeOf(settings: OidcSettings, provider: Provider, { code, verifier, redirectUri }: Exchange) {
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    client_id: settings.clientId,
    code_verifier: verifier,
  })
  const { clientId, clientSecret } = settings
  const headers: Record<string, string> = { 'content-type': 'application/x-www-form-urlencoded' }
  if (clientSecret !== null && provider.takesSecretInBody) body.set('client_secret', clientSecret)
  else if (clientSecret !== null) {
    // Both are encoded as in a form before they are joined: RFC 6749, 2.3.1.
    const encoded = [clientId, clientSecret].map((text) => new URLSearchParams({ '': text }).toString().slice(1))
    headers['authorization'] = `Basic ${btoa(encoded.join(':'))}`
  }
  return { headers, body: body.toString() }
}

async function challengeOf(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return new Uint8Array(digest).toBase64({ alphabet: 'base64url', omitPadding: true })
}

function fail(kind: SignInFailure['kind'], reason: string): Result<never, SignInFailure> {
  return err({ kind, reason })
}
