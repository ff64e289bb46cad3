// Our own prices, as data: what the price catalogue lacks or has wrong, each with its source and the date it was read.
// They win over the catalogue. USD per million tokens, as providers publish them.
import type { UsdPerMillion } from './price-units.ts'

export interface PriceOverride {
  readonly provider: string
  /** The model as the provider names it, or `prefix*`. The first that covers a model wins. */
  readonly model: string
  readonly usdPerMillion: UsdPerMillion
  /** Where it was read. */
  readonly source: string
  /** When it was read, as yyyy-mm-dd. */
  readonly date: string
}

/** What the simulated OpenAI models charge: the shape of a real price list, cached input at half. */
const SIMULATED_OPENAI: UsdPerMillion = { input: 2.5, cacheRead: 1.25, output: 10 }
/** What the simulated Anthropic models charge: cache writes dearer than fresh input, as there. */
const SIMULATED_ANTHROPIC: UsdPerMillion = { input: 3, cacheRead: 0.3, cacheWrite: 3.75, cacheWriteLong: 6, output: 15 }
/** What the simulated Gemini models charge: cached input at a tenth. */
const SIMULATED_GEMINI: UsdPerMillion = { input: 2, cacheRead: 0.2, output: 12 }
/** What the simulated Bedrock models charge. */
const SIMULATED_BEDROCK: UsdPerMillion = { input: 0.8, cacheRead: 0.2, output: 3.2 }

export const PRICE_OVERRIDES: readonly PriceOverride[] = [
  simulated('simulated-openai', '*', SIMULATED_OPENAI),
  simulated('simulated-anthropic', '*', SIMULATED_ANTHROPIC),
  simulated('simulated-gemini', '*', SIMULATED_GEMINI),
  simulated('simulated-bedrock', '*', SIMULATED_BEDROCK),
]

function simulated(provider: string, model: string, usdPerMillion: UsdPerMillion): PriceOverride {
  return { provider, model, usdPerMillion, source: 'invented: simulated models', date: '2026-11-21' }
}
