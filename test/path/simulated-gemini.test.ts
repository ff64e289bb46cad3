// The simulated Gemini's wire, byte by byte, and read by the dialect as the gateway reads it.
import { GoogleGenAI } from '@google/genai'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { fold } from '../../src/core/reply/fold.ts'
import { isJsonObject, parseJson } from '../../src/core/json.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { NeutralReply } from '../../src/core/neutral.ts'
import { createFramer } from '../../src/data-plane/framing/index.ts'
import { dialects } from '../support/registries.ts'
import { readBooks, resetBooks } from '../../src/simulated/books.ts'
import { handleSimulated } from '../../src/simulated/handle-simulated.ts'
import { instantClock } from '../support/simulated.ts'
import { TARGET } from '../support/target.ts'

const { gemini } = dialects
const ASK = { contents: [{ role: 'user', parts: [{ text: 'Why does the tide come in twice a day?' }] }] }
const TOOLS = ['tide_table', 'moon'].map((name) => ({
  name,
  parametersJsonSchema: { type: 'object', properties: { port: { type: 'string' } }, required: ['port'] },
}))

beforeEach(resetBooks)

function ask(call: string, body: object = {}, key = 'test'): Promise<Response> {
  const request = new Request(`http://simulated/gemini/v1beta/models/${call}`, {
    method: 'POST',
    headers: key === '' ? {} : { 'x-goog-api-key': key },
    body: JSON.stringify({ ...ASK, ...body }),
  })
  return handleSimulated(request, instantClock())
}

async function whole(model: string, body: object = {}): Promise<NeutralReply> {
  return fold(gemini.read(parseJson(await (await ask(`${model}:generateContent`, body)).text()) ?? null, TARGET))
}

async function streamed(call: string, body: object = {}): Promise<NeutralReply> {
  const response = await ask(call, body)
  const framer = createFramer(response.headers.get('content-type'), gemini.framing)
  const reader = gemini.reader(TARGET)
  const events = []
  try {
    for await (const chunk of response.body ?? []) {
      events.push(...framer.push(chunk).flatMap((frame) => reader.push(frame)))
    }
  } catch {
    // A connection that was cut.
  }
  return fold([...events, ...framer.end().flatMap((frame) => reader.push(frame)), ...reader.end()])
}

function bodyOf(text: string): JsonObject {
  const value = parseJson(text)
  return isJsonObject(value) ? value : {}
}

describe('simulated Gemini', () => {
  test.each([
    {},
    { generationConfig: { thinkingConfig: { includeThoughts: true } } },
    { tools: [{ functionDeclarations: TOOLS }] },
  ])('a reply says the same whole, as events and as an array: %j', async (body) => {
    const named = (reply: NeutralReply): object => ({ ...reply, id: 'any' })
    const said = named(await whole('sim-gemini-3-flash', body))
    expect(named(await streamed('sim-gemini-3-flash:streamGenerateContent?alt=sse', body))).toEqual(said)
    expect(named(await streamed('sim-gemini-3-flash:streamGenerateContent', body))).toEqual(said)
    expect(said).toMatchObject({ failure: null, model: 'sim-gemini-3-flash' })
  })

  test('events end in CRLF; without `alt=sse` a stream is one JSON array', async () => {
    const events = await ask('sim-fast:streamGenerateContent?alt=sse')
    expect(events.headers.get('content-type')).toBe('text/event-stream')
    expect((await events.text()).replaceAll(/data: \{.*\}\r\n\r\n/g, '')).toBe('')
    const array = await ask('sim-fast:streamGenerateContent')
    expect(array.headers.get('content-type')).toBe('application/json; charset=UTF-8')
    expect(parseJson(await array.text())).toEqual(expect.any(Array))
  })

  test('the first of two calls is signed, and wants its signature back', async () => {
    const reply = await whole('sim-gemini-3-flash', { tools: [{ functionDeclarations: TOOLS }] })
    const [first, second] = reply.choices[0]?.parts ?? []
    expect(first).toMatchObject({ kind: 'tool-call', name: 'tide_table', signature: { maker: 'gemini' } })
    expect(second).toMatchObject({ kind: 'tool-call', name: 'moon' })
    expect(second).not.toHaveProperty('signature')

    const call = { functionCall: { name: 'tide_table', args: {} } }
    const result = { role: 'user', parts: [{ functionResponse: { name: 'tide_table', response: { output: 'six' } } }] }
    const after = (part: object): object => ({ contents: [...ASK.contents, { role: 'model', parts: [part] }, result] })
    const refused = await ask('sim-gemini-3-flash:generateContent', after(call))
    expect(refused.status).toBe(400)
    expect(await refused.text()).toContain('missing a thought_signature')
    const signed = await whole('sim-gemini-3-flash', after({ ...call, thoughtSignature: 'c2ln' }))
    expect(signed.choices[0]).toMatchObject({ finish: 'stop', parts: [{ kind: 'text' }] })
  })

  test('bounds, formats, candidates and thoughts are heeded', async () => {
    const short = await whole('sim', { generationConfig: { maxOutputTokens: 7, candidateCount: 2 } })
    expect(short.choices.map((choice) => choice.finish)).toEqual(['length', 'length'])
    expect(short.usage).toMatchObject({ output: 14, reasoning: 0 })
    const schema = { type: 'object', properties: { height: { type: 'number' } } }
    const format = { responseMimeType: 'application/json', responseJsonSchema: schema }
    const [part] = (await whole('sim', { generationConfig: format })).choices[0]?.parts ?? []
    expect(part?.kind === 'text' && parseJson(part.text)).toEqual({ height: expect.any(Number) })
    const thinking = await whole('sim', { generationConfig: { thinkingConfig: { includeThoughts: true } } })
    expect(thinking.choices[0]?.parts.map((piece) => piece.kind)).toEqual(['reasoning', 'text'])
    expect(thinking.usage?.reasoning).toBeGreaterThan(0)
  })

  test('refuses as Gemini does', async () => {
    expect((await ask('sim:generateContent', {}, '')).status).toBe(403)
    const invalid = await ask('sim:generateContent', {}, 'invalid')
    expect(invalid.status).toBe(400)
    expect(gemini.fail(400, invalid.headers, await invalid.text(), 0).class).toBe('credential')
    const empty = await ask('sim:generateContent', { contents: [] })
    expect(bodyOf(await empty.text())).toMatchObject({ error: { code: 400, status: 'INVALID_ARGUMENT' } })
    const limited = await ask('sim-e429:generateContent')
    expect(limited.headers.get('retry-after')).toBeNull()
    expect(gemini.fail(429, limited.headers, await limited.text(), 0)).toMatchObject({
      class: 'throttled',
      retryAfterMs: 2000,
    })
    const listed = await handleSimulated(
      new Request('http://simulated/gemini/v1beta/models', { headers: { 'x-goog-api-key': 'test' } }),
    )
    expect(await listed.text()).toContain('models/sim-gemini-3-flash')
  })

  test.each([
    ['sim-fast-cut3', 'stream'],
    ['sim-fast-garbage2', 'stream'],
    ['sim-fast-errchunk2', 'server'],
    ['sim-fast-truncated', 'stream'],
    ['sim-fast-empty', 'stream'],
    ['sim-fast-err200', 'server'],
  ])('%s: a fault is a failure of class %s', async (model, failure) => {
    const reply = await streamed(`${model}:streamGenerateContent?alt=sse`)
    expect(reply.failure?.class).toBe(failure)
    expect(readBooks()[model]).toMatchObject({ calls: 1, streams: 1 })
  })

  test('split writes lose nothing', async () => {
    const reply = await streamed('sim-fast-split-tokens60:streamGenerateContent?alt=sse')
    expect(reply).toMatchObject({ failure: null, usage: { output: 60 } })
    expect(JSON.stringify(reply)).not.toContain('\ufffd')
  })
})

describe('read by @google/genai', () => {
  const model = 'sim-gemini-3-flash'

  function client(): GoogleGenAI {
    vi.stubGlobal('fetch', (url: string | URL | Request, init?: RequestInit) =>
      handleSimulated(new Request(url, init), instantClock()),
    )
    return new GoogleGenAI({ apiKey: 'test', httpOptions: { baseUrl: 'http://simulated/gemini' } })
  }

  afterEach(() => vi.unstubAllGlobals())

  test('whole and streamed say and count the same', async () => {
    const ask = { model, contents: 'Why does the tide come in twice a day?' }
    const whole = await client().models.generateContent(ask)
    const chunks = []
    for await (const chunk of await client().models.generateContentStream(ask)) chunks.push(chunk)
    expect(chunks.map((chunk) => chunk.text ?? '').join('')).toBe(whole.text)
    expect(chunks.at(-1)?.usageMetadata).toEqual(whole.usageMetadata)
    expect(chunks.at(-1)?.candidates?.[0]?.finishReason).toBe('STOP')
  })

  test('a chat with tools goes on, its signatures brought back by the SDK', async () => {
    const chat = client().chats.create({ model, config: { tools: [{ functionDeclarations: TOOLS }] } })
    const first = await chat.sendMessage({ message: 'When is high tide?' })
    expect(first.functionCalls?.map((call) => call.name)).toEqual(['tide_table', 'moon'])
    const message = (first.functionCalls ?? []).map(({ id, name }) => ({
      functionResponse: {
        ...(id === undefined ? {} : { id }),
        ...(name === undefined ? {} : { name }),
        response: { output: 'six' },
      },
    }))
    expect((await chat.sendMessage({ message })).text).toMatch(/./)
  })
})
