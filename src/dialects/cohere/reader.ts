// Reads Cohere's replies: version 2 whole and as events, version 1 whole and as lines of JSON. Its plan for tool calls is
// reasoning. In a stream the delta holds `content` and `tool_calls` as objects, in a whole reply as lists.
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralEvent } from '../../core/neutral.ts'
import { readCohereCitation, readCohereFinish, readCohereLogprobs, readCohereUsage } from '../../wire/cohere.ts'
import { arrayOf, countOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import type { WatchedReader } from '../event-meter.ts'
import { JsonReader, ONLY_CHOICE } from '../json-reader.ts'
import { brokenStream, readErrorBody } from '../failures/provider-error.ts'
import { quickReader } from '../quick-reader.ts'
import type { TextEvent } from '../quick-reader.ts'
import type { TextPlaces } from '../text-template.ts'

/** A reader for one streamed reply of either version. */
export function createCohereReader(): WatchedReader {
  return quickReader(new CohereReader(), TEXT_PLACES)
}

const TEXT_PLACES: TextPlaces = {
  texts: [
    ['delta', 'message', 'content', 'text'],
    ['delta', 'message', 'content', 'thinking'],
    ['delta', 'message', 'tool_plan'],
    ['delta', 'message', 'tool_calls', 'function', 'arguments'],
    ['text'],
  ],
}

/** A whole reply of either version as events. A body that isn't a reply becomes a failure. */
export function readCohereReply(body: Json): readonly NeutralEvent[] {
  const reader = new CohereReader()
  reader.readWhole(objectOf(body))
  return reader.end()
}

class CohereReader extends JsonReader {
  /** The parts of tool calls by the index of their events. */
  private readonly calls = new Map<number, { readonly part: number; hasArguments: boolean }>()
  private readonly blockStarts = new Map<number, number>()
  private readonly documents = new Map<string, JsonObject>()
  private replyId = ''
  private callCount = 0
  /** All text so far, for the offsets of citations; null once something came after it. */
  private text: string | null = ''

  hear({ text }: TextEvent, name: string): void {
    if (name === 'text') this.text = (this.text ?? '') + text
  }

  readWhole(reply: JsonObject): void {
    if (isJsonObject(reply['message'])) this.readMessage(reply, reply['message'])
    else if (typeof reply['text'] === 'string') this.readOlder(reply)
    else if (reply['message'] !== undefined || reply['error'] !== undefined) this.events.fail(readErrorBody(reply))
    else this.events.fail(brokenStream("The provider's reply is not one of Cohere's."))
    this.events.close(true)
  }

  protected read(value: Json, event: string): void {
    const message = objectOf(value)
    const delta = objectOf(message['delta'])
    const said = objectOf(delta['message'])
    const index = countOf(message['index'])
    switch (stringOf(message['type']) ?? stringOf(message['event_type']) ?? event) {
      case 'message-start':
        return this.start(stringOf(message['id']) ?? '')
      case 'content-start':
      case 'content-delta':
        this.content(index, said['content'])
        return this.events.logprobs(ONLY_CHOICE, readCohereLogprobs(message['logprobs']))
      case 'tool-plan-delta':
        return this.reason(stringOf(said['tool_plan']))
      case 'tool-call-start':
        return this.beginCall(index, objectOf(said['tool_calls']))
      case 'tool-call-delta':
        return this.continueCall(index, stringOf(objectOf(objectOf(said['tool_calls'])['function'])['arguments']))
      case 'tool-call-end':
        return this.endCall(index)
      case 'citation-start':
        return this.cite(said['citations'])
      case 'message-end':
        return this.finish(delta, delta['usage'])
      default:
        return this.readOlderEvent(message)
    }
  }

  private readMessage(reply: JsonObject, message: JsonObject): void {
    this.start(stringOf(reply['id']) ?? '')
    this.reason(stringOf(message['tool_plan']))
    const content = message['content']
    if (isJsonArray(content)) content.forEach((part, index) => this.content(index, part))
    else this.content(0, content)
    for (const citation of arrayOf(message['citations'])) this.cite(citation)
    arrayOf(message['tool_calls']).forEach((call, index) => {
      this.beginCall(index, objectOf(call))
      this.endCall(index)
    })
    this.events.logprobs(ONLY_CHOICE, readCohereLogprobs(reply['logprobs']))
    this.finish(reply, reply['usage'])
  }

  private start(id: string): void {
    if (this.replyId === '') this.replyId = id
    this.events.start(id, '', null)
    this.events.touch(ONLY_CHOICE)
  }

  private content(index: number, value: Json | undefined): void {
    const part = typeof value === 'string' ? { text: value } : objectOf(value)
    this.reason(stringOf(part['thinking']))
    const text = stringOf(part['text'])
    if (text === null) return
    if (!this.blockStarts.has(index)) this.blockStarts.set(index, this.text?.length ?? 0)
    this.text = (this.text ?? '') + text
    this.events.text(ONLY_CHOICE, 'text', text)
  }

  private reason(text: string | null): void {
    if (text === null) return
    this.forgetText()
    this.events.text(ONLY_CHOICE, 'reasoning', text)
  }

  /** What follows is a part of its own: citations of the text before have no place any more. */
  private forgetText(): void {
    if (this.text !== '') this.text = null
    this.blockStarts.clear()
  }

  private beginCall(index: number, call: JsonObject): void {
    this.endCall(index)
    this.forgetText()
    const callee = objectOf(call['function'])
    const part = this.call(stringOf(call['id']), stringOf(callee['name']) ?? '')
    this.calls.set(index, { part, hasArguments: false })
    this.continueCall(index, stringOf(callee['arguments']))
  }

  private call(id: string | null, name: string): number {
    const base = this.replyId.replaceAll(/[^\w-]/g, '_').slice(0, 40)
    const part = this.events.toolCall(ONLY_CHOICE, id ?? `call_${base}_${this.callCount}`, name)
    this.callCount += 1
    return part
  }

  private continueCall(index: number, text: string | null): void {
    const call = this.calls.get(index)
    if (call === undefined || text === null) return
    call.hasArguments = true
    this.events.toolArguments(ONLY_CHOICE, call.part, text)
  }

  /** A call without arguments has no delta at all: an empty object is meant. */
  private endCall(index: number): void {
    const call = this.calls.get(index)
    if (call === undefined) return
    if (!call.hasArguments) this.continueCall(index, '{}')
    this.events.endToolCall(ONLY_CHOICE, call.part)
    this.calls.delete(index)
  }

  /** Only text has citations here: those of a plan or of thinking are passed over. */
  private cite(value: Json | undefined): void {
    if (isJsonArray(value)) {
      for (const item of value) this.cite(item)
      return
    }
    if (!isJsonObject(value)) return
    const type = stringOf(value['type']) ?? 'TEXT_CONTENT'
    if (this.text === null || this.text === '' || type !== 'TEXT_CONTENT') return
    const blockStart = this.blockStarts.get(countOf(value['content_index'])) ?? 0
    for (const neutral of readCohereCitation(value, { text: this.text, blockStart }, this.documents)) {
      this.events.citation(ONLY_CHOICE, neutral)
    }
  }

  private finish(end: JsonObject, usage: Json | undefined): void {
    this.events.report(readCohereUsage(usage))
    const reason = stringOf(end['finish_reason']) ?? ''
    const error = stringOf(end['error'])
    const finish = error === null ? readCohereFinish(reason) : null
    if (finish === null) {
      const type = stringOf(end['error_type']) ?? reason
      return this.events.fail(readErrorBody({ error: { message: error ?? `The reply ended with ${reason}.`, type } }))
    }
    if (reason !== '') this.events.finish(ONLY_CHOICE, finish)
    this.events.close(true)
  }

  private readOlder(reply: JsonObject): void {
    this.start(stringOf(reply['response_id']) ?? stringOf(reply['generation_id']) ?? '')
    this.rememberDocuments(reply['documents'])
    this.content(0, reply['text'])
    this.cite(reply['citations'])
    this.olderCalls(reply['tool_calls'])
    this.finish(reply, reply['meta'])
  }

  private readOlderEvent(message: JsonObject): void {
    switch (stringOf(message['event_type']) ?? '') {
      case 'stream-start':
        return this.start(stringOf(message['generation_id']) ?? '')
      case 'search-results':
        return this.rememberDocuments(message['documents'])
      case 'text-generation':
        return this.content(0, message['text'])
      case 'tool-calls-chunk':
        return this.content(0, message['text'])
      case 'citation-generation':
        return this.cite(message['citations'])
      case 'tool-calls-generation':
        if (this.text === '') this.content(0, message['text'])
        return this.olderCalls(message['tool_calls'])
      case 'stream-end':
        return this.finish(message, objectOf(message['response'])['meta'])
    }
    // An error that came without the name of one.
    if (message['message'] !== undefined || message['error'] !== undefined) this.events.fail(readErrorBody(message))
  }

  private olderCalls(calls: Json | undefined): void {
    for (const value of arrayOf(calls)) {
      const call = objectOf(value)
      this.forgetText()
      const part = this.call(null, stringOf(call['name']) ?? '')
      this.events.toolArguments(ONLY_CHOICE, part, JSON.stringify(objectOf(call['parameters'])))
      this.events.endToolCall(ONLY_CHOICE, part)
    }
  }

  private rememberDocuments(documents: Json | undefined): void {
    for (const value of arrayOf(documents)) {
      const document = objectOf(value)
      this.documents.set(stringOf(document['id']) ?? '', document)
    }
  }
}
