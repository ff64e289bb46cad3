// What a model behind the responses wire can't be asked for: settings that the API hasn't, pieces that it doesn't take, and
// whatever refers to something that a provider would have to have stored.
// https://platform.openai.com/docs/api-reference/responses/create
import type { Gap } from '../../core/failure.ts'
import type { HostedTool, NeutralMessage, NeutralPart, NeutralRequest, SettingName } from '../../core/neutral.ts'
import { settingGap, uncarried } from '../../core/reply/request-gaps.ts'
import { RESPONSES_WIRE } from '../../wire/openai-responses.ts'
import { writeHostedTool } from './tools.ts'

const CARRIED: ReadonlySet<SettingName> = new Set([
  'hostedTools',
  'toolChoice',
  'parallelToolCalls',
  'responseFormat',
  'maxOutputTokens',
  'temperature',
  'topP',
  'reasoning',
  'logprobs',
  'verbosity',
  'serviceTier',
  'metadata',
])

/** Members that this API has and the neutral form hasn't. */
export const CARRIED_EXTRAS: ReadonlySet<string> = new Set([
  'truncation',
  'max_tool_calls',
  'context_management',
  'prompt_cache_options',
  'prompt_cache_retention',
  'safety_identifier',
  'moderation',
])

/** Members of the client's own, if it speaks this wire: `text.…`, `reasoning.…`, its list of details, its own choice. */
export function isOwnExtra(request: NeutralRequest, field: string): boolean {
  if (request.wire !== RESPONSES_WIRE) return false
  return field === 'include' || field === 'tool_choice' || /^(?:text|reasoning)\./.test(field)
}

/** Everything in the request that can't be carried; a field is named once. */
export function responsesGaps(request: NeutralRequest): readonly Gap[] {
  const own = Object.keys(request.extra).filter((field) => isOwnExtra(request, field))
  const gaps = [
    ...uncarried(request, CARRIED, new Set([...CARRIED_EXTRAS, ...own])),
    ...toolGaps(request, request.hostedTools ?? []),
    ...request.messages.flatMap((message) => message.parts.flatMap((part) => partGaps(message.role, part))),
    ...request.messages.flatMap((message) => nameGaps(message)),
  ]
  const seen = new Set<string>()
  return gaps.filter((gap) => !seen.has(gap.field) && seen.add(gap.field))
}

function toolGaps(request: NeutralRequest, tools: readonly HostedTool[]): readonly Gap[] {
  const strange = tools.find((tool) => writeHostedTool(tool) === null)
  if (strange === undefined) return []
  return [settingGap(request, 'hostedTools', `this model has no tool of the type '${strange.type}'`)]
}

function nameGaps(message: NeutralMessage): readonly Gap[] {
  if (message.name === undefined) return []
  return [{ field: 'messages.name', reason: 'this model knows no names of participants' }]
}

function partGaps(role: NeutralMessage['role'], part: NeutralPart): readonly Gap[] {
  switch (part.kind) {
    case 'audio':
    case 'video':
      return [contentGap(part.kind, 'this model cannot be sent it')]
    case 'image':
      return role === 'assistant' ? [contentGap('image', 'pictures go into user messages')] : []
    case 'document':
      if (part.source.kind === 'parts') return part.source.parts.flatMap((inner) => partGaps('user', inner))
      return part.isCited === true ? [contentGap('document.citations', 'this model does not cite documents')] : []
    case 'tool-result':
      return part.content.flatMap((inner) => partGaps('user', inner))
    case 'other':
      if (part.wire !== RESPONSES_WIRE) return [contentGap(part.type, 'this model cannot be sent it')]
      return part.type === 'item_reference' ? [contentGap(part.type, 'nothing is stored for this model')] : []
    default:
      return []
  }
}

function contentGap(name: string, reason: string): Gap {
  return { field: `messages.content.${name}`, reason }
}
