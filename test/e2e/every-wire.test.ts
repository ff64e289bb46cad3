// What a provider may do to a request on each wire, and what a client of each protocol sees of it through the running
// gateway: a throttle with its wait, a failure that a retry or the next target makes good, a reply that breaks off.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Wire } from '../../src/core/directory.ts'
import { arrayOf, countOf, objectOf, stringOf } from '../../src/wire/read.ts'
import { CLIENTS, type ClientName, type ClientReading, askAs } from '../corpus/compare-clients.ts'
import { allAttempts } from '../corpus/gateway-ledger.ts'
import { create, createTenant, eventually } from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'
import {
  BEHAVIOURS,
  type Behaviour,
  SPOKEN_WIRES,
  type WireStandIn,
  fixtureOf,
  startWireStandIn,
} from '../support/wire-stand-in.ts'

let system: TestSystem
let provider: WireStandIn
let key: string

/** What the targets of a route do, in order. */
const ROUTES = [
  ['throttles'],
  ['fails-at-times'],
  ['fails-at-first', 'answers'],
  ['says-nothing', 'answers'],
  ['breaks-off', 'answers'],
  ['ends-early', 'answers'],
] as const satisfies readonly (readonly Behaviour[])[]

beforeAll(async () => {
  provider = await startWireStandIn()
  system = await startTestSystem({ simulated: false, secrets: { TIDE_API_KEY: 'tide-secret' } })
  key = (await createTenant(system, 'acme')).key
  for (const wire of SPOKEN_WIRES) {
    for (const behaviour of BEHAVIOURS) await create(system, '/admin/targets', targetOf(wire, behaviour))
    for (const behaviours of ROUTES) {
      const targets = behaviours.map((behaviour) => `${wire}.${behaviour}`)
      await create(system, '/admin/routes', {
        model: `${wire}.${behaviours[0]}~*`,
        targets,
        mid_stream_failover: false,
      })
    }
  }
})
afterAll(async () => {
  await provider.close()
  await system.dispose()
})

const ROOTS: Readonly<Partial<Record<Wire, string>>> = {
  gemini: '/v1beta',
  'openai-chat': '/v1',
  'anthropic-messages': '/v1',
}

/** A target that behaves so, for any model. */
function targetOf(wire: Wire, behaviour: Behaviour) {
  return {
    id: `${wire}.${behaviour}`,
    provider: 'custom',
    dialect: wire,
    model: '*',
    base_url: `${new URL(provider.url).origin}/${wire}/${behaviour}${ROOTS[wire] ?? ''}`,
    auth: 'bearer',
    credential: 'TIDE_API_KEY',
    max_retries: behaviour === 'fails-at-times' || behaviour === 'throttles' ? 1 : 0,
    force: true,
  }
}

/** Asks what is routed to targets of which the first behaves so. Gives how often each behaviour was met. */
async function ask(wire: Wire, name: ClientName, isStreamed: boolean, first: (typeof ROUTES)[number][0]) {
  const model = `${wire}.${first}~${name}.${isStreamed ? 'stream' : 'whole'}`
  const count = () => [provider.callsTo(wire, first), provider.callsTo(wire, 'answers')]
  const before = count()
  const client = await askAs(name, { url: system.url, key }, model, isStreamed)
  return { client, calls: count().map((calls, index) => calls - (before[index] ?? 0)), model }
}

/** The text of the fixture that is answered with. */
function basicText(wire: Wire): string {
  const choice = objectOf(arrayOf(fixtureOf(wire, 'basic').reply?.['choices'])[0])
  return arrayOf(choice['parts'])
    .map((part) => stringOf(objectOf(part)['text']) ?? '')
    .join('')
}

function expectBasic(wire: Wire, client: ClientReading): void {
  const usage = objectOf(fixtureOf(wire, 'basic').reply?.['usage'])
  expect(client).toMatchObject({ isError: false, status: 200 })
  expect(client.choices).toEqual([{ text: basicText(wire), calls: [], finish: 'stop' }])
  expect(client.usage).toEqual({ prompt: countOf(usage['input']), completion: countOf(usage['output']) })
}

/** What the ledger has to have of each model: whether an attempt was the last, and what failed. */
const expected = new Map<string, readonly (readonly [isFinal: boolean, failure: unknown])[]>()

const WAYS = [...CLIENTS.map((name) => [name, true] as const), ['chat', false] as const]

describe.each(SPOKEN_WIRES)('%s', (wire) => {
  test.each(WAYS)('a throttle comes to %s as a 429 with its wait (streamed: %s)', async (name, isStreamed) => {
    const { client, calls, model } = await ask(wire, name, isStreamed, 'throttles')
    const { retryAfterMs } = objectOf(fixtureOf(wire, 'error-429').error?.['expected'])
    expect(client).toMatchObject({ isError: true, status: 429 })
    expect(Number(client.headers.get('retry-after-ms'))).toBe(retryAfterMs)
    expect(Number(client.headers.get('retry-after'))).toBe(Math.ceil(countOf(retryAfterMs) / 1000))
    expect(client.headers.get('x-should-retry')).toBe('true')
    expect(calls).toEqual([1, 0])
    expected.set(model, [[true, 'throttled']])
  })

  test.each(WAYS)('a failure that passes is not seen by %s (streamed: %s)', async (name, isStreamed) => {
    const { client, calls, model } = await ask(wire, name, isStreamed, 'fails-at-times')
    expectBasic(wire, client)
    expect(calls).toEqual([2, 0])
    expected.set(model, [
      [false, 'server'],
      [true, null],
    ])
  })

  test.each(CLIENTS)('a failure as the first word is not seen by %s: the next target answers', async (name) => {
    for (const first of ['fails-at-first', 'says-nothing'] as const) {
      const { client, calls, model } = await ask(wire, name, true, first)
      expectBasic(wire, client)
      expect(calls).toEqual([1, 1])
      expected.set(model, [
        [false, expect.any(String)],
        [true, null],
      ])
    }
  })

  test.each(CLIENTS)('a stream that breaks off is an error to %s, after all that was said', async (name) => {
    const said = fixtureOf(wire, 'cut-stream').failure?.['text']
    for (const cut of ['breaks-off', 'ends-early'] as const) {
      const { client, calls, model } = await ask(wire, name, true, cut)
      expect(client).toMatchObject({ isError: true, status: 200 })
      // What the Anthropic SDK had read is not to be had from its error.
      if (name !== 'messages') expect(client.choices[0]?.text).toBe(said)
      expect(calls).toEqual([1, 0])
      expected.set(model, [[true, 'stream']])
    }
  })
})

test('the ledger has every attempt, and one of each request is the last', async () => {
  const count = [...expected.values()].reduce((sum, attempts) => sum + attempts.length, 0)
  const rows = await eventually(
    () => allAttempts(system),
    (found) => found.length >= count,
  )
  const attempts = Map.groupBy(rows, (row) => row.requested_model)
  for (const [model, wanted] of expected) {
    const own = (attempts.get(model) ?? []).toSorted((a, b) => a.attempt - b.attempt)
    expect([model, ...own.map(({ is_final, failure }) => [is_final, failure])]).toEqual([model, ...wanted])
  }
  expect(rows.length).toBe(count)
})
