// OpenAI's Chat Completions wire: whole replies, streams, models and errors as the real service sends them
// (https://platform.openai.com/docs/api-reference/chat). Pure.
import type { Json, JsonObject } from '../core/json.ts'
import { drawFrom, drawLetters, hashText } from './chance.ts'
import { readChatRequest } from './openai-request.ts'
import { openaiRefusal } from './openai-errors.ts'
import type { Ask, Refusal, Reply, ReplyChoice, ReplyFrame, ReplyPart, SimulatedProvider } from './provider.ts'

const FINGERPRINT = 'fp_51de0f7a2c'
const FINISH = { stop: 'stop', length: 'length', 'tool-calls': 'tool_calls' } as const
/** Padding brings short deltas to about this many characters. */
const PADDED_CHARS = 16

/** OpenAI's wire. */
export const openai: SimulatedProvider = {
  name: 'openai',
  refuse: refuseHeaders,
  read: readChatRequest,
  notJson: {
    status: 400,
    message:
      "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library " +
      'correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)',
    code: null,
    param: null,
  },
  whole,
  frames,
  headers: (requestId) => ({
    'x-request-id': requestId,
    'openai-version': '2020-10-01',
    'openai-processing-ms': '87',
    'x-ratelimit-limit-requests': '10000',
    'x-ratelimit-remaining-requests': '9999',
    'x-ratelimit-reset-requests': '6ms',
    'x-ratelimit-limit-tokens': '2000000',
    'x-ratelimit-remaining-tokens': '1999900',
    'x-ratelimit-reset-tokens': '3ms',
  }),
  refusalFor: (status, model) => openaiRefusal(status, model).refusal,
  failureBody,
  failureFrame: (refusal) => `${data(failureBody(refusal))}data: [DONE]\n\n`,
  garbageFrame:
    'data: {"id":"chatcmpl-broken","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"cont\n\n',
  models: (names) => ({
    object: 'list',
    data: names.map((id) => ({ id, object: 'model', created: 1_767_225_600, owned_by: 'simulated' })),
  }),
}

function refuseHeaders(headers: Headers): Refusal | null {
  const key = /^bearer\s+(.+)$/i.exec(headers.get('authorization') ?? '')?.[1]?.trim()
  if (key === undefined || key === '') {
    const message =
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth " +
      '(i.e. Authorization: Bearer YOUR_KEY).'
    return { status: 401, message, code: null, param: null }
  }
  return key === 'invalid' ? openaiRefusal(401, '').refusal : null
}

function failureBody(refusal: Refusal): JsonObject {
  const { message, param, code } = refusal
  return { error: { message, type: openaiRefusal(refusal.status, '').type, param, code } }
}

function whole(reply: Reply, ask: Ask): Json {
  return {
    id: reply.id,
    object: 'chat.completion',
    created: reply.createdSeconds,
    model: ask.model,
    choices: reply.choices.map((choice, index) => ({
      index,
      message: wholeMessage(choice),
      logprobs: null,
      finish_reason: finishOf(choice),
    })),
    ...(reply.usage ? { usage: usageOf(reply) } : {}),
    service_tier: 'default',
    system_fingerprint: FINGERPRINT,
  }
}

function wholeMessage(choice: ReplyChoice): JsonObject {
  const text = choice.parts.find((part) => part.kind === 'text')
  const calls = choice.parts.filter((part) => part.kind === 'tool-call')
  const toolCalls = calls.map((call) => ({
    id: `call_${call.id}`,
    type: 'function',
    function: { name: call.name, arguments: [...call.pieces()].join('') },
  }))
  return {
    role: 'assistant',
    content: text ? [...text.pieces()].join('') : null,
    ...(toolCalls.length > 0 ? { tool_calls: toolCalls } : {}),
    refusal: null,
    annotations: [],
  }
}

function* frames(reply: Reply, ask: Ask): Generator<ReplyFrame> {
  const draw = drawFrom(hashText(ask.promptText))
  const chunk = (choices: readonly Json[], usage: Json, padding: number): string =>
    data({
      id: reply.id,
      object: 'chat.completion.chunk',
      created: reply.createdSeconds,
      model: ask.model,
      service_tier: 'default',
      system_fingerprint: FINGERPRINT,
      choices,
      ...(ask.wantsUsage && reply.usage ? { usage } : {}),
      ...(ask.isPadded ? { obfuscation: drawLetters(draw, Math.max(1, padding)) } : {}),
    })
  const turns = reply.choices.map((choice, index) => choiceDeltas(choice, index))
  for (const { kind, tokens, delta, index, finish, chars } of takeTurns(turns)) {
    const text = chunk([{ index, delta, logprobs: null, finish_reason: finish }], null, PADDED_CHARS - chars)
    yield { kind, text, tokens }
  }
  if (ask.wantsUsage && reply.usage) yield { kind: 'ending', text: chunk([], usageOf(reply), PADDED_CHARS), tokens: 0 }
  yield { kind: 'ending', text: 'data: [DONE]\n\n', tokens: 0 }
}

interface ChoiceDelta {
  readonly kind: ReplyFrame['kind']
  readonly tokens: number
  readonly index: number
  readonly delta: JsonObject
  readonly finish: string | null
  /** Characters of content, for the padding. */
  readonly chars: number
}

function* choiceDeltas(choice: ReplyChoice, index: number): Generator<ChoiceDelta> {
  const plain = { kind: 'other', tokens: 0, index, finish: null, chars: 0 } as const
  const begin = { role: 'assistant', content: choice.parts.some(isText) ? '' : null, refusal: null }
  const calls = choice.parts.filter((part) => part.kind === 'tool-call')
  if (calls.length === 0) yield { ...plain, delta: begin }
  for (const part of choice.parts.filter(isText)) {
    for (const content of part.pieces()) {
      yield { ...plain, kind: 'content', tokens: 1, delta: { content }, chars: content.length }
    }
  }
  for (const [position, call] of calls.entries()) {
    const named = {
      index: position,
      id: `call_${call.id}`,
      type: 'function',
      function: { name: call.name, arguments: '' },
    }
    const delta = { ...(position === 0 ? begin : {}), tool_calls: [named] }
    yield { ...plain, tokens: call.nameTokens, delta }
    for (const piece of call.pieces()) {
      const delta = { tool_calls: [{ index: position, function: { arguments: piece } }] }
      yield { ...plain, kind: 'content', tokens: 1, delta, chars: piece.length }
    }
  }
  yield { ...plain, kind: 'ending', delta: {}, finish: finishOf(choice) }
}

/** One from each, round and round, until all are done: how several choices share a stream. */
function* takeTurns<T>(rows: readonly Iterator<T>[]): Generator<T> {
  let open = rows
  while (open.length > 0) {
    const still: Iterator<T>[] = []
    for (const row of open) {
      const next = row.next()
      if (next.done === true) continue
      yield next.value
      still.push(row)
    }
    open = still
  }
}

function usageOf(reply: Reply): Json {
  const { input, output, reasoning } = reply.usage ?? { input: 0, output: 0, reasoning: 0 }
  return {
    prompt_tokens: input,
    completion_tokens: output,
    total_tokens: input + output,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: reasoning,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

function finishOf(choice: ReplyChoice): string | null {
  return choice.finish === null ? null : FINISH[choice.finish]
}

function isText(part: ReplyPart): boolean {
  return part.kind === 'text'
}

function data(value: Json): string {
  return `data: ${JSON.stringify(value)}\n\n`
}
