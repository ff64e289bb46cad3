// Clients that ask the gateway: three official SDKs, each in its own protocol, and what they read of the answer, in one
// form. And whether that is what it should be.
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { arrayOf, countOf, objectOf, stringOf } from '../../src/wire/read.ts'
import { protocols } from '../support/registries.ts'
import { type ChoiceReading, type Reading, finishOf, plain, readChat, readMessages, usageOf } from './compare.ts'
import type { Blame, Expected } from './naive.ts'

/** The protocols that the clients speak. */
export const CLIENTS = ['chat', 'responses', 'messages'] as const
export type ClientName = (typeof CLIENTS)[number]

/** What a client read, and the response that it read it from. */
export interface ClientReading extends Reading {
  readonly status: number
  /** Of an error response; null for any other. */
  readonly blame: Blame | null
  readonly headers: Headers
}

/** Longest that an answer may take: a recorded reply is at hand at once. */
const HANG_MS = 10_000

/** Asks `model` something simple and reads the answer. Rejects when there is none in time. */
export async function askAs(
  name: ClientName,
  gateway: { readonly url: string; readonly key: string },
  model: string,
  isStreamed: boolean,
): Promise<ClientReading> {
  let last: Response | null = null
  const fetchNoting = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    last = await fetch(url, { ...init, signal: AbortSignal.timeout(HANG_MS) })
    return last
  }
  const options = { apiKey: gateway.key, logLevel: 'off', maxRetries: 0, fetch: fetchNoting } as const
  const openai = new OpenAI({ ...options, baseURL: `${gateway.url}/v1` })
  const anthropic = new Anthropic({ ...options, baseURL: gateway.url })
  const startedAtMs = Date.now()
  const reading = await {
    chat: () => readChat(openai, isStreamed, model),
    responses: () => readResponse(openai, isStreamed, model),
    messages: () => readMessages(anthropic, isStreamed, model),
  }[name]()
  if (Date.now() - startedAtMs >= HANG_MS) throw new Error(`no end of the answer within ${HANG_MS} ms`)
  const { status, headers } = last ?? new Response(null, { status: 599 })
  return { ...reading, status, headers, blame: status >= 400 ? blameOf(status, headers) : null }
}

function blameOf(status: number, headers: Headers): Blame {
  if (status === 429) return 'throttled'
  if (status < 500) return 'client'
  return headers.get('x-should-retry') === 'false' ? 'credential' : 'provider'
}

/** Asks for a response and reads it. A stream's text is what its deltas say. */
async function readResponse(client: OpenAI, isStreamed: boolean, model: string): Promise<Reading> {
  const request = { model, input: 'any' }
  let text = ''
  let last: JsonObject | null = null
  try {
    if (!isStreamed) return responseReading(plain(await client.responses.create(request)), null)
    for await (const event of await client.responses.create({ ...request, stream: true })) {
      const { type, delta, response } = plain(event)
      if (type === 'response.output_text.delta' || type === 'response.refusal.delta') text += stringOf(delta) ?? ''
      if (type === 'response.completed' || type === 'response.incomplete') last = objectOf(response)
    }
  } catch {
    last = null
  }
  if (last !== null) return responseReading(last, text)
  return { choices: [{ text, calls: [], finish: null }], usage: null, isError: true }
}

function responseReading(response: JsonObject, streamedText: string | null): Reading {
  const items = arrayOf(response['output']).map((item) => objectOf(item))
  const contents = items.filter((item) => item['type'] === 'message').flatMap((item) => arrayOf(item['content']))
  const text = contents.map((part) => stringOf(objectOf(part)['text'] ?? objectOf(part)['refusal']) ?? '').join('')
  const calls = items
    .filter((item) => item['type'] === 'function_call' || item['type'] === 'custom_tool_call')
    .map((item) => ({ name: String(item['name']), arguments: item['arguments'] ?? item['input'] ?? '' }))
  const reason = objectOf(response['incomplete_details'])['reason'] === 'content_filter' ? 'content_filter' : 'length'
  const finish = finishOf(response['status'] === 'incomplete' ? reason : 'stop', calls.length)
  const usage = objectOf(response['usage'])
  const isError = response['status'] === 'failed'
  const choice = { text: streamedText ?? text, calls, finish }
  return { choices: [choice], usage: usageOf(countOf(usage['input_tokens']), countOf(usage['output_tokens'])), isError }
}

/** How a client's reading stands to what the exchange says. */
export interface Verdict {
  readonly kind: 'equal' | 'gap' | 'differing' | 'error'
  /** What differs. */
  readonly difference: string | null
}

/**
 * Compares. An error has to be one of the same blame. Where the provider broke off, whatever was said before is there, and
 * then an error, never an end; where it ended in order without a reason, a client may be told `stop`.
 */
export function compareReadings(name: ClientName, expected: Expected, client: ClientReading): Verdict {
  const hides = protocols[name].hides
  const isHidden =
    (expected.choices.length > 1 && hides?.has('choices') === true) ||
    (expected.isRefused && hides?.has('refusal') === true)
  const wanted = hides?.has('choices') === true ? expected.choices.slice(0, 1) : expected.choices
  const found = expected.isError
    ? differingErrors(expected, wanted, client)
    : differingReplies(name, expected, wanted, client)
  if (found !== null) return { kind: 'differing', difference: found }
  return { kind: expected.isError ? 'error' : isHidden ? 'gap' : 'equal', difference: null }
}

function differingErrors(expected: Expected, wanted: readonly ChoiceReading[], client: ClientReading): string | null {
  if (!client.isError) return `the provider failed, the client read ${JSON.stringify(client.choices)}`
  if (expected.blame !== null && expected.blame !== client.blame) {
    return `an error of ${expected.blame} came as ${client.blame} (${client.status})`
  }
  const [before, read] = [wanted[0]?.text ?? '', client.choices[0]?.text ?? '']
  if (client.status >= 400 || client.choices.length === 0) return null
  return before === '' || before === read ? null : `before the error ${JSON.stringify(before)} became ${read}`
}

function differingReplies(
  name: ClientName,
  expected: Expected,
  wanted: readonly ChoiceReading[],
  client: ClientReading,
): string | null {
  if (client.isError) return `the client got an error (${client.status}), the provider none`
  const isLike = (choice: ChoiceReading, index: number): boolean => {
    const read = client.choices[index]
    if (read === undefined || read.text !== choice.text) return false
    const end = choice.finish ?? (choice.calls.length > 0 ? 'tool_calls' : 'stop')
    const ends = expected.isRefused ? [end, 'content_filter'] : [end]
    return ends.includes(read.finish ?? end) && sameCalls(choice, read)
  }
  if (wanted.length !== client.choices.length || !wanted.every(isLike)) {
    return `choices differ: ${JSON.stringify(wanted)} became ${JSON.stringify(client.choices)}`
  }
  const usages = name === 'messages' ? [expected.usage, expected.ownUsage ?? null] : [expected.usage]
  if (usages.some((usage) => JSON.stringify(usage) === JSON.stringify(client.usage))) return null
  return `usage differs: ${JSON.stringify(expected.usage)} became ${JSON.stringify(client.usage)}`
}

/** What a bound cut off in the middle of arguments is read as far as it goes, by each SDK in its own way. */
function sameCalls(choice: ChoiceReading, read: ChoiceReading): boolean {
  const isCut = (text: Json): boolean => typeof text === 'string' && text !== '' && parseJson(text) === undefined
  const said = ({ calls }: ChoiceReading): string =>
    JSON.stringify(
      calls.map(({ name, arguments: given }, index) => {
        const isHalf = choice.finish === 'length' && isCut(choice.calls[index]?.arguments ?? '')
        return [name, isHalf ? 'cut off' : understood(given)]
      }),
    )
  return choice.calls.length === read.calls.length && said(choice) === said(read)
}

/** Arguments as they are understood: none is an empty object; and text that is no object (a custom tool's, or what a bound
 *  cut off) is the only member of one where a wire takes nothing else. */
function understood(value: Json): Json {
  const read = typeof value === 'string' && value.trim() !== '' ? parseJson(value) : value === '' ? {} : value
  if (read === undefined) return value
  if (read === null) return {}
  if (!isJsonObject(read)) return read
  const [only, ...others] = Object.entries(read)
  const isWrapped = others.length === 0 && (only?.[0] === 'arguments' || only?.[0] === 'input')
  return isWrapped && typeof only?.[1] === 'string' ? understood(only[1]) : read
}
