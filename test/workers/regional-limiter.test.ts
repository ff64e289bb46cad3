// A tenant's limits lent by objects near its isolates, on real objects and their storage: a budget holds over regions and
// restarts, events arrive once, and what the tenant's limiter has to say comes through.
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { RegionalOffice } from '../../durable-objects/regional-office.ts'
import type { RegionalLimiter } from '../../durable-objects/regional-limiter.ts'
import type { TenantLimiter } from '../../durable-objects/tenant-limiter.ts'
import { counted } from '../../src/core/limits/amounts.ts'
import {
  type AdmissionRecord,
  LIMITS_VERSION,
  type LeaseReport,
  type LeaseWant,
  type LimiterCall,
  type LimiterNode,
  NOTHING,
} from '../../src/core/limits/limits.ts'
import { type HealthNews, breakerNews } from '../../src/core/health/health-news.ts'
import type { Region } from '../../src/core/region.ts'
import { SwitchBoard } from '../../src/core/switches.ts'
import { packEvent } from '../../src/core/money/usage-event.ts'
import { leasedLimiter } from '../../src/platform/limiter.ts'
import { isAdmitted } from '../../src/ports.ts'
import { booksOf } from '../support/limiter-books.ts'
import { budget, configOf, node } from '../support/limiter-receiver.ts'
import { usageEvent } from '../support/usage-events.ts'
import { WAIT_MS } from '../support/patience.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env {
      TENANT_LIMITER: DurableObjectNamespace<TenantLimiter>
      REGIONAL_LIMITER: DurableObjectNamespace<RegionalLimiter>
    }
  }
}

afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const tenantOf = (name: string) => env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(name))
const regionOf = (place: string, name: string) =>
  env.REGIONAL_LIMITER.get(env.REGIONAL_LIMITER.idFromName(`${place}/${name}`))
const pathOf = (tenantId: string) => ({ tenantId, teamId: null, keyId: 'k', model: 'm' })
async function tenant(name: string, ...limits: readonly LimiterNode['limits'][number][]): Promise<void> {
  await tenantOf(name).configure(configOf([node('tenant', name, { more: limits })]))
}

/** An isolate that says what it is told to. */
function teller(tenantId: string, holder: string) {
  let number = 0
  return {
    says(more: Partial<LimiterCall>): LimiterCall {
      number += 1
      const head = { v: LIMITS_VERSION, tenantId, holder, number } as const
      return { ...head, reports: [], admissions: [], chunks: [], wants: [], ...more }
    },
    /** So much money is to be had under the lease of that number. */
    wants(nanoUsd: number, lease = 1, more: Partial<LimiterCall> = {}): LimiterCall {
      const need = counted({ ...NOTHING, requests: 1, slots: 1, nanoUsd })
      const leaseId = `${holder}:${lease}`
      const want: LeaseWant = {
        leaseId,
        isNew: true,
        path: pathOf(tenantId),
        need,
        target: need,
        first: need,
        unheardNanoUsd: 0,
      }
      return this.says({ wants: [want], ...more })
    },
    reports(settledNanoUsd: number, isDone: boolean, lease = 1): LeaseReport {
      const settled = { ...NOTHING, nanoUsd: settledNanoUsd }
      return { leaseId: `${holder}:${lease}`, keyId: 'k', settled, returned: NOTHING, isDone, blindNanoUsd: 0 }
    },
  }
}

function admission(id: string, leaseId: string, nanoUsd: number): AdmissionRecord {
  return { id: `${id}#1`, leaseId, reserved: { ...NOTHING, nanoUsd }, event: packEvent(usageEvent(id)) }
}

function chunk(at: number, id: string, costNanoUsd: number) {
  return { from: at, to: at, events: `[${packEvent(usageEvent(id, { costNanoUsd }))}]`, settles: [`${id}#1`] }
}

/** What the tenant's outbox holds. */
function eventsOf(name: string): Promise<readonly unknown[]> {
  return runInDurableObject(tenantOf(name), (_, { storage: { sql } }) => {
    return booksOf(sql).events.filter((event) => !('kind' in event) || event.kind !== 'threshold')
  })
}

async function moneyOf(name: string): Promise<{ readonly spent: number; readonly held: number }> {
  const { nodes } = await tenantOf(name).live()
  return { spent: nodes[0]?.spentNanoUsd ?? 0, held: nodes[0]?.heldNanoUsd ?? 0 }
}

/** A region whose way to the tenant's limiter may be cut, before it or after, and that starts anew as often as one likes. */
interface Bench {
  way: 'open' | 'cut before' | 'cut after'
  /** Messages that it has sent. */
  readonly sent: (readonly LimiterCall[])[]
  /** Whatever it was telling has been told. */
  settled(): Promise<void>
  /** Starts it anew: what it was before hears no answer any more. */
  start(): RegionalOffice
}

function withRegion(name: string, run: (bench: Bench) => Promise<void>): Promise<void> {
  vi.spyOn(console, 'warn').mockReturnValue()
  return runInDurableObject(regionOf('near', name), async (_, { storage }) => {
    let lives = 0
    let underWay = 0
    const relayOf = (life: number) => async (messages: readonly LimiterCall[]) => {
      underWay += 1
      try {
        return await relayed(life, messages)
      } finally {
        underWay -= 1
      }
    }
    const relayed = async (life: number, messages: readonly LimiterCall[]) => {
      bench.sent.push(structuredClone(messages))
      if (bench.way === 'cut before') throw new Error('cut')
      const replies = await tenantOf(name).relay(messages)
      if (bench.way === 'cut after') throw new Error('cut')
      if (life !== lives) throw new Error('dead')
      return replies
    }
    const start = (): RegionalOffice => {
      lives += 1
      const relay = relayOf(lives)
      return new RegionalOffice({ storage, limiterOf: () => ({ relay }), ttlMs: 30_000 }, Date.now())
    }
    const settled = () => vi.waitFor(() => expect(underWay).toBe(0), { timeout: WAIT_MS, interval: 5 })
    const bench: Bench = { way: 'open', sent: [], settled, start }
    await run(bench)
  })
}

/** Time goes on by so much, for everybody. */
function wait(ms: number): void {
  const nowMs = Date.now() + ms
  vi.useFakeTimers({ toFake: ['Date'], now: nowMs })
}

describe('a region', () => {
  it('lends what it has without asking, and asks for what it lacks', async () => {
    await tenant('ten_lends', budget(1_000_000, 'month'))
    await withRegion('ten_lends', async ({ sent, start }) => {
      const office = start()
      const [a, b] = [teller('ten_lends', 'a'), teller('ten_lends', 'b')]
      expect((await office.call(a.wants(1_000))).grants).toMatchObject([{ leaseId: 'a:1', limited: { nanoUsd: true } }])
      expect(sent).toHaveLength(1)
      expect((await office.call(b.wants(1_000))).grants).toMatchObject([{ leaseId: 'b:1', patterns: [] }])
      expect(sent).toHaveLength(1)
      const denied = await office.call(b.wants(2_000_000, 2))
      expect(denied.denials).toMatchObject([{ leaseId: 'b:2', denial: { kind: 'budget', retryAfterMs: null } }])
      expect(sent).toHaveLength(2)
      // What others ask for is judged by itself.
      const [large, small] = await Promise.all([office.call(a.wants(2_000_000, 2)), office.call(b.wants(1_500, 3))])
      expect([large.denials, small.grants]).toMatchObject([[{ leaseId: 'a:2' }], [{ leaseId: 'b:3' }]])
    })
  })

  it('passes on what its isolates have found out about targets, also to other regions’ isolates of the same continent', async () => {
    await tenant('ten_news', budget(1_000_000, 'month'))
    const [near, far] = [regionOf('near', 'ten_news'), regionOf('far', 'ten_news')]
    const finding = breakerNews('t', 'eu', { kind: 'open', untilMs: Date.now() + 5_000, epoch: 1 }, Date.now())
    const talk = (news: readonly HealthNews[], region: Region = 'eu') => ({ health: { region, seen: 0, news } })
    const told = await near.call(teller('ten_news', 'a').wants(1_000, 1, talk([finding])))
    expect(told.health?.news, 'who told it').toEqual([])
    const news = [{ ...finding, untilMs: expect.any(Number) }]
    const heard = async (region: typeof near, holder: string, from?: Region) =>
      (await region.call(teller('ten_news', holder).wants(1_000, 1, talk([], from)))).health?.news
    expect(await heard(near, 'b')).toEqual(news)
    expect(await heard(far, 'c'), 'with its first lease').toEqual(news)
    expect((await heard(far, 'd', 'am')) ?? []).toEqual([])
    const { news: whole } = (await tenantOf('ten_news').call(teller('ten_news', 'e').says(talk([])))).health ?? {}
    expect(whole).toEqual(news)
  })

  it('that starts anew knows what it lent, and what was settled of it: no nano-USD is lent twice', async () => {
    await tenant('ten_anew', budget(10_000, 'month'))
    await withRegion('ten_anew', async ({ start }) => {
      const isolates = ['a', 'b', 'c', 'd'].map((holder) => teller('ten_anew', holder))
      let granted = 0
      for (const isolate of isolates) {
        const { grants } = await start().call(isolate.wants(2_000))
        granted += grants[0]?.granted.nanoUsd ?? 0
        await start().call(isolate.says({ reports: [isolate.reports(2_000, true)] }))
      }
      expect(granted).toBe(8_000)
      const last = teller('ten_anew', 'e')
      expect((await start().call(last.wants(2_001))).denials).toMatchObject([{ denial: { kind: 'budget' } }])
      expect((await start().call(last.wants(2_000, 2))).grants).toHaveLength(1)
      await start().call(last.says({ reports: [last.reports(2_000, true, 2)] }))
      await start().alarm()
      expect(await moneyOf('ten_anew')).toEqual({ spent: 10_000, held: 0 })
    })
  })

  it('whose tenant’s limiter is away lends what it has until its lease ends, and then nothing; and goes on when it is back', async () => {
    await tenant('ten_away', budget(1_000_000, 'month'))
    await withRegion('ten_away', async (bench) => {
      const office = bench.start()
      const isolate = teller('ten_away', 'a')
      await office.call(isolate.wants(1_000))
      bench.way = 'cut before'
      wait(14_000)
      expect((await office.call(isolate.wants(1_000, 2))).grants).toMatchObject([{ leaseId: 'a:2' }])
      wait(14_000)
      expect((await office.call(isolate.wants(1_000, 3))).grants[0]?.ttlMs).toBeLessThan(2_000)
      wait(2_000)
      await expect(office.call(isolate.wants(1_000, 4))).rejects.toThrow('out of reach')
      await expect(office.call(isolate.says({}))).resolves.toMatchObject({ grants: [] })
      bench.way = 'open'
      wait(1_000)
      expect((await office.call(isolate.wants(1_000, 5))).grants).toMatchObject([{ leaseId: 'a:5' }])
    })
  })

  it('gives back what nobody wants any more, by itself', async () => {
    await tenant('ten_rests', budget(1_000_000, 'month'))
    const isolate = teller('ten_rests', 'a')
    const region = regionOf('near', 'ten_rests')
    await region.call(isolate.wants(1_000))
    await region.call(isolate.says({ reports: [isolate.reports(700, true)] }))
    expect((await moneyOf('ten_rests')).held).toBeGreaterThan(0)
    wait(11_000)
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(region)
      expect(await moneyOf('ten_rests')).toEqual({ spent: 700, held: 0 })
    }, WAIT_MS)
    expect(await runDurableObjectAlarm(region), 'there is nothing more to see to').toBe(false)
  })
})

describe('what isolates tell a region', () => {
  it('arrives once, whether the way is cut before or after, the region starts anew, or the isolate says it again', async () => {
    const name = 'ten_events'
    await tenant(name, budget(1_000_000, 'month'))
    await withRegion(name, async (bench) => {
      const isolate = teller(name, 'a')
      let office = bench.start()
      await office.call(isolate.wants(5_000))
      let acknowledged = 0
      const owed: ReturnType<typeof chunk>[] = []
      const owing = () => owed.filter(({ to }) => to > acknowledged)
      for (const [index, way] of (['cut before', 'cut after', 'open', 'cut after', 'open'] as const).entries()) {
        const id = `${name}-${index}`
        bench.way = way
        const told = isolate.says({ admissions: [admission(id, 'a:1', 500)], chunks: owing() })
        acknowledged = (await office.call(told)).acknowledged
        await bench.settled()
        owed.push(chunk(index + 1, id, 400))
        acknowledged = (await office.call(isolate.says({ chunks: owing() }))).acknowledged
        await bench.settled()
        if (index % 2 === 1) office = bench.start()
        wait(1_500)
      }
      await office.call(isolate.says({ chunks: owed, reports: [isolate.reports(2_000, true)] }))
      await bench.settled()
      expect((await office.call(isolate.says({}))).acknowledged).toBe(5)
      expect(await eventsOf(name)).toMatchObject(
        [0, 1, 2, 3, 4].map((index) => ({ requestId: `${name}-${index}`, costNanoUsd: 400 })),
      )
      expect(await tenantOf(name).inFlight(9)).toEqual([])
    })
  })

  it('is acknowledged when the tenant’s limiter has it and not before', async () => {
    const name = 'ten_acks'
    await withRegion(name, async (bench) => {
      const isolate = teller(name, 'a')
      const office = bench.start()
      bench.way = 'cut before'
      expect((await office.call(isolate.says({ chunks: [chunk(1, 'r', 1)] }))).acknowledged).toBe(0)
      await bench.settled()
      wait(1_500)
      bench.way = 'open'
      expect((await office.call(isolate.says({ chunks: [chunk(1, 'r', 1)] }))).acknowledged).toBe(0)
      await bench.settled()
      expect((await office.call(isolate.says({}))).acknowledged).toBe(1)
    })
  })

  it('of an attempt that never ends is booked once, though the region dies with it; its money stays held', async () => {
    const name = 'ten_dead'
    await tenant(name, budget(10_000, 'month'))
    await withRegion(name, async (bench) => {
      const isolate = teller(name, 'a')
      await bench.start().call(isolate.wants(8_000))
      await bench.settled()
      bench.way = 'cut before'
      // The region has it, and nobody else.
      await bench
        .start()
        .call(isolate.says({ reports: [isolate.reports(0, false)], admissions: [admission('lost', 'a:1', 3_000)] }))
      bench.way = 'open'
      const office = bench.start()
      await office.alarm()
      expect(await tenantOf(name).inFlight(9)).toMatchObject([{ id: 'lost#1' }])
      wait(31_000)
      await office.alarm()
      await runDurableObjectAlarm(tenantOf(name))
      expect(await eventsOf(name)).toMatchObject([{ requestId: 'lost', ending: 'lost', costNanoUsd: 3_000 }])
      wait(21_000)
      await office.alarm()
      expect(await moneyOf(name), 'all but what it was known to have reserved').toEqual({ spent: 3_000, held: 0 })
      const other = teller(name, 'b')
      expect((await office.call(other.wants(7_001))).denials).toHaveLength(1)
      expect((await office.call(other.wants(7_000, 2))).grants).toHaveLength(1)
      // It was alive after all.
      const late = { chunks: [chunk(1, 'lost', 2_000)], reports: [isolate.reports(2_000, true)] }
      await office.call(isolate.says(late))
      await bench.settled()
      expect(await eventsOf(name)).toMatchObject([{ ending: 'lost' }, { kind: 'adj', costNanoUsd: -1_000 }])
    })
  })
})

describe('what the tenant’s limiter has to say', () => {
  it('comes through a region: revocations, switches, cancellations and changed limits', async () => {
    const name = 'ten_told'
    await tenant(name, budget(1_000_000, 'month'))
    await withRegion(name, async (bench) => {
      const isolate = teller(name, 'a')
      const office = bench.start()
      await office.call(isolate.wants(5_000, 1))
      await office.call(isolate.says({ admissions: [admission('r', 'a:1', 500)] }))
      await bench.settled()
      expect(await tenantOf(name).cancel('r')).toBe(true)
      await tenantOf(name).takeSwitches({ revision: 5, off: { model: ['m'] } })
      const secretEnds = [{ keyId: 'k', mark: 'm', untilMs: 5 }]
      const limited = configOf([node('tenant', name, { more: [budget(7_000, 'month')] })], 2)
      await tenantOf(name).configure({ ...limited, secretEnds })
      await tenantOf(name).revoke('k')
      const tells = { reports: [isolate.reports(0, false)], switchesSeen: 1 }
      expect((await office.call(isolate.says(tells))).cancelled, 'nobody has asked yet').toBeUndefined()
      wait(3_000)
      const news = {
        cancelled: ['r#1'],
        switches: { revision: 5 },
        revokedKeyIds: ['k'],
        secretEnds,
        closedLeases: ['a:1'],
      }
      await vi.waitFor(async () => expect(await office.call(isolate.says(tells))).toMatchObject(news), WAIT_MS)
      expect((await office.call(isolate.wants(1, 2))).denials).toMatchObject([{ denial: { kind: 'revoked' } }])
    })
  })
})

describe('a budget over two regions of four isolates', () => {
  it('is used up and not exceeded, though both regions start anew in the middle', async () => {
    const name = 'ten_shared'
    await tenant(name, budget(100_000, 'month'))
    const later = (work: Promise<void>): void => void work
    const limiters = ['east', 'east', 'west', 'west'].map((place) => {
      const limiter = leasedLimiter({ ...PORTS, near: () => (tenantId) => regionOf(place, tenantId) })
      limiter.place(name, true)
      return limiter
    })
    let admitted = 0
    let refused = 0
    const once = async (limiter: (typeof limiters)[number], round: number): Promise<void> => {
      const id = `${name}-${limiters.indexOf(limiter)}-${round}`
      const amounts = { ...NOTHING, requests: 1, slots: 1, nanoUsd: 1_000 }
      const answer = await limiter.admit(pathOf(name), amounts, usageEvent(id), later)
      if (!isAdmitted(answer)) {
        refused += 1
        return
      }
      admitted += 1
      answer.settle(amounts, usageEvent(id, { costNanoUsd: 1_000 }), later)
    }
    for (let round = 0; round < 60; round++) {
      if (refused >= 8) break
      if (round % 10 === 5) for (const place of ['east', 'west']) await evictDurableObject(regionOf(place, name))
      await Promise.all(limiters.map((limiter) => once(limiter, round)))
    }
    expect(admitted).toBeLessThanOrEqual(100)
    expect(admitted).toBeGreaterThan(50)
    await vi.waitFor(
      async () => {
        for (const place of ['east', 'west']) await runDurableObjectAlarm(regionOf(place, name))
        expect((await moneyOf(name)).spent).toBe(admitted * 1_000)
        expect(await eventsOf(name)).toHaveLength(admitted)
      },
      { timeout: WAIT_MS, interval: 200 },
    )
  })
})

const PORTS = {
  object: tenantOf,
  nowMs: () => Date.now(),
  sleep: (ms: number) => scheduler.wait(ms),
  newId: () => crypto.randomUUID(),
  onRevoked: () => {},
  switches: new SwitchBoard(),
  log: { warn: () => {} },
  sendBeside: () => Promise.reject(new Error('not asked for')),
  digest: () => Promise.reject(new Error('not asked for')),
}
