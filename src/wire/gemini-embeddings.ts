// Embeddings on the Gemini wire: what is asked and what is answered. AI Studio takes one text or a batch; Vertex one text
// (`gemini-embedding-2` and later) or, for older models, `instances` of a prediction.
// https://ai.google.dev/api/embeddings,
// https://docs.cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api (read 2026-11-21)
import type { Target } from '../core/directory.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { NO_USAGE } from '../core/money/usage.ts'
import type { Usage } from '../core/money/usage.ts'
import { geminiModelPath, isVertex, readGeminiUsage } from './gemini.ts'
import { arrayOf, countOf, isJsonArray, objectOf } from './read.ts'
import { withoutUndefined } from './write.ts'

export interface GeminiEmbeddingOptions {
  readonly target: Target
  /** Length of the vectors; missing: the model's own. */
  readonly dimensions?: number
  /** What they are for, e.g. `RETRIEVAL_QUERY`. */
  readonly taskType?: string
  /** Of a document that is to be found. */
  readonly title?: string
}

/** The path and the body that ask for a vector of each input. */
export interface GeminiEmbeddingCall {
  readonly path: string
  readonly body: JsonObject
}

/**
 * The call for these texts. Null for what one call can't ask for: no text at all, or several of a model on Vertex that
 * takes one (split them into calls of one).
 */
export function writeGeminiEmbeddings(
  inputs: readonly string[],
  model: string,
  options: GeminiEmbeddingOptions,
): GeminiEmbeddingCall | null {
  const { target, dimensions, taskType, title } = options
  const [first] = inputs
  if (first === undefined) return null
  const path = geminiModelPath(model, target)
  if (isVertex(target) && !takesContent(model)) {
    const instances = inputs.map((content) => withoutUndefined({ content, task_type: taskType, title }))
    const parameters = dimensions === undefined ? undefined : { outputDimensionality: dimensions }
    return { path: `${path}:predict`, body: withoutUndefined({ instances, parameters }) }
  }
  const settings = withoutUndefined({ taskType, title, outputDimensionality: dimensions })
  if (inputs.length === 1) return { path: `${path}:embedContent`, body: { content: contentOf(first), ...settings } }
  if (isVertex(target)) return null
  const name = decodeURIComponent(path.slice(1))
  const requests = inputs.map((text) => ({ model: name, content: contentOf(text), ...settings }))
  return { path: `${path}:batchEmbedContents`, body: { requests } }
}

/** Whether a model on Vertex has `embedContent`. */
function takesContent(model: string): boolean {
  const version = /gemini-embedding-(\d+)/.exec(model)?.[1]
  return version !== undefined && Number(version) >= 2 && !version.startsWith('0')
}

function contentOf(text: string): JsonObject {
  return { parts: [{ text }] }
}

/** The vectors of a reply, in the order of the inputs, and what they cost; usage is null where none is told. */
export interface GeminiEmbeddings {
  readonly vectors: readonly Json[]
  readonly usage: Usage | null
}

/** Reads a reply of any of the three forms; null for a body that is none. */
export function readGeminiEmbeddings(body: Json): GeminiEmbeddings | null {
  const reply = objectOf(body)
  const predictions = reply['predictions']
  const embeddings = isJsonArray(predictions)
    ? predictions.map((prediction) => objectOf(objectOf(prediction)['embeddings']))
    : (isJsonArray(reply['embeddings']) ? reply['embeddings'] : arrayOf([reply['embedding'] ?? null])).map(objectOf)
  const vectors = embeddings.map((embedding) => embedding['values'])
  if (vectors.length === 0 || !vectors.every(isJsonArray)) return null
  const counted = embeddings.reduce(
    (sum, embedding) => sum + countOf(objectOf(embedding['statistics'])['token_count']),
    0,
  )
  const usage = readGeminiUsage(reply['usageMetadata']) ?? (counted === 0 ? null : { ...NO_USAGE, input: counted })
  return { vectors, usage }
}
