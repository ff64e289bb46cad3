// How a credential travels: each scheme in its header, signatures and tokens as their owners check them, and nothing of a
// secret where it can't be used.
import { createHash, createHmac, createVerify, generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { noAnswer } from '../../src/data-plane/call-upstream.ts'
import type { OutgoingCall } from '../../src/ports.ts'
import { accessToken } from '../../src/platform/auth/google-service-account.ts'
import { authorization, regionOf, signingHeaders } from '../../src/platform/auth/sigv4.ts'
import { fetchUpstream } from '../../src/platform/upstream.ts'
import { someTarget } from '../support/targets.ts'

interface Sent {
  readonly url: string
  readonly init: RequestInit
}

let sent: Sent[]
let answer: (url: string) => Response

beforeEach(() => {
  sent = []
  answer = () => Response.json({})
  vi.stubGlobal('fetch', async (url: string | URL, init: RequestInit) => {
    sent.push({ url: String(url), init })
    return answer(String(url))
  })
})
afterEach(() => {
  vi.unstubAllGlobals()
})

const CALL: OutgoingCall = {
  path: '/model/a%3A0/converse',
  headers: { 'content-type': 'application/json' },
  body: '{}',
}

function target(fields: Partial<Target>): Target {
  return someTarget('t', { baseUrl: 'https://bedrock-runtime.eu-west-1.amazonaws.com', credential: 'A_KEY', ...fields })
}

/** Calls the target and gives the headers that left. */
async function headersSent(fields: Partial<Target>, secret: string, more: Record<string, unknown> = {}, call = CALL) {
  const upstream = fetchUpstream({ A_KEY: secret, ...more })
  await upstream.call(target(fields), call, 'openai-chat', new AbortController().signal)
  return new Headers(sent.at(-1)?.init.headers)
}

describe('credentials that are sent', () => {
  test.each([
    [undefined, 'authorization', 'Bearer secret'],
    ['bearer', 'authorization', 'Bearer secret'],
    ['x-api-key', 'x-api-key', 'secret'],
    ['api-key', 'api-key', 'secret'],
    ['x-goog-api-key', 'x-goog-api-key', 'secret'],
  ] as const)('by %s stand in %s and nowhere else', async (auth, name, value) => {
    const headers = await headersSent(auth === undefined ? {} : { auth }, 'secret')
    expect(headers.get(name)).toBe(value)
    expect([...headers].filter(([, other]) => other.includes('secret'))).toHaveLength(1)
  })

  test('by none are not sent at all', async () => {
    const headers = await headersSent({ auth: 'none' }, 'secret')
    expect([...headers].filter(([, value]) => value.includes('secret'))).toEqual([])
  })

  test('leave at once: nothing is awaited before a call that only sends its key', () => {
    const upstream = fetchUpstream({ A_KEY: 'secret' })
    void upstream.call(target({}), CALL, 'openai-chat', new AbortController().signal)
    expect(sent).toHaveLength(1)
  })

  test('go without a body, and a type of one, where there is nothing to send', async () => {
    const headers = await headersSent({}, 'secret', {}, { path: '/files/f1', headers: {}, body: '', method: 'DELETE' })
    expect(sent.at(-1)?.init.body).toBeNull()
    expect(headers.get('content-type')).toBeNull()
  })

  test('follow no redirect, whatever the scheme', async () => {
    await headersSent({}, 'secret')
    await headersSent({ auth: 'aws-sigv4' }, 'AKID:secret')
    expect(sent.map(({ init }) => init.redirect)).toEqual(['manual', 'manual'])
  })
})

/** The documentation's algorithm, step by step, with another library. */
function independentSignature(url: URL, headers: Headers, body: string, secret: string, region: string): string {
  const escape = (text: string): string =>
    [...Buffer.from(text)]
      .map((byte) => {
        const char = String.fromCharCode(byte)
        return /[A-Za-z0-9._~-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
      })
      .join('')
  const sha = (text: string): string => createHash('sha256').update(text).digest('hex')
  const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
  const names = (/SignedHeaders=([^,]+)/.exec(headers.get('authorization') ?? '')?.[1] ?? '').split(';')
  const valueOf = (name: string): string => (name === 'host' ? url.host : (headers.get(name) ?? ''))
  const date = headers.get('x-amz-date') ?? ''
  const canonical =
    `POST\n${url.pathname.split('/').map(escape).join('/')}\n\n` +
    `${names.map((name) => `${name}:${valueOf(name)}\n`).join('')}\n${names.join(';')}\n${sha(body)}`
  const scope = `${date.slice(0, 8)}/${region}/bedrock/aws4_request`
  const day = hmac(`AWS4${secret}`, date.slice(0, 8))
  const key = hmac(hmac(hmac(day, region), 'bedrock'), 'aws4_request')
  return hmac(key, `AWS4-HMAC-SHA256\n${date}\n${scope}\n${sha(canonical)}`).toString('hex')
}

describe('signatures', () => {
  /** The scope of Amazon's own test suite for Signature Version 4. */
  const SUITE = {
    keyId: 'AKIDEXAMPLE',
    secret: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
    region: 'us-east-1',
    service: 'service',
    amzDate: '20150830T123600Z',
  }
  const NOTHING = createHash('sha256').update('').digest('hex')

  test.each([
    ['GET', 'https://example.amazonaws.com/', '5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31'],
    ['POST', 'https://example.amazonaws.com/', '5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b'],
    [
      'GET',
      'https://example.amazonaws.com/?Param2=value2&Param1=value1',
      'b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
  ])('are those of the test suite: %s %s', async (method, address, signature) => {
    const url = new URL(address)
    const headers = { host: url.host, 'x-amz-date': SUITE.amzDate }
    const header = await authorization({ method, url, headers, payloadHash: NOTHING }, SUITE)
    expect(header).toBe(
      `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, ` +
        `SignedHeaders=host;x-amz-date, Signature=${signature}`,
    )
  })

  test.each([
    ['anthropic.claude-haiku-4-5-20251001-v1:0', 'AKIDTIDE:s/e+cret'],
    ['arn:aws:bedrock:eu-west-1:111122223333:application-inference-profile/tide(1)*', 'AKIDTIDE:s/e+cret:to/ken+=='],
    ['潮 !', 'AKIDTIDE:another'],
  ])('are what Amazon computes for the model %s', async (model, credential) => {
    const path = `/model/${encodeURIComponent(model)}/converse`
    const body = '{"messages":[{"role":"user","content":[{"text":"潮"}]}]}'
    const headers = await headersSent({ auth: 'aws-sigv4' }, credential, {}, { ...CALL, path, body })
    const [keyId, secret = '', token = null] = credential.split(':')
    const url = new URL(sent.at(-1)?.url ?? '')
    expect(headers.get('x-amz-security-token')).toBe(token)
    expect(headers.get('authorization')).toContain(`Credential=${keyId}/`)
    expect(headers.get('authorization')).toContain(
      `Signature=${independentSignature(url, headers, body, secret, 'eu-west-1')}`,
    )
  })

  test('cover bytes as well as text', async () => {
    const bytes = Uint8Array.from([0x7b, 0x7d]).buffer
    const headers = await headersSent({ auth: 'aws-sigv4' }, 'AKID:s', {}, { ...CALL, body: bytes })
    expect(headers.get('x-amz-content-sha256')).toBe(createHash('sha256').update('{}').digest('hex'))
  })

  test('change with the day, and not within it but for the time', async () => {
    const call = { method: 'POST', url: 'https://x.test/m', body: '', credential: 'AKID:s', region: 'eu-west-1' }
    const at = async (iso: string) => (await signingHeaders({ ...call, nowMs: Date.parse(iso) }))['authorization']
    expect(await at('2026-11-21T10:00:00Z')).toBe(await at('2026-11-21T10:00:00Z'))
    expect(await at('2026-11-21T10:00:00Z')).not.toBe(await at('2026-11-21T10:00:01Z'))
    expect(await at('2026-11-22T10:00:00Z')).toContain('/20261122/eu-west-1/bedrock/')
  })

  test("are for the setting's region, else for the one that the host names", async () => {
    expect(regionOf('bedrock-runtime.eu-west-1.amazonaws.com')).toBe('eu-west-1')
    expect(regionOf('bedrock-runtime-fips.us-gov-west-1.amazonaws.com')).toBe('us-gov-west-1')
    expect(regionOf('vpce-0a1.bedrock-runtime.ap-southeast-2.vpce.amazonaws.com')).toBe('ap-southeast-2')
    expect(regionOf('llm.example.com')).toBeNull()
    const headers = await headersSent({ auth: 'aws-sigv4', settings: { region: 'us-west-2' } }, 'AKID:s')
    expect(headers.get('authorization')).toContain('/us-west-2/bedrock/')
  })

  test("are not made with one of Bedrock's own API keys: it is sent", async () => {
    const headers = await headersSent({ auth: 'aws-sigv4' }, 'bedrock-api-key-tide')
    expect(headers.get('authorization')).toBe('Bearer bedrock-api-key-tide')
  })

  test.each([
    ['AKID:', {}],
    [':secret', {}],
    ['a:b:c:d', {}],
    ['AKID:secret', { baseUrl: 'https://llm.example.com' }],
  ])('cannot be made with %j, which is a fault of the credential that names no secret', async (secret, fields) => {
    const failed = await headersSent({ auth: 'aws-sigv4', ...fields }, secret).catch((error: unknown) => error)
    const failure = noAnswer(new AbortController().signal, failed)
    expect(failure.class).toBe('credential')
    expect(failure.message).not.toContain('secret:')
    expect(sent).toEqual([])
  })
})

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
let accounts = 0

/** A service account of its own for every test, as tokens are kept. */
function serviceAccount(fields: Record<string, unknown> = {}): string {
  accounts += 1
  return JSON.stringify({
    type: 'service_account',
    client_email: `tide-${accounts}@harbour.iam.gserviceaccount.com`,
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
    private_key_id: 'key-1',
    token_uri: 'https://oauth2.googleapis.com/token',
    ...fields,
  })
}

function claimsOf(part: string | undefined): Record<string, unknown> {
  return JSON.parse(Buffer.from(part ?? '', 'base64url').toString())
}

describe('tokens of a service account', () => {
  const atMs = Date.parse('2026-11-21T10:00:00Z')
  const context = (nowMs = atMs, allowPrivate = false) => ({ allowPrivate, nowMs: () => nowMs })

  test('are asked for with an assertion that Google can check, and sent as bearer', async () => {
    answer = (url) => Response.json(url.includes('oauth2') ? { access_token: 'ya29.tide', expires_in: 3599 } : {})
    const headers = await headersSent({ auth: 'google-service-account' }, serviceAccount())
    expect(headers.get('authorization')).toBe('Bearer ya29.tide')
    expect(sent[0]).toMatchObject({ url: 'https://oauth2.googleapis.com/token', init: { redirect: 'manual' } })
    const form = new URLSearchParams(String(sent[0]?.init.body))
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const [head, claims, signature] = (form.get('assertion') ?? '').split('.')
    expect(claimsOf(head)).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'key-1' })
    const { iat, exp, ...rest } = claimsOf(claims)
    expect(Number(exp) - Number(iat)).toBe(3600)
    expect(rest).toEqual({
      iss: `tide-${accounts}@harbour.iam.gserviceaccount.com`,
      scope: 'https://www.googleapis.com/auth/cloud-platform',
      aud: 'https://oauth2.googleapis.com/token',
    })
    const verify = createVerify('RSA-SHA256').update(`${head}.${claims}`)
    expect(verify.verify(publicKey, signature ?? '', 'base64url')).toBe(true)
  })

  test('are kept until shortly before they end', async () => {
    answer = () => Response.json({ access_token: `t${sent.length}`, expires_in: 3600 })
    const account = serviceAccount()
    expect(await accessToken(account, context())).toBe('t1')
    expect(await accessToken(account, context(atMs + 54 * 60_000))).toBe('t1')
    expect(await accessToken(account, context(atMs + 55 * 60_000))).toBe('t2')
    expect(sent).toHaveLength(2)
  })

  test('are asked for once by all who need one meanwhile, and each account gets its own', async () => {
    answer = () => Response.json({ access_token: `t${sent.length}`, expires_in: 3600 })
    const [one, other] = [serviceAccount(), serviceAccount()]
    const tokens = await Promise.all([one, one, one, other].map((account) => accessToken(account, context())))
    expect(new Set(tokens.slice(0, 3)).size).toBe(1)
    expect(new Set(tokens).size).toBe(2)
    expect(sent).toHaveLength(2)
  })

  test('that were refused are a fault of the credential, and are asked for again', async () => {
    answer = () => Response.json({ error: 'invalid_grant', error_description: 'secret detail' }, { status: 400 })
    const account = serviceAccount()
    const failed = await accessToken(account, context()).catch((error: unknown) => error)
    expect(noAnswer(new AbortController().signal, failed)).toMatchObject({
      class: 'credential',
      message: 'The token endpoint gave no token: invalid_grant.',
    })
    answer = () => Response.json({ access_token: 'better', expires_in: 3600 })
    expect(await accessToken(account, context())).toBe('better')
  })

  test.each([
    'http://oauth2.googleapis.com/token',
    'https://googleapis.com.evil.test/token',
    'https://evilgoogleapis.com/token',
    'https://user:pass@oauth2.googleapis.com/token',
    'https://169.254.169.254/token',
    'https://oauth2.googleapis.com:8443/token',
    'not a url',
  ])('are never asked for at %s', async (token_uri) => {
    await expect(accessToken(serviceAccount({ token_uri }), context())).rejects.toMatchObject({
      name: 'CredentialError',
    })
    expect(sent).toEqual([])
  })

  test('are asked for anywhere where private endpoints are allowed', async () => {
    answer = () => Response.json({ access_token: 'local' })
    const account = serviceAccount({ token_uri: 'http://127.0.0.1:9000/token' })
    expect(await accessToken(account, context(atMs, true))).toBe('local')
  })

  test.each(['', 'not json', '{}', serviceAccount({ private_key: 'no key' })])(
    'cannot be had with %j',
    async (credential) => {
      await expect(accessToken(credential, context())).rejects.toMatchObject({ name: 'CredentialError' })
      expect(sent).toEqual([])
    },
  )
})
