// What an isolate does about its targets' health: storms on dead targets, slow ones, throttled ones, and their recovery.
import { describe, expect, test } from 'vitest'
import type { Permit } from '../../durable-objects/target-breaker.ts'
import { type BreakerState, CLOSED, afterOutcome, openUntil, probing, verdict } from '../../src/core/breaker.ts'
import type { UpstreamClass } from '../../src/core/failure.ts'
import { isolateBreakers } from '../../src/platform/breakers.ts'
import { windowedLog } from '../../src/platform/log.ts'
import type { Breakers, CallPermit } from '../../src/ports.ts'
import { someTarget } from '../support/targets.ts'
import { settled, virtualClock } from '../support/virtual-clock.ts'

const TARGET = someTarget('gpt')

/** Isolates in front of one shared breaker, which runs the same state machine as the object does. */
function world() {
  const clock = virtualClock()
  const lines: string[] = []
  const log = windowedLog(clock.nowMs, (line) => lines.push(line))
  let state: BreakerState = CLOSED
  const shared = {
    questions: 0,
    isReachable: true,
    async tripped(untilMs: number): Promise<void> {
      if (state.state === 'closed') state = openUntil(untilMs, 1)
    },
    async permit(): Promise<Permit> {
      shared.questions += 1
      if (!shared.isReachable) throw new Error('unreachable')
      const answer = verdict(state, clock.nowMs())
      if (answer === 'yes') return { kind: 'closed' }
      if (answer === 'no') return { kind: 'open', untilMs: state.state === 'closed' ? 0 : state.untilMs }
      state = probing(state, clock.nowMs())
      return { kind: 'probe' }
    },
    async report(outcome: Parameters<typeof afterOutcome>[1]): Promise<Permit> {
      state = afterOutcome(state, outcome === 'ignored' ? 'success' : outcome, clock.nowMs(), 0.5)
      return state.state === 'closed' ? { kind: 'closed' } : { kind: 'open', untilMs: state.untilMs }
    },
    async withdraw(): Promise<void> {
      if (state.state === 'half-open') state = openUntil(clock.nowMs(), state.openings)
    },
  }
  const isolate = (): Breakers =>
    isolateBreakers({ shared: () => shared, nowMs: clock.nowMs, draw: () => 0.5, sleep: clock.sleep, log })
  return { clock, lines, shared, isolate, later: (work: Promise<void>) => void work }
}

type World = ReturnType<typeof world>

/** Asks for leave to call and, where it is given, calls: the target answers as `failure` after `tookMs`. */
async function call(
  at: World,
  breakers: Breakers,
  failure: UpstreamClass | null,
  tookMs = 1,
): Promise<'called' | 'closed'> {
  const permit = await breakers.permit(TARGET)
  if ('retryAfterMs' in permit) return 'closed'
  await at.clock.sleep(tookMs)
  permit.done(failure, null, at.later)
  return 'called'
}

async function storm(at: World, breakers: Breakers, failure: UpstreamClass | null, tookMs: number, count = 1_000) {
  const all = Promise.all(Array.from({ length: count }, () => call(at, breakers, failure, tookMs)))
  const results = await at.clock.until(all)
  return { called: results.filter((result) => result === 'called').length, results }
}

async function opened(at: World, breakers: Breakers): Promise<void> {
  for (let count = 0; count < 5; count++) await at.clock.until(call(at, breakers, 'server'))
  expect(await call(at, breakers, 'server')).toBe('closed')
}

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

  test('sends one probe when the time comes, and all follow once it succeeds', async () => {
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
      const breakers = at.isolate()
      const straggler = await breakers.permit(TARGET)
      await opened(at, breakers)
      await at.clock.advance(5_001)
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
    expect(await at.clock.until(call(at, breakers, null))).toBe('called')
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
