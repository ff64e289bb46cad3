// Reads a Bedrock Converse reply, streamed or whole, into events. Text and reasoning have no start event; usage comes
// after the stop, as the stream's last word. Tools that the provider runs itself become pieces of this wire.
import { parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { UpstreamFailure } from '../../core/failure.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import type { Usage } from '../../core/money/usage.ts'
import { readConverseStop, readConverseUsage } from '../../wire/bedrock-converse.ts'
import { countOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import { ConverseBlocks, ONLY_CHOICE } from './blocks.ts'
import { readConverseError, readConverseException, typeIn } from './failure.ts'
import type { Frame, StreamMeter } from '../dialect.ts'
import { createEventMeter, type WatchedReader } from '../event-meter.ts'
import { brokenStream, readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import { ReplyEvents } from '../reply-events.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply. */
export function createConverseReader(): WatchedReader {
  return quickReader(new ConverseReader(), TEXT_PLACES)
}

/** Events are padded with `p`. */
const TEXT_PLACES: TextPlaces = {
  texts: [
    ['delta', 'text'],
    ['delta', 'reasoningContent', 'text'],
    ['delta', 'toolUse', 'input'],
  ],
  variables: [{ kind: 'noise', place: ['p'] }],
}

/** A meter for one stream. */
export function createConverseMeter(): StreamMeter {
  return createEventMeter(createConverseReader())
}

/** A whole reply as events. A body that isn't a reply becomes a failure. */
export function readConverseReply(body: Json): readonly NeutralEvent[] {
  const events = new ReplyEvents()
  const reply = objectOf(body)
  const content = objectOf(objectOf(reply['output'])['message'])['content']
  if (isJsonArray(content)) readWhole(events, reply, content)
  else if (isError(reply)) events.fail(readConverseError(0, { get: () => null }, JSON.stringify(reply), 0))
  else events.fail(brokenStream("The provider's reply is not a message."))
  events.close(true)
  return events.take()
}

function readWhole(events: ReplyEvents, reply: JsonObject, content: readonly Json[]): void {
  events.start('', '', null, stringOf(objectOf(reply['serviceTier'])['type']))
  events.touch(ONLY_CHOICE)
  const blocks = new ConverseBlocks(events)
  content.forEach((block, index) => blocks.whole(index, objectOf(block)))
  events.report(readConverseUsage(reply['usage']))
  stop(events, reply)
}

function isError(reply: JsonObject): boolean {
  return (
    typeIn(reply) !== null || stringOf(reply['message'] ?? reply['Message']) !== null || reply['error'] !== undefined
  )
}

/** Why the reply ended. A model that wrote nonsense has failed. */
function stop(events: ReplyEvents, message: JsonObject): void {
  const reason = stringOf(message['stopReason'])
  if (reason === null) return
  const finish = readConverseStop(reason)
  const sequence = stringOf(objectOf(message['additionalModelResponseFields'])['stop_sequence'])
  if (finish === null) events.fail({ ...brokenStream("The model's output could not be read."), code: reason })
  else events.finish(ONLY_CHOICE, finish, sequence)
}

class ConverseReader implements WatchedReader {
  usage: Usage | null = null
  private readonly events = new ReplyEvents()
  private readonly blocks = new ConverseBlocks(this.events)

  get isFinished(): boolean {
    return this.events.isFinished
  }

  push(frame: Frame): readonly NeutralEvent[] {
    if (this.events.isOver) return []
    if (frame.event === 'error') this.events.fail(readTransportError(frame.data))
    else if (frame.event.startsWith('exception:')) {
      this.events.fail(readConverseException(frame.event.slice('exception:'.length), frame.data))
    } else this.read(frame.event, objectOf(parseJson(frame.data)))
    return this.events.take()
  }

  end(): readonly NeutralEvent[] {
    this.events.close(false)
    return this.events.take()
  }

  private read(event: string, message: JsonObject): void {
    const index = countOf(message['contentBlockIndex'])
    switch (event) {
      case 'messageStart':
        this.events.start('', '', null)
        return this.events.touch(ONLY_CHOICE)
      case 'contentBlockStart':
        return this.blocks.begin(index, objectOf(message['start']))
      case 'contentBlockDelta':
        return this.blocks.delta(index, objectOf(message['delta']))
      case 'contentBlockStop':
        return this.blocks.end(index)
      case 'messageStop':
        return stop(this.events, message)
      case 'metadata':
        return this.finish(message)
    }
  }

  private finish(message: JsonObject): void {
    this.usage = readConverseUsage(message['usage']) ?? this.usage
    this.events.report(this.usage)
    if (this.isFinished) this.events.close(true)
  }
}

/** An error of the transport, or a stream that could not be cut. */
function readTransportError(data: string): UpstreamFailure {
  const failure = readErrorBody(parseJson(data))
  return failure.code === 'unreadable_stream' ? { ...failure, class: 'stream' } : failure
}
