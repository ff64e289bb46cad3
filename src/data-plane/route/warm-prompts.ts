// Which targets' own prompt caches are warm for a conversation, as far as this isolate saw: what of its prompt was read from
// there, or written there, by the last answer. So the price of a request is that of its cached tokens, too, where they are.
import type { Route, Target } from '../../core/directory.ts'
import type { Plan } from '../../core/routing/plan.ts'
import type { RouteGroup } from '../../core/routing/route-group.ts'
import type { Usage } from '../../core/money/usage.ts'
import type { Services } from '../../ports.ts'

interface Warm {
  readonly tokens: number
  readonly untilMs: number
}

/** How long providers keep a prompt at least, where they don't say; each use renews it. */
const KEPT_MS = 300_000
/** Where it was written for an hour. */
const KEPT_LONG_MS = 3_600_000
const WARM_MAX = 10_000

/** By the isolate's own memory, which mirrors share. */
const memories = new WeakMap<Services['breakers'], Map<string, Warm>>()

/** Notes what of the prompt is in the target's cache after an answer. `conversation`: what later requests have in common with
 *  this one; it is asked for only where there is something to note, and somebody who compares prices. */
export function noteWarm(
  { breakers, nowMs }: Services,
  target: Target,
  plan: Plan,
  usage: Usage,
  conversation: () => string,
): void {
  const tokens = usage.cacheRead + usage.cacheWrite + usage.cacheWriteLong
  if (tokens === 0 || !comparesPrices(plan)) return
  const warm = memories.get(breakers) ?? new Map<string, Warm>()
  memories.set(breakers, warm)
  if (warm.size >= WARM_MAX) warm.clear()
  const keptMs = usage.cacheWriteLong > 0 ? KEPT_LONG_MS : KEPT_MS
  warm.set(nameOf(target, conversation()), { tokens, untilMs: nowMs() + keptMs })
}

/** Tokens of a conversation's prompt that a target has in its cache; 0 where nothing is known. */
export function warmTokens({ breakers, nowMs }: Services, target: Target, conversation: () => string): number {
  const warm = memories.get(breakers)
  if (warm === undefined || warm.size === 0) return 0
  const known = warm.get(nameOf(target, conversation()))
  return known === undefined || nowMs() >= known.untilMs ? 0 : known.tokens
}

function nameOf({ id }: Target, conversation: string): string {
  return `${id}\n${conversation}`
}

const compared = new WeakMap<Route, boolean>()

/** Whether the route, or the client, asks who is the cheapest. */
function comparesPrices({ route, wish }: Plan): boolean {
  if (wish?.includes('provider.sort') === true) return true
  const known = compared.get(route)
  if (known !== undefined) return known
  const groups = (route.rules ?? []).flatMap(({ do: action }) => (action.kind === 'use' ? [action.group] : []))
  const does = [...groups, ...(route.group === undefined ? [] : [route.group])].some(isCheapest)
  compared.set(route, does)
  return does
}

function isCheapest({ strategy, members }: RouteGroup): boolean {
  return strategy === 'cheapest' || members.some((member) => 'group' in member && isCheapest(member.group))
}
