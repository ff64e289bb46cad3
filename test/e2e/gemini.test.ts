// The official `openai` SDK against the whole running gateway, in front of a Gemini that wants its signatures back.
import type { ChatCompletionChunk, ChatCompletionMessageParam, ChatCompletionTool } from 'openai/resources'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type MintedKey, clientOf, createRoute, createTenant, says } from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let owner: MintedKey

beforeAll(async () => {
  system = await startTestSystem()
  owner = await createTenant(system, 'acme')
  const settings = { provider: 'simulated-gemini', credential: 'SIMULATED_API_KEY', max_retries: 0 }
  await createRoute(system, 'tide-gemini-3*', [{ id: 'tide-gemini', ...settings, model: '*' }])
})
afterAll(() => system.dispose())

const QUESTION = says('Why does the tide come in twice a day?')
const TOOLS: ChatCompletionTool[] = ['get_tide', 'get_moon'].map((name) => ({
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

describe('Gemini through the chat protocol', () => {
  test.each(['tide-gemini-3-fast', 'tide-gemini-3-fast-split', 'tide-gemini-3-fast-lumps7'])(
    '%s: a stream says and counts what the whole reply says',
    async (model) => {
      const client = clientOf(system, owner.key)
      const whole = await client.chat.completions.create({ model, messages: QUESTION })
      const options = { stream: true, stream_options: { include_usage: true } } as const
      const chunks = await chunksOf(await client.chat.completions.create({ model, messages: QUESTION, ...options }))
      const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')
      expect(text).toBe(whole.choices[0]?.message.content)
      expect(chunks.length).toBeGreaterThan(20)
      expect(chunks.at(-1)?.usage).toEqual(whole.usage)
    },
  )

  test.each([true, false])('a conversation with tools goes on (signatures sent back: %s)', async (isKept) => {
    const client = clientOf(system, owner.key)
    const model = 'tide-gemini-3-fast'
    const asked = await client.chat.completions.create({ model, messages: QUESTION, tools: TOOLS })
    const said = asked.choices[0]?.message
    expect(asked.choices[0]?.finish_reason).toBe('tool_calls')
    const calls = said?.tool_calls ?? []
    expect(calls).toMatchObject([
      { function: { name: 'get_tide' }, extra_content: { google: { thought_signature: expect.stringMatching(/./) } } },
      { function: { name: 'get_moon' } },
    ])
    const plain = calls.flatMap((call) =>
      call.type === 'function' ? [{ id: call.id, type: call.type, function: call.function }] : [],
    )
    const results: ChatCompletionMessageParam[] = calls.map(({ id }) => ({
      role: 'tool',
      tool_call_id: id,
      content: 'six',
    }))
    const turn = { role: 'assistant' as const, content: said?.content ?? null, tool_calls: isKept ? calls : plain }
    const after = await client.chat.completions.create({
      model,
      tools: TOOLS,
      messages: [...QUESTION, turn, ...results],
    })
    expect(after.choices[0]?.finish_reason).toBe('stop')
    expect(after.choices[0]?.message.content).toMatch(/./)
  })

  test('thoughts are shown where they are asked for, and counted', async () => {
    const client = clientOf(system, owner.key)
    const ask = { model: 'tide-gemini-3-fast', messages: QUESTION, reasoning_effort: 'low' } as const
    const reply = await client.chat.completions.create(ask)
    expect(reply.choices[0]?.message).toMatchObject({ reasoning_content: expect.stringMatching(/./) })
    expect(reply.usage?.completion_tokens_details?.reasoning_tokens).toBeGreaterThan(0)
  })

  test.each([
    ['e429', 429],
    ['e503', 503],
    ['e404', 404],
  ])('%s: the client gets the status', async (word, status) => {
    const create = clientOf(system, owner.key).chat.completions.create({
      model: `tide-gemini-3-${word}`,
      messages: QUESTION,
    })
    await expect(create).rejects.toMatchObject({ status })
  })
})
