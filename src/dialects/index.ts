// Every dialect the gateway speaks to providers, one line each. Membership is coverage: the contract suite runs over this
// list. The two that most targets speak are there from the start; another is loaded before the first routes that name it are
// used (`platform/directory.ts`), so that a request finds the dialects of its targets at once.
import type { DialectName } from '../core/directory.ts'
import { late, lateRegistry, present } from '../core/late.ts'
import { anthropicMessages } from './anthropic-messages.ts'
import type { Dialect } from './dialect.ts'
import { openaiChat } from './openai-chat.ts'

export const dialects = lateRegistry<DialectName, Dialect>({
  'openai-chat': present(openaiChat),
  'openai-responses': late(async () => (await import('./openai-responses.ts')).openaiResponses),
  'openai-completions': late(async () => (await import('./openai-completions.ts')).openaiCompletions),
  'anthropic-messages': present(anthropicMessages),
  cohere: late(async () => (await import('./cohere.ts')).cohere),
  ollama: late(async () => (await import('./ollama.ts')).ollama),
  'bedrock-converse': late(async () => (await import('./bedrock-converse.ts')).bedrockConverse),
  gemini: late(async () => (await import('./gemini.ts')).gemini),
  tgi: late(async () => (await import('./tgi.ts')).tgi),
  'workers-ai': late(async () => (await import('./workers-ai.ts')).workersAi),
  declared: late(async () => (await import('./declared.ts')).declared),
})
