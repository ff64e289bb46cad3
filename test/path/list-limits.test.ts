// `GET /v1/limits` where the limiter can't be asked, or has bad news: never a guess.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import * as z from 'zod/mini'
import type { LimitState } from '../../src/core/limits/standing.ts'
import { listLimits } from '../../src/data-plane/limits/list-limits.ts'
import { limiterOver } from '../support/limiter-over.ts'
import { holdTime, pathWorld } from '../support/path-world.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const LISTED = z.object({ data: z.array(z.looseObject({ scope: z.string() })) })
const PATH = { tenantId: 't', teamId: null, keyId: 'k', model: null }
const REQUEST = new Request('https://gateway.test/v1/limits', { headers: { authorization: 'Bearer tg_of_a_client' } })

test('a limiter that fails, or does not answer for 3 s, is away', async () => {
  const failing = limiterOver(() => Promise.reject(new Error('overloaded')))
  expect(await failing.clock.until(failing.limiter.limits(PATH), 10)).toBe('unavailable')
  const silent = limiterOver(() => new Promise(() => {}))
  expect(await silent.clock.until(silent.limiter.limits(PATH), 3_000)).toBe('unavailable')
})

test('a key that was revoked is told so', async () => {
  const { limiter, clock } = limiterOver(async () => null)
  expect(await clock.until(limiter.limits(PATH))).toBe('revoked')
})

test('the client hears that it may try again', async () => {
  const world = pathWorld([])
  const response = await world.serve((services, later) => listLimits(REQUEST, services, later))
  expect(response.status).toBe(503)
  expect(response.headers.get('x-should-retry')).toBe('true')
  expect(await response.json()).toMatchObject({ error: { code: 'limiter_unavailable' } })
})

const BUDGET: LimitState = {
  scope: 'tenant',
  id: 'tenant',
  model: null,
  limit: { kind: 'budget', amountNanoUsd: 1e9, period: 'day', alertsPercent: [], increase: null },
  policy: { kind: 'refuse' },
  size: 1e9,
  used: 0,
  held: 0,
  left: 1e9,
  resetsAtMs: null,
}
const OF_USER: LimitState = { ...BUDGET, scope: 'user', id: 'digest', used: 4e8, left: 6e8 }

test.each([
  ['in the header', '', { 'x-tidegate-user': 'alice' }, ['tenant', 'user']],
  ['in the field', '?user=alice', {}, ['tenant', 'user']],
  ['nowhere', '', {}, ['tenant']],
])('an end user who is named %s is told of its own limits', async (_, query, headers, scopes) => {
  const world = pathWorld([])
  world.limits = [BUDGET]
  world.limitsBeside = [OF_USER]
  const limited = { isRequired: false, isLimited: true }
  if (typeof world.caller !== 'string') world.caller = { ...world.caller, endUsers: limited }
  const init = { headers: { authorization: 'Bearer tg_of_a_client', ...headers } }
  const request = new Request(`https://gateway.test/v1/limits${query}`, init)
  const response = await world.serve((services, later) => listLimits(request, services, later))
  expect(response.status).toBe(200)
  const { data } = LISTED.parse(await response.json())
  expect(data.map(({ scope }) => scope)).toEqual(scopes)
  if (scopes.length === 2) expect(data[1]).toMatchObject({ used_usd: '0.40', remaining_usd: '0.60' })
})

test("nobody's limits are guessed: where those of the end user can't be had, the limiter is away", async () => {
  const world = pathWorld([])
  world.limits = [BUDGET]
  if (typeof world.caller !== 'string')
    world.caller = { ...world.caller, endUsers: { isRequired: true, isLimited: true } }
  const headers = { authorization: 'Bearer tg_of_a_client', 'x-tidegate-user': 'alice' }
  const request = new Request('https://gateway.test/v1/limits', { headers })
  const response = await world.serve((services, later) => listLimits(request, services, later))
  expect(response.status).toBe(503)
})
