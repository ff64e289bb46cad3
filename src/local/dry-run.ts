// Builds each Worker exactly as a deployment would, without an account, and weighs it. Fails on what wrangler warns
// about and on a gateway that has grown too heavy to start fast.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { bundleGateway } from './bundle.ts'
import { type GatewayWeight, weighGateway } from './weigh.ts'
import { wrangler } from './wrangler.ts'

/** Most that an isolate may load to start the gateway, compressed. */
export const GATEWAY_KIB_MAX = 130

const PROBLEM_LINES_MAX = 12

/** What the usage consumer leaves out on purpose; wrangler warns about each name that stands at the top level only. */
const LEFT_OUT_ON_PURPOSE = new Set([
  'ALLOW_PRIVATE_ENDPOINTS',
  'TARGET_BREAKER',
  'SIDE_LIMITER',
  'TASK_BATCHER',
  'REGIONAL_LIMITER',
])

/** The Workers that are deployed: label and the environment of wrangler.toml, empty for the top level. */
export const DEPLOYED = [
  { label: 'gateway', environment: '' },
  { label: 'usage consumer', environment: 'usage' },
] as const

export interface DryRun {
  readonly label: string
  /** Compressed size of all that is uploaded, as wrangler measures it. */
  readonly gzipKib: number | undefined
  /** What of it is loaded when; null for a Worker that is loaded whole. */
  readonly weight: GatewayWeight | null
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
    return { label: worker.label, gzipKib: undefined, weight: null, problems: [tellingLines(run.stderr + run.stdout)] }
  const written = /gzip: ([\d.]+) KiB/.exec(run.stdout)?.[1]
  const gzipKib = written === undefined ? undefined : Number(written)
  const problems = unexpectedWarnings(run.stderr)
  if (gzipKib === undefined) problems.push('wrangler printed no size')
  const weight = worker.label === 'gateway' ? weighGateway(await bundleGateway({ minify: true })) : null
  if (weight !== null && weight.startGzipKib > GATEWAY_KIB_MAX) {
    problems.push(
      `${shown(weight.startGzipKib)} is more than the ${GATEWAY_KIB_MAX} KiB that a gateway may load to start`,
    )
  }
  return { label: worker.label, gzipKib, weight, problems }
}

/** Dry-runs every Worker, a line for each and one for each part of the gateway; true if all may be deployed. */
export async function dryRunAll(print: (line: string) => void): Promise<boolean> {
  let isGood = true
  for (const worker of DEPLOYED) {
    const run = await dryRun(worker)
    for (const line of linesOf(run)) print(line)
    isGood &&= run.problems.length === 0
  }
  return isGood
}

function linesOf({ label, gzipKib, weight, problems }: DryRun): readonly string[] {
  const verdict = problems.length > 0 ? '' : ', ok'
  const objections = problems.map((problem) => `  ${problem}`)
  if (gzipKib === undefined) return [`${label}: does not build`, ...objections]
  if (weight === null) return [`${label}: ${shown(gzipKib)} gzip${verdict}`, ...objections]
  return [
    `${label} at start: ${shown(weight.startGzipKib)} gzip${verdict}`,
    ...objections,
    `${label} loads when needed:`,
    ...weight.parts.map((part) => `  ${part.label} ${shown(part.gzipKib)}`),
    `${label} in all: ${shown(gzipKib)} gzip uploaded`,
  ]
}

function shown(kib: number): string {
  return `${kib.toFixed(1)} KiB`
}
