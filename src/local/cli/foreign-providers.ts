// What LiteLLM and Portkey call providers, as our catalogue calls them. Read from their documentation on 2026-11-21:
// https://docs.litellm.ai/docs/providers and https://github.com/Portkey-AI/gateway (src/globals.ts).

const SAME = [
  'openai',
  'anthropic',
  'gemini',
  'bedrock',
  'mistral',
  'cohere',
  'groq',
  'cerebras',
  'deepseek',
  'xai',
  'openrouter',
  'perplexity',
  'sambanova',
  'hyperbolic',
  'nebius',
  'moonshot',
  'zai',
  'minimax',
  'databricks',
  'huggingface',
  'deepinfra',
  'ai21',
  'voyage',
  'ollama',
  'azure',
  'novita',
  'baseten',
  'snowflake',
  'jina',
  'siliconflow',
  'upstage',
] as const

/** What a model's prefix is with LiteLLM. */
export const LITELLM_PROVIDERS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(SAME.map((name) => [name, name])),
  vertex_ai: 'vertex',
  vertex_ai_beta: 'vertex',
  cohere_chat: 'cohere',
  together_ai: 'together',
  fireworks_ai: 'fireworks',
  nvidia_nim: 'nvidia',
  vllm: 'vllm',
  hosted_vllm: 'vllm',
  ollama_chat: 'ollama',
  lm_studio: 'lmstudio',
  llamafile: 'llamacpp',
  cloudflare: 'workers-ai',
  github: 'github-models',
  dashscope: 'alibaba',
  jina_ai: 'jina',
  vercel_ai_gateway: 'vercel',
  openai_like: 'custom',
  custom_openai: 'custom',
  litellm_proxy: 'custom',
  xinference: 'custom',
}

/** Whose a model is that is named without a prefix. */
export function litellmProviderOf(model: string): string | null {
  if (/^(?:gpt-|o\d|chatgpt-|text-embedding-|dall-e|whisper|tts-|gpt)/.test(model)) return 'openai'
  if (model.startsWith('claude')) return 'anthropic'
  if (model.startsWith('gemini')) return 'vertex'
  return model.startsWith('command') ? 'cohere' : null
}

export const PORTKEY_PROVIDERS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(SAME.map((name) => [name, name])),
  'azure-openai': 'azure',
  'together-ai': 'together',
  google: 'gemini',
  'vertex-ai': 'vertex',
  'perplexity-ai': 'perplexity',
  'mistral-ai': 'mistral',
  'fireworks-ai': 'fireworks',
  'workers-ai': 'workers-ai',
  'novita-ai': 'novita',
  github: 'github-models',
  dashscope: 'alibaba',
  'x-ai': 'xai',
  'z-ai': 'zai',
  'nvidia-nim': 'nvidia',
}
