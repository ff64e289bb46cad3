// The plan of a request: which targets may serve it, in which order, and why the others may not. The same plan that is
// followed can be told, so that "why did this go there?" has one answer.
import type { DataNeed, DataPolicyOwner } from './data-policy.ts'
import type { Route, Target } from '../directory.ts'
import type { Gap } from '../failure.ts'
import { orderGroup } from './route-group.ts'
import type { Ruling } from './route-rules.ts'
import { shadowText } from './shadow.ts'
import type { Candidate, Situation } from '../strategies/strategy.ts'

/** Why a target is no candidate. */
export type Exclusion =
  /** It can't carry something that the request asks for. */
  | { readonly targetId: string; readonly reason: 'gap'; readonly gaps: readonly Gap[] }
  /** The prompt is longer than what it takes. Tokens. */
  | {
      readonly targetId: string
      readonly reason: 'too-long'
      readonly promptTokens: number
      readonly contextTokens: number
    }
  /** A rule of the route keeps the request from it. */
  | { readonly targetId: string; readonly reason: 'rule'; readonly rule: string }
  /** An operator has switched it off, its provider or its model. */
  | { readonly targetId: string; readonly reason: 'switched-off'; readonly what: 'provider' | 'target' | 'model' }
  /** Data of this request may not go there: whose policy says so, and what of it. */
  | {
      readonly targetId: string
      readonly reason: 'data-policy'
      readonly of: DataPolicyOwner
      readonly need: DataNeed
    }
  /** The client doesn't want it: the preference of its request that says so. */
  | { readonly targetId: string; readonly reason: 'preference'; readonly preference: string }

export interface Plan {
  readonly route: Route
  /** The first serves; the rest is the fallback chain. */
  readonly candidates: readonly Candidate[]
  readonly excluded: readonly Exclusion[]
  /** The rule that chose among the targets; missing for the route itself. */
  readonly rule?: string
  /** What the request itself said that changed the order, e.g. `provider.sort`; missing for nothing. */
  readonly wish?: string
  /** Who chose in the route's place, in words: the path that names a target, the request that is mirrored. */
  readonly by?: string
  /** The model that was to serve before this plan's; missing where it is what was asked for. */
  readonly insteadOf?: string
}

/** What is asked of each target, beyond what the route says. */
export interface PlanChecks {
  /** What of the request it can't carry. */
  gaps(target: Target): readonly Gap[]
  /** Any other reason against it; null for none. */
  against?(target: Target): Exclusion | null
}

/**
 * Orders `targets` for one request. A target with a gap that the route doesn't allow by name is excluded, as is one that
 * a rule or a check speaks against. What isn't named by the group that applies is excluded by its rule. `situation` is
 * asked for only when a strategy has to choose.
 */
export function plan(
  route: Route,
  targets: readonly Target[],
  checks: PlanChecks,
  situation: () => Situation,
  ruled: Ruling | null = null,
): Plan {
  const candidates: Candidate[] = []
  const excluded: Exclusion[] = []
  for (const target of targets) {
    const reason = exclusionOf(route, target, checks, ruled)
    if (reason === null) candidates.push({ target })
    else excluded.push(reason)
  }
  const use = ruled?.use ?? null
  const group = use?.group ?? route.group
  if (group === undefined) return { route, candidates, excluded }
  const ordered = candidates.length === 0 ? candidates : orderGroup(group, candidates, situation())
  if (use === null) return { route, candidates: ordered, excluded }
  const { rule } = use
  const unnamed = candidates.filter((candidate) => !ordered.includes(candidate))
  for (const { target } of unnamed) excluded.push({ targetId: target.id, reason: 'rule', rule })
  return { route, candidates: ordered, excluded, rule }
}

function exclusionOf(route: Route, target: Target, checks: PlanChecks, ruled: Ruling | null): Exclusion | null {
  const rule = ruled?.excludedBy(target) ?? null
  if (rule !== null) return { targetId: target.id, reason: 'rule', rule }
  const open = checks.gaps(target).filter((gap) => !route.allowedGaps.includes(gap.field))
  if (open.length > 0) return { targetId: target.id, reason: 'gap', gaps: open }
  return checks.against?.(target) ?? null
}

/** What the excluded targets can't carry, all together: what the client is told when nobody can serve. */
export function gapsOf(excluded: readonly Exclusion[]): readonly Gap[] {
  return excluded.flatMap((exclusion): readonly Gap[] => {
    if (exclusion.reason === 'gap') return exclusion.gaps
    if (exclusion.reason !== 'too-long') return []
    const { promptTokens, contextTokens } = exclusion
    return [{ field: 'messages', reason: `about ${promptTokens} tokens are more than the ${contextTokens} it takes` }]
  })
}

const SUMMARY_CHARS_MAX = 500
const STORY_CHARS_MAX = 1_000

/** Summaries that were written: the answer's header and every attempt ask for the same one, … */
const writtenOf = new WeakMap<Plan, string>()
/** … and where nothing was to be chosen all requests of a route do. */
const writtenFor = new WeakMap<Route, string>()

/** The plan in one line: how it was chosen, who serves in which order, who doesn't and why. Costs a look-up where the route has
 *  one target and nothing speaks against it. At most 500 characters. */
export function summaryOf(plan: Plan): string {
  return hasChoice(plan) ? remembered(writtenOf, plan, plan) : remembered(writtenFor, plan.route, plan)
}

/** The summary with each reason in full, and the candidates that were passed over when it came to them. At most 1,000
 *  characters. */
export function storyOf(plan: Plan, passed: readonly string[] = []): string {
  const { excluded } = plan
  if (excluded.length === 0 && passed.length === 0) return summaryOf(plan)
  return lineOf(plan, (exclusion) => `${exclusion.reason}: ${detailOf(exclusion)}`, passed).slice(0, STORY_CHARS_MAX)
}

/** An exclusion's reason in full. */
export function detailOf(exclusion: Exclusion): string {
  switch (exclusion.reason) {
    case 'gap':
      return exclusion.gaps.map(({ field, path, reason }) => `${path ?? field}: ${reason}`).join('; ')
    case 'too-long':
      return `about ${exclusion.promptTokens} tokens of prompt, and it takes ${exclusion.contextTokens}`
    case 'switched-off':
      return exclusion.what === 'target' ? 'switched off by the operator' : `its ${exclusion.what} is switched off`
    case 'data-policy':
      return `the data policy of the ${exclusion.of}: ${exclusion.need}`
    case 'rule':
      return `rule "${exclusion.rule}"`
    case 'preference':
      return `${exclusion.preference} of the request`
  }
}

/** Whether requests of the route may have another plan than this one. */
function hasChoice({ route, candidates, excluded, rule, by, insteadOf }: Plan): boolean {
  if (route.targets.length !== 1 || candidates.length !== 1 || excluded.length > 0) return true
  return rule !== undefined || by !== undefined || insteadOf !== undefined
}

function remembered<Key extends object>(written: WeakMap<Key, string>, key: Key, plan: Plan): string {
  const known = written.get(key)
  if (known !== undefined) return known
  const line = lineOf(plan, ({ reason }) => reason, []).slice(0, SUMMARY_CHARS_MAX)
  written.set(key, line)
  return line
}

function lineOf(
  { route, rule, wish, by, insteadOf, candidates, excluded }: Plan,
  reasonOf: (exclusion: Exclusion) => string,
  passed: readonly string[],
): string {
  const chosen = by ?? (rule === undefined ? (route.group?.strategy ?? 'priority') : `rule ${rule}`)
  const how = wish === undefined ? chosen : `${chosen}, ${wish}`
  const order = candidates.length === 0 ? 'nobody' : candidates.map(({ target }) => target.id).join(' > ')
  const others = excluded.map((exclusion) => `${exclusion.targetId} (${reasonOf(exclusion)})`).join(', ')
  const parts = [
    `${insteadOf === undefined ? '' : `instead of ${insteadOf}, `}${how}: ${order}`,
    ...(others === '' ? [] : [`not ${others}`]),
    ...(passed.length === 0 ? [] : [`past ${passed.join(', ')}`]),
    ...(route.shadow === undefined ? [] : [shadowText(route.shadow)]),
  ]
  return parts.join('; ')
}
