// What a Gemini model can't be asked for, field by field. What stands here is refused, or dropped where the route allows it
// by name; what doesn't stand here, the request writer carries. Marks for the cache, a picture's `detail` and reasoning
// without a signature are hints: they change no meaning and are no gaps.
import type { Target } from '../core/directory.ts'
import type { Gap } from '../core/failure.ts'
import type { MediaSource, NeutralMessage, NeutralPart, NeutralRequest, SettingName } from '../core/neutral.ts'
import { settingGap, uncarried } from '../core/request-gaps.ts'
import { geminiFamily, isVertex } from '../wire/gemini.ts'
import { objectOf, stringOf } from '../wire/read.ts'
import { areArguments, isGoogleFile } from './gemini-contents.ts'
import {
  BODY_EXTRAS,
  canFormat,
  CHAT_EXTRAS,
  CONFIG_EXTRAS,
  isSeed,
  isTier,
  snakeCase,
  STOP_SEQUENCES_MAX,
} from './gemini-request.ts'
import { thinkingObjection } from './gemini-thinking.ts'
import { canCombine, hostedToolObjection } from './gemini-tools.ts'

const CARRIED: ReadonlySet<SettingName> = new Set([
  'hostedTools',
  'toolChoice',
  'parallelToolCalls',
  'responseFormat',
  'maxOutputTokens',
  'temperature',
  'topP',
  'stop',
  'seed',
  'n',
  'reasoning',
  'topK',
  'frequencyPenalty',
  'presencePenalty',
  'logprobs',
  'serviceTier',
])

/** What only Vertex has. */
const VERTEX_EXTRAS = ['labels', 'modelArmorConfig', 'audioTimestamp', 'routingConfig']

/** Everything in the request that can't be carried; a field is named once. */
export function geminiGaps(request: NeutralRequest, target: Target): readonly Gap[] {
  const gaps = [
    ...uncarried(request, CARRIED, carriedExtras(target)),
    ...settingGaps(request, target),
    ...request.messages.flatMap((message) => messageGaps(message)),
  ]
  const seen = new Set<string>()
  return gaps.filter((gap) => !seen.has(gap.field) && seen.add(gap.field))
}

function carriedExtras(target: Target): ReadonlySet<string> {
  const names = [...BODY_EXTRAS, ...CONFIG_EXTRAS].filter((name) => isVertex(target) || !VERTEX_EXTRAS.includes(name))
  return new Set([...CHAT_EXTRAS, ...names.flatMap((name) => [name, snakeCase(name)])])
}

function settingGaps(request: NeutralRequest, target: Target): readonly Gap[] {
  const family = geminiFamily(target.model === '*' ? request.model : target.model)
  const gaps: Gap[] = []
  const refuse = (setting: SettingName, reason: string): void => void gaps.push(settingGap(request, setting, reason))
  const { hostedTools = [], toolChoice, tools } = request
  for (const tool of hostedTools) {
    const objection = hostedToolObjection(tool)
    if (objection !== null) refuse('hostedTools', objection)
  }
  if (hostedTools.length > 0 && tools.length > 0 && !canCombine(family)) {
    refuse('hostedTools', 'this model cannot combine them with functions')
  }
  const isJson = request.responseFormat !== undefined && request.responseFormat.kind !== 'text'
  if (isJson && !canFormat(request, family)) refuse('responseFormat', 'this model cannot combine it with tools')
  const isForced = toolChoice?.kind === 'required' || toolChoice?.kind === 'tool'
  if (isForced && !tools.some((tool) => toolChoice.kind === 'required' || tool.name === toolChoice.name)) {
    refuse('toolChoice', 'this model can be held to functions alone')
  }
  if (request.parallelToolCalls === false && tools.length > 0) {
    refuse('parallelToolCalls', 'this model decides how many calls it makes')
  }
  if ((request.stop ?? []).length > STOP_SEQUENCES_MAX)
    refuse('stop', `this model takes ${STOP_SEQUENCES_MAX} sequences at most`)
  if (request.seed !== undefined && !isSeed(request.seed)) refuse('seed', 'this model takes a 32-bit integer')
  const objection = thinkingObjection(request.reasoning, family)
  if (objection !== null) refuse('reasoning', objection)
  if (request.serviceTier !== undefined && !isTier(request.serviceTier))
    refuse('serviceTier', 'this provider has no such tier')
  const format = stringOf(objectOf(request.extra['audio'])['format'])
  if (format !== null && format !== 'pcm16') gaps.push({ field: 'audio', reason: 'this model speaks pcm16 alone' })
  return gaps
}

function messageGaps(message: NeutralMessage): readonly Gap[] {
  const gaps = message.parts.flatMap((part) => (message.role === 'system' ? systemGaps(part) : partGaps(part)))
  if (message.name === undefined) return gaps
  return [...gaps, { field: 'messages.name', reason: 'this model knows no names of participants' }]
}

function systemGaps(part: NeutralPart): readonly Gap[] {
  return part.kind === 'text' ? [] : [{ field: `messages.content.${part.kind}`, reason: 'instructions are text' }]
}

function partGaps(part: NeutralPart): readonly Gap[] {
  switch (part.kind) {
    case 'image':
    case 'video':
      return mediaGaps(part.kind, part.source)
    case 'audio':
      return part.transcript === undefined || part.transcript === '' ? mediaGaps(part.kind, part.source) : []
    case 'document':
      return documentGaps(part)
    case 'other':
      if (part.wire === 'gemini') return []
      return [{ field: `messages.content.${part.type}`, reason: 'this model cannot be sent it' }]
    case 'tool-call':
      if (areArguments(part.argumentsText)) return []
      return [{ field: 'messages.tool_calls.function.arguments', reason: 'this model takes nothing but a JSON object' }]
    case 'tool-result':
      return part.content.flatMap((inner) => partGaps(inner))
    default:
      return []
  }
}

function documentGaps(part: Extract<NeutralPart, { readonly kind: 'document' }>): readonly Gap[] {
  const cited = part.isCited === true ? [{ field: 'messages.content.document.citations', reason: CITES_NOTHING }] : []
  if (part.source.kind === 'text') return cited
  if (part.source.kind === 'parts') return [...cited, ...part.source.parts.flatMap((inner) => partGaps(inner))]
  return [...cited, ...mediaGaps('document', part.source)]
}

const CITES_NOTHING = 'this model cites no documents of the request'

function mediaGaps(kind: string, source: MediaSource): readonly Gap[] {
  if (source.kind !== 'file' || isGoogleFile(source.id)) return []
  return [{ field: `messages.content.${kind}`, reason: 'the file is not kept by Google' }]
}
