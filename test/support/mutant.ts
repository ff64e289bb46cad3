// A copy of the limiter's core with one fault put in, to show that the simulation would notice it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import type { AuthorityMachine } from './limiter-receiver.ts'
import type { HolderMachine } from './world-parts.ts'
import type { RegionMachine } from './region-world.ts'

const CORE = path.resolve(import.meta.dirname, '../../src/core')
const FILES = [
  'authority.ts',
  'grant.ts',
  'lease.ts',
  'limits.ts',
  'alert.ts',
  'amounts.ts',
  'exchange.ts',
  'gauge.ts',
  'token-bucket.ts',
  'window.ts',
  'failure.ts',
  'limit-policy.ts',
  'regional-limits.ts',
  'runaway.ts',
  'standing.ts',
] as const

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
    for (const file of FILES) {
      let text = readFileSync(path.join(CORE, file), 'utf8')
      for (const fault of faults) if (fault.file === file) text = replaced(text, fault)
      writeFileSync(path.join(folder, file), text)
    }
    writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}')
    const load = createRequire(path.join(folder, 'package.json'))
    const authority: AuthorityMachine = load('./authority.ts')
    const exchange: Pick<AuthorityMachine, 'takeReports' | 'answer'> = load('./exchange.ts')
    const holder: HolderMachine = load('./lease.ts')
    const region: RegionMachine = load('./regional-limits.ts')
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
