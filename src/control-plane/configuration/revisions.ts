// Revisions of the configuration: whole states, compressed, of which the latest are kept. No secret is in them: keys without
// their digests, channels without their sealed secrets.
import type { CredentialRow } from '../credentials/credential-record.ts'
import type { KeyRow } from '../store.ts'
import { isJsonObject, parseJson } from '../../core/json.ts'
import { type AnyRow, type State, TABLES, rowsOf, stateOf } from './state.ts'

/** Revisions that are kept. */
export const REVISIONS_MAX = 50
/** Characters of one part: a row of D1 takes 2 MB. */
const PART_CHARS = 1_000_000
/** Columns that a revision doesn't keep: secrets, and what a probe saw. */
const LEFT_OUT: ReadonlySet<string> = new Set(['hashes', 'sealed', 'probe'])

/** How a revision came about. */
export type MadeBy = 'found' | 'apply' | 'rollback'

export interface RevisionRow {
  readonly revision: number
  readonly at_ms: number
  readonly who: string
  readonly made_by: MadeBy
  readonly from_revision: number
  readonly reason: string | null
  readonly changes: number
}

/** The statements that keep a state; nothing where that revision is kept already. */
export async function keepStatements(
  db: D1Database,
  row: RevisionRow,
  state: State,
): Promise<readonly D1PreparedStatement[]> {
  const text = await compress(JSON.stringify(keptRows(state)))
  const parts: D1PreparedStatement[] = []
  for (let start = 0; start < text.length; start += PART_CHARS) {
    const content = text.slice(start, start + PART_CHARS)
    parts.push(
      db
        .prepare(`INSERT OR IGNORE INTO configuration_revision_parts (revision, part, content) VALUES (?1, ?2, ?3)`)
        .bind(row.revision, start / PART_CHARS, content),
    )
  }
  const { revision, at_ms, who, made_by, from_revision, reason, changes } = row
  return [
    db
      .prepare(
        `INSERT OR IGNORE INTO configuration_revisions (revision, at_ms, who, made_by, from_revision, reason, changes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
      )
      .bind(revision, at_ms, who, made_by, from_revision, reason, changes),
    ...parts,
  ]
}

/** The statements that forget all but the latest revisions, and of those that are watched none. */
export function forgetStatements(db: D1Database): readonly D1PreparedStatement[] {
  return [
    db.prepare(
      `DELETE FROM configuration_revisions WHERE revision NOT IN (
         SELECT revision FROM configuration_revisions ORDER BY revision DESC LIMIT ${REVISIONS_MAX})
       AND revision NOT IN (SELECT from_revision FROM configuration_watches WHERE state = 'watching')`,
    ),
    db.prepare(
      `DELETE FROM configuration_revision_parts WHERE revision NOT IN (SELECT revision FROM configuration_revisions)`,
    ),
    db.prepare(
      `DELETE FROM configuration_watches WHERE state <> 'watching' AND revision NOT IN (SELECT revision FROM configuration_revisions)`,
    ),
    db.prepare(
      `DELETE FROM configuration_watch_targets WHERE revision NOT IN (SELECT revision FROM configuration_watches WHERE state = 'watching')`,
    ),
  ]
}

/** The revisions that are kept, newest first. */
export async function listRevisions(db: D1Database): Promise<readonly RevisionRow[]> {
  const found = await db.prepare(`SELECT * FROM configuration_revisions ORDER BY revision DESC`).all<RevisionRow>()
  return found.results
}

/** A state that was kept; null for none. */
export async function readRevision(
  db: D1Database,
  revision: number,
): Promise<{ readonly row: RevisionRow; readonly state: State } | null> {
  const row = await db
    .prepare(`SELECT * FROM configuration_revisions WHERE revision = ?1`)
    .bind(revision)
    .first<RevisionRow>()
  if (row === null) return null
  const parts = await db
    .prepare(`SELECT content FROM configuration_revision_parts WHERE revision = ?1 ORDER BY part`)
    .bind(revision)
    .all<{ content: string }>()
  const rows = parseJson(await decompress(parts.results.map(({ content }) => content).join('')))
  return isJsonObject(rows) ? { row, state: stateOf(readRows(rows)) } : null
}

/**
 * A state that was kept, as it would be again: secrets are those that are there. Keys that are gone or were revoked since
 * stay so, keys that were made since stay, too, and a channel whose secret is gone is left as it is; what is switched off
 * stays off. `left` says all that in words.
 */
export function restored(kept: State, present: State): { readonly state: State; readonly left: readonly string[] } {
  const left: string[] = []
  const tables: Record<string, readonly AnyRow[]> = {}
  for (const table of TABLES) {
    const now = rowsOf(present, table)
    tables[table] = [...rowsOf(kept, table).values()].map((row) => ({ ...now.get(row.id), ...row }))
  }
  const keys = keysOf(kept, present, left)
  tables.virtual_keys = keys
  const teams = ownersOf(kept.teams, present.teams, new Set(keys.map((row) => row.team_id)), left)
  const owning = new Set([...keys, ...teams].map((row) => row.tenant_id))
  tables.teams = [...(tables.teams ?? []), ...teams]
  tables.tenants = [...(tables.tenants ?? []), ...ownersOf(kept.tenants, present.tenants, owning, left)]
  tables.switches = [...present.switches.values()]
  tables.credentials = credentialsOf(kept, present, left)
  tables.alert_channels = [...rowsOf(kept, 'alert_channels').values()].flatMap((row) => {
    const now = present.alert_channels.get(row.id)
    const then = kept.alert_channels.get(row.id)
    const isOpen = then?.kind === 'email' || then?.secret_name != null
    if (isOpen || (now?.sealed ?? null) !== null)
      return [{ sealed: null, ...now, ...row, ...(isOpen ? { sealed: null } : {}) }]
    left.push(`The secret of the alert channel ${JSON.stringify(then?.name)} is gone: it is left as it is.`)
    return now === undefined ? [] : [now]
  })
  tables.targets = [...rowsOf(kept, 'targets').values()].map((row) => ({
    probe: null,
    ...present.targets.get(row.id),
    ...row,
  }))
  return { state: stateOf(tables), left }
}

/** What is stored is in no revision, and stays as it is; so do those that were made since. */
function credentialsOf(kept: State, present: State, left: string[]): readonly CredentialRow[] {
  const gone = [...kept.credentials.values()].filter(({ id }) => !present.credentials.has(id))
  for (const { id, kind } of gone) {
    if (kind === 'stored') left.push(`The credential ${JSON.stringify(id)} was deleted since: store it again.`)
  }
  const there = [...present.credentials.values()].map((row) => {
    const then = kept.credentials.get(row.id)
    if (then === undefined) left.push(`The credential ${JSON.stringify(row.id)} was made since: it stays.`)
    return then?.kind === 'secret' && row.kind === 'secret' ? then : row
  })
  return [...there, ...gone.filter(({ kind }) => kind === 'secret')]
}

function keysOf(kept: State, present: State, left: string[]): readonly KeyRow[] {
  for (const row of kept.virtual_keys.values()) {
    const now = present.virtual_keys.get(row.id)
    if (row.revoked_at_ms === null && (now === undefined || now.revoked_at_ms !== null)) {
      left.push(`The key ${JSON.stringify(row.name)} was revoked since: it stays so. Make another one.`)
    }
  }
  return [...present.virtual_keys.values()].map((row) => {
    const then = kept.virtual_keys.get(row.id)
    if (then === undefined && row.revoked_at_ms === null) {
      left.push(`The key ${JSON.stringify(row.name)} was made since: it stays.`)
    }
    return then === undefined || row.revoked_at_ms !== null ? row : { ...row, ...then, revoked_at_ms: null }
  })
}

/** Owners that are newer than the revision and have keys: what they issued can't be without them. */
function ownersOf<Row extends { readonly id: string; readonly name: string }>(
  kept: ReadonlyMap<string, Row>,
  present: ReadonlyMap<string, Row>,
  owning: ReadonlySet<string | null>,
  left: string[],
): readonly Row[] {
  return [...present.values()].filter((row) => {
    if (kept.has(row.id) || !owning.has(row.id)) return false
    left.push(`${JSON.stringify(row.name)} was made since and has keys: it stays.`)
    return true
  })
}

function keptRows(state: State): Readonly<Record<string, readonly object[]>> {
  return Object.fromEntries(
    TABLES.map((table) => [
      table,
      [...rowsOf(state, table).values()].map((row) =>
        Object.fromEntries(Object.entries(row).filter(([name]) => !LEFT_OUT.has(name))),
      ),
    ]),
  )
}

function readRows(rows: object): Record<string, readonly AnyRow[]> {
  const isRow = (value: unknown): value is AnyRow => isJsonObject(value) && typeof value.id === 'string'
  return Object.fromEntries(
    Object.entries(rows).map(([table, list]) => [table, Array.isArray(list) ? list.filter(isRow) : []]),
  )
}

/** Bytes that become base64 at once: a multiple of three. */
const BYTES_AT_ONCE = 24_576

async function compress(text: string): Promise<string> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer())
  const parts: string[] = []
  for (let start = 0; start < bytes.length; start += BYTES_AT_ONCE) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(start, start + BYTES_AT_ONCE))))
  }
  return parts.join('')
}

async function decompress(base64: string): Promise<string> {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text()
}
