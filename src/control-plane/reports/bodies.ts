// `GET /requests/:id/bodies`: what was kept of a request's prompt and reply. Who reads it is entered in the audit log before it is
// told: where that can't be, nothing is.
import { Hono } from 'hono'
import { BODIES_KEY_LENGTH_MIN, findBody } from '../../ledger/bodies.ts'
import { noteEntry } from '../audit/audit-record.ts'
import { entryBy, isOwn } from '../access/caller.ts'
import type { AdminTypes } from '../ports.ts'
import { type Refusal, refuse } from '../http/refusal.ts'
import { tellNoted } from '../live/tell-listeners.ts'

/** Request ids as the gateway makes them. */
const REQUEST_ID = /^[0-9a-f-]{36}$/

/** The admin API's `/requests/:id/bodies`. */
export function bodyEndpoints() {
  return new Hono<AdminTypes>().get('/:id/bodies', async (c) => {
    const id = c.req.param('id')
    const master = c.env.BODIES_KEY ?? ''
    if (master.length < BODIES_KEY_LENGTH_MIN) return refuse(c, NO_BODIES_KEY)
    const stored = REQUEST_ID.test(id) ? await findBody(c.env.REPLIES, id) : null
    if (stored === null || !isOwn(c, stored.owner.tenantId, stored.owner.teamId)) return refuse(c, notKept(id))
    const body = await stored.open(master)
    if (body === null) return refuse(c, UNREADABLE)
    await noteEntry(c.env.DB, 'bodies.read', id, { ...entryBy(c), owner: stored.owner }).run()
    await tellNoted(c.env)
    return c.json(body, 200, { 'cache-control': 'no-store' })
  })
}

/** Of a deployment that has no secret to encrypt under. */
export const NO_BODIES_KEY: Refusal = {
  status: 503,
  code: 'bodies_closed',
  field: null,
  message: `Bodies can't be kept or read until the secret BODIES_KEY (${BODIES_KEY_LENGTH_MIN} characters or more) is set.`,
}

const UNREADABLE: Refusal = {
  status: 503,
  code: 'bodies_sealed',
  field: null,
  message: 'What is kept of this request was encrypted under another BODIES_KEY.',
}

function notKept(id: string): Refusal {
  const message = `Nothing is kept of a request ${JSON.stringify(id)}, or not any more.`
  return { status: 404, code: 'not_found', field: null, message }
}
