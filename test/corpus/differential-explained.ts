// Where the AI SDK and our dialects read a recorded reply differently, and why: what is not explained here is a fault of
// one of the two. An explanation says which of the readings it is about, and looks at the reply itself, not at its name.
import { parseJson } from '../../src/core/json.ts'
import { arrayOf, countOf, objectOf } from '../../src/wire/read.ts'
import type { Told } from './differential-readings.ts'
import type { Exchange } from './exchanges.ts'
import { hasFailed } from './naive-gemini.ts'

/** A member in which two readings may differ. */
export type Aspect = Exclude<keyof Told, 'refusal'>

export interface Difference {
  readonly exchange: Exchange
  readonly theirs: Told
  readonly ours: Told
}

export interface Explanation {
  readonly name: string
  readonly reason: string
  /** What of a reading it explains. */
  readonly aspects: readonly Aspect[]
  holds(difference: Difference): boolean
}

const ALL: readonly Aspect[] = [
  'text',
  'reasoning',
  'calls',
  'finish',
  'inputTokens',
  'cachedTokens',
  'outputTokens',
  'reasoningTokens',
  'error',
]
const USAGE: readonly Aspect[] = ['inputTokens', 'cachedTokens', 'outputTokens', 'reasoningTokens']

/** The aspects in which two readings differ. Reasoning is only counted where both do. */
export function differingAspects({ theirs, ours }: Difference): readonly Aspect[] {
  return ALL.filter((aspect) => {
    if (aspect === 'error') return (theirs.error === null) !== (ours.error === null)
    if (aspect === 'reasoningTokens' && (theirs[aspect] === null || ours[aspect] === null)) return false
    return JSON.stringify(theirs[aspect]) !== JSON.stringify(ours[aspect])
  })
}

const FRAMING: readonly Explanation[] = [
  {
    name: 'array stream',
    reason: 'a stream that comes as one JSON array, which Gemini sends unless asked for events: they read events alone',
    aspects: ALL,
    holds: ({ exchange, theirs, ours }) =>
      exchange.isStreamed && /^\s*\[/.test(exchange.body) && theirs.finish === 'interrupted' && ours.finish !== null,
  },
  {
    name: 'events without a blank line',
    reason: 'the last event, or every one, lacks the blank line that ends it: they drop it, we take what is there',
    aspects: ALL,
    holds: ({ exchange, theirs, ours }) =>
      exchange.isStreamed &&
      theirs.finish === 'interrupted' &&
      ours.finish !== null &&
      (!/\r?\n\r?\n$/.test(exchange.body) || /^data:.*\r?\ndata:/m.test(exchange.body)),
  },
  {
    name: 'strict schema',
    reason: 'their schema refuses what this provider sends (numbers for words, members missing): we read what is there',
    aspects: ALL,
    holds: ({ theirs, ours }) =>
      theirs.error !== null &&
      /TypeValidation|APICall/.test(theirs.error) &&
      ours.error === null &&
      ours.finish !== null,
  },
  {
    name: 'event that is not JSON',
    reason: 'they skip over it and report it; to us the stream is broken from there on',
    aspects: ALL,
    holds: ({ theirs, ours }) => theirs.error === 'AI_JSONParseError' && ours.error === 'stream',
  },
  {
    name: 'error outside of events',
    reason: 'the stream goes over into a bare error object: they drop it, to us the reply has failed',
    aspects: ['finish', 'error'],
    holds: ({ exchange, theirs, ours }) =>
      exchange.isStreamed && /^\s*"error": \{$/m.test(exchange.body) && theirs.error === null && ours.error !== null,
  },
  {
    name: 'stream that just ends',
    reason: 'without a reason for its end a stream is broken to us; they call it interrupted',
    aspects: ['finish', 'error'],
    holds: ({ exchange, theirs, ours }) =>
      exchange.isStreamed && theirs.finish === 'interrupted' && ours.finish === null && ours.error === 'stream',
  },
  {
    name: 'end without a reason',
    reason:
      'a chat stream ends in order but gives no reason: an error to them, to us a reply that stopped, so far as is known',
    aspects: ['finish', 'error'],
    holds: ({ exchange, theirs, ours }) =>
      exchange.api === 'openai.chat' &&
      exchange.body.trimEnd().endsWith('data: [DONE]') &&
      !/"finish_reason": ?"[a-z]/.test(exchange.body) &&
      theirs.error !== null &&
      ours.error === null,
  },
  {
    name: 'usage beside an error',
    reason: 'counts that come with the error: they give none, we meter them',
    aspects: USAGE,
    holds: ({ theirs, ours }) =>
      theirs.error !== null && ours.error !== null && theirs.inputTokens + theirs.outputTokens === 0,
  },
]

const ENDINGS: readonly Explanation[] = [
  {
    name: 'no word of theirs',
    reason: 'a reason that they have no word for: we take it for the nearest of ours',
    aspects: ['finish'],
    holds: ({ theirs, ours }) => theirs.finish === 'other' && ours.finish !== null,
  },
  {
    name: 'a model that gave up',
    reason: 'Gemini ends without a reply (an internal error, a call of a tool that is none): a failure to us',
    aspects: ['finish', 'error'],
    holds: ({ exchange, theirs, ours }) =>
      theirs.finish === 'other' && ours.finish === null && hasFailed(exchange.body),
  },
  {
    name: 'stopped to call',
    reason: 'a reply that holds calls and says that it stopped: to us it stopped for the calls',
    aspects: ['finish'],
    holds: ({ exchange, theirs, ours }) =>
      exchange.api === 'openai.chat' &&
      theirs.finish === 'stop' &&
      ours.finish === 'tool-calls' &&
      ours.calls.length > 0,
  },
  {
    name: 'incomplete without a reason',
    reason: 'the response says that it is incomplete, but not why: all its tokens went into reasoning',
    aspects: ['finish'],
    holds: ({ exchange, theirs, ours }) =>
      /"status": ?"incomplete"/.test(exchange.body) &&
      !exchange.body.includes('incomplete_details') &&
      theirs.finish === 'stop' &&
      ours.finish === 'length',
  },
  {
    name: 'refusal',
    reason: 'they have no refusals: they tell them as text, and most as a filtered reply',
    aspects: ['text', 'finish'],
    holds: ({ theirs, ours }) =>
      ours.refusal !== '' &&
      theirs.text === ours.text + ours.refusal &&
      (theirs.finish === ours.finish || theirs.finish === 'content-filter'),
  },
]

const CONTENT: readonly Explanation[] = [
  {
    name: 'compaction',
    reason: "a summary of the conversation is a text to them; to us it is a piece of Anthropic's alone",
    aspects: ['text'],
    holds: ({ exchange, theirs, ours }) =>
      exchange.api === 'anthropic.messages' &&
      /"type": ?"compaction"/.test(exchange.body) &&
      theirs.text.endsWith(ours.text),
  },
  {
    name: 'raw reasoning',
    reason: 'reasoning in full (`reasoning_text`) where they read its summary alone',
    aspects: ['reasoning'],
    holds: ({ exchange, theirs, ours }) =>
      exchange.api === 'openai.responses' &&
      /reasoning_text/.test(exchange.body) &&
      theirs.reasoning === '' &&
      ours.reasoning !== '',
  },
  {
    name: 'reasoning details',
    reason: 'reasoning that is only in `reasoning_details`, which they do not read',
    aspects: ['reasoning'],
    holds: ({ exchange, theirs, ours }) =>
      exchange.api === 'openai.chat' &&
      exchange.body.includes('reasoning_details') &&
      theirs.reasoning === '' &&
      ours.reasoning !== '',
  },
  {
    name: "a wire's own tool",
    reason: 'calls of tools that only the responses wire has (a shell, patches): carried as they are, no calls to us',
    aspects: ['calls', 'finish'],
    holds: ({ exchange, theirs, ours }) =>
      exchange.api === 'openai.responses' &&
      ours.calls.length === 0 &&
      theirs.calls.every(([name]) => ['shell', 'local_shell', 'apply_patch'].includes(name)) &&
      (theirs.finish === ours.finish || (theirs.finish === 'tool-calls' && ours.finish === 'stop')),
  },
  {
    name: 'older calls',
    reason: 'a `function_call` of the older kind, which they do not read',
    aspects: ['calls'],
    holds: ({ exchange, theirs, ours }) =>
      exchange.body.includes('"function_call"') &&
      theirs.error === null &&
      theirs.calls.length === 0 &&
      ours.calls.length === 1,
  },
  {
    name: 'several choices',
    reason: 'a stream of several choices: they take all for one, we tell them apart',
    aspects: ['text', 'calls'],
    holds: ({ exchange }) => exchange.isStreamed && exchange.body.split('\n').some((line) => tellsOfSecondChoice(line)),
  },
]

const COUNTS: readonly Explanation[] = [
  {
    name: 'cache of iterations',
    reason: 'of the turns that a compaction takes they sum the fresh tokens alone, we the cached ones too',
    aspects: ['inputTokens', 'cachedTokens'],
    holds: ({ exchange, theirs, ours }) =>
      exchange.body.includes('"iterations"') &&
      ours.inputTokens - theirs.inputTokens === ours.cachedTokens - theirs.cachedTokens,
  },
  {
    name: 'reasoning beside the output',
    reason: 'xAI counts reasoning beside the completion, as its total shows: they leave it out of the output',
    aspects: ['outputTokens'],
    holds: ({ theirs, ours }) =>
      theirs.reasoningTokens !== null && ours.outputTokens === theirs.outputTokens + theirs.reasoningTokens,
  },
  {
    name: 'beyond prompt and completion',
    reason:
      'the total has more than both: sound that is in no prompt (Mistral), thoughts that nothing else tells (Google)',
    aspects: ['inputTokens', 'outputTokens', 'reasoningTokens'],
    holds: ({ exchange, theirs, ours }) => {
      const total = Number([...exchange.body.matchAll(/"total_tokens": ?(\d+)/g)].at(-1)?.[1])
      const isWhole = ours.inputTokens + ours.outputTokens === total
      return isWhole && theirs.inputTokens + theirs.outputTokens < total && (theirs.reasoningTokens ?? 0) === 0
    },
  },
  {
    name: 'more cached than asked',
    reason:
      'xAI on Azure counts more tokens as cached than the prompt has: no token is in two buckets, so we cut it down',
    aspects: ['cachedTokens'],
    holds: ({ theirs, ours }) => theirs.cachedTokens > theirs.inputTokens && ours.cachedTokens === ours.inputTokens,
  },
  {
    name: 'more reasoning than said',
    reason:
      'a provider counts more reasoning than output, and a total without it: what it means is unknown, we cut it down',
    aspects: ['reasoningTokens'],
    holds: ({ theirs, ours }) =>
      (theirs.reasoningTokens ?? 0) > theirs.outputTokens && ours.reasoningTokens === ours.outputTokens,
  },
  {
    name: "Moonshot's cache",
    reason: '`cached_tokens` beside the prompt and not in its details, where they look for it',
    aspects: ['cachedTokens'],
    holds: ({ exchange, theirs, ours }) =>
      /"total_tokens": ?\d+,\s*"cached_tokens": ?[1-9]/.test(exchange.body) &&
      theirs.cachedTokens === 0 &&
      ours.cachedTokens > 0,
  },
]

function tellsOfSecondChoice(line: string): boolean {
  const { choices } = objectOf(parseJson(line.replace(/^data:/, '')))
  return arrayOf(choices).some((choice) => countOf(objectOf(choice)['index']) > 0)
}

/** Every explanation. */
export const EXPLANATIONS: readonly Explanation[] = [...FRAMING, ...ENDINGS, ...CONTENT, ...COUNTS]
