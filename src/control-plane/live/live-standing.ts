// What those who listen for changes are worth by now: their sessions and tokens as D1 has them, with the rules of the moment.
import type { ListenerCredential, ListenerStanding } from '../../core/live.ts'
import { grantOf } from '../access/access-record.ts'
import { type ApiTokenRow, stateOf } from '../access/api-token-record.ts'
import { OWNER, ownerIn } from '../access/permissions.ts'
import { grantFor, readClaims } from '../access/role-rules-record.ts'
import { IDLE_MS, type SessionRow, isOver, readRules } from '../sign-in/session-record.ts'

const EVERYTHING: ListenerStanding = { audience: { tenantId: null, teamId: null }, role: OWNER.role, untilMs: null }

/** In the order of `credentials`; null for one that opens nothing any more. Throws when D1 fails. */
export async function listenerStandings(
  db: D1Database,
  credentials: readonly ListenerCredential[],
  nowMs: number,
): Promise<readonly (ListenerStanding | null)[]> {
  const [sessions, tokens, rules] = await Promise.all([
    rowsOf<SessionRow>(db, 'sessions', idsOf(credentials, 'session')),
    rowsOf<ApiTokenRow>(db, 'api_tokens', idsOf(credentials, 'token')),
    readRules(db),
  ])
  return credentials.map((credential) => {
    switch (credential.kind) {
      // Another one is another deployment, which closes every socket.
      case 'admin-token':
        return EVERYTHING
      case 'session': {
        const row = sessions.get(credential.id)
        const grant = row === undefined ? null : grantFor(row.source, readClaims(row.claims), rules)
        if (row === undefined || grant === null || isOver(row, nowMs)) return null
        const untilMs = Math.min(row.expires_at_ms, row.seen_at_ms + IDLE_MS)
        return { audience: ownerIn(grant.scope), role: grant.role, untilMs }
      }
      case 'token':
        return tokenStanding(tokens.get(credential.id), credential.sinceMs, nowMs)
    }
  })
}

/** Who came in before a token got another secret may have come by the secret of before: its end is theirs, and they come again. */
function tokenStanding(row: ApiTokenRow | undefined, sinceMs: number, nowMs: number): ListenerStanding | null {
  if (row === undefined || stateOf(row, nowMs) !== 'active') return null
  const previousMs = row.previous_until_ms ?? 0
  const ends = [row.expires_at_ms ?? Infinity, previousMs > sinceMs ? previousMs : Infinity]
  const untilMs = Math.min(...ends)
  if (untilMs <= nowMs) return null
  const { role, scope } = grantOf(row)
  return { audience: ownerIn(scope), role, untilMs: untilMs === Infinity ? null : untilMs }
}

function idsOf(credentials: readonly ListenerCredential[], kind: 'session' | 'token'): readonly string[] {
  return credentials.flatMap((credential) => (credential.kind === kind ? [credential.id] : []))
}

async function rowsOf<Row extends { readonly id: string }>(
  db: D1Database,
  table: 'sessions' | 'api_tokens',
  ids: readonly string[],
): Promise<ReadonlyMap<string, Row>> {
  if (ids.length === 0) return new Map()
  const found = await db
    .prepare(`SELECT * FROM ${table} WHERE id IN (SELECT value FROM json_each(?1))`)
    .bind(JSON.stringify(ids))
    .all<Row>()
  return new Map(found.results.map((row) => [row.id, row]))
}
