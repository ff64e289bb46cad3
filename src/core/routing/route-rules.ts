// What a route says of certain requests before its strategy orders the targets: rules are read in their order, exclusions
// add up, and the first that says where to go, or no, has the last word.
import { type Condition, type ConditionFacts, holds } from './condition.ts'
import type { RouteGroup } from './route-group.ts'

/** What a rule does with a request that meets its condition. */
export type RuleAction =
  /** Only this group's targets, in its order. */
  | { readonly kind: 'use'; readonly group: RouteGroup }
  /** Not these targets. */
  | { readonly kind: 'exclude'; readonly targets: readonly string[] }
  /** Only targets that carry all of these labels, e.g. `eu` or `no-training`. */
  | { readonly kind: 'require-labels'; readonly labels: readonly string[] }
  /** Nobody: the client is told why. */
  | { readonly kind: 'refuse'; readonly message: string }

export interface RouteRule {
  /** How explanations call it; unique in its route. */
  readonly name: string
  readonly when: Condition
  readonly do: RuleAction
}

/** What the rules came to. */
export interface Ruling {
  /** The rule and the group it sends the request to; null for the route's own. */
  readonly use: { readonly rule: string; readonly group: RouteGroup } | null
  readonly refusal: { readonly rule: string; readonly message: string } | null
  /** Which rule keeps the request from a target; null for none. */
  readonly excludedBy: (target: { readonly id: string; readonly labels?: readonly string[] }) => string | null
  /** Every rule whose condition held, in order. */
  readonly met: readonly string[]
}

const NO_RULING: Ruling = { use: null, refusal: null, excludedBy: () => null, met: [] }

/** Reads the rules for one request. Rules after the one that decides are not read. */
export function ruling(rules: readonly RouteRule[] | undefined, facts: ConditionFacts): Ruling {
  if (rules === undefined || rules.length === 0) return NO_RULING
  const met: RouteRule[] = []
  for (const rule of rules) {
    if (!holds(rule.when, facts)) continue
    met.push(rule)
    if (rule.do.kind === 'use' || rule.do.kind === 'refuse') break
  }
  const last = met.at(-1)
  const use = last?.do.kind === 'use' ? { rule: last.name, group: last.do.group } : null
  const refusal = last?.do.kind === 'refuse' ? { rule: last.name, message: last.do.message } : null
  const excludedBy: Ruling['excludedBy'] = (target) => met.find((rule) => keepsFrom(rule, target))?.name ?? null
  return { use, refusal, excludedBy, met: met.map(({ name }) => name) }
}

function keepsFrom(
  { do: action }: RouteRule,
  target: { readonly id: string; readonly labels?: readonly string[] },
): boolean {
  if (action.kind === 'exclude') return action.targets.includes(target.id)
  if (action.kind !== 'require-labels') return false
  return !action.labels.every((label) => target.labels?.includes(label) === true)
}
