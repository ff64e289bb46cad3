// Sessions of people who signed in: a random secret in a cookie, its digest in D1, and with every call the question what their
// claims are worth by now. A session ends an hour after its last use, twelve hours after it began, or when it is revoked.
import { randomBase62 } from '../../core/virtual-key.ts'
import { sha256Hex } from '../digest.ts'
import type { Grant } from '../access/permissions.ts'
import { type Claims, type RoleRuleRow, type Source, grantFor, readClaims } from '../access/role-rules-record.ts'

export const IDLE_MS = 3_600_000
export const LONGEST_MS = 12 * IDLE_MS
/** A use is noted when the one noted is this old. */
const NOTED_EVERY_MS = 300_000
/** 256 bits. */
const SECRET_LENGTH = 43
const SECRET = /^[0-9A-Za-z]{43}$/
/** A session for each sign-in: more than these at once and the oldest end. */
const SESSIONS_MAX = 10_000

export interface SessionRow {
  readonly id: string
  readonly digest: string
  readonly source: Source
  readonly subject: string
  readonly who: string
  readonly claims: string
  readonly address: string | null
  readonly created_at_ms: number
  readonly seen_at_ms: number
  readonly expires_at_ms: number
}

export interface FoundSession {
  readonly row: SessionRow
  readonly grant: Grant
  readonly csrf: string
}

/** Somebody whom a provider vouches for. */
export interface Person {
  readonly source: Source
  readonly subject: string
  readonly who: string
  readonly claims: Claims
}

/** The session of this secret; null where there is none, it is over, or its person has no role (anymore). */
export async function findSession(db: D1Database, secret: string, nowMs: number): Promise<FoundSession | null> {
  if (!SECRET.test(secret)) return null
  const digest = await sha256Hex(secret)
  const [sessions, rules] = await Promise.all([
    db.prepare(`SELECT * FROM sessions WHERE digest = ?1`).bind(digest).first<SessionRow>(),
    readRules(db),
  ])
  if (sessions === null || isOver(sessions, nowMs)) return null
  const grant = grantFor(sessions.source, readClaims(sessions.claims), rules)
  if (grant === null) return null
  if (sessions.seen_at_ms < nowMs - NOTED_EVERY_MS) {
    await db.prepare(`UPDATE sessions SET seen_at_ms = ?2 WHERE id = ?1`).bind(sessions.id, nowMs).run()
  }
  return { row: sessions, grant, csrf: await csrfOf(secret) }
}

export function isOver({ seen_at_ms, expires_at_ms }: SessionRow, nowMs: number): boolean {
  return expires_at_ms <= nowMs || seen_at_ms + IDLE_MS <= nowMs
}

/** What has to be sent with every change: nobody knows it who can't read the session's answers. */
function csrfOf(secret: string): Promise<string> {
  return sha256Hex(`csrf ${secret}`)
}

export async function readRules(db: D1Database): Promise<readonly RoleRuleRow[]> {
  return (await db.prepare(`SELECT * FROM role_rules ORDER BY created_at_ms, id`).all<RoleRuleRow>()).results
}

interface Start {
  readonly person: Person
  readonly address: string | null
  readonly nowMs: number
  readonly randomBytes: (count: number) => Uint8Array
  /** What the browser had before: that session is over. */
  readonly replaced: string | null
}

/** Begins a session, with a secret that nobody has had before. What is over is forgotten with it. */
export async function startSession(
  db: D1Database,
  start: Start,
): Promise<{ readonly row: SessionRow; readonly secret: string }> {
  const { person, nowMs } = start
  const secret = randomBase62(SECRET_LENGTH, start.randomBytes)
  const row: SessionRow = {
    id: `ses_${randomBase62(14, start.randomBytes)}`,
    digest: await sha256Hex(secret),
    source: person.source,
    subject: person.subject,
    who: person.who,
    claims: JSON.stringify(person.claims),
    address: start.address,
    created_at_ms: nowMs,
    seen_at_ms: nowMs,
    expires_at_ms: nowMs + LONGEST_MS,
  }
  const names = Object.keys(row)
  await db.batch([
    db.prepare(`DELETE FROM sessions WHERE digest = ?1`).bind(await sha256Hex(start.replaced ?? '')),
    db.prepare(`DELETE FROM sessions WHERE expires_at_ms <= ?1 OR seen_at_ms <= ?2`).bind(nowMs, nowMs - IDLE_MS),
    db.prepare(
      `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions ORDER BY expires_at_ms DESC LIMIT -1 OFFSET ${SESSIONS_MAX - 1})`,
    ),
    db
      .prepare(`INSERT INTO sessions (${names.join(', ')}) VALUES (${names.map((_, at) => `?${at + 1}`).join(', ')})`)
      .bind(...Object.values(row)),
  ])
  return { row, secret }
}
