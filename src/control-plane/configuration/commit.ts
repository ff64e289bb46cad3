// Makes all changes of a configuration at once: in one transaction, if its revision is still the one that was compared with,
// each change entered into the audit log, the state before and the state after kept.
import { err, ok, type Result } from '../../core/result.ts'
import { type Entry, auditEntry, noteEntry } from '../audit/audit-record.ts'
import { type MadeBy, forgetStatements, keepStatements } from './revisions.ts'
import { type AnyRow, type RowChange, type State, TABLES, type TableName } from './state.ts'

/** Rows that change at once: each has its entry in the audit log, and D1 takes a thousand statements of one call. */
export const CHANGES_MAX = 500
/** JSON of rows in one statement: D1 binds 2 MB. */
const ROWS_CHARS_MAX = 900_000

/** Columns that no two rows share, besides the id: a change may hand such a value on. */
const UNIQUE: Readonly<Partial<Record<TableName, readonly string[]>>> = {
  tenants: ['name'],
  teams: ['name'],
  virtual_keys: ['name'],
  routes: ['model'],
  presets: ['name'],
  alert_channels: ['name'],
}

export interface Commit {
  /** The revision that was compared with. */
  readonly revision: number
  readonly before: State
  readonly after: State
  readonly changes: readonly RowChange[]
  readonly madeBy: Exclude<MadeBy, 'found'>
  /** Of a rollback, what it goes back to. */
  readonly fromRevision: number
  readonly entry: Entry
  readonly nowMs: number
  /** What else belongs into the transaction, given the new revision. */
  readonly more?: (revision: number) => readonly D1PreparedStatement[]
}

export type NotCommitted = 'moved-on' | 'exists' | 'referenced'

/** Commits all of it or nothing: the new revision. `moved-on`: somebody else changed something since the comparison. */
export async function commitState(db: D1Database, commit: Commit): Promise<Result<number, NotCommitted>> {
  const { revision: before, changes, entry, nowMs, madeBy, fromRevision } = commit
  const revision = before + 1
  const common = { at_ms: nowMs, who: entry.who, from_revision: fromRevision }
  const kept = { revision, ...common, made_by: madeBy, reason: entry.reason ?? null, changes: changes.length }
  const found = {
    revision: before,
    ...common,
    made_by: 'found',
    from_revision: before,
    reason: null,
    changes: 0,
  } as const
  const detail = { from_revision: fromRevision, changes: changes.length, ...entry.detail }
  const statements = [
    // No revision of null may be: a configuration that has moved on fails the transaction.
    db
      .prepare(`UPDATE configuration SET revision = CASE WHEN revision = ?1 THEN revision + 1 END WHERE id = 1`)
      .bind(before),
    ...changes.map((change) => auditEntry(db, change, entry)),
    noteEntry(db, `configuration.${madeBy}`, `revision:${revision}`, { ...entry, detail }),
    ...changeStatements(db, changes),
    ...(await keepStatements(db, found, commit.before)),
    ...(await keepStatements(db, kept, commit.after)),
    ...forgetStatements(db),
    ...(commit.more?.(revision) ?? []),
  ]
  try {
    await db.batch(statements)
    return ok(revision)
  } catch (error) {
    const reason = String(error)
    if (reason.includes('NOT NULL constraint failed: configuration.revision')) return err('moved-on')
    if (reason.includes('UNIQUE constraint failed')) return err('exists')
    if (reason.includes('FOREIGN KEY constraint failed')) return err('referenced')
    throw error
  }
}

/** What goes goes first, what refers to something before that; then names are let go, then rows are written. */
function changeStatements(db: D1Database, changes: readonly RowChange[]): readonly D1PreparedStatement[] {
  const statements: D1PreparedStatement[] = []
  for (const table of TABLES.toReversed()) {
    const gone = changes.filter((change) => change.table === table && change.after === null).map(({ id }) => id)
    if (gone.length === 0) continue
    const ids = JSON.stringify(gone)
    statements.push(db.prepare(`DELETE FROM ${table} WHERE id IN (SELECT value FROM json_each(?1))`).bind(ids))
    if (table === 'alert_channels') {
      const sql = `DELETE FROM alert_channel_health WHERE channel_id IN (SELECT value FROM json_each(?1))`
      statements.push(db.prepare(sql).bind(ids))
    }
  }
  for (const table of TABLES) {
    const written = changes.filter((change) => change.table === table && change.after !== null)
    statements.push(...lettingGo(db, table, written), ...writing(db, table, written))
  }
  return statements
}

function lettingGo(db: D1Database, table: TableName, changes: readonly RowChange[]): readonly D1PreparedStatement[] {
  return (UNIQUE[table] ?? []).flatMap((column) => {
    const ids = changes
      .filter(({ before, after }) => before !== null && valueOf(before, column) !== valueOf(after, column))
      .map(({ id }) => id)
    if (ids.length === 0) return []
    const sql = `UPDATE ${table} SET ${column} = char(0) || id WHERE id IN (SELECT value FROM json_each(?1))`
    return [db.prepare(sql).bind(JSON.stringify(ids))]
  })
}

/** Rows of one table, as many in a statement as may be. Rows of a kept revision may lack newer columns. */
function writing(db: D1Database, table: TableName, changes: readonly RowChange[]): readonly D1PreparedStatement[] {
  const byColumns = Map.groupBy(
    changes.flatMap(({ after }) => (after === null ? [] : [after])),
    (row) => Object.keys(row).toSorted().join(','),
  )
  return [...byColumns].flatMap(([list, rows]) => {
    const columns = list.split(',')
    const sets = columns.filter((column) => column !== 'id').map((column) => `${column} = excluded.${column}`)
    const sql = `INSERT INTO ${table} (${columns.join(', ')})
      SELECT ${columns.map((column) => `value ->> '${column}'`).join(', ')} FROM json_each(?1) WHERE true
      ON CONFLICT (id) DO UPDATE SET ${sets.join(', ')}`
    return inParts(rows).map((part) => db.prepare(sql).bind(part))
  })
}

function inParts(rows: readonly AnyRow[]): readonly string[] {
  const parts: string[] = []
  let part: string[] = []
  let chars = 0
  for (const row of rows) {
    const text = JSON.stringify(row)
    if (chars > 0 && chars + text.length > ROWS_CHARS_MAX) {
      parts.push(`[${part.join(',')}]`)
      part = []
      chars = 0
    }
    part.push(text)
    chars += text.length
  }
  return part.length === 0 ? parts : [...parts, `[${part.join(',')}]`]
}

function valueOf(row: AnyRow | null, column: string): unknown {
  return row === null ? undefined : Reflect.get(row, column)
}
