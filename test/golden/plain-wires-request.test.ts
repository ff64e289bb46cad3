// Chat requests and the requests of Cohere, Ollama, TGI and Workers AI that they become, side by side: the translation as
// a reader would check it.
import { describe, expect, test } from 'vitest'
import type { DialectName } from '../../src/core/directory.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { dialects, protocols } from '../support/registries.ts'
import { TARGET } from '../support/target.ts'

function read(body: JsonObject) {
  const request = protocols.chat.read({ model: 'asked', messages: HELLO, ...body })
  if (!request.ok) throw new Error(request.error.message)
  return request.value
}

function translate(name: DialectName, body: JsonObject, maxOutputTokens: number | null = null): Json | undefined {
  const edits = { model: null, forceUsage: false, maxOutputTokens }
  return parseJson(dialects[name].write(read(body), { ...TARGET, dialect: name }, edits).body)
}

function gapsOf(name: DialectName, body: JsonObject): readonly string[] {
  return dialects[name].gaps(read(body), { ...TARGET, dialect: name }).map((gap) => gap.field)
}

const HELLO = [{ role: 'user', content: 'Hello' }]
const MODEL = 'model-of-target'
const PIXEL = 'iVBORw0KGgo='
const parameters = { type: 'object', properties: { port: { type: 'string' } } }
const TOOL = { type: 'function', function: { name: 'tide_table', description: 'Tides.', parameters } }
const WIND = { type: 'function', function: { name: 'wind', parameters } }
const CALL = { id: 'call_1', type: 'function', function: { name: 'tide_table', arguments: '{"port":"Brest"}' } }
const TURNS = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Tide?' },
  { role: 'assistant', content: null, tool_calls: [CALL] },
  { role: 'tool', tool_call_id: 'call_1', content: 'High at six.' },
]
const PICTURE = [
  {
    role: 'user',
    content: [
      { type: 'text', text: 'What is it?' },
      { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}`, detail: 'low' } },
    ],
  },
]
const SETTINGS = { temperature: 0.5, top_p: 0.9, seed: 7, stop: ['.'], max_tokens: 50, frequency_penalty: 0.25 }
const schema = { type: 'object', properties: { high: { type: 'integer' } }, required: ['high'] }
const FORMAT = { type: 'json_schema', json_schema: { name: 'tide', schema, strict: true } }

describe('a chat request in Cohere form', () => {
  test('a conversation with a tool', () => {
    expect(translate('cohere', { messages: TURNS, tools: [TOOL], tool_choice: 'required' })).toEqual({
      model: MODEL,
      stream: false,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Tide?' },
        { role: 'assistant', tool_calls: [CALL] },
        { role: 'tool', tool_call_id: 'call_1', content: 'High at six.' },
      ],
      tools: [TOOL],
      tool_choice: 'REQUIRED',
    })
  })

  test('a tool that must be called is the only one that is offered', () => {
    const tool_choice = { type: 'function', function: { name: 'wind' } }
    expect(translate('cohere', { tools: [TOOL, WIND], tool_choice })).toMatchObject({
      tools: [WIND],
      tool_choice: 'REQUIRED',
    })
    expect(translate('cohere', { tools: [TOOL], tool_choice: 'none' })).toMatchObject({ tool_choice: 'NONE' })
  })

  test('settings, a schema, thinking and a picture', () => {
    const { stop, top_p, ...rest } = SETTINGS
    const body = { messages: PICTURE, ...SETTINGS, response_format: FORMAT, reasoning_effort: 'low', stream: true }
    expect(translate('cohere', body)).toEqual({
      model: MODEL,
      stream: true,
      messages: PICTURE,
      ...rest,
      p: top_p,
      stop_sequences: stop,
      response_format: { type: 'json_object', json_schema: schema },
      thinking: { type: 'enabled', token_budget: 2048 },
    })
    expect(translate('cohere', { reasoning_effort: 'none' })).toMatchObject({ thinking: { type: 'disabled' } })
    expect(translate('cohere', { max_tokens: 100 }, 50)).toMatchObject({ max_tokens: 50 })
  })

  test('what it has no place for is named', () => {
    const body = { n: 2, logit_bias: { '5': 1 }, logprobs: true, top_logprobs: 2, frequency_penalty: -1, user: 'u' }
    expect(gapsOf('cohere', body).toSorted()).toEqual(['frequency_penalty', 'logit_bias', 'logprobs', 'n'])
    expect(gapsOf('cohere', { tools: [TOOL], response_format: FORMAT })).toEqual(['response_format'])
    expect(gapsOf('cohere', { safety_mode: 'STRICT', logprobs: true, tools: [TOOL] })).toEqual([])
  })
})

describe('a chat request in Ollama form', () => {
  test('a conversation with a tool: arguments are an object, the result names its tool', () => {
    const callee = { name: 'tide_table', arguments: { port: 'Brest' } }
    expect(translate('ollama', { messages: TURNS, tools: [TOOL] })).toEqual({
      model: MODEL,
      stream: false,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Tide?' },
        { role: 'assistant', content: '', tool_calls: [{ id: 'call_1', function: callee }] },
        { role: 'tool', content: 'High at six.', tool_name: 'tide_table', tool_call_id: 'call_1' },
      ],
      tools: [TOOL],
    })
  })

  test('settings are options, a schema is the format, a picture its bytes', () => {
    const { max_tokens, ...rest } = SETTINGS
    const body = { messages: PICTURE, ...SETTINGS, response_format: FORMAT, reasoning_effort: 'high', stream: true }
    expect(translate('ollama', body)).toEqual({
      model: MODEL,
      stream: true,
      messages: [{ role: 'user', content: 'What is it?', images: [PIXEL] }],
      format: schema,
      think: 'high',
      options: { ...rest, num_predict: max_tokens },
    })
    expect(translate('ollama', { response_format: { type: 'json_object' }, reasoning_effort: 'none' })).toMatchObject({
      format: 'json',
      think: false,
    })
  })

  test('no choice is said by offering no tool', () => {
    expect(translate('ollama', { tools: [TOOL], tool_choice: 'none' })).not.toHaveProperty('tools')
  })

  test('what it has no place for is named', () => {
    const content = [{ type: 'image_url', image_url: { url: 'https://tides.example/chart.png' } }]
    const body = { tools: [TOOL], tool_choice: 'required', parallel_tool_calls: false, n: 2 }
    expect(gapsOf('ollama', { ...body, messages: [{ role: 'user', content }] }).toSorted()).toEqual([
      'messages.content.image_url',
      'n',
      'parallel_tool_calls',
      'tool_choice',
    ])
  })
})

describe('a chat request in the form of Text Generation Inference', () => {
  const asked = { return_full_text: false, details: true, decoder_input_details: true }

  test('is a prompt with parameters', () => {
    expect(translate('tgi', {})).toEqual({ inputs: 'Hello', parameters: asked })
    const { max_tokens, ...rest } = SETTINGS
    expect(translate('tgi', { messages: TURNS.slice(0, 2), ...SETTINGS, response_format: FORMAT })).toEqual({
      inputs: 'System: Be brief.\n\nUser: Tide?\n\nAssistant:',
      parameters: { ...asked, ...rest, max_new_tokens: max_tokens, grammar: { type: 'json', value: schema } },
    })
  })

  test('the likeliest token is asked for in its own words', () => {
    expect(translate('tgi', { temperature: 0, top_p: 0.9 })).toEqual({
      inputs: 'Hello',
      parameters: { ...asked, do_sample: false },
    })
  })

  test('what it has no place for is named', () => {
    const body = { messages: TURNS, tools: [TOOL], tool_choice: 'required', presence_penalty: 1 }
    expect(gapsOf('tgi', body).toSorted()).toEqual([
      'messages.tool_call_id',
      'messages.tool_calls',
      'presence_penalty',
      'tools',
    ])
  })
})

describe('a chat request in Workers AI form', () => {
  test('a conversation with a tool', () => {
    expect(translate('workers-ai', { messages: TURNS, tools: [TOOL] })).toEqual({
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Tide?' },
        { role: 'assistant', content: '', tool_calls: [CALL] },
        { role: 'tool', name: 'tide_table', tool_call_id: 'call_1', content: 'High at six.' },
      ],
      tools: [TOOL],
    })
  })

  test('settings, a schema and a picture', () => {
    const { stop: _, ...settings } = SETTINGS
    expect(translate('workers-ai', { messages: PICTURE, ...settings, response_format: FORMAT })).toEqual({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is it?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
          ],
        },
      ],
      ...settings,
      response_format: { type: 'json_schema', json_schema: schema },
    })
  })

  test('a model of the documented form stands in the path as it is, any other as one segment', () => {
    const pathOf = (model: string): string => dialects['workers-ai'].probe({ ...TARGET, model }).path
    expect(pathOf('@cf/meta/llama-3.3-70b-instruct-fp8-fast')).toBe('/run/@cf/meta/llama-3.3-70b-instruct-fp8-fast')
    expect(pathOf('@hf/nousresearch/hermes-2-pro-mistral-7b')).toBe('/run/@hf/nousresearch/hermes-2-pro-mistral-7b')
    expect(pathOf('@cf/meta/../../secrets')).toBe('/run/%40cf%2Fmeta%2F..%2F..%2Fsecrets')
    expect(pathOf('@cf/../x')).toBe('/run/%40cf%2F..%2Fx')
  })

  test('what it has no place for is named', () => {
    expect(gapsOf('workers-ai', { stop: ['.'], tools: [TOOL], tool_choice: 'required' }).toSorted()).toEqual([
      'stop',
      'tool_choice',
    ])
  })
})
