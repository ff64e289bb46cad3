// How a route chooses among its targets: from what an operator writes to what the edge reads.
import type { CanaryWatch, Ramp } from '../../core/routing/canary.ts'
import type { Route } from '../../core/directory.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { type RouteGroup, type RouteMember, targetsOfGroup } from '../../core/routing/route-group.ts'
import type { RouteRule } from '../../core/routing/route-rules.ts'
import { watchedMembers } from '../../core/watched-members.ts'
import type { ChoiceInput, GroupInput, MemberInput, RampInput, WatchInput } from './route-schemas.ts'
import { readDataPolicy } from '../tenants/data-policy-record.ts'
import { type RouteResilience, readResilience } from './route-resilience.ts'
import { unacceptable, type Refusal } from '../http/refusal.ts'
import { shadowAfter } from './shadow-record.ts'
import type { RouteRow } from '../store.ts'

/** What a route says besides its targets, as it is kept. */
export interface RouteChoice extends RouteResilience, Pick<Route, 'dataPolicy' | 'shadow'> {
  readonly group?: RouteGroup
  readonly rules?: readonly RouteRule[]
}

/** The choice of a route as it was written by this control plane. */
export function readRouteChoice(row: Pick<RouteRow, 'choice'>): RouteChoice {
  const choice: RouteChoice = JSON.parse(row.choice)
  return choice
}

/** A route's targets in order, with its choice. */
export interface ChosenTargets {
  readonly targets: readonly string[]
  readonly choice: RouteChoice
}

/**
 * Reads a route. Targets are listed in `targets`, with `strategy` and `weights` about them, or stand in a `group`; those of
 * rules are added, and serve only by their rules. What isn't mentioned stays as it was in `before`.
 */
export function readChoice(
  input: ChoiceInput,
  before: ChosenTargets | null,
  nowMs: number,
): Result<ChosenTargets, Refusal> {
  const own = readOwn(input, before, nowMs)
  if (!own.ok) return own
  const rules = input.rules === undefined ? before?.choice.rules : input.rules.map((rule) => ruleOf(rule, nowMs))
  const { targets, group } = own.value
  const byRule = (rules ?? []).flatMap((rule) => (rule.do.kind === 'use' ? targetsOfGroup(rule.do.group) : []))
  const others = [...new Set(byRule)].filter((id) => !targets.includes(id))
  // Without a group of its own, the route would try the targets of its rules, too.
  const shown = group ?? (others.length > 0 ? listed(targets) : undefined)
  const choice: RouteChoice = {
    ...(shown === undefined ? {} : { group: shown }),
    ...(rules === undefined || rules.length === 0 ? {} : { rules }),
    ...readResilience(input, before?.choice ?? {}),
    ...dataPolicyAfter(input, before?.choice ?? {}),
    ...shadowAfter(input, before?.choice.shadow),
  }
  return ok({ targets: [...targets, ...others], choice })
}

function dataPolicyAfter({ data_policy: body }: ChoiceInput, before: Pick<Route, 'dataPolicy'>) {
  const dataPolicy = body === undefined ? before.dataPolicy : readDataPolicy(body)
  return dataPolicy === undefined ? {} : { dataPolicy }
}

interface Own {
  readonly targets: readonly string[]
  readonly group: RouteGroup | undefined
}

function readOwn(input: ChoiceInput, before: ChosenTargets | null, nowMs: number): Result<Own, Refusal> {
  const { group: written, strategy, weights, by, experiment } = input
  if (written != null) {
    const beside = (['targets', 'strategy', 'weights', 'by', 'experiment'] as const).find(
      (field) => input[field] !== undefined,
    )
    if (beside !== undefined) {
      const message = `${beside} must be left out beside group: it belongs into the group.`
      return err(unacceptable(beside, 'invalid_field', message))
    }
    const group = groupOf(written, nowMs)
    return ok({ targets: targetsOfGroup(group), group })
  }
  const kept = before?.choice.group
  const targets = input.targets ?? (kept === undefined ? before?.targets : targetsOfGroup(kept))
  if (targets === undefined) {
    return err(
      unacceptable('targets', 'missing_field', 'targets is missing: it must be a list of 1 to 16 ids of targets.'),
    )
  }
  const isUnsaid = strategy === undefined && weights === undefined && by === undefined && experiment === undefined
  if (isUnsaid) return ok({ targets, group: written === null || input.targets !== undefined ? undefined : kept })
  const stranger = Object.keys(weights ?? {}).find((id) => !targets.includes(id))
  if (stranger !== undefined) {
    return err(unacceptable(`weights.${stranger}`, 'unknown_target', `weights.${stranger} must be one of targets.`))
  }
  const members = targets.map((target): RouteMember => ({ target, weight: weights?.[target] ?? 1 }))
  return ok({
    targets,
    group: grouped(strategy ?? (weights === undefined ? 'priority' : 'weighted'), by, experiment, members),
  })
}

function listed(targets: readonly string[]): RouteGroup {
  return { strategy: 'priority', members: targets.map((target) => ({ target, weight: 1 })) }
}

function groupOf({ strategy, by, experiment, members }: GroupInput, nowMs: number): RouteGroup {
  const read = members.map((member) => memberOf(member, nowMs))
  return grouped(strategy ?? 'priority', by, experiment, read)
}

function grouped(
  strategy: RouteGroup['strategy'],
  by: GroupInput['by'],
  experiment: string | undefined,
  members: readonly RouteMember[],
): RouteGroup {
  if (by === undefined && experiment === undefined) return { strategy, members }
  const options = { ...(by === undefined ? {} : { by }), ...(experiment === undefined ? {} : { experiment }) }
  return { strategy, options, members }
}

function memberOf(member: MemberInput, nowMs: number): RouteMember {
  if (typeof member === 'string') return { target: member, weight: 1 }
  const { ramp } = member
  const share = ramp === undefined ? { weight: member.weight ?? 1 } : { weight: ramp.to, ramp: rampOf(ramp, nowMs) }
  if ('group' in member) return { group: groupOf(member.group, nowMs), ...share }
  return { target: member.target, ...share, ...(member.watch === undefined ? {} : { watch: watchOf(member.watch) }) }
}

function rampOf({ to, over_minutes: overMinutes, from = 0, starts_at: startsAtMs }: RampInput, nowMs: number): Ramp {
  return { from, to, startsAtMs: startsAtMs ?? nowMs, overMinutes }
}

function watchOf({ max_error_rate, min_requests, window_minutes }: WatchInput): CanaryWatch {
  return { maxErrorRate: max_error_rate, minRequests: min_requests, windowMinutes: window_minutes }
}

/** Whether somebody has to look after the route. */
export function isWatched(choice: RouteChoice): boolean {
  return watchedMembers(choice).length > 0
}

type RuleInput = NonNullable<ChoiceInput['rules']>[number]

function ruleOf({ name, when, do: action }: RuleInput, nowMs: number): RouteRule {
  if ('use' in action) return { name, when, do: { kind: 'use', group: groupOf(action.use, nowMs) } }
  if ('exclude' in action) return { name, when, do: { kind: 'exclude', targets: action.exclude } }
  if ('refuse' in action) return { name, when, do: { kind: 'refuse', message: action.refuse } }
  return { name, when, do: { kind: 'require-labels', labels: action.require_labels } }
}

/** Rules as the API shows them: as they are written. */
export function viewRules(rules: readonly RouteRule[]) {
  return rules.map((rule) => ({ name: rule.name, when: rule.when, do: viewAction(rule.do) }))
}

function viewAction(action: RouteRule['do']) {
  switch (action.kind) {
    case 'use':
      return { use: viewGroup(action.group) }
    case 'exclude':
      return { exclude: action.targets }
    case 'refuse':
      return { refuse: action.message }
    case 'require-labels':
      return { require_labels: action.labels }
  }
}

/** A group as the API shows it: as it is written. */
export function viewGroup({ strategy, options, members }: RouteGroup): GroupInput {
  return {
    strategy,
    ...options,
    members: members.map(viewMember),
  }
}

function viewMember(member: RouteMember): MemberInput {
  const { weight, ramp } = member
  const share = ramp === undefined ? { weight } : { ramp: viewRamp(ramp) }
  if ('group' in member) return { group: viewGroup(member.group), ...share }
  return { target: member.target, ...share, ...(member.watch === undefined ? {} : { watch: viewWatch(member.watch) }) }
}

function viewRamp({ from, to, startsAtMs, overMinutes }: Ramp): RampInput {
  return { from, to, over_minutes: overMinutes, starts_at: startsAtMs }
}

function viewWatch({ maxErrorRate, minRequests, windowMinutes }: CanaryWatch): WatchInput {
  return { max_error_rate: maxErrorRate, min_requests: minRequests, window_minutes: windowMinutes }
}

/** What is odd about a route, though it is accepted. `providers` are those of its targets, in order. */
export function warningsAbout(providers: readonly string[]): readonly string[] {
  const [first] = providers
  if (first === undefined || providers.length < 2 || providers.some((provider) => provider !== first)) return []
  return [
    `All ${providers.length} targets are at ${first}: when ${first} is down, none of them is left. This spreads load, but it is no fallback.`,
  ]
}
