// Checks bodies and queries against a schema before a handler sees them, and turns the first problem into a refusal that
// names its field. Unknown fields are refused by name, so that a misspelt limit is never silently no limit.
import { sValidator } from '@hono/standard-validator'
import type { Context } from 'hono'
import type * as z from 'zod/mini'
import { refuse, type Refusal } from './refusal.ts'

interface Issue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** What a handler checks before others see the call: where it reads it, and by which schema. */
export interface Taken {
  readonly from: 'json' | 'query'
  readonly schema: z.ZodMiniType
}

/** Of the handlers that this file makes, for who describes the API by its router. */
const TAKEN = new WeakMap<object, Taken>()

/** What a handler of the router takes; null where it checks nothing. */
export function takenBy(handler: object): Taken | null {
  return TAKEN.get(handler) ?? null
}

function noted<Handler extends object>(handler: Handler, taken: Taken): Handler {
  TAKEN.set(handler, taken)
  return handler
}

type Checked = { readonly success: true } | { readonly success: false; readonly error: readonly Issue[] }

/** A JSON body. */
export function jsonBody<Schema extends z.ZodMiniType>(schema: Schema) {
  const handler = sValidator('json', schema, (result, c) => {
    const type = c.req.header('content-type') ?? ''
    if (!/^application\/json\s*(;|$)/i.test(type)) return refuse(c, UNSUPPORTED_MEDIA_TYPE)
    return refuseInvalid(result, c)
  })
  return noted(handler, { from: 'json', schema })
}

/** The query of a URL. */
export function query<Schema extends z.ZodMiniType>(schema: Schema) {
  const handler = sValidator('query', schema, (result, c) => refuseInvalid(result, c))
  return noted(handler, { from: 'query', schema })
}

const UNSUPPORTED_MEDIA_TYPE: Refusal = {
  status: 415,
  code: 'unsupported_media_type',
  field: null,
  message: 'Send the body as content-type: application/json.',
}

function refuseInvalid(result: Checked, c: Context): Response | undefined {
  if (result.success) return undefined
  const issue = result.error[0]
  return issue === undefined ? undefined : refuse(c, refusalOf(issue))
}

/** Where fields stand that are looked for elsewhere. */
const PLACES: ReadonlyMap<string, string> = new Map([
  ['shadow', 'A shadow stands at a route itself, and mirrors what it serves, by whichever group or rule.'],
])

/** What a schema found wrong, as a refusal. */
export function refusalOf(issue: Issue): Refusal {
  const unknown = unknownFields(issue)
  const path = unknown.length > 0 ? [...pathOf(issue), unknown[0] ?? ''] : pathOf(issue)
  const field = path.length === 0 ? null : path.join('.').replace(/\.(\d+)(?=\.|$)/g, '[$1]')
  if (unknown.length > 0) {
    const place = PLACES.get(unknown[0] ?? '')
    const message = `${field} is not a field of this request.${place === undefined ? '' : ` ${place}`}`
    return { status: 422, code: 'unknown_field', field, message }
  }
  return { status: 422, code: 'invalid_field', field, message: `${field ?? 'The body'} ${issue.message}.` }
}

function pathOf(issue: Issue): readonly string[] {
  return (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part))
}

/** The schema library lists unknown fields in a member that the common standard doesn't have. */
function unknownFields(issue: Issue): readonly string[] {
  const keys: unknown = 'keys' in issue ? issue.keys : undefined
  return Array.isArray(keys) ? keys.map(String) : []
}
