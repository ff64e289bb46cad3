// Reads a reply of the older completions wire, streamed or whole, into events.
import type { Target } from '../../core/directory.ts'
import { parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import { hidesReasoning } from '../../core/quirk.ts'
import type { Usage } from '../../core/money/usage.ts'
import { DONE_DATA, readChatFinish, writeChatUsage } from '../../wire/openai-chat.ts'
import { readLogprobs } from '../../wire/openai-chat-logprobs.ts'
import { textOfChoice } from '../../wire/openai-completions.ts'
import { arrayOf, countOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import type { Frame, StreamMeter } from '../dialect.ts'
import { createEventMeter } from '../event-meter.ts'
import type { WatchedReader } from '../event-meter.ts'
import { lastChunk } from '../openai-chat/meter.ts'
import { errorIn, malformedFrame, unreadable, usageIn } from '../openai-chat/reader.ts'
import { readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import { ReplyEvents } from '../reply-events.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply. */
export function createCompletionsReader(target: Target): WatchedReader {
  return quickReader(new CompletionsReader(target), TEXT_PLACES)
}

/** Together says text twice in a chunk. */
const TEXT_PLACES: TextPlaces = {
  texts: [['choices', '0', 'text']],
  variables: [
    { kind: 'number', place: ['created'] },
    { kind: 'noise', place: ['obfuscation'] },
    { kind: 'number', place: ['choices', '0', 'delta', 'token_id'] },
    { kind: 'same', place: ['choices', '0', 'delta', 'content'] },
  ],
}

/** A chunk that has nothing but usage. In a text the quotes would be escaped. */
const NO_CHOICES = /"choices"\s*:\s*\[\s*\]/

/** A meter for one stream. These streams are rare: it reads along. */
export function createCompletionsMeter(target: Target): StreamMeter {
  const reader = createCompletionsReader(target)
  const meter = createEventMeter(reader)
  /** A chunk of choices: what the others have besides them. */
  let sample = ''
  return {
    push(frame) {
      const before = reader.usage
      const kind = meter.push(frame)
      if (kind === 'content') sample = frame.data
      return kind === 'other' && reader.usage !== before && NO_CHOICES.test(frame.data) ? 'usage-only' : kind
    },
    get usage() {
      return meter.usage
    },
    get visibleChars() {
      return meter.visibleChars
    },
    get isComplete() {
      return meter.isComplete
    },
    get choicesBegun() {
      return meter.choicesBegun ?? 1
    },
    get isTerminated() {
      return meter.isTerminated
    },
    get failure() {
      return meter.failure
    },
    cut({ usage, wantsUsage, choices }) {
      if (sample === '') return null
      const chunk = objectOf(parseJson(sample))
      let text = ''
      for (let index = 0; index < choices; index += 1) {
        text += lastChunk(chunk, [{ text: '', index, logprobs: null, finish_reason: 'length' }])
      }
      if (wantsUsage) text += lastChunk(chunk, [], writeChatUsage(usage))
      return `${text}data: ${DONE_DATA}\n\n`
    },
  }
}

/** A whole reply as events. A body that isn't a reply becomes a failure. */
export function readCompletions(body: Json, target: Target): readonly NeutralEvent[] {
  const events = new ReplyEvents()
  const reply = objectOf(body)
  const error = errorIn(reply, '')
  if (error !== undefined) events.fail(readErrorBody(error))
  else if (!isJsonArray(reply['choices'])) events.fail(unreadable(reply, 'completion'))
  else readBody(events, reply, hidesReasoning(target))
  events.close(true)
  return events.take()
}

class CompletionsReader implements WatchedReader {
  private readonly events = new ReplyEvents()
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
    const error = errorIn(object, event)
    if (error === undefined) return readBody(this.events, object, this.isHidden)
    this.events.report(usageIn(object, this.isHidden))
    this.events.fail(readErrorBody(error))
  }
}

function readBody(events: ReplyEvents, body: JsonObject, isHidden: boolean): void {
  events.report(usageIn(body, isHidden))
  const choices = arrayOf(body['choices'])
  if (choices.length === 0) return
  events.start(stringOf(body['id']) ?? '', stringOf(body['model']) ?? '', numberOf(body['created']))
  choices.forEach((value, position) => {
    const choice = objectOf(value)
    const number = typeof choice['index'] === 'number' ? countOf(choice['index']) : position
    events.touch(number)
    events.text(number, 'text', textOfChoice(choice))
    events.logprobs(number, readLogprobs(objectOf(choice['logprobs'])))
    const finish = stringOf(choice['finish_reason'])
    if (finish !== null) events.finish(number, readChatFinish(finish))
  })
}
