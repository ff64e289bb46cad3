// What the command line says to people: changes field by field, problems with their place in the file.
import type { Answer, Change, Finding } from './admin-client.ts'
import type { SourceFile } from './source-file.ts'

const SIGNS = { create: '+', update: '~', delete: '-' } as const
const VALUE_CHARS_MAX = 200

/** Changes as lines; what there is to say where there are none. */
export function changeLines(changes: readonly Change[]): readonly string[] {
  if (changes.length === 0) return ['Nothing changes.']
  const lines = changes.flatMap(({ action, section, name, fields }) => [
    `${SIGNS[action]} ${section}: ${name}`,
    ...(action === 'delete' ? [] : fields.map((field) => `    ${fieldLine(field)}`)),
  ])
  const counted = (action: Change['action']) => changes.filter((change) => change.action === action).length
  return [
    ...lines,
    '',
    `${counted('create')} to create, ${counted('update')} to change, ${counted('delete')} to take away.`,
  ]
}

function fieldLine({ field, before, after }: Change['fields'][number]): string {
  if (before === undefined) return `${field}: ${shown(after)}`
  return after === undefined ? `${field}: ${shown(before)} → as usual` : `${field}: ${shown(before)} → ${shown(after)}`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? ''
  return text.length <= VALUE_CHARS_MAX ? text : `${text.slice(0, VALUE_CHARS_MAX)}…`
}

/** A problem with the place in the file that it is about. */
export function problemLine({ field, message }: Finding, source: SourceFile | null): string {
  if (source === null || field === null) return `${source?.name ?? 'tidegate'}: ${message}`
  const { line, column } = source.placeOf(field)
  return `${source.name}:${line}:${column} ${message.startsWith(field) ? '' : `${field}: `}${message}`
}

/** Problems for machines, each with its place. */
export function placedProblems(problems: readonly Finding[], source: SourceFile | null): readonly object[] {
  return problems.map((problem) => {
    if (source === null || problem.field === null) return problem
    return { ...problem, file: source.name, ...source.placeOf(problem.field) }
  })
}

export function probeLines({ probes = [] }: Answer): readonly string[] {
  return probes.map(({ target, ok, latency_ms, saw }) => {
    return `${ok ? 'answers' : 'DOES NOT ANSWER'}: target ${target} (${latency_ms} ms): ${shown(saw)}`
  })
}

/** Keys that were made: the only time that anybody sees them. */
export function keyLines({ keys = [] }: Answer): readonly string[] {
  if (keys.length === 0) return []
  return ['', 'New keys, shown this once:', ...keys.map(({ tenant, name, key }) => `    ${tenant}/${name}: ${key}`)]
}
