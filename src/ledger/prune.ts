// Forgets single events once they are in every roll-up and old enough, a bounded number at a time. Into an archive first,
// where there is one: an object of it holds as many events as are deleted together, so that a run that dies in between
// writes the same object again and loses nothing.
import { noteProgress, progress } from './days.ts'
import { EXPORT_COLUMNS } from './export-events.ts'
import { IS_STRAY, textAt } from './event-times.ts'
import { type Cell, NDJSON } from './table-text.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** The least that may be kept: what comes late, and the hourly check of the roll-ups, need events. */
export const KEPT_DAYS_MIN = 3
export const KEPT_DAYS_DEFAULT = 30
/** Deleted together. */
const EVENTS_MAX = 2000
/** A message that comes again after this would be counted again. Limiters send again what isn't confirmed within hours. */
const APPLIED_KEPT_MS = 90 * DAY_MS

/** Where events go before they are deleted: the part of an R2 bucket that is used. */
export interface Archive {
  put(name: string, value: ArrayBuffer, options: { readonly httpMetadata: R2HTTPMetadata }): Promise<unknown>
}

export interface Pruning {
  /** Null: for ever. */
  readonly keptDays: number | null
  readonly archive: Archive | null
  /** As many turns of 2,000 events at most. */
  readonly turnsMax: number
}

/** Reads the setting: a number of days, `forever`, or nothing for 30. What can't be read, or is less than 3, is undefined. */
export function readKeptDays(text: string | undefined): number | null | undefined {
  if (text === undefined || text === '') return KEPT_DAYS_DEFAULT
  if (text === 'forever') return null
  return /^\d{1,5}$/.test(text) && Number(text) >= KEPT_DAYS_MIN ? Number(text) : undefined
}

const COLUMNS = EXPORT_COLUMNS.join(', ')
const KEY = '(request_id, attempt, kind)'
// In the order of the primary key, from its beginning: the oldest, but for strays.
const OLD = `request_id < ?1 AND started_at_ms < ?2 AND NOT ${IS_STRAY} ORDER BY request_id, attempt, kind LIMIT ${EVENTS_MAX}`
const OLD_ASTRAY = `${IS_STRAY} AND started_at_ms < ?2 AND ?1 = ?1 ORDER BY started_at_ms LIMIT ${EVENTS_MAX}`

/** Deletes what is old enough and in the roll-ups; returns how many events. Throws when D1 or the archive fails; what is
 *  gone by then is archived and stays gone. */
export async function pruneEvents(db: D1Database, nowMs: number, pruning: Pruning): Promise<number> {
  const { keptDays, archive, turnsMax } = pruning
  if (keptDays === null) return 0
  const rolledUpMs = Math.min(await progress(db, 'days'), await progress(db, 'facets'))
  const untilMs = Math.floor(Math.min(nowMs - keptDays * DAY_MS, rolledUpMs) / HOUR_MS) * HOUR_MS
  if (untilMs <= 0) return 0
  // Before anything is gone: from then on no report reads events of that time.
  await noteProgress(db, 'pruned', untilMs).run()
  let pruned = 0
  let turns = 0
  for (const which of [OLD, OLD_ASTRAY]) {
    for (let isMore = true; isMore && turns < turnsMax; turns++) {
      const count = await pruneTurn(db, which, untilMs, archive)
      pruned += count
      isMore = count === EVENTS_MAX
    }
  }
  return pruned
}

async function pruneTurn(db: D1Database, which: string, untilMs: number, archive: Archive | null): Promise<number> {
  const bounds = [textAt(untilMs), untilMs]
  if (archive !== null) return archiveTurn(db, `SELECT ${COLUMNS} FROM usage_events WHERE ${which}`, bounds, archive)
  const { meta } = await db
    .prepare(
      `DELETE FROM usage_events WHERE ${KEY} IN (SELECT request_id, attempt, kind FROM usage_events WHERE ${which})`,
    )
    .bind(...bounds)
    .run()
  return meta.changes
}

/** Deletes just what was archived: more may have come in between. */
async function archiveTurn(
  db: D1Database,
  select: string,
  bounds: readonly (string | number)[],
  archive: Archive,
): Promise<number> {
  const rows = await db
    .prepare(select)
    .bind(...bounds)
    .raw<Cell[]>()
  if (rows.length === 0) return 0
  await store(archive, rows)
  const keys = rows.map((cells) => KEYS.map((at) => cells[at]))
  await db
    .prepare(
      `DELETE FROM usage_events WHERE ${KEY} IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1))`,
    )
    .bind(JSON.stringify(keys))
    .run()
  return rows.length
}

const KEYS = ['request_id', 'attempt', 'kind'].map((name) => EXPORT_COLUMNS.indexOf(name))
const [ID, STARTED] = [EXPORT_COLUMNS.indexOf('request_id'), EXPORT_COLUMNS.indexOf('started_at_ms')]

/** As gzipped NDJSON under the day and the first event's id. */
async function store(archive: Archive, rows: readonly (readonly Cell[])[]): Promise<void> {
  const [first = []] = rows
  const day = new Date(Number(first[STARTED])).toISOString().slice(0, 10)
  const lines = new Blob([rows.map((cells) => NDJSON.row(EXPORT_COLUMNS, cells)).join('')])
  const zipped = await new Response(lines.stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer()
  await archive.put(`events/${day}/${String(first[ID])}.ndjson.gz`, zipped, {
    httpMetadata: { contentType: NDJSON.contentType, contentEncoding: 'gzip' },
  })
}

/** Forgets which messages were applied long ago; once a day, since it reads all that is kept. */
export async function pruneApplied(db: D1Database, nowMs: number): Promise<void> {
  if ((await progress(db, 'applied')) > nowMs - DAY_MS) return
  await db.batch([
    db
      .prepare(
        `DELETE FROM applied WHERE (tenant_id, outbox_id, first_event) IN (
           SELECT tenant_id, outbox_id, first_event FROM applied WHERE applied_at_ms < ?1 LIMIT 20000)`,
      )
      .bind(nowMs - APPLIED_KEPT_MS),
    noteProgress(db, 'applied', nowMs),
  ])
}
