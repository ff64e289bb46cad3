// How much a chat request wants the model to think: OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, Anthropic's and
// z.ai's `thinking`, Alibaba's `enable_thinking`. Clients send whichever their provider taught them.
import type { JsonObject } from '../../core/json.ts'
import type { ReasoningRequest } from '../../core/neutral.ts'
import { numberOf, objectOf, stringOf } from '../../wire/read.ts'

/** What is asked for, over all spellings; null for nothing. */
export function readReasoningSettings(body: JsonObject): ReasoningRequest | null {
  const reasoning = objectOf(body['reasoning'])
  const thinking = objectOf(body['thinking'])
  const effort = stringOf(body['reasoning_effort']) ?? stringOf(reasoning['effort'])
  const maxTokens =
    numberOf(reasoning['max_tokens']) ?? numberOf(thinking['budget_tokens']) ?? numberOf(body['thinking_budget'])
  const mode = modeOf(reasoning['enabled'] ?? body['enable_thinking'], stringOf(thinking['type']))
  const isHidden = reasoning['exclude'] === true || body['include_reasoning'] === false
  const summary = isHidden ? 'none' : stringOf(reasoning['summary'])
  if (effort === null && maxTokens === null && mode === null && summary === null) return null
  return {
    ...(effort === null ? {} : { effort }),
    ...(maxTokens === null ? {} : { maxTokens }),
    ...(mode === null ? {} : { mode }),
    ...(summary === null ? {} : { summary }),
  }
}

function modeOf(isEnabled: unknown, type: string | null): 'on' | 'off' | 'adaptive' | null {
  if (typeof isEnabled === 'boolean') return isEnabled ? 'on' : 'off'
  if (type === 'enabled') return 'on'
  if (type === 'disabled') return 'off'
  return type === 'adaptive' ? 'adaptive' : null
}
