// Limits in a few words. Pure.
import type { ApiLimits } from '../api-types.ts'
import { formatCountShort } from './format.ts'
import { draftsOf, type RuleDraft } from '../routes/rule-draft.ts'

const UNIT_WORDS: Readonly<Record<RuleDraft['unit'], string>> = {
  tokens: 'tokens',
  input_tokens: 'input tokens',
  output_tokens: 'output tokens',
  requests: 'requests',
}

/** One limit: `$25 per day`, `200K tokens per minute for gpt-*`. */
export function ruleText(draft: RuleDraft): string {
  const models = draft.model === '' ? '' : ` for ${draft.model}`
  return whatText(draft) + models + (draft.increase === null ? '' : ' (raised)')
}

function whatText({ kind, amount, unit, period, everyDays }: RuleDraft): string {
  if (kind === 'budget') return `$${amount} per ${period === 'days' ? `${everyDays} days` : period}`
  const count = formatCountShort(Number(amount))
  return kind === 'concurrency' ? `${count} at once` : `${count} ${UNIT_WORDS[unit]} per minute`
}

/** All limits that are set at one place, in short; '' for none. */
export function limitsText(limits: ApiLimits): string {
  return draftsOf(limits, '').map(ruleText).join(' · ')
}
