// Bounds how often a wrong token may be tried: for each address, and for all together. What is wrong is counted before it is
// looked at, in D1 and in one statement, so that a thousand tries at once are bounded as well as one after another. Whoever
// sends a token that this isolate has seen to be right isn't counted. Where D1 is away nobody comes in: it has the tokens, too.
import { parseIpv6 } from '../core/ip-address.ts'

/** Counts begin anew after this long. */
const WINDOW_MS = 600_000
/** Wrong tokens of one address in a window. */
export const WRONG_MAX = 20
/** Wrong tokens of all addresses in a window, but of those that have lately sent a right one. */
export const WRONG_MAX_OF_ALL = 300
/** How long an address that sent a right token is known by it. */
const KNOWN_MS = 30 * 86_400_000
/** Digests and addresses that an isolate remembers. */
const REMEMBERED_MAX = 1_000
/** The row of all together. */
const ALL = ''

/** May be tried, or not before then. */
export type Attempt = { readonly may: true } | { readonly may: false; readonly untilMs: number }

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
      AND (right_at_ms > ?2 - ${KNOWN_MS} OR (until_ms > ?2 AND wrong >= ${WRONG_MAX})))
  ON CONFLICT (address) DO UPDATE SET
    wrong = iif(until_ms <= ?2, 1, wrong + 1), until_ms = iif(until_ms <= ?2, excluded.until_ms, until_ms)
  WHERE until_ms <= ?2 OR wrong < ${WRONG_MAX_OF_ALL}`

const OF_ADDRESS = `INSERT INTO sign_in_attempts (address, until_ms, wrong)
  SELECT ?1, ?2 + ${WINDOW_MS}, 1 WHERE changes() > 0 OR EXISTS (
    SELECT 1 FROM sign_in_attempts WHERE address = ?1 AND right_at_ms > ?2 - ${KNOWN_MS})
  ON CONFLICT (address) DO UPDATE SET
    wrong = iif(until_ms <= ?2, 1, wrong + 1), until_ms = iif(until_ms <= ?2, excluded.until_ms, until_ms)
  WHERE until_ms <= ?2 OR wrong < ${WRONG_MAX}
  RETURNING wrong`

const SHUT = `SELECT max(until_ms) AS until_ms FROM sign_in_attempts WHERE until_ms > ?2
  AND ((address = ?1 AND wrong >= ${WRONG_MAX}) OR (address = '${ALL}' AND wrong >= ${WRONG_MAX_OF_ALL}))`

/** Counts a try before anybody looks whether it is right. Throws when D1 fails. */
export async function takeAttempt(db: D1Database, address: string | null, nowMs: number): Promise<Attempt> {
  const counted = countedAs(address)
  const shutUntilMs = shut.get(counted) ?? 0
  if (shutUntilMs > nowMs) return { may: false, untilMs: shutUntilMs }
  const [, taken, asked] = await db.batch<{ readonly until_ms: number | null }>(
    [OVERALL, OF_ADDRESS, SHUT].map((sql) => db.prepare(sql).bind(counted, nowMs)),
  )
  if ((taken?.results.length ?? 0) > 0) return { may: true }
  const untilMs = asked?.results[0]?.until_ms ?? nowMs + WINDOW_MS
  if (shut.size >= REMEMBERED_MAX) shut.clear()
  shut.set(counted, untilMs)
  return { may: false, untilMs }
}

/** The token was right: its try doesn't count, and its address is known from now on. What is old is forgotten with it. */
export async function noteRight(
  db: D1Database,
  { digest, address, nowMs }: { readonly digest: string; readonly address: string | null; readonly nowMs: number },
): Promise<void> {
  if (right.size >= REMEMBERED_MAX) right.clear()
  right.add(digest)
  const counted = countedAs(address)
  await db.batch([
    db
      .prepare(
        `UPDATE sign_in_attempts SET wrong = max(wrong - 1, 0) WHERE address = '${ALL}' AND NOT EXISTS (
          SELECT 1 FROM sign_in_attempts WHERE address = ?1 AND right_at_ms > ?2)`,
      )
      .bind(counted, nowMs - KNOWN_MS),
    db
      .prepare(`UPDATE sign_in_attempts SET wrong = max(wrong - 1, 0), right_at_ms = ?2 WHERE address = ?1`)
      .bind(counted, nowMs),
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
