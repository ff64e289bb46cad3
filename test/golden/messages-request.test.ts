// Requests of the messages protocol and what becomes of them: what a provider of another wire is asked, and that a provider
// of the same wire, which has to be translated for all the same (Bedrock), is asked for everything.
import { describe, expect, test } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { lengthen, shortBody } from '../../src/data-plane/bodies/large-body.ts'
import { anthropicMessages } from '../../src/dialects/anthropic-messages/index.ts'
import { openaiChat } from '../../src/dialects/openai-chat/index.ts'
import { messages } from '../../src/protocols/messages/index.ts'
import { TARGET } from '../support/target.ts'

const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }
const BEDROCK: Target = { ...TARGET, model: 'lighthouse-2-v1:0', settings: { host: 'bedrock' } }
const VERTEX: Target = { ...TARGET, model: 'lighthouse-2@20270101', settings: { host: 'vertex' } }

const HELLO = [{ role: 'user', content: 'Hello' }]
const EPHEMERAL = { type: 'ephemeral', ttl: '1h' }

/** Everything that the wire has, at once. */
const FULL: JsonObject = {
  model: 'lighthouse-2-v1:0',
  max_tokens: 9000,
  system: [{ type: 'text', text: 'Be brief.', cache_control: { type: 'ephemeral' } }],
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: 'Look.' },
        { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' }, cache_control: EPHEMERAL },
        { type: 'image', source: { type: 'url', url: 'https://example.com/a.png' } },
        { type: 'image', source: { type: 'file', file_id: 'file_1' } },
        {
          type: 'document',
          source: { type: 'base64', media_type: 'application/pdf', data: 'JVBERi0=' },
          title: 'Tides',
          context: 'A table.',
          citations: { enabled: true },
        },
        { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'High at six.' } },
        { type: 'document', source: { type: 'content', content: 'Low at noon.' } },
        { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } },
        { type: 'search_result', source: 's', title: 't', content: [{ type: 'text', text: 'x' }] },
      ],
    },
    {
      role: 'assistant',
      content: [
        { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
        { type: 'redacted_thinking', data: 'ZW5j' },
        { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'tides' } },
        { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] },
        {
          type: 'text',
          text: 'At six.',
          citations: [
            {
              type: 'web_search_result_location',
              url: 'https://tides.example',
              title: 'Tides',
              encrypted_index: 'Eo8',
              cited_text: 'six',
            },
          ],
        },
        { type: 'tool_use', id: 'toolu_1', name: 'tide', input: { port: 'Brest' } },
      ],
    },
    {
      role: 'user',
      content: [
        {
          type: 'tool_result',
          tool_use_id: 'toolu_1',
          is_error: true,
          content: [
            { type: 'text', text: 'No table.' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } },
            { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'None.' } },
          ],
          cache_control: { type: 'ephemeral' },
        },
      ],
    },
  ],
  tools: [
    { type: 'web_search_20250305', name: 'web_search', max_uses: 3, allowed_domains: ['tides.example'] },
    { type: 'code_execution_20250825', name: 'code_execution' },
    {
      name: 'tide',
      description: 'Tides',
      input_schema: { type: 'object', properties: { port: { type: 'string' } } },
      strict: true,
      defer_loading: true,
      cache_control: { type: 'ephemeral' },
    },
  ],
  tool_choice: { type: 'auto', disable_parallel_tool_use: true },
  thinking: { type: 'enabled', budget_tokens: 4000, display: 'summarized' },
  output_config: {
    effort: 'medium',
    format: { type: 'json_schema', schema: { type: 'object' } },
    task_budget: { total: 9 },
  },
  stop_sequences: ['END'],
  temperature: 1,
  top_p: 0.97,
  top_k: 40,
  metadata: { user_id: 'u-1' },
  service_tier: 'standard_only',
  container: 'container_1',
  context_management: { edits: [] },
  mcp_servers: [{ type: 'url', name: 'x', url: 'https://mcp.test' }],
}

function read(body: JsonObject) {
  const request = messages.read({ model: 'asked', max_tokens: 100, ...body })
  if (!request.ok) throw new Error(request.error.message)
  return request.value
}

function toChat(body: JsonObject): Json | undefined {
  return parseJson(openaiChat.write(read({ messages: HELLO, ...body }), TARGET, NO_EDITS).body)
}

describe('towards a provider of the same wire', () => {
  test('everything is carried', () => {
    const { model, ...rest } = FULL
    expect(anthropicMessages.gaps(read(FULL), BEDROCK)).toEqual([])
    const call = anthropicMessages.write(read(FULL), BEDROCK, NO_EDITS)
    expect(call.path).toBe(`/model/${encodeURIComponent(String(model))}/invoke`)
    expect(parseJson(call.body)).toEqual({
      ...rest,
      anthropic_version: 'bedrock-2023-05-31',
      anthropic_beta: ['files-api-2025-04-14'],
    })
  })

  test('Bedrock: a stream has a path of its own, betas stand in the body', () => {
    const headers = {
      'anthropic-beta': 'context-1m-2025-08-07, files-api-2025-04-14',
      'anthropic-version': '2023-06-01',
    }
    const call = anthropicMessages.write(read({ messages: HELLO, stream: true }), BEDROCK, { ...NO_EDITS, headers })
    expect(call).toEqual({
      path: '/model/lighthouse-2-v1%3A0/invoke-with-response-stream',
      headers: { 'content-type': 'application/json' },
      body: expect.any(String),
    })
    expect(parseJson(call.body)).toEqual({
      anthropic_version: 'bedrock-2023-05-31',
      anthropic_beta: ['context-1m-2025-08-07', 'files-api-2025-04-14'],
      max_tokens: 100,
      messages: HELLO,
    })
  })

  test('Vertex: translated and native alike, the model stands in the path', () => {
    const translated = anthropicMessages.write(read({ messages: HELLO, stream: true }), VERTEX, NO_EDITS)
    const body = { model: 'asked', max_tokens: 100, messages: HELLO, stream: true }
    const edits = { ...NO_EDITS, model: VERTEX.model, headers: { 'anthropic-beta': 'b' } }
    const native = anthropicMessages.edit(JSON.stringify(body, null, 1), body, edits, VERTEX)
    const { model: _, ...rest } = body
    for (const call of [translated, native]) {
      expect(call.path).toBe('/publishers/anthropic/models/lighthouse-2%4020270101:streamRawPredict')
      expect(parseJson(call.body)).toEqual({ ...rest, anthropic_version: 'vertex-2023-10-16' })
    }
    expect(native.headers).toEqual({ 'content-type': 'application/json', 'anthropic-beta': 'b' })
    expect(native.body).toContain('"messages": [\n  {\n')
  })

  test('a system message among the turns stays there', () => {
    const messages = [...HELLO, { role: 'system', content: 'Now be brief.' }, ...HELLO]
    const call = anthropicMessages.write(read({ messages, system: 'Be kind.' }), TARGET, NO_EDITS)
    expect(parseJson(call.body)).toMatchObject({ system: 'Be kind.', messages })
  })

  test('a file is asked for with the beta that it needs', () => {
    const content = [{ type: 'document', source: { type: 'file', file_id: 'file_1' } }]
    const request = read({ messages: [{ role: 'user', content }] })
    const call = anthropicMessages.write(request, TARGET, NO_EDITS)
    expect(call.headers['anthropic-beta']).toBe('files-api-2025-04-14')
    const headers = { 'anthropic-beta': 'mine' }
    expect(anthropicMessages.write(request, TARGET, { ...NO_EDITS, headers }).headers['anthropic-beta']).toBe(
      'mine,files-api-2025-04-14',
    )
  })

  test.each<readonly [string, JsonObject, JsonObject]>([
    ['asked', { thinking: { type: 'disabled' } }, { thinking: { type: 'disabled' } }],
    ['claude-opus-4-6', { thinking: { type: 'adaptive' }, output_config: { effort: 'max' } }, {}],
    ['claude-sonnet-5', { output_config: { effort: 'low' } }, {}],
    ['claude-sonnet-5', { thinking: { type: 'between_tools' } }, {}],
    ['claude-sonnet-4-5', { thinking: { type: 'adaptive' } }, { thinking: { type: 'enabled', budget_tokens: 8192 } }],
  ])('%s: %j is thought about as it says', (model, given, sent) => {
    const request = read({ messages: HELLO, max_tokens: 20_000, ...given })
    const body = parseJson(anthropicMessages.write(request, { ...TARGET, model }, NO_EDITS).body)
    expect(body).toEqual({ model, max_tokens: 20_000, messages: HELLO, ...given, ...sent })
  })

  test('what the gateway wrote itself for want of something real is not sent', () => {
    const content = [
      { type: 'thinking', thinking: 'Unsigned.', signature: '' },
      { type: 'thinking', thinking: 'Of another.', signature: 'tg1.gemini.c2ln' },
      { type: 'redacted_thinking', data: 'tg1.openai-responses:rs_1.ZW5j' },
      { type: 'redacted_thinking', data: 'tg1call.call_1.tg1.gemini.c2ln' },
      {
        type: 'text',
        text: 'Six.',
        citations: [
          { type: 'web_search_result_location', url: 'https://x.test', encrypted_index: '', cited_text: 's' },
        ],
      },
      { type: 'tool_use', id: 'call_1', name: 'tide', input: {} },
    ]
    const kept = [
      { type: 'text', text: 'Six.' },
      { type: 'tool_use', id: 'call_1', name: 'tide', input: {} },
    ]
    const turns = (blocks: Json) => [...HELLO, { role: 'assistant', content: blocks }, ...HELLO]
    const body = { model: TARGET.model, max_tokens: 100, messages: turns(content) }
    const translated = anthropicMessages.write(read(body), TARGET, NO_EDITS)
    const native = anthropicMessages.edit(JSON.stringify(body, null, 2), body, NO_EDITS, TARGET)
    for (const call of [translated, native]) expect(parseJson(call.body)).toEqual({ ...body, messages: turns(kept) })
  })

  test('nor is it where a body is so large that it is looked into without its long strings', () => {
    const content = [
      { type: 'thinking', thinking: 'Of another.', signature: `tg1.gemini.${'c2ln'.repeat(3000)}` },
      { type: 'text', text: 'Six.' },
    ]
    const body = {
      model: TARGET.model,
      max_tokens: 100,
      messages: [...HELLO, { role: 'assistant', content }, ...HELLO],
    }
    const short = shortBody(JSON.stringify(body))
    if (short === null) throw new Error('no short body')
    const edited = anthropicMessages.edit(short.text, short.body, NO_EDITS, TARGET)
    expect(edited.body).not.toContain('thinking')
    // A long string has gone: the whole body is edited instead.
    expect(lengthen(edited.body, short)).toBeNull()
  })

  test('a foreign signature comes back to whom it belongs', () => {
    const content = [
      { type: 'thinking', thinking: 'Hm.', signature: 'tg1.gemini.c2ln' },
      { type: 'redacted_thinking', data: 'tg1.openai-responses:rs_1.ZW5j' },
      { type: 'redacted_thinking', data: 'tg1call.call%2E1.tg1.gemini.Y2FsbA' },
      { type: 'tool_use', id: 'call.1', name: 'tide', input: {} },
    ]
    expect(read({ messages: [...HELLO, { role: 'assistant', content }] }).messages[1]?.parts).toEqual([
      { kind: 'reasoning', text: 'Hm.', signature: { maker: 'gemini', value: 'c2ln' } },
      { kind: 'reasoning', text: '', redacted: { maker: 'openai-responses', itemId: 'rs_1', value: 'ZW5j' } },
      {
        kind: 'tool-call',
        id: 'call.1',
        name: 'tide',
        argumentsText: '{}',
        signature: { maker: 'gemini', value: 'Y2FsbA' },
      },
    ])
  })
})

describe('towards a provider of another wire', () => {
  test('system, tools, their results and settings', () => {
    const input_schema = { type: 'object', properties: { port: { type: 'string' } } }
    const body = {
      system: 'Be brief.',
      messages: [
        ...HELLO,
        {
          role: 'assistant',
          content: [
            { type: 'text', text: 'A moment.' },
            { type: 'tool_use', id: 'toolu_1', name: 'tide', input: { port: 'Brest' } },
          ],
        },
        { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'High' }] },
      ],
      tools: [{ name: 'tide', description: 'Tides', input_schema }],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
      stop_sequences: ['END'],
      temperature: 0.5,
      top_p: 0.9,
    }
    expect(openaiChat.gaps(read(body), TARGET)).toEqual([])
    expect(toChat(body)).toMatchObject({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hello' },
        {
          role: 'assistant',
          content: 'A moment.',
          tool_calls: [{ id: 'toolu_1', type: 'function', function: { name: 'tide', arguments: '{"port":"Brest"}' } }],
        },
        { role: 'tool', tool_call_id: 'toolu_1', content: 'High' },
      ],
      tools: [{ type: 'function', function: { name: 'tide', description: 'Tides', parameters: input_schema } }],
      tool_choice: 'required',
      parallel_tool_calls: false,
      stop: ['END'],
      temperature: 0.5,
      top_p: 0.9,
    })
  })

  test('what only this wire has is a gap, under its own name; a mark for the cache is none', () => {
    const gaps = openaiChat.gaps(read(FULL), TARGET).map((gap) => gap.field)
    expect(gaps).toEqual(expect.arrayContaining(['container', 'context_management', 'mcp_servers', 'tools']))
    expect(openaiChat.gaps(read({ messages: HELLO, cache_control: { type: 'ephemeral' } }), TARGET)).toEqual([])
  })
})

describe('a mistake is named by its place', () => {
  const block = (...content: Json[]) => ({ messages: [{ role: 'user', content }] })
  test.each<readonly [JsonObject, string]>([
    [{ ...block({ text: 'x' }) }, 'messages.0.content.0.type'],
    [{ ...block({ type: 'text' }) }, 'messages.0.content.0.text.text'],
    [{ ...block({ type: 'text', text: 7 }) }, 'messages.0.content.0.text.text'],
    [{ ...block({ type: 'image' }) }, 'messages.0.content.0.image.source'],
    [{ ...block({ type: 'tool_use', id: 'x' }) }, 'messages.0.content.0.tool_use.name'],
    [
      { ...block({ type: 'tool_result', tool_use_id: 'x', content: [{}] }) },
      'messages.0.content.0.tool_result.content.0.type',
    ],
    [{ messages: HELLO, tools: [{ input_schema: {} }] }, 'tools.0.custom.name'],
    [{ messages: HELLO, max_tokens: 1.5 }, 'max_tokens'],
    [{ messages: HELLO, system: 7 }, 'system'],
    [{ messages: HELLO, thinking: 'yes' }, 'thinking'],
    [{ messages: [7] }, 'messages.0'],
    [{ messages: [{ role: 'user', content: 7 }] }, 'messages.0.content'],
  ])('%j: %s', (body, field) => {
    const result = messages.read({ model: 'm', max_tokens: 9, ...body })
    expect(result).toMatchObject({ ok: false, error: { field, message: expect.stringContaining(`${field}: `) } })
  })

  test('facts are those of the request', () => {
    const body = { ...FULL, stream: true }
    const facts = messages.facts(body)
    if (!facts.ok) throw new Error(facts.error.message)
    expect(facts.value).toMatchObject({
      model: FULL['model'],
      isStreamed: true,
      wantsUsage: true,
      maxOutputTokens: 9000,
      endUser: 'u-1',
      cacheability: 'never',
    })
    const text = facts.value.promptText()
    for (const part of [
      'Be brief.',
      'Look.',
      'High at six.',
      'Low at noon.',
      'No table.',
      '"Brest"',
      'defer_loading',
    ]) {
      expect(text).toContain(part)
    }
    expect(text).not.toContain('JVBERi0=')
    const plain = (more: JsonObject) => messages.facts({ model: 'm', max_tokens: 9, messages: HELLO, ...more })
    expect(plain({})).toMatchObject({ value: { cacheability: 'cacheable' } })
    expect(plain({ temperature: 0 })).toMatchObject({ value: { cacheability: 'deterministic' } })
  })
})

test('blocks that stand too deep in each other are refused, not a failure', () => {
  let content: Json = 'deep'
  for (let level = 0; level < 5_000; level += 1) content = [{ type: 'tool_result', tool_use_id: 'c1', content }]
  const nested = { model: 'm', max_tokens: 9, messages: [{ role: 'user', content }] }
  expect(messages.facts(nested)).toMatchObject({ ok: true })
  expect(messages.read(nested)).toMatchObject({ ok: false, error: { field: 'messages' } })
})
