// The simulated providers' behaviours and faults, on both wires, byte by byte; and their books.
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isJsonObject } from '../../src/core/json.ts'
import { BEHAVIOUR_WORDS, readBehaviour } from '../../src/simulated/behaviour.ts'
import { readBooks, resetBooks, type ModelBook } from '../../src/simulated/books.ts'
import { systemClock } from '../../src/simulated/clock.ts'
import { handleSimulated } from '../../src/simulated/handle-simulated.ts'
import { call, instantClock, payloadsIn, readWrites } from '../support/simulated.ts'

const WIRES = ['openai', 'anthropic'] as const

beforeEach(resetBooks)
afterEach(resetBooks)

function book(model: string): ModelBook | undefined {
  return readBooks()[model]
}

/** Data payloads that carry a token. */
function contentsIn(text: string): string[] {
  return payloadsIn(text).filter((data) => /"delta":\{"(content":"[^"]|type":"text_delta)/.test(data))
}

async function stream(wire: 'openai' | 'anthropic', model: string) {
  return readWrites(await call(wire, { model, stream: true, stream_options: { include_usage: true } }))
}

async function until(isMet: () => boolean): Promise<void> {
  const deadlineMs = Date.now() + 5_000
  while (!isMet()) {
    if (Date.now() > deadlineMs) throw new Error('not met in time')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('names', () => {
  test('words combine in any order, and what is no word is part of the name', () => {
    const one = readBehaviour('sim-gpt-4o-fast-cut3-lumps7-slow500')
    expect(one).toEqual(readBehaviour('sim-slow500-gpt-4o-lumps7-cut3-fast'))
    expect(one).toMatchObject({ firstTokenMs: 500, tokenMs: 0, eventsPerWrite: 7 })
    expect(one.faults).toEqual([{ kind: 'cut', afterEvents: 3 }])
    expect(readBehaviour('sim-claude-sonnet-4-5')).toEqual(readBehaviour('sim'))
    expect(readBehaviour('sim-faster-e200-e4290-cut')).toEqual(readBehaviour('sim'))
  })

  test('the README lists every word, with its effect', () => {
    const readme = readFileSync(`${import.meta.dirname}/../../src/simulated/README.md`, 'utf8')
    const rows = readme.replaceAll(/ +/g, ' ')
    for (const { form, effect } of BEHAVIOUR_WORDS) expect(rows).toContain(`| \`${form}\` | ${effect} |`)
  })
})

describe.each(WIRES)('%s: faults', (wire) => {
  const ending = wire === 'openai' ? '[DONE]' : 'message_stop'

  test.each([400, 401, 402, 404, 429, 500, 503, 529])(
    '-e%i answers with that status in the wire’s shape',
    async (status) => {
      const response = await call(wire, { model: `sim-e${status}` })
      expect(response.status).toBe(status)
      expect(response.headers.get('retry-after')).toBe(status === 429 ? '2' : null)
      const shape = { message: expect.stringMatching(/./), type: expect.stringMatching(/./) }
      expect(await response.json()).toMatchObject(
        wire === 'openai' ? { error: shape } : { type: 'error', error: shape },
      )
      expect(book(`sim-e${status}`)).toMatchObject({ calls: 1, errors: 1, completed: 0, tokensOut: 0 })
    },
  )

  test('-tokens<n> gives exactly n tokens, counted and reported', async () => {
    const { text, broken } = await stream(wire, 'sim-tokens37')
    expect(broken).toBe(false)
    expect(contentsIn(text)).toHaveLength(37)
    expect(text).toContain(wire === 'openai' ? '"completion_tokens":37' : '"output_tokens":37')
    expect(book('sim-tokens37')).toMatchObject({ streams: 1, completed: 1, tokensOut: 37 })
  })

  test('-cut<n> breaks the body after n content events', async () => {
    const { text, broken } = await stream(wire, 'sim-fast-cut3')
    expect(broken).toBe(true)
    expect(contentsIn(text)).toHaveLength(3)
    expect(book('sim-fast-cut3')).toMatchObject({ errors: 1, completed: 0, tokensOut: 3 })
    expect((await readWrites(await call(wire, { model: 'sim-fast-cut3' }))).broken).toBe(true)
  })

  test('-garbage<n> sends a frame that nobody can parse, then goes on', async () => {
    const { text } = await stream(wire, 'sim-fast-garbage2')
    const bad = payloadsIn(text).flatMap((data, index) => (data.endsWith('}') || data === '[DONE]' ? [] : [index]))
    expect(bad).toHaveLength(1)
    const before = payloadsIn(text).slice(0, bad[0]).join('\n')
    expect(contentsIn(before.replaceAll(/^/gm, 'data: '))).toHaveLength(2)
    expect(text).toContain(ending)
    const whole = await readWrites(await call(wire, { model: 'sim-fast-garbage2' }))
    expect(() => JSON.parse(whole.text)).toThrow(SyntaxError)
  })

  test('-errchunk<n> ends the stream with an error event after n content events', async () => {
    const { text } = await stream(wire, 'sim-fast-errchunk2')
    expect(contentsIn(text)).toHaveLength(2)
    const failure: unknown = JSON.parse(payloadsIn(text).at(wire === 'openai' ? -2 : -1) ?? '')
    expect(failure).toMatchObject({ error: { type: wire === 'openai' ? 'server_error' : 'api_error' } })
    expect(text.includes('event: error')).toBe(wire === 'anthropic')
    expect(text).not.toContain('message_stop')
    expect(book('sim-fast-errchunk2')).toMatchObject({ errors: 1, completed: 0 })
  })

  test('-err200 is an error under status 200, streamed as the first event', async () => {
    const whole = await call(wire, { model: 'sim-err200' })
    expect(whole.status).toBe(200)
    expect(await whole.json()).toHaveProperty('error.message')
    const { text } = await stream(wire, 'sim-err200')
    expect(JSON.parse(payloadsIn(text)[0] ?? '')).toHaveProperty('error.message')
  })

  test('-empty is well ended, with nothing in it', async () => {
    const { text } = await stream(wire, 'sim-empty')
    expect(contentsIn(text)).toEqual([])
    expect(text).toContain(ending)
    const body = await (await call(wire, { model: 'sim-empty' })).json()
    expect(body).toMatchObject(wire === 'openai' ? { choices: [] } : { content: [] })
  })

  test('-truncated ends cleanly without saying that it is finished', async () => {
    const { text, broken } = await stream(wire, 'sim-fast-truncated')
    expect(broken).toBe(false)
    expect(contentsIn(text).length).toBeGreaterThanOrEqual(40)
    expect(text).not.toContain(ending)
    expect(text).not.toMatch(/"(finish|stop)_reason":"/)
  })

  test('-wrongusage reports ten times the tokens, -nousage none', async () => {
    const key = wire === 'openai' ? 'completion_tokens' : 'output_tokens'
    const count = async (model: string) => {
      const body: unknown = await (await call(wire, { model })).json()
      return isJsonObject(body) && isJsonObject(body['usage']) ? body['usage'][key] : undefined
    }
    expect(await count('sim-fast-tokens20-wrongusage')).toBe(200)
    expect(await count('sim-fast-nousage')).toBeUndefined()
    expect((await stream(wire, 'sim-fast-tokens20-wrongusage')).text).toContain(`"${key}":200`)
    expect((await stream(wire, 'sim-fast-nousage')).text).not.toContain('"usage":')
    expect(book('sim-fast-tokens20-wrongusage')).toMatchObject({ tokensOut: 40 })
  })

  test('-lumps<n> puts n content events in a write, and changes nothing else', async () => {
    const { writes } = await stream(wire, 'sim-fast-tokens21-lumps7')
    const counts = writes.map((write) => contentsIn(Buffer.from(write).toString('utf8')).length)
    expect(counts).toEqual([7, 7, 7, 0])
  })

  test('-split never ends a write where an event ends, cuts UTF-8, and loses nothing', async () => {
    const { writes, text } = await stream(wire, 'sim-fast-split-tokens60')
    const isWhole = (bytes: Uint8Array) => !new TextDecoder().decode(bytes).includes('\ufffd')
    expect(writes.slice(0, -1).every((write) => !Buffer.from(write).toString('latin1').endsWith('\n'))).toBe(true)
    expect(writes.some((write) => !isWhole(write))).toBe(true)
    expect(text).not.toContain('\ufffd')
    expect(contentsIn(text)).toHaveLength(60)
    expect(text).toContain(ending)
  })

  test('-stall<n> falls silent until the client leaves, which is counted and leaves no timer', async () => {
    const clock = instantClock()
    const response = await call(wire, { model: 'sim-stall2', stream: true }, { clock })
    const reader = response.body?.getReader()
    let text = ''
    while (contentsIn(text).length < 2) text += new TextDecoder().decode((await reader?.read())?.value)
    const silent = reader?.read()
    await until(() => clock.open === 1)
    await reader?.cancel()
    expect((await silent)?.done).toBe(true)
    expect(clock.open).toBe(0)
    expect(book('sim-stall2')).toMatchObject({ calls: 1, aborted: 1, completed: 0, errors: 0, tokensOut: 2 })
  })

  test.each([false, true])('-hang answers nothing until the client leaves (streamed: %s)', async (isStreamed) => {
    const clock = instantClock()
    const client = new AbortController()
    const pending = call(wire, { model: 'sim-hang', stream: isStreamed }, { clock, signal: client.signal })
    await until(() => clock.open === 1)
    client.abort()
    expect((await pending).status).toBe(499)
    expect(clock.open).toBe(0)
    expect(book('sim-hang')).toMatchObject({ aborted: 1, errors: 0 })
  })

  test('-pause sends one content event, and the rest when it is released', async () => {
    const clock = instantClock()
    const response = await call(wire, { model: 'sim-pause', stream: true }, { clock })
    const writes: string[] = []
    const reading = (async () => {
      for await (const write of response.body ?? []) writes.push(new TextDecoder().decode(write))
    })()
    await until(() => clock.waits.filter((ms) => ms === 5).length > 3)
    expect(contentsIn(writes.join(''))).toHaveLength(1)
    const other = new Request('http://simulated/control/release?model=sim-other', { method: 'POST' })
    expect((await handleSimulated(other)).status).toBe(200)
    const before = clock.waits.length
    await until(() => clock.waits.length > before + 3)
    expect(contentsIn(writes.join(''))).toHaveLength(1)
    await handleSimulated(new Request('http://simulated/control/release?model=sim-pause', { method: 'POST' }))
    await reading
    expect(writes.join('')).toContain(ending)
  })

  test('a signal that aborts in mid-stream stops production at once', async () => {
    const clock = instantClock()
    const client = new AbortController()
    const response = await call(wire, { model: 'sim-tokens1000', stream: true }, { clock, signal: client.signal })
    const reader = response.body?.getReader()
    for (let reads = 0; reads < 10; reads++) await reader?.read()
    client.abort()
    await expect(reader?.read()).rejects.toThrow('the client left')
    expect(clock.open).toBe(0)
    expect(book('sim-tokens1000')).toMatchObject({ aborted: 1, completed: 0 })
    expect(book('sim-tokens1000')?.tokensOut).toBeLessThanOrEqual(10)
  })

  test('a reader that stops reading stops production: nothing queues', async () => {
    const response = await call(wire, { model: 'sim-fast-tokens10000000', stream: true }, { clock: systemClock })
    const reader = response.body?.getReader()
    for (let reads = 0; reads < 20; reads++) await reader?.read()
    for (let turns = 0; turns < 100; turns++) await new Promise((resolve) => setImmediate(resolve))
    expect(book('sim-fast-tokens10000000')?.tokensOut).toBeLessThanOrEqual(20)
    await reader?.cancel()
    expect(book('sim-fast-tokens10000000')).toMatchObject({ aborted: 1 })
  })
})

describe('pace', () => {
  test('the first token takes 120 ms, the others about ten each, the same every time', async () => {
    const paces = []
    for (let run = 0; run < 2; run++) {
      const clock = instantClock()
      await readWrites(await call('openai', { model: 'sim-tokens100', stream: true }, { clock }))
      paces.push(clock.waits)
    }
    const [first = [], second] = paces
    expect(second).toEqual(first)
    expect(first.slice(0, 2)).toEqual([80, 40])
    const gaps = first.slice(2)
    expect(gaps).toHaveLength(99)
    expect(gaps.every((ms) => ms >= 5 - 1e-3 && ms <= 15 + 1e-3)).toBe(true)
    expect(new Set(gaps.map((ms) => ms.toFixed(3))).size).toBeGreaterThan(50)
  })

  test('-fast waits for nothing, -slow<ms> for its first token, a whole reply for all of them', async () => {
    const waitsOf = async (model: string, isStreamed: boolean) => {
      const clock = instantClock()
      await readWrites(await call('anthropic', { model, stream: isStreamed }, { clock }))
      return clock.waits.filter((ms) => ms > 0)
    }
    expect(await waitsOf('sim-fast', true)).toEqual([])
    expect(await waitsOf('sim-fast', false)).toEqual([])
    expect((await waitsOf('sim-slow900-fast', true)).reduce((sum, ms) => sum + ms, 0)).toBe(900)
    expect(await waitsOf('sim-tokens50', false)).toEqual([620])
  })
})

describe('books', () => {
  test('are read and emptied over HTTP', async () => {
    await (await call('openai', { model: 'sim-fast-tokens4' })).text()
    const read = async (path: string, method: string) =>
      (await handleSimulated(new Request(`http://simulated${path}`, { method }))).json()
    expect(await read('/books', 'GET')).toMatchObject({
      models: { 'sim-fast-tokens4': { calls: 1, streams: 0, completed: 1, aborted: 0, errors: 0, tokensOut: 4 } },
    })
    expect(await read('/books/reset', 'POST')).toEqual({ models: {} })
    expect(await read('/books', 'GET')).toEqual({ models: {} })
  })

  test('unknown paths are answered as each provider would', async () => {
    const get = async (path: string) => (await handleSimulated(new Request(`http://simulated${path}`))).json()
    expect(await get('/openai/v1/nothing')).toMatchObject({ error: { message: 'Invalid URL (GET /v1/nothing)' } })
    expect(await get('/anthropic/v1/nothing')).toMatchObject({ type: 'error', error: { type: 'not_found_error' } })
    expect(await get('/nothing')).toEqual({ error: 'no such path here' })
  })
})
