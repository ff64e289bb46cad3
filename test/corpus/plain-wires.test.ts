// Recorded replies of Cohere, Ollama and TGI: however the bytes are cut, the reply is the same, and it says what a naive
// look at the same bytes says.
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { NeutralReply } from '../../src/core/neutral.ts'
import { completionTokens, promptTokens } from '../../src/core/money/usage.ts'
import { chunkings, loadExchanges, missingCorpus } from './exchanges.ts'
import { type Naive, naive } from './naive-plain.ts'
import { eventsOf, readingOf } from './readers.ts'

if (missingCorpus !== null) test.skip(`recorded replies: ${missingCorpus}`, () => {})

const APIS = ['cohere.v1.chat', 'cohere.v2.chat', 'ollama.chat', 'ollama.generate', 'tgi.generate'] as const

for (const api of APIS) {
  const exchanges = loadExchanges(api).filter(({ status }) => status === 200)
  describe.runIf(exchanges.length > 0)(`recorded ${api}`, () => {
    test.each(exchanges.map((exchange) => [exchange.id, exchange] as const))('%s', (_, exchange) => {
      const reading = readingOf(exchange)
      if (typeof reading === 'string') throw new Error(reading)
      const replies = Object.values(chunkings(exchange)).map((chunks) => fold(eventsOf(reading, exchange, chunks)))
      const [reply] = replies
      if (reply === undefined) throw new Error('nothing was read')
      for (const other of replies) expect(other).toEqual(reply)
      const expected = naive(exchange)
      if (expected.finish === 'ERROR') {
        expect(reply.failure?.message).toContain('invalid tool generation')
        return
      }
      expect(reply.failure).toBeNull()
      expect(said(reply)).toEqual(expected)
    })
  })
}

function said(reply: NeutralReply): Naive {
  const parts = reply.choices.flatMap((choice) => choice.parts)
  const textOf = (kind: string): string =>
    parts.map((part) => (part.kind === kind && 'text' in part ? part.text : '')).join('')
  return {
    text: textOf('text'),
    reasoning: textOf('reasoning'),
    calls: parts.flatMap((part) =>
      part.kind === 'tool-call' ? [{ name: part.name, args: parseJson(part.argumentsText) ?? null }] : [],
    ),
    finish: reply.choices[0]?.finish ?? '',
    usage: reply.usage === null ? null : [promptTokens(reply.usage), completionTokens(reply.usage)],
  }
}
