// Whether a schema can be given to a model that keeps to one strictly or not at all. A client that doesn't ask for strictness
// may have a schema that leaves objects open, which such models refuse; where all are closed, it gets more than it asked for.
// https://platform.claude.com/docs/en/build-with-claude/structured-outputs
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { ResponseFormat } from '../core/neutral.ts'
import { isJsonArray, objectOf } from '../wire/read.ts'

/** Deeper than this, a schema counts as open. */
const DEPTH_MAX = 50
/** Members that hold schemas by names that are the client's own. */
const NAMED = ['properties', '$defs', 'definitions']

/** True for a schema that was asked for strictly, and for one that leaves nothing open: no object, no value of any kind. */
export function isForStrictModels(format: Extract<ResponseFormat, { readonly kind: 'json-schema' }>): boolean {
  return format.strict || isClosed(format.schema, 0)
}

function isClosed(schema: Json | undefined, depth: number): boolean {
  if (depth > DEPTH_MAX) return false
  if (isJsonArray(schema)) return schema.every((item) => isClosed(item, depth + 1))
  if (!isJsonObject(schema)) return true
  if (Object.keys(schema).length === 0) return false
  if (isObjectSchema(schema) && schema['additionalProperties'] !== false) return false
  return Object.entries(schema).every(([name, value]) => {
    if (NAMED.includes(name)) return Object.values(objectOf(value)).every((item) => isClosed(item, depth + 1))
    // Values, not schemas.
    return ['enum', 'const', 'default', 'examples'].includes(name) || isClosed(value, depth + 1)
  })
}

function isObjectSchema({ type, properties }: JsonObject): boolean {
  return type === 'object' || properties !== undefined || (isJsonArray(type) && type.includes('object'))
}
