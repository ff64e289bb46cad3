// What dialects of plain servers share about messages: their text, and whether a part is nothing but text.
import type { Target } from '../core/directory.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest } from '../core/neutral.ts'

/** The text of a message's parts: text and refusals, joined by `separator`. */
export function textOfParts(parts: readonly NeutralPart[], separator = '\n'): string {
  return parts
    .flatMap((part) => ((part.kind === 'text' || part.kind === 'refusal') && part.text !== '' ? [part.text] : []))
    .join(separator)
}

/** The text of a tool's result. */
export function textOfResult(part: Extract<NeutralPart, { readonly kind: 'tool-result' }>): string {
  const text = textOfParts(part.content)
  return part.isError ? `Error: ${text}` : text
}

/** The name of the tool that a result answers: as the client says it, or from the call that it belongs to. */
export function toolNameOf(
  messages: readonly NeutralMessage[],
  callId: string,
  given: string | undefined,
): string | null {
  if (given !== undefined) return given
  for (const message of messages) {
    for (const part of message.parts) if (part.kind === 'tool-call' && part.id === callId) return part.name
  }
  return null
}

/** A document that is text, as text under its title; null for any other. */
export function textOfDocument(part: Extract<NeutralPart, { readonly kind: 'document' }>): string | null {
  const { source, title, context } = part
  const text = source.kind === 'text' ? source.text : source.kind === 'parts' ? textOfParts(source.parts) : null
  return text === null ? null : [title, context, text].filter((line) => line !== undefined && line !== '').join('\n')
}

/** The model to name: the one that is set, else the target's, else the client's. */
export function modelOf(request: NeutralRequest, target: Target, edited: string | null): string {
  return edited ?? (target.model === '*' ? request.model : target.model)
}
