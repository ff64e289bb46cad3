// The replies that OpenAI publishes types for, gathered for the generator of schemas (support/openai-schema.ts): the SDK's
// types are generated from the description of the API, so a schema made of them is that description's, as installed.
import type { ChatCompletion, ChatCompletionChunk } from 'openai/resources/chat/completions'
import type { Completion } from 'openai/resources/completions'
import type { CreateEmbeddingResponse } from 'openai/resources/embeddings'
import type { Response, ResponseStreamEvent } from 'openai/resources/responses/responses'
import type { ErrorObject } from 'openai/resources/shared'

/** Every kind of reply, by the name that the tests give it. */
export interface Published {
  chat: ChatCompletion
  chatChunk: ChatCompletionChunk
  completion: Completion
  response: Response
  responseEvent: ResponseStreamEvent
  embeddings: CreateEmbeddingResponse
  error: { error: ErrorObject }
}
