// How credentials' values are written: with the audit log's entry, which says that and never what, in one transaction.
import { type MasterKeys, seal, sealedUnder, unseal } from '../../ledger/credentials/seal.ts'
import type { GatewayEnv } from '../../env.ts'
import { type Entry, noteEntry } from '../audit/audit-record.ts'
import { type FormerValue, type KeptCredential, type ValueRow, listCredentials } from './credential-record.ts'

/** The statement that sets a value. */
export function valueStatement(db: D1Database, value: ValueRow): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO credential_values (id, version, sealed, fingerprint, set_at_ms, previous, previous_until_ms)
       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
       ON CONFLICT (id) DO UPDATE SET version = excluded.version, sealed = excluded.sealed,
         fingerprint = excluded.fingerprint, set_at_ms = excluded.set_at_ms, previous = excluded.previous,
         previous_until_ms = excluded.previous_until_ms`,
    )
    .bind(
      ...[value.id, value.version, value.sealed, value.fingerprint, value.set_at_ms],
      ...[value.previous, value.previous_until_ms],
    )
}

/** Replaces what a credential is. */
export async function rotateCredential(
  db: D1Database,
  { row, value }: { readonly row: KeptCredential['row']; readonly value: ValueRow },
  entry: Entry,
): Promise<void> {
  const detail = { version: value.version, kind: row.kind, secret: row.reference }
  await db.batch([
    db.prepare(`UPDATE credentials SET kind = ?1, reference = ?2 WHERE id = ?3`).bind(row.kind, row.reference, row.id),
    valueStatement(db, value),
    noteEntry(db, 'credentials.rotate', row.id, { ...entry, detail }),
    bump(db),
  ])
}

/** What came of encrypting everything anew. */
export interface Resealed {
  /** How many values were under another key. */
  readonly resealed: number
  /** Names of those that none of the keys opens. */
  readonly unreadable: readonly string[]
}

/** Encrypts under CREDENTIAL_KEY whatever is under CREDENTIAL_KEY_PREVIOUS. May be repeated, and goes on where it stopped. */
export async function resealAll(env: Pick<GatewayEnv, 'DB'> & MasterKeys, entry: Entry): Promise<Resealed> {
  const unreadable: string[] = []
  let resealed = 0
  for (const { row, value } of await listCredentials(env.DB)) {
    if (value === null) continue
    const anew = await resealedValue(value, env)
    if (anew === 'unreadable') unreadable.push(row.id)
    if (typeof anew === 'string') continue
    resealed += 1
    // Whoever has replaced it meanwhile has done so under the present key.
    const statement = env.DB.prepare(
      `UPDATE credential_values SET sealed = ?1, previous = ?2 WHERE id = ?3 AND version = ?4 AND sealed IS ?5`,
    )
    await env.DB.batch([
      statement.bind(anew.sealed, anew.previous, value.id, value.version, value.sealed),
      bump(env.DB),
    ])
  }
  await noteEntry(env.DB, 'credentials.reseal', 'credentials', { ...entry, detail: { resealed, unreadable } }).run()
  return { resealed, unreadable }
}

async function resealedValue(value: ValueRow, keys: MasterKeys): Promise<ValueRow | 'current' | 'unreadable'> {
  const sealed = await resealed(value.sealed, value, keys)
  const former: FormerValue | null = value.previous === null ? null : JSON.parse(value.previous)
  const was = former !== null && 'sealed' in former.was ? former.was : null
  const before = was === null ? null : await resealed(was.sealed, { id: value.id, version: was.version }, keys)
  if (sealed === 'unreadable') return 'unreadable'
  if (sealed === null && (before === null || before === 'unreadable')) return 'current'
  const isAnew = former !== null && was !== null && before !== null && before !== 'unreadable'
  const previous = isAnew ? JSON.stringify({ ...former, was: { ...was, sealed: before } }) : value.previous
  return { ...value, sealed: sealed ?? value.sealed, previous }
}

/** A ciphertext under the present key; null where it is, or there is none. */
async function resealed(
  sealed: string | null,
  about: { readonly id: string; readonly version: number },
  keys: MasterKeys,
): Promise<string | null> {
  if (sealed === null || (await sealedUnder(keys, sealed)) === 'current') return null
  const text = await unseal(keys, about, sealed)
  if (!text.ok) return 'unreadable'
  const anew = await seal(keys, about, text.value)
  return anew.ok ? anew.value : 'unreadable'
}

function bump(db: D1Database): D1PreparedStatement {
  return db.prepare(`UPDATE configuration SET revision = revision + 1 WHERE id = 1`)
}
