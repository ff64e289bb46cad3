// Virtual keys as a page lists them: searched, sorted and counted here, however many there are, each of the page with what it
// spent today and this month, when it was last used and how its budgets stand. And the names of keys, for who has their ids.
import { Hono, type Context } from 'hono'
import * as z from 'zod/mini'
import type { LimiterStanding, NodeStanding } from '../../core/limits/limits.ts'
import { type KeyValues, spendOf, spendOfAll, usesOf, usesOfAll } from '../../ledger/key-figures.ts'
import { type KeyOwner, type LedgerState, ledgerState, readable } from '../../ledger/report-source.ts'
import { scopeOf } from '../access/caller.ts'
import { viewKey } from './key-record.ts'
import { ownerIn } from '../access/permissions.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { shareOf, standingOf, viewStanding } from '../reports/standings.ts'
import type { KeyRow } from '../store.ts'
import { query } from '../http/validate.ts'

const DAY_MS = 86_400_000
const LINES_DEFAULT = 50
const LINES_MAX = 200
const NAMES_MAX = 200
/** Tenants whose limiters are asked for one page. */
const LIMITERS_ASKED_MAX = 50

const SORTS = ['name', 'owner', 'today', 'month', 'budget', 'used'] as const
type Sort = (typeof SORTS)[number]

const SEARCH_ALLOWED = 'must have 200 characters at most'
const LIMIT_ALLOWED = `must be an integer from 1 to ${LINES_MAX}`
const PAGE_ALLOWED = 'must be an integer from 0 to 99999'
const ID_ALLOWED = 'must be an id'
const ID = z.optional(z.string(ID_ALLOWED).check(z.minLength(1, ID_ALLOWED), z.maxLength(100, ID_ALLOWED)))
const LINES = z.strictObject({
  q: z.optional(z.string(SEARCH_ALLOWED).check(z.maxLength(200, SEARCH_ALLOWED))),
  state: z.optional(z.enum(['active', 'all'], 'must be active or all')),
  sort: z.optional(z.enum(SORTS, `must be one of ${SORTS.join(', ')}`)),
  order: z.optional(z.literal('reversed', 'must be reversed')),
  page: z.optional(z.string(PAGE_ALLOWED).check(z.regex(/^\d{1,5}$/, PAGE_ALLOWED))),
  limit: z.optional(
    z
      .string(LIMIT_ALLOWED)
      .check(z.refine((text) => /^[1-9]\d{0,2}$/.test(text) && Number(text) <= LINES_MAX, LIMIT_ALLOWED)),
  ),
  tenant: ID,
  team: ID,
})
const IDS_ALLOWED = `must be a comma list of at most ${NAMES_MAX} ids`
const NAMES = z.strictObject({
  ids: z.optional(
    z
      .string(IDS_ALLOWED)
      .check(z.refine((text) => text.split(',').length <= NAMES_MAX && text.length <= NAMES_MAX * 50, IDS_ALLOWED)),
  ),
  q: LINES.shape.q,
  state: LINES.shape.state,
  tenant: ID,
})

/** The admin API's `/keys/lines` and `/keys/names`; to be mounted before `/keys/:id`. */
export function keyLineEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/lines', query(LINES), async (c) => c.json(await lines(c, c.req.valid('query'), ports.nowMs())))
    .get('/names', query(NAMES), async (c) => {
      const { ids, ...asked } = c.req.valid('query')
      if (ids !== undefined) return c.json(await named(c, ids.split(',')))
      const found = await pageOf(
        c,
        { ...asked, sort: 'name', limit: String(NAMES_MAX) },
        { nowMs: ports.nowMs(), sorted: null },
      )
      const rows = found.rows.map(({ id, name, tenant_id, team_id }) => ({ id, name, tenant_id, team_id }))
      return c.json({ rows, count: found.count })
    })
}

/** The names of these keys, of those that are the caller's. */
async function named(c: Context<AdminTypes>, ids: readonly string[]) {
  const { tenantId, teamId } = ownerIn(scopeOf(c))
  const found = await c.env.DB.prepare(
    `SELECT id, name, tenant_id, team_id FROM virtual_keys WHERE id IN (SELECT value FROM json_each(?1))
      AND (?2 IS NULL OR tenant_id = ?2) AND (?3 IS NULL OR team_id = ?3)`,
  )
    .bind(JSON.stringify(ids), tenantId, teamId)
    .all()
  return { rows: found.results, count: found.results.length }
}

interface Asked {
  readonly q?: string | undefined
  readonly state?: 'active' | 'all' | undefined
  readonly sort?: Sort | undefined
  readonly order?: 'reversed' | undefined
  readonly page?: string | undefined
  readonly limit?: string | undefined
  readonly tenant?: string | undefined
  readonly team?: string | undefined
}

async function lines(c: Context<AdminTypes>, asked: Asked, nowMs: number) {
  const { DB: db } = c.env
  const ledger = await ledgerState(db)
  const standings = new Map<string, Promise<LimiterStanding | null>>()
  const stand = (tenantId: string): Promise<LimiterStanding | null> => {
    const known = standings.get(tenantId) ?? standingOf(c.env, tenantId)
    standings.set(tenantId, known)
    return known
  }
  const sorted = await sortedBy(c, asked, { ledger, nowMs, stand })
  const found = await pageOf(c, asked, { nowMs, sorted })
  const owners = found.rows.map(({ id, tenant_id, team_id }) => ({ key_id: id, tenant_id, team_id: team_id ?? '' }))
  const tenants = [...new Set(found.rows.map(({ tenant_id: id }) => id))].slice(0, LIMITERS_ASKED_MAX)
  const [today, month, uses, ...stands] = await Promise.all([
    spentSince(db, dayStart(nowMs), { owners, ledger, nowMs }),
    spentSince(db, monthStart(nowMs), { owners, ledger, nowMs }),
    usesOf(db, owners, nowMs, ledger),
    ...tenants.map(stand),
  ])
  const budgets = Map.groupBy(budgetsOf(stands), ({ id }) => id)
  const lastUsed = new Map(uses.map((use) => [use.key, { from_ms: use.from_ms, to_ms: use.to_ms }]))
  return {
    count: found.count,
    page: found.page,
    rows: found.rows.map((row) => ({
      ...viewKey(row, nowMs),
      today_nano_usd: today.get(row.id) ?? '0',
      month_nano_usd: month.get(row.id) ?? '0',
      last_used: lastUsed.get(row.id) ?? null,
      budgets: (budgets.get(row.id) ?? []).map(viewStanding),
    })),
  }
}

interface Known {
  readonly ledger: LedgerState
  readonly nowMs: number
  readonly stand: (tenantId: string) => Promise<LimiterStanding | null>
}

/** What the lines are sorted by, where that isn't in the configuration. */
async function sortedBy(c: Context<AdminTypes>, asked: Asked, known: Known): Promise<KeyValues | null> {
  const { sort = 'month' } = asked
  const { ledger, nowMs } = known
  const { tenantId } = ownerIn(scopeOf(c))
  if (sort === 'used') return usesOfAll(nowMs, ledger)
  if (sort === 'today' || sort === 'month') {
    const fromMs = sort === 'today' ? dayStart(nowMs) : monthStart(nowMs)
    return spendOfAll(readable({ fromMs, toMs: nowMs + 1 }, ledger), tenantId === null ? null : [tenantId], ledger)
  }
  if (sort !== 'budget') return null
  const tenants = await c.env.DB.prepare(
    `SELECT id FROM tenants WHERE ?1 IS NULL OR id = ?1 LIMIT ${LIMITERS_ASKED_MAX}`,
  )
    .bind(tenantId)
    .all<{ id: string }>()
  const stands = await Promise.all(tenants.results.map(({ id }) => known.stand(id)))
  const shares = new Map<string, number>()
  for (const node of budgetsOf(stands)) shares.set(node.id, Math.max(shareOf(node), shares.get(node.id) ?? 0))
  // As text, or no index of it would fit the keys' ids.
  const sql = `SELECT CAST(value ->> 0 AS TEXT) AS key, value ->> 1 AS value FROM json_each(?1)`
  return { sql, parameters: [JSON.stringify([...shares])] }
}

function budgetsOf(stands: readonly (LimiterStanding | null)[]): readonly NodeStanding[] {
  return stands.flatMap((standing) => standing?.nodes ?? []).filter(({ scope }) => scope === 'key')
}

const TEXT = `lower(k.name || char(10) || k.id || char(10) || k.kid || char(10) || tenants.name || char(10) ||
  coalesce(teams.name, '') || char(10) || coalesce(k.cost_center, ''))`
const BY_NAME = 'k.name COLLATE NOCASE, k.id'

interface Found {
  readonly rows: readonly KeyRow[]
  readonly count: number
  /** The page that is told: the last one, where there are fewer. */
  readonly page: number
}

async function pageOf(
  c: Context<AdminTypes>,
  asked: Asked,
  { nowMs, sorted }: { readonly nowMs: number; readonly sorted: KeyValues | null },
): Promise<Found> {
  const { tenantId, teamId } = ownerIn(scopeOf(c))
  const words = (asked.q ?? '').toLowerCase().split(/\s+/)
  const parameters: (string | number | null)[] = [...(sorted?.parameters ?? [])]
  const place = (value: string | number | null): string => `?${parameters.push(value)}`
  const isOf = (column: string, value: string | null): string => (value === null ? '1' : `${column} = ${place(value)}`)
  // Without MATERIALIZED its rows would be made again for every key.
  const figure = sorted === null ? '' : `WITH figure AS MATERIALIZED (${sorted.sql})`
  const from = `FROM virtual_keys AS k JOIN tenants ON tenants.id = k.tenant_id LEFT JOIN teams ON teams.id = k.team_id
    ${sorted === null ? '' : `LEFT JOIN figure ON figure.key = k.id`}
    WHERE ${isOf('k.tenant_id', tenantId)} AND ${isOf('k.team_id', teamId)}
      AND ${isOf('k.tenant_id', asked.tenant ?? null)} AND ${isOf('k.team_id', asked.team ?? null)}
      AND ${asked.state === 'all' ? '1' : `k.revoked_at_ms IS NULL AND coalesce(k.expires_at_ms > ${place(nowMs)}, 1)`}
      AND NOT EXISTS (
        SELECT 1 FROM json_each(${place(JSON.stringify(words.filter((word) => word !== '')))}) AS word
        WHERE instr(${TEXT}, word.value) = 0)`
  const limit = Number(asked.limit ?? LINES_DEFAULT)
  const page = Number(asked.page ?? 0)
  const select = (at: number): D1PreparedStatement =>
    c.env.DB.prepare(
      `${figure} SELECT k.*, count(*) OVER () AS count ${from} ORDER BY ${orderOf(asked)} LIMIT ${limit} OFFSET ${at * limit}`,
    ).bind(...parameters)
  const { results: rows } = await select(page).all<KeyRow & { count: number }>()
  const [first] = rows
  if (first !== undefined || page === 0) return { rows, count: first?.count ?? 0, page }
  const { results: firsts } = await select(0).all<KeyRow & { count: number }>()
  const count = firsts[0]?.count ?? 0
  const last = Math.max(0, Math.ceil(count / limit) - 1)
  return { rows: last === 0 ? firsts : (await select(last).all<KeyRow>()).results, count, page: last }
}

/** Names from A on, figures from the largest down; the other way round where that is asked for. */
function orderOf({ sort = 'month', order }: Asked): string {
  const isUp = order !== 'reversed'
  if (sort === 'name') return `k.name COLLATE NOCASE ${isUp ? 'ASC' : 'DESC'}, k.id`
  if (sort === 'owner') {
    const way = isUp ? 'ASC' : 'DESC'
    return `tenants.name COLLATE NOCASE ${way}, coalesce(teams.name, '') COLLATE NOCASE ${way}, ${BY_NAME}`
  }
  return `coalesce(figure.value, -1) ${isUp ? 'DESC' : 'ASC'}, ${BY_NAME}`
}

interface Spending {
  readonly owners: readonly KeyOwner[]
  readonly ledger: LedgerState
  readonly nowMs: number
}

function spentSince(db: D1Database, fromMs: number, { owners, ledger, nowMs }: Spending) {
  return spendOf(db, readable({ fromMs, toMs: nowMs + 1 }, ledger), owners, ledger)
}

/** Beginning of the day and of the month of UTC. */
function dayStart(nowMs: number): number {
  return Math.floor(nowMs / DAY_MS) * DAY_MS
}

function monthStart(nowMs: number): number {
  const now = new Date(nowMs)
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1)
}
