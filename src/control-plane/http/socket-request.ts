// A call that asks for a socket, and the token that comes with it. A browser's page can set no header for a socket: it says its
// token among the subprotocols, in base64url.
import type { Context } from 'hono'
import { LIVE_TOKEN_PREFIX } from '../../core/live.ts'
import type { AdminTypes } from '../ports.ts'

export function asksForSocket(c: Context<AdminTypes>): boolean {
  return c.req.header('upgrade')?.toLowerCase() === 'websocket'
}

/** '' for what can't be read; null where a call asks for no socket or says no token. */
export function tokenOfSocket(c: Context<AdminTypes>): string | null {
  if (!asksForSocket(c)) return null
  const offered = (c.req.header('sec-websocket-protocol') ?? '').split(',').map((name) => name.trim())
  const encoded = offered.find((name) => name.startsWith(LIVE_TOKEN_PREFIX))?.slice(LIVE_TOKEN_PREFIX.length)
  if (encoded === undefined) return null
  try {
    return atob(encoded.replaceAll('-', '+').replaceAll('_', '/'))
  } catch {
    return ''
  }
}
