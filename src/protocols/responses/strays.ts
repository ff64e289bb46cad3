// What a responses request may hold inside its items, tools and settings, as far as it is read: everything else is a stray.
// https://platform.openai.com/docs/api-reference/responses/create
import type { JsonObject } from '../../core/json.ts'
import { RESPONSES_WIRE } from '../../wire/openai-responses.ts'
import { stringOf } from '../../wire/read.ts'
import { readFormat } from './format.ts'
import { readChoice } from './tools.ts'
import { type Members, members, names, NOTES } from '../strays.ts'

/** Marks for the cache are hints. */
const ON_PARTS = { ...NOTES, type: null, cache_control: null, prompt_cache_breakpoint: null } as const
const TEXT = members({ ...ON_PARTS, text: null, annotations: null, logprobs: null })

const PARTS: ReadonlyMap<string, Members> = new Map([
  ['input_text', TEXT],
  ['output_text', TEXT],
  ['text', TEXT],
  ['summary_text', TEXT],
  ['refusal', members({ ...ON_PARTS, refusal: null })],
  [
    'input_image',
    members({ ...ON_PARTS, image_url: members({ url: null, detail: null }), file_id: 'string', detail: 'string' }),
  ],
  [
    'input_file',
    members({
      ...ON_PARTS,
      file_id: 'string',
      file_url: 'string',
      file_data: 'string',
      filename: 'string',
      detail: null,
    }),
  ],
  ['input_audio', members({ ...ON_PARTS, input_audio: members({ data: null, format: 'string' }) })],
])

/** A part of another type goes on whole, or is a gap by its type. */
function partShape(part: JsonObject): Members | null {
  return PARTS.get(String(part['type'])) ?? null
}

/** Codex notes in the last one which turn of its own an item belongs to. */
const ON_ITEMS = { ...NOTES, type: null, status: null, internal_chat_message_metadata_passthrough: null } as const
const MESSAGE = members({ ...ON_ITEMS, role: null, content: partShape })
/** Whose call it was, the call says too. */
const OUTPUT = members({ ...ON_ITEMS, call_id: null, output: partShape, name: null, namespace: null, caller: null })

/** What a reply said comes back with all that a provider has put into it: that asks for nothing. Items that only this wire
 *  knows go on whole, or are gaps by their type. */
function itemShape(item: JsonObject): Members | null {
  const { type, role } = item
  if (type === 'function_call_output' || type === 'custom_tool_call_output') return OUTPUT
  const isMessage = type === 'message' || ((type ?? null) === null && role !== undefined)
  return isMessage && role !== 'assistant' ? MESSAGE : null
}

const isOurs = { carrier: RESPONSES_WIRE } as const
const DOMAINS = members({ allowed_domains: null, blocked_domains: null }, isOurs)
const PLACE = members({ type: null, city: null, country: null, region: null, timezone: null }, isOurs)
const SEARCH = members(
  {
    type: null,
    search_context_size: null,
    user_location: PLACE,
    filters: DOMAINS,
    external_web_access: null,
    return_token_budget: null,
  },
  isOurs,
)
const GRAMMAR = members({ type: null, syntax: null, definition: null }, isOurs)
const CUSTOM = members({ type: null, name: null, description: null, format: GRAMMAR, defer_loading: null }, isOurs)

/** What isn't known of a function is kept as `more`. */
const FUNCTION = members({ description: 'string', parameters: 'object', strict: 'boolean' }, { isOpen: true })

/** Of other tools than functions, the dialects that have them too know these members. */
function toolShape(tool: JsonObject): Members | null {
  const type = stringOf(tool['type'])
  if (type === 'function') return FUNCTION
  if (type === 'custom') return CUSTOM
  return type?.startsWith('web_search') === true ? SEARCH : null
}

const CHOICE = names('type', 'name')
const SCHEMA_FORMAT = members({ type: null, name: 'string', description: 'string', schema: null, strict: 'boolean' })
const PLAIN_FORMAT = names('type')

/** Settings in a form that can't be read are in `extra` as a whole. */
function choiceShape(choice: JsonObject): Members | null {
  return readChoice(choice) === null ? null : CHOICE
}

function formatShape(format: JsonObject): Members | null {
  const read = readFormat(format)
  if (read === null) return null
  return read.kind === 'json-schema' ? SCHEMA_FORMAT : PLAIN_FORMAT
}

/** A whole request. Its other members are settings without members of their own, or in `extra`. */
export const RESPONSES_REQUEST: Members = members(
  {
    input: itemShape,
    tools: toolShape,
    tool_choice: choiceShape,
    // What else is in it is in `extra`.
    text: members({ format: formatShape, verbosity: 'string' }, { isOpen: true }),
    reasoning: members({ effort: 'string', summary: 'string', generate_summary: 'string' }, { isOpen: true }),
    stream_options: names('include_usage', 'include_obfuscation'),
  },
  { isOpen: true },
)
