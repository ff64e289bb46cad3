// How a stream that we end before its time tells so: it ends as one does that came to its output bound, which every client
// understands, and says in its last event why, where official clients take members that they don't know.
import type { JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/money/usage.ts'
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
  'switched-off': 'switched_off',
  cancelled: 'cancelled_by_operator',
}

/** `text`, which is a stream's end, with `note` in its last event of JSON, behind what may be noted there already. */
export function noted(text: string, note: JsonObject): string {
  const at = text.lastIndexOf('data: {')
  const end = at === -1 ? -1 : text.indexOf('\n', at)
  if (end === -1) return text
  const members = JSON.stringify(note)
  const isNoted = text.slice(at, end).includes(',"tidegate":{') && text.slice(end - 2, end) === '}}'
  if (isNoted) return `${text.slice(0, end - 2)},${members.slice(1, -1)}}}${text.slice(end)}`
  return `${text.slice(0, end - 1)},"tidegate":${members}}${text.slice(end)}`
}
