// One reply as two readers tell it: the provider models of the AI SDK, which thousands of programs read replies with, and our
// dialects. Both come out in one form, the terms that both have.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogle } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { parseJson } from '../../src/core/json.ts'
import type { Json } from '../../src/core/json.ts'
import type { FinishReason } from '../../src/core/neutral.ts'
import { completionTokens, promptTokens } from '../../src/core/money/usage.ts'
import type { Exchange } from './exchanges.ts'
import { readingOf, replyOf } from './readers.ts'

/** What was read of a reply; of several choices the first. */
export interface Told {
  readonly text: string
  /** Refusals, where the reader tells them from other text. */
  readonly refusal: string
  readonly reasoning: string
  /** Tool calls that the client has to answer: names and arguments. */
  readonly calls: readonly (readonly [name: string, input: Json])[]
  /** In the words of the AI SDK; null for none. */
  readonly finish: string | null
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
  /** Null where the reader doesn't tell reasoning apart. */
  readonly reasoningTokens: number | null
  /** What went wrong, in the reader's own word; null for nothing. */
  readonly error: string | null
}

type Fetch = () => Promise<Response>
type Model = ReturnType<ReturnType<typeof createAnthropic>>

const MODELS: Readonly<Record<string, (model: string, fetch: Fetch) => Model>> = {
  'anthropic.messages': (model, fetch) => createAnthropic({ apiKey: 'none', fetch })(model),
  'gemini.generateContent': (model, fetch) => createGoogle({ apiKey: 'none', fetch })(model),
  'openai.responses': (model, fetch) => createOpenAI({ apiKey: 'none', fetch }).responses(model),
  'openai.chat': (model, fetch) =>
    createOpenAICompatible({ name: 'any', baseURL: 'http://provider.test/v1', fetch }).chatModel(model),
}

/** The APIs that the AI SDK reads. */
export const READ_BY_BOTH: readonly string[] = Object.keys(MODELS)

/** The exchange's reply as the AI SDK reads it. */
export async function toldByAiSdk(exchange: Exchange): Promise<Told> {
  const type = exchange.headers['content-type'] ?? (exchange.isStreamed ? 'text/event-stream' : 'application/json')
  const fetch = async (): Promise<Response> =>
    new Response(exchange.bytes.slice().buffer, { status: exchange.status, headers: { 'content-type': type } })
  const model = MODELS[exchange.api]?.(exchange.model === '' ? 'any' : exchange.model, fetch)
  if (model === undefined) throw new Error(`the AI SDK does not read ${exchange.api}`)
  const draft = new Draft()
  const prompt = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'any' }] }]
  try {
    if (!exchange.isStreamed) {
      const { content, finishReason, usage } = await model.doGenerate({ prompt })
      for (const part of content) {
        if (part.type === 'text' || part.type === 'reasoning') draft[part.type] += part.text
        else if (part.type === 'tool-call') draft.call(part)
      }
      draft.finish(finishReason, usage)
    } else {
      const { stream } = await model.doStream({ prompt })
      for await (const part of stream) {
        if (part.type === 'text-delta') draft.text += part.delta
        else if (part.type === 'reasoning-delta') draft.reasoning += part.delta
        else if (part.type === 'tool-call') draft.call(part)
        else if (part.type === 'finish') draft.finish(part.finishReason, part.usage)
        else if (part.type === 'error') draft.fail(part.error)
      }
    }
  } catch (error) {
    draft.fail(error)
  }
  return draft.told()
}

type Generated = Awaited<ReturnType<Model['doGenerate']>>
type CallPart = Extract<Generated['content'][number], { type: 'tool-call' }>

class Draft {
  text = ''
  reasoning = ''
  private error: string | null = null
  private readonly calls: [string, Json][] = []
  private reason: string | null = null
  private usage: Generated['usage'] | null = null

  call({ toolName, input, providerExecuted }: CallPart): void {
    if (providerExecuted !== true) this.calls.push([toolName, argumentsOf(input)])
  }

  finish(reason: Generated['finishReason'], usage: Generated['usage']): void {
    this.reason = reason.unified
    this.usage = usage
  }

  fail(error: unknown): void {
    this.error ??= error instanceof Error ? error.name : 'told by the provider'
  }

  told(): Told {
    const { text, reasoning, calls, error, usage } = this
    return {
      text,
      refusal: '',
      reasoning,
      calls,
      // After an error there is no other reason.
      finish: error === null ? this.reason : null,
      inputTokens: usage?.inputTokens.total ?? 0,
      cachedTokens: usage?.inputTokens.cacheRead ?? 0,
      outputTokens: usage?.outputTokens.total ?? 0,
      reasoningTokens: usage?.outputTokens.reasoning ?? null,
      error,
    }
  }
}

/** Paused is a way of stopping to them. */
const FINISHES: Readonly<Record<FinishReason, string>> = {
  stop: 'stop',
  paused: 'stop',
  length: 'length',
  'tool-calls': 'tool-calls',
  filtered: 'content-filter',
}

/** The same reply as our dialect reads it. */
export function toldByUs(exchange: Exchange): Told {
  const reading = readingOf(exchange)
  if (typeof reading === 'string') throw new Error(reading)
  const reply = replyOf(reading, exchange)
  const choice = reply.choices[0]
  const parts = choice?.parts ?? []
  const { usage } = reply
  return {
    text: parts.map((part) => (part.kind === 'text' ? part.text : '')).join(''),
    refusal: parts.map((part) => (part.kind === 'refusal' ? part.text : '')).join(''),
    reasoning: parts.map((part) => (part.kind === 'reasoning' ? part.text : '')).join(''),
    calls: parts.flatMap((part) =>
      part.kind === 'tool-call' ? [[part.name, argumentsOf(part.argumentsText)] as const] : [],
    ),
    finish: choice?.finish === undefined || choice.finish === null ? null : FINISHES[choice.finish],
    inputTokens: usage === null ? 0 : promptTokens(usage),
    cachedTokens: usage?.cacheRead ?? 0,
    outputTokens: usage === null ? 0 : completionTokens(usage),
    reasoningTokens: usage?.reasoning ?? null,
    error: reply.failure?.class ?? null,
  }
}

/** Arguments as they are understood: none is an empty object. */
function argumentsOf(text: string): Json {
  return text.trim() === '' ? {} : (parseJson(text) ?? text)
}
