// A route's shadow on its ways: from a request's body to what is kept and published, back for the API's answers, and its budget
// to the object that enforces it.
import * as z from 'zod/mini'
import { LIMITS_VERSION } from '../../core/limits/limits.ts'
import { type Result, err, ok } from '../../core/result.ts'
import type { ShadowPolicy } from '../../core/routing/shadow.ts'
import { type SideConfig, shadowObjectName } from '../../core/limits/side-limits.ts'
import type { GatewayEnv } from '../../env.ts'
import { AMOUNT_USD_MAX, readUsd, writeUsd } from '../prices/amount.ts'
import { type Refusal, unacceptable } from '../http/refusal.ts'
import type { RouteRow } from '../store.ts'

const ID_ALLOWED = 'must be an id'
const ID = z.optional(z.string(ID_ALLOWED).check(z.minLength(1, ID_ALLOWED), z.maxLength(100, ID_ALLOWED)))
const PERCENT_ALLOWED = 'must be a number of more than 0 and at most 100'
const BUDGET_ALLOWED = `must be null or decimal text such as "12.50", of at most nine decimals and at most ${AMOUNT_USD_MAX}`
const BUDGET = z.string(BUDGET_ALLOWED).check(z.refine((text) => readUsd(text) !== null, BUDGET_ALLOWED))

/** Null takes it away; it is replaced as a whole. */
export const SHADOW = z.nullable(
  z
    .strictObject(
      {
        target: ID,
        route: ID,
        percent: z.number(PERCENT_ALLOWED).check(z.gt(0, PERCENT_ALLOWED), z.lte(100, PERCENT_ALLOWED)),
        budget_usd: z.optional(z.nullable(BUDGET)),
      },
      'must be null or an object of target or route, percent and budget_usd',
    )
    .check(
      z.refine(
        ({ target, route }) => (target === undefined) !== (route === undefined),
        'must have target or route, and not both',
      ),
    ),
)

type ShadowBody = z.infer<typeof SHADOW>

/** What a route has after a change: what is left out stays. */
export function shadowAfter(
  { shadow: body }: { readonly shadow?: ShadowBody | undefined },
  before: ShadowPolicy | undefined,
): { readonly shadow?: ShadowPolicy } {
  const shadow = body === undefined ? before : readShadow(body)
  return shadow === undefined ? {} : { shadow }
}

function readShadow(body: ShadowBody): ShadowPolicy | undefined {
  if (body === null) return undefined
  const { target, route, percent, budget_usd: budgetUsd } = body
  const budgetNanoUsd = budgetUsd == null ? null : readUsd(budgetUsd)
  return {
    ...(target === undefined ? {} : { target }),
    ...(route === undefined ? {} : { route }),
    percent,
    ...(budgetNanoUsd === null ? {} : { budgetNanoUsd }),
  }
}

/** The same as the API shows it: as it is written. */
export function viewShadow(shadow: ShadowPolicy | undefined) {
  if (shadow === undefined) return null
  const { budgetNanoUsd, ...where } = shadow
  return { ...where, budget_usd: budgetNanoUsd === undefined ? null : writeUsd(budgetNanoUsd) }
}

/** Whether what a shadow names is there, and for this route's tenant. */
export async function checkShadow(
  db: D1Database,
  shadow: ShadowPolicy | undefined,
  owner: Pick<RouteRow, 'id' | 'tenant_id'>,
): Promise<Result<null, Refusal>> {
  if (shadow?.target !== undefined) {
    const found = await db.prepare(`SELECT 1 FROM targets WHERE id = ?1`).bind(shadow.target).first()
    return found === null ? unknown('shadow.target', 'unknown_target', 'target', shadow.target) : ok(null)
  }
  if (shadow?.route === undefined) return ok(null)
  const found = await db
    .prepare(`SELECT 1 FROM routes WHERE id = ?1 AND id <> ?2 AND tenant_id IN ('', ?3)`)
    .bind(shadow.route, owner.id, owner.tenant_id)
    .first()
  return found === null ? unknown('shadow.route', 'unknown_route', 'other route', shadow.route) : ok(null)
}

function unknown(field: string, code: string, what: string, id: string): Result<never, Refusal> {
  return err(
    unacceptable(
      field,
      code,
      `${field} must be the id of an${what.startsWith('o') ? '' : 'y'} ${what}; there is no ${JSON.stringify(id)}.`,
    ),
  )
}

/** Objects told at the same time. */
const AT_ONCE = 50

/** Tells the objects that have budgets of shadows, before anybody may spend from them. Their days are those of UTC. */
export async function pushShadowBudgets(
  env: Pick<GatewayEnv, 'SIDE_LIMITER'>,
  routes: readonly { readonly id: string; readonly shadow?: ShadowPolicy }[],
  revision: number,
): Promise<void> {
  const budgets = routes.flatMap(({ id, shadow }) =>
    shadow?.budgetNanoUsd === undefined ? [] : [{ id, amountNanoUsd: shadow.budgetNanoUsd }],
  )
  for (let start = 0; start < budgets.length; start += AT_ONCE) {
    await Promise.all(
      budgets.slice(start, start + AT_ONCE).map(({ id, amountNanoUsd }) => {
        const limit = { kind: 'budget', amountNanoUsd, period: 'day', alertsPercent: [], increase: null } as const
        const usual = [{ model: null, limits: [limit] }]
        const config: SideConfig = { v: LIMITS_VERSION, revision, timeZone: 'UTC', scope: 'target', usual, own: {} }
        return env.SIDE_LIMITER.get(env.SIDE_LIMITER.idFromName(shadowObjectName(id))).configure(config)
      }),
    )
  }
}
