// What a client says of its targets in the request itself: who is asked, in which order, and what the provider is sent.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Condition } from '../../src/core/routing/condition.ts'
import type { Price } from '../../src/core/money/price.ts'
import type { RouteRule } from '../../src/core/routing/route-rules.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import { serve } from '../../src/data-plane/serve.ts'
import { type PathWorld, ended, expectSettled, holdTime, pathWorld, servicesOf } from '../support/path-world.ts'
import { protocols } from '../support/registries.ts'
import { fails, says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

/** USD per million tokens. */
function price(input: number, output: number): Price {
  const [inPico, outPico] = [input * 1e6, output * 1e6]
  return {
    input: inPico,
    cacheRead: inPico,
    cacheWrite: inPico,
    cacheWriteLong: inPico,
    output: outPico,
    reasoning: outPico,
    audioInput: inPico,
    audioOutput: outPico,
  }
}

const TARGETS = [
  someTarget('dear', { provider: 'openai', price: price(5, 15), labels: ['no-training'] }),
  someTarget('cheap', { provider: 'groq', price: price(0.1, 0.4) }),
  someTarget('free', { provider: 'ollama', price: price(0, 0), labels: ['zdr', 'no-training'] }),
  someTarget('router', { provider: 'openrouter' }),
]

const BODY = { model: 'asked', messages: [{ role: 'user', content: 'Hello?' }] }

function world(ids: readonly string[] = ['dear', 'cheap', 'free']): PathWorld {
  const made = pathWorld(TARGETS)
  const route = (model: string, targets: readonly string[]) => ({
    id: model,
    model,
    tenantId: null,
    targets,
    allowedGaps: [],
  })
  made.table = routeTable({
    revision: 1,
    targets: Object.fromEntries(TARGETS.map((target) => [target.id, target])),
    routes: [route('asked', ids), route('other', ['cheap'])],
  })
  return made
}

/** The targets asked, when none of them answers. */
async function tried(body: object, made = world()): Promise<readonly string[]> {
  made.upstream = (call) => fails(call, 'overloaded')
  made.mayRetry = () => false
  await (await made.ask({ ...BODY, ...body })).text()
  return made.calls.map(({ target }) => target.id)
}

describe('provider', () => {
  test.each([
    [{}, ['dear', 'cheap', 'free']],
    [{ order: ['groq'] }, ['cheap', 'dear', 'free']],
    [{ order: ['free', 'Groq/fast'] }, ['free', 'cheap', 'dear']],
    [{ only: ['openai', 'ollama'] }, ['dear', 'free']],
    [{ ignore: ['openai'] }, ['cheap', 'free']],
    [{ sort: 'price' }, ['free', 'cheap', 'dear']],
    [{ sort: { by: 'price' }, order: ['openai'] }, ['dear', 'free', 'cheap']],
    [{ max_price: { prompt: 1, completion: '0.4' } }, ['cheap', 'free']],
    [{ max_price: { completion: 0.3 } }, ['free']],
    [{ allow_fallbacks: false }, ['dear']],
    [{ order: ['groq'], allow_fallbacks: false }, ['cheap']],
    [{ data_collection: 'deny' }, ['dear', 'free']],
    [{ zdr: true }, ['free']],
  ])('%j asks %j', async (provider, expected) => {
    expect(await tried({ provider })).toEqual(expected)
  })

  test('that leaves nobody says so', async () => {
    const response = await world().ask({ ...BODY, provider: { only: ['nobody', 'groq'], zdr: true } })
    expect(response.status).toBe(400)
    const message = "No target of the model `asked` is left by 'provider.only', 'provider.zdr'."
    expect(await response.json()).toMatchObject({ error: { param: 'provider.only', message } })
    expect(response.headers.get('x-should-retry')).not.toBe('true')
    expect(response.headers.get('x-tidegate-request-id')).not.toBeNull()
  })

  test.each([
    ['provider', 'groq'],
    ['provider.order', { order: 'groq' }],
    ['provider.only', { only: [1] }],
    ['provider.sort', { sort: 'beauty' }],
    ['provider.max_price', { max_price: { prompt: 'much' } }],
    ['provider.max_price', { max_price: { prompt: 1, image: 2 } }],
    ['provider.allow_fallbacks', { allow_fallbacks: 'yes' }],
    ['provider.data_collection', { data_collection: 'Deny' }],
    ['provider.data_collection', { data_collection: false }],
    ['provider.zdr', { zdr: 'true' }],
    ['provider.data_colection', { data_colection: 'deny' }],
    ['provider.quantizations', { quantizations: ['fp8'] }],
  ])('wrong in %s is a 400 that names it', async (field, provider) => {
    const response = await world().ask({ ...BODY, provider })
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ error: { param: field } })
  })
})

describe('where the client is', () => {
  test.each([
    ['nowhere', undefined, 'dear'],
    ['in Europe and the EU', { continent: 'EU', country: 'FR', isEUCountry: '1' }, 'free'],
    ['in Europe alone', { continent: 'EU', country: 'CH' }, 'cheap'],
    ['in the country that the platform names, whatever a header says', { continent: 'NA', country: 'US' }, 'dear'],
  ])('%s decides by rules', async (_, cf, target) => {
    const made = world()
    const [asked] = made.table.models('tenant').filter(({ model }) => model === 'asked')
    const use = (when: Condition, id: string): RouteRule => {
      const group = { strategy: 'priority', members: [{ target: id, weight: 1 }] } as const
      return { name: id, when, do: { kind: 'use', group } }
    }
    const rules = [
      use({ flag: 'in_eu', is: true }, 'free'),
      use({ text: 'continent', in: ['EU'] }, 'cheap'),
      use({ text: 'country', in: ['XX'] }, 'router'),
    ]
    made.table = routeTable({
      revision: 2,
      targets: Object.fromEntries(TARGETS.map((one) => [one.id, one])),
      routes: asked === undefined ? [] : [{ ...asked, targets: TARGETS.map(({ id }) => id), rules }],
    })
    made.upstream = says
    const headers = { authorization: 'Bearer k', ...(cf === undefined ? {} : { 'cf-ipcountry': 'XX' }) }
    const request = new Request('https://gateway.test/v1/chat/completions', {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(BODY),
    })
    if (cf !== undefined) Object.defineProperty(request, 'cf', { value: cf })
    await (await made.serve((services, later) => serve(request, protocols.chat, services, later))).text()
    expect(made.calls.map((call) => call.target.id)).toEqual([target])
  })
})

describe('how much of the budget is used', () => {
  const rules: readonly RouteRule[] = [
    {
      name: 'thrift',
      when: { number: 'budget_used', from: 80 },
      do: { kind: 'use', group: { strategy: 'priority', members: [{ target: 'cheap', weight: 1 }] } },
    },
  ]

  test.each([
    [null, 'dear', 'dear'],
    [79, 'dear', 'dear'],
    [80, 'dear', 'cheap'],
    [130, 'dear', 'cheap'],
  ])('decides by rules once it was heard of: %s %%', async (percent, first, then) => {
    const made = world()
    const [asked] = made.table.models('tenant').filter(({ model }) => model === 'asked')
    const targets = Object.fromEntries(TARGETS.map((one) => [one.id, one]))
    made.table = routeTable({ revision: 2, targets, routes: asked === undefined ? [] : [{ ...asked, rules }] })
    made.upstream = says
    const resetsAtMs = Date.now() + 3_600_000
    const leftNanoUsd = Math.max(0, 1_000 - 10 * (percent ?? 0))
    if (percent !== null) made.standings = { rates: {}, budget: { limitNanoUsd: 1_000, leftNanoUsd, resetsAtMs } }
    const services = servicesOf(made)
    const served = async (): Promise<string | null> => {
      const response = await made.serve((_, later) => serve(chatRequest(BODY), protocols.chat, services, later))
      await ended(made, response)
      return response.headers.get('x-tidegate-target')
    }
    expect([await served(), await served()]).toEqual([first, then])
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect(await served(), 'in another window').toBe('dear')
  })
})

function chatRequest(body: object): Request {
  const headers = { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' }
  return new Request('https://gateway.test/v1/chat/completions', {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
}

describe('models', () => {
  test.each([
    ['switched off', { provider: ['openai', 'ollama'] }, {}],
    ['left out by a wish', {}, { provider: { only: ['groq'] } }],
  ] as const)('that come next are asked where the first has nobody left: %s', async (_, off, more) => {
    const made = world(['dear', 'free'])
    made.upstream = says
    made.switches.take({ revision: 1, off })
    const response = await made.ask({ ...BODY, ...more, models: ['nobody', 'other'] })
    await ended(made, response)
    expect(response.status).toBe(200)
    expect(made.calls.map(({ target, text }) => [target.id, JSON.parse(text).models])).toEqual([['cheap', undefined]])
    expect(response.headers.get('x-tidegate-plan')).toBe('instead of asked, priority: cheap')
    expect(expectSettled(made)).toMatchObject([{ route: 'other', requestedModel: 'other' }])
  })

  test('none of which anybody may serve leave the first one’s answer', async () => {
    const made = world(['dear'])
    const response = await made.ask({ ...BODY, provider: { only: ['nobody'] }, models: ['nobody', 'other'] })
    expect([response.status, response.headers.get('x-tidegate-plan')]).toEqual([
      400,
      'priority: nobody; not dear (preference)',
    ])
  })

  test('are gone on with, in order, when the first can not be had', async () => {
    const made = world(['dear'])
    made.upstream = (call) => (call.target.id === 'dear' ? fails(call, 'overloaded') : says(call))
    made.mayRetry = () => false
    const response = await made.ask({ ...BODY, models: ['nobody', 'other'] })
    expect(response.status).toBe(200)
    expect(made.calls.map(({ target }) => target.id)).toEqual(['dear', 'cheap'])
    expect(response.headers.get('x-tidegate-route')).toBe('other')
    expect(response.headers.get('x-tidegate-downgraded-from')).toBeNull()
  })

  test('are not gone on with after a mistake of the client', async () => {
    const made = world(['dear'])
    made.upstream = () => Response.json({ error: { message: 'Wrong.', param: 'n', code: 'c' } }, { status: 400 })
    expect((await made.ask({ ...BODY, models: ['other'] })).status).toBe(400)
    expect(made.calls).toHaveLength(1)
  })

  test('in a form that can not be read are a 400', async () => {
    const response = await world().ask({ ...BODY, models: 'other' })
    expect(await response.json()).toMatchObject({ error: { param: 'models' } })
  })
})

describe('what the provider is sent', () => {
  const wishes = { provider: { order: ['router', 'openai'] }, models: ['other'] }

  test('has no wishes that were followed here', async () => {
    const made = world()
    made.upstream = (call) => says(call)
    await (await made.ask({ ...BODY, ...wishes })).text()
    expect(Object.keys(JSON.parse(made.calls[0]?.text ?? '{}'))).toEqual(Object.keys(BODY))
  })

  test('has all of them where it routes by them itself', async () => {
    const made = world(['router'])
    made.upstream = (call) => says(call)
    await (await made.ask({ ...BODY, ...wishes })).text()
    expect(JSON.parse(made.calls[0]?.text ?? '{}')).toMatchObject(wishes)
  })
})
