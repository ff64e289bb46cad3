// A second attempt beside a first that is late: who serves, what the other one costs, and when there is none.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  WAYS,
  type PathWorld,
  type SentCall,
  ended,
  expectSettled,
  holdTime,
  pathWorld,
} from '../support/path-world.ts'
import { fails, says, silence } from '../support/scripted-provider.ts'
import { costingPicoUsd, someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const AFTER_MS = 200
const PATIENT = { firstContentMs: 30_000, idleMs: 30_000, totalMs: 60_000 }
const PRICE = costingPicoUsd(1_000_000, 2_000_000)

/** Two targets (three where a test needs them), the second of which is asked after 200 ms. */
function hedged(ids = ['a', 'b'], afterMs: number | 'p95' = AFTER_MS): PathWorld {
  const targets = ids.map((id) => someTarget(id, { maxRetries: 0, timeouts: PATIENT, price: PRICE }))
  return pathWorld(targets, { hedge: { afterMs } })
}

/** Answers after so long; rejects when it is aborted meanwhile. */
async function saysAfter(call: SentCall, ms: number): Promise<Response> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms)))
  await Promise.race([late, silence(call)]).finally(() => clearTimeout(timer))
  return says(call, `from ${call.target.id}`)
}

function called(world: PathWorld): readonly string[] {
  return world.calls.map(({ target }) => target.id)
}

describe.each(WAYS)('%s: a first attempt', (_, body) => {
  test('in time is the only one', async () => {
    const world = hedged()
    world.upstream = (call) => saysAfter(call, AFTER_MS / 2)
    const response = await world.ask(body)
    expect(await ended(world, response)).toContain('from a')
    expect(called(world)).toEqual(['a'])
    expect(expectSettled(world, true)).toMatchObject([{ isFinal: true, ending: 'finished' }])
  })

  test('that is late is overtaken: stopped, charged for what it took, and not held against its target', async () => {
    const world = hedged()
    world.upstream = (call) => saysAfter(call, call.target.id === 'a' ? 20_000 : 10)
    const response = await world.ask(body)
    expect(await ended(world, response)).toContain('from b')
    expect(called(world)).toEqual(['a', 'b'])
    expect(response.headers.get('x-tidegate-target')).toBe('b')
    expect(world.calls[0]?.signal.aborted).toBe(true)
    expect(world.calls[1]?.signal.aborted).toBe(false)
    const [first, second] = expectSettled(world, true)
    expect(first).toMatchObject({
      ending: 'overtaken',
      isFinal: false,
      targetId: 'a',
      failure: null,
      isEstimated: true,
    })
    expect(first?.costNanoUsd).toBeGreaterThan(0)
    expect(second).toMatchObject({ ending: 'finished', isFinal: true, targetId: 'b', attempt: 2 })
    // They overlap: the second began while the first was under way.
    const [firstMs = 0, secondMs = 0] = [first?.afterMs, second?.afterMs]
    expect(secondMs - firstMs).toBeGreaterThanOrEqual(AFTER_MS)
    expect(first?.latencyMs).toBeGreaterThan(secondMs)
    expect(world.permits).toEqual([
      { targetId: 'a', heard: ['withdrawn'] },
      { targetId: 'b', heard: [null] },
    ])
  })

  test('may still be the faster one: then the second is overtaken', async () => {
    const world = hedged()
    world.upstream = (call) => saysAfter(call, call.target.id === 'a' ? AFTER_MS + 100 : 20_000)
    const response = await world.ask(body)
    expect(await ended(world, response)).toContain('from a')
    expect(called(world)).toEqual(['a', 'b'])
    expect(world.calls[1]?.signal.aborted).toBe(true)
    expect(expectSettled(world, true)).toMatchObject([
      { ending: 'finished', isFinal: true, targetId: 'a' },
      { ending: 'overtaken', isFinal: false, targetId: 'b' },
    ])
  })

  test.each(['a', 'b'])('both run, and %s fails: the other serves, and nobody is asked twice', async (failing) => {
    const world = hedged(['a', 'b', 'c'])
    world.upstream = async (call) => {
      await saysAfter(call, AFTER_MS + 300)
      return call.target.id === failing ? fails(call, 'server') : saysAfter(call, 300)
    }
    const response = await world.ask(body)
    expect(await ended(world, response)).toContain(failing === 'a' ? 'from b' : 'from a')
    expect(called(world)).toEqual(['a', 'b'])
    const events = expectSettled(world, true)
    expect(events.find(({ targetId }) => targetId === failing)).toMatchObject({ failure: 'server', isFinal: false })
    expect(events.filter(({ isFinal }) => isFinal)).toHaveLength(1)
    // It was over when it failed, not when the other one had answered.
    const [failedMs = 0, servedMs = 0] = [false, true].map(
      (is) => events.find(({ isFinal }) => isFinal === is)?.latencyMs,
    )
    expect(servedMs - failedMs).toBeGreaterThanOrEqual(failing === 'a' ? 250 : 0)
    expect(world.permits.find(({ targetId }) => targetId === failing)?.heard).toEqual(['server'])
  })

  test('both fail: the next candidate is asked, and neither again', async () => {
    const world = hedged(['a', 'b', 'c'])
    world.upstream = async (call) => {
      if (call.target.id === 'c') return says(call, 'from c')
      await saysAfter(call, AFTER_MS + 300)
      return fails(call, 'server')
    }
    expect(await ended(world, await world.ask(body))).toContain('from c')
    expect(called(world)).toEqual(['a', 'b', 'c'])
    expect(expectSettled(world, true).map(({ isFinal }) => isFinal)).toEqual([false, false, true])
  })

  test("a mistake of the client's ends both", async () => {
    const world = hedged()
    world.upstream = async (call) => {
      await saysAfter(call, call.target.id === 'a' ? AFTER_MS + 100 : 20_000)
      return fails(call, 'client')
    }
    const response = await world.ask(body)
    await ended(world, response)
    expect(response.status).toBe(400)
    expect(world.calls[1]?.signal.aborted).toBe(true)
    const events = expectSettled(world, true)
    expect(events).toMatchObject([{ isFinal: true, failure: 'client' }, { ending: 'overtaken' }])
  })

  test('a client that leaves stops both, and both are settled', async () => {
    const world = hedged()
    world.upstream = (call) => silence(call)
    const leaving = new AbortController()
    setTimeout(() => leaving.abort(), AFTER_MS + 500)
    await world.ask(body, { signal: leaving.signal }).catch(() => undefined)
    await world.finish()
    expect(called(world)).toEqual(['a', 'b'])
    expect(world.calls.every(({ signal }) => signal.aborted)).toBe(true)
    expectSettled(world, true)
    expect(world.permits.map(({ heard }) => heard)).toEqual([['withdrawn'], ['withdrawn']])
  })
})

describe('there is no second attempt', () => {
  const [, body] = WAYS[0]

  test.each([
    ['where the retry budget is used up', (world: PathWorld) => (world.mayRetry = () => false)],
    ['where the budget nearly is', (world: PathWorld) => (world.standings = budgetLeft(9))],
    ['where nobody else is open', (world: PathWorld) => (world.permit = ({ id }) => (id === 'b' ? CLOSED : null))],
    ['where the limits have no room', (world: PathWorld) => (world.refusal = (number) => (number === 2 ? AWAY : null))],
  ] as const)('%s', async (_, arrange) => {
    const world = hedged()
    arrange(world)
    world.upstream = (call) => saysAfter(call, 1_000)
    expect(await ended(world, await world.ask(body))).toContain('from a')
    expect(called(world)).toEqual(['a'])
    expectSettled(world, true)
  })

  test('where the budget has enough there is one', async () => {
    const world = hedged()
    world.standings = budgetLeft(11)
    world.upstream = (call) => saysAfter(call, call.target.id === 'a' ? 1_000 : 10)
    await ended(world, await world.ask(body))
    expect(called(world)).toEqual(['a', 'b'])
  })

  test("at a target's p95 before enough is known of it, then there is", async () => {
    const world = hedged(['a', 'b'], 'p95')
    world.upstream = (call) => saysAfter(call, call.target.id === 'a' ? 5_000 : 10)
    const asks = async () => ended(world, await world.ask(body))
    expect(await asks()).toContain('from a')
    for (let count = 0; count < 100; count++) world.speeds.note(...measured(count < 96 ? 300 : 9_000), () => undefined)
    expect(await asks()).toContain('from b')
    expect(called(world)).toEqual(['a', 'a', 'b'])
  })
})

const CLOSED = { retryAfterMs: 1_000 }
const AWAY = { kind: 'unavailable' } as const

function budgetLeft(percent: number): PathWorld['standings'] {
  return { rates: {}, budget: { limitNanoUsd: 100, leftNanoUsd: percent, resetsAtMs: 0 } }
}

function measured(ttftMs: number) {
  return [someTarget('a'), { isStreamed: false, ttftMs, outputTokens: 0, writingMs: 0 }] as const
}
