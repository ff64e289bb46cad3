// The Bedrock Converse wire: what its usage, its stop reasons and its formats mean. Cached tokens stand beside the input
// here, not inside it. https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { FinishReason } from '../core/neutral.ts'
import type { Usage } from '../core/money/usage.ts'
import { arrayOf, countOf, objectOf } from './read.ts'

/**
 * Usage in disjoint buckets; null where `value` holds no counts. Reasoning is part of the output and isn't told apart.
 * The total decides where a model counts cached tokens inside the input after all.
 */
export function readConverseUsage(value: Json | undefined): Usage | null {
  if (!isJsonObject(value)) return null
  const cacheRead = countOf(value['cacheReadInputTokens'] ?? value['cacheReadInputTokenCount'])
  const writes = readCacheWrites(value)
  const cached = cacheRead + writes.cacheWrite + writes.cacheWriteLong
  const given = countOf(value['inputTokens'])
  const output = countOf(value['outputTokens'])
  const isInside = cached > 0 && given >= cached && countOf(value['totalTokens']) === given + output
  const input = isInside ? given - cached : given
  if (input + cached + output === 0) return null
  return { input, cacheRead, ...writes, output, reasoning: 0, audioInput: 0, audioOutput: 0 }
}

/** What isn't told apart by lifetime is of the shorter one. */
function readCacheWrites(usage: JsonObject): Pick<Usage, 'cacheWrite' | 'cacheWriteLong'> {
  let short = 0
  let long = 0
  for (const detail of arrayOf(usage['cacheDetails'])) {
    const { ttl, inputTokens } = objectOf(detail)
    if (ttl === '1h') long += countOf(inputTokens)
    else short += countOf(inputTokens)
  }
  const total = Math.max(countOf(usage['cacheWriteInputTokens'] ?? usage['cacheWriteInputTokenCount']), short + long)
  return { cacheWrite: total - long, cacheWriteLong: long }
}

/** A stop reason; null for those that say that the model wrote nonsense instead of a reply. Unknown ones mean that it
 *  stopped by itself. */
export function readConverseStop(reason: string): FinishReason | null {
  switch (reason) {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length'
    case 'tool_use':
      return 'tool-calls'
    case 'guardrail_intervened':
    case 'content_filtered':
      return 'filtered'
    case 'malformed_model_output':
    case 'malformed_tool_use':
      return null
    default:
      return 'stop'
  }
}

/** A kind of media, and the names that the wire has for its formats where they aren't the media type's own. */
export type MediaKind = 'image' | 'document' | 'video' | 'audio'

const FORMATS: Readonly<Record<MediaKind, ReadonlySet<string>>> = {
  image: new Set(['png', 'jpeg', 'gif', 'webp']),
  document: new Set(['pdf', 'csv', 'doc', 'docx', 'xls', 'xlsx', 'html', 'txt', 'md']),
  video: new Set(['mkv', 'mov', 'mp4', 'webm', 'flv', 'mpeg', 'mpg', 'wmv', 'three_gp']),
  audio: new Set([
    'mp3',
    'opus',
    'wav',
    'aac',
    'flac',
    'mp4',
    'ogg',
    'mkv',
    'mka',
    'x-aac',
    'm4a',
    'mpeg',
    'mpga',
    'pcm',
    'webm',
  ]),
}

/** Subtypes whose format is called otherwise. */
const RENAMED: Readonly<Record<string, string>> = {
  'image/jpg': 'jpeg',
  'text/plain': 'txt',
  'text/markdown': 'md',
  'application/msword': 'doc',
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': 'docx',
  'application/vnd.ms-excel': 'xls',
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': 'xlsx',
  'video/x-matroska': 'mkv',
  'video/quicktime': 'mov',
  'video/x-flv': 'flv',
  'video/x-ms-wmv': 'wmv',
  'video/3gpp': 'three_gp',
  'audio/mpeg': 'mp3',
  'audio/x-wav': 'wav',
  'audio/wave': 'wav',
  'audio/vnd.wave': 'wav',
  'audio/x-m4a': 'm4a',
  'audio/x-flac': 'flac',
  'audio/pcm16': 'pcm',
}

/** What the wire calls a media type; null where it has no name for it. */
export function formatOf(kind: MediaKind, mediaType: string): string | null {
  const type = (mediaType.split(';')[0] ?? '').trim().toLowerCase()
  const name = RENAMED[type] ?? (type.startsWith(`${kind}/`) || kind === 'document' ? type.split('/')[1] : undefined)
  return name !== undefined && FORMATS[kind].has(name) ? name : null
}

/** The format that an address's own ending names; null where it names none. */
export function formatOfAddress(kind: MediaKind, address: string): string | null {
  const ending = /\.([a-z0-9]+)$/i.exec(address)?.[1]?.toLowerCase() ?? ''
  const name = { jpg: 'jpeg', '3gp': 'three_gp', htm: 'html' }[ending] ?? ending
  return FORMATS[kind].has(name) ? name : null
}

/** Families of models that differ in what they take beside the common fields. */
export type ModelFamily = 'anthropic' | 'nova' | 'openai' | 'mistral' | 'other'

/** The family of a model id, profile or ARN. An application profile's ARN names none: it is `other`. */
export function familyOf(model: string): ModelFamily {
  const name = model.toLowerCase()
  if (name.includes('anthropic') || name.includes('claude')) return 'anthropic'
  if (name.includes('amazon.nova')) return 'nova'
  if (name.includes('openai.')) return 'openai'
  return name.includes('mistral.') ? 'mistral' : 'other'
}
