// The `openai` SDK's responses, with its stream helper, in front of a model on every wire: text, tools and what they gave,
// pictures, parsed replies, thoughts that are sent back with the previous turn's output, and what the ledger has of it.
import OpenAI from 'openai'
import { ResponsesToolRunner, runnerFunction } from 'openai/helpers/responses-tool-runner'
import { standardResponsesFunction, standardTextFormat } from 'openai/helpers/standard-schema'
import type {
  Response,
  ResponseCreateParamsNonStreaming,
  ResponseInputItem,
} from 'openai/resources/responses/responses'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
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
let client: OpenAI

beforeAll(async () => {
  world = await startClientWorld()
  const { system, owner, fetch } = world
  client = new OpenAI({ apiKey: owner.key, baseURL: `${system.url}/v1`, maxRetries: 0, logLevel: 'off', fetch })
})
afterAll(() => world.dispose())

const NAMES = ['get_tide', 'get_weather']
const TOOLS = NAMES.map((name) => ({
  type: 'function' as const,
  name,
  description: 'Looks it up.',
  parameters: { ...PLACE_SCHEMA },
  strict: null,
}))
const STRICT = TOOLS.map((tool) => ({ ...tool, strict: true }))
/** Nobody here keeps a response for later. */
const common = { store: false, input: QUESTION }

type Asked = Omit<ResponseCreateParamsNonStreaming, 'stream'>

/** What a response put out, as input of the next request. */
function backOf({ output }: Response): ResponseInputItem[] {
  return output.flatMap((item) => {
    return item.type === 'message' || item.type === 'reasoning' || item.type === 'function_call' ? [item] : []
  })
}

/** The reply, whole or put together from its stream by the SDK. */
async function answered(isStreamed: boolean, body: Asked): Promise<Response> {
  return isStreamed ? client.responses.stream(body).finalResponse() : client.responses.create(body)
}

describe.each(ALL_WIRES)('responses to %s', (_, model) => {
  test('the stream helper tells the same as the whole reply, in order, and counts the same', async () => {
    const whole = await client.responses.create({ ...common, model, instructions: 'Be plain.' })
    const types: string[] = []
    let text = ''
    const stream = client.responses.stream({ ...common, model, instructions: 'Be plain.' })
    stream.on('event', ({ type }) => types.push(type))
    stream.on('response.output_text.delta', ({ delta }) => (text += delta))
    const streamed = await stream.finalResponse()
    expect(whole).toMatchObject({ object: 'response', status: 'completed', model, error: null })
    expect(whole.output_text).toMatch(/tide/)
    expect(text).toBe(whole.output_text)
    expect(streamed.output_text).toBe(whole.output_text)
    expect(streamed.usage).toEqual(whole.usage)
    expect(streamed.model).toBe(model)
    expect(types[0]).toBe('response.created')
    expect(types.at(-1)).toBe('response.completed')
    expect(types.filter((type) => type === 'response.output_text.delta').length).toBeGreaterThan(3)
  })
})

describe.each(RICH_WIRES)('responses to %s', (wire, model) => {
  test.each([false, true])('tools are called and their results answered; streamed: %s', async (isStreamed) => {
    const asked = await answered(isStreamed, { ...common, model, tools: TOOLS })
    const calls = asked.output.filter((item) => item.type === 'function_call')
    expect(calls.map(({ name }) => name)).toEqual(NAMES)
    for (const call of calls) expect(JSON.parse(call.arguments)).toEqual({ place: expect.any(String) })
    const results = calls.map(({ call_id }) => ({ type: 'function_call_output' as const, call_id, output: 'At noon.' }))
    const input: ResponseInputItem[] = [{ role: 'user', content: QUESTION }, ...backOf(asked), ...results]
    world.forget()
    const answer = await answered(isStreamed, { ...common, model, tools: TOOLS, input })
    expect(answer.output_text).toMatch(/tide/)
    const sent = JSON.stringify(world.heard()[0]?.body)
    expect(sent.match(/At noon\./g)).toHaveLength(2)
    for (const { call_id } of calls) expect(sent).toContain(call_id)
    if (wire === 'gemini') expect(sent).toMatch(/"thoughtSignature":"[A-Za-z0-9]{120}"/)
  })

  test("the SDK's own runner goes through several steps", async () => {
    const run: string[] = []
    const functions = NAMES.map((name) =>
      runnerFunction(
        standardResponsesFunction({
          name,
          parameters: z.object({ place: z.string() }),
          schema: PLACE_SCHEMA,
          function: () => {
            run.push(name)
            return 'High at noon.'
          },
        }),
      ),
    )
    const runner = new ResponsesToolRunner({ functions })
    if (wire === 'ollama') {
      // The helper's tools are strict, and nothing holds this model to a schema.
      await expect(client.responses.create({ ...common, model, tools: STRICT })).rejects.toThrow(/strict/)
      return
    }
    const reply = await runner.run(client, { ...common, model })
    expect(run).toEqual(NAMES)
    expect(reply.output_text).toMatch(/tide/)
  })

  test('a parsed reply about a picture', async () => {
    const picture = {
      type: 'input_image' as const,
      image_url: `data:image/png;base64,${PIXEL}`,
      detail: 'auto' as const,
    }
    const body = {
      model,
      store: false,
      input: [{ role: 'user' as const, content: [{ type: 'input_text' as const, text: 'Which port?' }, picture] }],
      text: { format: standardTextFormat(z.object({ port: z.string() }), 'port', { schema: PORT_SCHEMA }) },
    }
    world.forget()
    const whole = await client.responses.parse(body)
    expect(whole.output_parsed).toEqual({ port: expect.stringMatching(/./) })
    const streamed = await client.responses.stream(body).finalResponse()
    expect(streamed.output_parsed).toEqual(whole.output_parsed)
    expect(world.heard()).toHaveLength(2)
    for (const { body: sent } of world.heard()) expect(JSON.stringify(sent)).toContain(PIXEL)
  })
})

describe.each(THINKING_WIRES)('thoughts of %s', (wire, model) => {
  test.each([false, true])('are told, and go back with the output; streamed: %s', async (isStreamed) => {
    const reasoning = { effort: 'low' as const, summary: 'auto' as const }
    const include = ['reasoning.encrypted_content' as const]
    const body = { ...common, model, reasoning, include, max_output_tokens: 4000 }
    const first = await answered(isStreamed, body)
    const thoughts = first.output.filter((item) => item.type === 'reasoning')
    const told = thoughts.flatMap((item) => [...item.summary, ...(item.content ?? [])]).map(({ text }) => text)
    expect(told.join('')).toMatch(/./)
    expect(first.output_text).toMatch(/tide/)
    const input: ResponseInputItem[] = [
      { role: 'user', content: QUESTION },
      ...backOf(first),
      { role: 'user', content: 'And where is it highest?' },
    ]
    world.forget()
    const again = await answered(isStreamed, { ...body, input })
    expect(again.status).toBe('completed')
    const opaque = OPAQUE[wire]
    if (opaque === undefined) return
    expect(thoughts[0]?.encrypted_content).toMatch(/.{10}/)
    expect(JSON.stringify(world.heard()[0]?.body)).toMatch(new RegExp(`"${opaque}":"[^"]{10}`))
  })
})

/** What each wire calls the opaque text that has to come back. */
const OPAQUE: Readonly<Record<string, string>> = {
  'anthropic-messages': 'signature',
  'bedrock-converse': 'signature',
  'openai-responses': 'encrypted_content',
}

describe('an Anthropic model that thinks and calls tools', () => {
  test.each([false, true])('gets its thoughts back, sealed, before the calls; streamed: %s', async (isStreamed) => {
    const body = {
      ...common,
      model: 'sim-claude-fast',
      tools: TOOLS,
      reasoning: { effort: 'medium' as const, summary: 'auto' as const },
      include: ['reasoning.encrypted_content' as const],
      max_output_tokens: 8000,
    }
    const first = await answered(isStreamed, body)
    expect(first.output.map(({ type }) => type)).toEqual(['reasoning', 'message', 'function_call', 'function_call'])
    const results = first.output.flatMap((item) =>
      item.type === 'function_call'
        ? [{ type: 'function_call_output' as const, call_id: item.call_id, output: 'At noon.' }]
        : [],
    )
    world.forget()
    const input: ResponseInputItem[] = [{ role: 'user', content: QUESTION }, ...backOf(first), ...results]
    const answer = await answered(isStreamed, { ...body, input })
    expect(answer.output_text).toMatch(/tide/)
    expect(world.heard()[0]?.body['messages']).toMatchObject([
      { role: 'user' },
      {
        role: 'assistant',
        content: [
          {
            type: 'thinking',
            thinking: expect.stringMatching(/./),
            signature: expect.stringMatching(/^[A-Za-z0-9]+==$/),
          },
          { type: 'text' },
          { type: 'tool_use', name: 'get_tide' },
          { type: 'tool_use', name: 'get_weather' },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result' }, { type: 'tool_result' }] },
    ])
  })
})

describe('what a provider would have to have kept', () => {
  test('is refused by name where the model has another wire, and goes on where it has the same', async () => {
    const next = { input: 'Go on.', previous_response_id: 'resp_tide', store: true }
    const foreign = client.responses.create({ ...next, model: 'sim-claude-fast' })
    await expect(foreign).rejects.toMatchObject({ status: 400, param: 'previous_response_id' })
    const own = await client.responses.create({ ...next, model: 'tide-responses' })
    expect(own.previous_response_id).toBe('resp_tide')
  })
})

describe('the ledger', () => {
  test('has one event for each request, with its tokens and cost', async () => {
    const rows = await world.expectLedger()
    expect(new Set(rows.map((row) => row.protocol))).toEqual(new Set(['responses']))
  })
})
