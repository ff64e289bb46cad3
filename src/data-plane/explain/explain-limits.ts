// What a request would be held to, for its explanation: every limit that it takes from, what of it is left, and what this
// isolate has in hand already. Everybody is asked, and nothing is taken.
import { type Counts, counted } from '../../core/limits/amounts.ts'
import type { Target } from '../../core/directory.ts'
import type { JsonObject } from '../../core/json.ts'
import type { LimiterPath } from '../../core/limits/limits.ts'
import type { LimitState } from '../../core/limits/standing.ts'
import type { Beside, LeaseInHand } from '../../ports.ts'
import { usdOf } from '../../protocols/phrase-limits.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import type { AttemptPlan } from '../attempt.ts'
import { besideOf } from '../limits/end-user.ts'
import type { ReadExchange } from '../exchange.ts'
import { viewLimit } from '../limits/list-limits.ts'
import { demandOf } from '../limits/sizing.ts'

/** Candidates that are told of, each with limits of its own: somebody is asked for each. */
const TOLD_MAX = 16

interface ToldLimits {
  /** What the request would be held to; null where nobody would be asked. */
  readonly first: JsonObject | null
  /** What an attempt at each candidate needs, and would be held to beyond that: the limits of the target itself. */
  readonly each: readonly (JsonObject | null)[]
}

/** How the limits stand to a request at each of its candidates: the caller's own are asked for once. */
export async function tellLimits(
  exchange: ReadExchange<Speaker>,
  purpose: Pick<AttemptPlan, 'promptTokens' | 'isBoundable'>,
  targets: readonly Target[],
): Promise<ToldLimits> {
  if (targets.length === 0) return { first: null, each: [] }
  const { caller, facts, services } = exchange
  const { tenantId, teamId, keyId } = caller
  const path: LimiterPath = { tenantId, teamId, keyId, model: facts.model }
  const own = services.limiter.limits(path)
  const known = new Map<string, Promise<readonly LimitState[] | 'unavailable'>>()
  const asked = targets.slice(0, TOLD_MAX).map(async (target) => {
    const beside = besideOf(exchange, target)
    const name = beside?.target?.id ?? ''
    const others = known.get(name) ?? limitsBeside(exchange, beside)
    known.set(name, others)
    return limitsAt(exchange, { purpose, target, path }, await own, await others)
  })
  const told = await Promise.all(asked)
  const [first] = told
  if (first === undefined) return { first: null, each: [] }
  const each = targets.map((_, at) => ownOf(told[at]))
  return { first, each }
}

/** What of it is the target's own. */
function ownOf(told: HeldTo | undefined): JsonObject | null {
  if (told === undefined) return null
  const { needs, would_admit, limits } = told
  return { needs, would_admit, limits: limits.filter(({ scope }) => scope === 'target') }
}

interface HeldTo extends JsonObject {
  readonly needs: JsonObject
  readonly would_admit: boolean | null
  readonly limits: readonly JsonObject[]
}

/** What an attempt at `target` needs, and how the limits stand to that. */
function limitsAt(
  exchange: ReadExchange<Speaker>,
  given: {
    readonly purpose: Pick<AttemptPlan, 'promptTokens' | 'isBoundable'>
    readonly target: Target
    readonly path: LimiterPath
  },
  own: readonly LimitState[] | 'revoked' | 'unavailable',
  others: readonly LimitState[] | 'unavailable',
): HeldTo {
  const { purpose, target, path } = given
  const need = demandOf(exchange, purpose, target)
  const needs = counted(need.amounts)
  const told = { needs: viewCounts(needs) }
  if (own === 'revoked') return { ...told, is_revoked: true, would_admit: false, limits: [] }
  const inHand = exchange.services.limiter.inHand?.(path) ?? null
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
  { caller, facts, services }: ReadExchange<Speaker>,
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
