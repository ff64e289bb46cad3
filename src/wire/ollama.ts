// Ollama's own wire: what its counts and its reasons mean. Chat and generate share them.
// https://docs.ollama.com/api and https://github.com/ollama/ollama/blob/main/docs/api.md
import type { JsonObject } from '../core/json.ts'
import type { FinishReason } from '../core/neutral.ts'
import { NO_USAGE } from '../core/money/usage.ts'
import type { Usage } from '../core/money/usage.ts'
import { countOf } from './read.ts'

/** Usage of a last message; null where it has no counts. A prompt that was found in the cache isn't counted at all, so
 *  `prompt_eval_count` may be missing: nothing was read afresh then. */
export function readOllamaUsage(message: JsonObject): Usage | null {
  const input = countOf(message['prompt_eval_count'])
  const output = countOf(message['eval_count'])
  return input + output === 0 ? null : { ...NO_USAGE, input, output }
}

/** Why it stopped: `stop`, `length`, `load` and `unload`, or a reason of a runner's own. */
export function readOllamaFinish(reason: string): FinishReason {
  return reason === 'length' ? 'length' : 'stop'
}

/** When a reply was made, in epoch seconds; null where it isn't said. Digits beyond milliseconds are cut off. */
export function readCreated(createdAt: string | null): number | null {
  const atMs = createdAt === null ? Number.NaN : Date.parse(createdAt.replace(/(\.\d{3})\d+/, '$1'))
  return Number.isNaN(atMs) || atMs <= 0 ? null : Math.floor(atMs / 1000)
}
