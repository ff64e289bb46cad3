// Places the items of a response into parts: from the events of a stream, from whole items, or from both, of which the first
// to say a thing counts. Items are told apart by their place in the output: some gateways change the ids from event to
// event.
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { Signature } from '../../core/neutral.ts'
import { RESPONSES_WIRE, readGeneratedImage, readResponsesAnnotation } from '../../wire/openai-responses.ts'
import { openOfItem } from '../../wire/openai-responses-reasoning.ts'
import { arrayOf, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { ONLY_CHOICE } from '../json-reader.ts'
import type { ReplyEvents } from '../reply-events.ts'

const TEXT_DELTA = 'response.output_text.delta'

/** What of an item has been said. */
interface Slot {
  /** Which of its texts were said, by kind and number. */
  readonly said: Set<string>
  /** Which kind of reasoning is told: a server may give the text and its summary. */
  reasoning: 'summary' | 'content' | null
  /** The numbers of its content parts, in the order in which they were heard of: some servers don't count from 0. */
  readonly contents: number[]
  /** How many annotations of each of its texts were told. */
  readonly annotations: Map<number, number>
  hasLogprobs: boolean
  /** Of a message: whether it is said on the way or is the answer. */
  phase: string | null
  /** The part of its call. */
  call: number | null
  hasArguments: boolean
  isDone: boolean
}

export class ResponseItems {
  private readonly events: ReplyEvents
  private readonly slots = new Map<string, Slot>()
  /** Places of items by their ids: some servers give the place only where an item begins. */
  private readonly places = new Map<string, string>()
  /** The item that spoke last. */
  private current: string | null = null
  /** The text that was said last, if nothing else came after it. */
  private lastDelta: JsonObject | null = null
  /** The signature of the call to come. */
  private callSignature: Signature | null = null

  constructor(events: ReplyEvents) {
    this.events = events
  }

  /** True while no item has been heard of. */
  get isEmpty(): boolean {
    return this.slots.size === 0
  }

  /** One event of a stream. Unknown ones say nothing: what they tell of comes with the item. */
  read(type: string, message: JsonObject): void {
    if (type === TEXT_DELTA && this.goesOn(message)) return
    this.lastDelta = null
    this.readNew(type, message)
    if (type !== TEXT_DELTA) return
    const key = this.keyOf(message)
    const isSaid = this.slotOf(key).said.has(`text.${contentIndex(message)}`)
    if (isSaid && this.current === key) this.lastDelta = message
  }

  /** Whether a delta went on where the one before it was: then it needs no more than to be said. */
  private goesOn(message: JsonObject): boolean {
    const last = this.lastDelta
    const delta = message['delta']
    if (last === null || typeof delta !== 'string' || delta === '') return false
    if (last['output_index'] !== message['output_index'] || last['content_index'] !== message['content_index'])
      return false
    if (typeof last['output_index'] !== 'number' || arrayOf(message['logprobs']).length > 0) return false
    this.events.text(ONLY_CHOICE, 'text', delta)
    return true
  }

  private readNew(type: string, message: JsonObject): void {
    switch (type) {
      case 'response.output_item.added':
        return this.begin(this.keyOf(message), objectOf(message['item']))
      case 'response.output_item.done':
        return this.whole(this.keyOf(message), objectOf(message['item']))
      case TEXT_DELTA:
        return this.text(message, message['delta'], true)
      case 'response.output_text.done':
        return this.text(message, message['text'], false)
      case 'response.output_text.annotation.added':
        return this.annotation(this.slotOf(this.keyOf(message)), contentIndex(message), message['annotation'])
      case 'response.content_part.added':
        return hear(this.slotOf(this.keyOf(message)), contentIndex(message))
      case 'response.content_part.done':
        return this.contentPart(message)
      case 'response.refusal.delta':
        return this.refusal(message, message['delta'], true)
      case 'response.refusal.done':
        return this.refusal(message, message['refusal'], false)
      case 'response.reasoning_summary_text.delta':
        return this.reasoningEvent(message, 'summary', true)
      case 'response.reasoning_summary_text.done':
        return this.reasoningEvent(message, 'summary', false)
      case 'response.reasoning_text.delta':
        return this.reasoningEvent(message, 'content', true)
      case 'response.reasoning_text.done':
        return this.reasoningEvent(message, 'content', false)
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        return this.argumentsText(this.slotOf(this.keyOf(message)), message['delta'], true)
      case 'response.function_call_arguments.done':
        return this.argumentsText(this.slotOf(this.keyOf(message)), message['arguments'], false)
      case 'response.custom_tool_call_input.done':
        return this.argumentsText(this.slotOf(this.keyOf(message)), message['input'], false)
    }
  }

  /** A whole item: what of it wasn't said yet. */
  whole(key: string, item: JsonObject): void {
    const slot = this.slotOf(key)
    if (slot.isDone) return
    slot.isDone = true
    switch (item['type']) {
      case 'message':
        return this.wholeMessage(key, slot, item)
      case 'reasoning':
        return this.wholeReasoning(key, slot, item)
      case 'function_call':
      case 'custom_tool_call':
        this.begin(key, item)
        this.argumentsText(slot, item[item['type'] === 'function_call' ? 'arguments' : 'input'], false)
        if (slot.call !== null) this.events.endToolCall(ONLY_CHOICE, slot.call)
        return
      default:
        return this.other(item)
    }
  }

  private begin(key: string, item: JsonObject): void {
    const slot = this.slotOf(key)
    const itemId = stringOf(item['id'])
    if (itemId !== null) this.places.set(itemId, key)
    const type = item['type']
    if (type === 'message') {
      slot.phase = stringOf(item['phase'])
      this.speak(key)
    }
    if ((type !== 'function_call' && type !== 'custom_tool_call') || slot.call !== null) return
    this.speak(key)
    const id = stringOf(item['call_id']) ?? stringOf(item['id']) ?? `call_${key.replaceAll(/[^\w-]/g, '')}`
    const signature = this.callSignature === null ? {} : { signature: this.callSignature }
    this.callSignature = null
    const isCustom = type === 'custom_tool_call' ? { isCustom: true } : {}
    slot.call = this.events.toolCall(ONLY_CHOICE, id, stringOf(item['name']) ?? '', { ...signature, ...isCustom })
  }

  private wholeMessage(key: string, slot: Slot, item: JsonObject): void {
    if (slot.said.size === 0) slot.phase = stringOf(item['phase'])
    this.speak(key)
    const content = item['content']
    if (typeof content === 'string') return this.sayText(key, slot, 0, content, false)
    const { contents } = slot
    arrayOf(content).forEach((part, at) => {
      this.content(key, slot, contents[at] ?? 1 + Math.max(-1, ...contents), objectOf(part))
    })
  }

  private contentPart(message: JsonObject): void {
    const part = objectOf(message['part'])
    if (part['type'] !== 'output_text' && part['type'] !== 'refusal') return
    const key = this.keyOf(message)
    this.content(key, this.slotOf(key), contentIndex(message), part)
  }

  /** A whole piece of a message: what of it wasn't said yet. */
  private content(key: string, slot: Slot, index: number, part: JsonObject): void {
    hear(slot, index)
    if (part['type'] === 'refusal') return this.sayRefusal(key, slot, index, part['refusal'], false)
    this.sayText(key, slot, index, part['text'], false)
    if (!slot.hasLogprobs) this.logprobs(slot, part['logprobs'])
    const told = slot.annotations.get(index) ?? 0
    for (const annotation of arrayOf(part['annotations']).slice(told)) this.annotation(slot, index, annotation)
  }

  private wholeReasoning(key: string, slot: Slot, item: JsonObject): void {
    for (const kind of ['summary', 'content'] as const) {
      arrayOf(item[kind]).forEach((part, index) =>
        this.reasoning(key, slot, kind, index, objectOf(part)['text'], false),
      )
    }
    const encrypted = stringOf(item['encrypted_content'])
    if (encrypted === null) return
    const { signature, use } = openOfItem(encrypted, stringOf(item['id']), slot.reasoning !== null)
    if (use === 'call') this.callSignature = signature
    else if (use === 'text') this.events.textSignature(ONLY_CHOICE, signature)
    else {
      this.speak(key)
      if (use === 'reasoning') this.events.signature(ONLY_CHOICE, signature)
      else if (use === 'redacted') this.events.redacted(ONLY_CHOICE, signature)
      else this.events.textSignature(ONLY_CHOICE, signature)
    }
  }

  private other(item: JsonObject): void {
    const type = stringOf(item['type'])
    if (type === null) return
    const source = type === 'image_generation_call' ? readGeneratedImage(item) : null
    if (source === null) this.events.other(ONLY_CHOICE, RESPONSES_WIRE, type, item)
    else this.events.image(ONLY_CHOICE, source)
  }

  private text(message: JsonObject, value: Json | undefined, isDelta: boolean): void {
    const key = this.keyOf(message)
    const slot = this.slotOf(key)
    this.sayText(key, slot, contentIndex(message), value, isDelta)
    if (isDelta || !slot.hasLogprobs) this.logprobs(slot, message['logprobs'])
  }

  private sayText(key: string, slot: Slot, index: number, value: Json | undefined, isDelta: boolean): void {
    hear(slot, index)
    if (typeof value !== 'string' || !this.maySay(key, slot, `text.${index}`, isDelta, value)) return
    this.events.text(ONLY_CHOICE, 'text', value)
  }

  private refusal(message: JsonObject, value: Json | undefined, isDelta: boolean): void {
    const key = this.keyOf(message)
    this.sayRefusal(key, this.slotOf(key), contentIndex(message), value, isDelta)
  }

  private sayRefusal(key: string, slot: Slot, index: number, value: Json | undefined, isDelta: boolean): void {
    hear(slot, index)
    if (typeof value !== 'string' || !this.maySay(key, slot, `refusal.${index}`, isDelta, value)) return
    this.events.text(ONLY_CHOICE, 'refusal', value)
  }

  /** Whether a text is new. Another piece of the same message ends the one before. */
  private maySay(key: string, slot: Slot, piece: string, isDelta: boolean, value: string): boolean {
    const isBegun = slot.said.has(piece)
    if (value === '' || (isBegun && !isDelta)) return false
    this.speak(key)
    if (!isBegun && slot.said.size > 0) this.events.endText(ONLY_CHOICE)
    slot.said.add(piece)
    return true
  }

  private reasoningEvent(message: JsonObject, kind: 'summary' | 'content', isDelta: boolean): void {
    const key = this.keyOf(message)
    const index = numberOf(message[kind === 'summary' ? 'summary_index' : 'content_index']) ?? 0
    this.reasoning(key, this.slotOf(key), kind, index, message[isDelta ? 'delta' : 'text'], isDelta)
  }

  /** Paragraphs of one reasoning are one part; those of the kind that came second say the same again. */
  private reasoning(
    key: string,
    slot: Slot,
    kind: 'summary' | 'content',
    index: number,
    value: Json | undefined,
    isDelta: boolean,
  ): void {
    if (typeof value !== 'string' || value === '' || (slot.reasoning ?? kind) !== kind) return
    const piece = `${kind}.${index}`
    const isBegun = slot.said.has(piece)
    if (isBegun && !isDelta) return
    this.speak(key)
    const isNext = !isBegun && slot.reasoning !== null
    slot.reasoning = kind
    slot.said.add(piece)
    this.events.text(ONLY_CHOICE, 'reasoning', isNext ? `\n\n${value}` : value)
  }

  private argumentsText(slot: Slot, value: Json | undefined, isDelta: boolean): void {
    const text = isJsonObject(value) ? JSON.stringify(value) : value
    if (slot.call === null || typeof text !== 'string' || text === '' || (slot.hasArguments && !isDelta)) return
    slot.hasArguments = true
    this.events.toolArguments(ONLY_CHOICE, slot.call, text)
  }

  private annotation(slot: Slot, index: number, value: Json | undefined): void {
    const citation = readResponsesAnnotation(value)
    slot.annotations.set(index, (slot.annotations.get(index) ?? 0) + 1)
    if (citation !== null) this.events.citation(ONLY_CHOICE, citation)
  }

  private logprobs(slot: Slot, value: Json | undefined): void {
    const tokens = arrayOf(value).filter((token) => isJsonObject(token))
    if (tokens.length === 0) return
    slot.hasLogprobs = true
    this.events.logprobs(ONLY_CHOICE, tokens)
  }

  /** Another item speaks: the text of the one before is over. */
  private speak(key: string): void {
    if (this.current !== key) this.events.endText(ONLY_CHOICE)
    this.current = key
    this.events.phase(ONLY_CHOICE, this.slotOf(key).phase)
  }

  private keyOf(message: JsonObject): string {
    const index = numberOf(message['output_index'])
    if (index !== null) return `#${index}`
    const id = stringOf(message['item_id']) ?? stringOf(objectOf(message['item'])['id'])
    return (id === null ? this.current : (this.places.get(id) ?? id)) ?? '#0'
  }

  private slotOf(key: string): Slot {
    const known = this.slots.get(key)
    if (known !== undefined) return known
    const slot: Slot = {
      said: new Set(),
      reasoning: null,
      contents: [],
      annotations: new Map(),
      hasLogprobs: false,
      phase: null,
      call: null,
      hasArguments: false,
      isDone: false,
    }
    this.slots.set(key, slot)
    return slot
  }
}

function hear(slot: Slot, index: number): void {
  if (!slot.contents.includes(index)) slot.contents.push(index)
}

function contentIndex(message: JsonObject): number {
  return numberOf(message['content_index']) ?? 0
}
