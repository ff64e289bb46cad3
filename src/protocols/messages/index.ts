// The messages protocol: Anthropic's Messages API as the `@anthropic-ai/sdk` clients speak it.
// https://platform.claude.com/docs/en/api/messages
import { countFacts, messagesFacts } from './facts.ts'
import { failMessages, failMessagesInStream } from './failure.ts'
import { HIDDEN, writeMessagesReply } from './reply.ts'
import { readCountRequest, readMessagesRequest } from './request.ts'
import { streamEvent } from './block-writer.ts'
import { createMessagesWriter, messagesWriterAt } from './writer.ts'
import type { Protocol } from '../protocol.ts'

export const messages: Protocol = {
  name: 'messages',
  endpoint: '/v1/messages',
  wire: 'anthropic-messages',
  idPrefix: 'msg_',
  idHeader: 'request-id',
  passesHeaders: ['anthropic-beta', 'anthropic-version'],
  hides: HIDDEN,
  facts: messagesFacts,
  read: readMessagesRequest,
  write: writeMessagesReply,
  writer: createMessagesWriter,
  writerAt: messagesWriterAt,
  lastWord: streamEvent({ type: 'message_stop' }),
  fail: failMessages,
  failInStream: failMessagesInStream,
}

/** The same request, asked only for its size: it names no output bound. Not a protocol of its own. */
export const countTokensProtocol: Protocol = {
  ...messages,
  endpoint: '/v1/messages/count_tokens',
  facts: countFacts,
  read: readCountRequest,
}
