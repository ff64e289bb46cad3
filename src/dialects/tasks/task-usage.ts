// Tokens that a task's reply reports, in any of the shapes that OpenAI and its followers use: embeddings count a prompt,
// pictures and transcripts count input and output with details, rerankers count a total.
// https://platform.openai.com/docs/api-reference/audio/json-object (read 2026-11-21)
import { type Json, type JsonObject, isJsonObject } from '../../core/json.ts'
import { NO_USAGE, type Usage, withUnits } from '../../core/money/usage.ts'
import { countOf, numberOf, objectOf } from '../../wire/read.ts'

/** Usage of a prompt of so many tokens; null where the provider didn't say. */
export function promptUsage(tokens: Json | undefined): Usage | null {
  return numberOf(tokens) === null ? null : { ...NO_USAGE, input: countOf(tokens) }
}

/** The counts of a `usage` object: tokens, or seconds of sound; null when it has none of both, or is none. */
export function readTaskUsage(value: Json | undefined): Usage | null {
  if (!isJsonObject(value)) return null
  const input = numberOf(value['prompt_tokens']) ?? numberOf(value['input_tokens'])
  if (input === null) return secondsHeard(value) ?? promptUsage(value['total_tokens'])
  const details = firstObject(value, ['input_token_details', 'input_tokens_details', 'prompt_tokens_details'])
  const cacheRead = countOf(details['cached_tokens'])
  const audioInput = countOf(details['audio_tokens'])
  const outputDetails = firstObject(value, ['output_token_details', 'output_tokens_details'])
  const audioOutput = countOf(outputDetails['audio_tokens'])
  const output = countOf(value['completion_tokens'] ?? value['output_tokens'])
  return {
    ...NO_USAGE,
    input: Math.max(0, countOf(input) - cacheRead - audioInput),
    cacheRead,
    audioInput,
    output: Math.max(0, output - audioOutput),
    audioOutput,
  }
}

function secondsHeard({ type, seconds }: JsonObject): Usage | null {
  const heard = numberOf(seconds)
  if (type !== 'duration' || heard === null || heard < 0) return null
  return withUnits(NO_USAGE, { milliseconds: Math.ceil(heard * 1_000) })
}

function firstObject(value: JsonObject, names: readonly string[]): JsonObject {
  return objectOf(names.map((name) => value[name]).find(isJsonObject))
}
