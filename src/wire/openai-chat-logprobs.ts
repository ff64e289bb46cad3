// Probabilities of tokens: as chat completions have them, which is also the neutral form, and as the older completions have
// them, which some chat servers still send. https://platform.openai.com/docs/api-reference/completions/object
import { isJsonObject } from '../core/json.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { TokenLogprob } from '../core/neutral.ts'
import { arrayOf, codeOf, isJsonArray, numberOf, objectOf } from './read.ts'

/** The tokens that a choice's `logprobs` tell of, in either form: those of its content, then those of its refusal. */
export function readLogprobs(value: JsonObject): readonly TokenLogprob[] {
  if (isJsonArray(value['tokens'])) return readOlder(value, value['tokens'])
  return [...arrayOf(value['content']), ...arrayOf(value['refusal'])].filter((token) => isJsonObject(token))
}

/** Tokens as a choice's `logprobs` in a chat reply. */
export function writeLogprobs(tokens: readonly TokenLogprob[], isRefusal: boolean): JsonObject {
  const list = tokens.map((token) => ({ bytes: null, top_logprobs: [], ...token }))
  return isRefusal ? { content: null, refusal: list } : { content: list, refusal: null }
}

/** Tokens in the older form. `offset`: characters of text before them, the prompt's included where it is echoed. */
export function writeOlderLogprobs(tokens: readonly TokenLogprob[], offset: number): JsonObject {
  const offsets: number[] = []
  let at = offset
  for (const token of tokens) {
    offsets.push(at)
    at += tokenOf(token).length
  }
  return {
    text_offset: offsets,
    token_logprobs: tokens.map((token) => numberOf(token['logprob'])),
    tokens: tokens.map((token) => tokenOf(token)),
    top_logprobs: tokens.map((token) => alternatives(token)),
  }
}

/** The token itself; empty where a provider's is none. */
export function tokenOf(token: TokenLogprob): string {
  return codeOf(token['token']) ?? ''
}

function alternatives(token: TokenLogprob): JsonObject {
  const entries = arrayOf(token['top_logprobs']).map((value): readonly [string, Json] => {
    const alternative = objectOf(value)
    return [tokenOf(alternative), numberOf(alternative['logprob'])]
  })
  return Object.fromEntries(entries)
}

function readOlder(value: JsonObject, tokens: readonly Json[]): readonly TokenLogprob[] {
  const probabilities = arrayOf(value['token_logprobs'])
  const tops = arrayOf(value['top_logprobs'])
  return tokens.flatMap((token, at): readonly TokenLogprob[] => {
    const text = typeof token === 'string' ? token : null
    if (text === null) return []
    const top = Object.entries(objectOf(tops[at])).map(([name, logprob]) => ({
      token: name,
      logprob: numberOf(logprob),
      bytes: null,
    }))
    // The first token of an echoed prompt has none.
    return [{ token: text, logprob: numberOf(probabilities[at]), bytes: null, top_logprobs: top }]
  })
}
