// `@google/genai` with a virtual key in front of the pass-through: what it asks of Gemini goes there as it is, with the
// gateway's credential, and is in the ledger with what Gemini counted.
import { ApiError, FunctionCallingConfigMode, GoogleGenAI } from '@google/genai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createRoute, eventually, latestAttempts, usageBy } from '../support/account.ts'
import { type ClientWorld, PIXEL, PLACE_SCHEMA, PORT_SCHEMA, QUESTION, startClientWorld } from '../support/clients.ts'

let world: ClientWorld
let client: GoogleGenAI

const MODEL = 'sim-gemini-3-fast'
const EMBEDDING = 'tide-embedding'

beforeAll(async () => {
  world = await startClientWorld((response, _body, { url }) => {
    const vectors = { embeddings: [{ values: [0.1, 0.2] }, { values: [0.3, 0.4] }] }
    const answer = url?.includes('countTokens') === true ? { totalTokens: 11 } : vectors
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  const { system, owner, rawUrl } = world
  const price = { input_usd_per_million: '1', output_usd_per_million: '2' }
  const settings = { probe_model: MODEL, provider: 'gemini', credential: 'SIMULATED_API_KEY', max_retries: 0, price }
  const address = rawUrl.replace('/raw', '/gemini/v1beta')
  await createRoute(system, 'sim-gemini-3*', [{ id: 'real', ...settings, model: '*', base_url: address }])
  await createRoute(system, EMBEDDING, [{ id: 'vectors', ...settings, model: EMBEDDING, base_url: `${rawUrl}/v1beta` }])
  world.forget()
  client = clientOf(owner.key)
})
afterAll(() => world.dispose())

function clientOf(apiKey: string): GoogleGenAI {
  return new GoogleGenAI({
    apiKey,
    httpOptions: { baseUrl: `${world.system.url}/gemini`, retryOptions: { attempts: 1 } },
  })
}

describe('generateContent', () => {
  test('a stream says and counts what the whole reply does', async () => {
    const ask = { model: MODEL, contents: QUESTION, config: { systemInstruction: 'Be plain.', maxOutputTokens: 500 } }
    const whole = await client.models.generateContent(ask)
    let text = ''
    let output: number | undefined
    for await (const chunk of await client.models.generateContentStream(ask)) {
      text += chunk.text ?? ''
      output = chunk.usageMetadata?.candidatesTokenCount ?? output
    }
    expect(whole.text).toMatch(/tide/)
    expect(text).toBe(whole.text)
    expect(output).toBe(whole.usageMetadata?.candidatesTokenCount)
    expect(world.heard().map(({ path }) => path)).toEqual([
      `/gemini/v1/models/${MODEL}:generateContent`,
      `/gemini/v1/models/${MODEL}:streamGenerateContent?alt=sse`,
    ])
    const rows = await eventually(
      () => latestAttempts(world.system),
      (all) => all.length >= 2,
    )
    for (const row of rows) {
      expect(row).toMatchObject({
        protocol: 'pass-through',
        provider: 'gemini',
        model: MODEL,
        status: 200,
        is_estimated: false,
      })
      expect(row.input_tokens).toBe(whole.usageMetadata?.promptTokenCount)
      expect(row.output_tokens).toBe(whole.usageMetadata?.candidatesTokenCount)
      expect(Number(row.cost_nano_usd)).toBe(row.input_tokens * 1000 + row.output_tokens * 2000)
    }
  })

  test('tools are called and their results answered in a chat that keeps the signatures', async () => {
    const functionDeclarations = ['get_tide', 'get_weather'].map((name) => ({
      name,
      parametersJsonSchema: PLACE_SCHEMA,
    }))
    const chat = client.chats.create({ model: MODEL, config: { tools: [{ functionDeclarations }] } })
    const asked = await chat.sendMessage({ message: QUESTION })
    const calls = asked.functionCalls ?? []
    expect(calls.map(({ name }) => name)).toEqual(['get_tide', 'get_weather'])
    const message = calls.map(({ id = '', name = '' }) => ({
      functionResponse: { id, name, response: { output: 'noon' } },
    }))
    let text = ''
    for await (const chunk of await chat.sendMessageStream({ message })) text += chunk.text ?? ''
    expect(text).toMatch(/tide/)
    const mode = FunctionCallingConfigMode.NONE
    const config = { tools: [{ functionDeclarations }], toolConfig: { functionCallingConfig: { mode } } }
    const none = await client.models.generateContent({ model: MODEL, contents: QUESTION, config })
    expect(none.functionCalls).toBeUndefined()
  })

  test('a picture, a schema, thoughts', async () => {
    const contents = [{ inlineData: { mimeType: 'image/png', data: PIXEL } }, { text: 'Which port?' }]
    const config = { responseMimeType: 'application/json', responseJsonSchema: PORT_SCHEMA }
    const reply = await client.models.generateContent({ model: MODEL, contents, config })
    expect(JSON.parse(reply.text ?? '')).toEqual({ port: expect.stringMatching(/./) })
    const thinking = { thinkingConfig: { includeThoughts: true } }
    const thought = await client.models.generateContent({ model: MODEL, contents: QUESTION, config: thinking })
    expect(thought.candidates?.[0]?.content?.parts?.[0]).toMatchObject({
      thought: true,
      text: expect.stringMatching(/./),
    })
  })
})

describe('what is no conversation', () => {
  test('vectors and counts come as the provider wrote them', async () => {
    const embedded = await client.models.embedContent({ model: EMBEDDING, contents: ['ebb', 'flood'] })
    expect(embedded.embeddings?.map(({ values }) => values)).toEqual([
      [0.1, 0.2],
      [0.3, 0.4],
    ])
    const counted = await client.models.countTokens({ model: EMBEDDING, contents: QUESTION })
    expect(counted.totalTokens).toBe(11)
    const rows = await eventually(
      async () => (await latestAttempts(world.system)).filter(({ model }) => model === EMBEDDING),
      (found) => found.length === 2,
    )
    // Counting is free. Vectors come without a count of Gemini's, so theirs is an estimate.
    const costs = rows.map((row) => [row.is_estimated, Number(row.cost_nano_usd) > 0])
    expect(costs).toEqual([
      [true, false],
      [true, true],
    ])
  })
})

describe('the ledger', () => {
  test('has one event for each request, and what they cost together', async () => {
    const report = await eventually(
      () => usageBy(world.system, 'model'),
      ({ total }) => total.requests >= 9,
    )
    expect(report.total).toMatchObject({ requests: 9, errors: 0 })
    const generated = report.rows.find(({ model }) => model === MODEL)
    expect(generated).toMatchObject({ requests: 7, model: MODEL })
    const { input_tokens: input = 0, output_tokens: output = 0, reasoning_tokens: thought = 0 } = generated ?? {}
    expect(thought).toBeGreaterThan(0)
    expect(Number(generated?.cost_nano_usd)).toBe(input * 1000 + (output + thought) * 2000)
  })
})

describe('what is wrong', () => {
  async function errorOf(work: Promise<unknown>): Promise<ApiError> {
    const thrown = await work.then(
      () => null,
      (error: unknown) => error,
    )
    if (!(thrown instanceof ApiError)) throw new Error(`expected an ApiError, got ${String(thrown)}`)
    return thrown
  }

  test.each([
    ['an unknown key', 401, 'UNAUTHENTICATED', () => clientOf('tg-nonsense'), MODEL],
    ['a model that is not there', 404, 'NOT_FOUND', () => client, `${MODEL}-e404`],
    ['too many requests', 429, 'RESOURCE_EXHAUSTED', () => client, `${MODEL}-e429`],
    ['an overloaded model', 503, 'UNAVAILABLE', () => client, `${MODEL}-e503`],
    ['a field that is wrong', 400, 'INVALID_ARGUMENT', () => client, `${MODEL}-e400`],
  ])('%s is an ApiError with its status', async (_, status, word, which, model) => {
    const error = await errorOf(which().models.generateContent({ model, contents: QUESTION }))
    expect(error.status).toBe(status)
    expect(error.message).toContain(word)
  })

  test('a failure in mid-stream is thrown after what was said', async () => {
    let text = ''
    const read = async (): Promise<void> => {
      const model = `${MODEL}-errchunk5`
      for await (const chunk of await client.models.generateContentStream({ model, contents: QUESTION })) {
        text += chunk.text ?? ''
      }
    }
    await expect(read()).rejects.toThrow()
    expect(text).not.toBe('')
  })
})
