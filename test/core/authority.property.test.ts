// What the authority promises for one question at a time: all levels agree or none gives, and a refusal says how long to wait.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Counts, NOTHING, counted, plus } from '../../src/core/limits/amounts.ts'
import {
  type Authority,
  configure,
  expireDue,
  newAuthority,
  noteInFlight,
  takeReport,
} from '../../src/core/limits/authority.ts'
import { advance, resourceOf } from '../../src/core/limits/gauge.ts'
import { grant } from '../../src/core/limits/grant.ts'
import type { Amounts, LeaseWant, Limit, LimiterNode } from '../../src/core/limits/limits.ts'
import { configOf, node, outOf } from '../support/limiter-receiver.ts'
import { chance } from '../support/chance.ts'
import { anyLimits } from '../support/world-limits.ts'

const NOW_MS = Date.UTC(2026, 4, 4, 12)
const TTL_MS = 30_000
const TIME = { nowMs: NOW_MS, ttlMs: TTL_MS }
const PATH = { tenantId: 't', teamId: 'team', keyId: 'k1', model: 'tide-1' }

const amounts: fc.Arbitrary<Counts> = fc
  .record({
    requests: fc.constant(1),
    inputTokens: fc.nat(900),
    outputTokens: fc.nat(900),
    slots: fc.constant(1),
    nanoUsd: fc.nat(1_500),
  })
  .map(counted)

function authorityOf(nodes: readonly LimiterNode[]): Authority {
  const authority = newAuthority(configOf([], 0))
  configure(authority, configOf(nodes), NOW_MS)
  return authority
}

/** Every kind of limit at every level, models included. */
const trees = fc
  .tuple(fc.integer(), fc.boolean())
  .map(([seed, isTight]) => anyLimits(chance(seed), { units: 700, slots: 3, isTight }, NOW_MS))

/** So much and nothing else. */
function only(parts: Partial<Amounts>): Counts {
  return counted({ ...NOTHING, ...parts })
}

/** Counted as input. */
function ofTokens(tokens: number, nanoUsd = 0): Counts {
  return only({ inputTokens: tokens, nanoUsd })
}

function ask(leaseId: string, need: Counts, target = need): LeaseWant {
  return { leaseId, isNew: true, path: PATH, need, target, first: need, unheardNanoUsd: need.nanoUsd }
}

/** Balances as they stand at `nowMs`, refill included. */
function balances(authority: Authority, nowMs: number): unknown {
  return [...authority.gauges.values()].map((gauge) => {
    const copy = structuredClone(gauge)
    advance(copy, authority.config.timeZone, nowMs)
    // A refusal may well give an alert.
    return copy.kind === 'budget' ? { ...copy, alertedPercent: [] } : copy
  })
}

/** Without increases: one that runs out may well keep out what another limit would have let in. */
function ratesOf(limits: readonly Limit[]): readonly Limit[] {
  return limits.filter(({ kind }) => kind === 'rate').map((limit) => ({ ...limit, increase: null }))
}

describe('a question to the authority', () => {
  test('takes the same from every level, or nothing from any', () => {
    fc.assert(
      fc.property(trees, fc.array(fc.tuple(amounts, fc.nat(3_000)), { maxLength: 9 }), (nodes, asked) => {
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
          granted = plus(granted, need)
        }
        for (const gauge of authority.gauges.values()) {
          const lease = [...authority.leases.values()].find(({ charged }) => charged[gauge.id] !== undefined)
          expect(outOf(gauge)).toBe(lease === undefined ? 0 : granted[resourceOf(gauge)])
        }
      }),
      { numRuns: 500 },
    )
  })

  test('that is refused for a rate succeeds after the wait that it was told, and not a millisecond before', () => {
    fc.assert(
      fc.property(trees, amounts, amounts, fc.nat(60_000), (nodes, used, wanted, agoMs) => {
        const rated = nodes.map((level) => ({ ...level, limits: ratesOf(level.limits) }))
        const authority = authorityOf(rated)
        grant(authority, 'h', ask('h:1', used), TIME)
        takeReport(authority, { leaseId: 'h:1', keyId: 'k1', settled: used, returned: NOTHING, isDone: true }, TIME)
        const want = ask('h:2', wanted)
        const nowMs = NOW_MS + agoMs
        const answer = grant(authority, 'h', want, { nowMs, ttlMs: TTL_MS })
        if (!('denial' in answer) || answer.denial.kind !== 'rate' || answer.denial.retryAfterMs === null) return
        const early = nowMs + answer.denial.retryAfterMs - 1
        expect(grant(authority, 'h', want, { nowMs: early, ttlMs: TTL_MS })).toHaveProperty('denial')
        expect(grant(authority, 'h', want, { nowMs: early + 1, ttlMs: TTL_MS })).toHaveProperty('grant')
      }),
      { numRuns: 2_000 },
    )
  })

  test('grants a lease to the end of its shortest budget window at most', () => {
    const budget = { amountNanoUsd: 1_000, period: 'day' as const }
    const authority = authorityOf([
      node('tenant', 't', { budget }),
      node('key', 'k1', { budget: { ...budget, period: 'hour' } }),
    ])
    const nowMs = Date.UTC(2026, 4, 4, 12, 59, 50)
    const answer = grant(authority, 'h', ask('h:1', ofTokens(0, 1)), { nowMs, ttlMs: TTL_MS })
    expect(answer).toMatchObject({ grant: { ttlMs: 10_000 } })
  })

  test('shares what is there: one holder gets at most half of it ahead of need', () => {
    const authority = authorityOf([node('tenant', 't', { budget: { amountNanoUsd: 1_000, period: 'day' } })])
    const time = { nowMs: NOW_MS, ttlMs: TTL_MS }
    const want = ask('a:1', ofTokens(0, 10), ofTokens(0, 5_000))
    expect(grant(authority, 'a', want, time)).toMatchObject({ grant: { granted: { nanoUsd: 500 } } })
    expect(grant(authority, 'b', { ...want, leaseId: 'b:1' }, time)).toMatchObject({
      grant: { granted: { nanoUsd: 125 } },
    })
  })

  test('finds what a bucket refilled since a lease expired, not what it would have before', () => {
    const authority = authorityOf([node('tenant', 't', { tokensPerMinute: 60 })])
    grant(authority, 'h', ask('h:1', ofTokens(60)), { nowMs: NOW_MS, ttlMs: TTL_MS })
    const nowMs = NOW_MS + TTL_MS + 20_000
    expireDue(authority, nowMs)
    const time = { nowMs, ttlMs: TTL_MS }
    expect(grant(authority, 'h', ask('h:2', ofTokens(21)), time)).toHaveProperty('denial')
    expect(grant(authority, 'h', ask('h:2', ofTokens(20)), time)).toHaveProperty('grant')
  })

  test.each([0, 30_000, 7_200_000])(
    'leaves alone what was in flight under a dead lease, noticed %i ms late',
    (lateMs) => {
      const authority = authorityOf([node('tenant', 't', { budget: { amountNanoUsd: 1_000, period: 'month' } })])
      const want = { ...ask('dead:1', ofTokens(0, 900)), unheardNanoUsd: 450 }
      const given = grant(authority, 'dead', want, { nowMs: NOW_MS, ttlMs: TTL_MS })
      const nowMs = NOW_MS + TTL_MS + lateMs
      for (const { id } of expireDue(authority, nowMs)) noteInFlight(authority, id, 300)
      const laterMs = nowMs + 60_000
      expireDue(authority, laterMs)
      // What could be reserved unheard of stays held, too.
      const free = 700 - ('grant' in given ? given.grant.blindNanoUsd : 0)
      const again = (nanoUsd: number) =>
        grant(authority, 'h', ask('h:1', ofTokens(0, nanoUsd)), { nowMs: laterMs, ttlMs: 1 })
      expect(again(free + 1)).toHaveProperty('denial')
      expect(again(free)).toHaveProperty('grant')
    },
  )

  test('under a lease that is gone is told to open another, so that nothing is charged twice', () => {
    const authority = authorityOf([node('tenant', 't', { tokensPerMinute: 1_000 })])
    const time = { nowMs: NOW_MS, ttlMs: TTL_MS }
    grant(authority, 'h', ask('h:1', ofTokens(100)), time)
    expireDue(authority, NOW_MS + TTL_MS)
    const again = { ...ask('h:1', ofTokens(200)), isNew: false }
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
    const want = ask('h:1', ofTokens(600, 600))
    expect(grant(authority, 'h', want, { nowMs: first, ttlMs: TTL_MS })).toHaveProperty('grant')
    for (const [index, version] of versions.entries()) {
      configure(authority, configOf([node('tenant', 't', version)], index + 1), first)
    }
    const settled = ofTokens(200, 200)
    takeReport(
      authority,
      { leaseId: 'h:1', keyId: 'k1', settled, returned: NOTHING, isDone: true },
      { nowMs: first, ttlMs: TTL_MS },
    )
    expect([...authority.gauges.values()]).toHaveLength(1)
    for (const gauge of authority.gauges.values()) {
      if (gauge.kind === 'budget') expect(gauge).toMatchObject({ spentNanoUsd: 0, heldNanoUsd: 0 })
      else expect(gauge).toMatchObject({ bucket: { level: 1_000, outstanding: 0 } })
    }
  })

  test('by an older revision changes nothing', () => {
    const authority = authorityOf([node('tenant', 't', { tokensPerMinute: 5 })])
    configure(authority, configOf([], 0), NOW_MS)
    expect(authority.gauges.size).toBe(1)
  })

  test('refills at the old rate until it takes effect, at the new one from then on', () => {
    const authority = authorityOf([node('tenant', 't', { tokensPerMinute: 60, burstTokens: 1_000 })])
    const time = { nowMs: NOW_MS, ttlMs: TTL_MS }
    grant(authority, 'h', ask('h:1', ofTokens(1_000)), time)
    const settled = ofTokens(1_000)
    takeReport(authority, { leaseId: 'h:1', keyId: 'k1', settled, returned: NOTHING, isDone: true }, TIME)
    const faster = [node('tenant', 't', { tokensPerMinute: 60_000, burstTokens: 1_000 })]
    configure(authority, configOf(faster, 2), NOW_MS + 60_000)
    expect(authority.gauges.get('tenant:t#tokens')).toMatchObject({ bucket: { level: 60 } })
  })
})
