// Reads `.dev.vars`: the variables and credentials that whoever runs Tidegate locally gives it, one KEY=VALUE a line.
// The same file and format that `wrangler dev` reads, but a malformed line is an error here and not a silent loss.
import { readFile } from 'node:fs/promises'
import { errorCode, Problem } from './problem.ts'

const ASSIGNMENT = /^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)$/

function valueOf(written: string): string | undefined {
  const quote = written[0]
  if (quote !== '"' && quote !== "'") return written.replace(/\s+#.*$/, '').trim()
  const end = written.indexOf(quote, 1)
  return end === -1 ? undefined : written.slice(1, end)
}

/**
 * The variables that a file's text sets; a later line wins. Empty lines and those that begin with `#` are skipped.
 * Throws a Problem that names the first line that sets nothing; `name` is the file's name in it.
 */
export function parseDevVars(text: string, name: string): Record<string, string> {
  const vars: Record<string, string> = {}
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const [, key, written] = ASSIGNMENT.exec(line) ?? []
    const value = written === undefined ? undefined : valueOf(written)
    if (key === undefined || value === undefined) {
      throw new Problem(
        `${name}, line ${index + 1}: expected KEY=VALUE (quotes closed). Correct the line or remove it.`,
      )
    }
    vars[key] = value
  }
  return vars
}

/** The variables of a file; none if there is no such file. Throws a Problem if it is there and can't be read. */
export async function readDevVars(file: string): Promise<Record<string, string>> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return ''
    throw new Problem(
      `${file} can't be read (${errorCode(error) ?? 'unknown reason'}). Make it a readable file or remove it.`,
    )
  })
  return parseDevVars(text, file)
}
