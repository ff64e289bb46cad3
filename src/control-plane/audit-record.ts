// The audit log: who changed what, from what to what. An entry is written in the transaction of its change; nothing ever
// changes or removes one. Secrets aren't in it: keys are kept as digests, and not even those are shown.
import { isJsonObject, parseJson, type Json, type JsonObject } from '../core/json.ts'

/** Who makes a change, and what is to be said of it besides. */
export interface Entry {
  readonly who: string
  readonly reason?: string
  /** How many requests met what was changed, where somebody counted them. */
  readonly requests?: number
  readonly detail?: JsonObject
}

/** Whoever has the admin token, by the token's name. */
export const OPERATOR: Entry = { who: 'ADMIN_TOKEN' }

/** A row that changes; null for none. */
export interface Changed {
  readonly table: string
  readonly id: string
  readonly before: object | null
  readonly after: object | null
}

interface AuditRow {
  readonly id: number
  readonly at_ms: number
  readonly who: string
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
const HIDDEN = new Set(['hashes', 'sealed'])
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
])

/** The statement that enters a change, if the statement before it in its batch changed anything. */
export function auditEntry(db: D1Database, changed: Changed, entry: Entry): D1PreparedStatement {
  const { before, after } = sidesOf(changed)
  const verb = changed.before === null ? 'create' : changed.after === null ? 'delete' : 'change'
  return entryOf(db, { what: `${changed.table}.${verb}`, subject: changed.id, before, after }, entry, 'changes() > 0')
}

/** The statement that enters something that changed no row of the configuration. */
export function noteEntry(db: D1Database, what: string, subject: string, entry: Entry): D1PreparedStatement {
  return entryOf(db, { what, subject, before: null, after: null }, entry, 'true')
}

interface Sides {
  readonly before: string | null
  readonly after: string | null
}

function entryOf(
  db: D1Database,
  { what, subject, before, after }: Sides & { readonly what: string; readonly subject: string },
  { who, reason = null, requests = null, detail }: { readonly [Field in keyof Entry]: Entry[Field] | null },
  condition: string,
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO audit (who, what, subject, before, after, reason, requests, detail)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE ${condition}`,
    )
    .bind(who, what, subject, before, after, reason, requests, detail == null ? null : JSON.stringify(detail))
}

/** Of a row that stays, the columns that are different; else all of it. */
export function sidesOf({ before, after }: Changed): Sides {
  const [then, now] = [visible(before), visible(after)]
  if (then === null || now === null) return { before: textOf(then), after: textOf(now) }
  const differs = Object.keys(now).filter((name) => JSON.stringify(then[name]) !== JSON.stringify(now[name]))
  const only = (row: Readonly<Record<string, unknown>>) => Object.fromEntries(differs.map((name) => [name, row[name]]))
  return { before: textOf(only(then)), after: textOf(only(now)) }
}

function visible(row: object | null): Readonly<Record<string, unknown>> | null {
  return row === null ? null : Object.fromEntries(Object.entries(row).filter(([name]) => !HIDDEN.has(name)))
}

function textOf(row: Readonly<Record<string, unknown>> | null): string | null {
  if (row === null) return null
  const text = JSON.stringify(row)
  return text.length <= SIDE_CHARS_MAX ? text : JSON.stringify({ too_large: text.length })
}

/** One page of the log, newest first. */
export interface AuditQuery {
  readonly limit: number
  /** Entries with a lower number; null for the newest. */
  readonly before: number | null
  /** Only those about this id; null for all. */
  readonly subject: string | null
}

/** The entries, and the number to go on from; null when there is nothing older. */
export async function readAudit(db: D1Database, { limit, before, subject }: AuditQuery) {
  const found = await db
    .prepare(`SELECT * FROM audit WHERE id < ?1 AND (?2 IS NULL OR subject = ?2) ORDER BY id DESC LIMIT ?3`)
    .bind(before ?? Number.MAX_SAFE_INTEGER, subject, limit + 1)
    .all<AuditRow>()
  const rows = found.results.slice(0, limit)
  const last = rows.at(-1)
  return {
    rows: rows.map(viewEntry),
    next: found.results.length > limit && last !== undefined ? String(last.id) : null,
  }
}

function viewEntry(row: AuditRow) {
  const detail = row.detail === null ? null : (parseJson(row.detail) ?? null)
  return { ...row, before: viewSide(row.before), after: viewSide(row.after), detail }
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
