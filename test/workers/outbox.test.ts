// The limiter's outbox on real storage: what was taken in leaves until it is confirmed, whatever dies in between.
import { runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { Outbox, type UsageQueue } from '../../durable-objects/outbox.ts'
import { LimiterStorage } from '../../durable-objects/storage.ts'
import type { UsageBatch } from '../../src/core/usage-event.ts'

interface Bench {
  readonly storage: LimiterStorage
  readonly queue: UsageQueue
  /** Numbers of the rows that were sent, a list for each batch. */
  readonly sent: number[][]
  readonly bodies: UsageBatch[]
  isAway: boolean
  rows(): unknown[]
}

function withBench(name: string, run: (bench: Bench) => Promise<void>): Promise<void> {
  const stub = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(name))
  return runInDurableObject(stub, async (_, state) => {
    const bench: Bench = {
      storage: new LimiterStorage(state.storage.sql),
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
      rows: () => [...state.storage.sql.exec('SELECT id, sends, send_at_ms FROM outbox ORDER BY id').raw()],
    }
    await run(bench)
  })
}

describe('the outbox', () => {
  it('sends a row when it is due, and again, less and less often, until it is confirmed', async () => {
    await withBench('outbox-resends', async ({ storage, queue, sent, bodies }) => {
      const outbox = new Outbox(storage, queue, 0)
      expect(outbox.dueMs).toBeNull()
      outbox.add('[1]', 500)
      expect(outbox.dueMs).toBe(500)
      await outbox.send('t', 499)
      expect(sent).toEqual([])
      await outbox.send('t', 500)
      expect([sent, bodies]).toEqual([[[1]], [{ v: 1, tenantId: 't', outboxId: 1, events: '[1]' }]])
      expect(outbox.dueMs).toBe(60_500)
      await outbox.send('t', 60_499)
      await outbox.send('t', 60_500)
      expect([sent, bodies[1], outbox.dueMs]).toEqual([[[1], [1]], bodies[0], 180_500])
      storage.confirm([1])
      await outbox.send('t', 180_500)
      expect([sent.length, outbox.dueMs]).toEqual([2, null])
    })
  })

  it('writes a row once: sending it the first time changes nothing', async () => {
    await withBench('outbox-writes', async ({ storage, queue, sent, rows }) => {
      const outbox = new Outbox(storage, queue, 0)
      outbox.add('[1]', 500)
      outbox.add('[2]', 525)
      const before = rows()
      await outbox.send('t', 525)
      expect([sent, rows()]).toEqual([[[1, 2]], before])
    })
  })

  it('that starts anew sends what was never sent, and what was sent but not confirmed', async () => {
    await withBench('outbox-restart', async ({ storage, queue, sent }) => {
      const earlier = new Outbox(storage, queue, 0)
      earlier.add('[1]', 500)
      await earlier.send('t', 500)
      earlier.add('[2]', 1_000)
      const outbox = new Outbox(storage, queue, 1_000)
      expect(outbox.dueMs).toBe(1_500)
      await outbox.send('t', 1_500)
      expect(sent.map((ids) => ids.toSorted())).toEqual([[1], [1, 2]])
    })
  })

  it('tries again two seconds later while the queue is away, and loses nothing', async () => {
    await withBench('outbox-away', async (bench) => {
      const outbox = new Outbox(bench.storage, bench.queue, 0)
      outbox.add('[1]', 500)
      bench.isAway = true
      await outbox.send('t', 500)
      expect(outbox.dueMs).toBe(2_500)
      await outbox.send('t', 2_500)
      bench.isAway = false
      await outbox.send('t', 4_500)
      expect([bench.sent, outbox.dueMs]).toEqual([[[1]], 64_500])
    })
  })

  it('sends each row once, however much there is at once, within the limits of the queue', async () => {
    await withBench('outbox-much', async ({ storage, queue, sent, bodies, rows }) => {
      const outbox = new Outbox(storage, queue, 0)
      const long = JSON.stringify('e'.repeat(90_000))
      for (let row = 0; row < 60; row++) outbox.add(`[${long}]`, 500)
      for (let row = 0; row < 150; row++) outbox.add('[]', 500)
      await outbox.send('t', 500)
      const ids = sent.flat()
      expect(ids.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 210 }, (_, at) => at + 1))
      expect(bodies.every(({ events }, at) => events === ((ids[at] ?? 0) <= 60 ? `[${long}]` : '[]'))).toBe(true)
      expect(Math.max(...sent.map((batch) => batch.length))).toBeLessThanOrEqual(100)
      storage.confirm(ids)
      expect(rows()).toEqual([])
    })
  })
})
