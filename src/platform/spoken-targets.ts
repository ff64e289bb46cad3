// Sees to it that the dialects of a routing snapshot are loaded before it is used, so that requests find them at once.
import type { RoutingSnapshot } from '../core/directory.ts'
import { dialects } from '../dialects/index.ts'
import type { Log } from '../ports.ts'

/** `snapshot` itself when all its dialects are loaded now; else one without the targets whose dialect this gateway doesn't know
 *  or can't load, and a line in the log. Never rejects. */
export async function withoutUnspoken(snapshot: RoutingSnapshot, log: Log): Promise<RoutingSnapshot> {
  const named = new Set<string>(Object.values(snapshot.targets).map((target) => target.dialect))
  const problems = new Map<string, string>()
  await Promise.all(
    [...named].map(async (name) => {
      const problem = await load(name)
      if (problem !== null) problems.set(name, problem)
    }),
  )
  if (problems.size === 0) return snapshot
  const told = [...problems].map(([name, problem]) => `${name}: ${problem}`).join('; ')
  log.warn('dialect-not-loaded', { dialects: told })
  const spoken = Object.entries(snapshot.targets).filter(([, { dialect }]) => !problems.has(dialect))
  return { ...snapshot, targets: Object.fromEntries(spoken) }
}

/** What stands in the way of a dialect; null for nothing. */
async function load(name: string): Promise<string | null> {
  if (!dialects.has(name)) return 'unknown to this version'
  try {
    await dialects.of(name).load()
    return null
  } catch (error) {
    return String(error)
  }
}
