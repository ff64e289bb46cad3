// Notes alerts in D1: each once for its tenant, what and window, with the names of the time, and for every channel that
// wants it a delivery to be made. All in statements for somebody's transaction.
import type { NewAlert } from './alert.ts'

const FIELDS = `SELECT value ->> 'id' AS id, value ->> 'kind' AS kind, value ->> 'tenantId' AS tenant_id,
    value ->> 'scope' AS scope, value ->> 'subjectId' AS subject_id, value ->> 'what' AS what,
    value ->> 'windowStartMs' AS window_start_ms, value ->> 'windowEndMs' AS window_end_ms, value ->> 'atMs' AS at_ms,
    value -> 'facts' AS facts
  FROM json_each(?1)`

// What was noted before is left as it is, with its own id.
const INSERT_ALERTS = `INSERT INTO alerts (id, kind, tenant_id, tenant_name, team_id, key_id, scope, subject_id,
    subject_name, what, window_start_ms, window_end_ms, at_ms, noted_at_ms, facts)
  SELECT n.id, n.kind, n.tenant_id, t.name, CASE n.scope WHEN 'team' THEN n.subject_id ELSE k.team_id END, k.id,
    n.scope, n.subject_id, coalesce(k.name, m.name, CASE n.scope WHEN 'tenant' THEN t.name END), n.what,
    n.window_start_ms, n.window_end_ms, n.at_ms, ?2, n.facts
  FROM (${FIELDS}) n
  LEFT JOIN tenants t ON t.id = n.tenant_id
  LEFT JOIN virtual_keys k ON n.scope = 'key' AND k.id = n.subject_id
  LEFT JOIN teams m ON n.scope = 'team' AND m.id = n.subject_id
  WHERE true
  ON CONFLICT (tenant_id, what, window_start_ms) DO NOTHING`

const lists = (column: string, value: string): string =>
  `EXISTS (SELECT 1 FROM json_each(c.${column}) one WHERE one.value = ${value})`

/** SQL: whether channel `c` wants alert `a`. Empty lists are about everything; of the others one has to name it. */
const WANTS = `(c.kinds = '[]' OR ${lists('kinds', 'a.kind')}) AND ((c.tenants = '[]' AND c.teams = '[]' AND c.keys = '[]')
  OR ${lists('tenants', 'a.tenant_id')} OR ${lists('teams', 'a.team_id')} OR ${lists('keys', 'a.key_id')})`

// By their ids these are only those that were noted just now.
const INSERT_DELIVERIES = `INSERT INTO alert_deliveries (alert_id, channel_id, state, attempts, next_at_ms, created_at_ms)
  SELECT a.id, c.id, 'pending', 0, ?2, ?2
  FROM json_each(?1) n JOIN alerts a ON a.id = n.value ->> 'id' JOIN alert_channels c ON c.is_on = 1 AND ${WANTS}`

/** The statements that note `alerts`; none for none. */
export function noteStatements(
  db: D1Database,
  alerts: readonly NewAlert[],
  nowMs: number,
): readonly D1PreparedStatement[] {
  if (alerts.length === 0) return []
  const rows = JSON.stringify(alerts.map((alert) => ({ id: alertId(), ...alert })))
  return [db.prepare(INSERT_ALERTS).bind(rows, nowMs), db.prepare(INSERT_DELIVERIES).bind(rows, nowMs)]
}

/** Notes alerts in a transaction of their own. Returns how many there weren't before. */
export async function noteAlerts(db: D1Database, alerts: readonly NewAlert[], nowMs: number): Promise<number> {
  if (alerts.length === 0) return 0
  const [noted] = await db.batch([...noteStatements(db, alerts, nowMs)])
  return noted?.meta.changes ?? 0
}

function alertId(): string {
  return `alert_${crypto.randomUUID().replaceAll('-', '')}`
}
