// OpenAI's other endpoints: embeddings, moderations, pictures, speech and transcripts, and files, as the real service answers
// them (https://platform.openai.com/docs/api-reference, read 2026-11-21). Everything is made of the request alone, so that
// whoever asks twice is told the same. Words in the model's name choose faults, as for chat.
import { isJsonObject, parseJson } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { readBehaviour, type Behaviour } from './behaviour.ts'
import { bookCall, payerOf, type BookedCall } from './books.ts'
import { drawFrom, hashText } from './chance.ts'
import { systemClock } from './clock.ts'
import { openaiRefusal } from './openai-errors.ts'
import { openai } from './openai.ts'
import type { Refusal } from './provider.ts'

const DIMENSIONS = 8
/** The most inputs of one call that are taken, as small servers have it. */
const INPUTS_MAX = 4
const CHARS_PER_TOKEN = 4

interface TaskCall {
  readonly model: string
  readonly behaviour: Behaviour
  readonly body: JsonObject
  /** A form's parts besides. */
  readonly form: FormData | null
  readonly booked: BookedCall
  readonly request: Request
}

type Answer = (call: TaskCall) => Response | Promise<Response>

const ANSWERS: Readonly<Record<string, Answer>> = {
  '/embeddings': embeddings,
  '/rerank': rerank,
  '/moderations': moderations,
  '/images/generations': images,
  '/images/edits': images,
  '/audio/speech': speech,
  '/audio/transcriptions': transcript,
  '/audio/translations': transcript,
}

/** Answers a call below `/openai/v1` to one of these paths; null for any other path. */
export function handleTask(request: Request): Promise<Response> | null {
  const path = new URL(request.url).pathname.slice('/openai/v1'.length)
  if (/^\/files(?:\/|$)/.test(path)) return answerFile(request, path)
  return request.method === 'POST' && Object.hasOwn(ANSWERS, path) ? answerTask(request, path) : null
}

/** Says what arrived: for whoever wants to know what became of a request on its way. */
async function answerFile(request: Request, path: string): Promise<Response> {
  const unwelcome = openai.refuse(request.headers)
  if (unwelcome !== null) return refused(unwelcome)
  if (path.endsWith('/missing')) return refused(openaiRefusal(404, 'missing').refusal)
  const { byteLength } = await request.arrayBuffer()
  const received = {
    method: request.method,
    path,
    query: new URL(request.url).search,
    headers: Object.fromEntries(request.headers),
    bytes: byteLength,
  }
  return Response.json({ object: 'file', id: 'file-simulated', received }, { headers: openai.headers('req_file') })
}

async function answerTask(request: Request, path: string): Promise<Response> {
  const unwelcome = openai.refuse(request.headers)
  if (unwelcome !== null) return refused(unwelcome)
  const isForm = request.headers.get('content-type')?.startsWith('multipart/') === true
  const form = isForm ? await request.formData() : null
  const body = form === null ? parseJson(await request.text()) : textFields(form)
  if (!isJsonObject(body)) return refused(openai.notJson)
  const model = typeof body['model'] === 'string' ? body['model'] : ''
  if (model === '') return refused(mistake('you must provide a model parameter', null))
  const unknown = Object.keys(body).find((name) => name === 'tidegate')
  if (unknown !== undefined) return refused(mistake(`Unrecognized request argument supplied: ${unknown}`, unknown))
  const behaviour = readBehaviour(model)
  const { input } = body
  const asked = path === '/embeddings' ? inputsOf(input) : [JSON.stringify(input ?? body['prompt'] ?? '')]
  const booked = bookCall({
    key: payerOf(request.headers),
    model,
    isStreamed: body['stream'] === true,
    tokensIn: tokensOfAll(asked),
    text: JSON.stringify(body),
    clock: systemClock,
  })
  if (behaviour.errorStatus !== null) {
    booked.end('errors')
    return refused(openaiRefusal(behaviour.errorStatus, model).refusal)
  }
  const answer = await ANSWERS[path]?.({ model, behaviour, body, form, booked, request })
  booked.end(answer?.ok === true ? 'completed' : 'errors')
  return answer ?? refused(mistake('no such path', null))
}

function embeddings({ body, model, behaviour }: TaskCall): Response {
  const inputs = inputsOf(body['input'])
  if (inputs.length === 0) return refused(mistake("'input' cannot be empty", 'input'))
  if (inputs.length > INPUTS_MAX) return refused(mistake(`at most ${INPUTS_MAX} inputs`, 'input'))
  if (inputs.some((item) => item === 'break here')) return refused(openaiRefusal(500, model).refusal)
  const size = typeof body['dimensions'] === 'number' ? body['dimensions'] : DIMENSIONS
  // Some servers that call themselves compatible know one format only.
  const asText = body['encoding_format'] === 'base64' && !model.includes('floats-only')
  const data = inputs.map((item, index) => {
    const vector = vectorOf(JSON.stringify(item), size)
    return { object: 'embedding', index, embedding: asText ? base64Of(vector) : vector }
  })
  const tokens = tokensOfAll(inputs)
  const usage = behaviour.usage === 'none' ? {} : { usage: { prompt_tokens: tokens, total_tokens: tokens } }
  return Response.json({ object: 'list', data, model, ...usage })
}

function rerank({ body, model }: TaskCall): Response {
  const documents: readonly Json[] = Array.isArray(body['documents']) ? body['documents'] : []
  const scored = documents.map((document, index) => ({
    index,
    relevance_score: hashText(JSON.stringify(document)) / 2 ** 32,
  }))
  const results = scored.toSorted((a, b) => b.relevance_score - a.relevance_score)
  const top = typeof body['top_n'] === 'number' ? body['top_n'] : results.length
  return Response.json({
    model,
    results: results.slice(0, top),
    usage: { total_tokens: tokensOf(JSON.stringify(documents)) },
  })
}

function moderations({ body, model }: TaskCall): Response {
  const inputs: readonly Json[] = Array.isArray(body['input']) ? body['input'] : [body['input'] ?? '']
  const results = inputs.map((input) => {
    const flagged = JSON.stringify(input).includes('sink the ship')
    return { flagged, categories: { violence: flagged }, category_scores: { violence: flagged ? 0.97 : 0.001 } }
  })
  return Response.json({ id: 'modr-simulated', model, results })
}

/** One transparent pixel. */
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const PICTURE_USAGE = {
  total_tokens: 290,
  input_tokens: 18,
  input_tokens_details: { text_tokens: 18, image_tokens: 0 },
  output_tokens: 272,
}

function images({ body }: TaskCall): Response {
  if (body['stream'] !== true) {
    return Response.json({
      created: 1_767_225_600,
      data: [{ b64_json: PIXEL }],
      output_format: 'png',
      usage: PICTURE_USAGE,
    })
  }
  const events = [
    { type: 'image_generation.partial_image', partial_image_index: 0, b64_json: PIXEL },
    { type: 'image_generation.completed', b64_json: PIXEL, usage: PICTURE_USAGE },
  ]
  return eventStream(events)
}

/** Bytes that are no text, as many as the input has characters. */
function speech({ body }: TaskCall): Response {
  const { input } = body
  const length = typeof input === 'string' ? input.length : 0
  const bytes = Uint8Array.from({ length: length * 64 }, (_, at) => (at * 37) & 255)
  return new Response(bytes, { headers: { 'content-type': 'audio/mpeg' } })
}

async function transcript({ body, form, model }: TaskCall): Promise<Response> {
  const file = form?.get('file') ?? null
  if (file === null || typeof file === 'string') return refused(mistake("Missing required parameter: 'file'.", 'file'))
  const bytes = new Uint8Array(await file.arrayBuffer())
  const text = `${bytes.length} bytes of ${file.name}, the last is ${bytes.at(-1)}, heard by ${model}.`
  const usage = {
    type: 'tokens',
    input_tokens: 14,
    input_token_details: { text_tokens: 4, audio_tokens: 10 },
    output_tokens: 9,
    total_tokens: 23,
  }
  if (body['stream'] === 'true') {
    const deltas = text.split(' ').map((word) => ({ type: 'transcript.text.delta', delta: `${word} ` }))
    return eventStream([...deltas, { type: 'transcript.text.done', text, usage }])
  }
  if (body['response_format'] === 'text')
    return new Response(`${text}\n`, { headers: { 'content-type': 'text/plain' } })
  return Response.json({ text, usage })
}

function eventStream(events: readonly JsonObject[]): Response {
  const text = events.map((event) => `event: ${String(event['type'])}\ndata: ${JSON.stringify(event)}\n\n`).join('')
  return new Response(text, { headers: { 'content-type': 'text/event-stream; charset=utf-8' } })
}

function textFields(form: FormData): JsonObject {
  const fields: Record<string, Json> = {}
  form.forEach((value, name) => {
    if (typeof value === 'string') fields[name] = value
  })
  return fields
}

function vectorOf(text: string, size: number): readonly number[] {
  const draw = drawFrom(hashText(text))
  return Array.from({ length: size }, () => Math.fround(draw() * 2 - 1))
}

function base64Of(vector: readonly number[]): string {
  const bytes = new Uint8Array(Float32Array.from(vector).buffer)
  return btoa(String.fromCharCode(...bytes))
}

/** What is to become vectors: a text, or a list of tokens, or several of them. */
function inputsOf(input: Json | undefined): readonly Json[] {
  const isOne = typeof input === 'string' || (Array.isArray(input) && typeof input[0] === 'number')
  return isOne ? [input] : Array.isArray(input) ? input : []
}

function tokensOfAll(inputs: readonly Json[]): number {
  return inputs.reduce<number>((sum, item) => sum + (Array.isArray(item) ? item.length : tokensOf(item)), 0)
}

function tokensOf(text: Json | undefined): number {
  return typeof text === 'string' ? Math.ceil(text.length / CHARS_PER_TOKEN) : 1
}

function mistake(message: string, param: string | null): Refusal {
  return { status: 400, message, code: null, param }
}

function refused(refusal: Refusal): Response {
  return Response.json(openai.failureBody(refusal, ''), { status: refusal.status, headers: openai.headers('req_task') })
}
