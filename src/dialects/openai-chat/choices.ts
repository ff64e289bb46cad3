// Places what the choices of an OpenAI-compatible reply say into parts: which tool call a piece belongs to, which signature
// seals which reasoning, which source was named before. The same for a whole reply and for the chunks of a stream.
import { isJsonObject } from '../../core/json.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Citation, Signature } from '../../core/neutral.ts'
import { readChatFinish } from '../../wire/openai-chat.ts'
import { readSources } from '../../wire/openai-chat-citation.ts'
import { readLogprobs } from '../../wire/openai-chat-logprobs.ts'
import { readPieces } from '../../wire/openai-chat-message.ts'
import type { ChatPiece, ChatToolPiece } from '../../wire/openai-chat-message.ts'
import { arrayOf, countOf, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import type { ReplyEvents } from '../reply-events.ts'

/** What is known of a choice's reasoning: which block is open, and whether its signature has come. */
interface ReasoningState {
  block: number | null
  isSealed: boolean
}

/** Places what the choices of one reply say. Bodies are pushed in order; `settle` comes before the reply is closed. */
export class ChatChoices {
  private readonly events: ReplyEvents
  private readonly calls = new Map<number, ToolSlot[]>()
  private readonly reasoning = new Map<number, ReasoningState>()
  /** Signatures of calls that haven't begun yet, by choice and the call's id. */
  private readonly early = new Map<number, Map<string, Signature>>()
  /** Addresses that were cited, choice by choice: some providers repeat their list in every chunk. */
  private readonly cited = new Map<number, Set<string>>()
  private replyId = ''

  constructor(events: ReplyEvents) {
    this.events = events
  }

  readReply(reply: JsonObject): void {
    this.start(reply)
    this.readChoices(reply, 'message')
    this.settle()
  }

  readChunk(chunk: JsonObject): void {
    if (arrayOf(chunk['choices']).length > 0) this.start(chunk)
    this.readChoices(chunk, 'delta')
  }

  /** What waited for a call that never came stands for itself. */
  settle(): void {
    for (const [choice, signatures] of this.early) {
      for (const signature of signatures.values()) this.events.redacted(choice, signature)
    }
    this.early.clear()
  }

  private start(body: JsonObject): void {
    if (this.replyId === '') this.replyId = stringOf(body['id']) ?? ''
    const { model, created, service_tier: tier } = body
    this.events.start(this.replyId, stringOf(model) ?? '', numberOf(created), stringOf(tier))
  }

  private readChoices(body: JsonObject, member: 'message' | 'delta'): void {
    const hasSources = body['citations'] !== undefined || body['search_results'] !== undefined
    const sources = hasSources ? readSources(body) : []
    arrayOf(body['choices']).forEach((value, position) => {
      const choice = objectOf(value)
      const number = choiceNumber(choice, position)
      this.readChoice(choice, number, objectOf(choice[member]), member === 'message')
      for (const source of sources) this.addSource(number, source)
    })
  }

  private readChoice(choice: JsonObject, number: number, message: JsonObject, isWhole: boolean): void {
    this.events.touch(number)
    const tokens = choice['logprobs']
    let logprobs = isJsonObject(tokens) ? readLogprobs(tokens) : null
    for (const piece of readPieces(message)) {
      // They are those of the text, which these end.
      if (logprobs !== null && (piece.kind === 'tool' || piece.kind === 'image' || piece.kind === 'audio')) {
        this.events.logprobs(number, logprobs)
        logprobs = null
      }
      this.place(number, piece, isWhole)
    }
    if (logprobs !== null) this.events.logprobs(number, logprobs)
    const finish = stringOf(choice['finish_reason'])
    if (finish !== null) this.events.finish(number, readChatFinish(finish), stopSequenceOf(choice))
  }

  private place(choice: number, piece: ChatPiece, isWhole: boolean): void {
    switch (piece.kind) {
      case 'reasoning':
        return this.addReasoning(choice, piece)
      case 'signature':
        this.reasoningOf(choice).isSealed = true
        return this.events.signature(choice, piece.signature)
      case 'redacted':
        return this.addRedacted(choice, piece.block, piece.signature)
      case 'call-signature':
        return this.signCall(choice, piece.callId, piece.signature)
      case 'text-signature':
        return this.events.textSignature(choice, piece.signature)
      case 'citation':
        return this.addCitation(choice, piece.citation)
      case 'image':
        return this.events.image(choice, piece.source)
      case 'audio':
        return this.events.audio(choice, { ...piece, mediaType: '' })
      case 'tool':
        return this.addCall(choice, piece, isWhole)
      default:
        return this.events.text(choice, piece.kind, piece.text)
    }
  }

  private reasoningOf(choice: number): ReasoningState {
    const known = this.reasoning.get(choice)
    if (known !== undefined) return known
    const state: ReasoningState = { block: null, isSealed: false }
    this.reasoning.set(choice, state)
    return state
  }

  /** Nothing of a block follows its signature: what comes after one is another block. */
  private addReasoning(choice: number, piece: ChatPiece & { readonly kind: 'reasoning' }): void {
    const state = this.reasoningOf(choice)
    if (state.isSealed && this.events.isOpen(choice, 'reasoning')) this.events.endText(choice)
    state.isSealed = false
    state.block = piece.block
    this.events.text(choice, 'reasoning', piece.text)
  }

  private addRedacted(choice: number, block: number | null, signature: Signature): void {
    const state = this.reasoningOf(choice)
    if (!state.isSealed && block !== null && block === state.block) this.events.sealed(choice, signature)
    else this.events.redacted(choice, signature)
    state.block = null
  }

  private addCitation(choice: number, citation: Citation): void {
    if (citation.url !== undefined) this.citedOf(choice).add(citation.url)
    this.events.citation(choice, citation)
  }

  /** A source of the reply as a whole belongs to its text, as soon as there is any. */
  private addSource(choice: number, source: Citation): void {
    const cited = this.citedOf(choice)
    const url = source.url ?? ''
    if (cited.has(url) || !this.events.isOpen(choice, 'text')) return
    cited.add(url)
    this.events.citation(choice, source)
  }

  private citedOf(choice: number): Set<string> {
    const cited = this.cited.get(choice) ?? new Set<string>()
    this.cited.set(choice, cited)
    return cited
  }

  private signCall(choice: number, callId: string, signature: Signature): void {
    const slot = this.calls.get(choice)?.findLast((candidate) => candidate.id === callId)
    if (slot !== undefined) return this.events.toolSignature(choice, slot.part, signature)
    const waiting = this.early.get(choice) ?? new Map<string, Signature>()
    this.early.set(choice, waiting.set(callId, signature))
  }

  /** Of a whole reply every entry is a call of its own, whatever its id. */
  private addCall(choice: number, piece: ChatToolPiece, isWhole: boolean): void {
    const slots = this.calls.get(choice) ?? []
    this.calls.set(choice, slots)
    const known = isWhole ? undefined : findSlot(slots, piece)
    if (known !== undefined && piece.signature !== null) this.events.toolSignature(choice, known.part, piece.signature)
    const part = known?.part ?? this.beginCall(choice, slots, piece)
    this.events.toolArguments(choice, part, piece.argumentsText)
  }

  private beginCall(choice: number, slots: ToolSlot[], piece: ChatToolPiece): number {
    // An id that an earlier call has would leave a client with two results for one call.
    const isTaken = slots.some(({ id: taken }) => taken !== null && taken === piece.id)
    const own = isTaken ? null : piece.id
    const id = own ?? synthesisedId(this.replyId, choice, slots.length)
    const waiting = this.early.get(choice)
    const signature = piece.signature ?? waiting?.get(id) ?? null
    waiting?.delete(id)
    const part = this.events.toolCall(choice, id, piece.name ?? '', {
      ...(signature === null ? {} : { signature }),
      ...(piece.isCustom ? { isCustom: true } : {}),
    })
    slots.push({ index: piece.index, position: piece.position, id: piece.id, part })
    return part
  }
}

/** Words for an ending that some servers give where others name the sequence. */
const NO_SEQUENCES = new Set(['stop', 'end_turn', 'eos', 'eos_token', 'tool_use'])

/** The sequence that ended a choice, where the provider says (vLLM `stop_reason`, SGLang `matched_stop`). */
function stopSequenceOf(choice: JsonObject): string | null {
  if (choice['finish_reason'] !== 'stop') return null
  const sequence = stringOf(choice['stop_reason']) ?? stringOf(choice['matched_stop'])
  return sequence === null || NO_SEQUENCES.has(sequence) ? null : sequence
}

function choiceNumber(choice: JsonObject, position: number): number {
  const index = choice['index']
  return typeof index === 'number' ? countOf(index) : position
}

interface ToolSlot {
  readonly index: number | null
  readonly position: number
  readonly id: string | null
  readonly part: number
}

/**
 * The call that a piece continues; undefined for a new one. Numbered pieces go by number, unless a second call with a
 * name and an id of its own comes under a number in use. Unnumbered ones go by id, then a name begins a new call, and
 * what has neither continues the call at its place.
 */
function findSlot(slots: readonly ToolSlot[], piece: ChatToolPiece): ToolSlot | undefined {
  if (piece.index !== null) {
    const slot = slots.findLast((candidate) => candidate.index === piece.index)
    const isOther = piece.name !== null && piece.id !== null && slot?.id !== null && slot?.id !== piece.id
    return isOther ? undefined : slot
  }
  const isNamed = piece.name !== null
  // Some give every call the same id: then those that stand beside each other, each with a name, are several.
  const sameId = slots.findLast(
    ({ id, position }) => piece.id !== null && id === piece.id && !(isNamed && position !== piece.position),
  )
  if (sameId !== undefined || piece.name !== null) return sameId
  return slots.findLast((candidate) => candidate.position === piece.position) ?? slots.at(-1)
}

/** An id for a call that came without: unique within a conversation as far as the reply's own id is. */
function synthesisedId(replyId: string, choice: number, call: number): string {
  const base = replyId.replaceAll(/[^a-zA-Z0-9_-]/g, '_').slice(0, 40)
  return `call_${base}_${choice}_${call}`
}
