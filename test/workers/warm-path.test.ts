// What a warm request asks of anybody before its answer: the provider, and nobody else. In workerd with the real objects, KV
// and D1, every call of which is counted. The group commit that tells the limiter comes 25 ms after the admission and is
// waited for by nobody: here the limiter doesn't even answer while the warm requests are served.
import { type D1Migration, applyD1Migrations, createExecutionContext } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import * as z from 'zod/mini'
import type { TargetBreaker } from '../../durable-objects/target-breaker.ts'
import type { SideLimiter } from '../../durable-objects/side-limiter.ts'
import type { TenantLimiter } from '../../durable-objects/tenant-limiter.ts'
import { createApp } from '../../src/app.ts'
import type { UsageBatch } from '../../src/core/usage-event.ts'
import type { GatewayEnv } from '../../src/env.ts'
import { handleSimulated } from '../../src/simulated/handle-simulated.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env {
      DB: D1Database
      DIRECTORY: KVNamespace
      REPLIES: KVNamespace
      USAGE: Queue<UsageBatch>
      TENANT_LIMITER: DurableObjectNamespace<TenantLimiter>
      TARGET_BREAKER: DurableObjectNamespace<TargetBreaker>
      SIDE_LIMITER: DurableObjectNamespace<SideLimiter>
      TEST_MIGRATIONS: D1Migration[]
    }
  }
}

/** Every call of a binding and every fetch, in order. */
const asked: string[] = []
/** What calls of the limiter wait for. */
let limiterGate: Promise<void> = Promise.resolve()
/** Calls of it that were not answered yet. */
let pending = 0

/** The same binding, its calls written down; of what `wrap` makes, the calls too. */
function counted<T extends object>(binding: T, name: string): T {
  return new Proxy(binding, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      return (...args: unknown[]): unknown => {
        if (property === 'idFromName') return Reflect.apply(value, target, args)
        if (property === 'get' && 'idFromName' in target) return objectOf(Reflect.apply(value, target, args), name)
        asked.push(`${name}.${String(property)}`)
        return Reflect.apply(value, target, args)
      }
    },
  })
}

function objectOf(stub: object, name: string): object {
  return new Proxy(stub, {
    get: (target, property) => {
      const value: unknown = Reflect.get(target, property, target)
      if (typeof value !== 'function') return value
      return async (...args: unknown[]): Promise<unknown> => {
        asked.push(`${name}.${String(property)}`)
        pending += 1
        await limiterGate
        try {
          return await Reflect.apply(value, target, args)
        } finally {
          pending -= 1
        }
      }
    },
  })
}

const watched: GatewayEnv = {
  TENANT_LIMITER: counted(env.TENANT_LIMITER, 'limiter'),
  TARGET_BREAKER: counted(env.TARGET_BREAKER, 'breaker'),
  SIDE_LIMITER: counted(env.SIDE_LIMITER, 'side-limiter'),
  DIRECTORY: counted(env.DIRECTORY, 'directory'),
  REPLIES: counted(env.REPLIES, 'replies'),
  DB: counted(env.DB, 'database'),
  USAGE: counted(env.USAGE, 'queue'),
  ENVIRONMENT: 'local',
  ALLOW_PRIVATE_ENDPOINTS: 'true',
  ADMIN_TOKEN: 'admin-token-of-the-tests',
  KEY_PEPPER: 'pepper-of-the-tests',
  ...{ SIMULATED_API_KEY: 'simulated' },
}
const app = createApp()

async function send(
  path: string,
  bearer: string,
  body: object,
): Promise<{ readonly status: number; readonly text: string }> {
  const context = createExecutionContext()
  const request = new Request(`https://gateway.test${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const response = await app.fetch(request, watched, context)
  const text = await response.text()
  return { status: response.status, text }
}

async function create(path: string, body: object): Promise<unknown> {
  const made = await send(path, 'admin-token-of-the-tests', body)
  expect(made, made.text).toMatchObject({ status: 201 })
  return JSON.parse(made.text)
}

/** Of admissions and events, 25 ms after the first of them. */
const COMMIT = 'limiter.call'
const MODEL = 'sim-gpt-4o-fast-tokens20'
let key: string

const question = (stream: boolean): object => ({
  model: MODEL,
  stream,
  max_tokens: 64,
  messages: [{ role: 'user', content: 'Hello?' }],
})

beforeAll(async () => {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)
  vi.spyOn(globalThis, 'fetch').mockImplementation((input, init) => {
    asked.push('provider')
    return handleSimulated(new Request(input, init))
  })
  const rules = [
    { kind: 'budget', amount_usd: '5', period: 'month' },
    { kind: 'rate', unit: 'tokens', per_minute: 1_000_000 },
    { kind: 'concurrency', most: 100 },
  ]
  await create('/admin/tenants', { name: 'warm', limits: { rules } })
  key = z.object({ key: z.string() }).parse(await create('/admin/keys', { tenant: 'warm', name: 'first' })).key
  await create('/admin/targets', {
    id: 'warm-target',
    force: true,
    provider: 'custom',
    dialect: 'openai-chat',
    base_url: 'https://simulated.test/openai/v1',
    credential: 'SIMULATED_API_KEY',
    model: MODEL,
    max_retries: 0,
    price: { input_usd_per_million: '1', output_usd_per_million: '4' },
  })
  await create('/admin/routes', { model: MODEL, targets: ['warm-target'] })
})
afterEach(() => {
  limiterGate = Promise.resolve()
})

it('asks the directory and the limiter before the provider when it is the first of its isolate', async () => {
  asked.length = 0
  const { status } = await send('/v1/chat/completions', key, question(false))
  expect(status).toBe(200)
  const before = asked.slice(0, asked.indexOf('provider'))
  expect(new Set(before)).toEqual(new Set(['directory.get', 'limiter.call']))
})

describe.each([
  ['streamed', true],
  ['whole', false],
])('a request whose answer is %s', (_, stream) => {
  it('asks nobody but the provider when it is warm', async () => {
    const cold = await send('/v1/chat/completions', key, question(stream))
    expect(cold.status).toBe(200)
    await vi.waitUntil(() => pending === 0)
    const { promise, resolve: answerAtLast } = Promise.withResolvers<void>()
    limiterGate = promise
    asked.length = 0
    for (let warm = 1; warm <= 3; warm++) {
      const { status, text } = await send('/v1/chat/completions', key, question(stream))
      expect(status, text).toBe(200)
      expect(asked.filter((call) => call !== COMMIT)).toEqual(Array.from({ length: warm }, () => 'provider'))
    }
    await vi.waitUntil(() => asked.includes(COMMIT))
    expect(
      asked.filter((call) => call === COMMIT),
      'one commit for all',
    ).toHaveLength(1)
    answerAtLast()
  })
})
