// What the dashboard and operators read: the whole configuration with live spend, usage by group, the latest requests.
import { Hono, type Context } from 'hono'
import * as z from 'zod/mini'
import type { NodeStanding } from '../../core/limits/limits.ts'
import { OUTCOME_NAMES, type Outcome, type RequestFilter, findRequests } from '../../ledger/find-requests.ts'
import { latestOf } from '../../ledger/key-ledger.ts'
import { latestRequests, readCursor } from '../../ledger/latest-requests.ts'
import { USAGE_GROUPS, USAGE_ROWS_MAX, usageReport, type UsageGroup } from '../../ledger/usage-report.ts'
import { isOwn, scopeOf } from '../access/caller.ts'
import { type Scope, isReached, ownerIn, teamOf } from '../access/permissions.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { refuse, unacceptable } from '../http/refusal.ts'
import { viewRoute } from '../routes/routes.ts'
import { shareOf, standingOf, viewStanding } from './standings.ts'
import {
  listRows,
  pageRows,
  revisionOf,
  type RouteRow,
  type TargetRow,
  type TeamRow,
  type TenantRow,
} from '../store.ts'
import { viewTarget } from '../targets/targets.ts'
import { ownTeams, viewTeam } from '../tenants/teams.ts'
import { byTenantId } from './tenant-filter.ts'
import { ownTenants, viewTenant } from '../tenants/tenants.ts'
import { query } from '../http/validate.ts'

const DAY_MS = 86_400_000
const SPAN_MS_MAX = 400 * DAY_MS
const PAGE_DEFAULT = 50
const PAGE_MAX = 500
/** Limiters asked for live spend in one overview; beyond it the spend is left out. */
const LIMITERS_ASKED_MAX = 50
/** Budgets of keys that an overview tells, those used most. */
const KEY_BUDGETS_MAX = 50

const INSTANT_ALLOWED = 'must be epoch ms'
const INSTANT = z.optional(z.string(INSTANT_ALLOWED).check(z.regex(/^\d{1,15}$/, INSTANT_ALLOWED)))
const GROUPS_ALLOWED = `must be a comma list of ${USAGE_GROUPS.join(', ')}, each once`
const USAGE = z.strictObject({
  from: INSTANT,
  to: INSTANT,
  group_by: z.optional(z.string(GROUPS_ALLOWED).check(z.refine((text) => readGroups(text) !== null, GROUPS_ALLOWED))),
})
const LIMIT_ALLOWED = `must be an integer from 1 to ${PAGE_MAX}`
const BEFORE_ALLOWED = 'must be the next of an earlier page'
const SOUGHT_ALLOWED = 'must have 1 to 200 characters'
const SOUGHT = z.optional(
  z.string(SOUGHT_ALLOWED).check(z.minLength(1, SOUGHT_ALLOWED), z.maxLength(200, SOUGHT_ALLOWED)),
)
const OUTCOME_ALLOWED = `must be one of ${OUTCOME_NAMES.join(', ')}`
const BEFORE = z.optional(z.string(BEFORE_ALLOWED).check(z.refine((text) => readCursor(text) !== null, BEFORE_ALLOWED)))
const REQUESTS = z.strictObject({
  limit: z.optional(z.string(LIMIT_ALLOWED).check(z.refine(isPageSize, LIMIT_ALLOWED))),
  cursor: BEFORE,
  /** The older name of the cursor. */
  before: BEFORE,
  tenant: SOUGHT,
  team: SOUGHT,
  key: SOUGHT,
  model: SOUGHT,
  provider: SOUGHT,
  tag: SOUGHT,
  request: SOUGHT,
  outcome: z.optional(
    z.string(OUTCOME_ALLOWED).check(z.refine((text) => outcomeOf(text) !== undefined, OUTCOME_ALLOWED)),
  ),
  from: INSTANT,
  to: INSTANT,
})

/** The admin API's `/overview`, `/usage` and `/requests`. */
export function reportEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/overview', async (c) => c.json(await overview(c, ports.nowMs())))
    .get('/usage', query(USAGE), async (c) => {
      const asked = c.req.valid('query')
      const toMs = asked.to === undefined ? ports.nowMs() + 1 : Number(asked.to)
      const fromMs = asked.from === undefined ? Math.max(toMs - DAY_MS, 0) : Number(asked.from)
      if (fromMs >= toMs) return refuse(c, unacceptable('from', 'invalid_field', 'from must be before to.'))
      if (toMs - fromMs > SPAN_MS_MAX) {
        return refuse(c, unacceptable('from', 'invalid_field', 'from must be at most 400 days before to.'))
      }
      const report = await usageReport(c.env.DB, {
        ...{ fromMs, toMs, groupBy: readGroups(asked.group_by ?? '') ?? [] },
        ...ownerIn(scopeOf(c)),
      })
      if (report.ok) return c.json(report.value)
      const message = `group_by makes more than ${USAGE_ROWS_MAX} rows: ask for less time or fewer groups.`
      return refuse(c, unacceptable('group_by', report.error, message))
    })
    .get('/requests', query(REQUESTS), async (c) => {
      const scope = scopeOf(c)
      const named = await byTenantId(c.env.DB, scope, c.req.valid('query'))
      if (!named.ok) return refuse(c, named.error)
      const asked = named.value
      const limit = Number(asked.limit ?? PAGE_DEFAULT)
      const before = readCursor(asked.before ?? asked.cursor ?? '')
      const filter = soughtOf(asked)
      if (Object.values(filter).some((value) => value !== undefined)) {
        const own = withinScope(filter, scope)
        return c.json(
          own === null ? { rows: [], next: null } : await findRequests(c.env.DB, { filter: own, limit, before }),
        )
      }
      if (scope.kind === 'deployment') return c.json(await latestRequests(c.env.DB, { limit, before }))
      const owner = { tenantId: scope.tenantId, teamId: teamOf(scope), keyId: null }
      return c.json(await latestOf(c.env.DB, owner, { limit, before, nowMs: ports.nowMs() }))
    })
}

function soughtOf(asked: z.infer<typeof REQUESTS>): RequestFilter {
  return {
    tenantId: asked.tenant,
    teamId: asked.team,
    keyId: asked.key,
    model: asked.model,
    provider: asked.provider,
    tag: asked.tag,
    requestId: asked.request,
    outcome: outcomeOf(asked.outcome ?? ''),
    fromMs: asked.from === undefined ? undefined : Number(asked.from),
    toMs: asked.to === undefined ? undefined : Number(asked.to),
  }
}

/** What is looked for, as far as it is the caller's; null where none of it is. */
function withinScope(filter: RequestFilter, scope: Scope): RequestFilter | null {
  if (scope.kind === 'deployment') return filter
  const teamId = teamOf(scope) ?? filter.teamId
  const isOther =
    (filter.tenantId ?? scope.tenantId) !== scope.tenantId || (filter.teamId !== undefined && filter.teamId !== teamId)
  return isOther ? null : { ...filter, tenantId: scope.tenantId, teamId }
}

function outcomeOf(text: string): Outcome | undefined {
  return OUTCOME_NAMES.find((name) => name === text)
}

/** The configuration but its keys, which may be thousands: of these there are counts, and the budgets that are used most. */
async function overview(c: Context<AdminTypes>, nowMs: number) {
  const { env } = c
  const [revision, allTenants, allTeams, counts, allTargets, allRoutes, credentials] = await Promise.all([
    revisionOf(env.DB),
    listRows<TenantRow>(env.DB, 'tenants'),
    listRows<TeamRow>(env.DB, 'teams'),
    countKeys(c, nowMs),
    listRows<TargetRow>(env.DB, 'targets'),
    listRows<RouteRow>(env.DB, 'routes'),
    pageRows<{ readonly id: string }>(env.DB, 'credentials', '', 1),
  ])
  const scope = scopeOf(c)
  const tenants = ownTenants(c, allTenants)
  const teams = ownTeams(c, allTeams)
  const targets = scope.kind === 'deployment' ? allTargets : []
  // What is everybody's is theirs, too.
  const routes = allRoutes.filter(({ tenant_id: id }) => id === '' || isReached(scope, id))
  const standings = await Promise.all(tenants.slice(0, LIMITERS_ASKED_MAX).map(({ id }) => standingOf(env, id)))
  const nodes = await ownNodes(
    c,
    standings.flatMap((standing) => standing?.nodes ?? []),
    nowMs,
  )
  const spent = liveSpend(nodes)
  const ofKeys = nodes.filter((node) => node.scope === 'key')
  const mostUsed = new Set(ofKeys.toSorted((a, b) => shareOf(b) - shareOf(a)).slice(0, KEY_BUDGETS_MAX))
  return {
    environment: env.ENVIRONMENT,
    revision,
    tenants: tenants.map((row) => viewTenant(row, spent.get(row.id))),
    teams: teams.map((row) => viewTeam(row, spent.get(row.id))),
    key_counts: counts,
    targets: targets.map(viewTarget),
    ...(scope.kind === 'deployment' ? { has_credentials: credentials.length > 0 } : {}),
    routes: routes.map(viewRoute),
    budgets: nodes.filter((node) => node.scope !== 'key' || mostUsed.has(node)).map(viewStanding),
    budget_counts: {
      all: nodes.length,
      high: nodes.filter((node) => shareOf(node) >= 0.8 && shareOf(node) < 1).length,
      exhausted: nodes.filter((node) => shareOf(node) >= 1).length,
    },
  }
}

interface KeyCount {
  readonly tenant_id: string
  readonly team_id: string | null
  /** With those that ended. */
  readonly count: number
  readonly active: number
}

/** How many keys each team has, and each tenant without one. */
async function countKeys(c: Context<AdminTypes>, nowMs: number): Promise<readonly KeyCount[]> {
  const found = await c.env.DB.prepare(
    `SELECT tenant_id, team_id, count(*) AS count,
      sum(revoked_at_ms IS NULL AND coalesce(expires_at_ms > ?1, 1)) AS active
    FROM virtual_keys GROUP BY tenant_id, team_id`,
  )
    .bind(nowMs)
    .all<KeyCount>()
  return found.results.filter(({ tenant_id, team_id }) => isOwn(c, tenant_id, team_id))
}

/** Budgets that are the caller's, without those of keys that ended. Whoever leads a team sees its own and its keys'. */
async function ownNodes(
  c: Context<AdminTypes>,
  nodes: readonly NodeStanding[],
  nowMs: number,
): Promise<readonly NodeStanding[]> {
  const teamId = teamOf(scopeOf(c))
  const isEnded = `(revoked_at_ms IS NOT NULL OR expires_at_ms <= ?1)`
  const found = await c.env.DB.prepare(
    `SELECT id FROM virtual_keys WHERE ${teamId === null ? isEnded : `team_id = ?2 AND NOT ${isEnded}`}`,
  )
    .bind(nowMs, ...(teamId === null ? [] : [teamId]))
    .all<{ id: string }>()
  const ids = new Set(found.results.map(({ id }) => id))
  if (teamId === null) return nodes.filter(({ scope, id }) => scope !== 'key' || !ids.has(id))
  return nodes.filter(({ scope, id }) => (scope === 'key' ? ids.has(id) : id === teamId))
}

/** Nano-USD spent in the running window, by id of tenant, team or key. A limiter that doesn't answer is left out. */
function liveSpend(nodes: readonly NodeStanding[]): ReadonlyMap<string, number> {
  // The budget that is shown is a node's first: what is set twice keeps the last, so they are taken backwards.
  const ofAll = nodes.filter((node) => node.model === null).toReversed()
  return new Map(ofAll.map((node) => [node.id, node.spentNanoUsd]))
}

function readGroups(text: string): readonly UsageGroup[] | null {
  const names = text.split(',').filter((name) => name !== '')
  const groups = names.flatMap((name) => USAGE_GROUPS.filter((group) => group === name.trim()))
  return groups.length === names.length && new Set(groups).size === groups.length ? groups : null
}

function isPageSize(text: string): boolean {
  return /^\d{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= PAGE_MAX
}
