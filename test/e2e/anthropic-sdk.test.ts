// The official `@anthropic-ai/sdk` against the whole running gateway, in front of providers on both wires: messages, tools,
// thinking and usage, streamed and whole, counted tokens, and everything that can go wrong as the SDK throws it.
import Anthropic from '@anthropic-ai/sdk'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type MintedKey,
  bookOf,
  createRoute,
  createTenant,
  eventually,
  latestAttempts,
  mintKey,
  routeSimulated,
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

const WIRES = [
  ['Anthropic wire', 'sim-claude-fast'],
  ['OpenAI wire', 'sim-gpt-4o-fast'],
] as const

const TOOLS: Anthropic.Tool[] = ['get_tide', 'get_weather'].map((name) => ({
  name,
  description: 'Looks it up.',
  input_schema: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
}))

function clientOf(key: string): Anthropic {
  return new Anthropic({ apiKey: key, baseURL: system.url, maxRetries: 0, logLevel: 'off' })
}

function says(content: string): Anthropic.MessageParam[] {
  return [{ role: 'user', content }]
}

function textOf(message: Anthropic.Message): string {
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
}

function callsOf(message: Anthropic.Message): readonly Anthropic.ToolUseBlock[] {
  return message.content.filter((block) => block.type === 'tool_use')
}

describe.each(WIRES)('%s', (_, model) => {
  test('a stream says what the whole reply says, in many pieces', async () => {
    const client = clientOf(owner.key)
    const body = {
      model,
      max_tokens: 1000,
      system: 'Be plain.',
      messages: says('Why does the tide come in twice a day?'),
    }
    const whole = await client.messages.create(body)
    const pieces: string[] = []
    const stream = client.messages.stream(body).on('text', (piece) => pieces.push(piece))
    const streamed = await stream.finalMessage()
    expect(textOf(whole).length).toBeGreaterThan(100)
    expect(pieces.join('')).toBe(textOf(whole))
    expect(textOf(streamed)).toBe(textOf(whole))
    expect(pieces.length).toBeGreaterThan(10)
    for (const message of [whole, streamed]) {
      expect(message).toMatchObject({
        type: 'message',
        role: 'assistant',
        stop_reason: 'end_turn',
        stop_sequence: null,
      })
      expect(message.id).toMatch(/^msg_/)
    }
  })

  test('usage is what the provider counted, streamed and whole', async () => {
    const own = `${model}-messages-usage`
    const body = { model: own, max_tokens: 1000, messages: says('Count this.') }
    const { usage } = await clientOf(owner.key).messages.create(body)
    const book = await bookOf(system.simulatedUrl, own)
    expect(usage).toMatchObject({ input_tokens: book?.tokensIn, output_tokens: book?.tokensOut })
    const streamed = await clientOf(owner.key).messages.stream(body).finalMessage()
    expect(streamed.usage).toMatchObject({ input_tokens: usage.input_tokens, output_tokens: usage.output_tokens })
  })

  test('tools are called, streamed and whole, and their results answered', async () => {
    const client = clientOf(owner.key)
    const body = { model, max_tokens: 1000, messages: says('Tide and weather in Brest?'), tools: TOOLS }
    const whole = await client.messages.create(body)
    expect(whole.stop_reason).toBe('tool_use')
    expect(callsOf(whole).map((call) => call.name)).toEqual(['get_tide', 'get_weather'])
    for (const call of callsOf(whole)) expect(call.input).toHaveProperty('place')

    const streamed = await client.messages.stream(body).finalMessage()
    expect(callsOf(streamed).map(({ name, input }) => [name, input])).toEqual(
      callsOf(whole).map(({ name, input }) => [name, input]),
    )
    const results = callsOf(whole).map((call) => ({
      type: 'tool_result' as const,
      tool_use_id: call.id,
      content: [{ type: 'text' as const, text: 'High at noon.' }],
    }))
    const turns = [...body.messages, { role: 'assistant' as const, content: whole.content }]
    const answer = await client.messages.create({ ...body, messages: [...turns, { role: 'user', content: results }] })
    expect(answer.stop_reason).toBe('end_turn')
    expect(textOf(answer)).not.toBe('')
  })

  test('a forced tool is called alone', async () => {
    const message = await clientOf(owner.key).messages.create({
      model,
      max_tokens: 1000,
      messages: says('Tide in Brest?'),
      tools: TOOLS,
      tool_choice: { type: 'tool', name: 'get_weather', disable_parallel_tool_use: true },
    })
    expect(callsOf(message).map((call) => call.name)).toEqual(['get_weather'])
  })

  test('an output bound ends the reply with the reason `max_tokens`', async () => {
    const reply = await clientOf(owner.key).messages.create({ model, max_tokens: 5, messages: says('At length!') })
    expect(reply.stop_reason).toBe('max_tokens')
    expect(reply.usage.output_tokens).toBe(5)
  })

  test('a picture and a JSON schema are carried', async () => {
    const schema = {
      type: 'object',
      properties: { port: { type: 'string' } },
      required: ['port'],
      additionalProperties: false,
    }
    const content: Anthropic.ContentBlockParam[] = [
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGVsbG8=' } },
      { type: 'text', text: 'Which port?' },
    ]
    const reply = await clientOf(owner.key).messages.create({
      model,
      max_tokens: 1000,
      messages: [{ role: 'user', content }],
      output_config: { format: { type: 'json_schema', schema } },
    })
    expect(JSON.parse(textOf(reply))).toEqual({ port: expect.any(String) })
  })

  test('the request is in the ledger under its protocol', async () => {
    const own = `${model}-ledger`
    const { _request_id } = await clientOf(owner.key).messages.create({
      model: own,
      max_tokens: 50,
      messages: says('Remember me.'),
    })
    const rows = await eventually(
      () => latestAttempts(system),
      (all) => all.some((row) => row.requested_model === own),
    )
    const row = rows.find((each) => each.requested_model === own)
    expect(row).toMatchObject({ request_id: _request_id, protocol: 'messages', status: 200 })
  })

  test('tokens are counted without running the model', async () => {
    const own = `${model}-counted`
    const body = { model: own, messages: says('How much is this?') }
    const { data, response } = await clientOf(owner.key).messages.countTokens(body).withResponse()
    expect(data.input_tokens).toBeGreaterThan(0)
    const isEstimated = model.startsWith('sim-gpt')
    expect(response.headers.get('x-tidegate-estimated')).toBe(isEstimated ? 'true' : null)
    expect((await bookOf(system.simulatedUrl, own))?.calls ?? 0).toBe(0)
  })

  test.each([
    ['-e401', Anthropic.InternalServerError, 502, 'api_error', 'provider_credential'],
    ['-e429', Anthropic.RateLimitError, 429, 'rate_limit_error', 'rate_limit_exceeded'],
    ['-e500', Anthropic.InternalServerError, 502, 'api_error', 'provider_error'],
    ['-e529', Anthropic.InternalServerError, 503, 'overloaded_error', 'provider_overloaded'],
  ])('a provider that answers %s', async (words, kind, status, type, code) => {
    const own = `${model}-messages${words}`
    await createRoute(system, own, [simulatedTarget(own, own)])
    const error = await errorOf(kind, owner.key, { model: own })
    expect(error).toMatchObject({ status, error: { type: 'error', error: { type, code } } })
    expect(bodyOf(error)).toHaveProperty('provider')
  })

  test('an error in mid-stream is thrown after what was said', async () => {
    const own = `${model}-messages-errchunk5`
    await createRoute(system, own, [simulatedTarget(own, own)])
    const pieces: string[] = []
    const stream = clientOf(owner.key).messages.stream({
      model: own,
      max_tokens: 1000,
      messages: says('Tell me everything.'),
    })
    stream.on('text', (piece) => pieces.push(piece))
    await expect(stream.finalMessage()).rejects.toThrow(Anthropic.APIError)
    expect(pieces.join('')).not.toBe('')
  })
})

/** What the SDK throws for a request, as the error class that is expected. */
async function errorOf<T>(kind: new (...args: never[]) => T, key: string, body: object = {}): Promise<T> {
  const request = { model: 'sim-claude-fast', max_tokens: 100, messages: says('Hello'), ...body }
  const thrown = await clientOf(key)
    .messages.create(request)
    .then(
      () => null,
      (error: unknown) => error,
    )
  if (!(thrown instanceof kind)) throw new Error(`expected ${kind.name}, got ${String(thrown)}`)
  return thrown
}

/** The `error` member of the body. */
function bodyOf(error: unknown): unknown {
  if (!(error instanceof Anthropic.APIError) || typeof error.error !== 'object' || error.error === null) return null
  return 'error' in error.error ? error.error.error : null
}

describe('what is wrong with a request', () => {
  test.each([
    ['max_tokens: Field required', { max_tokens: undefined }],
    ['max_tokens: Input should be an integer greater than or equal to 1', { max_tokens: 0 }],
    ['messages: at least one message is required', { messages: [] }],
    ["messages.0.role: Input should be 'user' or 'assistant'", { messages: [{ role: 'bot', content: 'x' }] }],
    ['messages.0.content: Field required', { messages: [{ role: 'user' }] }],
    ['temperature: Input should be a valid number', { temperature: 'hot' }],
  ])('%s', async (message, body) => {
    const error = await errorOf(Anthropic.BadRequestError, owner.key, body)
    expect(error).toMatchObject({ type: 'invalid_request_error' })
    expect(bodyOf(error)).toMatchObject({ message, param: message.split(':')[0] })
    expect(error.requestID).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('a block that cannot be translated is named, also where it lies deep', async () => {
    const messages = [{ role: 'user', content: [{ type: 'tool_result', content: 'x' }] }]
    const error = await errorOf(Anthropic.BadRequestError, owner.key, { model: 'sim-gpt-4o-fast', messages })
    expect(bodyOf(error)).toMatchObject({ message: 'messages.0.content.0.tool_result.tool_use_id: Field required' })
  })

  test('a setting that the model has not is named in the words of the client', async () => {
    const body = { model: 'sim-gpt-4o-fast', mcp_servers: [{ type: 'url', name: 'x', url: 'https://mcp.test' }] }
    const error = await errorOf(Anthropic.BadRequestError, owner.key, body)
    expect(bodyOf(error)).toMatchObject({ code: 'unsupported_parameter', param: 'mcp_servers' })
  })

  test('unknown keys and models, and models that a key may not use', async () => {
    expect(await errorOf(Anthropic.AuthenticationError, 'tg-nonsense')).toMatchObject({ type: 'authentication_error' })
    const missing = await errorOf(Anthropic.NotFoundError, owner.key, { model: 'nobody-knows' })
    expect(missing).toMatchObject({ type: 'not_found_error' })
    expect(bodyOf(missing)).toMatchObject({ code: 'model_not_found', param: 'model' })
    const scoped = await mintKey(system, 'acme', 'scoped-messages', { models: ['sim-gpt*'] })
    expect(await errorOf(Anthropic.PermissionDeniedError, scoped.key)).toMatchObject({ type: 'permission_error' })
  })
})

describe('thinking', () => {
  test('is told with its signature, streamed and whole, and taken back', async () => {
    const client = clientOf(owner.key)
    const thinking = { type: 'enabled' as const, budget_tokens: 1024 }
    const body = { model: 'sim-claude-fast', max_tokens: 4000, messages: says('Think of the tide.'), thinking }
    const whole = await client.messages.create(body)
    const streamed = await client.messages.stream(body).finalMessage()
    for (const message of [whole, streamed]) {
      expect(message.content.map((block) => block.type)).toEqual(['thinking', 'text'])
      expect(message.content[0]).toMatchObject({ signature: expect.stringMatching(/.{20}/) })
    }
    const again = await client.messages.create({
      ...body,
      messages: [...body.messages, { role: 'assistant', content: streamed.content }, ...says('And now?')],
    })
    expect(textOf(again)).not.toBe('')
  })
})

describe('counting tokens', () => {
  test('has the errors of the endpoint beside it', async () => {
    const client = clientOf(owner.key)
    const own = 'sim-claude-counted-e500'
    await createRoute(system, own, [simulatedTarget(own, own)])
    const messages = says('How much?')
    await expect(client.messages.countTokens({ model: own, messages })).rejects.toThrow(Anthropic.InternalServerError)
    await expect(client.messages.countTokens({ model: 'nobody-knows', messages })).rejects.toThrow(
      Anthropic.NotFoundError,
    )
    await expect(clientOf('none').messages.countTokens({ model: own, messages })).rejects.toThrow(
      Anthropic.AuthenticationError,
    )
    await expect(client.messages.countTokens({ model: own, messages: [] })).rejects.toThrow('at least one message')
  })

  test('what nothing can count is estimated: a target that is not asked, a request that would be translated', async () => {
    const own = 'sim-gpt-counted'
    await createRoute(system, own, [
      simulatedTarget('counted-first', own),
      simulatedTarget('counted-second', 'sim-claude'),
    ])
    const { data, response } = await clientOf(owner.key)
      .messages.countTokens({ model: own, messages: says('How much is this then?'), system: 'Count.' })
      .withResponse()
    expect(response.headers.get('x-tidegate-estimated')).toBe('true')
    expect(data).toEqual({ input_tokens: expect.any(Number) })
  })
})

describe('the endpoint', () => {
  test.each([
    ['GET', '/v1/messages', 405, 'invalid_request_error'],
    ['DELETE', '/v1/messages/count_tokens', 405, 'invalid_request_error'],
    ['POST', '/v1/messages/batches', 404, 'not_found_error'],
  ])('%s %s is refused in its own words', async (method, path, status, type) => {
    const response = await fetch(system.url + path, { method, headers: { 'x-api-key': owner.key } })
    expect(response.status).toBe(status)
    expect(await response.json()).toMatchObject({ type: 'error', error: { type } })
    expect(response.headers.get('request-id')).toMatch(/./)
  })

  test('another content type too', async () => {
    const headers = { 'x-api-key': owner.key, 'content-type': 'text/plain' }
    const response = await fetch(`${system.url}/v1/messages`, { method: 'POST', headers, body: '{}' })
    expect(response.status).toBe(415)
    expect(await response.json()).toMatchObject({ type: 'error', error: { type: 'invalid_request_error' } })
  })
})

describe('the key', () => {
  const body = JSON.stringify({ model: 'sim-claude-fast', max_tokens: 5, messages: says('Hello') })
  const ask = (headers: Record<string, string>): Promise<Response> =>
    fetch(`${system.url}/v1/messages`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    })

  test('is accepted in the header of any SDK', async () => {
    const accepted = [
      { 'x-api-key': owner.key },
      { 'api-key': owner.key },
      { 'x-goog-api-key': owner.key },
      { authorization: `Bearer ${owner.key}` },
      { authorization: 'Basic eDp5', 'x-api-key': owner.key },
    ]
    for (const headers of accepted) expect((await ask(headers)).status).toBe(200)
  })

  test('missing, it is asked for in the header that this protocol has for it', async () => {
    const response = await ask({})
    expect(response.status).toBe(401)
    expect(await response.json()).toMatchObject({
      type: 'error',
      error: { type: 'authentication_error', message: expect.stringContaining('x-api-key') },
      request_id: response.headers.get('request-id'),
    })
  })

  test('malformed is not unknown', async () => {
    const response = await ask({ authorization: 'Basic eDp5' })
    expect(await response.json()).toMatchObject({ error: { message: expect.stringContaining('form of a key') } })
  })
})
