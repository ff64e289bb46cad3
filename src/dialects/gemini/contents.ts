// Writes the turns of a neutral request as Gemini's `contents`: two roles in alternation, results of tools in front of what
// the user says, signatures on the parts that they came on. https://ai.google.dev/api/caching#Content and, on signatures,
// https://ai.google.dev/gemini-api/docs/thought-signatures (read 2026-11-21)
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { DocumentSource, MediaSource, NeutralMessage, NeutralPart, Signature } from '../../core/neutral.ts'
import { isMadeUpId } from '../../wire/gemini.ts'
import type { GeminiFamily } from '../../wire/gemini.ts'
import { withoutUndefined } from '../../wire/write.ts'

/** What Google documents for a call whose signature is not to be had, because another model made it: models from version
 *  3 on refuse the first call of a step without any. */
const NO_SIGNATURE = 'skip_thought_signature_validator'

/** The turns, and what the system said: null where that is part of the turns, or nothing. */
export interface GeminiTurns {
  readonly contents: readonly JsonObject[]
  readonly system: JsonObject | null
}

/** The turns as the model takes them. Gemma has no place for a system's text: it goes before the first turn. */
export function writeTurns(messages: readonly NeutralMessage[], family: GeminiFamily): GeminiTurns {
  const system = messages
    .filter((message) => message.role === 'system')
    .flatMap((message) =>
      message.parts.flatMap((part) => (part.kind === 'text' && part.text !== '' ? [{ text: part.text }] : [])),
    )
  const turns = joinTurns(messages, family)
  if (system.length === 0) return { contents: turns, system: null }
  if (turns.length > 0 && !family.isGemma) return { contents: turns, system: { parts: system } }
  const [first, ...rest] = turns
  const isUser = first?.role === 'user'
  const head = { role: 'user', parts: isUser ? [...system, ...first.parts] : system }
  return { contents: isUser ? [head, ...rest] : [head, ...turns], system: null }
}

interface Turn extends JsonObject {
  readonly role: 'user' | 'model'
  readonly parts: readonly JsonObject[]
}

function joinTurns(messages: readonly NeutralMessage[], family: GeminiFamily): readonly Turn[] {
  const names = new Map<string, string>()
  const turns: { readonly role: Turn['role']; readonly parts: JsonObject[] }[] = []
  for (const message of messages) {
    if (message.role === 'system') continue
    const role = message.role === 'assistant' ? 'model' : 'user'
    const parts =
      role === 'model' ? writeModelParts(message.parts, names) : writeUserParts(message.parts, names, family)
    if (parts.length === 0) continue
    const last = turns.at(-1)
    if (last?.role === role) last.parts.push(...parts)
    else turns.push({ role, parts: [...parts] })
  }
  return turns.map(({ role, parts }) => ({
    role,
    parts: role === 'model' ? signed(parts, family) : resultsFirst(parts),
  }))
}

/** The first call of a turn with a signature, be it one that stands for none, where the model insists on it. */
function signed(parts: readonly JsonObject[], { version }: GeminiFamily): readonly JsonObject[] {
  const first = version === null || version < 3 ? -1 : parts.findIndex((part) => part['functionCall'] !== undefined)
  return parts.map((part, place) => (place === first ? { thoughtSignature: NO_SIGNATURE, ...part } : part))
}

function resultsFirst(parts: readonly JsonObject[]): readonly JsonObject[] {
  const isResult = (part: JsonObject): boolean => part['functionResponse'] !== undefined
  return [...parts.filter((part) => isResult(part)), ...parts.filter((part) => !isResult(part))]
}

function writeModelParts(parts: readonly NeutralPart[], names: Map<string, string>): readonly JsonObject[] {
  const written: JsonObject[] = []
  // A signature that came without words belongs to what was said next.
  let loose: string | undefined
  for (const part of parts) {
    const own = signatureOf(part)
    if (part.kind === 'reasoning' && part.text === '') {
      loose = own ?? loose
      continue
    }
    const isSigned = part.kind === 'text' || part.kind === 'tool-call' || part.kind === 'reasoning'
    const thoughtSignature = isSigned ? (own ?? loose) : undefined
    if (thoughtSignature !== undefined) loose = undefined
    const piece = writeModelPart(part, thoughtSignature, names)
    if (piece !== null) written.push(withoutUndefined({ ...piece, thoughtSignature }))
  }
  return loose === undefined ? written : [...written, { text: '', thoughtSignature: loose }]
}

function writeModelPart(
  part: NeutralPart,
  signature: string | undefined,
  names: Map<string, string>,
): JsonObject | null {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      return part.text === '' && signature === undefined ? null : { text: part.text }
    case 'reasoning':
      return signature === undefined ? null : { text: part.text, thought: true }
    case 'tool-call':
      names.set(part.id, part.name)
      return { functionCall: withId(part.id, { name: part.name, args: readArguments(part.argumentsText) }) }
    case 'audio':
      return part.transcript === undefined || part.transcript === ''
        ? writeMedia(part.source)
        : { text: part.transcript }
    case 'image':
    case 'video':
      return writeMedia(part.source)
    case 'other':
      return part.wire === 'gemini' ? part.value : null
    default:
      return null
  }
}

/** The signature to send back: Gemini's own, or one of a maker that the client couldn't name. */
function signatureOf(part: NeutralPart): string | undefined {
  const signature: Signature | undefined =
    part.kind === 'reasoning'
      ? (part.signature ?? part.redacted)
      : part.kind === 'text' || part.kind === 'tool-call'
        ? part.signature
        : undefined
  if (signature === undefined || !(signature.maker === null || signature.maker === 'gemini')) return undefined
  return /^[\w+/=-]+$/.test(signature.value) ? signature.value : undefined
}

/** With its id, if that is a provider's: one that was made up here says nothing to anybody. */
function withId(id: string, rest: JsonObject): JsonObject {
  return isMadeUpId(id) ? rest : { id, ...rest }
}

function readArguments(text: string): JsonObject {
  const value = parseJson(text)
  if (isJsonObject(value)) return value
  return text.trim() === '' ? {} : { arguments: text }
}

function writeUserParts(
  parts: readonly NeutralPart[],
  names: ReadonlyMap<string, string>,
  family: GeminiFamily,
): readonly JsonObject[] {
  return parts.flatMap((part) => (part.kind === 'tool-result' ? writeResult(part, names, family) : writeUserPart(part)))
}

function writeUserPart(part: NeutralPart): readonly JsonObject[] {
  switch (part.kind) {
    case 'text':
    case 'refusal':
      return part.text === '' ? [] : [{ text: part.text }]
    case 'image':
    case 'audio':
    case 'video':
      return [writeMedia(part.source)]
    case 'document': {
      const head = [part.title, part.context].filter((text) => text !== undefined && text !== '').join('\n')
      return [...(head === '' ? [] : [{ text: head }]), ...writeDocument(part.source)]
    }
    case 'other':
      return part.wire === 'gemini' ? [part.value] : []
    default:
      return []
  }
}

function writeDocument(source: DocumentSource): readonly JsonObject[] {
  if (source.kind === 'text') return [{ text: source.text }]
  return source.kind === 'parts' ? source.parts.flatMap((part) => writeUserPart(part)) : [writeMedia(source)]
}

type ToolResult = Extract<NeutralPart, { readonly kind: 'tool-result' }>

/** A result as `output` or `error`; its pictures and sounds inside it where the model takes them there, else behind it. */
function writeResult(
  part: ToolResult,
  names: ReadonlyMap<string, string>,
  family: GeminiFamily,
): readonly JsonObject[] {
  const pieces = part.content.flatMap((inner) => writeUserPart(inner))
  const text = pieces.flatMap((piece) => (typeof piece['text'] === 'string' ? [piece['text']] : [])).join('\n')
  const media = pieces.filter((piece) => piece['text'] === undefined)
  const isInside = media.length > 0 && (family.version ?? 0) >= 3 && media.every((piece) => piece['inlineData'])
  const response: JsonObject = part.isError ? { error: text } : { output: text }
  const name = part.name ?? names.get(part.callId) ?? part.callId
  const result = withoutUndefined({ name, response, parts: isInside ? media : undefined })
  return [{ functionResponse: withId(part.callId, result) }, ...(isInside ? [] : media)]
}

function writeMedia(source: MediaSource): JsonObject {
  if (source.kind === 'base64') return { inlineData: { mimeType: source.mediaType, data: source.data } }
  const given = source.kind === 'url' ? source.mediaType : undefined
  const fileUri = source.kind === 'url' ? source.url : fileAddress(source.id)
  return { fileData: withoutUndefined({ fileUri, mimeType: given ?? mediaTypeOf(fileUri) }) }
}

/** True for a file that Google keeps: one of the Files API, of Cloud Storage, or at an address. */
export function isGoogleFile(id: string): boolean {
  return /^(?:files\/|gs:\/\/|https?:\/\/)/.test(id)
}

function fileAddress(id: string): string {
  return id.startsWith('files/') ? `https://generativelanguage.googleapis.com/v1beta/${id}` : id
}

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
  heic: 'image/heic',
  gif: 'image/gif',
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  csv: 'text/csv',
  html: 'text/html',
  mp3: 'audio/mp3',
  wav: 'audio/wav',
  ogg: 'audio/ogg',
  flac: 'audio/flac',
  mp4: 'video/mp4',
  mov: 'video/mov',
  webm: 'video/webm',
}

/** What an address's ending says of what is there. */
function mediaTypeOf(url: string): string | undefined {
  const ending = /\.([a-z0-9]+)(?:[?#]|$)/i.exec(url.slice(url.lastIndexOf('/')))?.[1]?.toLowerCase()
  return ending !== undefined && Object.hasOwn(MEDIA_TYPES, ending) ? MEDIA_TYPES[ending] : undefined
}

/** Whether a call's arguments are what the wire takes: an object, or nothing. */
export function areArguments(text: string): boolean {
  const value: Json | undefined = parseJson(text)
  return text.trim() === '' || isJsonObject(value)
}
