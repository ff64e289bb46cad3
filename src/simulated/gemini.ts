// Gemini's generateContent wire: whole replies, streams as events (CRLF) and as one JSON array, models and errors as the
// real service sends them (https://ai.google.dev/api/generate-content). Calls are signed, as models of version 3 do. Pure.
import { parseJson, type Json, type JsonObject } from '../core/json.ts'
import { drawFrom, drawLetters, hashText } from './chance.ts'
import { readGenerateRequest } from './gemini-request.ts'
import type { Ask, Refusal, Reply, ReplyChoice, ReplyFrame, ReplyPart, SimulatedProvider } from './provider.ts'

const FINISH_REASONS = { stop: 'STOP', length: 'MAX_TOKENS', 'tool-calls': 'STOP' } as const
const SIGNATURE_CHARS = 120

const STATUSES: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

const MESSAGES: Readonly<Record<number, string>> = {
  400: 'Request contains an invalid argument.',
  403: 'The caller does not have permission',
  404: 'models/{model} is not found for API version v1beta, or is not supported for generateContent.',
  429: 'You exceeded your current quota, please check your plan and billing details.',
  500: 'An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting',
  503: 'The model is overloaded. Please try again later.',
  504: 'Deadline expired before operation could complete.',
}

/** What a wrong key is told, with status 400. */
const INVALID_KEY = 'API key not valid. Please pass a valid API key.'
const NO_KEY =
  "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form " +
  'of API consumer identity to call this API.'

/** Gemini's wire. */
export const gemini: SimulatedProvider = {
  name: 'gemini',
  refuse: refuseHeaders,
  read: readGenerateRequest,
  notJson: { status: 400, message: 'Invalid JSON payload received.', code: null, param: null },
  whole: (reply, ask) =>
    messageOf(
      reply,
      ask,
      reply.choices.map((choice, index) => wholeCandidate(choice, index, ask)),
      true,
    ),
  frames: (reply, ask) => (ask.isArray === true ? arrayFrames(reply, ask) : eventFrames(reply, ask)),
  streamType: (ask) => (ask.isArray === true ? 'application/json; charset=UTF-8' : 'text/event-stream'),
  headers: () => ({ server: 'scaffolding on HTTPServer2', 'x-content-type-options': 'nosniff' }),
  refusalFor: (status, model) => {
    const message = MESSAGES[status] ?? MESSAGES[status >= 500 ? 500 : 400] ?? ''
    return { status, message: message.replace('{model}', model), code: null, param: null }
  },
  failureBody,
  // As it comes: JSON without `data:`, behind the events.
  failureFrame: (refusal) => `${JSON.stringify(failureBody(refusal), null, 2)}\r\n`,
  garbageFrame: 'data: {"candidates": [{"content": {"parts": [{"te\r\n\r\n',
  models: (names) => ({
    models: names.map((name) => ({
      name: `models/${name}`,
      version: '001',
      displayName: name,
      inputTokenLimit: 1_048_576,
      outputTokenLimit: 65_536,
      supportedGenerationMethods: ['generateContent', 'countTokens'],
    })),
  }),
}

function refuseHeaders(headers: Headers): Refusal | null {
  const bearer = /^bearer\s+(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]?.trim()
  const key = headers.get('x-goog-api-key') ?? bearer ?? ''
  const refusal = { code: null, param: null }
  if (key === '') return { ...refusal, status: 403, message: NO_KEY }
  return key === 'invalid' ? { ...refusal, status: 400, message: INVALID_KEY } : null
}

function failureBody({ status, message }: Refusal): JsonObject {
  const name = STATUSES[status] ?? (status >= 500 ? 'INTERNAL' : 'INVALID_ARGUMENT')
  const details = detailsOf(status, message)
  return { error: { code: status, message, status: name, ...(details === null ? {} : { details: [details] }) } }
}

function detailsOf(status: number, message: string): JsonObject | null {
  if (status === 429) return { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '2s' }
  if (message !== INVALID_KEY) return null
  return { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' }
}

function messageOf(reply: Reply, ask: Ask, candidates: readonly JsonObject[], isLast: boolean): JsonObject {
  return {
    ...(candidates.length === 0 ? {} : { candidates }),
    ...(reply.usage === null ? {} : { usageMetadata: usageOf(reply, isLast) }),
    modelVersion: ask.model,
    responseId: reply.id,
  }
}

/** Cumulative; what comes early counts the prompt alone. */
function usageOf(reply: Reply, isLast: boolean): JsonObject {
  const { input, output, reasoning } = reply.usage ?? { input: 0, output: 0, reasoning: 0 }
  const said = isLast ? { candidatesTokenCount: output - reasoning } : {}
  const thought = isLast && reasoning > 0 ? { thoughtsTokenCount: reasoning } : {}
  return {
    promptTokenCount: input,
    ...said,
    totalTokenCount: isLast ? input + output : input,
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: input }],
    ...thought,
  }
}

function candidateOf(index: number, parts: readonly JsonObject[], finish: ReplyChoice['finish']): JsonObject {
  const content = parts.length === 0 ? {} : { content: { parts, role: 'model' } }
  return { ...content, ...(finish === null ? {} : { finishReason: FINISH_REASONS[finish] }), index }
}

function wholeCandidate(choice: ReplyChoice, index: number, ask: Ask): JsonObject {
  const parts = choice.parts.map((part, place) => {
    const text = [...part.pieces()].join('')
    if (part.kind === 'tool-call') return callPart(part, isFirstCall(choice, place), ask)
    if (part.kind === 'thinking') return { text, thought: true }
    return { text, ...(place === choice.parts.length - 1 ? closingSignature(ask) : {}) }
  })
  return candidateOf(index, parts, choice.finish)
}

/** Text is signed, at its end, by a model that shows its thoughts. */
function closingSignature(ask: Ask): JsonObject {
  return ask.reasoning === 'shown' ? { thoughtSignature: signatureFor(ask) } : {}
}

function isFirstCall(choice: ReplyChoice, place: number): boolean {
  return choice.parts.findIndex((part) => part.kind === 'tool-call') === place
}

function callPart(part: Extract<ReplyPart, { kind: 'tool-call' }>, isFirst: boolean, ask: Ask): JsonObject {
  // Arguments that the token bound cut off are no object any more.
  const args = parseJson([...part.pieces()].join('')) ?? {}
  const functionCall = { name: part.name, args, id: part.id.slice(0, 8) }
  return { functionCall, ...(isFirst ? { thoughtSignature: signatureFor(ask) } : {}) }
}

interface Piece {
  readonly kind: ReplyFrame['kind']
  readonly message: JsonObject
  readonly tokens: number
}

function* pieces(reply: Reply, ask: Ask): Generator<Piece> {
  for (const [index, choice] of reply.choices.entries()) {
    const piece = (part: JsonObject, tokens: number): Piece => {
      const message = messageOf(reply, ask, [candidateOf(index, [part], null)], false)
      return { kind: 'content', message, tokens }
    }
    for (const [place, part] of choice.parts.entries()) {
      if (part.kind === 'tool-call') yield piece(callPart(part, isFirstCall(choice, place), ask), part.tokens)
      else {
        const thought = part.kind === 'thinking' ? { thought: true } : {}
        for (const text of part.pieces()) yield piece({ text, ...thought }, 1)
      }
    }
    const isText = choice.parts.at(-1)?.kind === 'text'
    const parts: readonly JsonObject[] = [{ text: '', ...(isText ? closingSignature(ask) : {}) }]
    const message = messageOf(reply, ask, [candidateOf(index, parts, choice.finish)], true)
    yield { kind: 'ending', message, tokens: 0 }
  }
  if (reply.choices.length === 0) yield { kind: 'ending', message: messageOf(reply, ask, [], true), tokens: 0 }
}

function* eventFrames(reply: Reply, ask: Ask): Generator<ReplyFrame> {
  for (const { kind, message, tokens } of pieces(reply, ask)) {
    yield { kind, text: `data: ${JSON.stringify(message)}\r\n\r\n`, tokens }
  }
}

/** One array for the whole stream, pretty-printed, an element a piece. */
function* arrayFrames(reply: Reply, ask: Ask): Generator<ReplyFrame> {
  let separator = '['
  for (const { kind, message, tokens } of pieces(reply, ask)) {
    yield { kind, text: `${separator}${prettyJson(message)}`, tokens }
    separator = '\n,\n'
  }
  yield { kind: 'ending', text: '\n]', tokens: 0 }
}

function prettyJson(value: Json): string {
  return JSON.stringify(value, null, 2)
}

function signatureFor(ask: Ask): string {
  return drawLetters(drawFrom(hashText(ask.promptText)), SIGNATURE_CHARS)
}
