// What a tenant's limiter keeps in its SQLite, and nothing else: rows in, rows out. The state machine is in src/core. Cloudflare asks
// for every row that is written, so a commit writes one: `recent`, with all that changed since the tables were written and the
// events that are not in the outbox yet. The tables are written when that is too much for a row. What one turn of the event
// loop writes becomes durable together, before any reply leaves.
import type { Authority, GrantedLease } from '../src/core/limits/authority.ts'
import type { OpenAdmission } from '../src/core/limits/booking.ts'
import type { Gauge } from '../src/core/limits/gauge.ts'
import type { Watch } from '../src/core/limits/runaway.ts'
import type { Switches } from '../src/core/switches.ts'
import type { AdmissionRecord, LimiterConfig } from '../src/core/limits/limits.ts'
import { type Kind, RecentChanges } from './recent-changes.ts'
import { lay, readMeta, writeMeta } from './storage-layout.ts'

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

/** What is known of a holder, however many attempts it has in flight. */
export interface HolderState {
  readonly id: string
  /** Highest event number that was taken in. */
  acknowledged: number
  /** Latest message. */
  number: number
  seenAtMs: number
  /** Attempts admitted and not settled, by admission id. */
  readonly inFlight: Map<string, AdmissionRecord>
}

/** Events that are not in the outbox yet: they will be its row of that number. */
export interface OpenRun {
  readonly id: number
  /** JSON texts of usage events, with commas between. */
  readonly events: string
}

/** Characters of changes in the row of `recent`, of which a commit writes all anew. Some two hundred leases are as much. */
const RECENT_CHARS_MAX = 128_000

/** The tables of one limiter object. */
export class LimiterStorage {
  readonly #sql: SqlStorage
  readonly #recent = new RecentChanges()
  readonly #holders = new Map<string, HolderState>()
  #open: OpenRun = { id: 1, events: '' }
  #isChanged = false
  #isTorn = false

  constructor(sql: SqlStorage) {
    this.#sql = sql
    lay(sql)
    this.#open = { id: (this.#number('SELECT max(id) AS n FROM outbox') ?? 0) + 1, events: '' }
    for (const row of sql.exec<{ run: number; events: string }>('SELECT run, events FROM recent')) {
      if (row.run >= this.#open.id) this.#open = { id: row.run, events: row.events }
    }
  }

  /** Something was written that belongs together with what wasn't yet: that can't wait for another turn. */
  get isTorn(): boolean {
    return this.#isTorn
  }

  readMeta(name: string): string | null {
    return readMeta(this.#sql, name)
  }

  writeMeta(name: string, value: string): void {
    writeMeta(this.#sql, name, value)
  }

  /** Fills an authority with what was stored, and returns every holder that is remembered. To be called once. */
  load(authority: Authority): ReadonlyMap<string, HolderState> {
    this.#readTables(authority)
    for (const { changes } of this.#sql.exec<{ changes: string }>('SELECT changes FROM recent'))
      this.#recent.read(changes)
    for (const { kind, id, state } of this.#recent.all()) {
      if (kind === 'gauge') setOrDelete(authority.gauges, id, state, parse<Gauge>)
      else if (kind === 'lease') setOrDelete(authority.leases, id, state, parse<GrantedLease>)
      else if (kind === 'watch') setOrDelete(authority.watches, id, state, parse<Watch>)
      else if (kind === 'holder') this.#takeHolder(id, state)
    }
    for (const { kind, id, state } of this.#recent.all()) {
      if (kind !== 'flight') continue
      const { holder, record } = flightOf(id)
      const inFlight = this.#holders.get(holder)?.inFlight
      if (inFlight !== undefined) setOrDelete(inFlight, record, state, parse<AdmissionRecord>)
    }
    this.#isChanged = false
    return new Map(this.#holders)
  }

  /** Notes how a holder stands, but for what it has in flight. It is written with the next `save`. */
  putHolder(holder: HolderState): void {
    this.#holders.set(holder.id, holder)
    const { id, acknowledged, number, seenAtMs } = holder
    this.#put('holder', id, JSON.stringify({ id, acknowledged, number, seenAtMs }))
  }

  deleteHolder({ id, inFlight }: HolderState): void {
    for (const record of inFlight.keys()) this.#put('flight', flightId(id, record), null)
    this.#holders.delete(id)
    this.#put('holder', id, null)
  }

  /** Notes an attempt in flight, or that it no longer is. */
  putFlight(holder: HolderState, id: string, record: AdmissionRecord | null): void {
    this.#put('flight', flightId(holder.id, id), record === null ? null : JSON.stringify(record))
  }

  /** Writes what changed since the last time. */
  save(authority: Authority): void {
    const { gauges, leases, watches } = authority.dirty
    for (const id of gauges) this.#put('gauge', id, textOf(authority.gauges.get(id)))
    for (const id of leases) this.#put('lease', id, textOf(authority.leases.get(id)))
    for (const id of watches) this.#put('watch', id, textOf(authority.watches.get(id)))
    for (const changed of [gauges, leases, watches]) changed.clear()
    this.#isTorn = false
    if (!this.#isChanged) return
    if (this.#recent.chars > RECENT_CHARS_MAX) {
      // What is in flight first: there are many to a row.
      this.#writeTables(['holder', 'flight'])
      if (this.#recent.chars > RECENT_CHARS_MAX / 2) this.#writeTables(['gauge', 'lease', 'watch'])
    }
    this.#isChanged = false
    const query = `INSERT INTO recent VALUES (1, ?1, ?2, ?3)
      ON CONFLICT (one) DO UPDATE SET changes = ?1, run = ?2, events = ?3`
    this.#sql.exec(query, this.#recent.text(), this.#open.id, this.#open.events)
  }

  readConfig(): LimiterConfig | null {
    const text = this.readMeta('config')
    return text === null ? null : parse<LimiterConfig>(text)
  }

  readSwitches(): Switches | null {
    const text = this.readMeta('switches')
    return text === null ? null : parse<Switches>(text)
  }

  /** Remembers an admission that was written off, for the case that its true event still arrives. */
  addBooked(booked: OpenAdmission): void {
    const record = JSON.stringify(booked)
    this.#sql.exec('INSERT OR REPLACE INTO booked VALUES (?, ?, ?)', booked.id, record, booked.bookedAtMs)
    this.#isTorn = true
  }

  /** Those of `ids` that were written off; they are forgotten. */
  takeBooked(ids: readonly string[]): readonly OpenAdmission[] {
    const query = 'DELETE FROM booked WHERE id IN (SELECT value FROM json_each(?)) RETURNING record'
    const rows = [...this.#sql.exec<{ record: string }>(query, JSON.stringify(ids))]
    if (rows.length > 0) this.#isTorn = true
    return rows.map((row) => parse<OpenAdmission>(row.record))
  }

  /** Which of `ids` were written off. */
  bookedAmong(ids: readonly string[]): ReadonlySet<string> {
    const query = 'SELECT id FROM booked WHERE id IN (SELECT value FROM json_each(?))'
    return new Set([...this.#sql.exec<{ id: string }>(query, JSON.stringify(ids))].map(({ id }) => id))
  }

  countBooked(): number {
    return this.#number('SELECT COUNT(*) AS n FROM booked') ?? 0
  }

  /** What has yet to become a row of the outbox. */
  get open(): OpenRun {
    return this.#open
  }

  /** Adds usage events (JSON texts with commas between) to it. */
  addToOpen(events: string): void {
    const { id, events: before } = this.#open
    this.#open = { id, events: before === '' ? events : `${before},${events}` }
    this.#isChanged = true
  }

  /** Makes the open run a row of the outbox. No number is ever given twice: the next one is saved along with it. */
  closeRun(sends: number, sendAtMs: number): OutboxRow {
    const { id, events } = this.#open
    const row = { id, events: `[${events}]`, sends }
    this.#sql.exec('INSERT INTO outbox VALUES (?, ?, ?, ?)', id, sends, sendAtMs, row.events)
    this.#open = { id: id + 1, events: '' }
    this.#isChanged = true
    this.#isTorn = true
    return row
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
    return this.#number('SELECT MIN(send_at_ms) AS n FROM outbox')
  }

  /** Runs of events that the ledger hasn't confirmed, with those that have yet to be sent. */
  unconfirmed(): number {
    return (this.#number('SELECT COUNT(*) AS n FROM outbox') ?? 0) + (this.#open.events === '' ? 0 : 1)
  }

  /** When the first request of the oldest run was accepted; null for none, or one that says nothing of it. */
  oldestUnconfirmedMs(): number | null {
    const query = `SELECT events ->> '$[0].startedAtMs' AS n FROM outbox ORDER BY id LIMIT 1`
    if (this.unconfirmed() > 1 || this.#open.events === '') return this.#number(query)
    const [first] = parse<readonly { readonly startedAtMs?: number }[]>(`[${this.#open.events}]`)
    return first?.startedAtMs ?? null
  }

  /** Forgets written-off admissions that nobody can settle any more. */
  pruneBooked(beforeMs: number): void {
    this.#sql.exec('DELETE FROM booked WHERE at_ms < ?', beforeMs)
  }

  #number(query: string): number | null {
    for (const { n } of this.#sql.exec<{ n: number | null }>(query)) return n
    return null
  }

  #put(kind: Kind, id: string, state: string | null): void {
    if (this.#recent.put({ kind, id, state })) this.#isChanged = true
  }

  #readTables(authority: Authority): void {
    const read = (kind: Exclude<Kind, 'flight'>, take: (text: string) => { readonly id: string }): void => {
      for (const { state } of this.#sql.exec<{ state: string }>(`SELECT state FROM ${kind}`)) {
        this.#recent.noteStored(kind, take(state).id)
      }
    }
    read('gauge', (text) => added(authority.gauges, parse<Gauge>(text)))
    read('lease', (text) => added(authority.leases, parse<GrantedLease>(text)))
    read('watch', (text) => added(authority.watches, parse<Watch>(text)))
    read('holder', (text) => {
      const { inFlight, ...known } = parse<StoredHolder>(text)
      for (const { id } of inFlight) this.#recent.noteStored('flight', flightId(known.id, id))
      return added(this.#holders, { ...known, inFlight: new Map(inFlight.map((record) => [record.id, record])) })
    })
  }

  #takeHolder(id: string, state: string | null): void {
    const inFlight = this.#holders.get(id)?.inFlight ?? new Map<string, AdmissionRecord>()
    setOrDelete(this.#holders, id, state, (text) => ({ ...parse<Omit<HolderState, 'inFlight'>>(text), inFlight }))
  }

  /** Writes what changed of these where it belongs. */
  #writeTables(kinds: readonly Kind[]): void {
    const holders = new Set<string>()
    for (const { kind, id, state } of this.#recent.all()) {
      if (!kinds.includes(kind)) continue
      if (kind === 'holder') holders.add(id)
      else if (kind === 'flight') holders.add(flightOf(id).holder)
      else this.#write(kind, id, state)
    }
    for (const id of holders) {
      const holder = this.#holders.get(id)
      const state = holder === undefined ? undefined : { ...holder, inFlight: [...holder.inFlight.values()] }
      this.#write('holder', id, textOf(state))
    }
    this.#recent.settle(kinds)
  }

  #write(table: Exclude<Kind, 'flight'>, id: string, state: string | null): void {
    if (state === null) this.#sql.exec(`DELETE FROM ${table} WHERE id = ?`, id)
    else this.#sql.exec(`INSERT INTO ${table} VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET state = ?2`, id, state)
  }
}

/** A holder as its table has it. */
type StoredHolder = Omit<HolderState, 'inFlight'> & { readonly inFlight: readonly AdmissionRecord[] }

/** Neither holders' names nor admissions' have line breaks in them. */
function flightId(holder: string, record: string): string {
  return `${holder}\n${record}`
}

function flightOf(id: string): { readonly holder: string; readonly record: string } {
  const at = id.indexOf('\n')
  return { holder: id.slice(0, at), record: id.slice(at + 1) }
}

function textOf(row: object | undefined): string | null {
  return row === undefined ? null : JSON.stringify(row)
}

function added<Row extends { readonly id: string }>(rows: Map<string, Row>, row: Row): Row {
  rows.set(row.id, row)
  return row
}

function setOrDelete<Row>(rows: Map<string, Row>, id: string, text: string | null, read: (text: string) => Row): void {
  if (text === null) rows.delete(id)
  else rows.set(id, read(text))
}

/** Reads back what `save` wrote: only this object writes its tables. */
function parse<T>(text: string): T {
  return JSON.parse(text)
}
