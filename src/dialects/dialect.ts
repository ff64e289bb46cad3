// What we speak to a provider: write its request, read its reply, make sense of its errors. Pure: no network, no clock,
// no secrets (the upstream adapter adds the credential by the provider's auth scheme).
import type { AuthScheme, DialectName, Target, Wire } from '../core/directory.ts'
import type { Gap, UpstreamFailure } from '../core/failure.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { NeutralEvent, NeutralRequest } from '../core/neutral.ts'
import type { StreamPlace } from '../core/reply/told.ts'
import type { Usage } from '../core/money/usage.ts'

/** A call to a provider, short of its address and its credential. */
export interface UpstreamCall {
  /** Path below the target's base URL, e.g. `/chat/completions`, with its query. No model id can change the host, climb
   *  the path or add to the query: model ids go through `pathSegment`. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** POST unless it says otherwise. */
  readonly method?: string
  /** The body is the first message on a WebSocket; what comes back are its messages, a line of JSON each. */
  readonly isWebSocket?: boolean
}

/** A native-lane body and what the gateway changes in it. */
export interface NativeEdits {
  /** Model name to send, or null to leave the client's. */
  readonly model: string | null
  /** Ask for usage in the stream though the client didn't. */
  readonly forceUsage: boolean
  /** Output bound for one reply that the client's own may not exceed, or null to leave the client's as it is. */
  readonly maxOutputTokens: number | null
  /** Headers of the client's that its protocol passes on (`Speaker.passesHeaders`), by their names in lower case. */
  readonly headers?: Readonly<Record<string, string>>
}

/** One message of a stream, framing taken off. */
export interface Frame {
  /** The `event:` name; empty for none. */
  readonly event: string
  readonly data: string
}

/** Reads a provider's stream, frame by frame. */
export interface StreamReader {
  push(frame: Frame): readonly NeutralEvent[]
  /** What is still owed when the stream ends (finishes and usage come when the provider says that it is done, or here). A stream that ended too early ends with a failure event of class
   *  `stream`. */
  end(): readonly NeutralEvent[]
}

/** Follows where a native-lane stream stands, so that another writer can go on in its middle. */
export interface PlaceReader {
  take(frame: Frame): void
  readonly place: StreamPlace
}

/** Watches a native-lane stream without building events: as little work per frame as will do. */
export interface StreamMeter {
  /** Looks at one frame. `content`: it carries something a user would see, be it
   *  the mere beginning of a tool call. `usage-only`: it carries nothing but usage
   *  (to be taken out when the client didn't ask). `error`: the provider reports a failure. `other`: anything else. */
  push(frame: Frame): 'content' | 'usage-only' | 'error' | 'other'
  /** Last usage reported; null for none so far. */
  readonly usage: Usage | null
  /** Characters of visible output so far, over all choices: text, reasoning, refusals and arguments of tool calls, but no
   *  names. */
  readonly visibleChars: number
  /** True once the stream said that it is complete (`[DONE]`, `message_stop`, a finish reason for every choice). */
  readonly isComplete: boolean
  /** How many alternative replies have begun. Missing: there is one. */
  readonly choicesBegun?: number
  /** True once the wire's own last word has passed (`[DONE]`, `message_stop`, `response.completed`): a stream that is
   *  complete without it gets it from the client's protocol. */
  readonly isTerminated: boolean
  /** The failure that an `error` frame carried. */
  readonly failure: UpstreamFailure | null
  /** True once a tool call has begun. Missing: there are none. */
  readonly isCalling?: boolean
  /** The number that the stream's next frame would have, on wires that number theirs; a frame with an error counts for
   *  none, since another is told in its place. */
  readonly nextNumber?: number
  /** What closes the stream at this point, in its own words, as if its reply had come to its output bound: what is open ends.
   *  Null, or missing, where that can't be done. */
  cut?(at: CutShort): string | null
}

/** Where a stream is ended before its time. */
export interface CutShort {
  /** What was used, as far as is known. */
  readonly usage: Usage
  /** Whether the client asked for usage in its stream. */
  readonly wantsUsage: boolean
  /** How many alternative replies were asked for. */
  readonly choices: number
}

/** How a stream is cut into messages. */
export type Framing = 'sse' | 'event-stream' | 'ndjson' | 'json-array' | 'whole'

export interface Dialect {
  readonly name: DialectName
  readonly wire: Wire
  /** How its streams are framed where the response's content type doesn't say otherwise. */
  readonly framing: Framing
  /** How this target's streams are framed, where the target itself says so: this has the last word. */
  framingOf?(target: Target): Framing | null
  /** How the credential is sent unless the target says otherwise. */
  readonly auth: AuthScheme
  /** The wire whose bytes this target takes and gives unaltered; null where they are always translated. */
  nativeWire(target: Target): Wire | null
  /** What of this request the dialect, or this target, can't carry. */
  gaps(request: NeutralRequest, target: Target): readonly Gap[]
  /** What of a body on the native lane this target is known to refuse. Missing: the provider is the judge of everything. */
  nativeGaps?(body: JsonObject, target: Target): readonly Gap[]
  /** The translated lane. `edits.maxOutputTokens` is the bound to send where the client named none or a higher one;
   *  `edits.model` the model to name, or null for the one that the client named. */
  write(request: NeutralRequest, target: Target, edits: NativeEdits): UpstreamCall
  /** The native lane: the client's own text with a few members spliced, everything else untouched to the byte. */
  edit(text: string, body: JsonObject, edits: NativeEdits, target: Target): UpstreamCall
  reader(target: Target): StreamReader
  /** `isCuttable`: the stream may have to be ended before its time, for which some wires have to remember what was said. */
  meter(target: Target, isCuttable?: boolean): StreamMeter
  /** Missing on wires whose events don't count what came before them. */
  places?(): PlaceReader
  /** A whole reply as events. A 200 with an error body becomes a failure event. */
  read(body: Json, target: Target): readonly NeutralEvent[]
  /** What an error response means. Never throws, whatever the body. */
  fail(status: number, headers: { get(name: string): string | null }, body: string, nowMs: number): UpstreamFailure
  /** Asks the provider how many tokens a request has, where it can be asked: the client's own text, as `edit` has it.
   *  Null, or missing: it can't. The answer says `input_tokens`. */
  countTokens?(text: string, body: JsonObject, edits: NativeEdits, target: Target): UpstreamCall | null
  /** The cheapest call that exercises address, credential and model: for probing a target before it is accepted. */
  probe(target: Target): UpstreamCall
}
