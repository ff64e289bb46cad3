// `tidegate plan` and `tidegate apply`.
import { Problem } from '../problem.ts'
import type { Answer, AskAdmin } from './admin-client.ts'
import { changeLines, keyLines, placedProblems, probeLines, problemLine } from './print.ts'
import { type SourceFile, readSource, readUsual } from './source-file.ts'

/** What may be given on the command line. */
export interface Flags {
  readonly json?: boolean | undefined
  readonly prune?: boolean | undefined
  readonly force?: boolean | undefined
  readonly 'dry-run'?: boolean | undefined
  readonly expect?: string | undefined
  readonly watch?: string | undefined
  readonly 'max-error-rate'?: string | undefined
  readonly 'min-requests'?: string | undefined
  readonly reason?: string | undefined
  readonly format?: string | undefined
  readonly output?: string | undefined
  readonly report?: string | undefined
  readonly against?: string | undefined
  readonly model?: string | undefined
  readonly help?: boolean | undefined
}

type Write = (text: string) => void

export const DONE = 0
export const WRONG = 1
export const CHANGES = 2

/** Shows what a file would change: `CHANGES`, or `DONE` for nothing. */
export async function plan(name: string | undefined, flags: Flags, ask: AskAdmin, write: Write): Promise<number> {
  const source = await sourceOf(name)
  const { status, answer } = await ask('POST', '/configuration/plan', bodyOf(source, flags))
  if (status !== 200) return refused(answer, source, flags, write)
  const { changes, revision, probes } = answer
  if (flags.json === true) write(JSON.stringify({ ok: true, revision, changes, probes }))
  else write([...probeLines(answer), ...changeLines(changes ?? []), `Compared with revision ${revision}.`].join('\n'))
  return (changes ?? []).length === 0 ? DONE : CHANGES
}

/** Changes what a file says, from the present revision or the one that is expected. */
export async function apply(name: string | undefined, flags: Flags, ask: AskAdmin, write: Write): Promise<number> {
  const source = await sourceOf(name)
  const expected = flags.expect === undefined ? await presentRevision(ask) : wholeNumber('--expect', flags.expect)
  const body = { ...bodyOf(source, flags), expected_revision: expected, ...reasonOf(flags), ...watchOf(flags) }
  const { status, answer } = await ask('POST', '/configuration/apply', body)
  // What is stored but not published yet is told all the same: keys are shown only once.
  if (status !== 200 && answer.error?.code !== 'publish_failed') return refused(answer, source, flags, write)
  const isPublished = answer.is_published !== false || (await publishAll(ask))
  told({ ...answer, is_published: isPublished }, flags, write)
  return isPublished ? DONE : WRONG
}

/** Says what was changed. */
export function told(answer: Answer, flags: Flags, write: Write): void {
  const { revision, changes, probes, keys, warnings, left, watch, is_published } = answer
  if (flags.json === true) {
    write(JSON.stringify({ ok: true, revision, changes, probes, keys, warnings, left, watch, is_published }))
    return
  }
  const lines = [
    ...probeLines(answer),
    ...changeLines(changes ?? []),
    ...(warnings ?? []).map((warning) => `Mind: ${warning}`),
    ...(left ?? []).map((line) => `Left: ${line}`),
    ...(watch == null ? [] : [`Looked after for ${String(watch.minutes)} minutes: it is taken back if it fails.`]),
    ...keyLines(answer),
    `Revision ${revision}${is_published === false ? ', stored but not in effect everywhere: try again' : ''}.`,
  ]
  write(lines.join('\n'))
}

/** Says why not, each problem with its place in the file. */
export function refused(answer: Answer, source: SourceFile | null, flags: Flags, write: Write): number {
  const problems = answer.problems ?? (answer.error === undefined ? [] : [answer.error])
  if (flags.json === true) {
    write(JSON.stringify({ ok: false, revision: answer.revision, problems: placedProblems(problems, source) }))
  } else for (const problem of problems) console.error(problemLine(problem, source))
  return WRONG
}

/** The number of the present revision. */
export async function presentRevision(ask: AskAdmin): Promise<number> {
  const { answer } = await ask('GET', '/configuration/revisions')
  if (answer.revision === undefined) throw new Problem(answer.error?.message ?? 'The gateway tells no revision.')
  return answer.revision
}

/** Publishes everything, page by page; whether that went well. */
export async function publishAll(ask: AskAdmin): Promise<boolean> {
  for (let after = ''; ;) {
    const { status, answer } = await ask('POST', `/publish${after}`)
    if (status !== 200) return false
    if (answer.next == null) return true
    after = `?after=${encodeURIComponent(answer.next)}`
  }
}

export function wholeNumber(what: string, text: string | undefined): number {
  const number = Number(text)
  if (text === undefined || !/^\d+$/.test(text) || !Number.isSafeInteger(number)) {
    throw new Problem(`${what} must be the number of a revision, as plan and revisions tell it.`)
  }
  return number
}

export function reasonOf({ reason }: Flags) {
  return reason === undefined ? {} : { reason }
}

function sourceOf(name: string | undefined): Promise<SourceFile> {
  return name === undefined ? readUsual() : readSource(name)
}

function bodyOf({ value }: SourceFile, { prune, force }: Flags) {
  return { document: value, ...(prune === true ? { prune } : {}), ...(force === true ? { force } : {}) }
}

const MINUTES = { m: 1, h: 60 } as const

function watchOf(flags: Flags) {
  if (flags.watch === undefined) return {}
  const found = /^(\d+)(m|h)$/.exec(flags.watch)
  const unit = found?.[2] === 'h' ? MINUTES.h : MINUTES.m
  if (found === null) throw new Problem('--watch must be minutes or hours, as in 10m or 2h.')
  const rate = flags['max-error-rate']
  const least = flags['min-requests']
  return {
    watch: {
      minutes: Number(found[1]) * unit,
      ...(rate === undefined ? {} : { max_error_rate: Number(rate) }),
      ...(least === undefined ? {} : { min_requests: Number(least) }),
    },
  }
}
