// What a request would be held to, for its explanation: every limit that it takes from, what of it is left, and what this
// isolate has in hand already. Everybody is asked, and nothing is taken.
import { type Counts, counted } from '../core/amounts.ts'
import type { Target } from '../core/directory.ts'
import type { JsonObject } from '../core/json.ts'
import type { LimiterPath } from '../core/limits.ts'
import type { LimitState } from '../core/standing.ts'
import type { Beside, LeaseInHand } from '../ports.ts'
import { usdOf } from '../protocols/phrase-limits.ts'
import { besideOf } from './end-user.ts'
import type { ReadExchange } from './exchange.ts'
import { viewLimit } from './list-limits.ts'
import { demandOf } from './sizing.ts'

/** What an attempt at `target` needs, and how the limits stand to that. */
export async function tellLimits(exchange: ReadExchange, promptTokens: number, target: Target): Promise<JsonObject> {
  const { caller, facts, services } = exchange
  const { limiter } = services
  const path: LimiterPath = {
    tenantId: caller.tenantId,
    teamId: caller.teamId,
    keyId: caller.keyId,
    model: facts.model,
  }
  const need = demandOf(exchange, { promptTokens, isBoundable: true }, target)
  const needs = counted(need.amounts)
  const beside = besideOf(exchange, target)
  const [own, others] = await Promise.all([limiter.limits(path), limitsBeside(exchange, beside)])
  const told = { needs: viewCounts(needs) }
  if (own === 'revoked') return { ...told, is_revoked: true, would_admit: false, limits: [] }
  const inHand = limiter.inHand?.(path) ?? null
  const covered = inHand !== null && covers(inHand, needs)
  // With less money than all of it a reply is let begin, too.
  const least: Counts = { ...needs, nanoUsd: need.leastNanoUsd ?? needs.nanoUsd }
  const ofTenant = own === 'unavailable' ? null : own.map((state) => row(state, least, inHand))
  const ofOthers = others === 'unavailable' ? null : others.map((state) => row(state, least, null))
  const isLetIn = covered || (ofTenant === null ? null : ofTenant.every(({ fits }) => fits))
  const isLetInBeside = ofOthers === null ? null : ofOthers.every(({ fits }) => fits)
  return {
    ...told,
    is_available: ofTenant !== null && ofOthers !== null,
    in_hand: inHand === null ? null : viewInHand(inHand, covered),
    would_admit: isLetIn === null || isLetInBeside === null ? null : isLetIn && isLetInBeside,
    limits: [...(ofTenant ?? []), ...(ofOthers ?? [])].map(({ view, fits, needed }) => ({
      ...view,
      needs: needed,
      fits,
    })),
  }
}

async function limitsBeside(
  { caller, facts, services }: ReadExchange,
  beside: Beside | null,
): Promise<readonly LimitState[] | 'unavailable'> {
  if (beside === null) return []
  return services.limiter.limitsBeside?.(caller.tenantId, facts.model, beside) ?? 'unavailable'
}

interface Row {
  readonly view: JsonObject
  readonly needed: number | string
  readonly fits: boolean
}

/** One limit. What this isolate has in hand was taken from it already. */
function row(state: LimitState, needs: Counts, inHand: LeaseInHand | null): Row {
  const { limit, left } = state
  const resource = limit.kind === 'budget' ? 'nanoUsd' : limit.kind === 'slots' ? 'slots' : limit.unit
  const needed = needs[resource]
  const view = { id: state.id, ...viewLimit(state) }
  const fits = needed <= left + Math.max(0, inHand?.free[resource] ?? 0)
  return { view, needed: limit.kind === 'budget' ? usdOf(needed) : needed, fits }
}

function covers({ free, limited }: LeaseInHand, needs: Counts): boolean {
  const { slots, requests, tokens, inputTokens, outputTokens, nanoUsd } = limited
  return (
    (!slots || needs.slots <= free.slots) &&
    (!requests || needs.requests <= free.requests) &&
    (!tokens || needs.tokens <= free.tokens) &&
    (!inputTokens || needs.inputTokens <= free.inputTokens) &&
    (!outputTokens || needs.outputTokens <= free.outputTokens) &&
    (!nanoUsd || needs.nanoUsd <= free.nanoUsd)
  )
}

function viewInHand({ free, limited, expiresInMs }: LeaseInHand, isEnough: boolean): JsonObject {
  const all: JsonObject = { ...viewCounts(free) }
  const isShown = {
    requests: limited.requests,
    tokens: limited.tokens,
    input_tokens: limited.inputTokens,
    output_tokens: limited.outputTokens,
    concurrency: limited.slots,
    cost_usd: limited.nanoUsd,
  }
  const shown = Object.entries(all).filter(([name]) => Object.entries(isShown).some(([own, is]) => own === name && is))
  return { expires_in_ms: expiresInMs, is_enough: isEnough, free: Object.fromEntries(shown) }
}

function viewCounts({ requests, tokens, inputTokens, outputTokens, slots, nanoUsd }: Counts) {
  return {
    requests,
    tokens,
    input_tokens: inputTokens,
    output_tokens: outputTokens,
    concurrency: slots,
    cost_usd: usdOf(nanoUsd),
  }
}
