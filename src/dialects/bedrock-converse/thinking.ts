// How a model on Bedrock is asked to think: each family has its own words, all beside the common fields.
// https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
// https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
import type { JsonObject } from '../../core/json.ts'
import type { NeutralRequest } from '../../core/neutral.ts'
import { familyOf } from '../../wire/bedrock-converse.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { asksForThinking, writeThinking } from '../anthropic-messages/thinking.ts'
import { isBedrockSignature } from './content.ts'

/** What to send so that a model thinks, or doesn't. */
export interface Thinking {
  readonly fields: JsonObject
  /** While it thinks, it can't be held to a temperature, a top_p or a tool. */
  readonly fixesSampling: boolean
  /** What it thinks counts against the output bound, which then has to be above the budget. */
  readonly needsBound: boolean
}

/** Efforts that Nova and the open models of OpenAI know. */
const PLAIN_EFFORTS: Readonly<Record<string, string>> = {
  minimal: 'low',
  low: 'low',
  medium: 'medium',
  high: 'high',
  xhigh: 'high',
  max: 'high',
}

/** True for a model that can be asked to think, or not to. */
export function canBeAskedToThink(model: string): boolean {
  const family = familyOf(model)
  return family === 'anthropic' || family === 'openai' || (family === 'nova' && THINKING_NOVA.test(model))
}

/** Nova thinks from its second generation on. */
const THINKING_NOVA = /nova-[2-9]/i

/** What asks the model to think as the client wants; null for nothing to say. `bound`: the output bound, null where there
 *  is none and `assumedBound` is to be reckoned with. */
export function converseThinking(
  request: NeutralRequest,
  model: string,
  bound: number | null,
  assumedBound: number,
): Thinking | null {
  const { reasoning } = request
  if (reasoning === undefined || !canBeAskedToThink(model)) return null
  const family = familyOf(model)
  if (family === 'anthropic') return anthropicThinking(request, model, bound ?? assumedBound)
  const isOn = asksForThinking(request)
  const effort = PLAIN_EFFORTS[reasoning.effort ?? 'medium'] ?? 'medium'
  if (family === 'openai') return plain({ reasoning_effort: isOn ? effort : 'low' })
  if (!isOn) return plain({ reasoningConfig: { type: 'disabled' } })
  // At high effort Nova takes neither a bound nor a temperature: what the client set stands above how hard it thinks.
  const isBound = bound !== null || request.temperature !== undefined || request.topP !== undefined
  const maxReasoningEffort = effort === 'high' && isBound ? 'medium' : effort
  return plain({ reasoningConfig: { type: 'enabled', maxReasoningEffort } })
}

function plain(fields: JsonObject): Thinking {
  return { fields, fixesSampling: false, needsBound: false }
}

/** Anthropic's own words for it, under the names that they have in its own API. */
function anthropicThinking(request: NeutralRequest, model: string, bound: number): Thinking | null {
  const { thinking, effort, isOn } = writeThinking(request, model, bound, isBedrockSignature)
  const config = effort === undefined ? undefined : { effort }
  const fields = withoutUndefined({ thinking, output_config: config })
  if (Object.keys(fields).length === 0) return null
  return { fields, fixesSampling: isOn, needsBound: thinking?.['type'] === 'enabled' }
}
