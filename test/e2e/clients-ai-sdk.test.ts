// The `ai` package with its providers for OpenAI (both endpoints), Anthropic and whatever is compatible, in front of models on
// every wire: text, parts of a stream, tools in several steps, pictures, structured output, thoughts.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { type LanguageModel, Output, generateText, jsonSchema, stepCountIs, streamText, tool } from 'ai'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { create } from '../support/account.ts'
import {
  type ClientWorld,
  MODELS,
  PIXEL,
  PLACE_SCHEMA,
  PORT_SCHEMA,
  QUESTION,
  startClientWorld,
} from '../support/clients.ts'

let world: ClientWorld

beforeAll(async () => {
  vi.stubGlobal('AI_SDK_LOG_WARNINGS', false)
  world = await startClientWorld()
})
afterAll(() => world.dispose())

type ClientName = 'openai.chat' | 'openai.responses' | 'anthropic' | 'openai-compatible'

function modelOf(client: ClientName, model: string): LanguageModel {
  const settings = { apiKey: world.owner.key, baseURL: `${world.system.url}/v1`, fetch: world.fetch }
  switch (client) {
    case 'openai.chat':
      return createOpenAI(settings).chat(model)
    case 'openai.responses':
      return createOpenAI(settings).responses(model)
    case 'anthropic':
      return createAnthropic(settings)(model)
    case 'openai-compatible':
      return createOpenAICompatible({
        ...settings,
        name: 'tidegate',
        supportsStructuredOutputs: true,
        includeUsage: true,
      }).chatModel(model)
  }
}

const PORT = jsonSchema<{ port: string }>({ ...PORT_SCHEMA, required: ['port'] })

/** How each client asks for thoughts. `store` is off as nobody but OpenAI could keep a response. */
const THINKING = {
  openai: {
    store: false,
    forceReasoning: true,
    reasoningEffort: 'low',
    reasoningSummary: 'auto',
    include: ['reasoning.encrypted_content'],
  },
  anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } },
  tidegate: { reasoningEffort: 'low' },
} as const
const PLAIN = { openai: { store: false } } as const

const PAIRS = (['openai.chat', 'openai.responses', 'anthropic', 'openai-compatible'] as const).flatMap((client) =>
  Object.entries(MODELS)
    .filter(([wire]) => !/^(?:declared|ollama|cohere)/.test(wire) || client === 'openai-compatible')
    .map(([wire, model]) => ({ client, wire, model })),
)
const RICH = PAIRS.filter(({ wire }) => !wire.startsWith('declared'))

// OpenAI's own chat endpoint tells nothing of thoughts, so its client has no place for them.
const THINKING_PAIRS = RICH.filter(({ client, wire }) => client !== 'openai.chat' && wire !== 'openai-chat')
/** For an object this client forces a single call of a tool, where it doesn't know the model. */
const SINGLE_CALL = 'tool_choice.disable_parallel_tool_use'

describe.each(PAIRS)('$client to $wire', ({ client, model }) => {
  test('text, whole and in parts, counted alike', async () => {
    const ask = { model: modelOf(client, model), prompt: QUESTION, providerOptions: PLAIN, maxRetries: 0 }
    const whole = await generateText(ask)
    const streamed = streamText(ask)
    const types: string[] = []
    let text = ''
    for await (const part of streamed.stream) {
      types.push(part.type)
      if (part.type === 'text-delta') text += part.text
      if (part.type === 'error') throw part.error
    }
    expect(whole.text).toMatch(/tide/)
    expect(text).toBe(whole.text)
    expect([whole.finishReason, await streamed.finishReason]).toEqual(['stop', 'stop'])
    const { inputTokens, outputTokens } = await streamed.usage
    expect({ inputTokens, outputTokens }).toEqual({
      inputTokens: whole.usage.inputTokens,
      outputTokens: whole.usage.outputTokens,
    })
    expect(outputTokens).toBeGreaterThan(0)
    for (const type of ['start', 'text-start', 'text-end', 'finish-step', 'finish']) expect(types).toContain(type)
  })
})

describe.each(RICH)('$client to $wire', ({ client, wire, model }) => {
  test.each([false, true])('two tools at once, then words; streamed: %s', async (isStreamed) => {
    const run: string[] = []
    const lookUp = (name: string) =>
      tool({
        description: 'Looks it up.',
        inputSchema: jsonSchema<{ place: string }>({ ...PLACE_SCHEMA, required: ['place'] }),
        execute: ({ place }) => {
          run.push(`${name} ${typeof place}`)
          return 'High at noon.'
        },
      })
    const ask = {
      model: modelOf(client, model),
      prompt: QUESTION,
      tools: { get_tide: lookUp('get_tide'), get_weather: lookUp('get_weather') },
      stopWhen: stepCountIs(3),
      providerOptions: PLAIN,
      maxRetries: 0,
    }
    world.forget()
    const result = isStreamed ? streamText(ask) : await generateText(ask)
    const steps = await result.steps
    expect(await result.text).toMatch(/tide/)
    expect(steps.map(({ finishReason }) => finishReason)).toEqual(['tool-calls', 'stop'])
    expect(run.toSorted()).toEqual(['get_tide string', 'get_weather string'])
    const sent = JSON.stringify(world.heard().at(-1)?.body)
    expect(sent.match(/High at noon\./g)).toHaveLength(2)
  })

  test('an object about a picture, whole and streamed', async () => {
    const content = [
      { type: 'text' as const, text: 'Which port is this?' },
      { type: 'file' as const, data: new Uint8Array(Buffer.from(PIXEL, 'base64')), mediaType: 'image/png' },
    ]
    const ask = {
      model: modelOf(client, model),
      messages: [{ role: 'user' as const, content }],
      output: Output.object({ schema: PORT }),
      providerOptions: PLAIN,
      maxRetries: 0,
    }
    if (client === 'anthropic' && wire === 'gemini') {
      await expect(generateText(ask)).rejects.toThrow(`'${SINGLE_CALL}' (this model decides how many calls it makes)`)
      return
    }
    world.forget()
    const { output } = await generateText(ask)
    expect(output).toEqual({ port: expect.stringMatching(/./) })
    expect(await streamText(ask).output).toEqual(output)
    expect(world.heard()).toHaveLength(2)
    for (const { body } of world.heard()) expect(JSON.stringify(body)).toContain(PIXEL)
  })
})

describe.each(THINKING_PAIRS)('thoughts: $client to $wire', ({ client, wire, model }) => {
  test.each([false, true])('are told, and go back on the next turn; streamed: %s', async (isStreamed) => {
    const ask = { model: modelOf(client, model), providerOptions: THINKING, maxRetries: 0, maxOutputTokens: 4000 }
    const first = isStreamed
      ? streamText({ ...ask, prompt: QUESTION })
      : await generateText({ ...ask, prompt: QUESTION })
    const { messages } = await first.response
    expect(await first.reasoningText).toMatch(/./)
    expect(await first.text).toMatch(/tide/)
    world.forget()
    const next = await generateText({
      ...ask,
      messages: [{ role: 'user', content: QUESTION }, ...messages, { role: 'user', content: 'And now?' }],
    })
    expect(next.finishReason).toBe('stop')
    const sent = JSON.stringify(world.heard()[0]?.body)
    if (RETURNING.has(client) && SIGNING.has(wire)) expect(sent).toMatch(/"(?:signature|encrypted_content)":"[^"]{10}/)
    expect(sent).not.toContain('tg1.')
  })
})

/** Clients that send signatures back, and wires that sign thoughts. */
const RETURNING = new Set<string>(['openai.responses', 'anthropic'])
const SIGNING = new Set(['openai-responses', 'anthropic-messages', 'bedrock-converse'])

describe('an object from a model that may make several calls', () => {
  test('is had where the route lets that be', async () => {
    const model = `${MODELS.gemini}-single`
    await create(world.system, '/admin/routes', { model, targets: ['simulated-gemini'], allowed_gaps: [SINGLE_CALL] })
    const { output, response } = await generateText({
      model: modelOf('anthropic', model),
      prompt: 'Which port?',
      output: Output.object({ schema: PORT }),
      maxRetries: 0,
    })
    expect(output).toEqual({ port: expect.stringMatching(/./) })
    expect(response.headers?.['x-tidegate-dropped']).toBe(SINGLE_CALL)
  })
})

describe('the ledger', () => {
  test('has one event for each request, with its tokens and cost', async () => {
    const rows = await world.expectLedger()
    expect(new Set(rows.map((row) => row.protocol))).toEqual(new Set(['chat', 'responses', 'messages']))
  })
})
