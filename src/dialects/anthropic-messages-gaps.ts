// What an Anthropic model can't be asked for, field by field. What stands here is refused, or dropped where the route
// allows it by name; what doesn't stand here, the request writer carries. The picture's `detail` and a reasoning without
// a signature are hints about effort and about a finished turn: they change no meaning and are no gaps.
import type { Gap } from '../core/failure.ts'
import { isJsonObject, parseJson } from '../core/json.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest } from '../core/neutral.ts'

/** Fields of other wires that this one takes under the same name and with the same meaning. */
export const CARRIED_EXTRAS: readonly string[] = ['top_k', 'thinking', 'cache_control']

/** Everything in the request that can't be carried; a field is named once. */
export function messagesGaps(request: NeutralRequest): readonly Gap[] {
  const gaps = [...settingGaps(request), ...request.messages.flatMap((message) => messageGaps(message))]
  const seen = new Set<string>()
  return gaps.filter((gap) => !seen.has(gap.field) && seen.add(gap.field))
}

function settingGaps(request: NeutralRequest): readonly Gap[] {
  const gaps: Gap[] = []
  if ((request.n ?? 1) > 1) gaps.push({ field: 'n', reason: 'this model gives one reply a request' })
  if (request.seed !== undefined) gaps.push({ field: 'seed', reason: 'this model takes no seed' })
  if ((request.temperature ?? 0) > 1) gaps.push({ field: 'temperature', reason: 'this model takes at most 1' })
  if (request.stop?.some((stop) => stop.trim() === '') === true) {
    gaps.push({ field: 'stop', reason: 'this model takes no blank stop sequence' })
  }
  gaps.push(...formatGaps(request), ...reasoningGaps(request))
  for (const field of Object.keys(request.extra)) {
    if (!CARRIED_EXTRAS.includes(field)) gaps.push({ field, reason: 'this model has no such setting' })
  }
  return gaps
}

function formatGaps(request: NeutralRequest): readonly Gap[] {
  const format = request.responseFormat
  if (format?.kind === 'json-object') {
    return [{ field: 'response_format', reason: 'this model takes a JSON schema, but no free JSON' }]
  }
  if (format?.kind === 'json-schema' && !format.strict) {
    return [{ field: 'response_format', reason: 'this model keeps to a JSON schema only strictly' }]
  }
  return []
}

/** While it thinks, a model can't be held to a tool, a temperature or a top_p. */
function reasoningGaps(request: NeutralRequest): readonly Gap[] {
  if (!asksForThinking(request.reasoning?.effort)) return []
  const reason = 'this model cannot combine it with reasoning_effort'
  const gaps: Gap[] = []
  const choice = request.toolChoice?.kind
  if (choice === 'required' || choice === 'tool') gaps.push({ field: 'tool_choice', reason })
  if (request.temperature !== undefined && request.temperature < 1) gaps.push({ field: 'temperature', reason })
  if (request.topP !== undefined && request.topP < 0.95) gaps.push({ field: 'top_p', reason })
  return gaps
}

/** True for an effort that means thinking at all. */
export function asksForThinking(effort: string | undefined): effort is string {
  return effort !== undefined && effort !== 'none' && effort !== 'minimal'
}

function messageGaps(message: NeutralMessage): readonly Gap[] {
  const gaps = message.parts.flatMap((part) => partGaps(message.role, part))
  if (message.name === undefined) return gaps
  return [...gaps, { field: 'messages.name', reason: 'this model knows no names of participants' }]
}

function partGaps(role: NeutralMessage['role'], part: NeutralPart): readonly Gap[] {
  switch (part.kind) {
    case 'audio':
    case 'video':
    case 'document':
      return [{ field: `messages.content.${part.kind}`, reason: 'this model cannot be sent it' }]
    case 'other':
      return [{ field: `messages.content.${part.type}`, reason: 'this model cannot be sent it' }]
    case 'image':
      return role === 'user' ? [] : [{ field: 'messages.content.image_url', reason: 'pictures go into user messages' }]
    case 'tool-call':
      return isArguments(part.argumentsText)
        ? []
        : [{ field: 'messages.tool_calls.function.arguments', reason: 'this model takes nothing but a JSON object' }]
    case 'tool-result':
      return part.content.flatMap((inner) => partGaps('user', inner))
    default:
      return []
  }
}

function isArguments(text: string): boolean {
  return text.trim() === '' || isJsonObject(parseJson(text))
}
