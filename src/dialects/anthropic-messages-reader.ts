// Reads an Anthropic reply, streamed or whole, into events. Blocks that a provider's own tools leave behind (searches,
// code execution, compaction) are no text of the model's and are passed over.
import { isJsonObject, parseJson } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { NeutralEvent, Signature } from '../core/neutral.ts'
import type { UpstreamFailure } from '../core/failure.ts'
import type { Usage } from '../core/usage.ts'
import { mergeMessagesUsage, readMessagesUsage, readStopReason } from '../wire/anthropic-messages.ts'
import { DONE_DATA } from '../wire/openai-chat.ts'
import { arrayOf, countOf, isJsonArray, objectOf, stringOf } from '../wire/read.ts'
import type { Frame, StreamMeter, StreamReader } from './dialect.ts'
import { brokenStream, readErrorBody } from './provider-error.ts'
import { ReplyEvents } from './reply-events.ts'

/** A reader for one streamed reply. */
export function createMessagesReader(): StreamReader {
  return new MessagesReader()
}

/** A meter for one stream: a reader whose events are counted and not kept. */
export function createMessagesMeter(): StreamMeter {
  return new MessagesMeter()
}

/** A whole reply as events. A body that isn't a reply becomes a failure. */
export function readMessagesReply(body: Json): readonly NeutralEvent[] {
  const events = new ReplyEvents()
  const message = objectOf(body)
  if (message['type'] === 'error' || message['error'] !== undefined) events.fail(readErrorBody(message))
  else if (!isJsonArray(message['content'])) events.fail(brokenStream("The provider's reply is not a message."))
  else {
    const blocks = new MessageBlocks(events)
    blocks.start(message)
    arrayOf(message['content']).forEach((block, index) => {
      blocks.begin(index, objectOf(block))
      blocks.end(index)
    })
    blocks.finish(message)
  }
  events.close(true)
  return events.take()
}

/** Anthropic gives one reply a request. */
const ONLY_CHOICE = 0

class MessagesReader implements StreamReader {
  private readonly events = new ReplyEvents()
  private readonly blocks = new MessageBlocks(this.events)

  get usage(): Usage | null {
    return this.blocks.usage
  }

  get isFinished(): boolean {
    return this.events.isFinished
  }

  push(frame: Frame): readonly NeutralEvent[] {
    if (frame.data === '' || this.events.isOver || frame.data.trim() === DONE_DATA) return []
    const json = parseJson(frame.data)
    if (json === undefined && frame.event !== 'error') this.events.fail(brokenStream(NOT_JSON))
    else this.read(objectOf(json), frame.event)
    return this.events.take()
  }

  end(): readonly NeutralEvent[] {
    this.events.close(false)
    return this.events.take()
  }

  private read(message: JsonObject, event: string): void {
    const type = stringOf(message['type']) ?? event
    if (type === 'error' || event === 'error' || isJsonObject(message['error'])) {
      return this.events.fail(readErrorBody(message))
    }
    const index = countOf(message['index'])
    switch (type) {
      case 'message_start':
        return this.blocks.start(objectOf(message['message']))
      case 'content_block_start':
        return this.blocks.begin(index, objectOf(message['content_block']))
      case 'content_block_delta':
        return this.blocks.delta(index, objectOf(message['delta']))
      case 'content_block_stop':
        return this.blocks.end(index)
      case 'message_delta':
        return this.blocks.finish({ ...objectOf(message['delta']), usage: message['usage'] })
      case 'message_stop':
        return this.events.close(true)
    }
  }
}

const NOT_JSON = 'The provider sent a message that is not JSON.'

class MessagesMeter implements StreamMeter {
  visibleChars = 0
  failure: UpstreamFailure | null = null
  private readonly reader = new MessagesReader()
  isTerminated = false

  get usage(): Usage | null {
    return this.reader.usage
  }

  get isComplete(): boolean {
    return this.failure === null && (this.isTerminated || this.reader.isFinished)
  }

  push(frame: Frame): 'content' | 'error' | 'other' {
    let isContent = false
    for (const event of this.reader.push(frame)) {
      if (event.type === 'failure') this.failure = event.failure
      else if (event.type === 'finish') this.isTerminated = true
      else if (event.type === 'part-delta') this.visibleChars += event.text.length
      isContent ||= event.type === 'part-delta' || (event.type === 'part-start' && event.start.kind === 'tool-call')
    }
    if (this.failure !== null) return 'error'
    return isContent ? 'content' : 'other'
  }
}

type Block =
  | { readonly kind: 'text' | 'thinking' | 'ignored' }
  | { readonly kind: 'tool'; readonly part: number; readonly given: string; hasArguments: boolean }

function signed(value: Json | undefined): Signature {
  return { maker: 'anthropic', value: stringOf(value) ?? '' }
}

/** Places content blocks into parts. */
class MessageBlocks {
  usage: Usage | null = null
  private readonly events: ReplyEvents
  private readonly open = new Map<number, Block>()
  private reported: JsonObject = {}

  constructor(events: ReplyEvents) {
    this.events = events
  }

  start(message: JsonObject): void {
    this.events.start(stringOf(message['id']) ?? '', stringOf(message['model']) ?? '', null)
    this.events.touch(ONLY_CHOICE)
    this.report(message['usage'])
  }

  begin(index: number, block: JsonObject): void {
    this.end(index)
    switch (block['type']) {
      case 'text':
        this.open.set(index, { kind: 'text' })
        return this.events.text(ONLY_CHOICE, 'text', stringOf(block['text']) ?? '')
      case 'thinking':
        this.open.set(index, { kind: 'thinking' })
        this.events.text(ONLY_CHOICE, 'reasoning', stringOf(block['thinking']) ?? '')
        return this.events.signature(ONLY_CHOICE, signed(block['signature']))
      case 'redacted_thinking':
        this.open.set(index, { kind: 'ignored' })
        return this.events.redacted(ONLY_CHOICE, signed(block['data']))
      case 'tool_use':
        return this.beginTool(index, block)
      default:
        this.open.set(index, { kind: 'ignored' })
    }
  }

  delta(index: number, delta: JsonObject): void {
    const block = this.open.get(index)
    switch (delta['type']) {
      case 'text_delta':
        if (block?.kind === 'text') this.events.text(ONLY_CHOICE, 'text', stringOf(delta['text']) ?? '')
        return
      case 'thinking_delta':
        if (block?.kind === 'thinking') this.events.text(ONLY_CHOICE, 'reasoning', stringOf(delta['thinking']) ?? '')
        return
      case 'signature_delta':
        if (block?.kind === 'thinking') this.events.signature(ONLY_CHOICE, signed(delta['signature']))
        return
      case 'input_json_delta':
        if (block?.kind === 'tool') this.addArguments(block, stringOf(delta['partial_json']) ?? '')
        return
      default:
      // Citations, and deltas of blocks that are passed over.
    }
  }

  end(index: number): void {
    const block = this.open.get(index)
    if (block === undefined) return
    this.open.delete(index)
    if (block.kind === 'text' || block.kind === 'thinking') this.events.endText(ONLY_CHOICE)
    if (block.kind !== 'tool') return
    // A call without arguments has no delta at all: an empty object is meant.
    if (!block.hasArguments) this.addArguments(block, block.given)
    this.events.endToolCall(ONLY_CHOICE, block.part)
  }

  finish(message: JsonObject): void {
    this.report(message['usage'])
    const reason = stringOf(message['stop_reason'])
    if (reason === null) return
    this.events.finish(ONLY_CHOICE, readStopReason(reason), stringOf(message['stop_sequence']))
  }

  private beginTool(index: number, block: JsonObject): void {
    const part = this.events.toolCall(
      ONLY_CHOICE,
      stringOf(block['id']) ?? `call_${index}`,
      stringOf(block['name']) ?? '',
    )
    const given = JSON.stringify(objectOf(block['input']))
    this.open.set(index, { kind: 'tool', part, given, hasArguments: false })
  }

  private addArguments(block: Extract<Block, { kind: 'tool' }>, text: string): void {
    if (text === '') return
    block.hasArguments = true
    this.events.toolArguments(ONLY_CHOICE, block.part, text)
  }

  private report(usage: Json | undefined): void {
    this.reported = mergeMessagesUsage(this.reported, usage)
    this.usage = readMessagesUsage(this.reported)
    this.events.report(this.usage)
  }
}
