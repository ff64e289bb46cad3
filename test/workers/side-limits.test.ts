// Limits of end users and targets on real objects: one owner's state outlives its object, what is at rest is forgotten by
// itself, and what the operator sets is where it is enforced.
import {
  applyD1Migrations,
  type D1Migration,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { SideLimiter } from '../../durable-objects/side-limiter.ts'
import type { TenantLimiter } from '../../durable-objects/tenant-limiter.ts'
import { type AdmissionRecord, type Limit, type LimiterCall, NOTHING } from '../../src/core/limits/limits.ts'
import type { KeyRecord, RoutingSnapshot, TenantRecord } from '../../src/core/directory.ts'
import {
  type SideConfig,
  USER_SHARDS,
  shadowObjectName,
  sidePath,
  targetObjectName,
  userShardName,
} from '../../src/core/limits/side-limits.ts'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { budget, rate, slots } from '../support/limiter-receiver.ts'
import { sideConfig } from '../support/side-receiver.ts'
import { WAIT_MS } from '../support/patience.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env {
      DB: D1Database
      DIRECTORY: KVNamespace
      TENANT_LIMITER: DurableObjectNamespace<TenantLimiter>
      SIDE_LIMITER: DurableObjectNamespace<SideLimiter>
      TEST_MIGRATIONS: D1Migration[]
    }
  }
}

const objectOf = (name: string) => env.SIDE_LIMITER.get(env.SIDE_LIMITER.idFromName(name))
const limitsOf = (...limits: readonly Limit[]) => [{ model: null, limits }]

let messages = 0
function wants(owner: string, amounts: Partial<typeof NOTHING>, more: Partial<LimiterCall> = {}): LimiterCall {
  messages += 1
  const first = { ...NOTHING, requests: 1, ...amounts }
  const leaseId = `${more.holder ?? 'h'}:${messages}`
  const want = {
    leaseId,
    isNew: true,
    path: sidePath(owner, 'm'),
    need: first,
    target: first,
    first,
    unheardNanoUsd: 0,
  }
  const message = {
    v: 2,
    tenantId: 't',
    holder: 'h',
    number: messages,
    reports: [],
    admissions: [],
    chunks: [],
  } as const
  return { ...message, wants: [want], ...more }
}

function rowsOf(name: string, table: 'owner' | 'lease' | 'holder'): Promise<readonly unknown[]> {
  return runInDurableObject(objectOf(name), (_, { storage }) => [...storage.sql.exec(`SELECT * FROM ${table}`)])
}

describe('a side limiter', () => {
  it('remembers who has what, for each owner apart, and through a restart', async () => {
    const name = 'remembers'
    await objectOf(name).configure(sideConfig(limitsOf(rate('requests', 60, 2), slots(5))))
    const first = await objectOf(name).call(wants('a', { requests: 2, slots: 1 }))
    expect(first.grants).toMatchObject([
      { granted: { requests: 2, slots: 1 }, limited: { requests: true, nanoUsd: false } },
    ])
    await evictDurableObject(objectOf(name))
    const second = await objectOf(name).call(wants('a', {}))
    expect(second.denials).toMatchObject([{ denial: { kind: 'rate', scope: 'user', unit: 'requests' } }])
    expect((await objectOf(name).call(wants('b', {}))).grants).toHaveLength(1)
    expect(await rowsOf(name, 'owner')).toHaveLength(2)
    expect(await rowsOf(name, 'holder')).toEqual([])
  })

  it('forgets an owner that is at rest, by itself', async () => {
    const name = 'forgets'
    await objectOf(name).configure(sideConfig(limitsOf(rate('requests', 600_000, 10), slots(5))))
    const { grants } = await objectOf(name).call(wants('a', { slots: 1 }))
    const [grant] = grants
    const settled = { ...NOTHING, requests: 1 }
    const report = {
      leaseId: grant?.leaseId ?? '',
      keyId: 'a',
      settled,
      returned: { ...NOTHING, slots: 1 },
      isDone: true,
    }
    await objectOf(name).call({ ...wants('a', {}), wants: [], reports: [report] })
    expect(await rowsOf(name, 'owner')).toHaveLength(1)
    expect(await rowsOf(name, 'lease')).toEqual([])
    // It looks for what can be forgotten when it starts, and by its alarm.
    await evictDurableObject(objectOf(name))
    expect(await rowsOf(name, 'owner')).toEqual([])
    await runDurableObjectAlarm(objectOf(name))
    expect(await runInDurableObject(objectOf(name), (_, { storage }) => storage.getAlarm())).toBeNull()
  })

  it('keeps what a dead isolate may have spent: all that it told of as in flight', async () => {
    const name = 'dead-isolate'
    await objectOf(name).configure(sideConfig(limitsOf(budget(1_000, 'month'))))
    const ask = wants('a', { nanoUsd: 900 })
    const { grants } = await objectOf(name).call(ask)
    const reserved = { ...NOTHING, requests: 1, nanoUsd: 300 }
    const admission: AdmissionRecord = { id: 'r#1', leaseId: grants[0]?.leaseId ?? '', reserved, event: '' }
    await objectOf(name).call({ ...wants('a', {}), wants: [], admissions: [admission] })
    expect(await rowsOf(name, 'holder')).toHaveLength(1)
    await runInDurableObject(objectOf(name), (_, { storage: { sql } }) => {
      const past = `json_set(state, '$.expiresAtMs', 1, '$.slotsUntilMs', 1)`
      sql.exec(`UPDATE lease SET state = ${past}`)
    })
    await evictDurableObject(objectOf(name))
    // What it told of, and what it could reserve unheard of, may be spent.
    const heldNanoUsd = 300 + (grants[0]?.blindNanoUsd ?? 0)
    const held = [{ state: expect.stringContaining(`"heldNanoUsd":${heldNanoUsd}`) }]
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(objectOf(name))
      expect(await rowsOf(name, 'owner')).toMatchObject(held)
    }, WAIT_MS)
    expect(
      (await objectOf(name).call(wants('a', { nanoUsd: 1_001 - heldNanoUsd }, { holder: 'g' }))).denials,
    ).toHaveLength(1)
    expect(
      (await objectOf(name).call(wants('a', { nanoUsd: 1_000 - heldNanoUsd }, { holder: 'g' }))).grants,
    ).toHaveLength(1)
  })

  it('settles what was in flight once, however often it is told', async () => {
    const name = 'settles'
    await objectOf(name).configure(sideConfig(limitsOf(budget(1_000, 'month'))))
    const { grants } = await objectOf(name).call(wants('a', { nanoUsd: 100 }))
    const admission: AdmissionRecord = { id: 'r#1', leaseId: grants[0]?.leaseId ?? '', reserved: NOTHING, event: '' }
    await objectOf(name).call({ ...wants('a', {}), wants: [], admissions: [admission] })
    const chunk = { from: 1, to: 1, events: '[]', settles: ['r#1'] }
    for (let times = 0; times < 2; times++) {
      const reply = await objectOf(name).call({ ...wants('a', {}), wants: [], chunks: [chunk] })
      expect(reply.acknowledged).toBe(1)
    }
    expect(await rowsOf(name, 'holder')).toMatchObject([{ state: expect.stringContaining('"inFlight":[]') }])
  })
})

const TOKEN = 'admin-token-of-the-tests'
const app = new Hono().route(
  '/admin',
  createAdmin({ probe: async () => ({ ok: true, status: 200, latencyMs: 1, saw: 'ok' }) }),
)

async function admin(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Record<string, never> }> {
  const response = await app.request(
    `/admin${path}`,
    {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
    { ...env, OPENAI_API_KEY: 'sk' },
  )
  const text = await response.text()
  return { status: response.status, body: text === '' ? {} : JSON.parse(text) }
}

function configOf(name: string): Promise<SideConfig | null> {
  return runInDurableObject(objectOf(name), (_, { storage }) => {
    for (const { value } of storage.sql.exec<{ value: string }>(`SELECT value FROM meta WHERE name = 'config'`)) {
      return JSON.parse(value)
    }
    return null
  })
}

const PER_MINUTE = { kind: 'rate', unit: 'requests', per_minute: 3 }

describe('what an operator sets', () => {
  beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
  beforeEach(async () => {
    for (const table of ['routes', 'targets', 'end_users', 'virtual_keys', 'teams', 'tenants'])
      await env.DB.exec(`DELETE FROM ${table}`)
  })

  it('for every end user is told to all that share them, and published; taken away, it is gone', async () => {
    const made = await admin('POST', '/tenants', {
      name: 'acme',
      end_user_limits: [PER_MINUTE],
      require_end_user: true,
    })
    expect(made).toMatchObject({ status: 201, body: { end_user_limits: [PER_MINUTE], require_end_user: true } })
    const id: string = made.body['id'] ?? ''
    for (const shard of [0, 17, USER_SHARDS - 1]) {
      expect(await configOf(userShardName(id, shard))).toMatchObject({
        scope: 'user',
        usual: [{ model: null, limits: [{ kind: 'rate', unit: 'requests', perMinute: 3 }] }],
        own: {},
      })
    }
    const record = () => env.DIRECTORY.get<TenantRecord>(`tenant:${id}`, 'json')
    expect((await record())?.endUsers).toEqual({ isRequired: true, isLimited: true })
    await admin('PATCH', '/tenants/acme', { end_user_limits: [], require_end_user: false })
    expect((await record())?.endUsers).toBeUndefined()
    expect(await configOf(userShardName(id, 17))).toMatchObject({ usual: [] })
  })

  it('for every end user within a team and a key is told to the same objects, and published with them', async () => {
    const made = await admin('POST', '/tenants', { name: 'acme' })
    const id: string = made.body['id'] ?? ''
    const team = await admin('POST', '/teams', { tenant: 'acme', name: 'ops', end_user_limits: [PER_MINUTE] })
    expect(team).toMatchObject({ status: 201, body: { end_user_limits: [PER_MINUTE] } })
    const key = await admin('POST', '/keys', { tenant: 'acme', team: 'ops', name: 'k', end_user_limits: [PER_MINUTE] })
    expect(key).toMatchObject({ status: 201, body: { end_user_limits: [PER_MINUTE] } })
    const [teamId, keyId, kid] = [team.body['id'] ?? '', key.body['id'] ?? '', key.body['kid'] ?? '']
    const config = () => configOf(userShardName(id, 17))
    const limits = [{ model: null, limits: [{ kind: 'rate', unit: 'requests', perMinute: 3 }] }]
    expect(await config()).toMatchObject({ usual: [], within: { [teamId]: limits, [keyId]: limits } })
    const record = () => env.DIRECTORY.get<TenantRecord>(`tenant:${id}`, 'json')
    expect((await record())?.userLimitedTeams).toEqual([teamId])
    const ofKey = () => env.DIRECTORY.get<KeyRecord>(`key:${kid}`, 'json')
    expect((await ofKey())?.limitsEndUsers).toBe(true)
    for (const path of [`/teams/${teamId}`, `/keys/${keyId}`]) {
      const wrong = await admin('PATCH', path, { end_user_limits: [PER_MINUTE, PER_MINUTE] })
      expect(wrong).toMatchObject({ status: 422, body: { error: { field: 'end_user_limits' } } })
      expect((await admin('PATCH', path, { end_user_limits: [] })).body).toMatchObject({ end_user_limits: [] })
    }
    expect(await config()).toMatchObject({ within: {} })
    expect((await record())?.userLimitedTeams).toBeUndefined()
    expect((await ofKey())?.limitsEndUsers).toBeUndefined()
  })

  it('for one end user is told to the one object that has it, under a name that cannot be read', async () => {
    const made = await admin('POST', '/tenants', { name: 'acme' })
    const id: string = made.body['id'] ?? ''
    const path = `/tenants/acme/end-users/${encodeURIComponent('alice@example.com')}`
    const put = await admin('PUT', path, { limits: [{ kind: 'concurrency', most: 1 }] })
    expect(put).toMatchObject({ status: 200, body: { user: 'alice@example.com', limits: [{ kind: 'concurrency' }] } })
    const row = await env.DB.prepare('SELECT digest, shard FROM end_users').first<{ digest: string; shard: number }>()
    const config = await configOf(userShardName(id, row?.shard ?? -1))
    expect(config?.own[row?.digest ?? '']).toMatchObject([{ limits: [{ kind: 'slots', most: 1 }] }])
    expect(JSON.stringify(config)).not.toContain('alice')
    expect(await env.DIRECTORY.get<TenantRecord>(`tenant:${id}`, 'json')).toMatchObject({
      endUsers: { isLimited: true },
    })
    expect((await admin('GET', '/tenants/acme/end-users')).body['rows']).toHaveLength(1)
    expect((await admin('PUT', path, { limits: [PER_MINUTE] })).status).toBe(200)
    expect((await admin('GET', path)).body).toMatchObject({ limits: [PER_MINUTE] })
    expect((await admin('DELETE', path)).status).toBe(204)
    expect((await admin('GET', path)).status).toBe(404)
    expect((await configOf(userShardName(id, row?.shard ?? -1)))?.own).toEqual({})
    expect((await env.DIRECTORY.get<TenantRecord>(`tenant:${id}`, 'json'))?.endUsers).toBeUndefined()
  })

  it('for a target is told to its object and published with it; it ends with the target', async () => {
    const target = { id: 'pool', provider: 'openai', model: 'gpt-4o', limits: [{ kind: 'concurrency', most: 4 }] }
    expect(await admin('POST', '/targets', target)).toMatchObject({ status: 201, body: { limits: target.limits } })
    const snapshot = () => env.DIRECTORY.get<RoutingSnapshot>('routing', 'json')
    expect((await snapshot())?.targets['pool']?.hasLimits).toBe(true)
    expect(await configOf(targetObjectName('pool'))).toMatchObject({
      scope: 'target',
      usual: [{ limits: [{ kind: 'slots', most: 4 }] }],
    })
    expect((await admin('PATCH', '/targets/pool', { max_retries: 2 })).body).toMatchObject({ limits: target.limits })
    expect((await admin('PATCH', '/targets/pool', { limits: [] })).body).toMatchObject({ limits: [] })
    expect((await snapshot())?.targets['pool']?.hasLimits).toBeUndefined()
    expect(await configOf(targetObjectName('pool'))).toMatchObject({ usual: [] })
    await admin('PATCH', '/targets/pool', { limits: [PER_MINUTE] })
    expect((await admin('DELETE', '/targets/pool')).status).toBe(204)
    expect(await configOf(targetObjectName('pool'))).toMatchObject({ usual: [] })
  })

  it('for the shadow of a route in a day is enforced before anybody can spend it', async () => {
    await admin('POST', '/targets', { id: 'live', provider: 'openai', model: 'gpt-4o' })
    await admin('POST', '/targets', { id: 'new', provider: 'openai', model: 'gpt-4o-mini' })
    const shadow = { target: 'new', percent: 12.5, budget_usd: '0.01' }
    const made = await admin('POST', '/routes', { model: 'm', targets: ['live'], shadow })
    expect(made).toMatchObject({ status: 201, body: { targets: ['live'], shadow: { ...shadow, budget_usd: '0.01' } } })
    const id: string = made.body['id'] ?? ''
    const { targets, routes } = (await env.DIRECTORY.get<RoutingSnapshot>('routing', 'json')) ?? {}
    expect(Object.keys(targets ?? {})).toContain('new')
    expect(routes).toMatchObject([{ shadow: { target: 'new', percent: 12.5, budgetNanoUsd: 10_000_000 } }])
    const object = objectOf(shadowObjectName(id))
    expect((await object.call(wants(id, { nanoUsd: 20_000_000 }))).denials).toMatchObject([
      { denial: { kind: 'budget', limitNanoUsd: 10_000_000 } },
    ])
    expect((await object.call(wants(id, { nanoUsd: 9_000_000 }, { holder: 'other' }))).grants).toHaveLength(1)
    expect(await object.limits(sidePath(id, null)), 'as an explanation tells it').toMatchObject([
      { scope: 'target', id, limit: { kind: 'budget', amountNanoUsd: 10_000_000 }, used: 0, left: 1_000_000 },
    ])
    expect((await admin('DELETE', '/targets/new')).status, 'it serves a route').toBe(409)
    for (const [wrong, field] of [
      [{ target: 'none', percent: 1 }, 'shadow.target'],
      [{ route: id, percent: 1 }, 'shadow.route'],
      [{ target: 'new', percent: 0 }, 'shadow.percent'],
      [{ target: 'new', route: id, percent: 1 }, 'shadow'],
      [{ target: 'new', percent: 1, budget_usd: 'much' }, 'shadow.budget_usd'],
    ] as const) {
      const refused = await admin('PATCH', `/routes/${id}`, { shadow: wrong })
      expect(refused, field).toMatchObject({ status: 422, body: { error: { field } } })
    }
    for (const [wrong, field] of [
      [{ group: { members: ['live'], shadow } }, 'group.shadow'],
      [{ group: { members: [{ target: 'live', shadow }] } }, 'group.members[0].shadow'],
    ] as const) {
      const refused = await admin('PATCH', `/routes/${id}`, wrong)
      const message: unknown = expect.stringContaining('A shadow stands at a route itself')
      expect(refused).toMatchObject({ status: 422, body: { error: { field, message } } })
    }
    expect((await admin('PATCH', `/routes/${id}`, { timeout_ms: 500 })).body).toMatchObject({ shadow })
    expect((await admin('PATCH', `/routes/${id}`, { shadow: null })).body).toMatchObject({ shadow: null })
    expect((await admin('DELETE', '/targets/new')).status).toBe(204)
  })

  it('is published again, all of it', async () => {
    const made = await admin('POST', '/tenants', { name: 'acme', end_user_limits: [PER_MINUTE] })
    await admin('POST', '/targets', { id: 'pool', provider: 'openai', model: 'gpt-4o', limits: [PER_MINUTE] })
    const names = [userShardName(made.body['id'] ?? '', 5), targetObjectName('pool')]
    for (const name of names) {
      await runInDurableObject(objectOf(name), (_, { storage }) => void storage.sql.exec('DELETE FROM meta'))
      await evictDurableObject(objectOf(name))
      expect(await configOf(name)).toBeNull()
    }
    expect((await admin('POST', '/publish')).status).toBe(200)
    for (const name of names) expect((await configOf(name))?.usual).toHaveLength(1)
  })

  it('is refused where it is no limit, by its field', async () => {
    const twice = [PER_MINUTE, { ...PER_MINUTE, per_minute: 4 }]
    for (const [method, path, body, field] of [
      ['POST', '/tenants', { name: 'x', end_user_limits: [{ kind: 'rate' }] }, 'end_user_limits[0].unit'],
      ['POST', '/tenants', { name: 'x', end_user_limits: twice }, 'end_user_limits'],
      ['POST', '/targets', { provider: 'openai', model: 'm', limits: twice }, 'limits'],
      ['POST', '/tenants', { name: 'x', require_end_user: 'yes' }, 'require_end_user'],
    ] as const) {
      expect(await admin(method, path, body)).toMatchObject({ status: 422, body: { error: { field } } })
    }
    expect((await admin('PUT', '/tenants/nobody/end-users/u', { limits: [] })).status).toBe(404)
  })
})
