// Whether a reply is one that OpenAI would send, judged by what OpenAI publishes: the types of the `openai` SDK, made into
// JSON Schemas, and the description of the API itself where OPENAI_API_DESCRIPTION names a copy of it (openapi.json).
// Members that the description doesn't know are allowed; ones that it wants and that are missing or wrong are not.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import { createGenerator } from 'ts-json-schema-generator'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from '../../src/wire/read.ts'
import type { Published } from '../golden/openai-schema-published.ts'

/** The kinds of reply that can be judged. */
export type ReplyKind = keyof Published

export interface ReplySchemas {
  readonly name: string
  /** What is wrong with a reply, a line each; none when nothing is. */
  objections(kind: ReplyKind, reply: Json): readonly string[]
}

/** The schema of each kind in the description of the API. A completion's chunks have the form of the whole. */
const COMPONENT_OF: Readonly<Record<ReplyKind, string>> = {
  chat: 'CreateChatCompletionResponse',
  chatChunk: 'CreateChatCompletionStreamResponse',
  completion: 'CreateCompletionResponse',
  response: 'Response',
  responseEvent: 'ResponseStreamEvent',
  embeddings: 'CreateEmbeddingResponse',
  error: 'ErrorResponse',
}

/** Judges by the SDK's types. Takes some seconds to make: once a test file. */
export function schemasOfTypes(): ReplySchemas {
  const root = path.resolve(import.meta.dirname, '../..')
  const generator = createGenerator({
    path: path.join(root, 'test/golden/openai-schema-published.ts'),
    tsconfig: path.join(root, 'tsconfig.json'),
    type: 'Published',
    skipTypeCheck: true,
    additionalProperties: true,
    topRef: false,
  })
  const schema = objectOf(parseJson(JSON.stringify(generator.createSchema('Published'))))
  const kinds = objectOf(schema['properties'])
  const definitions = objectOf(schema['definitions'])
  // `output_text` is put together by the SDK: it is not on the wire.
  const response = objectOf(definitions['Response'])
  const required = arrayOf(response['required']).filter((name) => name !== 'output_text')
  const document = { definitions: { ...definitions, Response: { ...response, required } } }
  return schemasFrom("the SDK's types", document, (kind) => kinds[kind] ?? false)
}

/** Why the description itself is not judged by; null when it is. */
export const missingDescription: string | null = (() => {
  const file = process.env['OPENAI_API_DESCRIPTION']
  if (file === undefined) return 'left out: OPENAI_API_DESCRIPTION names no copy of the description (openapi.json)'
  return existsSync(file) ? null : `left out: there is no ${file}`
})()

/** Judges by the description of the API; null where there is none. */
export function schemasOfDescription(): ReplySchemas | null {
  if (missingDescription !== null) return null
  const file = readFileSync(process.env['OPENAI_API_DESCRIPTION'] ?? '', 'utf8')
  const schemas = objectOf(objectOf(objectOf(parseJson(file))['components'])['schemas'])
  return schemasFrom('the description', objectOf(withNull({ components: { schemas } })), (kind) => {
    return { $ref: `#/components/schemas/${COMPONENT_OF[kind]}` }
  })
}

/** `nullable`, as older descriptions have it, in the words of JSON Schema. */
function withNull(value: Json): Json {
  if (isJsonArray(value)) return value.map((item) => withNull(item))
  if (!isJsonObject(value)) return value
  const { nullable, ...rest } = value
  const plain = Object.fromEntries(
    Object.entries(rest).map(([name, member]) => [name, member === undefined ? member : withNull(member)]),
  )
  return nullable === true
    ? { anyOf: [plain, { type: 'null' }] }
    : { ...plain, ...(isJsonObject(nullable) ? { nullable: withNull(nullable) } : {}) }
}

/** Schemas below `document`; an event of a response is held to the one schema that has its `type`. */
function schemasFrom(name: string, document: JsonObject, schemaOf: (kind: ReplyKind) => Json): ReplySchemas {
  const ajv = new Ajv({
    strict: false,
    validateFormats: false,
    inlineRefs: false,
    allErrors: true,
    verbose: true,
    logger: false,
  })
  ajv.addSchema({ $id: 'published', ...document })
  const compiled = new Map<string, ValidateFunction>()
  const validatorOf = (key: string, schema: Json): ValidateFunction => {
    const known = compiled.get(key)
    if (known !== undefined) return known
    const validate = ajv.compile(objectOf(absolute(schema)))
    compiled.set(key, validate)
    return validate
  }
  const events = new Map(armsOf(document, schemaOf('responseEvent')).map((arm) => [arm.type, arm.schema]))
  if (events.size < 40) throw new Error(`${name}: only ${events.size} events of a response are known`)
  return {
    name,
    objections(kind, reply) {
      const type = kind === 'responseEvent' ? (stringOf(objectOf(reply)['type']) ?? '') : ''
      const schema = kind === 'responseEvent' ? events.get(type) : schemaOf(kind)
      if (schema === undefined) return [`no event is called "${type}"`]
      const validate = validatorOf(`${kind} ${type}`, schema)
      return validate(reply) ? [] : told(validate.errors ?? [])
    },
  }
}

/** References within the document, from a schema outside of it. */
function absolute(schema: Json): Json {
  if (isJsonArray(schema)) return schema.map((item) => absolute(item))
  if (!isJsonObject(schema)) return schema
  return Object.fromEntries(
    Object.entries(schema).map(([name, value]) => {
      return [name, name === '$ref' ? `published${String(value)}` : value === undefined ? value : absolute(value)]
    }),
  )
}

/** The members of a union, by the one value of their `type`. */
function armsOf(document: JsonObject, schema: Json): readonly { readonly type: string; readonly schema: Json }[] {
  const resolved = resolve(document, schema)
  const arms = resolved['anyOf'] ?? resolved['oneOf']
  if (isJsonArray(arms)) return arms.flatMap((arm) => armsOf(document, arm))
  const type = resolve(document, objectOf(resolved['properties'])['type'] ?? {})
  const value = stringOf(type['const']) ?? stringOf(arrayOf(type['enum'])[0])
  return value === null ? [] : [{ type: value, schema }]
}

function resolve(document: JsonObject, schema: Json): JsonObject {
  const reference = stringOf(objectOf(schema)['$ref'])
  if (reference === null) return objectOf(schema)
  const names = reference
    .replace(/^#\//, '')
    .split('/')
    .map((name) => decodeURIComponent(name))
  return resolve(
    document,
    names.reduce((at: Json, name) => objectOf(at)[name] ?? {}, document),
  )
}

/** The complaints, a line each: of a union, those of the arm that has the value's `type`. */
function told(errors: readonly ErrorObject[]): readonly string[] {
  const specific = errors.filter((error) => !isOfOtherArm(error))
  const lines = (specific.length > 0 ? specific : errors).map(
    ({ instancePath, message = '', params }) => `${instancePath} ${message} ${JSON.stringify(params)}`,
  )
  return [...new Set(lines)].slice(0, LINES_MAX)
}

function isOfOtherArm({ keyword, instancePath, parentSchema, data }: ErrorObject): boolean {
  if (keyword === 'anyOf' || keyword === 'oneOf') return true
  if ((keyword === 'const' || keyword === 'enum') && instancePath.endsWith('/type')) return true
  const wanted = objectOf(objectOf(objectOf(parentSchema)['properties'])['type'])
  const types = isJsonArray(wanted['enum']) ? wanted['enum'] : wanted['const'] === undefined ? [] : [wanted['const']]
  return types.length > 0 && !types.includes(objectOf(parseJson(JSON.stringify(data ?? null)))['type'] ?? null)
}

const LINES_MAX = 16
