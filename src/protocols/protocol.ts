// What a client speaks to us: read its request, write its reply, phrase its failures. Pure: no network, no clock.
import type { ProtocolName, Wire } from '../core/directory.ts'
import type { Failure, InvalidRequest } from '../core/failure.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { NeutralEvent, NeutralReply, NeutralRequest } from '../core/neutral.ts'
import type { PromptExtras } from '../core/estimate/prompt-extras.ts'
import type { Result } from '../core/result.ts'
import type { StreamPlace, Told } from '../core/reply/told.ts'
import type { Units } from '../core/money/usage.ts'

/** The few members of a request that the gateway itself acts on, read without building the neutral form. */
export interface RequestFacts {
  readonly model: string
  readonly isStreamed: boolean
  /** Whether the client wants usage in its stream (what it didn't ask for is taken out again). */
  readonly wantsUsage: boolean
  /** The client's own output bound for one reply; null when it names none. The whole request may take `choices` times it. */
  readonly maxOutputTokens: number | null
  /** How many alternative replies. */
  readonly choices: number
  readonly endUser: string | null
  /** Characters of prompt text, tools included: the base of the token estimate. */
  readonly promptText: () => string
  /** What else the prompt holds; missing: nothing but text. */
  readonly promptExtras?: () => PromptExtras
  /** The output without which the request would be refused (a budget of thinking); missing: none. */
  readonly leastOutputTokens?: number
  /** What is sold by other measures than tokens, and known beforehand; missing: nothing. */
  readonly units?: Units
  /** Whether a cached reply may stand in: deterministic (temperature 0 or a seed), or cacheable at all. */
  readonly cacheability: 'deterministic' | 'cacheable' | 'never'
}

/** Turns a reply's events into the protocol's stream, as text to be sent as it is. */
export interface StreamWriter {
  /** The text for one event; often empty. A failure event gives none: `failInStream` phrases it. */
  push(event: NeutralEvent): string
  /** What closes a stream that ended well. */
  end(): string
  /** The number of the stream's next event, on wires that number theirs. */
  readonly nextNumber?: number
}

/** What a reply needs to know of its request. */
export interface ReplyContext {
  readonly id: string
  readonly createdSeconds: number
  readonly model: string
  /** Whether the client wants usage in its stream. */
  readonly wantsUsage: boolean
  /** The request as the client wrote it: some protocols repeat parts of it. */
  readonly request: JsonObject
}

export interface WireFailure {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Json
}

/** What a reply may hold besides plain text. */
export type ReplyFeature =
  | 'reasoning'
  | 'signature'
  | 'refusal'
  | 'tool-call'
  | 'image'
  | 'audio'
  /** A part that only another wire knows. */
  | 'other'
  /** The provider wants to go on when it is asked again. */
  | 'paused'
  | 'citation'
  | 'logprobs'
  | 'choices'

/** Whatever serves a request, as far as every request needs it: what the ledger calls it, and how it says no. */
export interface Speaker {
  readonly name: string
  /** Absent where no dialect can have it. */
  readonly wire?: Wire
  /** Headers of the client's, in lower case, that go on to a provider of the same wire. */
  readonly passesHeaders?: readonly string[]
  /** A header of its own that its SDKs read the request's id from. */
  readonly idHeader?: string
  fail(failure: Failure, requestId: string): WireFailure
  /** The text that tells a client in mid-stream that its reply broke off. Never a clean end. `nextNumber`: of the stream's
   *  next event, where its wire numbers them. */
  failInStream(failure: Failure, requestId: string, nextNumber?: number): string
}

export interface Protocol extends Speaker {
  readonly name: ProtocolName
  /** HTTP path, e.g. `/v1/chat/completions`. */
  readonly endpoint: string
  readonly wire: Wire
  /** Checks what the gateway relies on and names the field that is wrong. Unknown fields are kept. */
  facts(body: JsonObject): Result<RequestFacts, InvalidRequest>
  /** The whole request in neutral form (translated lane only). */
  read(body: JsonObject): Result<NeutralRequest, InvalidRequest>
  /** How the ids of its replies begin, e.g. `chatcmpl-`. */
  readonly idPrefix: string
  /** What of a reply this protocol has no place for: it is left out of the answer. Missing: nothing. */
  readonly hides?: ReadonlySet<ReplyFeature>
  write(reply: NeutralReply, context: ReplyContext): Json
  writer(context: ReplyContext): StreamWriter
  /** What is still missing of a stream that was relayed as it came, when its reply is whole but its last word never came.
   *  Missing: what a writer ends with. */
  readonly lastWord?: string
  /** A writer that goes on in the middle of a stream which was relayed as it came, where that takes more than to be told of
   *  what was said (on wires that count their events). Null where it can't. */
  writerAt?(context: ReplyContext, told: Told, place: StreamPlace): StreamWriter | null
}
