// Recorded traffic of the responses wire: replies held against a plain reading of their bytes, cut in every way, and requests
// through the neutral form and back.
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralPart, NeutralReply } from '../../src/core/neutral.ts'
import { completionTokens, promptTokens } from '../../src/core/money/usage.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { dialects, protocols } from '../support/registries.ts'
import { arrayOf, isJsonArray, objectOf, stringOf } from '../../src/wire/read.ts'
import { TARGET } from '../support/target.ts'
import { type Exchange, chunkings, loadExchanges, missingCorpus } from './exchanges.ts'
import { type Said, plainReading } from './naive-responses.ts'
import { eventsOf } from './readers.ts'

if (missingCorpus !== null) test.skip(`recorded responses: ${missingCorpus}`, () => {})

const dialect = dialects['openai-responses']
const exchanges = loadExchanges('openai.responses')
const READING = { dialect, target: TARGET }
const named = (list: readonly Exchange[]) => list.map((exchange) => [exchange.id, exchange] as const)

describe.runIf(exchanges.length > 0)('recorded replies', () => {
  const replies = exchanges.filter(({ status }) => status === 200)

  test.each(named(replies))('%s: says what its bytes say, however they are cut', (_, exchange) => {
    const naive = plainReading(exchange)
    for (const chunks of Object.values(chunkings(exchange))) {
      const reply = fold(eventsOf(READING, exchange, chunks))
      if (naive === null) expect(reply.failure?.message).toBeTypeOf('string')
      else expect(saidBy(reply)).toEqual(naive)
    }
  })

  test.each(named(replies.filter(({ isStreamed }) => isStreamed)))('%s: the meter agrees', (_, exchange) => {
    const framer = createFramer('text/event-stream', 'sse')
    const frames = [...framer.push(exchange.bytes), ...framer.end()]
    const meter = dialect.meter(TARGET)
    for (const frame of frames) meter.push(frame)
    const events = eventsOf(READING, exchange, [exchange.bytes])
    const reply = fold(events)
    const chars = events.reduce((sum, event) => sum + (event.type === 'part-delta' ? event.text.length : 0), 0)
    expect(meter.visibleChars).toBe(chars)
    expect(meter.usage).toEqual(reply.usage)
    expect(meter.isComplete).toBe(reply.failure === null)
    if (reply.failure?.class !== 'stream') expect(meter.failure).toEqual(reply.failure)
  })
})

function saidBy(reply: NeutralReply): Said {
  const parts = reply.choices[0]?.parts ?? []
  const finish = reply.choices[0]?.finish ?? null
  const texts = (kind: NeutralPart['kind']): string =>
    parts.map((part) => (part.kind === kind && 'text' in part ? part.text : '')).join('')
  return {
    text: texts('text'),
    refusal: texts('refusal'),
    reasoning: texts('reasoning').replaceAll('\n\n', ''),
    encrypted: parts.flatMap((part) =>
      part.kind === 'reasoning' ? ((part.redacted ?? part.signature)?.value ?? []) : [],
    ),
    calls: parts.flatMap((part) => (part.kind === 'tool-call' ? [[part.id, part.name, part.argumentsText]] : [])),
    others: parts.flatMap((part) => (part.kind === 'other' ? [part.type] : [])),
    urls: parts.flatMap((part) => (part.kind === 'text' ? (part.citations ?? []) : [])).flatMap(({ url }) => url ?? []),
    finish: finish === 'tool-calls' ? 'stop' : finish,
    usage: reply.usage === null ? null : [promptTokens(reply.usage), completionTokens(reply.usage)],
  }
}

const asked = exchanges.filter(({ requestBody }) => requestBody['model'] !== undefined)

describe.runIf(asked.length > 0)('recorded requests', () => {
  test.each(named(asked))('%s: comes through the neutral form as it was', (_, exchange) => {
    const body = exchange.requestBody
    const request = protocols.responses.read(body)
    if (!request.ok) {
      // What we refuse, the provider has refused.
      expect(exchange.status).toBe(400)
      return
    }
    const gaps = dialect.gaps(request.value, TARGET).map(({ field }) => field)
    expect(STORING.filter((field) => gaps.includes(field))).toEqual(gaps)
    const edits = { model: null, forceUsage: false, maxOutputTokens: null }
    const written = objectOf(parseJson(dialect.write(request.value, { ...TARGET, model: '*' }, edits).body))
    const expected = Object.fromEntries(Object.entries(body).filter(([name]) => !gaps.includes(name)))
    expect(essence(written)).toEqual(essence(expected))
    expect(written['store']).toBe(false)
  })

  test.each(named(asked))('%s: is edited as text', (_, { requestBody }) => {
    const text = JSON.stringify(requestBody, null, 1)
    const edits = { model: 'sent', forceUsage: true, maxOutputTokens: null }
    expect(parseJson(dialect.edit(text, requestBody, edits, TARGET).body)).toEqual({ ...requestBody, model: 'sent' })
  })
})

/** What only a provider that stores things can do, and what only OpenRouter has. */
const STORING = ['previous_response_id', 'store', 'background', 'provider']

/** Members that are written otherwise on purpose, or that say nothing when they are left out. */
const IGNORED = new Set(['store', 'include', 'stream_options', 'instructions', 'input', 'tools', 'metadata'])

/** What a request asks for, in a form in which two ways to write it are the same. */
function essence(body: JsonObject): unknown {
  const settings = Object.entries(body).filter(
    ([name, value]) => !IGNORED.has(name) && value !== null && value !== false && value !== '' && value !== 'auto',
  )
  const tools = arrayOf(body['tools']).map((tool) => essenceOfTool(objectOf(tool)))
  const sorted = tools.toSorted((a, b) => JSON.stringify(a).localeCompare(JSON.stringify(b)))
  return { settings: Object.fromEntries(settings), tools: sorted, turns: essenceOfInput(body) }
}

function essenceOfTool(tool: JsonObject): unknown {
  if (tool['type'] !== 'function') return tool
  const { description, strict, parameters, ...rest } = tool
  return {
    ...rest,
    description: description ?? undefined,
    strict: strict === true,
    parameters: parameters ?? { type: 'object', properties: {} },
  }
}

function essenceOfInput(body: JsonObject): readonly unknown[] {
  const input = typeof body['input'] === 'string' ? [{ role: 'user', content: body['input'] }] : arrayOf(body['input'])
  const items = input.flatMap((item) => essenceOfItem(objectOf(item)))
  const system: unknown[] = stringOf(body['instructions']) === null ? [] : [['system', body['instructions']]]
  const turns = [...system, ...items].map((turn) => JSON.stringify(turn))
  const first = turns.findIndex((turn) => !turn.startsWith('["system"'))
  const leading = turns.slice(0, first).map((turn) => String(arrayOf(parseJson(turn))[1]))
  return [leading.join('\n\n'), ...turns.slice(first).flatMap((turn) => parseJson(turn) ?? [])]
}

/** Neighbouring texts of an assistant are one turn, so each piece stands for itself. */
function essenceOfItem(item: JsonObject): readonly unknown[] {
  const { id, status: _, phase: __, ...rest } = item
  switch (item['type'] ?? 'message') {
    case 'message': {
      const role = item['role'] === 'developer' ? 'system' : item['role']
      return pieces(item['content']).map((piece) => [role, piece])
    }
    case 'reasoning': {
      const summary = arrayOf(item['summary']).map((part) => objectOf(part)['text'])
      const encrypted = stringOf(item['encrypted_content'])
      return encrypted === null && summary.length > 0 ? [] : [['reasoning', id, encrypted, summary.join('\n\n')]]
    }
    case 'function_call':
    case 'custom_tool_call':
      return [rest]
    case 'function_call_output':
      return [[item['call_id'], ...pieces(item['output'])]]
    default:
      return [item]
  }
}

function pieces(content: Json | undefined): readonly unknown[] {
  if (!isJsonArray(content)) return [content]
  return content.map((value) => {
    const { prompt_cache_breakpoint: _, ...part } = objectOf(value)
    return part['text'] ?? part
  })
}
