// The admin token at the usage consumer's door: one answer for every wrong one, in constant time, bounded as wrong tokens are at
// the gateway's, and no access at all until a token is set. The consumer has no pepper, so API tokens open nothing there.
import { noteRight, takeAttempt, wasRight } from './attempts.ts'
import { isSame, sha256Hex } from '../digest.ts'

/** `closed`: no token is set (or one too short to be safe). `denied`: not this token. `shut`: too many wrong ones. */
export type OperatorAccess = 'granted' | 'denied' | 'closed' | 'shut'

/** A shorter token could be guessed. */
export const ADMIN_TOKEN_LENGTH_MIN = 16

interface Door {
  readonly db: D1Database
  readonly adminToken: string | undefined
  readonly nowMs: number
}

/** Whether a request carries the admin token. Takes as long for a near miss as for any other. Throws when D1 fails. */
export async function operatorAccess(headers: Headers, { db, adminToken, nowMs }: Door): Promise<OperatorAccess> {
  if (adminToken === undefined || adminToken.length < ADMIN_TOKEN_LENGTH_MIN) return 'closed'
  const offered = bearerOf(headers.get('authorization'))
  if (offered === '') return 'denied'
  const tried = { digest: await sha256Hex(offered), address: headers.get('cf-connecting-ip'), nowMs }
  const attempt = wasRight(tried.digest) ? null : await takeAttempt(db, tried)
  if (attempt?.may === false) return 'shut'
  if (!(await isSame(adminToken, offered))) return 'denied'
  if (attempt !== null) await noteRight(db, tried, attempt.isCounted)
  return 'granted'
}

/** The token of an `Authorization` header; '' where it has none. */
export function bearerOf(authorization: string | null): string {
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? ''
}
