// The reply cache: whether a request may be answered from it, the answer, and what is worth keeping. Only whole, ordinary
// replies are kept, per tenant; whatever is wrong with the store is a miss.
import { fold, isWhole, unfold } from '../core/reply/fold.ts'
import { cacheKeyText } from '../core/cache-key.ts'
import type { NeutralEvent, NeutralReply } from '../core/neutral.ts'
import { type Plan, storyOf } from '../core/routing/plan.ts'
import type { CacheState, UsageEvent } from '../core/money/usage-event.ts'
import { NO_USAGE } from '../core/money/usage.ts'
import type { CachedReply } from '../ports.ts'
import type { Attempt } from './attempt.ts'
import { type ReadExchange, eventTemplate, replyContext } from './exchange.ts'
import { answerHeaders, headerSafe } from './headers.ts'
import type { RoutedRequest } from './route/route.ts'

/** The cache's word on a request. `key` is set where the answer may be kept. */
export interface Recall {
  readonly state: Exclude<CacheState, 'hit'>
  readonly key: string | null
}

export interface Recalled {
  readonly state: 'hit'
  readonly entry: CachedReply
}

const SILENT_STATES = { off: { state: 'off', key: null }, bypass: { state: 'bypass', key: null } } as const

/** Looks a request up. Costs nothing where the tenant's cache is off or the request can't be cached. */
export function recall(exchange: ReadExchange, routed: RoutedRequest): Recall | Recalled | Promise<Recall | Recalled> {
  const { caller, facts, options } = exchange
  if (caller.cache.mode === 'off') return SILENT_STATES.off
  const isFit =
    facts.cacheability === 'deterministic' || (facts.cacheability === 'cacheable' && caller.cache.mode === 'all')
  return !isFit || options.isCacheOff() ? SILENT_STATES.bypass : lookUp(exchange, routed)
}

async function lookUp(exchange: ReadExchange, routed: RoutedRequest): Promise<Recall | Recalled> {
  const { caller, services } = exchange
  // Headers that go on to the provider (Anthropic's betas) change what it answers.
  const passed = Object.entries(exchange.passed).map(([name, value]) => `${name}=${value}`)
  const routing = [...servers(routed.plan), ...passed].join(' ')
  const text = cacheKeyText(exchange.body(), { tenantId: caller.tenantId, protocol: exchange.protocol.name, routing })
  const key = await services.digest(text)
  const entry = await services.replies.get(key)
  return entry === null ? { state: 'miss', key } : { state: 'hit', entry }
}

/** Who may answer. Where chance or load decides who comes first, the order says nothing. */
function servers({ route, rule, candidates }: Plan): readonly string[] {
  const names = candidates.map(({ target }) => `${target.id}/${target.model}`)
  return route.group === undefined && rule === undefined ? names : names.toSorted()
}

/** Whether the key has been revoked since the directory was read: an answer from the cache takes no lease, which would tell. */
export function isRevoked({ caller, facts, services, later }: ReadExchange): boolean | Promise<boolean> {
  const { tenantId, teamId, keyId } = caller
  return services.limiter.isRevoked?.({ tenantId, teamId, keyId, model: facts.model }, later) ?? false
}

/** Answers from the cache: as a stream or whole, as the client asked. */
export function replay(exchange: ReadExchange, routed: RoutedRequest, entry: CachedReply): Response {
  const { protocol, facts, services } = exchange
  record(exchange, routed, entry)
  const headers = answerHeaders(exchange, routed.plan, null, 'hit')
  headers['x-tidegate-provider'] = entry.provider
  headers['x-tidegate-model'] = headerSafe(entry.model)
  headers['x-tidegate-target'] = headerSafe(entry.targetId)
  headers['x-tidegate-attempts'] = '0'
  headers['x-tidegate-cost-usd'] = '0.000000000'
  headers['age'] = String(Math.max(0, Math.floor((services.nowMs() - entry.storedAtMs) / 1000)))
  const context = replyContext(exchange, entry.reply.model === '' ? entry.model : entry.reply.model)
  if (!facts.isStreamed) {
    headers['content-type'] = 'application/json'
    return new Response(JSON.stringify(protocol.write(entry.reply, context)), { headers })
  }
  headers['content-type'] = 'text/event-stream; charset=utf-8'
  headers['cache-control'] = 'no-cache, no-transform'
  const writer = protocol.writer(context)
  let text = ''
  for (const event of unfold(entry.reply)) text += writer.push(event)
  return new Response(text + writer.end(), { headers })
}

/** Keeps a reply where that is allowed and it is worth it. In the background. */
export function keep(
  exchange: ReadExchange,
  recall: Recall,
  attempt: Attempt,
  reply: NeutralReply,
  costNanoUsd: number,
): void {
  // Another model's answer is no answer to what was asked.
  if (recall.key === null || attempt.exchange.downgradedFrom !== undefined || !isWorthKeeping(reply)) return
  const { plan, event } = attempt
  const entry: CachedReply = {
    reply,
    provider: plan.target.provider,
    model: event.model ?? plan.target.model,
    targetId: plan.target.id,
    usage: reply.usage ?? NO_USAGE,
    costNanoUsd,
    storedAtMs: exchange.services.nowMs(),
  }
  exchange.later(exchange.services.replies.put(recall.key, entry, exchange.caller.cache.ttlSeconds))
}

/** The reply that was relayed as a stream, for `keep`; null when it isn't whole or wasn't collected. */
export function collected(events: readonly NeutralEvent[] | null): NeutralReply | null {
  return events === null ? null : fold(events)
}

/** Whole, and ended of its own accord: nothing cut, refused, filtered or failed. */
function isWorthKeeping(reply: NeutralReply): boolean {
  return (
    isWhole(reply) &&
    reply.choices.every((choice) => choice.finish === 'stop' && choice.parts.every((part) => part.kind !== 'refusal'))
  )
}

function record(exchange: ReadExchange, routed: RoutedRequest, entry: CachedReply): void {
  const latencyMs = exchange.services.nowMs() - exchange.startedAtMs
  const event: UsageEvent = {
    ...eventTemplate(exchange, routed.plan.route.id, 'hit', 0),
    plan: `${storyOf(routed.plan)}; served from the cache`,
    targetId: entry.targetId,
    provider: entry.provider,
    model: entry.model,
    status: 200,
    ending: 'finished',
    savedNanoUsd: entry.costNanoUsd,
    latencyMs,
    ttftMs: latencyMs,
  }
  exchange.services.limiter.record(event, exchange.later)
}
