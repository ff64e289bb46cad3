// Reads an OpenAI-compatible reply, streamed or whole, into events. Compatible providers differ in everything but the
// outline: where usage stands, how calls are numbered, how a stream ends, what an error looks like.
import type { Target } from '../../core/directory.ts'
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import { hidesReasoning } from '../../core/quirk.ts'
import { type Usage, withTier } from '../../core/money/usage.ts'
import { BROKEN_FINISHES, DONE_DATA, readChatUsage } from '../../wire/openai-chat.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import type { Frame } from '../dialect.ts'
import type { WatchedReader } from '../event-meter.ts'
import { ChatChoices } from './choices.ts'
import { brokenStream, readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import { ReplyEvents } from '../reply-events.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply. */
export function createChatReader(target: Target): WatchedReader {
  return quickReader(new ChatReader(target), TEXT_PLACES)
}

const DELTA = ['choices', '0', 'delta'] as const

/** OpenRouter says reasoning twice in a chunk, Together says text twice. Some tell the time anew with each. */
const TEXT_PLACES: TextPlaces = {
  texts: [
    [...DELTA, 'content'],
    [...DELTA, 'reasoning_content'],
    [...DELTA, 'reasoning'],
    [...DELTA, 'refusal'],
    [...DELTA, 'tool_calls', '0', 'function', 'arguments'],
  ],
  variables: [
    { kind: 'number', place: ['created'] },
    { kind: 'noise', place: ['obfuscation'] },
    { kind: 'noise', place: ['p'] },
    { kind: 'number', place: [...DELTA, 'token_id'] },
    { kind: 'same', place: ['choices', '0', 'text'] },
    { kind: 'same', place: [...DELTA, 'reasoning_details', '0', 'text'] },
  ],
}

/** A whole reply as events. A body that isn't a reply becomes a failure. */
export function readChatReply(body: Json, target: Target): readonly NeutralEvent[] {
  const events = new ReplyEvents()
  const reply = objectOf(body)
  const error = errorIn(reply, '')
  if (error !== undefined) events.fail(readErrorBody(error))
  else if (!isJsonArray(reply['choices'])) events.fail(unreadable(reply, 'chat completion'))
  else {
    events.report(usageIn(reply, hidesReasoning(target)))
    new ChatChoices(events).readReply(reply)
  }
  events.close(true)
  return events.take()
}

/**
 * The body to read an error from, if this chunk or reply carries one; undefined if not. `event` is the name of the
 * stream's event: one called `error` is an error whatever it holds.
 */
export function errorIn(chunk: JsonObject, event: string): JsonObject | undefined {
  const error = chunk['error']
  if (event === 'error' || typeof error === 'string' || isJsonObject(error)) return chunk
  for (const choice of arrayOf(chunk['choices'])) {
    const inner = objectOf(choice)['error']
    if (isJsonObject(inner)) return { error: inner }
    if (BROKEN_FINISHES.has(objectOf(choice)['finish_reason']))
      return { error: { message: 'The provider ended its reply with an error.' } }
  }
  return undefined
}

/** Usage wherever a chunk has it; null for none. `isHidden`: the target hides its reasoning (`core/quirk.ts`). */
export function usageIn(chunk: JsonObject, isHidden: boolean): Usage | null {
  const usage =
    readChatUsage(chunk['usage'], isHidden) ??
    readChatUsage(objectOf(chunk['x_groq'])['usage'], isHidden) ??
    readChatUsage(objectOf(arrayOf(chunk['choices'])[0])['usage'], isHidden)
  return usage === null ? null : withTier(usage, stringOf(chunk['service_tier']))
}

/** The failure that a stream's unreadable message stands for. */
export function malformedFrame(): ReturnType<typeof brokenStream> {
  return brokenStream('The provider sent a message that is not JSON.')
}

/** The failure that a body stands for which should have been a reply: an error of some shape, or anything else. */
export function unreadable(reply: JsonObject, expected: string): ReturnType<typeof brokenStream> {
  const isError = ['message', 'detail', 'code', 'errors'].some((name) => reply[name] !== undefined)
  return isError ? readErrorBody(reply) : brokenStream(`The provider's reply is not a ${expected}.`)
}

class ChatReader implements WatchedReader {
  private readonly events = new ReplyEvents()
  private readonly messages = new ChatChoices(this.events)
  private readonly isHidden: boolean

  constructor(target: Target) {
    this.isHidden = hidesReasoning(target)
  }

  get usage(): Usage | null {
    return this.events.reported
  }

  get isFinished(): boolean {
    return this.events.isFinished
  }

  push(frame: Frame): readonly NeutralEvent[] {
    if (frame.data === '' || this.events.isOver) return []
    if (frame.data.trim() === DONE_DATA) this.close(true)
    else this.read(parseJson(frame.data), frame.event)
    return this.events.take()
  }

  end(): readonly NeutralEvent[] {
    this.close(false)
    return this.events.take()
  }

  private close(isTerminated: boolean): void {
    this.messages.settle()
    this.events.close(isTerminated)
  }

  private read(chunk: Json | undefined, event: string): void {
    if (chunk === undefined && event !== 'error') return this.events.fail(malformedFrame())
    const object = objectOf(chunk)
    this.events.report(usageIn(object, this.isHidden))
    const error = errorIn(object, event)
    if (error !== undefined) return this.events.fail(readErrorBody(error))
    if (isJsonArray(object['choices'])) this.messages.readChunk(object)
  }
}
