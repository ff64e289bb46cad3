// The limiter object's memory: what an earlier version stored is read with nothing spent forgotten, and alerts travel past
// a ledger that doesn't count them.
import { applyD1Migrations, evictDurableObject, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { describe, expect, it } from 'vitest'
import * as z from 'zod/mini'
import { LimiterStorage } from '../../durable-objects/storage.ts'
import { TenantOffice } from '../../durable-objects/tenant-office.ts'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { newAuthority, takeReport } from '../../src/core/limits/authority.ts'
import type { RunawayRule } from '../../src/core/limits/limit-policy.ts'
import {
  type LeaseReport,
  type LeaseWant,
  LIMITS_VERSION,
  type LimiterCall,
  NOTHING,
} from '../../src/core/limits/limits.ts'
import { newWatch } from '../../src/core/limits/runaway.ts'
import { packEvent, thresholdEvents } from '../../src/core/money/usage-event.ts'
import { readBatch } from '../../src/ledger/read-batch.ts'
import type { GatewayEnv } from '../../src/env.ts'
import { kvDirectory } from '../../src/platform/directory.ts'
import { deliverAll, eventAt, messagesOf } from '../support/ledger-events.ts'
import { booksOf } from '../support/limiter-books.ts'
import { configOf, node } from '../support/limiter-receiver.ts'
import { usageEvent } from '../support/usage-events.ts'

declare global {
  namespace Cloudflare {
    interface Env extends Pick<
      GatewayEnv,
      'TENANT_LIMITER' | 'TARGET_BREAKER' | 'SIDE_LIMITER' | 'USAGE' | 'ENVIRONMENT'
    > {}
  }
}

const DAY = { startMs: 1_000_000, endMs: 4_000_000_000_000 }
const NODE = {
  scope: 'tenant',
  id: 't',
  tokensPerMinute: 600,
  burstTokens: null,
  budget: { amountNanoUsd: 5_000, period: 'day' },
}
const NODE_STATE = {
  id: 'tenant:t',
  node: NODE,
  bucket: { level: 100, fraction: 0, outstanding: 40, atMs: 2_000_000 },
  window: DAY,
  spentNanoUsd: 1_200,
  heldNanoUsd: 300,
}
const LEASE = {
  id: 'h:1',
  holder: 'h',
  keyId: 'k',
  bucketNodes: ['tenant:t'],
  budgetNodes: { 'tenant:t': DAY.startMs },
  granted: { tokens: 60, nanoUsd: 500 },
  settled: { tokens: 20, nanoUsd: 200 },
  returned: { tokens: 0, nanoUsd: 0 },
  state: 'open',
  expiresAtMs: 3_000_000,
  isStale: false,
}

describe('rows of the first version', () => {
  it('become limits and leases of today, with what was spent, held and lent', async () => {
    const stub = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName('of-old'))
    await runInDurableObject(stub, (_, { storage: { sql } }) => {
      sql.exec('CREATE TABLE node (id TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID')
      sql.exec('INSERT INTO node VALUES (?, ?)', NODE_STATE.id, JSON.stringify(NODE_STATE))
      sql.exec('INSERT INTO lease VALUES (?, ?)', LEASE.id, JSON.stringify(LEASE))
      sql.exec(`DELETE FROM meta WHERE name = 'version'`)
      const config = { revision: 7, timeZone: 'UTC', nodes: [NODE], revokedKeyIds: ['gone'] }
      sql.exec(`INSERT INTO meta VALUES ('config', ?)`, JSON.stringify(config))
      for (let starts = 0; starts < 2; starts++) {
        const storage = new LimiterStorage(sql)
        const authority = newAuthority(storage.readConfig() ?? configOf([]))
        storage.load(authority)
        expect(authority.config).toMatchObject({ v: 2, revision: 7, nodes: [{ scope: 'tenant', model: null }] })
        expect(authority.gauges.get('tenant:t#tokens')).toMatchObject({ bucket: NODE_STATE.bucket })
        const budget = { window: DAY, spentNanoUsd: 1_200, heldNanoUsd: 300, limit: { amountNanoUsd: 5_000 } }
        expect(authority.gauges.get('tenant:t#day')).toMatchObject(budget)
        const settled = { ...NOTHING, tokens: 30, nanoUsd: 260 }
        const time = { nowMs: 2_000_000, ttlMs: 30_000 }
        takeReport(authority, { leaseId: 'h:1', keyId: 'k', settled, returned: NOTHING, isDone: true }, time)
        expect(authority.gauges.get('tenant:t#day')).toMatchObject({ spentNanoUsd: 1_260, heldNanoUsd: 0 })
      }
    })
  })
})

describe('an alert', () => {
  it('is no event of the ledger, and its message can be confirmed all the same', () => {
    const crossing = {
      scope: 'tenant' as const,
      ownerId: 't',
      model: null,
      period: 'day' as const,
      percent: 80,
      limitNanoUsd: 10,
      spentNanoUsd: 8,
      windowStartMs: 0,
      windowEndMs: 1,
      atMs: 0,
    }
    const read = readBatch({ v: 1, tenantId: 't', outboxId: 4, events: thresholdEvents('t', [crossing]) })
    expect(read).toMatchObject({ ok: true, value: { rows: '', outboxId: 4 } })
  })
})

describe('what isolates tell', () => {
  const call: LimiterCall = {
    v: LIMITS_VERSION,
    tenantId: 'ten_belated',
    holder: 'isolate',
    number: 1,
    reports: [],
    admissions: [],
    chunks: [],
    wants: [],
  }
  const event = (costNanoUsd: number): string => packEvent(usageEvent('req-1', { costNanoUsd }))
  // Of a lease that is over; and a mirror, which is under none.
  const announced = { id: 'req-1#1', leaseId: 'gone', reserved: { ...NOTHING, nanoUsd: 1_500 }, event: event(0) }
  const mirror = packEvent(usageEvent('mirror', { keyId: 'shadow', costNanoUsd: 0 }))
  const mirrored = { id: 'mirror#1', leaseId: '', reserved: { ...NOTHING, nanoUsd: 700 }, event: mirror }
  const settled = { from: 1, to: 1, events: `[${event(400)}]`, settles: ['req-1#1'] }

  it('too late for the expiry of its lease is booked when they stay silent, once however often, and corrected when it ends', async () => {
    const stub = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName('ten_belated'))
    await runInDurableObject(stub, async (_, state) => {
      // Every holder has been silent for long enough, whenever it is asked.
      const limiter = new TenantOffice(state.storage, { ...env, LEASE_TTL_MS: '0' })
      await limiter.call({ ...call, admissions: [announced, mirrored] })
      expect((await limiter.inFlight(5)).map(({ id }) => id).toSorted()).toEqual(['mirror#1', 'req-1#1'])
      expect(await state.storage.getAlarm()).not.toBeNull()
      await limiter.alarm()
      expect(await limiter.inFlight(5)).toEqual([])
      await limiter.call({ ...call, number: 2, admissions: [announced] })
      await limiter.alarm()
      await limiter.call({ ...call, number: 3, chunks: [settled] })
      expect(booksOf(state.storage.sql).events).toMatchObject([
        { requestId: 'req-1', ending: 'lost', isEstimated: true, costNanoUsd: 1_500 },
        { requestId: 'mirror', keyId: 'shadow', ending: 'lost', isEstimated: true, costNanoUsd: 700 },
        { requestId: 'req-1', kind: 'adj', costNanoUsd: -1_100 },
      ])
    })
  })

  it('is taken once, from a call that comes twice and from one that was overtaken', async () => {
    const stub = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName('ten_twice'))
    const told = { ...call, tenantId: 'ten_twice', number: 2, chunks: [settled] }
    for (const message of [told, told, { ...told, number: 1 }]) {
      expect(await stub.call(message)).toMatchObject({ acknowledged: 1 })
    }
    expect(await stub.live()).toMatchObject({ unconfirmed: 1 })
  })

  it('too late is booked by an object that starts anew, too', async () => {
    const stub = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName('ten_belated_anew'))
    await runInDurableObject(stub, async (_, state) => {
      await new TenantOffice(state.storage, env).call({
        ...call,
        tenantId: 'ten_belated_anew',
        admissions: [announced],
      })
      const limiter = new TenantOffice(state.storage, { ...env, LEASE_TTL_MS: '0' })
      await limiter.alarm()
      expect(await limiter.inFlight(5)).toEqual([])
      expect(await limiter.live()).toMatchObject({ unconfirmed: 1 })
    })
  })
})

describe('a limiter that has lost its storage', () => {
  it('takes in what it is told of, and lends nothing until its limits are published again', async () => {
    const stub = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName('ten_forgetful'))
    await runInDurableObject(stub, async (_, state) => {
      const limiter = new TenantOffice(state.storage, env)
      const path = { tenantId: 'ten_forgetful', teamId: null, keyId: 'k', model: 'm' }
      const need = { ...NOTHING, requests: 1, nanoUsd: 1_000 }
      const want = { leaseId: 'h:1', isNew: true, path, need, target: need, first: need, unheardNanoUsd: 0 }
      const event = packEvent(usageEvent('req-1', { tenantId: 'ten_forgetful' }))
      const chunk = { from: 1, to: 1, events: `[${event}]`, settles: [] }
      const base = { v: LIMITS_VERSION, tenantId: 'ten_forgetful', holder: 'h', reports: [], admissions: [] } as const
      const message: LimiterCall = { ...base, number: 1, chunks: [chunk], wants: [want] }
      await expect(limiter.call(message)).rejects.toThrow('publish')
      await expect(limiter.relay([message])).rejects.toThrow('publish')
      expect(booksOf(state.storage.sql).leases).toEqual([])
      // What was told is kept, once.
      expect(await limiter.call({ ...message, number: 2, wants: [] })).toMatchObject({ acknowledged: 1, grants: [] })
      expect(await limiter.live()).toMatchObject({ unconfirmed: 1 })
      await limiter.configure(configOf([node('tenant', 'ten_forgetful', {})], 3))
      expect(await limiter.call({ ...message, number: 3 })).toMatchObject({ grants: [{ leaseId: 'h:1' }] })
    })
  })
})

describe('a limiter whose limits are published', () => {
  const app = new Hono().route('/admin', createAdmin({ services: [], probe: () => Promise.reject(new Error('none')) }))
  const admin = async (path: string, body: object): Promise<{ readonly id?: string }> => {
    const headers = { authorization: 'Bearer admin-token-of-the-tests', 'content-type': 'application/json' }
    const init = { method: 'POST', headers, body: JSON.stringify(body) }
    const bindings = {
      ...env,
      ADMIN_TOKEN: 'admin-token-of-the-tests',
      KEY_PEPPER: 'pepper-of-the-tests',
      ENVIRONMENT: 'local',
    }
    const answer = await app.request(`/admin${path}`, init, bindings)
    expect(answer.status, path).toBeLessThan(300)
    return answer.json()
  }
  const budgets = (amount_usd: string) => ({
    rules: ['day', 'month'].map((period) => ({ kind: 'budget', amount_usd, period })),
  })

  it('goes on from what the ledger has of its budgets once it has lost its storage, and not before', async () => {
    await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)
    const { id: tenantId = '' } = await admin('/tenants', { name: 'lost', limits: budgets('50') })
    const { id: teamId = '' } = await admin('/teams', { tenant: 'lost', name: 'some', limits: budgets('20') })
    const { id: keyId = '' } = await admin('/keys', { tenant: 'lost', name: 'its', team: 'some', limits: budgets('9') })
    await admin('/keys', { tenant: 'lost', name: 'other', limits: budgets('9') })
    const nowMs = Date.now()
    const paid = (number: number, fields: object) =>
      eventAt(nowMs, number, { tenantId, keyId, teamId, costNanoUsd: 1e9, ...fields })
    const events = [
      paid(1, {}),
      paid(2, {}),
      paid(3, { keyId: 'gone', teamId: null }),
      paid(4, { tenantId: 'ten_of_others' }),
    ]
    await deliverAll(env.DB, messagesOf(events, 10), nowMs)
    const stub = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId))
    const spent = async (): Promise<readonly (readonly [string, number])[]> => {
      const { nodes } = await stub.live()
      return nodes.map(
        ({ scope, id, period, spentNanoUsd }) => [`${scope} ${id === keyId} ${String(period)}`, spentNanoUsd] as const,
      )
    }
    await admin('/publish', {})
    expect(
      (await spent()).filter(([, nanoUsd]) => nanoUsd > 0),
      'its own word counts while it has any',
    ).toEqual([])
    await runInDurableObject(stub, (_, state) => state.storage.deleteAll())
    await evictDurableObject(stub)
    expect(await stub.hasLimits()).toBe(false)
    await admin('/publish', {})
    const known = [
      ...['tenant false day', 'tenant false month'].map((name) => [name, 3e9]),
      ...['team false day', 'team false month', 'key true day', 'key true month'].map((name) => [name, 2e9]),
      ...['key false day', 'key false month'].map((name) => [name, 0]),
    ]
    expect((await spent()).toSorted()).toEqual(known.toSorted())
    await evictDurableObject(stub)
    expect((await spent()).toSorted(), 'and it keeps that').toEqual(known.toSorted())
  })
})

describe('spending that runs away', () => {
  it('is told of once, in the outbox, by an object that has just started on what it knew', async () => {
    const stub = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName('of-a-loop'))
    await runInDurableObject(stub, async (_, state) => {
      const rule: RunawayRule = { factor: 10, minNanoUsdPerHour: 1, action: 'stop' }
      const known = { ...newWatch('key', 'k', rule), minute: 1, hasBaseline: true, baselineNanoUsd: 100 }
      const now = { ...known, minute: Math.floor(Date.now() / 60_000) }
      state.storage.sql.exec('INSERT INTO watch VALUES (?, ?)', known.id, JSON.stringify(now))
      const limiter = new TenantOffice(state.storage, env)
      await limiter.configure(configOf([{ scope: 'key', id: 'k', model: null, limits: [], runaway: rule }], 3))
      const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
      const need = { ...NOTHING, nanoUsd: 1_000_000 }
      const want = { leaseId: 'h:1', isNew: true, path, need, target: need, first: need, unheardNanoUsd: 0 }
      const message = (number: number, reports: readonly LeaseReport[], wants: readonly LeaseWant[]): LimiterCall => {
        return { v: LIMITS_VERSION, tenantId: 't', holder: 'h', number, reports, admissions: [], chunks: [], wants }
      }
      const granted = await limiter.call(message(1, [], [want]))
      expect(granted.grants).toHaveLength(1)
      const report = { leaseId: 'h:1', keyId: 'k', settled: need, returned: NOTHING, isDone: false }
      const told = await limiter.call(message(2, [report], []))
      expect(told.closedLeases).toEqual(['h:1'])
      const refused = await limiter.call(message(3, [{ ...report, isDone: true }], [{ ...want, leaseId: 'h:2' }]))
      expect(refused.denials).toMatchObject([{ denial: { kind: 'runaway', scope: 'key', action: 'stop' } }])
      const { events } = booksOf(state.storage.sql)
      expect(events).toMatchObject([{ v: 1, kind: 'runaway', tenantId: 't', ownerId: 'k', action: 'stop' }])
      const read = readBatch({ v: 1, tenantId: 't', outboxId: 1, events: JSON.stringify(events) })
      expect(read, 'no event of the ledger').toMatchObject({ ok: true, value: { outboxId: 1, rows: '' } })
      const again = new TenantOffice(state.storage, env)
      const still = await again.call(message(4, [], [{ ...want, leaseId: 'h:3' }]))
      expect(still.denials).toMatchObject([{ denial: { kind: 'runaway' } }])
    })
  })
})

describe('who is served while the limiter is away', () => {
  const TOKEN = 'admin-token-of-the-tests'
  const app = new Hono().route('/admin', createAdmin({ services: [], probe: () => Promise.reject(new Error('none')) }))
  const admin = async (method: string, path: string, body: object): Promise<Made> => {
    const init = {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }
    const bindings = { ...env, ADMIN_TOKEN: TOKEN, KEY_PEPPER: 'pepper-of-the-tests', ENVIRONMENT: 'local' }
    const answer = await app.request(`/admin${path}`, init, bindings)
    expect(answer.status).toBeLessThan(300)
    return MADE.parse(await answer.json())
  }
  const isServed = async ({ key }: Made): Promise<boolean> => {
    const log = { warn: () => undefined }
    const directory = kvDirectory(env.DIRECTORY, 'pepper-of-the-tests', () => Date.now(), log)
    const caller = await directory.caller(key ?? '')
    if (typeof caller === 'string') throw new Error(caller)
    return caller.admitsUnchecked === true
  }

  it('is decided when keys, teams and tenants are published: nobody on whose path a budget is set', async () => {
    await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)
    const budget = { budget: { amount_usd: '1', period: 'day' } }
    const tenant = await admin('POST', '/tenants', { name: 'trusting', limits_unavailable: 'admit' })
    const team = await admin('POST', '/teams', { tenant: 'trusting', name: 'rich', limits: { tokens_per_minute: 5 } })
    const plain = await admin('POST', '/keys', { tenant: 'trusting', name: 'plain' })
    const rules = [{ kind: 'budget', amount_usd: '1', period: 'hour', model: 'gpt-*' }]
    const held = await admin('POST', '/keys', { tenant: 'trusting', name: 'held', limits: { rules } })
    const ofTeam = await admin('POST', '/keys', { tenant: 'trusting', name: 'of-team', team: 'rich' })
    expect(await Promise.all([plain, held, ofTeam].map(isServed))).toEqual([true, false, true])
    await admin('PATCH', `/teams/${team.id}`, { limits: budget })
    expect(await Promise.all([plain, held, ofTeam].map(isServed))).toEqual([true, false, false])
    await admin('PATCH', `/keys/${held.id}`, { limits: { rules: [] } })
    expect(await isServed(held)).toBe(true)
    await admin('PATCH', `/tenants/${tenant.id}`, { limits: budget })
    expect(await Promise.all([plain, held, ofTeam].map(isServed))).toEqual([false, false, false])
    await admin('PATCH', `/tenants/${tenant.id}`, { limits: { budget: null }, limits_unavailable: 'refuse' })
    expect(await isServed(plain)).toBe(false)
  })
})

const MADE = z.object({ id: z.string(), key: z.optional(z.string()) })
type Made = z.infer<typeof MADE>
