// What recorded replies say that they cost, in nano-USD: each provider has a place and a unit of its own for it.
import { type JsonObject, isJsonObject, parseJson } from '../../src/core/json.ts'
import { numberOf, objectOf } from '../../src/wire/read.ts'
import type { Exchange } from './exchanges.ts'

/** A cost as a provider states it. */
export interface StatedCost {
  readonly nanoUsd: number
  /** What of it the prompt and the completion came to, where the provider tells. */
  readonly promptNanoUsd: number | null
  readonly outputNanoUsd: number | null
  /** Searches, and the call itself. */
  readonly otherNanoUsd: number
}

/** The last cost that a reply states; null for none. */
export function statedCost(exchange: Exchange): StatedCost | null {
  let stated: StatedCost | null = null
  for (const body of messagesOf(exchange)) {
    const usage = objectOf(body['usage'] ?? objectOf(body['response'])['usage'] ?? objectOf(body['message'])['usage'])
    stated = costIn(usage) ?? stated
  }
  return stated
}

function messagesOf({ body, isStreamed }: Exchange): readonly JsonObject[] {
  if (!isStreamed) return [objectOf(parseJson(body))]
  const lines = body.split(/\r?\n/).filter((line) => line.startsWith('data:'))
  return lines.map((line) => objectOf(parseJson(line.slice(5)))).filter((message) => Object.keys(message).length > 0)
}

function costIn(usage: JsonObject): StatedCost | null {
  const ticks = numberOf(usage['cost_in_usd_ticks'])
  // Ten billion ticks are a dollar. https://docs.x.ai/docs/key-information/consumption-and-rate-limits (read 2026-11-21)
  if (ticks !== null && ticks > 0) return plain(ticks / 10)
  const { cost } = usage
  if (isJsonObject(cost)) return perplexity(cost)
  const usd = typeof cost === 'string' ? Number(cost) : numberOf(cost)
  if (usd === null || Number.isNaN(usd)) return null
  const details = objectOf(usage['cost_details'])
  const own = numberOf(details['upstream_inference_cost']) ?? 0
  return {
    ...plain(usd === 0 ? nanoOf(own) : nanoOf(usd)),
    promptNanoUsd: part(details, ['upstream_inference_prompt_cost', 'upstream_inference_input_cost']),
    outputNanoUsd: part(details, ['upstream_inference_completions_cost', 'upstream_inference_output_cost']),
  }
}

function perplexity(cost: JsonObject): StatedCost | null {
  const total = numberOf(cost['total_cost'])
  if (total === null) return null
  return {
    nanoUsd: nanoOf(total),
    promptNanoUsd: part(cost, ['input_tokens_cost', 'input_cost']),
    outputNanoUsd: part(cost, ['output_tokens_cost']),
    otherNanoUsd: nanoOf(numberOf(cost['request_cost']) ?? 0),
  }
}

function plain(nanoUsd: number): StatedCost {
  return { nanoUsd, promptNanoUsd: null, outputNanoUsd: null, otherNanoUsd: 0 }
}

function part(parts: JsonObject, names: readonly string[]): number | null {
  const usd = names.map((name) => numberOf(parts[name])).find((found) => found !== null) ?? null
  return usd === null ? null : nanoOf(usd)
}

/** Written decimals as they were meant, to a thousandth of a nano-dollar. */
function nanoOf(usd: number): number {
  return Math.round(usd * 1e12) / 1e3
}
