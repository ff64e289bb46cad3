// Everything that can go wrong, as the official `openai` SDK throws it: keys, models, bodies, limits, budgets, providers.
import { randomBytes } from 'node:crypto'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { formatVirtualKey, mintVirtualKey } from '../../src/core/virtual-key.ts'
import {
  type MintedKey,
  ask,
  bookOf,
  clientOf,
  createRoute,
  createTenant,
  eventually,
  mintKey,
  routeSimulated,
  says,
  simulatedTarget,
} from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let owner: MintedKey

beforeAll(async () => {
  system = await startTestSystem()
  owner = await createTenant(system, 'acme')
  await routeSimulated(system)
})
afterAll(() => system.dispose())

const MODEL = 'sim-gpt-4o-fast'

/** What the SDK throws for a request. */
async function thrownBy(key: string, body: object = {}): Promise<unknown> {
  const request = { model: MODEL, messages: says('Hello'), ...body }
  return clientOf(system, key)
    .chat.completions.create(request)
    .then(
      () => null,
      (error: unknown) => error,
    )
}

/** The same, as the error class that is expected. */
async function errorOf<T>(kind: new (...args: never[]) => T, key: string, body: object = {}): Promise<T> {
  const thrown = await thrownBy(key, body)
  if (!(thrown instanceof kind)) throw new Error(`expected ${kind.name}, got ${String(thrown)}`)
  return thrown
}

describe('a key that does not open', () => {
  test('each kind is an AuthenticationError with its own message', async () => {
    const known = await mintKey(system, 'acme', 'known')
    const foreign = known.key.slice(0, 8) + 'zzzz' + known.key.slice(12)
    const soonMs = Date.now() + 3_000
    const expiring = await mintKey(system, 'acme', 'expiring', { expires_at: new Date(soonMs).toISOString() })
    expect(await thrownBy(expiring.key)).toBeNull()
    expect(await thrownBy(known.key)).toBeNull()
    await system.admin('POST', `/admin/keys/${known.id}/revoke`)
    const expired = await eventually(
      () => thrownBy(expiring.key),
      (thrown) => thrown !== null,
    )
    // As well formed as any, but minted elsewhere.
    const unknown = formatVirtualKey(mintVirtualKey('test', (count) => randomBytes(count)))
    const errors = [
      await errorOf(OpenAI.AuthenticationError, foreign),
      await errorOf(OpenAI.AuthenticationError, unknown),
      await errorOf(OpenAI.AuthenticationError, known.key),
      expired,
    ]
    expect(errors).toMatchObject([
      { status: 401, code: 'invalid_api_key', message: expect.stringContaining('form of a key') },
      { status: 401, code: 'invalid_api_key', message: expect.stringContaining('does not know it') },
      { status: 401, code: 'invalid_api_key', message: expect.stringContaining('has been revoked') },
      { status: 401, code: 'invalid_api_key', message: expect.stringContaining('has expired') },
    ])
    expect(errors[3]).toBeInstanceOf(OpenAI.AuthenticationError)
  })

  test('a request without any key says so', async () => {
    const withoutKey = (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
      const headers = new Headers(init?.headers)
      headers.delete('authorization')
      return fetch(url, { ...init, headers })
    }
    const client = new OpenAI({ apiKey: 'none', baseURL: `${system.url}/v1`, maxRetries: 0, fetch: withoutKey })
    const asked = client.chat.completions.create({ model: MODEL, messages: says('Hello') })
    await expect(asked).rejects.toThrow(OpenAI.AuthenticationError)
    await expect(asked).rejects.toThrow("didn't provide an API key")
  })
})

describe('a request that cannot be served', () => {
  test('an unknown model is a NotFoundError that names it', async () => {
    const error = await errorOf(OpenAI.NotFoundError, owner.key, { model: 'nobody-knows' })
    expect(error).toMatchObject({ code: 'model_not_found', param: 'model' })
    expect(error.message).toContain('`nobody-knows`')
  })

  test('a model that the key may not use is a PermissionDeniedError', async () => {
    const scoped = await mintKey(system, 'acme', 'scoped', { models: ['sim-claude*'] })
    expect(await errorOf(OpenAI.PermissionDeniedError, scoped.key)).toMatchObject({ code: 'model_not_allowed' })
  })

  test.each([
    ['messages', { messages: [] }],
    ['messages', { messages: 'hello' }],
    ['messages[0].role', { messages: [{ content: 'hello' }] }],
    ['max_tokens', { max_tokens: -1 }],
    ['n', { n: 'two' }],
    ['temperature', { temperature: 'hot' }],
    ['stream_options.include_usage', { stream: true, stream_options: { include_usage: 'yes' } }],
  ])('a mistake in %s is a BadRequestError that names it', async (param, body) => {
    const error = await errorOf(OpenAI.BadRequestError, owner.key, body)
    expect(error.param).toBe(param)
    expect(error.message).toContain(param)
    expect(error.requestID).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('what the provider finds wrong comes back as it said it', async () => {
    const own = `${MODEL}-e400`
    const other = `${MODEL}-never`
    await createRoute(system, own, [simulatedTarget('bad-request', own), simulatedTarget('never', other)])
    const probed = await bookOf(system.simulatedUrl, other)
    expect(await errorOf(OpenAI.BadRequestError, owner.key, { model: own })).toMatchObject({ status: 400 })
    expect(await bookOf(system.simulatedUrl, other)).toEqual(probed)
  })
})

describe('the surface', () => {
  const CASES = [
    ['a body that is no JSON', 400, 'POST', '/v1/chat/completions', 'application/json', '{"model":'],
    ['a body that is no object', 400, 'POST', '/v1/chat/completions', 'application/json', '[]'],
    ['an empty body', 400, 'POST', '/v1/chat/completions', 'application/json', ''],
    ['another method', 405, 'PUT', '/v1/chat/completions', 'application/json', '{}'],
    ['another path', 404, 'POST', '/v1/nowhere', 'application/json', '{}'],
    ['another type', 415, 'POST', '/v1/chat/completions', 'text/plain', 'hello'],
    ['a body of 21 MB', 413, 'POST', '/v1/chat/completions', 'application/json', ' '.repeat(21 * 1024 * 1024)],
  ] as const

  test.each(CASES)('%s is a %d in the shape of OpenAI', async (_, status, method, path, type, body) => {
    const headers = { authorization: `Bearer ${owner.key}`, 'content-type': type }
    const init: RequestInit = { method, headers, body }
    const response = await fetch(system.url + path, init)
    expect(response.status).toBe(status)
    expect(await response.json()).toEqual({
      error: expect.objectContaining({ message: expect.any(String), type: 'invalid_request_error' }),
    })
    if (status === 405) expect(response.headers.get('allow')).toBe('POST')
  })
})

describe('limits', () => {
  test('a used-up rate is a RateLimitError, and waiting as long as it says is enough', async () => {
    const limits = { tokens_per_minute: 60_000, burst_tokens: 2_000 }
    const { key } = await mintKey(system, 'acme', 'slow', { limits })
    const body = { model: `${MODEL}-tokens500`, max_tokens: 500 }
    const thrown = await eventually(
      () => thrownBy(key, body),
      (error) => error !== null,
    )
    if (!(thrown instanceof OpenAI.RateLimitError)) throw new Error(String(thrown))
    expect(thrown).toMatchObject({ status: 429, type: 'tokens', code: 'rate_limit_exceeded' })
    expect(thrown.message).toContain('Limit 60000')
    const waitMs = Number(thrown.headers.get('retry-after-ms'))
    expect(Number(thrown.headers.get('retry-after'))).toBe(Math.ceil(waitMs / 1000))
    expect(waitMs).toBeGreaterThan(0)
    expect(waitMs).toBeLessThanOrEqual(1_000)
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    expect(await thrownBy(key, body)).toBeNull()
  })

  test('the SDK left alone waits and succeeds by itself', async () => {
    const limits = { tokens_per_minute: 60_000, burst_tokens: 1_000 }
    const { key } = await mintKey(system, 'acme', 'patient', { limits })
    const client = new OpenAI({ apiKey: key, baseURL: `${system.url}/v1`, maxRetries: 5 })
    const own = `${MODEL}-tokens500-patient`
    for (let n = 0; n < 4; n++) {
      await client.chat.completions.create({ model: own, messages: says('More!'), max_tokens: 500 })
    }
    expect(await bookOf(system.simulatedUrl, own)).toMatchObject({ calls: 4, completed: 4 })
  })

  test('a request larger than the limit ever allows is not to be tried again', async () => {
    const { key } = await mintKey(system, 'acme', 'small', { limits: { tokens_per_minute: 100 } })
    const error = await errorOf(OpenAI.RateLimitError, key, { max_tokens: 500 })
    expect(error.headers.get('x-should-retry')).toBe('false')
    expect(error.headers.get('retry-after')).toBeNull()
  })

  test('an exhausted budget is a 402, and no more was spent than it allows', async () => {
    const limits = { budget: { amount_usd: '0.02', period: 'month' } }
    const { key } = await mintKey(system, 'acme', 'poor', { limits })
    const own = `${MODEL}-tokens500-poor`
    const thrown = await eventually(
      () => thrownBy(key, { model: own, max_tokens: 500 }),
      (error) => error !== null,
    )
    expect(thrown).toMatchObject({ status: 402, type: 'insufficient_quota', code: 'budget_exceeded' })
    expect(thrown).toMatchObject({ message: expect.stringContaining('monthly budget of this key ($0.02)') })
    const book = await bookOf(system.simulatedUrl, own)
    const spentUsd = ((book?.tokensIn ?? 0) * 2.5 + (book?.tokensOut ?? 0) * 10) / 1e6
    expect(spentUsd).toBeGreaterThan(0.01)
    expect(spentUsd).toBeLessThanOrEqual(0.02)
  })

  test('a budget bounds a request that names no bound itself', async () => {
    const { key } = await mintKey(system, 'acme', 'bounded', {
      limits: { budget: { amount_usd: '0.01', period: 'day' } },
    })
    const own = `${MODEL}-tokens100000`
    const target = simulatedTarget('bounded', own, { max_output_tokens: 700 })
    await createRoute(system, own, [target])
    const reply = await clientOf(system, key).chat.completions.create({ model: own, messages: says('On and on') })
    expect(reply.usage?.completion_tokens).toBe(700)
  })
})

describe('providers in trouble', () => {
  test.each([
    ['e500', 502, 'provider_error'],
    ['e503', 503, 'provider_overloaded'],
    ['e429', 429, 'rate_limit_exceeded'],
    ['e401', 502, 'provider_credential'],
    ['err200', 502, 'provider_error'],
    ['cut0', 502, 'provider_stream_broken'],
    ['empty', 502, 'provider_stream_broken'],
  ])('%s alone is a clear error, streamed and whole', async (fault, status, code) => {
    const own = `${MODEL}-${fault}`
    await createRoute(system, own, [simulatedTarget(`alone-${fault}`, own)])
    const whole = await thrownBy(owner.key, { model: own })
    expect(whole).toMatchObject({ status, code })
    const other = `${own}-streamed`
    await createRoute(system, other, [simulatedTarget(`alone-${fault}-streamed`, other)])
    expect(await thrownBy(owner.key, { model: other, stream: true })).toMatchObject({ status, code })
  })

  test.each(['e500', 'e429', 'e401', 'err200', 'cut0', 'empty', 'hang'])(
    '%s in front of a sound target goes unnoticed, streamed and whole',
    async (fault) => {
      const model = `${MODEL}-${fault}-first`
      const first = { model: '*', probe_model: MODEL, timeouts: { first_content_ms: 300 } }
      await createRoute(system, model, [
        simulatedTarget(`first-${fault}`, model, first),
        simulatedTarget(`second-${fault}`, 'sim-claude-fast'),
      ])
      const client = clientOf(system, owner.key)
      const whole = await client.chat.completions.create({ model, messages: says('Still there?') })
      const stream = client.chat.completions.stream({ model, messages: says('Still there?') })
      const streamed = await stream.finalChatCompletion()
      expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content)
      const response = await ask(system, owner.key, { model, messages: says('Who?') })
      expect(response.headers.get('x-tidegate-target')).toBe(`second-${fault}`)
      await response.body?.cancel()
    },
  )
})
