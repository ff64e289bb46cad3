// What a simulated provider's wire format has to say, and the neutral words in which a request and a reply pass between
// the wire and the simulation. One implementation per wire; the rest of the simulation doesn't know which one it serves.
import type { Json, JsonObject } from '../core/json.ts'
import type { Result } from '../core/result.ts'

/** A tool that the simulated model may call. */
export interface OfferedTool {
  readonly name: string
  /** JSON Schema of its arguments. */
  readonly parameters: Json
}

/** What a request asks for, whichever wire it came on. */
export interface Ask {
  readonly model: string
  readonly isStreamed: boolean
  /** The stream is one JSON array in place of events, where a wire has both. */
  readonly isArray?: boolean
  /** Whether usage belongs into the stream. */
  readonly wantsUsage: boolean
  /** Whether stream events are padded against length analysis, as the provider does unless told not to. */
  readonly isPadded: boolean
  readonly choices: number
  readonly maxTokens: number | null
  /** All text of the prompt: what is hashed and counted. */
  readonly promptText: string
  readonly lastUserText: string
  /** The beginning of the reply, to be gone on with; empty for none. */
  readonly continues: string
  readonly images: number
  readonly messages: number
  /** The tools to be called in this reply; none when the model is to answer in words. */
  readonly calls: readonly OfferedTool[]
  /** Whether words come before the tool calls, as some models do. */
  readonly hasPreamble: boolean
  /** JSON Schema that the text has to fit; null for prose. */
  readonly schema: Json | null
  readonly reasoning: 'none' | 'hidden' | 'shown'
}

/** Why a request is refused before the simulated model sees it. */
export interface Refusal {
  readonly status: number
  readonly message: string
  /** The provider's machine-readable code and the field it complains of, where its error shape has them. */
  readonly code: string | null
  readonly param: string | null
}

/** A part of a reply. `pieces` makes its tokens one by one, so that a reply of any length costs no memory. */
export type ReplyPart =
  | { readonly kind: 'text' | 'thinking'; readonly tokens: number; readonly pieces: () => Iterable<string> }
  | {
      readonly kind: 'tool-call'
      readonly id: string
      readonly name: string
      /** Tokens of the name; those of the arguments are the pieces. */
      readonly nameTokens: number
      readonly tokens: number
      readonly pieces: () => Iterable<string>
    }

export interface ReplyChoice {
  readonly parts: readonly ReplyPart[]
  readonly finish: 'stop' | 'length' | 'tool-calls' | null
}

/** Token counts as they are reported, right or not. */
export interface ReportedUsage {
  readonly input: number
  /** All output tokens, reasoning included. */
  readonly output: number
  readonly reasoning: number
}

/** What the simulated model says. */
export interface Reply {
  readonly id: string
  readonly createdSeconds: number
  readonly choices: readonly ReplyChoice[]
  readonly usage: ReportedUsage | null
  /** What was really produced, for the books. */
  readonly inputTokens: number
  readonly outputTokens: number
}

/** One framed message of a stream, as text. `content`: it carries a token. `ending`: it belongs to the proper end. */
export interface ReplyFrame {
  readonly kind: 'content' | 'ending' | 'failure' | 'other'
  readonly text: string
  /** Output tokens that it brings. */
  readonly tokens: number
}

/** One provider's wire format. All pure. */
export interface SimulatedProvider {
  readonly name: 'openai' | 'anthropic' | 'gemini' | 'bedrock' | 'ollama' | 'cohere' | 'inhouse'
  /** Checks the headers as the provider does; null when they are in order. */
  refuse(headers: Headers): Refusal | null
  /** `url` is where the request was sent: some wires say the model there. */
  read(body: JsonObject, url: URL): Result<Ask, Refusal>
  /** What an unreadable body is told. */
  readonly notJson: Refusal
  whole(reply: Reply, ask: Ask): Json
  frames(reply: Reply, ask: Ask): Iterable<ReplyFrame>
  /** Content type of a stream that isn't the usual one of events. */
  streamType?(ask: Ask): string
  /** The bytes of a frame's text, where that isn't UTF-8. */
  encode?(text: string): Uint8Array
  /** Headers that come with a refusal. */
  failureHeaders?(refusal: Refusal): Readonly<Record<string, string>>
  /** Headers that come with every answer. */
  headers(requestId: string): Readonly<Record<string, string>>
  /** The provider's own words for a status. */
  refusalFor(status: number, model: string): Refusal
  failureBody(refusal: Refusal, requestId: string): Json
  /** An error that comes in mid-stream, with what the provider sends after it. */
  failureFrame(refusal: Refusal, requestId: string): string
  /** A frame that no parser can read. */
  readonly garbageFrame: string
  models(names: readonly string[]): Json
}
