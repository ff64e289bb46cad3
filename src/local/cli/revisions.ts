// `tidegate revisions`, `show` and `rollback`.
import { Problem } from '../problem.ts'
import type { AskAdmin } from './admin-client.ts'
import {
  CHANGES,
  DONE,
  type Flags,
  WRONG,
  presentRevision,
  publishAll,
  reasonOf,
  refused,
  told,
  wholeNumber,
} from './apply.ts'
import { changeLines } from './print.ts'
import { documentText } from './write-document.ts'
import { formatOf, put } from './export.ts'

type Write = (text: string) => void

/** Lists the revisions that are kept, newest first. */
export async function listRevisions(flags: Flags, ask: AskAdmin, write: Write): Promise<number> {
  const { status, answer } = await ask('GET', '/configuration/revisions')
  if (status !== 200) return refused(answer, null, flags, write)
  if (flags.json === true) {
    write(JSON.stringify({ ok: true, revision: answer.revision, rows: answer.rows }))
    return DONE
  }
  const lines = (answer.rows ?? []).map(({ revision, at_ms, who, made_by, from_revision, changes, reason, watch }) => {
    if (made_by === 'found') return `${String(revision)}  ${new Date(Number(at_ms)).toISOString()}  as it was found`
    const made = `${String(made_by)} from ${String(from_revision)}`
    const state = typeof watch === 'object' && watch !== null && 'state' in watch ? `, ${String(watch.state)}` : ''
    const why = typeof reason === 'string' ? `: ${reason}` : ''
    const when = new Date(Number(at_ms)).toISOString()
    return `${String(revision)}  ${when}  ${made}, ${String(changes)} changes, ${String(who)}${state}${why}`
  })
  write([`The present revision is ${answer.revision}.`, ...lines].join('\n'))
  return DONE
}

/** Shows a revision as a file, or what is different from another one. */
export async function showRevision(
  number: string | undefined,
  flags: Flags,
  ask: AskAdmin,
  write: Write,
): Promise<number> {
  const against = flags.against === undefined ? '' : `?against=${encodeURIComponent(flags.against)}`
  const { status, answer } = await ask('GET', `/configuration/revisions/${wholeNumber('It', number)}${against}`)
  if (status !== 200) return refused(answer, null, flags, write)
  const { document, changes } = answer
  if (document === undefined) throw new Problem('The gateway tells no configuration.')
  if (flags.json === true) write(JSON.stringify({ ok: true, revision: answer.revision, document, changes }))
  else if (flags.against !== undefined) write(changeLines(changes ?? []).join('\n'))
  else await put(documentText(document, formatOf(flags), [`Revision ${answer.revision}.`]), flags, write)
  return DONE
}

/** Goes back to a revision; with `--dry-run` only shows what that would change. */
export async function rollBack(number: string | undefined, flags: Flags, ask: AskAdmin, write: Write): Promise<number> {
  const revision = wholeNumber('It', number)
  const expected = flags.expect === undefined ? await presentRevision(ask) : wholeNumber('--expect', flags.expect)
  const isDry = flags['dry-run'] === true
  const body = { revision, expected_revision: expected, ...reasonOf(flags), ...(isDry ? { dry_run: true } : {}) }
  const { status, answer } = await ask('POST', '/configuration/rollback', body)
  if (status !== 200 && answer.error?.code !== 'publish_failed') return refused(answer, null, flags, write)
  const isPublished = isDry || answer.is_published !== false || (await publishAll(ask))
  told({ ...answer, ...(isDry ? {} : { is_published: isPublished }) }, flags, write)
  if (isDry) return (answer.changes ?? []).length === 0 ? DONE : CHANGES
  return isPublished ? DONE : WRONG
}
