// What in the body of a call refers to something that is kept in the provider's account (a file, an earlier reply, a cached
// prompt, a search index, a bucket), as data: whoever runs a model with it reads it. Sources as in `inference.ts`.
import { type Json, type JsonObject, isJsonObject } from '../core/json.ts'
import { isJsonArray } from '../wire/read.ts'

/** Members of the body itself, with the form in which they refer to something. */
const OF_THE_BODY: Readonly<Record<string, (value: Json) => boolean>> = {
  previous_response_id: isNamed,
  conversation: isNamedOrObject,
  container: isNamedOrObject,
  thread_id: isNamed,
  assistant_id: isNamed,
  agent_id: isNamed,
  cachedContent: isNamed,
  cached_content: isNamed,
  // The older completions have their text here.
  prompt: isJsonObject,
  // Goes on at the provider when the answer has come, to be fetched there.
  background: (value) => value === true,
}

/** Members that refer to something wherever they stand. */
const ANYWHERE: Readonly<Record<string, (value: Json) => boolean>> = {
  file_id: isNamed,
  file_ids: isList,
  vector_store_ids: isList,
  fileUri: isGooglesFile,
  file_uri: isGooglesFile,
  fileSearchStoreNames: isList,
  file_search_store_names: isList,
  vertexRagStore: isJsonObject,
  vertex_rag_store: isJsonObject,
  vertexAiSearch: isJsonObject,
  vertex_ai_search: isJsonObject,
  gcsUri: isNamed,
  gcs_uri: isNamed,
  s3Location: isJsonObject,
  connector_id: isNamed,
}

/** Under these stands what the client's own tools say and take: names there are the client's. */
const OF_THE_CLIENTS_TOOLS = new Set([
  'args',
  'response',
  'parameters',
  'parametersJsonSchema',
  'parameters_json_schema',
  'input_schema',
  'inputSchema',
  'schema',
  'json_schema',
  'responseSchema',
  'response_schema',
  'responseJsonSchema',
  'response_json_schema',
  'metadata',
])

/** The first member of `body` that refers to something kept at the provider, as a path such as `messages[0].file_id`; null
 *  for none. Throws only where the stack ends (`isTooDeep`). */
export function keptReference(body: JsonObject): string | null {
  for (const [name, refers] of Object.entries(OF_THE_BODY)) {
    const value = body[name]
    if (value !== undefined && refers(value)) return name
  }
  return within(body)
}

function within(value: Json | undefined): string | null {
  if (isJsonArray(value)) {
    for (const [at, item] of value.entries()) {
      const found = within(item)
      if (found !== null) return `[${at}]${found.startsWith('[') ? found : `.${found}`}`
    }
    return null
  }
  return isJsonObject(value) ? withinObject(value) : null
}

function withinObject(object: JsonObject): string | null {
  const { type } = object
  if (type === 'item_reference') return 'type'
  // OpenAI's sandbox for code, by its id. A new one is an object.
  if (type === 'code_interpreter' && typeof object['container'] === 'string') return 'container'
  const isToolUse = type === 'tool_use' || 'toolUseId' in object
  for (const [name, value] of Object.entries(object)) {
    if (value === undefined || OF_THE_CLIENTS_TOOLS.has(name) || (isToolUse && name === 'input')) continue
    if (Object.hasOwn(ANYWHERE, name) && ANYWHERE[name]?.(value) === true) return name
    const found = typeof value === 'object' ? within(value) : null
    if (found !== null) return found.startsWith('[') ? name + found : `${name}.${found}`
  }
  return null
}

function isNamed(value: Json): boolean {
  return typeof value === 'string' && value !== ''
}

function isNamedOrObject(value: Json): boolean {
  return isNamed(value) || isJsonObject(value)
}

function isList(value: Json): boolean {
  return isJsonArray(value) && value.length > 0
}

/** Anything but a public address: Google's own files and buckets are read with the gateway's credential. */
function isGooglesFile(value: Json): boolean {
  if (typeof value !== 'string' || value === '') return false
  const host = /^https?:\/\/([^/?#]+)/i.exec(value)?.[1]
  return host === undefined || /googleapis\.com|storage\.cloud\.google\.com/i.test(host)
}
