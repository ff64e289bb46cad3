// Delivers alerts: each to each channel that wants it at least once, with growing pauses for up to a day; what can't be
// delivered by then is given up and says so in the history. A delivery is claimed before it is tried, so that two that
// deliver at the same time don't send it twice; one that dies while it tries is taken up again when its claim has run out.
// A channel that fails waits as a whole, so that it holds up no other.
import type { AlertRow } from './alert.ts'
import type { ChannelRow } from './channel.ts'
import { type SendPorts, type Sent, SEND_TIMEOUT_MS, sendAlert } from './send.ts'

/** Deliveries that are tried in one go, and of one channel. */
const CLAIMED_MAX = 50
const CLAIMED_OF_CHANNEL_MAX = 5
/** The platform has six connections for what has no answer yet: one is left for the database. */
const AT_ONCE_MAX = 5
/** All that is claimed may time out before this. */
const CLAIM_MS = (CLAIMED_MAX / AT_ONCE_MAX + CLAIMED_OF_CHANNEL_MAX) * SEND_TIMEOUT_MS + 30_000
const RETRY_MS = 30_000
const RETRY_MS_MAX = 4 * 3_600_000
/** A channel that failed is left alone for no longer than this: it may work again. */
const CHANNEL_PAUSE_MS_MAX = 600_000
const GIVEN_UP_AFTER_MS = 24 * 3_600_000
/** Runs of a backlog. */
const ROUNDS_MAX = 10

interface Claim {
  readonly alert_id: string
  readonly channel_id: string
  /** This one included. */
  readonly attempts: number
  readonly created_at_ms: number
  readonly is_failing: number
}

/** What was done. */
export interface Delivered {
  readonly delivered: number
  readonly failed: number
}

/** The pause after so many attempts: half a minute, doubling up to four hours. */
export function retryDelayMs(attempts: number): number {
  return Math.min(RETRY_MS * 2 ** Math.min(Math.max(attempts - 1, 0), 20), RETRY_MS_MAX)
}

// Channels that work go first, none takes more than its share, and one that failed a moment ago takes none.
const CLAIM = `UPDATE alert_deliveries SET next_at_ms = ?2, attempts = attempts + 1
  WHERE state = 'pending' AND (alert_id, channel_id) IN (
    SELECT alert_id, channel_id FROM (
      SELECT d.alert_id, d.channel_id, d.next_at_ms, h.failing_since_ms IS NOT NULL AS is_failing,
        row_number() OVER (PARTITION BY d.channel_id ORDER BY d.next_at_ms, d.alert_id) AS place
      FROM alert_deliveries d LEFT JOIN alert_channel_health h ON h.channel_id = d.channel_id
      WHERE d.state = 'pending' AND d.next_at_ms <= ?1 AND coalesce(h.next_at_ms, 0) <= ?1
    ) WHERE place <= ${CLAIMED_OF_CHANNEL_MAX} ORDER BY is_failing, next_at_ms LIMIT ${CLAIMED_MAX}
  ) RETURNING alert_id, channel_id, attempts, created_at_ms, EXISTS (SELECT 1 FROM alert_channel_health h
    WHERE h.channel_id = alert_deliveries.channel_id AND h.failing_since_ms IS NOT NULL) AS is_failing`

// Also what was never tried, because its channel failed all the time.
const GIVE_UP_OLD = `UPDATE alert_deliveries SET state = 'given-up', settled_at_ms = ?1, last_error = coalesce(last_error,
    (SELECT h.last_error FROM alert_channel_health h WHERE h.channel_id = alert_deliveries.channel_id), 'It was never tried.')
  WHERE state = 'pending' AND next_at_ms <= ?1 AND created_at_ms < ?2`

/** Gives up what is a day old, and tries what is due. Throws where the database fails; what was claimed is tried again
 *  later. */
export async function deliverDue(db: D1Database, ports: SendPorts): Promise<Delivered> {
  const sum = { delivered: 0, failed: 0 }
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const { claimed, delivered } = await deliverSome(db, ports)
    sum.delivered += delivered
    sum.failed += claimed - delivered
    if (claimed === 0) break
  }
  const nowMs = ports.nowMs()
  await db
    .prepare(GIVE_UP_OLD)
    .bind(nowMs, nowMs - GIVEN_UP_AFTER_MS)
    .run()
  return sum
}

async function deliverSome(db: D1Database, ports: SendPorts): Promise<{ claimed: number; delivered: number }> {
  const nowMs = ports.nowMs()
  const claims = (
    await db
      .prepare(CLAIM)
      .bind(nowMs, nowMs + CLAIM_MS)
      .all<Claim>()
  ).results
  if (claims.length === 0) return { claimed: 0, delivered: 0 }
  const ofChannels = Map.groupBy(
    claims.toSorted((a, b) => a.is_failing - b.is_failing),
    ({ channel_id }) => channel_id,
  )
  const [channels, alerts] = await Promise.all([
    rowsOf<ChannelRow>(db, 'alert_channels', [...ofChannels.keys()]),
    rowsOf<AlertRow>(
      db,
      'alerts',
      claims.map(({ alert_id }) => alert_id),
    ),
  ])
  const work = [...ofChannels].map(
    ([id, own]) =>
      () =>
        deliverTo(db, channels.get(id), { claims: own, alerts }, ports),
  )
  const delivered = (await atOnce(AT_ONCE_MAX, work)).reduce((all, one) => all + one, 0)
  return { claimed: claims.length, delivered }
}

interface Batch {
  readonly claims: readonly Claim[]
  readonly alerts: ReadonlyMap<string, AlertRow>
}

/** One after the other, until one fails: the others then wait with it. Returns how many were delivered. */
async function deliverTo(
  db: D1Database,
  channel: ChannelRow | undefined,
  { claims, alerts }: Batch,
  ports: SendPorts,
): Promise<number> {
  let delivered = 0
  for (const [at, claim] of claims.entries()) {
    const alert = alerts.get(claim.alert_id)
    if (channel === undefined || alert === undefined || channel.is_on === 0) {
      const why = channel?.is_on === 0 ? 'The channel is turned off.' : 'The channel was deleted.'
      await settleAsGivenUp(db, claim, why, ports.nowMs()).run()
      continue
    }
    const sent = await sendAlert(channel, alert, ports)
    if (!sent.ok) {
      await noteFailed(db, { claim, sent, waiting: claims.slice(at + 1) }, ports.nowMs())
      break
    }
    await noteDelivered(db, claim, ports.nowMs())
    delivered += 1
  }
  return delivered
}

async function noteDelivered(db: D1Database, { alert_id, channel_id }: Claim, nowMs: number): Promise<void> {
  await db.batch([
    db
      .prepare(
        `UPDATE alert_deliveries SET state = 'delivered', settled_at_ms = ?3, last_error = NULL
         WHERE alert_id = ?1 AND channel_id = ?2`,
      )
      .bind(alert_id, channel_id, nowMs),
    db
      .prepare(
        `INSERT INTO alert_channel_health (channel_id, last_delivered_at_ms) VALUES (?1, ?2)
         ON CONFLICT DO UPDATE SET failing_since_ms = NULL, next_at_ms = NULL, last_error = NULL,
           last_delivered_at_ms = ?2`,
      )
      .bind(channel_id, nowMs),
  ])
}

interface Failed {
  readonly claim: Claim
  readonly sent: Sent
  /** Of the same channel: they weren't tried. */
  readonly waiting: readonly Claim[]
}

async function noteFailed(db: D1Database, { claim, sent, waiting }: Failed, nowMs: number): Promise<void> {
  const { alert_id, channel_id, attempts, created_at_ms } = claim
  const pauseMs = Math.max(retryDelayMs(attempts), Math.min(sent.retryAfterMs ?? 0, RETRY_MS_MAX))
  const lastAtMs = created_at_ms + GIVEN_UP_AFTER_MS
  const again = db.prepare(
    `UPDATE alert_deliveries SET next_at_ms = ?3, last_error = ?4 WHERE alert_id = ?1 AND channel_id = ?2`,
  )
  const untried = db.prepare(
    `UPDATE alert_deliveries SET next_at_ms = ?3, attempts = attempts - 1 WHERE alert_id = ?1 AND channel_id = ?2`,
  )
  await db.batch([
    sent.isFinal || nowMs >= lastAtMs
      ? settleAsGivenUp(db, claim, sent.saw, nowMs)
      : again.bind(alert_id, channel_id, Math.min(nowMs + pauseMs, lastAtMs), sent.saw),
    ...waiting.map((other) => untried.bind(other.alert_id, other.channel_id, nowMs)),
    db
      .prepare(
        `INSERT INTO alert_channel_health (channel_id, failing_since_ms, next_at_ms, last_error) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET failing_since_ms = coalesce(failing_since_ms, ?2), next_at_ms = ?3, last_error = ?4`,
      )
      .bind(channel_id, nowMs, nowMs + Math.min(pauseMs, CHANNEL_PAUSE_MS_MAX), sent.saw),
  ])
}

function settleAsGivenUp(
  db: D1Database,
  { alert_id, channel_id }: Claim,
  why: string,
  nowMs: number,
): D1PreparedStatement {
  return db
    .prepare(
      `UPDATE alert_deliveries SET state = 'given-up', settled_at_ms = ?3, last_error = ?4
       WHERE alert_id = ?1 AND channel_id = ?2`,
    )
    .bind(alert_id, channel_id, nowMs, why)
}

async function rowsOf<Row extends { readonly id: string }>(
  db: D1Database,
  table: 'alerts' | 'alert_channels',
  ids: readonly string[],
): Promise<ReadonlyMap<string, Row>> {
  const statement = db.prepare(`SELECT * FROM ${table} WHERE id IN (SELECT value FROM json_each(?1))`)
  const { results } = await statement.bind(JSON.stringify(ids)).all<Row>()
  return new Map(results.map((row) => [row.id, row]))
}

/** Does all of it, so much at a time. */
async function atOnce<Value>(most: number, work: readonly (() => Promise<Value>)[]): Promise<readonly Value[]> {
  const done: Value[] = []
  const rest = work.values()
  const worker = async (): Promise<void> => {
    for (const one of rest) done.push(await one())
  }
  await Promise.all(Array.from({ length: Math.min(most, work.length) }, worker))
  return done
}
