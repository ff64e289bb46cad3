// Who is calling: the admin token, an API token, or a session. A token counts before a cookie. What is wrong is told in one way.
import type { Context } from 'hono'
import { err, ok, type Result } from '../../core/result.ts'
import { findApiToken } from './api-token-record.ts'
import { noteRight, takeAttempt, wasRight } from './attempts.ts'
import type { Caller } from './caller.ts'
import { readCookie } from '../sign-in/cookies.ts'
import { isSame, sha256Hex } from '../digest.ts'
import { ADMIN_TOKEN_LENGTH_MIN, bearerOf } from './operator-token.ts'
import { OWNER } from './permissions.ts'
import type { AdminTypes } from '../ports.ts'
import type { Refusal } from '../http/refusal.ts'
import { findSession } from '../sign-in/session-record.ts'
import { signInMethods } from '../sign-in/sign-in-settings.ts'
import { tokenOfSocket } from '../http/socket-request.ts'

/** Who is calling, or why nobody is let in. Throws when D1 fails: then nobody is. */
export async function authenticate(c: Context<AdminTypes>, nowMs: number): Promise<Result<Caller, Refusal>> {
  const token = offeredToken(c)
  const found = token === null ? await bySession(c, nowMs) : await byToken(c, token, nowMs)
  if (found === null) return err(isClosed(c) ? CLOSED : UNAUTHORIZED)
  return found
}

/** The token that a call comes with; '' for something else in its place, null for nothing. */
function offeredToken(c: Context<AdminTypes>): string | null {
  const authorization = c.req.header('authorization')
  return authorization === undefined ? tokenOfSocket(c) : bearerOf(authorization)
}

/** Where a call comes from; null where nobody says. */
export function addressOf(c: Context<AdminTypes>): string | null {
  return c.req.header('cf-connecting-ip') ?? null
}

async function byToken(c: Context<AdminTypes>, token: string, nowMs: number): Promise<Result<Caller, Refusal> | null> {
  const isOpen = adminTokenOf(c) !== null
  // Nothing that could be guessed is there to be guessed at.
  if (token === '' || (!isOpen && !token.startsWith('tgt_'))) return null
  const address = addressOf(c)
  const digest = await sha256Hex(token)
  const tried = { digest, address, nowMs }
  const attempt = wasRight(digest) ? null : await takeAttempt(c.env.DB, tried)
  if (attempt?.may === false) {
    c.header('retry-after', String(Math.max(1, Math.ceil((attempt.untilMs - nowMs) / 1000))))
    return err(TOO_MANY)
  }
  const caller = await callerOf(c, token, nowMs)
  if (caller === null) return null
  if (attempt !== null) await noteRight(c.env.DB, tried, attempt.isCounted)
  return ok({ ...caller, address })
}

async function callerOf(c: Context<AdminTypes>, token: string, nowMs: number): Promise<Omit<Caller, 'address'> | null> {
  const adminToken = adminTokenOf(c)
  if (adminToken !== null && (await isSame(adminToken, token))) {
    return { grant: OWNER, by: 'admin-token', who: 'ADMIN_TOKEN', actor: 'ADMIN_TOKEN', session: null }
  }
  const found = await findApiToken(c.env.DB, token, { pepper: c.env.KEY_PEPPER ?? '', nowMs })
  if (found === null) return null
  return { grant: found.grant, by: 'token', who: `token ${found.name}`, actor: found.id, session: null }
}

async function bySession(c: Context<AdminTypes>, nowMs: number): Promise<Result<Caller, Refusal> | null> {
  const secret = readCookie(c, 'session')
  const found = secret === null ? null : await findSession(c.env.DB, secret, nowMs)
  if (found === null) return null
  const { row, grant, csrf } = found
  return ok({
    grant,
    by: 'session',
    who: row.who,
    actor: `${row.source}:${row.subject}`,
    address: addressOf(c),
    session: { id: row.id, csrf, expiresAtMs: row.expires_at_ms },
  })
}

function adminTokenOf(c: Context<AdminTypes>): string | null {
  const token = c.env.ADMIN_TOKEN ?? ''
  return token.length < ADMIN_TOKEN_LENGTH_MIN ? null : token
}

/** Nobody could sign in by any way. */
function isClosed(c: Context<AdminTypes>): boolean {
  const isSignedInto = signInMethods(c.env).length > 0
  return adminTokenOf(c) === null && (offeredToken(c) !== null || !isSignedInto)
}

const UNAUTHORIZED: Refusal = {
  status: 401,
  code: 'unauthorized',
  field: null,
  message: 'Sign in, or send an API token or the admin token as "Authorization: Bearer …".',
}

const CLOSED: Refusal = {
  status: 503,
  code: 'admin_closed',
  field: null,
  message: `The admin API is closed until the secret ADMIN_TOKEN (${ADMIN_TOKEN_LENGTH_MIN} characters or more) is set.`,
}

export const TOO_MANY: Refusal = {
  status: 429,
  code: 'too_many_attempts',
  field: null,
  message: 'Too many wrong tokens were tried: wait before the next one.',
}
