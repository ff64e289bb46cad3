// Which calls of a provider's own API run a model, as data: a line for each path, in the providers' own documents' order. All
// of them are POSTs. Whatever isn't listed here is something else (files, batches, threads, lists, deletions), however it
// looks. Sources, read on 2026-11-21: platform.openai.com/docs/api-reference, docs.anthropic.com/en/api,
// ai.google.dev/api, cloud.google.com/vertex-ai/docs/reference/rest, docs.aws.amazon.com/bedrock/latest/APIReference,
// docs.cohere.com/reference, github.com/ollama/ollama/blob/main/docs/api.md,
// developers.cloudflare.com/workers-ai, docs.mistral.ai/api, learn.microsoft.com/azure/ai-foundry/openai/reference
import type { DialectName } from '../core/directory.ts'

/** What a call makes of a model. `writes`: text, token by token, on a known wire or not. `makes`: pictures, sound and the
 *  like. `reads`: vectors, ranks, verdicts; there are no output tokens. `counts`: nothing is run, and nothing charged. */
export type InferenceKind = 'writes' | 'makes' | 'reads' | 'counts'

/** A call that runs a model. */
export interface Inference {
  readonly kind: InferenceKind
  /** The dialect whose wire the reply has; null for none that is known. */
  readonly wire: DialectName | null
  /** The model that the path names, as the provider gets it; null where the body does. */
  readonly model: string | null
}

interface InferencePath {
  /** The whole operation (`PassedPath.operation`). A group named `model` is the model's name, encoded for a path. */
  readonly path: RegExp
  readonly kind: InferenceKind
  readonly wire: DialectName | null
  /** Only under this version. */
  readonly version?: string
}

/** OpenAI and those who took over its API; what only some of them have stands nowhere for anything else. */
const OPENAI: readonly InferencePath[] = [
  { path: /^(?:\/openai)?\/chat\/completions$/, kind: 'writes', wire: 'openai-chat' },
  { path: /^(?:\/openai)?\/responses$/, kind: 'writes', wire: 'openai-responses' },
  { path: /^(?:\/openai)?\/completions$/, kind: 'writes', wire: 'openai-completions' },
  { path: /^\/fim\/completions$/, kind: 'writes', wire: 'openai-chat' },
  { path: /^\/messages$/, kind: 'writes', wire: 'anthropic-messages' },
  { path: /^(?:\/openai)?\/responses\/input_tokens$/, kind: 'counts', wire: null },
  { path: /^\/messages\/count_tokens$/, kind: 'counts', wire: null },
  { path: /^(?:\/openai)?\/(?:embeddings|moderations|rerank|score|classify)$/, kind: 'reads', wire: null },
  { path: /^(?:\/openai)?\/images\/(?:generations|edits|variations)$/, kind: 'makes', wire: null },
  { path: /^(?:\/openai)?\/audio\/(?:speech|transcriptions|translations)$/, kind: 'makes', wire: null },
  { path: /^\/ocr$/, kind: 'makes', wire: null },
  // Azure names the deployment in the path, Databricks the endpoint.
  {
    path: /^(?:\/openai)?\/deployments\/(?<model>[\w.-]+)\/chat\/completions$/,
    kind: 'writes',
    wire: 'openai-chat',
  },
  { path: /^(?:\/openai)?\/deployments\/(?<model>[\w.-]+)\/completions$/, kind: 'writes', wire: 'openai-completions' },
  { path: /^(?:\/openai)?\/deployments\/(?<model>[\w.-]+)\/embeddings$/, kind: 'reads', wire: null },
  { path: /^(?:\/openai)?\/deployments\/(?<model>[\w.-]+)\/images\/generations$/, kind: 'makes', wire: null },
  { path: /^\/(?<model>[\w.-]+)\/invocations$/, kind: 'writes', wire: 'openai-chat' },
]

/** Anthropic itself, and Anthropic's models on Vertex and Bedrock. */
const ANTHROPIC: readonly InferencePath[] = [
  { path: /^\/messages$/, kind: 'writes', wire: 'anthropic-messages' },
  { path: /^\/messages\/count_tokens$/, kind: 'counts', wire: null },
  { path: /^\/complete$/, kind: 'writes', wire: null },
  {
    path: /^\/publishers\/anthropic\/models\/(?<model>[\w.@%-]+):(?:rawPredict|streamRawPredict)$/,
    kind: 'writes',
    wire: 'anthropic-messages',
  },
  {
    path: /^\/model\/(?<model>[^/]+)\/invoke(?:-with-response-stream)?$/,
    kind: 'writes',
    wire: 'anthropic-messages',
  },
]

/** Gemini and Vertex, where models have publishers, and their way of OpenAI's API. */
const GEMINI: readonly InferencePath[] = [
  {
    path: /^(?:\/publishers\/[\w-]+)?\/models\/(?<model>[\w.@%-]+):(?:generateContent|streamGenerateContent)$/,
    kind: 'writes',
    wire: 'gemini',
  },
  {
    path: /^(?:\/publishers\/[\w-]+)?\/models\/(?<model>[\w.@%-]+):(?:countTokens|computeTokens)$/,
    kind: 'counts',
    wire: null,
  },
  { path: /^\/models\/(?<model>[\w.@%-]+):(?:embedContent|batchEmbedContents)$/, kind: 'reads', wire: null },
  {
    path: /^\/publishers\/[\w-]+\/models\/(?<model>[\w.@%-]+):(?:embedContent|batchEmbedContents)$/,
    kind: 'reads',
    wire: null,
  },
  { path: /^(?:\/publishers\/[\w-]+)?\/models\/(?<model>[\w.@%-]+):predict$/, kind: 'makes', wire: null },
  {
    path: /^\/publishers\/[\w-]+\/models\/(?<model>[\w.@%-]+):(?:rawPredict|streamRawPredict)$/,
    kind: 'writes',
    wire: null,
  },
  { path: /^(?:\/endpoints\/openapi|\/openai)\/chat\/completions$/, kind: 'writes', wire: 'openai-chat' },
  { path: /^\/openai\/embeddings$/, kind: 'reads', wire: null },
  { path: /^\/openai\/images\/generations$/, kind: 'makes', wire: null },
]

const BEDROCK: readonly InferencePath[] = [
  { path: /^\/model\/(?<model>[^/]+)\/converse(?:-stream)?$/, kind: 'writes', wire: 'bedrock-converse' },
  { path: /^\/model\/(?<model>[^/]+)\/invoke(?:-with-response-stream)?$/, kind: 'writes', wire: null },
  { path: /^\/model\/(?<model>[^/]+)\/count-tokens$/, kind: 'counts', wire: null },
]

const COHERE: readonly InferencePath[] = [
  { path: /^\/chat$/, kind: 'writes', wire: 'cohere', version: 'v2' },
  { path: /^\/chat$/, kind: 'writes', wire: null },
  { path: /^\/(?:embed|rerank|classify)$/, kind: 'reads', wire: null },
]

const OLLAMA: readonly InferencePath[] = [
  { path: /^\/(?:chat|generate)$/, kind: 'writes', wire: 'ollama' },
  { path: /^\/(?:embed|embeddings)$/, kind: 'reads', wire: null },
  { path: /^\/chat\/completions$/, kind: 'writes', wire: 'openai-chat' },
]

const WORKERS_AI: readonly InferencePath[] = [
  { path: /^\/run\/(?<model>@[\w.-]+\/[\w.-]+\/[\w.-]+)$/, kind: 'writes', wire: 'workers-ai' },
  { path: /^(?:\/v1)?\/chat\/completions$/, kind: 'writes', wire: 'openai-chat' },
  { path: /^(?:\/v1)?\/embeddings$/, kind: 'reads', wire: null },
]

const PATHS: Readonly<Record<DialectName, readonly InferencePath[]>> = {
  'openai-chat': OPENAI,
  'openai-responses': OPENAI,
  'openai-completions': OPENAI,
  'anthropic-messages': ANTHROPIC,
  gemini: GEMINI,
  'bedrock-converse': BEDROCK,
  cohere: COHERE,
  ollama: OLLAMA,
  'workers-ai': WORKERS_AI,
  // A server's own paths name no model: it has one.
  tgi: [],
  declared: [],
}

/** The call that `method` and `operation` make of a provider that speaks `dialect`; null where it runs no model as far as
 *  is known. `operation` and `version` are those of `passedPath`. */
export function inferenceAt(
  dialect: DialectName,
  method: string,
  { operation, version }: { readonly operation: string; readonly version: string | null },
): Inference | null {
  if (method !== 'POST') return null
  for (const listed of PATHS[dialect]) {
    const found = listed.path.exec(operation)
    if (found === null || (listed.version !== undefined && listed.version !== version)) continue
    const named = found.groups?.['model']
    return { kind: listed.kind, wire: listed.wire, model: named === undefined ? null : decodeURIComponent(named) }
  }
  return null
}
