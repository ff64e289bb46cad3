// Watched revisions: what of a revision carries calls is counted for a while, and the revision is taken back if these fail
// more than they may. Told in the audit log, and by an alert.
import type { RevisionFinding, Tally } from '../../core/routing/canary.ts'
import { noteStatements } from '../../ledger/alerts/note-alerts.ts'
import { type RevisionWatchRow, countBefore } from '../../ledger/configuration-watch.ts'
import { noteEntry } from '../audit/audit-record.ts'
import type { PublishEnv } from '../publish/publish.ts'
import { commitState } from './commit.ts'
import { readRevision } from './revisions.ts'
import type { WatchBody } from './schemas.ts'
import { spread } from './spread.ts'
import { type RowChange, readState, rowChanges } from './state.ts'
import { undone } from './undo.ts'

const WHO = 'configuration watch'
/** One failure of five is bad luck. A target that is dead has no more calls than five before its breaker opens. */
const ERROR_RATE_DEFAULT = 0.2
const REQUESTS_DEFAULT = 5
/** Changes that may happen while one is taken back. */
const ROUNDS_MAX = 10
/** KV may be away for a moment, and nobody is there who would ask again. */
const PUBLISH_ATTEMPTS_MAX = 3
const PUBLISH_WAIT_MS = 1_000

/** What a watch looks at, from when to when. */
export interface Watch {
  readonly minutes: number
  readonly maxErrorRate: number
  readonly minRequests: number
  readonly routes: readonly string[]
  readonly targets: readonly string[]
  readonly before: Tally
}

/** The watch over what changes touch; null where nothing of it carries calls. */
export async function watchOver(
  db: D1Database,
  changes: readonly RowChange[],
  body: WatchBody,
  nowMs: number,
): Promise<Watch | null> {
  const idsIn = (table: string) =>
    changes.filter((change) => change.table === table && change.after !== null).map(({ id }) => id)
  const touched = { routes: idsIn('routes'), targets: idsIn('targets') }
  if (touched.routes.length + touched.targets.length === 0) return null
  return {
    ...touched,
    minutes: body.minutes,
    maxErrorRate: body.max_error_rate ?? ERROR_RATE_DEFAULT,
    minRequests: body.min_requests ?? REQUESTS_DEFAULT,
    before: await countBefore(
      db,
      { routes: JSON.stringify(touched.routes), targets: JSON.stringify(touched.targets) },
      nowMs,
    ),
  }
}

/** The statement that begins a watch. */
export function watchStatement(
  db: D1Database,
  watch: Watch,
  {
    revision,
    fromRevision,
    nowMs,
  }: { readonly revision: number; readonly fromRevision: number; readonly nowMs: number },
): D1PreparedStatement {
  return db
    .prepare(
      `INSERT INTO configuration_watches (revision, from_revision, state, since_ms, until_ms, max_error_rate,
         min_requests, routes, targets, before_requests, before_failures)
       VALUES (?1, ?2, 'watching', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`,
    )
    .bind(
      revision,
      fromRevision,
      nowMs,
      nowMs + watch.minutes * 60_000,
      watch.maxErrorRate,
      watch.minRequests,
      JSON.stringify(watch.routes),
      JSON.stringify(watch.targets),
      watch.before.requests,
      watch.before.failures,
    )
}

/** Watches as the API shows them, by revision. */
export async function listWatches(db: D1Database): Promise<ReadonlyMap<number, object>> {
  const rows = (await db.prepare(`SELECT * FROM configuration_watches`).all<RevisionWatchRow>()).results
  return new Map(rows.map((row) => [row.revision, viewWatch(row)]))
}

function viewWatch({ routes: _routes, targets: _targets, revision: _revision, ...row }: RevisionWatchRow) {
  return row
}

/** Undoes a watched revision: what it changed and nobody has changed since. Whether it did; false, too, where somebody else
 *  did it already. Rejects where the database is away. */
export async function takeBack(env: PublishEnv, finding: RevisionFinding, nowMs: number): Promise<boolean> {
  const db = env.DB
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const watch = await db
      .prepare(`SELECT * FROM configuration_watches WHERE revision = ?1 AND state = 'watching'`)
      .bind(finding.revision)
      .first<RevisionWatchRow>()
    if (watch === null) return false
    const [from, to] = await Promise.all([readRevision(db, watch.from_revision), readRevision(db, watch.revision)])
    if (from === null || to === null) throw new Error(`revision ${watch.revision} was not kept`)
    const { revision, state: present } = await readState(db)
    const { state, left } = undone({ from: from.state, to: to.state }, present)
    const changes = rowChanges(present, state)
    if (changes.length === 0) return giveUp(db, watch, finding, nowMs)
    const entry = {
      who: WHO,
      reason: reasonOf(finding),
      requests: finding.own.requests,
      detail: { ...detailOf(finding), left },
    }
    const alert = (after: number) => alertOf(watch, finding, { nowMs, newRevision: after })
    const committed = await commitState(db, {
      revision,
      before: present,
      after: state,
      changes,
      madeBy: 'rollback',
      fromRevision: watch.from_revision,
      entry,
      nowMs,
      more: (after) => [ended(db, watch, 'rolled-back'), ...noteStatements(db, [alert(after)], nowMs)],
    })
    if (!committed.ok && committed.error === 'moved-on') continue
    // A name that is taken by now, say: nobody but people can tell what to do.
    if (!committed.ok) return giveUp(db, watch, finding, nowMs)
    await publishAll(env, changes)
    console.warn(JSON.stringify({ event: 'revision-taken-back', revision: watch.revision, left: left.length }))
    return true
  }
  throw new Error(`the configuration changed ${ROUNDS_MAX} times while revision ${finding.revision} was taken back`)
}

/** Nothing is as the revision left it: people are told, and it isn't looked at any more. */
async function giveUp(
  db: D1Database,
  watch: RevisionWatchRow,
  finding: RevisionFinding,
  nowMs: number,
): Promise<boolean> {
  const entry = { who: WHO, reason: reasonOf(finding), requests: finding.own.requests, detail: detailOf(finding) }
  await db.batch([
    ended(db, watch, 'failed'),
    noteEntry(db, 'configuration.failed', `revision:${watch.revision}`, entry),
    ...noteStatements(db, [alertOf(watch, finding, { nowMs, newRevision: null })], nowMs),
  ])
  return true
}

function ended(db: D1Database, { revision }: RevisionWatchRow, state: RevisionWatchRow['state']): D1PreparedStatement {
  return db.prepare(`UPDATE configuration_watches SET state = ?1 WHERE revision = ?2`).bind(state, revision)
}

async function publishAll(env: PublishEnv, changes: readonly RowChange[]): Promise<void> {
  for (let attempt = 1; (await spread(env, changes)).problem !== null; attempt++) {
    if (attempt === PUBLISH_ATTEMPTS_MAX) return
    await scheduler.wait(PUBLISH_WAIT_MS)
  }
}

function alertOf(
  watch: RevisionWatchRow,
  { own, seen }: RevisionFinding,
  { nowMs, newRevision }: { readonly nowMs: number; readonly newRevision: number | null },
) {
  return {
    kind: 'rolled-back',
    tenantId: '',
    scope: 'revision',
    subjectId: String(watch.revision),
    what: `rolled-back ${watch.revision}`,
    windowStartMs: watch.since_ms,
    windowEndMs: null,
    atMs: nowMs,
    facts: {
      ...own,
      seen,
      is_taken_back: newRevision !== null,
      new_revision: newRevision,
      from_revision: watch.from_revision,
    },
  } as const
}

function reasonOf({ revision, target, own, ownErrorRate, before, beforeErrorRate, seen }: RevisionFinding): string {
  const then = before.requests === 0 ? '' : `, ${percent(beforeErrorRate)} of ${before.requests} before it`
  const whose = target === null ? `what revision ${revision} touched` : `${target}, which revision ${revision} touched,`
  return `${percent(ownErrorRate)} of ${own.requests} calls of ${whose} failed${then}; ${seen} failures were a client's answer`
}

function detailOf({ revision, target, own, before, seen }: RevisionFinding) {
  return { taken_back: revision, target, since: { ...own, seen_by_clients: seen }, before: { ...before } }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}
