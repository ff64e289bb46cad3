// What three parties say of the same attempts when everything has settled: the providers' own books, the ledger, and the limiter.
import { setTimeout as wait } from 'node:timers/promises'
import * as z from 'zod/mini'
import type { Asked } from './clients.ts'
import type { Control, Holder, Told } from './control.ts'
import { TENANTS, type TenantName } from './features.ts'
import { type Hold, LEASE, GAUGE, callObject, sum } from './objects.ts'
import { type SideBooks, type SideName, sideBooks, sideNames } from './side-books.ts'
import type { Centre } from './processes.ts'
import type { Keys } from './setup.ts'

const CALL = z.object({
  model: z.string(),
  tokensIn: z.number(),
  tokensOut: z.number(),
  ending: z.nullable(z.string()),
  reference: z.nullable(z.string()),
  references: z.array(z.string()),
  startedAtMs: z.number(),
  endedAtMs: z.nullable(z.number()),
})
/** A call in a provider's books. */
export type ProviderCall = z.infer<typeof CALL>

const ROW = z.object({
  id: z.string(),
  kind: z.string(),
  attempt: z.number(),
  tenant_id: z.string(),
  key_id: z.string(),
  end_user: z.nullable(z.string()),
  trace_id: z.nullable(z.string()),
  target_id: z.nullable(z.string()),
  started_at_ms: z.number(),
  tags: z.string(),
  model: z.nullable(z.string()),
  ending: z.string(),
  is_estimated: z.number(),
  cost: z.number(),
  latency_ms: z.number(),
  units: z.nullable(z.string()),
})
/** A row of the ledger. */
export type LedgerRow = z.infer<typeof ROW>

/** A tenant's limiter, as it is stored. */
export interface LimiterBooks {
  readonly tenant: TenantName
  readonly spentNanoUsd: number
  readonly heldNanoUsd: number
  readonly holds: readonly Hold[]
  readonly outbox: number
}

export interface Evidence {
  readonly asked: readonly Asked[]
  /** Gateways that were killed, and when. */
  readonly killed: ReadonlyMap<number, number>
  readonly told: ReadonlyMap<string, Told>
  readonly holders: ReadonlyMap<string, Holder>
  readonly calls: readonly ProviderCall[]
  readonly rows: readonly LedgerRow[]
  readonly limiters: readonly LimiterBooks[]
  /** Limiters beside the tenants'. */
  readonly sides: readonly SideBooks[]
  readonly tenantOf: ReadonlyMap<string, TenantName>
  /** Of the hourly sums. */
  readonly summedNanoUsd: number
  readonly deadLetters: number
}

const SETTLED_MS_MAX = 130_000
/** An event that was lost once has been sent again by then. One that was lost more often waits longer: its time is set forward. */
const RESENT_MS = 65_000

/** Waits until nothing is on its way any more and what dead gateways held is reconciled; gives what there is after that time. */
async function settled(centre: Centre, keys: Keys, sides: readonly SideName[]): Promise<readonly LimiterBooks[]> {
  const sinceMs = Date.now()
  let isSetForward = false
  let calm = 0
  for (;;) {
    const limiters = await limiterBooks(centre, keys).catch(() => [])
    const beside = await sideBooks(centre, sides).catch(() => null)
    const isSettled = limiters.length > 0 && limiters.every(isAtRest) && beside?.every(isCalm) === true
    calm = isSettled ? calm + 1 : 0
    const tookMs = Date.now() - sinceMs
    if (calm >= 3 || (tookMs > SETTLED_MS_MAX && limiters.length > 0)) return limiters
    if (tookMs > RESENT_MS && !isSetForward && limiters.length > 0) {
      isSetForward = true
      for (const tenantId of tenantNames(keys).keys()) await callObject(centre, 'tenant', tenantId, 'setForward')
      centre.kill()
    }
    await wait(500)
  }
}

export function isAtRest(books: LimiterBooks): boolean {
  return books.outbox === 0 && isCalm(books)
}

/** All that is held is of the dead, and reconciled. */
export function isCalm({ holds }: Pick<LimiterBooks, 'holds'>): boolean {
  return holds.every(({ state, reconcileAtMs }) => state === 'expired' && reconcileAtMs === null)
}

/** A tenant's name by its id. */
export function tenantNames(keys: Keys): ReadonlyMap<string, TenantName> {
  return new Map(Object.keys(TENANTS).flatMap((name) => (isTenant(name) ? [[keys[name].tenantId, name] as const] : [])))
}

function isTenant(name: string): name is TenantName {
  return Object.hasOwn(TENANTS, name)
}

const BOOKS = z.object({
  result: z.object({ gauges: z.array(z.string()), leases: z.array(z.string()), outbox: z.number() }),
})

async function limiterBooks(centre: Centre, keys: Keys): Promise<readonly LimiterBooks[]> {
  return Promise.all(
    [...tenantNames(keys)].map(async ([tenantId, tenant]) => {
      const { result } = BOOKS.parse(await callObject(centre, 'tenant', tenantId, 'books'))
      const gauges = result.gauges.map((text) => GAUGE.parse(JSON.parse(text))).filter(({ kind }) => kind === 'budget')
      return {
        tenant,
        spentNanoUsd: sum(gauges.map(({ spentNanoUsd = 0 }) => spentNanoUsd)),
        heldNanoUsd: sum(gauges.map(({ heldNanoUsd = 0 }) => heldNanoUsd)),
        holds: result.leases.map((text) => LEASE.parse(JSON.parse(text))),
        outbox: result.outbox,
      }
    }),
  )
}

const ROWS = `SELECT request_id || '#' || attempt AS id, kind, attempt, tenant_id, key_id, end_user, trace_id, target_id,
  started_at_ms, tags, model, ending, is_estimated, cost_nano_usd AS cost, latency_ms, units FROM usage_events ORDER BY request_id, attempt, kind`

/** Everything, as it stands now. */
export async function evidenceOf(
  {
    asked,
    killed,
    control,
    keys,
  }: {
    readonly asked: readonly Asked[]
    readonly killed: ReadonlyMap<number, number>
    readonly control: Control
    readonly keys: Keys
  },
  { centre, providersUrl }: { readonly centre: Centre; readonly providersUrl: string },
): Promise<Evidence> {
  const sides = await sideNames(centre, keys)
  const limiters = await settled(centre, keys, sides)
  const db = await centre.mf.getD1Database('DB', 'tidegate')
  const { results } = await db.prepare(ROWS).all()
  const sums = await db
    .prepare(
      `SELECT (SELECT sum(cost_nano_usd) FROM usage_hourly) AS cost, (SELECT count(*) FROM dead_letters) AS letters`,
    )
    .first()
  const { cost, letters } = z.object({ cost: z.number(), letters: z.number() }).parse(sums)
  const books: unknown = await (await fetch(`${providersUrl}/books/calls`)).json()
  return {
    asked,
    killed,
    told: control.told,
    holders: control.holders,
    calls: z.object({ calls: z.array(CALL) }).parse(books).calls,
    rows: z.array(ROW).parse(results),
    limiters,
    sides: await sideBooks(centre, sides),
    tenantOf: tenantNames(keys),
    summedNanoUsd: cost,
    deadLetters: letters,
  }
}
