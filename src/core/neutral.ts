// The neutral form: what a request and a reply say, whichever wire they travel on. Used only on the translated lane,
// for the reply cache and for metering; on the native lane bodies stay as they are. Internal: never published.
//
// A reply is a list of events; a whole reply is the fold of them, so a stream, a whole answer and a cached replay are
// one thing. Part numbers are dense and given by the reading dialect, whatever holes the provider's own indices have.
import type { JsonObject } from './json.ts'
import type { UpstreamFailure } from './failure.ts'
import type { Usage } from './usage.ts'

/** A piece of a message's content. */
export type NeutralPart =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'image'; readonly source: ImageSource; readonly detail?: string }
  | { readonly kind: 'reasoning'; readonly text: string; readonly signature?: string; readonly redacted?: string }
  | { readonly kind: 'refusal'; readonly text: string }
  | { readonly kind: 'tool-call'; readonly id: string; readonly name: string; readonly argumentsText: string }
  | {
      readonly kind: 'tool-result'
      readonly callId: string
      readonly content: readonly NeutralPart[]
      readonly isError: boolean
    }
  /** A piece of content that has no place here (audio, a file): a gap for every dialect that doesn't know its `type`. */
  | { readonly kind: 'other'; readonly type: string; readonly value: JsonObject }

/** Where an image's bytes are. */
export type ImageSource =
  | { readonly kind: 'url'; readonly url: string }
  | { readonly kind: 'base64'; readonly mediaType: string; readonly data: string }

/** One turn of the conversation. Tool results are parts of a `user` turn. */
export interface NeutralMessage {
  readonly role: 'system' | 'user' | 'assistant'
  readonly parts: readonly NeutralPart[]
  readonly name?: string
}

export interface NeutralTool {
  readonly name: string
  readonly description?: string
  /** JSON Schema of the arguments; null when the tool takes none. */
  readonly parameters: JsonObject | null
  readonly strict?: boolean
}

export type ToolChoice =
  | { readonly kind: 'auto' }
  | { readonly kind: 'none' }
  | { readonly kind: 'required' }
  | { readonly kind: 'tool'; readonly name: string }

export type ResponseFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json-object' }
  | { readonly kind: 'json-schema'; readonly name: string; readonly schema: JsonObject; readonly strict: boolean }

/** What the client asks for. A missing field was not asked for. */
export interface NeutralRequest {
  /** The model as the client wrote it. */
  readonly model: string
  readonly stream: boolean
  /** Whether the client wants the usage at the end of its stream. */
  readonly includeUsage: boolean
  readonly messages: readonly NeutralMessage[]
  readonly tools: readonly NeutralTool[]
  readonly toolChoice?: ToolChoice
  readonly parallelToolCalls?: boolean
  readonly responseFormat?: ResponseFormat
  readonly maxOutputTokens?: number
  readonly temperature?: number
  readonly topP?: number
  readonly stop?: readonly string[]
  readonly seed?: number
  /** How many alternative replies. */
  readonly n?: number
  readonly reasoningEffort?: string
  readonly endUser?: string
  /** Fields that the protocol knows but the neutral form has no place for, by the name the client used: each is a gap
   *  for every dialect that doesn't take it up by name. */
  readonly extra: JsonObject
}

export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'filtered'

export type PartStart =
  | { readonly kind: 'text' }
  | { readonly kind: 'reasoning' }
  | { readonly kind: 'refusal' }
  | { readonly kind: 'tool-call'; readonly id: string; readonly name: string }

/** One thing that happens in a reply. Legal order: one reply-start; then parts, each start, deltas, end (parts of
 *  different numbers may interleave); a finish per choice; usage, once, last known; or a failure, which ends it. */
export type NeutralEvent =
  | {
      readonly type: 'reply-start'
      readonly id: string
      readonly model: string
      readonly createdSeconds: number | null
    }
  | { readonly type: 'part-start'; readonly choice: number; readonly part: number; readonly start: PartStart }
  /** Text of a text, reasoning or refusal part; JSON text of a tool call's arguments. Never empty. */
  | { readonly type: 'part-delta'; readonly choice: number; readonly part: number; readonly text: string }
  /** Signature or encrypted content that must come back on the next turn. */
  | {
      readonly type: 'part-signature'
      readonly choice: number
      readonly part: number
      readonly signature: string
      readonly redacted: boolean
    }
  | { readonly type: 'part-end'; readonly choice: number; readonly part: number }
  | {
      readonly type: 'finish'
      readonly choice: number
      readonly reason: FinishReason
      readonly stopSequence?: string
      /** The provider ended in order but gave no reason: this one is a guess. */
      readonly isAssumed?: true
    }
  | { readonly type: 'usage'; readonly usage: Usage }
  | { readonly type: 'failure'; readonly failure: UpstreamFailure }

/** A whole reply: the fold of its events. */
export interface NeutralReply {
  readonly id: string
  readonly model: string
  readonly createdSeconds: number | null
  readonly choices: readonly NeutralChoice[]
  readonly usage: Usage | null
  readonly failure: UpstreamFailure | null
}

export interface NeutralChoice {
  readonly parts: readonly NeutralPart[]
  readonly finish: FinishReason | null
  /** The stop sequence that ended it, where the provider says. */
  readonly stopSequence?: string
  /** The provider gave no reason: `finish` is a guess. */
  readonly isAssumed?: true
}
