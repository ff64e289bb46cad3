// What goes wrong, as each official client throws it, whichever wire the model has: wrong keys, models and fields, limits with
// the time to wait, providers in trouble, and failures in mid-stream.
import Anthropic from '@anthropic-ai/sdk'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { ChatOpenAI } from '@langchain/openai'
import { APICallError, type LanguageModel, generateText, streamText } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { createRoute } from '../support/account.ts'
import { type ClientWorld, QUESTION, startClientWorld } from '../support/clients.ts'

let world: ClientWorld

beforeAll(async () => {
  vi.stubGlobal('AI_SDK_LOG_WARNINGS', false)
  world = await startClientWorld()
  // A target for each pair: nobody's failures keep another from being called.
  for (const [model, provider] of Object.entries(WIRES)) {
    for (const at of Object.keys(CLIENTS).keys()) {
      const target = { id: `${model}-${at}`, provider, model: '*', probe_model: `${model}-fast`, max_retries: 0 }
      await createRoute(world.system, `${model}-fast-${at}-*`, [target])
    }
  }
})
afterAll(() => world.dispose())

/** What is asked; `isWrong` breaks a field that every client passes on. */
interface Asked {
  readonly key: string
  readonly model: string
  readonly isWrong: boolean
}

/** One client: a whole reply, and a stream that tells its text piece by piece. */
interface Client {
  whole(asked: Asked): Promise<unknown>
  stream(asked: Asked, onText: (text: string) => void): Promise<unknown>
}

const temperatureOf = ({ isWrong }: Asked) => (isWrong ? { temperature: 9 } : {})
const openai = ({ key }: Asked) => {
  return new OpenAI({ apiKey: key, baseURL: `${world.system.url}/v1`, maxRetries: 0, logLevel: 'off' })
}
const messages = [{ role: 'user' as const, content: QUESTION }]

const chat: Client = {
  whole: (asked) => openai(asked).chat.completions.create({ model: asked.model, messages, ...temperatureOf(asked) }),
  stream: (asked, onText) =>
    openai(asked).chat.completions.stream({ model: asked.model, messages }).on('content', onText).finalContent(),
}

const responses: Client = {
  whole: (asked) =>
    openai(asked).responses.create({ model: asked.model, input: QUESTION, store: false, ...temperatureOf(asked) }),
  stream: (asked, onText) =>
    openai(asked)
      .responses.stream({ model: asked.model, input: QUESTION, store: false })
      .on('response.output_text.delta', ({ delta }) => onText(delta))
      .finalResponse(),
}

const anthropic = ({ key }: Asked) => {
  return new Anthropic({ apiKey: key, baseURL: world.system.url, maxRetries: 0, logLevel: 'off' })
}
const messagesClient: Client = {
  whole: (asked) =>
    anthropic(asked).messages.create({ model: asked.model, max_tokens: 900, messages, ...temperatureOf(asked) }),
  stream: (asked, onText) =>
    anthropic(asked)
      .messages.stream({ model: asked.model, max_tokens: 900, messages })
      .on('text', onText)
      .finalMessage(),
}

/** The `ai` package, with any of its providers. */
function aiSdk(modelOf: (asked: Asked, settings: { apiKey: string; baseURL: string }) => LanguageModel): Client {
  const ask = (asked: Asked) => {
    const model = modelOf(asked, { apiKey: asked.key, baseURL: `${world.system.url}/v1` })
    // Its client for Anthropic keeps to the temperatures that there are.
    const wrong = asked.isWrong ? { ...temperatureOf(asked), stopSequences: [' '] } : {}
    return { model, prompt: QUESTION, maxRetries: 0, providerOptions: { openai: { store: false } }, ...wrong }
  }
  return {
    whole: (asked) => generateText(ask(asked)),
    async stream(asked, onText) {
      for await (const part of streamText({ ...ask(asked), onError: () => {} }).stream) {
        if (part.type === 'text-delta') onText(part.text)
        if (part.type === 'error') throw part.error
      }
    },
  }
}

const langchain = ({ key, model, ...asked }: Asked) => {
  const configuration = { baseURL: `${world.system.url}/v1` }
  return new ChatOpenAI({
    apiKey: key,
    model,
    maxRetries: 0,
    configuration,
    ...temperatureOf({ key, model, ...asked }),
  })
}

const CLIENTS: Readonly<Record<string, Client>> = {
  'openai chat': chat,
  'openai responses': responses,
  '@anthropic-ai/sdk': messagesClient,
  '@ai-sdk/openai chat': aiSdk(({ model }, settings) => createOpenAI(settings).chat(model)),
  '@ai-sdk/openai responses': aiSdk(({ model }, settings) => createOpenAI(settings).responses(model)),
  '@ai-sdk/anthropic': aiSdk(({ model }, settings) => createAnthropic(settings)(model)),
  '@ai-sdk/openai-compatible': aiSdk(({ model }, settings) =>
    createOpenAICompatible({ ...settings, name: 'tidegate' }).chatModel(model),
  ),
  '@langchain/openai': {
    whole: (asked) => langchain(asked).invoke(QUESTION),
    async stream(asked, onText) {
      for await (const chunk of await langchain(asked).stream(QUESTION)) onText(chunk.text)
    },
  },
}

const WIRES = {
  'sim-gpt': 'simulated-openai',
  'sim-claude': 'simulated-anthropic',
  'sim-gemini': 'simulated-gemini',
  'sim-bedrock': 'simulated-bedrock',
  'sim-llama': 'simulated-ollama',
  'sim-command': 'simulated-cohere',
} as const

async function thrownBy(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (error: unknown) => error,
  )
}

/** What an error says, whichever class it is of. */
function told(error: unknown): { readonly status: unknown; readonly retryAfter: unknown; readonly kind: string } {
  if (error instanceof OpenAI.APIError) {
    return { status: error.status, retryAfter: error.headers?.get('retry-after'), kind: error.constructor.name }
  }
  if (error instanceof Anthropic.APIError) {
    return { status: error.status, retryAfter: error.headers?.get('retry-after'), kind: error.constructor.name }
  }
  if (APICallError.isInstance(error)) {
    return { status: error.statusCode, retryAfter: error.responseHeaders?.['retry-after'], kind: 'APICallError' }
  }
  if (error instanceof Error && 'status' in error && 'headers' in error && error.headers instanceof Headers) {
    return { status: error.status, retryAfter: error.headers.get('retry-after'), kind: error.constructor.name }
  }
  throw new Error(`no error of an API: ${String(error)}`)
}

const CLASSES: Readonly<Record<number, string>> = {
  400: 'BadRequestError',
  401: 'AuthenticationError',
  404: 'NotFoundError',
  429: 'RateLimitError',
  502: 'InternalServerError',
  503: 'InternalServerError',
}

describe.each(Object.entries(CLIENTS).map(([name, client], at) => ({ name, client, at })))(
  '$name',
  ({ name, client, at }) => {
    const kindOf = (status: number): string => (name.startsWith('@ai-sdk') ? 'APICallError' : (CLASSES[status] ?? ''))
    const asking = (model: string): Asked => ({ key: world.owner.key, model, isWrong: false })

    test('a wrong key, an unknown model, a wrong field', async () => {
      const { key } = world.owner
      const cases = [
        [401, { key: 'tg-nonsense', model: 'sim-gpt-fast', isWrong: false }],
        [404, { key, model: 'nobody-knows', isWrong: false }],
        [400, { key, model: 'sim-bedrock-fast', isWrong: true }],
      ] as const
      for (const [status, asked] of cases) {
        expect(told(await thrownBy(client.whole(asked)))).toMatchObject({ status, kind: kindOf(status) })
      }
      for (const [status, asked] of cases.slice(0, 2)) {
        expect(told(await thrownBy(client.stream(asked, () => {})))).toMatchObject({ status, kind: kindOf(status) })
      }
    })

    test.each(Object.keys(WIRES))('%s: a stream that breaks, a failing provider, a throttled one', async (wire) => {
      const model = `${wire}-fast-${at}`
      let text = ''
      const broken = await thrownBy(client.stream(asking(`${model}-errchunk5`), (piece) => (text += piece)))
      expect(broken).not.toBeNull()
      expect(text).not.toBe('')
      const failed = told(await thrownBy(client.whole(asking(`${model}-e500`))))
      expect(failed).toMatchObject({ status: 502, kind: kindOf(502) })
      const throttled = told(await thrownBy(client.whole(asking(`${model}-e429`))))
      expect(throttled).toMatchObject({ status: 429, kind: kindOf(429) })
      expect(Number(throttled.retryAfter)).toBeGreaterThanOrEqual(1)
    })
  },
)
