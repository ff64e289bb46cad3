// What a tenant's limiter keeps in its SQLite, and nothing else: rows in, rows out. The state machine is in src/core.
// Every call of the object is one implicit transaction: its writes become durable together, before its reply leaves.
import type { Authority, GrantedLease, NodeState } from '../src/core/authority.ts'
import type { AdmissionRecord, LimiterConfig } from '../src/core/limits.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS node (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holder (id TEXT PRIMARY KEY, acknowledged INTEGER NOT NULL, number INTEGER NOT NULL,
  seen_at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS admission (
  id TEXT PRIMARY KEY, lease_id TEXT NOT NULL, reserved_nano_usd INTEGER NOT NULL, event TEXT NOT NULL,
  booked_at_ms INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, events TEXT NOT NULL, sends INTEGER NOT NULL, send_at_ms INTEGER NOT NULL
);`

/** An unconfirmed run of usage events. */
export interface OutboxRow {
  readonly id: number
  readonly events: string
  readonly sends: number
}

/** An admission whose attempt has not been settled. `bookedAtMs` is set once it was written off as lost. */
export interface StoredAdmission {
  readonly id: string
  readonly leaseId: string
  readonly reservedNanoUsd: number
  readonly event: string
  readonly bookedAtMs: number | null
}

/** The tables of one limiter object. */
export class LimiterStorage {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(SCHEMA)
  }

  readMeta(name: string): string | null {
    for (const row of this.#sql.exec<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)) return row.value
    return null
  }

  writeMeta(name: string, value: string): void {
    this.#sql.exec('INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2', name, value)
  }

  /** Fills an authority with what was stored. */
  load(authority: Authority): void {
    for (const row of this.#sql.exec<{ state: string }>('SELECT state FROM node')) {
      const state = parseRow<NodeState>(row.state)
      authority.nodes.set(state.id, state)
    }
    for (const row of this.#sql.exec<{ state: string }>('SELECT state FROM lease')) {
      const lease = parseRow<GrantedLease>(row.state)
      authority.leases.set(lease.id, lease)
    }
    const holders = this.#sql.exec<{ id: string; seen_at_ms: number }>('SELECT id, seen_at_ms FROM holder')
    for (const row of holders) authority.holders.set(row.id, row.seen_at_ms)
  }

  /** Writes what changed since the last save. */
  save(authority: Authority): void {
    saveChanged(authority.dirty.nodes, authority.nodes, (id, state) => this.#put('node', id, state))
    saveChanged(authority.dirty.leases, authority.leases, (id, state) => this.#put('lease', id, state))
  }

  #put(table: 'node' | 'lease', id: string, state: string | null): void {
    if (state === null) this.#sql.exec(`DELETE FROM ${table} WHERE id = ?`, id)
    else this.#sql.exec(`INSERT INTO ${table} VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET state = ?2`, id, state)
  }

  readConfig(): LimiterConfig | null {
    const text = this.readMeta('config')
    return text === null ? null : parseRow<LimiterConfig>(text)
  }

  /** What is known of a holder: its highest durable event, its latest message; zeros for a new one. */
  holder(id: string): { readonly acknowledged: number; readonly number: number } {
    const query = 'SELECT acknowledged, number FROM holder WHERE id = ?'
    for (const row of this.#sql.exec<{ acknowledged: number; number: number }>(query, id)) return row
    return { acknowledged: 0, number: 0 }
  }

  touchHolder(id: string, seen: { acknowledged: number; number: number; atMs: number }): void {
    this.#sql.exec(
      `INSERT INTO holder VALUES (?1, ?2, ?3, ?4)
       ON CONFLICT (id) DO UPDATE SET acknowledged = ?2, number = MAX(number, ?3), seen_at_ms = ?4`,
      id,
      seen.acknowledged,
      seen.number,
      seen.atMs,
    )
  }

  addAdmission(record: AdmissionRecord): void {
    this.#sql.exec(
      'INSERT OR IGNORE INTO admission VALUES (?, ?, ?, ?, NULL)',
      record.id,
      record.leaseId,
      record.reserved.nanoUsd,
      record.event,
    )
  }

  /** Forgets admissions that were settled; returns those that had been booked as lost meanwhile. */
  settleAdmissions(ids: readonly string[]): readonly StoredAdmission[] {
    if (ids.length === 0) return []
    return this.#admissions(
      'DELETE FROM admission WHERE id IN (SELECT value FROM json_each(?)) RETURNING *',
      JSON.stringify(ids),
    ).filter((admission) => admission.bookedAtMs !== null)
  }

  /** Open admissions of a lease, marked as booked at `nowMs`. */
  bookAdmissions(leaseId: string, nowMs: number): readonly StoredAdmission[] {
    return this.#admissions(
      'UPDATE admission SET booked_at_ms = ?1 WHERE lease_id = ?2 AND booked_at_ms IS NULL RETURNING *',
      nowMs,
      leaseId,
    )
  }

  #admissions(query: string, ...bindings: (string | number)[]): StoredAdmission[] {
    const rows = this.#sql.exec<{
      id: string
      lease_id: string
      reserved_nano_usd: number
      event: string
      booked_at_ms: number | null
    }>(query, ...bindings)
    return [...rows].map((row) => ({
      id: row.id,
      leaseId: row.lease_id,
      reservedNanoUsd: row.reserved_nano_usd,
      event: row.event,
      bookedAtMs: row.booked_at_ms,
    }))
  }

  addToOutbox(events: string, sendAtMs: number): void {
    this.#sql.exec('INSERT INTO outbox (events, sends, send_at_ms) VALUES (?, 0, ?)', events, sendAtMs)
  }

  /** Rows due for sending, oldest first. */
  dueOutbox(nowMs: number, most: number): readonly OutboxRow[] {
    const query = 'SELECT id, events, sends FROM outbox WHERE send_at_ms <= ? ORDER BY id LIMIT ?'
    return [...this.#sql.exec<{ id: number; events: string; sends: number }>(query, nowMs, most)]
  }

  /** Notes that rows were sent and when to send each again unless it is confirmed. */
  postpone(rows: readonly { readonly id: number; readonly sendAtMs: number }[]): void {
    for (const row of rows) {
      this.#sql.exec('UPDATE outbox SET sends = sends + 1, send_at_ms = ? WHERE id = ?', row.sendAtMs, row.id)
    }
  }

  /** Makes everything that was sent but never confirmed due by `atMs`: what was on its way may have died with us. */
  hastenOutbox(atMs: number): void {
    this.#sql.exec('UPDATE outbox SET send_at_ms = ?1 WHERE send_at_ms > ?1 AND sends = 1', atMs)
  }

  confirm(ids: readonly number[]): void {
    this.#sql.exec('DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))', JSON.stringify(ids))
  }

  /** When the next outbox row is due; null when there is none. */
  nextSendMs(): number | null {
    for (const row of this.#sql.exec<{ at: number | null }>('SELECT MIN(send_at_ms) AS at FROM outbox')) return row.at
    return null
  }

  unconfirmed(): number {
    for (const row of this.#sql.exec<{ n: number }>('SELECT COUNT(*) AS n FROM outbox')) return row.n
    return 0
  }

  /** Drops holders and booked admissions that nothing can refer to any more. */
  prune(beforeMs: number): void {
    this.#sql.exec('DELETE FROM holder WHERE seen_at_ms < ?', beforeMs)
    this.#sql.exec('DELETE FROM admission WHERE booked_at_ms < ?', beforeMs)
  }
}

function saveChanged(
  dirty: Set<string>,
  rows: Map<string, unknown>,
  put: (id: string, state: string | null) => void,
): void {
  for (const id of dirty) {
    const row = rows.get(id)
    put(id, row === undefined ? null : JSON.stringify(row))
  }
  dirty.clear()
}

/** Reads back what `save` wrote: only this object writes its tables. */
function parseRow<T>(text: string): T {
  return JSON.parse(text)
}
