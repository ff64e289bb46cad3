// JSON Schema as Gemini takes it in `parametersJsonSchema` and `responseJsonSchema`: nearly as it is. Those fields know
// `$ref`, `$defs`, `additionalProperties`, `anyOf`, `prefixItems`; a `$ref` may have no neighbours, and `const` isn't known.
// https://ai.google.dev/api/generate-content#FIELDS.response_json_schema (read 2026-11-21)
import { isJsonObject } from '../../core/json.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { isJsonArray } from '../../wire/read.ts'

/** Deeper than this, a schema goes on as it is. */
const DEPTH_MAX = 64

/**
 * The schema with what stands beside a `$ref` merged into a copy of what the `$ref` names; a reference to something around
 * it, or to nothing, loses its neighbours instead. `$schema` is left out and `const` becomes an `enum` of one.
 */
export function geminiSchema(schema: JsonObject): JsonObject {
  const { definitions, ...rest } = schema
  // Drafts before 2019-09 call them so.
  const isOld = isJsonObject(definitions) && rest['$defs'] === undefined
  const root = isOld ? { ...rest, $defs: definitions } : schema
  return rewrite(root, { root, around: [], depth: 0 })
}

interface Place {
  readonly root: JsonObject
  /** References whose copies are being made. */
  readonly around: readonly string[]
  readonly depth: number
}

/** Members whose own members are names, not keywords. */
const NAMED = new Set(['properties', '$defs', 'definitions', 'patternProperties', 'dependentSchemas'])
/** Members that hold values, not schemas. */
const VALUES = new Set(['enum', 'default', 'example', 'examples', 'required', 'propertyOrdering'])

function rewrite(schema: JsonObject, place: Place): JsonObject {
  if (place.depth > DEPTH_MAX) return schema
  const reference = schema['$ref']
  if (typeof reference === 'string') {
    const isOld = reference.startsWith('#/definitions/') && place.root['definitions'] === undefined
    return rewriteReference(schema, isOld ? reference.replace('definitions', '$$defs') : reference, place)
  }
  const inner = { ...place, depth: place.depth + 1 }
  const members = Object.entries(schema).map(([name, value]): readonly [string, Json | undefined] => {
    if (value === undefined || name === '$schema') return [name, undefined]
    if (name === 'const' && (typeof value === 'string' || typeof value === 'number')) return ['enum', [value]]
    if (VALUES.has(name)) return [name, value]
    return [name, NAMED.has(name) && isJsonObject(value) ? rewriteEach(value, inner) : rewriteValue(value, inner)]
  })
  return Object.fromEntries(members.filter(([, value]) => value !== undefined))
}

function rewriteReference(schema: JsonObject, reference: string, place: Place): JsonObject {
  const { $ref: _, ...beside } = schema
  const hasNeighbours = Object.keys(beside).some((name) => !name.startsWith('$'))
  const found = hasNeighbours && !place.around.includes(reference) ? resolve(reference, place.root) : undefined
  if (found === undefined) return { $ref: reference, ...definitionsOf(beside, place) }
  const inner = { ...place, around: [...place.around, reference], depth: place.depth + 1 }
  return rewrite({ ...found, ...beside }, inner)
}

function definitionsOf(schema: JsonObject, place: Place): JsonObject {
  const definitions = schema['$defs']
  return isJsonObject(definitions) ? { $defs: rewriteEach(definitions, { ...place, depth: place.depth + 1 }) } : {}
}

function rewriteEach(schemas: JsonObject, place: Place): JsonObject {
  const result: Record<string, Json> = {}
  for (const [name, value] of Object.entries(schemas))
    if (value !== undefined) result[name] = rewriteValue(value, place)
  return result
}

function rewriteValue(value: Json, place: Place): Json {
  if (isJsonArray(value)) return value.map((item) => rewriteValue(item, place))
  return isJsonObject(value) ? rewrite(value, place) : value
}

function resolve(reference: string, root: JsonObject): JsonObject | undefined {
  if (!reference.startsWith('#')) return undefined
  let found: Json | undefined = root
  for (const step of reference.slice(1).split('/')) {
    if (step === '') continue
    const name: string = step.replaceAll('~1', '/').replaceAll('~0', '~')
    found = isJsonObject(found) && Object.hasOwn(found, name) ? found[name] : undefined
  }
  return isJsonObject(found) && found !== root ? found : undefined
}
