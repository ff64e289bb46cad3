// Settings of tenants and keys: what of providers' own APIs is passed through, and what is kept of prompts and replies.
// Validated, kept, published, shown.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
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
    readonly bodies: unknown
    readonly error: { readonly field: unknown; readonly code: unknown }
  }
}

async function call(
  method: string,
  path: string,
  body: object | null,
  secrets: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const bindings = { DB: env.DB, DIRECTORY: env.DIRECTORY, TENANT_LIMITER: env.TENANT_LIMITER, ...SECRETS, ...secrets }
  const text = body === null ? null : JSON.stringify(body)
  const response = await app.request(`/admin${path}`, { method, headers, body: text }, bindings)
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

describe('bodies', () => {
  const bodies = { sample_percent: 5, redact: ['cards', { pattern: 'EMP-##' }, { member: 'ssn' }], ttl_days: 7 }
  const sealing = { BODIES_KEY: 'bodies-key-of-the-tests' }
  const known = async (id: string) => (await env.DIRECTORY.get<TenantRecord>(`tenant:${id}`, 'json'))?.bodies

  it('are kept of nobody unless a tenant wants that, and there is a secret to seal them with', async () => {
    const closed = { status: 503, body: { error: { code: 'bodies_closed' } } }
    expect(await call('POST', '/tenants', { name: 'acme', bodies })).toMatchObject(closed)
    const { body: plain } = await call('POST', '/tenants', { name: 'acme' })
    expect(plain.bodies).toBeNull()
    expect(await known(plain.id)).toBeUndefined()
    expect(await call('PATCH', '/tenants/acme', { bodies })).toMatchObject(closed)
    expect((await call('PATCH', '/tenants/acme', { bodies }, sealing)).body.bodies).toEqual(bodies)
    expect(await known(plain.id)).toEqual({ samplePercent: 5, redact: bodies.redact, ttlDays: 7 })
    expect((await call('PATCH', '/tenants/acme', { bodies: null })).body.bodies).toBeNull()
    expect(await known(plain.id)).toBeUndefined()
    expect(await call('GET', '/requests/0199a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b/bodies', null)).toMatchObject(closed)
  })

  it.each([
    ['bodies.redact[0].pattern', { ...bodies, redact: [{ pattern: '*' }] }],
    ['bodies.redact[0].pattern', { ...bodies, redact: [{ pattern: 'x'.repeat(31) }] }],
    ['bodies.redact[0]', { ...bodies, redact: ['everything'] }],
    ['bodies.sample_percent', { ...bodies, sample_percent: 101 }],
    ['bodies.ttl_days', { ...bodies, ttl_days: 0 }],
    ['bodies.ttl_days', { ...bodies, ttl_days: 366 }],
    ['bodies.redact', { sample_percent: 1, ttl_days: 1 }],
  ])('are not kept as nobody can mean it: %s', async (field, wrong) => {
    const { status, body } = await call('POST', '/tenants', { name: 'acme', bodies: wrong }, sealing)
    expect([status, body.error.field]).toEqual([422, field])
  })
})
