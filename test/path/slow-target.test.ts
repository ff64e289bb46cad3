// A target that has become slow while its siblings have not: others come before it, but it is asked when nobody else answers.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type PathWorld, WAYS, ended, holdTime, pathWorld } from '../support/path-world.ts'
import { says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const [A, B] = [someTarget('a'), someTarget('b')]

/** So many streamed replies of each, 100 ms apart. */
function measure(world: PathWorld, count: number, aMs: number, bMs = 100): void {
  for (let at = 0; at < count; at += 1) {
    vi.setSystemTime(Date.now() + 100)
    world.speeds.note(A, { isStreamed: true, ttftMs: aMs, outputTokens: 0, writingMs: 0 }, () => undefined)
    world.speeds.note(B, { isStreamed: true, ttftMs: bMs, outputTokens: 0, writingMs: 0 }, () => undefined)
  }
}

async function servedBy(world: PathWorld, way: 0 | 1 = 1): Promise<string | null> {
  const response = await world.ask(WAYS[way][1])
  await ended(world, response)
  return response.headers.get('x-tidegate-target')
}

function twoTargets(): PathWorld {
  const world = pathWorld([A, B])
  world.upstream = (call) => says(call)
  measure(world, 1_000, 100)
  return world
}

describe('a target that has become slow', () => {
  test('comes after the others until it is faster again', async () => {
    const world = twoTargets()
    expect(await servedBy(world)).toBe('a')
    measure(world, 100, 1_000)
    expect(world.speeds.shares([A, B], 'asked', true)?.[0]).toBeLessThan(0.25)
    expect(await servedBy(world)).toBe('b')
    measure(world, 300, 100)
    expect(await servedBy(world)).toBe('a')
  })

  test('is asked when nobody else is there', async () => {
    const world = twoTargets()
    measure(world, 100, 1_000)
    world.permit = ({ id }) => (id === 'b' ? { retryAfterMs: 1_000 } : null)
    expect(await servedBy(world)).toBe('a')
  })

  test('is asked before one that comes back and has had its share of the traffic, which is asked when it fails', async () => {
    const world = twoTargets()
    measure(world, 100, 100, 1_000)
    world.permit = ({ id }, isLast) => (id === 'a' && !isLast ? { retryAfterMs: 1_000, isRamping: true } : null)
    expect(await servedBy(world)).toBe('b')
    world.upstream = (call) => (call.target.id === 'b' ? Promise.reject(new Error('gone')) : says(call))
    expect(await servedBy(world)).toBe('a')
  })

  test('keeps its whole replies, which are as long as they are', async () => {
    const world = twoTargets()
    measure(world, 100, 1_000)
    expect(await servedBy(world, 0)).toBe('a')
  })

  test('keeps its place when all have become slow', async () => {
    const world = twoTargets()
    measure(world, 100, 1_000, 1_000)
    expect(await servedBy(world)).toBe('a')
    expect(world.speeds.shares([A, B], 'asked', true)).toEqual([1, 1])
  })
})
