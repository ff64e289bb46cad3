// One deadline over all attempts of a request, by header or by route; and that a client's hurry is not held against a target.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { WAYS, ended, expectSettled, holdTime, pathWorld } from '../support/path-world.ts'
import { fails, says, silence } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const PATIENT = { firstContentMs: 30_000, idleMs: 30_000, totalMs: 60_000 }
const HEADER = { headers: { 'x-tidegate-timeout-ms': '2000' } }

function threeTargets(timeoutMs?: number, firstContentMs = 30_000) {
  const timeouts = { ...PATIENT, firstContentMs }
  const targets = ['a', 'b', 'c'].map((id) => someTarget(id, { maxRetries: 5, timeouts }))
  return pathWorld(targets, timeoutMs === undefined ? {} : { timeoutMs })
}

describe.each(WAYS)('%s: a request with a deadline', (_, body) => {
  test.each([
    ['header', undefined, HEADER],
    ['route', 2_000, {}],
    ['the lower of both', 60_000, HEADER],
  ] as const)('by %s is answered by then, whatever would still have been tried', async (_, timeoutMs, init) => {
    const world = threeTargets(timeoutMs, 1_500)
    world.upstream = (call) => silence(call)
    const beganMs = Date.now()
    const response = await world.ask(body, init)
    expect(Date.now() - beganMs).toBeGreaterThanOrEqual(2_000)
    expect(Date.now() - beganMs).toBeLessThanOrEqual(2_100)
    expect(response.status).toBe(504)
    await ended(world, response)
    expect(world.calls.map(({ target }) => target.id)).toEqual(['a', 'b'])
    expect(expectSettled(world).map(({ ending }) => ending)).toEqual(['timed-out', 'timed-out'])
  })

  test('holds nothing against a target that had less time than it may take', async () => {
    const world = threeTargets(undefined, 1_500)
    world.upstream = (call) => silence(call)
    await ended(world, await world.ask(body, HEADER))
    expect(world.permits.map(({ heard }) => heard)).toEqual([['timeout'], ['withdrawn']])
  })

  test('has a limit for each attempt besides: then others are tried, and nothing is held against the first', async () => {
    const world = threeTargets()
    world.upstream = (call) => (call.target.id === 'a' ? silence(call) : says(call))
    const response = await world.ask(body, { headers: { 'x-tidegate-attempt-timeout-ms': '300' } })
    expect(await ended(world, response)).toContain('Hello.')
    expect(response.headers.get('x-tidegate-target')).toBe('b')
    expect(expectSettled(world)[0]).toMatchObject({ failure: 'timeout', isFinal: false })
    expect(world.permits.map(({ heard }) => heard)).toEqual([['withdrawn'], [null]])
  })

  test('is not kept waiting for a retry beyond it', async () => {
    const world = threeTargets(600)
    world.upstream = (call) => fails(call, 'server')
    const beganMs = Date.now()
    await ended(world, await world.ask(body))
    expect(Date.now() - beganMs).toBeLessThanOrEqual(600)
    expectSettled(world)
  })

  test('is served when it begins in time, however long it then takes', async () => {
    const world = threeTargets(2_000)
    world.upstream = (call) => says(call)
    expect(await ended(world, await world.ask(body))).toContain('Hello.')
  })
})

describe('a time to connect', () => {
  const [whole, streamed] = [WAYS[0][1], WAYS[1][1]]
  const connecting = () =>
    pathWorld([someTarget('a', { maxRetries: 0, timeouts: { ...PATIENT, connectMs: 300 } }), someTarget('b')])

  test('ends a streamed call whose status does not come', async () => {
    const world = connecting()
    world.upstream = (call) => (call.target.id === 'a' ? silence(call) : says(call))
    const beganMs = Date.now()
    expect(await ended(world, await world.ask(streamed))).toContain('Hello.')
    expect(Date.now() - beganMs).toBeLessThan(700)
    expect(expectSettled(world)[0]).toMatchObject({ failure: 'timeout' })
    expect(world.permits[0]?.heard).toEqual(['timeout'])
  })

  test('leaves a whole reply its time, whose status comes with it', async () => {
    const world = connecting()
    world.upstream = async (call) => {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      return says(call)
    }
    await ended(world, await world.ask(whole))
    expect(world.calls.map(({ target }) => target.id)).toEqual(['a'])
    expectSettled(world)
  })
})
