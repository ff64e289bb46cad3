// Watches an OpenAI-compatible stream on the native lane at the price of a few string scans a frame: plain content is
// counted without parsing. Text can't fool the scans, because a quote inside a JSON string is always escaped; whatever
// looks unusual is parsed. Agrees with the reader on usage, completeness and failure.
import type { UpstreamFailure } from '../core/failure.ts'
import { parseJson } from '../core/json.ts'
import type { JsonObject } from '../core/json.ts'
import type { Usage } from '../core/usage.ts'
import { DONE_DATA } from '../wire/openai-chat.ts'
import { readPieces, visibleCharsOf } from '../wire/openai-chat-message.ts'
import { arrayOf, countOf, isJsonArray, objectOf, stringOf } from '../wire/read.ts'
import { stringEnd } from '../wire/splice.ts'
import type { Frame, StreamMeter } from './dialect.ts'
import { errorIn, malformedFrame, usageIn } from './openai-chat-reader.ts'
import { readErrorBody } from './provider-error.ts'

/** A meter for one stream. */
export function createChatMeter(): StreamMeter {
  return new ChatMeter()
}

class ChatMeter implements StreamMeter {
  usage: Usage | null = null
  visibleChars = 0
  failure: UpstreamFailure | null = null
  private isDone = false
  /** Choices seen so far, and which of them gave a finish reason. */
  private readonly isFinished = new Map<number, boolean>()

  get isComplete(): boolean {
    if (this.failure !== null || this.isFinished.size === 0) return false
    if (this.isDone) return true
    for (const finished of this.isFinished.values()) if (!finished) return false
    return true
  }

  push(frame: Frame): 'content' | 'usage-only' | 'error' | 'other' {
    const data = frame.data
    if (data === '' || this.isDone || this.failure !== null) return 'other'
    if (data.charCodeAt(0) !== OPENING_BRACE && data.trim() === DONE_DATA) {
      this.isDone = true
      return 'other'
    }
    const chars = frame.event === 'error' ? -1 : plainContentChars(data)
    if (chars >= 0) return this.countPlain(chars)
    return this.parse(frame)
  }

  private countPlain(chars: number): 'content' | 'other' {
    if (!this.isFinished.has(0)) this.isFinished.set(0, false)
    this.visibleChars += chars
    return chars > 0 ? 'content' : 'other'
  }

  private parse(frame: Frame): 'content' | 'usage-only' | 'error' | 'other' {
    const json = parseJson(frame.data)
    if (json === undefined && frame.event !== 'error') {
      this.failure = malformedFrame()
      return 'error'
    }
    const chunk = objectOf(json)
    const usage = usageIn(chunk)
    if (usage !== null) this.usage = usage
    const error = errorIn(chunk, frame.event)
    if (error !== undefined) {
      this.failure = readErrorBody(error)
      return 'error'
    }
    if (this.readChoices(chunk)) return 'content'
    return usage !== null && isEmptyArray(chunk) ? 'usage-only' : 'other'
  }

  private readChoices(chunk: JsonObject): boolean {
    const before = this.visibleChars
    arrayOf(chunk['choices']).forEach((value, position) => {
      const choice = objectOf(value)
      const index = choice['index']
      const number = typeof index === 'number' ? countOf(index) : position
      const isFinish = stringOf(choice['finish_reason']) !== null
      this.isFinished.set(number, isFinish || (this.isFinished.get(number) ?? false))
      for (const piece of readPieces(objectOf(choice['delta']))) this.visibleChars += visibleCharsOf(piece)
    })
    return this.visibleChars > before
  }
}

function isEmptyArray(chunk: JsonObject): boolean {
  const choices = chunk['choices']
  return isJsonArray(choices) && choices.length === 0
}

const DELTA = '"delta":{'
const QUOTE = 34
const OPENING_BRACE = 123
const CLOSING_BRACE = 125
const COMMA = 44

/** Members of a delta that hold nothing but visible text, or nothing that matters. */
const PLAIN_MEMBERS: Readonly<Record<string, 'visible' | 'silent'>> = {
  content: 'visible',
  reasoning_content: 'visible',
  refusal: 'visible',
  role: 'silent',
}

/**
 * Characters of visible text in a chunk of the plainest kind: one choice, number 0, with a delta of plain strings and
 * nothing else to know. -1 for every other chunk: that has to be parsed.
 */
function plainContentChars(data: string): number {
  const start = data.indexOf(DELTA)
  if (start === -1 || data.charCodeAt(0) !== OPENING_BRACE || data.charCodeAt(data.length - 1) !== CLOSING_BRACE)
    return -1
  const index = data.indexOf('"index":')
  if (!data.startsWith('"index":0', index) || data.indexOf('"index":', index + 1) !== -1) return -1
  if (data.indexOf(DELTA, start + DELTA.length) !== -1) return -1
  if (hasValue(data, '"usage"') || hasValue(data, '"finish_reason"') || hasValue(data, '"error"')) return -1
  return deltaChars(data, start + DELTA.length)
}

/** True when a member of that name may hold something other than null. */
function hasValue(data: string, name: string): boolean {
  let at = data.indexOf(name)
  while (at !== -1) {
    if (!data.startsWith(':null', at + name.length)) return true
    at = data.indexOf(name, at + name.length)
  }
  return false
}

/** Walks the delta's members from behind its opening brace; -1 as soon as one isn't plain. */
function deltaChars(data: string, start: number): number {
  let chars = 0
  let at = start
  if (data.charCodeAt(at) === CLOSING_BRACE) return 0
  for (;;) {
    const nameEnd = data.indexOf('":', at)
    if (data.charCodeAt(at) !== QUOTE || nameEnd === -1) return -1
    const name = data.slice(at + 1, nameEnd)
    const kind = Object.hasOwn(PLAIN_MEMBERS, name) ? PLAIN_MEMBERS[name] : undefined
    if (kind === undefined) return -1
    at = nameEnd + 2
    if (data.startsWith('null', at)) {
      at += 4
    } else {
      const end = data.charCodeAt(at) === QUOTE ? stringEnd(data, at) : -1
      if (end === -1) return -1
      if (kind === 'visible') chars += stringChars(data, at, end)
      at = end
    }
    const next = data.charCodeAt(at)
    if (next === CLOSING_BRACE) return chars
    if (next !== COMMA) return -1
    at += 1
  }
}

/** Length of the value of the string from its opening quote to behind its closing one. */
function stringChars(data: string, start: number, end: number): number {
  const escape = data.indexOf('\\', start)
  if (escape === -1 || escape >= end) return end - start - 2
  const value = parseJson(data.slice(start, end))
  return typeof value === 'string' ? value.length : 0
}
