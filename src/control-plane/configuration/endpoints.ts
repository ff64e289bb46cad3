// The admin API's `/configuration`: the whole of it as one document. Shown, compared with another, applied in one transaction,
// and gone back to.
import { Hono, type Context } from 'hono'
import { entryBy } from '../access/caller.ts'
import { PAGE, type Place, pagedBy } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { notFound, refuse, type Refusal } from '../http/refusal.ts'
import { jsonBody, query } from '../http/validate.ts'
import { CHANGES_MAX, type NotCommitted, commitState } from './commit.ts'
import { declare, readDocument } from './declare.ts'
import { brokenLinks } from './links.ts'
import type { MintedKey, Problem } from './declaring.ts'
import { type ItemChange, differences } from './difference.ts'
import { type Probed, probeDeclared } from './probes.ts'
import { listRevisions, readRevision, restored } from './revisions.ts'
import { AGAINST, APPLY_BODY, PLAN_BODY, ROLLBACK_BODY } from './schemas.ts'
import { spread } from './spread.ts'
import { type Revised, type RowChange, type State, readState, rowChanges } from './state.ts'
import { type DocumentView, documentOf } from './view.ts'
import { type Watch, listWatches, watchOver, watchStatement } from './watch.ts'

type Ask = Context<AdminTypes>

/** Where the schema of documents is served, for editors. */
export const SCHEMA_PATH = '/dashboard/tidegate.schema.json'

/** The admin API's `/configuration`. */
export function configurationEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/', async (c) => {
      const { revision, state } = await readState(c.env.DB)
      return c.json({ revision, document: written(documentOf(state), c) })
    })
    .post('/plan', jsonBody(PLAN_BODY), async (c) => {
      const present = await readState(c.env.DB)
      const planned = await plan(c, present, c.req.valid('json'), ports)
      const { changes, probes, problems } = planned
      if (problems.length > 0) return refuseAll(c, problems, { revision: present.revision, changes, probes })
      return c.json({ revision: present.revision, changes, probes })
    })
    .post('/apply', jsonBody(APPLY_BODY), async (c) => {
      const body = c.req.valid('json')
      const present = await readState(c.env.DB)
      if (present.revision !== body.expected_revision) return refuse(c, movedOn(body.expected_revision))
      const planned = await plan(c, present, body, ports)
      const { changes, probes, problems, rows } = planned
      if (problems.length > 0) return refuseAll(c, problems, { revision: present.revision, changes, probes })
      if (rows.length === 0) return c.json({ revision: present.revision, changes: [], probes, keys: [], watch: null })
      const watch = body.watch === undefined ? null : await watchOver(c.env.DB, rows, body.watch, ports.nowMs())
      const more = { probes, keys: planned.minted, watch: viewWatch(watch), warnings: warningsAbout(body.watch, watch) }
      return change(c, { present, rows, after: planned.after, watch, body, madeBy: 'apply', changes, more }, ports)
    })
    .get('/revisions', query(PAGE), async (c) => {
      const [{ revision }, rows, watches] = await Promise.all([
        readState(c.env.DB),
        listRevisions(c.env.DB),
        listWatches(c.env.DB),
      ])
      const page = pagedBy(c.req.valid('query'), rows, {
        show: (row) => ({ ...row, watch: watches.get(row.revision) ?? null }),
        // Newest first.
        placeOf: (row): Place => [-row.revision, ''],
      })
      return c.json({ revision, ...page })
    })
    .get('/revisions/:revision', query(AGAINST), (c) => showRevision(c, c.req.valid('query').against))
    .post('/rollback', jsonBody(ROLLBACK_BODY), (c) => rollBackTo(c, c.req.valid('json'), ports))
}

interface Planned {
  readonly after: State
  readonly rows: readonly RowChange[]
  readonly changes: readonly ItemChange[]
  readonly probes: readonly Probed[]
  readonly problems: readonly Problem[]
  readonly minted: readonly MintedKey[]
}

interface PlanBody {
  readonly document?: unknown
  readonly prune?: boolean | undefined
  readonly force?: boolean | undefined
}

/** What a document would change, or all that is wrong with it. Targets that it calls otherwise are called once. */
async function plan(c: Ask, { state }: Revised, body: PlanBody, ports: AdminPorts): Promise<Planned> {
  const nothing = { after: state, rows: [], changes: [], probes: [], minted: [] }
  const read = readDocument(body.document)
  if (!read.ok) return { ...nothing, problems: read.problems }
  const document = read.value
  const context = { env: c.env, ports, prune: body.prune ?? document.prune ?? false }
  const declaring = await declare(document, state, context, new URL(c.req.url).origin)
  if (declaring.problems.length > 0) return { ...nothing, problems: declaring.problems }
  const probes = await probeDeclared(declaring, body.force === true)
  const { draft: after, minted, problems } = declaring
  const rows = rowChanges(state, after)
  const many = rows.length > CHANGES_MAX ? [tooMany(rows.length)] : []
  const changes = differences(documentOf(state), documentOf(after))
  return { after, rows, changes, probes, minted, problems: [...problems, ...many] }
}

interface ToChange {
  readonly present: Revised
  readonly after: State
  readonly rows: readonly RowChange[]
  readonly changes: readonly ItemChange[]
  readonly madeBy: 'apply' | 'rollback'
  readonly fromRevision?: number
  readonly watch: Watch | null
  readonly body: { readonly reason?: string | undefined }
  /** What is told besides. */
  readonly more: Readonly<Record<string, unknown>>
}

async function change(c: Ask, asked: ToChange, ports: AdminPorts): Promise<Response> {
  const { present, rows, after, watch, madeBy, changes, more } = asked
  const { reason } = asked.body
  const nowMs = ports.nowMs()
  const committed = await commitState(c.env.DB, {
    revision: present.revision,
    before: present.state,
    after,
    changes: rows,
    madeBy,
    fromRevision: asked.fromRevision ?? present.revision,
    entry: { ...entryBy(c), ...(reason === undefined ? {} : { reason }) },
    nowMs,
    more: (revision) =>
      watch === null ? [] : [watchStatement(c.env.DB, watch, { revision, fromRevision: present.revision, nowMs })],
  })
  if (!committed.ok) return refuse(c, notCommitted(committed.error, present.revision))
  const { problem, isPartial } = await spread(c.env, rows)
  const told = { revision: committed.value, changes, ...more, is_published: problem === null && !isPartial }
  return problem === null ? c.json(told) : refuse(c, problem, told)
}

async function rollBackTo(
  c: Ask,
  body: { revision: number; expected_revision: number; reason?: string | undefined; dry_run?: boolean | undefined },
  ports: AdminPorts,
): Promise<Response> {
  const present = await readState(c.env.DB)
  if (present.revision !== body.expected_revision) return refuse(c, movedOn(body.expected_revision))
  const kept = await readRevision(c.env.DB, body.revision)
  if (kept === null) return refuse(c, notFound('revision', String(body.revision)))
  const { state: after, left } = restored(kept.state, present.state)
  const rows = rowChanges(present.state, after)
  const changes = differences(documentOf(present.state), documentOf(after))
  const problems = [...brokenLinks(after), ...(rows.length > CHANGES_MAX ? [tooMany(rows.length)] : [])]
  if (problems.length > 0) return refuseAll(c, problems, { revision: present.revision, changes })
  if (body.dry_run === true || rows.length === 0) return c.json({ revision: present.revision, changes, left })
  const made = { madeBy: 'rollback', fromRevision: body.revision, watch: null } as const
  return change(c, { present, rows, after, body, changes, more: { left }, ...made }, ports)
}

/** A revision, and what leads to it: from the one before it that was kept, or from `against`. */
async function showRevision(c: Ask, against: string | undefined): Promise<Response> {
  const number = Number(c.req.param('revision'))
  const kept = Number.isSafeInteger(number) ? await readRevision(c.env.DB, number) : null
  if (kept === null) return refuse(c, notFound('revision', c.req.param('revision') ?? ''))
  const other =
    against === 'present'
      ? (await readState(c.env.DB)).state
      : await stateAt(c.env.DB, against === undefined ? number - 1 : Number(against))
  if (other === null && against !== undefined) return refuse(c, notFound('revision', against))
  const document = documentOf(kept.state)
  const changes = other === null ? null : differences(documentOf(other), document)
  return c.json({ ...kept.row, document: written(document, c), changes })
}

async function stateAt(db: D1Database, revision: number): Promise<State | null> {
  return Number.isSafeInteger(revision) ? ((await readRevision(db, revision))?.state ?? null) : null
}

/** As a file would say it: sections that are empty left out. */
function written(document: DocumentView, c: Ask): Readonly<Record<string, unknown>> {
  const sections = Object.entries(document).filter(([, items]) => items.length > 0)
  return { $schema: new URL(SCHEMA_PATH, c.req.url).href, ...Object.fromEntries(sections) }
}

function viewWatch(watch: Watch | null) {
  if (watch === null) return null
  const { minutes, maxErrorRate, minRequests, routes, targets } = watch
  return {
    minutes,
    max_error_rate: maxErrorRate,
    min_requests: minRequests,
    routes: routes.length,
    targets: targets.length,
  }
}

function warningsAbout(asked: object | undefined, watch: Watch | null): readonly string[] {
  return asked !== undefined && watch === null
    ? ['No route and no target changes: there are no calls to be watched.']
    : []
}

/** All that is wrong, the first of it in the form of every other refusal. */
function refuseAll(c: Ask, problems: readonly Problem[], more: Readonly<Record<string, unknown>>): Response {
  const [first] = problems
  const { field, code, message } = first ?? { field: null, code: 'invalid_field', message: 'The document is invalid.' }
  return refuse(c, { status: 422, field, code, message }, { problems, ...more })
}

function tooMany(count: number): Problem {
  const message = `${count} things would change; ${CHANGES_MAX} may at once: apply the document in parts.`
  return { field: null, code: 'too_many', message }
}

function movedOn(expected: number): Refusal {
  const message = `The configuration isn't at revision ${expected} any more: look at what changed, and plan again.`
  return { status: 409, code: 'moved_on', field: 'expected_revision', message }
}

function notCommitted(reason: NotCommitted, expected: number): Refusal {
  if (reason === 'moved-on') return movedOn(expected)
  const message =
    reason === 'exists'
      ? 'A name would be there twice: nothing was changed.'
      : 'Something that would go is still needed: nothing was changed.'
  return { status: 409, code: reason, field: null, message }
}
