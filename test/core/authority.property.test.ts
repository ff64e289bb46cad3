// What the authority promises for one question at a time: all levels agree or none gives, and a refusal says how long to wait.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Authority, configure, expireDue, newAuthority, takeReport } from '../../src/core/authority.ts'
import { grant } from '../../src/core/grant.ts'
import { type Amounts, type LeaseWant, type LimiterConfig, type LimiterNode, NOTHING } from '../../src/core/limits.ts'
import { refilled } from '../../src/core/token-bucket.ts'
import { bucketRule } from '../../src/core/authority.ts'
import { node } from '../support/limiter-receiver.ts'

const NOW_MS = Date.UTC(2026, 4, 4, 12)
const TTL_MS = 30_000
const PATH = { tenantId: 't', teamId: 'm', keyId: 'k' }

const limits = fc.record({
  tokensPerMinute: fc.option(fc.integer({ min: 1, max: 2_000 })),
  burstTokens: fc.option(fc.integer({ min: 1, max: 2_000 })),
  budget: fc.option(
    fc.record({
      amountNanoUsd: fc.integer({ min: 1, max: 2_000 }),
      period: fc.constantFrom('hour' as const, 'day' as const, 'week' as const, 'month' as const),
    }),
  ),
})
const amounts: fc.Arbitrary<Amounts> = fc.record({ tokens: fc.nat(1_500), nanoUsd: fc.nat(1_500) })

function configOf(nodes: readonly LimiterNode[], revision = 1): LimiterConfig {
  return { revision, timeZone: 'UTC', nodes, revokedKeyIds: [] }
}

function authorityOf(nodes: readonly LimiterNode[]): Authority {
  const authority = newAuthority(configOf([], 0))
  configure(authority, configOf(nodes), NOW_MS)
  return authority
}

const trees = fc
  .tuple(limits, limits, limits)
  .map(([tenant, team, key]) => [node('tenant', 't', tenant), node('team', 'm', team), node('key', 'k', key)])

function ask(leaseId: string, need: Amounts, target = need): LeaseWant {
  return { leaseId, isNew: true, path: PATH, need, target, first: need }
}

/** Balances as they stand at `nowMs`, refill included. */
function balances(authority: Authority, nowMs: number): unknown {
  return [...authority.nodes.values()].map((state) => {
    const rule = bucketRule(state.node)
    const bucket = state.bucket === null || rule === null ? null : refilled(state.bucket, rule, nowMs)
    return { bucket, spent: state.spentNanoUsd, held: state.heldNanoUsd, window: state.window }
  })
}

describe('a question to the authority', () => {
  test('takes the same from every level, or nothing from any', () => {
    fc.assert(
      fc.property(trees, fc.array(fc.tuple(amounts, fc.nat(5_000)), { maxLength: 12 }), (nodes, asked) => {
        const authority = authorityOf(nodes)
        let nowMs = NOW_MS
        let granted = NOTHING
        for (const [index, [need, waitMs]] of asked.entries()) {
          nowMs += waitMs
          const before = balances(authority, nowMs)
          const leases = authority.leases.size
          const answer = grant(authority, 'h', ask(`h:${index}`, need), { nowMs, ttlMs: TTL_MS })
          if ('denial' in answer) {
            expect(balances(authority, nowMs)).toEqual(before)
            expect(authority.leases.size).toBe(leases)
            continue
          }
          expect(answer.grant.granted).toEqual(need)
          granted = { tokens: granted.tokens + need.tokens, nanoUsd: granted.nanoUsd + need.nanoUsd }
        }
        for (const state of authority.nodes.values()) {
          if (state.bucket !== null) expect(state.bucket.outstanding).toBe(granted.tokens)
          if (state.window !== null) expect(state.heldNanoUsd).toBe(granted.nanoUsd)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('that is refused for its rate succeeds after the wait that it was told, and not a millisecond before', () => {
    fc.assert(
      fc.property(trees, amounts, fc.nat(60_000), (nodes, used, agoMs) => {
        const rated = nodes.map((level) => ({ ...level, budget: null }))
        const authority = authorityOf(rated)
        const time = { nowMs: NOW_MS, ttlMs: TTL_MS }
        const most = Math.min(used.tokens, ...rated.map((level) => level.burstTokens ?? level.tokensPerMinute ?? 1e9))
        grant(authority, 'h', ask('h:1', { tokens: most, nanoUsd: 0 }), time)
        const spent = { tokens: most, nanoUsd: 0 }
        takeReport(authority, { leaseId: 'h:1', keyId: 'k', settled: spent, returned: NOTHING, isDone: true }, NOW_MS)
        const want = ask('h:2', { tokens: Math.max(1, used.nanoUsd), nanoUsd: 0 })
        const nowMs = NOW_MS + agoMs
        const answer = grant(authority, 'h', want, { nowMs, ttlMs: TTL_MS })
        if (!('denial' in answer) || answer.denial.kind !== 'rate' || answer.denial.retryAfterMs === null) return
        const early = nowMs + answer.denial.retryAfterMs - 1
        expect(grant(authority, 'h', want, { nowMs: early, ttlMs: TTL_MS })).toHaveProperty('denial')
        expect(grant(authority, 'h', want, { nowMs: early + 1, ttlMs: TTL_MS })).toHaveProperty('grant')
      }),
      { numRuns: 1_000 },
    )
  })

  test('grants a lease to the end of its shortest budget window at most', () => {
    const budget = { amountNanoUsd: 1_000, period: 'day' as const }
    const authority = authorityOf([
      node('tenant', 't', { budget }),
      node('key', 'k', { budget: { ...budget, period: 'hour' } }),
    ])
    const nowMs = Date.UTC(2026, 4, 4, 12, 59, 50)
    const answer = grant(authority, 'h', ask('h:1', { tokens: 0, nanoUsd: 1 }), { nowMs, ttlMs: TTL_MS })
    expect(answer).toMatchObject({ grant: { ttlMs: 10_000 } })
  })

  test('shares what is there: one holder gets at most half of it ahead of need', () => {
    const authority = authorityOf([node('tenant', 't', { budget: { amountNanoUsd: 1_000, period: 'day' } })])
    const time = { nowMs: NOW_MS, ttlMs: TTL_MS }
    const want = ask('a:1', { tokens: 0, nanoUsd: 10 }, { tokens: 0, nanoUsd: 5_000 })
    expect(grant(authority, 'a', want, time)).toMatchObject({ grant: { granted: { nanoUsd: 500 } } })
    expect(grant(authority, 'b', { ...want, leaseId: 'b:1' }, time)).toMatchObject({
      grant: { granted: { nanoUsd: 125 } },
    })
  })

  test('finds what a bucket refilled since a lease expired, not what it would have before', () => {
    const authority = authorityOf([node('tenant', 't', { tokensPerMinute: 60 })])
    grant(authority, 'h', ask('h:1', { tokens: 60, nanoUsd: 0 }), { nowMs: NOW_MS, ttlMs: TTL_MS })
    const nowMs = NOW_MS + TTL_MS + 20_000
    expireDue(authority, nowMs)
    const time = { nowMs, ttlMs: TTL_MS }
    expect(grant(authority, 'h', ask('h:2', { tokens: 21, nanoUsd: 0 }), time)).toHaveProperty('denial')
    expect(grant(authority, 'h', ask('h:2', { tokens: 20, nanoUsd: 0 }), time)).toHaveProperty('grant')
  })

  test('under a lease that is gone is told to open another, so that nothing is charged twice', () => {
    const authority = authorityOf([node('tenant', 't', { tokensPerMinute: 1_000 })])
    const time = { nowMs: NOW_MS, ttlMs: TTL_MS }
    grant(authority, 'h', ask('h:1', { tokens: 100, nanoUsd: 0 }), time)
    expireDue(authority, NOW_MS + TTL_MS)
    const again = { ...ask('h:1', { tokens: 200, nanoUsd: 0 }), isNew: false }
    expect(grant(authority, 'h', again, time)).toEqual({ denial: { kind: 'stale-lease' } })
  })
})

describe('a change of limits', () => {
  const day = { amountNanoUsd: 1_000, period: 'day' as const }
  const month = { amountNanoUsd: 1_000, period: 'month' as const }
  const first = Date.UTC(2026, 4, 1, 12)

  test.each([
    ['a budget of another period that begins at the same instant', [{ budget: day }, { budget: month }]],
    ['a budget that was taken away and set again', [{ budget: day }, {}, { budget: day }]],
    ['a bucket that was taken away and set again', [{ tokensPerMinute: 1_000 }, {}, { tokensPerMinute: 1_000 }]],
  ] as const)('owes nothing to leases from before: %s', (_, versions) => {
    const authority = newAuthority(configOf([], 0))
    configure(authority, configOf([node('tenant', 't', versions[0])], 1), first)
    const want = ask('h:1', { tokens: 600, nanoUsd: 600 })
    expect(grant(authority, 'h', want, { nowMs: first, ttlMs: TTL_MS })).toHaveProperty('grant')
    for (const [index, version] of versions.entries()) {
      configure(authority, configOf([node('tenant', 't', version)], index + 1), first)
    }
    const settled = { tokens: 200, nanoUsd: 200 }
    takeReport(authority, { leaseId: 'h:1', keyId: 'k', settled, returned: NOTHING, isDone: true }, first)
    const state = authority.nodes.get('tenant:t')
    expect(state).toMatchObject({ spentNanoUsd: 0, heldNanoUsd: 0 })
    if (state?.bucket !== null) expect(state?.bucket).toMatchObject({ level: 1_000, outstanding: 0 })
  })

  test('by an older revision changes nothing', () => {
    const authority = authorityOf([node('tenant', 't', { tokensPerMinute: 5 })])
    configure(authority, configOf([], 0), NOW_MS)
    expect(authority.nodes.size).toBe(1)
  })

  test('refills at the old rate until it takes effect, at the new one from then on', () => {
    const authority = authorityOf([node('tenant', 't', { tokensPerMinute: 60, burstTokens: 1_000 })])
    const time = { nowMs: NOW_MS, ttlMs: TTL_MS }
    grant(authority, 'h', ask('h:1', { tokens: 1_000, nanoUsd: 0 }), time)
    const settled = { tokens: 1_000, nanoUsd: 0 }
    takeReport(authority, { leaseId: 'h:1', keyId: 'k', settled, returned: NOTHING, isDone: true }, NOW_MS)
    const faster = [node('tenant', 't', { tokensPerMinute: 60_000, burstTokens: 1_000 })]
    configure(authority, configOf(faster, 2), NOW_MS + 60_000)
    expect(authority.nodes.get('tenant:t')?.bucket?.level).toBe(60)
  })
})
