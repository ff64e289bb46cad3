// Which settings of a request a dialect doesn't carry. A dialect says what it carries; whatever else was asked for is a
// gap, so that a setting which is added to the neutral form is refused everywhere until somebody carries it.
import type { Gap } from '../failure.ts'
import type { Json } from '../json.ts'
import type { NeutralRequest, SettingName } from '../neutral.ts'

/** What the chat protocol calls a setting: the name in complaints unless the client's protocol has another. */
const CHAT_NAMES: Readonly<Record<SettingName, string>> = {
  hostedTools: 'tools',
  toolChoice: 'tool_choice',
  parallelToolCalls: 'parallel_tool_calls',
  responseFormat: 'response_format',
  maxOutputTokens: 'max_completion_tokens',
  temperature: 'temperature',
  topP: 'top_p',
  stop: 'stop',
  seed: 'seed',
  n: 'n',
  reasoning: 'reasoning_effort',
  topK: 'top_k',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  logitBias: 'logit_bias',
  logprobs: 'logprobs',
  verbosity: 'verbosity',
  serviceTier: 'service_tier',
  metadata: 'metadata',
  promptCacheKey: 'prompt_cache_key',
  endUser: 'user',
}

/** Members of a body without a place in the neutral form that no reply hangs on (`hints.ts`). */
export const MEMBER_HINTS: readonly string[] = ['safety_identifier', 'prompt_cache_retention', 'prediction']

const SETTINGS = Object.keys(CHAT_NAMES) as readonly SettingName[]

/** The name under which the client gave a setting. */
export function fieldName(request: NeutralRequest, setting: SettingName): string {
  return request.fieldNames?.[setting] ?? CHAT_NAMES[setting]
}

/** A gap for one setting, under the client's own name for it. */
export function settingGap(request: NeutralRequest, setting: SettingName, reason: string): Gap {
  return { field: fieldName(request, setting), reason }
}

/**
 * A gap for every setting that was given and is not in `carried`, and for every member of `extra` that is not in
 * `carriedExtras`. Hints (`hints.ts`) are never gaps, nor is what asks for nothing: one reply of `n: 1`, text alone, a mark
 * for the prompt cache.
 */
export function uncarried(
  request: NeutralRequest,
  carried: ReadonlySet<SettingName>,
  carriedExtras: ReadonlySet<string> = new Set(),
): readonly Gap[] {
  const reason = 'this model has no such setting'
  const gaps: Gap[] = []
  for (const setting of SETTINGS) {
    if (!carried.has(setting) && isAskedFor(request, setting)) gaps.push(settingGap(request, setting, reason))
  }
  if (mustCallNothing(request)) gaps.push(settingGap(request, 'toolChoice', 'there are no tools to choose from'))
  for (const field of Object.keys(request.extra)) {
    if (carriedExtras.has(field) || isHint(field) || isTextAlone(field, request.extra[field])) continue
    gaps.push({ field, reason: isKnown(request, field) ? 'its value is not one that it can have' : reason })
  }
  return gaps
}

function isHint(field: string): boolean {
  return field === 'cache_control' || MEMBER_HINTS.includes(field)
}

/** A call is asked for, and there is nothing to call. */
function mustCallNothing({ toolChoice, tools, hostedTools = [] }: NeutralRequest): boolean {
  const isHeld = toolChoice?.kind === 'required' || toolChoice?.kind === 'tool'
  return isHeld && tools.length === 0 && hostedTools.length === 0
}

/** What every model answers with. */
function isTextAlone(field: string, value: Json | undefined): boolean {
  return field === 'modalities' && JSON.stringify(value) === '["text"]'
}

/** A setting of the chat protocol that could not be read. */
function isKnown(request: NeutralRequest, field: string): boolean {
  return (
    (request.wire ?? 'openai-chat') === 'openai-chat' &&
    SETTINGS.some((setting) => fieldName(request, setting) === field)
  )
}

function isAskedFor(request: NeutralRequest, setting: SettingName): boolean {
  switch (setting) {
    case 'promptCacheKey':
    case 'endUser':
    case 'metadata':
      return false
    case 'verbosity':
      return request.verbosity !== undefined && request.verbosity !== 'medium'
    case 'serviceTier':
      return request.serviceTier !== undefined && request.serviceTier !== 'default'
    case 'n':
      return (request.n ?? 1) > 1
    case 'hostedTools':
      return (request.hostedTools ?? []).length > 0
    case 'responseFormat':
      return request.responseFormat !== undefined && request.responseFormat.kind !== 'text'
    case 'toolChoice':
      return request.toolChoice !== undefined && request.toolChoice.kind !== 'auto'
    default:
      return request[setting] !== undefined
  }
}
