// What an isolate does about its targets' health: storms on dead targets, slow ones, throttled ones, and their recovery.
import { describe, expect, test } from 'vitest'
import { BREAKER } from '../../src/core/health/breaker.ts'
import type { CallPermit } from '../../src/ports.ts'
import { TARGET, breakerWorld as world, call, opened, storm } from '../support/breaker-world.ts'
import { settled } from '../support/virtual-clock.ts'

describe('an isolate', () => {
  test.each(['connection', 'server', 'timeout'] as const)(
    'makes at most 5 calls of a storm of 1,000 on a dead target (%s), and one log line',
    async (failure) => {
      const at = world()
      const { called } = await storm(at, at.isolate(), failure, 20)
      expect(called).toBeLessThanOrEqual(5)
      expect(called).toBeGreaterThanOrEqual(2)
      expect(at.lines.length).toBe(1)
      expect(at.shared.questions).toBe(0)
    },
  )

  test('makes at most 5 calls also when they fail one after the other', async () => {
    const at = world()
    const breakers = at.isolate()
    let took = 0
    const all = Promise.all(Array.from({ length: 200 }, () => call(at, breakers, 'server', (took += 1))))
    const results = await at.clock.until(all)
    expect(results.filter((result) => result === 'called').length).toBe(5)
  })

  test('holds requests to a slow but living target back by a quarter of a second at most', async () => {
    const at = world()
    const breakers = at.isolate()
    const begunMs = at.clock.nowMs()
    const waits: number[] = []
    const all = Array.from({ length: 200 }, async () => {
      const permit = await breakers.permit(TARGET)
      if ('retryAfterMs' in permit) throw new Error('refused a living target')
      waits.push(at.clock.nowMs() - begunMs)
      await at.clock.sleep(8_000)
      permit.done(null, null, at.later)
    })
    await at.clock.until(Promise.all(all))
    expect(Math.max(...waits)).toBeLessThanOrEqual(250)
    await at.clock.advance(50)
    expect(breakers.permit(TARGET)).not.toBeInstanceOf(Promise)
  })

  test('asks nobody and waits for nothing on a target in good standing', async () => {
    const at = world()
    const breakers = at.isolate()
    await at.clock.until(call(at, breakers, null))
    for (let count = 0; count < 1_000; count++) expect(breakers.permit(TARGET)).not.toBeInstanceOf(Promise)
    expect(at.shared.questions).toBe(0)
  })

  test('sends one probe when the time comes, and others follow once it succeeds', async () => {
    const at = world()
    const breakers = at.isolate()
    await opened(at, breakers)
    await at.clock.advance(5_001)
    const asked = await Promise.all(Array.from({ length: 100 }, async () => breakers.permit(TARGET)))
    const permits = asked.filter((answer): answer is CallPermit => 'done' in answer)
    expect(permits.map(({ isProbe }) => isProbe)).toEqual([true])
    expect(at.shared.questions).toBe(1)
    permits[0]?.done(null, null, at.later)
    await settled()
    at.draws.next = 0
    expect(await breakers.permit(TARGET)).toMatchObject({ isProbe: false })
  })

  test('opens again for longer when the probe fails', async () => {
    const at = world()
    const breakers = at.isolate()
    await opened(at, breakers)
    await at.clock.advance(5_001)
    expect(await at.clock.until(call(at, breakers, 'connection'))).toBe('called')
    await at.clock.advance(9_000)
    expect(await at.clock.until(call(at, breakers, null))).toBe('closed')
    await at.clock.advance(2_000)
    expect(await at.clock.until(call(at, breakers, null))).toBe('called')
  })

  test('leaves the verdict to the probe: a straggler changes nothing while it is out', async () => {
    for (const straggled of [null, 'server'] as const) {
      const at = world()
      at.draws.next = 0
      const breakers = at.isolate()
      const straggler = await breakers.permit(TARGET)
      await opened(at, breakers)
      await at.clock.advance(7_001)
      const probe = await breakers.permit(TARGET)
      expect(probe).toMatchObject({ isProbe: true })
      if ('done' in straggler) straggler.done(straggled, null, at.later)
      expect(await breakers.permit(TARGET)).toHaveProperty('retryAfterMs')
      if ('done' in probe) probe.done(null, null, at.later)
      expect(await breakers.permit(TARGET)).toHaveProperty('done')
    }
  })

  test('lets one isolate of many probe, and the others follow', async () => {
    const at = world()
    const isolates = Array.from({ length: 8 }, () => at.isolate())
    for (const breakers of isolates) await opened(at, breakers)
    await at.clock.advance(5_001)
    const asked = await Promise.all(isolates.map(async (breakers) => breakers.permit(TARGET)))
    const probes = asked.filter((answer): answer is CallPermit => 'done' in answer)
    expect(probes.length).toBe(1)
    probes[0]?.done(null, null, at.later)
    await at.clock.advance(30_001)
    for (const breakers of isolates) expect(await breakers.permit(TARGET)).toHaveProperty('done')
  })

  test('probes by itself when the shared breaker is out of reach', async () => {
    const at = world()
    const breakers = at.isolate()
    await opened(at, breakers)
    at.shared.isReachable = false
    await at.clock.advance(5_001)
    expect(await at.clock.until(call(at, breakers, null))).toBe('called')
    expect(breakers.standing(TARGET)).toMatchObject({ state: 'ramping', share: 0.05 })
    await at.clock.advance(5_000)
    await breakers.permit(TARGET)
    expect(breakers.standing(TARGET)).toMatchObject({ state: 'ramping', share: 0.25 })
    await at.clock.advance(5_000)
    expect(await at.clock.until(call(at, breakers, null))).toBe('called')
    expect(breakers.standing(TARGET)).toEqual({ state: 'closed', retryAfterMs: null })
  })

  test('closes a permit once, however often it is told', async () => {
    const at = world()
    const breakers = at.isolate()
    for (let count = 0; count < 4; count++) {
      const permit = await breakers.permit(TARGET)
      if (!('done' in permit)) throw new Error('closed')
      permit.done('server', null, at.later)
      permit.done('server', null, at.later)
    }
    expect(await breakers.permit(TARGET)).toHaveProperty('done')
  })
})

describe('a busy target', () => {
  test.each([
    ['connection', 5],
    ['timeout', 8],
    ['server', 15],
  ] as const)('that fails by %s is left alone after %s failures in a row', async (failure, most) => {
    const at = world()
    const breakers = at.isolate()
    for (let count = 0; count < 1_000; count++) await at.clock.until(call(at, breakers, null, 0))
    let failed = 0
    while ((await at.clock.until(call(at, breakers, failure, 0))) === 'called') failed += 1
    expect(failed).toBe(most)
    expect(Math.ceil(BREAKER.rowWeightMax / (failure === 'connection' ? 3 : failure === 'timeout' ? 2 : 1))).toBe(most)
  })
})

describe('a target without room', () => {
  test('is left to the retry at first, then pauses for longer and longer, and is not taken for broken', async () => {
    const at = world()
    const breakers = at.isolate()
    await at.clock.until(call(at, breakers, 'overloaded', 0))
    expect(breakers.standing(TARGET).state).toBe('closed')
    for (const pauseMs of [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]) {
      expect(await at.clock.until(call(at, breakers, 'overloaded', 0))).toBe('called')
      expect(breakers.standing(TARGET)).toEqual({ state: 'resting', retryAfterMs: pauseMs })
      await at.clock.advance(pauseMs)
    }
    await at.clock.until(call(at, breakers, null, 0))
    await at.clock.until(call(at, breakers, 'overloaded', 0))
    expect(breakers.standing(TARGET).state).toBe('closed')
    expect(at.shared.questions).toBe(0)
  })

  test('pauses as long as it asks, at once', async () => {
    const at = world()
    const breakers = at.isolate()
    const permit = await breakers.permit(TARGET)
    if ('done' in permit) permit.done('overloaded', 9_000, at.later)
    expect(await breakers.permit(TARGET)).toEqual({ retryAfterMs: 9_000 })
  })

  test('has to prove itself after a pause: a few calls at a time', async () => {
    const at = world()
    const breakers = at.isolate()
    await at.clock.until(call(at, breakers, null, 0))
    for (let count = 0; count < 2; count++) await at.clock.until(call(at, breakers, 'overloaded', 0))
    await at.clock.advance(1_000)
    const { called } = await storm(at, breakers, 'overloaded', 20)
    expect(called).toBeLessThanOrEqual(5)
  })
})

describe('a target that is checked', () => {
  test('is told of its traffic now and then, and heard', async () => {
    const at = world()
    const breakers = at.isolate()
    const target = { ...TARGET, healthCheck: 'models' } as const
    const use = async (): Promise<void> => {
      const permit = await breakers.permit(target)
      if ('done' in permit) permit.done(null, null, at.later)
      await settled()
    }
    for (let count = 0; count < 100; count++) await use()
    expect(at.shared.watched).toBe(1)
    await at.shared.tripped(at.clock.nowMs() + 60_000)
    await at.clock.advance(30_000)
    await use()
    expect(at.shared.watched).toBe(2)
    expect(await breakers.permit(target)).toEqual({ retryAfterMs: 30_000 })
  })

  test('another costs no call', async () => {
    const at = world()
    const breakers = at.isolate()
    await at.clock.until(call(at, breakers, null))
    expect(at.shared.watched).toBe(0)
  })
})

describe('a probe that is not tried', () => {
  test('goes back: the target stays closed to calls, and the next to ask may probe', async () => {
    const at = world()
    const breakers = at.isolate()
    await opened(at, breakers)
    await at.clock.advance(10_000)
    const probe = await breakers.permit(TARGET)
    expect(probe).toMatchObject({ isProbe: true })
    if ('withdraw' in probe) probe.withdraw(at.later)
    await at.clock.advance(1)
    expect(await breakers.permit(TARGET)).toMatchObject({ isProbe: true })
  })
})

describe('a target that answers 429', () => {
  test('is left alone as long as it asks, a minute at most, and is not taken for broken', async () => {
    for (const [asked, waitMs] of [
      [7_000, 7_000],
      [null, 1_000],
      [3_600_000, 60_000],
    ] as const) {
      const at = world()
      const breakers = at.isolate()
      const permit = await breakers.permit(TARGET)
      if ('done' in permit) permit.done('throttled', asked, at.later)
      expect(await breakers.permit(TARGET)).toEqual({ retryAfterMs: waitMs })
      await at.clock.advance(waitMs - 1)
      expect(await breakers.permit(TARGET)).toEqual({ retryAfterMs: 1 })
      await at.clock.advance(1)
      expect(await breakers.permit(TARGET)).toMatchObject({ isProbe: false })
      expect(at.lines).toEqual([])
    }
  })

  test('is still asked for its other models', async () => {
    const at = world()
    const breakers = at.isolate()
    const permit = await breakers.permit({ ...TARGET, model: 'busy' })
    if ('done' in permit) permit.done('throttled', 7_000, at.later)
    expect(await breakers.permit({ ...TARGET, model: 'busy' })).toEqual({ retryAfterMs: 7_000 })
    expect(await breakers.permit({ ...TARGET, model: 'idle' })).toHaveProperty('done')
  })
})

describe('retries', () => {
  test('of a target are a tenth of its calls, beyond a few at once', async () => {
    const at = world()
    const breakers = at.isolate()
    let retries = 0
    for (let count = 0; count < 1_000; count++) {
      const permit = await breakers.permit(TARGET)
      if ('done' in permit) permit.done(null, null, at.later)
      if (breakers.mayRetry(TARGET)) retries += 1
    }
    expect(retries).toBeLessThanOrEqual(1_000 / 10 + 10)
    expect(retries).toBeGreaterThanOrEqual(1_000 / 10)
  })
})
