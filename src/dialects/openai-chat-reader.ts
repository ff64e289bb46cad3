// Reads an OpenAI-compatible reply, streamed or whole, into events. Compatible providers differ in everything but the
// outline: where usage stands, how calls are numbered, how a stream ends, what an error looks like.
import { isJsonObject, parseJson } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { NeutralEvent } from '../core/neutral.ts'
import type { Usage } from '../core/usage.ts'
import { DONE_DATA, readChatFinish, readChatUsage } from '../wire/openai-chat.ts'
import { readPieces } from '../wire/openai-chat-message.ts'
import type { ChatPiece, ChatToolPiece } from '../wire/openai-chat-message.ts'
import { arrayOf, countOf, isJsonArray, numberOf, objectOf, stringOf } from '../wire/read.ts'
import type { Frame, StreamReader } from './dialect.ts'
import { brokenStream, readErrorBody } from './provider-error.ts'
import { ReplyEvents } from './reply-events.ts'

/** A reader for one streamed reply. */
export function createChatReader(): StreamReader {
  return new ChatReader()
}

/** A whole reply as events. A body that isn't a reply becomes a failure. */
export function readChatReply(body: Json): readonly NeutralEvent[] {
  const events = new ReplyEvents()
  const reply = objectOf(body)
  const error = errorIn(reply, '')
  if (error !== undefined) events.fail(readErrorBody(error))
  else if (!isJsonArray(reply['choices'])) events.fail(unreadable(reply))
  else new ChatMessages(events).readReply(reply)
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
    if (objectOf(choice)['finish_reason'] === 'error')
      return { error: { message: 'The provider ended its reply with an error.' } }
  }
  return undefined
}

/** Usage wherever a chunk has it; null for none. */
export function usageIn(chunk: JsonObject): Usage | null {
  return (
    readChatUsage(chunk['usage']) ??
    readChatUsage(objectOf(chunk['x_groq'])['usage']) ??
    readChatUsage(objectOf(arrayOf(chunk['choices'])[0])['usage'])
  )
}

/** The failure that a stream's unreadable message stands for. */
export function malformedFrame(): ReturnType<typeof brokenStream> {
  return brokenStream('The provider sent a message that is not JSON.')
}

function unreadable(reply: JsonObject): ReturnType<typeof brokenStream> {
  const isError = ['message', 'detail', 'code', 'errors'].some((name) => reply[name] !== undefined)
  return isError ? readErrorBody(reply) : brokenStream("The provider's reply is not a chat completion.")
}

class ChatReader implements StreamReader {
  private readonly events = new ReplyEvents()
  private readonly messages = new ChatMessages(this.events)

  push(frame: Frame): readonly NeutralEvent[] {
    if (frame.data === '' || this.events.isOver) return []
    if (frame.data.trim() === DONE_DATA) this.events.close(true)
    else this.read(parseJson(frame.data), frame.event)
    return this.events.take()
  }

  end(): readonly NeutralEvent[] {
    this.events.close(false)
    return this.events.take()
  }

  private read(chunk: Json | undefined, event: string): void {
    if (chunk === undefined && event !== 'error') return this.events.fail(malformedFrame())
    const object = objectOf(chunk)
    this.events.report(usageIn(object))
    const error = errorIn(object, event)
    if (error !== undefined) return this.events.fail(readErrorBody(error))
    if (isJsonArray(object['choices'])) this.messages.readChunk(object)
  }
}

/** Places what choices say into parts; knows which tool call a piece belongs to. */
class ChatMessages {
  private readonly events: ReplyEvents
  private readonly calls = new Map<number, ToolSlot[]>()
  private replyId = ''

  constructor(events: ReplyEvents) {
    this.events = events
  }

  readReply(reply: JsonObject): void {
    this.start(reply)
    this.events.report(usageIn(reply))
    arrayOf(reply['choices']).forEach((value, position) => {
      const choice = objectOf(value)
      this.readChoice(choice, choiceNumber(choice, position), objectOf(choice['message']))
    })
  }

  readChunk(chunk: JsonObject): void {
    const choices = arrayOf(chunk['choices'])
    if (choices.length > 0) this.start(chunk)
    choices.forEach((value, position) => {
      const choice = objectOf(value)
      this.readChoice(choice, choiceNumber(choice, position), objectOf(choice['delta']))
    })
  }

  private start(body: JsonObject): void {
    if (this.replyId === '') this.replyId = stringOf(body['id']) ?? ''
    this.events.start(this.replyId, stringOf(body['model']) ?? '', numberOf(body['created']))
  }

  private readChoice(choice: JsonObject, number: number, message: JsonObject): void {
    this.events.touch(number)
    for (const piece of readPieces(message)) this.place(number, piece)
    const finish = stringOf(choice['finish_reason'])
    if (finish !== null) this.events.finish(number, readChatFinish(finish))
  }

  private place(choice: number, piece: ChatPiece): void {
    switch (piece.kind) {
      case 'signature':
        return this.events.signature(choice, { maker: null, value: piece.data })
      case 'redacted':
        return this.events.redacted(choice, { maker: null, value: piece.data })
      case 'tool':
        return this.events.toolArguments(choice, this.toolPart(choice, piece), piece.argumentsText)
      default:
        return this.events.text(choice, piece.kind, piece.text)
    }
  }

  private toolPart(choice: number, piece: ChatToolPiece): number {
    const slots = this.calls.get(choice) ?? []
    this.calls.set(choice, slots)
    const known = findSlot(slots, piece)
    if (known !== undefined) return known.part
    const id = piece.id ?? synthesisedId(this.replyId, choice, slots.length)
    const part = this.events.toolCall(choice, id, piece.name ?? '')
    slots.push({ index: piece.index, position: piece.position, id: piece.id, part })
    return part
  }
}

function choiceNumber(choice: JsonObject, position: number): number {
  const index = choice['index']
  return typeof index === 'number' ? countOf(index) : position
}

interface ToolSlot {
  readonly index: number | null
  readonly position: number
  readonly id: string | null
  readonly part: number
}

/**
 * The call that a piece continues; undefined for a new one. Numbered pieces go by number, unless a second call with a
 * name and an id of its own comes under a number in use. Unnumbered ones go by id, then a name begins a new call, and
 * what has neither continues the call at its place.
 */
function findSlot(slots: readonly ToolSlot[], piece: ChatToolPiece): ToolSlot | undefined {
  if (piece.index !== null) {
    const slot = slots.findLast((candidate) => candidate.index === piece.index)
    const isOther = piece.name !== null && piece.id !== null && slot?.id !== null && slot?.id !== piece.id
    return isOther ? undefined : slot
  }
  const sameId = piece.id === null ? undefined : slots.findLast((candidate) => candidate.id === piece.id)
  if (sameId !== undefined || piece.name !== null) return sameId
  return slots.findLast((candidate) => candidate.position === piece.position) ?? slots.at(-1)
}

/** An id for a call that came without: unique within a conversation as far as the reply's own id is. */
function synthesisedId(replyId: string, choice: number, call: number): string {
  const base = replyId.replaceAll(/[^a-zA-Z0-9_-]/g, '_').slice(0, 40)
  return `call_${base}_${choice}_${call}`
}
