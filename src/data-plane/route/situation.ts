// What the strategies of a route may know of one request. Nothing is found out before a strategy asks.
import type { Target } from '../../core/directory.ts'
import { costNanoUsd } from '../../core/money/price.ts'
import { unitHash } from '../../core/unit-hash.ts'
import type { AffinityKind, Situation } from '../../core/strategies/strategy.ts'
import { NO_USAGE } from '../../core/money/usage.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import { stringOf } from '../../wire/read.ts'
import { endUserOf } from '../limits/end-user.ts'
import { type ReadExchange, settingsOf } from '../exchange.ts'
import { promptBeginning } from '../bodies/large-body.ts'
import { pricedTarget } from './priced-target.ts'
import { warmTokens } from './warm-prompts.ts'

/** Output expected of a request that names no bound: most replies are shorter. Tokens. */
const LIKELY_OUTPUT_TOKENS = 1_024
/** A prompt's beginning by which requests belong together: what providers cache begins there, too. Characters. */
const PREFIX_CHARS = 1_024
/** Where clients name their session, in order: our own header, then those of well-known coding clients (Claude Code, Codex, OpenCode,
 *  Kilo Code, Copilot's command line), then names that several use. */
const SESSION_HEADERS: readonly string[] = [
  'x-tidegate-session',
  'x-claude-code-session-id',
  'session_id',
  'session-id',
  'conversation_id',
  'x-opencode-session',
  'x-kilocode-taskid',
  'x-client-session-id',
  'x-session-affinity',
  'x-session-id',
]

/** The situation of a request. `promptTokens` tells the likely length of its prompt. */
export function situationOf(exchange: ReadExchange<Speaker>, promptTokens: () => number): Situation {
  const { facts, services } = exchange
  let known: string | null = null
  const conversation = (): string => (known ??= conversationOf(exchange))
  const likelyOutputTokens = Math.min(facts.maxOutputTokens ?? LIKELY_OUTPUT_TOKENS, LIKELY_OUTPUT_TOKENS)
  return {
    nowMs: exchange.startedAtMs,
    draw: services.draw,
    likelyOutputTokens,
    costNanoUsd: (target: Target) => {
      const { price } = pricedTarget(target, exchange)
      if (price === null) return null
      const prompt = promptTokens()
      const cacheRead = Math.min(prompt, warmTokens(services, target, conversation))
      const output = likelyOutputTokens * facts.choices
      return costNanoUsd({ ...NO_USAGE, input: prompt - cacheRead, cacheRead, output }, price)
    },
    speed: (target) => services.speeds.of(target),
    inFlight: (target) => services.breakers.inFlight(target),
    affinity: (kind) => affinity(exchange, kind),
  }
}

function affinity(exchange: ReadExchange<Speaker>, kind: AffinityKind): string | null {
  switch (kind) {
    case 'session':
      return sessionOf(exchange)
    case 'user':
      return endUserOf(exchange)
    case 'key':
      return exchange.caller.keyId
    case 'prefix':
      return `${exchange.caller.tenantId}\n${promptBeginning(exchange.facts, exchange.short, PREFIX_CHARS)}`
  }
}

/** What the requests of one conversation have in common: its session, else the beginning of its prompt. */
export function conversationOf(exchange: ReadExchange<Speaker>): string {
  const session = sessionOf(exchange)
  const { tenantId } = exchange.caller
  return session === null ? `prefix ${unitHash(affinity(exchange, 'prefix') ?? '')}` : `session ${tenantId}\n${session}`
}

/** The client's own name for what the request belongs to; null where it gives none. */
function sessionOf(exchange: ReadExchange<Speaker>): string | null {
  for (const name of SESSION_HEADERS) {
    const session = exchange.options.header(name)
    if (session !== null && session !== '') return session
  }
  return stringOf(settingsOf(exchange)['prompt_cache_key'])
}
