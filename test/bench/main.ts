// `npm run bench`: what the gateway costs beside a bare pass-through on the same runtime, in one run. README.md says how
// to read it. Ends with exit code 1 only when a request failed or something did not start: aims are told, not enforced.
import { parseArgs } from 'node:util'
import { CASE_NAMES } from './cases.ts'
import { measureColdStart, type ColdStart } from './cold-start.ts'
import { hasCpuTime } from './cpu-time.ts'
import { casesMatching, measure, type Measurement, type Plan } from './measure.ts'
import { aims, figures, notes } from './report.ts'
import { startStage } from './targets.ts'

const COLD = 'cold'
const COLD_ISOLATES = 15
const HELP = `npm run bench [-- --rounds 4] [--seconds 1] [--only ${[...CASE_NAMES, COLD].join('|')}] [--alone]`

interface Flags extends Plan {
  readonly isAlone: boolean
  readonly withCold: boolean
}

function readFlags(): Flags {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '4' },
      seconds: { type: 'string', default: '1' },
      only: { type: 'string', default: '' },
      alone: { type: 'boolean', default: false },
    },
  })
  const rounds = Number(values.rounds)
  const seconds = Number(values.seconds)
  const cases = casesMatching(values.only)
  const withCold = COLD.includes(values.only)
  const isPlan = Number.isInteger(rounds) && rounds >= 1 && rounds <= 100 && seconds >= 0.1 && seconds <= 60
  if (!isPlan || (cases.length === 0 && !withCold)) throw new Error(`Use: ${HELP}`)
  return { rounds, seconds, cases, isAlone: values.alone, withCold }
}

const progress = (what: string): void => console.error(`bench: ${what}`)

async function measureCases(flags: Flags): Promise<Measurement> {
  if (flags.cases.length === 0) return { samples: new Map(), failures: 0, problems: [] }
  progress('starting the provider, the pass-through and the gateway')
  const stage = await startStage({ isAlone: flags.isAlone })
  try {
    return await measure(stage, flags, progress)
  } finally {
    await stage.stop()
  }
}

async function measureCold(flags: Flags): Promise<ColdStart | null> {
  if (!flags.withCold) return null
  progress('cold start')
  return measureColdStart(COLD_ISOLATES)
}

async function run(): Promise<void> {
  const flags = readFlags()
  const { samples, failures, problems } = await measureCases(flags)
  const cold = await measureCold(flags)
  if (samples.size > 0) console.log(['', ...figures(samples)].join('\n'))
  console.log(['', ...aims(samples, cold), '', ...notes(samples, cold)].join('\n'))
  if (!hasCpuTime) console.log('CPU time is not available on this system: it is read from /proc on Linux.')
  const failed = failures + (cold?.failures ?? 0)
  console.log(
    ['', `Medians of ${flags.rounds} rounds of ${flags.seconds} s. ${failed} requests failed.`, ...problems].join('\n'),
  )
  if (failed > 0) process.exitCode = 1
}

try {
  await run()
} catch (error) {
  console.error(error instanceof Error ? `bench: ${error.message}` : error)
  process.exitCode = 1
}
