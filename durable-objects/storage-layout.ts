// The tables of a tenant's limiter, and how what earlier versions stored becomes what is read today. An object is brought up to
// date when it starts, in the transaction of whatever woke it: all of it or, should that be cut short, nothing.
import { LIMITS_VERSION, type LimiterConfig } from '../src/core/limits/limits.ts'
import {
  type EarlierConfig,
  type EarlierLease,
  type EarlierNodeState,
  configOf,
  gaugesOf,
  leaseOf,
} from './earlier-version.ts'

/** Which tables there are. 1: every change was written where it belongs; 2: first into the one row of `recent`. */
const LAYOUT = '2'

// No index and no AUTOINCREMENT: each would be a row more to write, and the outbox is short.
const SCHEMA = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gauge (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watch (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS holder (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS booked (id TEXT PRIMARY KEY, record TEXT NOT NULL, at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS recent (
  one INTEGER PRIMARY KEY, changes TEXT NOT NULL, run INTEGER NOT NULL, events TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS outbox (
  id INTEGER PRIMARY KEY, sends INTEGER NOT NULL, send_at_ms INTEGER NOT NULL, events TEXT NOT NULL
);`

/** Makes the tables what they are to be. */
export function lay(sql: SqlStorage): void {
  const hasOutbox = hasTable(sql, 'outbox')
  sql.exec(SCHEMA)
  if (readMeta(sql, 'version') !== String(LIMITS_VERSION)) fromFirstVersion(sql)
  if (readMeta(sql, 'layout') === LAYOUT) return
  if (hasOutbox) fromNumberedOutbox(sql)
  writeMeta(sql, 'layout', LAYOUT)
}

export function readMeta(sql: SqlStorage, name: string): string | null {
  for (const row of sql.exec<{ value: string }>('SELECT value FROM meta WHERE name = ?', name)) return row.value
  return null
}

export function writeMeta(sql: SqlStorage, name: string, value: string): void {
  sql.exec('INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2', name, value)
}

/** One token rate and one budget a node. */
function fromFirstVersion(sql: SqlStorage): void {
  if (hasTable(sql, 'node')) {
    const gauges = statesOf<EarlierNodeState>(sql, 'node').flatMap(gaugesOf)
    const put = (table: 'gauge' | 'lease', id: string, state: object): void => {
      sql.exec(`INSERT OR REPLACE INTO ${table} VALUES (?1, ?2)`, id, JSON.stringify(state))
    }
    for (const gauge of gauges) put('gauge', gauge.id, gauge)
    for (const lease of statesOf<EarlierLease>(sql, 'lease')) put('lease', lease.id, leaseOf(lease, gauges))
    sql.exec('DROP TABLE node')
  }
  const config = readMeta(sql, 'config')
  if (config !== null) {
    const read: LimiterConfig | EarlierConfig = JSON.parse(config)
    writeMeta(sql, 'config', JSON.stringify(configOf(read)))
  }
  writeMeta(sql, 'version', String(LIMITS_VERSION))
}

/** SQLite gave out the numbers of the outbox. The first of ours is the next that it would have given. */
function fromNumberedOutbox(sql: SqlStorage): void {
  const insert = `INSERT INTO outbox (sends, send_at_ms, events) VALUES (0, 0, '') RETURNING id`
  const { id } = sql.exec<{ id: number }>(insert).one()
  sql.exec('DELETE FROM outbox WHERE id = ?', id)
  sql.exec('DROP INDEX IF EXISTS outbox_due')
  sql.exec('ALTER TABLE outbox RENAME TO outbox_numbered')
  sql.exec(SCHEMA)
  sql.exec(
    `INSERT INTO outbox (id, sends, send_at_ms, events) SELECT id, sends, send_at_ms, events FROM outbox_numbered`,
  )
  sql.exec('DROP TABLE outbox_numbered')
  sql.exec(`INSERT OR IGNORE INTO recent VALUES (1, '[]', ?, '')`, id)
}

function hasTable(sql: SqlStorage, name: string): boolean {
  return [...sql.exec(`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?`, name)].length > 0
}

function statesOf<T>(sql: SqlStorage, table: 'node' | 'lease'): T[] {
  return [...sql.exec<{ state: string }>(`SELECT state FROM ${table}`)].map(({ state }) => JSON.parse(state))
}
