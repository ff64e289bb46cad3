// Which part of the code may know which: the arrows of the architecture, as data. Imports point inwards:
// entries → app, platform → control-plane, data-plane, ledger → protocols, dialects, catalog → wire → core.
import path from 'node:path'

const CODECS = ['protocols', 'dialects', 'catalog', 'wire', 'core'] as const
const ROOMS = ['control-plane', 'data-plane', 'ledger', 'ports', ...CODECS] as const

/** A part of the code. A single file directly under `src/` is a part of its own, or an entry. */
export type Area =
  | (typeof ROOMS)[number]
  | 'platform'
  | 'app'
  | 'env'
  | 'entries'
  | 'durable-objects'
  | 'simulated'
  | 'dashboard'
  | 'local'

interface Rule {
  /** Areas whose files may be imported. Its own always may. */
  readonly knows: readonly Area[]
  /** Areas of which only types may be imported. */
  readonly knowsTypesOf?: readonly Area[]
  /** Packages that may be imported, by name or `prefix:`; absent: any except the platform's. */
  readonly packages?: readonly string[]
}

const EVERYTHING: readonly Area[] = [
  ...ROOMS,
  'platform',
  'app',
  'env',
  'entries',
  'durable-objects',
  'simulated',
  'local',
]

/** What each area may know. */
export const RULES: Readonly<Record<Area, Rule>> = {
  core: { knows: [] },
  wire: { knows: ['core'] },
  catalog: { knows: ['wire', 'core'] },
  protocols: { knows: ['wire', 'core'] },
  dialects: { knows: ['wire', 'core'] },
  ports: { knows: [...CODECS] },
  'data-plane': { knows: [...CODECS, 'ports'] },
  ledger: { knows: [...CODECS, 'ports'] },
  'control-plane': { knows: [...CODECS, 'ports', 'ledger'], knowsTypesOf: ['env'] },
  env: { knows: ['core'], knowsTypesOf: ['durable-objects'] },
  platform: { knows: [...ROOMS], knowsTypesOf: ['env', 'durable-objects'], packages: ['cloudflare:', '*'] },
  app: { knows: [...ROOMS, 'platform'], knowsTypesOf: ['env'], packages: ['cloudflare:', '*'] },
  entries: { knows: EVERYTHING.filter((area) => area !== 'local'), packages: ['cloudflare:', '*'] },
  'durable-objects': { knows: ['core'], knowsTypesOf: ['env'], packages: ['cloudflare:', '*'] },
  simulated: { knows: [], packages: ['*'] },
  dashboard: { knows: [], knowsTypesOf: ['control-plane'] },
  local: { knows: EVERYTHING, packages: ['node:', '*'] },
}

/** Single files that anyone may import although their area is closed to them. */
const OPEN_FILES: Readonly<Record<string, readonly Area[]>> = {
  'src/core/json.ts': ['simulated'],
  'src/core/result.ts': ['simulated'],
}

const AREA_OF_FILE: Readonly<Record<string, Area>> = {
  'src/app.ts': 'app',
  'src/env.ts': 'env',
  'src/ports.ts': 'ports',
}

function isArea(name: string): name is Area {
  return Object.hasOwn(RULES, name)
}

/** The area of a file, given by its path from the root with forward slashes; nothing for what has no rule, as tests. */
export function areaOf(file: string): Area | undefined {
  const [top, folder, ...rest] = file.split('/')
  if (top === 'durable-objects') return 'durable-objects'
  if (top !== 'src' || folder === undefined) return undefined
  if (rest.length === 0) return AREA_OF_FILE[file] ?? 'entries'
  return isArea(folder) ? folder : undefined
}

function packageObjection(area: Area, specifier: string): string | undefined {
  const allowed = RULES[area].packages ?? ['*']
  const scheme = /^[a-z]+:/.exec(specifier)?.[0]
  if (scheme !== undefined) return allowed.includes(scheme) ? undefined : `${area} may not import ${specifier}`
  return allowed.includes('*') ? undefined : `${area} may not import the package ${specifier}`
}

/** Why `file` may not import `specifier`; nothing if it may. `isType`: the import is erased. */
export function importObjection(file: string, specifier: string, isType: boolean): string | undefined {
  const area = areaOf(file)
  if (area === undefined) return undefined
  if (!specifier.startsWith('.')) return packageObjection(area, specifier)
  const imported = path.posix.normalize(path.posix.join(path.posix.dirname(file), specifier))
  const other = areaOf(imported)
  if (other === undefined) return `${area} may not import ${imported}, which is not part of the product`
  const { knows, knowsTypesOf = [] } = RULES[area]
  if (other === area || knows.includes(other) || OPEN_FILES[imported]?.includes(area) === true) return undefined
  if (isType && knowsTypesOf.includes(other)) return undefined
  return `${area} may not import ${isType ? 'types of ' : ''}${other} (${imported})`
}
