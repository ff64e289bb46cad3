// What of a streamed reply its client has been given, as far as another model has to know to go on with it. Filled event by event,
// as they go out; bounded, because most replies never need it.
import type { JsonObject } from '../json.ts'
import type { NeutralEvent, PartStart } from '../neutral.ts'

/** A longer reply is not gone on with. Characters. */
const TOLD_CHARS_MAX = 400_000

/** A part that was begun. */
export interface ToldPart {
  readonly part: number
  readonly start: PartStart
  isOpen: boolean
}

/** Where the client's own wire stands, for a writer that is to go on in its middle. */
export type StreamPlace =
  /** Anthropic's blocks: the number of the one that is open, or of the next. */
  | { readonly kind: 'blocks'; readonly index: number; readonly open: string | null }
  /** OpenAI's events: their next number, the items so far, and the message that is open. `open`: what else is, by its type. */
  | {
      readonly kind: 'response'
      readonly next: number
      readonly items: readonly JsonObject[]
      readonly message: ToldMessage | null
      readonly open: string | null
    }

export interface ToldMessage {
  readonly index: number
  readonly item: JsonObject
  readonly contents: readonly { readonly part: JsonObject; readonly isDone: boolean }[]
}

export class Told {
  /** Whether the reply has been named. */
  hasBegun = false
  id = ''
  model = ''
  createdSeconds: number | null = null
  readonly parts: ToldPart[] = []
  /** Everything that text parts said, one after another. */
  text = ''
  /** Why nothing can be gone on with; null while that isn't known. */
  private hindrance: string | null = null

  push(event: NeutralEvent): void {
    if ('choice' in event && event.choice > 0) this.hindrance ??= 'several replies'
    switch (event.type) {
      case 'reply-start':
        this.hasBegun = true
        this.id = event.id
        this.model = event.model
        this.createdSeconds = event.createdSeconds
        return
      case 'part-start':
        this.parts.push({ part: event.part, start: event.start, isOpen: true })
        return
      case 'part-delta':
        return this.say(event.part, event.text)
      case 'part-end': {
        const part = this.partAt(event.part)
        if (part !== undefined) part.isOpen = false
        return
      }
      case 'logprobs':
        this.hindrance ??= 'probabilities of tokens'
        return
      case 'finish':
        this.hindrance ??= 'a reply that is finished'
        return
      default:
    }
  }

  /** Notes why nobody can go on with it. */
  hinder(reason: string): void {
    this.hindrance ??= reason
  }

  /** Nothing is open any more. */
  close(): void {
    for (const part of this.parts) part.isOpen = false
  }

  /** Why nobody can go on with the reply; null when somebody can. `isSigned`: its reasoning is, once it is whole. */
  whyNot(isSigned: boolean): string | null {
    if (this.hindrance !== null) return this.hindrance
    const strange = this.parts.find(({ start }) => start.kind !== 'text' && start.kind !== 'reasoning')
    if (strange !== undefined) return strange.start.kind
    return isSigned && this.parts.some(({ start, isOpen }) => start.kind === 'reasoning' && isOpen)
      ? 'reasoning that is signed when it is whole'
      : null
  }

  /** The part that is open, of whatever kind. */
  get open(): ToldPart | null {
    return this.parts.findLast(({ isOpen }) => isOpen) ?? null
  }

  /** A number for a part that follows. */
  get nextPart(): number {
    return this.parts.reduce((most, { part }) => Math.max(most, part), -1) + 1
  }

  private say(number: number, text: string): void {
    const last = this.parts.at(-1)
    const part = last?.part === number ? last : this.partAt(number)
    if (part?.start.kind !== 'text' || this.hindrance !== null) return
    this.text += text
    if (this.text.length <= TOLD_CHARS_MAX) return
    this.hindrance = 'a reply of this length'
    this.text = ''
  }

  private partAt(number: number): ToldPart | undefined {
    return this.parts.find(({ part }) => part === number)
  }
}
