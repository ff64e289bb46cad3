// Recorded traffic of Anthropic's wire, on all three hosts: what a reply is read as is held against a plain extraction of
// the same bytes, and a request that a provider accepted comes out of the neutral form as it went in.
import { describe, expect, test } from 'vitest'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { completionTokens, promptTokens } from '../../src/core/money/usage.ts'
import { anthropicMessages as dialect } from '../../src/dialects/anthropic-messages/index.ts'
import { countTokensProtocol, messages } from '../../src/protocols/messages/index.ts'
import { arrayOf, countOf, isJsonArray, objectOf } from '../../src/wire/read.ts'
import { withoutUndefined } from '../../src/wire/write.ts'
import { TARGET } from '../support/target.ts'
import { type Exchange, chunkings, loadExchanges, missingCorpus } from './exchanges.ts'
import { type Essence, isOldCompletion, naively } from './naive-messages.ts'
import { type Reading, eventsOf, readingOf, replyOf } from './readers.ts'

if (missingCorpus !== null) test.skip(`recorded exchanges: ${missingCorpus}`, () => {})

const all = [...loadExchanges('anthropic.messages'), ...loadExchanges('bedrock.invoke')].flatMap((exchange) => {
  const reading = readingOf(exchange)
  return typeof reading === 'string' ? [] : [[exchange.id, exchange, reading] as const]
})
const replies = all.filter(([, exchange]) => exchange.status === 200 && !isOldCompletion(exchange))
const requests = replies.filter(([, exchange]) => isJsonArray(exchange.requestBody['messages']))

describe.runIf(replies.length > 0)('recorded replies', () => {
  test.each(replies)('%s: says what its bytes say, however they are cut', (_, exchange, reading) => {
    const events = eventsOf(reading, exchange, [exchange.bytes])
    for (const chunks of Object.values(chunkings(exchange))) {
      expect(eventsOf(reading, exchange, chunks)).toEqual(events)
    }
    expect(essenceOf(reading, exchange)).toEqual(naively(exchange))
  })
})

describe.runIf(requests.length > 0)('recorded requests', () => {
  test.each(requests)('%s: is carried whole', (_, exchange, { target }) => {
    const host = target.settings?.['host']
    const given = { max_tokens: 1, model: exchange.model, ...exchange.requestBody, ...streamedAs(exchange) }
    const read = messages.read(given)
    if (!read.ok) throw new Error(read.error.message)
    const own = { ...target, model: '*' }
    expect(dialect.gaps(read.value, own)).toEqual([])
    const edits = { model: null, forceUsage: false, maxOutputTokens: null }
    const call = dialect.write(read.value, own, edits)
    const sent = objectOf(parseJson(call.body))
    expect(canonical(sent)).toEqual(canonical(host === undefined ? given : exchange.requestBody))
    if (host === undefined) return
    expect(decodeURIComponent(exchange.url)).toContain(decodeURIComponent(call.path))
  })

  test.each(requests)('%s: is edited as text', (_, exchange, { target }) => {
    const body = { model: exchange.model, ...exchange.requestBody }
    const text = JSON.stringify(body, null, 1)
    const edits = { model: 'sent', forceUsage: true, maxOutputTokens: null }
    const { settings: _settings, ...direct } = target
    expect(parseJson(dialect.edit(text, body, edits, direct).body)).toEqual({ ...body, model: 'sent' })
  })
})

const counts = loadExchanges('anthropic.count_tokens')

describe.runIf(counts.length > 0)('recorded questions for a number of tokens', () => {
  test.each(counts.map((exchange) => [exchange.id, exchange] as const))('%s: is asked and answered', (_, exchange) => {
    const body = exchange.requestBody
    expect(countTokensProtocol.facts(body)).toMatchObject({ ok: true, value: { model: body['model'] } })
    expect(countTokensProtocol.read(body)).toMatchObject({ ok: true })
    const edits = { model: null, forceUsage: false, maxOutputTokens: 7 }
    const call = dialect.countTokens?.(JSON.stringify(body), body, edits, TARGET)
    expect(call?.path).toBe('/messages/count_tokens')
    expect(parseJson(call?.body ?? '')).toEqual(body)
    if (exchange.status === 200) expect(countOf(objectOf(parseJson(exchange.body))['input_tokens'])).toBeGreaterThan(0)
    else expect(dialect.fail(exchange.status, { get: () => null }, exchange.body, 0).class).toBe('client')
  })
})

function streamedAs(exchange: Exchange): JsonObject {
  return exchange.url.includes('stream') ? { stream: true } : {}
}

function essenceOf(reading: Reading, exchange: Exchange): Essence {
  const reply = replyOf(reading, exchange)
  const parts = reply.choices[0]?.parts ?? []
  const signatures = parts.map((part) => (part.kind === 'reasoning' ? (part.signature ?? part.redacted)?.value : ''))
  return {
    text: parts.map((part) => (part.kind === 'text' ? part.text : '')).join(''),
    thinking: parts.map((part) => (part.kind === 'reasoning' ? part.text : '')).join(''),
    signatures: signatures.join(''),
    calls: parts.flatMap((part) =>
      part.kind === 'tool-call' ? [[part.id, part.name, parseJson(part.argumentsText) ?? null]] : [],
    ),
    others: parts.flatMap((part) => (part.kind === 'other' ? [part.type] : [])),
    citations: parts.reduce((sum, part) => sum + (part.kind === 'text' ? (part.citations ?? []).length : 0), 0),
    tokens: reply.usage === null ? [0, 0] : [promptTokens(reply.usage), completionTokens(reply.usage)],
    hasFinish: reply.choices[0]?.finish !== null && reply.failure === null,
  }
}

/** A request without differences that change no meaning: neighbours of one role are one turn, text is a block, what is
 *  null, empty or the default is not there, and `output_format` has its newer name. */
function canonical(body: JsonObject): Json {
  const turns: { role: Json; content: Json[] }[] = []
  for (const value of arrayOf(body['messages'])) {
    const message = objectOf(value)
    const content = blocksOf(message['content'])
    const last = turns.at(-1)
    if (last !== undefined && last.role === message['role']) last.content.push(...content)
    else turns.push({ role: message['role'] ?? null, content })
  }
  const format = body['output_format']
  const { stream, betas: _betas, output_format: _format, ...rest } = body
  const tools = arrayOf(body['tools']).map((tool) => withType(objectOf(tool)))
  return plain({
    ...rest,
    ...(stream === true ? { stream } : {}),
    ...(isJsonObject(format) ? { output_config: { ...objectOf(body['output_config']), format } } : {}),
    messages: turns.map(({ role, content }) => ({ role, content: inOrder(content) })),
    system: blocksOf(body['system']),
    // Which tools there are counts, not whose come first.
    tools: tools.toSorted((a, b) => String(a['name']).localeCompare(String(b['name']))),
  })
}

function withType(tool: JsonObject): JsonObject {
  return tool['type'] === 'custom' ? withoutUndefined({ ...tool, type: undefined }) : tool
}

function inOrder(content: readonly Json[]): readonly Json[] {
  const isResult = (block: Json): boolean => objectOf(block)['type'] === 'tool_result'
  return [...content.filter(isResult), ...content.filter((block) => !isResult(block))]
}

function blocksOf(content: Json | undefined): Json[] {
  const blocks = typeof content === 'string' ? [{ type: 'text', text: content }] : arrayOf(content)
  return blocks.flatMap((value) => {
    const block = objectOf(value)
    if (block['type'] === 'text' && block['text'] === '') return []
    return [block['type'] === 'tool_result' ? { ...block, content: blocksOf(block['content']) } : block]
  })
}

/** Without what says nothing: null, false where that is the default, and lists without members. */
function plain(value: Json): Json {
  if (isJsonArray(value)) return value.map((item) => plain(item))
  if (!isJsonObject(value)) return value
  const members = Object.entries(value).flatMap(([name, member]) => {
    if (member === undefined || member === null || (name === 'is_error' && member === false)) return []
    if (isJsonArray(member) && member.length === 0 && name !== 'content' && name !== 'required') return []
    return [[name, plain(member)] as const]
  })
  return Object.fromEntries(members)
}
