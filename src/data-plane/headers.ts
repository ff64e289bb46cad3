// What every answer tells about itself.
import { type Plan, summaryOf } from '../core/plan.ts'
import type { CacheState } from '../core/usage-event.ts'
import type { Speaker } from '../protocols/protocol.ts'
import type { Attempt } from './attempt.ts'
import { omittedFields } from './dropped.ts'
import type { Exchange } from './exchange.ts'
import { addLimitHeaders, usd } from './limit-headers.ts'

/** Response headers of an answer; `attempt` is null while it isn't known who answers. */
export function answerHeaders(
  exchange: Exchange<Speaker>,
  plan: Plan,
  attempt: Attempt<Speaker> | null,
  cache: CacheState,
): Record<string, string> {
  const headers: Record<string, string> = {
    'x-request-id': exchange.requestId,
    'x-tidegate-request-id': exchange.requestId,
    ...planHeaders(attempt?.plan.choice ?? plan),
    'x-tidegate-cache': cache,
  }
  const { idHeader } = exchange.protocol
  if (idHeader !== undefined) headers[idHeader] = exchange.requestId
  if (exchange.traceId !== null) headers['x-trace-id'] = exchange.traceId
  if (attempt === null) return headers
  headers['x-tidegate-provider'] = attempt.plan.target.provider
  headers['x-tidegate-model'] = headerSafe(attempt.event.model ?? '')
  headers['x-tidegate-target'] = headerSafe(attempt.plan.target.id)
  headers['x-tidegate-attempts'] = String(attempt.plan.number)
  if (attempt.isClamped) headers['x-tidegate-clamped'] = String(attempt.maxOutputTokens)
  const dropped = omittedFields(attempt)
  if (dropped.length > 0) headers['x-tidegate-dropped'] = dropped.map(headerSafe).join(', ')
  const { downgradedFrom, preset } = attempt.exchange
  if (preset !== undefined) headers['x-tidegate-preset'] = preset
  if (downgradedFrom !== undefined) headers['x-tidegate-downgraded-from'] = headerSafe(downgradedFrom)
  const standings = attempt.reservation.standings?.() ?? null
  if (standings !== null) addLimitHeaders(headers, exchange.protocol, standings, exchange.services.nowMs())
  return headers
}

/** Which route a request took, and where that leads: on every answer to one that had a route. */
export function planHeaders(plan: Plan): Record<string, string> {
  return { 'x-tidegate-route': headerSafe(plan.route.model), 'x-tidegate-plan': lineSafe(summaryOf(plan)) }
}

/** Adds what the request has cost: all its attempts that are over. Call when the last of them is. */
export function addCost(headers: Record<string, string>, { spent }: Exchange<Speaker>): Record<string, string> {
  headers['x-tidegate-cost-usd'] = usd(spent.nanoUsd)
  return headers
}

/** A line of names and words as a header's value. */
function lineSafe(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '_')
}

/** Model names are free text; header values aren't. */
export function headerSafe(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, '_')
}
