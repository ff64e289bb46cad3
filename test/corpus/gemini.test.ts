// Recorded Gemini traffic: each reply, however its bytes are cut, says what a naive reading of the same bytes says. The
// naive reading shares no code with the dialect: it cuts with JSON.parse and joins what it finds.
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { NeutralPart, NeutralReply } from '../../src/core/neutral.ts'
import { completionTokens, promptTokens, totalTokens } from '../../src/core/money/usage.ts'
import { readGeminiEmbeddings, writeGeminiEmbeddings } from '../../src/wire/gemini-embeddings.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { chunkings, loadExchanges, missingCorpus } from './exchanges.ts'
import type { Exchange } from './exchanges.ts'
import { type Naive, finishOf, hasFailed, messagesIn, naive } from './naive-gemini.ts'
import { eventsOf, readingOf } from './readers.ts'
import { TARGET } from '../support/target.ts'

if (missingCorpus !== null) test.skip(`recorded exchanges: ${missingCorpus}`, () => {})

const exchanges = loadExchanges('gemini.generateContent')
const named = (list: readonly Exchange[]): (readonly [string, Exchange])[] =>
  list.map((exchange) => [exchange.id, exchange])

function said(parts: readonly NeutralPart[]): Omit<Naive, 'finish'> {
  const texts = (kind: 'text' | 'reasoning'): string =>
    parts.map((part) => (part.kind === kind ? part.text : '')).join('')
  return {
    text: texts('text'),
    thoughts: texts('reasoning'),
    calls: parts.flatMap((part) =>
      part.kind === 'tool-call' ? [{ name: part.name, args: parseJson(part.argumentsText) ?? null }] : [],
    ),
    signatures: parts.flatMap((part) =>
      'signature' in part && part.signature !== undefined ? [part.signature.value] : [],
    ),
    pictures: parts.filter((part) => part.kind === 'image').length,
  }
}

function replyOf(exchange: Exchange): NeutralReply {
  const reading = readingOf(exchange)
  if (typeof reading === 'string') throw new Error(reading)
  return fold(eventsOf(reading, exchange, [exchange.bytes]))
}

describe.runIf(exchanges.length > 0)('recorded Gemini replies', () => {
  const good = exchanges.filter((exchange) => exchange.status === 200)
  /** Ends without a finish reason, or with an error behind its events. */
  const broken = (exchange: Exchange): boolean =>
    hasFailed(exchange.body) ||
    (exchange.isStreamed && (/"error"/.test(exchange.body) || !/finishReason|blockReason/.test(exchange.body)))

  test.each(named(good.filter((exchange) => !broken(exchange))))('%s: says what its bytes say', (_, exchange) => {
    const reply = replyOf(exchange)
    const messages = messagesIn(exchange.body)
    expect(reply.failure).toBeNull()
    const indices = messages.flatMap((message) =>
      arrayOf(message['candidates']).map((candidate, place) => Number(objectOf(candidate)['index'] ?? place)),
    )
    expect(reply.choices.length).toBe(Math.max(1, new Set(indices).size))
    const isBlocked = indices.length === 0
    for (const [index, choice] of reply.choices.entries()) {
      const { finish, ...expected } = naive(messages, index)
      expect(said(choice.parts)).toEqual(expected)
      expect(choice.finish).toBe(finishOf({ finish, ...expected }, isBlocked))
    }
  })

  test.each(named(good))('%s: counts what its bytes count', (_, exchange) => {
    const told = messagesIn(exchange.body).map((message) => objectOf(message['usageMetadata']))
    const last = told.findLast((usage) => Object.keys(usage).some((name) => name.endsWith('TokenCount')))
    const { usage } = replyOf(exchange)
    if (last === undefined || usage === null) {
      expect([last, usage]).toEqual([undefined, null])
      return
    }
    const count = (name: string): number => Number(last[name] ?? 0)
    expect(promptTokens(usage)).toBe(count('promptTokenCount') + count('toolUsePromptTokenCount'))
    expect(completionTokens(usage)).toBe(count('candidatesTokenCount') + count('thoughtsTokenCount'))
    expect(usage.cacheRead).toBe(count('cachedContentTokenCount'))
    expect(usage.reasoning).toBe(count('thoughtsTokenCount'))
    if (last['totalTokenCount'] !== undefined) expect(totalTokens(usage)).toBe(count('totalTokenCount'))
  })

  test.each(named(good.filter(broken)))(
    '%s: a stream that breaks off is a failure, and keeps what was said',
    (_, exchange) => {
      const reply = replyOf(exchange)
      expect(reply.failure).not.toBeNull()
      expect(said(reply.choices[0]?.parts ?? []).text).toBe(naive(messagesIn(exchange.body), 0).text)
    },
  )

  test.each(named(good.filter((exchange) => exchange.isStreamed)))(
    '%s: any chunking gives the same events',
    (_, exchange) => {
      const reading = readingOf(exchange)
      if (typeof reading === 'string') throw new Error(reading)
      const [whole, ...others] = Object.values(chunkings(exchange)).map((chunks) => eventsOf(reading, exchange, chunks))
      for (const events of others) expect(events).toEqual(whole)
    },
  )

  test.each(named(good))('%s: sent back, its signatures stand where they stood', (_, exchange) => {
    const reading = readingOf(exchange)
    if (typeof reading === 'string') throw new Error(reading)
    const parts = replyOf(exchange).choices[0]?.parts ?? []
    const messages = [{ role: 'assistant' as const, parts }]
    const request = { model: 'asked', stream: false, includeUsage: false, messages, tools: [], extra: {} }
    expect(reading.dialect.gaps(request, reading.target)).toEqual([])
    const edits = { model: 'gemini-2.5-flash', forceUsage: false, maxOutputTokens: null }
    const written = objectOf(parseJson(reading.dialect.write(request, reading.target, edits).body))
    const sent = naive(
      [{ candidates: [{ content: { parts: arrayOf(objectOf(arrayOf(written['contents'])[0])['parts']) } }] }],
      0,
    )
    const received = naive(messagesIn(exchange.body), 0)
    expect(sent.signatures).toEqual(received.signatures)
    expect(sent.calls).toEqual(received.calls)
    expect(sent.text).toBe(received.text)
  })

  test.each(named(exchanges.filter((exchange) => exchange.status !== 200)))(
    '%s: the error is understood',
    (_, exchange) => {
      const reading = readingOf(exchange)
      if (typeof reading === 'string') throw new Error(reading)
      const failure = reading.dialect.fail(exchange.status, { get: () => null }, exchange.body, 0)
      const body = parseJson(exchange.body)
      const error = objectOf(objectOf(Array.isArray(body) ? body[0] : body)['error'])
      const reason = JSON.stringify(error)
      const expected =
        exchange.status === 429
          ? 'throttled'
          : exchange.status === 403 || reason.includes('API_KEY_INVALID')
            ? 'credential'
            : 'client'
      expect(failure).toMatchObject({ class: expected, status: exchange.status })
      expect(failure.message).not.toBe('')
      const delay = /"retryDelay":\s*"(\d+)s"/.exec(reason)?.[1]
      if (delay !== undefined) expect(failure.retryAfterMs).toBeGreaterThan(Number(delay) * 900)
    },
  )
})

const embeddings = loadExchanges('gemini.embedContent').filter((exchange) => exchange.status === 200)

describe.runIf(embeddings.length > 0)('recorded Gemini embeddings', () => {
  test.each(named(embeddings))('%s: is asked for and read', (_, exchange) => {
    const { model, requestBody, provider, url, body } = exchange
    const text = String(objectOf(arrayOf(objectOf(requestBody['content'])['parts'])[0])['text'])
    const target = { ...TARGET, settings: provider === 'vertex' ? { host: 'vertex' } : {} }
    const call = writeGeminiEmbeddings([text], model, { target })
    expect(call?.body).toEqual(requestBody)
    expect(url).toContain(call?.path ?? 'no call')
    const read = readGeminiEmbeddings(parseJson(body) ?? null)
    expect(read?.vectors).toEqual([objectOf(objectOf(parseJson(body))['embedding'])['values']])
  })
})
