// The OpenAI responses wire: what its usage, endings, annotations and files mean, both ways. Protocol and dialect share it,
// so that what one reads the other writes. https://platform.openai.com/docs/api-reference/responses
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Citation, FinishReason, MediaSource } from '../core/neutral.ts'
import type { Usage } from '../core/money/usage.ts'
import { readChatUsage, writeChatUsage } from './openai-chat.ts'
import { numberOf, objectOf, stringOf } from './read.ts'
import { withoutUndefined } from './write.ts'

/** This wire, as it is named in pieces that only it knows. */
export const RESPONSES_WIRE = 'openai-responses'

/** Usage in disjoint buckets, or null where `value` holds no counts: the chat wire's under other names. */
export function readResponsesUsage(value: Json | undefined): Usage | null {
  if (!isJsonObject(value)) return null
  return readChatUsage({
    prompt_tokens: value['input_tokens'],
    completion_tokens: value['output_tokens'],
    total_tokens: value['total_tokens'],
    prompt_tokens_details: value['input_tokens_details'],
    completion_tokens_details: value['output_tokens_details'],
  })
}

/** Usage as this wire puts it: parts inside their wholes. What OpenAI's own usage doesn't have is named only where it is. */
export function writeResponsesUsage(usage: Usage): JsonObject {
  const chat = writeChatUsage(usage)
  return {
    input_tokens: chat['prompt_tokens'],
    input_tokens_details: {
      cached_tokens: usage.cacheRead,
      cache_write_tokens: usage.cacheWrite + usage.cacheWriteLong,
      ...(usage.audioInput === 0 ? {} : { audio_tokens: usage.audioInput }),
    },
    output_tokens: chat['completion_tokens'],
    output_tokens_details: {
      reasoning_tokens: usage.reasoning,
      ...(usage.audioOutput === 0 ? {} : { audio_tokens: usage.audioOutput }),
    },
    total_tokens: chat['total_tokens'],
  }
}

/** Why a response ended; null for one that hasn't (`queued`, `in_progress`), or that doesn't say. */
export function readResponseEnd(response: JsonObject): FinishReason | null {
  const status = response['status']
  if (status === 'completed') return 'stop'
  if (status !== 'incomplete') return null
  return objectOf(response['incomplete_details'])['reason'] === 'content_filter' ? 'filtered' : 'length'
}

/** The members of a response that say how it ended. */
export function writeResponseEnd(reason: FinishReason): JsonObject {
  if (reason !== 'length' && reason !== 'filtered') return { status: 'completed', incomplete_details: null }
  const why = reason === 'length' ? 'max_output_tokens' : 'content_filter'
  return { status: 'incomplete', incomplete_details: { reason: why } }
}

/** An annotation as a citation, which keeps its words. Null for what is none. */
export function readResponsesAnnotation(value: Json | undefined): Citation | null {
  if (!isJsonObject(value)) return null
  const url = stringOf(value['url'])
  const title = stringOf(value['title']) ?? stringOf(value['filename'])
  const start = numberOf(value['start_index'])
  const end = numberOf(value['end_index'])
  return {
    ...(url === null ? {} : { url }),
    ...(title === null ? {} : { title }),
    ...(start === null ? {} : { start }),
    ...(end === null ? {} : { end }),
    wire: RESPONSES_WIRE,
    value,
  }
}

/** A citation as an annotation of a text of `length` characters. One without an address is that of a file. */
export function writeResponsesAnnotation(citation: Citation, length: number): JsonObject {
  if (citation.wire === RESPONSES_WIRE && citation.value !== undefined) return citation.value
  const { url, title = '', start = 0, end = length } = citation
  if (url === undefined) return { type: 'file_citation', file_id: '', filename: title, index: end }
  return { type: 'url_citation', start_index: start, end_index: end, url, title }
}

/** A picture that the provider's own tool made: base64, or an address where a provider gives one. Null for none. */
export function readGeneratedImage(item: JsonObject): MediaSource | null {
  const result = stringOf(item['result'])
  if (result === null) return null
  if (/^https?:/.test(result)) return { kind: 'url', url: result }
  return { kind: 'base64', mediaType: `image/${stringOf(item['output_format']) ?? 'png'}`, data: result }
}

/** The members of an item that hold a picture. */
export function writeGeneratedImage(source: MediaSource): JsonObject {
  if (source.kind === 'file') return { result: null }
  if (source.kind === 'url') return { result: source.url }
  const format = source.mediaType.replace('image/', '')
  return withoutUndefined({ result: source.data, output_format: format === 'png' ? undefined : format })
}
