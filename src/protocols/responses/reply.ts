// Writes the `response` object: what was said, how it ended, and what was asked for, which this protocol repeats.
// https://platform.openai.com/docs/api-reference/responses/object
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralReply } from '../../core/neutral.ts'
import type { Usage } from '../../core/money/usage.ts'
import { writeServiceTier } from '../../wire/openai-chat.ts'
import { writeResponseEnd, writeResponsesUsage } from '../../wire/openai-responses.ts'
import { outputItems } from '../../wire/openai-responses-items.ts'
import { arrayOf, isJsonArray, objectOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import type { ReplyContext } from '../protocol.ts'
import { RESPONSE_ID_PREFIX } from './event-log.ts'

/** What of a response isn't known from its request. */
export interface ResponseState {
  /** `status` and `incomplete_details`. */
  readonly end: JsonObject
  readonly output: readonly Json[]
  readonly usage: Usage | null
  readonly serviceTier: string | null
}

/** A whole reply. Of several choices only the first is told: this protocol has no more. */
export function writeResponse(reply: NeutralReply, context: ReplyContext): Json {
  const choice = reply.choices[0]
  const finish = choice?.finish ?? 'stop'
  const status = finish === 'length' || finish === 'filtered' ? 'incomplete' : 'completed'
  const output = outputItems(choice?.parts ?? [], createItemIds(context), status, choice?.logprobs)
  return responseObject(context, {
    end: writeResponseEnd(finish),
    output,
    usage: context.wantsUsage ? reply.usage : null,
    serviceTier: reply.serviceTier ?? null,
  })
}

/** Ids for the items of one response: unique among them, and as far as the response's own id is. */
export function createItemIds(context: ReplyContext): (prefix: string) => string {
  const base = context.id.replace(RESPONSE_ID_PREFIX, '')
  let count = 0
  return function nextId(prefix) {
    count += 1
    return `${prefix}_${base}_${count}`
  }
}

/** Members that are repeated as they were asked for, with what stands for them where they weren't. */
const ECHOED: Readonly<Record<string, Json>> = {
  background: false,
  instructions: null,
  max_output_tokens: null,
  max_tool_calls: null,
  metadata: {},
  parallel_tool_calls: true,
  previous_response_id: null,
  prompt_cache_key: null,
  safety_identifier: null,
  temperature: 1,
  tool_choice: 'auto',
  top_logprobs: 0,
  top_p: 1,
  truncation: 'disabled',
}

/** The whole object, every member that the API describes as required among them. Nothing is ever stored. */
export function responseObject(context: ReplyContext, state: ResponseState): JsonObject {
  const { request } = context
  const echoed: Record<string, Json> = {}
  for (const [name, missing] of Object.entries(ECHOED)) echoed[name] = request[name] ?? missing
  return withoutUndefined({
    id: context.id,
    object: 'response',
    created_at: context.createdSeconds,
    ...state.end,
    access_programs: null,
    error: null,
    model: context.model,
    output: state.output,
    ...echoed,
    reasoning: { effort: null, summary: null, ...objectOf(request['reasoning']) },
    service_tier: writeServiceTier(state.serviceTier ?? undefined) ?? null,
    store: false,
    text: echoText(objectOf(request['text'])),
    tools: arrayOf(request['tools']).map((tool) => echoTool(tool)),
    usage: state.usage === null ? undefined : writeResponsesUsage(state.usage),
    user: request['user'] ?? undefined,
  })
}

function echoText(text: JsonObject): JsonObject {
  return { ...text, format: isJsonObject(text['format']) ? text['format'] : { type: 'text' } }
}

/** A function with all its members: what the client left out is told as what it was taken for. */
function echoTool(tool: Json): Json {
  if (!isJsonObject(tool) || tool['type'] !== 'function') return isJsonArray(tool) ? {} : tool
  const { parameters = null, strict = false } = tool
  return withoutUndefined({ ...tool, parameters, strict: strict === true })
}
