// What an assistant said, as items of the responses wire: the output of a reply, and the history of a request.
// https://platform.openai.com/docs/api-reference/responses/object#responses-object-output
import type { JsonObject } from '../core/json.ts'
import type { NeutralPart, TokenLogprob } from '../core/neutral.ts'
import { RESPONSES_WIRE, writeGeneratedImage, writeResponsesAnnotation } from './openai-responses.ts'
import { sealForItem } from './openai-responses-reasoning.ts'
import type { SignatureUse } from './openai-responses-reasoning.ts'
import type { Signature } from '../core/neutral.ts'
import { isJsonArray, objectOf } from './read.ts'

/** The kinds of items that are written, by how their ids begin. */
export type ItemPrefix = 'msg' | 'rs' | 'fc' | 'ctc' | 'ig'

/** A content part of a message. */
export function textContent(
  text: string,
  annotations: readonly JsonObject[],
  logprobs: readonly TokenLogprob[],
): JsonObject {
  return { type: 'output_text', text, annotations, logprobs: logprobs.map((token) => withBytes(token)) }
}

/** A token of which a provider doesn't say the bytes has none here, where the chat wire has null. */
function withBytes(token: TokenLogprob): TokenLogprob {
  const { bytes, top_logprobs: top } = token
  const others = isJsonArray(top) ? { top_logprobs: top.map((other) => withBytes(objectOf(other))) } : {}
  return { ...token, bytes: isJsonArray(bytes) ? bytes : [], ...others }
}

export function refusalContent(refusal: string): JsonObject {
  return { type: 'refusal', refusal }
}

/** A message. `phase`: whether it is said on the way or is the answer; undefined where nobody says. */
export function messageItem(id: string, status: string, content: readonly JsonObject[], phase?: string): JsonObject {
  return { id, type: 'message', status, role: 'assistant', content, ...(phase === undefined ? {} : { phase }) }
}

/** A reasoning item; its text is told as a summary, which is what clients show and send back. */
export function reasoningItem(id: string, texts: readonly string[], encrypted: string | null): JsonObject {
  const summary = texts.map((text) => ({ type: 'summary_text', text }))
  return { id, type: 'reasoning', summary, ...(encrypted === null ? {} : { encrypted_content: encrypted }) }
}

/** A signature of something else than reasoning, as an item of its own. */
export function signatureItem(id: string, signature: Signature, use: SignatureUse): JsonObject {
  return reasoningItem(id, [], sealForItem(signature, use, id))
}

export interface CallFacts {
  readonly id: string
  readonly name: string
  readonly isCustom?: boolean
}

export function callItem(id: string, call: CallFacts, status: string, text: string): JsonObject {
  const head = { id, type: call.isCustom === true ? 'custom_tool_call' : 'function_call', status, call_id: call.id }
  return call.isCustom === true
    ? { ...head, name: call.name, input: text }
    : { ...head, name: call.name, arguments: text }
}

export function imageItem(id: string, part: Extract<NeutralPart, { kind: 'image' }>): JsonObject {
  return { id, type: 'image_generation_call', status: 'completed', ...writeGeneratedImage(part.source) }
}

/** The id that a reasoning part's item has to have; null for any. */
export function ownItemId(signature: Signature | undefined): string | null {
  return signature?.maker === 'openai-responses' ? (signature.itemId ?? null) : null
}

/**
 * The items that `parts` are, in order. Texts and refusals that stand together are one message; `logprobs` go with the
 * first text, `status` is that of a message at the end. Sound, and pieces that only another wire knows, have no place and are left out.
 */
export function outputItems(
  parts: readonly NeutralPart[],
  nextId: (prefix: ItemPrefix) => string,
  status: string,
  logprobs: readonly TokenLogprob[] = [],
): readonly JsonObject[] {
  const items: JsonObject[] = []
  let content: JsonObject[] | null = null
  let hasText = false
  let phase: string | undefined
  const addContent = (piece: JsonObject): void => {
    if (content === null) {
      content = []
      items.push(messageItem(nextId('msg'), 'completed', content, phase))
    }
    content.push(piece)
  }
  for (const part of parts) {
    if (part.kind === 'text') {
      if (part.text !== '' && part.phase !== phase) content = null
      if (part.text !== '') phase = part.phase
      if (part.text !== '') addContent(textPartContent(part, hasText ? [] : logprobs))
      hasText ||= part.text !== ''
    } else if (part.kind === 'refusal') addContent(refusalContent(part.text))
    const others = itemsOf(part, nextId)
    if (others.length > 0) content = null
    items.push(...others)
  }
  const last = items.at(-1)
  if (last !== undefined && content !== null) items[items.length - 1] = { ...last, status }
  return items
}

function textPartContent(part: Extract<NeutralPart, { kind: 'text' }>, logprobs: readonly TokenLogprob[]): JsonObject {
  const annotations = (part.citations ?? []).map((citation) => writeResponsesAnnotation(citation, part.text.length))
  return textContent(part.text, annotations, logprobs)
}

function itemsOf(part: NeutralPart, nextId: (prefix: ItemPrefix) => string): readonly JsonObject[] {
  switch (part.kind) {
    case 'text':
      if (part.signature === undefined) return []
      return [signatureItem(nextId('rs'), part.signature, part.text === '' ? 'empty' : 'text')]
    case 'reasoning': {
      const signature = part.redacted ?? part.signature
      const id = ownItemId(signature) ?? nextId('rs')
      const use = part.redacted === undefined ? 'reasoning' : 'redacted'
      const encrypted = signature === undefined ? null : sealForItem(signature, use, id)
      return [reasoningItem(id, part.text === '' ? [] : [part.text], encrypted)]
    }
    case 'tool-call': {
      const signed = part.signature === undefined ? [] : [signatureItem(nextId('rs'), part.signature, 'call')]
      return [...signed, callItem(nextId(part.isCustom === true ? 'ctc' : 'fc'), part, 'completed', part.argumentsText)]
    }
    case 'image':
      return [imageItem(nextId('ig'), part)]
    case 'other':
      return part.wire === RESPONSES_WIRE ? [part.value] : []
    default:
      return []
  }
}
