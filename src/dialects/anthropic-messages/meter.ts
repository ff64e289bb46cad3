// Watches an Anthropic stream on the native lane at the price of a few comparisons a message: deltas of a block differ in
// nothing but their text. Everything else is parsed, of which only what counts is looked at. Agrees with the reader on
// usage, completeness, failure and length.
import type { UpstreamFailure } from '../../core/failure.ts'
import { parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { type Usage, completionTokens } from '../../core/money/usage.ts'
import { readMessagesUsage } from '../../wire/anthropic-messages.ts'
import { countOf, objectOf, stringOf } from '../../wire/read.ts'
import { errorIn, givenInput, isDone, malformed, messageType, usageIn } from './reader.ts'
import type { CutShort, Frame, StreamMeter } from '../dialect.ts'
import { type FrameTemplate, cutTemplate, templateChars } from '../frame-template.ts'
import { readErrorBody } from '../failures/provider-error.ts'

/** A meter for one stream. */
export function createMessagesMeter(): StreamMeter {
  return new MessagesMeter()
}

type Sight = 'content' | 'error' | 'other'

/** An open block: which member of its deltas is visible text, and of a call the input it began with. */
interface OpenBlock {
  readonly textName: string | null
  readonly given: string
  hasText: boolean
}

/** The member of a delta that has the text, by the type of block. */
const TEXT_NAMES: Readonly<Record<string, string>> = { text: 'text', thinking: 'thinking', tool_use: 'partial_json' }

/** The member of a delta that has the text, by the type of delta. */
const DELTA_TEXTS: Readonly<Record<string, string>> = {
  text_delta: 'text',
  thinking_delta: 'thinking',
  input_json_delta: 'partial_json',
}

class MessagesMeter implements StreamMeter {
  usage: Usage | null = null
  visibleChars = 0
  failure: UpstreamFailure | null = null
  isTerminated = false
  isCalling = false
  private hasBegun = false
  private isFinished = false
  private reported: JsonObject = {}
  private template: FrameTemplate | null = null
  private readonly open = new Map<number, OpenBlock>()

  get isComplete(): boolean {
    return this.failure === null && this.hasBegun && (this.isTerminated || this.isFinished)
  }

  push(frame: Frame): Sight {
    const data = frame.data
    if (data === '' || this.isTerminated || this.failure !== null) return 'other'
    const isNamed = frame.event === '' || frame.event === 'content_block_delta'
    const chars = this.template === null || !isNamed ? -1 : templateChars(data, this.template)
    if (chars >= 0) {
      this.visibleChars += chars
      return chars > 0 ? 'content' : 'other'
    }
    return isDone(data) ? 'other' : this.parse(frame)
  }

  cut({ usage }: CutShort): string | null {
    if (!this.hasBegun) return null
    const blocks = [...this.open.keys()].map((index) => written({ type: 'content_block_stop', index })).join('')
    const delta = { stop_reason: 'max_tokens', stop_sequence: null }
    const counts = { output_tokens: completionTokens(usage) }
    const end = this.isFinished ? '' : written({ type: 'message_delta', delta, usage: counts })
    return blocks + end + written({ type: 'message_stop' })
  }

  private parse(frame: Frame): Sight {
    const json = parseJson(frame.data)
    const message = objectOf(json)
    const error = errorIn(message, frame)
    this.failure = malformed(json, frame) ?? (error === null ? null : readErrorBody(error))
    if (this.failure !== null) return 'error'
    this.report(message)
    const index = countOf(message['index'])
    switch (messageType(message, frame)) {
      case 'message_start':
        this.hasBegun = true
        return 'other'
      case 'content_block_start':
        return this.begin(index, objectOf(message['content_block']))
      case 'content_block_delta':
        return this.delta(index, objectOf(message['delta']), frame.data)
      case 'content_block_stop':
        this.end(index)
        return 'other'
      case 'message_delta':
        return this.finish(objectOf(message['delta'])['stop_reason'])
      case 'message_stop':
        for (const open of [...this.open.keys()]) this.end(open)
        this.isTerminated = true
        return 'other'
      default:
        return 'other'
    }
  }

  private report(message: JsonObject): void {
    const reported = usageIn(message, this.reported)
    if (reported !== this.reported) this.usage = readMessagesUsage(reported)
    this.reported = reported
  }

  private begin(index: number, block: JsonObject): Sight {
    this.end(index)
    this.hasBegun = true
    const type = stringOf(block['type']) ?? ''
    const textName = Object.hasOwn(TEXT_NAMES, type) ? (TEXT_NAMES[type] ?? null) : null
    if (type === 'tool_use') this.isCalling = true
    const given = type === 'tool_use' ? givenInput(block) : ''
    this.open.set(index, { textName, given, hasText: false })
    if (type === 'redacted_thinking') return 'other'
    const text = type === 'text' || type === 'thinking' ? (stringOf(block[type]) ?? '') : ''
    this.visibleChars += text.length
    return text === '' && (type === 'text' || type === 'thinking') ? 'other' : 'content'
  }

  private delta(index: number, delta: JsonObject, data: string): Sight {
    const block = this.open.get(index)
    const type = stringOf(delta['type']) ?? ''
    const name = Object.hasOwn(DELTA_TEXTS, type) ? DELTA_TEXTS[type] : undefined
    if (block === undefined || name === undefined || block.textName !== name) return 'other'
    const text = stringOf(delta[name]) ?? ''
    if (text === '') return 'other'
    block.hasText = true
    this.visibleChars += text.length
    this.template = cutTemplate(data, name, text)
    return 'content'
  }

  private end(index: number): void {
    const block = this.open.get(index)
    this.template = null
    this.open.delete(index)
    if (block?.hasText === false) this.visibleChars += block.given.length
  }

  private finish(reason: Json | undefined): Sight {
    if (stringOf(reason) === null) return 'other'
    this.isFinished = true
    this.hasBegun = true
    return 'other'
  }
}

function written(event: JsonObject): string {
  return `event: ${String(event['type'])}\ndata: ${JSON.stringify(event)}\n\n`
}
