// Waiting for a limit instead of being refused by it: whose turn it is, how long, and what ends it. The real queue before the
// real holder and the real authority; time is virtual.
import { beforeAll, describe, expect, test } from 'vitest'
import type { LimitPolicy } from '../../src/core/limits/limit-policy.ts'
import type { Limit, LimiterConfig } from '../../src/core/limits/limits.ts'
import { type Asked, admitAtLimit } from '../../src/data-plane/limits/at-limit.ts'
import { type Place, type Waitable, WaitingLine } from '../../src/data-plane/limits/waiting-line.ts'
import { type Limiter, type Refusal, type Reservation, isAdmitted } from '../../src/ports.ts'
import { type HeldTenant, type Weight, heldTenant, weigh } from '../support/held-tenant.ts'
import { budget, configOf, node, rate, slots } from '../support/limiter-receiver.ts'

const WAIT: LimitPolicy = { kind: 'wait', maxWaitMs: 30_000, maxWaiting: 100 }

function limited(policy: LimitPolicy, ...more: readonly Limit[]): LimiterConfig {
  return configOf([{ ...node('tenant', 't', { more }), policy }])
}

/** One waiting request as a test sees it. */
interface Request {
  readonly id: string
  readonly answer: Promise<Reservation | Refusal>
  result: Reservation | Refusal | null
  atMs: number
  leave(): void
}

interface Queue {
  readonly world: HeldTenant
  /** Ids in the order in which they were admitted. */
  readonly served: string[]
  ask(id: string, weight: Weight, keyId?: string): Request
}

/** Requests of a tenant in front of its limiter; each ends as soon as it is admitted, unless `isLong`. */
function queueOf(config: LimiterConfig, { isLong = false }: { readonly isLong?: boolean } = {}): Queue {
  const world = heldTenant(config)
  const served: string[] = []
  const limiter: Limiter = {
    admit: () => Promise.resolve({ kind: 'unavailable' }),
    record: () => {},
    limits: async () => 'unavailable',
  }
  const services = { limiter, nowMs: world.clock.nowMs, sleep: world.clock.sleep }
  return {
    world,
    served,
    ask(id, weight, keyId = 'k') {
      let onLeave: (() => void) | null = null
      const client = {
        hasLeft: false,
        onLeave: (act: (() => void) | null) => {
          onLeave = act
        },
      }
      const asked: Asked = {
        services,
        client,
        caller: {},
        path: { tenantId: 't', teamId: null, keyId, model: 'm' },
        amounts: weigh(weight),
        isAlone: true,
        ask: () => world.ask(id, weight, keyId),
      }
      const answer = Promise.resolve(admitAtLimit(asked))
      const request: Request = {
        id,
        answer,
        result: null,
        atMs: 0,
        leave() {
          client.hasLeft = true
          onLeave?.()
        },
      }
      void answer.then((result) => {
        request.result = result
        request.atMs = world.clock.nowMs()
        if (!isAdmitted(result)) return
        served.push(id)
        if (!isLong) world.finish(result, id)
      })
      return request
    },
  }
}

/** What is loaded late takes real time: once. */
beforeAll(async () => {
  const queue = queueOf(limited(WAIT, rate('tokens', 1, 1)))
  const refused = queue.ask('too-large', { tokens: 2 })
  await queue.world.clock.advance(100)
  expect(await refused.answer).toMatchObject({ retryAfterMs: null })
})

/** Uses up what a bucket has. */
async function drained(config: LimiterConfig, tokens: number): Promise<Queue> {
  const queue = queueOf(config)
  queue.ask('first', { tokens })
  await queue.world.clock.advance(100)
  expect(queue.served).toEqual(['first'])
  return queue
}

const one = { tokens: 1 }

describe('a request that waits', () => {
  test('is admitted when there is room, and not before', async () => {
    const queue = await drained(limited(WAIT, rate('tokens', 60, 60)), 60)
    const fromMs = queue.world.clock.nowMs()
    const request = queue.ask('second', { tokens: 20 })
    await queue.world.clock.advance(19_000)
    expect(request.result).toBeNull()
    await queue.world.clock.advance(1_500)
    expect(queue.served).toEqual(['first', 'second'])
    expect(request.atMs - fromMs).toBeLessThanOrEqual(20_100)
  })

  test('is refused at once where it can not be in time', async () => {
    const queue = await drained(limited({ ...WAIT, maxWaitMs: 10_000 }, rate('tokens', 60, 60)), 60)
    const request = queue.ask('second', { tokens: 20 })
    await queue.world.clock.advance(100)
    expect(request.result).toMatchObject({ kind: 'rate', policy: { kind: 'wait' } })
    expect(queue.world.clock.nowMs() - request.atMs).toBeGreaterThanOrEqual(90)
  })

  test('is refused at once behind as many as take up all its time', async () => {
    const queue = await drained(limited({ ...WAIT, maxWaitMs: 3_500 }, rate('requests', 60, 1)), 1)
    const requests = ['a', 'b', 'c', 'd', 'e'].map((id) => queue.ask(id, one))
    await queue.world.clock.advance(300)
    expect(requests.map(({ result }) => result !== null)).toEqual([false, false, false, true, true])
    await queue.world.clock.advance(4_000)
    expect(queue.served).toEqual(['first', 'a', 'b', 'c'])
  })

  test('never waits for money', async () => {
    const queue = queueOf(limited(WAIT, budget(1_000, 'hour')))
    const request = queue.ask('dear', { nanoUsd: 900 })
    await queue.world.clock.advance(100)
    const second = queue.ask('second', { nanoUsd: 900 })
    await queue.world.clock.advance(100)
    expect(isAdmitted(request.result ?? { kind: 'unavailable' })).toBe(true)
    expect(second.result).toMatchObject({ kind: 'budget', policy: { kind: 'refuse' } })
  })

  test('gets the slot of one that ends', async () => {
    const queue = queueOf(limited(WAIT, slots(1)), { isLong: true })
    const first = queue.ask('first', { slots: 1 })
    await queue.world.clock.advance(100)
    const second = queue.ask('second', { slots: 1 })
    await queue.world.clock.advance(5_000)
    expect(second.result).toBeNull()
    if (first.result !== null && isAdmitted(first.result)) queue.world.finish(first.result, 'first')
    const freeAtMs = queue.world.clock.nowMs()
    await queue.world.clock.advance(2_000)
    expect(queue.served).toEqual(['first', 'second'])
    expect(second.atMs - freeAtMs).toBeLessThanOrEqual(150)
    // Looking whether one is free has cost no calls but once a second.
    expect(queue.world.messages.filter(({ wants }) => wants.length > 0).length).toBeLessThanOrEqual(9)
  })

  test('is refused at its deadline, whatever it waits for', async () => {
    const queue = queueOf(limited({ ...WAIT, maxWaitMs: 5_000 }, slots(1)), { isLong: true })
    queue.ask('first', { slots: 1 })
    await queue.world.clock.advance(100)
    const fromMs = queue.world.clock.nowMs()
    const second = queue.ask('second', { slots: 1 })
    await queue.world.clock.advance(8_000)
    expect(second.result).toMatchObject({ kind: 'slots' })
    expect(second.atMs - fromMs).toBeLessThanOrEqual(5_000)
    expect(second.atMs - fromMs).toBeGreaterThan(4_800)
    expect(second.result).toMatchObject({ retryAfterMs: 1_000 })
  })
})

describe('the queue', () => {
  test('has room for so many of a tenant; the next is refused at once', async () => {
    const queue = await drained(limited({ ...WAIT, maxWaiting: 3 }, rate('tokens', 60, 60)), 60)
    const requests = ['a', 'b', 'c', 'd'].map((id, at) => queue.ask(id, one, `k${at}`))
    await queue.world.clock.advance(50)
    expect(requests.map(({ result }) => result === null)).toEqual([true, true, true, false])
    expect(requests[3]?.result).toMatchObject({ kind: 'rate' })
  })

  test('gives the place of a client that left to the next, and holds nothing for it', async () => {
    const queue = await drained(limited({ ...WAIT, maxWaiting: 2 }, rate('requests', 60, 1)), 1)
    const requests = ['a', 'b'].map((id) => queue.ask(id, one))
    await queue.world.clock.advance(10)
    requests[0]?.leave()
    await queue.world.clock.advance(10)
    expect(requests[0]?.result).not.toBeNull()
    queue.ask('c', one)
    await queue.world.clock.advance(5_000)
    expect(queue.served).toEqual(['first', 'b', 'c'])
  })

  test('takes turns between keys, however many one of them has waiting', async () => {
    const queue = await drained(limited(WAIT, rate('requests', 60, 1)), 1)
    for (let at = 0; at < 12; at++) queue.ask(`many${at}`, one, 'many')
    await queue.world.clock.advance(10)
    for (let at = 0; at < 3; at++) queue.ask(`few${at}`, one, 'few')
    await queue.world.clock.advance(7_500)
    const sixth = queue.served.slice(1, 8)
    expect(sixth.filter((id) => id.startsWith('few'))).toHaveLength(3)
    expect(sixth.filter((id) => id.startsWith('many')).map((id) => id.slice(4))).toEqual(['0', '1', '2', '3'])
  })

  test('takes turns also where room for several comes at once', async () => {
    const queue = queueOf(limited(WAIT, slots(4)), { isLong: true })
    const first = Array.from({ length: 4 }, (_, at) => queue.ask(`first${at}`, { slots: 1 }, 'many'))
    await queue.world.clock.advance(100)
    for (let at = 0; at < 20; at++) queue.ask(`many${at}`, { slots: 1 }, 'many')
    await queue.world.clock.advance(50)
    for (let at = 0; at < 2; at++) queue.ask(`few${at}`, { slots: 1 }, 'few')
    await queue.world.clock.advance(2_000)
    for (const { id, result } of first) if (result !== null && isAdmitted(result)) queue.world.finish(result, id)
    await queue.world.clock.advance(1_500)
    expect(queue.served.slice(4).sort()).toEqual(['few0', 'few1', 'many0', 'many1'])
  })

  test('does not let later ones of the same key pass', async () => {
    const queue = await drained(limited(WAIT, rate('requests', 120, 1)), 1)
    for (let at = 0; at < 10; at++) {
      queue.ask(`r${at}`, one)
      await queue.world.clock.advance(40)
    }
    await queue.world.clock.advance(10_000)
    expect(queue.served).toEqual(['first', ...Array.from({ length: 10 }, (_, at) => `r${at}`)])
  })

  test('keeps what a large request waits for from small ones that come later, of whatever key', async () => {
    const queue = await drained(limited(WAIT, rate('tokens', 60, 60)), 60)
    const fromMs = queue.world.clock.nowMs()
    const large = queue.ask('large', { tokens: 25 })
    for (let at = 0; at < 24; at++) {
      await queue.world.clock.advance(1_000)
      queue.ask(`small${at}`, one, `k${at % 3}`)
    }
    await queue.world.clock.advance(3_000)
    expect(queue.served[1]).toBe('large')
    expect(large.atMs - fromMs).toBeLessThanOrEqual(25_100)
    await queue.world.clock.advance(30_000)
    expect(queue.served).toHaveLength(26)
  })

  test('lets those pass who need nothing of what is waited for', async () => {
    const nodes = [
      { ...node('key', 'k', { more: [rate('requests', 6, 1)] }), policy: WAIT },
      { ...node('key', 'other', { more: [rate('requests', 600, 10)] }), policy: WAIT },
    ]
    const queue = queueOf(configOf(nodes))
    queue.ask('first', one)
    queue.ask('waits', one)
    await queue.world.clock.advance(100)
    const other = queue.ask('passes', one, 'other')
    await queue.world.clock.advance(100)
    expect(other.result !== null && isAdmitted(other.result)).toBe(true)
    expect(queue.served).toEqual(['first', 'passes'])
  })

  test('goes on without one whose request died without a word', () => {
    const line = new WaitingLine()
    const denial: Waitable = {
      kind: 'rate',
      scope: 'tenant',
      model: null,
      left: 0,
      unit: 'requests',
      limitPerMinute: 60,
      size: 1,
      resetAfterMs: 1_000,
      retryAfterMs: 1_000,
      policy: WAIT,
    }
    const place = (keyId: string, readyAtMs: number): Place => {
      const path = { tenantId: 't', teamId: null, keyId, model: 'm' }
      return { path, deadlineMs: 60_000, denial, readyAtMs, isTrying: false, seenAtMs: 0, wake: () => {} }
    }
    const dead = place('a', 50_000)
    const alive = place('b', 0)
    line.enter(dead)
    line.enter(alive)
    alive.seenAtMs = 4_000
    expect(line.mayTry(alive, 4_000)).toBe(false)
    alive.seenAtMs = 6_000
    expect(line.mayTry(alive, 6_000)).toBe(true)
    expect(line.size).toBe(1)
  })
})

test('where several limits refuse, the strictest policy holds', async () => {
  const nodes = [
    node('tenant', 't', { more: [rate('requests', 6, 1)] }),
    { ...node('key', 'k', { more: [rate('tokens', 6, 1)] }), policy: WAIT },
  ]
  const queue = queueOf(configOf(nodes))
  queue.ask('first', one)
  await queue.world.clock.advance(100)
  const second = queue.ask('second', one)
  await queue.world.clock.advance(100)
  expect(second.result).toMatchObject({ policy: { kind: 'refuse' } })
})
