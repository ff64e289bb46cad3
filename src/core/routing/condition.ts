// Conditions of routing rules, as data: a small expression over what is known of a request. They are checked where they are
// written, so that one that is kept can always be evaluated.

/** What a condition may ask for as text; `metadata.<name>` and `header.<name>` besides. A field may have several values. */
export const TEXT_FIELDS = ['model', 'key', 'team', 'tag', 'end_user', 'cost_center', 'country', 'continent'] as const
/** … as a number. Hours count from 0, weekdays from 1 for Monday, both in UTC. `budget_used`: per cent of the tightest budget, as
 *  this isolate last heard; not known before it has. */
export const NUMBER_FIELDS = [
  'prompt_tokens',
  'max_output_tokens',
  'messages',
  'hour',
  'weekday',
  'budget_used',
] as const
/** … as yes or no. */
export const FLAG_FIELDS = [
  'streamed',
  'tools',
  'images',
  'audio',
  'documents',
  'json_schema',
  'reasoning',
  'in_eu',
] as const

export type TextField = (typeof TEXT_FIELDS)[number] | `metadata.${string}` | `header.${string}`
export type NumberField = (typeof NUMBER_FIELDS)[number]
export type FlagField = (typeof FLAG_FIELDS)[number]

export type Condition =
  | { readonly all: readonly Condition[] }
  | { readonly any: readonly Condition[] }
  | { readonly not: Condition }
  /** One of the field's values is one of these, or begins as one of them does before its `*`. */
  | { readonly text: TextField; readonly in: readonly string[] }
  /** Both bounds are part of the range; a missing one is none. A value that isn't known is in no range. */
  | { readonly number: NumberField; readonly from?: number | undefined; readonly to?: number | undefined }
  | { readonly flag: FlagField; readonly is: boolean }

/** What is known of a request. Each is asked only when a condition needs it. */
export interface ConditionFacts {
  texts(field: TextField): readonly string[]
  number(field: NumberField): number | null
  flag(field: FlagField): boolean
}

/** Whether a condition holds. `all` of nothing holds, `any` of nothing doesn't. */
export function holds(condition: Condition, facts: ConditionFacts): boolean {
  if ('all' in condition) return condition.all.every((part) => holds(part, facts))
  if ('any' in condition) return condition.any.some((part) => holds(part, facts))
  if ('not' in condition) return !holds(condition.not, facts)
  if ('text' in condition) return facts.texts(condition.text).some((value) => isAmong(condition.in, value))
  if ('flag' in condition) return facts.flag(condition.flag) === condition.is
  const value = facts.number(condition.number)
  return value !== null && value >= (condition.from ?? -Infinity) && value <= (condition.to ?? Infinity)
}

function isAmong(patterns: readonly string[], value: string): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? value.startsWith(pattern.slice(0, -1)) : value === pattern,
  )
}
