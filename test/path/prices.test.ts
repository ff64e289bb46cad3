// What requests are charged: for models without a price, at prices of the operator's, from whatever tier, by the piece and by
// the time; and each attempt for itself, however it ends.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { PriceBook, type PriceRule, type UnpricedPolicy } from '../../src/core/money/price-book.ts'
import { costNanoUsd } from '../../src/core/money/price.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { serve } from '../../src/data-plane/serve.ts'
import {
  type PathWorld,
  WAYS,
  callerOf,
  ended,
  expectSettled,
  holdTime,
  pathWorld,
  servicesOf,
} from '../support/path-world.ts'
import { protocols } from '../support/registries.ts'
import { says, whole } from '../support/scripted-provider.ts'
import { costingPicoUsd, someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const PRICE = costingPicoUsd(1_000_000, 2_000_000)
/** Of 10 tokens in and 5 out, as `says` reports. */
const COST = 20_000
const PRICED = { price: PRICE, priceVersion: 'listed' }

async function asked(world: PathWorld, body: object = WAYS[0][1]): Promise<{ status: number; text: string }> {
  const response = await world.ask(body)
  const text = await ended(world, response)
  return { status: response.status, text }
}

function onlyEvent(world: PathWorld): UsageEvent {
  const events = [...expectSettled(world), ...world.recorded]
  expect(events).toHaveLength(1)
  const [event] = events
  if (event === undefined) throw new Error('no event')
  return event
}

function rule(fields: Partial<PriceRule>): PriceRule {
  const all = {
    id: 'r',
    provider: '*',
    model: '*',
    tenantId: null,
    fromMs: 0,
    price: null,
    basisPoints: 0,
    version: 'rule',
  }
  return { ...all, ...fields }
}

describe.each(WAYS)('%s: a model without a price', (_, body) => {
  test('is served for nothing, and the event says that nobody knows its price', async () => {
    const world = pathWorld([someTarget('a')])
    world.upstream = says
    expect((await asked(world, body)).status).toBe(200)
    expect(onlyEvent(world)).toMatchObject({ isUnpriced: true, priceVersion: null, costNanoUsd: 0 })
    expect(world.admitted[0]?.amounts.nanoUsd).toBe(0)
  })

  test('is refused where that is the policy, before anything is reserved or asked', async () => {
    const world = pathWorld([someTarget('a')])
    world.prices = new PriceBook({ action: 'refuse' })
    world.upstream = says
    const { status, text } = await asked(world, body)
    expect(status).toBe(403)
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'model_unpriced' } })
    expect(world.calls).toEqual([])
    expect(world.admitted).toEqual([])
    expect(onlyEvent(world)).toMatchObject({ status: 403, failure: 'unpriced', costNanoUsd: 0 })
  })

  test('gives way to a candidate that has one', async () => {
    const world = pathWorld([someTarget('a'), someTarget('b', PRICED)])
    world.prices = new PriceBook({ action: 'refuse' })
    world.upstream = says
    expect((await asked(world, body)).status).toBe(200)
    expect(onlyEvent(world)).toMatchObject({ targetId: 'b', isUnpriced: false, costNanoUsd: COST })
  })

  test('costs what such models cost by default, and budgets hold it', async () => {
    const world = pathWorld([someTarget('a')])
    world.prices = new PriceBook({ action: 'default', price: PRICE, priceVersion: 'default#1' })
    world.limitsMoney = true
    world.upstream = says
    expect((await asked(world, body)).status).toBe(200)
    expect(onlyEvent(world)).toMatchObject({ isUnpriced: false, priceVersion: 'default#1', costNanoUsd: COST })
    expect(world.admitted[0]?.amounts.nanoUsd).toBeGreaterThanOrEqual(COST)
  })

  test.each([
    ['zero', { action: 'zero' }, 200],
    ['refuse', { action: 'refuse' }, 403],
  ] as const satisfies readonly (readonly [string, UnpricedPolicy, number])[])(
    'is as its tenant wants it (%s), whatever the gateway does',
    async (_name, unpriced, status) => {
      const world = pathWorld([someTarget('a')])
      world.prices = new PriceBook({ action: unpriced.action === 'zero' ? 'refuse' : 'zero' })
      world.caller = { ...callerOf(world), unpriced }
      world.upstream = says
      expect((await asked(world, body)).status).toBe(status)
    },
  )
})

describe('an operator’s price', () => {
  test('is what is reserved, charged and named', async () => {
    const world = pathWorld([someTarget('a', PRICED)])
    world.prices.take([rule({ price: costingPicoUsd(5_000_000, 5_000_000), tenantId: 'tenant', version: 'contract' })])
    world.limitsMoney = true
    world.upstream = says
    await asked(world)
    expect(onlyEvent(world)).toMatchObject({ priceVersion: 'contract', costNanoUsd: 75_000, isUnpriced: false })
    expect(world.admitted[0]?.amounts.nanoUsd).toBeGreaterThan(5_000_000)
  })

  test('is another tenant’s business', async () => {
    const world = pathWorld([someTarget('a', PRICED)])
    world.prices.take([rule({ price: costingPicoUsd(5, 5), tenantId: 'another' })])
    world.upstream = says
    await asked(world)
    expect(onlyEvent(world)).toMatchObject({ priceVersion: 'listed', costNanoUsd: COST })
  })

  test('holds for requests from its date on', async () => {
    const world = pathWorld([someTarget('a', PRICED)])
    world.prices.take([rule({ basisPoints: 5_000, fromMs: Date.now() + 1, version: '+50%' })])
    world.upstream = says
    await asked(world)
    vi.setSystemTime(Date.now() + 1)
    await asked(world)
    const events = world.admitted.flatMap(({ settled }) => settled.map(({ event }) => event))
    expect(events).toMatchObject([
      { priceVersion: 'listed', costNanoUsd: COST },
      { priceVersion: 'listed +50%', costNanoUsd: COST * 1.5 },
    ])
  })

  test('decides which target is the cheapest', async () => {
    const targets = [someTarget('a', { ...PRICED, model: 'm' }), someTarget('b', { ...PRICED, model: 'cheap' })]
    const world = pathWorld(targets)
    world.prices.take([rule({ model: 'cheap', price: costingPicoUsd(1, 1), version: 'cheap' })])
    world.upstream = says
    await asked(world, { ...WAYS[0][1], provider: { sort: 'price' } })
    expect(onlyEvent(world)).toMatchObject({ targetId: 'b', priceVersion: 'cheap' })
  })
})

describe('the cheapest of a route', () => {
  // Fresh, `warm` is the dearer one; what it has in its cache costs a tenth.
  const cold = { ...costingPicoUsd(800_000, 1), cacheRead: 800_000 }
  const warm = { ...costingPicoUsd(1_000_000, 1), cacheRead: 100_000, cacheWrite: 1_250_000 }
  const members = ['cold', 'warm'].map((target) => ({ target, weight: 1 }))
  const prompt = 'The tide comes in and the gate is shut. '.repeat(300)

  /** Asks, and tells the plan. */
  function asking() {
    const targets = [someTarget('cold', { price: cold }), someTarget('warm', { price: warm })]
    const world = pathWorld(targets, { group: { strategy: 'cheapest', members } })
    world.upstream = () => {
      const usage = { prompt_tokens: 3_000, completion_tokens: 1, prompt_tokens_details: { cached_tokens: 2_900 } }
      return Response.json({ ...whole('Hello.'), usage })
    }
    const services = servicesOf(world)
    const order = async (more: object, headers: Record<string, string> = {}): Promise<string | null> => {
      const asked = new Request('https://gateway.test/v1/chat/completions', {
        method: 'POST',
        headers: { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ model: 'asked', messages: [{ role: 'user', content: prompt }], max_tokens: 5, ...more }),
      })
      const response = await world.serve((_, later) => serve(asked, protocols.chat, services, later))
      await ended(world, response)
      return response.headers.get('x-tidegate-plan')
    }
    return order
  }

  test('is who has the conversation’s prompt in its cache, for as long as that is kept', async () => {
    const order = asking()
    expect(await order({})).toBe('cheapest: cold > warm')
    // It happens to be served by the other, whose cache is warm then.
    expect(await order({ provider: { order: ['warm'] } })).toBe('cheapest, provider.order: warm > cold')
    expect(await order({}), 'the same beginning').toBe('cheapest: warm > cold')
    expect(await order({ messages: [{ role: 'user', content: `Another. ${prompt}` }] })).toBe('cheapest: cold > warm')
    await vi.advanceTimersByTimeAsync(300_000)
    expect(await order({}), 'forgotten by the provider').toBe('cheapest: cold > warm')
  })

  test.each([
    'x-tidegate-session',
    'x-claude-code-session-id',
    'session_id',
    'x-opencode-session',
    'x-kilocode-taskid',
    'x-session-affinity',
  ])('goes by the session, where the client names one in %s', async (header) => {
    const order = asking()
    const other = [{ role: 'user', content: `Another. ${prompt}` }]
    await order({ provider: { order: ['warm'] } }, { [header]: 's' })
    expect(await order({ messages: other }, { [header]: 's' })).toBe('cheapest: warm > cold')
    expect(await order({}, { [header]: 'another' })).toBe('cheapest: cold > warm')
  })
})

describe('what is charged', () => {
  test('is the price of the tier that the provider says it served from, and no more than was reserved', async () => {
    const tiers = { priority: costingPicoUsd(10_000_000, 10_000_000) }
    const world = pathWorld([someTarget('a', { price: { ...PRICE, tiers }, priceVersion: 'v' })])
    world.limitsMoney = true
    world.upstream = () => Response.json({ ...whole('Hello.'), service_tier: 'priority' })
    await asked(world)
    const event = onlyEvent(world)
    expect(event).toMatchObject({ costNanoUsd: 150_000, usage: { tier: 'priority' } })
    expect(world.admitted[0]?.amounts.nanoUsd).toBeGreaterThanOrEqual(1_000 * 10_000)
  })

  test('is the price of long prompts where the provider counts one, and that was reserved', async () => {
    const dear = { aboveTokens: 9, tokens: costingPicoUsd(10_000_000, 20_000_000) }
    const price = { ...PRICE, longPrompts: [dear] }
    const world = pathWorld([someTarget('a', { price, priceVersion: 'v' })])
    world.limitsMoney = true
    world.upstream = says
    await asked(world)
    const event = onlyEvent(world)
    expect(event.usage).toMatchObject({ input: 10, output: 5 })
    expect(event.costNanoUsd).toBe(costNanoUsd(event.usage, dear.tokens))
    expect(world.admitted[0]?.amounts.nanoUsd).toBeGreaterThanOrEqual(event.costNanoUsd)
    // One token more, and it isn't long.
    const short = pathWorld([someTarget('a', { price: { ...price, longPrompts: [{ ...dear, aboveTokens: 10 }] } })])
    short.upstream = says
    await asked(short)
    expect(onlyEvent(short).costNanoUsd).toBe(costNanoUsd(event.usage, PRICE))
  })

  test('has the call, and the searches of the provider', async () => {
    const price = { ...PRICE, units: { requests: 5_000_000_000, searches: 10_000_000_000 } }
    const world = pathWorld([someTarget('a', { price, priceVersion: 'v' })])
    world.upstream = () => {
      const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, num_search_queries: 2 }
      return Response.json({ ...whole('Hello.'), usage })
    }
    await asked(world)
    const event = onlyEvent(world)
    expect(event.usage.units).toEqual({ requests: 1, searches: 2 })
    expect(event.costNanoUsd).toBe(COST + 5_000_000 + 20_000_000)
    expect(world.admitted[0]?.amounts.nanoUsd).toBeGreaterThanOrEqual(5_000_000)
  })

  test('of one’s own hardware is the time that it was at work, of which as much as it may take was reserved', async () => {
    const price = { ...costingPicoUsd(0, 0), units: { busyMilliseconds: 1_000_000 } }
    const world = pathWorld([someTarget('a', { price, priceVersion: 'v' })])
    world.limitsMoney = true
    world.upstream = async (call) => {
      await new Promise((resolve) => setTimeout(resolve, 400))
      return says(call)
    }
    await asked(world)
    const event = onlyEvent(world)
    expect(event.usage.units).toEqual({ busyMilliseconds: 400 })
    expect(event.costNanoUsd).toBe(400_000)
    expect(world.admitted[0]?.amounts.nanoUsd).toBe(10_000_000)
  })

  test('is the price times what the event says was used, whichever way it is sold', async () => {
    const units = { requests: 3, searches: 4, busyMilliseconds: 7 }
    const price = { ...PRICE, units }
    const world = pathWorld([someTarget('a', { price, priceVersion: 'v' })])
    world.upstream = says
    await asked(world)
    const event = onlyEvent(world)
    expect(event.costNanoUsd).toBe(costNanoUsd(event.usage, price))
  })
})
