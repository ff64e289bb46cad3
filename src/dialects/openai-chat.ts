// The OpenAI chat dialect: OpenAI itself and everyone who speaks its chat completions.
// https://platform.openai.com/docs/api-reference/chat/create
import type { Json, JsonObject } from '../core/json.ts'
import type { NeutralRequest } from '../core/neutral.ts'
import { objectOf } from '../wire/read.ts'
import { spliceMembers } from '../wire/splice.ts'
import type { Dialect, NativeEdits, UpstreamCall } from './dialect.ts'
import { createChatMeter } from './openai-chat-meter.ts'
import { createChatReader, readChatReply } from './openai-chat-reader.ts'
import { writeChatRequest } from './openai-chat-request.ts'
import { outputBound } from './output-bound.ts'
import { readErrorResponse } from './provider-error.ts'

export const openaiChat: Dialect = {
  name: 'openai-chat',
  wire: 'openai-chat',
  framing: 'sse',
  auth: 'bearer',
  nativeWire: () => 'openai-chat',
  gaps: () => [],
  write(request, target, edits) {
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    return call(JSON.stringify(writeChatRequest(request, edits.model ?? modelFor(request, target.model), bound)))
  },
  edit(text, body, edits) {
    return call(editText(text, body, membersToSet(body, edits)))
  },
  reader: createChatReader,
  meter: createChatMeter,
  read: readChatReply,
  fail: readErrorResponse,
  probe(target) {
    const messages = [{ role: 'user', content: 'Reply with the word ok.' }]
    return call(JSON.stringify({ model: target.model, messages }))
  },
}

const HEADERS = { 'content-type': 'application/json' }

function call(body: string): UpstreamCall {
  return { path: '/chat/completions', headers: HEADERS, body }
}

function modelFor(request: NeutralRequest, model: string): string {
  return model === '*' ? request.model : model
}

function membersToSet(body: JsonObject, edits: NativeEdits): Readonly<Record<string, Json>> {
  const members: Record<string, Json> = {}
  if (edits.model !== null && edits.model !== body['model']) members['model'] = edits.model
  const options = objectOf(body['stream_options'])
  if (edits.forceUsage && body['stream'] === true && options['include_usage'] !== true) {
    members['stream_options'] = { ...options, include_usage: true }
  }
  if (edits.maxOutputTokens !== null) setBound(members, body, edits.maxOutputTokens)
  return members
}

/** Lowers each bound that the client gave; where it gave none, the newer field is set. */
function setBound(members: Record<string, Json>, body: JsonObject, bound: number): void {
  const given = ['max_completion_tokens', 'max_tokens'].filter((name) => typeof body[name] === 'number')
  for (const name of given) if (Number(body[name]) > bound) members[name] = bound
  if (given.length === 0) members['max_completion_tokens'] = bound
}

/** The gateway's own options ride in `tidegate` and aren't the provider's business: a rare case, worth a rewrite. */
function editText(text: string, body: JsonObject, members: Readonly<Record<string, Json>>): string {
  if (body['tidegate'] === undefined) return spliceMembers(text, members) ?? JSON.stringify({ ...body, ...members })
  const { tidegate: _, ...rest } = body
  return JSON.stringify({ ...rest, ...members })
}
