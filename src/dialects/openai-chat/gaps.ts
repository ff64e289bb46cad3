// What a target of the chat wire can't be asked for, field by field, under the names that the client used. A client of the
// same wire is refused only what the target's quirks and capabilities rule out.
import type { Target } from '../../core/directory.ts'
import type { Gap } from '../../core/failure.ts'
import type { JsonObject } from '../../core/json.ts'
import type { DocumentSource, NeutralMessage, NeutralPart, NeutralRequest, SettingName } from '../../core/neutral.ts'
import { hasQuirk } from '../../core/quirk.ts'
import { settingGap, uncarried } from '../../core/reply/request-gaps.ts'
import { objectOf } from '../../wire/read.ts'
import { writeHosted } from './request.ts'

const CARRIED: readonly SettingName[] = [
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
  'frequencyPenalty',
  'presencePenalty',
  'logitBias',
  'logprobs',
  'verbosity',
  'serviceTier',
  'metadata',
  'promptCacheKey',
  'endUser',
]
const NOT_KNOWN = 'this model has no such setting'

/** Everything in the request that can't be carried; a field is named once. */
export function chatGaps(request: NeutralRequest, target: Target): readonly Gap[] {
  const isSame = request.wire === 'openai-chat'
  const gaps = [
    ...uncarried(request, carriedBy(target), new Set(isSame ? ownWords(request, target) : [])),
    ...quirkGaps(request, target),
    ...toolGaps(request),
    ...request.messages.flatMap((message) => messageGaps(message, request, target)),
  ]
  const seen = new Set<string>()
  return gaps.filter((gap) => !seen.has(gap.field) && seen.add(gap.field))
}

function ownWords({ extra }: NeutralRequest, target: Target): readonly string[] {
  return Object.keys(extra).filter((name) => name !== 'store' || !hasQuirk(target, 'strict-fields'))
}

function carriedBy(target: Target): ReadonlySet<SettingName> {
  const carried = new Set(CARRIED)
  if (!hasQuirk(target, 'no-top-k') && !hasQuirk(target, 'strict-fields')) carried.add('topK')
  return carried
}

function quirkGaps(request: NeutralRequest, target: Target): readonly Gap[] {
  const gaps: Gap[] = []
  const isSchema = request.responseFormat?.kind === 'json-schema'
  if (isSchema && (hasQuirk(target, 'no-json-schema') || target.capabilities?.jsonSchema === false)) {
    gaps.push(settingGap(request, 'responseFormat', 'this model keeps to no JSON schema'))
  }
  if (request.parallelToolCalls === false && hasQuirk(target, 'no-parallel-tool-calls')) {
    gaps.push(settingGap(request, 'parallelToolCalls', NOT_KNOWN))
  }
  if (request.tools.length > 0 && target.capabilities?.tools === false) {
    gaps.push({ field: 'tools', reason: 'this model calls no tools' })
  }
  return gaps
}

/** Tools of other wires that this one has no words for. */
function toolGaps(request: NeutralRequest): readonly Gap[] {
  const isForeign = (request.hostedTools ?? []).some((tool) => writeHosted(tool) === null)
  return isForeign ? [settingGap(request, 'hostedTools', 'this model cannot be given a tool of that kind')] : []
}

/**
 * What of a body on the native lane the target's quirks rule out. Everything else is the provider's to judge, who sees
 * the client's own words.
 */
export function chatNativeGaps(body: JsonObject, target: Target): readonly Gap[] {
  if (target.quirks === undefined) return []
  const gaps: Gap[] = []
  const add = (field: string, reason: string = NOT_KNOWN): void => void gaps.push({ field, reason })
  const format = objectOf(body['response_format'])['type']
  if (format === 'json_schema' && hasQuirk(target, 'no-json-schema')) {
    add('response_format', 'this model keeps to no JSON schema')
  }
  if (body['parallel_tool_calls'] === false && hasQuirk(target, 'no-parallel-tool-calls')) add('parallel_tool_calls')
  if (hasQuirk(target, 'strict-fields') && body['store'] === true) add('store')
  if (typeof body['top_k'] === 'number' && hasQuirk(target, 'no-top-k')) add('top_k')
  return gaps
}

function messageGaps(message: NeutralMessage, request: NeutralRequest, target: Target): readonly Gap[] {
  return message.parts.flatMap((part) => {
    const inner = part.kind === 'tool-result' ? part.content : [part]
    return inner.flatMap((one) => {
      const reason = objectionTo(one, message.role, request, target)
      return reason === null ? [] : [{ field: `messages.content.${nameOf(one, request)}`, reason }]
    })
  })
}

/** Why a part can't be sent; null if it can. */
function objectionTo(
  part: NeutralPart,
  role: NeutralMessage['role'],
  request: NeutralRequest,
  target: Target,
): string | null {
  const isSame = request.wire === 'openai-chat'
  const { capabilities } = target
  switch (part.kind) {
    case 'image':
      if (capabilities?.vision === false) return 'this model sees no pictures'
      if (part.source.kind === 'file') return 'this model cannot be sent a picture by its id'
      return role === 'assistant' && !isSame ? 'pictures go into user messages' : null
    case 'audio':
      if (role === 'assistant') return null
      return capabilities?.audio === false || part.source.kind === 'file' ? 'this model hears no sound' : null
    case 'video':
      return part.source.kind === 'file' ? 'this model cannot be sent a film by its id' : null
    case 'document':
      if (capabilities?.documents === false && part.source.kind !== 'text') return 'this model reads no documents'
      return documentObjection(part.source, part.isCited === true, request)
    case 'other':
      return part.wire === undefined || part.wire === 'openai-chat' ? null : 'this model cannot be sent it'
    default:
      return null
  }
}

function documentObjection(source: DocumentSource, isCited: boolean, request: NeutralRequest): string | null {
  if (isCited) return 'this model cites no documents'
  if (source.kind === 'file' && request.wire !== 'openai-chat' && request.wire !== 'openai-responses') {
    return 'this model knows no file of that id'
  }
  return source.kind === 'url' && request.wire !== 'openai-chat' ? 'this model takes no document by its address' : null
}

const CHAT_TYPES: Readonly<Record<string, string>> = {
  image: 'image_url',
  audio: 'input_audio',
  video: 'video_url',
  document: 'file',
}

function nameOf(part: NeutralPart, request: NeutralRequest): string {
  if (part.kind === 'other') return part.type
  return request.wire === 'openai-chat' ? (CHAT_TYPES[part.kind] ?? part.kind) : part.kind
}
