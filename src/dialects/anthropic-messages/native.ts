// The native lane of the Anthropic wire: the client's own text with a few members spliced. What the gateway itself once
// wrote there for want of something real (thinking that nobody signed, signatures of other makers) is taken out again,
// because the API would refuse it.
import type { Target } from '../../core/directory.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { arrayOf, isJsonArray, objectOf } from '../../wire/read.ts'
import { spliceMembers, withoutMember } from '../../wire/splice.ts'
import { bodyVersion, hostCall, hostOf } from './host.ts'
import type { NativeEdits, UpstreamCall } from '../dialect.ts'
import { outputBound } from '../output-bound.ts'

/** The client's text as a call. */
export function editMessages(text: string, body: JsonObject, edits: NativeEdits, target: Target): UpstreamCall {
  const host = hostOf(target)
  const model = edits.model ?? String(body['model'])
  const edited = edit(text, body, edits, bodyVersion(host))
  return hostCall(host, model, body['stream'] === true, edited, edits.headers)
}

/** The question how many tokens the client's text has. Bedrock asks otherwise, in base64: it isn't asked. */
export function countMessages(text: string, body: JsonObject, edits: NativeEdits, target: Target): UpstreamCall | null {
  const host = hostOf(target)
  if (host === 'bedrock') return null
  const unbounded = { ...edits, maxOutputTokens: null }
  if (host === 'vertex') return hostCall(host, 'count-tokens', false, edit(text, body, unbounded, null), edits.headers)
  const call = hostCall(host, '', false, edit(text, body, unbounded, null), edits.headers)
  return { ...call, path: '/messages/count_tokens' }
}

/** `version`: for a host that wants one in the body, and no model there. */
function edit(text: string, body: JsonObject, edits: NativeEdits, version: string | null): string {
  const members: Record<string, Json> = {}
  if (version !== null) members['anthropic_version'] = version
  else if (edits.model !== null && edits.model !== body['model']) members['model'] = edits.model
  const given = typeof body['max_tokens'] === 'number' ? body['max_tokens'] : undefined
  const bound = outputBound(given, edits.maxOutputTokens)
  if (bound !== null && bound !== given) members['max_tokens'] = bound
  if (OURS.test(text)) members['messages'] = arrayOf(body['messages']).map((message) => withoutOurs(objectOf(message)))
  const edited = body['tidegate'] === undefined ? spliceMembers(text, members) : null
  if (version === null && edited !== null) return edited
  const { model, tidegate: _, ...rest } = body
  const whole = version === null && model !== undefined ? { model, ...rest } : rest
  return (edited === null ? null : withoutMember(edited, 'model')) ?? JSON.stringify({ ...whole, ...members })
}

/** Whether a text may hold something of ours: cheap, and never wrong where it says no. */
const OURS = /"(?:signature|encrypted_index)"\s*:\s*""|"(?:signature|data)"\s*:\s*"tg1/

function withoutOurs(message: JsonObject): JsonObject {
  const content = message['content']
  if (!isJsonArray(content)) return message
  const kept = content.filter((block) => !isOurs(objectOf(block))).map((block) => withoutOurCitations(block))
  return { ...message, content: kept }
}

function isOurs(block: JsonObject): boolean {
  const { type, signature, data } = block
  if (type === 'thinking') return signature === '' || isSealed(signature)
  return type === 'redacted_thinking' && isSealed(data)
}

function isSealed(value: Json | undefined): boolean {
  return typeof value === 'string' && value.startsWith('tg1')
}

function withoutOurCitations(value: Json): Json {
  const block = objectOf(value)
  if (block['type'] !== 'text' || !isJsonArray(block['citations'])) return value
  const kept = block['citations'].filter((citation) => objectOf(citation)['encrypted_index'] !== '')
  const { citations: _, ...rest } = block
  return kept.length === 0 ? rest : { ...rest, citations: kept }
}
