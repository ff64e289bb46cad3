// Reads replies of Text Generation Inference: an event a token, the last with the counts; whole, the text with them.
// Special tokens are part of the stream and not of the text.
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import { NO_USAGE } from '../../core/money/usage.ts'
import type { Usage } from '../../core/money/usage.ts'
import { arrayOf, countOf, isJsonArray, isCount, objectOf, stringOf } from '../../wire/read.ts'
import type { WatchedReader } from '../event-meter.ts'
import { JsonReader, ONLY_CHOICE } from '../json-reader.ts'
import { brokenStream, readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply. */
export function createTgiReader(): WatchedReader {
  return quickReader(new TgiReader(), TEXT_PLACES)
}

const TEXT_PLACES: TextPlaces = {
  texts: [['token', 'text']],
  variables: [
    { kind: 'number', place: ['index'] },
    { kind: 'number', place: ['token', 'id'] },
    { kind: 'number', place: ['token', 'logprob'] },
  ],
}

/** A whole reply as events. A body that isn't a reply becomes a failure. */
export function readTgiReply(body: Json): readonly NeutralEvent[] {
  const reader = new TgiReader()
  reader.readWhole(objectOf(isJsonArray(body) ? body[0] : body))
  return reader.end()
}

class TgiReader extends JsonReader {
  private hasText = false

  readWhole(reply: JsonObject): void {
    if (reply['error'] !== undefined) this.events.fail(readErrorBody(reply))
    else if (typeof reply['generated_text'] === 'string') this.finish(reply)
    else this.events.fail(brokenStream("The provider's reply has no generated text."))
    this.events.close(true)
  }

  protected read(value: Json): void {
    const message = objectOf(isJsonArray(value) ? value[0] : value)
    if (message['error'] !== undefined) return this.events.fail(readErrorBody(message))
    const token = objectOf(message['token'])
    this.events.touch(ONLY_CHOICE)
    if (token['special'] !== true) this.say(stringOf(token['text']))
    if (isJsonObject(message['details']) || typeof message['generated_text'] === 'string') this.finish(message)
  }

  private say(text: string | null): void {
    if (text === null) return
    this.hasText = true
    this.events.text(ONLY_CHOICE, 'text', text)
  }

  private finish(message: JsonObject): void {
    this.events.touch(ONLY_CHOICE)
    if (!this.hasText) this.say(stringOf(message['generated_text']))
    const details = objectOf(message['details'])
    const reason = stringOf(details['finish_reason'])
    this.events.report(readUsage(details))
    if (reason !== null) this.events.finish(ONLY_CHOICE, reason === 'length' ? 'length' : 'stop')
    this.events.close(true)
  }
}

/** A stream says how long the prompt was; whole, it is listed token by token where that was asked for. */
function readUsage(details: JsonObject): Usage | null {
  const output = countOf(details['generated_tokens'])
  const input = isCount(details['input_length']) ? countOf(details['input_length']) : arrayOf(details['prefill']).length
  return input + output === 0 ? null : { ...NO_USAGE, input, output }
}
