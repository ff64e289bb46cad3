// `GET /v1/limits`: what the caller's key is held to, at every level, and how it stands; of the end user that the request names, if
// any, as well. One question to each limiter; where one can't be had, the answer is that it is away, never a guess.
import type { Caller } from '../../core/directory.ts'
import type { JsonObject } from '../../core/json.ts'
import type { LimitPolicy } from '../../core/limits/limit-policy.ts'
import type { Increase, Limit } from '../../core/limits/limits.ts'
import { withinOf } from '../../core/limits/side-limits.ts'
import type { LimitState } from '../../core/limits/standing.ts'
import type { Later, Services } from '../../ports.ts'
import { chat } from '../../protocols/chat/index.ts'
import { usdOf } from '../../protocols/phrase-limits.ts'
import { authenticate } from '../authenticate.ts'
import { END_USER_CHARS_MAX } from './end-user.ts'
import { begin } from '../exchange.ts'
import { refuse } from '../refuse.ts'

/** The limits of the caller's tenant, team and key, outermost first, then the end user's. What limits targets is their
 *  operator's. */
export async function listLimits(request: Request, services: Services, later: Later): Promise<Response> {
  const exchange = begin(request, chat, services, later)
  const caller = await authenticate(request.headers, services)
  if (!caller.ok) return refuse(exchange, caller.error)
  const { tenantId, teamId, keyId } = caller.value
  const [states, users] = await Promise.all([
    services.limiter.limits({ tenantId, teamId, keyId, model: null }),
    limitsOfUser(caller.value, exchange.options.endUser ?? userIn(request.url), services),
  ])
  if (states === 'unavailable' || users === 'unavailable') return refuse(exchange, { kind: 'limiter-unavailable' })
  if (states === 'revoked') return refuse(exchange, { kind: 'unauthenticated', reason: 'revoked' })
  const headers = {
    'x-request-id': exchange.requestId,
    'x-tidegate-request-id': exchange.requestId,
    'cache-control': 'no-store',
  }
  return Response.json({ object: 'list', data: [...states, ...users].map(viewLimit) }, { headers })
}

/** Where there is no body, the field of that name is in the query. */
function userIn(url: string): string | null {
  return new URL(url).searchParams.get('user')?.slice(0, END_USER_CHARS_MAX) ?? null
}

async function limitsOfUser(
  { tenantId, endUsers }: Caller,
  endUser: string | null,
  { limiter }: Services,
): Promise<readonly LimitState[] | 'unavailable'> {
  if (endUsers?.isLimited !== true || endUser === null || endUser === '') return []
  const { within } = endUsers
  const beside = { endUser, target: null, ...(within === undefined ? {} : { within }) }
  return limiter.limitsBeside?.(tenantId, null, beside) ?? 'unavailable'
}

/** A limit as it stands, as clients are told of it. `within`: the team or key in which a user has it. */
export function viewLimit(state: LimitState): JsonObject {
  const { scope, model, limit, policy, resetsAtMs } = state
  const within = scope === 'user' ? withinOf(state.id) : null
  return {
    object: 'limit',
    scope,
    ...(within === null ? {} : { within }),
    model,
    ...amountsOf(limit, state),
    resets_at: resetsAtMs === null ? null : new Date(resetsAtMs).toISOString(),
    at_limit: viewPolicy(policy, limit),
    increase: limit.increase === null ? null : viewIncrease(limit, limit.increase),
  }
}

/** `limit`: as large as it is at present, an increase included. `used` is final, `held` is lent to gateways for what runs
 *  and what may come next. */
function amountsOf(limit: Limit, { size, used, held, left }: LimitState): JsonObject {
  switch (limit.kind) {
    case 'rate':
      return {
        kind: 'rate',
        unit: UNITS[limit.unit],
        per_minute: limit.perMinute,
        limit: size,
        held,
        remaining: left,
      }
    case 'slots':
      return { kind: 'concurrency', limit: size, held, remaining: left }
    case 'budget': {
      const { period } = limit
      return {
        kind: 'budget',
        period: typeof period === 'string' ? period : { every_days: period.everyDays, from: period.from },
        limit_usd: usdOf(size),
        used_usd: usdOf(used),
        held_usd: usdOf(held),
        remaining_usd: usdOf(left),
      }
    }
  }
}

const UNITS = {
  requests: 'requests',
  tokens: 'tokens',
  inputTokens: 'input_tokens',
  outputTokens: 'output_tokens',
} as const

/** Money is never waited for. */
function viewPolicy(policy: LimitPolicy, { kind }: Limit): JsonObject {
  if (policy.kind === 'refuse' || (policy.kind === 'wait' && kind === 'budget')) return { action: 'refuse' }
  if (policy.kind === 'downgrade') return { action: 'downgrade', model: policy.model }
  return { action: 'wait', max_wait_ms: policy.maxWaitMs, max_waiting: policy.maxWaiting }
}

function viewIncrease({ kind }: Limit, { by, untilMs }: Increase): JsonObject {
  const until = new Date(untilMs).toISOString()
  return kind === 'budget' ? { by_usd: usdOf(by), until } : { by, until }
}
