// Builds a reply's events in legal order from whatever order a provider has: one reply-start, dense part numbers, every
// part ended, one finish a choice, usage once, and a failure last. Every dialect reads through this, so that the order
// is kept in one place.
import type { UpstreamFailure } from '../core/failure.ts'
import type {
  Citation,
  FinishReason,
  MediaSource,
  NeutralEvent,
  PartStart,
  Signature,
  TokenLogprob,
} from '../core/neutral.ts'
import type { Wire } from '../core/directory.ts'
import type { JsonObject } from '../core/json.ts'
import type { Usage } from '../core/money/usage.ts'
import { brokenStream } from './failures/provider-error.ts'

/** A kind of part that is plain text. */
export type TextKind = 'text' | 'reasoning' | 'refusal'

interface ChoiceState {
  parts: number
  /** Text, reasoning or refusal part that is still open. */
  open: { readonly part: number; readonly kind: TextKind } | null
  audioPart: number | null
  /** What the text that is said next is called; null for nothing. */
  phase: string | null
  readonly openToolParts: Set<number>
  hasToolCall: boolean
  finish: FinishReason | null
  stopSequence: string | null
}

export class ReplyEvents {
  private events: NeutralEvent[] = []
  private readonly choices = new Map<number, ChoiceState>()
  private isStarted = false
  private isClosed = false
  private usage: Usage | null = null

  /** Hands over what has come together since the last call. */
  take(): readonly NeutralEvent[] {
    const taken = this.events
    this.events = []
    return taken
  }

  /** Usage so far; null for none. */
  get reported(): Usage | null {
    return this.usage
  }

  /** True once nothing more can follow. */
  get isOver(): boolean {
    return this.isClosed
  }

  /** True when the provider gave a finish reason for every choice it began. */
  get isFinished(): boolean {
    if (this.choices.size === 0) return false
    for (const choice of this.choices.values()) if (choice.finish === null) return false
    return true
  }

  /** Names the reply; only the first call counts. */
  start(id: string, model: string, createdSeconds: number | null, serviceTier: string | null = null): void {
    if (this.isStarted || this.isClosed) return
    this.isStarted = true
    const tier = serviceTier === null ? {} : { serviceTier }
    this.events.push({ type: 'reply-start', id, model, createdSeconds, ...tier })
  }

  /** Notes that a choice exists, though it has said nothing yet. */
  touch(choice: number): void {
    if (!this.isClosed) this.state(choice)
  }

  /** Text of the given kind; empty text is nothing. A change of kind ends the part before. */
  text(choice: number, kind: TextKind, text: string): void {
    if (text === '' || this.isClosed) return
    this.events.push({ type: 'part-delta', choice, part: this.textPart(choice, kind), text })
  }

  /** Whether the text that follows is said on the way or is the answer; null where nobody says. */
  phase(choice: number, phase: string | null): void {
    const state = this.state(choice)
    if (state.phase === phase) return
    if (state.open?.kind === 'text') this.endText(choice)
    state.phase = phase
  }

  /** A signature for the reasoning that is open, or for one of its own. */
  signature(choice: number, signature: Signature): void {
    this.sign(choice, 'reasoning', signature)
  }

  /** A signature for the text that is open, or for one of its own. */
  textSignature(choice: number, signature: Signature): void {
    this.sign(choice, 'text', signature)
  }

  /** Encrypted reasoning: a part of its own. */
  redacted(choice: number, data: Signature): void {
    if (data.value === '' || this.isClosed) return
    this.endText(choice)
    const part = this.textPart(choice, 'reasoning')
    this.events.push({ type: 'part-signature', choice, part, signature: data, redacted: true })
    this.endText(choice)
  }

  /** Encrypted form of the reasoning that is open; of its own where none is. */
  sealed(choice: number, data: Signature): void {
    if (this.isClosed || !this.isOpen(choice, 'reasoning')) return this.redacted(choice, data)
    this.events.push({
      type: 'part-signature',
      choice,
      part: this.textPart(choice, 'reasoning'),
      signature: data,
      redacted: true,
    })
    this.endText(choice)
  }

  /** Whether the part that is open is one of that kind. */
  isOpen(choice: number, kind: TextKind): boolean {
    return this.choices.get(choice)?.open?.kind === kind
  }

  /** A source of the text that is open; opens one if there is none. */
  citation(choice: number, citation: Citation): void {
    if (this.isClosed) return
    this.events.push({ type: 'part-citation', choice, part: this.textPart(choice, 'text'), citation })
  }

  /** Probabilities of the tokens that were just said. */
  logprobs(choice: number, tokens: readonly TokenLogprob[]): void {
    if (tokens.length === 0 || this.isClosed) return
    this.state(choice)
    this.events.push({ type: 'logprobs', choice, tokens })
  }

  /** A picture. */
  image(choice: number, source: MediaSource): void {
    this.whole(choice, { kind: 'image', source })
  }

  /** A piece that only `wire` knows. */
  other(choice: number, wire: Wire, type: string, value: JsonObject): void {
    this.whole(choice, { kind: 'other', type, value, wire })
  }

  /** Sound, its transcript, or both: they join the audio part that is open. */
  audio(
    choice: number,
    piece: { readonly id: string; readonly mediaType: string; readonly data: string; readonly transcript: string },
  ): void {
    if (this.isClosed) return
    const state = this.state(choice)
    if (state.audioPart === null) {
      this.endText(choice)
      state.audioPart = this.openPart(choice, { kind: 'audio', id: piece.id, mediaType: piece.mediaType })
    }
    const part = state.audioPart
    if (piece.transcript !== '') this.events.push({ type: 'part-delta', choice, part, text: piece.transcript })
    if (piece.data !== '') this.events.push({ type: 'part-data', choice, part, data: piece.data })
  }

  /** Begins a tool call and gives its part number. */
  toolCall(
    choice: number,
    id: string,
    name: string,
    facts: { readonly signature?: Signature; readonly isCustom?: boolean } = {},
  ): number {
    const state = this.state(choice)
    if (this.isClosed) return state.parts
    this.endText(choice)
    state.hasToolCall = true
    const part = this.openPart(choice, { kind: 'tool-call', id, name, ...facts })
    state.openToolParts.add(part)
    return part
  }

  /** More of a tool call's arguments; ignored for a part that isn't open. */
  toolArguments(choice: number, part: number, text: string): void {
    if (text === '' || this.isClosed || !this.state(choice).openToolParts.has(part)) return
    this.events.push({ type: 'part-delta', choice, part, text })
  }

  /** A signature for a tool call; ignored for a part that isn't open. */
  toolSignature(choice: number, part: number, signature: Signature): void {
    if (signature.value === '' || this.isClosed || !this.state(choice).openToolParts.has(part)) return
    this.events.push({ type: 'part-signature', choice, part, signature, redacted: false })
  }

  /** Ends a tool call that is known to be whole. */
  endToolCall(choice: number, part: number): void {
    if (this.isClosed || !this.state(choice).openToolParts.delete(part)) return
    this.events.push({ type: 'part-end', choice, part })
  }

  /** Ends the open text, reasoning or refusal part, if there is one. */
  endText(choice: number): void {
    const state = this.state(choice)
    if (state.open === null || this.isClosed) return
    this.events.push({ type: 'part-end', choice, part: state.open.part })
    state.open = null
  }

  /** Why a choice ended; the last reason given counts. It is sent when the reply is closed. */
  finish(choice: number, reason: FinishReason, stopSequence: string | null = null): void {
    const state = this.state(choice)
    state.finish = reason
    state.stopSequence = stopSequence
  }

  /** Usage so far; the last one counts. */
  report(usage: Usage | null): void {
    if (usage !== null) this.usage = usage
  }

  /** The provider failed: what is open stays open, and nothing follows. */
  fail(failure: UpstreamFailure): void {
    if (this.isClosed) return
    this.isClosed = true
    if (this.usage !== null) this.events.push({ type: 'usage', usage: this.usage })
    this.events.push({ type: 'failure', failure })
  }

  /** Closes the reply. It is whole if the provider said so (`isTerminated`) or every choice has its finish reason. */
  close(isTerminated: boolean): void {
    if (this.isClosed) return
    if (this.choices.size === 0) return this.fail(brokenStream('The provider sent an empty reply.'))
    if (!isTerminated && !this.isFinished) {
      return this.fail(brokenStream("The provider's stream ended before its reply was complete."))
    }
    const order = [...this.choices.keys()].sort((a, b) => a - b)
    for (const choice of order) this.closeChoice(choice)
    if (this.usage !== null) this.events.push({ type: 'usage', usage: this.usage })
    this.isClosed = true
  }

  private closeChoice(choice: number): void {
    const state = this.state(choice)
    this.endText(choice)
    for (const part of state.openToolParts) this.events.push({ type: 'part-end', choice, part })
    state.openToolParts.clear()
    if (state.audioPart !== null) this.events.push({ type: 'part-end', choice, part: state.audioPart })
    const reason = finishFromContent(state.finish ?? 'stop', state.hasToolCall)
    const stop = state.stopSequence === null ? {} : { stopSequence: state.stopSequence }
    const guess = state.finish === null ? { isAssumed: true as const } : {}
    this.events.push({ type: 'finish', choice, reason, ...stop, ...guess })
  }

  private sign(choice: number, kind: 'reasoning' | 'text', signature: Signature): void {
    if (signature.value === '' || this.isClosed) return
    const part = this.textPart(choice, kind)
    this.events.push({ type: 'part-signature', choice, part, signature, redacted: false })
  }

  private whole(choice: number, start: PartStart): void {
    if (this.isClosed) return
    this.endText(choice)
    this.events.push({ type: 'part-end', choice, part: this.openPart(choice, start) })
  }

  private textPart(choice: number, kind: TextKind): number {
    const state = this.state(choice)
    if (state.open?.kind === kind) return state.open.part
    this.endText(choice)
    const named = kind === 'text' && state.phase !== null ? { phase: state.phase } : {}
    const part = this.openPart(choice, { kind, ...named })
    state.open = { part, kind }
    return part
  }

  private openPart(choice: number, start: PartStart): number {
    const state = this.state(choice)
    const part = state.parts
    state.parts += 1
    this.events.push({ type: 'part-start', choice, part, start })
    return part
  }

  private state(choice: number): ChoiceState {
    if (!this.isStarted && !this.isClosed) this.start('', '', null)
    const known = this.choices.get(choice)
    if (known !== undefined) return known
    const state: ChoiceState = {
      parts: 0,
      open: null,
      audioPart: null,
      phase: null,
      openToolParts: new Set(),
      hasToolCall: false,
      finish: null,
      stopSequence: null,
    }
    this.choices.set(choice, state)
    return state
  }
}

/** Providers disagree on the reason when a tool is called (`stop` where one was forced): what the reply holds decides. */
function finishFromContent(reason: FinishReason, hasToolCall: boolean): FinishReason {
  if (reason === 'stop' && hasToolCall) return 'tool-calls'
  return reason === 'tool-calls' && !hasToolCall ? 'stop' : reason
}
