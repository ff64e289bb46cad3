// The history of alerts, page by page: what happened, and what became of telling it to each channel.
import type { AlertKind, AlertRow } from './alert.ts'
import { factsOf, wordsOf } from './words.ts'

/** One page, newest first. Null asks for all. */
export interface HistoryQuery {
  readonly limit: number
  /** Alerts before this number. */
  readonly before: number | null
  readonly tenantId: string | null
  readonly teamId: string | null
  readonly keyId: string | null
  readonly kind: AlertKind | null
  /** With a delivery that stands so. */
  readonly state: DeliveryState | null
}

export const DELIVERY_STATES = ['pending', 'delivered', 'given-up'] as const
export type DeliveryState = (typeof DELIVERY_STATES)[number]

interface DeliveryRow {
  readonly alert_id: string
  readonly channel_id: string
  readonly channel_name: string | null
  readonly state: DeliveryState
  readonly attempts: number
  readonly next_at_ms: number
  readonly settled_at_ms: number | null
  readonly last_error: string | null
}

const PAGE = `SELECT * FROM alerts a WHERE a.seq < ?1 AND (?2 IS NULL OR a.tenant_id = ?2)
    AND (?3 IS NULL OR a.team_id = ?3) AND (?4 IS NULL OR a.key_id = ?4) AND (?5 IS NULL OR a.kind = ?5)
    AND (?6 IS NULL OR EXISTS (SELECT 1 FROM alert_deliveries d WHERE d.alert_id = a.id AND d.state = ?6))
  ORDER BY a.seq DESC LIMIT ?7`

const DELIVERIES = `SELECT d.*, c.name AS channel_name FROM alert_deliveries d
  LEFT JOIN alert_channels c ON c.id = d.channel_id
  WHERE d.alert_id IN (SELECT value FROM json_each(?1)) ORDER BY d.alert_id, c.name, d.channel_id`

/** The alerts with their deliveries, and the number to go on from; null when there is nothing older. */
export async function alertHistory(db: D1Database, query: HistoryQuery) {
  const { limit, before, tenantId, teamId, keyId, kind, state } = query
  const found = await db
    .prepare(PAGE)
    .bind(before ?? Number.MAX_SAFE_INTEGER, tenantId, teamId, keyId, kind, state, limit + 1)
    .all<AlertRow>()
  const rows = found.results.slice(0, limit)
  const ids = JSON.stringify(rows.map(({ id }) => id))
  const deliveries = Map.groupBy(
    (await db.prepare(DELIVERIES).bind(ids).all<DeliveryRow>()).results,
    ({ alert_id }) => alert_id,
  )
  const last = rows.at(-1)
  return {
    rows: rows.map((row) => ({ ...viewAlert(row), deliveries: (deliveries.get(row.id) ?? []).map(viewDelivery) })),
    next: found.results.length > limit && last !== undefined ? String(last.seq) : null,
  }
}

function viewAlert(row: AlertRow) {
  const { title, lines } = wordsOf(row)
  return {
    id: row.id,
    kind: row.kind,
    tenant_id: row.tenant_id === '' ? null : row.tenant_id,
    tenant_name: row.tenant_name,
    team_id: row.team_id,
    key_id: row.key_id,
    scope: row.scope,
    subject_id: row.subject_id,
    subject_name: row.subject_name,
    title,
    text: lines.join(' '),
    window_start_ms: row.window_start_ms,
    window_end_ms: row.window_end_ms,
    at_ms: row.at_ms,
    facts: factsOf(row.facts),
  }
}

function viewDelivery(row: DeliveryRow) {
  return {
    channel_id: row.channel_id,
    channel_name: row.channel_name,
    state: row.state,
    attempts: row.attempts,
    next_at_ms: row.state === 'pending' ? row.next_at_ms : null,
    settled_at_ms: row.settled_at_ms,
    last_error: row.last_error,
  }
}
