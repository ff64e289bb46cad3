// The demo's events: the same for the same seed, readable for the ledger, and with something of everything to see.
import { describe, expect, it } from 'vitest'
import { FREE } from '../../src/core/money/price.ts'
import { packEvent, USAGE_EVENT_VERSION, type UsageEvent } from '../../src/core/money/usage-event.ts'
import { readBatch } from '../../src/ledger/read-batch.ts'
import { crossingsOf } from '../../src/local/demo/budgets.ts'
import { DEMO_MARK, DEMO_TENANTS, type DemoTenant } from '../../src/local/demo/cast.ts'
import { type DemoIds, DEMO_DAYS, demoTraffic } from '../../src/local/demo/traffic.ts'

const NOW_MS = Date.UTC(2026, 10, 21, 15, 20)
const DAY_MS = 86_400_000
const PRICE = { price: { ...FREE, input: 2_500_000, output: 10_000_000 }, priceVersion: 'test' }

function idsOf(tenant: DemoTenant): DemoIds {
  const keys = tenant.teams.flatMap((team) =>
    team.keys.map(({ name }) => [name, { keyId: `key_${name}`, teamId: team.name, spentOn: 'sim-gpt-4o' }] as const),
  )
  const targets = ['sim-claude', 'sim-gpt-4o', 'sim-gemini', 'sim-bedrock'] as const
  return {
    tenantId: 'ten_demo',
    keys: new Map(keys),
    routes: new Map(['demo-chat', 'demo-fast', 'demo-batch'].map((model) => [model, model])),
    prices: new Map(targets.map((name) => [name, PRICE])),
  }
}

function messageOf(events: readonly UsageEvent[]) {
  return { v: USAGE_EVENT_VERSION, tenantId: 'ten_demo', outboxId: 1, events: `[${events.map(packEvent).join(',')}]` }
}

describe('demo traffic', () => {
  it.each(DEMO_TENANTS)('of $name is the same again, in the last thirty days, and what the ledger reads', (tenant) => {
    const events = demoTraffic(tenant, idsOf(tenant), 7, NOW_MS)
    expect(demoTraffic(tenant, idsOf(tenant), 7, NOW_MS)).toEqual(events)
    expect(demoTraffic(tenant, idsOf(tenant), 8, NOW_MS)).not.toEqual(events)
    expect(new Set(events.map(({ requestId, attempt }) => `${requestId} ${attempt}`)).size).toBe(events.length)
    const isWithin = ({ startedAtMs: ms, latencyMs }: UsageEvent): boolean =>
      ms >= NOW_MS - (DEMO_DAYS + 1) * DAY_MS && ms + latencyMs < NOW_MS
    expect(events.filter((event) => !isWithin(event))).toEqual([])
    for (let at = 0; at < events.length; at += 1000) {
      expect(readBatch(messageOf(events.slice(at, at + 1000)))).toMatchObject({ ok: true })
    }
    expect(tenant.name).toContain(DEMO_MARK)
  })

  it('has cache hits, errors, failovers, clients that left, and budgets that are used up in part', () => {
    const all = DEMO_TENANTS.flatMap((tenant) => demoTraffic(tenant, idsOf(tenant), 7, NOW_MS))
    expect(all.some(({ cache, savedNanoUsd }) => cache === 'hit' && savedNanoUsd > 0)).toBe(true)
    expect(all.some(({ isFinal, status }) => isFinal && status === 429)).toBe(true)
    expect(all.some(({ attempt, isFinal, status }) => attempt === 2 && isFinal && status === 200)).toBe(true)
    expect(all.some(({ ending }) => ending === 'client-left')).toBe(true)
    const crossings = DEMO_TENANTS.flatMap((one) =>
      crossingsOf(one, idsOf(one), demoTraffic(one, idsOf(one), 7, NOW_MS)),
    )
    expect(crossings.some(({ percent }) => percent === 50)).toBe(true)
  })
})
