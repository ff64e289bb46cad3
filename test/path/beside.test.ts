// End users and targets with limits, as the path of a request meets them: who is named, who is asked, and who comes next
// when a target has no room.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Refusal } from '../../src/ports.ts'
import { type PathWorld, WAYS, callerOf, ended, expectSettled, holdTime, pathWorld } from '../support/path-world.ts'
import { says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const FULL: Refusal = { kind: 'slots', scope: 'target', model: null, left: 0, most: 1, retryAfterMs: 4_000 }
const AWAY: Refusal = { kind: 'unavailable', scope: 'target' }

function worldOf(count: number, endUsers?: { isRequired: boolean; isLimited: boolean }): PathWorld {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'].slice(0, count)
  const world = pathWorld(ids.map((id) => someTarget(id, { maxRetries: 0, hasLimits: true })))
  world.upstream = (call) => says(call)
  if (endUsers !== undefined) world.caller = { ...callerOf(world), endUsers }
  return world
}

describe.each(WAYS)('%s: a target without room', (_, body) => {
  test.each([FULL, AWAY])('is passed over for the next, and counts as no attempt: %j', async (refusal) => {
    const world = worldOf(9)
    world.refusal = (number) => (number < 9 ? refusal : null)
    const response = await world.ask(body)
    await ended(world, response)
    expect(response.status).toBe(200)
    expect(world.calls.map(({ target }) => target.id)).toEqual(['i'])
    expect(world.permits.map(({ heard }) => heard)).toEqual([...Array.from({ length: 8 }, () => ['withdrawn']), [null]])
    expect(expectSettled(world)).toMatchObject([{ attempt: 1, targetId: 'i', isFinal: true }])
  })

  test('and nobody else: the client hears when to come again', async () => {
    const world = worldOf(2)
    world.refusal = (number) => (number === 1 ? { ...FULL, retryAfterMs: 9_000 } : FULL)
    const response = await world.ask(body)
    expect(response.status).toBe(503)
    expect(response.headers.get('retry-after')).toBe('4')
    await ended(world, response)
    expect(world.recorded).toMatchObject([{ status: 503, failure: 'no-target' }])
  })

  test('after one that failed: the next one still is tried', async () => {
    const world = worldOf(3)
    world.refusal = (number) => (number === 2 ? FULL : null)
    world.upstream = (call) => (call.target.id === 'a' ? new Response('{}', { status: 503 }) : says(call))
    await ended(world, await world.ask(body))
    expect(world.calls.map(({ target }) => target.id)).toEqual(['a', 'c'])
    expect(expectSettled(world).map(({ targetId }) => targetId)).toEqual(['a', 'c'])
  })
})

describe('the end user', () => {
  const asking = async (world: PathWorld, more: object, headers: Record<string, string> = {}) => {
    const response = await world.ask({ ...WAYS[0][1], ...more }, { headers })
    await ended(world, response)
    return response
  }

  test.each([
    ['of the body', { user: 'body' }, {}, 'body'],
    ['of the header, which wins', { user: 'body' }, { 'x-tidegate-user': 'header' }, 'header'],
    ['called by its other name', { safety_identifier: 'safe' }, {}, 'safe'],
    ['that nobody names', {}, {}, null],
    ['that is named nothing', { user: '' }, {}, null],
  ])('%s', async (_, more, headers, endUser) => {
    const world = pathWorld([someTarget('a')])
    world.upstream = (call) => says(call)
    world.caller = { ...callerOf(world), endUsers: { isRequired: false, isLimited: true } }
    expect((await asking(world, more, headers)).status).toBe(200)
    expect(world.admitted[0]?.beside).toEqual(endUser === null ? null : { endUser, target: null })
    expect(expectSettled(world)).toMatchObject([{ endUser }])
  })

  test('is asked about only where users have limits, the target only where it has', async () => {
    const free = pathWorld([someTarget('a')])
    free.upstream = (call) => says(call)
    await asking(free, { user: 'u' })
    expect(free.admitted[0]?.beside).toBeNull()
    const limited = worldOf(1)
    await asking(limited, { user: 'u' })
    expect(limited.admitted[0]?.beside).toEqual({ endUser: null, target: { id: 'a', model: 'a' } })
    const file = pathWorld([someTarget('a~other', { hasLimits: true })])
    file.upstream = (call) => says(call)
    await asking(file, { user: 'u' })
    expect(file.admitted[0]?.beside).toBeNull()
    const both = worldOf(1, { isRequired: false, isLimited: true })
    await asking(both, { user: 'u' })
    expect(both.admitted[0]?.beside).toEqual({ endUser: 'u', target: { id: 'a', model: 'a' } })
  })

  test('has to be named where the tenant says so, and nobody is asked before', async () => {
    const world = worldOf(1, { isRequired: true, isLimited: false })
    const refused = await world.ask(WAYS[0][1])
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({
      error: { param: 'user', message: expect.stringContaining('x-tidegate-user') },
    })
    expect(world.steps).toEqual(['authenticate'])
    expect((await asking(world, {}, { 'x-tidegate-user': 'u' })).status).toBe(200)
  })
})
