// `npm run simulate`: our leases beside other ways of holding a budget, in the same traffic. Ends with code 1 when ours
// overshoots in any run.
import { type Setting, type Strategy, central, checkThenCharge, eventual, leased } from './strategies.ts'
import { type Outcome, type Scenario, simulate } from './world.ts'

const BASE = { seed: 11, isolatesPerPop: 4, deathEveryMs: 20_000, lostShare: 0.002 } as const

const SCENARIOS: readonly (readonly [string, Scenario])[] = [
  [
    '200 requests/s, a budget that is not used up',
    { ...BASE, requestsPerSecond: 200, lastsMs: 60_000, budgetShare: 5 },
  ],
  ['20 requests/s, a budget that is not used up', { ...BASE, requestsPerSecond: 20, lastsMs: 60_000, budgetShare: 5 }],
  [
    '200 requests/s, a budget that is used up at 60 %',
    { ...BASE, requestsPerSecond: 200, lastsMs: 120_000, budgetShare: 0.6 },
  ],
  [
    '200 requests/s, a budget of 300 requests, messages often lost',
    { ...BASE, requestsPerSecond: 200, lastsMs: 60_000, budgetShare: 0.025, lostShare: 0.05 },
  ],
]

const STRATEGIES: readonly ((setting: Setting) => Strategy)[] = [
  leased,
  central,
  checkThenCharge,
  (setting) => eventual(setting, 2_000),
  (setting) => eventual(setting, 10_000),
]

function line(outcome: Outcome): string {
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`
  return [
    outcome.name.padEnd(28),
    percent(outcome.overshootShare).padStart(10),
    percent(outcome.usedShare).padStart(9),
    percent(outcome.noWaitShare).padStart(9),
    outcome.waitP50Ms.toFixed(1).padStart(8),
    outcome.waitP99Ms.toFixed(1).padStart(8),
    outcome.callsPerRequest.toFixed(3).padStart(9),
    String(outcome.admitted).padStart(9),
  ].join(' ')
}

const HEAD = `${''.padEnd(28)}  overshoot      used   no wait   p50 ms   p99 ms calls/req  admitted`

let hasOvershot = false
for (const [title, scenario] of SCENARIOS) {
  console.log(`\n${title}; ${12 * scenario.isolatesPerPop} isolates\n${HEAD}`)
  for (const strategy of STRATEGIES) {
    const outcome = await simulate(scenario, strategy)
    if (outcome.name === 'leases' && outcome.overshootNanoUsd > 0) hasOvershot = true
    console.log(line(outcome))
  }
}
console.log(hasOvershot ? '\nLeases overshot.' : '\nLeases never overshot.')
process.exitCode = hasOvershot ? 1 : 0
