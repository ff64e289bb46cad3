// What an OpenAI-compatible message or delta says, over all the spellings in use: content as string, list or object,
// reasoning under several names, tool calls with and without index. Reader and meter share it, so that they agree.
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Citation, MediaSource, Signature } from '../core/neutral.ts'
import { readAnnotation } from './openai-chat-citation.ts'
import { mediaOfUrl } from './media-url.ts'
import { readExtraContent, readReasoning, readReasoningItem } from './openai-chat-reasoning.ts'
import type { ReasoningPiece } from './openai-chat-reasoning.ts'
import { arrayOf, countOf, isJsonArray, objectOf, stringOf } from './read.ts'

/** One thing that a message or delta carries, in the order in which it was meant: reasoning, text, refusal, tools. */
export type ChatPiece =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'refusal'; readonly text: string }
  | ReasoningPiece
  /** Of the text before it. */
  | { readonly kind: 'text-signature'; readonly signature: Signature }
  | { readonly kind: 'citation'; readonly citation: Citation }
  | { readonly kind: 'image'; readonly source: MediaSource }
  | ChatAudioPiece
  | ChatToolPiece

export interface ChatAudioPiece {
  readonly kind: 'audio'
  /** Empty where missing, as are the others. */
  readonly id: string
  readonly data: string
  readonly transcript: string
}

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
  /** The arguments are plain text. */
  readonly isCustom: boolean
  readonly signature: Signature | null
}

/** Everything that a message or a delta carries. Never throws; what it doesn't know it leaves out. */
export function readPieces(message: JsonObject): readonly ChatPiece[] {
  const pieces: ChatPiece[] = []
  readReasoningInto(message, pieces)
  readContent(message['content'], pieces)
  const signature = readExtraContent(message['extra_content'])
  if (signature !== null) pieces.push({ kind: 'text-signature', signature })
  if (isJsonArray(message['annotations'])) readAnnotations(message['annotations'], pieces)
  push(pieces, 'refusal', message['refusal'])
  if (isJsonArray(message['images'])) for (const image of message['images']) readImage(image, pieces)
  if (isJsonObject(message['audio'])) readAudio(message['audio'], pieces)
  if (isJsonArray(message['tool_calls'])) {
    message['tool_calls'].forEach((call, position) => {
      if (isJsonObject(call)) pieces.push(readToolPiece(call, position))
    })
  }
  const legacy = message['function_call']
  // Some say the same call in both ways.
  const isSaid = arrayOf(message['tool_calls']).length > 0
  if (!isSaid && isJsonObject(legacy) && (stringOf(legacy['name']) ?? stringOf(legacy['arguments'])) !== null) {
    pieces.push(readToolPiece({ index: 0, function: legacy }, 0))
  }
  return pieces
}

/** Characters of output that a piece holds: text, reasoning, refusal, transcript and arguments; no names, no signatures. */
export function visibleCharsOf(piece: ChatPiece): number {
  switch (piece.kind) {
    case 'tool':
      return piece.argumentsText.length
    case 'audio':
      return piece.transcript.length
    case 'text':
    case 'reasoning':
    case 'refusal':
      return piece.text.length
    default:
      return 0
  }
}

/** True for a piece that a user would see something of: text of any kind, a picture, sound, or a tool call, even where
 *  it only begins. */
export function isContent(piece: ChatPiece): boolean {
  switch (piece.kind) {
    case 'signature':
    case 'redacted':
    case 'call-signature':
    case 'text-signature':
    case 'citation':
      return false
    default:
      return true
  }
}

/** Most deltas have none of the members that reasoning may stand in. */
function readReasoningInto(message: JsonObject, pieces: ChatPiece[]): void {
  if (
    message['reasoning_content'] === undefined &&
    message['reasoning'] === undefined &&
    message['reasoning_details'] === undefined &&
    message['thinking'] === undefined &&
    message['reasoning_text'] === undefined &&
    message['reasoning_opaque'] === undefined &&
    message['thinking_blocks'] === undefined
  )
    return
  const found: ReasoningPiece[] = []
  readReasoning(message, found)
  pieces.push(...found)
}

function push(pieces: ChatPiece[], kind: 'text' | 'refusal', value: Json | undefined): void {
  const text = stringOf(value)
  if (text !== null) pieces.push({ kind, text })
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
  switch (part['type']) {
    case 'thinking':
      return readThinking(part['thinking'], pieces)
    case 'reasoning': {
      const found: ReasoningPiece[] = []
      readReasoningItem(part, found)
      pieces.push(...found)
      return
    }
    case 'refusal':
      return push(pieces, 'refusal', part['refusal'])
    case 'image_url':
      return readImage(item, pieces)
    default:
      return push(pieces, 'text', part['text'])
  }
}

/** Mistral's: a text, or a list of them. */
function readThinking(thinking: Json | undefined, pieces: ChatPiece[]): void {
  const texts = typeof thinking === 'string' ? [thinking] : arrayOf(thinking).map((inner) => objectOf(inner)['text'])
  for (const value of texts) {
    const text = stringOf(value)
    if (text !== null) pieces.push({ kind: 'reasoning', text, block: null, isSummary: false })
  }
}

function readAnnotations(annotations: readonly Json[], pieces: ChatPiece[]): void {
  for (const value of annotations) {
    const citation = readAnnotation(value)
    if (citation !== null) pieces.push({ kind: 'citation', citation })
  }
}

function readImage(value: Json, pieces: ChatPiece[]): void {
  const image = objectOf(value)['image_url'] ?? value
  const url = stringOf(image) ?? stringOf(objectOf(image)['url'])
  const source = url === null ? null : mediaOfUrl(url)
  if (source !== null) pieces.push({ kind: 'image', source })
}

function readAudio(audio: JsonObject, pieces: ChatPiece[]): void {
  const id = stringOf(audio['id']) ?? ''
  const data = stringOf(audio['data']) ?? ''
  const transcript = stringOf(audio['transcript']) ?? ''
  if (id + data + transcript !== '') pieces.push({ kind: 'audio', id, data, transcript })
}

function readToolPiece(call: JsonObject, position: number): ChatToolPiece {
  const isCustom = isJsonObject(call['custom']) && stringOf(objectOf(call['function'])['name']) === null
  const callee = objectOf(isCustom ? call['custom'] : call['function'])
  const given = isCustom ? callee['input'] : callee['arguments']
  const index = call['index'] ?? callee['index']
  return {
    kind: 'tool',
    index: typeof index === 'number' ? countOf(index) : null,
    position,
    id: stringOf(call['id']),
    name: stringOf(callee['name']),
    argumentsText: isJsonObject(given) || isJsonArray(given) ? JSON.stringify(given) : (stringOf(given) ?? ''),
    isCustom,
    signature: readExtraContent(call['extra_content']),
  }
}
