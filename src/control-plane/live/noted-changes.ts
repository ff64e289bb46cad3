// What listeners are told of that stands in the audit log or among the alerts: of which kind it is and whose, as far as those who
// hear of it could read the entry itself. Read by the object that has the sockets, so that who makes a change needs to say only
// that there is one.
import type { Change, ChangeOwner, LiveKind, Seen } from '../../core/live.ts'

/** Entries that are looked at in one go: of more, the newest. */
const ENTRIES_MAX = 2_000

const ENDS = `SELECT (SELECT coalesce(max(id), 0) FROM audit) AS audit, (SELECT coalesce(max(seq), 0) FROM alerts) AS alerts`

const AUDITED = `SELECT DISTINCT thing, tenant_id, team_id FROM (
    SELECT substr(what, 1, instr(what, '.') - 1) AS thing, tenant_id, team_id FROM audit
    WHERE id > ?1 ORDER BY id DESC LIMIT ${ENTRIES_MAX})`

const ALERTED = `SELECT DISTINCT tenant_id, team_id FROM (
    SELECT nullif(tenant_id, '') AS tenant_id, team_id FROM alerts WHERE seq > ?1 ORDER BY seq DESC LIMIT ${ENTRIES_MAX})`

interface OwnedRow {
  readonly tenant_id: string | null
  readonly team_id: string | null
}
interface AuditedRow extends OwnedRow {
  /** The table of what changed, or another name of it. */
  readonly thing: string
}

/** What was noted since `seen`, and up to where that is. With null nothing: only where everything ends. Throws when D1 fails. */
export async function changesNoted(
  db: D1Database,
  seen: Seen | null,
): Promise<{ readonly changes: readonly Change[]; readonly seen: Seen }> {
  const ends = db.prepare(ENDS)
  if (seen === null) return { changes: [], seen: (await ends.first<Seen>()) ?? NOTHING }
  // One transaction: what comes after these ends is told with the next.
  const [end, audited, alerted] = await db.batch<Seen | AuditedRow | OwnedRow>([
    ends,
    db.prepare(AUDITED).bind(seen.audit),
    db.prepare(ALERTED).bind(seen.alerts),
  ])
  const changes = [...rowsOf(audited), ...rowsOf(alerted)].flatMap((row) => changesOf(row))
  return { changes, seen: rowsOf(end).find(isSeen) ?? seen }
}

const NOTHING: Seen = { audit: 0, alerts: 0 }

type AnyRow = Seen | AuditedRow | OwnedRow

function rowsOf(result: D1Result<AnyRow> | undefined): readonly AnyRow[] {
  return result?.results ?? []
}

function isSeen(row: AnyRow): row is Seen {
  return 'audit' in row
}

function changesOf(row: AnyRow): readonly Change[] {
  if (isSeen(row)) return []
  const of = ownersOf(row)
  if (!('thing' in row)) return [{ kind: 'alerts', of }]
  const kinds = KINDS[row.thing] ?? ['configuration']
  return [{ kind: 'audit', of }, ...kinds.map((kind): Change => ({ kind, of: reachOf(row, kind) }))]
}

/** What changes with an entry besides the log. */
const KINDS: Readonly<Record<string, readonly LiveKind[]>> = {
  api_tokens: ['access'],
  role_rules: ['access'],
  sessions: ['access'],
  // Whether there is any is part of the overview.
  credentials: ['access', 'configuration'],
  alert_channels: ['alerts', 'configuration'],
  ledger: ['requests'],
  bodies: [],
  requests: [],
}

/** Whoever may read the entry: with a team, whoever leads it, too; without, none of the tenant's teams. */
function ownersOf({ tenant_id: tenantId, team_id: teamId }: OwnedRow): readonly ChangeOwner[] | 'deployment' {
  return tenantId === null ? 'deployment' : [{ tenantId, teamId: teamId ?? '' }]
}

/** Routes are read by all whom they serve: everybody's by everybody, a tenant's by its teams. */
function reachOf(row: AuditedRow, kind: LiveKind): Change['of'] {
  if (kind !== 'configuration' || row.thing !== 'routes') return ownersOf(row)
  return row.tenant_id === null ? 'everybody' : [{ tenantId: row.tenant_id, teamId: null }]
}
