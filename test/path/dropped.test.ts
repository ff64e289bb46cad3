// What a route lets go of for a target that can't carry it: what is not sent is what the client is told, no more and no less.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import { serve } from '../../src/data-plane/serve.ts'
import { type PathWorld, ended, expectSettled, holdTime, pathWorld } from '../support/path-world.ts'
import { protocols } from '../support/registries.ts'
import { says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const BODY = {
  model: 'asked',
  messages: [{ role: 'user', content: 'Tide?' }],
  seed: 7,
  logit_bias: { 1: 2 },
  top_p: 0.5,
}

const MESSAGE = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'a',
  content: [{ type: 'text', text: 'High at noon.' }],
  stop_reason: 'end_turn',
  usage: { input_tokens: 5, output_tokens: 4 },
}

function worldOf(target: Target, allowedGaps: readonly string[]): PathWorld {
  const world = pathWorld([target])
  world.table = routeTable({
    revision: 1,
    targets: { [target.id]: target },
    routes: [{ id: 'route', model: 'asked', tenantId: null, targets: [target.id], allowedGaps }],
  })
  world.upstream = (call) => (target.dialect === 'anthropic-messages' ? Response.json(MESSAGE) : says(call))
  return world
}

test('a translated request goes without what is allowed to go, and says so', async () => {
  const world = worldOf(someTarget('a', { dialect: 'anthropic-messages' }), ['seed', 'logit_bias', 'service_tier'])
  const response = await world.ask(BODY)
  await ended(world, response)
  expect(response.headers.get('x-tidegate-dropped')?.split(', ').toSorted()).toEqual(['logit_bias', 'seed'])
  const sent: unknown = JSON.parse(world.calls[0]?.text ?? '')
  expect(sent).toMatchObject({ top_p: 0.5 })
  expect(JSON.stringify(sent)).not.toMatch(/seed|logit_bias/)
})

test('what is not allowed to go is refused by name, and nobody is called', async () => {
  const world = worldOf(someTarget('a', { dialect: 'anthropic-messages' }), ['seed'])
  const response = await world.ask(BODY)
  expect([response.status, await response.json()]).toMatchObject([400, { error: { param: 'logit_bias' } }])
  expect(world.calls).toEqual([])
})

test('a native request goes without a member that the provider is known to refuse, and says so', async () => {
  const target = someTarget('a', { quirks: ['strict-fields'] })
  const world = worldOf(target, ['store', 'seed', 'metadata'])
  const response = await world.ask({ ...BODY, store: true, note: 'ü' })
  await ended(world, response)
  expect(response.headers.get('x-tidegate-dropped')).toBe('store')
  const sent: unknown = JSON.parse(world.calls[0]?.text ?? '')
  expect(sent).toMatchObject({ seed: 7, note: 'ü' })
  expect(sent).not.toHaveProperty('store')
})

test('nothing is said where nothing is left out', async () => {
  const world = worldOf(someTarget('a'), ['seed', 'logit_bias'])
  const response = await world.ask(BODY)
  await ended(world, response)
  expect(response.headers.has('x-tidegate-dropped')).toBe(false)
  expect(world.calls[0]?.text).toContain('"seed":7')
})

test('a hint that the target has no word for keeps nobody from serving, and is told', async () => {
  const world = worldOf(someTarget('a', { dialect: 'anthropic-messages' }), ['top_p', 'seed'])
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'high' } }
  const messages = [{ role: 'user', content: [image] }]
  const response = await world.ask({ model: 'asked', messages, seed: 7, user: 'u', prompt_cache_key: 'k' })
  await ended(world, response)
  expect(response.status).toBe(200)
  expect(response.headers.get('x-tidegate-dropped')).toBe('seed, prompt_cache_key, messages.content.image_url.detail')
  expect(JSON.parse(world.calls[0]?.text ?? '')).toMatchObject({ metadata: { user_id: 'u' } })
})

test.each([
  ['anthropic-messages', []],
  ['openai-chat', ['strict-fields']],
] as const)('%s %j: metadata, and what is as usual, keep nobody from serving', async (dialect, quirks) => {
  const world = worldOf(someTarget('a', { dialect, ...(quirks.length > 0 ? { quirks } : {}) }), [])
  const messages = [{ role: 'user', content: 'Hello?' }]
  const usual = { modalities: ['text'], verbosity: 'medium', service_tier: 'default' }
  const response = await world.ask({ model: 'asked', messages, metadata: { team: 'tide' }, ...usual })
  await ended(world, response)
  expect([response.status, response.headers.get('x-tidegate-dropped')]).toEqual([200, 'metadata'])
  expect(world.calls[0]?.text).not.toContain('tide')
  expect(expectSettled(world)[0]?.tags).toContain('team:tide')
})

test('a call that has to be made, of no tool at all, is refused by name', async () => {
  const world = worldOf(someTarget('a', { dialect: 'anthropic-messages' }), [])
  for (const tool_choice of ['required', { type: 'function', function: { name: 'f' } }]) {
    const response = await world.ask({ model: 'asked', messages: BODY.messages, tool_choice })
    expect([response.status, await response.json()]).toMatchObject([400, { error: { param: 'tool_choice' } }])
  }
  const response = await world.ask({ model: 'asked', messages: BODY.messages, tool_choice: 'auto' })
  await ended(world, response)
  expect(response.status).toBe(200)
})

test('a setting whose value cannot be read is not one that the model lacks', async () => {
  const world = worldOf(someTarget('a', { dialect: 'anthropic-messages' }), [])
  const messages = [{ role: 'user', content: 'Hello?' }]
  const response = await world.ask({ model: 'asked', messages, stop: 5, seed: 7 })
  const message = "'seed' (this model has no such setting), 'stop' (its value is not one that it can have)"
  expect(await response.json()).toMatchObject({ error: { message: expect.stringContaining(message) } })
})

test('a native request goes without the hints that its provider refuses, and says so', async () => {
  const world = worldOf(someTarget('a', { quirks: ['strict-fields'] }), [])
  const response = await world.ask({ ...BODY, user: 'u', prediction: null })
  await ended(world, response)
  expect(response.headers.get('x-tidegate-dropped')).toBe('user, prediction')
  expect(JSON.parse(world.calls[0]?.text ?? '')).not.toHaveProperty('user')
})

const USER = { role: 'user' }

describe.each([
  [
    'chat',
    { messages: [{ ...USER, content: [{ type: 'text', text: 'Tide?', zz: 'n1' }] }] },
    ['messages.content.zz', 'messages[0].content[0].zz'],
  ],
  [
    'messages',
    {
      max_tokens: 9,
      messages: [
        { ...USER, content: 'Tide?' },
        { ...USER, content: [{ type: 'text', text: 'So?', zz: 'n1' }] },
      ],
    },
    ['messages.content.zz', 'messages[1].content[0].zz'],
  ],
  ['responses', { input: [{ ...USER, content: 'Tide?', zz: 'n1' }] }, ['input.zz', 'input[0].zz']],
] as const)('a member inside a message of %s that nobody knows', (name, body, [field, path]) => {
  const target = someTarget('a', { dialect: name === 'messages' ? 'openai-chat' : 'anthropic-messages' })
  const ask = (world: PathWorld): Promise<Response> =>
    world.serve((services, later) => {
      const headers = { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json' }
      const init = { method: 'POST', headers, body: JSON.stringify({ model: 'asked', ...body }) }
      return serve(new Request('https://gateway.test/v1', init), protocols[name], services, later)
    })

  test('is refused by its path, and nobody is called', async () => {
    const world = worldOf(target, ['messages', 'input', 'zz'])
    const response = await ask(world)
    expect([response.status, await response.text()]).toEqual([400, expect.stringContaining(`'${path}'`)])
    expect(world.calls).toEqual([])
  })

  test('is left out where the route allows it by its name, and listed by its path', async () => {
    const world = worldOf(target, [field])
    const response = await ask(world)
    await ended(world, response)
    expect([response.status, response.headers.get('x-tidegate-dropped')]).toEqual([200, path])
    expect(world.calls[0]?.text).toContain('Tide?')
    expect(world.calls[0]?.text).not.toContain('n1')
  })
})
