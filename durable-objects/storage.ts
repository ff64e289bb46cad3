// What a tenant's limiter keeps in its SQLite, and nothing else: rows in, rows out. The state machine is in src/core.
// Every call of the object is one implicit transaction: its writes become durable together, before its reply leaves.
import type { Authority, GrantedLease } from '../src/core/authority.ts'
import type { OpenAdmission } from '../src/core/booking.ts'
import type { Gauge } from '../src/core/gauge.ts'
import type { Watch } from '../src/core/runaway.ts'
import type { Switches } from '../src/core/switches.ts'
import { type AdmissionRecord, LIMITS_VERSION, type LimiterConfig } from '../src/core/limits.ts'
import {
  type EarlierConfig,
  type EarlierLease,
  type EarlierNodeState,
  configOf,
  gaugesOf,
  leaseOf,
} from './earlier-version.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gauge (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watch (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holder (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS booked (id TEXT PRIMARY KEY, record TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, sends INTEGER NOT NULL, send_at_ms INTEGER NOT NULL, events TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS outbox_due ON outbox (send_at_ms);`

/** An unconfirmed run of usage events. */
export interface OutboxRow {
  readonly id: number
  readonly events: string
  readonly sends: number
}

/** How often a row has been sent, and when it is due again. */
export interface PostponedRow {
  readonly id: number
  readonly sends: number
  readonly sendAtMs: number
}

/** What is known of a holder. One row, written once a call, however many attempts it has in flight. */
export interface HolderState {
  readonly id: string
  /** Highest event number that is durable. */
  acknowledged: number
  /** Latest message. */
  number: number
  seenAtMs: number
  /** Attempts admitted and not settled, by admission id. */
  readonly inFlight: Map<string, AdmissionRecord>
}

/** The tables of one limiter object. */
export class LimiterStorage {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(SCHEMA)
    if (this.readMeta('version') !== String(LIMITS_VERSION)) this.#migrate()
  }

  /** Rewrites what the first version stored, all of it or, should this be cut short, none. */
  #migrate(): void {
    const sql = this.#sql
    const hasNodes = [...sql.exec(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'node'`)].length > 0
    if (hasNodes) {
      const gauges = [...sql.exec<{ state: string }>('SELECT state FROM node')].flatMap(({ state }) =>
        gaugesOf(parseRow<EarlierNodeState>(state)),
      )
      for (const gauge of gauges) this.#put('gauge', gauge.id, JSON.stringify(gauge))
      for (const { state } of [...sql.exec<{ state: string }>('SELECT state FROM lease')]) {
        const lease = leaseOf(parseRow<EarlierLease>(state), gauges)
        this.#put('lease', lease.id, JSON.stringify(lease))
      }
      sql.exec('DROP TABLE node')
    }
    const config = this.readMeta('config')
    if (config !== null) {
      this.writeMeta('config', JSON.stringify(configOf(parseRow<LimiterConfig | EarlierConfig>(config))))
    }
    this.writeMeta('version', String(LIMITS_VERSION))
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
    for (const row of this.#sql.exec<{ state: string }>('SELECT state FROM gauge')) {
      const gauge = parseRow<Gauge>(row.state)
      authority.gauges.set(gauge.id, gauge)
    }
    for (const row of this.#sql.exec<{ state: string }>('SELECT state FROM lease')) {
      const lease = parseRow<GrantedLease>(row.state)
      authority.leases.set(lease.id, lease)
    }
    for (const row of this.#sql.exec<{ state: string }>('SELECT state FROM watch')) {
      const watch = parseRow<Watch>(row.state)
      authority.watches.set(watch.id, watch)
    }
  }

  /** Every holder that is remembered. */
  readHolders(): HolderState[] {
    const rows = [...this.#sql.exec<{ state: string }>('SELECT state FROM holder')]
    return rows.map((row) => {
      const { inFlight, ...known } = parseRow<StoredHolder>(row.state)
      return { ...known, inFlight: new Map(inFlight.map((record) => [record.id, record])) }
    })
  }

  writeHolder(holder: HolderState): void {
    const state: StoredHolder = { ...holder, inFlight: [...holder.inFlight.values()] }
    this.#put('holder', holder.id, JSON.stringify(state))
  }

  deleteHolder(id: string): void {
    this.#put('holder', id, null)
  }

  /** Writes what changed since the last save. */
  save(authority: Authority): void {
    saveChanged(authority.dirty.gauges, authority.gauges, (id, state) => this.#put('gauge', id, state))
    saveChanged(authority.dirty.leases, authority.leases, (id, state) => this.#put('lease', id, state))
    saveChanged(authority.dirty.watches, authority.watches, (id, state) => this.#put('watch', id, state))
  }

  #put(table: 'gauge' | 'lease' | 'watch' | 'holder', id: string, state: string | null): void {
    if (state === null) this.#sql.exec(`DELETE FROM ${table} WHERE id = ?`, id)
    else this.#sql.exec(`INSERT INTO ${table} VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET state = ?2`, id, state)
  }

  readConfig(): LimiterConfig | null {
    const text = this.readMeta('config')
    return text === null ? null : parseRow<LimiterConfig>(text)
  }

  readSwitches(): Switches | null {
    const text = this.readMeta('switches')
    return text === null ? null : parseRow<Switches>(text)
  }

  /** Remembers an admission that was written off, for the case that its true event still arrives. */
  addBooked(booked: OpenAdmission): void {
    const record = JSON.stringify(booked)
    this.#sql.exec('INSERT OR REPLACE INTO booked VALUES (?, ?, ?)', booked.id, record, booked.bookedAtMs)
  }

  /** Those of `ids` that were written off; they are forgotten. */
  takeBooked(ids: readonly string[]): readonly OpenAdmission[] {
    const query = 'DELETE FROM booked WHERE id IN (SELECT value FROM json_each(?)) RETURNING record'
    const rows = [...this.#sql.exec<{ record: string }>(query, JSON.stringify(ids))]
    return rows.map((row) => parseRow<OpenAdmission>(row.record))
  }

  /** Which of `ids` were written off. */
  bookedAmong(ids: readonly string[]): ReadonlySet<string> {
    const query = 'SELECT id FROM booked WHERE id IN (SELECT value FROM json_each(?))'
    return new Set([...this.#sql.exec<{ id: string }>(query, JSON.stringify(ids))].map(({ id }) => id))
  }

  countBooked(): number {
    for (const row of this.#sql.exec<{ n: number }>('SELECT COUNT(*) AS n FROM booked')) return row.n
    return 0
  }

  /** Returns the row's number. No number is ever given twice. */
  addToOutbox(events: string, sends: number, sendAtMs: number): number {
    const query = 'INSERT INTO outbox (events, sends, send_at_ms) VALUES (?, ?, ?) RETURNING id'
    return this.#sql.exec<{ id: number }>(query, events, sends, sendAtMs).one().id
  }

  /** Rows due for sending, oldest first. */
  dueOutbox(nowMs: number, most: number): readonly OutboxRow[] {
    const query = 'SELECT id, events, sends FROM outbox WHERE send_at_ms <= ? ORDER BY send_at_ms LIMIT ?'
    return [...this.#sql.exec<{ id: number; events: string; sends: number }>(query, nowMs, most)]
  }

  /** Notes how often rows were sent and when to send each again unless it is confirmed. */
  postpone(rows: readonly PostponedRow[]): void {
    for (const { id, sends, sendAtMs } of rows) {
      this.#sql.exec('UPDATE outbox SET sends = ?, send_at_ms = ? WHERE id = ?', sends, sendAtMs, id)
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

  /** When the first request of the oldest row was accepted; null for no row, or one that says nothing of it. */
  oldestUnconfirmedMs(): number | null {
    const query = `SELECT events ->> '$[0].startedAtMs' AS at FROM outbox ORDER BY id LIMIT 1`
    for (const row of this.#sql.exec<{ at: number | null }>(query)) return row.at
    return null
  }

  /** Forgets written-off admissions that nobody can settle any more. */
  pruneBooked(beforeMs: number): void {
    this.#sql.exec('DELETE FROM booked WHERE at_ms < ?', beforeMs)
  }
}

/** A holder as it is stored. */
type StoredHolder = Omit<HolderState, 'inFlight'> & { readonly inFlight: readonly AdmissionRecord[] }

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
