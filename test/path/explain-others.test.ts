// Explanations of what isn't chat: of which kind a body is, and that tasks and what is passed through are told as they are then
// served.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { counted } from '../../src/core/limits/amounts.ts'
import type { TaskName } from '../../src/core/directory.ts'
import type { LimitState } from '../../src/core/limits/standing.ts'
import { KINDS } from '../../src/dashboard/explain/explain-kinds.ts'
import { kindOf } from '../../src/data-plane/explain/explain-kind.ts'
import { passThrough } from '../../src/data-plane/pass-through/pass-through.ts'
import { serve as serveRequest } from '../../src/data-plane/serve.ts'
import { serveTask } from '../../src/data-plane/tasks/serve-task.ts'
import { protocols } from '../../src/protocols/index.ts'
import { tasks } from '../../src/protocols/tasks/index.ts'
import { type Given, answerTo, explained, given, plain, worldOf } from '../support/explained-worlds.ts'
import { passingWorld } from '../support/pass-through-world.ts'
import { type PathWorld, callerOf, ended, holdTime, pathWorld } from '../support/path-world.ts'
import { costingPicoUsd, someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const PRICE = { price: costingPicoUsd(1_000_000, 2_000_000), priceVersion: 'p' }
/** What says of which task a body is, where nothing in it does. */
const said = (name: TaskName): string => (name === 'moderations' ? '?protocol=moderations' : '')
const KEY = { authorization: 'Bearer tg_test_of_the_client' }

/** A body of each task, but for its model. */
const BODIES: Readonly<Record<TaskName, Readonly<Record<string, string | readonly string[]>>>> = {
  embeddings: { input: ['one', 'two'] },
  rerank: { query: 'Which?', documents: ['this', 'that'] },
  moderations: { input: 'Is this fine?' },
  images: { prompt: 'A horse.', size: '1024x1024' },
  'image-edits': { prompt: 'A horse, but blue.', image: 'horse.png' },
  speech: { input: 'Good morning.', voice: 'alloy' },
  transcriptions: { file: 'talk.mp3', language: 'en' },
  translations: { file: 'talk.mp3' },
}

/** The client's own request: a form where the task takes one, short enough to be sent twice. */
async function requestFor(name: TaskName, body: object): Promise<Request> {
  const { endpoint, accepts } = tasks[name]
  const url = `https://gateway.test${endpoint}`
  if (accepts === 'json') {
    const headers = { ...KEY, 'content-type': 'application/json' }
    return new Request(url, { method: 'POST', headers, body: JSON.stringify(body) })
  }
  const form = new FormData()
  for (const [member, value] of Object.entries(body)) {
    const isFile = member === 'file' || member === 'image'
    if (isFile) form.append(member, new Blob(['bytes']), 'a.bin')
    else form.append(member, String(value))
  }
  const written = new Response(form)
  const type = written.headers.get('content-type') ?? ''
  const bytes = await written.arrayBuffer()
  const headers = { ...KEY, 'content-type': type, 'content-length': String(bytes.byteLength) }
  return new Request(url, { method: 'POST', headers, body: bytes })
}

async function serve(world: PathWorld, name: TaskName, body: object): Promise<Response> {
  const request = await requestFor(name, body)
  return world.serve((services, later) => serveTask(request, tasks[name], services, later))
}

const overloaded = () => Response.json({ error: { message: 'no' } }, { status: 503 })

describe('the explanation of a task', () => {
  const NAMES = ['embeddings', 'rerank', 'moderations', 'images', 'image-edits', 'speech', 'transcriptions'] as const

  test('says who is asked, in which order, and what is mirrored, with rules, policies and wishes', async () => {
    const seen = { planned: 0, refused: 0, mirrored: 0, unmirrored: 0, preferring: 0 }
    const task = fc.constantFrom(...NAMES)
    const shadowed = (world: PathWorld) => world.shadows.map(({ settled }) => settled[0]?.event.targetId)
    const asking = (one: Given, name: TaskName) => ({
      model: 'asked',
      ...BODIES[name],
      ...(one.wishes === null || tasks[name].accepts === 'multipart' ? {} : { provider: plain(one.wishes) }),
    })
    await fc.assert(
      fc.asyncProperty(given, task, async (one, name) => {
        const body = asking(one, name)
        const told = await explained(worldOf(one), body, said(name))
        const is_guessed = said(name) === ''
        expect(told).toMatchObject({ protocol: name, endpoint: tasks[name].endpoint, read_as: { is_guessed } })
        const failing = worldOf(one)
        failing.upstream = overloaded
        const failed = await serve(failing, name, body)
        await ended(failing, failed)
        expect(failed.headers.get('x-tidegate-plan')).toBe(told.summary ?? null)
        if (told.would_answer !== undefined) {
          seen.refused += 1
          expect([failing.calls, failed.status]).toEqual([[], told.would_answer.status])
          return
        }
        seen.planned += 1
        if ('provider' in body) seen.preferring += 1
        expect(failing.calls.map((call) => call.target.id)).toEqual(told.candidates.map((each) => each.target))
        const served = worldOf(one)
        served.upstream = () => Response.json({ data: [], results: [], usage: { prompt_tokens: 1, total_tokens: 1 } })
        const response = await serve(served, name, body)
        expect(response.headers.get('x-tidegate-plan')).toBe(told.summary)
        await ended(served, response)
        const mirror = response.ok ? (told.shadow?.target ?? null) : null
        expect(shadowed(served)).toEqual(mirror === null ? [] : [mirror])
        seen[mirror === null ? 'unmirrored' : 'mirrored'] += 1
      }),
      { numRuns: 150 },
    )
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(5)
  })

  test('tells what it costs, what it would be held to, and the shadow that a form has none of', async () => {
    const limit = { kind: 'rate', unit: 'requests', perMinute: 60, burst: null, increase: null } as const
    const state = { id: 'k', model: null, policy: { kind: 'refuse' }, used: 0, held: 0, resetsAtMs: null } as const
    const limits: readonly LimitState[] = [{ ...state, scope: 'key', limit, size: 60, left: 0 }]
    const world = pathWorld([someTarget('a', PRICE)], { shadow: { target: 'a', percent: 50 } })
    world.limits = limits
    const told = await explained(world, { model: 'asked', ...BODIES.rerank })
    expect(told).toMatchObject({
      read_as: { is_guessed: true, because: 'it has `query` and `documents`' },
      prompt_tokens: expect.any(Number),
      limits: { would_admit: false, limits: [{ needs: 1, fits: false }] },
      candidates: [{ target: 'a', lane: 'read', dropped: [], health: { state: 'closed' }, is_unpriced: false }],
      cache: 'off',
      shadow: { target: 'a', excluded: null },
    })
    const form = await explained(world, { model: 'asked', ...BODIES.transcriptions })
    expect(form).toMatchObject({
      candidates: [{ lane: 'relayed' }],
      shadow: { target: null, excluded: { target: 'a', reason: 'form' } },
    })
    expect([world.calls, world.admitted, world.shadows, world.permits, world.recorded]).toEqual([[], [], [], [], []])
  })

  test('is held to as much as the task then takes', async () => {
    for (const name of NAMES) {
      const body = { model: 'asked', ...BODIES[name] }
      const world = pathWorld([someTarget('a', { ...PRICE, maxRetries: 0 })])
      world.limits = []
      const told = await explained(world, body, said(name))
      world.upstream = overloaded
      await ended(world, await serve(world, name, body))
      const [first] = world.admitted
      if (first === undefined) throw new Error('nothing was admitted')
      const { tokens, inputTokens, outputTokens } = counted(first.amounts)
      expect(told).toMatchObject({
        prompt_tokens: expect.any(Number),
        limits: { needs: { tokens, input_tokens: inputTokens, output_tokens: outputTokens } },
      })
    }
  })

  test('of a request without its end user says what it would be answered', async () => {
    const world = pathWorld([someTarget('a')])
    world.caller = { ...callerOf(world), endUsers: { isRequired: true, isLimited: false } }
    const body = { model: 'asked', ...BODIES.embeddings }
    expect(await explained(world, body)).toMatchObject({ candidates: [], would_answer: { status: 400 } })
    expect((await serve(world, 'embeddings', body)).status).toBe(400)
  })
})

describe('the explanation of a request', () => {
  const bodies = {
    chat: { messages: [{ role: 'user', content: 'Hello?' }] },
    messages: { messages: [{ role: 'user', content: 'Hello?' }], system: 'Be brief.', max_tokens: 10 },
    responses: { input: 'Hello?' },
    completions: { prompt: 'Hello?' },
  } as const
  const names = ['chat', 'messages', 'responses', 'completions'] as const

  test.each(names)('of %s says who is asked, in which order', async (name) => {
    const protocol = await protocols.of(name).load()
    const seen = { planned: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(given, async (one) => {
        const wishes = one.wishes === null ? {} : { provider: plain(one.wishes) }
        const body = { model: one.model, ...bodies[name], ...wishes }
        const told = await explained(worldOf(one), body)
        expect(told).toMatchObject({ protocol: name, read_as: { is_guessed: true } })
        const failing = worldOf(one)
        failing.upstream = overloaded
        const headers = { ...KEY, 'content-type': 'application/json' }
        const request = new Request(`https://gateway.test${protocol.endpoint}`, {
          method: 'POST',
          headers,
          body: JSON.stringify(body),
        })
        const failed = await failing.serve((services, later) => serveRequest(request, protocol, services, later))
        await ended(failing, failed)
        expect(failed.headers.get('x-tidegate-plan')).toBe(told.summary ?? null)
        expect(failing.calls.map((call) => call.target.id)).toEqual(told.candidates.map((each) => each.target))
        if (told.would_answer !== undefined) expect(failed.status).toBe(told.would_answer.status)
        seen[told.would_answer === undefined ? 'planned' : 'refused'] += 1
      }),
      { numRuns: 40 },
    )
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(2)
  })
})

describe('what kind a body is', () => {
  const kind = (body: object, headers: object = {}, models: readonly string[] = []) =>
    kindOf(new URLSearchParams(), { body: plain(body), headers: new Headers({ ...headers }), models: () => models })

  test.each([
    ['chat', { messages: [] }],
    ['chat', {}],
    ['messages', { messages: [], system: 'Be brief.' }],
    ['responses', { input: 'Hello' }],
    ['responses', { input: [{ role: 'user', content: 'Hello' }] }],
    ['responses', { input: 'Hello', prompt: { id: 'stored' } }],
    ['completions', { prompt: 'Hello' }],
    ['embeddings', { input: ['a', 'b'] }],
    ['embeddings', { input: [1, 2] }],
    ['embeddings', { input: 'a', dimensions: 8 }],
    ['rerank', { query: 'a', documents: ['b'] }],
    ['images', { prompt: 'a', size: '1x1' }],
    ['image-edits', { prompt: 'a', image: 'b.png' }],
    ['speech', { input: 'a', voice: 'b' }],
    ['transcriptions', { file: 'a.mp3' }],
  ])('is %s by its members: %j', (name, body) => {
    expect(kind(body)).toMatchObject({ ok: true, value: { server: { name }, because: expect.any(String) } })
  })

  test.each([
    ['embeddings', { input: 'a' }, 'text-embedding-3-small'],
    ['embeddings', { input: 'a' }, '@cf/baai/bge-m3'],
    ['moderations', { input: 'a' }, 'omni-moderation-latest'],
    ['speech', { input: 'a' }, 'gpt-4o-mini-tts'],
    ['images', { prompt: 'a' }, 'gpt-image-1'],
    ['transcriptions', { prompt: 'a' }, 'whisper-1'],
    ['transcriptions', {}, 'gpt-4o-transcribe'],
    ['responses', { input: 'a' }, 'gpt-5-mini'],
    ['completions', { prompt: 'a' }, 'gpt-3.5-turbo-instruct'],
  ])('is %s by what its model is called', (name, body, model) => {
    expect(kind(body, {}, ['alias', model])).toMatchObject({ ok: true, value: { server: { name } } })
  })

  test('is Anthropic’s by its header', () => {
    const headers = { 'anthropic-version': '2023-06-01' }
    expect(kind({ messages: [] }, headers)).toMatchObject({ value: { server: { name: 'messages' } } })
  })

  test('is told by the model that a route has in place of the one that is asked for', async () => {
    const world = pathWorld([someTarget('a', { model: 'text-embedding-3-small' })])
    expect(await explained(world, { model: 'asked', input: 'a' })).toMatchObject({ protocol: 'embeddings' })
  })

  test('is what is said, whatever the body looks like', async () => {
    const world = pathWorld([someTarget('a')])
    const body = { model: 'asked', input: 'a' }
    const moderation = {
      endpoint: '/v1/moderations',
      read_as: { is_guessed: false, because: null },
      summary: 'priority: a',
    }
    expect(await explained(world, body, '?protocol=moderations')).toMatchObject(moderation)
    expect(await explained(world, body, '?endpoint=/v1/moderations')).toMatchObject(moderation)
    const translation = await explained(world, { model: 'asked', file: 'a.mp3' }, '?protocol=translations')
    expect(translation).toMatchObject({ protocol: 'translations', summary: 'priority: a' })
  })

  test.each([
    ['?protocol=vectors', 'protocol', "'embeddings'"],
    ['?protocol=', 'protocol', "'chat'"],
    ['?endpoint=/v1/vectors', 'endpoint', "'/v1/embeddings'"],
    ['?endpoint=openai', 'endpoint', "'/openai/v1/files'"],
    ['?endpoint=/admin/keys', 'endpoint', "'/v1/embeddings'"],
    ['?endpoint=//elsewhere.test/v1', 'endpoint', "'/v1/embeddings'"],
    ['?endpoint=/v1/embeddings&protocol=chat', 'protocol', "'embeddings'"],
    ['?endpoint=/v1/embeddings&method=GET', 'method', 'POST'],
    ['?endpoint=/openai/v1/files&method=TRACE', 'method', 'GET'],
    ['?endpoint=/openai/v1/files&protocol=chat', 'protocol', 'none'],
    ['?method=GET', 'method', '`endpoint`'],
  ])('is refused where %s is none, and told which there are', async (query, param, allowed) => {
    const response = await answerTo(pathWorld([someTarget('a')]), { model: 'asked', input: 'a' }, query)
    const message: unknown = expect.stringContaining(allowed)
    expect([response.status, await response.json()]).toMatchObject([400, { error: { param, message } }])
  })

  test('is one that the dashboard offers', () => {
    const named = [...protocols.names, ...Object.keys(tasks)]
    expect(KINDS.map(({ value }) => value).toSorted()).toEqual(['', ...named].toSorted())
  })

  test('stands in the complaint of a body that isn’t what it was taken for', async () => {
    const world = pathWorld([someTarget('a')])
    const complaint = async (query: string) => {
      const response = await answerTo(world, { model: 'asked', voice: 'alloy' }, query)
      const { error }: { error: { message: string } } = await response.json()
      return [response.status, error.message]
    }
    expect(await complaint('')).toEqual([
      400,
      "Missing required parameter: 'input'. It was read as a request to /v1/audio/speech, because it has a `voice`; `?endpoint=` says otherwise.",
    ])
    expect(await complaint('?protocol=speech')).toEqual([400, "Missing required parameter: 'input'."])
  })
})

describe('the explanation of what is passed through', () => {
  const calls = [
    ['POST', '/t/chat/completions', { model: 'm', messages: [{ role: 'user', content: 'Hello?' }] }, {}],
    ['POST', '/t/v1/embeddings?trace=1', { model: 'm', input: 'Hello?' }, {}],
    ['GET', '/t/v1/files', {}, { passThrough: 'all' }],
    ['GET', '/t/v1/files', {}, {}],
    ['DELETE', '/t/v1/files/f', {}, { passThrough: 'all' }],
    ['POST', '/t/v1/chat/completions', { model: 'other', messages: [] }, {}],
    ['POST', '/t/v1/chat/completions', { model: 'm', messages: [] }, { passThrough: 'off' }],
    ['POST', '/t/v1/responses', { model: 'm', input: 'a', previous_response_id: 'r' }, {}],
    ['POST', '/nobody/v1/chat/completions', { model: 'm', messages: [] }, {}],
  ] as const

  test.each(calls)('of %s %s %j says what becomes of it', async (method, path, body, caller) => {
    const query = `?${new URLSearchParams({ endpoint: path, method }).toString()}`
    const explaining = passingWorld('openai-chat', caller)
    const told = await explained(explaining, body, query)
    expect([explaining.calls, explaining.admitted]).toEqual([[], []])
    const world = passingWorld('openai-chat', caller)
    const text = method === 'GET' ? {} : { body: JSON.stringify(body) }
    const headers = { ...KEY, 'content-type': 'application/json' }
    const asked = new Request(`https://gateway.test${path}`, { method, headers, ...text })
    const response = await world.serve(async (services, later) => {
      return (await passThrough(asked, services, later)) ?? new Response(null, { status: 404 })
    })
    await ended(world, response)
    expect(told.would_answer?.status ?? 200).toBe(response.status)
    expect(response.headers.get('x-tidegate-plan')).toBe(told.summary ?? null)
    expect(told.candidates.map(({ target }) => target)).toEqual(world.calls.map(({ target }) => target.id))
    expect(told).toMatchObject({ endpoint: path, read_as: { is_guessed: false }, object: 'route.explanation' })
  })

  test('needs no body where the request has none', async () => {
    const world = passingWorld('openai-chat', { passThrough: 'all' })
    const response = await answerTo(world, null, '?endpoint=/t/v1/files&method=GET')
    expect(await response.json()).toMatchObject({ candidates: [{ target: 't~other' }] })
    expect((await answerTo(world, null)).status).toBe(400)
  })

  test('tells its cost and its limits, and its rules', async () => {
    const world = passingWorld()
    world.limits = []
    const asked = '?endpoint=/t/v1/chat/completions'
    const told = await explained(world, { model: 'm', messages: [], max_tokens: 7 }, asked)
    expect(told).toMatchObject({
      route: { strategy: 'named by the path' },
      candidates: [{ target: 't', lane: 'passed-through', estimated_cost_usd: expect.any(Number) }],
      limits: { needs: { output_tokens: 7 }, would_admit: true },
      shadow: null,
    })
  })

  test('doesn’t reach beyond what the caller’s policies allow', async () => {
    const world = passingWorld('openai-chat', { dataPolicies: [{ of: 'key', policy: { regions: ['eu'] } }] })
    const told = await explained(world, { model: 'm', messages: [] }, '?endpoint=/t/v1/chat/completions')
    expect(told).toMatchObject({ candidates: [], would_answer: { status: 403 } })
  })
})
