// The simulated providers' surface: which path is whose, who is let in, and how a call is answered. Separate from the
// Worker's entry so that a Worker that has other things to do can serve it too. Web standards only.
import { IttyRouter, type IRequest } from 'itty-router'
import { isJsonObject, parseJson } from '../core/json.ts'
import { anthropic } from './anthropic.ts'
import { bedrock } from './bedrock.ts'
import { bedrockInvoke } from './bedrock-invoke.ts'
import { readBehaviour, type Behaviour } from './behaviour.ts'
import { bookCall, payerOf, readBooks, readCalls, release, resetBooks, totals, type BookedCall } from './books.ts'
import { hashText } from './chance.ts'
import { cohere } from './cohere.ts'
import { systemClock, waitForever, waitUntil, type SimulatedClock } from './clock.ts'
import { deliver } from './delivery.ts'
import { gemini } from './gemini.ts'
import { answerOnSocket } from './inhouse-socket.ts'
import { inhouse } from './inhouse.ts'
import { ollama } from './ollama.ts'
import { handleTask } from './openai-tasks.ts'
import { openai } from './openai.ts'
import type { Ask, Refusal, Reply, SimulatedProvider } from './provider.ts'
import { composeReply, promptTokensOf } from './reply.ts'
import { hasFault, scriptStream, scriptWhole, wholeDelayMs } from './script.ts'

/** Models that the lists name. Any other name is answered too: names choose behaviours. */
export const SIMULATED_MODELS = {
  openai: ['sim-gpt-4o', 'sim-gpt-4o-mini', 'sim-gpt-4o-fast'],
  anthropic: ['sim-claude-sonnet', 'sim-claude-haiku', 'sim-claude-haiku-fast'],
  gemini: ['sim-gemini-3-pro', 'sim-gemini-3-flash', 'sim-gemini-3-flash-fast'],
  bedrock: ['sim-bedrock-nova', 'sim-bedrock-claude', 'sim-bedrock-nova-fast'],
  ollama: ['sim-llama', 'sim-llama-fast'],
  cohere: ['sim-command', 'sim-command-fast'],
  inhouse: ['sim-inhouse', 'sim-inhouse-fast'],
} as const

const RETRY_AFTER_SECONDS = '2'
const JSON_TYPE = { 'content-type': 'application/json' }
const STREAM_TYPE = { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache' }
/** What nobody reads any more: the client has gone. */
const CLIENT_GONE = 499

const router = IttyRouter<IRequest, [SimulatedClock]>()
  .post('/openai/v1/chat/completions', (request, clock) => answer(openai, request, clock))
  .get('/openai/v1/models', (request) => listModels(openai, request))
  .all('/openai/*', (request) => handleTask(request) ?? unknownPath(openai, request))
  .post('/anthropic/v1/messages', (request, clock) => answer(anthropic, request, clock))
  .post('/anthropic/v1/messages/count_tokens', (request) => countTokens(request))
  .get('/anthropic/v1/models', (request) => listModels(anthropic, request))
  .all('/anthropic/*', (request) => unknownPath(anthropic, request))
  .post('/gemini/:version/models/:call', (request, clock) => answer(gemini, request, clock))
  .get('/gemini/:version/models', (request) => listModels(gemini, request))
  .all('/gemini/*', (request) => unknownPath(gemini, request))
  .post('/bedrock/model/:model/invoke', (request, clock) => answer(bedrockInvoke, request, clock))
  .post('/bedrock/model/:model/invoke-with-response-stream', (request, clock) => answer(bedrockInvoke, request, clock))
  .post('/bedrock/model/:model/:action', (request, clock) => answer(bedrock, request, clock))
  .all('/bedrock/*', (request) => unknownPath(bedrock, request))
  .post('/ollama/api/chat', (request, clock) => answer(ollama, request, clock))
  .get('/ollama/api/tags', (request) => listModels(ollama, request))
  .all('/ollama/*', (request) => unknownPath(ollama, request))
  .post('/cohere/v2/chat', (request, clock) => answer(cohere, request, clock))
  .get('/cohere/v2/models', (request) => listModels(cohere, request))
  .all('/cohere/*', (request) => unknownPath(cohere, request))
  .post('/inhouse/models/:model/answer', (request, clock) => answer(inhouse, request, clock))
  .get('/inhouse/models/:model/socket', (request, clock) =>
    answerOnSocket(request, (inner) => answer(inhouse, inner, clock)),
  )
  .get('/inhouse/models', (request) => listModels(inhouse, request))
  .all('/inhouse/*', (request) => unknownPath(inhouse, request))
  .get('/books', () => Response.json({ models: readBooks() }))
  .get('/books/calls', () => Response.json({ calls: readCalls() }))
  .get('/books/totals', (request) => tellTotals(request))
  .post('/books/reset', () => {
    resetBooks()
    return Response.json({ models: readBooks() })
  })
  .post('/control/release', (request) => releaseModel(request))
  .all('*', () => Response.json({ error: 'no such path here' }, { status: 404 }))

/** Answers one call to the simulated providers, or to their books. A client that leaves ends the work. */
export function handleSimulated(request: Request, clock: SimulatedClock = systemClock): Promise<Response> {
  return router.fetch(request, clock)
}

/** One call, as everything below needs it. */
interface Call {
  readonly provider: SimulatedProvider
  readonly ask: Ask
  readonly behaviour: Behaviour
  readonly requestId: string
  readonly booked: BookedCall
  readonly clock: SimulatedClock
  readonly signal: AbortSignal
}

async function answer(provider: SimulatedProvider, request: Request, clock: SimulatedClock): Promise<Response> {
  const requestId = `req_${newId()}`
  const unwelcome = provider.refuse(request.headers)
  if (unwelcome) return refused(provider, unwelcome, requestId)
  const text = await request.text()
  const body = parseJson(text)
  if (!isJsonObject(body)) return refused(provider, provider.notJson, requestId)
  const read = provider.read(body, new URL(request.url))
  if (!read.ok) return refused(provider, read.error, requestId)
  const ask = read.value
  const { model, isStreamed } = ask
  const behaviour = readBehaviour(model)
  const booked = bookCall({
    key: payerOf(request.headers),
    model,
    isStreamed,
    tokensIn: promptTokensOf(ask),
    text,
    clock,
  })
  const call: Call = { provider, ask, behaviour, requestId, booked, clock, signal: request.signal }
  try {
    if (behaviour.isHung) await whileClientStays(call, () => waitForever(clock, call.signal))
    if (behaviour.errorStatus !== null) return failed(call, behaviour.errorStatus)
    const identity = { id: replyId(provider), createdSeconds: Math.floor(clock.nowMs() / 1_000) }
    const reply = composeReply(ask, behaviour, identity)
    return ask.isStreamed ? streamed(call, reply) : await whole(call, reply)
  } catch (error) {
    if (!call.signal.aborted) throw error
    return new Response(null, { status: CLIENT_GONE })
  }
}

/** Anthropic counts a request's tokens without running it: nothing is booked. */
async function countTokens(request: Request): Promise<Response> {
  const requestId = `req_${newId()}`
  const unwelcome = anthropic.refuse(request.headers)
  if (unwelcome) return refused(anthropic, unwelcome, requestId)
  const body = parseJson(await request.text())
  if (!isJsonObject(body)) return refused(anthropic, anthropic.notJson, requestId)
  const read = anthropic.read({ ...body, max_tokens: 1 }, new URL(request.url))
  if (!read.ok) return refused(anthropic, read.error, requestId)
  const { errorStatus } = readBehaviour(read.value.model)
  if (errorStatus !== null) return refused(anthropic, anthropic.refusalFor(errorStatus, read.value.model), requestId)
  return Response.json({ input_tokens: promptTokensOf(read.value) }, { headers: anthropic.headers(requestId) })
}

function streamed(call: Call, reply: Reply): Response {
  const { provider, ask, behaviour } = call
  const failure = provider.failureFrame(provider.refusalFor(500, ask.model), call.requestId)
  const texts = { failure, garbage: provider.garbageFrame }
  const seed = hashText(ask.promptText)
  const steps = scriptStream(provider.frames(reply, ask), behaviour, texts, seed, provider.encode)
  const body = deliver(steps, call.booked, call.clock, call.signal)
  const type = provider.streamType === undefined ? {} : { 'content-type': provider.streamType(ask) }
  return new Response(body, { headers: { ...provider.headers(call.requestId), ...STREAM_TYPE, ...type } })
}

async function whole(call: Call, reply: Reply): Promise<Response> {
  const { provider, ask, behaviour, booked, clock, signal } = call
  await whileClientStays(call, async () => {
    await clock.wait(wholeDelayMs(behaviour, reply.outputTokens), signal)
    if (hasFault(behaviour, 'pause')) await waitUntil(booked.isReleased, clock, signal)
    if (hasFault(behaviour, 'stall')) await waitForever(clock, signal)
  })
  if (hasFault(behaviour, 'error')) return failed(call, 500, behaviour.isErrorIn200)
  booked.produced(reply.outputTokens)
  const text = JSON.stringify(provider.whole(reply, ask))
  const body = deliver(scriptWhole(text, behaviour), booked, clock, signal)
  return new Response(body, { headers: { ...provider.headers(call.requestId), ...JSON_TYPE } })
}

/** Books the leaving at once: in workerd nothing but the listener may run after it. */
async function whileClientStays(call: Call, work: () => Promise<void>): Promise<void> {
  const leave = (): void => call.booked.end('aborted')
  if (call.signal.aborted) leave()
  call.signal.addEventListener('abort', leave, { once: true })
  await work()
  call.signal.removeEventListener('abort', leave)
}

function failed(call: Call, status: number, isIn200 = false): Response {
  call.booked.end('errors')
  return refused(call.provider, call.provider.refusalFor(status, call.ask.model), call.requestId, isIn200)
}

function refused(provider: SimulatedProvider, refusal: Refusal, requestId: string, isIn200 = false): Response {
  // Google says it in the body.
  const retryAfter = refusal.status === 429 && provider.name !== 'gemini' ? { 'retry-after': RETRY_AFTER_SECONDS } : {}
  const headers = { ...provider.headers(requestId), ...provider.failureHeaders?.(refusal), ...retryAfter }
  return Response.json(provider.failureBody(refusal, requestId), { status: isIn200 ? 200 : refusal.status, headers })
}

function listModels(provider: SimulatedProvider, request: Request): Response {
  const requestId = `req_${newId()}`
  const unwelcome = provider.refuse(request.headers)
  if (unwelcome) return refused(provider, unwelcome, requestId)
  return Response.json(provider.models(SIMULATED_MODELS[provider.name]), { headers: provider.headers(requestId) })
}

function unknownPath(provider: SimulatedProvider, request: IRequest): Response {
  const path = new URL(request.url).pathname.slice(`/${provider.name}`.length)
  const message = provider.name === 'openai' ? `Invalid URL (${request.method} ${path})` : 'Not Found'
  return refused(provider, { status: 404, message, code: null, param: null }, `req_${newId()}`)
}

/** `?input=` and `?output=` are pico-USD per token: $1 per million tokens is 1,000,000. */
function tellTotals(request: IRequest): Response {
  const { searchParams } = new URL(request.url)
  const [input, output] = ['input', 'output'].map((name) => Number(searchParams.get(name) ?? 0))
  return Response.json({ totals: totals({ input: input ?? 0, output: output ?? 0 }) })
}

function releaseModel(request: IRequest): Response {
  const model = new URL(request.url).searchParams.get('model')
  if (model === null || model === '') {
    return Response.json({ error: 'name the model to release: /control/release?model=<name>' }, { status: 400 })
  }
  release(model)
  return Response.json({ released: model })
}

function replyId(provider: SimulatedProvider): string {
  if (provider.name === 'gemini') return newId()
  return provider.name === 'openai' ? `chatcmpl-${newId()}` : `msg_${newId()}`
}

function newId(): string {
  return crypto.randomUUID().replaceAll('-', '').slice(0, 24)
}
