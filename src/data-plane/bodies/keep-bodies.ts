// Keeps a request's prompt and reply, as its tenant wants: the reply is copied as it passes, up to a bound, and nobody waits
// for it. What is kept are whole texts, put together again where they were streamed, since what is to be hidden may be
// spread over many pieces.
import type { DialectName, Target } from '../../core/directory.ts'
import { fold } from '../../core/reply/fold.ts'
import { type Json, type JsonObject, isJsonObject, parseJson } from '../../core/json.ts'
import { type BodyPolicy, type Redactor, redactor } from '../../core/guard/redact.ts'
import type { NeutralReply } from '../../core/neutral.ts'
import { dialects } from '../../dialects/index.ts'
import type { BodyKeeper } from '../../ports.ts'
import { type ReadExchange, logged } from '../exchange.ts'
import { framerFor } from '../framing/index.ts'

/** Bytes of a reply that are copied. */
const REPLY_BYTES_MAX = 512 * 1024
/** A longer prompt is kept without its long strings. */
const PROMPT_CHARS_MAX = 512 * 1024

/** Copies what is answered and has it kept once it is over, however that comes. Returns the answer in place of `answer`. */
export function keepBodies(exchange: ReadExchange, policy: BodyPolicy, keeper: BodyKeeper, answer: Response): Response {
  const { promise: over, resolve } = Promise.withResolvers<Copied>()
  const readable = answer.body === null ? null : copying(answer.body, resolve)
  if (readable === null) resolve({ bytes: new Uint8Array(), isWhole: true })
  const keep = async (): Promise<void> => {
    const { caller, requestId, services } = exchange
    try {
      const kept = await bodyOf(exchange, policy, answer, await over)
      await keeper.keep(requestId, { tenantId: caller.tenantId, teamId: caller.teamId }, kept, policy.ttlDays)
    } catch (error) {
      services.log.warn('bodies-not-kept', { tenant: caller.tenantId, ...logged(exchange), error: String(error) })
    }
  }
  exchange.later(keep())
  return new Response(readable, answer)
}

interface Copied {
  readonly bytes: Uint8Array
  readonly isWhole: boolean
}

/** The same stream; `done` hears once of what passed, by its end, its failure, or the client's leaving. */
function copying(body: ReadableStream<Uint8Array>, done: (copied: Copied) => void): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  const pieces: Uint8Array[] = []
  let length = 0
  let isCut = false
  const finish = (isWhole: boolean): void => done({ bytes: joined(pieces, length), isWhole: isWhole && !isCut })
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done: hasEnded, value } = await reader.read()
          if (hasEnded) {
            finish(true)
            controller.close()
            return
          }
          const piece = value.subarray(0, REPLY_BYTES_MAX - length)
          if (piece.byteLength > 0) pieces.push(piece.slice())
          length += piece.byteLength
          isCut ||= piece.byteLength < value.byteLength
          controller.enqueue(value)
        } catch (error) {
          finish(false)
          controller.error(error)
        }
      },
      async cancel(reason) {
        finish(false)
        await reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length)
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.byteLength
  }
  return all
}

async function bodyOf(
  exchange: ReadExchange,
  policy: BodyPolicy,
  answer: Response,
  copied: Copied,
): Promise<JsonObject> {
  const hide = redactor(policy.redact)
  const isShort = exchange.text.length > PROMPT_CHARS_MAX
  const prompt = isShort ? (exchange.short?.body ?? null) : exchange.body()
  const reply = await replyOf(exchange, hide, answer, copied.bytes)
  return {
    v: 1,
    request_id: exchange.requestId,
    at_ms: exchange.startedAtMs,
    protocol: exchange.protocol.name,
    key: exchange.caller.keyId,
    status: answer.status,
    prompt: prompt === null ? null : hide.json(prompt),
    prompt_is_whole: !isShort,
    reply,
    reply_is_whole: copied.isWhole && reply !== null,
  }
}

/** What was answered, as JSON: as it was, or what a stream came to. Null for what can't be read: then nothing of it is kept,
 *  since nothing in it could be hidden. */
async function replyOf(exchange: ReadExchange, hide: Redactor, answer: Response, bytes: Uint8Array): Promise<Json> {
  const type = answer.headers.get('content-type') ?? ''
  if (!type.startsWith('text/event-stream')) {
    const body = parseJson(new TextDecoder().decode(bytes))
    return body === undefined ? null : hide.json(body)
  }
  const target = { ...TARGET, dialect: DIALECTS[exchange.protocol.name] }
  const dialect = await dialects.of(target.dialect).load()
  const framer = framerFor(dialect, target, type)
  const reader = dialect.reader(target)
  const frames = [...framer.push(bytes), ...framer.end()]
  const read = asJson(fold([...frames.flatMap((frame) => reader.push(frame)), ...reader.end()]))
  return hide.json(read)
}

/** Without what no text is in. */
function asJson({ model, choices, failure }: NeutralReply): JsonObject {
  const read = parseJson(JSON.stringify({ model, choices, failure }))
  return isJsonObject(read) ? read : {}
}

/** The dialect whose wire a protocol's is. */
const DIALECTS = {
  chat: 'openai-chat',
  responses: 'openai-responses',
  messages: 'anthropic-messages',
  completions: 'openai-completions',
} as const satisfies Readonly<Record<ReadExchange['protocol']['name'], DialectName>>

/** What a reader has to know of who answers, where it is ourselves. */
const TARGET: Omit<Target, 'dialect'> = {
  id: '',
  provider: 'custom',
  baseUrl: '',
  model: '',
  credential: null,
  maxRetries: 0,
  timeouts: { firstContentMs: 0, idleMs: 0, totalMs: 0 },
  maxOutputTokens: 0,
  price: null,
  priceVersion: null,
  costCenter: null,
}
