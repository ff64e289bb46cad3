// All events of a stretch of time, as a table, page by page in the order of their ids: a page begins where the one before
// ended, so that none is read twice and memory is bounded. First those whose ids are in the order of time, then strays.
import { EVENT_COLUMNS } from './columns.ts'
import { astray, inOrder } from './event-times.ts'
import type { Cell, TablePage } from './table-text.ts'

/** Columns of an exported event: those of the ledger. Money is integer nano-USD, times are epoch ms. */
export const EXPORT_COLUMNS: readonly string[] = Object.keys(EVENT_COLUMNS)

/** Where a page begins: after this event. */
export interface ExportPlace {
  readonly part: 'in-order' | 'astray'
  readonly requestId: string
  readonly attempt: number
  readonly kind: string
}

export const EXPORT_START: ExportPlace = { part: 'in-order', requestId: '', attempt: 0, kind: '' }

export interface ExportQuery {
  readonly fromMs: number
  readonly toMs: number
  /** Only this tenant's, or only this team's; null for everybody's. */
  readonly tenantId: string | null
  readonly teamId?: string | null
}

const PAGE_ROWS = 2000
const KEY = ['request_id', 'attempt', 'kind'].map((name) => EXPORT_COLUMNS.indexOf(name))
// Money may be more than a JS number holds once it was corrected by hand; a text is exact.
const SELECTED = EXPORT_COLUMNS.map((name) => (name.endsWith('_nano_usd') ? `CAST(${name} AS TEXT) AS ${name}` : name))

function pageSql(part: ExportPlace['part']): string {
  return `SELECT ${SELECTED.join(', ')} FROM usage_events
    WHERE (request_id, attempt, kind) > (?3, ?4, ?5) AND ${part === 'in-order' ? inOrder('?1', '?2') : astray('?1', '?2')}
      AND (?6 IS NULL OR tenant_id = ?6) AND (?7 IS NULL OR team_id = ?7)
    ORDER BY request_id, attempt, kind LIMIT ${PAGE_ROWS}`
}

/** The page that begins at `place`. Throws when D1 fails. */
export async function exportPage(
  db: D1Database,
  query: ExportQuery,
  place: ExportPlace,
): Promise<TablePage<ExportPlace>> {
  const { part } = place
  const rows = await db
    .prepare(pageSql(part))
    .bind(query.fromMs, query.toMs, place.requestId, place.attempt, place.kind, query.tenantId, query.teamId ?? null)
    .raw<Cell[]>()
  const last = rows.at(-1)
  if (last !== undefined && rows.length === PAGE_ROWS) {
    const [requestId, attempt, kind] = KEY.map((at) => last[at] ?? '')
    return { rows, next: { part, requestId: String(requestId), attempt: Number(attempt), kind: String(kind) } }
  }
  return { rows, next: part === 'in-order' ? { ...EXPORT_START, part: 'astray' } : null }
}
