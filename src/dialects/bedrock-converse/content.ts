// Writes neutral parts as Converse content blocks. Media go inline or from S3; ids and names are brought into the form that
// the API takes. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { JsonObject } from '../../core/json.ts'
import type { CacheMark, DocumentSource, MediaSource, NeutralPart, Signature } from '../../core/neutral.ts'
import { formatOf, formatOfAddress, type MediaKind } from '../../wire/bedrock-converse.ts'
import { withoutUndefined } from '../../wire/write.ts'

/** What the blocks of one request share. */
export interface BlockContext {
  /** Ids of tool calls in a form that the API takes: the same for the same id, never one for two. */
  readonly id: (id: string) => string
  /** A document's name: no two of a request are called the same. */
  readonly documentName: (title: string | undefined) => string
  /** Whether the model can be told what to cache. */
  readonly takesCacheMarks: boolean
}

/** The blocks for one part, with the cache point that it carries: none for what the wire has no place for. */
export function writeBlocks(part: NeutralPart, context: BlockContext): readonly JsonObject[] {
  const blocks = writeBlock(part, context)
  const mark =
    part.cacheMark ?? (part.kind === 'tool-result' ? part.content.findLast((c) => c.cacheMark)?.cacheMark : undefined)
  if (mark === undefined || !context.takesCacheMarks || blocks.length === 0) return blocks
  return [...blocks, cachePoint(mark)]
}

/** "Cache the prompt up to here". */
export function cachePoint({ ttl }: CacheMark): JsonObject {
  return { cachePoint: ttl === '1h' ? { type: 'default', ttl } : { type: 'default' } }
}

function writeBlock(part: NeutralPart, context: BlockContext): readonly JsonObject[] {
  switch (part.kind) {
    case 'text':
      return writeText(part)
    case 'refusal':
      return writeText({ text: part.text })
    case 'image':
    case 'video':
    case 'audio':
      return writeMedia(part.kind, part.source)
    case 'document':
      return writeDocument(part, context)
    case 'reasoning':
      return writeReasoning(part)
    case 'tool-call':
      return [
        { toolUse: { toolUseId: context.id(part.id), name: part.name, input: readArguments(part.argumentsText) } },
      ]
    case 'tool-result':
      return [writeResult(part, context)]
    case 'other':
      return part.wire === 'bedrock-converse' ? [part.value] : []
  }
}

/** Blank text is refused by the API, and says nothing. Text that cites goes back with what it cites. */
function writeText(part: Pick<Extract<NeutralPart, { kind: 'text' }>, 'text' | 'citations'>): readonly JsonObject[] {
  if (part.text.trim() === '') return []
  const citations = (part.citations ?? []).flatMap(({ wire, value }) =>
    wire === 'bedrock-converse' && value !== undefined ? [value] : [],
  )
  if (citations.length === 0) return [{ text: part.text }]
  return [{ citationsContent: { content: [{ text: part.text }], citations } }]
}

/** Where media are: their format and their source; null for what the API can't fetch or has no name for. */
export function mediaOf(kind: MediaKind, source: MediaSource): { format: string; source: JsonObject } | null {
  if (source.kind === 'file') return null
  const named = source.mediaType === undefined ? null : formatOf(kind, source.mediaType)
  if (source.kind === 'base64') return named === null ? null : { format: named, source: { bytes: source.data } }
  if (!source.url.startsWith('s3://')) return null
  const format = named ?? formatOfAddress(kind, source.url)
  return format === null ? null : { format, source: { s3Location: { uri: source.url } } }
}

function writeMedia(kind: 'image' | 'video' | 'audio', source: MediaSource): readonly JsonObject[] {
  const media = mediaOf(kind, source)
  return media === null ? [] : [{ [kind]: media }]
}

/** A document's format and source; null for what the API can't fetch or has no name for. */
export function documentOf(source: DocumentSource): { format?: string; source: JsonObject } | null {
  if (source.kind === 'text')
    return { format: formatOf('document', source.mediaType ?? '') ?? 'txt', source: { text: source.text } }
  if (source.kind !== 'parts') return mediaOf('document', source)
  const content = source.parts.flatMap((part) => (part.kind === 'text' ? [{ text: part.text }] : []))
  return content.length < source.parts.length ? null : { source: { content } }
}

function writeDocument(part: Extract<NeutralPart, { kind: 'document' }>, context: BlockContext): readonly JsonObject[] {
  const document = documentOf(part.source)
  if (document === null) return []
  const block = withoutUndefined({
    format: document.format,
    name: context.documentName(part.title),
    source: document.source,
    context: part.context,
    citations: part.isCited === true ? { enabled: true } : undefined,
  })
  return [{ document: block }]
}

/** True for a signature that Bedrock itself can check, as far as is known. */
export function isBedrockSignature(signature: Signature | undefined): boolean {
  return signature !== undefined && (signature.maker === null || signature.maker === 'bedrock')
}

/** Only signed reasoning can be sent back; models reject any other. */
function writeReasoning(part: Extract<NeutralPart, { kind: 'reasoning' }>): readonly JsonObject[] {
  const { redacted, signature, text } = part
  if (redacted !== undefined && isBedrockSignature(redacted))
    return [{ reasoningContent: { redactedContent: redacted.value } }]
  if (redacted !== undefined || signature === undefined || !isBedrockSignature(signature)) return []
  return [{ reasoningContent: { reasoningText: { text, signature: signature.value } } }]
}

function writeResult(part: Extract<NeutralPart, { kind: 'tool-result' }>, context: BlockContext): JsonObject {
  const content = part.content.flatMap((inner) => writeBlock(inner, context))
  const status = part.isError ? { status: 'error' } : {}
  return { toolResult: { toolUseId: context.id(part.callId), content, ...status } }
}

function readArguments(text: string): JsonObject {
  const value = parseJson(text)
  if (isJsonObject(value)) return value
  return text.trim() === '' ? {} : { arguments: text }
}

const ID_CHARS_MAX = 64
const NAME_CHARS_MAX = 200

/** What a request's blocks share, afresh for every request. */
export function createBlockContext(takesCacheMarks: boolean): BlockContext {
  const ids = createNames((id) => id.replaceAll(/[^a-zA-Z0-9_-]/g, '_').slice(0, ID_CHARS_MAX) || 'call', '_')
  const used = new Map<string, number>()
  return {
    id: ids,
    documentName(title) {
      const name = documentName(title ?? '')
      const count = (used.get(name) ?? 0) + 1
      used.set(name, count)
      return count === 1 ? name : `${name} (${count})`
    },
    takesCacheMarks,
  }
}

/** Letters, digits, single spaces, hyphens and brackets are what a name may have; underscores are taken, too. */
function documentName(title: string): string {
  const plain = title.replaceAll(/[^\p{L}\p{N}\s()[\]_-]/gu, ' ').replaceAll(/\s+/g, ' ')
  return plain.slice(0, NAME_CHARS_MAX - 10).trim() || 'Document'
}

function createNames(form: (name: string) => string, separator: string): (name: string) => string {
  const given = new Map<string, string>()
  const used = new Set<string>()
  return function nameFor(name) {
    const known = given.get(name)
    if (known !== undefined) return known
    const base = form(name)
    let formed = base
    for (let n = 2; used.has(formed); n += 1) {
      const ending = `${separator}${n}`
      formed = base.slice(0, ID_CHARS_MAX - ending.length) + ending
    }
    given.set(name, formed)
    used.add(formed)
    return formed
  }
}
