// Reads a response, streamed or whole, into events. A stream says everything two or three times (deltas, done events, items,
// the last event): what counts is what is said first, so servers that leave some of it out are read as well.
// https://platform.openai.com/docs/api-reference/responses-streaming
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import { type Usage, withTier, withUnits } from '../../core/money/usage.ts'
import { readResponseEnd, readResponsesUsage } from '../../wire/openai-responses.ts'
import { arrayOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import type { Frame } from '../dialect.ts'
import type { WatchedReader } from '../event-meter.ts'
import { ONLY_CHOICE } from '../json-reader.ts'
import { ResponseItems } from './items.ts'
import { brokenStream, readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import { ReplyEvents } from '../reply-events.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply. */
export function createResponsesReader(): WatchedReader {
  return quickReader(new ResponsesReader(), TEXT_PLACES)
}

const TEXT_PLACES: TextPlaces = {
  texts: [['delta']],
  variables: [
    { kind: 'number', place: ['sequence_number'] },
    { kind: 'noise', place: ['obfuscation'] },
  ],
}

/** A whole reply as events. A body that isn't a response becomes a failure. */
export function readResponse(body: Json): readonly NeutralEvent[] {
  const events = new ReplyEvents()
  const response = objectOf(body)
  const failure = failureIn(response)
  if (failure !== null) events.fail(failure)
  else if (!isJsonArray(response['output'])) events.fail(brokenStream("The provider's reply is not a response."))
  else {
    const end = new ResponseEnd(events)
    end.start(response)
    const items = new ResponseItems(events)
    arrayOf(response['output']).forEach((item, index) => items.whole(`#${index}`, objectOf(item)))
    end.finish(response)
  }
  events.close(true)
  return events.take()
}

class ResponsesReader implements WatchedReader {
  private readonly events = new ReplyEvents()
  private readonly items = new ResponseItems(this.events)
  private readonly ends = new ResponseEnd(this.events)

  get usage(): WatchedReader['usage'] {
    return this.events.reported
  }

  get isFinished(): boolean {
    return this.events.isFinished
  }

  push(frame: Frame): readonly NeutralEvent[] {
    const { data } = frame
    if (data === '' || this.events.isOver) return []
    const message = parseJson(data)
    if (message !== undefined) this.read(objectOf(message), frame.event)
    // Some gateways add the chat wire's last word, which says nothing here.
    else if (data.trim() !== '[DONE]') this.events.fail(brokenStream('The provider sent a message that is not JSON.'))
    return this.events.take()
  }

  end(): readonly NeutralEvent[] {
    this.events.close(false)
    return this.events.take()
  }

  private read(message: JsonObject, event: string): void {
    const type = stringOf(message['type']) ?? event
    if (type === 'error' || event === 'error') return this.events.fail(readErrorBody(errorOf(message)))
    switch (type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        return this.ends.start(objectOf(message['response']))
      case 'response.completed':
      // Some end every response with it, however it went: its status says.
      case 'response.done':
      case 'response.incomplete':
      case 'response.failed':
      case 'response.cancelled':
        return this.finish(objectOf(message['response']))
      default:
        if (isJsonObject(message['error'])) return this.events.fail(readErrorBody(message))
        this.items.read(type, message)
    }
  }

  private finish(response: JsonObject): void {
    this.ends.start(response)
    const failure = failureIn(response)
    if (failure !== null) {
      this.events.report(usageOf(response))
      return this.events.fail(failure)
    }
    if (this.items.isEmpty) {
      arrayOf(response['output']).forEach((item, index) => this.items.whole(`#${index}`, objectOf(item)))
    }
    this.ends.finish(response)
    this.events.close(true)
  }
}

/** The error of a stream's error event, nested as the API sends it or flat as it is documented. */
function errorOf(message: JsonObject): Json {
  if (message['error'] !== undefined && message['error'] !== null) return message
  const { type: _, ...error } = message
  return { error }
}

/** Why a response failed; null for one that didn't. */
function failureIn(response: JsonObject): ReturnType<typeof readErrorBody> | null {
  const error = response['error']
  if (typeof error === 'string' || isJsonObject(error)) return readErrorBody(response)
  const status = response['status']
  if (status === 'failed') return brokenStream('The provider failed to finish its response.')
  if (status === 'cancelled') return brokenStream('The response was cancelled at the provider.')
  const isError = !isJsonArray(response['output']) && ['message', 'detail', 'code'].some((name) => name in response)
  return isError ? readErrorBody(response) : null
}

/** Reads what a response says about itself. */
class ResponseEnd {
  private readonly events: ReplyEvents

  constructor(events: ReplyEvents) {
    this.events = events
  }

  start(response: JsonObject): void {
    const created = numberOf(response['created_at'])
    const tier = stringOf(response['service_tier'])
    this.events.start(
      stringOf(response['id']) ?? '',
      stringOf(response['model']) ?? '',
      created === null ? null : Math.floor(created),
      // What was asked for, not yet what was given.
      tier === 'auto' ? null : tier,
    )
    this.events.touch(ONLY_CHOICE)
  }

  finish(response: JsonObject): void {
    const reason = readResponseEnd(response)
    if (reason !== null) this.events.finish(ONLY_CHOICE, reason)
    this.events.report(usageOf(response))
  }
}

/** Usage of a whole response: its tier, and its searches of the web, stand outside the counts. */
function usageOf(response: JsonObject): Usage | null {
  const usage = readResponsesUsage(response['usage'])
  if (usage === null) return null
  const searches = arrayOf(response['output']).filter((item) => objectOf(item)['type'] === 'web_search_call').length
  return withTier(withUnits(usage, { searches }), stringOf(response['service_tier']))
}
