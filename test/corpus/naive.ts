// What a recorded exchange says, by the plain reading of its API, in the terms in which SDKs' readings are compared: what a
// client has to get to see, whatever it speaks.
import { arrayOf, countOf, objectOf } from '../../src/wire/read.ts'
import { type ChoiceReading, type Reading, type UsageReading, finishOf, usageOf } from './compare.ts'
import type { Exchange } from './exchanges.ts'
import { saidBy } from './naive-converse.ts'
import { finishOf as geminiFinish, hasFailed, messagesIn, naive as geminiSaid } from './naive-gemini.ts'
import { naively, stopReasonOf, topTokensOf } from './naive-messages.ts'
import { bodiesOf, noted, notedUsage } from './naive-openai.ts'
import { naive as plainSaid } from './naive-plain.ts'
import { plainReading } from './naive-responses.ts'

/** Who has to do something about an error, as a client can tell by what it gets. */
export type Blame = 'client' | 'credential' | 'throttled' | 'provider'

export interface Expected extends Reading {
  /** Of an error response; null for any other. */
  readonly blame: Blame | null
  /** Whether the model refuses: some wires tell that by the reason of the end. */
  readonly isRefused: boolean
  /** Usage as Anthropic's own SDK reads it, which leaves out what compacting took: on the native lane it comes as it was. */
  readonly ownUsage?: UsageReading | null
}

const NOTHING: Expected = { choices: [], usage: null, isError: true, blame: null, isRefused: false }

/** What the exchange says. An error response says nothing but whose it is. */
export function expectedOf(exchange: Exchange): Expected {
  if (exchange.status >= 400) return { ...NOTHING, blame: blameOf(exchange) }
  const said = saidIn(exchange)
  return said === null ? NOTHING : { ...NOTHING, isError: false, ...said }
}

type Found = Pick<Expected, 'choices' | 'usage'> & Partial<Expected>

/** Null for an error in place of a reply. */
function saidIn(exchange: Exchange): Found | null {
  switch (exchange.api) {
    case 'openai.chat':
    case 'openai.completions':
      return openai(exchange)
    case 'openai.responses':
      return responses(exchange)
    case 'anthropic.messages':
    case 'bedrock.invoke':
      return messages(exchange)
    case 'bedrock.converse':
      return converse(exchange)
    case 'gemini.generateContent':
      return gemini(exchange)
    default:
      return plain(exchange)
  }
}

/** By the status, and the few words by which providers say more than that. */
function blameOf({ status, body }: Exchange): Blame {
  if (body.includes('Content violates usage guidelines')) return 'client'
  // No money left is no throttle: waiting doesn't help.
  if (/API_KEY_INVALID|[Ii]ncorrect API key|insufficient_quota/.test(body)) return 'credential'
  // What a server isn't made for is for whoever routes to it to see to, as a credential is.
  if (status === 401 || status === 402 || status === 403 || status === 501) return 'credential'
  if (status === 429) return 'throttled'
  return status >= 500 ? 'provider' : 'client'
}

function openai(exchange: Exchange): Found {
  const choices = noted(exchange).map(({ text, calls, finish }) =>
    choiceOf(
      text,
      calls.map((call) => ({ name: call.name, arguments: call.text })),
      finish === '' ? null : finish,
    ),
  )
  const [prompt, completion] = notedUsage(exchange) ?? [0, 0]
  const isEnded = exchange.body.includes('data: [DONE]') || choices.some(({ finish }) => finish !== null)
  const isWhole = !exchange.isStreamed && choices.length > 0
  const isError = isFailed(exchange) || !(isEnded || isWhole)
  const refusal = bodiesOf(exchange)
    .flatMap((body) => arrayOf(body['choices']))
    .map((choice) => objectOf(objectOf(choice)['message'] ?? objectOf(choice)['delta'])['refusal'])
    .filter((text) => typeof text === 'string')
    .join('')
  const [first, ...others] = choices
  const all = first === undefined ? [] : [{ ...first, text: first.text + refusal }, ...others]
  return { choices: all, usage: usageOf(prompt, completion), isError, isRefused: refusal !== '' }
}

/** An error beside the choices, or in their place; one inside of them is about a filter. */
function isFailed(exchange: Exchange): boolean {
  const isTold = bodiesOf(exchange).some((body) => (body['error'] ?? null) !== null)
  return isTold || (exchange.isStreamed && /^(?:error:|event: error)/m.test(exchange.body))
}

function responses(exchange: Exchange): Found | null {
  const said = plainReading(exchange)
  if (said === null) return null
  const calls = said.calls.map((call) => {
    const [, name, text] = arrayOf(call)
    return { name: String(name), arguments: String(text) }
  })
  const finish = said.finish === 'filtered' ? 'content_filter' : said.finish
  const [prompt, completion] = said.usage ?? [0, 0]
  return {
    choices: [choiceOf(said.text + said.refusal, calls, finish)],
    usage: usageOf(prompt ?? 0, completion ?? 0),
    isRefused: said.refusal !== '',
  }
}

const STOP_REASONS: Readonly<Record<string, string>> = {
  tool_use: 'tool_calls',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  refusal: 'content_filter',
  guardrail_intervened: 'content_filter',
  content_filtered: 'content_filter',
}

function messages(exchange: Exchange): Found {
  const said = naively(exchange)
  const reason = stopReasonOf(exchange)
  const calls = said.calls.map((call) => {
    const [, name, input] = arrayOf(call)
    return { name: String(name), arguments: input ?? {} }
  })
  const choice = choiceOf(said.text, calls, reason === null ? null : (STOP_REASONS[reason] ?? 'stop'))
  const ownUsage = usageOf(...topTokensOf(exchange))
  return { choices: [choice], usage: usageOf(...said.tokens), isError: reason === null, ownUsage }
}

function converse(exchange: Exchange): Found {
  const { text, calls, stopReason, usage } = saidBy(exchange)
  const called = calls.map(({ name, input }) => ({ name, arguments: input }))
  const read = ['cacheReadInputTokens', 'cacheWriteInputTokens', 'inputTokens'].map((name) => countOf(usage[name]))
  const choice = choiceOf(text, called, STOP_REASONS[stopReason] ?? 'stop')
  const prompt = read.reduce((sum, count) => sum + count, 0)
  return { choices: [choice], usage: usageOf(prompt, countOf(usage['outputTokens'])), isError: stopReason === '' }
}

const NEUTRAL_REASONS: Readonly<Record<string, string>> = { 'tool-calls': 'tool_calls', filtered: 'content_filter' }

function gemini(exchange: Exchange): Found {
  const bodies = messagesIn(exchange.body)
  const isBroken = hasFailed(exchange.body) || (exchange.isStreamed && /"error"/.test(exchange.body))
  const isEnded = /finishReason|blockReason/.test(exchange.body) || !exchange.isStreamed
  const numbers = bodies.flatMap((body) =>
    arrayOf(body['candidates']).map((candidate, place) => Number(objectOf(candidate)['index'] ?? place)),
  )
  const choices = Array.from({ length: Math.max(1, new Set(numbers).size) }, (_, index) => {
    const said = geminiSaid(bodies, index)
    const calls = said.calls.map((call) => ({
      name: String(objectOf(call)['name']),
      arguments: objectOf(call)['args'] ?? {},
    }))
    const reason = geminiFinish(said, numbers.length === 0)
    return choiceOf(said.text, calls, isEnded ? (NEUTRAL_REASONS[reason] ?? reason) : null)
  })
  const counts = bodies
    .map((body) => objectOf(body['usageMetadata']))
    .findLast((usage) => Object.keys(usage).some((name) => name.endsWith('TokenCount')))
  const count = (name: string): number => Number(counts?.[name] ?? 0)
  const prompt = count('promptTokenCount') + count('toolUsePromptTokenCount')
  const completion = count('candidatesTokenCount') + count('thoughtsTokenCount')
  return { choices, usage: usageOf(prompt, completion), isError: isBroken || !isEnded }
}

function plain(exchange: Exchange): Found | null {
  const { text, calls, finish, usage } = plainSaid(exchange)
  if (finish === 'ERROR') return null
  const called = calls.map(({ name, args }) => ({ name, arguments: args }))
  const choice = choiceOf(text, called, NEUTRAL_REASONS[finish] ?? finish)
  return { choices: [choice], usage: usageOf(...(usage ?? [0, 0])) }
}

function choiceOf(text: string, calls: ChoiceReading['calls'], finish: string | null): ChoiceReading {
  return { text, calls, finish: finishOf(finish, calls.length) }
}
