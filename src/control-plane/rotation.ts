// What is asked of every rotation: for how long what is replaced is taken, and when all of it ends.
import * as z from 'zod/mini'
import { INSTANT, readInstant } from './schemas.ts'

/** Unless another overlap is given: a day. */
export const OVERLAP_SECONDS = 86_400
const OVERLAP_SECONDS_MAX = 7 * 86_400
const OVERLAP_ALLOWED = `must be an integer from 0 to ${OVERLAP_SECONDS_MAX}`

/** `overlap_seconds`: 0 for not at all. */
export const OVERLAP = z.optional(
  z.int(OVERLAP_ALLOWED).check(z.minimum(0, OVERLAP_ALLOWED), z.maximum(OVERLAP_SECONDS_MAX, OVERLAP_ALLOWED)),
)
/** `expires_at`: null for never. */
export const EXPIRES_AT = z.optional(z.nullable(INSTANT))

/** The end that a body asks for, in ms; `usualMs` where it says nothing. */
export function endOf(given: string | null | undefined, usualMs: number | null): number | null {
  if (given === undefined) return usualMs
  return given === null ? null : readInstant(given)
}
