// Targets with several credentials: who pays, what becomes of one that is throttled or refused, and that no client notices.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { credentialPools } from '../../src/platform/credential-pools.ts'
import { WAYS, ended, expectSettled, holdTime, pathWorld } from '../support/path-world.ts'
import { says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const NAMES = ['ONE_API_KEY', 'TWO_API_KEY', 'THREE_API_KEY'] as const
const [ONE, TWO, THREE] = NAMES

function pooled(id = 'a') {
  return someTarget(id, { credential: ONE, credentials: NAMES, maxRetries: 0 })
}

function pools() {
  const lines: string[] = []
  const made = credentialPools(() => Date.now(), {
    warn: (event, facts) => void lines.push(JSON.stringify({ event, ...facts })),
  })
  const choose = (tried: readonly string[] = []) => {
    const chosen = made.choose(pooled(), tried)
    return chosen !== null && 'credential' in chosen ? chosen.credential : chosen
  }
  const paying = (credential: string) => ({ ...pooled(), credential })
  return { made, lines, choose, paying }
}

describe('a pool', () => {
  test('shares its calls evenly while nothing speaks against that', () => {
    const { choose } = pools()
    const chosen = Array.from({ length: 30 }, () => choose())
    for (const name of NAMES) expect(chosen.filter((one) => one === name)).toHaveLength(10)
  })

  test('gives the same target object for the same credential: others remember things by it', () => {
    const { made } = pools()
    const target = pooled()
    const chosen = Array.from({ length: 6 }, () => made.choose(target, []))
    expect(new Set(chosen).size).toBe(3)
  })

  test('leaves one that is throttled alone as long as it asks, then has it behind the others for a while', () => {
    const { made, choose, paying, lines } = pools()
    made.throttled(paying(ONE), 5_000)
    expect(Array.from({ length: 4 }, () => choose())).toEqual([TWO, THREE, TWO, THREE])
    vi.advanceTimersByTime(5_000)
    expect(Array.from({ length: 4 }, () => choose())).not.toContain(ONE)
    vi.advanceTimersByTime(60_000)
    expect(choose()).toBe(ONE)
    expect(lines).toEqual([expect.stringContaining('"credential":"ONE_API_KEY","forMs":5000')])
  })

  test('with all at rest says how long', () => {
    const { made, choose, paying } = pools()
    for (const [index, name] of NAMES.entries()) made.throttled(paying(name), 3_000 + index)
    expect(choose()).toEqual({ retryAfterMs: 3_000 })
  })

  test('leaves out one that is refused, for longer each time, until it is accepted again', () => {
    const { made, choose, paying } = pools()
    made.refused(paying(ONE))
    made.refused(paying(ONE))
    expect(made.standing(pooled())[0]).toMatchObject({ state: 'disabled', retryAfterMs: 60_000 })
    vi.advanceTimersByTime(60_000)
    expect(choose()).toBe(ONE)
    made.refused(paying(ONE))
    expect(made.standing(pooled())[0]).toMatchObject({ state: 'disabled', retryAfterMs: 120_000 })
    vi.advanceTimersByTime(120_000)
    made.served(paying(ONE))
    made.refused(paying(ONE))
    expect(made.standing(pooled())[0]).toMatchObject({ retryAfterMs: 60_000 })
  })

  test('asks the one that is due first when all are refused, and none twice for a request', () => {
    const { made, choose, paying } = pools()
    for (const name of [TWO, ONE, THREE]) {
      made.refused(paying(name))
      vi.advanceTimersByTime(1_000)
    }
    expect(choose()).toBe(TWO)
    expect(choose([TWO])).toBeNull()
    expect(choose([...NAMES])).toBeNull()
  })
})

describe.each(WAYS)('%s: a request', (_, body) => {
  function world(statuses: Readonly<Record<string, number>>) {
    const made = pathWorld([pooled(), someTarget('b', { maxRetries: 0 })])
    made.upstream = (call) => {
      const status = statuses[call.target.credential ?? '']
      if (status === undefined) return says(call, `paid by ${call.target.credential}`)
      return Response.json(
        { error: { message: 'No.' } },
        { status, headers: status === 429 ? { 'retry-after': '9' } : {} },
      )
    }
    return made
  }

  test.each([401, 402, 403, 429])('whose credential is answered %s is tried with the next at once', async (status) => {
    const at = world({ [ONE]: status, [TWO]: status })
    const response = await at.ask(body)
    expect(await ended(at, response)).toContain(`paid by ${THREE}`)
    expect(at.calls.map(({ target }) => [target.id, target.credential])).toEqual([
      ['a', ONE],
      ['a', TWO],
      ['a', THREE],
    ])
    expect(at.waits).toEqual([])
    expect(expectSettled(at).map(({ isFinal }) => isFinal)).toEqual([false, false, true])
    const states = at.credentials.standing(pooled()).map(({ state }) => state)
    expect(states).toEqual(status === 429 ? ['resting', 'resting', 'ready'] : ['disabled', 'disabled', 'ready'])
    await ended(at, await at.ask(body))
    expect(at.calls.at(-1)?.target.credential).toBe(THREE)
    expect(at.calls).toHaveLength(4)
  })

  test('that every credential is refused for with a 403 disables none: it may be the request', async () => {
    const at = world(Object.fromEntries(NAMES.map((name) => [name, 403])))
    const response = await at.ask(body)
    expect(response.headers.get('x-tidegate-target')).toBe('b')
    await ended(at, response)
    expect(at.calls).toHaveLength(4)
    expect(at.credentials.standing(pooled()).map(({ state }) => state)).toEqual(['ready', 'ready', 'ready'])
  })

  test('for which all are at rest goes to the next target without a call', async () => {
    const at = world(Object.fromEntries(NAMES.map((name) => [name, 429])))
    await ended(at, await at.ask(body))
    const calls = at.calls.length
    expect(await ended(at, await at.ask(body))).toContain('paid by null')
    expect(at.calls.slice(calls).map(({ target }) => target.id)).toEqual(['b'])
  })
})
