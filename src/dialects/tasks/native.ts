// OpenAI's own wire, which most providers have for these tasks too: the client's text goes on with the model's name
// replaced, and the reply comes back as it is.
import type { Json, JsonObject } from '../../core/json.ts'
import { isJsonObject } from '../../core/json.ts'
import { spliceMembers } from '../../wire/splice.ts'
import type { UpstreamCall } from '../dialect.ts'
import type { TaskCodec, TaskCodecs, TaskReply, TaskRequest } from './codec.ts'
import { readTaskUsage } from './task-usage.ts'

const HEADERS = { 'content-type': 'application/json' }

/** A codec for OpenAI's wire below `path`. `amend` puts a reply right where a follower of OpenAI differs. */
export function nativeCodec(
  path: string,
  amend: (reply: JsonObject, request: TaskRequest) => JsonObject | null = (reply) => reply,
): TaskCodec {
  return {
    batchMax: () => Number.MAX_SAFE_INTEGER,
    gaps: () => [],
    write: (request) => ({ path, headers: HEADERS, body: nativeBody(request) }),
    read: (reply, request) => readNative(reply, (body) => amend(body, request)),
  }
}

/** The same codec for every dialect whose providers follow OpenAI in everything. */
export function likeOpenai(codec: TaskCodec): TaskCodecs {
  return { 'openai-chat': codec, 'openai-responses': codec }
}

/** The client's text with the model's name replaced and the gateway's own member taken out. */
export function nativeBody({ body, text, model }: TaskRequest): UpstreamCall['body'] {
  const { tidegate, ...rest } = body
  if (tidegate === undefined && text !== null) {
    const spliced = spliceMembers(text, body['model'] === model ? {} : { model })
    if (spliced !== null) return spliced
  }
  return JSON.stringify({ ...rest, model })
}

function readNative(reply: Json, amend: (body: JsonObject) => JsonObject | null): TaskReply | null {
  if (!isJsonObject(reply) || (reply['error'] ?? null) !== null) return null
  const body = amend(reply)
  return body === null ? null : { body, usage: readTaskUsage(reply['usage']) }
}
