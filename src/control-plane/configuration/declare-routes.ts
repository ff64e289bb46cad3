// Routes of a document, told by their model and their tenant. A ramp goes on from when it began, and a watch counts on, where
// the file says of them what it said before.
import { randomBase62 } from '../../core/virtual-key.ts'
import {
  type RouteChoice,
  isWatched,
  readChoice,
  readRouteChoice,
  viewGroup,
  viewRules,
} from '../routes/route-choice.ts'
import { watchedSince } from '../routes/routes.ts'
import type { GroupInput, MemberInput } from '../routes/route-schemas.ts'
import type { RouteRow } from '../store.ts'
import { unacceptable } from '../http/refusal.ts'
import type { Placed } from './declare-targets.ts'
import type { Declaring } from './declaring.ts'
import type { ConfigurationDocument } from './schemas.ts'
import { routeItem } from './view.ts'

type NewRoute = NonNullable<ConfigurationDocument['routes']>[number]

export function declareRoutes(declaring: Declaring, entries: readonly Placed<NewRoute>[]): void {
  const rows = new Map([...declaring.before.routes.values()].map((row) => [nameOf(row.model, row.tenant_id), row]))
  // What others lead to is there before them.
  const leading = ({ body }: Placed<NewRoute>) => (body.shadow?.route === undefined ? 0 : 1)
  for (const { body, at, renamed } of entries.toSorted((a, b) => leading(a) - leading(b))) {
    const tenant = body.tenant == null ? null : declaring.tenant(body.tenant, at)
    if (tenant === undefined) continue
    const name = nameOf(body.model, tenant?.id ?? '')
    const before = rows.get(name)
    if (!declaring.once('routes', before?.id ?? name, at, body.model)) continue
    const { ports } = declaring.context
    const chosen = readChoice(before === undefined ? body : goingOn(body, before), null, ports.nowMs())
    if (!chosen.ok) {
      declaring.refuse(at, chosen.error, renamed)
      continue
    }
    const { targets } = chosen.value
    if (!areThere(declaring, body, targets, at)) continue
    const shadow = shadowTarget(
      declaring,
      chosen.value.choice.shadow,
      at,
      (model) => rows.get(nameOf(model, tenant?.id ?? '')) ?? rows.get(nameOf(model, '')),
    )
    if (shadow === null) continue
    const choice = { ...chosen.value.choice, ...shadow }
    const row: RouteRow = {
      ...before,
      id: before?.id ?? `route_${randomBase62(14, ports.randomBytes)}`,
      model: body.model,
      tenant_id: tenant?.id ?? '',
      targets: JSON.stringify(targets),
      allowed_gaps: JSON.stringify(body.allowed_gaps ?? []),
      choice: JSON.stringify(choice),
      watched_since_ms:
        before === undefined ? (isWatched(choice) ? ports.nowMs() : null) : watchedSince(before, choice, ports.nowMs()),
      created_at_ms: before?.created_at_ms ?? ports.nowMs(),
    }
    declaring.draft.routes.set(row.id, declaring.settled(before, row, routeItem))
    declaring.note('routes', row.id)
    rows.set(name, row)
  }
}

function nameOf(model: string, tenantId: string): string {
  return `${tenantId}/${model}`
}

/** A shadow with the id of what it leads to; null, and a problem, where that isn't there. */
function shadowTarget(
  declaring: Declaring,
  shadow: RouteChoice['shadow'],
  at: string,
  routeOf: (model: string) => RouteRow | undefined,
): Pick<RouteChoice, 'shadow'> | null {
  if (shadow === undefined) return {}
  if (shadow.route === undefined) {
    if (declaring.draft.targets.has(shadow.target ?? '')) return { shadow }
    if (declaring.unfitTargets.has(shadow.target ?? '')) return null
    const message = `shadow.target must be a target that is declared or there; there is no ${JSON.stringify(shadow.target)}.`
    declaring.refuse(at, unacceptable('shadow.target', 'unknown_target', message))
    return null
  }
  const found = routeOf(shadow.route) ?? declaring.draft.routes.get(shadow.route)
  if (found !== undefined) return { shadow: { ...shadow, route: found.id } }
  const message = `shadow.route must be the model of another route; there is none for ${JSON.stringify(shadow.route)}.`
  declaring.refuse(at, unacceptable('shadow.route', 'unknown_route', message))
  return null
}

function areThere(declaring: Declaring, body: NewRoute, targets: readonly string[], at: string): boolean {
  if (new Set(targets).size < targets.length) {
    declaring.refuse(at, unacceptable('targets', 'invalid_field', 'targets must name each target once.'))
    return false
  }
  const missing = targets.filter((id) => !declaring.draft.targets.has(id))
  for (const id of missing.filter((one) => !declaring.unfitTargets.has(one))) {
    const field = placeOf(body, id) ?? 'targets'
    const message = `${field} must be a target that is declared or there; there is no ${JSON.stringify(id)}.`
    declaring.refuse(at, unacceptable(field, 'unknown_target', message))
  }
  return missing.length === 0
}

/** Where in a body a text stands. */
function placeOf(value: unknown, wanted: string, path = ''): string | null {
  if (value === wanted) return path
  if (typeof value !== 'object' || value === null) return null
  for (const [name, below] of Object.entries(value)) {
    const step = Array.isArray(value) ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`
    const found = placeOf(below, wanted, step)
    if (found !== null) return found
  }
  return null
}

/** The body with the beginnings of those ramps that are under way. */
function goingOn(body: NewRoute, before: RouteRow): NewRoute {
  const { group, rules } = readRouteChoice(before)
  const then = viewRules(rules ?? [])
  return {
    ...body,
    ...(body.group == null || group === undefined ? {} : { group: groupGoingOn(body.group, viewGroup(group)) }),
    ...(body.rules === undefined
      ? {}
      : {
          rules: body.rules.map((rule) => {
            const was = then.find(({ name }) => name === rule.name)?.do
            if (!('use' in rule.do) || was === undefined || !('use' in was) || was.use === undefined) return rule
            return { ...rule, do: { use: groupGoingOn(rule.do.use, was.use) } }
          }),
        }),
  }
}

function groupGoingOn(group: GroupInput, before: GroupInput): GroupInput {
  const members = group.members.map((member, index): MemberInput => {
    if (typeof member === 'string') return member
    const was = before.members.find((other, at) =>
      typeof other === 'string' || !('target' in other && 'target' in member)
        ? at === index
        : other.target === member.target,
    )
    if (was === undefined || typeof was === 'string') return member
    const ramp = rampGoingOn(member.ramp, was.ramp)
    const begun = ramp === undefined ? {} : { ramp }
    if (!('group' in member)) return { ...member, ...begun }
    return { ...member, ...begun, ...('group' in was ? { group: groupGoingOn(member.group, was.group) } : {}) }
  })
  return { ...group, members }
}

type Ramp = Exclude<MemberInput, string>['ramp']

function rampGoingOn(ramp: Ramp, was: Ramp): Ramp {
  if (ramp === undefined || was === undefined || ramp.starts_at !== undefined) return ramp
  const isSame = ramp.to === was.to && ramp.over_minutes === was.over_minutes && (ramp.from ?? 0) === (was.from ?? 0)
  return isSame && was.starts_at !== undefined ? { ...ramp, starts_at: was.starts_at } : ramp
}
