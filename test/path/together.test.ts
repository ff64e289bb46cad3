// Small requests that become one call: who is asked together, what each gets and pays, what a failure or a leaving client does
// to the others. In one isolate; `test/workers/together.test.ts` has several.
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { serveTask } from '../../src/data-plane/tasks/serve-task.ts'
import { isolateHeadroom } from '../../src/platform/headroom.ts'
import type { Services } from '../../src/ports.ts'
import { tasks } from '../../src/protocols/tasks/index.ts'
import { type PathWorld, type SentCall, ended, holdTime, pathWorld } from '../support/path-world.ts'
import { costingPicoUsd, someTarget } from '../support/targets.ts'

// Loaded late, and the test's clock runs meanwhile.
beforeAll(() => import('../../src/data-plane/tasks/joint-task.ts'))
beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const PRICE = costingPicoUsd(1_000_000, 2_000_000)

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

describe('small requests together', () => {
  const together = (fields: Partial<Target> = {}): Target =>
    someTarget('a', { batching: { maxBatchSize: 8, maxWaitMs: 10 }, price: PRICE, maxRetries: 0, ...fields })

  /** Requests of one isolate. */
  function isolate(world: PathWorld, more: Partial<Services> = {}) {
    let its: Services | null = null
    const send = (body: object, init: RequestInit = {}): Promise<Response> =>
      world.serve((services, later) => {
        const asked = new Request('https://gateway.test/v1/embeddings', {
          method: 'POST',
          headers: { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'asked', ...body }),
          ...init,
        })
        return serveTask(asked, tasks.embeddings, (its ??= { ...services, ...more }), later)
      })
    return { send, embed: (...input: string[]) => send({ input }) }
  }

  async function bodies(world: PathWorld, asked: readonly Promise<Response>[]) {
    const responses = await Promise.all(asked)
    const told = await Promise.all(responses.map(async (response) => JSON.parse(await ended(world, response))))
    return { responses, told }
  }

  test('are one call, and each gets its own vectors, charge and event', async () => {
    const world = pathWorld([together()])
    world.upstream = (call) => {
      const { input }: { input: string[] } = JSON.parse(call.text)
      // Out of order, and seven tokens for six inputs.
      const data = input.map((text, index) => ({ object: 'embedding', index, embedding: [Number(text)] })).toReversed()
      return Response.json({ object: 'list', data, model: 'm', usage: { prompt_tokens: 7, total_tokens: 7 } })
    }
    const at = isolate(world)
    const { responses, told } = await bodies(world, [at.embed('1', '2'), at.embed('3'), at.embed('4', '5', '6')])
    expect(world.calls.map(({ text }) => JSON.parse(text).input)).toEqual([['1', '2', '3', '4', '5', '6']])
    expect(told.map(({ data }) => data.map((item: { embedding: number[] }) => item.embedding[0]))).toEqual([
      [1, 2],
      [3],
      [4, 5, 6],
    ])
    expect(told.map(({ data }) => data.map((item: { index: number }) => item.index))).toEqual([[0, 1], [0], [0, 1, 2]])
    expect(responses.map(({ headers }) => headers.get('x-tidegate-together'))).toEqual(['3', '3', '3'])
    const events = world.admitted.flatMap(({ settled }) => settled.map(({ event }) => event))
    expect(events.map(({ tags }) => tags)).toEqual([0, 1, 2].map(() => ['tidegate:together']))
    expect(events.reduce((sum, { usage }) => sum + usage.input, 0)).toBe(7)
    expect(events.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0)).toBe(7_000)
    expect(told.map(({ usage }) => usage.prompt_tokens)).toEqual(events.map(({ usage }) => usage.input))
    for (const { settled } of world.admitted) expect(settled).toHaveLength(1)
  })

  test.each([200, 429])('hear what the provider says of its own limits, with a status of %s', async (status) => {
    const headroom = isolateHeadroom(() => Date.now())
    const target = together()
    const world = pathWorld([target])
    world.upstream = (call) => {
      const { headers } = vectors(call)
      headers.set('x-ratelimit-remaining-requests', '0')
      headers.set('x-ratelimit-limit-requests', '60')
      headers.set('x-ratelimit-reset-requests', '1m0s')
      return new Response(vectors(call).body, { status, headers })
    }
    const asked = { requests: 1, inputTokens: 1, outputTokens: 0, slots: 1, nanoUsd: 0 }
    expect(headroom.shortage(target, () => asked)).toBeNull()
    const at = isolate(world, { headroom })
    await bodies(world, [at.embed('1'), at.embed('2')])
    expect(world.calls).toHaveLength(1)
    expect(headroom.shortage(target, () => asked)).toMatchObject({ unit: 'requests', left: 0 })
  })

  test('are those that agree in everything but their inputs', async () => {
    const world = pathWorld([together()])
    world.upstream = vectors
    const { send } = isolate(world)
    const { responses } = await bodies(world, [
      send({ input: '1', dimensions: 2, user: 'one' }),
      send({ user: 'one', dimensions: 2, input: '2' }),
      send({ input: '3', dimensions: 3, user: 'one' }),
      send({ input: '4', dimensions: 2, user: 'two' }),
      send({ input: '5', dimensions: 2, encoding_format: 'base64' }),
      send({ input: [6, 7], dimensions: 2, user: 'one' }),
      send({ input: ['8'], dimensions: 2, user: 'one', tidegate: {} }),
      send({ input: ['9', '10', '11', '12', '13'], dimensions: 2, user: 'one' }),
    ])
    expect(responses.map(({ status }) => status)).toEqual(responses.map(() => 200))
    const inputs = world.calls.map(({ text }) => JSON.stringify(JSON.parse(text).input)).toSorted()
    expect(inputs).toEqual(
      ['["1","2"]', '["3"]', '["4"]', '["5"]', '[[6,7]]', '["8"]', '["9","10","11","12","13"]'].toSorted(),
    )
  })

  test('fail together, each in its own words, and the breaker hears of it once', async () => {
    const world = pathWorld([together()])
    world.upstream = () => Response.json({ error: { message: 'worn out' } }, { status: 500 })
    const at = isolate(world)
    const { responses, told } = await bodies(world, [at.embed('1'), at.embed('2'), at.embed('3')])
    expect(responses.map(({ status }) => status)).toEqual([502, 502, 502])
    for (const { error } of told) expect(error.message).toContain('failed')
    expect(world.calls).toHaveLength(1)
    expect(world.permits.map(({ heard }) => heard)).toEqual([['server'], ['withdrawn'], ['withdrawn']])
    const events = world.admitted.flatMap(({ settled }) => settled.map(({ event }) => event))
    expect(events).toMatchObject([0, 1, 2].map(() => ({ failure: 'server', isFinal: true, costNanoUsd: 0 })))
  })

  test('are asked one by one where the call is refused for what it asks: only the wrong one fails', async () => {
    const world = pathWorld([together()])
    world.upstream = (call) =>
      call.text.includes('"2"') ? Response.json({ error: { message: 'too long' } }, { status: 400 }) : vectors(call)
    const at = isolate(world)
    const { responses, told } = await bodies(world, [at.embed('1'), at.embed('2'), at.embed('3')])
    expect(responses.map(({ status }) => status)).toEqual([200, 400, 200])
    expect(told[1]?.error.message).toContain('too long')
    expect(told[2]?.data[0].embedding).toEqual([3])
    expect(world.calls).toHaveLength(4)
  })

  test('go on when one of their clients leaves, before the call or during it', async () => {
    for (const leavesAt of ['sleep', 'call']) {
      const world = pathWorld([together()])
      world.upstream = async (call) => {
        await new Promise((resolve) => setTimeout(resolve, 200))
        call.signal.throwIfAborted()
        return vectors(call)
      }
      const left = new AbortController()
      world.onStep = (step) => {
        if (step === leavesAt) left.abort()
      }
      const at = isolate(world)
      const leaving = at.send({ input: '1' }, { signal: left.signal })
      const { told } = await bodies(world, [at.embed('2'), at.embed('3')])
      await leaving
      await world.finish()
      expect(told.map(({ data }) => data[0].embedding)).toEqual([[2], [3]])
      const isIn = leavesAt === 'call'
      expect(JSON.parse(world.calls[0]?.text ?? '').input).toEqual(isIn ? ['1', '2', '3'] : ['2', '3'])
      const [first] = world.admitted.flatMap(({ settled }) => settled.map(({ event }) => event))
      expect([first?.ending, (first?.costNanoUsd ?? 0) > 0]).toEqual(['client-left', isIn])
    }
  })

  test('whose reply does not say which vector is whose is a failure for all of them', async () => {
    const world = pathWorld([together()])
    world.upstream = () => {
      const data = [0, 0].map((index) => ({ object: 'embedding', index, embedding: [index] }))
      return Response.json({ object: 'list', data, model: 'm', usage: { prompt_tokens: 2, total_tokens: 2 } })
    }
    const at = isolate(world)
    const { responses } = await bodies(world, [at.embed('1'), at.embed('2')])
    expect(responses.map(({ status }) => status)).toEqual([502, 502])
  })
})
