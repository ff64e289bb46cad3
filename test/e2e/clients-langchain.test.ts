// `@langchain/openai` in front of models on every wire: messages, streams, tools that are bound, structured output by each of
// its methods, pictures, thoughts by the responses endpoint, and vectors.
import {
  AIMessage,
  type AIMessageChunk,
  HumanMessage,
  SystemMessage,
  ToolMessage,
  type UsageMetadata,
} from '@langchain/core/messages'
import { ChatOpenAI, OpenAIEmbeddings } from '@langchain/openai'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ALL_WIRES,
  type ClientWorld,
  PIXEL,
  PLACE_SCHEMA,
  PORT_SCHEMA,
  QUESTION,
  RICH_WIRES,
  THINKING_WIRES,
  startClientWorld,
} from '../support/clients.ts'

let world: ClientWorld

beforeAll(async () => {
  world = await startClientWorld()
})
afterAll(() => world.dispose())

function access() {
  const { system, owner, fetch } = world
  return { apiKey: owner.key, maxRetries: 0, configuration: { baseURL: `${system.url}/v1`, fetch } }
}

function chatOf(model: string, settings: object = {}): ChatOpenAI {
  return new ChatOpenAI({ ...access(), model, ...settings })
}

const messages = [new SystemMessage('Be plain.'), new HumanMessage(QUESTION)]
const TOOLS = ['get_tide', 'get_weather'].map((name) => ({
  type: 'function' as const,
  function: { name, description: 'Looks it up.', parameters: PLACE_SCHEMA },
}))

/** All chunks of a stream as one. */
async function joined(stream: AsyncIterable<AIMessageChunk>): Promise<AIMessageChunk> {
  let all: AIMessageChunk | undefined
  for await (const chunk of stream) all = all === undefined ? chunk : all.concat(chunk)
  if (all === undefined) throw new Error('an empty stream')
  return all
}

function countsOf({ usage_metadata: usage }: { readonly usage_metadata?: UsageMetadata | undefined }) {
  return [usage?.input_tokens, usage?.output_tokens, usage?.total_tokens]
}

describe.each(ALL_WIRES)('ChatOpenAI to %s', (_, model) => {
  test('a stream says and counts what the whole reply does', async () => {
    const whole = await chatOf(model).invoke(messages)
    const streamed = await joined(await chatOf(model).stream(messages))
    expect(whole.text).toMatch(/tide/)
    expect(streamed.text).toBe(whole.text)
    expect(countsOf(streamed)).toEqual(countsOf(whole))
    expect(whole.response_metadata).toMatchObject({ finish_reason: 'stop' })
    expect(streamed.response_metadata).toMatchObject({ finish_reason: 'stop' })
  })
})

describe.each(RICH_WIRES)('ChatOpenAI to %s', (wire, model) => {
  test.each([false, true])('tools that are bound are called and answered; streamed: %s', async (isStreamed) => {
    const bound = chatOf(model).bindTools(TOOLS)
    const asked = isStreamed ? await joined(await bound.stream(messages)) : await bound.invoke(messages)
    const calls = asked.tool_calls ?? []
    expect(calls.map(({ name, args }) => [name, typeof args['place']])).toEqual([
      ['get_tide', 'string'],
      ['get_weather', 'string'],
    ])
    const results = calls.map(({ id }) => new ToolMessage({ content: 'High at noon.', tool_call_id: id ?? '' }))
    world.forget()
    const said = new AIMessage({ content: asked.content, tool_calls: calls })
    const answer = await bound.invoke([...messages, said, ...results])
    expect(answer.text).toMatch(/tide/)
    expect(JSON.stringify(world.heard()[0]?.body).match(/High at noon\./g)).toHaveLength(2)
  })

  test.each(['jsonSchema', 'functionCalling'] as const)('structured output about a picture, by %s', async (method) => {
    const asked = chatOf(model).withStructuredOutput({ title: 'port', ...PORT_SCHEMA }, { method, name: 'port' })
    const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } }
    const question = new HumanMessage({ content: [{ type: 'text', text: 'Which port?' }, picture] })
    world.forget()
    if (method === 'functionCalling' && wire === 'ollama') {
      await expect(asked.invoke([question])).rejects.toThrow(/tool_choice/)
      return
    }
    expect(await asked.invoke([question])).toEqual({ port: expect.stringMatching(/./) })
    expect(JSON.stringify(world.heard()[0]?.body)).toContain(PIXEL)
  })
})

describe.each(THINKING_WIRES)('ChatOpenAI by the responses endpoint to %s', (wire, model) => {
  test.each([false, true])('thoughts are told and go back; streamed: %s', async (isStreamed) => {
    // Of itself it asks none but models of OpenAI's for thoughts, whose names it knows.
    const modelKwargs = { reasoning: { effort: 'low', summary: 'auto' } }
    const chat = chatOf(model, { modelKwargs, zdrEnabled: true, maxTokens: 4000, useResponsesApi: true })
    const first = isStreamed ? await joined(await chat.stream(messages)) : await chat.invoke(messages)
    expect(first.text).toMatch(/tide/)
    // This client keeps the last item of reasoning alone: with Gemini that is the seal on the text.
    const told = wire === 'gemini' ? /"type":"reasoning"/ : /"type":"summary_text"/
    expect(JSON.stringify(first.additional_kwargs['reasoning'])).toMatch(told)
    const again = await chat.invoke([...messages, first, new HumanMessage('And now?')])
    expect(again.text).toMatch(/tide/)
  })
})

describe('OpenAIEmbeddings', () => {
  test('many texts in their order, and one', async () => {
    const embeddings = new OpenAIEmbeddings({ ...access(), model: 'sim-gpt-embedding' })
    const vectors = await embeddings.embedDocuments(['ebb', 'flood', 'slack', 'neap', 'spring', 'bore'])
    expect(vectors).toHaveLength(6)
    expect(await embeddings.embedQuery('slack')).toEqual(vectors[2])
    expect(new Set(vectors.map(String)).size).toBe(6)
  })
})

describe('the ledger', () => {
  test('has one event for each request, with its tokens and cost', async () => {
    const rows = await world.expectLedger()
    expect(new Set(rows.map((row) => row.protocol))).toEqual(new Set(['chat', 'responses', 'embeddings']))
  })
})
