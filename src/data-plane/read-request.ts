// Reads a client's body: bounded, as text, parsed once. What is wrong with it is said by field.
import type { Failure, InvalidRequest } from '../core/failure.ts'
import { type JsonObject, isJsonObject, parseJson } from '../core/json.ts'
import { err, ok, type Result } from '../core/result.ts'
import type { RequestFacts } from '../protocols/protocol.ts'
import { type ShortBody, shortBody } from './bodies/large-body.ts'
import { checkOwnMember } from './provider-options.ts'

/** Largest request body. Images travel inline, so it is generous; an isolate has 128 MB for all its requests. */
export const REQUEST_BYTES_MAX = 20 * 1024 * 1024

/** How much of a body that is too large is read all the same. */
export const DISCARDED_BYTES_MAX = 2 * REQUEST_BYTES_MAX
/** Bodies from this size on are sent on as bytes. */
const BYTES_WORTH_KEEPING = 8_192
const decoder = new TextDecoder()

export interface RequestBody<Facts = RequestFacts> {
  readonly text: string
  /** The body's bytes where they are worth keeping: sent on as they came, they need not be encoded again. */
  readonly bytes: ArrayBuffer | null
  /** The body parsed whole, when somebody asks for it first. */
  readonly body: () => JsonObject
  /** A large body without its long strings: enough for the facts and for edits. */
  readonly short: ShortBody | null
  readonly facts: Facts
}

/** The body of `request` as this protocol reads it. */
export async function readRequest<Facts>(
  request: Request,
  protocol: { facts(body: JsonObject): Result<Facts, InvalidRequest> },
): Promise<Result<RequestBody<Facts>, Failure>> {
  const type = request.headers.get('content-type')
  if (type !== null && !/^application\/([\w.+-]+\+)?json\b/i.test(type)) {
    return err({ kind: 'unsupported-media-type', received: type })
  }
  if (type !== null && !isUtf8(type)) {
    return err({ kind: 'unsupported-media-type', received: type, expected: 'application/json in UTF-8' })
  }
  const read = await readText(request)
  if (read === null) return err({ kind: 'request-too-large', limitBytes: REQUEST_BYTES_MAX })
  const { text, bytes } = read
  const short = shortBody(text)
  const body = short?.body ?? parseJson(text)
  if (body === undefined)
    return err(encoded(request) ?? invalid(text === '' ? 'The request body is empty.' : notJson(text)))
  if (!isJsonObject(body)) return err(invalid('The request body must be a JSON object.'))
  const facts = protocol.facts(body)
  if (!facts.ok) return facts
  const own = body['tidegate'] === undefined ? null : await checkOwnMember(body)
  if (own !== null) return err(own)
  return ok({ text, bytes, body: short === null ? () => body : once(() => wholeBody(text)), short, facts: facts.value })
}

/** Whether the text is in UTF-8, by what the type says of it: JSON always is (RFC 8259), so nothing else is decoded. */
function isUtf8(type: string): boolean {
  const charset = type.includes(';') ? /;\s*charset\s*=\s*"?([^";\s]*)/i.exec(type)?.[1] : undefined
  return charset === undefined || /^(?:utf-?8|(?:us-)?ascii)?$/i.test(charset)
}

function once(make: () => JsonObject): () => JsonObject {
  let made: JsonObject | null = null
  return () => (made ??= make())
}

/** Of a text whose validity is known. */
function wholeBody(text: string): JsonObject {
  const body = parseJson(text)
  return isJsonObject(body) ? body : {}
}

function invalid(message: string): Failure {
  return { kind: 'invalid-request', field: null, message }
}

/** A body that was compressed: that it is no JSON says nothing to who wrote it. */
function encoded(request: Request): Failure | null {
  const encoding = request.headers.get('content-encoding') ?? 'identity'
  if (/^\s*(?:identity)?\s*$/i.test(encoding)) return null
  return {
    kind: 'unsupported-media-type',
    received: `${encoding} (content-encoding)`,
    expected: 'application/json, not compressed',
  }
}

/** Where the JSON breaks off, in the parser's own words. */
function notJson(text: string): string {
  try {
    JSON.parse(text)
    return 'The request body is not valid JSON.'
  } catch (error) {
    const detail = error instanceof Error ? error.message : ''
    return `The request body is not valid JSON: ${detail.replace(/, ".*/s, '')}.`
  }
}

interface BodyText {
  readonly text: string
  readonly bytes: ArrayBuffer | null
}

/** The body as text; null when it is too large. A body that states its length is read in one go. */
async function readText(request: Request): Promise<BodyText | null> {
  const stated = request.headers.get('content-length')
  if (stated === null) return readChunked(request)
  const length = Number(stated)
  if (length > REQUEST_BYTES_MAX) {
    await discard(request.body)
    return null
  }
  if (length < BYTES_WORTH_KEEPING) return { text: await request.text(), bytes: null }
  const bytes = await request.arrayBuffer()
  return { text: decoder.decode(bytes), bytes }
}

/** Reads a body that nobody wants: many clients look for an answer only when they have sent everything. */
export async function discard(body: ReadableStream<Uint8Array> | null): Promise<void> {
  if (body === null) return
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > DISCARDED_BYTES_MAX) return
  }
}

async function readChunked(request: Request): Promise<BodyText | null> {
  if (request.body === null) return { text: '', bytes: null }
  const decoder = new TextDecoder()
  let bytes = 0
  let text = ''
  for await (const chunk of request.body) {
    bytes += chunk.byteLength
    if (bytes > REQUEST_BYTES_MAX + DISCARDED_BYTES_MAX) return null
    if (bytes > REQUEST_BYTES_MAX) continue
    text += decoder.decode(chunk, { stream: true })
  }
  return bytes > REQUEST_BYTES_MAX ? null : { text: text + decoder.decode(), bytes: null }
}
