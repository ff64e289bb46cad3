// Writes a reply as the stream of a message: blocks one after another, each with its beginning, deltas and end. Parts that
// overlap are put in line: one that begins while another is open is held back until that one ends, or is seen to be whole.
// https://platform.claude.com/docs/en/build-with-claude/streaming
import type { JsonObject } from '../../core/json.ts'
import type { FinishReason, NeutralEvent, PartStart, Signature } from '../../core/neutral.ts'
import type { StreamPlace, Told } from '../../core/reply/told.ts'
import type { Usage } from '../../core/money/usage.ts'
import { writeStopReason } from '../../wire/anthropic-messages.ts'
import { BlockWriter, streamEvent } from './block-writer.ts'
import { finishFor, messageHead, writeUsage } from './reply.ts'
import type { ReplyContext, StreamWriter } from '../protocol.ts'

/** A writer for one stream. Only the first choice is written. */
export function createMessagesWriter(context: ReplyContext): StreamWriter {
  return new MessagesWriter(context)
}

/** A writer that goes on in a stream of which a block may be open. */
export function messagesWriterAt(context: ReplyContext, told: Told, place: StreamPlace): StreamWriter | null {
  if (place.kind !== 'blocks') return null
  return new MessagesWriter(context, { index: place.index, part: told.open?.part ?? -1, isOpen: place.open !== null })
}

type PartEvent = Extract<NeutralEvent, { readonly part: number }>

/** A part that has to wait for its turn, and what has been said of it. */
interface HeldPart {
  readonly part: number
  readonly start: PartStart
  readonly events: PartEvent[]
}

const ONLY_CHOICE = 0
const BEGINNING = { index: 0, part: -1, isOpen: false }

class MessagesWriter implements StreamWriter {
  private readonly context: ReplyContext
  private readonly block: BlockWriter
  /** The part whose block is being written; -1 for none. */
  private part: number
  private readonly held: HeldPart[] = []
  /** Calls whose blocks were ended before their parts: they may still be signed. */
  private readonly ended = new Map<number, { readonly id: string; signature: Signature | null }>()
  private finish: FinishReason | null = null
  private stopSequence: string | null = null
  private usage: Usage | null = null
  private tier: string | undefined
  private isRefusal = false

  constructor(context: ReplyContext, at: { index: number; part: number; isOpen: boolean } = BEGINNING) {
    this.context = context
    this.block = new BlockWriter(at.index, at.isOpen)
    this.part = at.isOpen ? at.part : -1
  }

  push(event: NeutralEvent): string {
    if ('choice' in event && event.choice !== ONLY_CHOICE) return ''
    switch (event.type) {
      case 'reply-start':
        this.tier = event.serviceTier
        return this.messageStart()
      case 'part-start':
        return this.begin(event.part, event.start)
      case 'part-delta':
      case 'part-data':
      case 'part-signature':
      case 'part-citation':
      case 'part-end':
        return this.tell(event)
      case 'finish':
        this.finish = event.reason
        this.stopSequence = event.stopSequence ?? null
        return ''
      case 'usage':
        this.usage = event.usage
        return ''
      case 'logprobs':
      case 'failure':
        return ''
    }
  }

  end(): string {
    let text = this.block.end()
    this.part = -1
    for (let next = this.held.shift(); next !== undefined; next = this.held.shift()) {
      text += this.replay(next) + this.block.end()
    }
    for (const { id, signature } of this.ended.values()) if (signature !== null) text += this.block.sign(id, signature)
    const delta = writeStopReason(finishFor(this.finish, this.isRefusal), this.stopSequence)
    const usage = writeUsage(this.usage, this.tier)
    return text + streamEvent({ type: 'message_delta', delta, usage }) + streamEvent({ type: 'message_stop' })
  }

  private messageStart(): string {
    const rest: JsonObject = { content: [], stop_reason: null, stop_sequence: null, usage: writeUsage(null, this.tier) }
    return streamEvent({ type: 'message_start', message: { ...messageHead(this.context), ...rest } })
  }

  private begin(part: number, start: PartStart): string {
    this.isRefusal ||= start.kind === 'refusal'
    const call = this.part === -1 || this.held.length > 0 ? null : this.block.wholeCall
    if (this.part !== -1 && call === null) {
      this.held.push({ part, start, events: [] })
      return ''
    }
    if (call !== null) this.ended.set(this.part, { id: call, signature: null })
    const ended = this.part === -1 ? '' : this.block.end()
    this.part = part
    return ended + this.block.begin(start)
  }

  private tell(event: PartEvent): string {
    if (event.part !== this.part) {
      const call = this.ended.get(event.part)
      if (call !== undefined && event.type === 'part-signature')
        call.signature = joined(call.signature, event.signature)
      this.held.find(({ part }) => part === event.part)?.events.push(event)
      return ''
    }
    return event.type === 'part-end' ? this.block.end() + this.goOn() : this.block.add(event)
  }

  /** Writes what was held back: up to the end of the first part that is still open. */
  private goOn(): string {
    let text = ''
    this.part = -1
    for (let next = this.held.shift(); next !== undefined; next = this.held.shift()) {
      text += this.replay(next)
      if (next.events.at(-1)?.type !== 'part-end') {
        this.part = next.part
        break
      }
      text += this.block.end()
    }
    return text
  }

  private replay({ start, events }: HeldPart): string {
    return this.block.begin(start) + events.map((event) => this.block.add(event)).join('')
  }
}

function joined(before: Signature | null, more: Signature): Signature {
  return { ...more, value: (before?.value ?? '') + more.value }
}
