// Bundles each Worker exactly as a deployment would, without an account, and weighs it. Fails on what wrangler warns
// about and on a gateway that has grown too heavy to start fast.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { wrangler } from './wrangler.ts'

/** Largest gateway, compressed. */
export const GATEWAY_KIB_MAX = 130

const PROBLEM_LINES_MAX = 12

/** What the usage consumer leaves out on purpose; wrangler warns about each name that stands at the top level only. */
const LEFT_OUT_ON_PURPOSE = new Set(['ALLOW_PRIVATE_ENDPOINTS', 'TARGET_BREAKER'])

/** The Workers that are deployed: label and the environment of wrangler.toml, empty for the top level. */
export const DEPLOYED = [
  { label: 'gateway', environment: '' },
  { label: 'usage consumer', environment: 'usage' },
] as const

export interface DryRun {
  readonly label: string
  /** Compressed size as wrangler measures it. */
  readonly gzipKib: number | undefined
  /** Why this must not be deployed; empty if it may. */
  readonly problems: readonly string[]
}

/** Names in wrangler's warnings that are not on the list above. */
function unexpectedWarnings(stderr: string): string[] {
  const bulleted = [...stderr.matchAll(/^\s+- ([A-Z][A-Z0-9_]*)\s*$/gm)].flatMap(([, name]) => name ?? [])
  const missing = bulleted
    .filter((name) => !LEFT_OUT_ON_PURPOSE.has(name))
    .map((name) => `${name} is missing in this environment`)
  const unknown = /unexpected fields?[^\n]*/i.exec(stderr)
  return unknown === null ? missing : [...missing, unknown[0]]
}

/** The lines of an error message that say what is wrong: not wrangler's dump of its own objects. */
function tellingLines(text: string): string {
  const told = text
    .split('\n')
    .filter((line) => /error|✘|warning:|could not|cannot/i.test(line) && !/^\s*(at|_)/.test(line))
  return told.slice(0, PROBLEM_LINES_MAX).join('\n  ')
}

/** Bundles one Worker and says whether it may be deployed. Resolves also when it does not build. */
export async function dryRun(worker: (typeof DEPLOYED)[number]): Promise<DryRun> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tidegate-bundle-'))
  const run = await wrangler(['deploy', '--dry-run', '--outdir', folder, '--env', worker.environment], {
    isOffline: true,
  })
  await rm(folder, { recursive: true, force: true })
  if (run.code !== 0)
    return { label: worker.label, gzipKib: undefined, problems: [tellingLines(run.stderr + run.stdout)] }
  const written = /gzip: ([\d.]+) KiB/.exec(run.stdout)?.[1]
  const gzipKib = written === undefined ? undefined : Number(written)
  const problems = unexpectedWarnings(run.stderr)
  if (gzipKib === undefined) problems.push('wrangler printed no size')
  else if (worker.label === 'gateway' && gzipKib > GATEWAY_KIB_MAX) {
    problems.push(`${gzipKib} KiB compressed is more than the ${GATEWAY_KIB_MAX} KiB that a gateway may have`)
  }
  return { label: worker.label, gzipKib, problems }
}

/** Dry-runs every Worker, a line for each; true if all may be deployed. */
export async function dryRunAll(print: (line: string) => void): Promise<boolean> {
  let isGood = true
  for (const worker of DEPLOYED) {
    const { label, gzipKib, problems } = await dryRun(worker)
    print(
      `${label}: ${gzipKib === undefined ? 'does not build' : `${gzipKib} KiB gzip`}${problems.length > 0 ? '' : ', ok'}`,
    )
    for (const problem of problems) print(`  ${problem}`)
    isGood &&= problems.length === 0
  }
  return isGood
}
