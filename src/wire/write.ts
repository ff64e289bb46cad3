// Writing JSON objects with members that may be absent.
import type { Json, JsonObject } from '../core/json.ts'

/** The object without the members that are undefined. */
export function withoutUndefined(object: JsonObject): JsonObject {
  const result: Record<string, Json> = {}
  for (const [name, value] of Object.entries(object)) if (value !== undefined) result[name] = value
  return result
}
