// Requests with something at every place that a protocol knows, and the places in them where a member of nobody's may stand.
import type { ProtocolName } from '../../src/core/directory.ts'
import { isJsonObject } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { isJsonArray } from '../../src/wire/read.ts'

const PNG = 'iVBORw0KGgo='
const SCHEMA = { type: 'object', properties: { at: { type: 'string' } }, required: ['at'], additionalProperties: false }
const MARK = { type: 'ephemeral', ttl: '1h' }
const PLACE = { type: 'approximate', city: 'Brest', country: 'FR' }

/** One or more requests of each protocol. */
export const FULL_REQUESTS: Readonly<Record<ProtocolName, readonly JsonObject[]>> = {
  chat: [
    {
      model: 'asked',
      stream: true,
      stream_options: { include_usage: true },
      messages: [
        { role: 'developer', content: [{ type: 'text', text: 'Be plain.', cache_control: MARK }] },
        {
          role: 'user',
          name: 'anna',
          content: [
            { type: 'text', text: 'When?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}`, detail: 'low' } },
            { type: 'video_url', video_url: { url: 'https://films.test/a.mp4' } },
            { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } },
            { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' } },
          ],
        },
        {
          role: 'assistant',
          content: null,
          refusal: null,
          annotations: [],
          reasoning_content: 'Hm.',
          tool_calls: [{ id: 'c1', type: 'function', index: 0, function: { name: 'tide_at', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'c1', content: [{ type: 'text', text: 'noon' }] },
      ],
      tools: [
        { type: 'function', cache_control: MARK, function: { name: 'tide_at', parameters: SCHEMA, strict: true } },
        {
          type: 'custom',
          custom: { name: 'log', format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'a' } } },
        },
      ],
      tool_choice: { type: 'function', function: { name: 'tide_at' } },
      response_format: { type: 'json_schema', json_schema: { name: 'tide', schema: SCHEMA, strict: true } },
      reasoning: { effort: 'low', summary: 'auto' },
      metadata: { a: 'b' },
      logit_bias: { 1: 2 },
    },
    {
      model: 'asked',
      messages: [{ role: 'user', content: 'When?' }],
      tool_choice: { type: 'custom', custom: { name: 'log' } },
      tools: [{ type: 'web_search', user_location: PLACE }],
      web_search_options: { search_context_size: 'low', user_location: { type: 'approximate', approximate: PLACE } },
      response_format: { type: 'json_object' },
      thinking: { type: 'enabled', budget_tokens: 2000 },
    },
  ],
  responses: [
    {
      model: 'asked',
      stream: true,
      stream_options: { include_obfuscation: false },
      instructions: 'Be plain.',
      input: [
        { role: 'developer', content: 'Be plain.' },
        {
          type: 'message',
          role: 'user',
          content: [
            { type: 'input_text', text: 'When?', prompt_cache_breakpoint: { mode: 'auto' } },
            { type: 'input_image', image_url: `data:image/png;base64,${PNG}`, detail: 'low' },
            { type: 'input_file', filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' },
            { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } },
          ],
        },
        { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm.' }], encrypted_content: 'ZW5j' },
        { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'tide_at', arguments: '{}', status: 'completed' },
        { type: 'function_call_output', call_id: 'c1', output: [{ type: 'input_text', text: 'noon' }] },
        {
          type: 'message',
          role: 'assistant',
          id: 'msg_1',
          status: 'completed',
          content: [{ type: 'output_text', text: 'Noon.', annotations: [], logprobs: [] }],
        },
      ],
      tools: [
        { type: 'function', name: 'tide_at', parameters: SCHEMA, strict: true },
        { type: 'custom', name: 'log', format: { type: 'grammar', syntax: 'lark', definition: 'a' } },
      ],
      tool_choice: { type: 'function', name: 'tide_at' },
      text: { format: { type: 'json_schema', name: 'tide', schema: SCHEMA, strict: true }, verbosity: 'low' },
      reasoning: { effort: 'low', summary: 'auto' },
      metadata: { a: 'b' },
    },
    {
      model: 'asked',
      input: 'When?',
      tools: [
        {
          type: 'web_search',
          search_context_size: 'low',
          user_location: PLACE,
          filters: { allowed_domains: ['a.test'] },
        },
      ],
      text: { format: { type: 'json_object' } },
    },
  ],
  messages: [
    {
      model: 'asked',
      max_tokens: 4000,
      system: [{ type: 'text', text: 'Be plain.', cache_control: MARK }],
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'When?' },
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
            { type: 'image', source: { type: 'url', url: 'https://pictures.test/a.png' } },
            {
              type: 'document',
              title: 'a',
              citations: { enabled: true },
              source: { type: 'text', media_type: 'text/plain', data: 'Noon.' },
            },
            { type: 'document', source: { type: 'file', file_id: 'file_1' } },
            { type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'Noon.' }] } },
          ],
        },
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
            { type: 'text', text: 'Let me see.', citations: null },
            { type: 'tool_use', id: 'c1', name: 'tide_at', input: {}, caller: { type: 'direct' } },
          ],
        },
        {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: 'c1',
              is_error: true,
              content: [
                { type: 'text', text: 'noon' },
                { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } },
              ],
            },
          ],
        },
      ],
      tools: [{ type: 'custom', name: 'tide_at', input_schema: SCHEMA, strict: true, cache_control: MARK }],
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
      thinking: { type: 'enabled', budget_tokens: 2000, display: 'summarized' },
      output_config: { effort: 'low', format: { type: 'json_schema', schema: SCHEMA } },
      metadata: { user_id: 'anna' },
    },
    {
      model: 'asked',
      max_tokens: 100,
      messages: [{ role: 'user', content: 'When?' }],
      tools: [{ type: 'web_search_20250305', name: 'web_search', user_location: PLACE }],
      output_format: { type: 'json_schema', schema: SCHEMA },
    },
  ],
  completions: [{ model: 'asked', prompt: 'When?', stream: true, stream_options: { include_usage: true } }],
}

/** Where an object stands: the way to it, the body itself not counted. */
export type Way = readonly (string | number)[]

/** The ways to all objects in a body. */
export function objectsIn(value: Json | undefined, way: Way = []): readonly Way[] {
  if (isJsonArray(value)) return value.flatMap((item, at) => objectsIn(item, [...way, at]))
  if (!isJsonObject(value)) return []
  const inside = Object.entries(value).flatMap(([name, member]) => objectsIn(member, [...way, name]))
  return way.length === 0 ? inside : [way, ...inside]
}

/** What stands at the end of the way. */
export function memberAt(value: Json | undefined, [step, ...rest]: Way): Json | undefined {
  if (step === undefined) return value
  if (isJsonArray(value)) return memberAt(value[Number(step)], rest)
  return isJsonObject(value) ? memberAt(value[step], rest) : undefined
}

/** A copy of `value` in which the object at the end of the way has that member too. */
export function withMember(value: Json, way: Way, name: string, member: Json): Json {
  const [step, ...rest] = way
  if (isJsonArray(value)) return value.map((item, at) => (at === step ? withMember(item, rest, name, member) : item))
  if (!isJsonObject(value)) return value
  if (step === undefined) return { ...value, [name]: member }
  return { ...value, [step]: withMember(value[step] ?? null, rest, name, member) }
}

/** The way as a client's complaint names it: `messages[2].content[0].zz`. */
export function pathOf(way: Way): string {
  return way.map((step, at) => (typeof step === 'number' ? `[${step}]` : at === 0 ? step : `.${step}`)).join('')
}
