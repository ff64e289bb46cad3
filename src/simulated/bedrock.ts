// Bedrock's Converse wire: whole replies, the binary event stream, and errors that are named in a header, as the real
// service sends them (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html). Of a
// signature nothing but the form is checked: nobody here knows the secret. Pure.
import { parseJson, type Json, type JsonObject } from '../core/json.ts'
import { readConverseRequest } from './bedrock-request.ts'
import { binaryBytes, damagedMessage, eventMessage, exceptionMessage } from './bedrock-stream.ts'
import { drawFrom, drawLetters, hashText } from './chance.ts'
import type { Ask, Refusal, Reply, ReplyFrame, ReplyPart, SimulatedProvider } from './provider.ts'

const STOP_REASONS = { stop: 'end_turn', length: 'max_tokens', 'tool-calls': 'tool_use' } as const
const SIGNATURE_CHARS = 180
const LATENCY_MS = 500
/** Bedrock pads against length analysis with the beginning of this. */
const PADDING = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789'

const ERROR_TYPES: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  408: 'ModelTimeoutException',
  424: 'ModelErrorException',
  429: 'ThrottlingException',
  500: 'InternalServerException',
  503: 'ServiceUnavailableException',
}

const MESSAGES: Readonly<Record<number, string>> = {
  400: 'The provided model identifier is invalid.',
  403: "You don't have access to the model with the specified model ID.",
  404: 'This model version has reached the end of its life.',
  429: 'Too many requests, please wait before trying again.',
  500: 'The system encountered an unexpected error during processing. Try your request again.',
  503: 'Model is getting throttled. Try your request again.',
}

/** Bedrock's wire. */
export const bedrock: SimulatedProvider = {
  name: 'bedrock',
  refuse: refuseHeaders,
  read: readConverseRequest,
  notJson: { status: 400, message: 'Malformed input request, please reformat your input.', code: null, param: null },
  whole,
  frames,
  streamType: () => 'application/vnd.amazon.eventstream',
  encode: binaryBytes,
  headers: (requestId) => ({ 'x-amzn-requestid': requestId }),
  failureHeaders: (refusal) => ({
    'x-amzn-errortype': `${typeOf(refusal)}:http://internal.amazon.com/coral/com.amazon.bedrock/`,
  }),
  refusalFor: (status) => {
    const message = MESSAGES[status] ?? MESSAGES[status >= 500 ? 500 : 400] ?? ''
    return { status, message, code: null, param: null }
  },
  failureBody: (refusal) => ({ message: refusal.message }),
  failureFrame: (refusal) => exceptionMessage(lowerFirst(typeOf(refusal)), { message: refusal.message }),
  garbageFrame: damagedMessage(),
  models: (names) => ({ modelSummaries: names.map((modelId) => ({ modelId, modelName: modelId })) }),
}

const SIGNATURE =
  /^AWS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([a-z0-9-]+)\/bedrock\/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}$/

function refuseHeaders(headers: Headers): Refusal | null {
  const authorization = headers.get('authorization') ?? ''
  const key = /^bearer\s+(\S+)$/i.exec(authorization)?.[1]
  if (key !== undefined) return key === 'invalid' ? UNRECOGNIZED : null
  if (authorization === '') return refusal('MissingAuthenticationTokenException', 'Missing Authentication Token')
  const [, keyId, day, , signed] = SIGNATURE.exec(authorization) ?? []
  const covers = (name: string): boolean => signed?.split(';').includes(name) === true
  const isComplete = covers('host') && covers('x-amz-date') && headers.get('x-amz-date')?.slice(0, 8) === day
  if (!isComplete || headers.has('x-amz-security-token') !== covers('x-amz-security-token')) {
    return refusal('IncompleteSignatureException', 'The request signature does not conform to AWS standards.')
  }
  return keyId === 'invalid' ? UNRECOGNIZED : null
}

const UNRECOGNIZED = refusal('UnrecognizedClientException', 'The security token included in the request is invalid.')

function refusal(type: string, message: string): Refusal {
  return { status: 403, message, code: type, param: null }
}

function typeOf({ status, code }: Refusal): string {
  return code ?? ERROR_TYPES[status] ?? (status >= 500 ? 'InternalServerException' : 'ValidationException')
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}

function whole(reply: Reply, ask: Ask): Json {
  const [choice] = reply.choices
  const content = (choice?.parts ?? []).map((part) => wholeBlock(part, ask))
  return {
    metrics: { latencyMs: LATENCY_MS },
    output: { message: { content, role: 'assistant' } },
    stopReason: stopReason(reply),
    ...usageOf(reply),
  }
}

function wholeBlock(part: ReplyPart, ask: Ask): JsonObject {
  const text = [...part.pieces()].join('')
  switch (part.kind) {
    case 'text':
      return { text }
    case 'thinking':
      return { reasoningContent: { reasoningText: { text, signature: signatureFor(ask) } } }
    case 'tool-call':
      // Arguments that the token bound cut off are no object any more.
      return { toolUse: { toolUseId: `tooluse_${part.id}`, name: part.name, input: parseJson(text) ?? {} } }
  }
}

function* frames(reply: Reply, ask: Ask): Generator<ReplyFrame> {
  const draw = drawFrom(hashText(ask.promptText))
  const frame = (kind: ReplyFrame['kind'], event: string, payload: JsonObject, tokens = 0): ReplyFrame => {
    const p = PADDING.slice(0, 1 + Math.floor(draw() * PADDING.length))
    return { kind, text: eventMessage(event, { ...payload, p }), tokens }
  }
  yield frame('other', 'messageStart', { role: 'assistant' })
  for (const [contentBlockIndex, part] of (reply.choices[0]?.parts ?? []).entries()) {
    if (part.kind === 'tool-call') {
      const start = { toolUse: { name: part.name, toolUseId: `tooluse_${part.id}` } }
      yield frame('other', 'contentBlockStart', { contentBlockIndex, start }, part.nameTokens)
    }
    for (const piece of part.pieces()) {
      yield frame('content', 'contentBlockDelta', { contentBlockIndex, delta: deltaOf(part, piece) }, 1)
    }
    if (part.kind === 'thinking') {
      const delta = { reasoningContent: { signature: signatureFor(ask) } }
      yield frame('other', 'contentBlockDelta', { contentBlockIndex, delta })
    }
    yield frame('other', 'contentBlockStop', { contentBlockIndex })
  }
  yield frame('ending', 'messageStop', { stopReason: stopReason(reply) })
  yield frame('ending', 'metadata', { metrics: { latencyMs: LATENCY_MS }, ...usageOf(reply) })
}

function deltaOf(part: ReplyPart, piece: string): JsonObject {
  switch (part.kind) {
    case 'text':
      return { text: piece }
    case 'thinking':
      return { reasoningContent: { text: piece } }
    case 'tool-call':
      return { toolUse: { input: piece } }
  }
}

function usageOf({ usage }: Reply): JsonObject {
  if (usage === null) return {}
  const { input, output } = usage
  const cached = { cacheReadInputTokens: 0, cacheWriteInputTokens: 0 }
  return { usage: { ...cached, inputTokens: input, outputTokens: output, totalTokens: input + output } }
}

function stopReason(reply: Reply): string | null {
  const finish = reply.choices[0]?.finish
  return finish === null ? null : STOP_REASONS[finish ?? 'stop']
}

function signatureFor(ask: Ask): string {
  return `${drawLetters(drawFrom(hashText(ask.promptText)), SIGNATURE_CHARS)}==`
}
