// Limits of end users and targets on their ways: from a request's body into a column, from there to the API's view and to
// the objects that enforce them. A list of rules, as within the limits of tenants, teams and keys.
import { gaugeId } from '../../core/limits/gauge.ts'
import type { Limit } from '../../core/limits/limits.ts'
import type { OwnLimits } from '../../core/limits/side-limits.ts'
import { limitOf } from './limits-record.ts'
import { unacceptable, type Refusal } from '../http/refusal.ts'
import type { LimitRule } from '../schemas.ts'

/** The column after a change: a rule list as JSON; null where there never was one. */
export function changeRules(before: string | null, rules: readonly LimitRule[] | undefined): string | null {
  if (rules === undefined) return before
  return rules.length === 0 && before === null ? null : JSON.stringify(rules)
}

/** Why rules can't be taken; null where they can. */
export function rulesProblem(field: string, rules: readonly LimitRule[] | undefined): Refusal | null {
  const seen = new Set<string>()
  for (const { model, limits } of ownLimits(rules ?? [])) {
    for (const limit of limits) {
      const name = gaugeId({ scope: 'user', id: '', model, limits }, limit)
      if (seen.has(name)) {
        const message = `${field} has a second limit of the same kind for the same thing: ${name.slice('user:'.length)}.`
        return unacceptable(field, 'invalid_field', message)
      }
      seen.add(name)
    }
  }
  return null
}

/** How the enforcing object is told. */
export function ownLimits(rules: readonly LimitRule[]): readonly OwnLimits[] {
  const byModel = new Map<string | null, Limit[]>()
  for (const rule of rules) {
    const model = rule.model ?? null
    byModel.set(model, [...(byModel.get(model) ?? []), limitOf(rule)])
  }
  return [...byModel].map(([model, limits]) => ({ model, limits }))
}

/** The column is written by this control plane only. */
export function readRules(column: string | null): readonly LimitRule[] {
  if (column === null) return []
  const rules: readonly LimitRule[] = JSON.parse(column)
  return rules
}
