// An OpenID Connect provider that is real in its protocol: it checks what a client asks, binds codes to who asked and to the
// proof of it, uses each once, and signs with keys of its own, which it can change. Beside it the keys and assertions of
// Cloudflare Access. It can also do wrong, in every way that a client has to notice.
import { type JWK, type JWTPayload, SignJWT, UnsecuredJWT, exportJWK, generateKeyPair } from 'jose'

export const CLIENT_ID = 'tidegate-dashboard'
export const CLIENT_SECRET = 'secret of the client: with / and +'
export const ACCESS_AUDIENCE = 'aud-of-the-application'

/** What is wrong with the next token. */
export type Fault =
  | 'alg-none'
  | 'another-client'
  | 'another-issuer'
  | 'expired'
  | 'foreign-key'
  | 'of-the-future'
  | 'secret-signed'
  | 'several-clients'
  | 'wrong-aud'
  | 'wrong-nonce'

interface Asked {
  readonly redirectUri: string
  readonly challenge: string
  readonly nonce: string
}

interface SigningKey {
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK
}

export class OidcProvider {
  readonly issuer: string
  /** Of whoever signs in next. */
  claims: JWTPayload = { sub: 'user-1', email: 'ann@example.com', email_verified: true }
  fault: Fault | null = null
  /** Paths that were asked for, in order. */
  readonly asked: string[] = []
  readonly #nowMs: () => number
  readonly #codes = new Map<string, Asked>()
  #key: SigningKey
  #made = 0

  private constructor(issuer: string, nowMs: () => number, key: SigningKey) {
    this.issuer = issuer
    this.#nowMs = nowMs
    this.#key = key
  }

  static async at(issuer: string, nowMs: () => number): Promise<OidcProvider> {
    return new OidcProvider(issuer, nowMs, await makeKey('key-0'))
  }

  /** From now on tokens are signed with another key, and only that is published. */
  async rotateKeys(): Promise<void> {
    this.#made++
    this.#key = await makeKey(`key-${this.#made}`)
  }

  async handle(request: Request): Promise<Response> {
    const url = new URL(request.url)
    this.asked.push(url.pathname)
    switch (url.pathname) {
      case '/.well-known/openid-configuration':
        return Response.json({
          issuer: this.issuer,
          authorization_endpoint: `${this.issuer}/authorize`,
          token_endpoint: `${this.issuer}/token`,
          jwks_uri: `${this.issuer}/keys`,
        })
      case '/authorize':
        return this.#authorize(url.searchParams)
      case '/token':
        return this.#exchange(request)
      case '/keys':
      case '/cdn-cgi/access/certs':
        return Response.json({ keys: [this.#key.jwk] })
      default:
        return new Response(null, { status: 404 })
    }
  }

  /** What Access adds to a request of somebody. */
  assertion(claims: JWTPayload): Promise<string> {
    return this.#sign({ aud: [ACCESS_AUDIENCE], type: 'app', ...claims })
  }

  #authorize(query: URLSearchParams): Response {
    const isAllowed =
      query.get('client_id') === CLIENT_ID &&
      query.get('response_type') === 'code' &&
      query.get('code_challenge_method') === 'S256' &&
      (query.get('scope') ?? '').split(' ').includes('openid')
    const [redirectUri, challenge, nonce, state] = ['redirect_uri', 'code_challenge', 'nonce', 'state'].map(
      (name) => query.get(name) ?? '',
    )
    if (!isAllowed || !redirectUri || !challenge || !nonce || !state) return new Response('no', { status: 400 })
    const code = `code-${this.#codes.size + 1}-${challenge.slice(0, 8)}`
    this.#codes.set(code, { redirectUri, challenge, nonce })
    const back = new URL(redirectUri)
    for (const [name, value] of Object.entries({ code, state, iss: this.issuer })) back.searchParams.set(name, value)
    return new Response(null, { status: 302, headers: { location: back.href } })
  }

  async #exchange(request: Request): Promise<Response> {
    const body = new URLSearchParams(new TextDecoder().decode(await request.arrayBuffer()))
    const code = body.get('code') ?? ''
    const asked = this.#codes.get(code)
    this.#codes.delete(code)
    const encode = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1)
    const isClient =
      request.headers.get('authorization') === `Basic ${btoa(`${encode(CLIENT_ID)}:${encode(CLIENT_SECRET)}`)}`
    const isProven = asked !== undefined && (await challengeOf(body.get('code_verifier') ?? '')) === asked.challenge
    if (!isClient) return Response.json({ error: 'invalid_client' }, { status: 401 })
    if (
      !isProven ||
      body.get('redirect_uri') !== asked.redirectUri ||
      body.get('grant_type') !== 'authorization_code'
    ) {
      return Response.json({ error: 'invalid_grant' }, { status: 400 })
    }
    const token = await this.#sign({ aud: CLIENT_ID, nonce: asked.nonce, ...this.claims })
    return Response.json({ access_token: 'unused', token_type: 'Bearer', id_token: token })
  }

  async #sign(claims: JWTPayload): Promise<string> {
    const nowSeconds = Math.floor(this.#nowMs() / 1000)
    const { fault } = this
    const payload: JWTPayload = {
      iss: this.issuer,
      iat: nowSeconds,
      exp: nowSeconds + 300,
      ...claims,
      ...(fault === 'wrong-aud' ? { aud: 'another-application' } : {}),
      ...(fault === 'wrong-nonce' ? { nonce: 'another' } : {}),
      ...(fault === 'another-issuer' ? { iss: `${this.issuer}/other` } : {}),
      ...(fault === 'expired' ? { iat: nowSeconds - 900, exp: nowSeconds - 120 } : {}),
      ...(fault === 'of-the-future' ? { nbf: nowSeconds + 600 } : {}),
      ...(fault === 'another-client' ? { azp: 'another-application' } : {}),
      ...(fault === 'several-clients' ? { aud: [CLIENT_ID, 'another-application'] } : {}),
    }
    if (fault === 'alg-none') return new UnsecuredJWT(payload).encode()
    if (fault === 'secret-signed') {
      const secret = new TextEncoder().encode(CLIENT_SECRET)
      return new SignJWT(payload).setProtectedHeader({ alg: 'HS256', kid: this.#key.kid }).sign(secret)
    }
    const key = fault === 'foreign-key' ? await makeKey(this.#key.kid) : this.#key
    return new SignJWT(payload).setProtectedHeader({ alg: 'ES256', kid: key.kid }).sign(key.privateKey)
  }
}

async function makeKey(kid: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  return { kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' } }
}

async function challengeOf(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier))
  return btoa(String.fromCharCode(...new Uint8Array(digest)))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '')
}
