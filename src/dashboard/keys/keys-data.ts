// What the page of all keys shows: each key with what it spent, how its budget stands and when it was last used; and which of
// them, in what order: the API searches, sorts and turns the pages. Pure.
import type { ApiBudgetStand, ApiKey, ApiKeyLine, BudgetPeriod, EveryDays } from '../api-types.ts'
import { percentOf, readDecimalUsd, readNanoUsd } from '../parts/format.ts'
import { limitsText } from '../parts/limit-text.ts'
import type { Names } from '../parts/names.ts'

export interface BudgetStand {
  readonly period: BudgetPeriod | EveryDays
  readonly limitNanoUsd: bigint
  readonly usedNanoUsd: bigint
  /** May pass 100. */
  readonly percent: number
}

export interface KeyLine {
  readonly key: ApiKey
  readonly tenant: string
  /** '' for none. */
  readonly team: string
  readonly limits: string
  /** Of its budgets, the one most used; null where it has none, or nobody told. */
  readonly budget: BudgetStand | null
  readonly todayNanoUsd: bigint
  readonly monthNanoUsd: bigint
  /** The stretch of time it was last used in; null for none in the last 30 days. */
  readonly lastUsed: { readonly fromMs: number; readonly toMs: number } | null
}

/** A key as it is listed. */
export function keyLine(key: ApiKeyLine, names: Names): KeyLine {
  return {
    key,
    tenant: names.tenant(key.tenant_id),
    team: key.team_id === null ? '' : names.team(key.team_id),
    limits: limitsText(key.limits),
    budget: key.status === 'active' ? mostUsed(key.budgets) : null,
    todayNanoUsd: readNanoUsd(key.today_nano_usd),
    monthNanoUsd: readNanoUsd(key.month_nano_usd),
    lastUsed: key.last_used === null ? null : { fromMs: key.last_used.from_ms, toMs: key.last_used.to_ms },
  }
}

function mostUsed(budgets: readonly ApiBudgetStand[]): BudgetStand | null {
  const stands = budgets.flatMap(({ period, limit_usd, used_usd }) => {
    const limitNanoUsd = readDecimalUsd(limit_usd)
    const usedNanoUsd = readDecimalUsd(used_usd)
    if (limitNanoUsd === null || usedNanoUsd === null) return []
    const percent = limitNanoUsd === 0n ? 100 : percentOf(usedNanoUsd, limitNanoUsd)
    return [{ period, limitNanoUsd, usedNanoUsd, percent }]
  })
  return stands.sort((a, b) => b.percent - a.percent)[0] ?? null
}

export const SORTS = ['name', 'owner', 'today', 'month', 'budget', 'used'] as const
export type SortName = (typeof SORTS)[number]
export const STATES = ['active', 'all'] as const
export type StateName = (typeof STATES)[number]

/** What the reader asked to see; kept in the address. */
export interface KeysView {
  readonly search: string
  readonly state: StateName
  readonly sort: SortName
  readonly isReversed: boolean
  /** From 0. */
  readonly page: number
}

/** The view of an address: active keys by what they spent this month, where it says nothing. */
export function readKeysView(query: string): KeysView {
  const asked = new URLSearchParams(query)
  const page = Number(asked.get('page') ?? '1')
  return {
    search: asked.get('q') ?? '',
    state: STATES.find((name) => name === asked.get('state')) ?? 'active',
    sort: SORTS.find((name) => name === asked.get('sort')) ?? 'month',
    isReversed: asked.get('order') === 'reversed',
    page: Number.isInteger(page) && page > 0 ? page - 1 : 0,
  }
}

/** The query of a view, without what is usual. */
export function writeKeysView({ search, state, sort, isReversed, page }: KeysView): string {
  const query = new URLSearchParams()
  if (search !== '') query.set('q', search)
  if (state !== 'active') query.set('state', state)
  if (sort !== 'month') query.set('sort', sort)
  if (isReversed) query.set('order', 'reversed')
  if (page > 0) query.set('page', String(page + 1))
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

/** The query of a view's lines, all keys' or one team's. */
export function linesPath({ search, state, sort, isReversed, page }: KeysView, team: string | null = null): string {
  const query = new URLSearchParams({ state, sort, page: String(page) })
  if (search.trim() !== '') query.set('q', search.trim())
  if (isReversed) query.set('order', 'reversed')
  if (team !== null) query.set('team', team)
  return `/admin/keys/lines?${query}`
}

/** Beginning of the day and of the month of UTC. */
export function dayStart(nowMs: number): number {
  return Math.floor(nowMs / 86_400_000) * 86_400_000
}

export function monthStart(nowMs: number): number {
  const now = new Date(nowMs)
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)
}
