// Our words in those of OpenTelemetry's conventions for generative AI, whose names stand in the repository
// open-telemetry/semantic-conventions-genai (docs/gen-ai, read 2026-11-21; all of them still "development").
import type { Ending, UsageEvent } from '../../core/money/usage-event.ts'

const OPERATIONS: Readonly<Record<string, string>> = {
  chat: 'chat',
  responses: 'chat',
  messages: 'chat',
  completions: 'text_completion',
  embeddings: 'embeddings',
  images: 'generate_content',
  'image-edits': 'generate_content',
  speech: 'generate_content',
}

/** `gen_ai.operation.name`: a well-known one where one applies, else the name of our task. */
export function operationOf(protocol: string): string {
  return OPERATIONS[protocol] ?? protocol.replaceAll('-', '_')
}

/** Providers that have a well-known name of another spelling. */
const PROVIDERS: Readonly<Record<string, string>> = {
  'openai-responses': 'openai',
  azure: 'azure.ai.openai',
  bedrock: 'aws.bedrock',
  'bedrock-anthropic': 'aws.bedrock',
  gemini: 'gcp.gemini',
  'gemini-openai': 'gcp.gemini',
  vertex: 'gcp.vertex_ai',
  'vertex-anthropic': 'gcp.vertex_ai',
  mistral: 'mistral_ai',
  moonshot: 'moonshot_ai',
  xai: 'x_ai',
}

/** `gen_ai.provider.name` of a provider of the catalogue. */
export function providerOf(provider: string): string {
  return PROVIDERS[provider] ?? provider
}

const BAD_ENDINGS: ReadonlySet<Ending> = new Set(['provider-cut', 'timed-out', 'failed', 'lost'])

/** `error.type`: the class of the failure, or how the attempt ended; null where nothing is wrong. That a client left, or its
 *  limits had no more, is not. */
export function errorOf({ ending, failure, status }: UsageEvent): string | null {
  if (BAD_ENDINGS.has(ending)) return failure ?? ending
  return status >= 400 && ending === 'finished' ? (failure ?? String(status)) : null
}
