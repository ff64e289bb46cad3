// The two cookies of sign-in. In production they are bound to this host and to https by their names; on a developer's own
// machine, where there is no https, they have other names, which mean nothing in production.
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import type { AdminTypes } from '../ports.ts'

/** `session`: who this is; never sent from another site's page. `sign-in`: what was asked of a provider, for its answer. */
export type CookieName = 'session' | 'sign-in'

const SAME_SITE = { session: 'Strict', 'sign-in': 'Lax' } as const

export function readCookie(c: Context<AdminTypes>, name: CookieName): string | null {
  return getCookie(c, nameOf(c, name)) ?? null
}

export function writeCookie(c: Context<AdminTypes>, name: CookieName, value: string, seconds: number): void {
  setCookie(c, nameOf(c, name), value, { ...attributesOf(c, name), maxAge: seconds })
}

export function dropCookie(c: Context<AdminTypes>, name: CookieName): void {
  deleteCookie(c, nameOf(c, name), attributesOf(c, name))
}

function attributesOf(c: Context<AdminTypes>, name: CookieName) {
  return { path: '/', httpOnly: true, secure: !isLocal(c), sameSite: SAME_SITE[name] }
}

function nameOf(c: Context<AdminTypes>, name: CookieName): string {
  return isLocal(c) ? `tidegate-${name}` : `__Host-tidegate-${name}`
}

function isLocal(c: Context<AdminTypes>): boolean {
  return c.env.ENVIRONMENT === 'local' && new URL(c.req.url).protocol === 'http:'
}
