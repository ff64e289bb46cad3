// Mirrored requests: sent after the client's answer is under way, by the same checks, on nobody's budget, and told apart from
// what clients asked for.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Route, Target } from '../../src/core/directory.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import type { ShadowPolicy } from '../../src/core/routing/shadow.ts'
import { shadowObjectName, targetObjectName } from '../../src/core/limits/side-limits.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { besideLimits } from '../../src/platform/beside.ts'
import { type Beside, isAdmitted } from '../../src/ports.ts'
import { budget, slots } from '../support/limiter-receiver.ts'
import { sideConfig, sideReceiver } from '../support/side-receiver.ts'
import { usageEvent } from '../support/usage-events.ts'
import { virtualClock } from '../support/virtual-clock.ts'
import { serve } from '../../src/data-plane/serve.ts'
import { serveTask } from '../../src/data-plane/tasks/serve-task.ts'
import type { Task } from '../../src/protocols/task.ts'
import { tasks } from '../../src/protocols/tasks/index.ts'
import {
  type PathWorld,
  type SentCall,
  WAYS,
  callerOf,
  ended,
  holdTime,
  pathWorld,
  servicesOf,
} from '../support/path-world.ts'
import { contentEvent } from '../support/raw-provider.ts'
import { protocols } from '../support/registries.ts'
import { ending, fails, says, silence, streamed } from '../support/scripted-provider.ts'
import { costingPicoUsd, someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const PRICE = { price: costingPicoUsd(1_000_000, 2_000_000), priceVersion: 'p' }
const TARGETS = [
  someTarget('live', PRICE),
  someTarget('other', PRICE),
  someTarget('mirror', { ...PRICE, maxRetries: 2, dataRegion: 'us' }),
]

function world(
  shadow: Partial<ShadowPolicy> = {},
  route: Partial<Route> = {},
  more: readonly Target[] = [],
): PathWorld {
  const made = pathWorld([])
  const policy: ShadowPolicy = {
    percent: 100,
    ...(shadow.route === undefined ? { target: 'mirror' } : {}),
    ...shadow,
  }
  const routes: readonly Route[] = [
    { id: 'r', model: 'asked', tenantId: null, targets: ['live', 'other'], allowedGaps: [], shadow: policy, ...route },
    { id: 'r2', model: 'new', tenantId: null, targets: ['gone', 'mirror', 'other'], allowedGaps: [] },
    { id: 'theirs', model: 'new', tenantId: 'somebody', targets: ['mirror'], allowedGaps: [] },
  ]
  const targets = Object.fromEntries([...TARGETS, ...more].map((target) => [target.id, target]))
  made.table = routeTable({ revision: 1, targets, routes })
  made.upstream = says
  return made
}

const asked = (made: PathWorld) => made.calls.map(({ target }) => target.id)
/** The mirrored attempts' events. */
const mirrored = (made: PathWorld) =>
  made.shadows.flatMap(({ settled }) => settled.map(({ event, actual }) => ({ event, actual })))

describe.each(WAYS)('a mirror of a request that is %s', (way, body) => {
  test('is sent once the answer is under way, and is in the ledger by itself', async () => {
    const made = world({ percent: 100, budgetNanoUsd: 5 })
    const named = { ...body, user: 'somebody', metadata: { feature: 'search' } }
    const headers = { 'x-tidegate-tags': 'mine', 'x-tidegate-prompt': 'greet@2' }
    const response = await made.ask(named, { headers })
    expect(asked(made)[0]).toBe('live')
    expect(response.headers.get('x-tidegate-plan')).toBe('priority: live > other; shadow mirror (100%)')
    expect(await ended(made, response)).toContain('Hello.')
    expect(asked(made)).toEqual(['live', 'mirror'])
    const [live, shadow] = made.calls.map(({ text }): Record<string, unknown> => JSON.parse(text))
    expect({ ...shadow, model: '' }).toEqual({ ...live, model: '' })
    const [{ event, actual } = { event: null, actual: null }] = mirrored(made)
    expect(event).toMatchObject({
      keyId: 'shadow',
      teamId: null,
      tenantId: 'tenant',
      endUser: null,
      tags: [],
      traceId: 'id-1',
      route: 'r',
      targetId: 'mirror',
      status: 200,
      ending: 'finished',
      isFinal: true,
      streamed: way === 'streamed',
      costNanoUsd: 20_000,
    })
    expect(event?.ttftMs).toEqual(way === 'streamed' ? expect.any(Number) : null)
    expect(actual?.nanoUsd).toBe(20_000)
    expect(made.shadows[0]).toMatchObject({ budgetOf: 'r' })
    expect(made.admitted, 'the client’s limits pay for the client alone').toHaveLength(1)
    expect(made.speeds.of(someTarget('mirror', PRICE))).toBeNull()
    expect(made.permits.map(({ targetId, heard }) => [targetId, heard])).toEqual([
      ['live', [null]],
      ['mirror', [null]],
    ])
    expect(vi.getTimerCount()).toBe(0)
  })

  test('that fails tells its target’s breaker, and nobody else', async () => {
    const made = world()
    made.upstream = (call) => (call.target.id === 'mirror' ? fails(call, 'server') : says(call))
    const response = await made.ask(body)
    expect(await ended(made, response)).toContain('Hello.')
    expect(made.permits.at(-1)).toEqual({ targetId: 'mirror', heard: ['server'] })
    expect(mirrored(made).at(-1)?.event).toMatchObject({ ending: 'failed', failure: 'server', isFinal: true })
    expect(asked(made), 'it is not tried again').toEqual(['live', 'mirror'])
    expect(made.recorded).toEqual([])
  })

  test('goes along another route by that one’s own choice', async () => {
    const made = world({ route: 'r2' })
    await ended(made, await made.ask(body))
    expect(asked(made)).toEqual(['live', 'mirror'])
    expect(mirrored(made)[0]?.event).toMatchObject({ route: 'r', requestedModel: 'new' })
  })

  test.each([
    ['is not drawn', (made: PathWorld): void => void (made.draw = 0.5), { percent: 50 }],
    ['has no target', () => undefined, { target: 'gone' }],
    ['has another tenant’s route', () => undefined, { route: 'theirs' }],
    ['was not answered well', (made: PathWorld): void => void (made.upstream = (call) => fails(call, 'client')), {}],
    ['has no money left', (made: PathWorld): void => void (made.shadowRefusal = { kind: 'unavailable' }), {}],
    [
      'finds its breaker open',
      (made: PathWorld): void => void (made.permit = ({ id }) => (id === 'mirror' ? { retryAfterMs: 9 } : null)),
      {},
    ],
    [
      'may not leave its region',
      (made: PathWorld): void =>
        void (made.caller = { ...callerOf(made), dataPolicies: [{ of: 'tenant', policy: { regions: ['eu'] } }] }),
      {},
    ],
    [
      'finds it switched off',
      (made: PathWorld): void => made.switches.take({ revision: 1, off: { target: ['mirror'] } }),
      {},
    ],
  ] as const)('is not sent where it %s', async (_, prepare, shadow) => {
    const made = world(shadow, {}, [])
    const inEurope = TARGETS.map((target) => (target.id === 'mirror' ? target : { ...target, dataRegion: 'eu' }))
    const { table } = made
    made.table = routeTable({
      revision: 2,
      targets: Object.fromEntries(inEurope.map((target) => [target.id, target])),
      routes: [...table.models('tenant'), ...table.models('somebody').filter(({ id }) => id === 'theirs')],
    })
    prepare(made)
    await ended(made, await made.ask(body))
    expect(asked(made)).not.toContain('mirror')
    expect(made.calls.length).toBeGreaterThan(0)
    expect(mirrored(made)).toEqual([])
  })

  test('does not go where the client does not want it, nor where a rule of the route says no', async () => {
    const unwanted = world()
    await ended(unwanted, await unwanted.ask({ ...body, provider: { ignore: ['mirror'] } }))
    expect(asked(unwanted)).toEqual(['live'])
    const rules: Route['rules'] = [{ name: 'no', when: { all: [] }, do: { kind: 'exclude', targets: ['mirror'] } }]
    const kept = world({}, { dataPolicy: { noTraining: true } }, [
      someTarget('live', { ...PRICE, trains: false }),
      someTarget('other', { ...PRICE, trains: false }),
    ])
    await ended(kept, await kept.ask(body))
    expect(asked(kept)).toEqual(['live'])
    const ruled = world({}, { rules })
    await ended(ruled, await ruled.ask(body))
    expect(asked(ruled)).toEqual(['live'])
  })

  test('is bounded in number and in length, and nobody waits for one that hangs', async () => {
    const patient = { timeouts: { firstContentMs: 500_000, idleMs: 500_000, totalMs: 500_000 } }
    const made = world({ target: 'patient' }, {}, [someTarget('patient', patient)])
    const services = servicesOf(made)
    const ask = (asking: object) =>
      made.serve((_, later) => serve(chatRequest(asking), protocols.chat, services, later))
    made.upstream = (call) => (call.target.id === 'patient' ? silence(call) : says(call))
    const startMs = Date.now()
    for (let sent = 0; sent < 7; sent += 1) expect(await (await ask(body)).text()).toContain('Hello.')
    expect(Date.now() - startMs).toBeLessThan(5_000)
    const mirrors = () => asked(made).filter((id) => id === 'patient')
    expect(mirrors()).toHaveLength(4)
    await made.finish()
    for (const { event } of mirrored(made)) expect(event.ending).toBe('client-left')
    made.upstream = says
    await ended(made, await ask(body))
    expect(mirrors(), 'there is room again').toHaveLength(5)
    await ended(made, await ask({ ...body, messages: [{ role: 'user', content: 'x'.repeat(1_100_000) }] }))
    expect(mirrors()).toHaveLength(5)
  })
})

describe('a mirror of a task', () => {
  const embeds = (call: SentCall): Response => {
    if (call.text.includes('"voice"')) return new Response('sound', { headers: { 'content-type': 'audio/mpeg' } })
    const data = [{ object: 'embedding', index: 0, embedding: [0] }]
    return Response.json({ object: 'list', data, model: 'm', usage: { prompt_tokens: 7, total_tokens: 7 } })
  }

  async function embed(made: PathWorld, more: object = {}, task: Task = tasks.embeddings): Promise<Response> {
    made.upstream = embeds
    const body = { model: 'asked', input: task.isRelayed ? 'Hello?' : ['Hello?'], ...more }
    const response = await made.serve((services, later) =>
      serveTask(jsonRequest(task.endpoint, body), task, services, later),
    )
    await ended(made, response)
    return response
  }

  test('is sent once the answer is there, by the key `shadow`, from the shadow’s own budget, and never together', async () => {
    const batching = { maxBatchSize: 8, maxWaitMs: 10 }
    const made = world({ budgetNanoUsd: 5 }, {}, [someTarget('mirror', { ...PRICE, batching })])
    const response = await embed(made, { user: 'somebody' })
    expect(response.headers.get('x-tidegate-plan')).toBe('priority: live > other; shadow mirror (100%)')
    expect(asked(made)).toEqual(['live', 'mirror'])
    const [live, shadow] = made.calls.map(({ text }): Record<string, unknown> => JSON.parse(text))
    expect({ ...shadow, model: '' }).toEqual({ ...live, model: '' })
    const [{ event, actual } = { event: null, actual: null }] = mirrored(made)
    expect(event).toMatchObject({
      protocol: 'embeddings',
      keyId: 'shadow',
      endUser: null,
      traceId: 'id-1',
      route: 'r',
      targetId: 'mirror',
      status: 200,
      ending: 'finished',
      usage: { input: 7 },
      plan: 'shadow of r: mirror',
      tags: [],
    })
    expect(actual?.nanoUsd).toBe(event?.costNanoUsd)
    expect(response.headers.get('x-tidegate-cost-usd')).toBe('0.000007000')
    expect(made.shadows).toMatchObject([{ budgetOf: 'r' }])
    expect(made.admitted).toHaveLength(1)
  })

  test('goes along another route, and reads a reply that is relayed to its end', async () => {
    const made = world({ route: 'r2' })
    await embed(made, { voice: 'v' }, tasks.speech)
    expect(asked(made)).toEqual(['live', 'mirror'])
    expect(mirrored(made)[0]?.event).toMatchObject({ protocol: 'speech', requestedModel: 'new', ending: 'finished' })
  })

  test('keeps to the rules of its route and to what the client wants', async () => {
    const rules: Route['rules'] = [{ name: 'no', when: { all: [] }, do: { kind: 'exclude', targets: ['mirror'] } }]
    for (const [made, more] of [
      [world({}, { rules }), {}],
      [world(), { provider: { ignore: ['mirror'] } }],
      [world({ percent: 40 }), {}],
    ] as const) {
      await embed(made, more)
      expect(asked(made)).toEqual(['live'])
      expect(mirrored(made)).toEqual([])
    }
  })

  test('is none where the body is a form, which is read only once', async () => {
    const made = world()
    const form = new FormData()
    form.set('model', 'asked')
    form.set('file', new File(['sound'], 'a.mp3', { type: 'audio/mpeg' }))
    const headers = { authorization: 'Bearer tg_test_of_the_client' }
    const request = new Request('https://gateway.test/v1/audio/transcriptions', { method: 'POST', headers, body: form })
    made.upstream = () => Response.json({ text: 'Hello.' })
    const response = await made.serve((services, later) => serveTask(request, tasks.transcriptions, services, later))
    await ended(made, response)
    expect([response.status, asked(made)]).toEqual([200, ['live']])
  })
})

function chatRequest(body: object): Request {
  return jsonRequest('/v1/chat/completions', body)
}

function jsonRequest(path: string, body: object): Request {
  const headers = { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' }
  return new Request(`https://gateway.test${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
}

test('a mirror that goes on long after the client’s answer is stopped, as if its client had left', async () => {
  const slow = { timeouts: { firstContentMs: 500_000, idleMs: 500_000, totalMs: 500_000 } }
  const made = world({ target: 'slow' }, {}, [someTarget('slow', { ...PRICE, ...slow })])
  made.upstream = (call) =>
    call.target.id === 'slow'
      ? streamed(call, [contentEvent('So far')], 'hangs')
      : streamed(call, [contentEvent('Hi'), ending()])
  const startMs = Date.now()
  await ended(made, await made.ask(WAYS[1][1]))
  const [{ event } = { event: null }] = mirrored(made)
  expect(event).toMatchObject({ ending: 'client-left', targetId: 'slow' })
  expect(Date.now() - startMs).toBeGreaterThanOrEqual(20_000)
  expect(Date.now() - startMs).toBeLessThan(30_000)
  expect(made.permits.at(-1)?.heard, 'no fault of the target').toEqual([null])
})

describe('the budget of a shadow', () => {
  const LATER = (work: Promise<void>) => void work
  const PATH = { tenantId: 't', teamId: null, keyId: 'shadow', model: 'm' }
  const COST = { requests: 1, inputTokens: 5, outputTokens: 5, slots: 1, nanoUsd: 400 }

  /** A day's budget of 1,000 nano-USD for route `r`, and one attempt at once at target `full`. */
  function limits() {
    const clock = virtualClock()
    const { nowMs, sleep } = clock
    const purse = sideReceiver(
      sideConfig([{ model: null, limits: [budget(1_000, 'day')] }], { scope: 'target' }),
      nowMs(),
    )
    const pool = sideReceiver(sideConfig([{ model: null, limits: [slots(1)] }], { scope: 'target' }), nowMs())
    const sides = new Map([
      [shadowObjectName('r'), purse],
      [targetObjectName('full'), pool],
    ])
    const recorded: UsageEvent[] = []
    const announced: string[] = []
    const beside = besideLimits({
      nowMs,
      sleep,
      newId: () => 'h',
      digest: async (text) => text,
      async sendBeside(name, message) {
        await sleep(2)
        const side = sides.get(name)
        if (side === undefined) throw new Error('away')
        return side.call(structuredClone(message), nowMs())
      },
    })
    const ask = async (id: string, budgetOf: string | null, target: Beside['target'] = null) => {
      const asked = { budgetOf, path: PATH, amounts: COST, template: usageEvent(id), beside: { endUser: null, target } }
      const answer = beside.admitShadow(asked, LATER, {
        admitted(amounts) {
          announced.push(`${id}: ${amounts.nanoUsd}`)
          return () => id === 'unwanted'
        },
        settled: (event) => recorded.push(event),
      })
      return clock.until(Promise.resolve(answer))
    }
    return { ask, clock, recorded, announced }
  }

  test('is never overspent, and what was not spent is there again', async () => {
    const { ask, clock, recorded } = limits()
    const [first, second] = [await ask('1', 'r'), await ask('2', 'r')]
    if (!isAdmitted(first) || !isAdmitted(second)) throw new Error('refused')
    expect([first.limitsMoney, first.amounts.nanoUsd]).toEqual([true, 400])
    expect(await ask('3', 'r')).toMatchObject({ kind: 'budget', limitNanoUsd: 1_000 })
    second.settle({ ...COST, nanoUsd: 0 }, usageEvent('2', { costNanoUsd: 0 }), LATER)
    second.settle(COST, usageEvent('2 again'), LATER)
    await clock.advance(30_000)
    const third = await ask('4', 'r')
    expect(isAdmitted(third)).toBe(true)
    first.settle(COST, usageEvent('1', { costNanoUsd: 400 }), LATER)
    expect(
      recorded.map(({ requestId }) => requestId),
      'each event once',
    ).toEqual(['2', '1'])
  })

  test('may be none; what limits the target counts all the same, and nothing is taken where something refuses', async () => {
    const { ask, recorded, announced } = limits()
    const full = { id: 'full', model: 'm' }
    const free = await ask('1', null)
    const unwanted = await ask('unwanted', null)
    if (!isAdmitted(free) || !isAdmitted(unwanted)) throw new Error('refused')
    expect([free.isCancelled?.(), unwanted.isCancelled?.()]).toEqual([false, true])
    expect([free.limitsMoney, free.extend(COST, LATER)]).toEqual([false, true])
    const held = await ask('2', null, full)
    expect(isAdmitted(held)).toBe(true)
    expect(await ask('3', 'r', full)).toMatchObject({ kind: 'slots' })
    for (const id of ['4', '5']) expect(isAdmitted(await ask(id, 'r')), 'nothing was taken by 3').toBe(true)
    expect(await ask('6', 'unknown')).toEqual({ kind: 'unavailable' })
    expect(announced, 'none that was refused').toEqual(['1: 400', 'unwanted: 400', '2: 400', '4: 400', '5: 400'])
    free.settle(COST, usageEvent('1'), LATER)
    expect(recorded).toHaveLength(1)
  })
})
