// What a client has for one provider alone: who gets it, what it can't change, and what is said when it tries.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { caching, ended, holdTime, pathWorld } from '../support/path-world.ts'
import { says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const MESSAGES = [{ role: 'user', content: 'Hello?' }]
const OPTIONS = {
  openai: { metadata: { b: { d: 2 } }, web_search_options: {}, temperature: 0.5 },
  anthropic: { top_k: 5 },
}

test.each([
  [
    'native',
    'openai-chat',
    'openai',
    { metadata: { a: 1, b: { c: 1, d: 2 } }, web_search_options: {}, temperature: 0.5 },
  ],
  ['translated', 'anthropic-messages', 'anthropic', { top_k: 5 }],
] as const)(
  'options reach the provider that serves, on the %s lane, and no other',
  async (_, dialect, provider, expected) => {
    const world = pathWorld([someTarget('a', { dialect, provider, model: 'real' })])
    world.upstream = (call) => says(call)
    const metadata = provider === 'openai' ? { metadata: { a: 1, b: { c: 1 } }, temperature: 1 } : {}
    await ended(
      world,
      await world.ask({ model: 'asked', messages: MESSAGES, ...metadata, tidegate: { provider_options: OPTIONS } }),
    )
    const sent: unknown = JSON.parse(world.calls[0]?.text ?? '')
    expect(sent).toMatchObject({ model: 'real', ...expected })
    expect(sent).not.toHaveProperty('tidegate')
    expect(JSON.stringify(sent).includes('top_k')).toBe(provider === 'anthropic')
  },
)

test("the gateway's own member goes to no provider, whatever is in it", async () => {
  for (const dialect of ['openai-chat', 'anthropic-messages'] as const) {
    const world = pathWorld([someTarget('a', { dialect })])
    world.upstream = (call) => says(call)
    await ended(world, await world.ask({ model: 'asked', messages: MESSAGES, tidegate: { note: 'x'.repeat(10_000) } }))
    expect(world.calls[0]?.text).not.toMatch(/tidegate|note/)
  }
})

test.each([
  ['a list', [], 'tidegate'],
  ['options that are none', { provider_options: 7 }, 'tidegate.provider_options'],
  ['a provider that nobody knows', { provider_options: { nobody: {} } }, 'tidegate.provider_options.nobody'],
  ['text for an object', { provider_options: { openai: 'x' } }, 'tidegate.provider_options.openai'],
  ['another model', { provider_options: { openai: { model: 'x' } } }, 'tidegate.provider_options.openai.model'],
  [
    'other messages',
    { provider_options: { anthropic: { messages: [] } } },
    'tidegate.provider_options.anthropic.messages',
  ],
  [
    'a bound, wherever it stands',
    { provider_options: { gemini: { generationConfig: { maxOutputTokens: 9 } } } },
    'tidegate.provider_options.gemini.generationConfig.maxOutputTokens',
  ],
])('%s is refused by name', async (_, tidegate, field) => {
  const world = pathWorld([someTarget('a')])
  const response = await world.ask({ model: 'asked', messages: MESSAGES, tidegate })
  expect([response.status, await response.json()]).toMatchObject([400, { error: { param: field } }])
  expect(world.calls).toEqual([])
})

test('an answer is cached for its options, and for no others', async () => {
  const world = caching(pathWorld([someTarget('a', { provider: 'openai' })]))
  world.upstream = (call) => says(call)
  const ask = async (options: object): Promise<string | null> => {
    const body = { model: 'asked', messages: MESSAGES, tidegate: { provider_options: options } }
    const response = await world.ask(body)
    await ended(world, response)
    return response.headers.get('x-tidegate-cache')
  }
  expect(await ask({ openai: { x: 1 } })).toBe('miss')
  expect(await ask({ openai: { x: 1 } })).toBe('hit')
  expect(await ask({ openai: { x: 2 } })).toBe('miss')
})

test('a body that is nested too deeply to be written is refused, and no fault of the target', async () => {
  const world = pathWorld([someTarget('a')])
  world.upstream = (call) => says(call)
  const deep = '['.repeat(200_000) + ']'.repeat(200_000)
  const messages = JSON.stringify(MESSAGES)
  const response = await world.ask(`{"model":"asked","messages":${messages},"tidegate":{},"notes":${deep}}`)
  const text = await ended(world, response)
  expect([response.status, JSON.parse(text)]).toMatchObject([
    400,
    { error: { message: 'The request is nested too deeply.' } },
  ])
  expect(world.permits).toMatchObject([{ heard: ['client'] }])
})
