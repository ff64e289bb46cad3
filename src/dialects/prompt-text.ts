// What dialects of plain servers share about messages: their text, and whether a part is nothing but text.
import type { Target } from '../core/directory.ts'
import type { Gap } from '../core/failure.ts'
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

const SPEAKERS = { system: 'System', user: 'User', assistant: 'Assistant' } as const

/**
 * A conversation as one text, for servers that know no messages: a single question as it is, else each turn under its
 * speaker's name, with the assistant's next turn begun. A conversation that ends with the assistant's own words is left
 * open behind them, to be gone on with. What a user writes can look like another turn: a plain text can't prevent it.
 */
export function plainPrompt(messages: readonly NeutralMessage[]): string {
  const turns = messages.map(({ role, parts }) => ({ role, text: textOfTurn(parts) })).filter(({ text }) => text !== '')
  const [first] = turns
  if (turns.length === 1 && first?.role === 'user') return first.text
  const lines = turns.map(({ role, text }) => `${SPEAKERS[role]}: ${text}`)
  if (turns.at(-1)?.role !== 'assistant') lines.push(`${SPEAKERS.assistant}:`)
  return lines.join('\n\n')
}

/** All that a turn says in words: text, and documents that are text. */
export function textOfTurn(parts: readonly NeutralPart[]): string {
  return parts
    .flatMap((part) => {
      if (part.kind === 'text' || part.kind === 'refusal') return [part.text]
      return part.kind === 'document' ? [textOfDocument(part) ?? ''] : []
    })
    .filter((text) => text !== '')
    .join('\n')
}

/** Why a plain text can't hold a part; null for what it holds, and for reasoning, which is not sent back. */
export function objectionOfText(part: NeutralPart): string | null {
  switch (part.kind) {
    case 'document':
      if (part.isCited === true) return 'this model does not cite'
      return textOfDocument(part) === null ? 'this model reads no documents but plain text' : null
    case 'tool-call':
    case 'tool-result':
      return 'this model knows no tools'
    case 'image':
    case 'audio':
    case 'video':
    case 'other':
      return 'this model cannot be sent it'
    default:
      return null
  }
}

/** The gap of a request that offers tools to a model that knows none. */
export function toolGaps(request: NeutralRequest): readonly Gap[] {
  return request.tools.length === 0 ? [] : [{ field: 'tools', reason: 'this model knows no tools' }]
}
