// The limiter's storage and outbox on real SQLite: what was taken in leaves until it is confirmed, whatever dies in between,
// and no row is written that need not be.
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { Outbox, type UsageQueue } from '../../durable-objects/outbox.ts'
import { LimiterStorage } from '../../durable-objects/storage.ts'
import { TenantOffice } from '../../durable-objects/tenant-office.ts'
import { NOTHING } from '../../src/core/limits/amounts.ts'
import { newAuthority } from '../../src/core/limits/authority.ts'
import { type AdmissionRecord, LIMITS_VERSION, type LimiterCall } from '../../src/core/limits/limits.ts'
import { type UsageBatch, packEvent } from '../../src/core/money/usage-event.ts'
import { booksOf } from '../support/limiter-books.ts'
import { configOf, node } from '../support/limiter-receiver.ts'
import { usageEvent } from '../support/usage-events.ts'

interface Bench {
  readonly sql: SqlStorage
  readonly storage: LimiterStorage
  readonly queue: UsageQueue
  /** Numbers of the rows that were sent, a list for each batch. */
  readonly sent: number[][]
  readonly bodies: UsageBatch[]
  isAway: boolean
  /** As the limiter's alarm does. */
  wake(outbox: Outbox, nowMs: number): Promise<void>
  rows(): unknown[]
}

const authority = newAuthority(configOf([]))

function inObject<T>(name: string, run: (sql: SqlStorage, state: DurableObjectState) => Promise<T> | T): Promise<T> {
  const stub = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(name))
  return runInDurableObject(stub, (_, state) => run(state.storage.sql, state))
}

function withBench(name: string, run: (bench: Bench) => Promise<void>): Promise<void> {
  return inObject(name, async (sql) => {
    const bench: Bench = {
      sql,
      storage: new LimiterStorage(sql),
      queue: {
        async sendBatch(messages) {
          if (bench.isAway) throw new Error('away')
          bench.sent.push(messages.map(({ body }) => body.outboxId))
          bench.bodies.push(...messages.map(({ body }) => body))
        },
      },
      sent: [],
      bodies: [],
      isAway: false,
      async wake(outbox, nowMs) {
        outbox.close(nowMs)
        bench.storage.save(authority)
        await outbox.send('t', nowMs)
      },
      rows: () => [...sql.exec('SELECT id, sends, send_at_ms FROM outbox ORDER BY id').raw()],
    }
    await run(bench)
  })
}

describe('the outbox', () => {
  it('sends a run when it is due, and again, less and less often, until it is confirmed', async () => {
    await withBench('outbox-resends', async ({ storage, queue, sent, bodies, wake }) => {
      const outbox = new Outbox(storage, queue, 0)
      expect(outbox.dueMs).toBeNull()
      outbox.add('[1]', 0)
      expect(outbox.dueMs).toBe(500)
      await wake(outbox, 499)
      expect(sent).toEqual([])
      await wake(outbox, 500)
      expect([sent, bodies]).toEqual([[[1]], [{ v: 1, tenantId: 't', outboxId: 1, events: '[1]' }]])
      expect(outbox.dueMs).toBe(60_500)
      await wake(outbox, 60_499)
      await wake(outbox, 60_500)
      expect([sent, bodies[1], outbox.dueMs]).toEqual([[[1], [1]], bodies[0], 180_500])
      storage.confirm([1])
      await wake(outbox, 180_500)
      expect([sent.length, outbox.dueMs]).toEqual([2, null])
    })
  })

  it('sends what comes within that time as one message, and waits for longer while there is much company', async () => {
    await withBench('outbox-company', async ({ storage, queue, bodies, wake }) => {
      const outbox = new Outbox(storage, queue, 0)
      let nowMs = 0
      const dues: (number | null)[] = []
      for (const calls of [3, 3, 3, 1, 1]) {
        for (let call = 0; call < calls; call++) outbox.add('[1,2]', nowMs)
        dues.push((outbox.dueMs ?? 0) - nowMs)
        nowMs = outbox.dueMs ?? 0
        await wake(outbox, nowMs)
      }
      expect(dues).toEqual([500, 1_000, 2_000, 2_000, 500])
      expect(bodies.map(({ events }) => JSON.parse(events).length)).toEqual([6, 6, 6, 2, 2])
      expect(bodies.map(({ outboxId }) => outboxId)).toEqual([1, 2, 3, 4, 5])
      outbox.add('[3]', nowMs, true)
      expect(outbox.dueMs, 'what is urgent doesn’t wait').toBe(nowMs)
    })
  })

  it('writes a row once: sending it the first time changes nothing', async () => {
    await withBench('outbox-writes', async ({ storage, queue, sent, rows }) => {
      const outbox = new Outbox(storage, queue, 0)
      outbox.add('[1]', 0)
      outbox.close(500)
      storage.save(authority)
      const before = rows()
      await outbox.send('t', 500)
      expect([sent, rows()]).toEqual([[[1]], before])
    })
  })

  it('that starts anew sends what was never sent, and what was sent but not confirmed, each under its number', async () => {
    await withBench('outbox-restart', async ({ sql, storage, queue, sent, bodies, wake }) => {
      const earlier = new Outbox(storage, queue, 0)
      earlier.add('[1]', 0)
      await wake(earlier, 500)
      earlier.add('[2]', 1_000)
      storage.save(authority)
      const anew = new LimiterStorage(sql)
      const outbox = new Outbox(anew, queue, 1_000)
      expect(outbox.dueMs).toBe(1_500)
      outbox.add('[3]', 1_200)
      outbox.close(1_500)
      anew.save(authority)
      await outbox.send('t', 1_500)
      expect(sent.map((ids) => ids.toSorted())).toEqual([[1], [2], [1]])
      expect(bodies.map(({ events }) => events)).toEqual(['[1]', '[2,3]', '[1]'])
    })
  })

  it('never gives a number twice, also when all that was sent is confirmed and nothing came since', async () => {
    await withBench('outbox-numbers', async ({ sql, storage, queue, bodies, wake }) => {
      const earlier = new Outbox(storage, queue, 0)
      earlier.add('[1]', 0)
      await wake(earlier, 500)
      storage.confirm([1])
      const anew = new LimiterStorage(sql)
      const outbox = new Outbox(anew, queue, 1_000)
      expect(outbox.dueMs, 'nothing is sent again').toBeNull()
      outbox.add('[2]', 1_000)
      outbox.close(1_500)
      anew.save(authority)
      await outbox.send('t', 1_500)
      expect(bodies.map(({ outboxId, events }) => [outboxId, events])).toEqual([
        [1, '[1]'],
        [2, '[2]'],
      ])
    })
  })

  it('tries again two seconds later while the queue is away, and loses nothing', async () => {
    await withBench('outbox-away', async (bench) => {
      const outbox = new Outbox(bench.storage, bench.queue, 0)
      outbox.add('[1]', 0)
      bench.isAway = true
      await bench.wake(outbox, 500)
      expect(outbox.dueMs).toBe(2_500)
      await bench.wake(outbox, 2_500)
      bench.isAway = false
      await bench.wake(outbox, 4_500)
      expect([bench.sent, outbox.dueMs]).toEqual([[[1]], 64_500])
    })
  })

  it('sends each event once, however much there is at once, within the limits of the queue', async () => {
    await withBench('outbox-much', async ({ storage, queue, sent, bodies, rows, wake }) => {
      const outbox = new Outbox(storage, queue, 0)
      const long = 'e'.repeat(80_000)
      const told = [
        ...Array.from({ length: 60 }, (_, at) => `[${JSON.stringify(`${at} ${long}`)}]`),
        ...Array.from({ length: 9_000 }, (_, at) => `["${at} ${'e'.repeat(70)}"]`),
      ]
      for (const run of told) outbox.add(run, 0)
      await wake(outbox, 500)
      const events = bodies.flatMap((body): string[] => JSON.parse(body.events))
      expect(events.toSorted()).toEqual(told.flatMap((run): string[] => JSON.parse(run)).toSorted())
      const ids = sent.flat()
      expect(new Set(ids).size).toBe(ids.length)
      expect(Math.max(...sent.map((batch) => batch.length))).toBeLessThanOrEqual(100)
      expect(Math.max(...bodies.map((body) => body.events.length))).toBeLessThan(100_000)
      storage.confirm(ids)
      expect(rows()).toEqual([])
    })
  })
})

const event = (id: string): string => packEvent(usageEvent(id))
const admission = (id: string): AdmissionRecord => {
  return { id: `${id}#1`, leaseId: 'h:1', reserved: { ...NOTHING, nanoUsd: 5 }, event: event(id) }
}

describe('what a limiter stores', () => {
  const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
  const limits = [
    node('tenant', 't', { budget: { amountNanoUsd: 1e12, period: 'month' } }),
    node('key', 'k', { budget: { amountNanoUsd: 1e12, period: 'month' } }),
  ]
  const need = { ...NOTHING, requests: 1, nanoUsd: 1_000 }
  const want = { leaseId: 'h:1', isNew: true, path, need, target: need, first: need, unheardNanoUsd: 0 }

  function message(number: number, more: Partial<LimiterCall>): LimiterCall {
    const none = { reports: [], admissions: [], chunks: [], wants: [] }
    return { v: LIMITS_VERSION, tenantId: 't', holder: 'h', number, ...none, ...more }
  }

  function settled(number: number): Partial<LimiterCall> {
    const paid = { ...NOTHING, requests: number, nanoUsd: number }
    const reports = [{ leaseId: 'h:1', keyId: 'k', settled: paid, returned: NOTHING, isDone: false }]
    const chunks = [{ from: number, to: number, events: `[${event(`r${number}`)}]`, settles: [`r${number}#1`] }]
    return { reports, chunks, admissions: [admission(`r${number + 1}`)] }
  }

  it('is one row a commit, whatever changed, and one commit for all that nobody waits for', async () => {
    await inObject('rows', async (sql, state) => {
      const limiter = new TenantOffice(state.storage, env)
      await limiter.configure(configOf(limits, 3))
      await limiter.call(message(1, { wants: [want], admissions: [admission('r1')] }))
      const changes = (): number => sql.exec<{ n: number }>('SELECT total_changes() AS n').one().n
      const before = changes()
      const replies = await Promise.all([1, 2, 3, 4].map((n) => limiter.call(message(n + 1, settled(n)))))
      expect(replies.map(({ acknowledged }) => acknowledged)).toEqual([1, 2, 3, 4])
      expect(changes() - before).toBeLessThanOrEqual(2)
      const { gauges, events, holders } = booksOf(sql)
      expect(gauges.map((gauge) => gauge.kind === 'budget' && gauge.spentNanoUsd)).toEqual([4, 4])
      expect(events).toHaveLength(4)
      expect(holders).toMatchObject([{ acknowledged: 4, number: 5, inFlight: new Map([['r5#1', admission('r5')]]) }])
    })
  })

  it('is answered for only when it is written, and written at once where somebody waits for a grant', async () => {
    await inObject('gates', async (sql, state) => {
      const limiter = new TenantOffice(state.storage, env)
      await limiter.configure(configOf(limits, 3))
      await limiter.call(message(1, { wants: [want] }))
      let isAnswered = false
      const told = limiter.call(message(2, settled(1))).then(() => {
        isAnswered = true
      })
      await Promise.resolve()
      expect([isAnswered, booksOf(sql).events]).toEqual([false, []])
      const ahead = limiter.call(message(3, { wants: [{ ...want, isNew: false, first: NOTHING }] }))
      expect(booksOf(sql).events, 'of what is wanted ahead').toEqual([])
      const asked = limiter.call(message(4, { wants: [{ ...want, isNew: false }] }))
      expect(booksOf(sql).events).toHaveLength(1)
      await Promise.all([told, ahead, asked])
      expect(isAnswered).toBe(true)
    })
  })

  it('is what it was after any number of starts, also when it is more than fits a row', async () => {
    await inObject('much', async (sql, state) => {
      let limiter = new TenantOffice(state.storage, env)
      const keys = Array.from({ length: 300 }, (_, at) => node('key', `k${at}`, { tokensPerMinute: 9 }))
      await limiter.configure(configOf([...limits, ...keys], 3))
      await limiter.call(message(1, { wants: [want], admissions: [admission('r1')] }))
      for (let round = 1; round <= 4; round++) {
        const crowd = Array.from({ length: 150 }, (_, at) => admission(`${round}-${at}`))
        await limiter.relay([message(2 * round, settled(round)), message(2 * round + 1, { admissions: crowd })])
        const told = booksOf(sql)
        limiter = new TenantOffice(state.storage, env)
        await limiter.call(message(0, {}))
        const { gauges, leases, events } = booksOf(sql)
        expect([gauges, leases, events]).toEqual([told.gauges, told.leases, told.events])
        expect(gauges).toHaveLength(302)
        expect(leases).toMatchObject([{ id: 'h:1', settled: { nanoUsd: round } }])
        expect(events).toHaveLength(round)
        const inFlight = await limiter.inFlight(1_000)
        expect(inFlight).toHaveLength(150 * round + 1)
        expect(inFlight.map(({ id }) => id)).toContain(`r${round + 1}#1`)
      }
      expect(sql.exec<{ n: number }>('SELECT count(*) AS n FROM gauge').one().n, 'in tables').toBeGreaterThan(100)
    })
  })

  it('by an earlier version is taken over: its tables, its unsent events, and the next number', async () => {
    await inObject('layout', async (sql, state) => {
      for (const table of ['recent', 'outbox']) sql.exec(`DROP TABLE ${table}`)
      sql.exec(`DELETE FROM meta WHERE name = 'layout'`)
      sql.exec(`CREATE TABLE outbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT, sends INTEGER NOT NULL, send_at_ms INTEGER NOT NULL, events TEXT NOT NULL)`)
      sql.exec('CREATE INDEX outbox_due ON outbox (send_at_ms)')
      const insert = 'INSERT INTO outbox (sends, send_at_ms, events) VALUES (1, ?, ?)'
      for (const id of ['a', 'b', 'c', 'd']) sql.exec(insert, Date.now() + 1e6, `[${event(id)}]`)
      sql.exec('DELETE FROM outbox WHERE id IN (1, 4)')
      const known = { id: 'h', acknowledged: 4, number: 9, seenAtMs: Date.now(), inFlight: [admission('e')] }
      sql.exec('INSERT INTO holder VALUES (?, ?)', 'h', JSON.stringify(known))
      const sent: UsageBatch[] = []
      const sendBatch = async (messages: readonly { readonly body: UsageBatch }[]): Promise<void> => {
        sent.push(...messages.map(({ body }) => body))
      }
      for (let starts = 0; starts < 2; starts++) {
        expect(booksOf(sql).events).toMatchObject([{ requestId: 'b' }, { requestId: 'c' }])
        expect(booksOf(sql).holders).toEqual([{ ...known, inFlight: new Map([['e#1', admission('e')]]) }])
      }
      const limiter = new TenantOffice(state.storage, env)
      const chunk = { from: 5, to: 5, events: `[${event('e')}]`, settles: ['e#1'] }
      expect(await limiter.call(message(10, { chunks: [chunk] }))).toMatchObject({ acknowledged: 5 })
      expect([await limiter.inFlight(9), booksOf(sql).holders]).toMatchObject([[], [{ inFlight: new Map() }]])
      const storage = new LimiterStorage(sql)
      const outbox = new Outbox(storage, { sendBatch }, Date.now())
      outbox.close(Date.now() + 500)
      storage.save(authority)
      await outbox.send('t', Date.now() + 1_000)
      expect(sent.map(({ outboxId }) => outboxId).toSorted()).toEqual([2, 3, 5])
    })
  })
})
