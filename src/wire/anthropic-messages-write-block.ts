// Writes content blocks of the Anthropic messages wire: of a request to a provider, or of a reply to a client. A client
// gets what it needs to send everything back; a provider gets nothing that it can't check: no unsigned thinking, no
// foreign signatures. https://platform.claude.com/docs/en/api/messages
import { isJsonObject, parseJson } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { CacheMark, Citation, DocumentSource, MediaSource, NeutralPart, Signature } from '../core/neutral.ts'
import { sealSignature } from '../core/reply/signature.ts'
import { CALL_SIGNATURE, MESSAGES_MAKER } from './anthropic-messages-read-block.ts'
import { withoutUndefined } from './write.ts'

/** Who reads the blocks, and what ids become on the way. */
export interface BlockReader {
  readonly kind: 'client' | 'provider'
  readonly id: (id: string) => string
}

/** A client reads ids as they are. */
export const CLIENT: BlockReader = { kind: 'client', id: (id) => id }

/** The blocks for one part: none for what the wire has no place for, or what `reader` could do nothing with. */
export function writePart(part: NeutralPart, reader: BlockReader): readonly JsonObject[] {
  const blocks = writeUnmarked(part, reader)
  const mark = part.cacheMark
  const last = blocks.at(-1)
  if (mark === undefined || last === undefined || last['cache_control'] !== undefined) return blocks
  return [...blocks.slice(0, -1), { ...last, cache_control: writeCacheMark(mark) }]
}

/** Blocks, or a string where there is nothing but one plain text: the shorter way to say it. */
export function writeContent(blocks: readonly JsonObject[]): Json {
  const [only] = blocks
  const isPlain = blocks.length === 1 && only?.['type'] === 'text' && Object.keys(only).length === 2
  return isPlain ? (only?.['text'] ?? '') : blocks
}

/** `cache_control` of a block or a tool. */
export function writeCacheMark({ ttl }: CacheMark): JsonObject {
  return ttl === null ? { type: 'ephemeral' } : { type: 'ephemeral', ttl }
}

/** True for a signature that Anthropic itself can check, as far as is known. */
export function isOwnSignature(signature: Signature | undefined): boolean {
  return signature !== undefined && (signature.maker === null || signature.maker === MESSAGES_MAKER)
}

/** Arguments as the object that this wire wants; text that is none is put into one. */
export function readArguments(text: string): JsonObject {
  const value = parseJson(text)
  if (isJsonObject(value)) return value
  return value === null || text.trim() === '' ? {} : { arguments: text }
}

/** A citation for `reader`; null for one that it could do nothing with. `text` is what cites. */
export function writeCitation(citation: Citation, reader: BlockReader['kind'], text: string): JsonObject | null {
  if (citation.wire === 'anthropic-messages' && citation.value !== undefined) return citation.value
  if (reader === 'provider' || citation.url === undefined) return null
  return {
    type: 'web_search_result_location',
    url: citation.url,
    title: citation.title ?? null,
    encrypted_index: '',
    cited_text: citation.citedText ?? text.slice(citation.start ?? 0, citation.end ?? text.length),
  }
}

/** The block that carries a call's foreign signature to a client and back. */
export function callSignatureBlock(callId: string, signature: Signature): JsonObject {
  const id = encodeURIComponent(callId).replaceAll('.', '%2E')
  return { type: 'redacted_thinking', data: `${CALL_SIGNATURE}${id}.${sealSignature(signature, null)}` }
}

function writeUnmarked(part: NeutralPart, reader: BlockReader): readonly JsonObject[] {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [writeText(part, reader)]
    case 'image':
      return [{ type: 'image', source: writeMedia(part.source) }]
    case 'document':
      return [writeDocument(part, reader)]
    case 'reasoning':
      return writeReasoning(part, reader)
    case 'tool-call':
      return writeCall(part, reader)
    case 'tool-result': {
      const content = part.content.flatMap((inner) => writePart(inner, reader))
      const error = part.isError ? { is_error: true } : {}
      return [{ type: 'tool_result', tool_use_id: reader.id(part.callId), content: writeContent(content), ...error }]
    }
    case 'other':
      return part.wire === 'anthropic-messages' ? [part.value] : []
    case 'audio':
    case 'video':
      return []
  }
}

function writeText(part: Extract<NeutralPart, { kind: 'text' | 'refusal' }>, { kind }: BlockReader): JsonObject {
  const all = part.kind === 'text' ? (part.citations ?? []) : []
  const citations = all
    .map((citation) => writeCitation(citation, kind, part.text))
    .filter((citation) => citation !== null)
  return { type: 'text', text: part.text, ...(citations.length === 0 ? {} : { citations }) }
}

function writeReasoning(
  part: Extract<NeutralPart, { kind: 'reasoning' }>,
  { kind }: BlockReader,
): readonly JsonObject[] {
  const { text, signature, redacted } = part
  if (redacted !== undefined) {
    if (kind === 'provider' && !isOwnSignature(redacted)) return []
    const data = { type: 'redacted_thinking', data: sealSignature(redacted, MESSAGES_MAKER) }
    return text === '' || kind === 'provider' ? [data] : [{ type: 'thinking', thinking: text, signature: '' }, data]
  }
  if (kind === 'provider' && !isOwnSignature(signature)) return []
  const sealed = signature === undefined ? '' : sealSignature(signature, MESSAGES_MAKER)
  return [{ type: 'thinking', thinking: text, signature: sealed }]
}

function writeCall(part: Extract<NeutralPart, { kind: 'tool-call' }>, reader: BlockReader): readonly JsonObject[] {
  const input = part.isCustom === true ? { input: part.argumentsText } : readArguments(part.argumentsText)
  const call = { type: 'tool_use', id: reader.id(part.id), name: part.name, input }
  if (part.signature === undefined || reader.kind === 'provider') return [call]
  return [callSignatureBlock(part.id, part.signature), call]
}

function writeDocument(part: Extract<NeutralPart, { kind: 'document' }>, reader: BlockReader): JsonObject {
  return withoutUndefined({
    type: 'document',
    source: writeDocumentSource(part.source, reader),
    title: part.title,
    context: part.context,
    citations: part.isCited === undefined ? undefined : { enabled: part.isCited },
  })
}

function writeDocumentSource(source: DocumentSource, reader: BlockReader): JsonObject {
  if (source.kind === 'parts') {
    return { type: 'content', content: writeContent(source.parts.flatMap((part) => writePart(part, reader))) }
  }
  if (source.kind === 'text') return { type: 'text', media_type: source.mediaType ?? 'text/plain', data: source.text }
  return writeMedia(source)
}

function writeMedia(source: MediaSource): JsonObject {
  if (source.kind === 'url') return { type: 'url', url: source.url }
  if (source.kind === 'file') return { type: 'file', file_id: source.id }
  return { type: 'base64', media_type: source.mediaType, data: source.data }
}
