// API tokens as they are kept, and how one is recognised: by its public part, and by the keyed digest of its secret. Asked of
// D1 with every call, so that one that is revoked opens nothing more.
import { parseApiToken } from '../../core/api-token.ts'
import { type GrantColumns, grantOf } from './access-record.ts'
import { hmacHex, isSame } from '../digest.ts'
import type { Grant } from './permissions.ts'

const HOUR_MS = 3_600_000

export interface ApiTokenRow extends GrantColumns {
  readonly id: string
  readonly kid: string
  readonly name: string
  readonly digest: string
  readonly previous_digest: string | null
  readonly previous_until_ms: number | null
  /** The grant's own words, as the audit log has them. */
  readonly created_by: string
  readonly created_at_ms: number
  readonly expires_at_ms: number | null
  readonly revoked_at_ms: number | null
  /** Beginning of the hour of its last use. */
  readonly used_hour_ms: number | null
}

export interface KnownToken {
  readonly id: string
  readonly name: string
  readonly grant: Grant
}

/** Whose token this is; null for one that opens nothing (anymore). Notes the hour of its use. Throws when D1 fails. */
export async function findApiToken(
  db: D1Database,
  text: string,
  { pepper, nowMs }: { readonly pepper: string; readonly nowMs: number },
): Promise<KnownToken | null> {
  const parsed = parseApiToken(text)
  if (!parsed.ok || pepper === '') return null
  const { kid, secret } = parsed.value
  const row = await db.prepare(`SELECT * FROM api_tokens WHERE kid = ?1`).bind(kid).first<ApiTokenRow>()
  const digest = await hmacHex(pepper, secret)
  const [isPresent, isPrevious] = await Promise.all(
    [row?.digest, row?.previous_digest].map((kept) => isSame(kept ?? '', digest)),
  )
  if (row === null || stateOf(row, nowMs) !== 'active') return null
  if (isPresent !== true && !(isPrevious === true && (row.previous_until_ms ?? 0) > nowMs)) return null
  const hourMs = nowMs - (nowMs % HOUR_MS)
  if ((row.used_hour_ms ?? 0) < hourMs) {
    await db.prepare(`UPDATE api_tokens SET used_hour_ms = ?2 WHERE id = ?1`).bind(row.id, hourMs).run()
  }
  return { id: row.id, name: row.name, grant: grantOf(row) }
}

/** How a token stands. */
export function stateOf(row: ApiTokenRow, nowMs: number): 'active' | 'expired' | 'revoked' {
  if (row.revoked_at_ms !== null) return 'revoked'
  return row.expires_at_ms !== null && row.expires_at_ms <= nowMs ? 'expired' : 'active'
}
