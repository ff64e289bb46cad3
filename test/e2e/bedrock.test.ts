// The official `openai` SDK against the whole running gateway, in front of a Bedrock that streams its binary events and
// wants its calls signed.
import Anthropic from '@anthropic-ai/sdk'
import type { ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MintedKey, ask, clientOf, createRoute, createTenant, says } from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let owner: MintedKey

const SIGNED = { auth: 'aws-sigv4', credential: 'TIDE_ACCESS_KEY', settings: { region: 'eu-west-1' } }

beforeAll(async () => {
  system = await startTestSystem({
    secrets: { TIDE_ACCESS_KEY: 'AKIDTIDE:se/cr+et:token==', WRONG_CREDENTIALS: 'AKID:too:many:parts' },
  })
  owner = await createTenant(system, 'acme')
  const settings = { provider: 'simulated-bedrock', model: '*', max_retries: 0 }
  await createRoute(system, 'sim-bedrock*', [{ id: 'signed', ...settings, ...SIGNED }])
  const anthropic = { provider: 'custom', dialect: 'anthropic-messages', base_url: 'service://SIMULATED/bedrock' }
  const place = { ...SIGNED, settings: { ...SIGNED.settings, host: 'bedrock' } }
  await createRoute(system, 'sim-claude*', [
    { id: 'claude-on-bedrock', ...anthropic, ...place, model: '*', max_retries: 0 },
  ])
  await createRoute(system, 'bearer', [{ id: 'bearer', ...settings, model: 'sim-bedrock-fast' }])
  for (const model of ['sim-bedrock-errchunk2', 'sim-bedrock-garbage2', 'sim-bedrock-e429', 'sim-bedrock-e503']) {
    await createRoute(system, model, [{ id: model, ...settings, ...SIGNED, model }])
  }
  const wrong = { ...settings, ...SIGNED, model: 'sim-bedrock-fast', credential: 'WRONG_CREDENTIALS' }
  await createRoute(system, 'wrong', [{ id: 'wrong', ...wrong }])
})
afterAll(() => system.dispose())

const QUESTION = says('Why does the tide come in twice a day?')
const TOOLS: ChatCompletionTool[] = ['get_tide', 'get_weather'].map((name) => ({
  type: 'function',
  function: {
    name,
    description: 'Looks it up.',
    parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  },
}))

async function chunksOf(stream: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

function textIn(chunks: readonly ChatCompletionChunk[]): string {
  return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')
}

describe('Bedrock through the chat protocol', () => {
  test.each(['sim-bedrock-fast', 'sim-bedrock-fast-split', 'sim-bedrock-fast-lumps7'])(
    '%s: a stream says and counts what the whole reply says, in many pieces',
    async (model) => {
      const client = clientOf(system, owner.key)
      const whole = await client.chat.completions.create({ model, messages: QUESTION })
      const options = { stream: true, stream_options: { include_usage: true } } as const
      const chunks = await chunksOf(await client.chat.completions.create({ model, messages: QUESTION, ...options }))
      expect(textIn(chunks)).toBe(whole.choices[0]?.message.content)
      expect(chunks.length).toBeGreaterThan(20)
      expect(chunks.at(-1)?.usage).toEqual(whole.usage)
      expect(chunks.find((chunk) => chunk.choices[0]?.finish_reason)?.choices[0]?.finish_reason).toBe('stop')
      expect(whole.choices[0]?.finish_reason).toBe('stop')
    },
  )

  test("one of Bedrock's own API keys will do as well", async () => {
    const reply = await clientOf(system, owner.key).chat.completions.create({ model: 'bearer', messages: QUESTION })
    expect(reply.choices[0]?.message.content).toContain('tide')
  })

  test('tools are called, streamed and whole, and their results are answered', async () => {
    const client = clientOf(system, owner.key)
    const body = { model: 'sim-bedrock-fast', messages: QUESTION, tools: TOOLS }
    const whole = await client.chat.completions.create(body)
    const message = whole.choices[0]?.message
    const calls = message?.tool_calls ?? []
    expect(whole.choices[0]?.finish_reason).toBe('tool_calls')
    expect(calls.map((call) => call.type === 'function' && call.function.name)).toEqual(['get_tide', 'get_weather'])
    const streamed = await client.chat.completions.stream({ ...body, stream: true }).finalMessage()
    expect(streamed.tool_calls?.map((call) => call.type === 'function' && call.function.arguments)).toEqual(
      calls.map((call) => call.type === 'function' && call.function.arguments),
    )
    const turn: ChatCompletionMessageParam[] = [
      ...QUESTION,
      { role: 'assistant', content: message?.content ?? '', tool_calls: calls },
      ...calls.map(({ id }) => ({ role: 'tool' as const, tool_call_id: id, content: 'High at six.' })),
    ]
    const answer = await client.chat.completions.create({ ...body, messages: turn })
    expect(answer.choices[0]?.finish_reason).toBe('stop')
    expect(answer.choices[0]?.message.content).not.toBe('')
  })

  test('pictures and a JSON schema go along', async () => {
    const schema = {
      type: 'object',
      properties: { port: { type: 'string' } },
      required: ['port'],
      additionalProperties: false,
    }
    const url = 'data:image/png;base64,iVBORw0KGgo='
    const reply = await clientOf(system, owner.key).chat.completions.create({
      model: 'sim-bedrock-fast',
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'Which port?' },
            { type: 'image_url', image_url: { url } },
          ],
        },
      ],
      response_format: { type: 'json_schema', json_schema: { name: 'port', strict: true, schema } },
    })
    expect(JSON.parse(reply.choices[0]?.message.content ?? '')).toEqual({ port: expect.any(String) })
    expect(reply.usage?.prompt_tokens).toBeGreaterThan(85)
  })

  test('what a model cannot be asked for is refused by name, before anybody is called', async () => {
    const answer = await ask(system, owner.key, { model: 'sim-bedrock-fast', messages: QUESTION, seed: 7, n: 2 })
    expect(answer.status).toBe(400)
    expect(await answer.text()).toMatch(/seed/)
  })

  test.each([
    ['sim-bedrock-e429', 429],
    ['sim-bedrock-e503', 503],
  ])('%s: an error before the stream has its status', async (model, status) => {
    const failed = await clientOf(system, owner.key)
      .chat.completions.create({ model, messages: QUESTION, stream: true })
      .catch((error: unknown) => error)
    expect(failed).toMatchObject({ status })
  })

  test.each(['sim-bedrock-errchunk2', 'sim-bedrock-garbage2'])(
    '%s: an error in mid-stream comes after what was said',
    async (model) => {
      const stream = await clientOf(system, owner.key).chat.completions.create({
        model,
        messages: QUESTION,
        stream: true,
      })
      const chunks: ChatCompletionChunk[] = []
      const failed = await (async () => {
        for await (const chunk of stream) chunks.push(chunk)
      })().catch((error: unknown) => error)
      expect(failed).toBeInstanceOf(Error)
      expect(textIn(chunks)).not.toBe('')
    },
  )

  test('a credential that nobody can sign with is our fault, and its text stays here', async () => {
    const answer = await ask(system, owner.key, { model: 'wrong', messages: QUESTION })
    expect(answer.status).toBeGreaterThanOrEqual(500)
    expect(await answer.text()).not.toContain('AKID')
  })
})

describe('Anthropic on Bedrock through the messages protocol', () => {
  const question = { max_tokens: 4000, messages: says('Why does the tide come in twice a day?') }
  const clientOfAnthropic = () =>
    new Anthropic({ apiKey: owner.key, baseURL: system.url, maxRetries: 0, logLevel: 'off' })

  test.each(['sim-claude-fast', 'sim-claude-fast-split'])(
    '%s: a stream says what the whole reply says',
    async (model) => {
      const client = clientOfAnthropic()
      const whole = await client.messages.create({ model, ...question })
      const streamed = await client.messages.stream({ model, ...question }).finalMessage()
      expect(streamed.content).toEqual(whole.content)
      expect(streamed.usage.output_tokens).toBe(whole.usage.output_tokens)
      expect(streamed.stop_reason).toBe('end_turn')
    },
  )

  test('thinking comes with the signature that goes back', async () => {
    const thinking = { type: 'enabled', budget_tokens: 1024 } as const
    for (const model of ['sim-claude-fast', 'sim-bedrock-claude-fast']) {
      const client = clientOfAnthropic()
      const streamed = await client.messages.stream({ model, ...question, thinking }).finalMessage()
      const [thought] = streamed.content
      if (thought?.type !== 'thinking') throw new Error('no thinking')
      expect(thought.signature).not.toBe('')
      const turn = [...question.messages, { role: 'assistant' as const, content: streamed.content }, ...says('And?')]
      const again = await client.messages.create({ model, ...question, messages: turn, thinking })
      expect(again.stop_reason).toBe('end_turn')
    }
  })
})
