// The body of a described backend: JSON in which a text that is `$name` stands for what was asked. Values go in as JSON
// values, never as text into text, so that nothing that a client writes can change the structure of the body. What wasn't
// asked for is left out, with the member or item that it stands in.
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'

/** What can be asked for in a body. */
export const PLACEHOLDERS = [
  /** The conversation as one text. */
  'prompt',
  /** The texts of all system messages. */
  'system',
  /** The text of the last message of the user's. */
  'last_user',
  /** Turns of `role` and `content`, the latter a text. */
  'messages',
  /** Messages as on OpenAI's chat wire, with pictures, calls and results. */
  'messages.openai',
  'model',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'stop',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'json_schema',
  'reasoning_effort',
  'user',
  /** True or false: always there. */
  'stream',
] as const
export type Placeholder = (typeof PLACEHOLDERS)[number]

/** Values of placeholders; a missing one wasn't asked for. */
export type Values = Readonly<Partial<Record<Placeholder, Json | undefined>>>

const DEPTH_MAX = 16
const FIRST = '$first'
const WHEN = '$when'
const THEN = '$then'
const ELSE = '$else'

/** What is wrong with a template, and where; null for nothing. */
export function templateObjection(template: Json, at = '', depth = 0): { at: string; message: string } | null {
  if (depth > DEPTH_MAX) return { at, message: 'is nested too deep' }
  if (typeof template === 'string') {
    return isLiteral(template) || nameIn(template) !== null ? null : { at, message: UNKNOWN }
  }
  if (Array.isArray(template)) return firstObjection(template.entries(), at, depth)
  if (!isJsonObject(template)) return null
  return formObjection(template, at) ?? firstObjection(Object.entries(template), at, depth)
}

const UNKNOWN = `must name something to put in: ${PLACEHOLDERS.map((name) => `$${name}`).join(', ')}; $$ begins a text with $`

function firstObjection(
  entries: Iterable<readonly [string | number, Json | undefined]>,
  at: string,
  depth: number,
): { at: string; message: string } | null {
  for (const [name, value] of entries) {
    const objection = value === undefined ? null : templateObjection(value, `${at}.${name}`, depth + 1)
    if (objection !== null) return objection
  }
  return null
}

/** `{"$first": [a, b]}`: the first that was asked for. `{"$when": a, "$then": b, "$else": c}`: whether `a` was, and isn't
 *  false. */
function formObjection(template: JsonObject, at: string): { at: string; message: string } | null {
  const names = Object.keys(template)
  const special = names.find((name) => name.startsWith('$'))
  if (special === undefined) return null
  if (special === FIRST) {
    const isRight = names.length === 1 && Array.isArray(template[FIRST])
    return isRight ? null : { at, message: 'must be {"$first": [what to try, in order]}' }
  }
  const isRight = special === WHEN && names.every((name) => [WHEN, THEN, ELSE].includes(name))
  return isRight ? null : { at, message: 'must be {"$when": "$stream", "$then": one thing, "$else": another}' }
}

/** The body with values put in; undefined where all of it was left out. */
export function fillTemplate(template: Json, values: Values): Json | undefined {
  if (typeof template === 'string') return fillText(template, values)
  if (Array.isArray(template)) return filledItems(template, values)
  if (!isJsonObject(template)) return template
  if (Array.isArray(template[FIRST])) return filledItems(template[FIRST], values)[0]
  if (template[WHEN] !== undefined) {
    const isAsked = fillTemplate(template[WHEN], values) ?? false
    const chosen = template[isAsked === false ? ELSE : THEN]
    return chosen === undefined ? undefined : fillTemplate(chosen, values)
  }
  const entries = Object.entries(template).flatMap(([name, value]) => {
    const filled = value === undefined ? undefined : fillTemplate(value, values)
    return filled === undefined ? [] : [[name, filled] as const]
  })
  return Object.fromEntries(entries)
}

function filledItems(items: readonly Json[], values: Values): readonly Json[] {
  return items.map((item) => fillTemplate(item, values)).filter((item) => item !== undefined)
}

function fillText(text: string, values: Values): Json | undefined {
  if (isLiteral(text)) return text.startsWith('$$') ? text.slice(1) : text
  const name = nameIn(text)
  return name === null ? undefined : values[name]
}

function isLiteral(text: string): boolean {
  return !text.startsWith('$') || text.startsWith('$$')
}

function nameIn(text: string): Placeholder | null {
  return PLACEHOLDERS.find((name) => text === `$${name}`) ?? null
}

/** Every placeholder that the template has. */
export function placeholdersIn(template: Json): ReadonlySet<Placeholder> {
  const found = new Set<Placeholder>()
  const look = (value: Json | undefined): void => {
    if (typeof value === 'string') {
      const name = nameIn(value)
      if (name !== null) found.add(name)
    } else if (Array.isArray(value)) value.forEach((item) => look(item))
    else if (isJsonObject(value)) Object.values(value).forEach((item) => look(item))
  }
  look(template)
  return found
}
