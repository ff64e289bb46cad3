// How heavy the gateway is: what an isolate loads to start, and what each part that is loaded later adds to that.
import { gzipSync } from 'node:zlib'
import { type BuiltModule, GATEWAY_MAIN } from './bundle.ts'

/** A part that is loaded when it is first needed. */
export interface PartWeight {
  readonly label: string
  /** Of the modules that this part needs beyond those of the start; what two parts share counts in both. */
  readonly gzipKib: number
}

export interface GatewayWeight {
  readonly startGzipKib: number
  /** The heaviest first. */
  readonly parts: readonly PartWeight[]
}

/** Parts of several modules that are loaded together, and those whose file says too little. By path without `src/`. */
const LABELS: Readonly<Record<string, string>> = {
  'control-plane/admin': 'admin API',
  'platform/probe': 'admin API',
  'control-plane/configuration/watch': 'configuration',
  'data-plane/tasks/serve-task': 'tasks',
  'protocols/tasks/index': 'tasks',
  'catalog/listed-prices': 'listed prices',
  'catalog/price-catalogue': 'price catalogue',
  'catalog/providers': 'provider catalogue',
  'platform/redis-store': 'Redis',
  'platform/websocket': 'sockets',
  'platform/workers-ai': 'Workers AI binding',
  'platform/auth/sigv4': 'auth aws-sigv4',
  'platform/auth/google-service-account': 'auth google-service-account',
}

/** Weighs the gateway's modules. */
export function weighGateway(modules: readonly BuiltModule[]): GatewayWeight {
  const start = withImports([GATEWAY_MAIN], modules)
  const entries = new Map<string, string[]>()
  for (const name of new Set(modules.flatMap(({ lateImports }) => lateImports))) {
    const label = labelOf(name, modules.find((module) => module.name === name)?.sources ?? [])
    entries.set(label, [...(entries.get(label) ?? []), name])
  }
  const parts = [...entries].map(([label, names]) => {
    const added = [...withImports(names, modules)].filter((module) => !start.has(module))
    return { label, gzipKib: gzipKibOf(added) }
  })
  return { startGzipKib: gzipKibOf([...start]), parts: parts.toSorted((a, b) => b.gzipKib - a.gzipKib) }
}

/** Compressed together, as wrangler does it. */
function gzipKibOf(modules: readonly BuiltModule[]): number {
  return gzipSync(modules.map(({ code }) => code).join('')).length / 1024
}

/** The modules of these names and all that are loaded with them. */
export function withImports(names: readonly string[], modules: readonly BuiltModule[]): ReadonlySet<BuiltModule> {
  const byName = new Map(modules.map((module) => [module.name, module]))
  const found = new Set<BuiltModule>()
  const waiting = [...names]
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const module = byName.get(name)
    if (module === undefined || found.has(module)) continue
    found.add(module)
    waiting.push(...module.imports)
  }
  return found
}

/** A module is called by the last of its sources, which it is for: what that needs stands before it. */
function labelOf(name: string, sources: readonly string[]): string {
  const source = (sources.at(-1) ?? name).replace(/^src\//, '').replace(/\.\w+$/, '')
  const [folder = '', ...inside] = source.split('/')
  const kind = { dialects: 'dialect', protocols: 'protocol' }[folder]
  return LABELS[source] ?? (kind === undefined ? (inside.at(-1) ?? folder) : `${kind} ${inside[0] ?? ''}`)
}
