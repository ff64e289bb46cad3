// Recorded exchanges of the chat and the completions wire against a second, naive reading of the same bytes: what was said,
// which tools were called, how it ended, what it cost. And requests, from the client's words to the provider's.
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralChoice } from '../../src/core/neutral.ts'
import { completionTokens, promptTokens } from '../../src/core/money/usage.ts'
import { dialects, protocols } from '../support/registries.ts'
import { arrayOf, objectOf, stringOf } from '../../src/wire/read.ts'
import { TARGET } from '../support/target.ts'
import { type Exchange, loadExchanges, missingCorpus } from './exchanges.ts'
import { hasError, noted, notedUsage } from './naive-openai.ts'
import { eventsOf, readingOf } from './readers.ts'

if (missingCorpus !== null) test.skip(`recorded exchanges: ${missingCorpus}`, () => {})

const all = [...loadExchanges('openai.chat'), ...loadExchanges('openai.completions')]
const replies = all.filter(({ status, body }) => status === 200 && !hasError(body))
const requests = all.filter(({ status, requestBody }) => status === 200 && requestBody['model'] !== undefined)

const FINISHES: Readonly<Record<string, string>> = { length: 'length', content_filter: 'filtered' }

function spoken(choice: NeutralChoice) {
  const textOf = (kind: 'text' | 'reasoning') =>
    choice.parts.map((part) => (part.kind === kind ? part.text : '')).join('')
  const calls = choice.parts.flatMap((part) => (part.kind === 'tool-call' ? [[part.name, part.argumentsText]] : []))
  return { text: textOf('text'), reasoning: textOf('reasoning'), calls, finish: choice.finish }
}

describe.runIf(replies.length > 0)('replies', () => {
  test.each(replies.map((exchange) => [exchange.id, exchange] as const))('%s: reads as noted down', (_, exchange) => {
    const reading = readingOf(exchange)
    if (typeof reading === 'string') throw new Error(reading)
    const reply = fold(eventsOf(reading, exchange, [exchange.bytes]))
    const expected = noted(exchange).map(({ text, reasoning, calls, finish }) => ({
      text,
      reasoning,
      calls: calls.map((call) => [call.name, call.text]),
      finish: FINISHES[finish] ?? (calls.length > 0 ? 'tool-calls' : 'stop'),
    }))
    expect(reply.failure).toBeNull()
    expect(reply.choices.map(spoken)).toEqual(expected)
    const usage = reply.usage === null ? null : [promptTokens(reply.usage), completionTokens(reply.usage)]
    expect(usage).toEqual(chargedUsage(exchange))
  })
})

/** Vercel's own `cost` is that of the reasoning too, which neither its completion nor its total has. */
function chargedUsage(exchange: Exchange): ReturnType<typeof notedUsage> {
  const noted = notedUsage(exchange)
  if (exchange.provider !== 'vercel-gateway' || noted === null) return noted
  const hidden = [...exchange.body.matchAll(/"reasoning_tokens":(\d+)/g)].at(-1)?.[1] ?? '0'
  return [noted[0], noted[1] + Number(hidden)]
}

/** Spellings that the neutral form doesn't tell apart: what a request says, without how. */
function meaningOf(body: JsonObject): Json {
  const { reasoning, thinking, enable_thinking: isEnabled, reasoning_effort: effort, ...rest } = body
  const bound = rest['max_completion_tokens'] ?? rest['max_tokens']
  const seed = rest['seed'] ?? rest['random_seed']
  const stop = typeof rest['stop'] === 'string' ? [rest['stop']] : rest['stop']
  const dropped = ['max_completion_tokens', 'max_tokens', 'random_seed', 'stream_options', 'model', 'stream', 'user']
  const kept = Object.entries(rest).filter(
    ([name, value]) => !dropped.includes(name) && !asksNothing(name, value ?? null),
  )
  const asked = [reasoning, thinking, effort, isEnabled].some((value) => value !== undefined && value !== null)
  const meaning: JsonObject = {
    ...Object.fromEntries(kept),
    bound: bound ?? null,
    seed: seed ?? null,
    stop: stop ?? null,
    asked,
    messages: arrayOf(rest['messages']).map((message) => meaningOfMessage(objectOf(message))),
    tools: arrayOf(rest['tools']).map((tool) => ({ type: 'function', ...objectOf(tool) })),
  }
  return parseJson(JSON.stringify(meaning, plainly)) ?? null
}

/** What is spelled in two ways or says nothing, in one way or not at all. */
function plainly(name: string, value: unknown): unknown {
  if (value === null || (name === 'description' && value === '')) return undefined
  if (name === 'tool_choice' && value === 'any') return 'required'
  if (name === 'image_url' && typeof value === 'string') return { url: value }
  if (name === 'input_audio' && typeof value === 'string') return { data: value, format: 'mp3' }
  return name === 'json_schema' && isJsonObject(value) ? { name: 'response', strict: false, ...value } : value
}

/** Values that ask for nothing. */
function asksNothing(name: string, value: Json): boolean {
  if (value === null) return true
  if (isJsonObject(value)) return Object.keys(value).length === 0 && name !== 'web_search_options'
  return (name === 'frequency_penalty' || name === 'presence_penalty') && value === 0
}

function meaningOfMessage(message: JsonObject): JsonObject {
  const {
    content,
    role,
    reasoning,
    reasoning_content: plain,
    tool_calls: calls,
    cache_control: _m,
    refusal: _r,
    reasoning_details: details,
    ...rest
  } = message
  const only = Array.isArray(content) && content.length === 1 ? objectOf(content[0]) : {}
  const isText = only['type'] === 'text' && only['cache_control'] === undefined
  const list = Array.isArray(content) ? content : []
  const isThinking = list.some((part) => objectOf(part)['type'] === 'thinking')
  const text = list.map((part) => stringOf(objectOf(part)['text']) ?? '').join('')
  const said = isText
    ? (only['text'] ?? null)
    : isThinking || role === 'assistant'
      ? list.length > 0
        ? text
        : (content ?? null)
      : (content ?? null)
  const thought = stringOf(plain) ?? stringOf(reasoning) ?? (isThinking ? 'thought' : null)
  return {
    ...rest,
    role: role === 'developer' ? 'system' : (role ?? null),
    content: said === '' ? null : said,
    hasThought: thought !== null || arrayOf(details).length > 0,
    calls: arrayOf(calls).map((call) => ({ ...objectOf(call), type: 'function' })),
  }
}

/** Marks on a message move to its last part; a result that names no call is given the one that it answers. */
const APART = new Set(['openai.chat--openrouter--b5c3b06b8f', 'openai.chat--zai--43944a31c2'])

describe.runIf(requests.length > 0)('requests', () => {
  test.each(requests.map((exchange) => [exchange.id, exchange] as const))(
    '%s: the provider is told what the client said',
    (id, exchange) => {
      const isChat = exchange.api === 'openai.chat'
      if (APART.has(id) || (isChat && exchange.requestBody['messages'] === undefined)) return
      const protocol = isChat ? protocols.chat : protocols.completions
      const dialect = dialects[isChat ? 'openai-chat' : 'openai-completions']
      const request = protocol.read(exchange.requestBody)
      if (!request.ok) throw new Error(`${request.error.field}: ${request.error.message}`)
      expect(dialect.gaps(request.value, TARGET)).toEqual([])
      const edits = { model: null, forceUsage: false, maxOutputTokens: null }
      const written = objectOf(parseJson(dialect.write(request.value, TARGET, edits).body))
      const prompt = (body: JsonObject): JsonObject =>
        Array.isArray(body['prompt']) && body['prompt'].length === 1
          ? { ...body, prompt: body['prompt'][0] ?? null }
          : body
      expect(meaningOf(prompt(written))).toEqual(meaningOf(prompt(exchange.requestBody)))
    },
  )
})
