// Traffic from points of presence all over the world against one budget: latencies, isolates that die, messages that are
// lost or overtake each other. Knows what was truly spent.
import { distributions, eventLoop } from './event-loop.ts'
import type { Admitted, Ask, Caller, Gate, Setting, Strategy } from './strategies.ts'

export interface Scenario {
  readonly seed: number
  readonly requestsPerSecond: number
  readonly isolatesPerPop: number
  readonly lastsMs: number
  /** The budget, as a share of what all requests together would cost. */
  readonly budgetShare: number
  /** Mean time between deaths of an isolate. */
  readonly deathEveryMs: number
  /** Of messages to the object and of its replies. */
  readonly lostShare: number
}

export interface Outcome {
  readonly name: string
  readonly requests: number
  readonly admitted: number
  readonly overshootNanoUsd: number
  readonly overshootShare: number
  readonly usedShare: number
  readonly waitP50Ms: number
  readonly waitP99Ms: number
  readonly noWaitShare: number
  readonly callsPerRequest: number
}

/** Round trip to the object, share of the traffic, the region, and the round trip to an object there. */
const POPS: readonly (readonly [rttMs: number, weight: number, region: number, toRegionMs: number])[] = [
  [4, 22, 0, 4],
  [22, 10, 0, 22],
  [34, 8, 0, 34],
  [65, 10, 1, 12],
  [78, 12, 1, 5],
  [90, 12, 1, 16],
  [120, 5, 2, 5],
  [160, 8, 2, 30],
  [220, 6, 3, 25],
  [205, 3, 3, 8],
  [200, 3, 3, 12],
  [230, 1, 3, 30],
]
/** Round trips of the regions' objects to the tenant's. */
const REGION_RTT_MS: readonly number[] = [4, 75, 125, 205]
const INPUT_NANO_USD = 2_500
const OUTPUT_NANO_USD = 10_000
const OUTPUT_MAX = 1_024
const OBJECT_MS = 1
const START_MS = Date.UTC(2026, 4, 4, 12)
/** What one request costs on average. */
const MEAN_NANO_USD = 7_000_000

interface Isolate {
  readonly name: string
  readonly gate: Gate
  isDead: boolean
}

export async function simulate(scenario: Scenario, make: (setting: Setting) => Strategy): Promise<Outcome> {
  const { requestsPerSecond, isolatesPerPop, lastsMs, budgetShare, deathEveryMs, lostShare } = scenario
  const loop = eventLoop()
  // Of their own each, so that the same requests come and the same isolates die whatever is asked of the object.
  const draw = distributions(scenario.seed)
  const network = distributions(scenario.seed + 1_000)
  const fate = distributions(scenario.seed + 2_000)
  const limitNanoUsd = Math.floor(((requestsPerSecond * lastsMs) / 1_000) * budgetShare * MEAN_NANO_USD)
  const dead = new Set<string>()
  const tally = { requests: 0, admitted: 0, spent: 0, calls: 0, isolates: 0 }
  const freeAtMs = new Map<string, number>()
  const waits: number[] = []

  /** There and back, through the object's single thread; either way may lose it, and the late is taken for lost. */
  const callerOf = (rttMs: number, name: string, object = ''): Caller => {
    return (work) =>
      new Promise((resolve, reject) => {
        if (dead.has(name)) return
        tally.calls += 1
        const isLost = network.unit() < lostShare
        const isReplyLost = network.unit() < lostShare
        if (isLost || isReplyLost) loop.after(2_000, () => reject(new Error('lost')))
        if (isLost) return
        loop.after(network.jittered(rttMs / 2), () => {
          const turnMs = Math.max(loop.nowMs(), freeAtMs.get(object) ?? 0) + OBJECT_MS
          freeAtMs.set(object, turnMs)
          loop.after(turnMs - loop.nowMs(), () => {
            const answered = async (): Promise<void> => {
              const answer = await work()
              if (!isReplyLost) loop.after(network.jittered(rttMs / 2), () => void (dead.has(name) || resolve(answer)))
            }
            answered().catch(reject)
          })
        })
      })
  }

  const strategy = make({
    loop,
    limitNanoUsd,
    startMs: START_MS,
    isAlive: (isolate) => !dead.has(isolate),
    regions: REGION_RTT_MS.map((rttMs, region) => callerOf(rttMs, `region-${region}`)),
  })

  const born = (pop: number): Isolate => {
    tally.isolates += 1
    const name = `isolate-${tally.isolates}`
    const [rttMs, , region, toRegionMs] = POPS[pop] ?? [0, 0, 0, 0]
    const near = { region, call: callerOf(toRegionMs, name, `region-${region}`) }
    return { name, gate: strategy.gate(name, callerOf(rttMs, name), near), isDead: false }
  }
  const isolates = POPS.map((_, pop) => Array.from({ length: isolatesPerPop }, () => born(pop)))

  const begin = (isolate: Isolate, admitted: Admitted, actual: number, lastsForMs: number): void => {
    loop.after(lastsForMs, () => {
      // What was asked of the provider is paid for, also by an isolate that died.
      tally.spent += actual
      if (!isolate.isDead) admitted.finish(actual)
    })
  }

  const request = (): void => {
    if (loop.nowMs() > lastsMs) return
    loop.after(draw.exponential(1_000 / requestsPerSecond), request)
    tally.requests += 1
    const pop = pickPop(draw.unit())
    const isolate = isolates[pop]?.[Math.floor(isolatesPerPop * draw.unit() ** 1.6)]
    if (isolate === undefined) return
    const inputTokens = Math.ceil(Math.min(60_000, draw.logNormal(900, 1)))
    const output = Math.ceil(Math.min(OUTPUT_MAX, draw.logNormal(260, 0.8)))
    const price = (tokens: number): number => inputTokens * INPUT_NANO_USD + tokens * OUTPUT_NANO_USD
    const id = `r${tally.requests}`
    const ask: Ask = { id, inputTokens, outputTokens: OUTPUT_MAX, reservedNanoUsd: price(OUTPUT_MAX) }
    const askedAtMs = loop.nowMs()
    const answered = (admitted: Admitted | null): void => {
      if (admitted === null || isolate.isDead) return
      tally.admitted += 1
      waits.push(loop.nowMs() - askedAtMs)
      begin(isolate, admitted, price(output), 500 + output * 12)
    }
    const answer = isolate.gate.admit(ask)
    if (answer instanceof Promise) answer.then(answered, () => undefined)
    else answered(answer)
  }

  const die = (): void => {
    if (loop.nowMs() > lastsMs) return
    loop.after(fate.exponential(deathEveryMs), die)
    const pop = fate.below(POPS.length)
    const at = fate.below(isolatesPerPop)
    const old = isolates[pop]?.[at]
    if (old === undefined) return
    old.isDead = true
    dead.add(old.name)
    isolates[pop]?.splice(at, 1, born(pop))
  }

  loop.after(0, request)
  loop.after(fate.exponential(deathEveryMs), die)
  await loop.runUntil(lastsMs + 30_000)
  waits.sort((a, b) => a - b)
  const waitAt = (share: number): number => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? 0
  const overshootNanoUsd = Math.max(0, tally.spent - limitNanoUsd)
  return {
    name: strategy.name,
    requests: tally.requests,
    admitted: tally.admitted,
    overshootNanoUsd,
    overshootShare: overshootNanoUsd / limitNanoUsd,
    usedShare: Math.min(1, tally.spent / limitNanoUsd),
    waitP50Ms: waitAt(0.5),
    waitP99Ms: waitAt(0.99),
    noWaitShare: waits.filter((ms) => ms < 0.5).length / Math.max(1, waits.length),
    callsPerRequest: tally.calls / tally.requests,
  }
}

function pickPop(share: number): number {
  let left = share * POPS.reduce((sum, [, weight]) => sum + weight, 0)
  const found = POPS.findIndex(([, weight]) => (left -= weight) <= 0)
  return Math.max(0, found)
}
