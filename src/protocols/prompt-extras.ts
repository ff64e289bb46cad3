// What of a request's prompt isn't text, found without building anything: for estimates, on every request. Pieces that are
// not known count as nothing; what they hold is settled by what the provider reports.
import type { Json, JsonObject } from '../core/json.ts'
import type { PromptExtras, PromptMedia } from '../core/estimate/prompt-extras.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from '../wire/read.ts'

/** Nested deeper than this, content is no longer looked at. */
const DEPTH_MAX = 4

/** Of a chat request. */
export function chatExtras(body: JsonObject): PromptExtras {
  const media: PromptMedia[] = []
  const messages = arrayOf(body['messages'])
  for (const message of messages) collect(objectOf(message)['content'], chatMedia, media)
  return {
    turns: messages.length,
    hasTools: hasItems(body['tools']) || hasItems(body['functions']),
    media,
    isSpoken: arrayOf(body['modalities']).includes('audio'),
  }
}

/** Of a messages request. */
export function messagesExtras(body: JsonObject): PromptExtras {
  const media: PromptMedia[] = []
  const messages = arrayOf(body['messages'])
  for (const message of messages) collect(objectOf(message)['content'], messagesMedia, media)
  return { turns: messages.length, hasTools: hasItems(body['tools']), media, isSpoken: false }
}

/** Of a responses request. */
export function responsesExtras(body: JsonObject): PromptExtras {
  const media: PromptMedia[] = []
  const items = arrayOf(body['input'])
  for (const item of items) {
    const { content, output } = objectOf(item)
    collect(content, responsesMedia, media)
    collect(output, responsesMedia, media)
  }
  return { turns: items.length, hasTools: hasItems(body['tools']), media, isSpoken: false }
}

type Read = (part: JsonObject) => PromptMedia | null

function collect(content: Json | undefined, read: Read, media: PromptMedia[], depth = 0): void {
  if (!isJsonArray(content) || depth > DEPTH_MAX) return
  for (const value of content) {
    const part = objectOf(value)
    const found = read(part)
    if (found !== null) media.push(found)
    // Results of tools hold content of their own.
    else if (isJsonArray(part['content'])) collect(part['content'], read, media, depth + 1)
  }
}

function chatMedia(part: JsonObject): PromptMedia | null {
  switch (part['type']) {
    case 'image_url': {
      const image = part['image_url']
      const data = dataOf(image) ?? dataOf(objectOf(image)['url'])
      return { kind: 'image', data, isLow: objectOf(image)['detail'] === 'low' }
    }
    case 'video_url':
      return { kind: 'video', data: dataOf(part['video_url']) ?? dataOf(objectOf(part['video_url'])['url']) }
    case 'input_audio':
      return audio(part['input_audio'])
    case 'file':
      return { kind: 'document', data: dataOf(objectOf(part['file'])['file_data']) }
    default:
      return null
  }
}

function messagesMedia(part: JsonObject): PromptMedia | null {
  const source = objectOf(part['source'])
  const data = source['type'] === 'base64' ? dataOf(source['data']) : null
  if (part['type'] === 'image') return { kind: 'image', data }
  // Text, and content in parts, are read as text.
  const isRead = source['type'] === 'text' || source['type'] === 'content'
  return part['type'] === 'document' && !isRead ? { kind: 'document', data } : null
}

function responsesMedia(part: JsonObject): PromptMedia | null {
  switch (part['type']) {
    case 'input_image':
      return { kind: 'image', data: dataOf(part['image_url']), isLow: part['detail'] === 'low' }
    case 'input_file':
      return { kind: 'document', data: dataOf(part['file_data']) }
    case 'input_audio':
      return audio(part['input_audio'])
    default:
      return null
  }
}

function audio(value: Json | undefined): PromptMedia {
  const { data, format } = objectOf(value)
  const isRaw = format === 'wav' || format === 'pcm16'
  return { kind: 'audio', data: dataOf(value) ?? dataOf(data), isRaw }
}

/** Base64, bare or in a data URL; null for an address. */
function dataOf(value: Json | undefined): string | null {
  const text = stringOf(value)
  return text === null || /^https?:/i.test(text) ? null : text
}

function hasItems(value: Json | undefined): boolean {
  return isJsonArray(value) && value.length > 0
}
