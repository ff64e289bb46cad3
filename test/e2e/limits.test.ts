// Limits as an operator writes them and as a client meets them: requests per minute, streams at once, one model's own.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, createTenant, eventually, routeSimulated, says } from '../support/account.ts'
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
    const streamed = { ...body('sim-gpt-4o'), stream: true }
    const open = await Promise.all([ask(system, key, streamed), ask(system, key, streamed)])
    expect(open.map((response) => response.status)).toEqual([200, 200])
    const third = await ask(system, key, streamed)
    expect(third.status).toBe(429)
    expect(await third.json()).toMatchObject({ error: { message: expect.stringContaining('at once') } })
    for (const response of open) await response.text()
    const again = await eventually(
      () => ask(system, key, body('sim-gpt-4o-fast')),
      (response) => response.status === 200,
    )
    expect(again.status).toBe(200)
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
