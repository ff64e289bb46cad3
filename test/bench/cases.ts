// What is asked of each target. A request is what a client of the gateway sends; where the gateway translates, the
// pass-through and the provider get the provider's own request.
import type { Job } from './job.ts'
import type { BenchTarget } from './targets.ts'

export type CaseName =
  | 'small-c1'
  | 'small-c16'
  | 'large-c16'
  | 'native-burst-c1'
  | 'native-burst-c16'
  | 'native-paced'
  | 'translated-burst-c1'
  | 'translated-paced'

/** Pieces of content in a stream that is sent as fast as it goes. */
export const BURST_PIECES = 100
const PACED_PIECES = 3
const LARGE_BYTES = 70_000

interface Recipe {
  readonly concurrency: number
  readonly isTranslated: boolean
  /** Null for an answer in one piece. */
  readonly stream: { readonly pieces: number; readonly delayMs: number } | null
  readonly bodyBytes: number
}

const WHOLE = { isTranslated: false, stream: null, bodyBytes: 0 }
const BURST = { stream: { pieces: BURST_PIECES, delayMs: 0 }, bodyBytes: 0 }
const PACED = { stream: { pieces: PACED_PIECES, delayMs: 20 }, bodyBytes: 0, concurrency: 1 }

const RECIPES: Readonly<Record<CaseName, Recipe>> = {
  'small-c1': { ...WHOLE, concurrency: 1 },
  'small-c16': { ...WHOLE, concurrency: 16 },
  'large-c16': { ...WHOLE, concurrency: 16, bodyBytes: LARGE_BYTES },
  'native-burst-c1': { ...BURST, isTranslated: false, concurrency: 1 },
  'native-burst-c16': { ...BURST, isTranslated: false, concurrency: 16 },
  'native-paced': { ...PACED, isTranslated: false },
  'translated-burst-c1': { ...BURST, isTranslated: true, concurrency: 1 },
  'translated-paced': { ...PACED, isTranslated: true },
}

/** In the order in which they are measured. */
export const CASE_NAMES: readonly CaseName[] = [
  'small-c1',
  'small-c16',
  'large-c16',
  'native-burst-c1',
  'native-burst-c16',
  'native-paced',
  'translated-burst-c1',
  'translated-paced',
]

const QUESTION = 'Say hello to the world in one short sentence.'
const FILLER = 'lorem "ipsum" dolor\nsit amet '

function bodyOf(recipe: Recipe, isAnthropic: boolean): string {
  const { stream, isTranslated, bodyBytes } = recipe
  const name = isTranslated ? 'claude-mock' : 'mock'
  const model = stream === null ? name : `${name}-c${stream.pieces}-d${stream.delayMs}`
  const question = bodyBytes === 0 ? QUESTION : FILLER.repeat(Math.ceil(bodyBytes / JSON.stringify(FILLER).length))
  const system = 'You are a helpful assistant.'
  const user = { role: 'user', content: question }
  const prompt = isAnthropic ? { system, messages: [user] } : { messages: [{ role: 'system', content: system }, user] }
  return JSON.stringify({
    model,
    temperature: 0.7,
    max_tokens: 256,
    ...prompt,
    ...(stream === null ? {} : { stream: true }),
    ...(stream === null || isAnthropic ? {} : { stream_options: { include_usage: true } }),
  })
}

/** The load of one case on one target. */
export function jobFor(name: CaseName, target: BenchTarget, seconds: number): Job {
  const recipe = RECIPES[name]
  const isAnthropic = recipe.isTranslated && target.name !== 'gateway'
  const { stream } = recipe
  return {
    url: `${target.url}/v1/${isAnthropic ? 'messages' : 'chat/completions'}`,
    headers: target.headers,
    body: bodyOf(recipe, isAnthropic),
    concurrency: recipe.concurrency,
    seconds,
    content: { text: isAnthropic ? '"text":"t' : '"content":"t', times: stream === null ? 1 : stream.pieces },
    end: stream === null ? '}' : isAnthropic ? '{"type":"message_stop"}' : 'data: [DONE]',
  }
}
