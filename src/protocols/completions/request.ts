// Reads a request for an older completion: the facts for every request, the neutral form for the translated lane.
import type { InvalidRequest } from '../../core/failure.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralMessage, NeutralRequest } from '../../core/neutral.ts'
import { err, ok } from '../../core/result.ts'
import type { Result } from '../../core/result.ts'
import { plainPromptOf, promptCount } from '../../wire/openai-completions.ts'
import { arrayOf, countOf, isJsonArray, numberOf, objectOf, stringOf } from '../../wire/read.ts'
import { checkModel, checkSettings, invalidRequest, wrongType } from '../chat/facts.ts'
import { STREAM_OPTIONS } from '../chat/strays.ts'
import { SAMPLING_FORMS, readBookkeeping, readSampling, readStop } from '../chat/request.ts'
import type { RequestFacts } from '../protocol.ts'
import { members, straysIn } from '../strays.ts'
import { unreadable } from '../unreadable.ts'

/** Checks the request and reads its facts. The error names the first field that is wrong. */
export function completionsFacts(body: JsonObject): Result<RequestFacts, InvalidRequest> {
  const invalid =
    checkModel(body) ?? checkPrompt(body['prompt']) ?? checkSettings(withoutBound(body)) ?? checkCounts(body)
  if (invalid !== null) return err(invalid)
  const n = numberOf(body['n']) ?? 1
  return ok({
    model: String(body['model']),
    isStreamed: body['stream'] === true,
    wantsUsage: objectOf(body['stream_options'])['include_usage'] === true,
    maxOutputTokens: numberOf(body['max_tokens']),
    // What `best_of` makes and doesn't show is paid for as well.
    choices: Math.max(n, countOf(body['best_of'])) * promptCount(body['prompt']),
    endUser: stringOf(body['user']),
    promptText: () => promptText(body),
    cacheability: cacheabilityOf(body, n),
  })
}

/** The whole request in neutral form. */
export function readCompletionsRequest(body: JsonObject): Result<NeutralRequest, InvalidRequest> {
  const facts = completionsFacts(body)
  if (!facts.ok) return facts
  const prompt = plainPromptOf(body['prompt'])
  const messages: readonly NeutralMessage[] =
    prompt === null ? [] : [{ role: 'user', parts: [{ kind: 'text', text: prompt }] }]
  const { logprobs: _, ...sampling } = readSampling(body)
  const stop = readStop(body['stop'])
  const top = numberOf(body['logprobs'])
  const bound = numberOf(body['max_tokens'])
  return ok({
    wire: 'openai-completions',
    model: facts.value.model,
    stream: facts.value.isStreamed,
    includeUsage: facts.value.wantsUsage,
    messages,
    tools: [],
    ...sampling,
    ...readBookkeeping(body),
    ...(bound === null ? {} : { maxOutputTokens: bound }),
    ...(stop.length === 0 ? {} : { stop }),
    ...(top === null ? {} : { logprobs: { top } }),
    fieldNames: { maxOutputTokens: 'max_tokens' },
    extra: readExtra(body, prompt === null),
    ...straysIn(body, COMPLETIONS_REQUEST),
  })
}

const COMPLETIONS_REQUEST = members({ stream_options: STREAM_OPTIONS }, { isOpen: true })

const KNOWN = new Set([
  'model',
  'stream',
  'stream_options',
  'max_tokens',
  'temperature',
  'top_p',
  'top_k',
  'n',
  'stop',
  'seed',
  'frequency_penalty',
  'presence_penalty',
  'logit_bias',
  'logprobs',
  'user',
  'metadata',
  'service_tier',
  'prompt_cache_key',
  'tidegate',
])

/** What asks for nothing. */
const NOTHING: Readonly<Record<string, Json>> = { echo: false, best_of: 1, suffix: '' }

function readExtra(body: JsonObject, keepsPrompt: boolean): JsonObject {
  const extra: Record<string, Json> = {}
  for (const [name, value] of Object.entries(body)) {
    if (value === undefined || value === null || KNOWN.has(name)) continue
    if (name === 'prompt' ? keepsPrompt : NOTHING[name] !== value) extra[name] = value
  }
  return { ...extra, ...unreadable(body, SAMPLING_FORMS) }
}

function checkPrompt(prompt: Json | undefined): InvalidRequest | null {
  if (prompt === undefined || prompt === null) {
    return invalidRequest('prompt', "Missing required parameter: 'prompt'.")
  }
  const isKnown =
    typeof prompt === 'string' ||
    (isJsonArray(prompt) &&
      prompt.length > 0 &&
      (isTokens(prompt) || prompt.every((item) => typeof item === 'string' || (isJsonArray(item) && isTokens(item)))))
  return isKnown ? null : wrongType('prompt', 'a string, an array of strings, or tokens', prompt)
}

function isTokens(list: readonly Json[]): boolean {
  return list.every((item) => typeof item === 'number')
}

/** Chat takes no bound of 0; here it is how a prompt is scored. */
function withoutBound(body: JsonObject): JsonObject {
  return body['max_tokens'] === 0 ? { ...body, max_tokens: null } : body
}

function checkCounts(body: JsonObject): InvalidRequest | null {
  for (const name of ['logprobs', 'best_of']) {
    const value = body[name]
    if (value === undefined || value === null) continue
    if (!Number.isSafeInteger(value) || Number(value) < 0) return wrongType(name, 'a non-negative integer', value)
  }
  return null
}

function promptText(body: JsonObject): string {
  const prompt = body['prompt']
  const suffix = stringOf(body['suffix']) ?? ''
  if (typeof prompt === 'string') return prompt + suffix
  const texts = arrayOf(prompt).map((item) => (typeof item === 'string' ? item : JSON.stringify(item)))
  return texts.join('\n') + suffix
}

function cacheabilityOf(body: JsonObject, n: number): RequestFacts['cacheability'] {
  const isMore = n > 1 || countOf(body['best_of']) > 1 || body['echo'] === true || typeof body['logprobs'] === 'number'
  if (isMore || plainPromptOf(body['prompt']) === null) return 'never'
  return body['temperature'] === 0 || typeof body['seed'] === 'number' ? 'deterministic' : 'cacheable'
}
