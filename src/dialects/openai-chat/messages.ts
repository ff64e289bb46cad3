// Writes neutral turns as messages of the chat wire, in the form that this target takes: a client of the same wire gets its
// own words back, anybody else what OpenAI's description has and the provider's quirks add to it.
import { hasQuirk } from '../../core/quirk.ts'
import type { Target } from '../../core/directory.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { CacheMark, NeutralMessage, NeutralPart, NeutralRequest } from '../../core/neutral.ts'
import { urlOfMedia } from '../../wire/media-url.ts'
import { writeAssistantMessage } from '../../wire/openai-chat-assistant.ts'
import type { AssistantForm } from '../../wire/openai-chat-assistant.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { callIdMap } from './call-ids.ts'
import { saidResult } from '../tool-result.ts'

/** How messages are written for one request to one target. */
export interface MessageForm extends AssistantForm {
  /** Whether the client's own wire is this one: what only this wire knows goes on. */
  readonly isSame: boolean
}

/** The form for a request and a target. */
export function messageForm(request: NeutralRequest, target: Target): MessageForm {
  const isSame = request.wire === 'openai-chat'
  const isLenient = isSame && !hasQuirk(target, 'strict-fields')
  const hasDetails = hasQuirk(target, 'reasoning-details')
  const hasContent = hasQuirk(target, 'reasoning-content')
  const hasMarks = isLenient || hasQuirk(target, 'cache-control')
  const inExtra = isLenient || hasQuirk(target, 'extra-content')
  return {
    reasoning: isLenient ? 'both' : hasDetails ? 'details' : hasContent ? 'content' : 'none',
    callSignature: hasDetails && !isSame ? 'details' : inExtra ? 'extra-content' : 'none',
    isListed: isSame || hasMarks,
    text: (part) => marked({ type: 'text', text: part.text }, part.cacheMark, hasMarks),
    callId: hasQuirk(target, 'tool-ids-9') ? callIdMap() : (id) => id,
    hasMarks,
    isSame,
  }
}

/** All turns as messages. Pictures among a tool's results, which the wire has no place for, follow as the user's. */
export function writeChatMessages(messages: readonly NeutralMessage[], form: MessageForm): readonly JsonObject[] {
  return messages.flatMap((message) => writeMessage(message, form))
}

/** `object` with a mark for the prompt cache, where the provider takes one. */
export function marked(object: JsonObject, mark: CacheMark | undefined, hasMarks: boolean): JsonObject {
  if (mark === undefined || !hasMarks) return object
  const cache_control = mark.ttl === null ? { type: 'ephemeral' } : { type: 'ephemeral', ttl: mark.ttl }
  return { ...object, cache_control }
}

function writeMessage(message: NeutralMessage, form: MessageForm): readonly JsonObject[] {
  const results: JsonObject[] = []
  const rest: NeutralPart[] = []
  for (const part of message.parts) {
    if (part.kind !== 'tool-result') rest.push(part)
    else results.push(writeResult(part, form, rest))
  }
  if (rest.length === 0 && results.length > 0) return results
  const name = message.name === undefined ? {} : { name: message.name }
  const body =
    message.role === 'assistant'
      ? writeAssistant(rest, form)
      : { role: message.role, content: writeContent(rest, form) }
  return [...results, { ...body, ...name }]
}

type Result = NeutralPart & { readonly kind: 'tool-result' }

/** A tool's result; what it can't hold is added to `rest`. */
function writeResult(part: Result, form: MessageForm, rest: NeutralPart[]): JsonObject {
  const isText = (inner: NeutralPart): boolean => inner.kind === 'text' || inner.kind === 'refusal'
  const said = saidResult(part)
  const content = form.isSame ? said : said.filter((inner) => isText(inner))
  if (!form.isSame) rest.push(...said.filter((inner) => !isText(inner)))
  const message = withoutUndefined({
    role: 'tool',
    tool_call_id: form.callId(part.callId),
    name: form.isSame ? part.name : undefined,
    content: content.length === 0 ? '' : writeContent(content, form),
  })
  return marked(message, part.cacheMark, form.hasMarks)
}

function writeAssistant(parts: readonly NeutralPart[], form: MessageForm): JsonObject {
  const audio = parts.find((part) => part.kind === 'audio')
  if (audio === undefined) return writeAssistantMessage(parts, form)
  const { id, transcript } = audio
  // Sound can only be named; a provider that hasn't made it gets the words.
  const isNamed = id !== undefined && form.isSame
  const words: NeutralPart[] = isNamed || transcript === undefined ? [] : [{ kind: 'text', text: transcript }]
  const message = writeAssistantMessage([...parts, ...words], form)
  return isNamed
    ? { ...message, content: message['content'] === '' ? null : (message['content'] ?? null), audio: { id } }
    : message
}

function writeContent(parts: readonly NeutralPart[], form: MessageForm): Json {
  const only = parts.length === 1 ? parts[0] : undefined
  if (only?.kind === 'text' && (only.cacheMark === undefined || !form.hasMarks)) return only.text
  return parts.flatMap((part) => writePart(part, form).map((value) => marked(value, part.cacheMark, form.hasMarks)))
}

function writePart(part: NeutralPart, form: MessageForm): readonly JsonObject[] {
  switch (part.kind) {
    case 'text':
      return [{ type: 'text', text: part.text }]
    case 'refusal':
      return [form.isSame ? { type: 'refusal', refusal: part.text } : { type: 'text', text: part.text }]
    case 'image': {
      const url = urlOfMedia(part.source)
      if (url === null) return []
      return [{ type: 'image_url', image_url: withoutUndefined({ url, detail: part.detail }) }]
    }
    case 'video': {
      const url = urlOfMedia(part.source)
      return url === null ? [] : [{ type: 'video_url', video_url: { url } }]
    }
    case 'audio':
      return writeAudio(part)
    case 'document':
      return writeDocument(part, form)
    case 'other':
      return [part.value]
    default:
      return []
  }
}

function writeAudio({ source }: NeutralPart & { readonly kind: 'audio' }): readonly JsonObject[] {
  if (source.kind === 'file') return []
  if (source.kind === 'url') return [{ type: 'input_audio', input_audio: source.url }]
  const subtype = source.mediaType.replace(/^audio\/(?:x-)?/, '')
  const format = subtype === 'mpeg' ? 'mp3' : subtype === 'wave' ? 'wav' : subtype
  return [{ type: 'input_audio', input_audio: { data: source.data, format } }]
}

/** A file; text goes as text, under its title. */
function writeDocument(
  { source, title, context }: NeutralPart & { readonly kind: 'document' },
  form: MessageForm,
): readonly JsonObject[] {
  const heading = [title, context].filter((line) => line !== undefined).join('\n')
  const head = heading === '' ? [] : [{ type: 'text', text: heading }]
  switch (source.kind) {
    case 'text':
      return [{ type: 'text', text: heading === '' ? source.text : `${heading}\n\n${source.text}` }]
    case 'parts':
      return [...head, ...source.parts.flatMap((part) => writePart(part, form))]
    case 'file':
      return [{ type: 'file', file: withoutUndefined({ file_id: source.id, filename: title }) }]
    default: {
      const filename = title ?? (form.isSame ? undefined : 'document.pdf')
      const said = context === undefined ? [] : [{ type: 'text', text: context }]
      return [...said, { type: 'file', file: withoutUndefined({ filename, file_data: urlOfMedia(source) ?? '' }) }]
    }
  }
}
