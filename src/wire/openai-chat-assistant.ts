// An assistant's message on the OpenAI chat wire, as a reply to a client or as history to a provider. Separate, because
// what a client gets here it must be able to send back: signatures ride in `reasoning_details`.
import type { JsonObject } from '../core/json.ts'
import type { NeutralPart } from '../core/neutral.ts'
import { withoutUndefined } from './write.ts'

/** An assistant's message: text, tool calls, and reasoning where a next turn needs it. */
export function writeAssistantMessage(parts: readonly NeutralPart[]): JsonObject {
  const calls = parts.flatMap((part) => (part.kind === 'tool-call' ? [part] : []))
  const text = textOfKind(parts, 'text')
  const reasoning = textOfKind(parts, 'reasoning')
  const refusal = textOfKind(parts, 'refusal')
  const details = writeReasoningDetails(parts)
  return withoutUndefined({
    role: 'assistant',
    content: text ?? (calls.length > 0 || refusal !== null ? null : ''),
    refusal: refusal ?? undefined,
    reasoning_content: reasoning ?? undefined,
    reasoning_details: details.length === 0 ? undefined : details,
    tool_calls:
      calls.length === 0
        ? undefined
        : calls.map((call) => ({
            id: call.id,
            type: 'function',
            function: { name: call.name, arguments: call.argumentsText },
          })),
  })
}

/** Signed and encrypted reasoning in the form that OpenRouter introduced: what a client has to send back untouched. */
function writeReasoningDetails(parts: readonly NeutralPart[]): readonly JsonObject[] {
  const isSigned = parts.some((part) => part.kind === 'reasoning' && (part.signature ?? part.redacted) !== undefined)
  if (!isSigned) return []
  return parts.flatMap((part, index): readonly JsonObject[] => {
    if (part.kind !== 'reasoning') return []
    if (part.redacted !== undefined) return [{ type: 'reasoning.encrypted', data: part.redacted.value, index }]
    const signature = part.signature === undefined ? {} : { signature: part.signature.value }
    return [{ type: 'reasoning.text', text: part.text, ...signature, index }]
  })
}

function textOfKind(parts: readonly NeutralPart[], kind: 'text' | 'reasoning' | 'refusal'): string | null {
  const texts = parts.flatMap((part) => (part.kind === kind && part.text !== '' ? [part.text] : []))
  return texts.length === 0 ? null : texts.join('')
}
