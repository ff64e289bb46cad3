// The running gateway with its reply cache in Upstash Redis: the real client inside workerd, Upstash's REST interface, a
// real Redis. It answers from there and from nowhere else, and does without it when it has to.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { type MintedKey, ask, bookOf, createTenant, eventually, routeSimulated, says } from '../support/account.ts'
import { type RedisRest, startRedisRest } from '../support/redis-rest.ts'
import { type RedisServer, type RedisValue, redisServerPath, withRedis } from '../support/redis-server.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

interface Answer {
  readonly status: number
  readonly cache: string | null
  readonly text: string
}

async function answerTo(system: TestSystem, tenant: MintedKey, body: object): Promise<Answer> {
  const response = await ask(system, tenant.key, body)
  return { status: response.status, cache: response.headers.get('x-tidegate-cache'), text: await response.text() }
}

const ENTRY = z.object({
  reply: z.object({ choices: z.array(z.object({ parts: z.array(z.object({ text: z.string() })) })) }),
})

/** A system whose replies are kept behind `rest`, and a tenant that caches everything. */
async function startCaching(rest: RedisRest, token = rest.token): Promise<readonly [TestSystem, MintedKey]> {
  const secrets = { UPSTASH_REDIS_REST_URL: rest.url, UPSTASH_REDIS_REST_TOKEN: token }
  const system = await startTestSystem({ secrets, usageConsumer: false })
  const tenant = await createTenant(system, 'all', { cache: { mode: 'all' } })
  await routeSimulated(system)
  return [system, tenant]
}

/** Names of what is kept: a reply is kept a moment after it was given. */
async function keptKeys(redis: RedisServer): Promise<readonly string[]> {
  const found = await redis.command('KEYS', '*')
  if (found === null || typeof found !== 'object' || !('list' in found)) throw new Error('KEYS gives a list')
  return found.list.map(textOf)
}

function textOf(value: RedisValue): string {
  if (value === null || typeof value !== 'object' || !('text' in value)) throw new Error('not a text')
  return value.text.toString('utf8')
}

describe.skipIf(redisServerPath === null)(withRedis('the reply cache in Redis'), () => {
  let rest: RedisRest
  let system: TestSystem
  let tenant: MintedKey

  beforeAll(async () => {
    rest = await startRedisRest()
    ;[system, tenant] = await startCaching(rest)
  })
  afterAll(async () => {
    await system.dispose()
    await rest.close()
  })

  test.each([
    ['whole', 'sim-gpt-4o-fast', false],
    ['streamed', 'sim-gpt-4o-fast', true],
    ['translated', 'sim-claude-fast', true],
  ])('the second of two identical requests is answered from Redis: %s', async (name, model, stream) => {
    await rest.redis.command('FLUSHALL')
    const own = `${model}-${name}`
    const body = { model: own, messages: says('Wie hoch steigt die Flut? 潮 🌊'), stream }
    expect(await answerTo(system, tenant, body)).toMatchObject({ status: 200, cache: 'miss' })
    const [key = '', ...others] = await eventually(
      () => keptKeys(rest.redis),
      (keys) => keys.length > 0,
    )
    expect(key).toMatch(/^reply:[0-9a-f]{64}$/)
    expect(others).toEqual([])
    const book = await bookOf(system.simulatedUrl, own)
    const second = await answerTo(system, tenant, { ...body, stream: false })
    expect(second).toMatchObject({ status: 200, cache: 'hit' })
    expect(await bookOf(system.simulatedUrl, own)).toEqual(book)

    const reply: unknown = JSON.parse(second.text)
    const entry: unknown = JSON.parse(textOf(await rest.redis.command('GET', key)))
    const said = ENTRY.parse(entry).reply.choices[0]?.parts[0]?.text
    expect(said).toMatch(/\w/)
    expect(reply).toMatchObject({ choices: [{ message: { content: said }, finish_reason: 'stop' }] })
    expect(await rest.redis.command('TTL', key)).toBeGreaterThan(60)
  })

  test('KV keeps none of them', async () => {
    const kv = await system.mf.getKVNamespace('REPLIES', 'tidegate')
    expect((await kv.list()).keys).toEqual([])
  })

  test('a purge of the database is a purge of the cache, at once', async () => {
    const body = { model: 'sim-gpt-4o-fast', messages: says('Is it still there?') }
    await answerTo(system, tenant, body)
    const hit = await eventually(
      () => answerTo(system, tenant, body),
      ({ cache }) => cache === 'hit',
    )
    await rest.redis.command('FLUSHALL')
    const fresh = await answerTo(system, tenant, body)
    expect(fresh).toMatchObject({ status: 200, cache: 'miss' })
    expect(hit.status).toBe(200)
    await eventually(
      () => answerTo(system, tenant, body),
      ({ cache }) => cache === 'hit',
    )
  })

  test('what somebody else has put there is not served', async () => {
    const body = { model: 'sim-gpt-4o-fast', messages: says('Overwritten?') }
    await rest.redis.command('FLUSHALL')
    await answerTo(system, tenant, body)
    const [key = ''] = await eventually(
      () => keptKeys(rest.redis),
      (keys) => keys.length > 0,
    )
    await rest.redis.command('SET', key, '{"v":1}')
    expect(await answerTo(system, tenant, body)).toMatchObject({ status: 200, cache: 'miss' })
  })

  test('while Redis takes requests and is silent, every request is served as a miss', async () => {
    const body = { model: 'sim-gpt-4o-fast', messages: says('Anybody there?') }
    await eventually(
      () => answerTo(system, tenant, body),
      ({ cache }) => cache === 'hit',
    )
    const released = Promise.withResolvers<void>()
    rest.held = released.promise
    for (const stream of [true, false]) {
      expect(await answerTo(system, tenant, { ...body, stream })).toMatchObject({ status: 200, cache: 'miss' })
    }
    rest.held = null
    released.resolve()
    await eventually(
      () => answerTo(system, tenant, body),
      ({ cache }) => cache === 'hit',
    )
  })

  // From here on there is no database any more.
  test.each([
    ['Redis is down', () => rest.redis.stop()],
    ['nobody is at its address', () => rest.close()],
  ])('when %s, every request is served as a miss', async (_, end) => {
    await end()
    const body = { model: 'sim-gpt-4o-fast', messages: says('Is it still there?') }
    for (const stream of [false, true, false, true]) {
      const answer = await answerTo(system, tenant, { ...body, stream })
      expect(answer).toMatchObject({ status: 200, cache: 'miss', text: expect.stringMatching(/choices/) })
    }
    const warnings = await eventually(
      () => system.logs.filter(({ message }) => message.includes('reply-cache-unavailable')),
      (lines) => lines.length > 0,
    )
    // One line a window, however many requests.
    expect(warnings.length).toBeLessThanOrEqual(3)
    expect(warnings.map(({ message }) => message).join('')).not.toContain(rest.token)
  })
})

describe.skipIf(redisServerPath === null)(withRedis('a wrong token for Redis'), () => {
  test('every request is served as a miss, and nothing is kept anywhere', async () => {
    const rest = await startRedisRest()
    const [system, tenant] = await startCaching(rest, 'wrong')
    try {
      const body = { model: 'sim-gpt-4o-fast', messages: says('Who are you?') }
      for (const stream of [false, true, false]) {
        expect(await answerTo(system, tenant, { ...body, stream })).toMatchObject({ status: 200, cache: 'miss' })
      }
      expect(await keptKeys(rest.redis)).toEqual([])
      const [warning] = await eventually(
        () => system.logs.filter(({ message }) => message.includes('reply-cache-unavailable')),
        (lines) => lines.length > 0,
      )
      expect(warning?.message).toMatch(/WRONGPASS/)
      expect(system.logs.map(({ message }) => message).join('')).not.toContain('chatcmpl')
      expect((await (await system.mf.getKVNamespace('REPLIES', 'tidegate')).list()).keys).toEqual([])
    } finally {
      await system.dispose()
      await rest.close()
    }
  })
})
