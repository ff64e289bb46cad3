// Backends that are described by data, through the whole running gateway: lines of JSON, a WebSocket, a description that an
// operator writes, and one that is refused. Ollama's and Cohere's wires go along.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clientOf, createRoute, createTenant, says } from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let key: string

const DESCRIPTION = {
  path: '/models/{model}/answer',
  framing: 'ndjson',
  body: { turns: '$messages', limit: { $first: ['$max_tokens', 64] }, live: '$stream' },
  reply: {
    text: '/out/text',
    finish: { at: 'state', values: { run: null, done: 'stop', full: 'length' } },
    usage: { input: '/count/in', output: '/count/out' },
    error: { at: 'problem', message: 'problem.text' },
  },
  stream: { text_is: 'cumulative' },
}

/** Backends that stream whether one asks for it or not. */
const STREAM_ONLY = { lines: {}, messages: { path: '/models/{model}/socket', framing: 'websocket' } }

beforeAll(async () => {
  system = await startTestSystem()
  key = (await createTenant(system, 'harbour')).key
  const settings = { model: '*', max_retries: 0 }
  for (const name of ['inhouse', 'socket', 'ollama', 'cohere']) {
    await createRoute(system, `sim-${name}*`, [{ id: name, provider: `simulated-${name}`, ...settings }])
  }
  const own = { provider: 'simulated-inhouse', declared: DESCRIPTION, credential: 'SIMULATED_API_KEY' }
  await createRoute(system, 'sim-own*', [{ id: 'own', ...own, ...settings }])
  for (const [id, changes] of Object.entries(STREAM_ONLY)) {
    const declared = { ...DESCRIPTION, ...changes, body: { turns: '$messages', live: true } }
    await createRoute(system, `sim-${id}*`, [{ id, ...own, ...settings, declared }])
  }
}, 60_000)
afterAll(() => system.dispose())

describe.each(['inhouse', 'socket', 'own', 'lines', 'messages', 'ollama', 'cohere'])('%s', (name) => {
  const request = { model: `sim-${name}-fast`, messages: says('When is high tide?') }

  test('says and counts the same whole and in a stream', async () => {
    const client = clientOf(system, key)
    const whole = await client.chat.completions.create(request)
    const stream = client.chat.completions.stream({ ...request, stream_options: { include_usage: true } })
    const streamed = await stream.finalChatCompletion()
    expect(whole.choices[0]?.message.content).toContain('When is high tide?')
    expect(streamed.choices[0]?.message.content).toBe(whole.choices[0]?.message.content)
    expect(streamed.choices[0]?.finish_reason).toBe('stop')
    expect(streamed.usage?.completion_tokens).toBe(whole.usage?.completion_tokens)
    expect(whole.usage?.completion_tokens).toBeGreaterThan(30)
  })

  test('tells of a failure in mid-stream', async () => {
    const model = `sim-${name}-fast-errchunk5`
    const stream = await clientOf(system, key).chat.completions.create({ ...request, model, stream: true })
    let text = ''
    const read = async (): Promise<void> => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? ''
    }
    await expect(read()).rejects.toThrow(/failed to process/)
    expect(text).not.toBe('')
  })
})

describe('a described backend that is registered', () => {
  test.each(Object.entries(STREAM_ONLY))('is tried first, streaming or not: %s', async (id, changes) => {
    const declared = { ...DESCRIPTION, ...changes, body: { turns: '$messages', live: true } }
    const target = { id: `tried-${id}`, provider: 'simulated-inhouse', credential: 'SIMULATED_API_KEY', declared }
    const answer = await system.admin('POST', '/admin/targets', { ...target, model: 'sim-tried-fast' })
    expect(answer.status).toBe(201)
    expect(answer.body).toMatchObject({ declared, probe: { ok: true } })
  })
})

describe('what a described backend has no place for', () => {
  test('is named', async () => {
    const ask = clientOf(system, key).chat.completions.create({
      model: 'sim-own-fast',
      messages: says('When is high tide?'),
      temperature: 0.5,
    })
    await expect(ask).rejects.toThrow(/temperature/)
  })
})

describe('a description that is wrong', () => {
  test('is refused with the name of the field', async () => {
    const reply = { ...DESCRIPTION.reply, finish: { at: 'state', values: { done: 'over' } } }
    const target = { id: 'wrong', provider: 'simulated-inhouse', model: '*', force: true }
    const answer = await system.admin('POST', '/admin/targets', { ...target, declared: { ...DESCRIPTION, reply } })
    expect(answer.status).toBe(422)
    expect(answer.body).toMatchObject({ error: { field: 'declared.reply.finish.values.done' } })
  })

  test('is missed where there is none', async () => {
    const target = { id: 'none', provider: 'custom', dialect: 'declared', base_url: 'https://models.example.com' }
    const answer = await system.admin('POST', '/admin/targets', { ...target, model: 'm', force: true })
    expect(answer.status).toBe(422)
    expect(answer.body).toMatchObject({ error: { field: 'declared' } })
  })
})
