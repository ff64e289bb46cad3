// "Why did this go there?": every answer to a request that had a route says it in a header, every event of it in full.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Route, Target } from '../../src/core/directory.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { countTokens } from '../../src/data-plane/count-tokens.ts'
import { passThrough } from '../../src/data-plane/pass-through/pass-through.ts'
import { serve } from '../../src/data-plane/serve.ts'
import { serveTask } from '../../src/data-plane/tasks/serve-task.ts'
import { tasks } from '../../src/protocols/tasks/index.ts'
import type { Later, Services } from '../../src/ports.ts'
import { type PathWorld, caching, ended, holdTime, pathWorld } from '../support/path-world.ts'
import { protocols } from '../support/registries.ts'
import { fails, says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const MESSAGES = [{ role: 'user', content: 'Hello?' }]
const BODY = { model: 'asked', messages: MESSAGES }
const LINE = 'x-tidegate-plan'

function request(path: string, body: object): Request {
  const headers = { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' }
  return new Request(`https://gateway.test${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
}

type Serve = (services: Services, later: Later) => Promise<Response>

/** Every way to ask for the model `asked`. */
const PATHS: readonly (readonly [string, Serve])[] = [
  ['chat, whole', (...ports) => serve(request('/v1/chat/completions', BODY), protocols.chat, ...ports)],
  [
    'chat, streamed',
    (...ports) => serve(request('/v1/chat/completions', { ...BODY, stream: true }), protocols.chat, ...ports),
  ],
  [
    'completions',
    (...ports) =>
      serve(request('/v1/completions', { model: 'asked', prompt: 'Hello?' }), protocols.completions, ...ports),
  ],
  ['messages', (...ports) => serve(request('/v1/messages', { ...BODY, max_tokens: 9 }), protocols.messages, ...ports)],
  [
    'embeddings',
    (...ports) => serveTask(request('/v1/embeddings', { model: 'asked', input: ['0'] }), tasks.embeddings, ...ports),
  ],
  [
    'speech',
    (...ports) =>
      serveTask(request('/v1/audio/speech', { model: 'asked', input: 'Hi', voice: 'v' }), tasks.speech, ...ports),
  ],
  ['a count of tokens', (...ports) => countTokens(request('/v1/messages/count_tokens', BODY), ...ports)],
]

function answers(text: string): Response {
  const data = [{ object: 'embedding', index: 0, embedding: [0] }]
  if (text.includes('"voice"')) return new Response('sound', { headers: { 'content-type': 'audio/mpeg' } })
  return Response.json({ object: 'list', data, model: 'm', usage: { prompt_tokens: 1, total_tokens: 1 } })
}

function events(world: PathWorld): readonly UsageEvent[] {
  return [...world.admitted.flatMap(({ settled }) => settled.map(({ event }) => event)), ...world.recorded]
}

function routed(route: Partial<Route>, targets: readonly Target[] = [someTarget('a'), someTarget('b')]): PathWorld {
  const world = pathWorld(targets, route)
  world.upstream = (call) => (/"(input|voice)"/.test(call.text) ? answers(call.text) : says(call))
  return world
}

describe.each(PATHS)('%s', (name, ask) => {
  const hasEvents = name !== 'a count of tokens'

  test('with one target says so, as its event does', async () => {
    const world = routed({}, [someTarget('a')])
    const response = await world.serve(ask)
    await ended(world, response)
    expect(response.status).toBe(200)
    expect(response.headers.get(LINE)).toBe('priority: a')
    expect(events(world).map(({ plan }) => plan)).toEqual(hasEvents ? ['priority: a'] : [])
  })

  test('says it when everybody failed, of each attempt', async () => {
    const world = routed({})
    world.mayRetry = () => false
    world.upstream = (call) => fails(call, 'overloaded')
    const response = await world.serve(ask)
    await ended(world, response)
    // Nobody on another wire is asked to count.
    expect(response.ok).toBe(!hasEvents)
    expect(response.headers.get(LINE)).toBe('priority: a > b')
    expect(events(world).map(({ plan }) => plan)).toEqual(hasEvents ? ['priority: a > b', 'priority: a > b'] : [])
  })

  test('says why nobody is left', async () => {
    const world = routed({})
    world.switches.take({ revision: 1, off: { target: ['a'], provider: ['simulated'] } })
    const response = await world.serve(ask)
    expect(response.status).toBe(503)
    expect(response.headers.get('x-tidegate-route')).toBe('asked')
    expect(response.headers.get(LINE)).toBe('priority: nobody; not a (switched-off), b (switched-off)')
    expect(world.calls).toEqual([])
  })
})

describe('a plan is told', () => {
  test('with a cached answer, of the request that it answers', async () => {
    const world = caching(routed({}, [someTarget('a')]))
    await ended(world, await world.ask(BODY))
    const hit = await world.ask(BODY)
    expect([hit.headers.get('x-tidegate-cache'), hit.headers.get(LINE)]).toEqual(['hit', 'priority: a'])
    expect(world.recorded.map(({ cache, plan }) => [cache, plan])).toEqual([
      ['hit', 'priority: a; served from the cache'],
    ])
  })

  test('to who is refused by a limit, or by a rule', async () => {
    const world = routed({}, [someTarget('a')])
    world.refusal = () => ({ kind: 'unavailable' })
    expect((await world.ask(BODY)).headers.get(LINE)).toBe('priority: a')
    const ruled = routed({ rules: [{ name: 'none', when: { all: [] }, do: { kind: 'refuse', message: 'No.' } }] })
    const refused = await ruled.ask(BODY)
    expect([refused.status, refused.headers.get(LINE)]).toEqual([403, 'rule none: nobody'])
  })

  test('but not where there was no route', async () => {
    const world = routed({})
    const response = await world.ask({ ...BODY, model: 'unknown' })
    expect([response.status, response.headers.get(LINE)]).toEqual([404, null])
  })

  test('in full in the ledger: why a target was left out, and why one was passed over', async () => {
    const world = routed(
      {},
      ['off', 'resting', 'short', 'full', 'good'].map((id) => someTarget(id)),
    )
    world.switches.take({ revision: 1, off: { target: ['off'] } })
    world.permit = ({ id }) => (id === 'resting' ? { retryAfterMs: 9_000 } : null)
    world.short.add('short')
    const full = { kind: 'slots', scope: 'target', model: null, left: 0, most: 1, retryAfterMs: 5 } as const
    world.refusal = (number) => (number === 1 ? full : null)
    const response = await world.ask(BODY)
    await ended(world, response)
    expect(response.headers.get('x-tidegate-target')).toBe('good')
    expect(response.headers.get(LINE)).toBe('priority: resting > short > full > good; not off (switched-off)')
    expect(events(world).map(({ plan }) => plan)).toEqual([
      'priority: resting > short > full > good; not off (switched-off: switched off by the operator); ' +
        'past resting (resting), short (nearly used up), full (its limits)',
    ])
  })

  test('with the wishes that changed the order', async () => {
    const world = routed({})
    const response = await world.ask({ ...BODY, provider: { order: ['b'] } })
    await ended(world, response)
    expect(response.headers.get(LINE)).toBe('priority, provider.order: b > a')
  })

  test('of the model that serves in place of another', async () => {
    const world = routed({})
    const targets = [someTarget('a'), someTarget('b')]
    const route = (model: string, id: string) => ({ id: model, model, tenantId: null, targets: [id], allowedGaps: [] })
    world.table = routeTable({
      revision: 1,
      targets: Object.fromEntries(targets.map((target) => [target.id, target])),
      routes: [route('asked', 'a'), route('other', 'b')],
    })
    world.mayRetry = () => false
    world.upstream = (call) => (call.target.id === 'a' ? fails(call, 'overloaded') : says(call))
    const response = await world.ask({ ...BODY, models: ['other'] })
    await ended(world, response)
    expect(response.headers.get('x-tidegate-route')).toBe('other')
    expect(response.headers.get(LINE)).toBe('instead of asked, priority: b')
    expect(events(world).map(({ plan }) => plan)).toEqual(['priority: a', 'instead of asked, priority: b'])
  })

  test('of what is passed through: the path chose', async () => {
    const world = routed({}, [someTarget('a', { model: 'm' })])
    const asked = request('/a/v1/chat/completions', { model: 'm', messages: MESSAGES })
    const response = await world.serve(async (...ports) => (await passThrough(asked, ...ports)) ?? Response.error())
    await ended(world, response)
    expect(response.headers.get(LINE)).toBe('named by the path: a')
    expect(events(world).map(({ plan }) => plan)).toEqual(['named by the path: a'])
  })

  test('of a mirror, too', async () => {
    const world = routed({ shadow: { target: 'a', percent: 100 } }, [someTarget('a')])
    const response = await world.ask(BODY)
    await ended(world, response)
    expect(response.headers.get(LINE)).toBe('priority: a; shadow a (100%)')
    expect(world.shadows.flatMap(({ settled }) => settled.map(({ event }) => event.plan))).toEqual([
      'shadow of route: a',
    ])
  })
})
