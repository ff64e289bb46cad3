// Every dialect the gateway speaks to providers, one line each. Membership is coverage: the contract suite runs over this
// list. The two that most targets speak are there from the start; another is loaded before the first routes that name it are
// used (`platform/directory.ts`), so that a request finds the dialects of its targets at once.
import type { DialectName } from '../core/directory.ts'
import { late, lateRegistry, present } from '../core/late.ts'
import { anthropicMessages } from './anthropic-messages/index.ts'
import type { Dialect } from './dialect.ts'
import { openaiChat } from './openai-chat/index.ts'

export const dialects = lateRegistry<DialectName, Dialect>({
  'openai-chat': present(openaiChat),
  'openai-responses': late(async () => (await import('./openai-responses/index.ts')).openaiResponses),
  'openai-completions': late(async () => (await import('./openai-completions/index.ts')).openaiCompletions),
  'anthropic-messages': present(anthropicMessages),
  cohere: late(async () => (await import('./cohere/index.ts')).cohere),
  ollama: late(async () => (await import('./ollama/index.ts')).ollama),
  'bedrock-converse': late(async () => (await import('./bedrock-converse/index.ts')).bedrockConverse),
  gemini: late(async () => (await import('./gemini/index.ts')).gemini),
  tgi: late(async () => (await import('./tgi/index.ts')).tgi),
  'workers-ai': late(async () => (await import('./workers-ai/index.ts')).workersAi),
  declared: late(async () => (await import('./declared/index.ts')).declared),
})
