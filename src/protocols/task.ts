// A task: one question, one answer, in whatever form (vectors, scores, pictures, sound). The little brother of a protocol:
// its requests and replies have one shape, OpenAI's (or Cohere's for rerank), and no neutral form stands between. Pure.
import type { TaskName } from '../core/directory.ts'
import type { InvalidRequest } from '../core/failure.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Result } from '../core/result.ts'
import type { RequestFacts, Speaker } from './protocol.ts'

export interface TaskFacts extends RequestFacts {
  /** Prompt tokens that are known without estimating, because the client sent tokens. They come on top of `promptText`. */
  readonly promptTokens: number
}

/** How a request with many inputs becomes several, and their replies one again. */
export interface TaskBatches {
  /** The request in pieces of at most `sizeMax` inputs, in order; one piece, the request itself, where it fits. */
  split(body: JsonObject, sizeMax: number): readonly JsonObject[]
  /** One reply from those of the pieces, in order: as if they had been asked at once. */
  join(replies: readonly JsonObject[]): JsonObject
  /** The inputs of a request, where it may be asked together with others; null where it can't be. */
  inputs(body: JsonObject): BatchInputs | null
  /** The request for all these inputs. */
  together(body: JsonObject, inputs: readonly Json[]): JsonObject
  /** Replies to so many inputs each, out of one to all of them; null where it can't be told whose is whose. */
  apart(reply: JsonObject, counts: readonly number[]): readonly JsonObject[] | null
}

/** What requests have to agree in, and what each brings. */
export interface BatchInputs {
  /** The body without what is its own. */
  readonly shared: JsonObject
  readonly inputs: readonly Json[]
  /** Inputs of different kinds are not mixed. */
  readonly kind: string
  /** Characters, or four for each token. */
  readonly chars: number
}

export interface Task extends Speaker {
  readonly name: TaskName
  /** HTTP path, e.g. `/v1/embeddings`. */
  readonly endpoint: string
  /** How a request comes. A form's facts are read from its text fields. */
  readonly accepts: 'json' | 'multipart'
  /** Whether the provider's bytes go to the client as they are (sound, pictures, streams), or are read and written. */
  readonly isRelayed: boolean
  /** Checks what the gateway relies on and names the field that is wrong. Unknown fields are kept. */
  facts(body: JsonObject): Result<TaskFacts, InvalidRequest>
  readonly batches?: TaskBatches
}
