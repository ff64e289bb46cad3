// The `openai` SDK's chat and completions, with its helpers, in front of a model on every wire: text, tools that it runs
// itself, pictures, parsed replies, reasoning that goes back on the next turn, and what the ledger has of it.
import OpenAI from 'openai'
import { standardResponseFormat } from 'openai/helpers/standard-schema'
import type { RunnableToolFunctionWithParse } from 'openai/lib/RunnableFunction'
import type { ChatCompletion, ChatCompletionMessageParam } from 'openai/resources'
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

const messages: ChatCompletionMessageParam[] = [
  { role: 'system', content: 'Be plain.' },
  { role: 'user', content: QUESTION },
]
const NAMES = ['get_tide', 'get_weather']
const TOOLS = NAMES.map((name) => ({
  type: 'function' as const,
  function: { name, description: 'Looks it up.', parameters: PLACE_SCHEMA },
}))

/** A tool that the SDK runs by itself. */
function runnable(name: string, onCall: (place: string) => void): RunnableToolFunctionWithParse<{ place: string }> {
  return {
    type: 'function',
    function: {
      name,
      description: 'Looks it up.',
      parameters: { ...PLACE_SCHEMA, required: ['place'] },
      parse: (text) => z.object({ place: z.string() }).parse(JSON.parse(text)),
      function: ({ place }) => {
        onCall(place)
        return 'High at noon.'
      },
    },
  }
}

/** Choices that a wire has no words for: they are refused by name. */
const UNCHOOSING = new Set(['ollama required', 'ollama forced'])

/** Reasoning as our chat wire has it: text, and what goes back. */
const THINKING = z.looseObject({
  content: z.nullable(z.string()),
  reasoning_content: z.string(),
  reasoning_details: z.optional(z.array(z.looseObject({ type: z.string() }))),
})

describe.each(ALL_WIRES)('chat to %s', (_, model) => {
  test('the stream helper tells the same as the whole reply, and counts the same', async () => {
    const whole = await client.chat.completions.create({ model, messages })
    const pieces: string[] = []
    const stream = client.chat.completions
      .stream({ model, messages, stream_options: { include_usage: true } })
      .on('content', (piece) => pieces.push(piece))
    const streamed = await stream.finalChatCompletion()
    expect(whole.choices[0]?.message.content).toMatch(/tide/)
    expect(pieces.length).toBeGreaterThan(3)
    expect(pieces.join('')).toBe(whole.choices[0]?.message.content)
    expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content)
    expect(streamed.choices[0]?.finish_reason).toBe('stop')
    expect(streamed.usage).toEqual(whole.usage)
    expect([whole.model, streamed.model]).toEqual([model, model])
    expect(whole.usage?.total_tokens).toBe((whole.usage?.prompt_tokens ?? 0) + (whole.usage?.completion_tokens ?? 0))
  })
})

describe.each(RICH_WIRES)('chat to %s', (wire, model) => {
  test.each([false, true])(
    'tools that the SDK runs, two at once, and the answer to them; streamed: %s',
    async (stream) => {
      const run: string[] = []
      const tools = NAMES.map((name) => runnable(name, (place) => run.push(`${name} ${typeof place}`)))
      const runner = stream
        ? client.chat.completions.runTools({ model, messages, tools, stream })
        : client.chat.completions.runTools({ model, messages, tools })
      const content = await runner.finalContent()
      expect(run).toEqual(['get_tide string', 'get_weather string'])
      expect(content).toMatch(/tide/)
      const said = runner.messages.slice(2)
      expect(said.map(({ role }) => role)).toEqual(['assistant', 'tool', 'tool', 'assistant'])
      const sent = JSON.stringify(world.heard().at(-1)?.body)
      expect(sent.match(/High at noon\./g)).toHaveLength(2)
      for (const message of said) if (message.role === 'tool') expect(sent).toContain(message.tool_call_id)
    },
  )

  test('no tool where the client wants none, and some where it insists', async () => {
    const choices = { none: 'stop', required: 'tool_calls' } as const
    const namesOf = (reply: ChatCompletion) =>
      (reply.choices[0]?.message.tool_calls ?? []).flatMap((call) =>
        call.type === 'function' ? call.function.name : [],
      )
    for (const [choice, finish] of Object.entries(choices)) {
      if (UNCHOOSING.has(`${wire} ${choice}`)) continue
      const tool_choice = choice === 'none' ? choice : 'required'
      const reply = await client.chat.completions.create({ model, messages, tools: TOOLS, tool_choice })
      expect(reply.choices[0]?.finish_reason).toBe(finish)
      expect(namesOf(reply)).toEqual(choice === 'none' ? [] : NAMES)
    }
    const forced = { type: 'function' as const, function: { name: 'get_weather' } }
    const asked = client.chat.completions.create({ model, messages, tools: TOOLS, tool_choice: forced })
    if (UNCHOOSING.has(`${wire} forced`))
      await expect(asked).rejects.toMatchObject({ status: 400, param: 'tool_choice' })
    else expect(namesOf(await asked)).toContain('get_weather')
  })

  test('a parsed reply about a picture', async () => {
    const content = [
      { type: 'text' as const, text: 'Which port is this?' },
      { type: 'image_url' as const, image_url: { url: `data:image/png;base64,${PIXEL}` } },
    ]
    const body = {
      model,
      messages: [{ role: 'user' as const, content }],
      response_format: standardResponseFormat(z.object({ port: z.string() }), 'port', { schema: PORT_SCHEMA }),
    }
    world.forget()
    const whole = await client.chat.completions.parse(body)
    expect(whole.choices[0]?.message.parsed).toEqual({ port: expect.stringMatching(/./) })
    const streamed = await client.chat.completions.stream(body).finalChatCompletion()
    expect(streamed.choices[0]?.message.parsed).toEqual(whole.choices[0]?.message.parsed)
    for (const { body: sent } of world.heard()) expect(JSON.stringify(sent)).toContain(PIXEL)
    expect(world.heard()).toHaveLength(2)
  })
})

describe.each(THINKING_WIRES)('reasoning of %s', (wire, model) => {
  test.each([false, true])('is told, counted, and goes back with its signature; streamed: %s', async (isStreamed) => {
    const body = { model, messages, reasoning_effort: 'low' as const, max_completion_tokens: 4000 }
    const reply = isStreamed
      ? await client.chat.completions.stream({ ...body, stream_options: { include_usage: true } }).finalChatCompletion()
      : await client.chat.completions.create(body)
    const message = THINKING.parse(reply.choices[0]?.message)
    expect(message.reasoning_content).toMatch(/./)
    expect(message.content).toMatch(/tide/)
    world.forget()
    const next: ChatCompletionMessageParam[] = [
      ...messages,
      { ...message, role: 'assistant' },
      { role: 'user', content: 'And where is it highest?' },
    ]
    const again = await client.chat.completions.create({ ...body, messages: next })
    expect(again.choices[0]?.finish_reason).toBe('stop')
    const opaque = OPAQUE[wire]
    if (opaque !== undefined) {
      const [details] = (message.reasoning_details ?? []).filter((detail) => 'signature' in detail || 'data' in detail)
      const value = String(details?.['signature'] ?? details?.['data'])
      expect(value.length).toBeGreaterThan(10)
      expect(JSON.stringify(world.heard()[0]?.body)).toContain(`"${opaque}":"${value.slice(0, 20)}`)
    }
  })
})

/** What each wire calls the opaque text that has to come back. */
const OPAQUE: Readonly<Record<string, string>> = {
  'anthropic-messages': 'signature',
  'bedrock-converse': 'signature',
  'openai-responses': 'encrypted_content',
}

describe.each(ALL_WIRES)('completions to %s', (_, model) => {
  test('the old endpoint, whole and streamed', async () => {
    const body = { model, prompt: 'The tide comes in', max_tokens: 50 }
    const whole = await client.completions.create(body)
    expect(whole).toMatchObject({
      object: 'text_completion',
      choices: [{ index: 0, text: expect.stringMatching(/./) }],
    })
    let text = ''
    for await (const chunk of await client.completions.create({ ...body, stream: true })) {
      text += chunk.choices[0]?.text ?? ''
    }
    expect(text).toBe(whole.choices[0]?.text)
  })
})

describe('embeddings', () => {
  test('as floats and as base64, one and many, in their order', async () => {
    const model = 'sim-gpt-embedding'
    const texts = ['ebb', 'flood', 'slack', 'neap', 'spring', 'bore']
    const many = await client.embeddings.create({ model, input: texts })
    expect(many.data.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5])
    const plain = await client.embeddings.create({ model, input: texts, encoding_format: 'float' })
    expect(plain.data.map(({ embedding }) => embedding.length)).toEqual(many.data.map((each) => each.embedding.length))
    const [one] = (await client.embeddings.create({ model, input: 'slack', encoding_format: 'float' })).data
    expect(one?.embedding).toEqual(plain.data[2]?.embedding)
    expect(many.usage.prompt_tokens).toBeGreaterThan(0)
  })
})

describe('the ledger', () => {
  test('has one event for each request, with its tokens and cost', async () => {
    const rows = await world.expectLedger()
    expect(new Set(rows.map((row) => row.protocol))).toEqual(new Set(['chat', 'completions', 'embeddings']))
  })
})
