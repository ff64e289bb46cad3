// Members that a protocol knows, in a form that it can't read: they have no place in the neutral form and go into `extra`, as
// unknown ones do, so that they are a gap by name and not gone without a word. The native lane never looks at them.
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { isJsonArray, numberOf, objectOf } from '../wire/read.ts'

/** Whether a member that is given can be read. */
export type Form = (value: Json) => boolean

export const isText: Form = (value) => typeof value === 'string'
export const isNumber: Form = (value) => numberOf(value) !== null
export const isFlag: Form = (value) => typeof value === 'boolean'
export const isObject: Form = isJsonObject
/** One text, or a list of nothing else. */
export const isTexts: Form = (value) => isText(value) || (isJsonArray(value) && value.every(isText))

/** The members of `body` that aren't in their form. Null means not given. */
export function unreadable(body: JsonObject, forms: Readonly<Record<string, Form>>): JsonObject {
  const found: Record<string, Json> = {}
  for (const name in forms) {
    const value = body[name] ?? null
    if (value !== null && forms[name]?.(value) === false) found[name] = value
  }
  return found
}

/** Members of a setting that aren't among those `known`, as `setting.member`. */
export function unknownMembers(body: JsonObject, setting: string, known: readonly string[]): JsonObject {
  const found: Record<string, Json> = {}
  for (const [name, member] of Object.entries(objectOf(body[setting]))) {
    if (member !== undefined && member !== null && !known.includes(name)) found[`${setting}.${name}`] = member
  }
  return found
}
