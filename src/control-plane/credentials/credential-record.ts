// Credentials as they are kept: what they are called, where each is, and its value, encrypted. What is published of them, and
// what a target is told so that it can be called from here.
import type { HeldCredential, PublishedCredential, Target } from '../../core/directory.ts'
import { withHeld } from '../../core/held-credential.ts'
import { isJsonObject, type JsonObject, parseJson } from '../../core/json.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { type Refusal, unacceptable } from '../http/refusal.ts'

/** Credentials by name. */
export const CREDENTIALS_MAX = 1_000
/** Of one that is stored. */
export const VALUE_CHARS_MAX = 16_384
/** Fewer characters are so few that none is shown. */
const FINGERPRINTED_CHARS_MIN = 20
const FINGERPRINT_CHARS = 4

/** Which credential it is. No value stands here. */
export interface CredentialRow {
  /** Its name. */
  readonly id: string
  /** Null: targets of any provider may use it. */
  readonly provider: string | null
  readonly kind: 'stored' | 'secret'
  /** The binding that holds it, of kind `secret`. */
  readonly reference: string | null
  readonly created_at_ms: number
}

/** What it is; there may be none. */
export interface ValueRow {
  readonly id: string
  readonly version: number
  readonly sealed: string | null
  readonly fingerprint: string | null
  readonly set_at_ms: number
  /** JSON of a `HeldCredential` with its version. */
  readonly previous: string | null
  readonly previous_until_ms: number | null
}

/** A credential with its value, as it is kept. */
export interface KeptCredential {
  readonly row: CredentialRow
  readonly value: ValueRow | null
}

/** Names of credentials: no secret of the Worker can be called so, and no name that was given to what was replaced. */
export const HELD_NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/

/** All of them, oldest first. */
export async function listCredentials(db: D1Database): Promise<readonly KeptCredential[]> {
  const [rows, values] = await Promise.all([
    db.prepare(`SELECT * FROM credentials ORDER BY created_at_ms, id`).all<CredentialRow>(),
    db.prepare(`SELECT * FROM credential_values`).all<ValueRow>(),
  ])
  const byId = new Map(values.results.map((value) => [value.id, value]))
  return rows.results.map((row) => ({ row, value: byId.get(row.id) ?? null }))
}

/** One of them; null for none. */
export async function findCredential(db: D1Database, id: string): Promise<KeptCredential | null> {
  const [row, value] = await Promise.all([
    db.prepare(`SELECT * FROM credentials WHERE id = ?1`).bind(id).first<CredentialRow>(),
    db.prepare(`SELECT * FROM credential_values WHERE id = ?1`).bind(id).first<ValueRow>(),
  ])
  return row === null ? null : { row, value }
}

/** Where a credential is. */
export function heldOf({ row, value }: KeptCredential): HeldCredential {
  if (row.kind === 'secret') return { secret: row.reference ?? '' }
  return value === null || value.sealed === null
    ? { isMissing: true }
    : { sealed: value.sealed, version: value.version }
}

/** As the snapshot names it. */
function publishedOf(kept: KeptCredential, nowMs: number): PublishedCredential {
  const is = heldOf(kept)
  const { previous = null, previous_until_ms: untilMs = null } = kept.value ?? {}
  if (previous === null || untilMs === null || untilMs <= nowMs) return { is }
  const former: FormerValue = JSON.parse(previous)
  return { is, previous: { ...former, untilMs } }
}

/** What a credential was before. The column is written by this control plane only. */
export interface FormerValue {
  readonly version: number
  readonly was: HeldCredential
}

/** The names of credentials, as against those of secrets, that a target uses. */
export function heldNames({ credential, credentials }: Pick<Target, 'credential' | 'credentials'>): readonly string[] {
  const names = credentials ?? (credential === null ? [] : [credential])
  return names.filter((name) => HELD_NAME.test(name))
}

/** What the snapshot holds for these targets. One that isn't there is missing, and says so when it is needed. */
export async function publishedCredentials(
  db: D1Database,
  targets: readonly Target[],
  nowMs: number,
): Promise<Readonly<Record<string, PublishedCredential>>> {
  const names = new Set(targets.flatMap(heldNames))
  if (names.size === 0) return {}
  const kept = new Map((await listCredentials(db)).map((one) => [one.row.id, one]))
  return Object.fromEntries(
    [...names].map((name) => {
      const one = kept.get(name)
      return [name, one === undefined ? { is: { isMissing: true } } : publishedOf(one, nowMs)]
    }),
  )
}

/** A target as it can be called from here: told where its credentials are, those of `declared` first, and nothing of what they
 *  were before. */
export async function callable(
  target: Target,
  db: D1Database,
  declared: ReadonlyMap<string, CredentialRow> = new Map(),
): Promise<Target> {
  const published = { ...(await publishedCredentials(db, [target], Infinity)) }
  for (const name of heldNames(target)) {
    const row = declared.get(name)
    if (row?.kind === 'secret') published[name] = { is: { secret: row.reference ?? '' } }
  }
  return withHeld(target, published, Infinity)
}

/** Which targets use which credential, by its name. */
export async function usesOf(db: D1Database): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = await db
    .prepare(
      `SELECT id, coalesce(compiled -> '$.credentials', json_array(compiled ->> '$.credential')) AS names FROM targets ORDER BY id`,
    )
    .all<{ id: string; names: string }>()
  const uses = new Map<string, string[]>()
  for (const { id, names } of found.results) {
    const list = parseJson(names)
    for (const name of Array.isArray(list) ? list : []) {
      if (typeof name === 'string') uses.set(name, [...(uses.get(name) ?? []), id])
    }
  }
  return uses
}

/** How a binding holds a secret; null where there is none of that name. */
export function placeOf(name: string, env: object): 'worker-secret' | 'secrets-store' | null {
  const binding: unknown = Reflect.get(env, name)
  if (typeof binding === 'string') return binding === '' ? null : 'worker-secret'
  const isStore = typeof binding === 'object' && binding !== null && 'get' in binding
  return isStore ? 'secrets-store' : null
}

/** What is sent, from what an operator gives: text as it is, an AWS key pair and a service account's JSON as the schemes of
 *  those names want them. */
export function readValue(given: string | JsonObject): Result<string, Refusal> {
  const text = typeof given === 'string' ? given.trim() : objectText(given)
  if (text === null) return wrong('must be text, or an object: a service account’s JSON, or an AWS key pair')
  if (text === '') return wrong('must not be empty')
  if (text.length > VALUE_CHARS_MAX) return wrong(`must not be longer than ${VALUE_CHARS_MAX} characters`)
  if (!/^[\x20-\x7e]+$/.test(text) && !isJsonObject(parseJson(text))) {
    return wrong('must be one line of plain characters, or a service account’s JSON')
  }
  return ok(text)
}

function objectText(given: JsonObject): string | null {
  const { access_key_id: keyId, secret_access_key: secret, session_token: session } = given
  if (typeof keyId === 'string' && typeof secret === 'string') {
    return [keyId, secret, ...(typeof session === 'string' ? [session] : [])].join(':')
  }
  return typeof given['private_key'] === 'string' ? JSON.stringify(given) : null
}

function wrong(allowed: string): Result<never, Refusal> {
  return err(unacceptable('value', 'invalid_field', `value ${allowed}.`))
}

/** The last characters of one that is long enough for that; of a service account those of its key's id. */
export function fingerprintOf(text: string): string | null {
  const json = parseJson(text)
  const shown = isJsonObject(json) ? json['private_key_id'] : text
  const isLong = typeof shown === 'string' && shown.length >= FINGERPRINTED_CHARS_MIN
  return isLong ? shown.slice(-FINGERPRINT_CHARS) : null
}
