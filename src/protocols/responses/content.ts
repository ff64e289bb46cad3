// Reads the content of a message, or the output of a call, into neutral parts: texts, refusals, pictures, files, sound.
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-input
import type { InvalidRequest } from '../../core/failure.ts'
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { MediaSource, NeutralPart } from '../../core/neutral.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { mediaOfUrl } from '../../wire/media-url.ts'
import { readResponsesAnnotation, RESPONSES_WIRE } from '../../wire/openai-responses.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import { invalidRequest } from '../chat/facts.ts'

/** Parts of a string or of a list of content parts. The error names the part that can't be read. */
export function readContent(content: Json | undefined, field: string): Result<readonly NeutralPart[], InvalidRequest> {
  if (typeof content === 'string') return ok([{ kind: 'text', text: content }])
  if (content === undefined || content === null) return ok([])
  if (!isJsonArray(content)) {
    return err(invalidRequest(field, `Invalid type for '${field}': expected a string or an array of parts.`))
  }
  const parts: NeutralPart[] = []
  for (let i = 0; i < content.length; i += 1) {
    const value = content[i]
    const part = isJsonObject(value) ? readPart(value) : null
    if (part === null) return err(unreadable(objectOf(value), `${field}[${i}]`))
    parts.push(isJsonObject(value) && isJsonObject(value['prompt_cache_breakpoint']) ? marked(part) : part)
  }
  return ok(parts)
}

function marked(part: NeutralPart): NeutralPart {
  return { ...part, cacheMark: { ttl: null } }
}

function unreadable(part: JsonObject, field: string): InvalidRequest {
  if (stringOf(part['type']) === null) {
    return invalidRequest(`${field}.type`, `Missing required parameter: '${field}.type'.`)
  }
  return invalidRequest(field, `Invalid '${field}': a part of type '${String(part['type'])}' lacks what it needs.`)
}

/** The part; null for one without what its type needs. */
function readPart(part: JsonObject): NeutralPart | null {
  const type = stringOf(part['type'])
  switch (type) {
    case null:
      return null
    case 'input_text':
    case 'output_text':
    case 'text':
    case 'summary_text':
      return readText(part)
    case 'refusal':
      return typeof part['refusal'] === 'string' ? { kind: 'refusal', text: part['refusal'] } : null
    case 'input_image':
      return readImage(part)
    case 'input_file':
      return readFile(part)
    case 'input_audio':
      return readAudio(objectOf(part['input_audio']))
    default:
      return { kind: 'other', type: `content.${type}`, value: part, wire: RESPONSES_WIRE }
  }
}

function readText(part: JsonObject): NeutralPart | null {
  const text = part['text']
  if (typeof text !== 'string') return null
  const citations = arrayOf(part['annotations']).flatMap((value) => readResponsesAnnotation(value) ?? [])
  return { kind: 'text', text, ...(citations.length === 0 ? {} : { citations }) }
}

function readImage(part: JsonObject): NeutralPart | null {
  const id = stringOf(part['file_id'])
  const image = part['image_url']
  const url = stringOf(image) ?? stringOf(objectOf(image)['url'])
  const source: MediaSource | null = url !== null ? mediaOfUrl(url) : id === null ? null : { kind: 'file', id }
  if (source === null) return null
  const detail = stringOf(part['detail'])
  return { kind: 'image', source, ...(detail === null ? {} : { detail }) }
}

/** Base64 comes in a `data:` URL, and from some clients bare. */
function readFile(part: JsonObject): NeutralPart | null {
  const id = stringOf(part['file_id'])
  const url = stringOf(part['file_url'])
  const data = stringOf(part['file_data'])
  const title = stringOf(part['filename'])
  let source: MediaSource | null = id === null ? null : { kind: 'file', id }
  if (url !== null) source = { kind: 'url', url }
  if (data !== null) source = data.startsWith('data:') ? mediaOfUrl(data) : bare(data)
  return source === null ? null : { kind: 'document', source, ...(title === null ? {} : { title }) }
}

function bare(data: string): MediaSource {
  return { kind: 'base64', mediaType: 'application/pdf', data }
}

function readAudio(audio: JsonObject): NeutralPart | null {
  const data = stringOf(audio['data'])
  if (data === null) return null
  return { kind: 'audio', source: { kind: 'base64', mediaType: `audio/${stringOf(audio['format']) ?? 'wav'}`, data } }
}
