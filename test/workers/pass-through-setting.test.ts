// What of providers' own APIs is passed through, as a setting of tenants and keys: validated, kept, published, shown.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, expect, it } from 'vitest'
import { createAdmin } from '../../src/control-plane/admin.ts'
import type { KeyRecord, TenantRecord } from '../../src/core/directory.ts'

const TOKEN = 'admin-token-of-the-tests'
const SECRETS = { ADMIN_TOKEN: TOKEN, KEY_PEPPER: 'pepper-of-the-tests', ENVIRONMENT: 'local' }

const probe = async () => ({ ok: true, status: 200, latencyMs: 1, saw: 'ok' }) as const
const app = new Hono().route('/admin', createAdmin({ services: [], nowMs: Date.now, probe }))

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(() => env.DB.batch(['virtual_keys', 'tenants'].map((table) => env.DB.prepare(`DELETE FROM ${table}`))))

interface Answer {
  readonly status: number
  readonly body: {
    readonly id: string
    readonly kid: string
    readonly pass_through: unknown
    readonly error: { readonly field: unknown }
  }
}

async function call(method: string, path: string, body: object): Promise<Answer> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const bindings = { DB: env.DB, DIRECTORY: env.DIRECTORY, TENANT_LIMITER: env.TENANT_LIMITER, ...SECRETS }
  const response = await app.request(`/admin${path}`, { method, headers, body: JSON.stringify(body) }, bindings)
  return { status: response.status, body: await response.json() }
}

it('keys have what is passed through of their tenant, or less of their own', async () => {
  const passed = async (path: string, method: string, body: object): Promise<unknown> => {
    const answer = await call(method, path, body)
    return answer.status < 300 ? answer.body.pass_through : [answer.status, answer.body.error.field]
  }
  const recordOf = async (name: string): Promise<unknown> =>
    (await env.DIRECTORY.get<KeyRecord | TenantRecord>(name, 'json'))?.passThrough
  const { body: tenant } = await call('POST', '/tenants', { name: 'acme' })
  expect(tenant.pass_through).toBe('models')
  expect(await recordOf(`tenant:${tenant.id}`)).toBeUndefined()
  expect(await passed('/keys', 'POST', { tenant: 'acme', name: 'a', pass_through: 'all' })).toEqual([
    422,
    'pass_through',
  ])
  const made = (await call('POST', '/keys', { tenant: 'acme', name: 'web' })).body
  expect(made.pass_through).toBeNull()
  expect(await recordOf(`key:${made.kid}`)).toBeUndefined()
  expect(await passed(`/keys/${made.id}`, 'PATCH', { pass_through: 'all' })).toEqual([422, 'pass_through'])
  expect(await passed(`/keys/${made.id}`, 'PATCH', { pass_through: 'everything' })).toEqual([422, 'pass_through'])
  expect(await passed(`/keys/${made.id}`, 'PATCH', { pass_through: 'off' })).toBe('off')
  expect(await recordOf(`key:${made.kid}`)).toBe('off')
  expect(await passed(`/keys/${made.id}`, 'PATCH', { tags: ['x'] })).toBe('off')
  expect(await passed('/tenants/acme', 'PATCH', { pass_through: 'none' })).toEqual([422, 'pass_through'])
  expect(await passed('/tenants/acme', 'PATCH', { pass_through: 'all' })).toBe('all')
  expect(await recordOf(`tenant:${tenant.id}`)).toBe('all')
  expect(await passed('/tenants/acme', 'PATCH', { time_zone: 'UTC' })).toBe('all')
  expect(await passed(`/keys/${made.id}`, 'PATCH', { pass_through: 'all' })).toBe('all')
  expect(await passed(`/keys/${made.id}`, 'PATCH', { pass_through: null })).toBeNull()
  expect(await passed('/tenants', 'POST', { name: 'owner', pass_through: 'all' })).toBe('all')
})
