// Live updates: a socket on which whoever may read hears that there is something new to read, of what is theirs. Who they are is
// asked as for any call; the socket itself is kept by an object that sleeps while nothing changes.
import { type Context, Hono } from 'hono'
import { createMiddleware } from 'hono/factory'
import { LISTENER_HEADER, type Listener, type ListenerCredential } from '../../core/live.ts'
import { listenerStandings } from './live-standing.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { type Refusal, refuse } from '../http/refusal.ts'
import { asksForSocket } from '../http/socket-request.ts'
import { liveObject, recheckListeners, tellNoted } from './tell-listeners.ts'

/** The admin API's `/live`. */
export function liveEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>().get('/', async (c) => {
    if (!asksForSocket(c)) return refuse(c, NO_SOCKET)
    const object = liveObject(c.env)
    if (object === null) return refuse(c, FULL)
    const nowMs = ports.nowMs()
    const credential = credentialOf(c, nowMs)
    const [standing] = await listenerStandings(c.env.DB, [credential], nowMs)
    if (standing === undefined || standing === null) return refuse(c, OVER)
    const listener: Listener = { v: 1, credential, ...standing }
    const offered = c.req.header('sec-websocket-protocol')
    const answer = await object.fetch(c.req.url, {
      headers: {
        upgrade: 'websocket',
        [LISTENER_HEADER]: JSON.stringify(listener),
        ...(offered === undefined ? {} : { 'sec-websocket-protocol': offered }),
      },
    })
    return answer.status === 101 ? answer : refuse(c, FULL)
  })
}

/** After every change by the admin API: whom it concerns hears of it, as the audit log says, and who may listen no more is closed
 *  before the answer is out. */
export function toldLive() {
  return createMiddleware<AdminTypes>(async (c, next) => {
    await next()
    // What is stored but could not be published is a change, too.
    if (c.req.method === 'GET' || c.req.method === 'HEAD' || (c.res.status >= 400 && c.res.status < 500)) return
    const mayEndListening = /^\/admin\/(?:access\/|sign-out)/.test(c.req.path)
    await Promise.all([...(mayEndListening ? [recheckListeners(c.env)] : []), tellNoted(c.env)])
  })
}

function credentialOf(c: Context<AdminTypes>, nowMs: number): ListenerCredential {
  const { by, actor, session } = c.get('caller')
  if (session !== null) return { kind: 'session', id: session.id }
  return by === 'token' ? { kind: 'token', id: actor, sinceMs: nowMs } : { kind: 'admin-token' }
}

const NO_SOCKET: Refusal = {
  status: 426,
  code: 'upgrade_required',
  field: null,
  message: 'This is a WebSocket: ask with "Upgrade: websocket".',
}

const FULL: Refusal = {
  status: 503,
  code: 'live_unavailable',
  field: null,
  message: 'There are no live updates at the moment: read again and again instead.',
}

const OVER: Refusal = { status: 401, code: 'unauthorized', field: null, message: 'Sign in again.' }
