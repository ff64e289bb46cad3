// Writes a neutral request in Gemini's form. Relies on the gaps having been asked for first: what is a gap and was allowed
// is left out or brought down to what the model takes. https://ai.google.dev/api/generate-content (read 2026-11-21)
import type { Target } from '../../core/directory.ts'
import type { Json, JsonObject } from '../../core/json.ts'
import type { NeutralRequest } from '../../core/neutral.ts'
import { geminiFamily } from '../../wire/gemini.ts'
import type { GeminiFamily } from '../../wire/gemini.ts'
import { arrayOf, objectOf, stringOf } from '../../wire/read.ts'
import { withoutUndefined } from '../../wire/write.ts'
import { writeTurns } from './contents.ts'
import { geminiSchema } from './schema.ts'
import { writeThinking } from './thinking.ts'
import { canCombine, writeToolConfig, writeTools } from './tools.ts'

/** Members of the request that a client may give by this wire's own names, and those of `generationConfig`. */
export const BODY_EXTRAS: readonly string[] = ['cachedContent', 'safetySettings', 'labels', 'modelArmorConfig']
export const CONFIG_EXTRAS: readonly string[] = [
  'mediaResolution',
  'speechConfig',
  'imageConfig',
  'audioTimestamp',
  'routingConfig',
  'enableEnhancedCivicAnswers',
]
/** The chat wire's settings of replies that aren't text. */
export const CHAT_EXTRAS: readonly string[] = ['modalities', 'audio']

/** The request body. `model` decides what it can be told; `maxOutputTokens` is the bound, thoughts included. */
export function writeGeminiRequest(
  request: NeutralRequest,
  model: string,
  target: Target,
  maxOutputTokens: number | null,
): JsonObject {
  const family = geminiFamily(model)
  const { contents, system } = writeTurns(request.messages, family)
  const generationConfig = writeConfig(request, family, maxOutputTokens)
  return withoutUndefined({
    ...extras(request.extra, BODY_EXTRAS),
    systemInstruction: system ?? undefined,
    contents,
    tools: writeTools(request, family),
    toolConfig: writeToolConfig(request, family, target),
    generationConfig: Object.keys(generationConfig).length === 0 ? undefined : generationConfig,
    serviceTier: writeTier(request.serviceTier),
  })
}

/** The members of `extra` with these names, also as they are spelt with underscores. */
function extras(extra: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, extra[name] ?? extra[snakeCase(name)]]))
}

/** `cachedContent` as `cached_content`. */
export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function writeConfig(request: NeutralRequest, family: GeminiFamily, maxOutputTokens: number | null): JsonObject {
  const { logprobs, seed, stop } = request
  return withoutUndefined({
    ...extras(request.extra, CONFIG_EXTRAS),
    maxOutputTokens: maxOutputTokens ?? undefined,
    temperature: request.temperature,
    topP: request.topP,
    topK: request.topK,
    seed: seed === undefined || !isSeed(seed) ? undefined : seed,
    stopSequences: stop === undefined || stop.length === 0 ? undefined : stop.slice(0, STOP_SEQUENCES_MAX),
    candidateCount: (request.n ?? 1) > 1 ? request.n : undefined,
    frequencyPenalty: request.frequencyPenalty,
    presencePenalty: request.presencePenalty,
    responseLogprobs: logprobs === undefined ? undefined : true,
    logprobs: logprobs === undefined || logprobs.top === 0 ? undefined : logprobs.top,
    thinkingConfig: writeThinking(request.reasoning, family),
    ...writeFormat(request, family),
    ...writeModalities(request.extra),
  })
}

/** Most sequences that a request may name. */
export const STOP_SEQUENCES_MAX = 5

/** Seeds are 32-bit integers. */
export function isSeed(seed: number): boolean {
  return Number.isInteger(seed) && Math.abs(seed) <= 0x7fffffff
}

function writeFormat(request: NeutralRequest, family: GeminiFamily): JsonObject {
  const format = request.responseFormat
  if (format === undefined || format.kind === 'text' || !canFormat(request, family)) return {}
  const schema = format.kind === 'json-schema' ? { responseJsonSchema: geminiSchema(format.schema) } : {}
  return { responseMimeType: 'application/json', ...schema }
}

/** True where a JSON format doesn't come into the way of tools. */
export function canFormat(request: NeutralRequest, family: GeminiFamily): boolean {
  return canCombine(family) || (request.tools.length === 0 && (request.hostedTools ?? []).length === 0)
}

/** A model that speaks can't write as well. */
function writeModalities(extra: JsonObject): JsonObject {
  const wanted = arrayOf(extra['modalities']).map((modality) => (stringOf(modality) ?? '').toUpperCase())
  const voiceName = stringOf(objectOf(extra['audio'])['voice'])
  const responseModalities = wanted.includes('AUDIO') ? ['AUDIO'] : wanted
  const isText = responseModalities.every((modality) => modality === 'TEXT')
  const voice: Json = { voiceConfig: { prebuiltVoiceConfig: { voiceName } } }
  return {
    ...(isText ? {} : { responseModalities }),
    ...(voiceName === null || !wanted.includes('AUDIO') ? {} : { speechConfig: voice }),
  }
}

/** Other wires' words for Google's tiers; what nobody chose is left to the provider. */
const TIERS: Readonly<Record<string, string | undefined>> = {
  default: 'standard',
  standard: 'standard',
  standard_only: 'standard',
  flex: 'flex',
  priority: 'priority',
}

function writeTier(tier: string | undefined): string | undefined {
  return tier === undefined ? undefined : TIERS[tier]
}

/** True for a tier that the provider has, or that leaves it to choose. */
export function isTier(tier: string): boolean {
  return tier === 'auto' || TIERS[tier] !== undefined
}
