// The providers we know, as data: one entry each. A provider that speaks a known dialect needs no code. Base URLs end where
// the dialect's own path begins.
import type { DialectName } from '../core/directory.ts'

export interface Provider {
  /** How targets name it. */
  readonly name: string
  readonly title: string
  /** Null: every target gives its own. */
  readonly baseUrl: string | null
  readonly dialect: DialectName
  /** Worker secret that holds the credential unless a target names another; null when none is needed. */
  readonly credential: string | null
  /** Its id in the price catalogue; null when it isn't listed there. */
  readonly priceProvider: string | null
  /** A cheap model for probing a target that passes every model on; null when none is sure to exist. */
  readonly probeModel: string | null
  /** Where the wire format is described. */
  readonly docsUrl: string | null
}

const CATALOGUE = [
  {
    name: 'openai',
    title: 'OpenAI',
    baseUrl: 'https://api.openai.com/v1',
    dialect: 'openai-chat',
    credential: 'OPENAI_API_KEY',
    priceProvider: 'openai',
    probeModel: 'gpt-4o-mini',
    docsUrl: 'https://platform.openai.com/docs/api-reference/chat',
  },
  {
    name: 'anthropic',
    title: 'Anthropic',
    baseUrl: 'https://api.anthropic.com/v1',
    dialect: 'anthropic-messages',
    credential: 'ANTHROPIC_API_KEY',
    priceProvider: 'anthropic',
    probeModel: 'claude-haiku-4-5',
    docsUrl: 'https://docs.anthropic.com/en/api/messages',
  },
  {
    name: 'gemini',
    title: 'Google Gemini',
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta/openai',
    dialect: 'openai-chat',
    credential: 'GEMINI_API_KEY',
    priceProvider: 'google',
    probeModel: 'gemini-2.5-flash',
    docsUrl: 'https://ai.google.dev/gemini-api/docs/openai',
  },
  {
    name: 'groq',
    title: 'Groq',
    baseUrl: 'https://api.groq.com/openai/v1',
    dialect: 'openai-chat',
    credential: 'GROQ_API_KEY',
    priceProvider: 'groq',
    probeModel: 'llama-3.1-8b-instant',
    docsUrl: 'https://console.groq.com/docs/openai',
  },
  {
    name: 'mistral',
    title: 'Mistral',
    baseUrl: 'https://api.mistral.ai/v1',
    dialect: 'openai-chat',
    credential: 'MISTRAL_API_KEY',
    priceProvider: 'mistral',
    probeModel: 'mistral-small-latest',
    docsUrl: 'https://docs.mistral.ai/api/',
  },
  {
    name: 'deepseek',
    title: 'DeepSeek',
    baseUrl: 'https://api.deepseek.com/v1',
    dialect: 'openai-chat',
    credential: 'DEEPSEEK_API_KEY',
    priceProvider: 'deepseek',
    probeModel: 'deepseek-chat',
    docsUrl: 'https://api-docs.deepseek.com/',
  },
  {
    name: 'xai',
    title: 'xAI',
    baseUrl: 'https://api.x.ai/v1',
    dialect: 'openai-chat',
    credential: 'XAI_API_KEY',
    priceProvider: 'x-ai',
    probeModel: 'grok-3-mini',
    docsUrl: 'https://docs.x.ai/docs/api-reference',
  },
  {
    name: 'together',
    title: 'Together AI',
    baseUrl: 'https://api.together.xyz/v1',
    dialect: 'openai-chat',
    credential: 'TOGETHER_API_KEY',
    priceProvider: 'together',
    probeModel: 'meta-llama/Llama-3.3-70B-Instruct-Turbo',
    docsUrl: 'https://docs.together.ai/docs/openai-api-compatibility',
  },
  {
    name: 'openrouter',
    title: 'OpenRouter',
    baseUrl: 'https://openrouter.ai/api/v1',
    dialect: 'openai-chat',
    credential: 'OPENROUTER_API_KEY',
    priceProvider: 'openrouter',
    probeModel: 'openai/gpt-4o-mini',
    docsUrl: 'https://openrouter.ai/docs/api-reference/overview',
  },
  {
    name: 'cerebras',
    title: 'Cerebras',
    baseUrl: 'https://api.cerebras.ai/v1',
    dialect: 'openai-chat',
    credential: 'CEREBRAS_API_KEY',
    priceProvider: 'cerebras',
    probeModel: 'llama3.1-8b',
    docsUrl: 'https://inference-docs.cerebras.ai/resources/openai',
  },
  {
    name: 'fireworks',
    title: 'Fireworks AI',
    baseUrl: 'https://api.fireworks.ai/inference/v1',
    dialect: 'openai-chat',
    credential: 'FIREWORKS_API_KEY',
    priceProvider: 'fireworks',
    probeModel: 'accounts/fireworks/models/llama-v3p1-8b-instruct',
    docsUrl: 'https://docs.fireworks.ai/tools-sdks/openai-compatibility',
  },
  {
    name: 'vllm',
    title: 'vLLM',
    baseUrl: null,
    dialect: 'openai-chat',
    credential: null,
    priceProvider: null,
    probeModel: null,
    docsUrl: 'https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html',
  },
  {
    name: 'custom',
    title: 'Any server that speaks a known wire',
    baseUrl: null,
    dialect: 'openai-chat',
    credential: null,
    priceProvider: null,
    probeModel: null,
    docsUrl: null,
  },
  {
    name: 'simulated-openai',
    title: 'Simulated OpenAI',
    baseUrl: 'service://SIMULATED/openai/v1',
    dialect: 'openai-chat',
    credential: 'SIMULATED_API_KEY',
    priceProvider: null,
    probeModel: 'sim-gpt-4o',
    docsUrl: null,
  },
  {
    name: 'simulated-anthropic',
    title: 'Simulated Anthropic',
    baseUrl: 'service://SIMULATED/anthropic/v1',
    dialect: 'anthropic-messages',
    credential: 'SIMULATED_API_KEY',
    priceProvider: null,
    probeModel: 'sim-claude',
    docsUrl: null,
  },
] as const satisfies readonly Provider[]

/** Every provider, in the order of the catalogue. */
export const PROVIDERS: readonly Provider[] = CATALOGUE

/** The provider of that name; undefined for an unknown one. */
export function findProvider(name: string): Provider | undefined {
  return PROVIDERS.find((provider) => provider.name === name)
}
