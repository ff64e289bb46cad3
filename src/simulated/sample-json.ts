// The smallest JSON value that fits a JSON Schema: what a simulated model answers when it is told to be structured, and
// what it passes to tools. Knows the keywords that providers accept in strict mode, not all of JSON Schema. Pure.
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'

/** Deeper than this, an object keeps only what it must, and then nothing: a recursive schema comes to an end. */
const DEPTH_MAX = 12
const ITEMS_MAX = 100
const TEXT_CHARS_MAX = 10_000

const FORMATS: Readonly<Record<string, string>> = {
  'date-time': '2026-01-31T09:30:00Z',
  date: '2026-01-31',
  time: '09:30:00Z',
  email: 'tide@example.com',
  uri: 'https://example.com/tide',
  uuid: '00000000-0000-4000-8000-000000000000',
  ipv4: '192.0.2.1',
  hostname: 'example.com',
}

/** A value that fits `schema`; `word` stands in wherever any text will do. An unknown schema gets an empty object. */
export function sampleJson(schema: Json, word: string): Json {
  return sample(schema, { root: schema, word, depth: 0 })
}

interface Place {
  readonly root: Json
  readonly word: string
  readonly depth: number
}

function sample(schema: Json | undefined, place: Place): Json {
  if (!isJsonObject(schema) || place.depth > DEPTH_MAX) return {}
  const inner = { ...place, depth: place.depth + 1 }
  if (schema['const'] !== undefined) return schema['const']
  if (Array.isArray(schema['enum'])) return schema['enum'][0] ?? null
  if (typeof schema['$ref'] === 'string') return sample(resolve(schema['$ref'], place.root), inner)
  const alternatives = schema['anyOf'] ?? schema['oneOf']
  if (Array.isArray(alternatives)) return sample(alternatives[0], inner)
  if (Array.isArray(schema['allOf'])) return sampleAll(schema['allOf'], inner)
  switch (typeOf(schema)) {
    case 'string':
      return sampleText(schema, place.word)
    case 'integer':
    case 'number':
      return sampleNumber(schema)
    case 'boolean':
      return true
    case 'null':
      return null
    case 'array':
      return sampleArray(schema, inner)
    default:
      return sampleObject(schema, inner)
  }
}

function typeOf(schema: JsonObject): Json | undefined {
  const type = schema['type']
  if (Array.isArray(type)) return type[0]
  return type ?? (schema['items'] === undefined ? 'object' : 'array')
}

function sampleObject(schema: JsonObject, inner: Place): Json {
  const properties = isJsonObject(schema['properties']) ? schema['properties'] : {}
  const required = Array.isArray(schema['required']) ? schema['required'].map(String) : []
  const isShallow = inner.depth <= 3
  const names = required.length > 0 || !isShallow ? required : Object.keys(properties)
  return Object.fromEntries(names.map((name) => [name, sample(properties[name] ?? { type: 'string' }, inner)]))
}

function sampleArray(schema: JsonObject, inner: Place): Json {
  const size = Math.min(numberOr(schema['minItems'], 1), numberOr(schema['maxItems'], ITEMS_MAX), ITEMS_MAX)
  return Array.from({ length: size }, () => sample(schema['items'], inner))
}

function sampleAll(schemas: readonly Json[], inner: Place): Json {
  const samples = schemas.map((schema) => sample(schema, inner))
  return samples.every(isJsonObject) ? Object.assign({}, ...samples) : (samples[0] ?? {})
}

function sampleText(schema: JsonObject, word: string): string {
  const format = schema['format']
  if (typeof format === 'string' && FORMATS[format] !== undefined) return FORMATS[format]
  const least = Math.min(numberOr(schema['minLength'], 0), TEXT_CHARS_MAX)
  return word.padEnd(least, '.').slice(0, numberOr(schema['maxLength'], TEXT_CHARS_MAX))
}

function sampleNumber(schema: JsonObject): number {
  const step = numberOr(schema['multipleOf'], 1)
  const least = numberOr(schema['minimum'], numberOr(schema['exclusiveMinimum'], step - 1) + 1)
  const most = numberOr(schema['maximum'], numberOr(schema['exclusiveMaximum'], least + 1) - 1)
  return Math.ceil(Math.min(least, most) / step) * step
}

function resolve(reference: string, root: Json): Json | undefined {
  let found: Json | undefined = root
  for (const step of reference.replace(/^#\/?/, '').split('/')) {
    if (step !== '') found = isJsonObject(found) ? found[step.replaceAll('~1', '/').replaceAll('~0', '~')] : undefined
  }
  return found
}

function numberOr(value: Json | undefined, fallback: number): number {
  return typeof value === 'number' ? value : fallback
}
