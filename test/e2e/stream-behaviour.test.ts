// How a stream behaves on its way through the running gateway: prompt, bounded in memory, cancelled when nobody listens,
// and never ended as if it were whole when it isn't.
import http from 'node:http'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type MintedKey,
  ask,
  bookOf,
  clientOf,
  createRoute,
  createTenant,
  eventually,
  routeSimulated,
  says,
  simulatedTarget,
} from '../support/account.ts'
import { type RawProvider, contentEvent, endEvents, sent, startRawProvider } from '../support/raw-provider.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let key: string
let raw: RawProvider

beforeAll(async () => {
  system = await startTestSystem()
  const minted: MintedKey = await createTenant(system, 'acme')
  key = minted.key
  await routeSimulated(system)
  raw = await startRawProvider((response) => void response.end())
  const settings = { provider: 'custom', model: '*', base_url: raw.url, probe_model: 'probe', max_retries: 0 }
  await createRoute(system, 'raw*', [{ id: 'raw', ...settings }])
})
afterAll(async () => {
  await raw.close()
  await system.dispose()
})

const WIRES = [
  ['OpenAI wire', 'sim-gpt-4o-fast'],
  ['Anthropic wire', 'sim-claude-fast'],
] as const

function streamed(model: string, headers: Record<string, string> = {}): Promise<Response> {
  return ask(system, key, { model, stream: true, messages: says('Go on') }, { headers })
}

/** Reads until the text fits. */
async function readUntil(reader: ReadableStreamDefaultReader<Uint8Array>, pattern: RegExp): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  while (!pattern.test(text)) {
    const { done, value } = await reader.read()
    if (done) throw new Error(`ended after ${text}`)
    text += decoder.decode(value, { stream: true })
  }
  return text
}

function readerOf(response: Response): ReadableStreamDefaultReader<Uint8Array> {
  if (response.body === null) throw new Error('no body')
  return response.body.getReader()
}

describe('the first byte', () => {
  test.each(WIRES)('%s: is with the client before the provider sends its second content', async (_, model) => {
    const own = `${model}-pause-tokens9`
    const reader = readerOf(await streamed(own))
    await readUntil(reader, /"content":"[^"]/)
    expect(await bookOf(system.simulatedUrl, own)).toMatchObject({ calls: 1, completed: 0, tokensOut: 1 })
    await fetch(`${system.simulatedUrl}/control/release?model=${own}`, { method: 'POST' })
    await readUntil(reader, /data: \[DONE\]/)
    expect(await bookOf(system.simulatedUrl, own)).toMatchObject({ completed: 1, tokensOut: 9 })
  })

  test('and so is every later one, as it comes', async () => {
    const { promise: seen, resolve: goOn } = Promise.withResolvers<void>()
    raw.answer = async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      await sent(response, contentEvent('one'))
      await seen
      response.end(contentEvent('two') + endEvents(1, 2))
    }
    const reader = readerOf(await streamed('raw'))
    expect(await readUntil(reader, /one/)).toBe(contentEvent('one'))
    goOn()
    expect(await readUntil(reader, /\[DONE\]/)).toContain('two')
  })
})

describe('a client that leaves', () => {
  test.each([
    ['OpenAI wire', 'sim-gpt-4o-tokens5000'],
    ['Anthropic wire', 'sim-claude-tokens5000'],
  ])('%s: ends the call of its provider within a few events', async (_, model) => {
    const leaving = new AbortController()
    const body = { model, stream: true, messages: says('Go on') }
    const response = await ask(system, key, body, { signal: leaving.signal })
    await readUntil(readerOf(response), /"content":"[^"]/)
    const before = await bookOf(system.simulatedUrl, model)
    leaving.abort()
    const after = await eventually(
      () => bookOf(system.simulatedUrl, model),
      (book) => book?.aborted === 1,
    )
    expect((after?.tokensOut ?? 0) - (before?.tokensOut ?? 0)).toBeLessThan(50)
  })

  // workerd learns of a connection that was closed in order only when it writes; of one that was reset it learns at once.
  test.each([
    ['a silent stream', true, true],
    ['a stream that has not begun', true, false],
    ['a whole reply', false, false],
  ])('%s: ends the call of its provider, though nothing is said', async (_, stream, begins) => {
    raw.answer = async (response) => {
      if (!begins) return
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      await sent(response, contentEvent('one'))
    }
    const before = raw.calls
    const client = rawClient(key, { model: 'raw', stream, messages: says('Hello?') })
    await eventually(
      () => (begins ? client.text.includes('one') : raw.calls === before + 1),
      (hasBegun) => hasBegun,
    )
    const busy = raw.busy
    client.reset()
    await eventually(
      () => raw.busy,
      (count) => count === busy - 1,
    )
  })
})

/** A client on a socket of its own, which can be reset. */
function rawClient(key: string, body: object): { readonly text: string; reset(): void } {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' }
  const client = { text: '', reset: () => void request.socket?.resetAndDestroy() }
  const request = http.request(`${system.url}/v1/chat/completions`, { method: 'POST', agent: false, headers })
  request.on('error', () => {})
  request.on('response', (response) => {
    response.on('error', () => {})
    response.on('data', (chunk: Buffer) => (client.text += chunk.toString()))
  })
  request.end(JSON.stringify(body))
  return client
}

describe('a stream that goes wrong', () => {
  const FAULTS = [
    ['the provider dies', 'cut3', 'provider_stream_broken'],
    ['the provider falls silent', 'stall3', 'provider_timeout'],
    ['the provider sends an error', 'errchunk3', 'provider_error'],
    ['the provider sends garbage', 'garbage3', 'provider_stream_broken'],
    ['the provider just stops', 'truncated', 'provider_stream_broken'],
  ] as const

  describe.each(WIRES)('%s', (_, model) => {
    test.each(FAULTS)(
      '%s: the SDK throws a clear error after what had come, and there is no [DONE]',
      async (_, fault, code) => {
        const own = `${model}-tokens10-${fault}`
        const target = { model: '*', probe_model: 'sim-fast' }
        await createRoute(system, own, [
          simulatedTarget(`first-${own}`, own, target),
          simulatedTarget(`never-${own}`, 'sim-gpt-fast-never'),
        ])
        const headers = { 'x-tidegate-idle-timeout-ms': '200' }
        const stream = await clientOf(system, key).chat.completions.create(
          { model: own, stream: true, messages: says('Go on') },
          { headers },
        )
        let pieces = 0
        const reading = (async () => {
          for await (const chunk of stream) if (chunk.choices[0]?.delta.content) pieces += 1
        })()
        await expect(reading).rejects.toThrow(OpenAI.APIError)
        await expect(reading).rejects.toMatchObject({ code, message: expect.stringContaining('simulated-') })
        expect(pieces).toBe(fault === 'truncated' ? 10 : 3)
        const text = await (await streamed(own, headers)).text()
        expect(text).toMatch(/data: \{"error":\{[^\n]*\}\n\n$/)
        expect(text).not.toContain('[DONE]')
      },
    )

    test.each(['cut0', 'stall0', 'errchunk0', 'garbage0', 'err200'])(
      '%s, before the first content: the next target answers as if nothing had been',
      async (fault) => {
        const own = `${model}-${fault}-before`
        await createRoute(system, own, [
          simulatedTarget(`before-${own}`, own, { model: '*', probe_model: 'sim-fast' }),
          simulatedTarget(`then-${own}`, 'sim-gpt-fast-tokens9'),
        ])
        const response = await streamed(own, { 'x-tidegate-attempt-timeout-ms': '200' })
        expect(response.headers.get('x-tidegate-target')).toBe(`then-${own}`)
        expect(response.headers.get('x-tidegate-attempts')).toBe('2')
        const text = await response.text()
        expect(text).not.toContain('error')
        expect(text.match(/"content":"[^"]/g)).toHaveLength(9)
        expect(text).toMatch(/data: \[DONE\]\n\n$/)
      },
    )
  })

  test('a connection reset in the middle of an event gives out nothing of that event', async () => {
    const { promise: seen, resolve: die } = Promise.withResolvers<void>()
    raw.answer = async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      await sent(response, contentEvent('whole') + contentEvent('torn').slice(0, -20))
      await seen
      response.socket?.resetAndDestroy()
    }
    const reader = readerOf(await streamed('raw'))
    const first = await readUntil(reader, /whole/)
    die()
    const text = first + (await readUntil(reader, /"error":.*\n\n$/s))
    expect(await reader.read()).toMatchObject({ done: true })
    expect(text).not.toMatch(/torn/)
    expect(text).toMatch(/data: \{"error":\{[^\n]*"provider_stream_broken"[^\n]*\}\n\n$/)
  })
})
