// The dialect of the older completions: OpenAI's and those of servers that run models without a chat template. Prompts of
// every form pass on the native lane; of a conversation it takes a single question.
// https://platform.openai.com/docs/api-reference/completions/create
import type { Target } from '../../core/directory.ts'
import type { Gap } from '../../core/failure.ts'
import type { JsonObject } from '../../core/json.ts'
import type { NeutralRequest, SettingName } from '../../core/neutral.ts'
import { hasQuirk } from '../../core/quirk.ts'
import { uncarried } from '../../core/reply/request-gaps.ts'
import { withoutUndefined } from '../../wire/write.ts'
import type { Dialect } from '../dialect.ts'
import { openaiCall } from '../openai-chat/index.ts'
import { editCompletions } from '../openai-chat/edit.ts'
import { createCompletionsMeter, createCompletionsReader, readCompletions } from './reader.ts'
import { outputBound } from '../output-bound.ts'
import { modelOf, textOfTurn } from '../prompt-text.ts'
import { readErrorResponse } from '../failures/provider-error.ts'

const PATH = '/completions'

export const openaiCompletions: Dialect = {
  name: 'openai-completions',
  wire: 'openai-completions',
  framing: 'sse',
  auth: 'bearer',
  nativeWire: () => 'openai-completions',
  gaps: completionsGaps,
  write(request, target, edits) {
    const model = modelOf(request, target, edits.model)
    const bound = outputBound(request.maxOutputTokens, edits.maxOutputTokens)
    return openaiCall(PATH, model, target, JSON.stringify(writeRequest(request, target, model, bound)))
  },
  edit(text, body, edits, target) {
    return openaiCall(PATH, edits.model ?? String(body['model']), target, editCompletions(text, body, edits, target))
  },
  reader: createCompletionsReader,
  meter: createCompletionsMeter,
  read: readCompletions,
  fail: readErrorResponse,
  probe(target) {
    const body = { model: target.model, prompt: 'Reply with the word ok.', max_tokens: 1 }
    return openaiCall(PATH, target.model, target, JSON.stringify(body))
  },
}

const CARRIED: ReadonlySet<SettingName> = new Set([
  'maxOutputTokens',
  'temperature',
  'topP',
  'topK',
  'stop',
  'seed',
  'n',
  'frequencyPenalty',
  'presencePenalty',
  'logitBias',
  'logprobs',
  'promptCacheKey',
  'endUser',
])

function completionsGaps(request: NeutralRequest): readonly Gap[] {
  const isSame = request.wire === 'openai-completions'
  const gaps = [...uncarried(request, CARRIED, new Set(isSame ? Object.keys(request.extra) : []))]
  if (request.tools.length > 0) gaps.push({ field: 'tools', reason: 'this model calls no tools' })
  if (!isQuestion(request) && request.extra['prompt'] === undefined) {
    gaps.push({ field: 'messages', reason: 'this model takes one text, not a conversation' })
  }
  return gaps
}

/** A single turn of the user's, of nothing but text. */
function isQuestion({ messages }: NeutralRequest): boolean {
  const [only] = messages
  return messages.length === 1 && only?.role === 'user' && only.parts.every((part) => part.kind === 'text')
}

function writeRequest(request: NeutralRequest, target: Target, model: string, bound: number | null): JsonObject {
  const hasUsage = request.stream && !hasQuirk(target, 'no-stream-options')
  return withoutUndefined({
    prompt: request.messages.map(({ parts }) => textOfTurn(parts)).join('\n\n'),
    ...(request.wire === 'openai-completions' ? request.extra : {}),
    model,
    stream: request.stream ? true : undefined,
    stream_options: hasUsage ? { include_usage: true } : undefined,
    max_tokens: bound ?? undefined,
    temperature: request.temperature,
    top_p: request.topP,
    top_k: request.topK,
    n: request.n,
    stop: request.stop,
    seed: request.seed,
    frequency_penalty: request.frequencyPenalty,
    presence_penalty: request.presencePenalty,
    logit_bias: request.logitBias,
    logprobs: request.logprobs?.top,
    user: request.endUser,
  })
}
