// Every protocol that clients may speak, one line each. Membership is coverage: the contract suite runs over this list.
import type { ProtocolName } from '../core/directory.ts'
import { chat } from './chat.ts'
import { completions } from './completions.ts'
import { messages } from './messages.ts'
import type { Protocol } from './protocol.ts'
import { responses } from './responses.ts'

export const protocols: Readonly<Record<ProtocolName, Protocol>> = {
  chat,
  responses,
  messages,
  completions,
}
