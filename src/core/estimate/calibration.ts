// How far the estimates of token counts are off, model by model, learned from what providers report. In an isolate's memory
// and bounded: what is forgotten is learned again. No clock, no chance; tokens and characters only.

/** What is known of one model. */
interface Learned {
  /** Actual prompt tokens per estimated one. */
  promptFactor: number
  prompts: number
  /** Characters of visible output per token; 0 while no reply was heard of. */
  charsPerToken: number
  replies: number
}

/** A factor outside of this is a provider's own counting, or something else in the prompt, and is not followed. */
const FACTOR_MIN = 0.5
const FACTOR_MAX = 4
/** Shorter prompts are mostly overhead, shorter replies mostly rounding. */
const PROMPT_TOKENS_MIN = 64
const REPLY_TOKENS_MIN = 32
/** From one character per token (Chinese) to eight (long words, runs of blanks). */
const CHARS_PER_TOKEN_MIN = 0.5
const CHARS_PER_TOKEN_MAX = 8
/** What an observation weighs, after the first few, which weigh more. */
const WEIGHT = 0.1
const MODELS_MAX = 500

export class Calibration {
  readonly #models = new Map<string, Learned>()

  /** By how much to multiply the estimate of a text's tokens: 1 for a model that nothing is known of, always from 1/2 to 4. */
  promptFactor(model: string): number {
    return this.#models.get(model)?.promptFactor ?? 1
  }

  /** Characters of its output that make a token, on average; null for a model that has not been heard yet. */
  charsPerToken(model: string): number | null {
    const known = this.#models.get(model)
    return known === undefined || known.replies === 0 ? null : known.charsPerToken
  }

  /** A prompt of nothing but text that was estimated at `estimated` tokens, uncorrected, and that the provider counted as
   *  `actual`. Short prompts teach nothing. */
  learnPrompt(model: string, estimated: number, actual: number): void {
    if (estimated < PROMPT_TOKENS_MIN || actual <= 0) return
    const learned = this.#of(model)
    const seen = within(actual / estimated, FACTOR_MIN, FACTOR_MAX)
    learned.prompts += 1
    // That the estimate is right counts as the first observation.
    learned.promptFactor = moved(learned.promptFactor, seen, learned.prompts + 1)
  }

  /** A whole reply of so many visible characters for which the provider counted `tokens`, all of them visible. */
  learnReply(model: string, chars: number, tokens: number): void {
    if (tokens < REPLY_TOKENS_MIN || chars <= 0) return
    const learned = this.#of(model)
    const seen = within(chars / tokens, CHARS_PER_TOKEN_MIN, CHARS_PER_TOKEN_MAX)
    learned.replies += 1
    learned.charsPerToken = moved(learned.charsPerToken, seen, learned.replies)
  }

  #of(model: string): Learned {
    const known = this.#models.get(model)
    if (known !== undefined) return known
    if (this.#models.size >= MODELS_MAX) this.#forgetOldest()
    const learned: Learned = { promptFactor: 1, prompts: 0, charsPerToken: 0, replies: 0 }
    this.#models.set(model, learned)
    return learned
  }

  #forgetOldest(): void {
    for (const model of this.#models.keys()) {
      this.#models.delete(model)
      return
    }
  }
}

/** The mean of the first observations, then a moving one. `count` includes this observation. */
function moved(mean: number, seen: number, count: number): number {
  return mean + (seen - mean) * Math.max(WEIGHT, 1 / count)
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value))
}
