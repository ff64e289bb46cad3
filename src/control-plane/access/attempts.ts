// Bounds how often a wrong token may be tried: for each address, and for all together. What is wrong is counted before it is
// looked at, in D1 and in one statement, so that a thousand tries at once are bounded as well as one after another. The same
// token again is no other guess: a page that begins with ten calls has made one try. Whoever sends a token that this isolate
// has seen to be right isn't counted. Where D1 is away nobody comes in: it has the tokens, too.
import { parseIpv6 } from '../../core/guard/ip-address.ts'

/** Counts begin anew after this long. */
const WINDOW_MS = 600_000
/** Wrong tokens of one address in a window. */
export const WRONG_MAX = 20
/** Wrong tokens of all addresses in a window, but of those that have lately sent a right one. */
export const WRONG_MAX_OF_ALL = 300
/** How long an address that sent a right token is known by it. */
const KNOWN_MS = 30 * 86_400_000
/** Characters of a digest by which a token is known again. */
const TRIED_CHARS = 16
/** Digests and addresses that an isolate remembers. */
const REMEMBERED_MAX = 1_000
/** The row of all together. */
const ALL = ''

/** May be tried, as another try or as the one before; or not before then. */
export type Attempt =
  { readonly may: true; readonly isCounted: boolean } | { readonly may: false; readonly untilMs: number }

/** Digests of tokens that were right here. Whether they still are is asked of D1 every time. */
const right = new Set<string>()
/** Until when an address has no more tries. */
const shut = new Map<string, number>()

/** Whether a token of this digest has been right in this isolate. */
export function wasRight(digest: string): boolean {
  return right.has(digest)
}

const OVERALL = `INSERT INTO sign_in_attempts (address, until_ms, wrong)
  SELECT '${ALL}', ?2 + ${WINDOW_MS}, 1 WHERE NOT EXISTS (
    SELECT 1 FROM sign_in_attempts WHERE address = ?1
      AND (right_at_ms > ?2 - ${KNOWN_MS} OR (until_ms > ?2 AND (wrong >= ${WRONG_MAX} OR tried = ?3))))
  ON CONFLICT (address) DO UPDATE SET
    wrong = iif(until_ms <= ?2, 1, wrong + 1), until_ms = iif(until_ms <= ?2, excluded.until_ms, until_ms)
  WHERE until_ms <= ?2 OR wrong < ${WRONG_MAX_OF_ALL}`

const OF_ADDRESS = `INSERT INTO sign_in_attempts (address, until_ms, wrong, tried)
  SELECT ?1, ?2 + ${WINDOW_MS}, 1, ?3 WHERE changes() > 0 OR EXISTS (
    SELECT 1 FROM sign_in_attempts WHERE address = ?1 AND right_at_ms > ?2 - ${KNOWN_MS})
  ON CONFLICT (address) DO UPDATE SET
    wrong = iif(until_ms <= ?2, 1, wrong + 1), until_ms = iif(until_ms <= ?2, excluded.until_ms, until_ms), tried = ?3
  WHERE until_ms <= ?2 OR (wrong < ${WRONG_MAX} AND tried IS NOT ?3)
  RETURNING wrong`

const SHUT = `SELECT max(until_ms) AS until_ms,
    EXISTS (SELECT 1 FROM sign_in_attempts WHERE address = ?1 AND until_ms > ?2 AND tried = ?3) AS is_same
  FROM sign_in_attempts WHERE until_ms > ?2
  AND ((address = ?1 AND wrong >= ${WRONG_MAX}) OR (address = '${ALL}' AND wrong >= ${WRONG_MAX_OF_ALL}))`

/** Who tries what: a token by its digest, of which a few letters are enough to know it again. */
export interface Try {
  readonly digest: string
  readonly address: string | null
  readonly nowMs: number
}

/** Counts a try before anybody looks whether it is right. Throws when D1 fails. */
export async function takeAttempt(db: D1Database, { digest, address, nowMs }: Try): Promise<Attempt> {
  const counted = countedAs(address)
  const shutUntilMs = shut.get(counted) ?? 0
  if (shutUntilMs > nowMs) return { may: false, untilMs: shutUntilMs }
  const bound = [counted, nowMs, digest.slice(0, TRIED_CHARS)]
  const [, taken, asked] = await db.batch<{ readonly until_ms: number | null; readonly is_same: number }>([
    db.prepare(OVERALL).bind(...bound),
    db.prepare(OF_ADDRESS).bind(...bound),
    db.prepare(SHUT).bind(...bound),
  ])
  if ((taken?.results.length ?? 0) > 0) return { may: true, isCounted: true }
  const found = asked?.results[0]
  if (found?.is_same === 1) return { may: true, isCounted: false }
  const untilMs = found?.until_ms ?? nowMs + WINDOW_MS
  if (shut.size >= REMEMBERED_MAX) shut.clear()
  shut.set(counted, untilMs)
  return { may: false, untilMs }
}

/** The token was right: a try that was counted for it isn't one, and its address is known from now on. Nothing of a right
 *  token is kept. What is old is forgotten with it. */
export async function noteRight(db: D1Database, { digest, address, nowMs }: Try, isCounted: boolean): Promise<void> {
  if (right.size >= REMEMBERED_MAX) right.clear()
  right.add(digest)
  const counted = countedAs(address)
  const less = isCounted ? 1 : 0
  await db.batch([
    db
      .prepare(
        `UPDATE sign_in_attempts SET wrong = max(wrong - ?3, 0) WHERE address = '${ALL}' AND NOT EXISTS (
          SELECT 1 FROM sign_in_attempts WHERE address = ?1 AND right_at_ms > ?2)`,
      )
      .bind(counted, nowMs - KNOWN_MS, less),
    db
      .prepare(
        `UPDATE sign_in_attempts SET wrong = max(wrong - ?3, 0), right_at_ms = ?2, tried = NULL WHERE address = ?1`,
      )
      .bind(counted, nowMs, less),
    db
      .prepare(`DELETE FROM sign_in_attempts WHERE until_ms < ?1 AND coalesce(right_at_ms, 0) < ?2`)
      .bind(nowMs, nowMs - KNOWN_MS),
  ])
}

/** What an isolate remembers is as if it had just started. For tests. */
export function forgetAttempts(): void {
  right.clear()
  shut.clear()
}

/** As what an address is counted. Whoever has one IPv6 address has all of its network: 64 bits of it. */
export function countedAs(address: string | null): string {
  if (address === null) return 'unknown'
  const groups = address.includes(':') ? parseIpv6(address) : null
  if (groups === null) return address
  const isMappedIpv4 = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  const kept = isMappedIpv4 ? groups.slice(6) : groups.slice(0, 4)
  const text = kept.map((group) => group.toString(16)).join(':')
  return isMappedIpv4 ? `::ffff:${text}` : `${text}::/64`
}
