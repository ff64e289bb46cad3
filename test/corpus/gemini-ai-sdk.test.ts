// Recorded Gemini replies as `@ai-sdk/google` reads them, beside what the dialect reads from the same bytes: text, thoughts,
// calls, finish and usage agree, or the difference has a reason that is written here.
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralReply } from '../../src/core/neutral.ts'
import { completionTokens, promptTokens } from '../../src/core/money/usage.ts'
import { countOf, objectOf, stringOf } from '../../src/wire/read.ts'
import { loadExchanges, missingCorpus } from './exchanges.ts'
import type { Exchange } from './exchanges.ts'
import { eventsOf, readingOf } from './readers.ts'

if (missingCorpus !== null) test.skip(`recorded exchanges: ${missingCorpus}`, () => {})

interface Reading {
  readonly text: string
  readonly thoughts: string
  readonly calls: readonly Json[]
  readonly finish: string
  readonly prompt: number
  readonly completion: number
}

const PROMPT = [{ role: 'user' as const, content: [{ type: 'text' as const, text: 'any' }] }]

/** What the SDK makes of the recorded bytes; null where it throws. */
async function readWithSdk(exchange: Exchange): Promise<Reading | null> {
  const type = exchange.isStreamed ? 'text/event-stream' : 'application/json'
  const google = createGoogleGenerativeAI({
    apiKey: 'none',
    baseURL: 'http://provider.test',
    fetch: async () => new Response(exchange.bytes.slice(), { headers: { 'content-type': type } }),
  })
  const model = google(exchange.model.replace(/^models\//, '') || 'gemini-2.0-flash')
  const pieces: JsonObject[] = []
  try {
    if (exchange.isStreamed) {
      const { stream } = await model.doStream({ prompt: PROMPT })
      for await (const piece of stream) pieces.push(plain(piece))
    } else {
      const { content, finishReason, usage } = await model.doGenerate({ prompt: PROMPT })
      pieces.push(...content.map((piece) => plain(piece)), plain({ type: 'finish', finishReason, usage }))
    }
  } catch {
    return null
  }
  return pieces.some((piece) => piece['type'] === 'error') ? null : readPieces(pieces)
}

function plain(value: unknown): JsonObject {
  return objectOf(parseJson(JSON.stringify(value)))
}

function readPieces(pieces: readonly JsonObject[]): Reading {
  const join = (types: readonly string[]): string =>
    pieces
      .filter((piece) => types.includes(String(piece['type'])))
      .map((piece) => stringOf(piece['text']) ?? stringOf(piece['delta']) ?? '')
      .join('')
  const end = objectOf(pieces.findLast((piece) => piece['type'] === 'finish'))
  const usage = objectOf(end['usage'])
  return {
    text: join(['text', 'text-delta']),
    thoughts: join(['reasoning', 'reasoning-delta']),
    calls: pieces.flatMap((piece) =>
      piece['type'] === 'tool-call' && piece['providerExecuted'] !== true
        ? [{ name: piece['toolName'] ?? '', arguments: parseJson(String(piece['input'])) ?? null }]
        : [],
    ),
    finish: stringOf(objectOf(end['finishReason'])['unified']) ?? 'other',
    prompt: countOf(objectOf(usage['inputTokens'])['total']),
    completion: countOf(objectOf(usage['outputTokens'])['total']),
  }
}

/** What the dialect makes of them. */
function readWithDialect(exchange: Exchange): NeutralReply {
  const reading = readingOf(exchange)
  if (typeof reading === 'string') throw new Error(reading)
  return fold(eventsOf(reading, exchange, [exchange.bytes]))
}

const FINISH: Readonly<Record<string, string>> = { filtered: 'content-filter' }

function inTheirTerms({ choices, usage }: NeutralReply): Reading {
  const [choice] = choices
  const parts = choice?.parts ?? []
  const finish = choice?.finish ?? 'other'
  return {
    text: parts.map((part) => (part.kind === 'text' ? part.text : '')).join(''),
    thoughts: parts.map((part) => (part.kind === 'reasoning' ? part.text : '')).join(''),
    calls: parts.flatMap((part) =>
      part.kind === 'tool-call' ? [{ name: part.name, arguments: parseJson(part.argumentsText) ?? null }] : [],
    ),
    finish: FINISH[finish] ?? finish,
    prompt: usage === null ? 0 : promptTokens(usage),
    completion: usage === null ? 0 : completionTokens(usage),
  }
}

/** Ends that the SDK doesn't tell apart. */
const NO_KIND = ['other', 'interrupted']

/** Why the SDK can't read a reply that the dialect reads; null where it can. */
function unreadable(body: string): string | null {
  if (/^\s*\[/.test(body)) return 'a stream that is one JSON array'
  if (/"finishReason":\s*\d/.test(body)) return 'finish reasons that are numbers'
  return /^data:.*\ndata:/.test(body) ? 'events without blank lines between them' : null
}

describe.runIf(missingCorpus === null)('recorded Gemini replies, beside @ai-sdk/google', () => {
  const good = loadExchanges('gemini.generateContent').filter((exchange) => exchange.status === 200)
  test.each(good.map((exchange) => [exchange.id, exchange] as const))('%s', async (_, exchange) => {
    const theirs = await readWithSdk(exchange)
    const reply = readWithDialect(exchange)
    const ours = inTheirTerms(reply)
    const reason = unreadable(exchange.body)
    if (reason !== null) {
      expect([reply.failure, theirs === null || theirs.finish === 'interrupted']).toEqual([null, true])
      return
    }
    if (theirs === null) throw new Error('the SDK reads nothing, for no reason that is known')
    // The SDK has a word for ends of no known kind; here they are of the kind that they come nearest to.
    // Nor does it see an error behind the events.
    const finish = NO_KIND.includes(theirs.finish) || reply.failure !== null ? ours.finish : theirs.finish
    expect(ours).toEqual({ ...theirs, finish })
  })
})
