// Limits of very many owners in one object: what is let go of from memory, stored, and forgotten when it is at rest changes
// no answer; every owner has its own; what is taken away is gone.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { NOTHING } from '../../src/core/limits/limits.ts'
import type { Limit, LimiterCall } from '../../src/core/limits/limits.ts'
import { USER_SHARDS, shardOf, sidePath, userText } from '../../src/core/limits/side-limits.ts'
import { chance } from '../support/chance.ts'
import { budget, rate, slots } from '../support/limiter-receiver.ts'
import { type SideReceiver, sideConfig, sideReceiver } from '../support/side-receiver.ts'

const START_MS = Date.UTC(2026, 2, 1, 23, 50)
const LIMITS: readonly Limit[] = [
  rate('requests', 20, 4),
  rate('tokens', 6_000, 500),
  slots(2),
  budget(100_000, 'hour'),
]
const FOR_ALL = [{ model: null, limits: LIMITS }]

/** Holders that ask for, settle and give back at random, each with its totals. */
function traffic(seed: number, steps: number): readonly { readonly message: LimiterCall; readonly nowMs: number }[] {
  const { below, pick } = chance(seed)
  const users = ['u1', 'u2', 'u3', 'u4/team_a', 'u5/team_a/key_b', 'u6', 'u6/key_b']
  const numbers = new Map<string, number>()
  const leases = new Map<string, { requests: number; tokens: number; nanoUsd: number; holder: string; user: string }>()
  const sent: { message: LimiterCall; nowMs: number }[] = []
  let nowMs = START_MS
  for (let step = 0; step < steps; step++) {
    nowMs += pick([5, 200, 3_000, 40_000, 400_000])
    const holder = pick(['h1', 'h2'])
    const number = (numbers.get(holder) ?? 0) + 1
    numbers.set(holder, number)
    const user = pick(users)
    const leaseId = `${holder}:${user}:${below(3)}`
    const isNew = !leases.has(leaseId)
    const total = leases.get(leaseId) ?? { requests: 0, tokens: 0, nanoUsd: 0, holder, user }
    leases.set(leaseId, total)
    total.requests += 1
    total.tokens += below(300)
    total.nanoUsd += below(20_000)
    const amounts = {
      ...NOTHING,
      ...{ requests: total.requests, tokens: total.tokens, inputTokens: total.tokens },
      slots: 1,
      nanoUsd: total.nanoUsd,
    }
    const isDone = below(3) === 0
    const report = {
      leaseId,
      keyId: user,
      settled: { ...amounts, slots: 0 },
      returned: { ...NOTHING, slots: 1 },
      isDone,
    }
    const want = {
      leaseId,
      isNew,
      path: sidePath(user, 'm'),
      need: amounts,
      target: amounts,
      first: amounts,
      unheardNanoUsd: 0,
    }
    const wants = below(4) === 0 ? [] : [want]
    sent.push({
      nowMs,
      message: {
        v: 2,
        tenantId: 't',
        holder,
        number,
        reports: wants.length === 0 ? [report] : [],
        admissions: [],
        chunks: [],
        wants,
      },
    })
  }
  return sent
}

/** Users, and users within teams and keys, that stand on these paths. */
function ownersOf(paths: ReadonlySet<string>): readonly string[] {
  const ids = [...paths].flatMap((id) => {
    const [user = '', ...within] = id.split('/')
    return [user, ...within.map((place) => `${user}/${place}`)]
  })
  return [...new Set(ids)].sort()
}

describe('an object with many owners', () => {
  test('answers as if it forgot nobody', () => {
    fc.assert(
      fc.property(fc.nat(), fc.subarray([...LIMITS], { minLength: 1 }), (seed, limits) => {
        const within = { team_a: FOR_ALL, key_b: [{ model: null, limits: [slots(1)] }] }
        const config = sideConfig([{ model: null, limits }], { within })
        const forgetful = sideReceiver(config, START_MS)
        const whole = sideReceiver(config, START_MS, false)
        const { below } = chance(seed + 1)
        for (const { message, nowMs } of traffic(seed, 150)) {
          expect(forgetful.call(message, nowMs)).toEqual(whole.call(message, nowMs))
          if (below(3) === 0) forgetful.prune(nowMs)
          if (below(3) === 0) forgetful.restart(nowMs)
          for (const each of [forgetful, whole]) if (below(2) === 0) each.expire(nowMs)
          const paths = new Set([...forgetful.side.authority.leases.values()].map(({ keyId }) => keyId))
          expect([...forgetful.side.paths.keys()].sort()).toEqual([...paths].map((id) => `key:${id}`).sort())
          expect([...forgetful.side.owners.keys()].sort()).toEqual(ownersOf(paths))
        }
      }),
      { numRuns: 250 },
    )
  })

  test('has nothing left of an owner once its buckets are full, its slots free and its windows over', () => {
    const end = sideReceiver(sideConfig(FOR_ALL), START_MS)
    let atMs = START_MS
    for (const { message, nowMs } of traffic(7, 200)) {
      end.call(message, nowMs)
      atMs = nowMs
    }
    expect(end.rows.size).toBe(6)
    end.expire(atMs + 3_600_000)
    end.expire(atMs + 7_200_000)
    end.prune(atMs + 8_000_000)
    expect(end.rows.size).toBe(0)
    expect(end.side.owners.size).toBe(0)
    expect(end.side.authority.gauges.size).toBe(0)
  })
})

const ask = (leaseId: string, user: string, amounts: Partial<typeof NOTHING>, number: number): LimiterCall => {
  const first = { ...NOTHING, requests: 1, ...amounts }
  const want = {
    leaseId,
    isNew: true,
    path: sidePath(user, 'm'),
    need: first,
    target: first,
    first,
    unheardNanoUsd: first.nanoUsd,
  }
  return { v: 2, tenantId: 't', holder: `h-${user}`, number, reports: [], admissions: [], chunks: [], wants: [want] }
}

const isGranted = (end: SideReceiver, message: LimiterCall, nowMs: number): boolean =>
  end.call(message, nowMs).grants.length === 1

describe('limits', () => {
  test('are each owner’s own', () => {
    const end = sideReceiver(sideConfig([{ model: null, limits: [rate('requests', 1, 1)] }]), START_MS)
    for (let user = 0; user < 50; user++) {
      expect(isGranted(end, ask(`l${user}`, `u${user}`, {}, 1), START_MS)).toBe(true)
      const again = end.call(ask(`m${user}`, `u${user}`, {}, 2), START_MS)
      expect(again.denials).toMatchObject([{ denial: { kind: 'rate', scope: 'user', unit: 'requests' } }])
    }
  })

  test('of an owner’s own come in place of the usual ones', () => {
    const own = { vip: [{ model: null, limits: [rate('requests', 100, 3)] }], free: [] }
    const end = sideReceiver(sideConfig([{ model: null, limits: [rate('requests', 1, 1)] }], { own }), START_MS)
    const granted = (user: string, requests: number): boolean =>
      isGranted(end, ask(`${user}${requests}`, user, { requests }, requests), START_MS)
    expect([
      granted('vip', 3),
      granted('vip', 4),
      granted('free', 1_000),
      granted('any', 1),
      granted('any', 2),
    ]).toEqual([true, false, true, true, false])
  })

  test('within a team and a key are asked together with the user’s own, by whatever key it comes', () => {
    const usual = [{ model: null, limits: [rate('requests', 1, 5)] }]
    const within = {
      team_a: [{ model: null, limits: [rate('requests', 1, 3)] }],
      key_b: [{ model: null, limits: [rate('requests', 1, 2)] }],
    }
    const end = sideReceiver(sideConfig(usual, { within }), START_MS)
    let count = 0
    const granted = (place: string): boolean => isGranted(end, ask(`l${++count}`, `u${place}`, {}, count), START_MS)
    const places = ['/team_a/key_b', '/team_a/key_b', '/team_a/key_b', '/team_a', '/team_a', '', '/key_c', '']
    expect(places.map(granted)).toEqual([true, true, false, true, false, true, true, false])
    expect([...end.rows.keys()].sort()).toEqual(['u', 'u/key_b', 'u/team_a'])
    end.configure(sideConfig([], { revision: 2, within: { key_b: within.key_b } }), START_MS)
    expect(['/team_a/key_b', '/team_a', ''].map(granted)).toEqual([false, true, true])
    expect([...end.rows.keys()]).toEqual(['u/key_b'])
  })

  test('that are taken away are gone, and an older configuration changes nothing', () => {
    const limited = sideConfig([{ model: null, limits: [rate('requests', 1, 1)] }])
    const end = sideReceiver(limited, START_MS)
    expect(isGranted(end, ask('a', 'u', {}, 1), START_MS)).toBe(true)
    expect(isGranted(end, ask('b', 'u', {}, 2), START_MS)).toBe(false)
    end.configure(sideConfig([], { revision: 2 }), START_MS)
    expect(isGranted(end, ask('c', 'u', {}, 3), START_MS)).toBe(true)
    end.configure(limited, START_MS)
    expect(isGranted(end, ask('d', 'u', {}, 4), START_MS)).toBe(true)
    const stale = end.call({ ...ask('a', 'u', {}, 5) }, START_MS)
    expect(stale.denials).toMatchObject([{ denial: { kind: 'stale-lease' } }])
  })

  test('that are raised take what was spent along', () => {
    const dollars = (nanoUsd: number, revision: number) =>
      sideConfig([{ model: null, limits: [budget(nanoUsd, 'day')] }], { revision })
    const end = sideReceiver(dollars(100, 1), START_MS)
    expect(isGranted(end, ask('a', 'u', { nanoUsd: 90 }, 1), START_MS)).toBe(true)
    end.configure(dollars(150, 2), START_MS)
    expect(isGranted(end, ask('b', 'u', { nanoUsd: 61 }, 2), START_MS)).toBe(false)
    expect(isGranted(end, ask('c', 'u', { nanoUsd: 60 }, 3), START_MS)).toBe(true)
  })

  test('of money keep what a dead holder may have spent, and book it after a day', () => {
    const end = sideReceiver(sideConfig([{ model: null, limits: [budget(100, 'month')] }]), START_MS)
    expect(isGranted(end, ask('a', 'u', { nanoUsd: 90 }, 1), START_MS)).toBe(true)
    const dayLater = START_MS + 86_500_000
    end.expire(START_MS + 60_000)
    expect(isGranted(end, ask('b', 'u', { nanoUsd: 80 }, 2), START_MS + 61_000)).toBe(false)
    end.expire(dayLater)
    end.prune(dayLater)
    expect(end.side.authority.leases.size).toBe(0)
    expect(end.rows.get('u')?.state).toContain('"heldNanoUsd":0')
    const spent: number = JSON.parse(end.rows.get('u')?.state ?? '').gauges[0].spentNanoUsd
    expect(spent).toBeGreaterThan(0)
    expect(isGranted(end, ask('c', 'u', { nanoUsd: 100 - spent + 1 }, 3), dayLater)).toBe(false)
    expect(isGranted(end, ask('d', 'u', { nanoUsd: 100 - spent }, 4), dayLater)).toBe(true)
  })
})

test('users are spread over all shares alike, and one user is always in the same', () => {
  const digest = (user: number): string => (user * 2_654_435_761).toString(16).padStart(64, '0').slice(-64)
  const hex = Array.from({ length: 6_400 }, (_, user) => digest(user).slice(-8) + 'f'.repeat(56))
  const counts = new Map<number, number>()
  for (const text of hex) counts.set(shardOf(text), (counts.get(shardOf(text)) ?? 0) + 1)
  expect(counts.size).toBe(USER_SHARDS)
  for (const shard of counts.keys()) expect(shard >= 0 && shard < USER_SHARDS).toBe(true)
  expect(userText('a', 'b')).not.toBe(userText('a\nb', ''))
})
