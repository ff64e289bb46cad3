// Calls that cost nothing and need a credential: by them it is found out whether a provider accepts one. Read 2026-11-21 in the
// providers' references.
import type { DialectName } from '../core/directory.ts'

/** The list of models, in most dialects; a provider's other way, or none, stands below. */
const OF_DIALECT: Readonly<Partial<Record<DialectName, string>>> = {
  'openai-chat': '/models',
  'openai-responses': '/models',
  'openai-completions': '/models',
  'anthropic-messages': '/models',
  gemini: '/models',
}

/** Null where there is none, or where it is told to anybody and so says nothing of a credential. */
const OF_PROVIDER: Readonly<Record<string, string | null>> = {
  // https://openrouter.ai/docs/api-reference/api-keys/get-current-api-key
  openrouter: '/key',
  perplexity: null,
  deepinfra: null,
  huggingface: null,
  vercel: null,
  vertex: null,
  'vertex-anthropic': null,
  'bedrock-anthropic': null,
  databricks: null,
  snowflake: null,
  'github-models': null,
  ai21: null,
  voyage: null,
  jina: null,
}

/** The path, behind the base address, of a provider's call that costs nothing; null for none. */
export function freeCallOf(provider: string, dialect: DialectName): string | null {
  const own = Object.hasOwn(OF_PROVIDER, provider) ? OF_PROVIDER[provider] : undefined
  return own === undefined ? (OF_DIALECT[dialect] ?? null) : own
}
