// What an operator asks about virtual keys besides their configuration: when each was last used, and of one the limits it is
// held to at every level, as they stand, and its latest requests.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import type { BudgetPeriod } from '../../core/failure.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Increase, Limit } from '../../core/limits/limits.ts'
import type { LimitPolicy } from '../../core/limits/limit-policy.ts'
import type { LimitState } from '../../core/limits/standing.ts'
import { lastUses, latestOf } from '../../ledger/key-ledger.ts'
import { readCursor } from '../../ledger/latest-requests.ts'
import { writeUsd } from '../prices/amount.ts'
import { ownRows, scopeOf } from '../access/caller.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { notFound, refuse, type Refusal } from '../http/refusal.ts'
import { findRow, listRows, type KeyRow } from '../store.ts'
import { query } from '../http/validate.ts'

const REQUESTS_DEFAULT = 50
const REQUESTS_MAX = 500
const LIMIT_ALLOWED = `must be an integer from 1 to ${REQUESTS_MAX}`
const CURSOR_ALLOWED = 'must be the next of an earlier page'
const REQUESTS = z.strictObject({
  limit: z.optional(
    z
      .string(LIMIT_ALLOWED)
      .check(z.refine((text) => /^[1-9]\d{0,2}$/.test(text) && Number(text) <= REQUESTS_MAX, LIMIT_ALLOWED)),
  ),
  cursor: z.optional(z.string(CURSOR_ALLOWED).check(z.refine((text) => readCursor(text) !== null, CURSOR_ALLOWED))),
})
const LIMITER_WAIT_MS = 3_000

/** The admin API's `/keys/use`, `/keys/:id/limits` and `/keys/:id/requests`; to be mounted before `/keys/:id`. */
export function keyReportEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/use', async (c) => {
      const lastUsed = await lastUses(c.env.DB, ports.nowMs())
      if (scopeOf(c).kind === 'deployment') return c.json({ last_used: lastUsed })
      const own = new Set(ownRows(c, await listRows<KeyRow>(c.env.DB, 'virtual_keys')).map(({ id }) => id))
      return c.json({ last_used: lastUsed.filter(({ key }) => own.has(key)) })
    })
    .get('/:id/limits', async (c) => {
      const row = await findRow<KeyRow>(c.env.DB, 'virtual_keys', c.req.param('id'))
      if (row === null) return refuse(c, notFound('key', c.req.param('id')))
      if (row.revoked_at_ms !== null) return c.json({ object: 'list', data: [] })
      const states = await limitsOf(c.env, row)
      return states === null ? refuse(c, AWAY) : c.json({ object: 'list', data: states.map(viewState) })
    })
    .get('/:id/requests', query(REQUESTS), async (c) => {
      const row = await findRow<KeyRow>(c.env.DB, 'virtual_keys', c.req.param('id'))
      if (row === null) return refuse(c, notFound('key', c.req.param('id')))
      const { limit, cursor = '' } = c.req.valid('query')
      const owner = { tenantId: row.tenant_id, teamId: row.team_id, keyId: row.id }
      const page = { limit: Number(limit ?? REQUESTS_DEFAULT), before: readCursor(cursor), nowMs: ports.nowMs() }
      return c.json(await latestOf(c.env.DB, owner, page))
    })
}

const AWAY: Refusal = {
  status: 503,
  code: 'limiter_unavailable',
  field: null,
  message: 'The limiter of this tenant doesn’t answer; how its limits stand is not known.',
}

async function limitsOf(
  env: AdminTypes['Bindings'],
  { id: keyId, tenant_id: tenantId, team_id: teamId }: KeyRow,
): Promise<readonly LimitState[] | null> {
  const limiter = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId))
  // A union of one type with null: what comes over is a promise of either.
  return inTime(async (): Promise<readonly LimitState[] | null> => {
    return limiter.limits({ tenantId, teamId, keyId, model: null })
  })
}

/** An answer of a limiter, or null where it fails or takes too long. */
async function inTime<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await Promise.race([ask(), scheduler.wait(LIMITER_WAIT_MS).then(() => null)])
  } catch {
    return null
  }
}

/** As `GET /v1/limits` shows it, with whose it is and the thresholds that are announced. */
function viewState(state: LimitState): JsonObject {
  const { scope, id, model, limit, policy, resetsAtMs } = state
  return {
    object: 'limit',
    scope,
    id,
    model,
    ...amountsOf(limit, state),
    resets_at_ms: resetsAtMs,
    at_limit: viewPolicy(policy),
    increase: limit.increase === null ? null : viewIncrease(limit, limit.increase),
  }
}

function amountsOf(limit: Limit, { size, used, held, left }: LimitState): JsonObject {
  switch (limit.kind) {
    case 'rate':
      return { kind: 'rate', unit: UNITS[limit.unit], per_minute: limit.perMinute, limit: size, held, remaining: left }
    case 'slots':
      return { kind: 'concurrency', limit: size, held, remaining: left }
    case 'budget': {
      const { period, alertsPercent } = limit
      return {
        kind: 'budget',
        period: viewPeriod(period),
        limit_usd: writeUsd(size),
        used_usd: writeUsd(used),
        held_usd: writeUsd(Math.max(0, held)),
        remaining_usd: writeUsd(left),
        alerts_percent: [...alertsPercent],
      }
    }
  }
}

function viewPeriod(period: BudgetPeriod) {
  return typeof period === 'string' ? period : { every_days: period.everyDays, from: period.from }
}

const UNITS = {
  requests: 'requests',
  tokens: 'tokens',
  inputTokens: 'input_tokens',
  outputTokens: 'output_tokens',
} as const

function viewPolicy(policy: LimitPolicy): JsonObject {
  if (policy.kind === 'refuse') return { action: 'refuse' }
  if (policy.kind === 'downgrade') return { action: 'downgrade', model: policy.model }
  return { action: 'wait', max_wait_ms: policy.maxWaitMs, max_waiting: policy.maxWaiting }
}

function viewIncrease({ kind }: Limit, { by, untilMs }: Increase): JsonObject {
  return kind === 'budget' ? { by_usd: writeUsd(by), until_ms: untilMs } : { by, until_ms: untilMs }
}
