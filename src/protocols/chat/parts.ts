// The parts that a chat message's content may have: text, pictures, sound, films and files, with their cache marks. What the
// protocol doesn't know stays as it is, for a provider of the same wire.
import type { InvalidRequest } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { CacheMark, MediaSource, NeutralPart } from '../../core/neutral.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { mediaOfUrl } from '../../wire/media-url.ts'
import { isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import { invalidRequest } from './facts.ts'

export type Parts = Result<readonly NeutralPart[], InvalidRequest>
type Part = Result<NeutralPart, InvalidRequest>

/** A message's content as parts: a string is one, null is none. The error names the part that can't be read. */
export function readContent(content: Json | undefined, field: string): Parts {
  if (typeof content === 'string') return ok([{ kind: 'text', text: content }])
  if (content === null || content === undefined) return ok([])
  if (!isJsonArray(content)) {
    return err(invalidRequest(field, `Invalid type for '${field}': expected a string or an array of parts.`))
  }
  const parts: NeutralPart[] = []
  for (let i = 0; i < content.length; i += 1) {
    const part = readPart(content[i], `${field}[${i}]`)
    if (!part.ok) return part
    const cacheMark = readCacheMark(objectOf(content[i])['cache_control'])
    parts.push(cacheMark === null ? part.value : { ...part.value, cacheMark })
  }
  return ok(parts)
}

/** Anthropic's mark, as OpenRouter and LiteLLM take it on parts and tools; null for none. */
export function readCacheMark(value: Json | undefined): CacheMark | null {
  const mark = objectOf(value)
  if (mark['type'] !== 'ephemeral') return null
  return { ttl: mark['ttl'] === '5m' || mark['ttl'] === '1h' ? mark['ttl'] : null }
}

function readPart(value: Json | undefined, field: string): Part {
  if (typeof value === 'string') return ok({ kind: 'text', text: value })
  const part = objectOf(value)
  const type = stringOf(part['type'])
  if (type === null) return missing(`${field}.type`)
  switch (type) {
    case 'text':
    case 'refusal': {
      const text = part[type]
      if (typeof text === 'string') return ok({ kind: type, text })
      return err(invalidRequest(`${field}.${type}`, `Invalid type for '${field}.${type}': expected a string.`))
    }
    case 'image_url':
      return readImage(part, `${field}.image_url.url`)
    case 'video_url':
      return readVideo(part, `${field}.video_url.url`)
    case 'input_audio':
      return ok(readAudio(part))
    case 'file':
      return ok(readFile(part))
    default:
      return ok(otherPart(part))
  }
}

function otherPart(part: JsonObject): NeutralPart {
  const { cache_control: _, ...value } = part
  return { kind: 'other', type: String(part['type']), value, wire: 'openai-chat' }
}

function missing(field: string): Part {
  return err(invalidRequest(field, `Missing required parameter: '${field}'.`))
}

function readMedia(value: Json | undefined, field: string): Result<MediaSource, InvalidRequest> {
  const url = stringOf(value) ?? stringOf(objectOf(value)['url'])
  if (url === null) return err(invalidRequest(field, `Missing required parameter: '${field}'.`))
  const source = mediaOfUrl(url)
  if (source !== null) return ok(source)
  return err(invalidRequest(field, `Invalid '${field}': a data URL must have the form data:TYPE;base64,DATA.`))
}

function readImage(part: JsonObject, field: string): Part {
  const source = readMedia(part['image_url'], field)
  if (!source.ok) return source
  const detail = stringOf(objectOf(part['image_url'])['detail'])
  return ok({ kind: 'image', source: source.value, ...(detail === null ? {} : { detail }) })
}

function readVideo(part: JsonObject, field: string): Part {
  const source = readMedia(part['video_url'], field)
  return source.ok ? ok({ kind: 'video', source: source.value }) : source
}

/** OpenAI's data and format; Mistral's bare string of base64 or address. */
function readAudio(part: JsonObject): NeutralPart {
  const audio = part['input_audio']
  const text = stringOf(audio)
  if (text !== null) return { kind: 'audio', source: audioOf(text, formatOf(text)) }
  const data = stringOf(objectOf(audio)['data'])
  if (data === null) return otherPart(part)
  return { kind: 'audio', source: audioOf(data, stringOf(objectOf(audio)['format']) ?? formatOf(data)) }
}

function audioOf(text: string, format: string): MediaSource {
  if (/^(?:https?|data):/i.test(text)) return mediaOfUrl(text) ?? { kind: 'url', url: text }
  return { kind: 'base64', mediaType: `audio/${format}`, data: text }
}

/** The format of base64 that doesn't say, by its first bytes. */
function formatOf(data: string): string {
  if (data.startsWith('UklGR')) return 'wav'
  if (data.startsWith('T2dn')) return 'ogg'
  return data.startsWith('Zkxh') ? 'flac' : 'mp3'
}

function readFile(part: JsonObject): NeutralPart {
  const file = objectOf(part['file'])
  const data = stringOf(file['file_data'])
  const id = stringOf(file['file_id'])
  const title = stringOf(file['filename'])
  const source = data === null ? (id === null ? null : { kind: 'file' as const, id }) : fileOf(data)
  if (source === null) return otherPart(part)
  return { kind: 'document', source, ...(title === null ? {} : { title }) }
}

/** A data URL or an address; base64 without either is a PDF, as OpenAI has it. */
function fileOf(data: string): MediaSource | null {
  if (/^(?:https?|data):/i.test(data)) return mediaOfUrl(data)
  return { kind: 'base64', mediaType: 'application/pdf', data }
}
