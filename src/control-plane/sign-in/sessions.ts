// Who I am, out again, and the sessions there are: everybody's own, and for those who operate the deployment those of everybody
// who may no more than they.
import { Hono, type Context } from 'hono'
import { noteEntry } from '../audit/audit-record.ts'
import { type Caller, entryBy } from '../access/caller.ts'
import { viewGrant } from '../access/access-record.ts'
import { type Grant, covers, endpointsOf } from '../access/permissions.ts'
import { PAGE, type Place, pagedBy } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { notFound, refuse } from '../http/refusal.ts'
import { type RoleRuleRow, grantFor, readClaims } from '../access/role-rules-record.ts'
import { IDLE_MS, type SessionRow, isOver, readRules } from './session-record.ts'
import { endSessionOf } from './sign-in.ts'
import { query } from '../http/validate.ts'

const LISTED_MAX = 500

/** The admin API's `/me`. */
export function meEndpoints() {
  return new Hono<AdminTypes>().get('/', (c) => {
    const { grant, by, who, session } = c.get('caller')
    c.header('cache-control', 'no-store')
    return c.json({
      who,
      by,
      ...viewGrant(grant),
      csrf: session?.csrf ?? null,
      expires_at_ms: session?.expiresAtMs ?? null,
      // As the table of permissions has them, for pages that offer no more.
      may: endpointsOf(grant),
    })
  })
}

/** The admin API's `/sign-out`: the session of this browser is over. With a token there is nothing to end. */
export function signOutEndpoints() {
  return new Hono<AdminTypes>().post('/', async (c) => {
    const { session } = c.get('caller')
    if (session !== null) {
      await endSessionOf(c)
      await noteEntry(c.env.DB, 'sessions.end', session.id, entryBy(c)).run()
    }
    return c.body(null, 204)
  })
}

/** The admin API's `/access/sessions`. */
export function sessionEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/', query(PAGE), async (c) => {
      const nowMs = ports.nowMs()
      const [found, rules] = await Promise.all([
        c.env.DB.prepare(
          `SELECT * FROM sessions ORDER BY created_at_ms DESC, id LIMIT ${LISTED_MAX}`,
        ).all<SessionRow>(),
        readRules(c.env.DB),
      ])
      const rows = found.results.flatMap((row) => {
        const grant = grantOfSession(row, rules)
        return grant !== null && !isOver(row, nowMs) && mayEnd(c, row, grant) ? [{ row, grant }] : []
      })
      return c.json(
        pagedBy(c.req.valid('query'), rows, {
          show: ({ row, grant }) => viewSession(row, grant, c.get('caller')),
          // Newest first.
          placeOf: ({ row }): Place => [-row.created_at_ms, row.id],
        }),
      )
    })
    .delete('/:id', async (c) => {
      const id = c.req.param('id')
      const row = await c.env.DB.prepare(`SELECT * FROM sessions WHERE id = ?1`).bind(id).first<SessionRow>()
      const grant = row === null ? null : grantOfSession(row, await readRules(c.env.DB))
      if (row === null || !mayEnd(c, row, grant)) return refuse(c, notFound('session', id))
      await c.env.DB.batch([
        c.env.DB.prepare(`DELETE FROM sessions WHERE id = ?1`).bind(id),
        noteEntry(c.env.DB, 'sessions.revoke', id, { ...entryBy(c), detail: { of: row.who } }),
      ])
      return c.body(null, 204)
    })
}

function grantOfSession(row: SessionRow, rules: readonly RoleRuleRow[]): Grant | null {
  return grantFor(row.source, readClaims(row.claims), rules)
}

/** One's own sessions, wherever they are; others' only with the whole deployment to look after. */
function mayEnd(c: Context<AdminTypes>, row: SessionRow, grant: Grant | null): boolean {
  const { actor, grant: own } = c.get('caller')
  if (actor === `${row.source}:${row.subject}`) return true
  const isOperator = own.scope.kind === 'deployment' && (own.role === 'admin' || own.role === 'owner')
  return isOperator && (grant === null || covers(own, grant))
}

function viewSession(row: SessionRow, grant: Grant, { session }: Caller) {
  return {
    id: row.id,
    who: row.who,
    source: row.source,
    ...viewGrant(grant),
    address: row.address,
    is_own: session?.id === row.id,
    created_at_ms: row.created_at_ms,
    seen_at_ms: row.seen_at_ms,
    expires_at_ms: Math.min(row.expires_at_ms, row.seen_at_ms + IDLE_MS),
  }
}
