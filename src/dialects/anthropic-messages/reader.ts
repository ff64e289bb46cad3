// Reads an Anthropic reply, streamed or whole, into events. Blocks that only this wire knows (searches that the provider
// ran, code execution, compaction) come whole, as parts of its own.
// https://platform.claude.com/docs/en/build-with-claude/streaming
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralEvent, Signature } from '../../core/neutral.ts'
import type { Usage } from '../../core/money/usage.ts'
import {
  mergeMessagesUsage,
  readMessagesUsage,
  readServiceTier,
  readStopReason,
} from '../../wire/anthropic-messages.ts'
import { MESSAGES_MAKER, readCitation, readMedia } from '../../wire/anthropic-messages-read-block.ts'
import { DONE_DATA } from '../../wire/openai-chat.ts'
import { arrayOf, countOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import type { Frame } from '../dialect.ts'
import type { WatchedReader } from '../event-meter.ts'
import { brokenStream, readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import { ReplyEvents } from '../reply-events.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply. */
export function createMessagesReader(): WatchedReader {
  return quickReader(new MessagesReader(), TEXT_PLACES)
}

/** Bedrock pads its events. */
const TEXT_PLACES: TextPlaces = {
  texts: [
    ['delta', 'text'],
    ['delta', 'thinking'],
    ['delta', 'partial_json'],
  ],
  variables: [{ kind: 'noise', place: ['p'] }],
}

/** A whole reply as events. A body that isn't a reply becomes a failure. */
export function readMessagesReply(body: Json): readonly NeutralEvent[] {
  const events = new ReplyEvents()
  const message = objectOf(body)
  if (message['type'] === 'error' || message['error'] !== undefined) events.fail(readErrorBody(message))
  else if (!isJsonArray(message['content'])) events.fail(unreadable(message))
  else {
    const blocks = new MessageBlocks(events)
    events.report(readMessagesUsage(message['usage']))
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

/** Bedrock and Vertex have errors without a wrapper. */
function unreadable(message: JsonObject): ReturnType<typeof brokenStream> {
  const isError = ['message', 'Message', '__type', 'code'].some((name) => message[name] !== undefined)
  return isError ? readErrorBody(message) : brokenStream("The provider's reply is not a message.")
}

/** Anthropic gives one reply a request. */
const ONLY_CHOICE = 0

/** The error that a message of a stream reports, in a form that `readErrorBody` reads; null for none. Bedrock's
 *  exceptions are named by their event. */
export function errorIn(message: JsonObject, { event }: Frame): JsonObject | null {
  if (event.startsWith(EXCEPTION)) return { type: event.slice(EXCEPTION.length), ...message }
  const isError = message['type'] === 'error' || event === 'error' || isJsonObject(message['error'])
  return isError ? message : null
}

const EXCEPTION = 'exception:'

/** The failure that a stream's unreadable message stands for; null for a message that can be read, or is an error
 *  anyway. */
export function malformed(json: Json | undefined, { event }: Frame): ReturnType<typeof brokenStream> | null {
  const isError = event === 'error' || event.startsWith(EXCEPTION)
  return json !== undefined || isError ? null : brokenStream('The provider sent a message that is not JSON.')
}

/** What a stream's message is. */
export function messageType(message: JsonObject, { event }: Frame): string {
  return stringOf(message['type']) ?? event
}

/** What was reported, with the usage in a message of a stream, wherever it has some; `reported` itself where it has none.
 *  Bedrock counts again at the end, in words of its own, where the model itself didn't. */
export function usageIn(message: JsonObject, reported: JsonObject): JsonObject {
  const given = objectOf(message['message'])['usage'] ?? message['usage']
  const counted = message['amazon-bedrock-invocationMetrics']
  if (given === undefined && counted === undefined) return reported
  const metrics = objectOf(counted)
  const merged = mergeMessagesUsage(reported, given)
  if (metrics['inputTokenCount'] === undefined || readMessagesUsage(merged) !== null) return merged
  return mergeMessagesUsage(merged, {
    input_tokens: metrics['inputTokenCount'],
    output_tokens: metrics['outputTokenCount'],
    cache_read_input_tokens: metrics['cacheReadInputTokenCount'],
    cache_creation_input_tokens: metrics['cacheWriteInputTokenCount'],
  })
}

/** The last word of another wire, which some send after the message has ended. */
export function isDone(data: string): boolean {
  return data.charCodeAt(0) !== OPENING_BRACE && data.trim() === DONE_DATA
}

const OPENING_BRACE = 123

class MessagesReader implements WatchedReader {
  private readonly events = new ReplyEvents()
  private readonly blocks = new MessageBlocks(this.events)
  private reported: JsonObject = {}

  get usage(): Usage | null {
    return this.events.reported
  }

  get isFinished(): boolean {
    return this.events.isFinished
  }

  push(frame: Frame): readonly NeutralEvent[] {
    if (frame.data === '' || this.events.isOver || isDone(frame.data)) return []
    const json = parseJson(frame.data)
    const failure = malformed(json, frame)
    if (failure !== null) this.events.fail(failure)
    else this.read(objectOf(json), frame)
    return this.events.take()
  }

  end(): readonly NeutralEvent[] {
    this.events.close(false)
    return this.events.take()
  }

  private read(message: JsonObject, frame: Frame): void {
    const error = errorIn(message, frame)
    if (error !== null) return this.events.fail(readErrorBody(error))
    const reported = usageIn(message, this.reported)
    if (reported !== this.reported) this.events.report(readMessagesUsage(reported))
    this.reported = reported
    const index = countOf(message['index'])
    switch (messageType(message, frame)) {
      case 'message_start':
        return this.blocks.start(objectOf(message['message']))
      case 'content_block_start':
        return this.blocks.begin(index, objectOf(message['content_block']))
      case 'content_block_delta':
        return this.blocks.delta(index, objectOf(message['delta']))
      case 'content_block_stop':
        return this.blocks.end(index)
      case 'message_delta':
        return this.blocks.finish(objectOf(message['delta']))
      case 'message_stop':
        this.blocks.endAll()
        return this.events.close(true)
    }
  }
}

type Block =
  | { readonly kind: 'text' | 'thinking' | 'done' }
  | { readonly kind: 'tool'; readonly part: number; readonly given: string; hasArguments: boolean }
  | { readonly kind: 'other'; value: JsonObject; input: string }

/** Arguments of a call that has none but what it began with. */
export function givenInput(block: JsonObject): string {
  return JSON.stringify(objectOf(block['input']))
}

function signed(value: Json | undefined): Signature {
  return { maker: MESSAGES_MAKER, value: stringOf(value) ?? '' }
}

/** Places content blocks into parts. */
class MessageBlocks {
  private readonly events: ReplyEvents
  private readonly open = new Map<number, Block>()

  constructor(events: ReplyEvents) {
    this.events = events
  }

  start(message: JsonObject): void {
    const tier = readServiceTier(message['usage'])
    this.events.start(stringOf(message['id']) ?? '', stringOf(message['model']) ?? '', null, tier)
    this.events.touch(ONLY_CHOICE)
  }

  begin(index: number, block: JsonObject): void {
    this.end(index)
    this.events.touch(ONLY_CHOICE)
    switch (block['type']) {
      case 'text':
        this.open.set(index, { kind: 'text' })
        this.events.text(ONLY_CHOICE, 'text', stringOf(block['text']) ?? '')
        return this.cite(arrayOf(block['citations']))
      case 'thinking':
        this.open.set(index, { kind: 'thinking' })
        this.events.text(ONLY_CHOICE, 'reasoning', stringOf(block['thinking']) ?? '')
        return this.events.signature(ONLY_CHOICE, signed(block['signature']))
      case 'redacted_thinking':
        this.open.set(index, { kind: 'done' })
        return this.events.redacted(ONLY_CHOICE, signed(block['data']))
      case 'image':
        this.open.set(index, { kind: 'done' })
        return this.events.image(ONLY_CHOICE, readMedia(objectOf(block['source'])))
      case 'tool_use':
        return this.beginTool(index, block)
      default:
        this.open.set(index, { kind: 'other', value: block, input: '' })
    }
  }

  delta(index: number, delta: JsonObject): void {
    const block = this.open.get(index)
    if (block?.kind === 'other') return addToOther(block, delta)
    switch (delta['type']) {
      case 'text_delta':
        if (block?.kind === 'text') this.events.text(ONLY_CHOICE, 'text', stringOf(delta['text']) ?? '')
        return
      case 'citations_delta':
        if (block?.kind === 'text') this.cite([objectOf(delta['citation'])])
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
      // A delta of a kind that this block can't have.
    }
  }

  end(index: number): void {
    const block = this.open.get(index)
    if (block === undefined) return
    this.open.delete(index)
    if (block.kind === 'text' || block.kind === 'thinking') this.events.endText(ONLY_CHOICE)
    if (block.kind === 'other') this.endOther(block)
    if (block.kind !== 'tool') return
    // A call without arguments has no delta at all: an empty object is meant.
    if (!block.hasArguments) this.addArguments(block, block.given)
    this.events.endToolCall(ONLY_CHOICE, block.part)
  }

  /** Ends what the provider forgot to end. */
  endAll(): void {
    for (const index of [...this.open.keys()]) this.end(index)
  }

  finish(message: JsonObject): void {
    const reason = stringOf(message['stop_reason'])
    if (reason === null) return
    this.events.finish(ONLY_CHOICE, readStopReason(reason), stringOf(message['stop_sequence']))
  }

  private cite(citations: readonly Json[]): void {
    for (const value of citations) this.events.citation(ONLY_CHOICE, readCitation(objectOf(value)))
  }

  private beginTool(index: number, block: JsonObject): void {
    const id = stringOf(block['id']) ?? `call_${index}`
    const part = this.events.toolCall(ONLY_CHOICE, id, stringOf(block['name']) ?? '')
    this.open.set(index, { kind: 'tool', part, given: givenInput(block), hasArguments: false })
  }

  private addArguments(block: Extract<Block, { kind: 'tool' }>, text: string): void {
    if (text === '') return
    block.hasArguments = true
    this.events.toolArguments(ONLY_CHOICE, block.part, text)
  }

  private endOther({ value, input }: Extract<Block, { kind: 'other' }>): void {
    const type = stringOf(value['type'])
    if (type === null) return
    const given = input === '' ? undefined : parseJson(input)
    const whole = given === undefined ? value : { ...value, input: given }
    this.events.other(ONLY_CHOICE, 'anthropic-messages', type, whole)
  }
}

/** More of a block that only this wire knows: its input, or whatever else its deltas have texts of. */
function addToOther(block: Extract<Block, { kind: 'other' }>, delta: JsonObject): void {
  if (delta['type'] === 'input_json_delta') {
    block.input += stringOf(delta['partial_json']) ?? ''
    return
  }
  const value: Record<string, Json | undefined> = { ...block.value }
  for (const [name, more] of Object.entries(delta)) {
    if (name === 'type' || typeof more !== 'string') continue
    const before = value[name]
    value[name] = typeof before === 'string' ? before + more : more
  }
  block.value = value
}
