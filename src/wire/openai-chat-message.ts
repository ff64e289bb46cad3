// What an OpenAI-compatible message or delta says, over all the spellings in use: content as string, list or object,
// reasoning under three names, tool calls with and without index. Reader and meter share it, so that they agree.
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { arrayOf, countOf, isJsonArray, objectOf, stringOf } from './read.ts'

/** One thing that a message or delta carries, in the order in which it was meant: reasoning, text, refusal, tools. */
export type ChatPiece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'reasoning'; readonly text: string }
  | { readonly kind: 'refusal'; readonly text: string }
  | { readonly kind: 'signature'; readonly data: string }
  | { readonly kind: 'redacted'; readonly data: string }
  | ChatToolPiece

export interface ChatToolPiece {
  readonly kind: 'tool'
  /** The call's number as the provider gives it; null where it gives none. */
  readonly index: number | null
  /** Where it stood in its list. */
  readonly position: number
  /** Null where missing or empty. */
  readonly id: string | null
  readonly name: string | null
  readonly argumentsText: string
}

/** Everything that a message or a delta carries. Never throws; what it doesn't know it leaves out. */
export function readPieces(message: JsonObject): readonly ChatPiece[] {
  const pieces: ChatPiece[] = []
  readReasoning(message, pieces)
  readContent(message['content'], pieces)
  push(pieces, 'refusal', message['refusal'])
  arrayOf(message['tool_calls']).forEach((call, position) => {
    if (isJsonObject(call)) pieces.push(readToolPiece(call, position))
  })
  const legacy = message['function_call']
  if (isJsonObject(legacy)) pieces.push(readToolPiece({ index: 0, function: legacy }, 0))
  return pieces
}

/** Characters of output that a piece holds: text, reasoning, refusal and arguments; names and signatures are none. */
export function visibleCharsOf(piece: ChatPiece): number {
  switch (piece.kind) {
    case 'tool':
      return piece.argumentsText.length
    case 'signature':
    case 'redacted':
      return 0
    default:
      return piece.text.length
  }
}

/** True for a piece that a user would see something of: text of any kind, or a tool call, even where it only begins. */
export function isContent(piece: ChatPiece): boolean {
  return piece.kind !== 'signature' && piece.kind !== 'redacted'
}

function push(pieces: ChatPiece[], kind: 'text' | 'reasoning' | 'refusal', value: Json | undefined): void {
  const text = stringOf(value)
  if (text !== null) pieces.push({ kind, text })
}

/** The detailed form, where it has text, says the same as the plain one and says which signature belongs to what. */
function readReasoning(message: JsonObject, pieces: ChatPiece[]): void {
  const details = arrayOf(message['reasoning_details']).map((detail) => objectOf(detail))
  if (!details.some((detail) => stringOf(detail['text'] ?? detail['summary']) !== null)) {
    push(pieces, 'reasoning', stringOf(message['reasoning_content']) ?? message['reasoning'])
  }
  for (const detail of details) readDetail(detail, pieces)
}

function readDetail(detail: JsonObject, pieces: ChatPiece[]): void {
  push(pieces, 'reasoning', detail['text'] ?? detail['summary'])
  const signature = stringOf(detail['signature'])
  if (signature !== null) pieces.push({ kind: 'signature', data: signature })
  const data = detail['type'] === 'reasoning.encrypted' ? stringOf(detail['data']) : null
  if (data !== null) pieces.push({ kind: 'redacted', data })
}

function readContent(content: Json | undefined, pieces: ChatPiece[]): void {
  if (isJsonArray(content)) {
    for (const item of content) readContentItem(item, pieces)
  } else if (isJsonObject(content)) {
    push(pieces, 'text', JSON.stringify(content))
  } else {
    push(pieces, 'text', content)
  }
}

function readContentItem(item: Json, pieces: ChatPiece[]): void {
  if (typeof item === 'string') return push(pieces, 'text', item)
  const part = objectOf(item)
  if (part['type'] === 'thinking') {
    const thinking = part['thinking']
    if (typeof thinking === 'string') push(pieces, 'reasoning', thinking)
    for (const inner of arrayOf(thinking)) push(pieces, 'reasoning', objectOf(inner)['text'])
  } else if (part['type'] === 'refusal') {
    push(pieces, 'refusal', part['refusal'])
  } else {
    push(pieces, 'text', part['text'])
  }
}

function readToolPiece(call: JsonObject, position: number): ChatToolPiece {
  const callee = objectOf(call['function'] ?? call['custom'])
  const given = callee['arguments'] ?? callee['input']
  const index = call['index'] ?? callee['index']
  return {
    kind: 'tool',
    index: typeof index === 'number' ? countOf(index) : null,
    position,
    id: stringOf(call['id']),
    name: stringOf(callee['name']),
    argumentsText: isJsonObject(given) || isJsonArray(given) ? JSON.stringify(given) : (stringOf(given) ?? ''),
  }
}
