// Writes what a continuation says behind what the client has been given already, as if one model had said both: into the part that
// is open, without what is said again, with the usage of all together. Its end tells who went on.
import type { NeutralEvent } from '../../core/neutral.ts'
import type { Seam } from '../../core/reply/seam.ts'
import type { Told } from '../../core/reply/told.ts'
import type { Usage } from '../../core/money/usage.ts'
import type { StreamWriter } from '../../protocols/protocol.ts'
import { noted } from './last-words.ts'
import type { JsonObject } from '../../core/json.ts'

type PartStartEvent = Extract<NeutralEvent, { readonly type: 'part-start' }>
type PartEvent = Exclude<Extract<NeutralEvent, { readonly part: number }>, PartStartEvent>

export interface Continuation {
  readonly told: Told
  readonly seam: Seam
  /** Stands where the reply broke off. */
  readonly writer: StreamWriter
  /** Who goes on. */
  readonly targetId: string
  /** The usage of the whole reply, from that of the continuation. */
  readonly total: (usage: Usage) => Usage
  /** What the last event tells of it. */
  readonly note: JsonObject
}

export class ContinuationWriter implements StreamWriter {
  readonly #continuation: Continuation
  /** Parts of the continuation that are text, to be joined to what was said. */
  readonly #texts = new Set<number>()
  /** Parts that nobody is shown. */
  readonly #hidden = new Set<number>()
  /** The numbers that other parts go out with. */
  readonly #numbers = new Map<number, number>()
  /** The number of the part that takes the text; null for none. */
  #open: number | null
  #nextPart: number
  #finish: NeutralEvent | null = null
  #usage: NeutralEvent | null = null
  #isAnnounced = false

  constructor(continuation: Continuation) {
    const { told } = continuation
    this.#continuation = continuation
    this.#open = told.open?.start.kind === 'text' ? told.open.part : null
    this.#nextPart = told.nextPart
  }

  get nextNumber(): number {
    return this.#continuation.writer.nextNumber ?? 0
  }

  push(event: NeutralEvent): string {
    const text = this.#written(event)
    if (text === '' || this.#isAnnounced) return text
    this.#isAnnounced = true
    return `: failover ${this.#continuation.targetId}\n\n${text}`
  }

  end(): string {
    const { seam, writer, note } = this.#continuation
    let text = this.#say(seam.end())
    const open = this.#continuation.told.open
    if (open !== null) text += this.#tell({ type: 'part-end', choice: 0, part: open.part })
    for (const event of [this.#finish, this.#usage]) if (event !== null) text += writer.push(event)
    return noted(text + writer.end(), note)
  }

  #written(event: NeutralEvent): string {
    if ('choice' in event && event.choice > 0) return ''
    switch (event.type) {
      case 'reply-start':
        return this.#continuation.told.hasBegun ? '' : this.#tell({ ...event, id: '', createdSeconds: null })
      case 'part-start':
        return this.#begin(event)
      case 'finish':
        this.#finish = event
        return ''
      case 'usage':
        this.#usage = { type: 'usage', usage: this.#continuation.total(event.usage) }
        return ''
      case 'logprobs':
      case 'failure':
        return ''
      default:
        return this.#add(event)
    }
  }

  #begin(event: PartStartEvent): string {
    const { kind } = event.start
    if (kind === 'reasoning') {
      // What another model thinks on the way to the rest belongs to no reply.
      this.#hidden.add(event.part)
      return ''
    }
    if (kind === 'text') {
      this.#texts.add(event.part)
      return ''
    }
    const before = this.#say(this.#continuation.seam.end()) + this.#close()
    const part = this.#nextPart++
    this.#numbers.set(event.part, part)
    return before + this.#tell({ ...event, part })
  }

  #add(event: PartEvent): string {
    if (this.#hidden.has(event.part)) return ''
    if (!this.#texts.has(event.part)) return this.#tell({ ...event, part: this.#numbers.get(event.part) ?? event.part })
    // Where a text comes from, and what signs it, is told of a text of the model's own.
    return event.type === 'part-delta' ? this.#say(this.#continuation.seam.push(event.text)) : ''
  }

  /** More of the text. */
  #say(text: string): string {
    if (text === '') return ''
    const before = this.#open === null ? this.#openText() : ''
    return before + this.#tell({ type: 'part-delta', choice: 0, part: this.#open ?? 0, text })
  }

  #openText(): string {
    const closed = this.#close()
    const part = this.#nextPart++
    this.#open = part
    return closed + this.#tell({ type: 'part-start', choice: 0, part, start: { kind: 'text' } })
  }

  /** Ends the part that is open. */
  #close(): string {
    this.#open = null
    const { open } = this.#continuation.told
    return open === null ? '' : this.#tell({ type: 'part-end', choice: 0, part: open.part })
  }

  #tell(event: NeutralEvent): string {
    const { told, writer } = this.#continuation
    told.push(event)
    return writer.push(event)
  }
}
