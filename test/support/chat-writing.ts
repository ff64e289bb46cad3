// Requests on their way to a provider of the chat wire, for tests of what is written: from a chat client, from a client of
// another wire, and as edits of the client's own text.
import { parseJson } from '../../src/core/json.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { NeutralPart, NeutralRequest } from '../../src/core/neutral.ts'
import type { Target } from '../../src/core/directory.ts'
import type { Quirk } from '../../src/core/quirk.ts'
import { dialects, protocols } from './registries.ts'
import { objectOf } from '../../src/wire/read.ts'
import { TARGET } from './target.ts'

const dialect = dialects['openai-chat']

export const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }
export const HELLO = [{ role: 'user', content: 'Hello' }]
/** What every request to `TARGET` has. */
export const BASE = { model: TARGET.model, messages: HELLO }

/** A chat client's request. */
export function readChat(body: JsonObject): NeutralRequest {
  const request = protocols.chat.read({ model: 'asked', messages: HELLO, ...body })
  if (!request.ok) throw new Error(request.error.message)
  return request.value
}

/** A target with these quirks. */
export function quirky(...quirks: readonly Quirk[]): Target {
  return { ...TARGET, quirks }
}

/** The body that a request becomes for a target with these quirks. */
export function writtenChat(request: NeutralRequest, ...quirks: readonly Quirk[]): JsonObject {
  return objectOf(parseJson(dialect.write(request, quirky(...quirks), NO_EDITS).body))
}

/** What becomes of a client's own body, but for its model. */
export function editedChat(body: JsonObject, ...quirks: readonly Quirk[]): JsonObject {
  const whole: JsonObject = { model: 'asked', messages: HELLO, ...body }
  const sent = dialect.edit(JSON.stringify(whole), whole, NO_EDITS, quirky(...quirks)).body
  const { model: _, ...rest } = objectOf(parseJson(sent))
  return rest
}

/** A request of a client that speaks another wire. */
export function foreign(fields: Partial<NeutralRequest>, ...parts: readonly NeutralPart[]): NeutralRequest {
  const turn = { role: 'user' as const, parts: parts.length > 0 ? parts : [{ kind: 'text' as const, text: 'Hello' }] }
  const base = { model: 'asked', stream: false, includeUsage: false, messages: [turn], tools: [], extra: {} }
  return { wire: 'anthropic-messages', ...base, ...fields }
}
