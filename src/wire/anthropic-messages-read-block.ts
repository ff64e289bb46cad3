// Reads content blocks of the Anthropic messages wire, a client's or a reply's. Liberal: what a block lacks is empty, and
// one that is not known is carried as it is. Our own carriers of foreign signatures become what they carried.
// https://platform.claude.com/docs/en/api/messages
import type { Json, JsonObject } from '../core/json.ts'
import type { CacheMark, Citation, DocumentSource, MediaSource, NeutralPart, Signature } from '../core/neutral.ts'
import { openSignature } from '../core/reply/signature.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from './read.ts'

/** Who signs thinking on this wire. */
export const MESSAGES_MAKER = 'anthropic'

/** How the data of a `redacted_thinking` block begins that carries the signature of a call: its id and the sealed
 *  signature follow, with a dot between. */
export const CALL_SIGNATURE = 'tg1call.'

/** How deep blocks may stand in each other; what stands deeper is carried as it is. The API itself knows three levels. */
export const NESTING_MAX = 16

/** Content, be it text or blocks, as parts. */
export function readContent(content: Json | undefined, depth = 0): readonly NeutralPart[] {
  return typeof content === 'string' ? [{ kind: 'text', text: content }] : readBlocks(arrayOf(content), depth)
}

/** Blocks as parts; a carrier gives its signature to the call that it names. */
export function readBlocks(blocks: readonly Json[], depth = 0): readonly NeutralPart[] {
  const signatures = new Map<string, Signature>()
  const parts: NeutralPart[] = []
  for (const value of blocks) {
    const block = objectOf(value)
    const carried = block['type'] === 'redacted_thinking' ? readCallSignature(stringOf(block['data']) ?? '') : null
    if (carried === null)
      parts.push(typeof value === 'string' ? { kind: 'text', text: value } : readBlock(block, depth))
    else signatures.set(carried.callId, carried.signature)
  }
  if (signatures.size === 0) return parts
  return parts.map((part) => {
    const signature = part.kind === 'tool-call' ? signatures.get(part.id) : undefined
    return signature === undefined ? part : { ...part, signature }
  })
}

/** The mark on a block or a tool; undefined for none. */
export function readCacheMark(block: JsonObject): CacheMark | undefined {
  const control = objectOf(block['cache_control'])
  if (control['type'] !== 'ephemeral') return undefined
  const ttl = control['ttl']
  return { ttl: ttl === '1h' || ttl === '5m' ? ttl : null }
}

/** A citation. One without the index that the API wants back was made here, from another wire's. */
export function readCitation(value: JsonObject): Citation {
  const url = stringOf(value['url'])
  const title = stringOf(value['title']) ?? stringOf(value['document_title'])
  const citedText = stringOf(value['cited_text'])
  const isOurs = value['type'] === 'web_search_result_location' && value['encrypted_index'] === ''
  return {
    ...(url === null ? {} : { url }),
    ...(title === null ? {} : { title }),
    ...(citedText === null ? {} : { citedText }),
    ...(isOurs ? {} : { wire: 'anthropic-messages', value }),
  }
}

function readBlock(block: JsonObject, depth: number): NeutralPart {
  const mark = readCacheMark(block)
  const part = readUnmarked(block, depth)
  return mark === undefined || part.kind === 'other' ? part : { ...part, cacheMark: mark }
}

function readUnmarked(block: JsonObject, depth: number): NeutralPart {
  const type = stringOf(block['type']) ?? ''
  if (depth > NESTING_MAX) return { kind: 'other', type, value: block, wire: 'anthropic-messages' }
  switch (type) {
    case 'text':
      return readText(block)
    case 'image':
      return { kind: 'image', source: readMedia(objectOf(block['source'])) }
    case 'document':
      return readDocument(block, depth)
    case 'thinking':
      return { kind: 'reasoning', text: textOf(block['thinking']), ...readSignature(block['signature']) }
    case 'redacted_thinking':
      return { kind: 'reasoning', text: '', redacted: openSignature(textOf(block['data']), MESSAGES_MAKER) }
    case 'tool_use':
      return {
        kind: 'tool-call',
        id: textOf(block['id']),
        name: textOf(block['name']),
        argumentsText: JSON.stringify(block['input'] ?? {}),
      }
    case 'tool_result':
      return {
        kind: 'tool-result',
        callId: textOf(block['tool_use_id']),
        content: readContent(block['content'], depth + 1),
        isError: block['is_error'] === true,
      }
    default:
      return { kind: 'other', type, value: block, wire: 'anthropic-messages' }
  }
}

function readText(block: JsonObject): NeutralPart {
  const citations = arrayOf(block['citations']).map((value) => readCitation(objectOf(value)))
  return { kind: 'text', text: textOf(block['text']), ...(citations.length === 0 ? {} : { citations }) }
}

/** Thinking that nobody signed has an empty signature here. */
function readSignature(value: Json | undefined): { readonly signature?: Signature } {
  const text = stringOf(value)
  return text === null ? {} : { signature: openSignature(text, MESSAGES_MAKER) }
}

function readDocument(block: JsonObject, depth: number): NeutralPart {
  const title = stringOf(block['title'])
  const context = stringOf(block['context'])
  const isCited = objectOf(block['citations'])['enabled']
  return {
    kind: 'document',
    source: readDocumentSource(objectOf(block['source']), depth),
    ...(title === null ? {} : { title }),
    ...(context === null ? {} : { context }),
    ...(typeof isCited === 'boolean' ? { isCited } : {}),
  }
}

function readDocumentSource(source: JsonObject, depth: number): DocumentSource {
  if (source['type'] === 'content') return { kind: 'parts', parts: readContent(source['content'], depth + 1) }
  if (source['type'] !== 'text') return readMedia(source)
  const mediaType = stringOf(source['media_type'])
  return { kind: 'text', text: textOf(source['data']), ...(mediaType === null ? {} : { mediaType }) }
}

/** Where a picture's or a document's bytes are. */
export function readMedia(source: JsonObject): MediaSource {
  if (source['type'] === 'url') return { kind: 'url', url: textOf(source['url']) }
  if (source['type'] === 'file') return { kind: 'file', id: textOf(source['file_id']) }
  return { kind: 'base64', mediaType: textOf(source['media_type']), data: textOf(source['data']) }
}

function readCallSignature(data: string): { readonly callId: string; readonly signature: Signature } | null {
  const end = data.startsWith(CALL_SIGNATURE) ? data.indexOf('.', CALL_SIGNATURE.length) : -1
  if (end === -1) return null
  const id = data.slice(CALL_SIGNATURE.length, end)
  return { callId: unescaped(id), signature: openSignature(data.slice(end + 1), null) }
}

function unescaped(id: string): string {
  try {
    return decodeURIComponent(id)
  } catch {
    return id
  }
}

function textOf(value: Json | undefined, depth = 0): string {
  if (typeof value === 'string') return value
  if (!isJsonArray(value) || depth > NESTING_MAX) return ''
  return value.map((item) => textOf(objectOf(item)['text'], depth + 1)).join('')
}
