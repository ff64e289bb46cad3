// The protocol of the older completions, as the `openai` SDKs and tools from before chat speak it. A prompt that is one text
// becomes a user's message for any model; several prompts, and tokens, are for providers of the same wire.
// https://platform.openai.com/docs/api-reference/completions
import { failChat, failChatInStream } from '../chat/failure.ts'
import { createCompletionsWriter, writeCompletions } from './reply.ts'
import { completionsFacts, readCompletionsRequest } from './request.ts'
import type { Protocol } from '../protocol.ts'

export const completions: Protocol = {
  name: 'completions',
  endpoint: '/v1/completions',
  wire: 'openai-completions',
  idPrefix: 'cmpl-',
  hides: new Set(['reasoning', 'signature', 'refusal', 'tool-call', 'image', 'audio', 'other', 'citation', 'paused']),
  facts: completionsFacts,
  read: readCompletionsRequest,
  write: writeCompletions,
  writer: createCompletionsWriter,
  fail: failChat,
  failInStream: failChatInStream,
}
