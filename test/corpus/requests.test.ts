// Recorded requests through the translation, and errors quoted in public through the reading of errors.
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { parseJson } from '../../src/core/json.ts'
import { createSseFramer } from '../../src/data-plane/framing/sse.ts'
import { dialects, protocols } from '../support/registries.ts'
import { arrayOf, countOf, objectOf, stringOf } from '../../src/wire/read.ts'
import { CORPUS_DIR, loadExchanges, missingCorpus } from './exchanges.ts'

const TARGET: Target = {
  id: 'target',
  provider: 'provider',
  dialect: 'openai-chat',
  baseUrl: 'https://provider.test/v1',
  model: '*',
  credential: null,
  maxRetries: 0,
  timeouts: { firstContentMs: 1000, idleMs: 1000, totalMs: 1000 },
  maxOutputTokens: 4096,
  price: null,
  priceVersion: null,
  costCenter: null,
}

const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }

if (missingCorpus !== null) test.skip(`recorded requests: ${missingCorpus}`, () => {})

const accepted = loadExchanges('openai.chat').filter(
  ({ status, requestBody }) =>
    status === 200 && requestBody['model'] !== undefined && requestBody['messages'] !== undefined,
)

describe.runIf(accepted.length > 0)('requests that providers accepted', () => {
  test.each(accepted.map((exchange) => [exchange.id, exchange] as const))(
    '%s: is accepted and translated',
    (_, exchange) => {
      const body = exchange.requestBody
      expect(protocols.chat.facts(body)).toMatchObject({ ok: true })
      const request = protocols.chat.read(body)
      if (!request.ok) throw new Error(`${request.error.field}: ${request.error.message}`)

      const chat = dialects['openai-chat'].write(request.value, TARGET, NO_EDITS)
      const again = protocols.chat.read(objectOf(parseJson(chat.body)))
      const usage = { includeUsage: request.value.stream || request.value.includeUsage }
      expect(again).toEqual({ ok: true, value: { ...request.value, ...usage } })

      const anthropic = dialects['anthropic-messages']
      expect(anthropic.gaps(request.value, TARGET)).toEqual(expect.any(Array))
      const written = objectOf(parseJson(anthropic.write(request.value, TARGET, NO_EDITS).body))
      expect(countOf(written['max_tokens'])).toBeGreaterThan(0)
      const roles = arrayOf(written['messages']).map((message) => objectOf(message)['role'])
      expect(roles.filter((role, at) => role === roles[at - 1])).toEqual([])
    },
  )

  test.each(accepted.map((exchange) => [exchange.id, exchange] as const))('%s: is edited as text', (_, exchange) => {
    const text = JSON.stringify(exchange.requestBody, null, 1)
    const edits = { model: 'sent', forceUsage: true, maxOutputTokens: null }
    const edited = dialects['openai-chat'].edit(text, exchange.requestBody, edits, TARGET).body
    const options = { ...objectOf(exchange.requestBody['stream_options']), include_usage: true }
    const streamed = exchange.requestBody['stream'] === true ? { stream_options: options } : {}
    expect(parseJson(edited)).toEqual({ ...exchange.requestBody, model: 'sent', ...streamed })
  })
})

interface QuotedError {
  readonly status: number
  readonly where: string
  readonly provider: string
  readonly body: string
}

function quotedErrors(): readonly QuotedError[] {
  if (missingCorpus !== null) return []
  const rows = arrayOf(parseJson(readFileSync(path.join(CORPUS_DIR, 'quoted_errors.json'), 'utf8')))
  return rows.map((row) => {
    const { status, where, provider, body } = objectOf(row)
    return { status: countOf(status), where: String(where), provider: stringOf(provider) ?? '', body: String(body) }
  })
}

/** Quoted as they were printed: some bodies are descriptions, which say nothing to a reader. */
const quoted = quotedErrors()
const responses = quoted.filter((error) => error.where === 'http')
const streams = quoted.filter(
  ({ where, provider, body }) =>
    where === 'mid-stream' && /^(event|data):/.test(body) && provider !== 'openai.responses',
)

describe.runIf(quoted.length > 0)('errors quoted in public', () => {
  test.each(responses)('$provider $status: $body', ({ status, body }) => {
    for (const dialect of Object.values(dialects)) {
      const failure = dialect.fail(status, { get: () => null }, body, 0)
      expect(failure.class).toBe(classOf(status, body))
      expect(failure.message).not.toBe('')
    }
  })

  test.each(streams)('$provider in mid-stream: $body', ({ provider, body }) => {
    const dialect = dialects[provider === 'anthropic' ? 'anthropic-messages' : 'openai-chat']
    const reader = dialect.reader(TARGET)
    const framer = createSseFramer()
    const events = [...framer.push(body), ...framer.end()].flatMap((frame) => reader.push(frame))
    expect(events).toMatchObject([
      { type: 'failure', failure: { class: provider === 'anthropic' ? 'overloaded' : 'server' } },
    ])
  })
})

function classOf(status: number, body: string): string {
  if (status === 429) return body.includes('Request too large') ? 'client' : 'throttled'
  if (status === 402) return 'credential'
  if (status === 503 || status === 529 || body.includes('Overloaded')) return 'overloaded'
  return status >= 500 ? 'server' : 'client'
}
