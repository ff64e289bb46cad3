// Real traffic through the codecs: every recorded exchange is read in six chunkings, metered, and the compact core is
// compared with what the official SDKs make of the same bytes.
import { describe, expect, test } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import { parseJson } from '../../src/core/json.ts'
import type { NeutralEvent } from '../../src/core/neutral.ts'
import { createSseFramer } from '../../src/data-plane/framing/sse.ts'
import type { Dialect, Frame } from '../../src/dialects/dialect.ts'
import { dialects, protocols } from '../support/registries.ts'
import { difference, readAsClient, readAsProvider } from './compare.ts'
import { chunkings, loadExchanges, missingCorpus } from './exchanges.ts'
import type { Exchange } from './exchanges.ts'
import { TARGET } from '../support/target.ts'

/** Exchanges below this rank are compared through the SDKs. */
const CORE_RANK = 300

const SETS: readonly (readonly [api: Exchange['api'], dialect: Dialect])[] = [
  ['openai.chat', dialects['openai-chat']],
  ['anthropic.messages', dialects['anthropic-messages']],
]

if (missingCorpus !== null) test.skip(`recorded exchanges: ${missingCorpus}`, () => {})

for (const [api, dialect] of SETS) {
  const exchanges = loadExchanges(api)
  const streams = exchanges.filter((exchange) => exchange.isStreamed)
  const errors = exchanges.filter((exchange) => exchange.status >= 400)
  const core = exchanges.filter((exchange) => exchange.rank < CORE_RANK && exchange.status === 200)

  describe.runIf(exchanges.length > 0)(`recorded ${api} exchanges`, () => {
    test.each(streams.map((exchange) => [exchange.id, exchange] as const))(
      '%s: any chunking gives the same events',
      (_, exchange) => {
        const [whole, ...others] = Object.values(chunkings(exchange)).map((chunks) =>
          readFrames(dialect, framesOf(chunks)),
        )
        for (const events of others) expect(events).toEqual(whole)
      },
    )

    test.each(streams.map((exchange) => [exchange.id, exchange] as const))(
      '%s: the meter agrees with the reader',
      (_, exchange) => {
        const frames = framesOf([new TextEncoder().encode(exchange.body)])
        const events = readFrames(dialect, frames)
        const reply = fold(events)
        const meter = dialect.meter(TARGET)
        for (const frame of frames) meter.push(frame)
        expect(meter.visibleChars).toBe(visibleChars(events))
        expect(meter.usage).toEqual(reply.usage)
        expect(meter.isComplete).toBe(reply.failure === null)
        if (reply.failure?.class !== 'stream') expect(meter.failure).toEqual(reply.failure)
      },
    )

    test.each(errors.map((exchange) => [exchange.id, exchange] as const))(
      '%s: the error is understood',
      (_, exchange) => {
        const headers = { get: (name: string) => exchange.headers[name.toLowerCase()] ?? null }
        const failure = dialect.fail(exchange.status, headers, exchange.body, 0)
        expect(failure.class).toBe(expectedClass(exchange))
        expect(failure.status).toBe(exchange.status)
        expect(failure.message).not.toBe('')
      },
    )

    test.each(core.map((exchange) => [exchange.id, exchange] as const))(
      '%s: the client reads what the provider said',
      async (_, exchange) => {
        const client = await readAsClient(translated(dialect, exchange), exchange.isStreamed)
        expect(difference(await readAsProvider(exchange), client)).toBeNull()
      },
    )
  })
}

function framesOf(chunks: readonly Uint8Array[]): readonly Frame[] {
  const decoder = new TextDecoder()
  const framer = createSseFramer()
  const frames = chunks.flatMap((chunk) => framer.push(decoder.decode(chunk, { stream: true })))
  return [...frames, ...framer.push(decoder.decode()), ...framer.end()]
}

function readFrames(dialect: Dialect, frames: readonly Frame[]): readonly NeutralEvent[] {
  const reader = dialect.reader(TARGET)
  const events = frames.flatMap((frame) => reader.push(frame))
  return [...events, ...reader.end()]
}

function visibleChars(events: readonly NeutralEvent[]): number {
  let chars = 0
  for (const event of events) {
    if (event.type === 'part-delta') chars += event.text.length
  }
  return chars
}

/** By status alone: what holds for every recorded error but one, in which the provider refuses the content itself. */
function expectedClass(exchange: Exchange): string {
  if (exchange.body.includes('Content violates usage guidelines')) return 'client'
  if (exchange.status === 401 || exchange.status === 403) return 'credential'
  if (exchange.status === 429) return 'throttled'
  return exchange.status >= 500 ? 'server' : 'client'
}

const CONTEXT = { id: 'chatcmpl-test', createdSeconds: 1, model: 'any', wantsUsage: true, request: {} }

/** The exchange's reply as the gateway's translated lane would send it. */
function translated(dialect: Dialect, exchange: Exchange): Response {
  const chat = protocols.chat
  if (!exchange.isStreamed) {
    const reply = fold(dialect.read(parseJson(exchange.body) ?? null, TARGET))
    if (reply.failure === null) return Response.json(chat.write(reply, CONTEXT))
    const failure = { kind: 'upstream-failed', provider: exchange.provider, upstream: reply.failure } as const
    const wire = chat.fail(failure, 'req_test')
    return Response.json(wire.body, { status: wire.status, headers: wire.headers })
  }
  const writer = chat.writer(CONTEXT)
  let text = ''
  let ending = writer.end()
  for (const event of readFrames(dialect, framesOf([new TextEncoder().encode(exchange.body)]))) {
    text += writer.push(event)
    if (event.type !== 'failure') continue
    const failure = { kind: 'upstream-failed', provider: exchange.provider, upstream: event.failure } as const
    ending = chat.failInStream(failure, 'req_test')
  }
  return new Response(text + ending, { headers: { 'content-type': 'text/event-stream' } })
}
