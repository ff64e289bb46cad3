// Tasks on the request path, with everything around in the test's hands: every attempt is settled once whatever happens, calls
// of one request stop together, and bytes go through untouched.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Route } from '../../src/core/directory.ts'
import { passThrough } from '../../src/data-plane/pass-through/pass-through.ts'
import { serveTask } from '../../src/data-plane/tasks/serve-task.ts'
import { tasks } from '../../src/protocols/tasks/index.ts'
import {
  callerOf,
  type PathWorld,
  type SentCall,
  ended,
  expectSettled,
  holdTime,
  pathWorld,
} from '../support/path-world.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const KEY = { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' }
const PRICE = {
  input: 1_000_000,
  cacheRead: 0,
  cacheWrite: 0,
  cacheWriteLong: 0,
  output: 2_000_000,
  reasoning: 0,
  audioInput: 0,
  audioOutput: 0,
}

function request(path: string, body: BodyInit | null, init: RequestInit = {}): Request {
  return new Request(`https://gateway.test${path}`, {
    method: 'POST',
    body,
    ...init,
    headers: { ...KEY, ...Object.fromEntries(new Headers(init.headers)) },
  })
}

function embed(world: PathWorld, input: readonly string[]): Promise<Response> {
  const body = JSON.stringify({ model: 'asked', input })
  return world.serve((services, later) => serveTask(request('/v1/embeddings', body), tasks.embeddings, services, later))
}

/** One vector for each input; the number of the input is in it. */
function vectors(call: SentCall): Response {
  const { input }: { input: string[] } = JSON.parse(call.text)
  const data = input.map((text, index) => ({ object: 'embedding', index, embedding: [Number(text)] }))
  return Response.json({
    object: 'list',
    data,
    model: 'm',
    usage: { prompt_tokens: input.length, total_tokens: input.length },
  })
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => String(index))

describe('the route of a task', () => {
  const wishing = (world: PathWorld, more: object) => {
    const asked = request('/v1/embeddings', JSON.stringify({ model: 'asked', input: ['1'], ...more }))
    return world.serve((services, later) => serveTask(asked, tasks.embeddings, services, later))
  }
  const rules: Route['rules'] = [
    {
      name: 'eu',
      when: { text: 'metadata.region', in: ['eu'] },
      do: { kind: 'use', group: { strategy: 'priority', members: [{ target: 'b', weight: 1 }] } },
    },
    { name: 'no', when: { text: 'metadata.region', in: ['nowhere'] }, do: { kind: 'refuse', message: 'Not there.' } },
  ]

  test('keeps to its rules', async () => {
    const world = pathWorld([someTarget('a'), someTarget('b')], { rules })
    world.upstream = vectors
    const used = await wishing(world, { metadata: { region: 'eu' } })
    await ended(world, used)
    expect(used.headers.get('x-tidegate-plan')).toBe('rule eu: b; not a (rule)')
    const refused = await wishing(world, { metadata: { region: 'nowhere' } })
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ error: { message: expect.stringContaining('Not there.') } })
    const usual = await wishing(world, {})
    await ended(world, usual)
    expect(usual.headers.get('x-tidegate-target')).toBe('a')
  })

  test('keeps to what the client wants, which the provider isn’t told', async () => {
    const world = pathWorld([someTarget('a', { dataRegion: 'us' }), someTarget('b', { dataRegion: 'eu' })])
    world.upstream = vectors
    const answered = await wishing(world, { provider: { data_region: 'eu' }, user: 'u' })
    await ended(world, answered)
    expect(answered.headers.get('x-tidegate-plan')).toBe('priority: b; not a (preference)')
    expect(world.calls.map(({ text }) => JSON.parse(text))).toEqual([{ model: 'b', input: ['1'], user: 'u' }])
    const wrong = await wishing(world, { provider: { sort: 'wit' } })
    expect([wrong.status, await wrong.json()]).toMatchObject([400, { error: { param: 'provider.sort' } }])
  })

  test('tells a router, which reads them itself', async () => {
    const world = pathWorld([someTarget('a', { provider: 'openrouter' })])
    world.upstream = vectors
    await ended(world, await wishing(world, { provider: { sort: 'price' } }))
    expect(JSON.parse(world.calls[0]?.text ?? '')).toMatchObject({ provider: { sort: 'price' } })
  })
})

describe('embeddings in pieces', () => {
  test('are one attempt, one charge and one reply in order', async () => {
    const world = pathWorld([someTarget('a', { maxBatchSize: 3, price: PRICE })])
    world.upstream = vectors
    const response = await embed(world, numbers(20))
    const { data, usage } = JSON.parse(await ended(world, response))
    expect(data.map((item: { embedding: number[] }) => item.embedding)).toEqual(
      numbers(20).map((text) => [Number(text)]),
    )
    expect(usage).toEqual({ prompt_tokens: 20, total_tokens: 20 })
    expect(world.calls).toHaveLength(7)
    expect(response.headers.get('x-tidegate-cost-usd')).toBe('0.000020000')
    expect(expectSettled(world)).toMatchObject([
      { usage: { input: 20, output: 0 }, isEstimated: false, costNanoUsd: 20_000 },
    ])
  })

  test('are six under way at most, and the first to fail stops the others', async () => {
    const world = pathWorld([someTarget('a', { maxBatchSize: 1, maxRetries: 0 })])
    let under = 0
    let most = 0
    let stopped = 0
    world.upstream = (call) =>
      new Promise((resolve, reject) => {
        under += 1
        most = Math.max(most, under)
        if (call.text.includes('"5"')) {
          setTimeout(() => resolve(Response.json({ error: { message: 'no' } }, { status: 400 })), 100)
          return
        }
        call.signal.addEventListener('abort', () => {
          stopped += 1
          reject(new Error('stopped'))
        })
      })
    const response = await embed(world, numbers(30))
    expect([response.status, await ended(world, response)]).toEqual([400, expect.stringContaining('no')])
    expect([most, stopped, world.calls.length]).toEqual([6, 5, 6])
    expect(expectSettled(world)).toMatchObject([{ status: 400, failure: 'client', isFinal: true }])
  })

  test('that are not what was asked for are a failure of the provider, and the next one is asked', async () => {
    const world = pathWorld([someTarget('a', { maxRetries: 0 }), someTarget('b')])
    world.upstream = (call) => (call.target.id === 'a' ? Response.json({ object: 'list' }) : vectors(call))
    const response = await embed(world, numbers(2))
    await ended(world, response)
    expect([response.status, response.headers.get('x-tidegate-target')]).toEqual([200, 'b'])
    expect(expectSettled(world)).toMatchObject([
      { failure: 'stream', isFinal: false },
      { failure: null, isFinal: true },
    ])
  })
})

describe('a form', () => {
  const form = (bytes: number, isStated: boolean): Request => {
    const head = '--edge\r\ncontent-disposition: form-data; name="model"\r\n\r\nasked\r\n'
    const file = `--edge\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n${'x'.repeat(bytes)}\r\n--edge--\r\n`
    const headers = {
      'content-type': 'multipart/form-data; boundary=edge',
      ...(isStated ? { 'content-length': String(head.length + file.length) } : {}),
    }
    const pieces = [head, ...(file.match(/[\s\S]{1,65536}/g) ?? [])]
    const body = new ReadableStream<Uint8Array>({
      pull(controller) {
        const piece = pieces.shift()
        if (piece === undefined) controller.close()
        else controller.enqueue(new TextEncoder().encode(piece))
      },
    })
    return request('/v1/audio/transcriptions', body, Object.assign({ headers }, { duplex: 'half' }))
  }
  const hear = (world: PathWorld, asked: Request): Promise<Response> =>
    world.serve((services, later) => serveTask(asked, tasks.transcriptions, services, later))

  /** What arrives at the provider. */
  const textOf = async (call: SentCall): Promise<string> =>
    call.stream === undefined ? call.text : new Response(call.stream).text()

  test('that is short is sent again when the provider fails, its model renamed', async () => {
    const world = pathWorld([someTarget('real-model')])
    world.upstream = () =>
      world.calls.length === 1 ? new Response('', { status: 503 }) : Response.json({ text: 'Ahoy.' })
    const response = await hear(world, form(100, true))
    expect(JSON.parse(await ended(world, response))).toEqual({ text: 'Ahoy.' })
    expect(world.calls.map(({ text }) => text)).toEqual([
      expect.stringContaining('\r\n\r\nreal-model\r\n'),
      world.calls[0]?.text,
    ])
    expect(expectSettled(world)).toMatchObject([{ isFinal: false }, { isEstimated: true }])
  })

  test.each([
    ['of known length', true],
    ['of unknown length', false],
  ])('that is long and %s goes on as it comes, once', async (_, isStated) => {
    const world = pathWorld([someTarget('real-model'), someTarget('b')])
    let heard = ''
    world.upstream = async (call) => {
      heard = await textOf(call)
      return new Response('', { status: 503 })
    }
    const bytes = 3_000_000
    const asked = form(bytes, isStated)
    const statedBytes = Number(asked.headers.get('content-length'))
    const response = await hear(world, asked)
    await ended(world, response)
    expect([response.status, world.calls.length]).toEqual([503, 1])
    expect(heard).toContain('\r\n\r\nreal-model\r\n')
    expect(heard.endsWith(`${'x'.repeat(100)}\r\n--edge--\r\n`)).toBe(true)
    expect(world.calls[0]?.streamBytes).toBe(isStated ? statedBytes + 5 : null)
    if (isStated) expect(heard).toHaveLength(statedBytes + 5)
    expect(expectSettled(world)).toMatchObject([{ isFinal: true }])
  })
})

describe('bytes that are relayed', () => {
  const speak = (world: PathWorld): Promise<Response> => {
    const body = JSON.stringify({ model: 'asked', input: 'Ahoy', voice: 'alloy' })
    return world.serve((services, later) => serveTask(request('/v1/audio/speech', body), tasks.speech, services, later))
  }

  test('that break off are no whole reply', async () => {
    const world = pathWorld([someTarget('a')])
    world.upstream = () => {
      let turn = 0
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          turn += 1
          if (turn === 1) controller.enqueue(new Uint8Array(10))
          else controller.error(new Error('gone'))
        },
      })
      return new Response(body, { headers: { 'content-type': 'audio/mpeg' } })
    }
    const response = await speak(world)
    expect(await ended(world, response)).toBe('broken off')
    expect(expectSettled(world)).toMatchObject([{ ending: 'provider-cut', isEstimated: true }])
  })

  test('are silent for as long as their provider is', async () => {
    const world = pathWorld([someTarget('a', { timeouts: { firstContentMs: 1_000, idleMs: 60_000, totalMs: 90_000 } })])
    world.upstream = () => {
      let turn = 0
      const body = new ReadableStream<Uint8Array>({
        async pull(controller) {
          turn += 1
          if (turn > 1) await new Promise((resolve) => setTimeout(resolve, 40_000))
          if (turn > 2) controller.close()
          else controller.enqueue(Uint8Array.of(turn))
        },
      })
      return new Response(body, { headers: { 'content-type': 'audio/mpeg' } })
    }
    const response = await speak(world)
    const bytes = response.arrayBuffer()
    await world.finish()
    expect([...new Uint8Array(await bytes)]).toEqual([1, 2])
    expect(expectSettled(world)).toMatchObject([{ ending: 'finished' }])
  })

  test("of a refusal are told in the provider's words, but for what gives our account away", async () => {
    const target = someTarget('a', { provider: 'openai', baseUrl: 'https://api.test/v1' })
    const world = pathWorld([target])
    const message =
      'Rate limit reached in organization org-Ab12Cd34Ef56 for key sk-live1234567890: http://10.0.0.7:8080/v1'
    world.upstream = () => Response.json({ error: { message, code: 'rate_limit_exceeded' } }, { status: 429 })
    world.caller = { ...callerOf(world), passThrough: 'all' }
    const asked = request('/openai/v1/files', null, { method: 'GET' })
    const response = await world.serve(
      async (services, later) => (await passThrough(asked, services, later)) ?? Response.error(),
    )
    const text = await ended(world, response)
    expect([response.status, JSON.parse(text)]).toMatchObject([429, { error: { code: 'rate_limit_exceeded' } }])
    expect(text).not.toMatch(/Ab12|sk-live|10\.0\.0/)
    expect(expectSettled(world)).toMatchObject([{ status: 429, failure: 'throttled', costNanoUsd: 0 }])
    expect(world.permits).toMatchObject([{ targetId: 'a~other', heard: ['throttled'] }])
  })

  test.each(['a stated', 'an unknown'])(
    'are not passed on when they are too many, of %s length, but heard out',
    async (which) => {
      const world = pathWorld([someTarget('a', { provider: 'openai', baseUrl: 'https://api.test/v1' })])
      world.caller = { ...callerOf(world), passThrough: 'all' }
      const length = 21 * 1024 * 1024
      let left = length
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (left === 0) return controller.close()
          left -= 1024 * 1024
          controller.enqueue(new Uint8Array(1024 * 1024))
        },
      })
      const stated = which === 'a stated' ? { 'content-length': String(length) } : {}
      const init = { headers: { 'content-type': 'application/json', ...stated } }
      const asked = request('/openai/v1/files', body, Object.assign(init, { duplex: 'half' }))
      const response = await world.serve(
        async (services, later) => (await passThrough(asked, services, later)) ?? Response.error(),
      )
      await ended(world, response)
      expect([response.status, left, world.calls.length]).toEqual([413, 0, 0])
    },
  )

  test('may be passed through with a failure in them, which is the provider own to tell', async () => {
    const target = someTarget('a', { provider: 'openai', baseUrl: 'https://api.test/v1', price: PRICE, model: 'm' })
    const world = pathWorld([target])
    const events =
      'data: {"choices":[{"index":0,"delta":{"content":"Ah"}}]}\n\ndata: {"error":{"message":"odd","code":500}}\n\n'
    world.upstream = () => new Response(events, { headers: { 'content-type': 'text/event-stream' } })
    const body = JSON.stringify({ model: 'm', stream: true, messages: [] })
    const asked = request('/openai/v1/chat/completions', body, { headers: { 'content-type': 'application/json' } })
    const response = await world.serve(
      async (services, later) => (await passThrough(asked, services, later)) ?? Response.error(),
    )
    expect(await ended(world, response)).toBe(events)
    expect(world.calls[0]).toMatchObject({ path: '/v1/chat/completions', text: body, method: 'POST' })
    expect(expectSettled(world)).toMatchObject([{ protocol: 'pass-through', requestedModel: 'm', isEstimated: true }])
  })
})
