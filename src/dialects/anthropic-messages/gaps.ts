// What an Anthropic model can't be asked for, field by field. What stands here is refused, or dropped where the route
// allows it by name; what doesn't stand here, the request writer carries. The picture's `detail`, a search's breadth and
// reasoning without a signature are hints about effort and about a finished turn: they change no meaning and are no gaps.
import type { Gap } from '../../core/failure.ts'
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { DocumentSource, NeutralMessage, NeutralPart, NeutralRequest, SettingName } from '../../core/neutral.ts'
import { fieldName, settingGap, uncarried } from '../../core/reply/request-gaps.ts'
import type { Target } from '../../core/directory.ts'
import { asksForThinking } from './thinking.ts'
import { writeHostedTool } from './tools.ts'
import { isForStrictModels } from '../closed-schema.ts'

/** Settings of this wire alone: who names them means this wire, whichever he speaks. */
const CARRIED_EXTRAS: readonly string[] = [
  'top_k',
  'thinking',
  'cache_control',
  'container',
  'context_management',
  'compaction',
  'mcp_servers',
  'inference_geo',
  'speed',
  'output_config',
  'fallbacks',
  'fallback_credit_token',
  'diagnostics',
  'thread',
  'user_profile_id',
  'anthropic_beta',
]

const CARRIED: ReadonlySet<SettingName> = new Set<SettingName>([
  'hostedTools',
  'toolChoice',
  'parallelToolCalls',
  'responseFormat',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'stop',
  'reasoning',
  'serviceTier',
  'endUser',
])

/** Everything in the request that can't be carried; a field is named once. */
export function messagesGaps(request: NeutralRequest, target: Target): readonly Gap[] {
  const gaps = [
    ...uncarried(request, CARRIED, new Set(carriedExtras(request))),
    ...settingGaps(request),
    ...prefixGaps(request, target),
    ...request.messages.flatMap((message) => messageGaps(message)),
  ]
  const seen = new Set<string>()
  return gaps.filter((gap) => !seen.has(gap.field) && seen.add(gap.field))
}

/** Names of the extras that go on as they are: all of them, where the client speaks this very wire. */
export function carriedExtras(request: NeutralRequest): readonly string[] {
  return request.wire === 'anthropic-messages' ? Object.keys(request.extra) : CARRIED_EXTRAS
}

/** A service tier in this wire's words; null for one that it hasn't. */
export function writeTier(tier: string): string | null {
  if (tier === 'auto') return tier
  return ['default', 'standard', 'standard_only'].includes(tier) ? 'standard_only' : null
}

function settingGaps(request: NeutralRequest): readonly Gap[] {
  const gaps: Gap[] = []
  if ((request.temperature ?? 0) > 1) gaps.push(settingGap(request, 'temperature', 'this model takes at most 1'))
  if (request.stop?.some((stop) => stop.trim() === '') === true) {
    gaps.push(settingGap(request, 'stop', 'this model takes no blank stop sequence'))
  }
  if (request.serviceTier !== undefined && writeTier(request.serviceTier) === null) {
    gaps.push(settingGap(request, 'serviceTier', 'this model has no such tier'))
  }
  if (request.hostedTools?.some((tool) => writeHostedTool(tool) === null) === true) {
    gaps.push(settingGap(request, 'hostedTools', 'this model has no such tool, or not with these settings'))
  }
  return [...gaps, ...formatGaps(request), ...reasoningGaps(request)]
}

function formatGaps(request: NeutralRequest): readonly Gap[] {
  const format = request.responseFormat
  if (format?.kind === 'json-object') {
    return [settingGap(request, 'responseFormat', 'this model takes a JSON schema, but no free JSON')]
  }
  if (format?.kind === 'json-schema' && !isForStrictModels(format)) {
    return [settingGap(request, 'responseFormat', 'this model keeps to a JSON schema only strictly')]
  }
  return []
}

/** While it thinks, a model can't be held to a tool, a temperature or a top_p. */
function reasoningGaps(request: NeutralRequest): readonly Gap[] {
  if (!asksForThinking(request)) return []
  const reason = `this model cannot combine it with ${fieldName(request, 'reasoning')}`
  const gaps: Gap[] = []
  const choice = request.toolChoice?.kind
  if (choice === 'required' || choice === 'tool') gaps.push(settingGap(request, 'toolChoice', reason))
  if (request.temperature !== undefined && request.temperature < 1) {
    gaps.push(settingGap(request, 'temperature', reason))
  }
  if (request.topP !== undefined && request.topP < 0.95) gaps.push(settingGap(request, 'topP', reason))
  return gaps
}

function prefixGaps(request: NeutralRequest, target: Target): readonly Gap[] {
  const isPrefix = request.messages.findLast((message) => message.role !== 'system')?.role === 'assistant'
  if (!isPrefix || target.capabilities?.prefix !== false) return []
  return [{ field: 'messages', reason: 'this model does not go on from the beginning of a reply' }]
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
      return [contentGap(part.kind)]
    case 'other':
      return part.wire === 'anthropic-messages' ? [] : [contentGap(part.type)]
    case 'image':
      return role === 'user' ? [] : [contentGap('image_url', 'pictures go into user messages')]
    case 'document':
      if (role !== 'user') return [contentGap('document', 'documents go into user messages')]
      return isReadable(part.source) ? [] : [contentGap('document', 'this model reads PDF and plain text')]
    case 'tool-call':
      return part.isCustom === true || isArguments(part.argumentsText)
        ? []
        : [{ field: 'messages.tool_calls.function.arguments', reason: 'this model takes nothing but a JSON object' }]
    case 'tool-result':
      return part.content.flatMap((inner) => partGaps('user', inner))
    default:
      return []
  }
}

function contentGap(type: string, reason = 'this model cannot be sent it'): Gap {
  return { field: `messages.content.${type}`, reason }
}

function isReadable(source: DocumentSource): boolean {
  return source.kind !== 'base64' || source.mediaType === 'application/pdf'
}

function isArguments(text: string): boolean {
  const value = parseJson(text)
  return text.trim() === '' || value === null || isJsonObject(value)
}
