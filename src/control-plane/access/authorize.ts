// Lets a call through or not: who is calling, whether their role may make this call, and whether what it names is theirs. What
// isn't theirs is not there: the answer is the same as for what doesn't exist.
import type { Context } from 'hono'
import { createMiddleware } from 'hono/factory'
import { matchedRoutes } from 'hono/route'
import { authenticate } from './authenticate.ts'
import type { Caller } from './caller.ts'
import { isSame } from '../digest.ts'
import { type Permission, type Reach, isWithin, mayCall, permissionOf } from './permissions.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { type Refusal, notFound, refuse } from '../http/refusal.ts'
import { asksForSocket } from '../http/socket-request.ts'
import { type KeyRow, type TeamRow, findRow, findTenant } from '../store.ts'

const BASE = /^\/admin(?=\/)/

/** The header that a page sends its session's word in, with every change. */
export const CSRF_HEADER = 'x-tidegate-csrf'

/** Stands before every handler but those of sign-in. */
export function authorized(ports: AdminPorts) {
  return createMiddleware<AdminTypes>(async (c, next) => {
    const found = await authenticate(c, ports.nowMs())
    if (!found.ok) {
      if (found.error.status === 401) c.header('www-authenticate', 'Bearer')
      return refuse(c, found.error)
    }
    const caller = found.value
    c.set('caller', caller)
    const problem = (await forgery(c, caller)) ?? (await objection(c, caller))
    if (problem !== null) return refuse(c, problem)
    await next()
    return undefined
  })
}

/** A cookie is sent by the browser whoever asks it to: a change has to come from this origin, and say the session's word. So has
 *  a socket, from which any page could read: it has no header to say the word in. */
async function forgery(c: Context<AdminTypes>, { session }: Caller): Promise<Refusal | null> {
  const isRead = c.req.method === 'GET' || c.req.method === 'HEAD'
  if (session === null || (isRead && !asksForSocket(c))) return null
  const isOwn = c.req.header('origin') === new URL(c.req.url).origin
  if (isRead) return isOwn ? null : FOREIGN_SOCKET
  return isOwn && (await isSame(session.csrf, c.req.header(CSRF_HEADER) ?? '')) ? null : FORGED
}

/** Of the endpoint that will answer, as the router has chosen it. */
async function objection(c: Context<AdminTypes>, { grant }: Caller): Promise<Refusal | null> {
  const endpoint = endpointOf(c)
  // Nothing answers but that there is nothing.
  if (endpoint === null) return null
  const { at } = endpoint
  const asked = permissionOf(`${endpoint.method} ${endpoint.path}`)
  if (asked === 'open') return null
  if (!mayCall(grant, asked)) return forbidden(asked)
  if (grant.scope.kind === 'deployment') return null
  const named = firstParameter(c, at)
  const owner = await OWNERS[asked.reach](c.env.DB, named)
  if (owner === 'anybody') return null
  const isTheirs = owner !== null && isWithin(grant.scope, owner.tenantId, owner.teamId)
  return isTheirs ? null : notFound(asked.reach, named)
}

/** The endpoint that will answer a call, by method and path as the table of permissions has them; null where none will. */
export function endpointOf(
  c: Context<AdminTypes>,
): { readonly method: string; readonly path: string; readonly at: number } | null {
  const routes = matchedRoutes(c)
  const at = routes.findIndex(({ method }) => method !== 'ALL')
  const route = routes[at]
  return route === undefined ? null : { method: route.method, path: route.path.replace(BASE, ''), at }
}

/** What a handler will read as the first parameter of its path, to the letter. */
function firstParameter(c: Context<AdminTypes>, at: number): string {
  const own = c.req.routeIndex
  c.req.routeIndex = at
  const [first = ''] = Object.values(c.req.param())
  c.req.routeIndex = own
  return first
}

interface OwnedBy {
  readonly tenantId: string
  readonly teamId: string | null
}
type FindOwner = (db: D1Database, reference: string) => Promise<OwnedBy | 'anybody' | null>

/** Whose something is that a path names, by what the path reaches. */
const OWNERS: Readonly<Record<Reach, FindOwner>> = {
  everything: async () => 'anybody',
  scoped: async () => 'anybody',
  own: async () => 'anybody',
  tenant: async (db, reference) => {
    const row = await findTenant(db, reference)
    return row === null ? null : { tenantId: row.id, teamId: null }
  },
  team: async (db, id) => {
    const row = await findRow<TeamRow>(db, 'teams', id)
    return row === null ? null : { tenantId: row.tenant_id, teamId: row.id }
  },
  key: async (db, id) => {
    const row = await findRow<KeyRow>(db, 'virtual_keys', id)
    return row === null ? null : { tenantId: row.tenant_id, teamId: row.team_id }
  },
}

function forbidden({ least, reach }: Permission): Refusal {
  const whose = reach === 'everything' ? ' of the whole deployment' : ''
  const message = `This takes the role ${least}${whose}, or more.`
  return { status: 403, code: 'forbidden', field: null, message }
}

const FOREIGN_SOCKET: Refusal = {
  status: 403,
  code: 'forged',
  field: null,
  message: "A socket with a session has to be opened by the dashboard's own page.",
}

const FORGED: Refusal = {
  status: 403,
  code: 'forged',
  field: null,
  message: `A change with a session has to come from the dashboard's own page, with the header ${CSRF_HEADER}.`,
}
