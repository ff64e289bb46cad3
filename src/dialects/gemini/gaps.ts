// What a Gemini model can't be asked for, field by field. What stands here is refused, or dropped where the route allows it
// by name; what doesn't stand here, the request writer carries. Marks for the cache, a picture's `detail` and reasoning
// without a signature are hints: they change no meaning and are no gaps.
import type { Target } from '../../core/directory.ts'
import type { Gap } from '../../core/failure.ts'
import type { MediaSource, NeutralPart, NeutralRequest, SettingName } from '../../core/neutral.ts'
import { settingGap, uncarried } from '../../core/reply/request-gaps.ts'
import { geminiFamily, isVertex } from '../../wire/gemini.ts'
import { objectOf, stringOf } from '../../wire/read.ts'
import { areArguments, isGoogleFile } from './contents.ts'
import {
  BODY_EXTRAS,
  canFormat,
  CHAT_EXTRAS,
  CONFIG_EXTRAS,
  isSeed,
  isTier,
  snakeCase,
  STOP_SEQUENCES_MAX,
} from './request.ts'
import { thinkingObjection } from './thinking.ts'
import { canCombine, canValidate, hostedToolObjection } from './tools.ts'
import { onceEach, partGaps, strictToolGaps } from '../part-gaps.ts'
import type { PartPlace } from '../part-gaps.ts'

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
  return onceEach([
    ...uncarried(request, CARRIED, carriedExtras(target)),
    ...settingGaps(request, target),
    ...partGaps(request, partObjection),
  ])
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
  if (!canValidate(family)) gaps.push(...strictToolGaps(request))
  const objection = thinkingObjection(request.reasoning, family)
  if (objection !== null) refuse('reasoning', objection)
  if (request.serviceTier !== undefined && !isTier(request.serviceTier))
    refuse('serviceTier', 'this provider has no such tier')
  const format = stringOf(objectOf(request.extra['audio'])['format'])
  if (format !== null && format !== 'pcm16') gaps.push({ field: 'audio', reason: 'this model speaks pcm16 alone' })
  return gaps
}

/** Why a part can't be sent; null where it can. */
function partObjection(part: NeutralPart, place: PartPlace): string | null {
  if (place === 'system') return part.kind === 'text' ? null : 'instructions are text'
  switch (part.kind) {
    case 'image':
    case 'video':
      return mediaObjection(part.source)
    case 'audio':
      return part.transcript === undefined || part.transcript === '' ? mediaObjection(part.source) : null
    case 'document':
      return documentObjection(part)
    case 'other':
      return part.wire === 'gemini' ? null : 'this model cannot be sent it'
    case 'tool-call':
      return areArguments(part.argumentsText) ? null : 'this model takes nothing but a JSON object'
    default:
      return null
  }
}

function documentObjection(part: Extract<NeutralPart, { readonly kind: 'document' }>): string | null {
  const { source, isCited } = part
  if (isCited === true) return 'this model cites no documents of the request'
  if (source.kind === 'text') return null
  if (source.kind !== 'parts') return mediaObjection(source)
  for (const inner of source.parts) {
    const objection = partObjection(inner, 'user')
    if (objection !== null) return objection
  }
  return null
}

function mediaObjection(source: MediaSource): string | null {
  return source.kind !== 'file' || isGoogleFile(source.id) ? null : 'the file is not kept by Google'
}
