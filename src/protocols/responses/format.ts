// Reads the form that a reply has to have. https://platform.openai.com/docs/api-reference/responses/create#responses-create-text
import { isJsonObject } from '../../core/json.ts'
import type { JsonObject } from '../../core/json.ts'
import type { ResponseFormat } from '../../core/neutral.ts'
import { stringOf } from '../../wire/read.ts'

/** Null for none, and for one of a form of its own. */
export function readFormat(format: JsonObject): ResponseFormat | null {
  if (format['type'] === 'text') return { kind: 'text' }
  if (format['type'] === 'json_object') return { kind: 'json-object' }
  const schema = format['schema']
  if (format['type'] !== 'json_schema' || !isJsonObject(schema)) return null
  const description = stringOf(format['description'])
  return {
    kind: 'json-schema',
    name: stringOf(format['name']) ?? 'response',
    schema,
    strict: format['strict'] === true,
    ...(description === null ? {} : { description }),
  }
}
