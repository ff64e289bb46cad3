// What a side limiter keeps in its SQLite: a row an owner that has something to remember, a row a lease, a row a holder with
// limited money in flight. Every call of the object is one implicit transaction.
import type { GrantedLease } from '../src/core/limits/authority.ts'
import type { AdmissionRecord } from '../src/core/limits/limits.ts'
import type { ChangedOwner, SideAuthority, SideConfig, StoredOwner } from '../src/core/limits/side-limits.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owner (id TEXT PRIMARY KEY, state TEXT NOT NULL, rests_at_ms INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holder (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;`

/** What is known of a holder. Stored while it has told of attempts in flight. */
export interface SideHolder {
  readonly id: string
  /** Number of the latest run of settlements that was taken in. */
  acknowledged: number
  /** Latest message. */
  number: number
  seenAtMs: number
  /** Attempts under limited money that are not settled, by admission id. */
  readonly inFlight: Map<string, AdmissionRecord>
}

/** A holder as it is stored. */
type StoredHolder = Omit<SideHolder, 'inFlight'> & { readonly inFlight: readonly AdmissionRecord[] }

/** The tables of one side limiter. */
export class SideStorage {
  readonly #sql: SqlStorage

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(SCHEMA)
  }

  readConfig(): SideConfig | null {
    for (const row of this.#sql.exec<{ value: string }>(`SELECT value FROM meta WHERE name = 'config'`)) {
      return parseRow<SideConfig>(row.value)
    }
    return null
  }

  writeConfig(config: SideConfig): void {
    const query = `INSERT INTO meta VALUES ('config', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1`
    this.#sql.exec(query, JSON.stringify(config))
  }

  /** An owner's state; null where there is nothing to remember. */
  readOwner(id: string): StoredOwner | null {
    for (const row of this.#sql.exec<{ state: string }>('SELECT state FROM owner WHERE id = ?', id)) {
      return parseRow<StoredOwner>(row.state)
    }
    return null
  }

  /** One write an owner, however many limits it has; none for one that has nothing to remember and never had. */
  writeOwner({ id, timeZone, gauges, restsAtMs }: ChangedOwner): void {
    if (gauges.length === 0) {
      this.#sql.exec('DELETE FROM owner WHERE id = ?', id)
      return
    }
    const state: StoredOwner = { timeZone, gauges }
    const query = `INSERT INTO owner VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET state = ?2, rests_at_ms = ?3`
    this.#sql.exec(query, id, JSON.stringify(state), restsAtMs)
  }

  /** Forgets owners whose buckets have been full and whose windows over since `nowMs`. Returns how many are left. */
  pruneOwners(nowMs: number): number {
    this.#sql.exec('DELETE FROM owner WHERE rests_at_ms <= ?', nowMs)
    for (const row of this.#sql.exec<{ n: number }>('SELECT COUNT(*) AS n FROM owner')) return row.n
    return 0
  }

  readLeases(): GrantedLease[] {
    const rows = [...this.#sql.exec<{ state: string }>('SELECT state FROM lease')]
    return rows.map((row) => parseRow<GrantedLease>(row.state))
  }

  /** Writes the leases that changed since the last save. */
  saveLeases({ authority: { dirty, leases } }: SideAuthority): void {
    for (const id of dirty.leases) {
      const lease = leases.get(id)
      this.#put('lease', id, lease === undefined ? null : JSON.stringify(lease))
    }
    dirty.leases.clear()
  }

  readHolders(): SideHolder[] {
    const rows = [...this.#sql.exec<{ state: string }>('SELECT state FROM holder')]
    return rows.map((row) => {
      const { inFlight, ...known } = parseRow<StoredHolder>(row.state)
      return { ...known, inFlight: new Map(inFlight.map((record) => [record.id, record])) }
    })
  }

  writeHolder(holder: SideHolder): void {
    const state: StoredHolder = { ...holder, inFlight: [...holder.inFlight.values()] }
    this.#put('holder', holder.id, JSON.stringify(state))
  }

  deleteHolder(id: string): void {
    this.#put('holder', id, null)
  }

  #put(table: 'lease' | 'holder', id: string, state: string | null): void {
    if (state === null) this.#sql.exec(`DELETE FROM ${table} WHERE id = ?`, id)
    else this.#sql.exec(`INSERT INTO ${table} VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET state = ?2`, id, state)
  }
}

/** Reads back what was written: only this object writes its tables. */
function parseRow<T>(text: string): T {
  return JSON.parse(text)
}
