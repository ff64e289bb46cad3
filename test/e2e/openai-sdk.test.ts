// The official `openai` SDK against the whole running gateway, in front of providers on both wires: replies, tools and
// usage, streamed and whole.
import type { ChatCompletion, ChatCompletionChunk, ChatCompletionTool } from 'openai/resources'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type MintedKey,
  bookOf,
  clientOf,
  create,
  createTenant,
  mintKey,
  routeSimulated,
  says,
} from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let owner: MintedKey

beforeAll(async () => {
  system = await startTestSystem()
  owner = await createTenant(system, 'acme')
  await routeSimulated(system)
})
afterAll(() => system.dispose())

const WIRES = [
  ['OpenAI wire', 'sim-gpt-4o-fast'],
  ['Anthropic wire', 'sim-claude-fast'],
] as const

const TOOLS: ChatCompletionTool[] = ['get_tide', 'get_weather'].map((name) => ({
  type: 'function',
  function: {
    name,
    description: 'Looks it up.',
    parameters: { type: 'object', properties: { place: { type: 'string' } }, required: ['place'] },
  },
}))

function textOf(reply: ChatCompletion): string {
  return reply.choices[0]?.message.content ?? ''
}

async function chunksOf(stream: AsyncIterable<ChatCompletionChunk>): Promise<ChatCompletionChunk[]> {
  const chunks: ChatCompletionChunk[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return chunks
}

function textIn(chunks: readonly ChatCompletionChunk[]): string {
  return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('')
}

describe.each(WIRES)('%s', (_, model) => {
  test('a stream says what the whole reply says, in many pieces', async () => {
    const client = clientOf(system, owner.key)
    const body = { model, messages: says('Why does the tide come in twice a day?') }
    const whole = await client.chat.completions.create(body)
    const chunks = await chunksOf(await client.chat.completions.create({ ...body, stream: true }))
    expect(textOf(whole).length).toBeGreaterThan(100)
    expect(textIn(chunks)).toBe(textOf(whole))
    expect(chunks.filter((chunk) => chunk.choices[0]?.delta.content).length).toBeGreaterThan(10)
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop')
    expect(whole.choices[0]?.finish_reason).toBe('stop')
    expect(new Set(chunks.map((chunk) => chunk.id)).size).toBe(1)
  })

  test('usage is what the provider counted, and comes in a stream only when it is asked for', async () => {
    const client = clientOf(system, owner.key)
    const own = `${model}-usage`
    const body = { model: own, messages: says('Count this.') }
    const { usage } = await client.chat.completions.create(body)
    const book = await bookOf(system.simulatedUrl, own)
    expect(usage).toMatchObject({ prompt_tokens: book?.tokensIn, completion_tokens: book?.tokensOut })
    expect(usage?.total_tokens).toBe((book?.tokensIn ?? 0) + (book?.tokensOut ?? 0))

    const streamed = { ...body, stream: true as const }
    const unasked = await chunksOf(await client.chat.completions.create(streamed))
    expect(unasked.filter((chunk) => chunk.usage)).toEqual([])
    expect(unasked.filter((chunk) => chunk.choices.length === 0)).toEqual([])
    const asked = await chunksOf(
      await client.chat.completions.create({ ...streamed, stream_options: { include_usage: true } }),
    )
    const withUsage = asked.filter((chunk) => chunk.usage)
    expect(withUsage).toEqual([asked.at(-1)])
    expect(withUsage[0]).toMatchObject({ choices: [], usage: { prompt_tokens: usage?.prompt_tokens } })
    expect(withUsage[0]?.usage?.completion_tokens).toBe(usage?.completion_tokens)
  })

  test('tools are called, streamed and whole, and their results answered', async () => {
    const client = clientOf(system, owner.key)
    const body = { model, messages: says('Tide and weather in Brest?'), tools: TOOLS }
    const whole = await client.chat.completions.create(body)
    const message = whole.choices[0]?.message
    const calls = (message?.tool_calls ?? []).filter((call) => call.type === 'function')
    expect(whole.choices[0]?.finish_reason).toBe('tool_calls')
    expect(calls.map((call) => call.function.name)).toEqual(['get_tide', 'get_weather'])
    for (const call of calls) expect(JSON.parse(call.function.arguments)).toHaveProperty('place')

    const stream = client.chat.completions.stream({ ...body, stream: true })
    const streamed = await stream.finalChatCompletion()
    expect(streamed.choices[0]?.finish_reason).toBe('tool_calls')
    const callees = (streamed.choices[0]?.message.tool_calls ?? []).filter((call) => call.type === 'function')
    expect(callees.map((call) => call.function)).toMatchObject(calls.map((call) => call.function))

    if (message === undefined) throw new Error('no message')
    const results = calls.map((call) => ({ role: 'tool' as const, tool_call_id: call.id, content: 'High at noon.' }))
    const answer = await client.chat.completions.create({ ...body, messages: [...body.messages, message, ...results] })
    expect(answer.choices[0]?.finish_reason).toBe('stop')
    expect(textOf(answer)).not.toBe('')
  })

  test('an output bound ends the reply with the reason `length`', async () => {
    const client = clientOf(system, owner.key)
    const reply = await client.chat.completions.create({ model, messages: says('At length!'), max_tokens: 5 })
    expect(reply.choices[0]?.finish_reason).toBe('length')
    expect(reply.usage?.completion_tokens).toBe(5)
  })
})

describe('what only the native lane carries', () => {
  const model = 'sim-gpt-4o-fast'

  test('a JSON schema is kept by the reply', async () => {
    const schema = { type: 'object', properties: { port: { type: 'string' } }, required: ['port'] }
    const reply = await clientOf(system, owner.key).chat.completions.create({
      model,
      messages: says('Which port?'),
      response_format: { type: 'json_schema', json_schema: { name: 'port', schema } },
    })
    expect(JSON.parse(textOf(reply))).toEqual({ port: expect.any(String) })
  })

  test('several choices, streamed and whole', async () => {
    const client = clientOf(system, owner.key)
    const body = { model, messages: says('Heads or tails?'), n: 2 }
    const whole = await client.chat.completions.create(body)
    expect(whole.choices.map((choice) => choice.index)).toEqual([0, 1])
    const streamed = await client.chat.completions.stream({ ...body, stream: true }).finalChatCompletion()
    const texts = streamed.choices.toSorted((a, b) => a.index - b.index).map((choice) => choice.message.content)
    expect(texts).toEqual(whole.choices.map((choice) => choice.message.content))
  })

  test('a name that the client made up and a bound of its own reach the provider', async () => {
    const client = clientOf(system, owner.key)
    const own = `${model}-bound`
    await client.chat.completions.create({ model: own, messages: says('Briefly.'), max_completion_tokens: 3 })
    expect(await bookOf(system.simulatedUrl, own)).toMatchObject({ calls: 1, tokensOut: 3 })
  })
})

describe('a request that a model of the other wire cannot carry', () => {
  test('is refused by the name of its field, never cut down', async () => {
    const body = { model: 'sim-claude-fast', messages: says('Twice?'), n: 2 }
    const asked = clientOf(system, owner.key).chat.completions.create(body)
    await expect(asked).rejects.toMatchObject({ status: 400, param: 'n', code: 'unsupported_parameter' })
  })
})

describe('the list of models', () => {
  test('has what the key may use, and nothing else', async () => {
    await create(system, '/admin/tenants', { name: 'other' })
    await create(system, '/admin/routes', { model: 'sim-gpt-private', targets: ['gpt'], tenant: 'other' })
    const scoped = await mintKey(system, 'acme', 'scoped', { models: ['sim-claude*'] })
    const foreign = await mintKey(system, 'other', 'foreign')
    const idsOf = async (key: string) => {
      const ids: string[] = []
      for await (const model of clientOf(system, key).models.list()) ids.push(model.id)
      return ids.toSorted()
    }
    expect(await idsOf(owner.key)).toEqual(['sim-claude*', 'sim-gpt*'])
    expect(await idsOf(scoped.key)).toEqual(['sim-claude*'])
    expect(await idsOf(foreign.key)).toEqual(['sim-claude*', 'sim-gpt*', 'sim-gpt-private'])
  })
})
