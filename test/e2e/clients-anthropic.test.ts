// The `@anthropic-ai/sdk` in front of models on other wires, beside its own: the helper that puts a stream together, the
// runner that calls tools, pictures and documents, parsed output, thinking with its signature, counted tokens.
import Anthropic from '@anthropic-ai/sdk'
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type JsonObject, parseJson } from '../../src/core/json.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { createRoute } from '../support/account.ts'
import {
  type ClientWorld,
  PIXEL,
  PLACE_SCHEMA,
  PORT_SCHEMA,
  QUESTION,
  RICH_WIRES,
  startClientWorld,
} from '../support/clients.ts'

let world: ClientWorld
let client: Anthropic

beforeAll(async () => {
  world = await startClientWorld((response, body) => {
    const [status, answer] = threadAnswer(objectOf(parseJson(body)))
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  })
  const threads = { id: 'threads', provider: 'custom', dialect: 'anthropic-messages', base_url: world.rawUrl }
  await createRoute(world.system, 'tide-threads', [{ ...threads, model: 'tide-threads', max_retries: 0 }])
  world.forget()
  const { system, owner, fetch } = world
  client = new Anthropic({ apiKey: owner.key, baseURL: system.url, maxRetries: 0, logLevel: 'off', fetch })
})
afterAll(() => world.dispose())

const messages: Anthropic.MessageParam[] = [{ role: 'user', content: QUESTION }]
const NAMES = ['get_tide', 'get_weather']
const TOOLS: Anthropic.Tool[] = NAMES.map((name) => ({ name, description: 'Looks it up.', input_schema: schema() }))

function schema() {
  return { ...PLACE_SCHEMA, required: ['place'] }
}

function textOf(message: Anthropic.Message): string {
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
}

/** The reply, whole or put together from its stream by the SDK. */
async function answered(isStreamed: boolean, body: Anthropic.MessageCreateParamsNonStreaming) {
  return isStreamed ? client.messages.stream(body).finalMessage() : client.messages.create(body)
}

describe.each(RICH_WIRES)('messages to %s', (wire, model) => {
  const body = { model, max_tokens: 4000, messages }

  test('a stream says and counts what the whole reply does', async () => {
    const system = [{ type: 'text' as const, text: 'Be plain.', cache_control: { type: 'ephemeral' as const } }]
    const whole = await client.messages.create({ ...body, system })
    const pieces: string[] = []
    const stream = client.messages.stream({ ...body, system }).on('text', (piece) => pieces.push(piece))
    const streamed = await stream.finalMessage()
    expect(textOf(whole)).toMatch(/tide/)
    expect(pieces.join('')).toBe(textOf(whole))
    expect(pieces.length).toBeGreaterThan(3)
    expect(streamed.content).toEqual(whole.content)
    for (const { usage, stop_reason, model: said, type } of [whole, streamed]) {
      expect({ stop_reason, said, type }).toEqual({ stop_reason: 'end_turn', said: model, type: 'message' })
      expect(usage.input_tokens).toBe(whole.usage.input_tokens)
      expect(usage.output_tokens).toBe(whole.usage.output_tokens)
    }
    expect(JSON.stringify(world.heard().at(-1)?.body)).toContain('Be plain.')
  })

  test.each([false, true])('the runner of the SDK calls two tools at once and ends; streamed: %s', async (stream) => {
    const run: string[] = []
    const tools = NAMES.map((name) =>
      betaTool({
        name,
        description: 'Looks it up.',
        inputSchema: PLACE_SCHEMA,
        run: ({ place }) => {
          run.push(`${name} ${typeof place}`)
          return 'High at noon.'
        },
      }),
    )
    world.forget()
    const asked = { model, max_tokens: 4000, messages: [{ role: 'user' as const, content: QUESTION }], tools }
    const runner = stream
      ? client.beta.messages.toolRunner({ ...asked, stream })
      : client.beta.messages.toolRunner(asked)
    const last = await runner.runUntilDone()
    expect(run.toSorted()).toEqual(['get_tide string', 'get_weather string'])
    expect(last.stop_reason).toBe('end_turn')
    const sent = JSON.stringify(world.heard().at(-1)?.body)
    expect(world.heard()).toHaveLength(2)
    expect(sent.match(/High at noon\./g)).toHaveLength(2)
  })

  test.each([false, true])('a call whose tool failed; streamed: %s', async (isStreamed) => {
    const first = await answered(isStreamed, { ...body, tools: TOOLS })
    expect(first.stop_reason).toBe('tool_use')
    const calls = first.content.filter((block) => block.type === 'tool_use')
    expect(calls.map(({ name }) => name)).toEqual(NAMES)
    const results: Anthropic.ToolResultBlockParam[] = calls.map(({ id }, index) => ({
      type: 'tool_result',
      tool_use_id: id,
      content: index === 0 ? 'The gauge is broken.' : [{ type: 'text', text: 'Rain.' }],
      is_error: index === 0,
    }))
    world.forget()
    const turns: Anthropic.MessageParam[] = [
      ...messages,
      { role: 'assistant', content: first.content },
      { role: 'user', content: [...results, { type: 'text', text: 'And now?' }] },
    ]
    // Converse has no way to keep a model from tools that the conversation speaks of.
    const choice = wire === 'bedrock-converse' ? {} : { tool_choice: { type: 'none' as const } }
    const answer = await answered(isStreamed, { ...body, tools: TOOLS, messages: turns, ...choice })
    expect(answer.stop_reason).toBe('end_turn')
    const sent = JSON.stringify(world.heard()[0]?.body)
    for (const words of ['The gauge is broken.', 'Rain.', 'And now?']) expect(sent).toContain(words)
    for (const { id } of calls) expect(sent).toContain(id)
    if (wire === 'gemini') expect(sent).toMatch(/"thoughtSignature":"[A-Za-z0-9]{120}"/)
  })

  test('a picture, and output that keeps to a schema', async () => {
    const content: Anthropic.ContentBlockParam[] = [
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
      { type: 'text', text: 'Which port?' },
    ]
    world.forget()
    for (const isStreamed of [false, true]) {
      const reply = await answered(isStreamed, {
        ...body,
        messages: [{ role: 'user', content }],
        output_config: { format: { type: 'json_schema', schema: PORT_SCHEMA } },
      })
      expect(JSON.parse(textOf(reply))).toEqual({ port: expect.stringMatching(/./) })
    }
    for (const { body: sent } of world.heard()) expect(JSON.stringify(sent)).toContain(PIXEL)
    expect(world.heard()).toHaveLength(2)
  })

  test.each([false, true])('thinking is told and taken back; streamed: %s', async (isStreamed) => {
    const asked = { ...body, thinking: { type: 'enabled' as const, budget_tokens: 2048 } }
    const first = await answered(isStreamed, asked)
    const thought = first.content.find((block) => block.type === 'thinking')
    if (wire === 'openai-chat') {
      // It thinks unseen: only the count is told.
      expect(first.content.map(({ type }) => type)).toEqual(['text'])
    } else {
      expect(thought?.thinking).toMatch(/./)
      expect(first.content.at(-1)?.type).toBe('text')
    }
    world.forget()
    const again = await answered(isStreamed, {
      ...asked,
      messages: [...messages, { role: 'assistant', content: first.content }, { role: 'user', content: 'And now?' }],
    })
    expect(again.stop_reason).toBe('end_turn')
    if (!SIGNING.has(wire)) return
    const sent = JSON.stringify(world.heard()[0]?.body)
    expect(thought?.signature).toMatch(/.{10}/)
    expect(sent).toMatch(/"(?:signature|encrypted_content)":"[^"]{10}/)
    expect(sent).not.toContain('tg1.')
  })

  test('tokens are counted, and nobody answers', async () => {
    const { data, response } = await client.messages.countTokens({ model, messages, tools: TOOLS }).withResponse()
    expect(data.input_tokens).toBeGreaterThan(0)
    expect(response.headers.get('x-tidegate-estimated')).toBe(wire === 'anthropic-messages' ? null : 'true')
  })
})

/** Wires that sign thoughts. */
const SIGNING = new Set(['openai-responses', 'anthropic-messages', 'bedrock-converse'])

describe('the ledger', () => {
  test('has one event for each request, with its tokens and cost', async () => {
    const rows = await world.expectLedger()
    expect(new Set(rows.map((row) => row.protocol))).toEqual(new Set(['messages']))
  })
})

/** Anthropic, if it forgot its threads at once. */
function threadAnswer({ thread, messages: said }: JsonObject): [number, JsonObject] {
  if (objectOf(thread)['type'] === 'continue') {
    const error = { type: 'not_found_error', message: 'No such thread.', details: { error_code: 'thread_not_found' } }
    return [404, { type: 'error', error }]
  }
  const call = { type: 'tool_use', id: 'toolu_tide', name: 'get_tide', input: { place: 'Brest' } }
  const isAnswered = JSON.stringify(said).includes('tool_result')
  const head = { id: 'msg_tide', type: 'message', role: 'assistant', model: 'tide-threads', stop_sequence: null }
  const usage = { input_tokens: 9, output_tokens: 7 }
  const content = isAnswered ? [{ type: 'text', text: 'At noon.' }] : [call]
  return [200, { ...head, content, stop_reason: isAnswered ? 'end_turn' : 'tool_use', usage }]
}

describe('a conversation that Anthropic was to keep', () => {
  test('is sent again in whole when it was lost, as the SDK does by itself', async () => {
    const run = () => 'High at noon.'
    const tool = betaTool({ name: 'get_tide', description: 'Looks it up.', inputSchema: PLACE_SCHEMA, run })
    world.forget()
    const said = [{ role: 'user' as const, content: QUESTION }]
    const runner = client.beta.messages.toolRunner({
      model: 'tide-threads',
      max_tokens: 100,
      messages: said,
      tools: [tool],
    })
    const last = await runner.runUntilDone()
    expect(last.content).toMatchObject([{ type: 'text', text: 'At noon.' }])
    const asked = world.heard().map(({ body }) => [objectOf(body['thread'])['type'], arrayOf(body['messages']).length])
    expect(asked).toEqual([
      ['create', 1],
      ['continue', 1],
      ['create', 3],
    ])
  })
})
