// Limits beside the tenant's as clients meet them: each end user its own, one with another, a target that all share, and a
// provider that says it has nothing left.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import {
  ask,
  createRoute,
  createTenant,
  eventually,
  latestAttempts,
  mintKey,
  routeSimulated,
  says,
  simulatedTarget,
} from '../support/account.ts'
import { startRawProvider } from '../support/raw-provider.ts'
import { whole } from '../support/scripted-provider.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem

beforeAll(async () => {
  system = await startTestSystem()
  await routeSimulated(system)
})
afterAll(() => system.dispose())

const body = (user?: string, model = 'sim-gpt-4o-fast'): object => ({
  model,
  messages: says('Hello'),
  max_tokens: 16,
  ...(user === undefined ? {} : { user }),
})

/** Statuses of requests one after the other. */
async function statuses(key: string, bodies: readonly object[], headers = {}): Promise<readonly number[]> {
  const seen: number[] = []
  for (const each of bodies) {
    const response = await ask(system, key, each, { headers })
    seen.push(response.status)
    await response.arrayBuffer()
  }
  return seen
}

const perMinute = (count: number) => ({ kind: 'rate', unit: 'requests', per_minute: count, burst: count })

describe('end users', () => {
  test('have their limits each for itself, whichever way they are named', async () => {
    const { key } = await createTenant(system, 'each', { end_user_limits: [perMinute(2)] })
    const asked = ['ann', 'ann', 'ann', 'bob', 'bob', 'bob'].map((user) => body(user))
    expect(await statuses(key, asked)).toEqual([200, 200, 429, 200, 200, 429])
    expect(await statuses(key, [body('eve'), body('eve'), body('eve')], { 'x-tidegate-user': 'ann' })).toEqual([
      429, 429, 429,
    ])
    expect(await statuses(key, [body(), body(), body()])).toEqual([200, 200, 200])
    const refused = await ask(system, key, body('ann'))
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refused.json()).toMatchObject({
      error: { code: 'rate_limit_exceeded', message: expect.stringContaining('user') },
    })
  })

  test('of the messages endpoint are named by its metadata', async () => {
    const { key } = await createTenant(system, 'messages', { end_user_limits: [perMinute(1)], require_end_user: true })
    const send = (metadata: object): Promise<Response> =>
      fetch(`${system.url}/v1/messages`, {
        method: 'POST',
        headers: { 'x-api-key': key, 'content-type': 'application/json' },
        body: JSON.stringify({ ...body(undefined, 'sim-claude-fast'), ...metadata }),
      })
    const named = { metadata: { user_id: 'ann' } }
    const seen = [await send(named), await send(named), await send({})]
    expect(seen.map(({ status }) => status)).toEqual([200, 429, 400])
    expect(JSON.stringify(await seen[2]?.json())).toContain('metadata.user_id')
  })

  test('may have limits of their own, and none once those and the usual ones are taken away', async () => {
    const { key } = await createTenant(system, 'own', { end_user_limits: [perMinute(1)] })
    const own = '/admin/tenants/own/end-users/vip'
    expect(await system.admin('PUT', own, { limits: [perMinute(3)] })).toMatchObject({ status: 200 })
    const four = [1, 2, 3, 4].map(() => body('vip'))
    expect(await statuses(key, four)).toEqual([200, 200, 200, 429])
    expect(await statuses(key, [body('ann'), body('ann')])).toEqual([200, 429])
    expect((await system.admin('DELETE', own)).status).toBe(204)
    expect((await system.admin('PATCH', '/admin/tenants/own', { end_user_limits: [] })).status).toBe(200)
    expect(await statuses(key, [...four, body('ann'), body('ann')])).toEqual([200, 200, 200, 200, 200, 200])
  })

  test('have others within a team and a key, on top of those that they have everywhere', async () => {
    const { key: apart } = await createTenant(system, 'nested', { end_user_limits: [perMinute(4)] })
    const team = { tenant: 'nested', name: 'research', end_user_limits: [perMinute(3)] }
    expect((await system.admin('POST', '/admin/teams', team)).status).toBe(201)
    const { key: inTeam } = await mintKey(system, 'nested', 'wide', { team: 'research' })
    const narrow = { team: 'research', end_user_limits: [perMinute(2)] }
    const { key } = await mintKey(system, 'nested', 'narrow', narrow)
    const two = [body('ann'), body('ann')]
    expect(await statuses(key, [...two, body('ann'), body('bob')])).toEqual([200, 200, 429, 200])
    expect(await statuses(inTeam, two)).toEqual([200, 429])
    expect(await statuses(apart, two)).toEqual([200, 429])
    const headers = { authorization: `Bearer ${key}`, 'x-tidegate-user': 'ann' }
    const told = z
      .object({ data: z.array(z.object({ scope: z.string(), within: z.optional(z.string()), remaining: z.number() })) })
      .parse(await (await fetch(`${system.url}/v1/limits`, { headers })).json())
    expect(told.data.map(({ within = '' }) => within.split('_')[0])).toEqual(['', 'team', 'key'])
    expect(told.data.map(({ remaining }) => remaining)).toEqual([0, 0, 0])
  })

  test('run so many at once, and again when one has ended', async () => {
    const { key } = await createTenant(system, 'slots', { end_user_limits: [{ kind: 'concurrency', most: 1 }] })
    const stream = { ...body('ann', 'sim-gpt-4o'), stream: true }
    const [first, second, other] = [
      await ask(system, key, stream),
      await ask(system, key, stream),
      await ask(system, key, { ...stream, user: 'bob' }),
    ]
    expect([first.status, second.status, other.status]).toEqual([200, 429, 200])
    await Promise.all([first.text(), second.text(), other.text()])
    const again = await eventually(
      () => ask(system, key, body('ann')),
      ({ status }) => status === 200,
    )
    await again.arrayBuffer()
  })

  test('spend no more than their budget, and what they spent is in the tenant’s ledger alone', async () => {
    const price = { input_usd_per_million: '0', output_usd_per_million: '1000' }
    await createRoute(system, 'dear', [simulatedTarget('dear', 'sim-gpt-4o-fast-tokens10', { price })])
    // 10 tokens are a cent; 16 are reserved.
    const limits = [{ kind: 'budget', amount_usd: '0.05', period: 'day' }]
    const { key, tenantId } = await createTenant(system, 'thrifty', { end_user_limits: limits })
    const asked = Array.from({ length: 8 }, () => body('ann', 'dear'))
    const seen = await statuses(key, asked)
    const count = seen.filter((status) => status === 200).length
    expect(count).toBeGreaterThanOrEqual(4)
    const refused = await ask(system, key, body('ann', 'dear'))
    expect(seen.slice(count)).toEqual(Array.from({ length: 8 - count }, () => refused.status))
    expect(JSON.stringify(await refused.json())).toContain('budget')
    expect(await statuses(key, [body('bob', 'dear')])).toEqual([200])
    const rows = await eventually(
      async () => (await latestAttempts(system)).filter(({ tenant }) => tenant === tenantId),
      ({ length }) => length >= count + 1,
    )
    expect(rows).toHaveLength(count + 1)
    const spent = rows.slice(1).reduce((sum, { cost_nano_usd: cost }) => sum + Number(cost), 0)
    expect(spent).toBeLessThanOrEqual(50_000_000)
  })
})

describe('a target with limits', () => {
  test('lets the next one serve when it has no room, whoever asks; alone, it says when to come again', async () => {
    const small = simulatedTarget('small', 'sim-gpt-4o-fast-small', { limits: [perMinute(2)] })
    await createRoute(system, 'shared', [small, simulatedTarget('large', 'sim-gpt-4o-fast-large')])
    await system.admin('POST', '/admin/routes', { model: 'alone', targets: ['small'] })
    const keys = [(await createTenant(system, 'one')).key, (await createTenant(system, 'two')).key]
    const served: (string | null)[] = []
    for (const key of [keys[0], keys[1], keys[0], keys[1]]) {
      const response = await ask(system, key ?? '', body(undefined, 'shared'))
      expect(response.status).toBe(200)
      served.push(response.headers.get('x-tidegate-target'))
      await response.arrayBuffer()
    }
    expect(served).toEqual(['small', 'small', 'large', 'large'])
    const alone = await ask(system, keys[0] ?? '', body(undefined, 'alone'))
    expect(alone.status).toBe(503)
    expect(Number(alone.headers.get('retry-after'))).toBeGreaterThan(0)
    expect((await system.admin('PATCH', '/admin/targets/small', { limits: [] })).status).toBe(200)
    expect(
      await statuses(
        keys[0] ?? '',
        [1, 2, 3].map(() => body(undefined, 'alone')),
      ),
    ).toEqual([200, 200, 200])
  })
})

test('a provider that says it has nothing left is asked last', async () => {
  const limited = await startRawProvider((response) => {
    const left = {
      'x-ratelimit-limit-requests': '3',
      'x-ratelimit-remaining-requests': '0',
      'x-ratelimit-reset-requests': '6m0s',
    }
    response.writeHead(200, { 'content-type': 'application/json', ...left }).end(JSON.stringify(whole('Hi', 'stop')))
  })
  try {
    const target = {
      id: 'limited',
      provider: 'simulated-openai',
      model: 'limited',
      base_url: limited.url,
      max_retries: 0,
    }
    await createRoute(system, 'both', [target, simulatedTarget('free', 'sim-gpt-4o-fast-free')])
    await system.admin('POST', '/admin/routes', { model: 'only', targets: ['limited'] })
    const { key } = await createTenant(system, 'careful')
    const probes = limited.calls
    expect(
      await statuses(
        key,
        [1, 2, 3, 4].map(() => body(undefined, 'both')),
      ),
    ).toEqual([200, 200, 200, 200])
    expect(limited.calls - probes).toBe(1)
    expect(
      await statuses(
        key,
        [1, 2].map(() => body(undefined, 'only')),
      ),
    ).toEqual([200, 200])
    expect(limited.calls - probes).toBe(3)
    const explained = await fetch(`${system.url}/v1/route/explain`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-tidegate-user': 'ann' },
      body: JSON.stringify(body(undefined, 'both')),
    })
    expect(await explained.json()).toMatchObject({
      caller: { end_user: 'ann' },
      candidates: [
        { target: 'limited', has_limits: false, provider_limit: { unit: 'requests', left: 0 } },
        { target: 'free', provider_limit: null },
      ],
    })
    expect(system.logs.some(({ message }) => message.includes('target-nearly-used-up'))).toBe(true)
  } finally {
    await limited.close()
  }
})
