// A backend described by data alone, so that an in-house model server joins without code: where it is called, how its body
// is made of what was asked (`declared-template.ts`), and where its answers say what. This file reads such a description
// and names the field of whatever is wrong with it. For example, a server that streams lines like
// `{"out": {"text": "Ebb and"}, "state": "run"}`, each with all the text so far:
//
//   {
//     "path": "/models/{model}/answer",
//     "framing": "ndjson",
//     "body": {
//       "question": "$prompt",
//       "settings": { "limit": { "$first": ["$max_tokens", 512] }, "heat": "$temperature" },
//       "live": "$stream"
//     },
//     "reply": {
//       "text": "out.text",
//       "finish": { "at": "state", "values": { "run": null, "done": "stop", "full": "length" } },
//       "usage": { "input": "/count/in", "output": "/count/out" },
//       "error": { "at": "problem", "message": "problem.text" }
//     },
//     "stream": { "text_is": "cumulative" }
//   }
//
// `stream` overrides members of `reply` for streams. Places are JSON pointers (`/out/text`) or dotted (`out.text`).
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { InvalidRequest } from '../core/failure.ts'
import type { FinishReason } from '../core/neutral.ts'
import { err, ok } from '../core/result.ts'
import type { Result } from '../core/result.ts'
import { templateObjection } from './declared-template.ts'

/** The steps to a value in JSON; none for the whole of it. */
export type Place = readonly string[]

/** Where an answer, or a message of a stream, says what. Null where it doesn't. */
export interface ReplyPlaces {
  readonly text: Place
  /** Each message has all the text so far, not what is new. */
  readonly isCumulative: boolean
  readonly reasoning: Place | null
  readonly finish: Place | null
  /** What its values mean; null: not yet at an end. */
  readonly finishValues: Readonly<Record<string, FinishReason | null>>
  readonly input: Place | null
  readonly output: Place | null
  /** Part of `input` that was cached. */
  readonly cachedInput: Place | null
  /** Part of `output` that was reasoning. */
  readonly reasoningOutput: Place | null
  readonly error: Place | null
  readonly errorMessage: Place | null
  readonly errorCode: Place | null
  readonly errorStatus: Place | null
  /** Says that a stream is over: by being there, or by being `doneValue`. */
  readonly done: Place | null
  readonly doneValue: Json | undefined
  /** A stream that just ends has ended well. */
  readonly endsOnClose: boolean
  readonly id: Place | null
}

export interface DeclaredBackend {
  readonly method: string
  /** With `{model}` for the model. */
  readonly path: string
  readonly streamPath: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Json
  readonly framing: 'sse' | 'ndjson' | 'websocket' | 'json'
  readonly whole: ReplyPlaces
  readonly stream: ReplyPlaces
}

const MEMBERS = ['method', 'path', 'stream_path', 'headers', 'body', 'framing', 'reply', 'stream']
const METHODS = ['POST', 'PUT', 'PATCH']
const FRAMINGS = ['sse', 'ndjson', 'websocket', 'json'] as const
/** Longest description, as JSON. */
const DESCRIPTION_CHARS_MAX = 20_000

class Objection extends Error {
  readonly field: string

  constructor(field: string, message: string) {
    super(`${field} ${message}.`)
    this.field = field
  }
}

/** The backend that is described, or what is wrong with the description, by field. Never throws. */
export function readDeclared(value: Json | undefined): Result<DeclaredBackend, InvalidRequest> {
  try {
    return ok(readBackend(value))
  } catch (error) {
    if (!(error instanceof Objection)) throw error
    return err({ kind: 'invalid-request', field: error.field, message: error.message })
  }
}

function readBackend(value: Json | undefined): DeclaredBackend {
  const members = membersOf('declared', value, MEMBERS)
  if (JSON.stringify(members).length > DESCRIPTION_CHARS_MAX) {
    throw new Objection('declared', `must be at most ${DESCRIPTION_CHARS_MAX} characters of JSON`)
  }
  const path = readPath('declared.path', members['path'])
  const framing = FRAMINGS.find((name) => name === (members['framing'] ?? 'json'))
  if (framing === undefined) throw new Objection('declared.framing', `must be one of ${FRAMINGS.join(', ')}`)
  const method = members['method'] ?? 'POST'
  if (typeof method !== 'string' || !METHODS.includes(method)) {
    throw new Objection('declared.method', `must be one of ${METHODS.join(', ')}`)
  }
  const body = members['body']
  if (body === undefined)
    throw new Objection('declared.body', 'is needed: the body, with what was asked as $prompt and so on')
  const objection = templateObjection(body)
  if (objection !== null) throw new Objection(`declared.body${objection.at}`, objection.message)
  const reply = membersOf('declared.reply', members['reply'], REPLY_MEMBERS)
  const stream = membersOf('declared.stream', members['stream'] ?? {}, REPLY_MEMBERS)
  return {
    method,
    path,
    streamPath: members['stream_path'] === undefined ? path : readPath('declared.stream_path', members['stream_path']),
    headers: readHeaders(members['headers']),
    body,
    framing,
    whole: readPlaces('declared.reply', reply),
    stream: readPlaces('declared.stream', { ...reply, ...stream }),
  }
}

function membersOf(field: string, value: Json | undefined, known: readonly string[]): JsonObject {
  if (!isJsonObject(value)) throw new Objection(field, 'must be a JSON object')
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) throw new Objection(`${field}.${name}`, `is not known here: ${known.join(', ')}`)
  }
  return value
}

/** A path, perhaps with a query, whose only variable is the model: it can't leave the base URL. */
function readPath(field: string, value: Json | undefined): string {
  if (
    typeof value !== 'string' ||
    !/^\/[\w\-.~!$&'()*+,;=:@%/]*(\?[\w\-.~!$&'()*+,;=:@%/?]*)?$/.test(value.replaceAll('{model}', 'm'))
  ) {
    throw new Objection(field, 'must be a path such as /generate or /models/{model}/answer')
  }
  const steps = (value.split('?')[0] ?? '').split('/').slice(1)
  if (steps.some((step) => /^(?:\.|%2e){1,2}$/i.test(step)) || value.startsWith('//')) {
    throw new Objection(field, 'must not climb')
  }
  return value
}

/** What the connection, the gateway or the credential decides. */
const NOT_OURS =
  /^(?:host|connection|content-length|transfer-encoding|upgrade|te|trailer|keep-alive|expect|cookie|authorization|proxy-.*|sec-.*|x-api-key|api-key|x-goog-api-key|accept-encoding)$/i

function readHeaders(value: Json | undefined): Readonly<Record<string, string>> {
  if (value === undefined) return {}
  if (!isJsonObject(value)) throw new Objection('declared.headers', 'must be a JSON object of texts')
  const headers: Record<string, string> = {}
  for (const [name, text] of Object.entries(value)) {
    const field = `declared.headers.${name}`
    if (!/^[\w!#$%&'*+.^`|~-]{1,100}$/.test(name)) throw new Objection(field, 'is no name of a header')
    if (NOT_OURS.test(name)) throw new Objection(field, 'is not set here: a credential is named by the target')
    if (typeof text !== 'string' || !/^[\x20-\x7e]{0,500}$/.test(text)) {
      throw new Objection(field, 'must be text of printable ASCII, at most 500 characters')
    }
    headers[name.toLowerCase()] = text
  }
  return headers
}

const REPLY_MEMBERS = ['text', 'text_is', 'reasoning', 'finish', 'usage', 'error', 'done', 'ends_on_close', 'id']

function readPlaces(field: string, reply: JsonObject): ReplyPlaces {
  const { text, text_is = 'delta', reasoning, id, ends_on_close = false } = reply
  if (text === undefined) throw new Objection(`${field}.text`, 'is needed: where the text is, such as output.text')
  if (text_is !== 'delta' && text_is !== 'cumulative') {
    throw new Objection(`${field}.text_is`, 'must be delta or cumulative')
  }
  if (typeof ends_on_close !== 'boolean') throw new Objection(`${field}.ends_on_close`, 'must be true or false')
  return {
    text: placeOf(`${field}.text`, text),
    isCumulative: text_is === 'cumulative',
    reasoning: optional(`${field}.reasoning`, reasoning),
    ...readFinish(`${field}.finish`, reply['finish']),
    ...readUsage(`${field}.usage`, reply['usage']),
    ...readError(`${field}.error`, reply['error']),
    ...readDone(`${field}.done`, reply['done']),
    endsOnClose: ends_on_close,
    id: optional(`${field}.id`, id),
  }
}

function optional(field: string, value: Json | undefined): Place | null {
  return value === undefined || value === null ? null : placeOf(field, value)
}

/** A JSON pointer, or names with dots between; an empty text is the whole value. */
function placeOf(field: string, value: Json): Place {
  if (typeof value !== 'string' || value.length > 200) {
    throw new Objection(field, 'must be a place such as /output/0/text or output.0.text')
  }
  if (!value.startsWith('/')) return value === '' ? [] : value.split('.')
  return value
    .slice(1)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
}

const FINISHES: readonly FinishReason[] = ['stop', 'length', 'filtered']

function readFinish(field: string, value: Json | undefined): Pick<ReplyPlaces, 'finish' | 'finishValues'> {
  if (!isJsonObject(value)) return { finish: optional(field, value), finishValues: {} }
  const { at, values = {} } = membersOf(field, value, ['at', 'values'])
  if (!isJsonObject(values)) throw new Objection(`${field}.values`, 'must be a JSON object')
  const finishValues: Record<string, FinishReason | null> = {}
  for (const [name, meaning] of Object.entries(values)) {
    const finish = FINISHES.find((known) => known === meaning)
    if (finish === undefined && meaning !== null) {
      throw new Objection(`${field}.values.${name}`, `must be null or one of ${FINISHES.join(', ')}`)
    }
    finishValues[name] = finish ?? null
  }
  return { finish: optional(`${field}.at`, at ?? ''), finishValues }
}

function readUsage(
  field: string,
  value: Json | undefined,
): Pick<ReplyPlaces, 'input' | 'output' | 'cachedInput' | 'reasoningOutput'> {
  const usage = value === undefined || value === null ? {} : membersOf(field, value, USAGE_MEMBERS)
  return {
    input: optional(`${field}.input`, usage['input']),
    output: optional(`${field}.output`, usage['output']),
    cachedInput: optional(`${field}.cached_input`, usage['cached_input']),
    reasoningOutput: optional(`${field}.reasoning`, usage['reasoning']),
  }
}

const USAGE_MEMBERS = ['input', 'output', 'cached_input', 'reasoning']

function readError(
  field: string,
  value: Json | undefined,
): Pick<ReplyPlaces, 'error' | 'errorMessage' | 'errorCode' | 'errorStatus'> {
  const error = isJsonObject(value) ? membersOf(field, value, ['at', 'message', 'code', 'status']) : { at: value }
  return {
    error: optional(isJsonObject(value) ? `${field}.at` : field, error['at']),
    errorMessage: optional(`${field}.message`, error['message']),
    errorCode: optional(`${field}.code`, error['code']),
    errorStatus: optional(`${field}.status`, error['status']),
  }
}

function readDone(field: string, value: Json | undefined): Pick<ReplyPlaces, 'done' | 'doneValue'> {
  if (!isJsonObject(value)) return { done: optional(field, value), doneValue: undefined }
  const { at, equals } = membersOf(field, value, ['at', 'equals'])
  return { done: optional(`${field}.at`, at), doneValue: equals }
}

/** The value at a place; undefined where there is none. */
export function valueAt(value: Json | undefined, place: Place | null): Json | undefined {
  if (place === null) return undefined
  let current: Json | undefined = value
  for (const step of place) {
    if (Array.isArray(current)) current = /^\d+$/.test(step) ? current[Number(step)] : undefined
    else current = isJsonObject(current) && Object.hasOwn(current, step) ? current[step] : undefined
  }
  return current
}
