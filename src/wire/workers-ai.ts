// The wire of Workers AI: the envelope of its REST API, its errors, and how a model stands in a path.
// https://developers.cloudflare.com/api/resources/ai/methods/run/
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { pathSegment } from './path-segment.ts'
import { arrayOf, codeOf, objectOf, stringOf } from './read.ts'

/** Models as Cloudflare names them: `@cf/maker/model`, `@hf/maker/model`. */
const DOCUMENTED = /^@(?:cf|hf)(?:\/[A-Za-z0-9_][\w.-]*){2}$/

/** The path of a call. A name of the documented form goes as it is; any other is one segment, whatever is in it. */
export function runPath(model: string): string {
  return `/run/${DOCUMENTED.test(model) ? model : pathSegment(model)}`
}

/** What a call came to: the envelope's result, or the body itself where there is no envelope, as through a binding. */
export function unwrap(body: Json | undefined): JsonObject {
  const object = objectOf(body)
  return isJsonObject(object['result']) ? object['result'] : object
}

/** The error of an envelope in the shape that most providers have; null where the envelope has none. */
export function errorOf(body: Json | undefined): JsonObject | null {
  const envelope = objectOf(body)
  const first = objectOf(arrayOf(envelope['errors'])[0])
  const message = stringOf(first['message'])
  if (message === null) return envelope['success'] === false ? { error: { message: 'The call failed.' } } : null
  return { error: { message, code: codeOf(first['code']) } }
}
