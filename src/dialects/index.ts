// Every dialect the gateway speaks to providers, one line each. Membership is coverage: the contract suite runs over
// this list.
import type { DialectName } from '../core/directory.ts'
import { anthropicMessages } from './anthropic-messages.ts'
import { bedrockConverse } from './bedrock-converse.ts'
import { cohere } from './cohere.ts'
import { declared } from './declared.ts'
import type { Dialect } from './dialect.ts'
import { ollama } from './ollama.ts'
import { gemini } from './gemini.ts'
import { openaiChat } from './openai-chat.ts'
import { openaiCompletions } from './openai-completions.ts'
import { openaiResponses } from './openai-responses.ts'
import { tgi } from './tgi.ts'
import { workersAi } from './workers-ai.ts'

export const dialects: Readonly<Record<DialectName, Dialect>> = {
  'openai-chat': openaiChat,
  'openai-responses': openaiResponses,
  'openai-completions': openaiCompletions,
  'anthropic-messages': anthropicMessages,
  cohere,
  ollama,
  'bedrock-converse': bedrockConverse,
  gemini,
  tgi,
  'workers-ai': workersAi,
  declared,
}
