// The limiter object's memory: what an earlier version stored is read with nothing spent forgotten, and alerts travel past
// a ledger that doesn't count them.
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { LimiterStorage } from '../../durable-objects/storage.ts'
import { newAuthority, takeReport } from '../../src/core/authority.ts'
import { NOTHING } from '../../src/core/limits.ts'
import { thresholdEvents } from '../../src/core/usage-event.ts'
import { readBatch } from '../../src/ledger/read-batch.ts'
import type { GatewayEnv } from '../../src/env.ts'
import { configOf } from '../support/limiter-receiver.ts'

declare global {
  namespace Cloudflare {
    interface Env extends Pick<GatewayEnv, 'TENANT_LIMITER'> {}
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
