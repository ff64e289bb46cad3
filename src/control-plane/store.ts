// The configuration's tables: their rows, how they are looked up, and how they are changed. Every change bumps the
// revision and is entered into the audit log in its own transaction, so that a revision names one state of everything, and
// nothing changes without somebody's name to it.
import { err, ok, type Result } from '../core/result.ts'
import { parseJson } from '../core/json.ts'
import type { CacheMode } from '../core/directory.ts'
import type { UnpricedPolicy } from '../core/money/price-book.ts'
import type { PassThroughPolicy } from '../core/guard/pass-through-policy.ts'
import { SWITCHES_MAX, type SwitchKind } from '../core/switches.ts'
import { type Entry, auditEntry } from './audit/audit-record.ts'
import type { LimitColumns } from './tenants/limits-record.ts'

export interface TenantRow extends LimitColumns {
  readonly id: string
  readonly name: string
  readonly cache_mode: CacheMode
  readonly cache_ttl_seconds: number
  readonly time_zone: string
  readonly cors_origins: string
  /** JSON list of rules for each end user; null where there never was one. */
  readonly end_user_limits: string | null
  /** 1: requests have to name their end user. */
  readonly require_end_user: number
  readonly pass_through: PassThroughPolicy
  /** What becomes of requests without a budget while the limiter is away. */
  readonly limits_unavailable: 'refuse' | 'admit'
  /** Who lends its limits: its own object alone, or others near its isolates, which it lends to. */
  readonly limiter: 'one' | 'regional'
  /** What becomes of requests for models without a price; null: what becomes of everybody's. */
  readonly unpriced: UnpricedPolicy['action'] | null
  /** JSON of a `NamedPrice`, for `default`. */
  readonly default_price: string | null
  /** JSON of a `DataPolicy`. */
  readonly data_policy: string | null
  /** JSON of a `BodyPolicy`; null where no bodies are kept. */
  readonly bodies: string | null
  readonly created_at_ms: number
}

export interface TeamRow extends LimitColumns {
  readonly id: string
  readonly tenant_id: string
  readonly name: string
  /** As of a tenant; each end user has them within the team. */
  readonly end_user_limits: string | null
  readonly created_at_ms: number
}

export interface KeyRow extends LimitColumns {
  readonly id: string
  readonly kid: string
  readonly tenant_id: string
  readonly team_id: string | null
  readonly name: string
  /** JSON list of `KeptSecret`s, the newest first. */
  readonly hashes: string
  readonly cost_center: string | null
  readonly tags: string
  readonly models: string
  /** Null: the tenant's. */
  readonly pass_through: PassThroughPolicy | null
  /** JSON of a `DataPolicy`. */
  readonly data_policy: string | null
  /** As of a tenant; each end user has them within the key. */
  readonly end_user_limits: string | null
  readonly created_at_ms: number
  readonly expires_at_ms: number | null
  readonly revoked_at_ms: number | null
}

export interface TargetRow {
  readonly id: string
  readonly name: string | null
  readonly provider: string
  readonly model: string
  readonly compiled: string
  /** JSON list of rules; null where there never was one. */
  readonly limit_rules: string | null
  readonly created_at_ms: number
  readonly probe: string | null
}

export interface RouteRow {
  readonly id: string
  readonly model: string
  readonly tenant_id: string
  readonly targets: string
  readonly allowed_gaps: string
  /** JSON of a `RouteChoice`. */
  readonly choice: string
  /** Since when its watched members are counted; null where none is watched. */
  readonly watched_since_ms: number | null
  readonly created_at_ms: number
}

export interface PresetRow {
  readonly id: string
  /** '' for everybody's. */
  readonly tenant_id: string
  readonly name: string
  /** JSON of its members and its system prompt. */
  readonly preset: string
  readonly created_at_ms: number
}

/** Something that is switched off. */
export interface SwitchRow {
  /** `<kind>:<subject>` */
  readonly id: string
  readonly kind: SwitchKind
  /** Id of what is off; of models a name, or a prefix with `*`. */
  readonly subject: string
  readonly reason: string
  readonly since_ms: number
}

/** What is charged in place of the listed price. */
export interface PriceRow {
  readonly id: string
  readonly provider: string
  readonly model: string
  readonly tenant_id: string | null
  readonly from_ms: number
  /** JSON of a `Price`; null for a margin or discount. */
  readonly price: string | null
  readonly basis_points: number
  readonly version: string
  readonly note: string | null
  readonly created_at_ms: number
}

export interface EndUserRow {
  readonly id: string
  readonly tenant_id: string
  readonly digest: string
  readonly shard: number
  readonly name: string
  readonly limit_rules: string
  readonly created_at_ms: number
}

export type Table =
  | 'tenants'
  | 'end_users'
  | 'teams'
  | 'virtual_keys'
  | 'targets'
  | 'routes'
  | 'presets'
  | 'switches'
  | 'prices'
  | 'alert_channels'
  | 'alert_rules'
  | 'credentials'
  | 'api_tokens'
  | 'role_rules'

/** A table takes no more rows than this: everything is listed, compiled and published whole. */
export const ROWS_MAX = 10_000

/** A change of one row, to be made by `commit`. */
export interface Change {
  readonly table: Table
  readonly id: string
  /** What the row is then; null for gone. */
  readonly after: object | null
  readonly statement: D1PreparedStatement
  /** What the audit log calls it, where it isn't just a change. */
  readonly verb?: string
}

/** Number of the configuration's present state. */
export async function revisionOf(db: D1Database): Promise<number> {
  const found = await db.prepare(`SELECT revision FROM configuration WHERE id = 1`).first<{ revision: number }>()
  return found?.revision ?? 0
}

/** All rows of a table, oldest first, or those of one tenant. */
export async function listRows<Row>(db: D1Database, table: Table, tenantId?: string): Promise<readonly Row[]> {
  const order = table === 'switches' ? 'ORDER BY since_ms, id' : 'ORDER BY created_at_ms, id'
  const statement =
    tenantId === undefined
      ? db.prepare(`SELECT * FROM ${table} ${order}`)
      : db.prepare(`SELECT * FROM ${table} WHERE tenant_id = ?1 ${order}`).bind(tenantId)
  return (await statement.all<Row>()).results
}

/** The first `limit` rows whose id comes after `afterId`, in the order of their ids. */
export async function pageRows<Row>(
  db: D1Database,
  table: Table,
  afterId: string,
  limit: number,
): Promise<readonly Row[]> {
  const statement = db.prepare(`SELECT * FROM ${table} WHERE id > ?1 ORDER BY id LIMIT ?2`)
  return (await statement.bind(afterId, limit).all<Row>()).results
}

/** One row by its id. */
export function findRow<Row>(db: D1Database, table: Table, id: string): Promise<Row | null> {
  return db.prepare(`SELECT * FROM ${table} WHERE id = ?1`).bind(id).first<Row>()
}

/** A tenant by its id or name; an id wins. */
export function findTenant(db: D1Database, reference: string): Promise<TenantRow | null> {
  return db
    .prepare(`SELECT * FROM tenants WHERE id = ?1 OR name = ?1 ORDER BY id = ?1 DESC LIMIT 1`)
    .bind(reference)
    .first<TenantRow>()
}

/** A team of a tenant by its id or name; an id wins. */
export function findTeam(db: D1Database, tenantId: string, reference: string): Promise<TeamRow | null> {
  return db
    .prepare(`SELECT * FROM teams WHERE tenant_id = ?1 AND (id = ?2 OR name = ?2) ORDER BY id = ?2 DESC LIMIT 1`)
    .bind(tenantId, reference)
    .first<TeamRow>()
}

/** Adds a row, if the table isn't full. */
export function insertRow(db: D1Database, table: Table, row: { readonly id: string }): Change {
  const names = Object.keys(row)
  const places = names.map((_, at) => `?${at + 1}`)
  const statement = db
    .prepare(
      `INSERT INTO ${table} (${names.join(', ')}) SELECT ${places.join(', ')}
       WHERE (SELECT count(*) FROM ${table}) < ${ROWS_MAX}`,
    )
    .bind(...Object.values(row))
  return { table, id: row.id, after: row, statement }
}

/** What of a row may be put is replaced where there is one of that id. */
const REPLACED = { end_users: 'limit_rules', switches: 'reason' } as const
const PUT_MAX = { end_users: ROWS_MAX, switches: SWITCHES_MAX } as const

/** Adds a row, if the table isn't full; of one that has its id, replaces an end user's limits or a switch's reason. */
export function putRow(db: D1Database, table: keyof typeof REPLACED, row: EndUserRow | SwitchRow): Change {
  const names = Object.keys(row)
  const places = names.map((_, at) => `?${at + 1}`)
  const replaced = REPLACED[table]
  const statement = db
    .prepare(
      `INSERT INTO ${table} (${names.join(', ')}) SELECT ${places.join(', ')}
       WHERE (SELECT count(*) FROM ${table}) < ${PUT_MAX[table]} OR EXISTS (SELECT 1 FROM ${table} WHERE id = ?1)
       ON CONFLICT (id) DO UPDATE SET ${replaced} = excluded.${replaced}`,
    )
    .bind(...Object.values(row))
  return { table, id: row.id, after: row, statement }
}

/** Whether any of a tenant's end users has limits of its own. */
export async function hasEndUsers(db: D1Database, tenantId: string): Promise<boolean> {
  return (await db.prepare(`SELECT 1 FROM end_users WHERE tenant_id = ?1 LIMIT 1`).bind(tenantId).first()) !== null
}

/** Teams and keys of a tenant within which each end user has limits or had some. */
export async function userLimited(
  db: D1Database,
  tenantId: string,
): Promise<readonly { readonly id: string; readonly end_user_limits: string }[]> {
  const of = (table: Table) =>
    `SELECT id, end_user_limits FROM ${table} WHERE tenant_id = ?1 AND end_user_limits IS NOT NULL`
  const statement = db.prepare(`${of('teams')} UNION ALL ${of('virtual_keys')}`).bind(tenantId)
  return (await statement.all<{ id: string; end_user_limits: string }>()).results
}

/** Targets that have limits or had some. */
export async function limitedTargets(db: D1Database): Promise<readonly string[]> {
  const found = await db.prepare(`SELECT id FROM targets WHERE limit_rules IS NOT NULL`).all<{ id: string }>()
  return found.results.map(({ id }) => id)
}

/** Replaces all columns of the row that has this row's id. */
export function updateRow(db: D1Database, table: Table, row: { readonly id: string }): Change {
  const names = Object.keys(row)
  const sets = names.map((name, at) => `${name} = ?${at + 1}`)
  const statement = db
    .prepare(`UPDATE ${table} SET ${sets.join(', ')} WHERE id = ?${names.length + 1}`)
    .bind(...Object.values(row), row.id)
  return { table, id: row.id, after: row, statement }
}

/** Replaces a route, if its watch is still the same: whoever changed it meanwhile had reasons. */
export function changeRoute(db: D1Database, before: RouteRow, row: RouteRow): Change {
  const statement = db
    .prepare(`UPDATE routes SET choice = ?1, watched_since_ms = ?2 WHERE id = ?3 AND watched_since_ms IS ?4`)
    .bind(row.choice, row.watched_since_ms, row.id, before.watched_since_ms)
  return { table: 'routes', id: row.id, after: row, statement }
}

/** Removes a row. */
export function deleteRow(db: D1Database, table: Table, id: string): Change {
  return { table, id, after: null, statement: db.prepare(`DELETE FROM ${table} WHERE id = ?1`).bind(id) }
}

/** A row as somebody saw it, who changes it only if it is still the same; null for none. */
export interface SeenRow {
  readonly table: Table
  readonly id: string
  readonly row: object | null
}

/** A row isn't as it was seen: nothing was changed. */
export class RowMovedOn extends Error {
  override readonly name = 'RowMovedOn'
}

/** Fails its transaction unless the row is as it was seen: no revision of null may be. */
function asSeen(db: D1Database, { table, id, row }: SeenRow): D1PreparedStatement {
  const columns = Object.entries(row ?? { id })
  const same = columns.map(([name], at) => `${name} IS ?${at + 1}`).join(' AND ')
  const isThere = `EXISTS (SELECT 1 FROM ${table} WHERE ${same})`
  const condition = row === null ? `NOT ${isThere}` : isThere
  return db
    .prepare(`UPDATE configuration SET revision = CASE WHEN ${condition} THEN revision END WHERE id = 1`)
    .bind(...columns.map(([, value]) => value))
}

/** Makes a change, enters it into the audit log and bumps the revision: all or nothing. `exists`: a name or id is taken;
 *  `referenced`: something needs the row; `full`: nothing was changed, because the table is full. Anything else that goes
 *  wrong is thrown; a `RowMovedOn` where the entry's caller had seen another row. `more` belongs into the transaction, too. */
export async function commit(
  db: D1Database,
  change: Change,
  entry: Entry,
  more: readonly D1PreparedStatement[] = [],
): Promise<Result<null, 'exists' | 'referenced' | 'full'>> {
  const before = await findRow<object>(db, change.table, change.id)
  const { seen } = entry
  const isSeen = seen !== undefined && seen.table === change.table && seen.id === change.id
  const guards = isSeen ? [asSeen(db, seen)] : []
  try {
    const outcomes = await db.batch([
      ...guards,
      change.statement,
      auditEntry(db, { ...change, before }, entry),
      ...more,
      db.prepare(`UPDATE configuration SET revision = revision + 1 WHERE id = 1`),
    ])
    return outcomes[guards.length]?.meta.changes === 0 ? err('full') : ok(null)
  } catch (error) {
    const reason = String(error)
    if (reason.includes('NOT NULL constraint failed: configuration.revision')) throw new RowMovedOn()
    if (reason.includes('UNIQUE constraint failed')) return err('exists')
    if (reason.includes('FOREIGN KEY constraint failed')) return err('referenced')
    throw error
  }
}

/** A column of JSON texts. */
export function readTexts(json: string): readonly string[] {
  const list = parseJson(json)
  return Array.isArray(list) ? list.filter((item) => typeof item === 'string') : []
}
