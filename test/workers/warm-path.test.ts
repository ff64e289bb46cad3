// What a warm request asks of anybody before its answer: the provider, and nobody else. In workerd with the real objects, KV
// and D1, every call of which is counted. The group commit that tells the limiter comes 25 ms after the admission and is
// waited for by nobody: here the limiter doesn't even answer while the warm requests are served.
import { type D1Migration, applyD1Migrations, createExecutionContext, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import * as z from 'zod/mini'
import type { TargetBreaker } from '../../durable-objects/target-breaker.ts'
import type { RegionalLimiter } from '../../durable-objects/regional-limiter.ts'
import type { SideLimiter } from '../../durable-objects/side-limiter.ts'
import type { TenantLimiter } from '../../durable-objects/tenant-limiter.ts'
import { createApp } from '../../src/app.ts'
import type { UsageBatch } from '../../src/core/money/usage-event.ts'
import type { GatewayEnv } from '../../src/env.ts'
import { servicesOf } from '../../src/platform/services.ts'
import { handleSimulated } from '../../src/simulated/handle-simulated.ts'
import { booksOf } from '../support/limiter-books.ts'
import { someTarget } from '../support/targets.ts'
import { WAIT_MS } from '../support/patience.ts'

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
      REGIONAL_LIMITER: DurableObjectNamespace<RegionalLimiter>
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
  REGIONAL_LIMITER: counted(env.REGIONAL_LIMITER, 'region'),
  DIRECTORY: counted(env.DIRECTORY, 'directory'),
  REPLIES: counted(env.REPLIES, 'replies'),
  DB: counted(env.DB, 'database'),
  USAGE: counted(env.USAGE, 'queue'),
  ENVIRONMENT: 'local',
  ALLOW_PRIVATE_ENDPOINTS: 'true',
  ADMIN_TOKEN: 'admin-token-of-the-tests',
  KEY_PEPPER: 'pepper-of-the-tests',
  ...{ SIMULATED_API_KEY: 'simulated', CREDENTIAL_KEY: btoa('k'.repeat(32)) },
}
const app = createApp()

async function send(
  path: string,
  bearer: string,
  body: object,
  method: 'POST' | 'PATCH' = 'POST',
  isolate: GatewayEnv = watched,
): Promise<{ readonly status: number; readonly text: string; readonly requestId: string | null }> {
  const context = createExecutionContext()
  const request = new Request(`https://gateway.test${path}`, {
    method,
    cf: { continent: 'EU', longitude: '8.7' },
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const response = await app.fetch(request, isolate, context)
  const text = await response.text()
  return { status: response.status, text, requestId: response.headers.get('x-request-id') }
}

async function create(path: string, body: object): Promise<unknown> {
  const made = await send(path, ADMIN_TOKEN, body)
  expect(made, made.text).toMatchObject({ status: 201 })
  return JSON.parse(made.text)
}

const SIMULATED = 'https://simulated.test'
/** The same provider at another address, which is out of order while `isDark`. */
const DARK = 'https://dark.test'
let isDark = true

/** Of admissions and events, 25 ms after the first of them. */
const COMMIT = 'limiter.call'
const MODEL = 'sim-gpt-4o-fast-tokens20'
const RULES = [
  { kind: 'budget', amount_usd: '5', period: 'month' },
  { kind: 'rate', unit: 'tokens', per_minute: 1_000_000 },
  { kind: 'concurrency', most: 100 },
]
let key: string
let tenant: string

const ADMIN_TOKEN = 'admin-token-of-the-tests'
const TENANT = z.object({ id: z.string(), limiter: z.string() })
const EVENTS = z.array(z.object({ costNanoUsd: z.number() }))

const question = (stream: boolean): object => ({
  model: MODEL,
  stream,
  max_tokens: 64,
  messages: [{ role: 'user', content: 'Hello?' }],
})

beforeAll(async () => {
  await applyD1Migrations(env.DB, env.TEST_MIGRATIONS)
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const request = new Request(input, init)
    const isDarks = request.url.startsWith(DARK)
    asked.push(isDarks ? 'dark provider' : 'provider')
    if (isDarks && isDark) return Response.json({ error: { message: 'down' } }, { status: 500 })
    return handleSimulated(isDarks ? new Request(request.url.replace(DARK, SIMULATED), request) : request)
  })
  tenant = TENANT.parse(await create('/admin/tenants', { name: 'warm', limits: { rules: RULES } })).id
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
    await vi.waitUntil(() => pending === 0, WAIT_MS)
    const { promise, resolve: answerAtLast } = Promise.withResolvers<void>()
    limiterGate = promise
    asked.length = 0
    for (let warm = 1; warm <= 3; warm++) {
      const { status, text } = await send('/v1/chat/completions', key, question(stream))
      expect(status, text).toBe(200)
      expect(asked.filter((call) => call !== COMMIT)).toEqual(Array.from({ length: warm }, () => 'provider'))
    }
    await vi.waitUntil(() => asked.includes(COMMIT), WAIT_MS)
    expect(
      asked.filter((call) => call === COMMIT),
      'one commit for all',
    ).toHaveLength(1)
    answerAtLast()
  })
})

it('asks the limiter near it for a tenant that wants that, and the tenant’s own from when it doesn’t any more', async () => {
  const tenant = { name: 'spread', limits: { rules: RULES } }
  const { id } = TENANT.parse(await create('/admin/tenants', { ...tenant, limiter: 'regional' }))
  const own = z.object({ key: z.string() }).parse(await create('/admin/keys', { tenant: 'spread', name: 'its' })).key
  const answered = async (): Promise<void> => {
    const { status, text } = await send('/v1/chat/completions', own, question(false))
    expect(status, text).toBe(200)
  }
  const limiter = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(id))
  /** Who has been lent something by the tenant's own: regions, or isolates. */
  const lentTo = (): Promise<readonly boolean[]> =>
    runInDurableObject(limiter, (_, { storage: { sql } }) => {
      const holders = new Set(booksOf(sql).leases.map(({ holder }) => holder))
      return [...holders].map((holder) => holder.startsWith('region-'))
    })
  asked.length = 0
  await answered()
  expect(asked).toContain('region.call')
  await answered()
  expect(await lentTo(), 'an isolate in Europe has asked a region').toEqual([true])
  const changed = await send(`/admin/tenants/${id}`, ADMIN_TOKEN, { limiter: 'one' }, 'PATCH')
  expect(TENANT.parse(JSON.parse(changed.text))).toMatchObject({ limiter: 'one' })
  await answered()
  expect(await lentTo()).toContain(false)
  // What was settled near it is in the same books, and its events in the same outbox.
  await vi.waitFor(async () => {
    const { spent, costs } = await runInDurableObject(limiter, (_, { storage: { sql } }) => {
      const { gauges, events } = booksOf(sql)
      const budget = gauges.find((gauge) => gauge.kind === 'budget' && gauge.limit.period === 'month')
      const spent = budget?.kind === 'budget' ? budget.spentNanoUsd : null
      return { spent, costs: EVENTS.parse(events).map(({ costNanoUsd }) => costNanoUsd) }
    })
    expect([costs.length, costs.reduce((sum, cost) => sum + cost, 0)]).toEqual([3, spent])
  }, WAIT_MS)
})

describe('a credential that is stored', () => {
  const target = (id: string, credential: string) => ({
    id,
    force: true,
    provider: 'custom',
    dialect: 'openai-chat',
    base_url: 'https://simulated.test/openai/v1',
    credential,
    model: MODEL,
    max_retries: 0,
    price: { input_usd_per_million: '1', output_usd_per_million: '4' },
  })
  const ask = async (model: string) => send('/v1/chat/completions', key, { ...question(false), model })

  beforeAll(async () => {
    for (const name of ['kept', 'lost']) {
      await create('/admin/credentials', { name, value: 'sk-stored-0123456789' })
      await create('/admin/targets', target(name, name))
    }
    await create('/admin/routes', { model: 'paid-by-kept', targets: ['kept'] })
    await create('/admin/routes', { model: 'paid-by-lost', targets: ['lost', 'kept'], mid_stream_failover: false })
  })

  it('asks nobody for it when it is warm', async () => {
    expect((await ask('paid-by-kept')).status).toBe(200)
    await vi.waitUntil(() => pending === 0, WAIT_MS)
    asked.length = 0
    for (let warm = 1; warm <= 3; warm++) {
      expect((await ask('paid-by-kept')).status).toBe(200)
      expect(asked.filter((call) => call !== COMMIT)).toEqual(Array.from({ length: warm }, () => 'provider'))
    }
  })

  it('that can’t be opened is told of, and the next target answers', async () => {
    const lines: string[] = []
    vi.spyOn(console, 'warn').mockImplementation((line: string) => void lines.push(line))
    await env.DB.prepare(`UPDATE credential_values SET sealed = 'v1.0badcafe.AAAA.AAAA' WHERE id = 'lost'`).run()
    expect((await send('/admin/publish', ADMIN_TOKEN, {})).status).toBe(200)
    asked.length = 0
    expect((await ask('paid-by-lost')).status).toBe(200)
    expect((await ask('paid-by-lost')).status).toBe(200)
    expect(asked.filter((call) => call === 'provider')).toHaveLength(2)
    const told = lines.filter((line) => line.includes('credential-unusable'))
    expect(told).toHaveLength(1)
    expect(told[0]).toContain('"target":"lost","credential":"lost"')
    const explained = await send('/v1/route/explain', key, { ...question(false), model: 'paid-by-lost' })
    const { candidates } = EXPLAINED.parse(JSON.parse(explained.text))
    expect(candidates.map(({ health }) => health.credential_problem)).toEqual([
      expect.stringContaining('another CREDENTIAL_KEY'),
      null,
    ])
    await env.DB.prepare(`DELETE FROM routes WHERE model = 'paid-by-lost'`).run()
    expect((await send('/admin/targets/kept', ADMIN_TOKEN, { credential: 'lost', force: true }, 'PATCH')).status).toBe(
      200,
    )
    const failed = await ask('paid-by-kept')
    expect(failed).toMatchObject({ status: 502 })
    expect(failed.text).toContain('provider_credential')
    expect(failed.text).not.toContain('sk-stored')
  })
})

describe('what another isolate has found out about a target', () => {
  const PLANS = z.array(z.object({ requestId: z.string(), plan: z.nullable(z.string()) }))
  let latestId: string | null = null
  const standing = (isolate: GatewayEnv) => {
    const { breakers } = servicesOf(isolate)
    return breakers.standing(someTarget('dark', { model: MODEL })).state
  }
  const ask = async (isolate: GatewayEnv, model = 'dark-first'): Promise<readonly string[]> => {
    asked.length = 0
    const body = { ...question(false), model }
    const { status, text, requestId } = await send('/v1/chat/completions', key, body, 'POST', isolate)
    expect(status, text).toBe(200)
    latestId = requestId
    const before = [...asked]
    await vi.waitUntil(() => pending === 0 && asked.includes(COMMIT), WAIT_MS)
    return before.filter((call) => call.includes('provider') || call.startsWith('breaker'))
  }

  /** Of the latest request, as its event has it. */
  async function plan(): Promise<string | null | undefined> {
    const limiter = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenant))
    const rows = await runInDurableObject(limiter, (_, { storage: { sql } }) => [
      ...sql.exec<{ events: string }>('SELECT events FROM outbox'),
    ])
    const events = rows.flatMap((row) => PLANS.parse(JSON.parse(row.events)))
    return events.find(({ requestId }) => requestId === latestId)?.plan
  }

  afterEach(() => {
    vi.useRealTimers()
  })

  it('comes with the first lease: the target isn’t called, then by steps again, and nobody asks its breaker', async () => {
    const target = {
      force: true,
      provider: 'custom',
      dialect: 'openai-chat',
      credential: 'SIMULATED_API_KEY',
      model: MODEL,
    }
    const price = { input_usd_per_million: '1', output_usd_per_million: '4' }
    await create('/admin/targets', { ...target, id: 'dark', base_url: `${DARK}/openai/v1`, max_retries: 0, price })
    await create('/admin/routes', { model: 'dark-first', targets: ['dark', 'warm-target'] })
    await create('/admin/routes', { model: 'never-dark', targets: ['warm-target'] })
    const [finder, second, third] = [{ ...watched }, { ...watched }, { ...watched }]
    for (let count = 0; count < 5; count++) expect(await ask(finder)).toContain('dark provider')
    await vi.waitUntil(() => standing(finder) === 'open', WAIT_MS)
    // With whatever it tells the limiter next.
    await ask(finder)
    await vi.waitUntil(async () => (await ask(finder)).length === 1, WAIT_MS)
    expect(await ask(second), 'its very first request').toEqual(['provider'])
    await vi.waitFor(async () => expect(await plan()).toContain('dark (resting)'), WAIT_MS)
    expect(standing(second)).toBe('open')

    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 7_000 })
    isDark = false
    expect((await ask(finder)).slice(0, 2), 'one tries for all').toEqual(['breaker.permit', 'dark provider'])
    await vi.waitUntil(() => standing(finder) === 'ramping', WAIT_MS)
    await ask(finder, 'never-dark')
    expect(await ask(second, 'never-dark')).toEqual(['provider'])
    await vi.waitUntil(() => standing(second) === 'ramping', WAIT_MS)
    expect(await ask(third, 'never-dark')).toEqual(['provider'])
    expect(standing(third), 'before it has ever called it').toBe('ramping')
  })
})

const EXPLAINED = z.object({
  candidates: z.array(z.object({ health: z.object({ credential_problem: z.nullable(z.string()) }) })),
})
