// JSON as a type, and the one place where an unknown JSON value is narrowed to an object.

/** Any value that JSON can carry. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject

/** A JSON object. A missing member reads as undefined. */
export interface JsonObject {
  readonly [name: string]: Json | undefined
}

/** True for a JSON object; false for arrays, null and scalars. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Parses JSON text; undefined when the text isn't JSON (JSON itself can't be undefined). */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
