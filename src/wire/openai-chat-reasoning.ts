// Reasoning on the chat wire, both ways. It has no place in OpenAI's own description; what providers made of it goes by
// three names, and signatures ride in `reasoning_details`, with their maker as `format`.
// https://openrouter.ai/docs/use-cases/reasoning-tokens#preserving-reasoning-blocks
import type { Json, JsonObject } from '../core/json.ts'
import type { NeutralPart, Signature } from '../core/neutral.ts'
import { arrayOf, isJsonArray, numberOf, objectOf, stringOf } from './read.ts'
import { withoutUndefined } from './write.ts'

/** A piece of reasoning, or what seals it. `block`: its number among the reasoning of one message; null where none is given. */
export type ReasoningPiece =
  | { readonly kind: 'reasoning'; readonly text: string; readonly block: number | null; readonly isSummary: boolean }
  | { readonly kind: 'signature'; readonly signature: Signature }
  | { readonly kind: 'redacted'; readonly signature: Signature; readonly block: number | null }
  /** Belongs to the tool call of that id, before or after it. */
  | { readonly kind: 'call-signature'; readonly callId: string; readonly signature: Signature }

const MAKER_OF_FORMAT: Readonly<Record<string, string>> = {
  'anthropic-claude-v1': 'anthropic',
  'google-gemini-v1': 'gemini',
  'openai-responses-v1': 'openai-responses',
}
const FORMAT_OF_MAKER: Readonly<Record<string, string>> = {
  anthropic: 'anthropic-claude-v1',
  gemini: 'google-gemini-v1',
  'openai-responses': 'openai-responses-v1',
}

/** Appends the reasoning of a message or delta. Details that have text say the same as the plain form, and which
 *  signature belongs to what. */
export function readReasoning(message: JsonObject, pieces: ReasoningPiece[]): void {
  const details = isJsonArray(message['reasoning_details']) ? message['reasoning_details'] : message['thinking_blocks']
  const list = arrayOf(details).map((detail) => objectOf(detail))
  if (list.every((detail) => detailText(detail) === null)) {
    const { reasoning_content: content, reasoning, thinking, reasoning_text: told } = message
    const text = stringOf(content) ?? stringOf(reasoning) ?? stringOf(thinking) ?? stringOf(told)
    if (text !== null) pieces.push({ kind: 'reasoning', text, block: null, isSummary: false })
  }
  for (const detail of list) readDetail(detail, pieces)
  const opaque = stringOf(message['reasoning_opaque'])
  if (opaque !== null) pieces.push({ kind: 'signature', signature: { maker: 'copilot', value: opaque } })
}

/** Reasoning as an item of a content list: Databricks' summaries, each with its signature.
 *  https://docs.databricks.com/aws/en/machine-learning/model-serving/query-reason-models (read 2026-11-21) */
export function readReasoningItem(item: JsonObject, pieces: ReasoningPiece[]): void {
  for (const value of [...arrayOf(item['summary']), ...arrayOf(item['content'])]) {
    const piece = objectOf(value)
    const text = stringOf(piece['text'])
    const signature = stringOf(piece['signature'])
    if (text !== null) pieces.push({ kind: 'reasoning', text, block: null, isSummary: false })
    if (signature !== null) pieces.push({ kind: 'signature', signature: { maker: 'anthropic', value: signature } })
  }
}

function detailText(detail: JsonObject): string | null {
  return stringOf(detail['text']) ?? stringOf(detail['summary']) ?? stringOf(detail['thinking'])
}

function readDetail(detail: JsonObject, pieces: ReasoningPiece[]): void {
  const type = detail['type']
  const block = numberOf(detail['index'])
  const text = detailText(detail)
  if (text !== null) pieces.push({ kind: 'reasoning', text, block, isSummary: type === 'reasoning.summary' })
  // LiteLLM's `thinking_blocks` are Anthropic's own.
  const isAnthropic = type === 'thinking' || type === 'redacted_thinking'
  const maker = isAnthropic ? 'anthropic' : makerOf(stringOf(detail['format']))
  const id = stringOf(detail['id'])
  const signed = stringOf(detail['signature'])
  // An Anthropic signature belongs to its text, not to an item: gateways make the id up.
  if (signed !== null) {
    pieces.push({ kind: 'signature', signature: signatureOf(maker, signed, maker === 'anthropic' ? null : id) })
  }
  const data = type === 'reasoning.encrypted' || type === 'redacted_thinking' ? stringOf(detail['data']) : null
  if (data === null) return
  if (maker === 'gemini' && id !== null) {
    pieces.push({ kind: 'call-signature', callId: id, signature: signatureOf(maker, data, null) })
  } else pieces.push({ kind: 'redacted', signature: signatureOf(maker, data, id), block })
}

function signatureOf(maker: string | null, value: string, itemId: string | null): Signature {
  return itemId === null ? { maker, value } : { maker, value, itemId }
}

function makerOf(format: string | null): string | null {
  return format === null || format === 'unknown' ? null : (MAKER_OF_FORMAT[format] ?? format)
}

/** A stretch of reasoning text as a detail. */
export function textDetail(text: string, index: number): JsonObject {
  return { type: 'reasoning.text', text, index }
}

/** What seals the reasoning of number `index`, as a detail. */
export function sealDetail(signature: Signature, isRedacted: boolean, index: number): JsonObject {
  const { maker, value, itemId } = signature
  const format = maker === null ? undefined : (FORMAT_OF_MAKER[maker] ?? maker)
  return isRedacted
    ? withoutUndefined({ type: 'reasoning.encrypted', data: value, id: itemId, format, index })
    : withoutUndefined({ type: 'reasoning.text', signature: value, id: itemId, format, index })
}

/** All reasoning of a message, as its details; none where nothing is signed or encrypted, for the plain form says it all. */
export function writeReasoningDetails(parts: readonly NeutralPart[]): readonly JsonObject[] {
  const isSealed = parts.some((part) => part.kind === 'reasoning' && (part.signature ?? part.redacted) !== undefined)
  return isSealed ? parts.flatMap((part, index) => partDetails(part, index)) : []
}

function partDetails(part: NeutralPart, index: number): readonly JsonObject[] {
  if (part.kind !== 'reasoning') return []
  const { text, signature, redacted, isSummary } = part
  const said = isSummary === true ? { type: 'reasoning.summary', summary: text, index } : textDetail(text, index)
  if (signature !== undefined) {
    return [
      text === ''
        ? sealDetail(signature, false, index)
        : { ...said, ...sealDetail(signature, false, index), type: said['type'] ?? null },
    ]
  }
  const seal = redacted === undefined ? [] : [sealDetail(redacted, true, index)]
  return text === '' ? seal : [said, ...seal]
}

/** A signature of a call or of text, in the place that Gemini's compatible API has for it; maker by maker.
 *  https://ai.google.dev/gemini-api/docs/thought-signatures */
export function writeExtraContent(signature: Signature): JsonObject {
  const { maker, value } = signature
  return { [maker === 'gemini' || maker === null ? 'google' : maker]: { thought_signature: value } }
}

/** The signature in a call's or a message's `extra_content`; null for none. */
export function readExtraContent(value: Json | undefined): Signature | null {
  if (value === undefined) return null
  for (const [maker, content] of Object.entries(objectOf(value))) {
    const signed = stringOf(objectOf(content)['thought_signature'])
    if (signed !== null) return { maker: maker === 'google' ? 'gemini' : maker, value: signed }
  }
  return null
}
