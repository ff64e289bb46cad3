// Requests of the responses wire, both ways: what a client's is in neutral form, what a neutral one is for a provider, what
// can't be carried, and what the native lane changes.
import { describe, expect, test } from 'vitest'
import { parseJson } from '../../src/core/json.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest } from '../../src/core/neutral.ts'
import { dialects, protocols } from '../support/registries.ts'
import { objectOf } from '../../src/wire/read.ts'
import { TARGET } from '../support/target.ts'

const { responses } = protocols
const dialect = dialects['openai-responses']
const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }

function read(body: JsonObject): NeutralRequest {
  const request = responses.read({ model: 'harbour-2', input: 'Hi', ...body })
  if (!request.ok) throw new Error(request.error.message)
  return request.value
}

function write(request: Partial<NeutralRequest>): JsonObject {
  const whole: NeutralRequest = {
    model: 'harbour-2',
    stream: false,
    includeUsage: false,
    messages: [{ role: 'user', parts: [{ kind: 'text', text: 'Hi' }] }],
    tools: [],
    extra: {},
    ...request,
  }
  return objectOf(parseJson(dialect.write(whole, { ...TARGET, model: '*' }, NO_EDITS).body))
}

function user(...parts: readonly NeutralPart[]): { readonly messages: readonly NeutralMessage[] } {
  return { messages: [{ role: 'user', parts }] }
}

function gapsOf(
  request: NeutralRequest,
  name: 'openai-responses' | 'anthropic-messages' = 'openai-responses',
): string[] {
  return dialects[name].gaps(request, TARGET).map(({ field }) => field)
}

describe('a request that is read', () => {
  test('has turns for its items, an assistant’s joined', () => {
    const input = [
      { role: 'developer', content: 'Metric units.' },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Tides?' }] },
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Look.' }], encrypted_content: 'gAAA' },
      { type: 'function_call', id: 'fc_1', call_id: 'call_a', name: 'tide_at', arguments: '{"port":"Brest"}' },
      { type: 'custom_tool_call', id: 'ct_1', call_id: 'call_b', name: 'log', input: 'wind SW' },
      { type: 'function_call_output', call_id: 'call_a', output: 'at six' },
      { type: 'custom_tool_call_output', call_id: 'call_b', output: [{ type: 'input_text', text: 'noted' }] },
      { role: 'assistant', content: [{ type: 'output_text', text: 'At six.', annotations: [] }] },
    ]
    const signature = { maker: 'openai-responses', value: 'gAAA', itemId: 'rs_1' }
    expect(read({ instructions: 'Be brief.', input }).messages).toEqual([
      { role: 'system', parts: [{ kind: 'text', text: 'Be brief.' }] },
      { role: 'system', parts: [{ kind: 'text', text: 'Metric units.' }] },
      { role: 'user', parts: [{ kind: 'text', text: 'Tides?' }] },
      {
        role: 'assistant',
        parts: [
          { kind: 'reasoning', text: 'Look.', signature, isSummary: true },
          { kind: 'tool-call', id: 'call_a', name: 'tide_at', argumentsText: '{"port":"Brest"}' },
          { kind: 'tool-call', id: 'call_b', name: 'log', argumentsText: 'wind SW', isCustom: true },
        ],
      },
      {
        role: 'user',
        parts: [
          { kind: 'tool-result', callId: 'call_a', content: [{ kind: 'text', text: 'at six' }], isError: false },
          { kind: 'tool-result', callId: 'call_b', content: [{ kind: 'text', text: 'noted' }], isError: false },
        ],
      },
      { role: 'assistant', parts: [{ kind: 'text', text: 'At six.' }] },
    ])
  })

  test('has pictures, files and sound', () => {
    const content = [
      { type: 'input_image', image_url: 'data:image/png;base64,aGk=', detail: 'low' },
      { type: 'input_image', file_id: 'file-1' },
      { type: 'input_file', filename: 'log.pdf', file_data: 'data:application/pdf;base64,aGk=' },
      { type: 'input_file', file_url: 'https://harbour.example/log.pdf' },
      { type: 'input_audio', input_audio: { data: 'aGk=', format: 'mp3' } },
    ]
    expect(read({ input: [{ role: 'user', content }] }).messages[0]?.parts).toEqual([
      { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'aGk=' }, detail: 'low' },
      { kind: 'image', source: { kind: 'file', id: 'file-1' } },
      { kind: 'document', title: 'log.pdf', source: { kind: 'base64', mediaType: 'application/pdf', data: 'aGk=' } },
      { kind: 'document', source: { kind: 'url', url: 'https://harbour.example/log.pdf' } },
      { kind: 'audio', source: { kind: 'base64', mediaType: 'audio/mp3', data: 'aGk=' } },
    ])
  })

  test('has its settings under neutral names', () => {
    const schema = { type: 'object', properties: {} }
    expect(
      read({
        text: { format: { type: 'json_schema', name: 'tide', schema, strict: true }, verbosity: 'low' },
        reasoning: { effort: 'high', summary: 'auto' },
        include: ['reasoning.encrypted_content', 'message.output_text.logprobs'],
        top_logprobs: 3,
        tools: [
          { type: 'function', name: 'f', parameters: schema },
          { type: 'web_search' },
          { type: 'mcp', server_label: 's' },
        ],
        tool_choice: { type: 'function', name: 'f' },
        service_tier: 'flex',
        safety_identifier: 'sailor',
        store: false,
        truncation: 'disabled',
      }),
    ).toMatchObject({
      responseFormat: { kind: 'json-schema', name: 'tide', schema, strict: true },
      verbosity: 'low',
      reasoning: { effort: 'high', summary: 'auto' },
      logprobs: { top: 3 },
      tools: [{ name: 'f', parameters: schema }],
      hostedTools: [
        { kind: 'web-search', wire: 'openai-responses', type: 'web_search' },
        { kind: 'other', wire: 'openai-responses', type: 'mcp' },
      ],
      toolChoice: { kind: 'tool', name: 'f' },
      serviceTier: 'flex',
      endUser: 'sailor',
      extra: {},
    })
  })

  test.each([
    [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
    [{ conversation: 'conv_1' }, 'conversation'],
    [{ store: true }, 'store'],
    [{ background: true }, 'background'],
    [{ prompt: { id: 'pmpt_1' } }, 'prompt'],
    [{ input: [{ type: 'item_reference', id: 'msg_1' }] }, 'messages.content.item_reference'],
  ])('of what somebody has to have stored, %j, is refused by name unless the target is native', (body, field) => {
    expect(gapsOf(read(body))).toEqual([field])
    expect(gapsOf(read(body), 'anthropic-messages')).toContain(field)
    const text = JSON.stringify({ model: 'harbour-2', input: 'Hi', ...body })
    expect(dialect.edit(text, objectOf(parseJson(text)), NO_EDITS, TARGET).body).toBe(text)
  })

  test.each([[{ store: false }], [{}], [{ stream_options: { include_obfuscation: false } }], [{ include: [] }]])(
    'that asks for no more than usual, %j, has no gap',
    (body) => {
      expect(gapsOf(read(body))).toEqual([])
    },
  )

  test.each([
    [{ input: 7 }, 'input'],
    [{ input: ['hi'] }, 'input[0]'],
    [{ input: [{ role: 'pilot', content: 'x' }] }, 'input[0].role'],
    [{ input: [{ type: 'function_call', name: 'f', arguments: '{}' }] }, 'input[0].call_id'],
    [{ input: [{ role: 'user', content: [{ type: 'input_image' }] }] }, 'input[0].content[0]'],
    [{ tools: [{ type: 'function' }] }, 'tools[0].name'],
    [{ max_output_tokens: 0 }, 'max_output_tokens'],
    [{ store: 'yes' }, 'store'],
  ])('names what is wrong with %j', (body, field) => {
    expect(responses.read({ model: 'harbour-2', input: 'Hi', ...body })).toMatchObject({ ok: false, error: { field } })
  })

  test('may come from the cache only if nobody can ask for it again by its id', () => {
    const cacheability = (body: JsonObject) => {
      const facts = responses.facts({ model: 'harbour-2', input: 'Hi', ...body })
      return facts.ok ? facts.value.cacheability : null
    }
    expect(cacheability({})).toBe('never')
    expect(cacheability({ store: false })).toBe('cacheable')
    expect(cacheability({ store: false, temperature: 0 })).toBe('deterministic')
    expect(cacheability({ store: false, tools: [{ type: 'web_search' }] })).toBe('never')
    expect(
      cacheability({ store: false, input: [{ role: 'user', content: [{ type: 'input_file', file_id: 'f' }] }] }),
    ).toBe('never')
  })

  test('counts everything that a model will read', () => {
    const facts = responses.facts({
      model: 'harbour-2',
      instructions: 'one',
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'two' }] },
        { type: 'function_call', call_id: 'c', name: 'f', arguments: 'three' },
        { type: 'function_call_output', call_id: 'c', output: 'four' },
      ],
      tools: [{ type: 'function', name: 'five' }],
    })
    if (!facts.ok) throw new Error('not read')
    for (const word of ['one', 'two', 'three', 'four', 'five']) expect(facts.value.promptText()).toContain(word)
  })
})

describe('a request that is written', () => {
  test('stores nothing, and wants reasoning back only of models that reason', () => {
    expect(write({})).toEqual({ model: 'harbour-2', input: [{ role: 'user', content: 'Hi' }], store: false })
    expect(write({ reasoning: { effort: 'low' } })).toMatchObject({
      reasoning: { effort: 'low' },
      include: ['reasoning.encrypted_content'],
    })
  })

  test('says the system’s first words as instructions, and later ones in their place', () => {
    const says = (role: NeutralMessage['role'], text: string): NeutralMessage => ({
      role,
      parts: [{ kind: 'text', text }],
    })
    const messages = [says('system', 'A'), says('system', 'B'), says('user', 'Hi'), says('system', 'C')]
    expect(write({ messages })).toMatchObject({
      instructions: 'A\n\nB',
      input: [
        { role: 'user', content: 'Hi' },
        { role: 'system', content: 'C' },
      ],
    })
  })

  test('sends back its own reasoning, and leaves out that of others', () => {
    const own = { maker: 'openai-responses', value: 'gAAA', itemId: 'rs_1' }
    const messages: readonly NeutralMessage[] = [
      { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] },
      {
        role: 'assistant',
        parts: [
          { kind: 'reasoning', text: 'So.', signature: own },
          { kind: 'reasoning', text: 'Not mine.', signature: { maker: 'anthropic', value: 'x' } },
          { kind: 'tool-call', id: 'call_a', name: 'f', argumentsText: '{}' },
        ],
      },
      {
        role: 'user',
        parts: [{ kind: 'tool-result', callId: 'call_a', content: [{ kind: 'text', text: 'done' }], isError: false }],
      },
    ]
    expect(write({ messages })['input']).toEqual([
      { role: 'user', content: 'Hi' },
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'So.' }], encrypted_content: 'gAAA' },
      { type: 'function_call', call_id: 'call_a', name: 'f', arguments: '{}' },
      { type: 'function_call_output', call_id: 'call_a', output: 'done' },
    ])
  })

  test('says of every function whether it is strict', () => {
    const tools = [
      { name: 'f', parameters: null },
      { name: 'g', parameters: { type: 'object' }, strict: true },
    ]
    expect(write({ tools })['tools']).toEqual([
      { type: 'function', name: 'f', parameters: { type: 'object', properties: {} }, strict: false },
      { type: 'function', name: 'g', parameters: { type: 'object' }, strict: true },
    ])
  })

  test('has tools of other wires in its own words', () => {
    const custom = { name: 'log', format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: "x"' } } }
    const hostedTools = [
      { kind: 'other', wire: 'openai-chat', type: 'custom', value: { type: 'custom', custom } },
      { kind: 'web-search', wire: 'gemini', type: 'google_search', value: {} },
    ] as const
    expect(write({ hostedTools, toolChoice: { kind: 'tool', name: 'log' } })).toMatchObject({
      tools: [
        { type: 'custom', name: 'log', format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' } },
        { type: 'web_search' },
      ],
      tool_choice: { type: 'custom', name: 'log' },
    })
  })

  test('turns a budget of thinking into an effort, and shows the thinking', () => {
    expect(write({ reasoning: { maxTokens: 8000, mode: 'on' } })['reasoning']).toEqual({
      effort: 'medium',
      summary: 'auto',
    })
    expect(write({ reasoning: { mode: 'off' } })['reasoning']).toBeUndefined()
  })

  test('names files by what they are', () => {
    const pdf = { kind: 'base64', mediaType: 'application/pdf', data: 'aGk=' } as const
    const text = { kind: 'text', text: 'Log of the day' } as const
    expect(
      write(user({ kind: 'document', source: pdf }, { kind: 'document', title: 'Log', source: text }))['input'],
    ).toEqual([
      {
        role: 'user',
        content: [
          { type: 'input_file', filename: 'file.pdf', file_data: 'data:application/pdf;base64,aGk=' },
          { type: 'input_text', text: 'Log\n\nLog of the day' },
        ],
      },
    ])
  })

  test.each([
    [{ stop: ['x'] }, 'stop'],
    [{ n: 2 }, 'n'],
    [{ seed: 1 }, 'seed'],
    [{ frequencyPenalty: 1 }, 'frequency_penalty'],
    [{ presencePenalty: 1 }, 'presence_penalty'],
    [{ logitBias: { 5: 1 } }, 'logit_bias'],
    [{ topK: 5 }, 'top_k'],
    [{ extra: { modalities: ['audio'] } }, 'modalities'],
    [
      user({ kind: 'audio', source: { kind: 'base64', mediaType: 'audio/wav', data: 'aGk=' } }),
      'messages.content.audio',
    ],
    [{ hostedTools: [{ kind: 'other', wire: 'gemini', type: 'code_execution', value: {} }] as const }, 'tools'],
  ])('declares %j a gap', (request, field) => {
    const base = { model: 'm', stream: false, includeUsage: false, messages: [], tools: [], extra: {} }
    expect(gapsOf({ ...base, ...request })).toEqual([field])
  })
})

describe('the native lane', () => {
  test('opens what was sealed, and leaves out reasoning of other models', () => {
    const plain = { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAA' }
    const sealed = { ...plain, id: 'rs_9', encrypted_content: 'tg1.openai-responses:rs_1.gAAA' }
    const foreign = { ...plain, encrypted_content: 'tg1.anthropic.c2ln' }
    const body = { model: 'harbour-2', input: [{ role: 'user', content: 'tg1.' }, sealed, foreign, plain] }
    const edited = dialect.edit(JSON.stringify(body), body, NO_EDITS, TARGET).body
    expect(parseJson(edited)).toEqual({ ...body, input: [{ role: 'user', content: 'tg1.' }, plain, plain] })
  })

  test('lowers the bound on output, and takes out what is for the gateway', () => {
    const body = { model: 'harbour-2', input: 'Hi', max_output_tokens: 500, tidegate: { tags: ['x'] } }
    const edits = { model: 'sent', forceUsage: true, maxOutputTokens: 300 }
    const edited = dialect.edit(JSON.stringify(body), body, edits, TARGET).body
    expect(parseJson(edited)).toEqual({ model: 'sent', input: 'Hi', max_output_tokens: 300 })
  })
})
