// What the facts of all tasks have in common: checks that name the field, and the members that no task has any use for.
import type { InvalidRequest } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import { type Result, err, ok } from '../../core/result.ts'
import type { Units } from '../../core/money/usage.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from '../../wire/read.ts'
import type { TaskFacts } from '../task.ts'

/** A complaint about one field. */
export function complaint(field: string, message: string): InvalidRequest {
  return { kind: 'invalid-request', field, message }
}

/** A member that must be a text with something in it; null when it is. */
export function requireText(body: JsonObject, field: string): InvalidRequest | null {
  const value = body[field]
  if (value === undefined || value === null) return complaint(field, `Missing required parameter: '${field}'.`)
  if (typeof value === 'string' && value.trim() !== '') return null
  return complaint(field, `Invalid type for '${field}': expected a string that is not empty.`)
}

/** A member that, where it is given, must be a positive integer; null when it is. A form's come as text. */
export function checkCount(body: JsonObject, field: string, isForm = false): InvalidRequest | null {
  const value = body[field]
  if (value === undefined || value === null) return null
  const number = isForm && typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value
  return Number.isSafeInteger(number) && Number(number) > 0
    ? null
    : complaint(field, `Invalid type for '${field}': expected a positive integer.`)
}

/** What is asked for, where it differs from task to task. */
export interface TaskNeeds {
  /** Everything that a model will read. */
  readonly texts: () => readonly string[]
  readonly promptTokens?: number
  /** Bound of the output of one answer; 0 for a task that has none, null where it isn't known. Tokens. */
  readonly maxOutputTokens: number | null
  /** Whether the request is a form, whose members are text. */
  readonly isForm?: boolean
  /** What is sold by other measures than tokens. */
  readonly units?: Units
}

/** The facts of a request that was found in order, else the complaint. How many answers are wanted is checked for every
 *  task: what is reserved hangs on it. */
export function taskFacts(
  body: JsonObject,
  complaintSoFar: InvalidRequest | null,
  needs: TaskNeeds,
): Result<TaskFacts, InvalidRequest> {
  const { texts, promptTokens = 0, maxOutputTokens, isForm = false } = needs
  const invalid = complaintSoFar ?? checkCount(body, 'n', isForm)
  if (invalid !== null) return err(invalid)
  return ok({
    model: String(body['model']),
    isStreamed: body['stream'] === true || body['stream'] === 'true',
    wantsUsage: true,
    maxOutputTokens,
    choices: Number(body['n'] ?? 1),
    endUser: stringOf(body['user']),
    promptText: () => texts().join('\n'),
    promptTokens,
    ...(needs.units === undefined ? {} : { units: needs.units }),
    cacheability: 'never',
  })
}

/** All texts of a value that is a text, a list of texts, or a list of parts with a `text`. */
export function textsOf(value: Json | undefined): readonly string[] {
  if (typeof value === 'string') return [value]
  if (!isJsonArray(value)) return []
  return arrayOf(value).flatMap((item) => {
    const text = typeof item === 'string' ? item : objectOf(item)['text']
    return typeof text === 'string' ? [text] : []
  })
}
