// What a Cohere model can't be asked for, field by field. https://docs.cohere.com/reference/chat
import type { Gap } from '../../core/failure.ts'
import type { NeutralPart, NeutralRequest, SettingName } from '../../core/neutral.ts'
import { settingGap, uncarried } from '../../core/reply/request-gaps.ts'
import { onceEach, partGaps, type PartPlace } from '../part-gaps.ts'
import { textOfDocument } from '../prompt-text.ts'

const CARRIED: ReadonlySet<SettingName> = new Set([
  'toolChoice',
  'parallelToolCalls',
  'responseFormat',
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'stop',
  'seed',
  'reasoning',
  'frequencyPenalty',
  'presencePenalty',
  'logprobs',
])

/** Settings of Cohere's own that go on under their own names. */
export const COHERE_EXTRAS: readonly string[] = [
  'safety_mode',
  'citation_options',
  'documents',
  'strict_tools',
  'priority',
]

const STOPS_MAX = 5

/** Everything in the request that can't be carried; a field is named once. */
export function cohereGaps(request: NeutralRequest): readonly Gap[] {
  const gaps = [...uncarried(request, CARRIED, new Set(COHERE_EXTRAS)), ...partGaps(request, objectionTo)]
  if (request.parallelToolCalls === false && request.tools.length > 0) {
    gaps.push(settingGap(request, 'parallelToolCalls', 'this model may call several tools at once'))
  }
  if ((request.logprobs?.top ?? 0) > 0) {
    gaps.push(settingGap(request, 'logprobs', 'this model tells the probability of the chosen token alone'))
  }
  if ((request.stop?.length ?? 0) > STOPS_MAX) {
    gaps.push(settingGap(request, 'stop', `this model takes at most ${STOPS_MAX} stop sequences`))
  }
  return onceEach([...gaps, ...penaltyGaps(request), ...formatGaps(request)])
}

function penaltyGaps(request: NeutralRequest): readonly Gap[] {
  return (['frequencyPenalty', 'presencePenalty'] as const).flatMap((setting) => {
    const penalty = request[setting] ?? 0
    return penalty < 0 || penalty > 1 ? [settingGap(request, setting, 'this model takes 0 to 1')] : []
  })
}

function formatGaps(request: NeutralRequest): readonly Gap[] {
  const kind = request.responseFormat?.kind ?? 'text'
  const isOffered = request.tools.length > 0 && request.toolChoice?.kind !== 'none'
  if (kind === 'text' || !isOffered) return []
  return [settingGap(request, 'responseFormat', 'this model cannot combine it with tools')]
}

function objectionTo(part: NeutralPart, place: PartPlace): string | null {
  switch (part.kind) {
    case 'image':
      if (place !== 'user') return 'pictures go into user messages'
      return part.source.kind === 'file' ? 'this model cannot be sent a file of another provider' : null
    case 'document':
      if (place !== 'user' && place !== 'tool') return 'documents go into user messages'
      return textOfDocument(part) === null ? 'this model reads no documents but plain text' : null
    case 'audio':
    case 'video':
    case 'other':
      return 'this model cannot be sent it'
    default:
      return null
  }
}
