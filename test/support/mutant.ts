// A copy of the limiter's core with one fault put in, to show that the simulation would notice it.
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import type { AuthorityMachine } from './limiter-receiver.ts'
import type { HolderMachine } from './world-parts.ts'
import type { RegionMachine } from './region-world.ts'

const CORE = path.resolve(import.meta.dirname, '../../src/core')
/** What can have a fault. */
const FILES = [
  'authority.ts',
  'grant.ts',
  'lease.ts',
  'limits.ts',
  'amounts.ts',
  'exchange.ts',
  'gauge.ts',
  'token-bucket.ts',
  'window.ts',
  'limit-policy.ts',
  'regional-limits.ts',
  'runaway.ts',
  'standing.ts',
] as const
/** What these need besides, from the core. */
const NEEDED = ['money/alert.ts', 'failure.ts'] as const

export interface Fault {
  readonly file: (typeof FILES)[number]
  /** Text that occurs exactly once in the file. */
  readonly from: string
  readonly to: string
}

/** The machines with `faults` put in, loaded from a throwaway folder. Throws where the text to replace isn't there once. */
export function mutant(faults: readonly Fault[]): {
  readonly authority: AuthorityMachine
  readonly holder: HolderMachine
  readonly region: RegionMachine
} {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'tidegate-mutant-'))
  try {
    for (const room of ['limits', 'money']) mkdirSync(path.join(folder, room))
    for (const file of NEEDED) copyFileSync(path.join(CORE, file), path.join(folder, file))
    for (const file of FILES) {
      let text = readFileSync(path.join(CORE, 'limits', file), 'utf8')
      for (const fault of faults) if (fault.file === file) text = replaced(text, fault)
      writeFileSync(path.join(folder, 'limits', file), text)
    }
    writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}')
    const load = createRequire(path.join(folder, 'package.json'))
    const authority: AuthorityMachine = load('./limits/authority.ts')
    const exchange: Pick<AuthorityMachine, 'takeReports' | 'answer'> = load('./limits/exchange.ts')
    const holder: HolderMachine = load('./limits/lease.ts')
    const region: RegionMachine = load('./limits/regional-limits.ts')
    return { authority: { ...authority, ...exchange }, holder: { ...holder }, region: { ...region } }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function replaced(text: string, { file, from, to }: Fault): string {
  const [before, after, ...more] = text.split(from)
  if (before === undefined || after === undefined || more.length > 0) throw new Error(`${file} has not one: ${from}`)
  return before + to + after
}
