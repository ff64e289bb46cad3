// What a messages request may hold inside its blocks, tools and settings, as far as it is read: everything else is a stray.
// https://platform.claude.com/docs/en/api/messages
import type { JsonObject } from '../../core/json.ts'
import { stringOf } from '../../wire/read.ts'
import { isUnknownThinking, readOutput, readToolChoice } from './settings.ts'
import { type Members, members, names, NOTES } from '../strays.ts'

/** Marks for the cache are hints. */
const ON_BLOCKS = { ...NOTES, type: null, cache_control: null } as const

const SOURCES: ReadonlyMap<string, Members> = new Map([
  ['base64', members({ type: null, media_type: 'string', data: 'string' })],
  ['text', members({ type: null, media_type: 'string', data: null })],
  ['url', members({ type: null, url: 'string' })],
  ['file', members({ type: null, file_id: 'string' })],
  ['content', members({ type: null, content: blockShape })],
])
/** Of a kind that isn't read: what it says is lost, its kind first. */
const NO_SOURCE = names()

const BLOCKS: ReadonlyMap<string, Members> = new Map([
  ['text', members({ ...ON_BLOCKS, text: null, citations: null })],
  ['image', members({ ...ON_BLOCKS, source: sourceShape })],
  [
    'document',
    members({
      ...ON_BLOCKS,
      source: sourceShape,
      title: 'string',
      context: 'string',
      citations: members({ enabled: 'boolean' }),
    }),
  ],
  ['tool_result', members({ ...ON_BLOCKS, tool_use_id: null, is_error: 'boolean', content: blockShape })],
])

/** A block of another type goes on whole, or is a gap by its type; those that replies have are an account of one. */
function blockShape(block: JsonObject): Members | null {
  return BLOCKS.get(String(block['type'])) ?? null
}

function sourceShape(source: JsonObject): Members {
  return SOURCES.get(stringOf(source['type']) ?? 'base64') ?? NO_SOURCE
}

const MESSAGE = members({ ...NOTES, role: null, content: blockShape })

/** Clients send back what they got, with all that a provider has put into it: that asks for nothing. */
function messageShape(message: JsonObject): Members | null {
  return message['role'] === 'assistant' ? null : MESSAGE
}

const isOurs = { carrier: 'anthropic-messages' } as const
const SEARCH = members(
  {
    type: null,
    name: 'string',
    max_uses: null,
    allowed_domains: null,
    blocked_domains: null,
    user_location: members({ type: null, city: null, country: null, region: null, timezone: null }, isOurs),
    cache_control: null,
    defer_loading: null,
  },
  isOurs,
)

/** What isn't known of a function is kept as `more`. */
const FUNCTION = members({ description: 'string', input_schema: 'object', strict: 'boolean' }, { isOpen: true })

/** Of other tools than functions, the dialects that have them too know these members. */
function toolShape(tool: JsonObject): Members | null {
  const type = stringOf(tool['type']) ?? 'custom'
  if (type === 'custom') return FUNCTION
  return type.startsWith('web_search') ? SEARCH : null
}

const CHOICE = members({ type: null, name: null, disable_parallel_tool_use: 'boolean' })
const THINKING = members({ type: null, budget_tokens: 'number', display: 'string' })
const FORMAT = names('type', 'schema')

/** Settings in a form that can't be read are in `extra` as a whole. */
function choiceShape(choice: JsonObject): Members | null {
  return readToolChoice(choice).toolChoice === undefined ? null : CHOICE
}

function thinkingShape(thinking: JsonObject): Members | null {
  return isUnknownThinking({ thinking }) ? null : THINKING
}

function formatShape(format: JsonObject): Members | null {
  return readOutput({ output_format: format }) === null ? null : FORMAT
}

/** A whole request. Its other members are settings without members of their own, or in `extra`. */
export const MESSAGES_REQUEST: Members = members(
  {
    system: blockShape,
    messages: messageShape,
    tools: toolShape,
    tool_choice: choiceShape,
    thinking: thinkingShape,
    // What else is in it is in `extra`.
    output_config: members({ format: formatShape }, { isOpen: true }),
    output_format: formatShape,
  },
  { isOpen: true },
)
