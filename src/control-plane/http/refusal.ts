// How the admin API says no: one body shape, `{error: {message, field, code}}`, naming the field and what is allowed.
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'

/** Why a request to the admin API is not done. */
export interface Refusal {
  readonly status: ContentfulStatusCode
  /** For machines; stable. */
  readonly code: string
  /** Path of the offending field, e.g. `limits.budget.amount_usd`; null when it isn't about one. */
  readonly field: string | null
  readonly message: string
}

/** The response to a refused request. `more` goes beside the error. */
export function refuse(c: Context, refusal: Refusal, more: Readonly<Record<string, unknown>> = {}): Response {
  const { status, message, field, code } = refusal
  return c.json({ error: { message, field, code }, ...more }, status)
}

/** There is nothing of that id. */
export function notFound(what: string, id: string): Refusal {
  return { status: 404, code: 'not_found', field: null, message: `There is no ${what} ${JSON.stringify(id)}.` }
}

/** The name or id is taken. */
export function exists(field: string, message: string): Refusal {
  return { status: 409, code: 'exists', field, message }
}

/** Something still needs the thing that was to be deleted. */
export function referenced(message: string): Refusal {
  return { status: 409, code: 'referenced', field: null, message }
}

/** A field's value can't be taken, though it has the right type. */
export function unacceptable(field: string, code: string, message: string): Refusal {
  return { status: 422, code, field, message }
}

/** Why a new thing was not stored: `taken` when its name or id exists already. */
export function notStored(reason: 'exists' | 'referenced' | 'full', taken: Refusal): Refusal {
  if (reason !== 'full') return taken
  return { status: 409, code: 'full', field: null, message: 'There are too many of these: delete some first.' }
}
