// What a chat request may hold inside its messages, tools and settings, as far as it is read: everything else is a stray.
// https://platform.openai.com/docs/api-reference/chat/create
import type { JsonObject } from '../../core/json.ts'
import { isJsonObject } from '../../core/json.ts'
import { objectOf, stringOf } from '../../wire/read.ts'
import { readToolChoice } from './tools.ts'
import { type Members, members, names, NOTES, type Shape } from '../strays.ts'

/** Marks for the cache are hints. */
const ON_PARTS = { ...NOTES, type: null, cache_control: null } as const

const PARTS: ReadonlyMap<string, Members> = new Map([
  ['text', members({ ...ON_PARTS, text: null })],
  ['refusal', members({ ...ON_PARTS, refusal: null })],
  ['image_url', members({ ...ON_PARTS, image_url: members({ url: null, detail: 'string' }) })],
  ['video_url', members({ ...ON_PARTS, video_url: names('url') })],
  ['input_audio', members({ ...ON_PARTS, input_audio: members({ data: null, format: 'string' }) })],
  ['file', members({ ...ON_PARTS, file: members({ file_id: 'string', file_data: 'string', filename: 'string' }) })],
])

/** A part of another type goes on whole, or is a gap by its type. */
function partShape(part: JsonObject): Members | null {
  return PARTS.get(String(part['type'])) ?? null
}

const ON_MESSAGES = { ...NOTES, role: null, content: partShape, name: 'string', cache_control: null } as const
const MESSAGE = members(ON_MESSAGES)
const RESULT = members({ ...ON_MESSAGES, tool_call_id: 'string' })
/** Clients send back what they got, with all that a provider has put into it: that is an account, and asks for nothing.
 *  Only that the reply be continued does (Mistral, DeepSeek; Moonshot, Alibaba), which Anthropic does unasked. */
const ASSISTANT = members({ prefix: false, partial: false }, { isOpen: true, carrier: 'anthropic-messages' })

function messageShape(message: JsonObject): Members {
  switch (message['role']) {
    case 'assistant':
      return ASSISTANT
    case 'tool':
    case 'function':
      return RESULT
    default:
      return MESSAGE
  }
}

const isOurs = { carrier: 'openai-chat' } as const
const PLACE = { type: null, city: null, country: null, region: null, timezone: null } as const
const SEARCH = members(
  {
    type: null,
    name: null,
    search_context_size: null,
    user_location: members({ ...PLACE, approximate: members(PLACE, isOurs) }, isOurs),
    allowed_domains: null,
    blocked_domains: null,
    exclude_domains: null,
    max_uses: null,
    cache_control: null,
  },
  isOurs,
)
const GRAMMAR = members({ syntax: null, definition: null }, isOurs)
const CUSTOM = members(
  {
    type: null,
    custom: members(
      { name: null, description: null, format: members({ type: null, grammar: GRAMMAR }, isOurs) },
      isOurs,
    ),
    cache_control: null,
  },
  isOurs,
)

/** What isn't known of a function is kept as `more`. */
const FUNCTION = members(
  { function: members({ description: 'string', parameters: 'object', strict: 'boolean' }, { isOpen: true }) },
  { isOpen: true },
)

/** Of other tools than functions, the dialects that have them too know these members. */
function toolShape(tool: JsonObject): Members | null {
  const type = stringOf(tool['type']) ?? 'function'
  if (type === 'function') return FUNCTION
  if (type === 'custom') return CUSTOM
  return type.includes('web_search') ? SEARCH : null
}

const CALLEE = names('name')
const CHOICE = members({ type: null, name: null, function: CALLEE, custom: CALLEE })
const SCHEMA_FORMAT = members({
  type: null,
  json_schema: members({ name: 'string', description: 'string', schema: null, strict: 'boolean' }),
})
const PLAIN_FORMAT = names('type')

/** Settings in a form that can't be read are in `extra` as a whole. */
function choiceShape(choice: JsonObject): Members | null {
  return readToolChoice(choice) === null ? null : CHOICE
}

function formatShape(format: JsonObject): Members | null {
  switch (format['type']) {
    case 'text':
    case 'json_object':
      return PLAIN_FORMAT
    case 'json_schema':
      return isJsonObject(objectOf(format['json_schema'])['schema']) ? SCHEMA_FORMAT : null
    default:
      return null
  }
}

/** Usage is told in every chunk or once; padding is not told at all. */
export const STREAM_OPTIONS: Shape = members({
  include_usage: null,
  include_obfuscation: null,
  continuous_usage_stats: false,
})

/** A whole request. Its other members are settings without members of their own, or in `extra`. */
export const CHAT_REQUEST: Members = members(
  {
    messages: messageShape,
    tools: toolShape,
    web_search_options: SEARCH,
    tool_choice: choiceShape,
    response_format: formatShape,
    stream_options: STREAM_OPTIONS,
    reasoning: members({
      effort: 'string',
      max_tokens: 'number',
      enabled: 'boolean',
      exclude: 'boolean',
      summary: 'string',
    }),
    thinking: members({ type: null, budget_tokens: 'number' }),
  },
  { isOpen: true },
)
