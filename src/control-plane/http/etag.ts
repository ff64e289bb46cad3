// Changes that are made only to what was seen: a single thing's `ETag` names its row as it is stored, and a change with
// `If-Match` is refused where the row is another by then, in the same transaction that would have changed it.
import { createMiddleware } from 'hono/factory'
import type { Context } from 'hono'
import { userText } from '../../core/limits/side-limits.ts'
import { EVERYBODY } from '../../ledger/alerts/rules.ts'
import { endpointOf } from '../access/authorize.ts'
import { hmacHex, sha256Hex } from '../digest.ts'
import type { AdminTypes } from '../ports.ts'
import { type Refusal, refuse } from './refusal.ts'
import { type SeenRow, type Table, findRow, findTenant } from '../store.ts'

const DIGEST_CHARS = 32
const CONDITIONAL = new Set(['PUT', 'PATCH', 'DELETE'])

type FindId = (c: Context<AdminTypes>, parts: readonly string[]) => Promise<string | null>

const asNamed: FindId = async (_, [id = '']) => id
const ofTenant: FindId = async (c, [reference = '']) => (await findTenant(c.env.DB, reference))?.id ?? null

/** Single things, by the path of their endpoints: where their rows are kept, and under which id. */
const TAGGED: Readonly<Record<string, { readonly table: Table; readonly idOf: FindId }>> = {
  '/tenants/:id': { table: 'tenants', idOf: ofTenant },
  '/tenants/:tenant/end-users/:user': { table: 'end_users', idOf: endUserId },
  '/teams/:id': { table: 'teams', idOf: asNamed },
  '/keys/:id': { table: 'virtual_keys', idOf: asNamed },
  '/credentials/:name': { table: 'credentials', idOf: asNamed },
  '/targets/:id': { table: 'targets', idOf: asNamed },
  '/routes/:id': { table: 'routes', idOf: asNamed },
  '/presets/:id': { table: 'presets', idOf: asNamed },
  '/prices/:id': { table: 'prices', idOf: asNamed },
  '/alert-channels/:id': { table: 'alert_channels', idOf: asNamed },
  '/alert-rules': { table: 'alert_rules', idOf: async () => EVERYBODY },
  '/alert-rules/:tenant': { table: 'alert_rules', idOf: ofTenant },
}

/** Whether the things at a path, as the router has it, have an ETag. */
export function isTagged(path: string): boolean {
  return Object.hasOwn(TAGGED, path)
}

/** Tells the ETag with what is read, and holds changes to the one they name. */
export function conditional() {
  return createMiddleware<AdminTypes>(async (c, next) => {
    const isRead = c.req.method === 'GET'
    const wanted = CONDITIONAL.has(c.req.method) ? c.req.header('if-match') : undefined
    if (!isRead && wanted === undefined) return next()
    const endpoint = endpointOf(c)
    if (endpoint === null) return next()
    if (!isTagged(endpoint.path)) return wanted === undefined ? next() : refuse(c, UNTAGGED)
    // Before the handler reads it: a tag that is older than what is told costs a change at most, a newer one somebody's work.
    const seen = await seenAt(c, endpoint.path)
    if (isRead) {
      await next()
      if (seen !== null && c.res.status === 200) c.res.headers.set('etag', await tagOf(seen))
      return undefined
    }
    if (seen === null || !(await isWanted(seen, wanted ?? ''))) return refuse(c, MOVED_ON)
    c.set('seen', seen)
    return next()
  })
}

/** A change was made to something else than what was seen. */
export const MOVED_ON: Refusal = {
  status: 412,
  code: 'moved_on',
  field: 'If-Match',
  message: 'This isn’t what If-Match names any more: read it again, and change what is there.',
}

const UNTAGGED: Refusal = {
  status: 412,
  code: 'no_etag',
  field: 'If-Match',
  message: 'This has no ETag: leave If-Match out.',
}

/** The row that a call is about; null where its tenant isn't there. */
async function seenAt(c: Context<AdminTypes>, path: string): Promise<SeenRow | null> {
  const kept = TAGGED[path]
  const id = kept === undefined ? null : await kept.idOf(c, partsOf(c.req.path, path))
  if (kept === undefined || id === null) return null
  return { table: kept.table, id, row: await findRow<object>(c.env.DB, kept.table, id) }
}

/** What stands in a path for the parameters of its pattern. */
function partsOf(path: string, pattern: string): readonly string[] {
  const parts = path.replace(/^\/admin(?=\/)/, '').split('/')
  return pattern.split('/').flatMap((name, at) => (name.startsWith(':') ? [decoded(parts[at] ?? '')] : []))
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

async function endUserId(c: Context<AdminTypes>, [reference = '', user = '']: readonly string[]) {
  const tenant = await findTenant(c.env.DB, reference)
  if (tenant === null) return null
  return `${tenant.id}/${await hmacHex(c.env.KEY_PEPPER ?? '', userText(tenant.id, user))}`
}

async function tagOf(seen: SeenRow): Promise<string> {
  return `"${(await sha256Hex(JSON.stringify(seen))).slice(0, DIGEST_CHARS)}"`
}

/** A tag that was marked as weak under way, by whoever compressed the answer, still names the stored row. */
async function isWanted(seen: SeenRow, wanted: string): Promise<boolean> {
  if (wanted.trim() === '*') return seen.row !== null
  const tags = wanted.split(',').map((tag) => tag.trim().replace(/^W\//, ''))
  return tags.includes(await tagOf(seen))
}
