// `tidegate export`: what is there, as a file that would make it again.
import { writeFile } from 'node:fs/promises'
import { Problem } from '../problem.ts'
import type { AskAdmin } from './admin-client.ts'
import { DONE, type Flags } from './apply.ts'
import { type Format, documentText } from './write-document.ts'

/** Writes the whole configuration, without secrets. */
export async function exportDocument(flags: Flags, ask: AskAdmin, write: (text: string) => void): Promise<number> {
  const { answer } = await ask('GET', '/configuration')
  if (answer.document === undefined) throw new Problem(answer.error?.message ?? 'The gateway tells no configuration.')
  if (flags.json === true) write(JSON.stringify({ ok: true, revision: answer.revision, document: answer.document }))
  else await put(documentText(answer.document, formatOf(flags), [`Revision ${answer.revision}.`]), flags, write)
  return DONE
}

/** Into the file that is named, else to be read. */
export async function put(text: string, { output }: Flags, write: (text: string) => void): Promise<void> {
  if (output === undefined) write(text.trimEnd())
  else await writeFile(output, text)
}

/** As it is asked for, or as the output's name ends. */
export function formatOf({ format, output }: Flags): Format {
  if (format === 'yaml' || format === 'jsonc') return format
  if (format !== undefined) throw new Problem('--format must be jsonc or yaml.')
  return /\.ya?ml$/i.test(output ?? '') ? 'yaml' : 'jsonc'
}
