// The Gemini wire: what its models' names, usage and finish reasons mean. The dialect and the embeddings share it.
// https://ai.google.dev/api/generate-content and https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest
// (read 2026-11-21).
import type { Target } from '../core/directory.ts'
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { FinishReason } from '../core/neutral.ts'
import type { Usage } from '../core/money/usage.ts'
import { pathSegment } from './path-segment.ts'
import { arrayOf, countOf, objectOf, stringOf } from './read.ts'

/** What the name of a model tells of it. */
export interface GeminiFamily {
  /** `2.5`, `3`; null for a name that doesn't tell (a tuned model, an endpoint). Names that end in `latest` are of version
   *  3 at least. */
  readonly version: number | null
  readonly isPro: boolean
  readonly isGemma: boolean
}

/** The family of a model, by its name alone, whatever stands before the last slash. */
export function geminiFamily(model: string): GeminiFamily {
  const name = model.slice(model.lastIndexOf('/') + 1).toLowerCase()
  const found = /\bgem(?:ini|ma)-(\d+(?:\.\d+)?)/.exec(name)
  const latest = /\bgemini-.*latest$/.test(name) ? 3 : null
  return {
    version: found === null ? latest : Number(found[1]),
    isPro: /-pro\b/.test(name),
    isGemma: /\bgemma-/.test(name),
  }
}

/** True for Vertex AI, which has models below a project and a location. */
export function isVertex(target: Target): boolean {
  return target.settings?.['host'] === 'vertex'
}

const MODEL = /^(?:models\/|publishers\/google\/models\/)?([^/]*)$/
const TUNED = /^(tunedModels|endpoints)\/([^/]+)$/
const PUBLISHED = /^publishers\/([^/]+)\/models\/([^/]+)$/

/**
 * The path of a model below the base URL. The documented resource names are taken as they are (`models/x`,
 * `tunedModels/x`; on Vertex `publishers/p/models/x` and `endpoints/x`); any other name is one segment, whatever is in it.
 */
export function geminiModelPath(model: string, target: Target): string {
  const root = isVertex(target) ? '/publishers/google/models/' : '/models/'
  const plain = MODEL.exec(model)
  if (plain !== null) return root + pathSegment(plain[1] ?? '')
  const tuned = TUNED.exec(model)
  if (tuned !== null) return `/${tuned[1] ?? ''}/${pathSegment(tuned[2] ?? '')}`
  const published = isVertex(target) ? PUBLISHED.exec(model) : null
  if (published === null) return root + pathSegment(model)
  return `/publishers/${pathSegment(published[1] ?? '')}/models/${pathSegment(published[2] ?? '')}`
}

/**
 * Usage in disjoint buckets, or null where `value` holds no counts. Cached tokens are part of the prompt; what the
 * provider's own tools read and what the model thought are counted beside prompt and candidates. Where the total shows
 * that thoughts were counted among the candidates, they are taken out. Counts may be strings (64-bit integers are).
 */
export function readGeminiUsage(value: Json | undefined): Usage | null {
  if (!isJsonObject(value)) return null
  const prompt = countOf(value['promptTokenCount'])
  const toolPrompt = countOf(value['toolUsePromptTokenCount'])
  const candidates = countOf(value['candidatesTokenCount'])
  const thoughts = countOf(value['thoughtsTokenCount'])
  const total = countOf(value['totalTokenCount'])
  if (prompt + toolPrompt + candidates + thoughts + total === 0) return null
  const isInside = thoughts > 0 && thoughts <= candidates && total === prompt + toolPrompt + candidates
  const said = isInside ? candidates - thoughts : candidates
  const cacheRead = Math.min(prompt, countOf(value['cachedContentTokenCount']))
  const heard = audioIn(value['promptTokensDetails']) - audioIn(value['cacheTokensDetails'])
  const audioInput = Math.min(prompt - cacheRead, Math.max(0, heard))
  const audioOutput = Math.min(said, audioIn(value['candidatesTokensDetails']))
  return {
    input: prompt - cacheRead - audioInput + toolPrompt,
    cacheRead,
    cacheWrite: 0,
    cacheWriteLong: 0,
    output: said - audioOutput,
    reasoning: thoughts,
    audioInput,
    audioOutput,
  }
}

/** `Modality.AUDIO` where enums are numbers. */
const AUDIO_NUMBER = 4

function audioIn(details: Json | undefined): number {
  let tokens = 0
  for (const value of arrayOf(details)) {
    const detail = objectOf(value)
    const isAudio = detail['modality'] === 'AUDIO' || detail['modality'] === AUDIO_NUMBER
    if (isAudio) tokens += countOf(detail['tokenCount'])
  }
  return tokens
}

/** Vertex' words for how a request was let in, where its price isn't the usual one. Throughput that was bought is no tier.
 *  https://docs.cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/GenerateContentResponse (read 2026-11-21) */
const TRAFFIC_TIERS: Readonly<Record<string, string>> = {
  ON_DEMAND_PRIORITY: 'priority',
  ON_DEMAND_FLEX: 'flex',
}

/** The tier that a reply was served from, in the provider's own words or, of Vertex, in OpenAI's; null for none given. */
export function readGeminiTier(value: Json | undefined): string | null {
  const usage = objectOf(value)
  return stringOf(usage['serviceTier']) ?? TRAFFIC_TIERS[stringOf(usage['trafficType']) ?? ''] ?? null
}

/** Reasons that are about what is said. `LANGUAGE`: flagged for a language that isn't supported. */
const FILTERED = /SAFETY|RECITATION|BLOCKLIST|PROHIBITED|SPII|MODEL_ARMOR|JAILBREAK|LANGUAGE/

/**
 * Reasons for which there is no reply: a call that can't be made, output that can't be read, and `OTHER`, which Google
 * gives for an internal error and for whatever it doesn't name.
 */
const BROKEN = /OTHER|TOOL_CALL|FUNCTION_CALL|MALFORMED|THOUGHT_SIGNATURE/
const OTHER_NUMBER = 5

/**
 * A finish reason, by name or (`enum-encoding=int`) by number; null for none. `broken`: the model failed. Names that
 * nobody knows yet mean that it stopped by itself; so does `NO_IMAGE`, since what was said instead is whole. Numbers above
 * 5 differ between Google's two services: most are filters in both.
 * https://ai.google.dev/api/generate-content#FinishReason (read 2026-11-21)
 */
export function readGeminiFinish(value: Json | undefined): FinishReason | 'broken' | null {
  if (typeof value === 'number') return finishOfNumber(value)
  if (typeof value !== 'string' || value === '' || value === 'FINISH_REASON_UNSPECIFIED') return null
  if (value === 'MAX_TOKENS') return 'length'
  if (FILTERED.test(value)) return 'filtered'
  return BROKEN.test(value) ? 'broken' : 'stop'
}

function finishOfNumber(value: number): FinishReason | 'broken' | null {
  if (value < 1) return null
  if (value === 1) return 'stop'
  if (value === 2) return 'length'
  return value === OTHER_NUMBER ? 'broken' : 'filtered'
}

/** True where the prompt itself was refused: no candidate will come. */
export function isPromptBlocked(body: JsonObject): boolean {
  const feedback = objectOf(body['promptFeedback'])
  const reason = feedback['blockReason']
  if (reason === undefined) return typeof feedback['blockReasonMessage'] === 'string'
  return reason !== 0 && reason !== '' && reason !== null && !(stringOf(reason) ?? '').endsWith('_UNSPECIFIED')
}

/** Gemini's older models give calls no id. Unique within a conversation as far as the reply's own id is. */
export function madeUpId(replyId: string, choice: number, call: number): string {
  const base = replyId.replaceAll(/[^a-zA-Z0-9_-]/g, '_').slice(0, 40)
  return `call_${base}${base === '' ? '' : '_'}${choice}_${call}`
}

/** True for an id that a reader made up: it is none of the provider's. */
export function isMadeUpId(id: string): boolean {
  return /^call_(?:[\w-]*_)?\d+_\d+$/.test(id)
}
