// What a route lets go of for a target that can't carry it: what is not sent is what the client is told, no more and no less.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Target } from '../../src/core/directory.ts'
import { routeTable } from '../../src/core/route-table.ts'
import { type PathWorld, ended, holdTime, pathWorld } from '../support/path-world.ts'
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
