// Cohere's wire, version 2 with the shapes of version 1: what its counts, reasons, probabilities and citations mean.
// https://docs.cohere.com/reference/chat
//
// Usage is counted twice: `tokens` is all that the model processed, with what Cohere adds itself (its own preamble,
// special tokens); `billed_units` is what is charged, and what the client has a hand in: that is the truth for money and
// limits. https://docs.cohere.com/docs/how-does-cohere-pricing-work ("billed" tokens)
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Citation, FinishReason, TokenLogprob } from '../core/neutral.ts'
import { NO_USAGE, withUnits } from '../core/money/usage.ts'
import type { Usage } from '../core/money/usage.ts'
import { arrayOf, countOf, isJsonArray, numberOf, objectOf, stringOf } from './read.ts'

/**
 * Billed usage in disjoint buckets; of everything processed where nothing says what was billed; null without counts.
 * `cached_tokens` counts from the front of all that was processed, where Cohere's own additions stand: only what exceeds
 * them is part of the billed prompt. What was processed is kept beside what was billed.
 */
export function readCohereUsage(value: Json | undefined): Usage | null {
  const usage = objectOf(value)
  const tokens = objectOf(usage['tokens'])
  const billed = isJsonObject(usage['billed_units']) ? usage['billed_units'] : tokens
  const prompt = countOf(billed['input_tokens'])
  const completion = countOf(billed['output_tokens'])
  if (prompt + completion === 0) return null
  const added = Math.max(0, countOf(tokens['input_tokens']) - prompt)
  const cacheRead = Math.min(prompt, Math.max(0, countOf(usage['cached_tokens']) - added))
  const reasoning = Math.min(completion, countOf(tokens['reasoning_tokens']))
  const counted = { ...NO_USAGE, input: prompt - cacheRead, cacheRead, output: completion - reasoning, reasoning }
  if (billed === tokens) return counted
  const processed = {
    processedInput: countOf(tokens['input_tokens']),
    processedOutput: countOf(tokens['output_tokens']),
  }
  return withUnits(counted, { ...processed, searches: countOf(billed['search_units']) })
}

/** Why a reply ended; null for an ending that is an error. */
export function readCohereFinish(reason: string): FinishReason | null {
  switch (reason.toUpperCase()) {
    case 'MAX_TOKENS':
      return 'length'
    case 'TOOL_CALL':
      return 'tool-calls'
    case 'ERROR_TOXIC':
      return 'filtered'
    case 'ERROR':
    case 'ERROR_LIMIT':
    case 'TIMEOUT':
      return null
    default:
      return 'stop'
  }
}

/** Probabilities as OpenAI writes them. Cohere groups tokens by the text that they make: a group is one entry. */
export function readCohereLogprobs(value: Json | undefined): readonly TokenLogprob[] {
  const groups = isJsonArray(value) ? value : isJsonObject(value) ? [value] : []
  return groups.flatMap((item) => {
    const group = objectOf(item)
    const token = stringOf(group['text'])
    const sum = arrayOf(group['logprobs']).reduce<number>((total, logprob) => total + (numberOf(logprob) ?? 0), 0)
    return token === null ? [] : [{ token, logprob: sum, bytes: null, top_logprobs: [] }]
  })
}

/** A text that citations point into, and where in it the block begins that their offsets count from. */
export interface CitedText {
  readonly text: string
  readonly blockStart: number
}

/** The citations that one of Cohere's stands for: one for each of its sources. `documents`: those that version 1 names by
 *  id only. */
export function readCohereCitation(
  value: JsonObject,
  cited: CitedText,
  documents: ReadonlyMap<string, JsonObject>,
): readonly Citation[] {
  const span = { ...spanOf(value, cited), wire: 'cohere' as const, value }
  const named = arrayOf(value['document_ids']).flatMap((id) => (typeof id === 'string' ? [{ id }] : []))
  const sources = [...arrayOf(value['sources']).map((source) => objectOf(source)), ...named]
  if (sources.length === 0) return [span]
  return sources.map((source) => ({ ...readSource(source, documents), ...span }))
}

function readSource(source: JsonObject, documents: ReadonlyMap<string, JsonObject>): Citation {
  const id = stringOf(source['id']) ?? ''
  const own = source['document'] ?? source['tool_output']
  const document = isJsonObject(own) ? own : (documents.get(id) ?? {})
  const url = stringOf(document['url']) ?? (/^https?:\/\//.test(id) ? id : null)
  const title = stringOf(document['title'])
  const citedText = stringOf(document['text'] ?? document['snippet'])
  return {
    ...(url === null ? {} : { url }),
    ...(title === null ? {} : { title }),
    ...(citedText === null ? {} : { citedText }),
  }
}

/** Offsets in UTF-16 units. Cohere counts characters, which isn't the same behind an emoji: the span that says the cited
 *  words is the right one. */
function spanOf(value: JsonObject, { text, blockStart }: CitedText): Pick<Citation, 'start' | 'end'> {
  const start = numberOf(value['start'])
  const end = numberOf(value['end'])
  if (start === null || end === null) return {}
  const block = text.slice(blockStart)
  const words = stringOf(value['text'])
  if (words !== null && block.slice(start, end) !== words) {
    const units = (characters: number): number => Array.from(block).slice(0, characters).join('').length
    if (block.slice(units(start), units(end)) === words) {
      return { start: blockStart + units(start), end: blockStart + units(end) }
    }
  }
  return { start: blockStart + start, end: blockStart + end }
}
