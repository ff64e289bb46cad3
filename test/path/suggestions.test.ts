// What a client is told when its model can't be had: who failed, when to come again, what to ask for instead.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { routeTable } from '../../src/core/routing/route-table.ts'
import { holdTime, pathWorld } from '../support/path-world.ts'
import { fails } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const BODY = { model: 'asked', messages: [{ role: 'user', content: 'Hello?' }] }

/** `asked` goes to `a`, which fails; `asked-2` to `b`; `asked-3` to `a` as well. */
function world() {
  const targets = [someTarget('a', { maxRetries: 0 }), someTarget('b')]
  const made = pathWorld(targets)
  const route = (model: string, id: string) => ({ id: model, model, tenantId: null, targets: [id], allowedGaps: [] })
  made.table = routeTable({
    revision: 1,
    targets: Object.fromEntries(targets.map((target) => [target.id, target])),
    routes: [route('asked', 'a'), route('asked-2', 'b'), route('asked-3', 'a')],
  })
  return made
}

test('a failed provider is named, with the models that go elsewhere', async () => {
  const made = world()
  made.upstream = (call) => fails(call, 'overloaded')
  const response = await made.ask(BODY)
  expect(response.status).toBe(503)
  expect(await response.json()).toMatchObject({
    error: { code: 'provider_overloaded', provider: 'simulated', suggested_models: ['asked-2'] },
  })
})

test('a mistake in the request is no reason to try another model', async () => {
  const made = world()
  made.upstream = () => Response.json({ error: { message: 'Wrong.', param: 'n', code: 'c' } }, { status: 400 })
  const response = await made.ask(BODY)
  expect(response.status).toBe(400)
  expect(await response.json()).not.toHaveProperty('error.suggested_models')
})

test('a model that the provider does not know is one', async () => {
  const made = world()
  made.upstream = () =>
    Response.json({ error: { message: 'No such model.', code: 'model_not_found' } }, { status: 404 })
  expect(await (await made.ask(BODY)).json()).toMatchObject({
    error: { code: 'model_not_found', suggested_models: ['asked-2'] },
  })
})

test('closed targets: when to come again, and where to go meanwhile', async () => {
  const made = world()
  made.permit = () => ({ retryAfterMs: 1500 })
  const response = await made.ask(BODY)
  expect(response.headers.get('retry-after-ms')).toBe('1500')
  expect(await response.json()).toMatchObject({
    error: { code: 'no_target_available', retry_after_ms: 1500, suggested_models: ['asked-2'] },
  })
})

test('a name that nobody knows brings up those like it', async () => {
  expect(await (await world().ask({ ...BODY, model: 'asked-4' })).json()).toMatchObject({
    error: { code: 'model_not_found', suggested_models: ['asked-2', 'asked-3', 'asked'] },
  })
})
