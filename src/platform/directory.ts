// Keys and routes as this isolate knows them: from its memory when fresh, from KV when not, refreshed behind the
// requests' backs. A key that is revoked, or a secret of it that is replaced, is forgotten when the limiter says so; else when its
// entry ages out.
import { DIRECTORY_ROUTING_NAME, type RoutingSnapshot, type TenantRecord } from '../core/directory.ts'
import { type RouteTable, routeTable } from '../core/routing/route-table.ts'
import type { SecretEnd } from '../core/limits/limits.ts'
import { late } from '../core/late.ts'
import { PriceBook } from '../core/money/price-book.ts'
import { SwitchBoard } from '../core/switches.ts'
import { parseVirtualKey } from '../core/virtual-key.ts'
import type { CallerAnswer, Directory, Later, Log } from '../ports.ts'
import { KnownCallers } from './known-callers.ts'
import { type KnownCaller, readCaller } from './read-caller.ts'
import type { SecretUse } from './secret-uses.ts'
import { withoutUnspoken } from './spoken-targets.ts'

/** Uses of old secrets that are to be told. */
const USES_MAX = 1_000
/** Routes older than this are refreshed in the background … */
const ROUTES_MS = 5_000
/** … and older than this before they are used. */
const ROUTES_MS_MAX = 60_000
const KV_TTL_SECONDS = 60

interface HeldRoutes {
  readonly routes: RouteTable
  /** Whether all its targets are in it: else those left out are looked for again with the next refresh. */
  readonly isWhole: boolean
  /** When its targets' credentials are to be looked at again. */
  readonly untilMs: number
  readonly atMs: number
}

const holding = late(() => import('./held-credentials.ts'))

export interface EdgeDirectory extends Directory {
  /** The limiter says that these keys are revoked. No key comes back from that. */
  revoke(keyIds: readonly string[]): void
  /** The limiter says when these secrets end. No end is ever put off. */
  endSecrets(ends: readonly SecretEnd[]): void
  /** Forgets everything: the configuration has just been changed here. */
  forgetAll(): void
}

/** The directory over KV. `pepper` is the secret under which virtual keys are hashed. `switches` and `prices` are told
 *  what the routing snapshot says of them, `tellTenant` what is read of a caller's tenant. */
export function kvDirectory(
  kv: KVNamespace,
  pepper: string,
  nowMs: () => number,
  log: Log,
  switches = new SwitchBoard(),
  prices = new PriceBook(),
  tellTenant: (tenant: TenantRecord) => void = () => {},
): EdgeDirectory {
  const callers = new KnownCallers()
  const telling = late(async () => (await import('./secret-uses.ts')).secretUses(kv, log))
  let uses: SecretUse[] = []
  const held = kvRoutes(kv, nowMs, log, (snapshot) => {
    if (snapshot.switches !== undefined) switches.take(snapshot.switches)
    prices.take(snapshot.prices ?? [])
  })

  async function lookUp(presented: string): Promise<CallerAnswer> {
    const parsed = parseVirtualKey(presented)
    if (!parsed.ok) return 'malformed'
    let found: KnownCaller
    try {
      found = await readCaller(parsed.value, { kv, pepper, nowMs: nowMs(), tellTenant })
    } catch (error) {
      log.warn('directory-unavailable', { error: String(error) })
      return 'unavailable'
    }
    const { answer, mark, isOld } = callers.take(presented, found, nowMs())
    if (isOld === true && typeof answer !== 'string' && uses.length < USES_MAX) {
      uses.push({ kid: parsed.value.kid, mark: mark ?? '', atMs: nowMs() })
    }
    return answer
  }

  async function tellUses(): Promise<void> {
    const told = uses
    uses = []
    try {
      const tell = await telling.load()
      await tell(told)
    } catch (error) {
      log.warn('not-loaded', { part: 'secret-uses', error: String(error) })
    }
  }

  return {
    caller: (presented) => callers.get(presented, nowMs())?.answer ?? lookUp(presented),
    routes(later) {
      if (uses.length > 0) later(tellUses())
      return held.routes(later)
    },
    revoke: (keyIds) => callers.revoke(keyIds),
    endSecrets: (ends) => callers.endSecrets(ends),
    forgetAll() {
      callers.clear()
      held.forget()
    },
  }
}

/** The routing snapshot as this isolate holds it. `tell` is given each as it is read. */
function kvRoutes(
  kv: KVNamespace,
  nowMs: () => number,
  log: Log,
  tell: (snapshot: RoutingSnapshot) => void,
): Pick<Directory, 'routes'> & { forget(): void } {
  let table: HeldRoutes | null = null
  let refreshingSinceMs: number | null = null

  async function readRoutes(): Promise<RouteTable> {
    const options = { type: 'json', cacheTtl: KV_TTL_SECONDS } as const
    const snapshot = (await kv.get<RoutingSnapshot>(DIRECTORY_ROUTING_NAME, options)) ?? NO_ROUTES
    tell(snapshot)
    if (table !== null && table.isWhole && table.routes.revision === snapshot.revision && nowMs() < table.untilMs) {
      table = { ...table, atMs: nowMs() }
    } else {
      const spoken = await withoutUnspoken(snapshot, log)
      const { snapshot: usable, untilMs } = await withTheirCredentials(spoken, nowMs())
      table = { routes: routeTable(usable), isWhole: spoken === snapshot, untilMs, atMs: nowMs() }
    }
    return table.routes
  }

  /** Fresh routes, or those of before when KV is away: an old route is better than none. */
  async function freshRoutes(): Promise<RouteTable | null> {
    try {
      return await readRoutes()
    } catch (error) {
      log.warn('directory-unavailable', { error: String(error) })
      return table?.routes ?? null
    } finally {
      refreshingSinceMs = null
    }
  }

  return {
    routes(later: Later) {
      if (table === null || nowMs() - table.atMs > ROUTES_MS_MAX) return freshRoutes()
      const isRefreshing = refreshingSinceMs !== null && nowMs() - refreshingSinceMs < ROUTES_MS
      if (nowMs() - table.atMs > ROUTES_MS && !isRefreshing) {
        refreshingSinceMs = nowMs()
        later(freshRoutes().then(() => {}))
      }
      return table.routes
    },
    forget() {
      table = null
    },
  }
}

/** A snapshot whose targets know where their credentials are, and when that is to be looked at again. */
async function withTheirCredentials(snapshot: RoutingSnapshot, nowMs: number) {
  if (snapshot.credentials === undefined) {
    holding.now()?.forgetOthers(new Set())
    return { snapshot, untilMs: Infinity }
  }
  return (await holding.load()).withCredentials(snapshot, nowMs)
}

const NO_ROUTES: RoutingSnapshot = { revision: 0, targets: {}, routes: [] }
