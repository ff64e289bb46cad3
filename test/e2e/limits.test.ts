// Limits as an operator writes them and as a client meets them: requests per minute, streams at once, one model's own.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem

beforeAll(async () => {
  system = await startTestSystem()
  await routeSimulated(system)
})
afterAll(() => system.dispose())

const limitedTo = async (name: string, ...rules: readonly object[]): Promise<string> =>
  (await createTenant(system, name, { limits: { rules } })).key

const body = (model: string): object => ({ model, messages: says('Hello'), max_tokens: 16 })

describe('a rule for requests', () => {
  test('lets through as many as it says, then refuses with what and how long', async () => {
    const key = await limitedTo('few', { kind: 'rate', unit: 'requests', per_minute: 3, burst: 3 })
    const statuses: number[] = []
    let refused: Response | null = null
    for (let asked = 0; asked < 5; asked += 1) {
      const response = await ask(system, key, body('sim-gpt-4o-fast'))
      statuses.push(response.status)
      if (response.status === 429) refused ??= response
      else await response.arrayBuffer()
    }
    expect(statuses).toEqual([200, 200, 200, 429, 429])
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await refused?.json()).toMatchObject({
      error: { code: 'rate_limit_exceeded', type: 'requests', message: expect.stringContaining('requests per minute') },
    })
  })

  test('of one model leaves the others alone', async () => {
    const rule = { kind: 'rate', unit: 'requests', per_minute: 1, burst: 1, model: 'sim-claude*' }
    const key = await limitedTo('one-model', rule)
    const statuses: number[] = []
    for (const model of ['sim-claude-fast', 'sim-claude-fast', 'sim-gpt-4o-fast', 'sim-gpt-4o-fast']) {
      const response = await ask(system, key, body(model))
      statuses.push(response.status)
      await response.arrayBuffer()
    }
    expect(statuses).toEqual([200, 429, 200, 200])
  })
})

describe('a rule for streams at once', () => {
  test('refuses one too many, and lets in again when one has ended', async () => {
    const key = await limitedTo('two-at-once', { kind: 'concurrency', most: 2 })
    const model = 'sim-gpt-4o-pause'
    const streamed = { ...body(model), stream: true }
    const open = await Promise.all([ask(system, key, streamed), ask(system, key, streamed)])
    expect(open.map((response) => response.status)).toEqual([200, 200])
    const third = await ask(system, key, streamed)
    expect(third.status).toBe(429)
    expect(await third.json()).toMatchObject({ error: { message: expect.stringContaining('at once') } })
    await fetch(`${system.simulatedUrl}/control/release?model=${model}`, { method: 'POST' })
    for (const response of open) await response.text()
    const again = await eventually(
      () => ask(system, key, body('sim-gpt-4o-fast')),
      (response) => response.status === 200,
    )
    expect(again.status).toBe(200)
  })
})

describe('answers and refusals', () => {
  test('say how the limits stand, and the refusal what its limit is and how long to wait', async () => {
    const key = await limitedTo(
      'told',
      { kind: 'rate', unit: 'requests', per_minute: 1, burst: 2 },
      { kind: 'rate', unit: 'tokens', per_minute: 10, burst: 100_000 },
      { kind: 'budget', amount_usd: '5', period: 'day' },
    )
    const first = await ask(system, key, body('sim-gpt-4o-fast'))
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('2')
    expect(first.headers.get('x-ratelimit-remaining-requests')).toBe('1')
    expect(first.headers.get('x-ratelimit-reset-requests')).toMatch(/^(\d+m)?\d+(\.\d+)?s$/)
    expect(first.headers.get('x-ratelimit-limit-tokens')).toBe('100000')
    expect(Number(first.headers.get('x-ratelimit-remaining-tokens'))).toBeLessThan(100_000)
    expect(first.headers.get('x-tidegate-budget-limit-usd')).toBe('5.000000000')
    expect(Number(first.headers.get('x-tidegate-budget-remaining-usd'))).toBeLessThan(5)
    expect(first.headers.get('x-tidegate-budget-reset')).toMatch(/T00:00:00Z$/)
    await first.arrayBuffer()
    const second = await ask(system, key, body('sim-gpt-4o-fast'))
    await second.arrayBuffer()
    const refused = await ask(system, key, body('sim-gpt-4o-fast'))
    expect(refused.status).toBe(429)
    expect(refused.headers.get('x-ratelimit-remaining-requests')).toBe('0')
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(30)
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
    const limit = {
      scope: 'tenant',
      kind: 'rate',
      unit: 'requests',
      per_minute: 1,
      size: 2,
      remaining: 0,
      requested: 1,
    }
    expect(await refused.json()).toMatchObject({ error: { code: 'rate_limit_exceeded', limit } })
  })

  test("are in Anthropic's words at its endpoint, for a stream too", async () => {
    const key = await limitedTo('told-anthropic', { kind: 'rate', unit: 'input_tokens', per_minute: 5_000 })
    const response = await fetch(`${system.url}/v1/messages`, {
      method: 'POST',
      headers: { 'x-api-key': key, 'content-type': 'application/json', 'anthropic-version': '2023-06-01' },
      body: JSON.stringify({ ...body('sim-claude-fast'), stream: true }),
    })
    expect(response.status).toBe(200)
    expect(response.headers.get('anthropic-ratelimit-input-tokens-limit')).toBe('5000')
    expect(Number(response.headers.get('anthropic-ratelimit-input-tokens-remaining'))).toBeGreaterThan(0)
    expect(response.headers.get('anthropic-ratelimit-input-tokens-reset')).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/)
    expect(response.headers.has('x-ratelimit-limit-tokens')).toBe(false)
    await response.text()
  })

  test('say nothing of limits where there are none', async () => {
    const { key } = await createTenant(system, 'unlimited')
    const response = await ask(system, key, body('sim-gpt-4o-fast'))
    await response.arrayBuffer()
    expect([...response.headers.keys()].filter((name) => /ratelimit|budget/.test(name))).toEqual([])
  })

  test('of a budget are 402, with the wait until its reset', async () => {
    const key = await limitedTo('poor', { kind: 'budget', amount_usd: '0.000000001', period: 'hour' })
    const refused = await ask(system, key, body('sim-gpt-4o-fast'))
    expect(refused.status).toBe(402)
    expect(refused.headers.get('x-should-retry')).toBe('false')
    expect(refused.headers.get('x-tidegate-budget-limit-usd')).toBe('0.000000001')
    expect(refused.headers.has('retry-after'), 'no wait helps where the whole budget is too small').toBe(false)
    const limit = { scope: 'tenant', kind: 'budget', period: 'hour' }
    expect(await refused.json()).toMatchObject({ error: { code: 'budget_exceeded', limit } })
  })
})

test('a request that costs ten times its reservation is charged in full, and what follows finds less', async () => {
  const price = { input_usd_per_million: '0', output_usd_per_million: '1000' }
  const name = 'sim-gpt-4o-fast-tokens16-wrongusage'
  await createRoute(system, 'boundless', [simulatedTarget('boundless', name, { price })])
  const key = await limitedTo('overrun', { kind: 'budget', amount_usd: '0.10', period: 'day' })
  // 16 tokens are reserved and 160 reported, a tenth of a cent each.
  const first = await ask(system, key, body('boundless'))
  expect(first.status).toBe(200)
  await first.arrayBuffer()
  const refused = await ask(system, key, body('boundless'))
  expect(refused.status).toBe(402)
  expect(refused.headers.get('x-tidegate-budget-remaining-usd')).toBe('0.000000000')
  const listed = await fetch(`${system.url}/v1/limits`, { headers: { authorization: `Bearer ${key}` } })
  expect(await listed.json()).toMatchObject({ data: [{ limit_usd: '0.10', used_usd: '0.16', remaining_usd: '0.00' }] })
})

describe('at a limit, a request', () => {
  test('waits where that is the policy, and is told how long where it can not be in time', async () => {
    const rules = [{ kind: 'rate', unit: 'requests', per_minute: 20, burst: 1 }]
    const waiting = { rules, at_limit: { action: 'wait', max_wait_ms: 4_000 } }
    const { key } = await createTenant(system, 'patient', { limits: waiting })
    const fromMs = Date.now()
    const asked = Array.from({ length: 5 }, async () => {
      const response = await ask(system, key, body('sim-gpt-4o-fast'))
      await response.arrayBuffer()
      return { status: response.status, afterMs: Date.now() - fromMs }
    })
    const answers = (await Promise.all(asked)).sort((a, b) => a.afterMs - b.afterMs)
    expect(answers.filter(({ status }) => status === 200).length).toBe(2)
    expect(answers.filter(({ status }) => status === 429).length).toBe(3)
    const last = answers.findLast(({ status }) => status === 200)
    expect(last?.afterMs).toBeGreaterThanOrEqual(2_900)
  })

  test('goes to a cheaper model where that is the policy and the key may use it', async () => {
    const limits = {
      rules: [{ kind: 'budget', amount_usd: '0.000000001', period: 'day', model: 'sim-gpt-4o*' }],
      at_limit: { action: 'downgrade', model: 'sim-claude-fast' },
    }
    const { key } = await createTenant(system, 'thrifty', { limits })
    const response = await ask(system, key, body('sim-gpt-4o-fast'))
    expect(response.status).toBe(200)
    expect(response.headers.get('x-tidegate-downgraded-from')).toBe('sim-gpt-4o-fast')
    expect(response.headers.get('x-tidegate-model')).toBe('sim-claude-fast')
    await response.arrayBuffer()
    const { key: narrow } = await mintKey(system, 'thrifty', 'narrow', { models: ['sim-gpt*'] })
    const refused = await ask(system, narrow, body('sim-gpt-4o-fast'))
    expect(refused.status).toBe(402)
    await refused.arrayBuffer()
    const [row] = await eventually(
      async () => (await latestAttempts(system)).filter(({ tags }) => tags.includes('tidegate:downgraded')),
      (rows) => rows.length > 0,
    )
    expect(row).toMatchObject({ requested_model: 'sim-gpt-4o-fast', model: 'sim-claude-fast' })
  })
})

describe('GET /v1/limits', () => {
  const limitsOf = (key: string): Promise<Response> =>
    fetch(`${system.url}/v1/limits`, { headers: { authorization: `Bearer ${key}` } })

  test("is what the key is held to at every level, and nobody else's", async () => {
    await createTenant(system, 'listed', {
      time_zone: 'Europe/Berlin',
      limits: { budget: { amount_usd: '5', period: 'month' }, at_limit: { action: 'wait', max_wait_ms: 1_000 } },
    })
    const until = new Date(Date.now() + 3_600_000).toISOString()
    const rules = [
      { kind: 'rate', unit: 'requests', per_minute: 60, burst: 10, increase: { by: 5, until } },
      { kind: 'concurrency', most: 3, model: 'sim-gpt*' },
    ]
    const { key } = await mintKey(system, 'listed', 'mine', { limits: { rules } })
    await mintKey(system, 'listed', 'theirs', { limits: { tokens_per_minute: 7 } })
    await (await ask(system, key, body('sim-gpt-4o-fast'))).arrayBuffer()
    const response = await eventually(
      () => limitsOf(key),
      (answer) => answer.status === 200,
    )
    expect(await response.json()).toEqual({
      object: 'list',
      data: [
        expect.objectContaining({
          scope: 'tenant',
          model: null,
          kind: 'budget',
          period: 'month',
          limit_usd: '5.00',
          at_limit: { action: 'refuse' },
          increase: null,
        }),
        expect.objectContaining({
          scope: 'key',
          kind: 'rate',
          unit: 'requests',
          per_minute: 60,
          limit: 15,
          at_limit: { action: 'refuse' },
          increase: { by: 5, until },
        }),
        expect.objectContaining({ scope: 'key', model: 'sim-gpt*', kind: 'concurrency', limit: 3, resets_at: null }),
      ],
    })
  })

  test('asks for a key, and takes nothing but GET', async () => {
    expect((await fetch(`${system.url}/v1/limits`)).status).toBe(401)
    expect((await fetch(`${system.url}/v1/limits`, { method: 'POST' })).status).toBe(405)
  })
})

test.each([
  [{ kind: 'rate', unit: 'words', per_minute: 1 }, 'limits.rules[0].unit'],
  [{ kind: 'rate', unit: 'requests', per_minute: 0 }, 'limits.rules[0].per_minute'],
  [{ kind: 'concurrency' }, 'limits.rules[0].most'],
  [{ kind: 'budget', amount_usd: '1', period: 'year' }, 'limits.rules[0].period'],
  [{ kind: 'wish' }, 'limits.rules[0].kind'],
])('a rule that is none is refused by its field: %j', async (rule, field) => {
  const refused = await system.admin('POST', '/admin/tenants', { name: 'wrong', limits: { rules: [rule] } })
  expect(refused).toMatchObject({ status: 422, body: { error: { field } } })
})

test.each([
  [{ limits: { at_limit: { action: 'hope' } } }, 'limits.at_limit.action'],
  [{ limits: { at_limit: { action: 'wait' } } }, 'limits.at_limit.max_wait_ms'],
  [{ limits: { at_limit: { action: 'wait', max_wait_ms: 99 } } }, 'limits.at_limit.max_wait_ms'],
  [{ limits: { at_limit: { action: 'wait', max_wait_ms: 100, max_waiting: 0 } } }, 'limits.at_limit.max_waiting'],
  [{ limits: { at_limit: { action: 'downgrade', model: 'gpt-*' } } }, 'limits.at_limit.model'],
  [{ limits: { runaway: { factor: 1, min_usd_per_hour: '1', action: 'stop' } } }, 'limits.runaway.factor'],
  [{ limits: { runaway: { factor: 9, min_usd_per_hour: '0', action: 'stop' } } }, 'limits.runaway.min_usd_per_hour'],
  [{ limits: { runaway: { factor: 9, min_usd_per_hour: '1', action: 'cry' } } }, 'limits.runaway.action'],
  [{ limits_unavailable: 'hope' }, 'limits_unavailable'],
])('a policy that is none is refused by its field: %j', async (settings, field) => {
  const refused = await system.admin('POST', '/admin/tenants', { name: 'wrong', ...settings })
  expect(refused).toMatchObject({ status: 422, body: { error: { field } } })
})

test('policies are shown as they were set, kept where they are left out, and taken away by null', async () => {
  const at_limit = { action: 'wait', max_wait_ms: 500 }
  const runaway = { factor: 10, min_usd_per_hour: '2.50', action: 'throttle' }
  const { tenantId } = await createTenant(system, 'kept', {
    limits: { at_limit, runaway },
    limits_unavailable: 'admit',
  })
  const shown = { limits: { at_limit, runaway }, limits_unavailable: 'admit' }
  const kept = await system.admin('PATCH', `/admin/tenants/${tenantId}`, { limits: { tokens_per_minute: 5 } })
  expect(kept).toMatchObject({ status: 200, body: shown })
  const gone = await system.admin('PATCH', `/admin/tenants/${tenantId}`, { limits: { at_limit: null, runaway: null } })
  expect(gone).toMatchObject({ body: { limits: { at_limit: { action: 'refuse' }, runaway: null } } })
})
