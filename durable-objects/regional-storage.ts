// What a region's limiter keeps in its SQLite: a row a lease of the tenant's limits, a row an isolate's lease of those, a row an
// isolate. Every call of the object is one implicit transaction, durable before anything that follows from it leaves.
import type { Timing } from '../src/core/limits/authority.ts'
import type { AdmissionRecord } from '../src/core/limits/limits.ts'
import { type KnownIsolate, newIsolate } from '../src/core/limits/region-relay.ts'
import type { RegionalLimits } from '../src/core/limits/regional-limits.ts'
import {
  type SubRow,
  type UpperRow,
  hasSubMoved,
  hasUpperMoved,
  restoreRegion,
  subRow,
  upperRow,
} from '../src/core/limits/regional-upkeep.ts'

const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upper (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holder (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;`

/** What an object knows of itself. */
export interface RegionHead {
  /** As the tenant's limiter knows it: a holder among others. Nobody else's, ever. */
  readonly name: string
  readonly tenantId: string
  readonly leaseCount: number
  /** Messages sent to the tenant's limiter. */
  readonly messageCount: number
}

/** An isolate as it is stored. */
interface StoredIsolate extends Pick<KnownIsolate, 'id' | 'number' | 'seenAtMs' | 'acknowledged'> {
  readonly inFlight: readonly (readonly [string, { readonly leaseId: string; readonly nanoUsd: number }])[]
  readonly unconfirmed: readonly AdmissionRecord[]
}

/** The tables of one region's limiter. */
export class RegionalStorage {
  readonly #sql: SqlStorage
  /** As they were written last. */
  readonly #uppers = new Map<string, UpperRow>()
  readonly #subs = new Map<string, SubRow>()

  constructor(sql: SqlStorage) {
    this.#sql = sql
    sql.exec(SCHEMA)
  }

  readHead(): RegionHead | null {
    for (const row of this.#sql.exec<{ value: string }>(`SELECT value FROM meta WHERE name = 'head'`)) {
      return parseRow<RegionHead>(row.value)
    }
    return null
  }

  writeHead(head: RegionHead): void {
    const query = `INSERT INTO meta VALUES ('head', ?1) ON CONFLICT (name) DO UPDATE SET value = ?1`
    this.#sql.exec(query, JSON.stringify(head))
  }

  /** The region as it was left. */
  restore({ name, leaseCount }: RegionHead, time: Timing): RegionalLimits {
    const uppers = this.#read<UpperRow>('upper')
    const subs = this.#read<SubRow>('lease')
    const region = restoreRegion({ name, leaseCount, uppers, subs }, time)
    for (const row of uppers) this.#uppers.set(row.id, row)
    for (const row of subs) this.#subs.set(row.id, row)
    return region
  }

  /** Writes what has changed since. */
  save(region: RegionalLimits): void {
    const { leases, closing, subs } = region
    for (const lease of [...leases.values(), ...closing]) {
      const kept = this.#uppers.get(lease.id)
      if (kept !== undefined && !hasUpperMoved(region, lease, kept)) continue
      const row = upperRow(region, lease)
      this.#uppers.set(row.id, row)
      this.#put('upper', row.id, JSON.stringify(row))
    }
    for (const sub of subs.values()) {
      const kept = this.#subs.get(sub.id)
      if (kept !== undefined && !hasSubMoved(sub, kept)) continue
      const row = subRow(sub)
      this.#subs.set(row.id, row)
      this.#put('lease', row.id, JSON.stringify(row))
    }
    if (this.#subs.size > subs.size) this.#forget('lease', this.#subs, subs)
    if (this.#uppers.size === leases.size + closing.size) return
    const held = new Map([...leases.values(), ...closing].map((lease) => [lease.id, lease]))
    this.#forget('upper', this.#uppers, held)
  }

  readIsolates(): readonly KnownIsolate[] {
    return this.#read<StoredIsolate>('holder').map(({ id, inFlight, unconfirmed, ...known }) => ({
      ...newIsolate(id),
      ...known,
      inFlight: new Map(inFlight),
      unconfirmed: new Map(unconfirmed.map((record) => [record.id, record])),
    }))
  }

  writeIsolate({ id, number, seenAtMs, acknowledged, inFlight, unconfirmed }: KnownIsolate): void {
    const known = { id, number, seenAtMs, acknowledged }
    const state: StoredIsolate = { ...known, inFlight: [...inFlight], unconfirmed: [...unconfirmed.values()] }
    this.#put('holder', id, JSON.stringify(state))
  }

  deleteIsolate(id: string): void {
    this.#put('holder', id, null)
  }

  #read<Row>(table: 'upper' | 'lease' | 'holder'): readonly Row[] {
    const rows = [...this.#sql.exec<{ state: string }>(`SELECT state FROM ${table}`)]
    return rows.map(({ state }) => parseRow<Row>(state))
  }

  #forget(table: 'upper' | 'lease', kept: Map<string, unknown>, held: ReadonlyMap<string, unknown>): void {
    for (const id of kept.keys()) {
      if (held.has(id)) continue
      kept.delete(id)
      this.#put(table, id, null)
    }
  }

  #put(table: 'upper' | 'lease' | 'holder', id: string, state: string | null): void {
    if (state === null) this.#sql.exec(`DELETE FROM ${table} WHERE id = ?`, id)
    else this.#sql.exec(`INSERT INTO ${table} VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET state = ?2`, id, state)
  }
}

/** Reads back what was written: only this object writes its tables. */
function parseRow<T>(text: string): T {
  return JSON.parse(text)
}
