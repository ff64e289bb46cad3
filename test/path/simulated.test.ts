// The simulated providers' wire formats, read by the providers' own SDKs.
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { describe, expect, test } from 'vitest'
import { handleSimulated } from '../../src/simulated/handle-simulated.ts'
import { instantClock } from '../support/simulated.ts'

const TOOLS = ['get_weather', 'get_tide'].map((name) => ({
  name,
  description: 'Looks it up.',
  schema: {
    type: 'object' as const,
    properties: { place: { type: 'string' }, days: { type: 'integer', minimum: 2 }, unit: { enum: ['m', 'ft'] } },
    required: ['place', 'days', 'unit'],
  },
}))
const QUESTION = { role: 'user' as const, content: 'Why does the tide come in twice a day?' }

function inProcess(url: string | URL | Request, init?: RequestInit): Promise<Response> {
  return handleSimulated(new Request(url, init), instantClock())
}

function openaiClient(apiKey = 'sk-test'): OpenAI {
  return new OpenAI({ apiKey, baseURL: 'http://simulated/openai/v1', maxRetries: 0, fetch: inProcess })
}

function anthropicClient(apiKey = 'sk-ant-test'): Anthropic {
  return new Anthropic({ apiKey, baseURL: 'http://simulated/anthropic', maxRetries: 0, fetch: inProcess })
}

describe('OpenAI wire', () => {
  const chat = { model: 'sim-gpt-4o', messages: [QUESTION] }

  test('a stream and a whole reply say and count the same', async () => {
    const whole = await openaiClient().chat.completions.create(chat)
    const stream = openaiClient().chat.completions.stream({ ...chat, stream_options: { include_usage: true } })
    const streamed = await stream.finalChatCompletion()
    expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content)
    expect(streamed.usage).toEqual(whole.usage)
    expect(streamed.choices[0]?.finish_reason).toBe('stop')
    expect(streamed.system_fingerprint).toMatch(/^fp_[0-9a-f]{10}$/)
    expect(whole.choices[0]?.message.content).toContain('Why does the tide come in twice a day?')
    const text = whole.choices[0]?.message.content ?? ''
    expect(whole.usage?.completion_tokens).toBe(Math.ceil(text.length / 4))
    expect(whole.usage?.completion_tokens).toBeGreaterThanOrEqual(40)
    expect(whole.usage?.completion_tokens).toBeLessThanOrEqual(80)
  })

  test('usage comes in a chunk of its own without choices, and only when asked for', async () => {
    const plain = await openaiClient().chat.completions.create({ ...chat, stream: true })
    for await (const chunk of plain) expect('usage' in chunk).toBe(false)
    const options = { stream_options: { include_usage: true } }
    const chunks = []
    for await (const chunk of await openaiClient().chat.completions.create({ ...chat, ...options, stream: true })) {
      chunks.push(chunk)
    }
    expect(chunks.at(-1)?.choices).toEqual([])
    expect(chunks.at(-1)?.usage?.total_tokens).toBeGreaterThan(40)
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true)
  })

  test('tools are called, whole and in fragments alike, until their results are there', async () => {
    const tools = TOOLS.map(({ name, schema }) => ({
      type: 'function' as const,
      function: { name, parameters: schema },
    }))
    const whole = await openaiClient().chat.completions.create({ ...chat, tools })
    const fragments: string[] = []
    const stream = openaiClient().chat.completions.stream({ ...chat, tools })
    for await (const chunk of stream) {
      const piece = chunk.choices[0]?.delta.tool_calls?.[0]?.function?.arguments
      if (piece !== undefined) fragments.push(piece)
    }
    const streamed = await stream.finalChatCompletion()
    const calls = whole.choices[0]?.message.tool_calls ?? []
    expect(calls.map((call) => (call.type === 'function' ? call.function.name : ''))).toEqual([
      'get_weather',
      'get_tide',
    ])
    expect(streamed.choices[0]?.message.tool_calls).toMatchObject(calls)
    expect(streamed.choices[0]?.finish_reason).toBe('tool_calls')
    expect(whole.choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: null } })
    const [first] = calls
    const args: unknown = JSON.parse(first?.type === 'function' ? first.function.arguments : '')
    expect(args).toEqual({ place: QUESTION.content, days: 2, unit: 'm' })
    expect(fragments.length).toBeGreaterThan(10)
    const results = calls.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id, content: 'high at six' }))
    const turn = { role: 'assistant' as const, content: null, tool_calls: calls }
    const after = await openaiClient().chat.completions.create({
      ...chat,
      tools,
      messages: [QUESTION, turn, ...results],
    })
    expect(after.choices[0]?.finish_reason).toBe('stop')
  })

  test('tool_choice and parallel_tool_calls are obeyed', async () => {
    const tools = TOOLS.map(({ name, schema }) => ({
      type: 'function' as const,
      function: { name, parameters: schema },
    }))
    const named = { type: 'function' as const, function: { name: 'get_tide' } }
    const one = await openaiClient().chat.completions.create({ ...chat, tools, tool_choice: named })
    expect(one.choices[0]?.message.tool_calls).toHaveLength(1)
    expect(one.choices[0]?.message.tool_calls?.[0]).toMatchObject({ function: { name: 'get_tide' } })
    const single = await openaiClient().chat.completions.create({ ...chat, tools, parallel_tool_calls: false })
    expect(single.choices[0]?.message.tool_calls).toHaveLength(1)
    const none = await openaiClient().chat.completions.create({ ...chat, tools, tool_choice: 'none' })
    expect(none.choices[0]?.message.tool_calls).toBeUndefined()
  })

  test('a JSON schema gets a value that fits it', async () => {
    const schema = {
      $defs: { port: { type: 'object', properties: { name: { type: 'string', maxLength: 3 } }, required: ['name'] } },
      type: 'object',
      properties: {
        ports: { type: 'array', minItems: 2, items: { $ref: '#/$defs/port' } },
        at: { format: 'date', type: 'string' },
      },
      required: ['ports', 'at'],
    }
    const format = { type: 'json_schema' as const, json_schema: { name: 'ports', schema, strict: true } }
    const reply = await openaiClient().chat.completions.create({ ...chat, response_format: format })
    const value: unknown = JSON.parse(reply.choices[0]?.message.content ?? '')
    expect(value).toEqual({ ports: [{ name: 'Why' }, { name: 'Why' }], at: '2026-01-31' })
  })

  test('several choices interleave in one stream and differ', async () => {
    const stream = openaiClient().chat.completions.stream({ ...chat, n: 3 })
    const order: number[] = []
    for await (const chunk of stream) order.push(...chunk.choices.map((choice) => choice.index))
    const reply = await stream.finalChatCompletion()
    expect(order.slice(0, 6)).toEqual([0, 1, 2, 0, 1, 2])
    expect(new Set(reply.choices.map((choice) => choice.message.content)).size).toBe(3)
    const whole = await openaiClient().chat.completions.create({ ...chat, n: 3 })
    expect(reply.choices.map((choice) => choice.message.content)).toEqual(
      whole.choices.map((choice) => choice.message.content),
    )
  })

  test('bounds are kept, and reasoning is counted though unseen', async () => {
    const short = await openaiClient().chat.completions.create({ ...chat, max_completion_tokens: 5 })
    expect(short.choices[0]?.finish_reason).toBe('length')
    expect(short.usage?.completion_tokens).toBe(5)
    const thought = await openaiClient().chat.completions.create({ ...chat, reasoning_effort: 'high' })
    const visible = Math.ceil((thought.choices[0]?.message.content?.length ?? 0) / 4)
    expect(thought.usage?.completion_tokens_details?.reasoning_tokens).toBe(24)
    expect(thought.usage?.completion_tokens).toBe(visible + 24)
  })

  test('errors are the SDK’s own classes, with code, param and retry-after', async () => {
    const { AuthenticationError, BadRequestError, NotFoundError, RateLimitError, InternalServerError } = OpenAI
    const ask = (model: string) => openaiClient().chat.completions.create({ ...chat, model })
    await expect(ask('sim-e429')).rejects.toThrow(RateLimitError)
    await expect(ask('sim-e429')).rejects.toMatchObject({ code: 'rate_limit_exceeded', type: 'tokens' })
    const limited = await ask('sim-e429').catch((error: unknown) => error)
    expect(limited instanceof OpenAI.APIError ? limited.headers?.get('retry-after') : null).toBe('2')
    await expect(ask('sim-e404')).rejects.toThrow(NotFoundError)
    await expect(ask('sim-e503')).rejects.toThrow(InternalServerError)
    await expect(openaiClient('invalid').models.list()).rejects.toThrow(AuthenticationError)
    await expect(openaiClient('invalid').chat.completions.create(chat)).rejects.toMatchObject({
      code: 'invalid_api_key',
    })
    const empty = openaiClient().chat.completions.create({ ...chat, messages: [] })
    await expect(empty).rejects.toThrow(BadRequestError)
    await expect(empty).rejects.toMatchObject({ param: 'messages', code: 'empty_array' })
  })

  test('models are listed', async () => {
    const page = await openaiClient().models.list()
    expect(page.data.map((model) => model.id)).toContain('sim-gpt-4o')
  })
})

describe('Anthropic wire', () => {
  const ask = { model: 'sim-claude-sonnet', max_tokens: 4096, messages: [QUESTION] }

  test('a stream and a whole reply say and count the same', async () => {
    const whole = await anthropicClient().messages.create(ask)
    const streamed = await anthropicClient().messages.stream(ask).finalMessage()
    expect(streamed.content).toEqual(whole.content)
    expect(streamed.stop_reason).toBe('end_turn')
    expect(streamed.usage.input_tokens).toBe(whole.usage.input_tokens)
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens)
    expect(whole.usage.output_tokens).toBeGreaterThanOrEqual(40)
  })

  test('events come in Anthropic’s order', async () => {
    const types: string[] = []
    for await (const event of anthropicClient().messages.stream(ask)) types.push(event.type)
    const runs = types.filter((type, index) => type !== types[index - 1])
    expect(runs).toEqual([
      'message_start',
      'content_block_start',
      'content_block_delta',
      'content_block_stop',
      'message_delta',
      'message_stop',
    ])
  })

  test('thinking comes in a block of its own, signed, before the text', async () => {
    const thinking = { type: 'enabled' as const, budget_tokens: 1024 }
    const whole = await anthropicClient().messages.create({ ...ask, thinking })
    const streamed = await anthropicClient()
      .messages.stream({ ...ask, thinking })
      .finalMessage()
    expect(streamed.content).toEqual(whole.content)
    expect(whole.content.map((block) => block.type)).toEqual(['thinking', 'text'])
    expect(whole.content[0]).toMatchObject({ signature: expect.stringMatching(/^\w{180}==$/) })
    const tight = anthropicClient().messages.create({ ...ask, thinking: { type: 'enabled', budget_tokens: 4096 } })
    await expect(tight).rejects.toThrow(Anthropic.BadRequestError)
  })

  test('tools are used, whole and in fragments alike, until their results are there', async () => {
    const tools = TOOLS.map(({ name, schema }) => ({ name, input_schema: schema }))
    const whole = await anthropicClient().messages.create({ ...ask, tools })
    const streamed = await anthropicClient()
      .messages.stream({ ...ask, tools })
      .finalMessage()
    expect(streamed.content).toEqual(whole.content)
    expect(whole.content.map((block) => block.type)).toEqual(['text', 'tool_use', 'tool_use'])
    expect(whole.content[1]).toMatchObject({
      name: 'get_weather',
      input: { place: QUESTION.content, days: 2, unit: 'm' },
    })
    expect(streamed.stop_reason).toBe('tool_use')
    expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens)
    const results = whole.content.flatMap((block) =>
      block.type === 'tool_use' ? [{ type: 'tool_result' as const, tool_use_id: block.id, content: 'six' }] : [],
    )
    const messages = [
      QUESTION,
      { role: 'assistant' as const, content: whole.content },
      { role: 'user' as const, content: results },
    ]
    const after = await anthropicClient().messages.create({ ...ask, tools, messages })
    expect(after.stop_reason).toBe('end_turn')
  })

  test('bounds are kept', async () => {
    const short = await anthropicClient().messages.create({ ...ask, max_tokens: 7 })
    expect(short).toMatchObject({ stop_reason: 'max_tokens', usage: { output_tokens: 7 } })
  })

  test('errors are the SDK’s own classes, with Anthropic’s types', async () => {
    const fail = (model: string) => anthropicClient().messages.create({ ...ask, model })
    await expect(fail('sim-e429')).rejects.toThrow(Anthropic.RateLimitError)
    await expect(fail('sim-e529')).rejects.toMatchObject({ status: 529, type: 'overloaded_error' })
    await expect(fail('sim-e500')).rejects.toMatchObject({ status: 500, type: 'api_error' })
    await expect(anthropicClient('invalid').messages.create(ask)).rejects.toThrow(Anthropic.AuthenticationError)
    await expect(anthropicClient().messages.create({ ...ask, messages: [] })).rejects.toThrow('at least one message')
  })

  test('a bearer credential will do, no credential or no version will not', async () => {
    const send = (headers: Record<string, string>) =>
      inProcess('http://simulated/anthropic/v1/messages', { method: 'POST', headers, body: JSON.stringify(ask) })
    const version = { 'anthropic-version': '2023-06-01' }
    expect((await send({ ...version, authorization: 'Bearer x' })).status).toBe(200)
    const missing = await send(version)
    expect(missing.status).toBe(401)
    expect(await missing.json()).toMatchObject({ type: 'error', error: { type: 'authentication_error' } })
    expect((await send({ 'x-api-key': 'x' })).status).toBe(400)
  })

  test('models are listed', async () => {
    const page = await anthropicClient().models.list()
    expect(page.data.map((model) => model.id)).toContain('sim-claude-sonnet')
  })
})
