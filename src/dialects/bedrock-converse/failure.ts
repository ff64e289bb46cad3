// What Bedrock's errors mean. It names them in a header, or in the event of a stream, and says little in the body: the
// name decides, because statuses are shared by the client's mistakes and the model's.
// https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
import type { UpstreamClass, UpstreamFailure } from '../../core/failure.ts'
import { isJsonObject, parseJson } from '../../core/json.ts'
import type { JsonObject } from '../../core/json.ts'
import { stringOf } from '../../wire/read.ts'
import { readErrorResponse } from '../failures/provider-error.ts'
import type { HeaderReader } from '../failures/retry-hint.ts'

/** Status and class of what the API documents, by name without `Exception`. */
const KNOWN: Readonly<Record<string, readonly [status: number, meaning: UpstreamClass]>> = {
  accessdenied: [403, 'credential'],
  expiredtoken: [403, 'credential'],
  incompletesignature: [400, 'credential'],
  internalserver: [500, 'server'],
  internalfailure: [500, 'server'],
  invalidsignature: [403, 'credential'],
  missingauthenticationtoken: [403, 'credential'],
  modelerror: [424, 'server'],
  modelnotready: [429, 'overloaded'],
  modelstreamerror: [424, 'server'],
  modeltimeout: [408, 'timeout'],
  resourcenotfound: [404, 'client'],
  servicequotaexceeded: [400, 'throttled'],
  serviceunavailable: [503, 'overloaded'],
  throttling: [429, 'throttled'],
  unrecognizedclient: [403, 'credential'],
  validation: [400, 'client'],
}

/** The failure of an error response. Never throws. */
export function readConverseError(status: number, headers: HeaderReader, body: string, nowMs: number): UpstreamFailure {
  const json = parseJson(body)
  const type = headers.get('x-amzn-errortype') ?? (isJsonObject(json) ? typeIn(json) : null)
  const text = isJsonObject(json) ? JSON.stringify(withMessage(json)) : body
  const failure = readErrorResponse(status, headers, text, nowMs)
  const name = type === null ? null : nameOf(type)
  if (name === null) return failure
  // A prompt that is too large for the limit stays the client's, whatever the error is called.
  const isTooLarge = status === 429 && failure.class === 'client'
  return { ...failure, type: name, class: isTooLarge ? 'client' : (KNOWN[wordOf(name)]?.[1] ?? failure.class) }
}

/** The failure that an exception in a stream stands for; `type` is as the stream names it. */
export function readConverseException(type: string, body: string): UpstreamFailure {
  const name = nameOf(type)
  const status = KNOWN[wordOf(name)]?.[0] ?? 500
  return readConverseError(status, { get: (header) => (header === 'x-amzn-errortype' ? name : null) }, body, 0)
}

/** The type that a body names, where it is an error: `__type`, also inside the envelope of an unknown operation. */
export function typeIn(body: JsonObject): string | null {
  const output = body['Output']
  return stringOf(body['__type']) ?? (isJsonObject(output) ? stringOf(output['__type']) : null)
}

/** `com.amazon.coral.service#ValidationException:http://…` is a `ValidationException`. */
function nameOf(type: string): string {
  return (type.split('#').at(-1) ?? '').split(':')[0] ?? ''
}

function wordOf(name: string): string {
  return name.toLowerCase().replace(/exception$/, '')
}

/** The message where it is looked for; some services write it with a capital. */
function withMessage(body: JsonObject): JsonObject {
  const output = body['Output']
  const message =
    body['message'] ??
    body['Message'] ??
    body['originalMessage'] ??
    (isJsonObject(output) ? output['message'] : undefined)
  return message === undefined ? body : { ...body, message }
}
