// What an isolate makes of providers' own limits: whom they are about, how long they are believed, and that a target with
// next to nothing left comes after those with more.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { isolateHeadroom } from '../../src/platform/headroom.ts'
import { WAYS, ended, expectSettled, holdTime, pathWorld } from '../support/path-world.ts'
import { says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

const SIZE = { requests: 1, inputTokens: 50, outputTokens: 50, slots: 1, nanoUsd: 0 }
const used = (left: number): Headers =>
  new Headers({
    'x-ratelimit-limit-tokens': '1000',
    'x-ratelimit-remaining-requests': '90',
    'x-ratelimit-remaining-tokens': String(left),
    'x-ratelimit-reset-tokens': '1m0s',
  })

function world() {
  const clock = { nowMs: 1_000_000 }
  return { clock, headroom: isolateHeadroom(() => clock.nowMs) }
}

describe('what a provider says is left', () => {
  test('is of its credential, address and model, whichever target asks', () => {
    const { headroom } = world()
    const a = someTarget('a', { credential: 'K_API_KEY', model: 'm' })
    headroom.note(a, used(20))
    expect(headroom.shortage(a, () => SIZE)).toMatchObject({ unit: 'tokens', left: 20 })
    expect(headroom.shortage({ ...a, id: 'b' }, () => SIZE)).toMatchObject({ unit: 'tokens' })
    for (const other of [{ model: 'n' }, { credential: 'L_API_KEY' }, { baseUrl: 'http://elsewhere' }]) {
      expect(headroom.shortage({ ...a, ...other }, () => SIZE)).toBeNull()
    }
  })

  test('of a target without a credential is its own', () => {
    const { headroom } = world()
    headroom.note(someTarget('a', { model: 'm' }), used(20))
    expect(headroom.shortage(someTarget('a', { model: 'm' }), () => SIZE)).not.toBeNull()
    expect(headroom.shortage(someTarget('b', { model: 'm' }), () => SIZE)).toBeNull()
  })

  test('shrinks with each call, comes back with time, and is replaced by the next answer', () => {
    const { clock, headroom } = world()
    const target = someTarget('a')
    headroom.note(target, used(250))
    expect(headroom.shortage(target, () => SIZE)).toBeNull()
    headroom.sent(target, SIZE)
    headroom.sent(target, SIZE)
    expect(headroom.shortage(target, () => SIZE)).not.toBeNull()
    clock.nowMs += 10_000
    expect(headroom.shortage(target, () => SIZE)).toBeNull()
    headroom.note(target, used(0))
    expect(headroom.shortage(target, () => SIZE)).not.toBeNull()
    headroom.note(target, used(900))
    expect(headroom.shortage(target, () => SIZE)).toBeNull()
  })

  test('stays as it was after an answer that says nothing', () => {
    const { headroom } = world()
    const target = someTarget('a')
    headroom.note(target, used(0))
    headroom.note(target, new Headers())
    expect(headroom.shortage(target, () => SIZE)).not.toBeNull()
  })

  test('is looked for again in a minute where there was nothing, and not before', () => {
    const { clock, headroom } = world()
    const target = someTarget('a')
    headroom.note(target, new Headers())
    headroom.note(target, used(0))
    expect(headroom.shortage(target, () => SIZE)).toBeNull()
    clock.nowMs += 60_000
    headroom.note(target, used(0))
    expect(headroom.shortage(target, () => SIZE)).not.toBeNull()
  })
})

describe.each(WAYS)('%s: a target with next to nothing left', (_, body) => {
  beforeEach(holdTime)
  afterEach(() => {
    vi.useRealTimers()
  })

  async function askedOf(short: readonly string[], fails: readonly string[] = []): Promise<readonly string[]> {
    const at = pathWorld(['a', 'b', 'c'].map((id) => someTarget(id, { maxRetries: 0 })))
    for (const id of short) at.short.add(id)
    at.upstream = (call) => (fails.includes(call.target.id) ? new Response('{}', { status: 503 }) : says(call))
    await ended(at, await at.ask(body))
    expectSettled(at)
    return at.calls.map(({ target }) => target.id)
  }

  test('comes after the others', async () => {
    expect(await askedOf([])).toEqual(['a'])
    expect(await askedOf(['a'])).toEqual(['b'])
    expect(await askedOf(['a', 'b'])).toEqual(['c'])
  })

  test('is asked when nobody else is there, or nobody else answers', async () => {
    expect(await askedOf(['a', 'b', 'c'])).toEqual(['a'])
    expect(await askedOf(['a'], ['b', 'c'])).toEqual(['b', 'c', 'a'])
  })
})
