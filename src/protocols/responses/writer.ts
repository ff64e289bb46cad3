// Writes a reply as the events of a streamed response, in the order that OpenAI's own have: every item is added, said and
// done, in turn; the last event holds the whole. Texts that follow each other are one message, so a message is only done
// when something else begins. https://platform.openai.com/docs/api-reference/responses-streaming
import type { JsonObject } from '../../core/json.ts'
import type { FinishReason, NeutralEvent, PartStart, Signature } from '../../core/neutral.ts'
import type { StreamPlace, Told, ToldMessage } from '../../core/reply/told.ts'
import type { Usage } from '../../core/money/usage.ts'
import { RESPONSES_WIRE, writeResponseEnd } from '../../wire/openai-responses.ts'
import { callItem, imageItem, ownItemId, reasoningItem, signatureItem } from '../../wire/openai-responses-items.ts'
import { sealForItem } from '../../wire/openai-responses-reasoning.ts'
import type { ReplyContext, StreamWriter } from '../protocol.ts'
import { type DeltaHeads, EventLog, deltaHeads } from './event-log.ts'
import { MessageWriter } from './message-writer.ts'
import { createItemIds, responseObject } from './reply.ts'

/** A writer for one stream. Of several choices only the first is told. */
export function createResponsesWriter(context: ReplyContext): StreamWriter {
  return new ResponsesWriter(context)
}

/** A writer that goes on in a stream of which a message may be open. */
export function responsesWriterAt(context: ReplyContext, told: Told, place: StreamPlace): StreamWriter | null {
  if (place.kind !== 'response') return null
  const writer = new ResponsesWriter(context, new EventLog(createItemIds(context), place.next, place.items))
  writer.resume(place.message, told.open?.part ?? told.nextPart)
  return writer
}

type OpenPart =
  | { readonly kind: 'said'; signature: Signature | null }
  | {
      readonly kind: 'call'
      readonly index: number
      readonly id: string
      readonly heads: DeltaHeads
      readonly start: CallStart
      text: string
    }
  | ReasoningPart
  | { readonly kind: 'whole' }

type CallStart = Extract<PartStart, { kind: 'tool-call' }>

interface ReasoningPart {
  readonly kind: 'reasoning'
  /** Null until something is said: a signature that comes first decides the item's id. */
  item: { readonly id: string; readonly index: number; readonly place: JsonObject; readonly heads: DeltaHeads } | null
  text: string
  signature: Signature | null
  isRedacted: boolean
}

class ResponsesWriter implements StreamWriter {
  private readonly context: ReplyContext
  private readonly log: EventLog
  private readonly message: MessageWriter
  private readonly parts = new Map<number, OpenPart>()
  private isBegun = false
  private serviceTier: string | null = null
  private finish: FinishReason = 'stop'
  private usage: Usage | null = null

  constructor(context: ReplyContext, log = new EventLog(createItemIds(context))) {
    this.context = context
    this.log = log
    this.message = new MessageWriter(log)
  }

  /** Goes on with what somebody else began: what comes as `part` joins the text of the message that is open. */
  resume(message: ToldMessage | null, part: number): void {
    this.isBegun = true
    if (message === null) return
    this.message.resume(message, part)
    this.parts.set(part, { kind: 'said', signature: null })
  }

  get nextNumber(): number {
    return this.log.next
  }

  push(event: NeutralEvent): string {
    if ('choice' in event && event.choice !== 0) return ''
    switch (event.type) {
      case 'reply-start':
        this.serviceTier = event.serviceTier ?? null
        return this.begin()
      case 'part-start':
        return this.begin() + this.startPart(event.part, event.start)
      case 'part-delta':
        return this.delta(event.part, event.text)
      case 'part-citation':
        return this.message.citation(event.part, event.citation)
      case 'part-signature':
        return this.sign(event.part, event.signature, event.redacted)
      case 'part-end':
        return this.endPart(event.part)
      case 'logprobs':
        return this.message.logprobs(event.tokens)
      case 'finish':
        this.finish = event.reason
        return ''
      case 'usage':
        this.usage = event.usage
        return ''
      case 'part-data':
      case 'failure':
        return ''
    }
  }

  end(): string {
    const end = writeResponseEnd(this.finish)
    let text = this.begin()
    // What is open still is so because the reply was cut.
    for (const part of this.parts.keys()) text += this.endPart(part, 'incomplete')
    text += this.message.close(String(end['status']))
    const { serviceTier, usage } = this
    const { output } = this.log
    const response = responseObject(this.context, {
      end,
      output,
      usage: this.context.wantsUsage ? usage : null,
      serviceTier,
    })
    return text + this.log.state([`response.${String(end['status'])}`], response)
  }

  private begin(): string {
    if (this.isBegun) return ''
    this.isBegun = true
    const end = { status: 'in_progress', incomplete_details: null }
    const { serviceTier } = this
    const response = responseObject(this.context, { end, output: [], usage: null, serviceTier })
    return this.log.state(['response.created', 'response.in_progress'], response)
  }

  private startPart(part: number, start: PartStart): string {
    switch (start.kind) {
      case 'text':
      case 'refusal':
        this.parts.set(part, { kind: 'said', signature: null })
        this.message.start(part, start.kind, start.kind === 'text' ? start.phase : undefined)
        return ''
      case 'reasoning':
        this.parts.set(part, { kind: 'reasoning', item: null, text: '', signature: null, isRedacted: false })
        return ''
      case 'tool-call':
        return this.message.rest() + this.startCall(part, start)
      case 'image': {
        const item = imageItem(this.log.nextId('ig'), start)
        return this.message.rest() + this.log.whole({ ...item, status: 'in_progress', result: null }, item)
      }
      case 'other': {
        if (start.wire !== RESPONSES_WIRE) return ''
        const item = { id: this.log.nextId('item'), ...start.value }
        return this.message.rest() + this.log.whole(item, item)
      }
      case 'audio':
        this.parts.set(part, { kind: 'whole' })
        return ''
    }
  }

  private startCall(part: number, start: CallStart): string {
    const signed =
      start.signature === undefined
        ? ''
        : this.signatureItem(signatureItem(this.nextReasoningId(), start.signature, 'call'))
    const id = this.log.nextId(start.isCustom === true ? 'ctc' : 'fc')
    const { index, text } = this.log.add(callItem(id, start, 'in_progress', ''))
    const heads = deltaHeads(`${callEvent(start)}.delta`, { item_id: id, output_index: index })
    this.parts.set(part, { kind: 'call', index, id, heads, start, text: '' })
    return signed + text
  }

  private delta(part: number, text: string): string {
    const open = this.parts.get(part)
    if (open?.kind === 'said') return this.message.delta(part, text)
    if (open?.kind === 'reasoning') return this.reasoningDelta(open, text)
    if (open?.kind !== 'call') return ''
    open.text += text
    return this.log.delta(open.heads, text)
  }

  private reasoningDelta(open: ReasoningPart, delta: string): string {
    const begun = open.item === null ? this.beginReasoning(open) : ''
    if (open.item === null) return ''
    open.text += delta
    return begun + this.log.delta(open.item.heads, delta)
  }

  private beginReasoning(open: ReasoningPart): string {
    const rest = this.message.rest()
    const id = ownItemId(open.signature ?? undefined) ?? this.nextReasoningId()
    const { index, text } = this.log.add(reasoningItem(id, [], null))
    const place = { item_id: id, output_index: index, summary_index: 0 }
    open.item = { id, index, place, heads: deltaHeads('response.reasoning_summary_text.delta', place) }
    const part = { type: 'summary_text', text: '' }
    return rest + text + this.log.event('response.reasoning_summary_part.added', { ...place, part })
  }

  private sign(part: number, signature: Signature, isRedacted: boolean): string {
    const open = this.parts.get(part)
    if (open?.kind !== 'said' && open?.kind !== 'reasoning') return ''
    const value = (open.signature?.value ?? '') + signature.value
    open.signature = { ...open.signature, ...signature, value }
    if (open.kind === 'reasoning') open.isRedacted = isRedacted
    return ''
  }

  private endPart(part: number, status = 'completed'): string {
    const open = this.parts.get(part)
    this.parts.delete(part)
    if (open?.kind === 'reasoning') return this.endReasoning(open)
    if (open?.kind === 'said') {
      const use = this.message.hasText(part) ? 'text' : 'empty'
      this.message.endPart(part)
      if (open.signature === null) return ''
      return this.message.rest() + this.signatureItem(signatureItem(this.nextReasoningId(), open.signature, use))
    }
    if (open?.kind !== 'call') return ''
    const { id, index, start, text } = open
    const said = start.isCustom === true ? { input: text } : { name: start.name, arguments: text }
    const done = this.log.event(`${callEvent(start)}.done`, { item_id: id, output_index: index, ...said })
    return done + this.log.done(index, callItem(id, start, status, text))
  }

  private endReasoning(open: ReasoningPart): string {
    const { item, text, signature, isRedacted } = open
    const id = item?.id ?? ownItemId(signature ?? undefined) ?? this.nextReasoningId()
    const use = isRedacted ? 'redacted' : 'reasoning'
    const encrypted = signature === null ? null : sealForItem(signature, use, id)
    if (item === null) {
      if (encrypted === null) return ''
      return this.message.rest() + this.signatureItem(reasoningItem(id, [], encrypted))
    }
    const { place } = item
    const part = { type: 'summary_text', text }
    return (
      this.log.event('response.reasoning_summary_text.done', { ...place, text }) +
      this.log.event('response.reasoning_summary_part.done', { ...place, part }) +
      this.log.done(item.index, reasoningItem(id, [text], encrypted))
    )
  }

  private signatureItem(item: JsonObject): string {
    return this.log.whole({ ...item, encrypted_content: undefined }, item)
  }

  private nextReasoningId(): string {
    return this.log.nextId('rs')
  }
}

function callEvent(start: CallStart): string {
  return start.isCustom === true ? 'response.custom_tool_call_input' : 'response.function_call_arguments'
}
