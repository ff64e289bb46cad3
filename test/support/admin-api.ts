// The admin API over the test's own D1, KV and limiter objects, for files that need no more of it than to ask.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { createAdmin } from '../../src/control-plane/admin.ts'

const TOKEN = 'admin-token-of-the-tests'
const SECRETS = {
  ADMIN_TOKEN: TOKEN,
  KEY_PEPPER: 'pepper-of-the-tests',
  ENVIRONMENT: 'local',
  OPENAI_API_KEY: 'sk-provider',
}

export interface AdminAnswer<Body> {
  readonly status: number
  readonly body: Body
}

/** Asks the admin API: every target that is registered answers its probe. */
export type AskAdmin<Body> = (method: string, path: string, body?: unknown) => Promise<AdminAnswer<Body>>

/** An admin API whose answers are taken for `Body`; `other` are bindings in place of the usual ones. */
export function adminApi<Body>(other: object = {}): AskAdmin<Body> {
  const probe = async () => ({ ok: true, status: 200, latencyMs: 1, saw: 'ok' }) as const
  const app = new Hono().route('/admin', createAdmin({ services: [], nowMs: Date.now, probe }))
  const bindings = { DB: env.DB, DIRECTORY: env.DIRECTORY, TENANT_LIMITER: env.TENANT_LIMITER, ...SECRETS, ...other }
  return async (method, path, body) => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) }
    const response = await app.request(`/admin${path}`, init, bindings)
    const text = await response.text()
    const told: Body = JSON.parse(text === '' ? 'null' : text)
    return { status: response.status, body: told }
  }
}

/** Empties these tables. */
export async function emptied(...tables: readonly string[]): Promise<void> {
  await env.DB.batch(tables.map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
}
