// A stream in odd lumps on its way to a client that wants it evenly: what arrives is what was sent, in order and in time,
// whatever the client does.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { ClientSink } from '../../src/data-plane/answer/client-stream.ts'
import { SmoothStream, eventsOf, smoothLagMs, wordsOf } from '../../src/data-plane/answer/smooth.ts'
import { ended, holdTime, pathWorld } from '../support/path-world.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const event = (content: string): string => `data: {"choices":[{"index":0,"delta":{"content":"${content}"}}]}\n\n`
const ROLE = 'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}\n\n'

interface Written {
  readonly text: string
  readonly atMs: number
}

/** A client that writes down what it gets, and takes it or not as it is told. */
function client() {
  const written: Written[] = []
  let hold: Promise<void> | null = null
  const note = (piece: Uint8Array | string): Promise<void> | null => {
    const text = typeof piece === 'string' ? piece : new TextDecoder().decode(piece)
    written.push({ text, atMs: Date.now() })
    return hold
  }
  const sink: ClientSink = {
    isBlocked: false,
    isGone: false,
    lastWriteMs: -1,
    write: note,
    begin(pieces) {
      for (const piece of pieces) void note(piece)
      return null
    },
    ping: () => void note(': ping\n\n'),
    close: async (last) => void note(last ?? ''),
    abort: () => void note('aborted'),
  }
  return {
    sink,
    written,
    textOf: () => written.map(({ text }) => text).join(''),
    block: (until: Promise<void> | null): void => void (hold = until),
  }
}

describe('a smoothed stream', () => {
  test('gives out the beginning up to the first text at once, and the rest of the lump evenly', async () => {
    const { sink, written } = client()
    const stream = new SmoothStream(sink, 400, Date.now)
    const startMs = Date.now()
    void stream.begin([ROLE + event('one') + event('two') + event('three') + event('four')])
    expect(written.map(({ text }) => text)).toEqual([ROLE, event('one')])
    await vi.advanceTimersByTimeAsync(400)
    expect(written.slice(2).map(({ text }) => text)).toEqual([event('two'), event('three'), event('four')])
    const waits = written.map(({ atMs }) => atMs - startMs)
    expect(waits.slice(1)).toEqual([0, 100, 200, 300])
    expect(Math.max(...waits)).toBeLessThanOrEqual(400)
  })

  test('loses nothing, keeps the order, and ends when its source ends', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ events: fc.integer({ min: 0, max: 12 }), afterMs: fc.integer({ min: 0, max: 700 }) }), {
          maxLength: 12,
        }),
        fc.constantFrom(null, 'data: [DONE]\n\n'),
        async (lumps, last) => {
          const { sink, written, textOf } = client()
          const stream = new SmoothStream(sink, 300, Date.now)
          let sent = ''
          void stream.begin([event('first')])
          sent += event('first')
          for (const [number, { events, afterMs }] of lumps.entries()) {
            await vi.advanceTimersByTimeAsync(afterMs)
            const lump = Array.from({ length: events }, (_, i) => event(`${number}.${i}`)).join('')
            await stream.write(new TextEncoder().encode(lump))
            sent += lump
          }
          const endMs = Date.now()
          await stream.close(last)
          expect(textOf()).toBe(sent + (last ?? ''))
          expect(written.at(-1)?.atMs).toBe(endMs)
          expect(vi.getTimerCount()).toBe(0)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('makes its source wait while the client takes nothing, and goes on after that', async () => {
    const { sink, textOf, block } = client()
    const stream = new SmoothStream(sink, 100, Date.now)
    const { promise, resolve } = Promise.withResolvers<void>()
    block(promise)
    const large = event('x'.repeat(20_000))
    let isWelcome = false
    const wait = stream.write(large.repeat(5))
    void wait?.then(() => (isWelcome = true))
    expect(wait).not.toBeNull()
    await vi.advanceTimersByTimeAsync(1_000)
    expect([isWelcome, textOf().length]).toEqual([false, large.length])
    block(null)
    resolve()
    await vi.advanceTimersByTimeAsync(1_000)
    expect([isWelcome, textOf()]).toEqual([true, large.repeat(5)])
    await stream.close(null)
  })

  test('gives up at once', async () => {
    const { sink, written } = client()
    const stream = new SmoothStream(sink, 400, Date.now)
    void stream.write(event('one') + event('two') + event('three'))
    stream.abort('client-left')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(written.map(({ text }) => text)).toEqual([event('one'), 'aborted'])
    expect(vi.getTimerCount()).toBe(0)
  })
})

test('events are cut at blank lines, whatever ends a line, and joined are what they were', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('data: é', '\n', '\r\n', '\n\n', '\r\n\r\n', 'x')), (parts) => {
      const text = parts.join('')
      const events = eventsOf(text).map((piece) => new TextDecoder().decode(piece))
      expect(events.join('')).toBe(text)
    }),
  )
  expect(eventsOf('a\n\nb\r\n\r\nc')).toHaveLength(3)
})

test('words joined are the text again, and no character is cut in two', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const words = wordsOf(text)
      expect(words.join('')).toBe(text)
      for (const word of words) expect(word).toBe(word.toWellFormed())
    }),
  )
})

test('the header asks for a lag, and for no more than is good', () => {
  const asked = [null, 'true', '120', '9000', 'false', '0', '-1', 'x'].map((value) => smoothLagMs(value))
  expect(asked).toEqual([null, 400, 120, 400, null, null, null, null])
})

test.each(['openai-chat', 'anthropic-messages'] as const)(
  'a client gets the same text either way (%s)',
  async (dialect) => {
    const ask = async (headers: Record<string, string>): Promise<string> => {
      const world = pathWorld([someTarget('a', { dialect })])
      world.upstream = () =>
        new Response(dialect === 'openai-chat' ? CHAT : MESSAGES, { headers: { 'content-type': 'text/event-stream' } })
      const body = { model: 'asked', messages: [{ role: 'user', content: 'Tide?' }], stream: true }
      const text = await ended(world, await world.ask(body, { headers }))
      return [...text.matchAll(/"content":"([^"]*)"/g)].map(([, piece]) => piece).join('')
    }
    const plain = await ask({})
    expect(plain).toContain('The tide comes in twice a day')
    expect(await ask({ 'x-tidegate-smooth': 'true' })).toBe(plain)
  },
)

const LONG = 'The tide comes in twice a day, and goes out as often, whatever the harbour master says of it.'
const CHAT = `${event(LONG)}${event(' So it is.')}data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n`
const MESSAGES = [
  {
    type: 'message_start',
    message: { id: 'msg_1', role: 'assistant', model: 'm', content: [], usage: { input_tokens: 1, output_tokens: 1 } },
  },
  { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
  { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: LONG } },
  { type: 'content_block_stop', index: 0 },
  { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 20 } },
  { type: 'message_stop' },
]
  .map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`)
  .join('')
