// What this isolate has heard of providers' own limits: per credential, address and model, since that is what providers
// count by. Nothing is asked of anybody; what was heard is forgotten when its window is over.
import type { Target } from '../core/directory.ts'
import { type ProviderLimit, shortageOf, withRequest } from '../core/health/provider-limits.ts'
import { type HeaderFamily, familyOf, readProviderLimits } from '../dialects/provider-limit-headers.ts'
import type { Headroom } from '../ports.ts'

interface Heard {
  /** Null for a provider that sends no such headers, … */
  family: HeaderFamily | null
  /** … which is looked for again after a while. */
  readonly lookAgainAtMs: number
  limits: readonly ProviderLimit[]
}

const LOOK_AGAIN_MS = 60_000
const HEARD_MAX = 2_000

export function isolateHeadroom(nowMs: () => number): Headroom {
  const heard = new Map<string, Heard>()
  const names = new WeakMap<Target, string>()

  function nameOf(target: Target): string {
    const known = names.get(target)
    if (known !== undefined) return known
    const { id, credential, baseUrl, model } = target
    const name = credential === null ? `${id}\n${model}` : `${credential}\n${baseUrl}\n${model}`
    names.set(target, name)
    return name
  }

  function remember(name: string, entry: Heard): void {
    if (heard.size >= HEARD_MAX) heard.clear()
    heard.set(name, entry)
  }

  return {
    shortage(target, amountsOf) {
      const known = heard.get(nameOf(target))
      if (known === undefined || known.limits.length === 0) return null
      return shortageOf(known.limits, amountsOf(), nowMs())
    },
    sent(target, amounts) {
      const known = heard.get(nameOf(target))
      if (known !== undefined && known.limits.length > 0) known.limits = withRequest(known.limits, amounts, nowMs())
    },
    note(target, headers) {
      const atMs = nowMs()
      const name = nameOf(target)
      const known = heard.get(name)
      const read = (header: string): string | null => headers.get(header)
      if (known === undefined || (known.family === null && atMs >= known.lookAgainAtMs)) {
        const family = familyOf(read)
        const limits = family === null ? [] : (readProviderLimits(family, read, atMs) ?? [])
        remember(name, { family, lookAgainAtMs: atMs + LOOK_AGAIN_MS, limits })
        return
      }
      if (known.family === null) return
      known.limits = readProviderLimits(known.family, read, atMs) ?? known.limits
    },
  }
}
