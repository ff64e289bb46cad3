// What the pages of teams read, and the lines that they show: what each team and each cost center spent, of which budget, with
// how many keys. Pure, but for the feeds at the end.
import type { ApiBudgetStand, ApiOverview, ApiTeam } from '../api-types.ts'
import { budgetUses } from '../parts/budget-use.ts'
import { type Feed, useFeed } from '../live/feed.ts'
import { readNanoUsd } from '../parts/format.ts'
import { type BudgetStand, dayStart, monthStart } from '../keys/keys-data.ts'
import { limitsText } from '../parts/limit-text.ts'
import type { Names } from '../parts/names.ts'
import type { Desk } from '../frame/page-frame.tsx'

/** `GET /admin/reports?metrics=spend,requests&group_by=tenant,team,cost_center`, as far as it is read here. */
export interface ApiOwnerSpend {
  readonly rows: readonly {
    readonly tenant: string | null
    readonly team: string | null
    readonly cost_center: string | null
    readonly requests: number
    readonly cost_nano_usd: string
  }[]
}

/** What was spent since midnight and since the first of the month, both of UTC. */
export interface Spent {
  readonly todayNanoUsd: bigint
  readonly monthNanoUsd: bigint
  /** This month. */
  readonly requests: number
}

export interface TeamLine extends Spent {
  /** Null: a tenant's requests by keys without a team. */
  readonly team: ApiTeam | null
  readonly tenantId: string
  readonly name: string
  readonly tenant: string
  /** Those that are in use. */
  readonly keys: number
  readonly limits: string
  /** Of its budgets, the one most used. */
  readonly budget: BudgetStand | null
}

export interface CostCenterLine extends Spent {
  /** Null: booked to none. */
  readonly name: string | null
}

interface Source {
  readonly overview: ApiOverview
  readonly names: Names
  readonly today: ApiOwnerSpend
  readonly month: ApiOwnerSpend
}

const NOTHING: Spent = { todayNanoUsd: 0n, monthNanoUsd: 0n, requests: 0 }

/** A line for every team, and one for what a tenant's keys without a team spent; dearest first. */
export function teamLines({ overview, names, today, month }: Source): readonly TeamLine[] {
  const spent = spentBy(today, month, ({ tenant, team }) => placeOf(tenant, team))
  const keys = countKeys(overview)
  const budgets = budgetsByTeam(overview)
  const ofTeams = overview.teams.map((team): TeamLine => {
    const place = placeOf(team.tenant_id, team.id)
    return {
      ...(spent.get(place) ?? NOTHING),
      ...{ team, tenantId: team.tenant_id, name: team.name, tenant: names.tenant(team.tenant_id) },
      ...{ keys: keys.get(place) ?? 0, limits: limitsText(team.limits), budget: budgets.get(team.id) ?? null },
    }
  })
  const ofNone = overview.tenants.flatMap(({ id, name }): readonly TeamLine[] => {
    const place = placeOf(id, null)
    const has = { spent: spent.get(place), keys: keys.get(place) ?? 0 }
    if (has.spent === undefined && has.keys === 0) return []
    const line = { team: null, tenantId: id, name: 'No team', tenant: name, keys: has.keys, limits: '', budget: null }
    return [{ ...(has.spent ?? NOTHING), ...line }]
  })
  return [...ofTeams, ...ofNone].sort(dearestFirst)
}

/** A line for every cost center that anything was booked to this month; dearest first. */
export function costCenterLines(today: ApiOwnerSpend, month: ApiOwnerSpend): readonly CostCenterLine[] {
  const spent = spentBy(today, month, (row) => row.cost_center ?? '')
  return [...spent]
    .filter(([name, { requests, monthNanoUsd }]) => name !== '' || requests > 0 || monthNanoUsd > 0n)
    .map(([name, sums]) => ({ ...sums, name: name === '' ? null : name }))
    .sort((a, b) => dearestFirst({ ...a, name: a.name ?? '' }, { ...b, name: b.name ?? '' }))
}

/** A team's budgets as they stand, most used first. */
export function teamBudgets(
  overview: ApiOverview,
  teamId: string,
): readonly (BudgetStand & { model: string | null })[] {
  return budgetUses(overview).flatMap((use) => {
    if (use.scope !== 'team' || use.id !== teamId) return []
    const stand = standOf(use)
    return stand === null ? [] : [{ ...stand, model: use.model }]
  })
}

function budgetsByTeam(overview: ApiOverview): ReadonlyMap<string, BudgetStand> {
  const byTeam = new Map<string, BudgetStand>()
  for (const use of budgetUses(overview)) {
    const stand = use.scope === 'team' && !byTeam.has(use.id) ? standOf(use) : null
    if (stand !== null) byTeam.set(use.id, stand)
  }
  return byTeam
}

function standOf(use: {
  readonly period: ApiBudgetStand['period']
  readonly amountNanoUsd: bigint | null
  readonly spentNanoUsd: bigint | null
  readonly percent: number | null
}): BudgetStand | null {
  const { period, amountNanoUsd, spentNanoUsd, percent } = use
  if (amountNanoUsd === null || spentNanoUsd === null || percent === null) return null
  return { period, limitNanoUsd: amountNanoUsd, usedNanoUsd: spentNanoUsd, percent }
}

type SpendRow = ApiOwnerSpend['rows'][number]

function spentBy(
  today: ApiOwnerSpend,
  month: ApiOwnerSpend,
  of: (row: SpendRow) => string,
): ReadonlyMap<string, Spent> {
  const sums = new Map<string, Spent>()
  for (const row of month.rows) {
    const sum = sums.get(of(row)) ?? NOTHING
    const monthNanoUsd = sum.monthNanoUsd + readNanoUsd(row.cost_nano_usd)
    sums.set(of(row), { ...sum, monthNanoUsd, requests: sum.requests + row.requests })
  }
  for (const row of today.rows) {
    const sum = sums.get(of(row)) ?? NOTHING
    sums.set(of(row), { ...sum, todayNanoUsd: sum.todayNanoUsd + readNanoUsd(row.cost_nano_usd) })
  }
  return sums
}

function countKeys({ key_counts: counts }: ApiOverview): ReadonlyMap<string, number> {
  return new Map(counts.map(({ tenant_id, team_id, active }) => [placeOf(tenant_id, team_id), active]))
}

function placeOf(tenant: string | null, team: string | null): string {
  return `${tenant ?? ''}/${team ?? ''}`
}

const COLLATOR = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })

function dearestFirst(a: Spent & { readonly name: string }, b: Spent & { readonly name: string }): number {
  if (a.monthNanoUsd !== b.monthNanoUsd) return a.monthNanoUsd < b.monthNanoUsd ? 1 : -1
  return COLLATOR.compare(a.name, b.name)
}

/** As many as the API lists at most. */
const ROWS_MAX = 20_000
const EVERY_MS = 15_000

export interface OwnerSpend {
  readonly today: Feed<ApiOwnerSpend>
  readonly month: Feed<ApiOwnerSpend>
}

/** What everybody spent, by tenant, team and cost center. */
export function useOwnerSpend({ api, isPaused }: Desk): OwnerSpend {
  const since = (startOf: (nowMs: number) => number) => (signal: AbortSignal) => {
    const query = new URLSearchParams({
      ...{ metrics: 'spend,requests', group_by: 'tenant,team,cost_center', limit: String(ROWS_MAX) },
      from: String(startOf(Date.now())),
    })
    return api.read<ApiOwnerSpend>(`/admin/reports?${query}`, ['rows'], signal)
  }
  const today = useFeed({ key: 'today', load: since(dayStart), isPaused, everyMs: EVERY_MS, changesWith: ['requests'] })
  const month = useFeed({
    key: 'month',
    load: since(monthStart),
    isPaused,
    everyMs: EVERY_MS,
    changesWith: ['requests'],
  })
  return { today, month }
}
