// Writes neutral turns as the items of a responses request. The system's first words are its instructions; an assistant's
// turn is as many items as it had, without ids of their own, since nothing is stored.
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
import type { Json, JsonObject } from '../../core/json.ts'
import type { DocumentSource, NeutralMessage, NeutralPart } from '../../core/neutral.ts'
import { urlOfMedia } from '../../wire/media-url.ts'
import { RESPONSES_WIRE } from '../../wire/openai-responses.ts'
import { callItem, refusalContent } from '../../wire/openai-responses-items.ts'
import { RESPONSES_MAKER } from '../../wire/openai-responses-reasoning.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { saidResult } from '../tool-result.ts'

/** Instructions, where the first turns are the system's and nothing but text, and all other turns. */
export function writeInput(messages: readonly NeutralMessage[]): {
  readonly instructions: string | undefined
  readonly input: readonly JsonObject[]
} {
  const first = messages.findIndex(({ role, parts }) => role !== 'system' || parts.some(({ kind }) => kind !== 'text'))
  // A request has to have some input.
  const count = first === -1 ? 0 : first
  const texts = messages.slice(0, count).map(({ parts }) => textOf(parts))
  const custom = customCalls(messages)
  return {
    instructions: texts.length === 0 ? undefined : texts.join('\n\n'),
    input: messages.slice(count).flatMap((message) => writeMessage(message, custom)),
  }
}

function textOf(parts: readonly NeutralPart[]): string {
  return parts.flatMap((part) => (part.kind === 'text' ? [part.text] : [])).join('\n')
}

/** Ids of calls in free form: their results are of another type. */
function customCalls(messages: readonly NeutralMessage[]): ReadonlySet<string> {
  const calls = messages.flatMap(({ parts }) => parts)
  return new Set(calls.flatMap((part) => (part.kind === 'tool-call' && part.isCustom === true ? [part.id] : [])))
}

function writeMessage({ role, parts }: NeutralMessage, custom: ReadonlySet<string>): readonly JsonObject[] {
  if (role === 'assistant') return writeAssistant(parts)
  const items: JsonObject[] = []
  let content: Json[] = []
  const flush = (): void => {
    if (content.length > 0) items.push({ role, content: plainOr(content) })
    content = []
  }
  for (const part of parts) {
    if (part.kind === 'tool-result') {
      flush()
      const type = custom.has(part.callId) ? 'custom_tool_call_output' : 'function_call_output'
      items.push({ type, call_id: part.callId, output: plainOr(saidResult(part).flatMap((inner) => writePart(inner))) })
    } else if (part.kind === 'other' && part.wire === RESPONSES_WIRE && !isContent(part)) {
      flush()
      items.push(part.value)
    } else content.push(...writePart(part))
  }
  flush()
  return items
}

/** A single text as a string, which is the shorter way to say it. */
function plainOr(content: readonly Json[]): Json {
  const [only] = content
  if (content.length === 0) return ''
  if (content.length > 1 || typeof only !== 'object' || only === null || !('text' in only)) return content
  return only.text ?? ''
}

/** What an assistant did: texts that stand together are one message. */
function writeAssistant(parts: readonly NeutralPart[]): readonly JsonObject[] {
  const items: JsonObject[] = []
  let content: JsonObject[] = []
  let phase: string | undefined
  const flush = (): void => {
    const isText = content.every((piece) => piece['type'] === 'output_text' && piece['annotations'] === undefined)
    const said = isText ? plainOr(content) : content
    const named = phase === undefined ? {} : { phase }
    const type = isText && phase === undefined ? {} : { type: 'message' }
    if (content.length > 0) items.push({ ...type, role: 'assistant', content: said, ...named })
    content = []
  }
  for (const part of parts) {
    if (part.kind === 'text') {
      if (part.phase !== phase) flush()
      phase = part.phase
      content.push(writeSaid(part))
    } else if (part.kind === 'refusal') content.push(refusalContent(part.text))
    else if (part.kind === 'other' && isContent(part)) content.push(part.value)
    else {
      const item = writeDone(part)
      if (item === null) continue
      flush()
      items.push(item)
    }
  }
  flush()
  return items
}

/** What an assistant said, with the sources that this wire has named in its own words. */
function writeSaid({ text, citations = [] }: Extract<NeutralPart, { kind: 'text' }>): JsonObject {
  const annotations = citations.flatMap(({ wire, value }) =>
    wire === RESPONSES_WIRE && value !== undefined ? [value] : [],
  )
  return { type: 'output_text', text, ...(annotations.length === 0 ? {} : { annotations }) }
}

/** What an assistant did besides talking; null for what can't be sent back. */
function writeDone(part: NeutralPart): JsonObject | null {
  if (part.kind === 'reasoning') return writeReasoning(part)
  if (part.kind === 'other') return part.wire === RESPONSES_WIRE ? part.value : null
  if (part.kind !== 'tool-call') return null
  const { id: _, status: __, ...call } = callItem('', part, '', part.argumentsText)
  return call
}

/** Reasoning goes back where it is this provider's own, or where nobody says whose it is. Its text alone says nothing. */
function writeReasoning(part: Extract<NeutralPart, { kind: 'reasoning' }>): JsonObject | null {
  const signature = part.redacted ?? part.signature
  if (signature === undefined || (signature.maker !== null && signature.maker !== RESPONSES_MAKER)) return null
  return withoutUndefined({
    type: 'reasoning',
    id: signature.itemId,
    summary: part.text === '' ? [] : [{ type: 'summary_text', text: part.text }],
    // Reasoning without it is stored at the provider, under its id.
    encrypted_content: signature.value === '' ? undefined : signature.value,
  })
}

type OtherPart = Extract<NeutralPart, { kind: 'other' }>

/** Whether a piece of this wire is one of a message's content, not an item. */
function isContent(part: OtherPart): boolean {
  return part.wire === RESPONSES_WIRE && part.type.startsWith('content.')
}

/** A part of a user's message, or of a tool's result. */
function writePart(part: NeutralPart): readonly JsonObject[] {
  switch (part.kind) {
    case 'text':
      return [{ type: 'input_text', text: part.text }]
    case 'refusal':
      return [{ type: 'input_text', text: part.text }]
    case 'image': {
      const { source, detail } = part
      const file = source.kind === 'file' ? source.id : undefined
      return [
        withoutUndefined({
          type: 'input_image',
          image_url: urlOfMedia(source) ?? undefined,
          file_id: file,
          detail,
        }),
      ]
    }
    case 'document':
      return writeDocument(part, part.source)
    case 'other':
      return isContent(part) ? [part.value] : []
    default:
      return []
  }
}

/** A file; a document that is text, or made of parts, is told as what it holds. */
function writeDocument(
  part: Extract<NeutralPart, { kind: 'document' }>,
  source: DocumentSource,
): readonly JsonObject[] {
  const context = part.context === undefined ? [] : [{ type: 'input_text', text: part.context }]
  switch (source.kind) {
    case 'text': {
      const text = part.title === undefined ? source.text : `${part.title}\n\n${source.text}`
      return [...context, { type: 'input_text', text }]
    }
    case 'parts':
      return [...context, ...source.parts.flatMap((inner) => writePart(inner))]
    case 'url':
      return [...context, { type: 'input_file', file_url: source.url }]
    case 'file':
      return [...context, { type: 'input_file', file_id: source.id }]
    case 'base64': {
      // Bytes need a name, by which the API tells what they are.
      const filename = part.title ?? `file.${source.mediaType.replace(/^.*\//, '')}`
      return [...context, { type: 'input_file', filename, file_data: urlOfMedia(source) }]
    }
  }
}
