// Reads Ollama's replies, chat and generate alike. A stream is a line a token; calls come whole, in a line of their own;
// the last line says `done`. A whole reply is that last line with everything in it.
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import { readCreated, readOllamaFinish, readOllamaUsage } from '../../wire/ollama.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import type { WatchedReader } from '../event-meter.ts'
import { JsonReader, ONLY_CHOICE } from '../json-reader.ts'
import { brokenStream, readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply. */
export function createOllamaReader(): WatchedReader {
  return quickReader(new OllamaReader(), TEXT_PLACES)
}

const TEXT_PLACES: TextPlaces = {
  texts: [['message', 'content'], ['message', 'thinking'], ['response'], ['thinking']],
  variables: [{ kind: 'stamp', place: ['created_at'] }],
}

/** A whole reply as events. A body that isn't a reply becomes a failure. */
export function readOllamaReply(body: Json): readonly NeutralEvent[] {
  const reader = new OllamaReader()
  reader.readWhole(objectOf(body))
  return reader.end()
}

class OllamaReader extends JsonReader {
  private calls = 0
  private idBase = ''

  readWhole(reply: JsonObject): void {
    const isReply = isJsonObject(reply['message']) || typeof reply['response'] === 'string'
    if (isReply || reply['error'] !== undefined) this.readMessage(reply)
    else this.events.fail(brokenStream("The provider's reply is not one of Ollama's."))
    this.events.close(true)
  }

  protected read(message: Json): void {
    this.readMessage(objectOf(message))
  }

  private readMessage(message: JsonObject): void {
    const error = message['error']
    if (error !== undefined && error !== null && error !== '') return this.events.fail(readErrorBody(message))
    this.start(message)
    const said = objectOf(message['message'])
    this.events.text(ONLY_CHOICE, 'reasoning', stringOf(said['thinking'] ?? message['thinking']) ?? '')
    this.events.text(ONLY_CHOICE, 'text', stringOf(said['content'] ?? message['response']) ?? '')
    for (const call of arrayOf(said['tool_calls'] ?? message['tool_calls'])) this.readCall(objectOf(call))
    const tokens = arrayOf(message['logprobs']).filter((token) => isJsonObject(token))
    this.events.logprobs(ONLY_CHOICE, tokens)
    if (message['done'] === true) this.finish(message)
  }

  private start(message: JsonObject): void {
    const createdAt = stringOf(message['created_at'])
    if (this.idBase === '') this.idBase = createdAt?.replaceAll(/\D/g, '') ?? ''
    this.events.start('', stringOf(message['model']) ?? '', readCreated(createdAt))
    this.events.touch(ONLY_CHOICE)
  }

  /** Older versions give calls no id: one is made of the time, which tells the turns of a conversation apart. */
  private readCall(call: JsonObject): void {
    const callee = objectOf(call['function'])
    const given = callee['arguments']
    const id = stringOf(call['id']) ?? `call_${this.idBase}_${this.calls}`
    this.calls += 1
    const part = this.events.toolCall(ONLY_CHOICE, id, stringOf(callee['name']) ?? '')
    const isValue = isJsonObject(given) || isJsonArray(given)
    this.events.toolArguments(ONLY_CHOICE, part, isValue ? JSON.stringify(given) : (stringOf(given) ?? '{}'))
    this.events.endToolCall(ONLY_CHOICE, part)
  }

  private finish(message: JsonObject): void {
    this.events.report(readOllamaUsage(message))
    const reason = stringOf(message['done_reason'])
    if (reason !== null) this.events.finish(ONLY_CHOICE, readOllamaFinish(reason))
    this.events.close(true)
  }
}
