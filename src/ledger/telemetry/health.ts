// How the exporters fare, in D1: they run in isolates that come and go, and whoever scrapes meets another one.

/** What one run of an exporter adds to its counts. */
export interface Ran {
  readonly exporter: 'traces' | 'metrics' | 'queue'
  /** Spans, or series; events for the queue. */
  readonly sent: number
  readonly dropped: number
  /** Requests that failed. */
  readonly failed: number
  readonly error: string | null
}

export interface ExporterHealth {
  readonly name: string
  readonly sent: number
  readonly dropped: number
  readonly failed: number
  readonly last_sent_ms: number | null
  readonly last_failed_ms: number | null
  readonly last_error: string | null
}

const NOTE = `INSERT INTO exporters (name, sent, dropped, failed, last_sent_ms, last_failed_ms, last_error)
  VALUES (?1, ?2, ?3, ?4, iif(?6 IS NULL, ?5, NULL), iif(?6 IS NULL, NULL, ?5), ?6)
  ON CONFLICT (name) DO UPDATE SET sent = sent + excluded.sent, dropped = dropped + excluded.dropped,
    failed = failed + excluded.failed, last_sent_ms = coalesce(excluded.last_sent_ms, last_sent_ms),
    last_failed_ms = coalesce(excluded.last_failed_ms, last_failed_ms),
    last_error = coalesce(excluded.last_error, last_error)`

/** Adds to the counts. Throws when D1 fails. */
export async function noteRuns(db: D1Database, runs: readonly Ran[], nowMs: number): Promise<void> {
  if (runs.length === 0) return
  await db.batch(
    runs.map(({ exporter, sent, dropped, failed, error }) =>
      db.prepare(NOTE).bind(exporter, sent, dropped, failed, nowMs, error),
    ),
  )
}

/** All exporters that ever ran. */
export async function exportersHealth(db: D1Database): Promise<readonly ExporterHealth[]> {
  return (await db.prepare(`SELECT * FROM exporters ORDER BY name`).all<ExporterHealth>()).results
}
