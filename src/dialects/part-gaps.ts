// Which parts of a conversation a dialect can't be sent: it says so of one part, this walks the messages.
import type { Gap } from '../core/failure.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest } from '../core/neutral.ts'

/** Where a part stands; results of tools are in a place of their own. */
export type PartPlace = NeutralMessage['role'] | 'tool'

/** Why a part can't be carried there; null when it can. */
export type PartObjection = (part: NeutralPart, place: PartPlace) => string | null

/** A gap for each kind of part that `objection` objects to, and for names of participants; a field is named once. */
export function partGaps(request: NeutralRequest, objection: PartObjection): readonly Gap[] {
  const gaps = new Map<string, Gap>()
  const look = (part: NeutralPart, place: PartPlace): void => {
    const reason = objection(part, place)
    const field = reason === null ? '' : fieldOf(part)
    if (reason !== null && !gaps.has(field)) gaps.set(field, { field, reason })
    if (part.kind === 'tool-result') for (const inner of part.content) look(inner, 'tool')
  }
  for (const { role, name, parts } of request.messages) {
    if (name !== undefined) {
      gaps.set('messages.name', { field: 'messages.name', reason: 'this model knows no names of participants' })
    }
    for (const part of parts) look(part, role)
  }
  return [...gaps.values()]
}

/** One gap a field, the first that was found. */
export function onceEach(gaps: readonly Gap[]): readonly Gap[] {
  const seen = new Set<string>()
  return gaps.filter(({ field }) => !seen.has(field) && seen.add(field))
}

/** The gap of tools that have to keep to their schema, for models that only try to. */
export function strictToolGaps(request: NeutralRequest): readonly Gap[] {
  if (!request.tools.some((tool) => tool.strict === true)) return []
  return [{ field: 'tools.function.strict', reason: 'this model is not held to the schema of its tools' }]
}

function fieldOf(part: NeutralPart): string {
  switch (part.kind) {
    case 'image':
      return 'messages.content.image_url'
    case 'tool-call':
      return 'messages.tool_calls'
    case 'tool-result':
      return 'messages.tool_call_id'
    case 'other':
      return `messages.content.${part.type}`
    default:
      return `messages.content.${part.kind}`
  }
}
