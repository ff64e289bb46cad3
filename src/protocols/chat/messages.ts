// Reads the messages of a chat request into neutral turns. Separate from the settings, because this is where the field
// names in complaints come from.
import type { InvalidRequest } from '../../core/failure.ts'
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { CacheMark, NeutralMessage, NeutralPart } from '../../core/neutral.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import { readAssistantParts } from './assistant.ts'
import { invalidRequest } from './facts.ts'
import { readContent, readCacheMark } from './parts.ts'
import type { Parts } from './parts.ts'

/** Turns in order; a tool's result becomes a user turn of its own. The error names the field that can't be read. */
export function readMessages(messages: readonly Json[]): Result<readonly NeutralMessage[], InvalidRequest> {
  const turns: NeutralMessage[] = []
  let waiting: readonly Call[] = []
  for (let i = 0; i < messages.length; i += 1) {
    const turn = readMessage(objectOf(messages[i]), `messages[${i}]`, waiting)
    if (!turn.ok) return turn
    turns.push(turn.value)
    waiting = stillWaiting(waiting, turn.value)
  }
  return ok(turns)
}

type Call = Extract<NeutralPart, { readonly kind: 'tool-call' }>

/** The calls that have no result yet. */
function stillWaiting(waiting: readonly Call[], turn: NeutralMessage): readonly Call[] {
  if (turn.role === 'assistant') return turn.parts.filter((part) => part.kind === 'tool-call')
  const answered = turn.parts.flatMap((part) => (part.kind === 'tool-result' ? [part.callId] : []))
  return answered.length === 0 ? waiting : waiting.filter((call) => !answered.includes(call.id))
}

function readMessage(
  message: JsonObject,
  field: string,
  waiting: readonly Call[],
): Result<NeutralMessage, InvalidRequest> {
  switch (message['role']) {
    case 'system':
    case 'developer':
      return turnOf('system', readContent(message['content'], `${field}.content`), message)
    case 'user':
      return turnOf('user', readContent(message['content'], `${field}.content`), message)
    case 'assistant':
      return turnOf('assistant', readAssistant(message, field), message)
    case 'tool':
    case 'function':
      return turnOf('user', readToolResult(message, field, waiting), {})
    default: {
      const known = "'system', 'developer', 'user', 'assistant' and 'tool'"
      return err(invalidRequest(`${field}.role`, `Invalid value for '${field}.role': supported roles are ${known}.`))
    }
  }
}

function turnOf(
  role: NeutralMessage['role'],
  parts: Parts,
  message: JsonObject,
): Result<NeutralMessage, InvalidRequest> {
  if (!parts.ok) return parts
  const name = stringOf(message['name'])
  const marked = marking(parts.value, readCacheMark(message['cache_control']))
  return ok({ role, parts: marked, ...(name === null ? {} : { name }) })
}

/** A mark on a message is one on its last part. */
function marking(parts: readonly NeutralPart[], cacheMark: CacheMark | null): readonly NeutralPart[] {
  const last = parts.at(-1)
  if (cacheMark === null || last === undefined || last.cacheMark !== undefined) return parts
  return [...parts.slice(0, -1), { ...last, cacheMark }]
}

/** A result that doesn't say of which call is that of the next one that waits, by name where it has one. */
function readToolResult(message: JsonObject, field: string, waiting: readonly Call[]): Parts {
  const name = stringOf(message['name'])
  const next = waiting.find((call) => name === null || call.name === name)
  const callId = stringOf(message['tool_call_id']) ?? next?.id ?? name
  if (callId === null) {
    return err(invalidRequest(`${field}.tool_call_id`, `Missing required parameter: '${field}.tool_call_id'.`))
  }
  const content = readContent(message['content'], `${field}.content`)
  if (!content.ok) return content
  const cacheMark = readCacheMark(message['cache_control'])
  return ok([
    {
      kind: 'tool-result',
      callId,
      content: content.value,
      isError: false,
      ...(name === null ? {} : { name }),
      ...(cacheMark === null ? {} : { cacheMark }),
    },
  ])
}

/** An assistant's message says what a reply said: the same reader serves both. */
function readAssistant(message: JsonObject, field: string): Parts {
  const content = message['content']
  if (content !== undefined && content !== null && typeof content !== 'string' && !isJsonArray(content)) {
    const place = `${field}.content`
    return err(invalidRequest(place, `Invalid type for '${place}': expected a string or an array of parts.`))
  }
  const parts = readAssistantParts(message)
  const audio = message['audio']
  const id = isJsonObject(audio) ? stringOf(audio['id']) : null
  if (id === null || parts.some((part) => part.kind === 'audio')) return ok(parts)
  return ok([...parts, { kind: 'audio', source: { kind: 'file', id }, id }])
}
