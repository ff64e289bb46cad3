// `npx tidegate`: the configuration as code, from the command line. Everything goes through the admin API; nothing is kept here.
// Exit codes: 0 done, and nothing to change; 1 something is wrong; 2 `plan` (or a dry run) found changes.
import { parseArgs } from 'node:util'
import { Problem, firstLine } from '../problem.ts'
import { adminClient } from './admin-client.ts'
import { apply, plan, type Flags } from './apply.ts'
import { exportDocument } from './export.ts'
import { importFile } from './import.ts'
import { listRevisions, rollBack, showRevision } from './revisions.ts'

const HELP = `tidegate plan [file]              what a file would change
tidegate apply [file]             change it, all of it or nothing
tidegate export                   what is there, as a file
tidegate revisions                what it was
tidegate show <revision>          one of these, and what it changed; --against <revision|present>
tidegate rollback <revision>      go back to one; --dry-run
tidegate import litellm <file>    a LiteLLM config.yaml as such a file, and a report
tidegate import portkey <file>    a Portkey config, likewise; --model <name> to ask for

TIDEGATE_URL and TIDEGATE_TOKEN say which gateway, and who asks. Without a file: tidegate.jsonc, .json, .yaml, .yml.
--json             answers for machines, of every command
--prune            take away what isn't in the file, in the sections that it has
--force            accept targets that don't answer
--expect <n>       of apply: only from this revision, as plan told it
--watch <10m>      of apply: for so long, take the revision back if what it touched fails
                   (--max-error-rate 0.2, --min-requests 5)
--reason <text>    for the audit log
--format <f>       of export and import: jsonc or yaml
--output <file>    of export and import; --report <file> of import
Exit codes: 0 nothing to change, or done; 1 something is wrong; 2 plan found changes.`

const OPTIONS = {
  json: { type: 'boolean' },
  prune: { type: 'boolean' },
  force: { type: 'boolean' },
  'dry-run': { type: 'boolean' },
  expect: { type: 'string' },
  watch: { type: 'string' },
  'max-error-rate': { type: 'string' },
  'min-requests': { type: 'string' },
  reason: { type: 'string' },
  format: { type: 'string' },
  output: { type: 'string' },
  report: { type: 'string' },
  against: { type: 'string' },
  model: { type: 'string' },
  help: { type: 'boolean' },
} as const

/** Runs one command; returns its exit code. `write` takes what is told. */
export async function main(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  write: (text: string) => void = (text) => void process.stdout.write(`${text}\n`),
): Promise<number> {
  let isJson = args.includes('--json')
  try {
    const { flags, words } = readArguments(args)
    isJson = flags.json === true
    return await run(words, flags, { env, write })
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    if (isJson) write(JSON.stringify({ ok: false, error: error.message }))
    else console.error(error.message)
    return 1
  }
}

function readArguments(args: readonly string[]): { readonly flags: Flags; readonly words: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true })
    return { flags: values, words: positionals }
  } catch (error) {
    throw new Problem(`${firstLine(error)}\n${HELP}`)
  }
}

/** What a command runs in. */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly write: (text: string) => void
}

function run(words: readonly string[], flags: Flags, around: Surroundings): Promise<number> {
  const [command, first, second] = words
  if (flags.help === true || command === undefined) {
    around.write(HELP)
    return Promise.resolve(flags.help === true ? 0 : 1)
  }
  switch (command) {
    case 'plan':
      return plan(first, flags, adminClient(around.env), around.write)
    case 'apply':
      return apply(first, flags, adminClient(around.env), around.write)
    case 'export':
      return exportDocument(flags, adminClient(around.env), around.write)
    case 'revisions':
      return listRevisions(flags, adminClient(around.env), around.write)
    case 'show':
      return showRevision(first, flags, adminClient(around.env), around.write)
    case 'rollback':
      return rollBack(first, flags, adminClient(around.env), around.write)
    case 'import':
      return importFile(first, second, flags, around.write)
    default:
      throw new Problem(`There is no command ${command}.\n${HELP}`)
  }
}
