// Every protocol that clients may speak, one line each. Membership is coverage: the contract suite runs over this list. Chat is
// there from the start; another is loaded with the first request to its endpoint, which is why the endpoints stand here.
import type { ProtocolName } from '../core/directory.ts'
import { late, lateRegistry, present } from '../core/late.ts'
import { chat } from './chat/index.ts'
import type { Protocol } from './protocol.ts'

export const protocols = lateRegistry<ProtocolName, Protocol>({
  chat: present(chat),
  responses: late(async () => (await import('./responses/index.ts')).responses),
  messages: late(async () => (await import('./messages/index.ts')).messages),
  completions: late(async () => (await import('./completions/index.ts')).completions),
})

/** Where each protocol is spoken and in which wire, as it says itself, for who has to know before it is loaded. */
export const PROTOCOL_PLACES: Readonly<Record<ProtocolName, Pick<Protocol, 'endpoint' | 'wire'>>> = {
  chat: { endpoint: '/v1/chat/completions', wire: 'openai-chat' },
  responses: { endpoint: '/v1/responses', wire: 'openai-responses' },
  messages: { endpoint: '/v1/messages', wire: 'anthropic-messages' },
  completions: { endpoint: '/v1/completions', wire: 'openai-completions' },
}
