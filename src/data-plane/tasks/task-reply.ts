// Reads what a provider answers to a task: the reply, or why it is none.
import type { UpstreamFailure } from '../../core/failure.ts'
import { isJsonObject, parseJson } from '../../core/json.ts'
import { type Result, err, ok } from '../../core/result.ts'
import type { Dialect } from '../../dialects/dialect.ts'
import { brokenStream } from '../../dialects/failures/provider-error.ts'
import type { TaskCodec, TaskReply, TaskRequest } from '../../dialects/tasks/codec.ts'
import { limitedText } from '../call-upstream.ts'

/** Largest reply of one call: 2,048 vectors of 1,536 numbers as text are this long. */
const REPLY_BYTES_MAX = 64 * 1024 * 1024

/** A reply; as it came where it needed no change, else its text is empty. */
export type ReadReply = TaskReply & { readonly text: string }

export interface TaskReader {
  readonly codec: TaskCodec
  readonly request: TaskRequest
  readonly dialect: Dialect
  readonly nowMs: () => number
}

/** The reply in a 200. `whyCut` tells why reading it failed, where it was stopped by us. */
export async function readTaskReply(
  response: Response,
  { codec, request, dialect, nowMs }: TaskReader,
  whyCut: (error: unknown) => UpstreamFailure | null,
): Promise<Result<ReadReply, UpstreamFailure>> {
  let text: string | null
  try {
    text = await limitedText(response, REPLY_BYTES_MAX)
  } catch (error) {
    return err(whyCut(error) ?? brokenStream('The provider broke off its reply.'))
  }
  if (text === null) return err(brokenStream("The provider's reply is too large."))
  const json = parseJson(text)
  if (json === undefined) return err(brokenStream("The provider's reply is not valid JSON."))
  const failed = isJsonObject(json) && (json['error'] ?? null) !== null
  if (failed) return err(dialect.fail(200, response.headers, text, nowMs()))
  const reply = codec.read(json, request)
  if (reply === null) return err(brokenStream("The provider's reply is not what was asked for."))
  return ok({ ...reply, text: reply.body === json ? text : '' })
}
