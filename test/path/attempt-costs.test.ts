// Every way an attempt can end, and what it is charged then: each for itself, with its reason, by what it is known to have
// used; the request costs their sum, and that is what budgets see.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { costNanoUsd } from '../../src/core/money/price.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { type PathWorld, type SentCall, WAYS, caching, ended, holdTime, pathWorld } from '../support/path-world.ts'
import { contentEvent } from '../support/raw-provider.ts'
import { fails, says, silence, streamed } from '../support/scripted-provider.ts'
import { costingPicoUsd, someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const PRICES: Readonly<Record<string, ReturnType<typeof costingPicoUsd>>> = {
  a: costingPicoUsd(1_000_000, 2_000_000),
  b: costingPicoUsd(5_000_000, 7_000_000),
}
const STREAM = WAYS[1][1]

function world(retries = 0, route: Parameters<typeof pathWorld>[1] = {}): PathWorld {
  return pathWorld(
    ['a', 'b'].map((id) =>
      someTarget(id, { price: PRICES[id] ?? null, priceVersion: id, maxRetries: id === 'a' ? retries : 0 }),
    ),
    route,
  )
}

/** All events, each of which is charged its own usage at its own target's price; and budgets were told the same sum. */
function charged(made: PathWorld): readonly UsageEvent[] {
  const settled = made.admitted.flatMap((one) => one.settled)
  expect(settled).toHaveLength(made.admitted.length)
  const events = [...settled.map(({ event }) => event), ...made.recorded]
  for (const event of events) {
    const price = event.targetId === null || event.cache === 'hit' ? undefined : PRICES[event.targetId]
    expect(event.costNanoUsd).toBe(price === undefined ? 0 : costNanoUsd(event.usage, price))
    if (price !== undefined) expect(event.priceVersion).toBe(event.targetId)
    expect(event.isFinal || event.failure !== null || event.ending !== 'finished').toBe(true)
  }
  const total = events.reduce((sum, { costNanoUsd: cost }) => sum + cost, 0)
  expect(settled.reduce((sum, { actual }) => sum + actual.nanoUsd, 0)).toBe(total)
  return events
}

async function asked(
  made: PathWorld,
  upstream: (call: SentCall) => Response | Promise<Response>,
  body: object = STREAM,
) {
  made.upstream = upstream
  await ended(made, await made.ask(body))
  return charged(made)
}

const WHOLE_COST = 20_000

test('a whole answer, or the error in its place, tells what all attempts of its request have cost', async () => {
  for (const isLast of [false, true]) {
    const made = world()
    // Silent for too long: the provider may charge for it all the same.
    made.upstream = (call) => (call.target.id === 'a' || isLast ? silence(call) : says(call))
    const response = await made.ask(WAYS[0][1])
    await ended(made, response)
    const events = charged(made)
    expect(events.filter(({ costNanoUsd: cost }) => cost > 0)).toHaveLength(2)
    const total = events.reduce((sum, { costNanoUsd: cost }) => sum + cost, 0)
    expect(response.status).toBe(isLast ? 504 : 200)
    expect(Number(response.headers.get('x-tidegate-cost-usd')) * 1e9).toBeCloseTo(total, 3)
  }
})

describe('an attempt that', () => {
  test('finished costs what the provider counted', async () => {
    for (const [, body] of WAYS) {
      expect(await asked(world(), (call) => says(call), body)).toMatchObject([
        { ending: 'finished', costNanoUsd: WHOLE_COST, isEstimated: false, isFinal: true },
      ])
    }
  })

  test('was refused and tried again costs nothing, and says why; the one that answered is paid', async () => {
    const made = world(1)
    expect(await asked(made, (call) => (made.calls.length === 1 ? fails(call, 'server') : says(call)))).toMatchObject([
      { attempt: 1, targetId: 'a', failure: 'server', costNanoUsd: 0, isFinal: false },
      { attempt: 2, targetId: 'a', failure: null, costNanoUsd: WHOLE_COST, isFinal: true },
    ])
    // Over when it was refused: the wait before the next belongs to neither.
    const [first, second] = charged(made)
    const [waitedMs = 0] = made.waits
    expect(waitedMs).toBeGreaterThan(0)
    expect((second?.afterMs ?? 0) - (first?.latencyMs ?? 0)).toBeGreaterThanOrEqual(waitedMs)
  })

  test('took over costs its own target’s price', async () => {
    const events = await asked(world(), (call) => (call.target.id === 'a' ? fails(call, 'overloaded') : says(call)))
    expect(events).toMatchObject([
      { targetId: 'a', failure: 'overloaded', costNanoUsd: 0, isFinal: false },
      { targetId: 'b', costNanoUsd: 10 * 5_000 + 5 * 7_000, isFinal: true },
    ])
  })

  test('was never answered costs its prompt, since the provider may have read it', async () => {
    const events = await asked(world(), (call) => (call.target.id === 'a' ? silence(call) : says(call)))
    expect(events).toMatchObject([
      { targetId: 'a', ending: 'timed-out', failure: 'timeout', isEstimated: true, isFinal: false },
      { targetId: 'b', isEstimated: false, isFinal: true },
    ])
    expect(events[0]?.costNanoUsd).toBeGreaterThan(0)
    expect(events[0]?.usage.output).toBe(0)
  })

  test('broke off in mid-stream costs what was seen of it', async () => {
    const made = pathWorld([someTarget('a', { price: PRICES['a'] ?? null, priceVersion: 'a', maxRetries: 0 })])
    const text = 'word '.repeat(400)
    const events = await asked(made, (call) =>
      made.calls.length === 1 ? streamed(call, [contentEvent(text)], 'breaks') : fails(call, 'client'),
    )
    expect(events[0]).toMatchObject({ ending: 'provider-cut', isEstimated: true })
    expect(events[0]?.usage.output).toBeGreaterThan(100)
  })

  test('was left by its client costs what was made until then', async () => {
    const made = world()
    const leaving = new AbortController()
    made.upstream = (call) => streamed(call, [contentEvent('word '.repeat(400))], 'hangs')
    const response = await made.ask(STREAM, { signal: leaving.signal })
    const reader = response.body?.getReader()
    await reader?.read()
    leaving.abort()
    await reader?.cancel().catch(() => undefined)
    await made.finish()
    const [event] = charged(made)
    expect(event).toMatchObject({ ending: 'client-left', isEstimated: true, isFinal: true })
    expect(event?.usage.output).toBeGreaterThan(100)
  })

  test('wasn’t needed, since the reply was kept, costs nothing and says what that saved', async () => {
    const made = caching(world())
    const first = await asked(made, (call) => says(call), WAYS[0][1])
    expect(first).toMatchObject([{ cache: 'miss', costNanoUsd: WHOLE_COST, savedNanoUsd: 0 }])
    await ended(made, await made.ask(WAYS[0][1]))
    expect(made.calls).toHaveLength(1)
    expect(charged(made)[1]).toMatchObject({
      cache: 'hit',
      attempt: 0,
      costNanoUsd: 0,
      savedNanoUsd: WHOLE_COST,
      isUnpriced: false,
    })
  })

  test('was refused by the client’s own mistake costs nothing', async () => {
    expect(await asked(world(), (call) => fails(call, 'client'))).toMatchObject([
      { failure: 'client', costNanoUsd: 0, isFinal: true },
    ])
  })
})

describe('a request whose every attempt failed', () => {
  test('costs what they cost, and each says why', async () => {
    const events = await asked(world(1), (call) => (call.target.id === 'b' ? silence(call) : fails(call, 'server')))
    expect(events.map(({ failure }) => failure)).toEqual(['server', 'server', 'timeout'])
    expect(events.slice(0, 2).every(({ costNanoUsd: cost }) => cost === 0)).toBe(true)
    expect(events[2]?.costNanoUsd).toBeGreaterThan(0)
    expect(events.filter(({ isFinal }) => isFinal)).toHaveLength(1)
  })
})

describe('two attempts beside each other', () => {
  test('are both paid: the one that was overtaken, too', async () => {
    const made = world(0, { hedge: { afterMs: 100 } })
    const events = await asked(made, (call) => (call.target.id === 'a' ? silence(call) : says(call)))
    expect(events).toMatchObject([
      { targetId: 'a', ending: 'overtaken', isFinal: false },
      { targetId: 'b', ending: 'finished', isFinal: true, costNanoUsd: 85_000 },
    ])
    expect(events[0]?.costNanoUsd).toBeGreaterThan(0)
  })
})
