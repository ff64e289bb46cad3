// Reads replies of Workers AI. Older models have a form of their own (`response`, calls with arguments as objects); newer
// ones answer with OpenAI's chat completions, whole and in chunks: those are left to that dialect's reader. Which it is
// shows with the first message.
import type { Target } from '../../core/directory.ts'
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import type { Usage } from '../../core/money/usage.ts'
import { readChatFinish, readChatUsage } from '../../wire/openai-chat.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import { errorOf, unwrap } from '../../wire/workers-ai.ts'
import type { Frame, StreamMeter, StreamReader } from '../dialect.ts'
import { createEventMeter } from '../event-meter.ts'
import type { WatchedReader } from '../event-meter.ts'
import { JsonReader, ONLY_CHOICE } from '../json-reader.ts'
import { createChatMeter } from '../openai-chat/meter.ts'
import { createChatReader, readChatReply } from '../openai-chat/reader.ts'
import { brokenStream, readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply of either form. */
export function createWorkersAiReader(target: Target): StreamReader {
  let reader: StreamReader | null = null
  return {
    push(frame) {
      reader ??= isChat(frame) ? createChatReader(target) : createOlderReader()
      return reader.push(frame)
    },
    end: () => (reader ?? new WorkersAiReader()).end(),
  }
}

function createOlderReader(): WatchedReader {
  return quickReader(new WorkersAiReader(), TEXT_PLACES)
}

/** Through the binding there is no envelope. Events are padded with `p`. */
const TEXT_PLACES: TextPlaces = {
  texts: [['response'], ['result', 'response']],
  variables: [{ kind: 'noise', place: ['p'] }],
}

/** A meter for one stream of either form. */
export function createWorkersAiMeter(target: Target): StreamMeter {
  return new WorkersAiMeter(target)
}

/** A whole reply of either form as events. A body that isn't a reply becomes a failure. */
export function readWorkersAiReply(body: Json, target: Target): readonly NeutralEvent[] {
  const error = errorOf(body)
  const result = unwrap(body)
  if (error === null && isJsonArray(result['choices'])) return readChatReply(result, target)
  const reader = new WorkersAiReader()
  reader.readWhole(error ?? result)
  return reader.end()
}

function isChat(frame: Frame): boolean {
  return isJsonArray(objectOf(parseJson(frame.data))['choices'])
}

class WorkersAiMeter implements StreamMeter {
  private meter: StreamMeter | null = null
  private readonly target: Target

  constructor(target: Target) {
    this.target = target
  }

  get usage(): Usage | null {
    return this.meter?.usage ?? null
  }

  get visibleChars(): number {
    return this.meter?.visibleChars ?? 0
  }

  get isComplete(): boolean {
    return this.meter?.isComplete === true
  }

  get isTerminated(): boolean {
    return this.meter?.isTerminated === true
  }

  get failure(): StreamMeter['failure'] {
    return this.meter?.failure ?? null
  }

  push(frame: Frame): ReturnType<StreamMeter['push']> {
    this.meter ??= isChat(frame) ? createChatMeter(this.target) : createEventMeter(createOlderReader())
    return this.meter.push(frame)
  }
}

class WorkersAiReader extends JsonReader {
  private calls = 0

  readWhole(reply: JsonObject): void {
    const isReply = ['response', 'tool_calls'].some((name) => reply[name] !== undefined)
    if (isReply || reply['error'] !== undefined) this.readMessage(reply)
    else this.events.fail(brokenStream("The provider's reply is not one of Workers AI's."))
    this.events.close(true)
  }

  protected read(message: Json): void {
    this.readMessage(errorOf(message) ?? unwrap(message))
  }

  private readMessage(message: JsonObject): void {
    const error = message['error']
    if (error !== undefined && error !== null) return this.events.fail(readErrorBody(message))
    this.events.start('', stringOf(message['model']) ?? '', null)
    this.events.touch(ONLY_CHOICE)
    this.events.text(ONLY_CHOICE, 'text', textOf(message['response']))
    for (const call of arrayOf(message['tool_calls'])) this.readCall(objectOf(call))
    this.events.report(readChatUsage(message['usage']))
    const reason = stringOf(message['finish_reason'])
    if (reason !== null) this.events.finish(ONLY_CHOICE, readChatFinish(reason))
  }

  private readCall(call: JsonObject): void {
    const callee = isJsonObject(call['function']) ? call['function'] : call
    const name = stringOf(callee['name'])
    if (name === null) return
    const given = callee['arguments']
    const text = isJsonObject(given) ? JSON.stringify(given) : (stringOf(given) ?? '{}')
    const id = stringOf(call['id']) ?? `call_${digest(name + text)}_${this.calls}`
    const part = this.events.toolCall(ONLY_CHOICE, id, name)
    this.calls += 1
    this.events.toolArguments(ONLY_CHOICE, part, text)
    this.events.endToolCall(ONLY_CHOICE, part)
  }
}

/** Tells the calls of a conversation apart, as far as they differ: older models give them no ids, and replies none either. */
function digest(text: string): string {
  let hash = 0
  for (let at = 0; at < text.length; at += 1) hash = (Math.imul(hash, 31) + text.charCodeAt(at)) >>> 0
  return hash.toString(36)
}

/** Text; with a JSON schema it is an object, and a token that looks like a number comes as one. */
function textOf(response: Json | undefined): string {
  if (typeof response === 'string') return response
  return response === undefined || response === null ? '' : JSON.stringify(response)
}
