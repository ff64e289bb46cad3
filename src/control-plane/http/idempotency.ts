// A POST that is done once, however often it is sent: with an `Idempotency-Key` its answer is kept for a day and told again.
// D1 alone gives no answer away, and neither does D1 with the pepper: each is encrypted under a key that needs the header's own
// value, which is nowhere kept.
import type { Context, Next } from 'hono'
import { isJsonObject, parseJson } from '../../core/json.ts'
import { seal, unseal } from '../../ledger/alerts/seal.ts'
import { hmacHex } from '../digest.ts'
import { NO_PEPPER, PEPPER_LENGTH_MIN } from '../keys/key-record.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { type Refusal, refuse, unacceptable } from './refusal.ts'

export const IDEMPOTENCY_HEADER = 'idempotency-key'
/** Says that an answer is one that was told before. */
export const REPLAYED_HEADER = 'idempotent-replayed'

const KEPT_MS = 86_400_000
/** A call that takes longer than this has died. */
const UNDER_WAY_MS_MAX = 300_000
const ANSWER_BYTES_MAX = 65_536
/** Rows that are forgotten with one call. */
const FORGOTTEN_MAX = 1_000
const KEY_TEXT = /^[\x21-\x7e]{1,255}$/

interface AnswerRow {
  readonly request_digest: string
  readonly started_at_ms: number
  readonly status: number | null
  readonly answer: string | null
}

/** A request under its key. None of these says what the key is. */
interface Once {
  readonly id: string
  readonly digest: string
  readonly master: string
}

/** Does what `next` does, or tells what it told before. */
export async function answerOnce(c: Context<AdminTypes>, next: Next, ports: AdminPorts): Promise<Response | undefined> {
  const key = c.req.header(IDEMPOTENCY_HEADER) ?? ''
  if (!KEY_TEXT.test(key)) return refuse(c, INVALID_KEY)
  const pepper = c.env.KEY_PEPPER ?? ''
  if (pepper.length < PEPPER_LENGTH_MIN) return refuse(c, NO_PEPPER)
  const once = await onceOf(c, key, pepper)
  const nowMs = ports.nowMs()
  if (!(await claim(c.env.DB, once, nowMs))) return tellAgain(c, once, nowMs)
  await next()
  await settle(c, once)
  return undefined
}

/** Keys are the caller's own: another's are others. */
async function onceOf(c: Context<AdminTypes>, key: string, pepper: string): Promise<Once> {
  const { pathname, search } = new URL(c.req.url)
  const whose = JSON.stringify([c.get('caller').actor, key])
  const [id, master, digest] = await Promise.all([
    hmacHex(pepper, `idempotency id ${whose}`),
    hmacHex(pepper, `idempotency answer ${whose}`),
    hmacHex(pepper, `idempotency request ${JSON.stringify([c.req.method, pathname + search, await c.req.text()])}`),
  ])
  return { id, master, digest }
}

/** Whether the request is the first under its key. */
async function claim(db: D1Database, { id, digest }: Once, nowMs: number): Promise<boolean> {
  const [, claimed] = await db.batch([
    db
      .prepare(
        `DELETE FROM idempotent_answers WHERE id IN (
           SELECT id FROM idempotent_answers WHERE started_at_ms <= ?1 ORDER BY id = ?2 DESC LIMIT ${FORGOTTEN_MAX})`,
      )
      .bind(nowMs - KEPT_MS, id),
    db
      .prepare(
        `INSERT INTO idempotent_answers (id, request_digest, started_at_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING`,
      )
      .bind(id, digest, nowMs),
  ])
  return claimed?.meta.changes === 1
}

async function tellAgain(c: Context<AdminTypes>, { id, digest, master }: Once, nowMs: number): Promise<Response> {
  const sql = `SELECT request_digest, started_at_ms, status, answer FROM idempotent_answers WHERE id = ?1`
  const row = await c.env.DB.prepare(sql).bind(id).first<AnswerRow>()
  // Let go of between the two looks: the one before was refused.
  if (row === null) return inProgress(c)
  if (row.request_digest !== digest) return refuse(c, REUSED)
  if (row.status === null) return nowMs - row.started_at_ms < UNDER_WAY_MS_MAX ? inProgress(c) : refuse(c, UNKNOWN)
  const answer = row.answer === null ? null : await unseal(master, id, row.answer)
  if (answer === null) return refuse(c, notKept(row.status))
  const headers = { [REPLAYED_HEADER]: 'true', ...(answer === '' ? {} : { 'content-type': 'application/json' }) }
  return new Response(answer === '' ? null : answer, { status: row.status, headers })
}

/** Keeps what was told, or lets go of the key where nothing was done. That this fails undoes nothing: a repeat is told that
 *  nobody knows. */
async function settle(c: Context<AdminTypes>, { id, master }: Once): Promise<void> {
  const { status } = c.res
  try {
    const text = await c.res.clone().text()
    const { DB: db } = c.env
    if (!isDone(status, text)) {
      await db.prepare(`DELETE FROM idempotent_answers WHERE id = ?1`).bind(id).run()
      return
    }
    const isKept = new TextEncoder().encode(text).length <= ANSWER_BYTES_MAX
    const answer = isKept ? await seal(master, id, text) : null
    await db
      .prepare(`UPDATE idempotent_answers SET status = ?2, answer = ?3 WHERE id = ?1`)
      .bind(id, status, answer)
      .run()
  } catch (error) {
    console.error(JSON.stringify({ event: 'answer-not-kept', reason: String(error) }))
  }
}

/** Whether a request has done something, or may have. What is refused has not: the same key may try again. */
function isDone(status: number, text: string): boolean {
  if (status < 400 || status === 500) return true
  const body = status === 503 ? parseJson(text) : null
  if (!isJsonObject(body) || !isJsonObject(body['error'])) return false
  return body['error']['code'] === 'publish_failed' && body['is_undone'] !== true
}

const INVALID_KEY = unacceptable(
  'Idempotency-Key',
  'invalid_field',
  'Idempotency-Key must be 1 to 255 visible ASCII characters.',
)

const REUSED = unacceptable(
  'Idempotency-Key',
  'idempotency_key_reused',
  'This Idempotency-Key was sent with another request: every request has a key of its own.',
)

const UNKNOWN: Refusal = {
  status: 409,
  code: 'outcome_unknown',
  field: 'Idempotency-Key',
  message: 'The request with this key ended without an answer: look whether it was done, and use another key.',
}

function notKept(status: number): Refusal {
  const message = `The request with this key was answered with ${status}; the answer itself isn’t kept.`
  return { status: 409, code: 'answer_not_kept', field: 'Idempotency-Key', message }
}

function inProgress(c: Context<AdminTypes>): Response {
  c.header('retry-after', '1')
  const message = 'The request with this key is under way: try again.'
  return refuse(c, { status: 409, code: 'in_progress', field: 'Idempotency-Key', message })
}
