// Small embeddings requests of several isolates that meet in one object: in workerd, through the whole gateway, with the real
// objects. Isolates are stood in for by services of their own over the same bindings.
import { type D1Migration, applyD1Migrations, createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import * as z from 'zod/mini'
import type { TaskBatcher } from '../../durable-objects/task-batcher.ts'
import { createApp } from '../../src/app.ts'
import type { GatewayEnv } from '../../src/env.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env extends GatewayEnv {
      TASK_BATCHER: DurableObjectNamespace<TaskBatcher>
      TEST_MIGRATIONS: D1Migration[]
    }
  }
}

const SECRET = 'key-of-the-house'
const CALL = z.object({ input: z.array(z.string()), model: z.string() })
const ANSWER = z.object({
  data: z.array(z.object({ index: z.number(), embedding: z.array(z.number()) })),
  usage: z.object({ prompt_tokens: z.number(), total_tokens: z.number() }),
})
const app = createApp()

/** What the provider was asked, in order. */
const calls: { readonly input: readonly string[]; readonly authorization: string | null }[] = []
/** What went to the objects and came back. */
let passed: string[] = []
/** The objects are gone when they are asked. */
let isLost = false
let answer: (input: readonly string[]) => Response | Promise<Response>

/** A vector tells its text; three tokens for each, and one for the call. */
function vectors(input: readonly string[]): Response {
  const data = input.map((text, index) => ({ object: 'embedding', index, embedding: [Number(text), 0.5] }))
  const tokens = input.length * 3 + 1
  const usage = { prompt_tokens: tokens, total_tokens: tokens }
  const headers = { 'x-ratelimit-remaining-requests': '41', 'set-cookie': 'of-the-provider' }
  return Response.json({ object: 'list', data, model: 'vectors-1', usage }, { headers })
}

/** The gateway in an isolate of its own. */
function isolate() {
  const its: GatewayEnv = { ...env, TASK_BATCHER: overheard(env.TASK_BATCHER) }
  return async (path: string, bearer: string, body: object): Promise<Response> => {
    const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' }
    const request = new Request(`https://gateway.test${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    const response = await app.fetch(request, its, createExecutionContext())
    return new Response(await response.text(), response)
  }
}

function overheard(objects: DurableObjectNamespace<TaskBatcher>): DurableObjectNamespace<TaskBatcher> {
  return new Proxy(objects, {
    get(target, property) {
      if (property !== 'get') return Reflect.get(target, property, target).bind(target)
      return (id: DurableObjectId) => ({
        async ask(batch: Parameters<TaskBatcher['ask']>[0]) {
          passed.push(JSON.stringify(batch))
          if (isLost) throw new Error('The object has been reset.')
          const answers = await target.get(id).ask(batch)
          passed.push(JSON.stringify(answers))
          return answers
        },
      })
    },
  })
}

let key: string
const operator = isolate()

async function create(path: string, body: object): Promise<unknown> {
  const response = await operator(path, 'admin-token-of-the-tests', body)
  const made: unknown = await response.json()
  expect(response.status, JSON.stringify(made)).toBe(201)
  return made
}

const embed = (send: ReturnType<typeof isolate>, input: readonly string[], more: object = {}): Promise<Response> =>
  send('/v1/embeddings', key, { model: 'vectors', input, encoding_format: 'float', ...more })

const nanoUsd = (response: Response): number =>
  Math.round(Number(response.headers.get('x-tidegate-cost-usd')) * 1_000_000_000)

beforeAll(async () => {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const request = new Request(input, init)
    const call = CALL.parse(await request.json())
    calls.push({ input: call.input, authorization: request.headers.get('authorization') })
    return answer(call.input)
  })
  answer = vectors
  await create('/admin/tenants', {
    name: 'many',
    limits: { rules: [{ kind: 'budget', amount_usd: '5', period: 'month' }] },
  })
  key = z.object({ key: z.string() }).parse(await create('/admin/keys', { tenant: 'many', name: 'first' })).key
  const target = {
    force: true,
    provider: 'custom',
    dialect: 'openai-chat',
    base_url: 'https://vectors.test/v1',
    credential: 'house',
    model: 'vectors-1',
    max_retries: 0,
    price: { input_usd_per_million: '0.13', output_usd_per_million: '0' },
  }
  await create('/admin/credentials', { name: 'house', value: SECRET })
  // Full with six: so none of them waits for a clock.
  await create('/admin/targets', { id: 'together', ...target, batching: { max_batch_size: 6, max_wait_ms: 400 } })
  await create('/admin/routes', { model: 'vectors', targets: ['together'] })
})
beforeEach(() => {
  calls.length = 0
  passed = []
  isLost = false
  answer = vectors
})

describe('small requests of several isolates', () => {
  it('become fewer calls, and each gets its own vectors, in order, and its own share of the cost', async () => {
    const inputs = ['1', '2', '3', '4', '5', '6']
    const responses = await Promise.all(inputs.map((input) => embed(isolate(), [input])))
    const told = await Promise.all(responses.map(async (response) => ANSWER.parse(await response.json())))
    expect(told.map(({ data }) => data)).toEqual(inputs.map((input) => [{ index: 0, embedding: [Number(input), 0.5] }]))
    expect(calls.length).toBeLessThan(inputs.length)
    expect(calls.flatMap(({ input }) => input).toSorted()).toEqual(inputs)
    // 130 nano-USD a token.
    const tokens = calls.reduce((sum, { input }) => sum + input.length * 3 + 1, 0)
    expect(told.reduce((sum, { usage }) => sum + usage.prompt_tokens, 0)).toBe(tokens)
    expect(responses.reduce((sum, response) => sum + nanoUsd(response), 0)).toBe(tokens * 130)
  })

  it('keep the credential where it is: what travels has no secret in it, but what the provider said of its limits', async () => {
    await Promise.all(['1', '2', '3'].map((input) => embed(isolate(), [input])))
    expect(passed.length).toBeGreaterThan(0)
    expect(passed.join('')).not.toContain(SECRET)
    expect(passed.join('')).not.toContain('of-the-provider')
    expect(passed.join('')).toContain('"told":{"x-ratelimit-remaining-requests":"41"}')
    expect(calls[0]?.authorization).toBe(`Bearer ${SECRET}`)
  })

  it('fail together, each in the words of its own protocol', async () => {
    answer = () =>
      Response.json({ error: { message: 'no vectors today' } }, { status: 503, headers: { 'retry-after': '7' } })
    const responses = await Promise.all(['1', '2', '3'].map((input) => embed(isolate(), [input])))
    expect(responses.map(({ status }) => status)).toEqual([503, 503, 503])
    for (const response of responses) {
      expect(response.headers.get('retry-after')).toBe('7')
      expect(await response.json()).toMatchObject({ error: { type: expect.any(String), code: expect.any(String) } })
    }
  })

  it('are answered although their object is lost meanwhile: who waited asks for itself', async () => {
    isLost = true
    const response = await embed(isolate(), ['1'])
    expect(passed).toHaveLength(1)
    expect(response.status).toBe(200)
    expect(ANSWER.parse(await response.json()).data).toEqual([{ index: 0, embedding: [1, 0.5] }])
  })
})
