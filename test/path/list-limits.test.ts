// `GET /v1/limits` where the limiter can't be asked, or has bad news: never a guess.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { LimiterObject } from '../../src/core/limits.ts'
import { SwitchBoard } from '../../src/core/switches.ts'
import { listLimits } from '../../src/data-plane/list-limits.ts'
import { leasedLimiter } from '../../src/platform/limiter.ts'
import { holdTime, pathWorld } from '../support/path-world.ts'
import { virtualClock } from '../support/virtual-clock.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const PATH = { tenantId: 't', teamId: null, keyId: 'k', model: null }
const REQUEST = new Request('https://gateway.test/v1/limits', { headers: { authorization: 'Bearer tg_of_a_client' } })

function limiterOver(limits: LimiterObject['limits'], clock = virtualClock()) {
  const unused = (): never => {
    throw new Error('not asked for')
  }
  const object: LimiterObject = {
    limits,
    call: unused,
    configure: unused,
    revoke: unused,
    takeSwitches: unused,
    inFlight: unused,
    cancel: unused,
    confirm: unused,
    live: unused,
  }
  const limiter = leasedLimiter({
    object: () => object,
    nowMs: clock.nowMs,
    sleep: clock.sleep,
    newId: () => 'id',
    onRevoked: () => {},
    switches: new SwitchBoard(),
    log: { warn: () => {} },
    sendBeside: unused,
    digest: unused,
  })
  return { limiter, clock }
}

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
