// The HTTP surface of the running gateway without any SDK: errors in each protocol's own shape, methods, pages of other origins,
// lists of models, and what is passed through to providers.
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import {
  type MintedKey,
  clientOf,
  createRoute,
  createTenant,
  eventually,
  latestAttempts,
  mintKey,
  routeSimulated,
  says,
  simulatedTarget,
} from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

const PAGE = 'https://pier.example'
const TENANTS_PAGE = 'https://lighthouse.example'

let system: TestSystem
let owner: MintedKey
let other: MintedKey

beforeAll(async () => {
  system = await startTestSystem({ vars: { CORS_ORIGINS: `${PAGE}, tenants` } })
  owner = await createTenant(system, 'harbour', { pass_through: 'all' })
  other = await createTenant(system, 'lighthouse', { cors_origins: [TENANTS_PAGE] })
  await routeSimulated(system)
  await createRoute(system, 'sim-gemini*', [{ id: 'google', provider: 'simulated-gemini', model: '*', max_retries: 0 }])
  await createRoute(system, 'pier/tide-1', [
    simulatedTarget('tide', 'sim-gpt-tide', { capabilities: { context_tokens: 9_000 } }),
  ])
})
afterAll(() => system.dispose())

function call(path: string, init: RequestInit & { key?: string | null } = {}): Promise<Response> {
  const { key = owner.key, headers, ...rest } = init
  const own = key === null ? {} : { authorization: `Bearer ${key}` }
  return fetch(system.url + path, { ...rest, headers: { ...own, ...Object.fromEntries(new Headers(headers)) } })
}

const JSON_TYPE = { 'content-type': 'application/json' }
const RECEIVED = z.object({
  received: z.object({
    method: z.string(),
    path: z.string(),
    query: z.string(),
    headers: z.record(z.string(), z.string()),
    bytes: z.number(),
  }),
})

describe('errors speak the shape of the protocol', () => {
  test.each([
    ['GET', '/v1/chat/completions', 405, { error: { code: 'method_not_allowed', param: null } }],
    ['GET', '/v1/messages', 405, { type: 'error', error: { type: expect.any(String) } }],
    ['PUT', '/v1/embeddings', 405, { error: { code: 'method_not_allowed' } }],
    ['POST', '/v1/models', 405, { error: { code: 'method_not_allowed' } }],
    ['GET', '/v1/nothing', 404, { error: { code: 'unknown_url' } }],
    ['GET', '/v1/messages/nothing', 404, { type: 'error', error: { type: 'not_found_error' } }],
    ['GET', '/gemini/v1beta/models', 404, { error: { code: 404, status: 'NOT_FOUND' } }],
    ['GET', '/nobody/v1/x', 404, { error: { code: 'unknown_url' } }],
  ])('%s %s is a %i', async (method, path, status, shape) => {
    const response = await call(path, { method })
    expect([response.status, await response.json()]).toMatchObject([status, shape])
    expect(response.headers.get('x-request-id')).toBeTruthy()
    if (status === 405) expect(response.headers.get('allow')).toMatch(/GET|POST/)
  })

  test('also for a body of another type', async () => {
    const chat = await call('/v1/chat/completions', {
      method: 'POST',
      body: 'x',
      headers: { 'content-type': 'text/plain' },
    })
    const messages = await call('/v1/messages', {
      method: 'POST',
      body: 'x',
      headers: { 'content-type': 'text/plain' },
    })
    expect([chat.status, messages.status]).toEqual([415, 415])
    expect(await chat.json()).toMatchObject({ error: { code: 'unsupported_content_type' } })
    expect(await messages.json()).toMatchObject({ type: 'error' })
  })
})

test('HEAD is GET without a body, and OPTIONS says what is allowed', async () => {
  const head = await call('/v1/models', { method: 'HEAD' })
  expect([head.status, head.headers.get('content-type'), await head.text()]).toEqual([200, 'application/json', ''])
  expect((await call('/v1/models', { method: 'HEAD', key: null })).status).toBe(401)
  const allowed: (string | null)[] = []
  for (const path of ['/v1/models', '/v1/models/a/b', '/v1/chat/completions', '/v1/audio/speech']) {
    allowed.push((await call(path, { method: 'OPTIONS', key: null })).headers.get('allow'))
  }
  expect(allowed).toEqual(['GET, HEAD, OPTIONS', 'GET, HEAD, OPTIONS', 'POST, OPTIONS', 'POST, OPTIONS'])
})

describe('models', () => {
  test('are found by name, slashes and prefixes included, with what is known of them', async () => {
    const client = clientOf(system, owner.key)
    const listed: string[] = []
    for await (const model of client.models.list()) listed.push(model.id)
    expect(listed).toEqual(expect.arrayContaining(['pier/tide-1', 'sim-claude*', 'sim-gpt*']))
    const tide = await client.models.retrieve('pier/tide-1')
    expect(tide).toMatchObject({
      id: 'pier/tide-1',
      object: 'model',
      tidegate: { context_window: 9_000, providers: ['simulated-openai'] },
    })
    expect(await client.models.retrieve('sim-gpt-4o-fast')).toMatchObject({ id: 'sim-gpt-4o-fast' })
    await expect(client.models.retrieve('nobody')).rejects.toMatchObject({ status: 404, code: 'model_not_found' })
    const narrow = await mintKey(system, 'harbour', 'narrow', { models: ['sim-gpt*'] })
    await expect(clientOf(system, narrow.key).models.retrieve('pier/tide-1')).rejects.toMatchObject({ status: 403 })
  })

  test("come in Anthropic's form to Anthropic's client", async () => {
    const headers = { 'anthropic-version': '2023-06-01' }
    const page = await (await call('/v1/models?limit=1', { headers })).json()
    expect(page).toMatchObject({ data: [{ type: 'model', id: 'pier/tide-1' }], has_more: true, last_id: 'pier/tide-1' })
    const next = await (await call('/v1/models?after_id=pier/tide-1', { headers })).json()
    expect(next).toMatchObject({
      data: [{ id: 'sim-claude*' }, { id: 'sim-gemini*' }, { id: 'sim-gpt*' }],
      has_more: false,
    })
    const lost = await call('/v1/models/nobody', { headers })
    expect([lost.status, await lost.json()]).toMatchObject([404, { type: 'error' }])
  })
})

describe('pages of other origins', () => {
  const asks = (origin: string): RequestInit => ({
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization, x-stainless-os',
    },
  })

  test('may ask without a key, and read what the deployment or the tenant lets them', async () => {
    const asked = await call('/v1/chat/completions', { ...asks(PAGE), key: null })
    expect(asked.status).toBe(204)
    expect(asked.headers.get('access-control-allow-origin')).toBe(PAGE)
    expect(asked.headers.get('access-control-allow-headers')).toBe('authorization, x-stainless-os')
    const readable = async (origin: string, key: string): Promise<string | null> => {
      const response = await call('/v1/models', { headers: { origin }, key })
      await response.text()
      return response.headers.get('access-control-allow-origin')
    }
    expect(await readable(PAGE, owner.key)).toBe(PAGE)
    expect(await readable(TENANTS_PAGE, other.key)).toBe(TENANTS_PAGE)
    expect(await readable(TENANTS_PAGE, owner.key)).toBeNull()
    expect(await readable('https://elsewhere.example', owner.key)).toBeNull()
  })

  test('see the headers of a stream, and of an error', async () => {
    const body = JSON.stringify({ model: 'sim-gpt-4o-fast', messages: says('Tide?'), stream: true })
    const response = await call('/v1/chat/completions', {
      method: 'POST',
      body,
      headers: { ...JSON_TYPE, origin: PAGE },
    })
    expect(await response.text()).toContain('[DONE]')
    expect(response.headers.get('access-control-expose-headers')).toMatch(
      /retry-after.*x-request-id.*x-tidegate-target/,
    )
    const refused = await call('/v1/chat/completions', { method: 'POST', headers: { origin: PAGE }, key: null })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([401, PAGE])
    await refused.text()
  })

  test("have no business on the operator's own pages", async () => {
    const response = await call('/admin/tenants', asks(PAGE))
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    await response.text()
  })
})

describe('what has no protocol is passed through', () => {
  test('with our credential for the key, and nothing that tells of the client', async () => {
    const response = await call('/simulated-openai/v1/files/a%2Fb?limit=2&key=secret&after=x', {
      method: 'POST',
      body: 'x'.repeat(300_000),
      headers: {
        'content-type': 'text/plain',
        'x-stainless-lang': 'js',
        'openai-organization': 'org-of-somebody',
        'x-forwarded-for': '203.0.113.9',
        'x-tidegate-tags': 'a',
        cookie: 'a=b',
      },
    })
    const { received } = RECEIVED.parse(await response.json())
    expect(received).toMatchObject({ method: 'POST', path: '/files/a%2Fb', query: '?limit=2&after=x', bytes: 300_000 })
    expect(received.headers['authorization']).toBe('Bearer simulated')
    expect(received.headers['x-stainless-lang']).toBe('js')
    for (const name of ['openai-organization', 'x-forwarded-for', 'x-tidegate-tags', 'cookie']) {
      expect(received.headers).not.toHaveProperty(name)
    }
    expect(JSON.stringify(received)).not.toContain(owner.key)
    expect(response.headers.get('x-tidegate-provider')).toBe('simulated-openai')
    expect(response.headers.get('openai-version')).toBeNull()
  })

  test('by target id, and by every method', async () => {
    for (const method of ['GET', 'DELETE']) {
      const { received } = RECEIVED.parse(await (await call('/tide/files/f1', { method })).json())
      expect(received).toMatchObject({ method, path: '/files/f1' })
    }
  })

  test('a stream goes on as it comes and is counted in the ledger', async () => {
    const body = JSON.stringify({
      model: 'sim-gpt-passed-fast',
      messages: says('Tide?'),
      stream: true,
      stream_options: { include_usage: true },
    })
    const path = '/simulated-openai/v1/chat/completions'
    const passed = await call(path, { method: 'POST', body, headers: JSON_TYPE })
    expect(passed.headers.get('content-type')).toContain('text/event-stream')
    const events = await passed.text()
    expect(events).toContain('obfuscation')
    const whole = await call(path, {
      method: 'POST',
      body: body.replace('"stream":true', '"stream":false'),
      headers: JSON_TYPE,
    })
    const { usage } = z.object({ usage: z.object({ prompt_tokens: z.number() }) }).parse(await whole.json())
    const rows = await eventually(
      async () => (await latestAttempts(system)).filter((row) => row.requested_model === 'sim-gpt-passed-fast'),
      (found) => found.length === 2,
    )
    for (const row of rows) {
      expect(row).toMatchObject({ protocol: 'pass-through', status: 200, is_estimated: false })
      expect(row.input_tokens).toBe(usage.prompt_tokens)
    }
  })

  test("the provider's own refusal is told in its own words, but for one of our credential", async () => {
    const missing = await call('/simulated-openai/v1/files/missing')
    expect([missing.status, await missing.json()]).toMatchObject([404, { error: { type: 'invalid_request_error' } }])
    const body = JSON.stringify({ model: 'sim-gpt-e401', messages: says('x') })
    const denied = await call('/simulated-openai/v1/chat/completions', { method: 'POST', body, headers: JSON_TYPE })
    expect([denied.status, await denied.json()]).toMatchObject([502, { error: { code: 'provider_credential' } }])
  })

  test("Anthropic's own client reaches the provider behind the gateway", async () => {
    const client = new Anthropic({ apiKey: owner.key, baseURL: `${system.url}/simulated-anthropic`, maxRetries: 0 })
    const message = await client.messages.create({ model: 'sim-claude-fast', max_tokens: 50, messages: says('Tide?') })
    expect(message.content[0]?.type).toBe('text')
  })

  test("Google's own client reaches the provider behind the gateway, streamed and whole", async () => {
    const httpOptions = { baseUrl: `${system.url}/simulated-gemini` }
    const client = new GoogleGenAI({ apiKey: owner.key, httpOptions })
    const asked = { model: 'sim-gemini-passed-fast', contents: 'When is high tide?' }
    const whole = await client.models.generateContent(asked)
    expect(whole.text).toMatch(/\w/)
    let text = ''
    for await (const chunk of await client.models.generateContentStream(asked)) text += chunk.text ?? ''
    expect(text).toBe(whole.text)
    const rows = await eventually(
      async () => (await latestAttempts(system)).filter((row) => row.requested_model === asked.model),
      (found) => found.length === 2,
    )
    for (const row of rows)
      expect(row).toMatchObject({ protocol: 'pass-through', is_estimated: false, provider: 'simulated-gemini' })
    const lost = new GoogleGenAI({ apiKey: 'nobody', httpOptions })
    await expect(lost.models.generateContent(asked)).rejects.toMatchObject({ status: 401 })
  })

  test.each([
    ['steps out', '/simulated-openai/v1/files/..%2f..%2fbooks'],
    ['steps out in disguise', '/simulated-openai/v1/%252e%252e%252fbooks'],
  ])('a path that %s is refused', async (_, path) => {
    expect((await call(path)).status).toBe(400)
  })

  test('a key is needed, and one for some models reaches no others', async () => {
    expect((await call('/simulated-openai/v1/files', { key: null })).status).toBe(401)
    const narrow = await mintKey(system, 'harbour', 'narrower', { models: ['sim-gpt-4o*'] })
    expect((await call('/simulated-openai/v1/files', { key: narrow.key })).status).toBe(403)
    const ask = async (model: string, models?: readonly string[]): Promise<number> => {
      const body = JSON.stringify({ model, models, messages: says('x') })
      const init = { method: 'POST', body, headers: JSON_TYPE, key: narrow.key }
      return (await call('/simulated-openai/v1/chat/completions', init)).status
    }
    expect([await ask('sim-gpt-4o-fast'), await ask('sim-gpt-5-fast')]).toEqual([200, 403])
    // Nor as one to go on with.
    expect(await ask('sim-gpt-4o-fast', ['sim-gpt-5-fast'])).toBe(403)
  })
})

test.each(['sim-gpt-4o-fast-tokens80-lumps20', 'sim-claude-fast-tokens80-lumps20'])(
  'a stream in lumps says the same when it is evened out (%s)',
  async (model) => {
    const textOf = async (headers: Record<string, string>): Promise<string> => {
      const client = clientOf(system, owner.key)
      const stream = await client.chat.completions.create({ model, messages: says('Tide?'), stream: true }, { headers })
      let text = ''
      let finish: string | null = null
      for await (const chunk of stream) {
        text += chunk.choices[0]?.delta.content ?? ''
        finish = chunk.choices[0]?.finish_reason ?? finish
      }
      return `${text} (${finish})`
    }
    const plain = await textOf({})
    expect(plain).toContain('(stop)')
    expect(await textOf({ 'x-tidegate-smooth': 'true' })).toBe(plain)
    expect(await textOf({ 'x-tidegate-smooth': '50' })).toBe(plain)
  },
)

test('options for a provider go to it alone, and wrong ones are refused by name', async () => {
  const ask = async (options: object): Promise<Response> => {
    const body = { model: 'sim-gpt-4o-fast', messages: says('Tide?'), tidegate: { provider_options: options } }
    return call('/v1/chat/completions', { method: 'POST', body: JSON.stringify(body), headers: JSON_TYPE })
  }
  const fine = await ask({ 'simulated-openai': { user: 'pilot' }, anthropic: { top_k: 3 } })
  expect([fine.status, await fine.json()]).toMatchObject([200, { object: 'chat.completion' }])
  const wrong = await ask({ openai: { messages: [] } })
  expect([wrong.status, await wrong.json()]).toMatchObject([
    400,
    { error: { param: 'tidegate.provider_options.openai.messages' } },
  ])
})
