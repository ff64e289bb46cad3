// `npm run simulate`: our leases beside other ways of holding a budget, in the same traffic, with several seeds. Ends with
// code 1 when ours overshoot in any run, or miss what is aimed at.
import {
  type Setting,
  type Strategy,
  central,
  checkThenCharge,
  eventual,
  leased,
  leasedByRegion,
} from './strategies.ts'
import { type Outcome, type Scenario, simulate } from './world.ts'

const SEEDS = [1, 2, 3, 4, 5, 6] as const
const BASE = { isolatesPerPop: 4, deathEveryMs: 20_000, lostShare: 0.002 } as const
const ISOLATES = 12 * BASE.isolatesPerPop

interface Case {
  readonly title: string
  readonly scenario: Omit<Scenario, 'seed'>
  /** Of our leases, in every run: least share of requests that don't wait, least share of the budget that is used. */
  readonly aims?: { readonly noWaitShare?: number; readonly usedShare?: number }
}

const CASES: readonly Case[] = [
  {
    title: '200 requests/s, a budget that is not used up',
    scenario: { ...BASE, requestsPerSecond: 200, lastsMs: 60_000, budgetShare: 5 },
    aims: { noWaitShare: 0.98 },
  },
  {
    // For longer: an isolate's first request waits for its first lease, whatever is done.
    title: '20 requests/s for five minutes, a budget that is not used up',
    scenario: { ...BASE, requestsPerSecond: 20, lastsMs: 300_000, budgetShare: 5 },
    aims: { noWaitShare: 0.95 },
  },
  {
    title: '200 requests/s, a budget that is used up at 60 %',
    scenario: { ...BASE, requestsPerSecond: 200, lastsMs: 120_000, budgetShare: 0.6 },
    aims: { usedShare: 0.99 },
  },
  {
    title: '200 requests/s, a budget of 300 requests, messages often lost',
    scenario: { ...BASE, requestsPerSecond: 200, lastsMs: 60_000, budgetShare: 0.025, lostShare: 0.05 },
  },
]

const STRATEGIES: readonly ((setting: Setting) => Strategy)[] = [
  leased,
  leasedByRegion,
  central,
  checkThenCharge,
  (setting) => eventual(setting, 2_000),
  (setting) => eventual(setting, 10_000),
]

const HEAD = `${''.padEnd(28)}  overshoot       used (least)    no wait (least)   p50 ms   p99 ms calls/req  admitted`

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Means over the seeds, and the worst of them where one counts. */
function line(outcomes: readonly Outcome[]): string {
  const of = (field: Exclude<keyof Outcome, 'name'>): number[] => outcomes.map((outcome) => outcome[field])
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`
  const withLeast = (shares: readonly number[]): string => `${percent(mean(shares))} (${percent(Math.min(...shares))})`
  return [
    outcomes[0]?.name.padEnd(28),
    percent(Math.max(...of('overshootShare'))).padStart(10),
    withLeast(of('usedShare')).padStart(19),
    withLeast(of('noWaitShare')).padStart(19),
    mean(of('waitP50Ms')).toFixed(1).padStart(8),
    mean(of('waitP99Ms')).toFixed(1).padStart(8),
    mean(of('callsPerRequest')).toFixed(3).padStart(9),
    String(Math.round(mean(of('admitted')))).padStart(9),
  ].join(' ')
}

/** What our leases missed. */
function missed({ title, aims = {} }: Case, outcomes: readonly Outcome[]): readonly string[] {
  return [
    ...(outcomes.some(({ overshootNanoUsd }) => overshootNanoUsd > 0) ? [`${title}: leases overshot`] : []),
    ...(outcomes.some(({ noWaitShare }) => noWaitShare < (aims.noWaitShare ?? 0)) ? [`${title}: too many waited`] : []),
    ...(outcomes.some(({ usedShare }) => usedShare < (aims.usedShare ?? 0)) ? [`${title}: too little was used`] : []),
  ]
}

const misses: string[] = []
for (const one of CASES) {
  console.log(`\n${one.title}; ${ISOLATES} isolates, seeds ${SEEDS.join(', ')}\n${HEAD}`)
  for (const strategy of STRATEGIES) {
    const outcomes: Outcome[] = []
    for (const seed of SEEDS) outcomes.push(await simulate({ ...one.scenario, seed }, strategy))
    if (strategy === leased) misses.push(...missed(one, outcomes))
    if (strategy === leasedByRegion) misses.push(...missed({ ...one, aims: {} }, outcomes))
    console.log(line(outcomes))
  }
}
console.log(misses.length === 0 ? '\nLeases never overshot, and met their aims.' : `\n${misses.join('\n')}`)
process.exitCode = misses.length === 0 ? 0 : 1
