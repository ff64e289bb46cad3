// Requests that name a preset: whose members count, what the provider is sent, and what is refused.
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Preset } from '../../src/core/routing/preset.ts'
import { routeTable } from '../../src/core/routing/route-table.ts'
import { listModels, retrieveModel } from '../../src/data-plane/list-models.ts'
import { serve } from '../../src/data-plane/serve.ts'
import { type PathWorld, callerOf, ended, holdTime, pathWorld } from '../support/path-world.ts'
import { protocols } from '../support/registries.ts'
import { says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

const TARGETS = [
  someTarget('gpt', { provider: 'openai' }),
  someTarget('claude', { provider: 'anthropic' }),
  someTarget('router', { provider: 'openrouter', model: '*' }),
]
const MESSAGES = [{ role: 'user', content: 'Hello?' }]
const WRITER: Preset = {
  name: 'writer',
  tenantId: null,
  members: { model: 'fast', temperature: 0.3, max_tokens: 77, stop: 'END', provider: { order: ['anthropic'] } },
  system: 'Be brief.',
}

function world(...presets: readonly Preset[]): PathWorld {
  const made = pathWorld(TARGETS)
  const route = (model: string, targets: readonly string[]) => ({
    id: model,
    model,
    tenantId: null,
    targets,
    allowedGaps: [],
  })
  made.table = routeTable({
    revision: 1,
    targets: Object.fromEntries(TARGETS.map((target) => [target.id, target])),
    routes: [route('fast', ['gpt', 'claude']), route('slow', ['gpt']), route('or/*', ['router'])],
    presets: [WRITER, { name: 'plain', tenantId: null, members: { top_p: 0.5 } }, ...presets],
  })
  made.upstream = says
  return made
}

async function sent(body: object, made = world()) {
  const response = await made.ask(body)
  await ended(made, response)
  const [call] = made.calls
  return { status: response.status, headers: response.headers, target: call?.target.id, text: call?.text ?? '{}' }
}

describe('a preset', () => {
  test.each([
    ['as the model', { model: '@preset/writer' }, 'claude'],
    ['behind a model', { model: 'fast@preset/writer' }, 'claude'],
    ['as a member, with its model behind the client’s', { model: 'slow', preset: 'writer' }, 'gpt'],
    ['behind another model', { model: 'slow@preset/writer' }, 'gpt'],
  ])('%s gives its members, its system prompt and its wishes', async (_, named, target) => {
    const answer = await sent({ ...named, messages: MESSAGES })
    expect(answer).toMatchObject({ status: 200, target })
    expect(answer.headers.get('x-tidegate-preset')).toBe('writer')
    expect(JSON.parse(answer.text)).toEqual({
      model: target,
      messages: [{ role: 'system', content: 'Be brief.' }, ...MESSAGES],
      temperature: 0.3,
      max_tokens: 77,
      stop: 'END',
    })
  })

  test('gives way to what the client says itself', async () => {
    const own = {
      temperature: 0,
      max_completion_tokens: 5,
      stop: null,
      provider: { order: ['openai'] },
      messages: [{ role: 'developer', content: 'Be long.' }, ...MESSAGES],
    }
    const answer = await sent({ model: '@preset/writer', ...own })
    const { provider: _, ...rest } = own
    expect(answer.target).toBe('gpt')
    expect(JSON.parse(answer.text)).toEqual({ model: 'gpt', ...rest })
  })

  test('leaves the client’s text as it is, to the byte', async () => {
    const text = `{"seed": 12345678901234567890,  "model":"slow", "preset":"plain","messages":[ {"role":"user","content":"\\u00e9"} ]}`
    const made = world()
    await ended(made, await made.ask(text))
    expect(made.calls[0]?.text).toBe(
      `{"top_p":0.5,"seed": 12345678901234567890,  "model":"gpt", "messages":[ {"role":"user","content":"\\u00e9"} ]}`,
    )
  })

  test('of a large request goes with it', async () => {
    const long = 'many words '.repeat(20_000)
    const { text } = await sent({ model: '@preset/writer', messages: [{ role: 'user', content: long }] })
    expect(JSON.parse(text)).toMatchObject({ temperature: 0.3, messages: [{ role: 'system' }, { content: long }] })
  })

  test('of the tenant comes before everybody’s, another tenant’s never', async () => {
    const own = (tenantId: string): Preset => ({ ...WRITER, tenantId, members: { model: 'slow', user: tenantId } })
    const answer = await sent({ model: '@preset/writer', messages: MESSAGES }, world(own('other'), own('tenant')))
    expect(JSON.parse(answer.text)).toMatchObject({ user: 'tenant' })
    const strange = await sent(
      { model: '@preset/mine', messages: MESSAGES },
      world({ ...WRITER, name: 'mine', tenantId: 'other' }),
    )
    expect(strange.status).toBe(404)
  })

  test('is named by a tag in the ledger', async () => {
    const made = world()
    await sent({ model: '@preset/writer', messages: MESSAGES }, made)
    expect(made.admitted[0]?.settled[0]?.event).toMatchObject({
      requestedModel: 'fast',
      tags: ['tidegate:preset:writer'],
    })
  })

  test('has names of its own on the other protocols', async () => {
    const made = world()
    const asked = new Request('https://gateway.test/v1/messages', {
      method: 'POST',
      headers: { 'x-api-key': 'tg_test_of_the_client', 'content-type': 'application/json' },
      body: JSON.stringify({ model: '@preset/writer', max_tokens: 9, messages: MESSAGES }),
    })
    await ended(made, await made.serve((services, later) => serve(asked, protocols.messages, services, later)))
    expect(JSON.parse(made.calls[0]?.text ?? '{}')).toMatchObject({
      messages: [{ role: 'system', content: 'Be brief.' }, { role: 'user' }],
      stop: ['END'],
      temperature: 0.3,
    })
  })

  test('does not get a key around the models that it may use', async () => {
    const made = world()
    made.caller = { ...callerOf(made), allowedModels: ['slow'] }
    expect((await sent({ model: '@preset/writer', messages: MESSAGES }, made)).status).toBe(403)
    expect((await sent({ model: 'slow@preset/writer', messages: MESSAGES }, made)).status).toBe(200)
  })

  test('that nobody knows is an error, unless a route or a router is for such names', async () => {
    const unknown = await sent({ model: '@preset/none', messages: MESSAGES })
    expect(unknown.status).toBe(404)
    const member = await world().ask({ model: 'fast', preset: 'none', messages: MESSAGES })
    expect(await member.json()).toMatchObject({ error: { param: 'preset' } })
    const odd = await world().ask({ model: 'fast', preset: { a: 1 }, messages: MESSAGES })
    expect(await odd.json()).toMatchObject({ error: { param: 'preset' } })
    const modelless = await world().ask({ model: '@preset/plain', messages: MESSAGES })
    expect(await modelless.json()).toMatchObject({ error: { param: 'model' } })
    const routers = await sent({ model: 'or/x@preset/writer', preset: 'theirs', messages: MESSAGES })
    expect(routers).toMatchObject({ status: 200, target: 'router' })
    expect(JSON.parse(routers.text)).toMatchObject({ model: 'or/x@preset/writer', preset: 'theirs' })
  })
})

describe('among the models of a key', () => {
  interface Model {
    readonly id: string
    readonly tidegate?: { readonly preset?: string; readonly model?: string }
  }
  const request = (path: string, headers: Record<string, string> = {}) =>
    new Request(`https://gateway.test${path}`, {
      headers: { authorization: 'Bearer tg_test_of_the_client', ...headers },
    })

  async function listed(made: PathWorld, headers: Record<string, string> = {}) {
    const response = await made.serve((services, later) => listModels(request('/v1/models', headers), services, later))
    const { data }: { data: readonly Model[] } = await response.json()
    return data.map(({ id, tidegate }) => [id, tidegate?.preset, tidegate?.model])
  }

  const MODELS = ['fast', 'or/*', 'slow'].map((id) => [id, undefined, undefined])

  test.each([
    ['OpenAI’s', {}],
    ['Anthropic’s', { 'anthropic-version': '2023-06-01' }],
  ])('stand the presets that name a model which it may use, marked as such, in %s form', async (_, headers) => {
    const own: Preset = { name: 'writer', tenantId: 'tenant', members: { model: 'slow' } }
    const theirs: Preset = { name: 'theirs', tenantId: 'somebody', members: { model: 'slow' } }
    const others: readonly Preset[] = [
      { name: 'unrouted', tenantId: null, members: { model: 'nowhere' } },
      { name: 'further', tenantId: null, members: { model: 'slow', models: ['fast'] } },
      theirs,
    ]
    const made = world(...others)
    const preset = (name: string, model: string) => [`@preset/${name}`, name, model]
    expect(await listed(made, headers)).toEqual([...MODELS, preset('further', 'slow'), preset('writer', 'fast')])
    expect(await listed(world(own), headers)).toEqual([...MODELS, preset('writer', 'slow')])
    made.caller = { ...callerOf(made), allowedModels: ['fast'] }
    expect(await listed(made, headers)).toEqual([['fast', undefined, undefined], preset('writer', 'fast')])
  })

  test.each([
    ['@preset/writer', 200, 'fast'],
    ['slow@preset/writer', 200, 'slow'],
    ['slow@preset/plain', 200, 'slow'],
    ['@preset/plain', 404, undefined],
    ['@preset/none', 404, undefined],
    ['or/x@preset/writer', 200, undefined],
  ])('%s is found as it can be asked for', async (id, status, model) => {
    const found = await world().serve((services, later) => retrieveModel(request('/'), id, services, later))
    expect(found.status).toBe(status)
    const told: Model = await found.json()
    expect(told.tidegate?.model).toBe(model)
  })
})

const value = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom('a', null, true))
const members = fc.dictionary(fc.constantFrom('x_a', 'x_b', 'x_c', 'x_d'), value, { noNullPrototype: true })

test('every member of the client’s stays, and what it lacks comes from the preset', async () => {
  await fc.assert(
    fc.asyncProperty(members, members, async (client, preset) => {
      const made = world({ name: 'any', tenantId: null, members: { model: 'slow', ...preset } })
      const { text } = await sent({ model: '@preset/any', messages: MESSAGES, ...client }, made)
      expect(JSON.parse(text)).toEqual({ model: 'gpt', messages: MESSAGES, ...preset, ...client })
    }),
    { numRuns: 30 },
  )
})
