// What the page of all keys shows: each key with what it spent, how its budget stands and when it was last used; which of
// them, in what order. Pure, and quick enough for ten thousand at every letter that is typed.
import type { ApiBudgetStand, ApiKey, BudgetPeriod, EveryDays } from './api-types.ts'
import { percentOf, readDecimalUsd, readNanoUsd } from './format.ts'
import { limitsText } from './limit-text.ts'
import type { Names } from './names.ts'

/** `GET /admin/keys/use` */
export interface ApiKeyUse {
  readonly last_used: readonly { readonly key: string; readonly from_ms: number; readonly to_ms: number }[]
}

/** `GET /admin/reports?metrics=spend&group_by=key`, as far as it is read here. */
export interface ApiKeySpend {
  readonly rows: readonly { readonly key?: string | null; readonly cost_nano_usd: string }[]
}

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
  /** In lower case: what a search goes by. */
  readonly text: string
}

export interface KeysSource {
  readonly keys: readonly ApiKey[]
  readonly names: Names
  readonly budgets: readonly ApiBudgetStand[]
  readonly use: ApiKeyUse | null
  readonly today: ApiKeySpend | null
  readonly month: ApiKeySpend | null
}

/** A line for every key. */
export function keyLines({ keys, names, budgets: stands, use, today, month }: KeysSource): readonly KeyLine[] {
  const budgets = budgetsByKey(stands)
  const lastUsed = new Map(use?.last_used.map((row) => [row.key, { fromMs: row.from_ms, toMs: row.to_ms }]))
  const ofToday = spendByKey(today)
  const ofMonth = spendByKey(month)
  return keys.map((key) => {
    const tenant = names.tenant(key.tenant_id)
    const team = key.team_id === null ? '' : names.team(key.team_id)
    return {
      ...{ key, tenant, team, limits: limitsText(key.limits) },
      budget: key.status === 'active' ? (budgets.get(key.id) ?? null) : null,
      todayNanoUsd: ofToday.get(key.id) ?? 0n,
      monthNanoUsd: ofMonth.get(key.id) ?? 0n,
      lastUsed: lastUsed.get(key.id) ?? null,
      text: [key.name, key.id, key.kid, tenant, team, key.cost_center ?? ''].join('\n').toLowerCase(),
    }
  })
}

function budgetsByKey(budgets: readonly ApiBudgetStand[]): ReadonlyMap<string, BudgetStand> {
  const byKey = new Map<string, BudgetStand>()
  for (const budget of budgets) {
    if (budget.scope !== 'key') continue
    const limitNanoUsd = readDecimalUsd(budget.limit_usd)
    const usedNanoUsd = readDecimalUsd(budget.used_usd)
    if (limitNanoUsd === null || usedNanoUsd === null) continue
    const percent = limitNanoUsd === 0n ? 100 : percentOf(usedNanoUsd, limitNanoUsd)
    const known = byKey.get(budget.id)
    if (known === undefined || known.percent < percent) {
      byKey.set(budget.id, { period: budget.period, limitNanoUsd, usedNanoUsd, percent })
    }
  }
  return byKey
}

function spendByKey(spend: ApiKeySpend | null): ReadonlyMap<string, bigint> {
  return new Map(spend?.rows.map((row) => [row.key ?? '', readNanoUsd(row.cost_nano_usd)]))
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

/** The lines that a view asks for, in its order. Every word of the search has to be in a line. */
export function chosenLines(lines: readonly KeyLine[], { search, state, sort, isReversed }: KeysView) {
  const words = search
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '')
  const found = lines.filter((line) => {
    if (state === 'active' && line.key.status !== 'active') return false
    return words.every((word) => line.text.includes(word))
  })
  const sign = isReversed ? -1 : 1
  return found.sort((a, b) => sign * COMPARE[sort](a, b) || byName(a, b) || (a.key.id < b.key.id ? -1 : 1))
}

const COLLATOR = new Intl.Collator('en', { numeric: true, sensitivity: 'base' })

/** Names from A on; figures from the largest down. */
const COMPARE: Readonly<Record<SortName, (a: KeyLine, b: KeyLine) => number>> = {
  name: byName,
  owner: (a, b) => COLLATOR.compare(a.tenant, b.tenant) || COLLATOR.compare(a.team, b.team),
  today: (a, b) => largestFirst(a.todayNanoUsd, b.todayNanoUsd),
  month: (a, b) => largestFirst(a.monthNanoUsd, b.monthNanoUsd),
  budget: (a, b) => largestFirst(a.budget?.percent ?? -1, b.budget?.percent ?? -1),
  used: (a, b) => largestFirst(a.lastUsed?.toMs ?? 0, b.lastUsed?.toMs ?? 0),
}

function byName(a: KeyLine, b: KeyLine): number {
  return COLLATOR.compare(a.key.name, b.key.name)
}

function largestFirst<Value extends bigint | number>(a: Value, b: Value): number {
  return a === b ? 0 : a > b ? -1 : 1
}

/** Beginning of the day and of the month of UTC. */
export function dayStart(nowMs: number): number {
  return Math.floor(nowMs / 86_400_000) * 86_400_000
}

export function monthStart(nowMs: number): number {
  const now = new Date(nowMs)
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)
}
