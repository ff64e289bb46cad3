// Changes of a route, made on what the API says of it: the order of a chain, and a canary beside what serves now. Pure; what
// comes out is what the API takes.
import type { ApiCanaryWatch, ApiGroup, ApiMember, ApiRamp, ApiRoute } from '../api-types.ts'

const MINUTE_MS = 60_000
/** As the API has it. */
export const WEIGHT_MAX = 1_000_000
/** Strategies that give their members shares. */
const SHARING: ReadonlySet<string> = new Set(['weighted', 'split', 'sticky', 'least-busy'])

/** A member as an object. */
export type RouteMember = Exclude<ApiMember, string>

/** A route's targets as one group: those that are listed are tried in their order. */
export function groupOf({ group, targets = [] }: Pick<ApiRoute, 'group' | 'targets'>): ApiGroup {
  return group ?? { strategy: 'priority', members: targets }
}

export function memberOf(member: ApiMember): RouteMember {
  return typeof member === 'string' ? { target: member } : member
}

/** Whether the order of a group's members is the order in which they are tried. */
export function isChain({ strategy }: ApiGroup): boolean {
  return (strategy ?? 'priority') === 'priority'
}

/** Whether a group gives its members shares. */
export function isSharing({ strategy }: ApiGroup): boolean {
  return SHARING.has(strategy ?? 'priority')
}

/** The list with the one at `from` at `to`. */
export function moved<Item>(items: readonly Item[], from: number, to: number): readonly Item[] {
  const rest = items.filter((_, at) => at !== from)
  return [...rest.slice(0, to), ...items.slice(from, from + 1), ...rest.slice(to)]
}

/** The targets of a group and of the groups in it, as often as they stand there. */
export function targetsOf({ members }: ApiGroup): readonly string[] {
  return members.map(memberOf).flatMap(({ target, group }) => (group === undefined ? (target ?? []) : targetsOf(group)))
}

/** Whether every weight that is set, in groups within groups too, is one that a member can have. */
export function hasWeights({ members }: ApiGroup): boolean {
  return members.map(memberOf).every(({ weight = 1, group }) => {
    return weight >= 0 && weight <= WEIGHT_MAX && (group === undefined || hasWeights(group))
  })
}

/** The group with one more target: the last of a chain, or with a weight of 1. */
export function withTarget(group: ApiGroup, target: string): ApiGroup {
  return { ...group, members: [...group.members, isSharing(group) ? { target, weight: 1 } : target] }
}

/** The group with the member at `at` in another form. */
export function withMember(group: ApiGroup, at: number, member: ApiMember): ApiGroup {
  return { ...group, members: group.members.map((one, place) => (place === at ? member : one)) }
}

/** The group without the member at `at`. */
export function withoutMember(group: ApiGroup, at: number): ApiGroup {
  return { ...group, members: group.members.filter((_, place) => place !== at) }
}

/** The group with another in place of the one that `path` leads to, by places of members. */
export function withGroup(group: ApiGroup, path: readonly number[], inner: ApiGroup): ApiGroup {
  const [first, ...rest] = path
  if (first === undefined) return inner
  const members = group.members.map((member, at): ApiMember => {
    const { group: own, ...share } = memberOf(member)
    return at !== first || own === undefined ? member : { ...share, group: withGroup(own, rest, inner) }
  })
  return { ...group, members }
}

/** What the API takes: plain targets where a chain of targets is all there is. */
export function bodyOf(group: ApiGroup): object {
  const targets = group.members.flatMap((member) => {
    const { target, group: inner, weight = 1, ramp, watch } = memberOf(member)
    return inner === undefined && target !== undefined && weight === 1 && ramp === undefined && watch === undefined
      ? [target]
      : []
  })
  const { strategy: _, members: __, ...options } = group
  const isPlain = isChain(group) && targets.length === group.members.length && Object.keys(options).length === 0
  return isPlain ? { group: null, targets } : { group }
}

/** A member's weight at `nowMs`. */
export function weightAt({ weight = 1, ramp }: Pick<RouteMember, 'weight' | 'ramp'>, nowMs: number): number {
  if (ramp === undefined) return weight
  const { from = 0, to, over_minutes: minutes, starts_at: startsAtMs = nowMs } = ramp
  const passed = (nowMs - startsAtMs) / (minutes * MINUTE_MS)
  return from + (to - from) * Math.min(1, Math.max(0, passed))
}

/** Shares of a group's members at `nowMs`, from 0 to 1; null for a group that gives none. */
export function sharesOf(group: ApiGroup, nowMs: number): readonly number[] | null {
  if (!isSharing(group)) return null
  const weights = group.members.map((member) => weightAt(memberOf(member), nowMs))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return weights.map((weight) => (total === 0 ? 0 : weight / total))
}

/** A target that gets a part of the traffic to be looked at. */
export interface Canary {
  readonly target: string
  /** Its place among the members. */
  readonly at: number
  readonly share: number
  /** Where its share is going; null where it stands. */
  readonly grows: { readonly toShare: number; readonly untilMs: number } | null
  readonly watch: ApiCanaryWatch | null
  /** It gets nothing, and stays a last resort. */
  readonly isOut: boolean
}

/** The canary of a route: of a group that gives shares, the target that is watched, grows, or was taken out. */
export function canaryOf(route: ApiRoute, nowMs: number): Canary | null {
  const group = groupOf(route)
  const shares = sharesOf(group, nowMs)
  if (shares === null || group.members.length < 2) return null
  const members = group.members.map(memberOf)
  const is = (found: (member: RouteMember) => boolean) =>
    members.findIndex((member) => member.target !== undefined && found(member))
  const watched = is(({ watch, ramp }) => watch !== undefined || ramp !== undefined)
  const at = watched === -1 ? is(({ weight }) => weight === 0) : watched
  const member = members[at]
  if (member?.target === undefined) return null
  const others = members.reduce((sum, other, place) => (place === at ? sum : sum + weightAt(other, nowMs)), 0)
  return {
    ...{ target: member.target, at, share: shares[at] ?? 0, watch: member.watch ?? null },
    grows: growthOf(member.ramp, others, nowMs),
    isOut: member.ramp === undefined && member.weight === 0,
  }
}

function growthOf(ramp: ApiRamp | undefined, others: number, nowMs: number): Canary['grows'] {
  if (ramp === undefined) return null
  const untilMs = (ramp.starts_at ?? nowMs) + ramp.over_minutes * MINUTE_MS
  return untilMs <= nowMs ? null : { toShare: ramp.to / (ramp.to + others), untilMs }
}

export interface CanaryPlan {
  readonly target: string
  /** From 0 to less than 1. */
  readonly share: number
  /** 0: at once. */
  readonly overMinutes: number
  readonly watch: ApiCanaryWatch | null
}

/** The route with a canary beside what serves now; one that is there gets another share. */
export function withCanary(route: ApiRoute, plan: CanaryPlan, nowMs: number): ApiGroup {
  const known = canaryOf(route, nowMs)
  const group = groupOf(route)
  const stable = known === null ? [stableOf(group)] : group.members.filter((_, at) => at !== known.at).map(memberOf)
  const others = stable.reduce((sum, member) => sum + weightAt(member, nowMs), 0)
  const isEmpty = others === 0
  const sum = isEmpty ? 100 * (1 - plan.share) : others
  const to = Number(((sum * plan.share) / (1 - plan.share)).toFixed(4))
  const from = known === null ? 0 : weightAt(memberOf(group.members[known.at] ?? plan.target), nowMs)
  const canary: RouteMember = {
    target: plan.target,
    ...(plan.overMinutes > 0
      ? { ramp: { from: Number(from.toFixed(4)), to, over_minutes: plan.overMinutes, starts_at: nowMs } }
      : { weight: to }),
    ...(plan.watch === null ? {} : { watch: plan.watch }),
  }
  const strategy = known === null ? 'weighted' : (group.strategy ?? 'weighted')
  const members = isEmpty ? stable.map((member) => ({ ...member, weight: sum / stable.length })) : stable
  return { ...(known === null ? {} : group), strategy, members: [...members, canary] }
}

/** What serves now, as one member with nine tenths or so of a hundred. */
function stableOf(group: ApiGroup): RouteMember {
  const [only] = group.members
  if (group.members.length === 1 && only !== undefined) return { ...shareless(memberOf(only)), weight: 100 }
  return { group, weight: 100 }
}

/** The route whose canary gets nothing any more. It stays a last resort, as when its watch takes it out. */
export function rolledBack(route: ApiRoute, canary: Canary): ApiGroup {
  const group = groupOf(route)
  const members = group.members.map((member, at): ApiMember =>
    at === canary.at ? { target: canary.target, weight: 0 } : member,
  )
  return { ...group, members }
}

/** The route without its canary. */
export function withoutCanary(route: ApiRoute, canary: Canary): ApiGroup {
  const group = groupOf(route)
  const rest = group.members.filter((_, at) => at !== canary.at)
  const [only] = rest
  if (rest.length > 1 || only === undefined) return { ...group, members: rest }
  const { target = '', group: inner } = memberOf(only)
  return inner ?? { strategy: 'priority', members: [target] }
}

/** The canary serves, and what served before it is its fallback. */
export function promoted(route: ApiRoute, canary: Canary): ApiGroup {
  const before = withoutCanary(route, canary)
  const chain = isChain(before)
    ? before.members.filter((member) => memberOf(member).target !== canary.target)
    : [{ group: before }]
  return { strategy: 'priority', members: [canary.target, ...chain] }
}

function shareless({ target, group }: RouteMember): RouteMember {
  return target === undefined ? { ...(group === undefined ? {} : { group }) } : { target }
}
