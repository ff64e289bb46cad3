// Watches an OpenAI-compatible stream on the native lane at the price of a few comparisons a frame. The frames of one
// stream differ in little but their text: once one has been parsed and found to be plain, the next ones are recognised by
// what stands around that text, and only the text is measured. Everything else is parsed. Agrees with the reader on
// usage, completeness, failure and length.
import type { Target } from '../../core/directory.ts'
import type { UpstreamFailure } from '../../core/failure.ts'
import { parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { hidesReasoning } from '../../core/quirk.ts'
import type { Usage } from '../../core/money/usage.ts'
import { DONE_DATA, writeChatUsage } from '../../wire/openai-chat.ts'
import { isContent, readPieces, visibleCharsOf } from '../../wire/openai-chat-message.ts'
import type { ChatPiece } from '../../wire/openai-chat-message.ts'
import { arrayOf, countOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import { stringEnd } from '../../wire/splice.ts'
import type { CutShort, Frame, StreamMeter } from '../dialect.ts'
import { errorIn, malformedFrame, usageIn } from './reader.ts'
import { readErrorBody } from '../failures/provider-error.ts'

/** A meter for one stream. */
export function createChatMeter(target: Target): StreamMeter {
  return new ChatMeter(target)
}

class ChatMeter implements StreamMeter {
  usage: Usage | null = null
  visibleChars = 0
  failure: UpstreamFailure | null = null
  isTerminated = false
  isCalling = false
  /** Choices seen so far, and which of them gave a finish reason. */
  private readonly isFinished = new Map<number, boolean>()
  private template: Template | null = null
  /** The last chunk of choices that was parsed: what the others have besides them. */
  private sample: JsonObject = {}
  private readonly isHidden: boolean

  constructor(target: Target) {
    this.isHidden = hidesReasoning(target)
  }

  get isComplete(): boolean {
    if (this.failure !== null || this.isFinished.size === 0) return false
    if (this.isTerminated) return true
    for (const finished of this.isFinished.values()) if (!finished) return false
    return true
  }

  get choicesBegun(): number {
    return this.isFinished.size
  }

  push(frame: Frame): 'content' | 'usage-only' | 'error' | 'other' {
    const data = frame.data
    if (data === '' || this.isTerminated || this.failure !== null) return 'other'
    const chars = this.template === null || frame.event === 'error' ? -1 : textChars(data, this.template)
    if (chars >= 0) {
      this.visibleChars += chars
      return chars > 0 ? 'content' : 'other'
    }
    if (data.charCodeAt(0) !== OPENING_BRACE && data.trim() === DONE_DATA) {
      this.isTerminated = true
      return 'other'
    }
    return this.parse(frame)
  }

  private parse(frame: Frame): 'content' | 'usage-only' | 'error' | 'other' {
    const json = parseJson(frame.data)
    if (json === undefined && frame.event !== 'error') {
      this.failure = malformedFrame()
      return 'error'
    }
    const chunk = objectOf(json)
    const usage = usageIn(chunk, this.isHidden)
    if (usage !== null) this.usage = usage
    const error = errorIn(chunk, frame.event)
    if (error !== undefined) {
      this.failure = readErrorBody(error)
      return 'error'
    }
    const pieces = this.readChoices(chunk)
    if (usage === null) this.sample = chunk
    if (usage === null) this.template = templateOf(frame.data, chunk, pieces) ?? this.template
    if (pieces.some(isContent)) return 'content'
    return usage !== null && isEmptyArray(chunk) ? 'usage-only' : 'other'
  }

  cut({ usage, wantsUsage }: CutShort): string | null {
    if (this.isFinished.size === 0) return null
    let text = ''
    for (const [index, isFinished] of this.isFinished) {
      if (isFinished) continue
      text += lastChunk(this.sample, [{ index, delta: {}, logprobs: null, finish_reason: 'length' }])
    }
    if (wantsUsage) text += lastChunk(this.sample, [], writeChatUsage(usage))
    return `${text}data: ${DONE_DATA}\n\n`
  }

  private readChoices(chunk: JsonObject): readonly ChatPiece[] {
    const pieces: ChatPiece[] = []
    arrayOf(chunk['choices']).forEach((value, position) => {
      const choice = objectOf(value)
      const index = choice['index']
      const number = typeof index === 'number' ? countOf(index) : position
      const isFinish = stringOf(choice['finish_reason']) !== null
      this.isFinished.set(number, isFinish || (this.isFinished.get(number) ?? false))
      pieces.push(...readPieces(objectOf(choice['delta'])))
    })
    for (const piece of pieces) {
      this.visibleChars += visibleCharsOf(piece)
      if (piece.kind === 'tool') this.isCalling = true
    }
    return pieces
  }
}

/** A chunk of ours among the provider's: like `sample` in everything but its choices and usage. */
export function lastChunk(sample: JsonObject, choices: readonly Json[], usage: Json = null): string {
  const { obfuscation: _, choices: __, usage: had, ...head } = sample
  const counts = had === undefined && usage === null ? {} : { usage }
  return `data: ${JSON.stringify({ ...head, choices, ...counts })}\n\n`
}

function isEmptyArray(chunk: JsonObject): boolean {
  const choices = chunk['choices']
  return isJsonArray(choices) && choices.length === 0
}

const OPENING_BRACE = 123
const BACKSLASH = '\\'
/** OpenAI's padding against guessing from lengths: the one other thing that changes from frame to frame. */
const PADDING = '"obfuscation":"'

/** A plain frame without its text: a frame that begins and ends like this says its text and nothing else. */
interface Template {
  /** Up to and with the opening quote of the text. */
  readonly head: string
  /** From the closing quote on: to the end, or to the opening quote of the padding. */
  readonly tail: string
  readonly isPadded: boolean
}

/** Characters of text in a frame that fits the template; -1 for one that doesn't. */
function textChars(data: string, { head, tail, isPadded }: Template): number {
  // A slice and a comparison are five times as fast as `startsWith` on texts of this length.
  if (data.slice(0, head.length) !== head) return -1
  const start = head.length - 1
  const end = stringEnd(data, start)
  if (end === -1 || !data.startsWith(tail, end - 1)) return -1
  const tailEnd = end - 1 + tail.length
  const isWhole = isPadded ? isPaddingEnd(data, tailEnd) : tailEnd === data.length
  return isWhole ? stringChars(data, start, end) : -1
}

/** True when nothing but the padding, its quote and the last brace is left. */
function isPaddingEnd(data: string, from: number): boolean {
  return data.indexOf('"', from) === data.length - 2 && data.endsWith('"}') && data.indexOf(BACKSLASH, from) === -1
}

/** Length of the value of the string from its opening quote to behind its closing one. */
function stringChars(data: string, start: number, end: number): number {
  const escape = data.indexOf(BACKSLASH, start)
  if (escape === -1 || escape >= end) return end - start - 2
  const value = parseJson(data.slice(start, end))
  return typeof value === 'string' ? value.length : 0
}

/**
 * The template of a frame that was parsed: one choice without a finish reason, whose delta says one piece of text. Null
 * for any other frame, and where it isn't beyond doubt which string of the frame that text is. The caller has made sure
 * that the frame reports neither usage nor an error.
 */
function templateOf(data: string, chunk: JsonObject, pieces: readonly ChatPiece[]): Template | null {
  const choices = arrayOf(chunk['choices'])
  const piece = pieces.length === 1 ? pieces[0] : undefined
  if (choices.length !== 1 || (piece?.kind !== 'text' && piece?.kind !== 'reasoning')) return null
  const choice = objectOf(choices[0])
  if (stringOf(choice['finish_reason']) !== null) return null
  const name = piece.kind === 'text' ? 'content' : 'reasoning_content'
  if (objectOf(choice['delta'])[name] !== piece.text) return null
  return cutTemplate(data, `"${name}":"`, piece.text)
}

function cutTemplate(data: string, needle: string, text: string): Template | null {
  const at = data.indexOf(needle)
  if (at === -1 || data.indexOf(needle, at + 1) !== -1) return null
  const start = at + needle.length - 1
  const end = stringEnd(data, start)
  if (end === -1 || parseJson(data.slice(start, end)) !== text) return null
  const head = data.slice(0, start + 1)
  const tail = data.slice(end - 1)
  const padding = tail.indexOf(PADDING)
  if (padding === -1) return { head, tail, isPadded: false }
  const isLast = isPaddingEnd(data, end - 1 + padding + PADDING.length)
  return isLast ? { head, tail: tail.slice(0, padding + PADDING.length), isPadded: true } : null
}
