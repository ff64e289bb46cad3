// The chat protocol: OpenAI Chat Completions as the `openai` SDKs speak it.
// https://platform.openai.com/docs/api-reference/chat
import { chatFacts } from './facts.ts'
import { failChat, failChatInStream } from './failure.ts'
import { readChatRequest } from './request.ts'
import { createChatWriter, writeChatReply } from './reply.ts'
import type { Protocol } from '../protocol.ts'

export const chat: Protocol = {
  name: 'chat',
  endpoint: '/v1/chat/completions',
  wire: 'openai-chat',
  idPrefix: 'chatcmpl-',
  hides: new Set(['other', 'paused']),
  facts: chatFacts,
  read: readChatRequest,
  write: writeChatReply,
  writer: createChatWriter,
  fail: failChat,
  failInStream: failChatInStream,
}
