// What a reply says, as the official SDKs read it: the provider's own SDK from the raw bytes, and the client's from what
// the gateway sends. Both come out in one form, so that they can be compared. Any source of responses will do.
import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { arrayOf, countOf, isJsonArray, objectOf, stringOf } from '../../src/wire/read.ts'
import type { Exchange } from './exchanges.ts'
import { notedCounts } from './naive-openai.ts'

/** A reply in the terms that are compared. */
export interface Reading {
  readonly choices: readonly ChoiceReading[]
  readonly usage: UsageReading | null
  /** True where the SDK threw, or the answer was no reply at all. */
  readonly isError: boolean
}

export interface ChoiceReading {
  readonly text: string
  readonly calls: readonly { readonly name: string; readonly arguments: Json }[]
  /** In the words of OpenAI; null for none. With tool calls `stop` reads `tool_calls`: providers differ there. */
  readonly finish: string | null
}

export interface UsageReading {
  readonly prompt: number
  readonly completion: number
}

/** What the provider's own SDK reads from the recorded bytes. */
export async function readAsProvider(exchange: Exchange): Promise<Reading> {
  const response = responseOf(exchange)
  if (exchange.api === 'openai.chat') return readAsClient(response, exchange.isStreamed)
  return readMessages(new Anthropic({ ...playing(response), baseURL: 'http://provider.test' }), exchange.isStreamed)
}

/** What the `openai` SDK reads from a response of the gateway. */
export async function readAsClient(response: Response, isStreamed: boolean): Promise<Reading> {
  return readChat(new OpenAI({ ...playing(response), baseURL: 'http://provider.test/v1' }), isStreamed)
}

function playing(response: Response) {
  return { apiKey: 'none', logLevel: 'off', maxRetries: 0, fetch: async () => response } as const
}

/** The recorded response. */
export function responseOf(exchange: Exchange): Response {
  const type = exchange.isStreamed ? 'text/event-stream' : 'application/json'
  return new Response(exchange.body, { status: exchange.status, headers: { 'content-type': type } })
}

/**
 * Why the client's reading isn't the provider's; null when it is. A client may be told of an error where the provider's
 * SDK sees a reply that just stops, and of a clean end, or of as little, where the provider ends without giving a reason.
 */
export function difference(provider: Reading, client: Reading): string | null {
  const isCut = provider.isError || provider.choices.length === 0 || provider.choices.some((c) => c.finish === null)
  if (client.isError) return isCut ? null : 'the client got an error, the provider none'
  if (provider.isError) return 'the provider reported an error, the client got none'
  const expected = provider.choices.map((choice) => ({ ...choice, finish: choice.finish ?? endOf(choice) }))
  const isEqual = [provider.choices, expected].some((said) => JSON.stringify(said) === JSON.stringify(client.choices))
  if (!isEqual) {
    return `choices differ: ${JSON.stringify(expected)} became ${JSON.stringify(client.choices)}`
  }
  if (JSON.stringify(provider.usage) === JSON.stringify(client.usage)) return null
  return `usage differs: ${JSON.stringify(provider.usage)} became ${JSON.stringify(client.usage)}`
}

/** The reason that fits a choice whose provider gave none. */
function endOf(choice: ChoiceReading): string {
  return choice.calls.length > 0 ? 'tool_calls' : 'stop'
}

/** Asks for a chat completion and reads it. */
export async function readChat(client: OpenAI, isStreamed: boolean, model = 'any'): Promise<Reading> {
  const draft = new OpenaiDraft()
  const request = { model, messages: [{ role: 'user' as const, content: 'any' }] }
  const streamed = { ...request, stream: true, stream_options: { include_usage: true } } as const
  try {
    if (!isStreamed) draft.addReply(plain(await client.chat.completions.create(request)))
    else for await (const chunk of await client.chat.completions.create(streamed)) draft.addChunk(plain(chunk))
  } catch {
    return { ...draft.reading(), isError: true }
  }
  return draft.reading()
}

/** Asks for a message and reads it. */
export async function readMessages(client: Anthropic, isStreamed: boolean, model = 'any'): Promise<Reading> {
  const request = { model, max_tokens: 1000, messages: [{ role: 'user' as const, content: 'any' }] }
  // A message that has ended is whole, whatever a gateway in between still sends after it (OpenRouter: `[DONE]`).
  let ended: Reading | null = null
  try {
    if (!isStreamed) return readMessage(plain(await client.messages.create(request)))
    const stream = client.messages.stream(request)
    stream.on('streamEvent', (event, message) => {
      if (event.type === 'message_stop') ended = readMessage(plain(message))
    })
    return readMessage(plain(await stream.finalMessage()))
  } catch {
    return ended ?? { choices: [], usage: null, isError: true }
  }
}

/** What the SDK hands out as the JSON that it came from. */
export function plain(value: unknown): JsonObject {
  return objectOf(parseJson(JSON.stringify(value)))
}

function readMessage(message: JsonObject): Reading {
  const blocks = arrayOf(message['content']).map((block) => objectOf(block))
  const text = blocks.map((block) => (block['type'] === 'text' ? (stringOf(block['text']) ?? '') : '')).join('')
  const calls = blocks.flatMap((block) =>
    block['type'] === 'tool_use' ? [{ name: stringOf(block['name']) ?? '', arguments: block['input'] ?? {} }] : [],
  )
  const usage = objectOf(message['usage'])
  const prompt = ['input_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens'].reduce(
    (sum, name) => sum + countOf(usage[name]),
    0,
  )
  const choice = {
    text,
    calls,
    finish: finishOf(STOP_REASONS[stringOf(message['stop_reason']) ?? ''] ?? null, calls.length),
  }
  return { choices: [choice], usage: usageOf(prompt, countOf(usage['output_tokens'])), isError: false }
}

const STOP_REASONS: Readonly<Record<string, string>> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  tool_use: 'tool_calls',
  max_tokens: 'length',
  refusal: 'content_filter',
}

const FINISH_REASONS = ['stop', 'length', 'tool_calls', 'content_filter']

/** A reason in the words of OpenAI, as it fits the number of calls. */
export function finishOf(reason: string | null, calls: number): string | null {
  if (reason === null) return null
  const known = FINISH_REASONS.includes(reason) ? reason : 'stop'
  if (known === 'stop' && calls > 0) return 'tool_calls'
  return known === 'tool_calls' && calls === 0 ? 'stop' : known
}

/** Null for nothing counted. */
export function usageOf(prompt: number, completion: number): UsageReading | null {
  return prompt + completion === 0 ? null : { prompt, completion }
}

interface CallDraft {
  readonly index: number | null
  name: string
  arguments: string
}

interface ChoiceDraft {
  text: string
  readonly calls: CallDraft[]
  finish: string | null
}

/** Puts chunks together by the letter of OpenAI's documentation, with the least that compatible providers need more. */
class OpenaiDraft {
  private readonly choices = new Map<number, ChoiceDraft>()
  private usage: UsageReading | null = null
  private isReply = false

  addReply(reply: JsonObject): void {
    this.isReply = isJsonArray(reply['choices'])
    this.addUsage(reply)
    arrayOf(reply['choices']).forEach((value, position) => this.addChoice(objectOf(value), 'message', position))
  }

  addChunk(chunk: JsonObject): void {
    this.isReply = true
    this.addUsage(chunk)
    arrayOf(chunk['choices']).forEach((value, position) => this.addChoice(objectOf(value), 'delta', position))
  }

  reading(): Reading {
    const order = [...this.choices.keys()].toSorted((a, b) => a - b)
    const choices = order.flatMap((number) => {
      const draft = this.choices.get(number)
      return draft === undefined ? [] : [readDraft(draft)]
    })
    return { choices, usage: this.usage, isError: !this.isReply }
  }

  private addUsage(body: JsonObject): void {
    const usage = objectOf(body['usage'] ?? objectOf(body['x_groq'])['usage'])
    this.usage = usageOf(...notedCounts(usage)) ?? this.usage
  }

  private addChoice(choice: JsonObject, member: 'message' | 'delta', position: number): void {
    const index = choice['index']
    const number = typeof index === 'number' ? index : position
    const draft = this.choices.get(number) ?? { text: '', calls: [], finish: null }
    this.choices.set(number, draft)
    const message = objectOf(choice[member])
    draft.text += textOf(message['content']) + (stringOf(message['refusal']) ?? '')
    for (const call of arrayOf(message['tool_calls'])) addCall(draft.calls, objectOf(call), member === 'message')
    if (objectOf(message['function_call'])['name'] !== undefined)
      addCall(draft.calls, { function: message['function_call'] }, true)
    draft.finish = stringOf(choice['finish_reason']) ?? draft.finish
  }
}

function readDraft(draft: ChoiceDraft): ChoiceReading {
  const calls = draft.calls.map((call) => ({ name: call.name, arguments: parseJson(call.arguments) ?? call.arguments }))
  return { text: draft.text, calls, finish: finishOf(draft.finish, calls.length) }
}

function textOf(content: Json | undefined): string {
  if (typeof content === 'string') return content
  if (isJsonArray(content)) return content.map((part) => stringOf(objectOf(part)['text']) ?? '').join('')
  return content === null || content === undefined ? '' : JSON.stringify(content)
}

function addCall(calls: CallDraft[], call: JsonObject, isWhole: boolean): void {
  const callee = objectOf(call['function'] ?? call['custom'])
  const name = stringOf(callee['name'])
  const text = stringOf(callee['arguments'] ?? callee['input']) ?? ''
  const index = typeof call['index'] === 'number' && !isWhole ? call['index'] : null
  const known =
    index === null ? (name === null ? calls.at(-1) : undefined) : calls.find((other) => other.index === index)
  if (known === undefined) calls.push({ index, name: name ?? '', arguments: text })
  else known.arguments += text
}
