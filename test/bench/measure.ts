// Runs every case on every target in turn, round after round, so that whatever else the machine does falls on all alike,
// and keeps each figure of each round.
import { CASE_NAMES, jobFor, type CaseName } from './cases.ts'
import { cpuSeconds } from './cpu-time.ts'
import { LOAD, type Load } from './job.ts'
import { median } from './statistics.ts'
import type { BenchTarget, Stage, TargetName } from './targets.ts'

const WARM_UP_SECONDS = 1
const ANSWER_MS_MAX = 60_000

/** One round of a case on a target. */
export interface Sample extends Load {
  /** CPU seconds of the target's processes for each thousand requests. */
  readonly cpuPerThousand: number
  readonly perSecond: number
}

/** All samples, by case and target. */
export type Samples = ReadonlyMap<CaseName, ReadonlyMap<TargetName, readonly Sample[]>>

export interface Measurement {
  readonly samples: Samples
  readonly failures: number
  /** What went wrong first on each target and case, a line each. */
  readonly problems: readonly string[]
}

export interface Plan {
  readonly rounds: number
  readonly seconds: number
  readonly cases: readonly CaseName[]
}

async function sample(stage: Stage, target: BenchTarget, name: CaseName, seconds: number): Promise<Sample> {
  const before = cpuSeconds(target.pids)
  const load = LOAD.parse(await stage.load.ask(jobFor(name, target, seconds), seconds * 1000 + ANSWER_MS_MAX))
  const cpu = cpuSeconds(target.pids) - before
  return { ...load, cpuPerThousand: (cpu / load.requests) * 1000, perSecond: load.requests / load.seconds }
}

/** The median over the rounds of one figure. NaN when there is none. */
export function figure(samples: Samples, name: CaseName, target: TargetName, read: (one: Sample) => number): number {
  return median((samples.get(name)?.get(target) ?? []).filter((one) => one.requests > 0).map(read))
}

/** Measures. `onProgress` hears of each round that begins. */
export async function measure(stage: Stage, plan: Plan, onProgress: (what: string) => void): Promise<Measurement> {
  const samples = new Map(plan.cases.map((name) => [name, new Map<TargetName, Sample[]>()]))
  const problems = new Map<string, string>()
  let failures = 0
  const take = async (name: CaseName, target: BenchTarget, seconds: number): Promise<Sample> => {
    const one = await sample(stage, target, name, seconds)
    failures += one.failures
    const where = `${name} on ${target.name}`
    if (one.firstFailure !== null && !problems.has(where)) problems.set(where, `${where}: ${one.firstFailure}`)
    return one
  }
  onProgress('warming up')
  for (const name of plan.cases) for (const target of stage.targets) await take(name, target, WARM_UP_SECONDS)
  for (let round = 0; round < plan.rounds; round += 1) {
    onProgress(`round ${round + 1} of ${plan.rounds}`)
    for (const name of plan.cases) {
      for (const target of round % 2 === 0 ? stage.targets : stage.targets.toReversed()) {
        const one = await take(name, target, plan.seconds)
        const ofCase = samples.get(name)
        ofCase?.set(target.name, [...(ofCase.get(target.name) ?? []), one])
      }
    }
  }
  return { samples, failures, problems: [...problems.values()] }
}

/** The cases whose name holds `only`; all of them for an empty one. */
export function casesMatching(only: string): CaseName[] {
  return CASE_NAMES.filter((name) => name.includes(only))
}
