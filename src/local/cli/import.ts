// `tidegate import litellm|portkey <file>`: writes our file, and says exactly what became of every field of theirs.
import { writeFile } from 'node:fs/promises'
import { Problem } from '../problem.ts'
import { DONE, type Flags } from './apply.ts'
import { formatOf, put } from './export.ts'
import { importLitellm } from './import-litellm.ts'
import { importPortkey } from './import-portkey.ts'
import type { Imported, ImportReport, ReportLine } from './importing.ts'
import { readSource } from './source-file.ts'
import { documentText } from './write-document.ts'

/** Reads a foreign file. Ours goes to `--output`, or is told; the report to `--report`, or to standard error. */
export async function importFile(
  kind: string | undefined,
  name: string | undefined,
  flags: Flags,
  write: (text: string) => void,
): Promise<number> {
  if ((kind !== 'litellm' && kind !== 'portkey') || name === undefined) {
    throw new Problem('Use: tidegate import litellm <config.yaml>, or tidegate import portkey <config.json>')
  }
  const { value } = await readSource(name)
  const imported = kind === 'litellm' ? importLitellm(value, process.env) : importPortkey(value, flags.model)
  const { document, report } = imported
  if (flags.json === true) {
    write(JSON.stringify({ ok: true, document, report }))
    return DONE
  }
  await put(documentText(document, formatOf(flags), headingOf(name, imported)), flags, write)
  if (flags.report !== undefined) await writeFile(flags.report, `${JSON.stringify(report, null, 2)}\n`)
  else console.error(reportLines(report).join('\n'))
  return DONE
}

function headingOf(name: string, { report: { changed, dropped } }: Imported): readonly string[] {
  return [`From ${name}: ${changed.length} fields are otherwise, ${dropped.length} have no place here; see the report.`]
}

/** The report for people. */
export function reportLines({ carried, changed, dropped, secrets }: ImportReport): readonly string[] {
  const told = ({ from, to, why }: ReportLine) =>
    `    ${from}${to === null ? '' : ` → ${to}`}${why === null ? '' : `: ${why}`}`
  return [
    `Carried over (${carried.length}):`,
    ...carried.map(told),
    `Otherwise here (${changed.length}):`,
    ...changed.map(told),
    `Not carried over (${dropped.length}):`,
    ...dropped.map(told),
    ...(secrets.length === 0
      ? []
      : ['Secrets to set (wrangler secret put …):', ...secrets.map((name) => `    ${name}`)]),
  ]
}
