// Reads the messages of a chat request into neutral turns. Separate from the settings, because this is where the field
// names in complaints come from.
import type { InvalidRequest } from '../core/failure.ts'
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { MediaSource, NeutralMessage, NeutralPart, Signature } from '../core/neutral.ts'
import { err, ok } from '../core/result.ts'
import type { Result } from '../core/result.ts'
import { readPieces } from '../wire/openai-chat-message.ts'
import type { ChatPiece } from '../wire/openai-chat-message.ts'
import { isJsonArray, objectOf, stringOf } from '../wire/read.ts'
import { invalidRequest } from './chat-facts.ts'

/** Turns in order; a tool's result becomes a user turn of its own. The error names the field that can't be read. */
export function readMessages(messages: readonly Json[]): Result<readonly NeutralMessage[], InvalidRequest> {
  const turns: NeutralMessage[] = []
  for (let i = 0; i < messages.length; i += 1) {
    const turn = readMessage(objectOf(messages[i]), `messages[${i}]`)
    if (!turn.ok) return turn
    turns.push(turn.value)
  }
  return ok(turns)
}

type Parts = Result<readonly NeutralPart[], InvalidRequest>

function readMessage(message: JsonObject, field: string): Result<NeutralMessage, InvalidRequest> {
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
      return turnOf('user', readToolResult(message, field), {})
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
  return ok({ role, parts: parts.value, ...(name === null ? {} : { name }) })
}

function readToolResult(message: JsonObject, field: string): Parts {
  const callId = stringOf(message['tool_call_id']) ?? stringOf(message['name'])
  if (callId === null) {
    return err(invalidRequest(`${field}.tool_call_id`, `Missing required parameter: '${field}.tool_call_id'.`))
  }
  const content = readContent(message['content'], `${field}.content`)
  return content.ok ? ok([{ kind: 'tool-result', callId, content: content.value, isError: false }]) : content
}

/** An assistant's message says what a reply said: the same reader serves both. */
function readAssistant(message: JsonObject, field: string): Parts {
  const content = message['content']
  if (content !== undefined && content !== null && typeof content !== 'string' && !isJsonArray(content)) {
    return err(badContent(`${field}.content`))
  }
  const parts: NeutralPart[] = []
  for (const piece of readPieces(message)) addPiece(parts, piece)
  if (isJsonObject(message['audio'])) parts.push({ kind: 'other', type: 'audio', value: message['audio'] })
  return ok(parts)
}

function addPiece(parts: NeutralPart[], piece: ChatPiece): void {
  if (piece.kind === 'tool') {
    const id = piece.id ?? `call_${piece.name ?? 'function'}`
    parts.push({ kind: 'tool-call', id, name: piece.name ?? '', argumentsText: piece.argumentsText })
  } else if (piece.kind === 'redacted') {
    parts.push({ kind: 'reasoning', text: '', redacted: { maker: null, value: piece.data } })
  } else if (piece.kind === 'signature') {
    sign(parts, { maker: null, value: piece.data })
  } else if (piece.kind === 'reasoning') {
    parts.push({ kind: 'reasoning', text: piece.text })
  } else {
    parts.push({ kind: piece.kind, text: piece.text })
  }
}

/** A signature belongs to the reasoning before it, unless that one has its own. */
function sign(parts: NeutralPart[], signature: Signature): void {
  const last = parts.at(-1)
  const isFree = last?.kind === 'reasoning' && last.signature === undefined && last.redacted === undefined
  if (isFree) parts[parts.length - 1] = { ...last, signature }
  else parts.push({ kind: 'reasoning', text: '', signature })
}

function readContent(content: Json | undefined, field: string): Parts {
  if (typeof content === 'string') return ok([{ kind: 'text', text: content }])
  if (content === null || content === undefined) return ok([])
  if (!isJsonArray(content)) return err(badContent(field))
  const parts: NeutralPart[] = []
  for (let i = 0; i < content.length; i += 1) {
    const part = readPart(content[i], `${field}[${i}]`)
    if (!part.ok) return part
    parts.push(part.value)
  }
  return ok(parts)
}

function badContent(field: string): InvalidRequest {
  return invalidRequest(field, `Invalid type for '${field}': expected a string or an array of parts.`)
}

function readPart(value: Json | undefined, field: string): Result<NeutralPart, InvalidRequest> {
  if (typeof value === 'string') return ok({ kind: 'text', text: value })
  const part = objectOf(value)
  const type = stringOf(part['type'])
  if (type === null) return err(invalidRequest(`${field}.type`, `Missing required parameter: '${field}.type'.`))
  if (type === 'image_url') return readImage(part, field)
  if (type !== 'text' && type !== 'refusal') return ok({ kind: 'other', type, value: part })
  const text = part[type]
  if (typeof text !== 'string') {
    return err(invalidRequest(`${field}.${type}`, `Invalid type for '${field}.${type}': expected a string.`))
  }
  return ok({ kind: type, text })
}

function readImage(part: JsonObject, field: string): Result<NeutralPart, InvalidRequest> {
  const image = part['image_url']
  const url = typeof image === 'string' ? image : stringOf(objectOf(image)['url'])
  if (url === null || url === '') {
    return err(invalidRequest(`${field}.image_url.url`, `Missing required parameter: '${field}.image_url.url'.`))
  }
  const source = readMediaSource(url)
  if (source === null) {
    return err(
      invalidRequest(
        `${field}.image_url.url`,
        `Invalid '${field}.image_url.url': expected a web address or base64 data.`,
      ),
    )
  }
  const detail = stringOf(objectOf(image)['detail'])
  return ok({ kind: 'image', source, ...(detail === null ? {} : { detail }) })
}

/** Where a picture is: an address, or base64 in a data URL. Null for a data URL of another form. */
function readMediaSource(url: string): MediaSource | null {
  if (!url.startsWith('data:')) return { kind: 'url', url }
  const comma = url.indexOf(',')
  const head = url.slice('data:'.length, comma)
  if (comma === -1 || !head.endsWith(';base64')) return null
  const mediaType = head.slice(0, head.indexOf(';'))
  return { kind: 'base64', mediaType, data: url.slice(comma + 1) }
}
