// The audit log: who changed what, from what to what. An entry is written in the transaction of its change; nothing ever
// changes or removes one. Secrets aren't in it: keys are kept as digests, of which is only told how many there are and until when.
import { isJsonObject, parseJson, type Json, type JsonObject } from '../../core/json.ts'
import { listSecrets } from '../keys/key-secrets.ts'
import { type Scope, teamOf, tenantOf } from '../access/permissions.ts'
import type { SeenRow } from '../store.ts'

/** Who makes a change, and what is to be said of it besides. */
export interface Entry {
  /** As people read it. */
  readonly who: string
  /** What stays the same of whoever it was: `ADMIN_TOKEN`, a token's id, a user's; the gateway itself has none. */
  readonly actor?: string
  /** Where the call came from. */
  readonly address?: string
  /** Whose it is, where no row says so. */
  readonly owner?: Owner
  readonly reason?: string
  /** How many requests met what was changed, where somebody counted them. */
  readonly requests?: number
  readonly detail?: JsonObject
  /** What they had seen of the row that they change, where they said so: it changes only if it is still that. */
  readonly seen?: SeenRow
}

/** Whom a change concerns: nobody in particular, a tenant, or one of its teams. */
export interface Owner {
  readonly tenantId: string | null
  readonly teamId: string | null
}

const NOBODYS: Owner = { tenantId: null, teamId: null }

/** A row that changes; null for none. */
export interface Changed {
  readonly table: string
  readonly id: string
  readonly before: object | null
  readonly after: object | null
  /** Missing: whether it was made, changed or deleted. */
  readonly verb?: string
}

interface AuditRow {
  readonly id: number
  readonly at_ms: number
  readonly who: string
  readonly actor: string | null
  readonly address: string | null
  readonly tenant_id: string | null
  readonly team_id: string | null
  readonly what: string
  readonly subject: string
  readonly before: string | null
  readonly after: string | null
  readonly reason: string | null
  readonly requests: number | null
  readonly detail: string | null
}

/** Of a larger row only its size is noted. Characters of JSON. */
const SIDE_CHARS_MAX = 100_000
/** Columns that are nobody's business. */
const HIDDEN = new Set(['sealed', 'digest', 'previous_digest'])
/** Columns that hold JSON. */
const JSON_COLUMNS = new Set([
  'tags',
  'models',
  'targets',
  'allowed_gaps',
  'choice',
  'compiled',
  'limit_rules',
  'end_user_limits',
  'at_limit',
  'runaway',
  'cors_origins',
  'probe',
  'kinds',
  'tenants',
  'teams',
  'keys',
  'rules',
  'price',
  'default_price',
  'data_policy',
  'bodies',
  'preset',
])

/** The statement that enters a change, if the statement before it in its batch changed anything. */
export function auditEntry(db: D1Database, changed: Changed, entry: Entry): D1PreparedStatement {
  const { before, after } = sidesOf(changed)
  const usual = changed.before === null ? 'create' : changed.after === null ? 'delete' : 'change'
  const what = `${changed.table}.${changed.verb ?? usual}`
  return entryOf(
    db,
    { what, subject: changed.id, before, after },
    { ...entry, owner: entry.owner ?? ownerOf(changed) },
    'changes() > 0',
  )
}

/** The statement that enters something that changed no row of the configuration. */
export function noteEntry(db: D1Database, what: string, subject: string, entry: Entry): D1PreparedStatement {
  return entryOf(db, { what, subject, before: null, after: null }, entry, 'true')
}

/** Whom a row belongs to, as its columns say. What is everybody's has the tenant ''. */
function ownerOf({ table, id, before, after }: Changed): Owner {
  const row: Readonly<Record<string, unknown>> = { ...before, ...after }
  const column = (name: string): string | null => {
    const value = row[name]
    return typeof value === 'string' && value !== '' ? value : null
  }
  if (table === 'tenants' || table === 'alert_rules') return { tenantId: id === '' ? null : id, teamId: null }
  const tenantId = column('tenant_id')
  return tenantId === null ? NOBODYS : { tenantId, teamId: table === 'teams' ? id : column('team_id') }
}

interface Sides {
  readonly before: string | null
  readonly after: string | null
}

function entryOf(
  db: D1Database,
  { what, subject, before, after }: Sides & { readonly what: string; readonly subject: string },
  { who, actor = null, address = null, owner = NOBODYS, reason = null, requests = null, detail }: EntryColumns,
  condition: string,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO audit (who, what, subject, before, after, reason, requests, detail, actor, address, tenant_id, team_id)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 WHERE ${condition}`,
    )
    .bind(
      ...[who, what, subject, before, after, reason, requests, detail == null ? null : JSON.stringify(detail)],
      ...[actor, address, owner.tenantId, owner.teamId],
    )
}

type EntryColumns = { readonly [Field in keyof Entry]: Exclude<Entry[Field], undefined> | null | undefined } & Pick<
  Entry,
  'who' | 'owner'
>

/** Of a row that stays, the columns that are different; else all of it. */
export function sidesOf({ before, after }: Changed): Sides {
  const [then, now] = [visible(before), visible(after)]
  if (then === null || now === null) return { before: textOf(then), after: textOf(now) }
  const differs = Object.keys(now).filter((name) => JSON.stringify(then[name]) !== JSON.stringify(now[name]))
  const only = (row: Readonly<Record<string, unknown>>) => Object.fromEntries(differs.map((name) => [name, row[name]]))
  return { before: textOf(only(then)), after: textOf(only(now)) }
}

function visible(row: object | null): Readonly<Record<string, unknown>> | null {
  if (row === null) return null
  const shown = Object.entries(row).filter(([name]) => !HIDDEN.has(name))
  return Object.fromEntries(
    shown.map(([name, value]: [string, unknown]) =>
      name === 'hashes' ? ['secrets', listSecrets(String(value))] : [name, value],
    ),
  )
}

function textOf(row: Readonly<Record<string, unknown>> | null): string | null {
  if (row === null) return null
  const text = JSON.stringify(row)
  return text.length <= SIDE_CHARS_MAX ? text : JSON.stringify({ too_large: text.length })
}

/** One page of the log, newest first. Null asks for all. */
export interface AuditQuery {
  readonly limit: number
  /** Entries with a lower number. */
  readonly before: number | null
  /** Only those about this id. */
  readonly subject: string | null
  /** Only those of whoever has this in the name, or has this id. */
  readonly who: string | null
  /** `<table>.<verb>`, or only the table. */
  readonly what: string | null
  readonly fromMs: number | null
  readonly toMs: number | null
  /** Only those that concern what is within it. */
  readonly scope: Scope
}

const PAGE = `SELECT * FROM audit WHERE id < ?1
    AND (?2 IS NULL OR subject = ?2)
    AND (?3 IS NULL OR actor = ?3 OR instr(lower(who), lower(?3)) > 0)
    AND (?4 IS NULL OR what = ?4 OR substr(what, 1, length(?4) + 1) = ?4 || '.')
    AND (?5 IS NULL OR at_ms >= ?5) AND (?6 IS NULL OR at_ms < ?6)
    AND (?7 IS NULL OR tenant_id = ?7) AND (?8 IS NULL OR team_id = ?8)
  ORDER BY id DESC LIMIT ?9`

/** The entries, and the number to go on from; null when there is nothing older. */
export async function readAudit(db: D1Database, query: AuditQuery) {
  const { limit, before, subject, who, what, fromMs, toMs, scope } = query
  const found = await db
    .prepare(PAGE)
    .bind(
      ...[before ?? Number.MAX_SAFE_INTEGER, subject, who, what, fromMs, toMs],
      ...[tenantOf(scope), teamOf(scope), limit + 1],
    )
    .all<AuditRow>()
  const rows = found.results.slice(0, limit)
  const last = rows.at(-1)
  return {
    rows: rows.map((row) => viewEntry(row, scope)),
    next: found.results.length > limit && last !== undefined ? String(last.id) : null,
  }
}

/** Where the deployment's own people sit is no tenant's business. */
function viewEntry(row: AuditRow, scope: Scope) {
  const detail = row.detail === null ? null : (parseJson(row.detail) ?? null)
  const address = scope.kind === 'deployment' ? row.address : null
  return { ...row, address, before: viewSide(row.before), after: viewSide(row.after), detail }
}

function viewSide(text: string | null): JsonObject | null {
  const row = text === null ? null : parseJson(text)
  if (!isJsonObject(row)) return null
  return Object.fromEntries(Object.entries(row).map(([name, value]) => [name, viewColumn(name, value)]))
}

function viewColumn(name: string, value: Json | undefined): Json {
  if (typeof value !== 'string' || !JSON_COLUMNS.has(name)) return value ?? null
  return parseJson(value) ?? value
}
