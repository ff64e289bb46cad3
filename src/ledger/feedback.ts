// What clients think of an answer: one opinion a request, the latest. It is kept with the dimensions of the attempt that
// answered, so that reports count it wherever they count the request, also after the event is forgotten.
import { isJsonObject, type Json } from '../core/json.ts'
import { err, ok, type Result } from '../core/result.ts'

export const COMMENT_CHARS_MAX = 2000
const ID_CHARS_MAX = 200

/** Scores by name. */
export const NAMED_SCORES = { thumbs_up: 1, good: 1, neutral: 0, bad: -1, thumbs_down: -1 } as const

export interface Feedback {
  readonly requestId: string
  /** From -1000 to 1000. */
  readonly scoreMilli: number
  /** The score's name, where it was given by name. */
  readonly name: string | null
  readonly comment: string | null
}

/** What is wrong with a body. */
export interface FeedbackProblem {
  readonly field: string | null
  readonly message: string
}

/** Reads `{request_id, score, comment?}`. A score is a number from -1 to 1, kept to three digits, or one of the names. */
export function readFeedback(body: Json | undefined): Result<Feedback, FeedbackProblem> {
  if (!isJsonObject(body)) return err({ field: null, message: 'The body must be a JSON object.' })
  const { request_id: requestId, score, comment = null, ...others } = body
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) return err({ field: unknown, message: `${unknown} is not a field of this request.` })
  if (typeof requestId !== 'string' || requestId === '' || requestId.length > ID_CHARS_MAX) {
    return err({ field: 'request_id', message: 'request_id must be the x-tidegate-request-id of an answer.' })
  }
  const milli = milliOf(score)
  if (milli === null) {
    const names = Object.keys(NAMED_SCORES).join(', ')
    return err({ field: 'score', message: `score must be a number from -1 to 1, or one of ${names}.` })
  }
  if (comment !== null && (typeof comment !== 'string' || comment.length > COMMENT_CHARS_MAX)) {
    return err({ field: 'comment', message: `comment must be a text of at most ${COMMENT_CHARS_MAX} characters.` })
  }
  return ok({ requestId, scoreMilli: milli, name: typeof score === 'string' ? score : null, comment })
}

function milliOf(score: Json | undefined): number | null {
  if (typeof score === 'string') return namedScore(score)
  if (typeof score !== 'number' || !(score >= -1 && score <= 1)) return null
  return Math.round(score * 1000)
}

function namedScore(name: string): number | null {
  const found = Object.entries(NAMED_SCORES).find(([one]) => one === name)
  return found === undefined ? null : found[1] * 1000
}

const STORE = `INSERT INTO feedback (request_id, tenant_id, started_at_ms, team_id, key_id, cost_center, provider, model,
    route, end_user, tags, score_milli, name, comment, given_at_ms)
  SELECT request_id, tenant_id, started_at_ms, coalesce(team_id, ''), key_id, coalesce(cost_center, ''),
    coalesce(provider, ''), coalesce(model, ''), route, end_user, tags, ?3, ?4, ?5, ?6
  FROM usage_events WHERE request_id = ?1 AND tenant_id = ?2 AND kind = 'cost'
  ORDER BY is_final DESC, attempt DESC LIMIT 1
  ON CONFLICT (request_id) DO UPDATE SET score_milli = excluded.score_milli, name = excluded.name,
    comment = excluded.comment, given_at_ms = excluded.given_at_ms`

/** Keeps feedback of a tenant's client. False where the ledger has no such request of this tenant, or not yet. Throws when
 *  D1 fails. */
export async function giveFeedback(
  db: D1Database,
  tenantId: string,
  feedback: Feedback,
  nowMs: number,
): Promise<boolean> {
  const { requestId, scoreMilli, name, comment } = feedback
  const { meta } = await db.prepare(STORE).bind(requestId, tenantId, scoreMilli, name, comment, nowMs).run()
  return meta.changes > 0
}
