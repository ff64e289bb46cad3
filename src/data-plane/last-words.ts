// How a stream that we end before its time tells so: it ends as one does that came to its output bound, which every client
// understands, and says in its last event why, where official clients take members that they don't know.
import type { JsonObject } from '../core/json.ts'
import type { Usage } from '../core/usage.ts'
import type { CutReason } from './allowance.ts'

/** What the end of a stream tells. */
export interface LastWords {
  /** What was used, as far as is known. */
  readonly usage: Usage
  readonly wantsUsage: boolean
  readonly choices: number
  /** Goes into the last event, as its member `tidegate`. */
  readonly note: JsonObject
}

/** The reasons in the words of the wire. */
export const REASONS: Readonly<Record<CutReason, string>> = {
  'budget-exhausted': 'budget_exhausted',
  'slot-lost': 'concurrency_slot_lost',
  'key-revoked': 'key_revoked',
}

/** `text`, which is a stream's end, with `note` in its last event of JSON. */
export function noted(text: string, note: JsonObject): string {
  const at = text.lastIndexOf('data: {')
  const end = at === -1 ? -1 : text.indexOf('\n', at)
  if (end === -1) return text
  return `${text.slice(0, end - 1)},"tidegate":${JSON.stringify(note)}}${text.slice(end)}`
}
