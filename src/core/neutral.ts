// The neutral form: what a request and a reply say, whichever wire they travel on. Used only on the translated lane,
// for the reply cache and for metering; on the native lane bodies stay as they are. Internal: never published.
//
// A reply is a list of events; a whole reply is the fold of them, so a stream, a whole answer and a cached replay are
// one thing. Part numbers are dense and given by the reading dialect, whatever holes the provider's own indices have.
import type { Wire } from './directory.ts'
import type { JsonObject } from './json.ts'
import type { UpstreamFailure } from './failure.ts'
import type { Usage } from './money/usage.ts'

/** A piece of a message's content. */
export type NeutralPart = (
  | {
      readonly kind: 'text'
      readonly text: string
      readonly citations?: readonly Citation[]
      /** Gemini signs text as well as calls. */
      readonly signature?: Signature
      /** Whether it is said on the way (`commentary`) or is the answer (`final_answer`), as OpenAI tells and wants back. */
      readonly phase?: string
    }
  | { readonly kind: 'image'; readonly source: MediaSource; readonly detail?: string }
  | { readonly kind: 'audio'; readonly source: MediaSource; readonly id?: string; readonly transcript?: string }
  | { readonly kind: 'video'; readonly source: MediaSource }
  | {
      readonly kind: 'document'
      readonly source: DocumentSource
      readonly title?: string
      readonly context?: string
      /** Whether the reply is to cite it. */
      readonly isCited?: boolean
    }
  | {
      readonly kind: 'reasoning'
      readonly text: string
      /** What the provider wants back, with `text`, on the next turn. */
      readonly signature?: Signature
      /** The reasoning itself, encrypted; `text` is then empty or a summary. */
      readonly redacted?: Signature
      /** The text is a summary of the reasoning, not the reasoning. */
      readonly isSummary?: boolean
    }
  | { readonly kind: 'refusal'; readonly text: string }
  | {
      readonly kind: 'tool-call'
      readonly id: string
      readonly name: string
      readonly argumentsText: string
      readonly signature?: Signature
      /** A free-form call: `argumentsText` is plain text, not JSON. */
      readonly isCustom?: boolean
    }
  | {
      readonly kind: 'tool-result'
      readonly callId: string
      readonly content: readonly NeutralPart[]
      readonly isError: boolean
      /** The tool's name, where the client says it again. */
      readonly name?: string
    }
  /** A piece that only one wire knows (a search that the provider ran, a container): carried back to that wire as it is,
   *  a gap for any other. */
  | { readonly kind: 'other'; readonly type: string; readonly value: JsonObject; readonly wire?: Wire }
) & { readonly cacheMark?: CacheMark }

/** "Cache the prompt up to here", for providers that want to be told. */
export interface CacheMark {
  readonly ttl: '5m' | '1h' | null
}

/** Opaque bytes of a provider's that only the same kind of provider understands. */
export interface Signature {
  /** Who made it, e.g. `anthropic`, `gemini`, `openai-responses`, `bedrock`; null where the client didn't say. */
  readonly maker: string | null
  readonly value: string
  /** The provider's own id of the item that it belongs to. */
  readonly itemId?: string
}

/** Where a piece of a reply's text comes from. Offsets count UTF-16 units of the part's text. */
export interface Citation {
  readonly url?: string
  readonly title?: string
  readonly citedText?: string
  readonly start?: number
  readonly end?: number
  /** The citation in the words of the wire that it came from. */
  readonly wire?: Wire
  readonly value?: JsonObject
}

/** Where the bytes of a picture, a sound or a film are. */
export type MediaSource =
  | { readonly kind: 'url'; readonly url: string; readonly mediaType?: string }
  | { readonly kind: 'base64'; readonly mediaType: string; readonly data: string }
  /** A file that was uploaded to the provider before. */
  | { readonly kind: 'file'; readonly id: string }

/** Where a document's contents are. */
export type DocumentSource =
  | MediaSource
  | { readonly kind: 'text'; readonly text: string; readonly mediaType?: string }
  | { readonly kind: 'parts'; readonly parts: readonly NeutralPart[] }

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
  readonly cacheMark?: CacheMark
  /** What only one wire says of it besides (deferred loading, examples): carried back to that wire. */
  readonly more?: { readonly wire: Wire; readonly value: JsonObject }
}

/** A tool that the provider runs itself, or one of a form that only one wire knows. */
export interface HostedTool {
  /** `web-search`: the one that several providers have; its settings are in `value` as its wire writes them. */
  readonly kind: 'web-search' | 'other'
  /** The wire whose words `value` is in. */
  readonly wire: Wire
  readonly type: string
  readonly value: JsonObject
}

export type ToolChoice =
  | { readonly kind: 'auto' }
  | { readonly kind: 'none' }
  | { readonly kind: 'required' }
  | { readonly kind: 'tool'; readonly name: string }

/** How much the model is to think. A missing field leaves it to the provider. */
export interface ReasoningRequest {
  /** `none`, `minimal`, `low`, `medium`, `high`, `xhigh`, `max`, or what else a provider takes. */
  readonly effort?: string
  /** Tokens that thinking may take. */
  readonly maxTokens?: number
  readonly mode?: 'on' | 'off' | 'adaptive'
  /** Whether, and how, the thinking is to be told: `auto`, `concise`, `detailed`, `none`. */
  readonly summary?: string
}

export type ResponseFormat =
  | { readonly kind: 'text' }
  | { readonly kind: 'json-object' }
  | {
      readonly kind: 'json-schema'
      readonly name: string
      readonly schema: JsonObject
      readonly strict: boolean
      readonly description?: string
    }

/** What the client asks for. A missing field was not asked for. */
export interface NeutralRequest {
  /** The wire that the client speaks: whose words `extra` is in. Missing: nobody's. */
  readonly wire?: Wire
  /** The model as the client wrote it. */
  readonly model: string
  readonly stream: boolean
  /** Whether the client wants the usage at the end of its stream. */
  readonly includeUsage: boolean
  readonly messages: readonly NeutralMessage[]
  readonly tools: readonly NeutralTool[]
  readonly hostedTools?: readonly HostedTool[]
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
  readonly reasoning?: ReasoningRequest
  readonly topK?: number
  readonly frequencyPenalty?: number
  readonly presencePenalty?: number
  readonly logitBias?: JsonObject
  /** Whether probabilities of tokens are wanted, and of how many alternatives. */
  readonly logprobs?: { readonly top: number }
  readonly verbosity?: string
  readonly serviceTier?: string
  readonly metadata?: JsonObject
  readonly promptCacheKey?: string
  readonly endUser?: string
  /** What the client called a setting, where that isn't the chat protocol's name for it (`request-gaps.ts`). */
  readonly fieldNames?: Readonly<Partial<Record<SettingName, string>>>
  /** Fields that the protocol knows but the neutral form has no place for, by the name the client used: each is a gap
   *  for every dialect that doesn't take it up by name. */
  readonly extra: JsonObject
  /** Members inside messages, parts, tools and settings that the protocol doesn't know, each name once: each is a gap for
   *  every dialect but its carrier. */
  readonly strays?: readonly Stray[]
}

/** A member that nobody knows, below the top of a body. */
export interface Stray {
  /** Its name without places in lists, e.g. `messages.content.image_url.zz`. */
  readonly field: string
  /** Where it stands first, e.g. `messages[2].content[0].image_url.zz`. */
  readonly path: string
  /** The wire on which it goes out all the same. */
  readonly carrier?: Wire
}

/** The settings that a client may or may not give. */
export type SettingName =
  | 'hostedTools'
  | 'toolChoice'
  | 'parallelToolCalls'
  | 'responseFormat'
  | 'maxOutputTokens'
  | 'temperature'
  | 'topP'
  | 'stop'
  | 'seed'
  | 'n'
  | 'reasoning'
  | 'topK'
  | 'frequencyPenalty'
  | 'presencePenalty'
  | 'logitBias'
  | 'logprobs'
  | 'verbosity'
  | 'serviceTier'
  | 'metadata'
  | 'promptCacheKey'
  | 'endUser'

/** Why a choice ended. `paused`: the provider wants the conversation sent again to go on. */
export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'filtered' | 'paused'

export type PartStart =
  | { readonly kind: 'text'; readonly phase?: string }
  | { readonly kind: 'reasoning' }
  | { readonly kind: 'refusal' }
  | {
      readonly kind: 'tool-call'
      readonly id: string
      readonly name: string
      readonly signature?: Signature
      readonly isCustom?: boolean
    }
  /** A picture comes in one piece: no deltas follow. */
  | { readonly kind: 'image'; readonly source: MediaSource }
  /** Deltas are the transcript; `part-data` is the sound. */
  | { readonly kind: 'audio'; readonly id: string; readonly mediaType: string }
  /** Comes in one piece. */
  | { readonly kind: 'other'; readonly type: string; readonly value: JsonObject; readonly wire: Wire }

/** One token of a reply with its probability, as OpenAI writes it: `token`, `logprob`, `bytes`, `top_logprobs`. */
export type TokenLogprob = JsonObject

/** One thing that happens in a reply. Legal order: one reply-start; then parts, each start, deltas, end (parts of
 *  different numbers may interleave); a finish per choice; usage, once, last known; or a failure, which ends it. */
export type NeutralEvent =
  | {
      readonly type: 'reply-start'
      readonly id: string
      readonly model: string
      readonly createdSeconds: number | null
      readonly serviceTier?: string
    }
  | { readonly type: 'part-start'; readonly choice: number; readonly part: number; readonly start: PartStart }
  /** Text of a text, reasoning or refusal part; JSON text of a tool call's arguments. Never empty. */
  | { readonly type: 'part-delta'; readonly choice: number; readonly part: number; readonly text: string }
  /** Base64 of an audio part. Never empty. */
  | { readonly type: 'part-data'; readonly choice: number; readonly part: number; readonly data: string }
  /** Signature (of a reasoning, text or tool-call part) or encrypted reasoning that must come back on the next turn.
   *  Pieces of one part are joined. */
  | {
      readonly type: 'part-signature'
      readonly choice: number
      readonly part: number
      readonly signature: Signature
      readonly redacted: boolean
    }
  /** A source of what a text part says. */
  | { readonly type: 'part-citation'; readonly choice: number; readonly part: number; readonly citation: Citation }
  | { readonly type: 'logprobs'; readonly choice: number; readonly tokens: readonly TokenLogprob[] }
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
  readonly serviceTier?: string
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
  readonly logprobs?: readonly TokenLogprob[]
}
