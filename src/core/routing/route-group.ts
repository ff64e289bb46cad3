// A route's targets as a tree: a strategy over targets and over groups of them, e.g. "the cheaper of these two, else the
// fastest of those three".
import { type CanaryWatch, type Ramp, weightAt } from './canary.ts'
import { strategies, type StrategyName } from '../strategies/index.ts'
import type { Candidate, Member, Situation, StrategyOptions } from '../strategies/strategy.ts'

/** A target, or a group of them, and its part of the traffic where the strategy gives parts. */
export type RouteMember =
  | { readonly target: string; readonly weight: number; readonly ramp?: Ramp; readonly watch?: CanaryWatch }
  | { readonly group: RouteGroup; readonly weight: number; readonly ramp?: Ramp }

export interface RouteGroup {
  readonly strategy: StrategyName
  readonly options?: StrategyOptions
  readonly members: readonly RouteMember[]
}

/** The ids of a group's targets, in the order in which it names them, each once. */
export function targetsOfGroup(group: RouteGroup): readonly string[] {
  const ids = group.members.flatMap((member) => ('target' in member ? [member.target] : targetsOfGroup(member.group)))
  return [...new Set(ids)]
}

/** The candidates that a group names, in the order in which they are to be tried, each once. Those it doesn't name, and
 *  groups of which nothing is left, are no part of it. */
export function orderGroup(
  group: RouteGroup,
  candidates: readonly Candidate[],
  situation: Situation,
): readonly Candidate[] {
  const byId = new Map(candidates.map((candidate) => [candidate.target.id, candidate]))
  return [...new Set(ordered(group, byId, situation))]
}

function ordered(group: RouteGroup, byId: ReadonlyMap<string, Candidate>, situation: Situation): readonly Candidate[] {
  const members: Member[] = []
  for (const member of group.members) {
    const [first, ...others] = candidatesOf(member, byId, situation)
    if (first === undefined) continue
    members.push({ name: nameOf(member), weight: weightAt(member, situation.nowMs), candidates: [first, ...others] })
  }
  const options = group.options ?? {}
  return strategies[group.strategy].order(members, situation, options).flatMap((member) => member.candidates)
}

function candidatesOf(
  member: RouteMember,
  byId: ReadonlyMap<string, Candidate>,
  situation: Situation,
): readonly Candidate[] {
  if ('group' in member) return ordered(member.group, byId, situation)
  const candidate = byId.get(member.target)
  return candidate === undefined ? [] : [candidate]
}

function nameOf(member: RouteMember): string {
  return 'target' in member ? member.target : targetsOfGroup(member.group).join('\n')
}
