// Narrow readers of foreign JSON: each gives the value if it has the expected type and an empty one if not. They never
// throw, so that a provider's surprise costs a field and not a request.
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'

const NOTHING: JsonObject = {}

/** The value as an object; an empty object when it isn't one. */
export function objectOf(value: Json | undefined): JsonObject {
  return isJsonObject(value) ? value : NOTHING
}

/** The value as an array; an empty array when it isn't one. */
export function arrayOf(value: Json | undefined): readonly Json[] {
  return isJsonArray(value) ? value : []
}

/** True for a JSON array. */
export function isJsonArray(value: Json | undefined): value is readonly Json[] {
  return Array.isArray(value)
}

/** The value if it is a non-empty string, else null. */
export function stringOf(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

/** The value if it is a finite number, else null. */
export function numberOf(value: Json | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

/** A count: a non-negative integer, which some write as text; 0 for anything else, fractions rounded down. */
export function countOf(value: Json | undefined): number {
  const number = isCount(value) ? Number(value) : null
  return number === null || number < 0 ? 0 : Math.min(Math.floor(number), Number.MAX_SAFE_INTEGER)
}

/** True for a number, and for digits that stand for one. */
export function isCount(value: Json | undefined): boolean {
  return typeof value === 'string' ? /^\d{1,15}(?:\.\d+)?$/.test(value) : numberOf(value) !== null
}

/** A string, or a number written as one: how codes come. Null for anything else. */
export function codeOf(value: Json | undefined): string | null {
  return typeof value === 'number' ? String(value) : stringOf(value)
}
