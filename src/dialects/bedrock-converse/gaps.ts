// What Bedrock Converse can't be asked for, field by field. What stands here is refused, or dropped where the route allows
// it by name; what doesn't stand here, the request writer carries. A picture's `detail`, cache marks for a model that
// caches by itself and a reasoning without a signature are hints: no gaps.
import type { Gap } from '../../core/failure.ts'
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { NeutralMessage, NeutralPart, NeutralRequest, SettingName } from '../../core/neutral.ts'
import { settingGap, uncarried } from '../../core/reply/request-gaps.ts'
import { familyOf, type ModelFamily } from '../../wire/bedrock-converse.ts'
import { asksForThinking } from '../anthropic-messages/thinking.ts'
import { documentOf, mediaOf } from './content.ts'
import { canBeAskedToThink } from './thinking.ts'
import { isForStrictModels } from '../closed-schema.ts'

/** Fields of the wire's own that a client may give by name. */
export const CARRIED_EXTRAS: readonly string[] = [
  'additionalModelResponseFieldPaths',
  'guardrailConfig',
  'performanceConfig',
  'promptVariables',
]

const EXTRAS: ReadonlySet<string> = new Set([...CARRIED_EXTRAS, 'additionalModelRequestFields'])

/** Everything in the request that can't be carried to `model`; a field is named once. */
export function converseGaps(request: NeutralRequest, model: string): readonly Gap[] {
  const family = familyOf(model)
  const gaps = [
    ...uncarried(request, carriedSettings(request, model), EXTRAS),
    ...valueGaps(request),
    ...toolGaps(request, family),
    ...request.messages.flatMap((message) => messageGaps(message)),
  ]
  const seen = new Set<string>()
  return gaps.filter((gap) => !seen.has(gap.field) && seen.add(gap.field))
}

const ALWAYS: readonly SettingName[] = [
  'toolChoice',
  'responseFormat',
  'maxOutputTokens',
  'temperature',
  'topP',
  'stop',
  'metadata',
  'serviceTier',
]

function carriedSettings(request: NeutralRequest, model: string): ReadonlySet<SettingName> {
  const family = familyOf(model)
  const carried = new Set<SettingName>(ALWAYS)
  if (canBeAskedToThink(model) || !asksForThinking(request)) carried.add('reasoning')
  if (family === 'anthropic' || family === 'nova' || family === 'mistral') carried.add('topK')
  if (request.parallelToolCalls !== false || request.tools.length === 0) carried.add('parallelToolCalls')
  if (request.hostedTools?.every((tool) => tool.wire === 'bedrock-converse') === true) carried.add('hostedTools')
  return carried
}

function valueGaps(request: NeutralRequest): readonly Gap[] {
  const gaps: Gap[] = []
  const refuse = (setting: SettingName, reason: string) => gaps.push(settingGap(request, setting, reason))
  if ((request.temperature ?? 0) > 1) refuse('temperature', 'this model takes at most 1')
  if (request.stop?.some((stop) => stop.trim() === '') === true)
    refuse('stop', 'this model takes no blank stop sequence')
  const format = request.responseFormat
  if (format?.kind === 'json-object') refuse('responseFormat', 'this model takes a JSON schema, but no free JSON')
  if (format?.kind === 'json-schema' && !isForStrictModels(format)) {
    refuse('responseFormat', 'this model keeps to a JSON schema only strictly')
  }
  if (isOtherTier(request)) refuse('serviceTier', 'this model has no such tier')
  return gaps
}

function toolGaps(request: NeutralRequest, family: ModelFamily): readonly Gap[] {
  const choice = request.toolChoice?.kind
  if (choice === 'none' && request.messages.some(({ parts }) => parts.some(({ kind }) => kind === 'tool-call'))) {
    return [settingGap(request, 'toolChoice', 'this model cannot be kept from tools that it has called before')]
  }
  if (family !== 'anthropic' || !asksForThinking(request)) return []
  const gaps: Gap[] = []
  const refuse = (setting: SettingName) =>
    gaps.push(settingGap(request, setting, 'this model cannot combine it with thinking'))
  if (choice === 'required' || choice === 'tool') refuse('toolChoice')
  if (request.temperature !== undefined && request.temperature < 1) refuse('temperature')
  if (request.topP !== undefined && request.topP < 0.95) refuse('topP')
  return gaps
}

const TIERS: Readonly<Record<string, string>> = {
  default: 'default',
  standard_only: 'default',
  flex: 'flex',
  priority: 'priority',
  reserved: 'reserved',
}

/** What Bedrock calls the tier; null to leave it to Bedrock. */
export function serviceTierOf(request: NeutralRequest): string | null {
  return TIERS[request.serviceTier ?? ''] ?? null
}

function isOtherTier({ serviceTier }: NeutralRequest): boolean {
  return serviceTier !== undefined && serviceTier !== 'auto' && TIERS[serviceTier] === undefined
}

function messageGaps(message: NeutralMessage): readonly Gap[] {
  const gaps = message.parts.flatMap((part) => partGaps(message.role, part))
  if (message.name === undefined) return gaps
  return [...gaps, { field: 'messages.name', reason: 'this model knows no names of participants' }]
}

const NOT_FETCHED = 'this model takes it only inline or from S3, in one of its formats'

function partGaps(role: NeutralMessage['role'], part: NeutralPart): readonly Gap[] {
  switch (part.kind) {
    case 'image':
    case 'video':
    case 'audio':
    case 'document':
      return mediaGaps(role, part)
    case 'other':
      return part.wire === 'bedrock-converse' ? [] : [contentGap(part.type, 'this model cannot be sent it')]
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

type MediaPart = Extract<NeutralPart, { kind: 'image' | 'video' | 'audio' | 'document' }>

/** What the chat protocol calls each kind of media. */
const MEDIA_FIELDS = { image: 'image_url', video: 'video_url', audio: 'input_audio', document: 'file' } as const

function mediaGaps(role: NeutralMessage['role'], part: MediaPart): readonly Gap[] {
  const field = MEDIA_FIELDS[part.kind]
  if (role !== 'user') return [contentGap(field, 'it goes into user messages')]
  const media = part.kind === 'document' ? documentOf(part.source) : mediaOf(part.kind, part.source)
  return media === null ? [contentGap(field, NOT_FETCHED)] : []
}

function contentGap(type: string, reason: string): Gap {
  return { field: `messages.content.${type}`, reason }
}

function isArguments(text: string): boolean {
  return text.trim() === '' || isJsonObject(parseJson(text))
}
