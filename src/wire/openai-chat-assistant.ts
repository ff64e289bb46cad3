// An assistant's message on the OpenAI chat wire, as a reply to a client or as history to a provider. Separate, because
// what a client gets here it must be able to send back: reasoning and signatures ride along.
import type { Json, JsonObject } from '../core/json.ts'
import type { NeutralPart } from '../core/neutral.ts'
import { writeAnnotation } from './openai-chat-citation.ts'
import { sealDetail, writeExtraContent, writeReasoningDetails } from './openai-chat-reasoning.ts'
import { urlOfMedia } from './media-url.ts'
import { withoutUndefined } from './write.ts'

/** What of a message goes where, or stays behind. */
export interface AssistantForm {
  /** `both`: as plain text, and in full where it is signed. `none`: reasoning is a hint about a turn that is over. */
  readonly reasoning: 'both' | 'content' | 'details' | 'none'
  /** Where the signature of a call stands. */
  readonly callSignature: 'extra-content' | 'details' | 'none'
  /** Several texts as a list of parts; joined, as a client expects it of a reply, if not. */
  readonly isListed: boolean
  /** Whether marks for the prompt cache are taken. */
  readonly hasMarks: boolean
  /** How the text that a list holds is written. */
  readonly text: (part: NeutralPart & { readonly kind: 'text' }) => JsonObject
  /** The call's id as the provider takes it. */
  readonly callId: (id: string) => string
}

/** A reply to a client: everything, for whoever wants it. */
export const REPLY_FORM: AssistantForm = {
  reasoning: 'both',
  callSignature: 'extra-content',
  isListed: false,
  hasMarks: false,
  text: ({ text }) => ({ type: 'text', text }),
  callId: (id) => id,
}

type Call = NeutralPart & { readonly kind: 'tool-call' }

/** An assistant's message: text, tool calls, reasoning, pictures, citations. Sound is the caller's business. */
export function writeAssistantMessage(parts: readonly NeutralPart[], form: AssistantForm): JsonObject {
  const calls = parts.flatMap((part) => (part.kind === 'tool-call' ? [part] : []))
  const refusal = textOfKind(parts, 'refusal')
  const content = writeContent(parts, form)
  return withoutUndefined({
    role: 'assistant',
    content: content ?? (calls.length > 0 || refusal !== null ? null : ''),
    refusal: refusal ?? undefined,
    ...writeReasoning(parts, calls, form),
    annotations: listed(
      parts.flatMap((part) => (part.kind === 'text' ? (part.citations ?? []) : [])).map((one) => writeAnnotation(one)),
    ),
    images: listed(parts.flatMap((part) => writeImage(part))),
    tool_calls: listed(calls.map((call) => writeCall(call, form))),
  })
}

/** A call, as a whole message has it. */
export function writeCall(call: Call, form: AssistantForm): JsonObject {
  const { name, argumentsText, signature } = call
  const said =
    call.isCustom === true
      ? { type: 'custom', custom: { name, input: argumentsText } }
      : { type: 'function', function: { name, arguments: argumentsText } }
  const isSigned = signature !== undefined && form.callSignature === 'extra-content'
  return { id: form.callId(call.id), ...said, ...(isSigned ? { extra_content: writeExtraContent(signature) } : {}) }
}

function writeContent(parts: readonly NeutralPart[], form: AssistantForm): Json {
  const texts = parts.flatMap((part) => (part.kind === 'text' ? [part] : []))
  const others = parts.flatMap((part) => (part.kind === 'other' ? [part.value] : []))
  const isPlain =
    !form.isListed || (texts.length < 2 && others.length === 0 && !(form.hasMarks && texts[0]?.cacheMark !== undefined))
  return isPlain ? textOfKind(parts, 'text') : [...texts.map((part) => form.text(part)), ...others]
}

function writeReasoning(parts: readonly NeutralPart[], calls: readonly Call[], form: AssistantForm): JsonObject {
  const details = form.reasoning === 'both' || form.reasoning === 'details' ? [...writeReasoningDetails(parts)] : []
  if (form.callSignature === 'details') {
    for (const { id, signature } of calls) {
      if (signature === undefined) continue
      details.push(
        sealDetail({ maker: signature.maker ?? 'gemini', value: signature.value, itemId: id }, true, parts.length),
      )
    }
  }
  const isPlain =
    form.reasoning === 'both' || form.reasoning === 'content' || (form.reasoning === 'details' && details.length === 0)
  const signed = parts.findLast((part) => part.kind === 'text' && part.signature !== undefined)
  const signature = signed?.kind === 'text' && form.callSignature === 'extra-content' ? signed.signature : undefined
  return {
    reasoning_content: isPlain ? (textOfKind(parts, 'reasoning') ?? undefined) : undefined,
    reasoning_details: listed(details),
    extra_content: signature === undefined ? undefined : writeExtraContent(signature),
  }
}

function writeImage(part: NeutralPart): readonly JsonObject[] {
  const url = part.kind === 'image' ? urlOfMedia(part.source) : null
  return url === null ? [] : [{ type: 'image_url', image_url: { url } }]
}

function listed(list: readonly JsonObject[]): readonly JsonObject[] | undefined {
  return list.length === 0 ? undefined : list
}

function textOfKind(parts: readonly NeutralPart[], kind: 'text' | 'reasoning' | 'refusal'): string | null {
  const texts = parts.flatMap((part) => (part.kind === kind && part.text !== '' ? [part.text] : []))
  return texts.length === 0 ? null : texts.join('')
}
