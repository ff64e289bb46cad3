// The watched members of a route: which they are, whom each is compared with, and the route without one of them.
import type { CanaryWatch } from './routing/canary.ts'
import { type RouteGroup, type RouteMember, targetsOfGroup } from './routing/route-group.ts'
import type { RouteRule } from './routing/route-rules.ts'

/** The groups of a route. */
export interface RouteGroups {
  readonly group?: RouteGroup
  readonly rules?: readonly RouteRule[]
}

/** A target that is watched where it is a member, and the targets of the members beside it. */
export interface WatchedMember {
  readonly target: string
  readonly watch: CanaryWatch
  readonly others: readonly string[]
}

/** Every watched member, those of groups within groups and of rules included. */
export function watchedMembers({ group, rules }: RouteGroups): readonly WatchedMember[] {
  const ofRules = (rules ?? []).flatMap((rule) => (rule.do.kind === 'use' ? watchedIn(rule.do.group) : []))
  return [...(group === undefined ? [] : watchedIn(group)), ...ofRules]
}

function watchedIn(group: RouteGroup): readonly WatchedMember[] {
  return group.members.flatMap((member) => {
    if ('group' in member) return watchedIn(member.group)
    if (member.watch === undefined) return []
    const beside = group.members.filter((other) => other !== member)
    const others = targetsOfGroup({ ...group, members: beside }).filter((id) => id !== member.target)
    return [{ target: member.target, watch: member.watch, others }]
  })
}

/** The route with weight 0, no ramp and no watch for a target wherever it is watched. It stays a last resort. */
export function withoutMember<Groups extends RouteGroups>(groups: Groups, target: string): Groups {
  const { group, rules } = groups
  return {
    ...groups,
    ...(group === undefined ? {} : { group: groupWithout(group, target) }),
    ...(rules === undefined ? {} : { rules: rules.map((rule) => ruleWithout(rule, target)) }),
  }
}

function ruleWithout(rule: RouteRule, target: string): RouteRule {
  return rule.do.kind === 'use' ? { ...rule, do: { kind: 'use', group: groupWithout(rule.do.group, target) } } : rule
}

function groupWithout(group: RouteGroup, target: string): RouteGroup {
  const members = group.members.map((member): RouteMember => {
    if ('group' in member) return { ...member, group: groupWithout(member.group, target) }
    return member.target === target && member.watch !== undefined ? { target, weight: 0 } : member
  })
  return { ...group, members }
}
