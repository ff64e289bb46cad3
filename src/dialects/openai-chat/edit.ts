// The native lane towards a provider of the chat wire: the client's own text with a few members set or taken out, for the
// gateway's reasons (model, usage, bounds) and for the provider's quirks. Everything else stays to the byte.
import type { Target } from '../../core/directory.ts'
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { STRICT_HINTS, hasQuirk } from '../../core/quirk.ts'
import { arrayOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { spliceMembers, withoutMember } from '../../wire/splice.ts'
import type { NativeEdits } from '../dialect.ts'
import { callIdMap } from './call-ids.ts'
import { isEffort } from './thinking.ts'

/** Members to set; undefined takes one out. */
type Members = Record<string, Json | undefined>

/** The body of a chat completion to send. */
export function editChat(text: string, body: JsonObject, edits: NativeEdits, target: Target): string {
  const members: Members = {}
  if (edits.model !== null && edits.model !== body['model']) members['model'] = edits.model
  setUsage(members, body, edits.forceUsage && !hasQuirk(target, 'no-stream-options'))
  if (edits.maxOutputTokens !== null) setBound(members, body, edits.maxOutputTokens)
  if (target.quirks !== undefined && target.quirks.length > 0) heedQuirks(members, body, target)
  // The gateway's own options aren't the provider's business.
  if (body['tidegate'] !== undefined) members['tidegate'] = undefined
  return applied(text, body, members)
}

/** The body of an older completion to send: it has one name for the bound, and no messages. */
export function editCompletions(text: string, body: JsonObject, edits: NativeEdits, target: Target): string {
  const members: Members = {}
  if (edits.model !== null && edits.model !== body['model']) members['model'] = edits.model
  setUsage(members, body, edits.forceUsage && !hasQuirk(target, 'no-stream-options'))
  const given = numberOf(body['max_tokens'])
  const bound = edits.maxOutputTokens
  if (bound !== null && (given === null || given > bound)) members['max_tokens'] = bound
  if (hasQuirk(target, 'no-stream-options')) takeOut(members, body, ['stream_options'])
  if (body['tidegate'] !== undefined) members['tidegate'] = undefined
  return applied(text, body, members)
}

function applied(text: string, body: JsonObject, members: Members): string {
  const set: Record<string, Json> = {}
  let edited: string | null = text
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined) set[name] = value
    else if (edited !== null) edited = withoutMember(edited, name)
  }
  const spliced = edited === null ? null : spliceMembers(edited, set)
  return spliced ?? JSON.stringify({ ...body, ...members })
}

function setUsage(members: Members, body: JsonObject, isForced: boolean): void {
  const options = objectOf(body['stream_options'])
  if (!isForced || body['stream'] !== true || options['include_usage'] === true) return
  members['stream_options'] = { ...options, include_usage: true }
}

/** Lowers each bound that the client gave; where it gave none, the newer field is set. */
function setBound(members: Members, body: JsonObject, bound: number): void {
  const given = ['max_completion_tokens', 'max_tokens'].filter((name) => typeof body[name] === 'number')
  for (const name of given) if (Number(body[name]) > bound) members[name] = bound
  if (given.length === 0) members['max_completion_tokens'] = bound
}

function heedQuirks(members: Members, body: JsonObject, target: Target): void {
  if (hasQuirk(target, 'max-tokens')) rename(members, body, 'max_completion_tokens', 'max_tokens')
  if (hasQuirk(target, 'max-completion-tokens')) rename(members, body, 'max_tokens', 'max_completion_tokens')
  if (hasQuirk(target, 'random-seed')) rename(members, body, 'seed', 'random_seed')
  if (hasQuirk(target, 'no-stream-options')) takeOut(members, body, ['stream_options'])
  if (hasQuirk(target, 'no-parallel-tool-calls')) takeOut(members, body, ['parallel_tool_calls'])
  if (hasQuirk(target, 'no-json-schema') && objectOf(body['response_format'])['type'] === 'json_schema') {
    members['response_format'] = { type: 'json_object' }
  }
  if (hasQuirk(target, 'no-top-k')) takeOut(members, body, ['top_k'])
  if (hasQuirk(target, 'strict-fields')) heedStrictness(members, body)
  heedThinking(members, body, target)
  heedMessages(members, body, target)
}

/** Moves a member to the only name that the provider knows; a bound to the lower of both. */
function rename(members: Members, body: JsonObject, from: string, to: string): void {
  const given = [members[from] ?? body[from], members[to] ?? body[to]].filter((value) => typeof value === 'number')
  if (body[from] === undefined && members[from] === undefined) return
  if (given.length > 0) members[to] = Math.min(...given)
  members[from] = undefined
}

function takeOut(members: Members, body: JsonObject, names: readonly string[]): void {
  for (const name of names) if (body[name] !== undefined) members[name] = undefined
}

/** Hints go; so does what asks for nothing, and what was a gap that the route allows. */
function heedStrictness(members: Members, body: JsonObject): void {
  takeOut(members, body, [...STRICT_HINTS, 'store'])
  if (isJsonArray(body['tools']) && body['tools'].length === 0) {
    takeOut(members, body, ['tools', 'tool_choice', 'parallel_tool_calls'])
  }
  for (const [name, value] of Object.entries(body)) {
    if (value === null && !Object.hasOwn(members, name)) members[name] = undefined
  }
}

/** An effort of none means no thinking, which these providers want to be told in their own way. */
function heedThinking(members: Members, body: JsonObject, target: Target): void {
  const effort = stringOf(body['reasoning_effort'])
  if (effort === null) return
  if (hasQuirk(target, 'thinking-type')) {
    if (isEffort(effort)) return
    if (body['thinking'] === undefined) members['thinking'] = { type: 'disabled' }
    members['reasoning_effort'] = undefined
  } else if (hasQuirk(target, 'enable-thinking')) {
    if (body['enable_thinking'] === undefined) members['enable_thinking'] = isEffort(effort)
    members['reasoning_effort'] = undefined
  }
}

/** What assistants' messages of other providers have and strict ones refuse. */
const FOREIGN_MEMBERS = [
  'reasoning_content',
  'reasoning',
  'reasoning_details',
  'annotations',
  'images',
  'extra_content',
]

function heedMessages(members: Members, body: JsonObject, target: Target): void {
  const mapId = hasQuirk(target, 'tool-ids-9') ? callIdMap() : null
  const isStrict = hasQuirk(target, 'strict-fields')
  const hasNoDeveloper = hasQuirk(target, 'no-developer-role')
  if (mapId === null && !isStrict && !hasNoDeveloper) return
  let isChanged = false
  const messages = arrayOf(body['messages']).map((value): Json => {
    if (!isJsonObject(value)) return value
    let message = value
    if (hasNoDeveloper && message['role'] === 'developer') message = { ...message, role: 'system' }
    if (isStrict && FOREIGN_MEMBERS.some((name) => value[name] !== undefined)) message = withoutForeign(message)
    if (mapId !== null) message = withIds(message, mapId)
    isChanged ||= message !== value
    return message
  })
  if (isChanged) members['messages'] = messages
}

function withoutForeign(message: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(message).filter(([name]) => !FOREIGN_MEMBERS.includes(name)))
}

/** The message with fitting ids; the same object where they fit. */
function withIds(message: JsonObject, mapId: (id: string) => string): JsonObject {
  const id = stringOf(message['tool_call_id'])
  if (id !== null) return mapId(id) === id ? message : { ...message, tool_call_id: mapId(id) }
  let isChanged = false
  const calls = arrayOf(message['tool_calls']).map((value): Json => {
    const callId = stringOf(objectOf(value)['id'])
    if (callId === null || mapId(callId) === callId) return value
    isChanged = true
    return { ...objectOf(value), id: mapId(callId) }
  })
  return isChanged ? { ...message, tool_calls: calls } : message
}
