// Chat requests and the Anthropic requests that they become, side by side: the translation as a reader would check it.
import { describe, expect, test } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { dialects, protocols } from '../support/registries.ts'

const TARGET: Target = {
  id: 'lighthouse',
  provider: 'anthropic',
  dialect: 'anthropic-messages',
  baseUrl: 'https://provider.test/v1',
  model: 'lighthouse-2',
  credential: null,
  maxRetries: 0,
  timeouts: { firstContentMs: 1000, idleMs: 1000, totalMs: 1000 },
  maxOutputTokens: 4096,
  price: null,
  priceVersion: null,
  costCenter: null,
}

const dialect = dialects['anthropic-messages']

function read(body: JsonObject) {
  const request = protocols.chat.read({ model: 'asked', ...body })
  if (!request.ok) throw new Error(request.error.message)
  return request.value
}

function translate(body: JsonObject, maxOutputTokens: number | null = null): Json | undefined {
  const edits = { model: null, forceUsage: false, maxOutputTokens }
  return parseJson(dialect.write(read(body), TARGET, edits).body)
}

function gapsOf(body: JsonObject): readonly string[] {
  return dialect.gaps(read({ messages: HELLO, ...body }), TARGET).map((gap) => gap.field)
}

const HELLO = [{ role: 'user', content: 'Hello' }]
const BASE = { model: 'lighthouse-2', max_tokens: 4096, messages: HELLO }

describe('a chat request in Anthropic form', () => {
  test('text, system, and a bound of its own', () => {
    const messages = [{ role: 'system', content: 'Be brief.' }, ...HELLO]
    expect(translate({ messages })).toEqual({ ...BASE, system: 'Be brief.' })
    expect(translate({ messages: HELLO, max_completion_tokens: 100 })).toEqual({ ...BASE, max_tokens: 100 })
    expect(translate({ messages: HELLO, max_tokens: 100 }, 50)).toEqual({ ...BASE, max_tokens: 50 })
  })

  test('several system messages, developer ones too, keep their order', () => {
    const messages = [
      { role: 'system', content: 'One.' },
      ...HELLO,
      { role: 'developer', content: [{ type: 'text', text: 'Two.' }] },
    ]
    const system = [
      { type: 'text', text: 'One.' },
      { type: 'text', text: 'Two.' },
    ]
    expect(translate({ messages })).toEqual({ ...BASE, system })
  })

  test('settings', () => {
    const body = { messages: HELLO, stream: true, temperature: 0.5, top_p: 0.9, stop: 'END', user: 'u-1', top_k: 40 }
    expect(translate(body)).toEqual({
      ...BASE,
      stream: true,
      temperature: 0.5,
      top_p: 0.9,
      stop_sequences: ['END'],
      metadata: { user_id: 'u-1' },
      top_k: 40,
    })
    expect(gapsOf(body)).toEqual([])
  })

  test('pictures, by address and by value', () => {
    const content = [
      { type: 'text', text: 'Which?' },
      { type: 'image_url', image_url: { url: 'https://example.com/a.png', detail: 'high' } },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } },
    ]
    expect(translate({ messages: [{ role: 'user', content }] })).toMatchObject({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Which?' },
            { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } },
          ],
        },
      ],
    })
  })

  test('tools and the choice among them', () => {
    const parameters = { type: 'object', properties: { port: { type: 'string' } }, required: ['port'] }
    const tools = [
      { type: 'function', function: { name: 'tide', description: 'Tides', parameters } },
      { type: 'function', function: { name: 'now' } },
    ]
    const written = [
      { name: 'tide', description: 'Tides', input_schema: parameters },
      { name: 'now', input_schema: { type: 'object' } },
    ]
    const cases: readonly (readonly [JsonObject, Json | undefined])[] = [
      [{}, undefined],
      [{ tool_choice: 'auto' }, { type: 'auto' }],
      [{ tool_choice: 'none' }, { type: 'none' }],
      [{ tool_choice: 'required' }, { type: 'any' }],
      [{ tool_choice: { type: 'function', function: { name: 'tide' } } }, { type: 'tool', name: 'tide' }],
      [{ parallel_tool_calls: false }, { type: 'auto', disable_parallel_tool_use: true }],
      [
        { tool_choice: 'required', parallel_tool_calls: false },
        { type: 'any', disable_parallel_tool_use: true },
      ],
    ]
    for (const [body, choice] of cases) {
      const expected = { ...BASE, tools: written, ...(choice === undefined ? {} : { tool_choice: choice }) }
      expect(translate({ messages: HELLO, tools, ...body })).toEqual(expected)
    }
  })

  test('a conversation with parallel calls: results in one user turn, in front, ids in a form that is taken', () => {
    const call = (id: string, args: string) => ({ id, type: 'function', function: { name: 'tide', arguments: args } })
    const messages = [
      ...HELLO,
      {
        role: 'assistant',
        content: 'Both.',
        tool_calls: [call('functions.tide:1', '{"port":"Brest"}'), call('functions_tide_1', '')],
      },
      { role: 'tool', tool_call_id: 'functions.tide:1', content: 'High' },
      { role: 'tool', tool_call_id: 'functions_tide_1', content: [{ type: 'text', text: 'Low' }] },
      { role: 'user', content: 'So?' },
    ]
    expect(translate({ messages })).toMatchObject({
      messages: [
        { role: 'user', content: 'Hello' },
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'Both.' },
            { type: 'tool_use', id: 'functions_tide_1', name: 'tide', input: { port: 'Brest' } },
            { type: 'tool_use', id: 'functions_tide_1_2', name: 'tide', input: {} },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'functions_tide_1', content: 'High' },
            { type: 'tool_result', tool_use_id: 'functions_tide_1_2', content: 'Low' },
            { type: 'text', text: 'So?' },
          ],
        },
      ],
    })
  })

  test('signed and encrypted reasoning comes back as it went out; unsigned stays here', () => {
    const reasoning_details = [
      { type: 'reasoning.text', text: 'Hm.', signature: 'c2ln', index: 0 },
      { type: 'reasoning.encrypted', data: 'ZW5j', index: 1 },
    ]
    const assistant = { role: 'assistant', content: 'Six.', reasoning_content: 'Hm.', reasoning_details }
    expect(translate({ messages: [...HELLO, assistant, ...HELLO] })).toMatchObject({
      messages: [
        { role: 'user' },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
            { type: 'redacted_thinking', data: 'ZW5j' },
            { type: 'text', text: 'Six.' },
          ],
        },
        { role: 'user' },
      ],
    })
    const unsigned = { role: 'assistant', content: 'Six.', reasoning_content: 'Hm.' }
    expect(translate({ messages: [...HELLO, unsigned, ...HELLO] })).toMatchObject({
      messages: [{ role: 'user' }, { role: 'assistant', content: 'Six.' }, { role: 'user' }],
    })
  })

  test('an effort is thinking within the bound, or none where there is no room', () => {
    const thinking = (budget: number) => ({ type: 'enabled', budget_tokens: budget })
    expect(translate({ messages: HELLO, reasoning_effort: 'low' })).toEqual({ ...BASE, thinking: thinking(2048) })
    expect(translate({ messages: HELLO, reasoning_effort: 'high' })).toEqual({ ...BASE, thinking: thinking(3276) })
    expect(translate({ messages: HELLO, reasoning_effort: 'high', max_tokens: 1000 })).toEqual({
      ...BASE,
      max_tokens: 1000,
    })
    expect(translate({ messages: HELLO, reasoning_effort: 'none' })).toEqual(BASE)
  })

  test('a newer model is told how hard to think, and decides how much', () => {
    const target = { ...TARGET, model: 'claude-opus-4-7-20270101' }
    const translated = (effort: string) =>
      parseJson(
        dialect.write(read({ messages: HELLO, reasoning_effort: effort }), target, {
          model: null,
          forceUsage: false,
          maxOutputTokens: null,
        }).body,
      )
    const base = { ...BASE, model: target.model }
    expect(translated('xhigh')).toEqual({
      ...base,
      thinking: { type: 'adaptive' },
      output_config: { effort: 'xhigh' },
    })
    expect(translated('none')).toEqual({ ...base, thinking: { type: 'disabled' } })
  })

  test('a search that the provider runs, with the settings that both know', () => {
    const search = (value: JsonObject) => {
      const request = { ...read({ messages: HELLO }), hostedTools: [hosted(value)] }
      const gaps = dialect.gaps(request, TARGET).map((gap) => gap.field)
      const edits = { model: null, forceUsage: false, maxOutputTokens: null }
      const body: JsonObject = JSON.parse(dialect.write(request, TARGET, edits).body)
      return gaps.length === 0 ? body['tools'] : gaps
    }
    const hosted = (value: JsonObject) => {
      return { kind: 'web-search' as const, wire: 'openai-responses' as const, type: 'web_search', value }
    }
    const tool = { type: 'web_search_20250305', name: 'web_search' }
    expect(search({ type: 'web_search', search_context_size: 'low' })).toEqual([tool])
    expect(search({ filters: { allowed_domains: ['a.test'] } })).toEqual([{ ...tool, allowed_domains: ['a.test'] }])
    const place = { type: 'approximate', city: 'Brest' }
    expect(search({ user_location: place })).toEqual([{ ...tool, user_location: place }])
    expect(search({ user_location: { type: 'approximate', approximate: { city: 'Brest' } } })).toEqual([
      { ...tool, user_location: place },
    ])
    expect(search({ anything_new: 1 })).toEqual(['tools'])
  })

  test('a service tier in words of its own', () => {
    const tiers = ['auto', 'default', 'flex'].map((serviceTier) => {
      const request = { ...read({ messages: HELLO }), serviceTier }
      const edits = { model: null, forceUsage: false, maxOutputTokens: null }
      const body: JsonObject = JSON.parse(dialect.write(request, TARGET, edits).body)
      return [body['service_tier'], dialect.gaps(request, TARGET).map((gap) => gap.field)]
    })
    expect(tiers).toEqual([
      ['auto', []],
      ['standard_only', []],
      [undefined, ['service_tier']],
    ])
  })

  test('a beginning of the reply goes last, without the blanks at its end, where the model goes on from it', () => {
    const messages = [...HELLO, { role: 'assistant', content: 'Well, ' }]
    expect(translate({ messages })).toEqual({
      ...BASE,
      messages: [...HELLO, { role: 'assistant', content: 'Well,' }],
    })
    const target = { ...TARGET, capabilities: { prefix: false } }
    expect(dialect.gaps(read({ messages }), target)).toMatchObject([{ field: 'messages' }])
  })

  test('a schema that leaves no object open is carried, though nobody asked for strictness', () => {
    const port = { type: 'object', properties: { name: { type: ['string', 'null'] } }, additionalProperties: false }
    const schema = { ...port, properties: { type: port, ports: { type: 'array', items: { $ref: '#/$defs/port' } } } }
    const format = (value: JsonObject): JsonObject => {
      return { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: value } } }
    }
    const closed = { ...schema, $defs: { port } }
    expect(translate({ messages: HELLO, ...format(closed) })).toMatchObject({
      output_config: { format: { type: 'json_schema', schema: closed } },
    })
    expect(gapsOf(format(closed))).toEqual([])
    const opened = [{ type: 'object' }, { type: ['object', 'null'] }, { properties: {} }, { properties: { any: {} } }]
    for (const open of opened) expect(gapsOf(format({ ...schema, $defs: { port: open } }))).toEqual(['response_format'])
  })

  test('a strict schema is carried', () => {
    const schema = { type: 'object', properties: {}, additionalProperties: false }
    const response_format = { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } }
    expect(translate({ messages: HELLO, response_format })).toEqual({
      ...BASE,
      output_config: { format: { type: 'json_schema', schema } },
    })
  })
})

describe('what cannot be carried is a gap', () => {
  const audio = [{ role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'x', format: 'wav' } }] }]
  const schema = { type: 'json_schema', json_schema: { name: 'x', schema: {} } }
  test.each<readonly [JsonObject, readonly string[]]>([
    [{}, []],
    [{ n: 1, logprobs: false, frequency_penalty: 0, store: false, seed: null }, []],
    [{ n: 2 }, ['n']],
    [{ seed: 7 }, ['seed']],
    [{ temperature: 1.5 }, ['temperature']],
    [{ logprobs: true, top_logprobs: 3 }, ['logprobs']],
    [{ response_format: { type: 'json_object' } }, ['response_format']],
    [{ response_format: schema }, ['response_format']],
    [{ stop: ['\n'] }, ['stop']],
    [{ audio: { voice: 'x' }, modalities: ['text', 'audio'] }, ['audio', 'modalities']],
    [{ anything_new: 1 }, ['anything_new']],
    [{ tools: [{ type: 'mcp' }] }, ['tools']],
    [{ messages: audio }, ['messages.content.audio']],
    [{ messages: [{ role: 'user', name: 'ann', content: 'x' }] }, ['messages.name']],
    [{ reasoning_effort: 'high', temperature: 0.2 }, ['temperature']],
    [{ tool_choice: { type: 'allowed_tools', allowed_tools: {} } }, ['tool_choice']],
  ])('%j: %j', (body, expected) => {
    expect(gapsOf(body)).toEqual(expected)
  })
})
