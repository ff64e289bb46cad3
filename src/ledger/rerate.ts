// History at another price: where a price was wrong, what was charged by it is put right by further events, which carry
// the difference and nothing else. No event is ever changed. Budgets aren't touched: they held what was known at the time.
// Whatever was put right already counts, so that doing it again finds nothing left to do.
import { parseJson } from '../core/json.ts'
import type { NamedPrice } from '../core/money/price-book.ts'
import { costNanoUsd } from '../core/money/price.ts'
import { SERVICE_TIERS, type Units, type Usage, UNIT_KINDS, addUnits } from '../core/money/usage.ts'
import { countOf, objectOf } from '../wire/read.ts'
import { applyBatches } from './apply-batch.ts'
import { EVENT_COLUMNS } from './columns.ts'
import { QUARTER_MS } from './days.ts'
import { astray, inOrder } from './event-times.ts'
import type { ReadableBatch } from './read-batch.ts'

/** Kinds of such events: one for each time that history was rated anew. */
const KIND = 'correction:'
/** SQL: what further events of this sort add to the attempt `e`. */
export const CORRECTED_NANO_USD = `coalesce((SELECT sum(c.cost_nano_usd) FROM usage_events c
  WHERE c.request_id = e.request_id AND c.attempt = e.attempt AND c.kind >= '${KIND}' AND c.kind < 'correction;'), 0)`

/** What is to be rated anew. */
export interface RerateQuery {
  /** Names this time for good: the same name adds nothing twice. */
  readonly id: string
  readonly fromMs: number
  readonly toMs: number
  /** As the provider names it; null for all. */
  readonly model: string | null
  readonly provider: string | null
  /** Only says what would change. */
  readonly isDryRun: boolean
  /** Where to go on: an earlier answer's `next`. */
  readonly after: string | null
}

/** An attempt as far as its price depends on it. */
export interface RatedAttempt {
  readonly tenantId: string
  readonly targetId: string | null
  readonly provider: string
  readonly model: string
  readonly startedAtMs: number
}

export interface Rerated {
  readonly attempts: number
  /** Those whose cost is another. */
  readonly changed: number
  /** Those that nobody has a price for: they stay as they are. */
  readonly unpriced: number
  readonly beforeNanoUsd: bigint
  readonly afterNanoUsd: bigint
  /** Null when there is nothing more. */
  readonly next: string | null
}

/** Attempts that one call looks at. */
export const RERATED_MAX = 2_000

type Row = Readonly<Record<string, string | number | null>>

const COLUMNS = Object.keys(EVENT_COLUMNS)
const TOKENS = COLUMNS.filter((column) => column.endsWith('_tokens'))
const OF_ADJ = [...TOKENS, 'cost_nano_usd'].map((column) => `e.${column} + coalesce(a.${column}, 0) AS now_${column}`)
// What was booked at its reservation, because its isolate died, isn't its usage times any price. An attempt's charge and the
// correction of it by what it truly came to are one.
const CHOSEN = `kind = 'cost' AND attempt > 0 AND model IS NOT NULL AND (?3 IS NULL OR model = ?3)
  AND (?4 IS NULL OR provider = ?4) AND (request_id, attempt) > (?5, ?6)`
const PAGE = `SELECT e.*, ${OF_ADJ.join(', ')}, a.units AS adj_units, a.service_tier AS adj_tier, a.kind AS adj_kind,
    ${CORRECTED_NANO_USD} AS corrected_nano_usd
  FROM (
    SELECT * FROM (SELECT * FROM usage_events WHERE ${inOrder('?1', '?2')} AND ${CHOSEN} ORDER BY request_id, attempt LIMIT ?7)
    UNION ALL
    SELECT * FROM (SELECT * FROM usage_events WHERE ${astray('?1', '?2')} AND ${CHOSEN} ORDER BY request_id, attempt LIMIT ?7)
    ORDER BY request_id, attempt LIMIT ?7
  ) e
  LEFT JOIN usage_events a ON a.request_id = e.request_id AND a.attempt = e.attempt AND a.kind = 'adj'
  ORDER BY e.request_id, e.attempt`

/** Rates a page of history anew by `priceOf`, a tenant's differences each in one transaction with their sums. Throws when the
 *  ledger can't take them: what was done stays, and the same call goes on from there. */
export async function rerate(
  db: D1Database,
  query: RerateQuery,
  priceOf: (attempt: RatedAttempt) => Promise<NamedPrice | null>,
  nowMs: number,
): Promise<Rerated> {
  const { fromMs, toMs, model, provider } = query
  const { requestId, attempt } = readCursor(query.after)
  const found = await db
    .prepare(PAGE)
    .bind(fromMs, toMs, model, provider, requestId, attempt, RERATED_MAX + 1)
    .all<Row>()
  const rows = found.results.slice(0, RERATED_MAX)
  const sums = { attempts: 0, changed: 0, unpriced: 0, beforeNanoUsd: 0n, afterNanoUsd: 0n }
  const corrections = new Map<string, Row[]>()
  for (const row of rows) {
    if (row['ending'] === 'lost' && row['adj_kind'] === null) continue
    const before = Number(row['now_cost_nano_usd']) + Number(row['corrected_nano_usd'])
    const price = await priceOf(attemptOf(row))
    const after = price === null ? before : costNanoUsd(usageOf(row), price.price)
    sums.attempts += 1
    sums.beforeNanoUsd += BigInt(before)
    sums.afterNanoUsd += BigInt(after)
    if (price === null) sums.unpriced += 1
    if (price === null || after === before) continue
    sums.changed += 1
    const tenantId = String(row['tenant_id'])
    const own = corrections.get(tenantId) ?? []
    own.push(correctionOf(row, `${KIND}${query.id}`, after - before, price.priceVersion))
    corrections.set(tenantId, own)
  }
  if (!query.isDryRun) for (const [tenantId, own] of corrections) await add(db, query.id, tenantId, own, nowMs)
  const last = rows.at(-1)
  const hasMore = found.results.length > RERATED_MAX && last !== undefined
  return { ...sums, next: hasMore ? `${last['attempt']}-${last['request_id']}` : null }
}

/** What was put right, apart from what was charged: budgets are compared without it. Single events don't last as long. */
const COUNT_CORRECTED = `INSERT INTO corrected (tenant_id, quarter_ms, team_id, key_id, cost_nano_usd)
  SELECT ?1, value ->> 0, value ->> 1, value ->> 2, sum(value ->> 3) FROM json_each(?2) WHERE true GROUP BY 2, 3, 4
  ON CONFLICT DO UPDATE SET cost_nano_usd = cost_nano_usd + excluded.cost_nano_usd`

async function add(db: D1Database, id: string, tenantId: string, rows: readonly Row[], nowMs: number): Promise<void> {
  const [first] = rows
  const batch: ReadableBatch = {
    tenantId,
    // No outbox has such a row: what names it is what it begins with.
    outboxId: -1,
    rows: JSON.stringify(rows.map((row) => COLUMNS.map((column) => row[column] ?? null))).slice(1, -1),
    quarters: [...new Set(rows.map((row) => quarterOf(Number(row['started_at_ms']))))],
    alerts: [],
    // Nobody waits for it to be shown.
    teamIds: [],
    firstEvent: `rerate:${id}:${first?.['request_id']}#${first?.['attempt']}`,
  }
  const sums = rows.map((row) => [
    quarterOf(Number(row['started_at_ms'])),
    row['team_id'] ?? '',
    row['key_id'] ?? '',
    row['cost_nano_usd'] ?? 0,
  ])
  const counted = db.prepare(COUNT_CORRECTED).bind(tenantId, JSON.stringify(sums))
  const applied = await applyBatches(db, [batch], nowMs, false, [counted])
  if (applied.kind === 'applied' || applied.kind === 'already-applied') return
  throw new Error(`the ledger did not take the corrections: ${applied.reason}`)
}

function quarterOf(ms: number): number {
  return Math.floor(ms / QUARTER_MS) * QUARTER_MS
}

/** The same attempt with nothing but the difference. */
function correctionOf(row: Row, kind: string, differenceNanoUsd: number, priceVersion: string): Row {
  const nothing = Object.fromEntries(TOKENS.map((column) => [column, 0]))
  const empty = { units: null, service_tier: null, is_unpriced: 0, saved_nano_usd: 0 }
  return { ...row, ...nothing, ...empty, kind, cost_nano_usd: differenceNanoUsd, price_version: priceVersion }
}

function attemptOf(row: Row): RatedAttempt {
  return {
    tenantId: String(row['tenant_id']),
    targetId: row['target_id'] === null ? null : String(row['target_id']),
    provider: String(row['provider']),
    model: String(row['model']),
    startedAtMs: Number(row['started_at_ms']),
  }
}

function usageOf(row: Row): Usage {
  const count = (column: string): number => Number(row[`now_${column}`])
  const tier = SERVICE_TIERS.find((one) => one === (row['adj_tier'] ?? row['service_tier']))
  return {
    input: count('input_tokens'),
    cacheRead: count('cache_read_tokens'),
    cacheWrite: count('cache_write_tokens'),
    cacheWriteLong: count('cache_write_long_tokens'),
    output: count('output_tokens'),
    reasoning: count('reasoning_tokens'),
    audioInput: count('audio_input_tokens'),
    audioOutput: count('audio_output_tokens'),
    units: addUnits(unitsIn(row['units']), unitsIn(row['adj_units'])),
    ...(tier === undefined ? {} : { tier }),
  }
}

function unitsIn(json: string | number | null | undefined): Units {
  const read = typeof json === 'string' ? objectOf(parseJson(json)) : {}
  return Object.fromEntries(UNIT_KINDS.map((kind) => [kind, countOf(read[kind])]))
}

function readCursor(text: string | null): { readonly requestId: string; readonly attempt: number } {
  const found = /^(\d{1,9})-(.+)$/.exec(text ?? '')
  return { requestId: found?.[2] ?? '', attempt: Number(found?.[1] ?? 0) }
}
