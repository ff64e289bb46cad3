// What a client is told before anybody is asked for it: what is wrong with its headers, its body, its key, and its model's name.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { formatVirtualKey, mintVirtualKey } from '../../src/core/virtual-key.ts'
import { serveTask } from '../../src/data-plane/tasks/serve-task.ts'
import { serve } from '../../src/data-plane/serve.ts'
import { windowedLog } from '../../src/platform/log.ts'
import { tasks } from '../../src/protocols/tasks/index.ts'
import { WAYS, holdTime, pathWorld, servicesOf } from '../support/path-world.ts'
import { protocols } from '../support/registries.ts'
import { says } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => {
  vi.useRealTimers()
})

describe('what is told before anybody is asked', () => {
  test.each([
    ['x-tidegate-timeout-ms', 'soon'],
    ['x-tidegate-timeout-ms', '0'],
    ['x-tidegate-attempt-timeout-ms', '5s'],
    ['x-tidegate-idle-timeout-ms', '-1'],
  ])('is that %s: %s is no time', async (header, value) => {
    const world = pathWorld([someTarget('a', { model: '*' })])
    world.upstream = (call) => says(call)
    const response = await world.ask(WAYS[0][1], { headers: { [header]: value } })
    const message = `Invalid header '${header}': expected milliseconds.`
    expect([response.status, await response.json()]).toMatchObject([400, { error: { param: header, message } }])
    expect(world.steps).toEqual(['authenticate'])
  })

  test('is so for tasks, too', async () => {
    const world = pathWorld([someTarget('a', { model: '*' })])
    const headers = {
      authorization: 'Bearer tg_test_x',
      'content-type': 'application/json',
      'x-tidegate-timeout-ms': '5s',
    }
    const body = JSON.stringify({ model: 'asked', input: 'Hi' })
    const asked = new Request('https://gateway.test/v1/embeddings', { method: 'POST', headers, body })
    const answer = await world.serve((services, later) => serveTask(asked, tasks.embeddings, services, later))
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { param: 'x-tidegate-timeout-ms' } }])
  })

  test('is that a body was compressed, where that is why it is no JSON', async () => {
    const world = pathWorld([someTarget('a', { model: '*' })])
    world.upstream = (call) => says(call)
    const squeezed = await world.ask('\u001f\u008b', { headers: { 'content-encoding': 'gzip' } })
    const message = expect.stringContaining("'gzip (content-encoding)'")
    expect([squeezed.status, await squeezed.json()]).toMatchObject([415, { error: { message } }])
    const plain = await world.ask(WAYS[0][1], { headers: { 'content-encoding': 'identity' } })
    const broken = await world.ask('{', { headers: { 'content-encoding': 'identity' } })
    expect([plain.status, broken.status]).toEqual([200, 400])
  })
})

test.each([
  ['revoked', 1],
  ['expired', 1],
  ['unknown', 0],
] as const)('of a key that is %s, %i lines tell who goes on with it, and not the key', async (reason, count) => {
  const world = pathWorld([someTarget('a')])
  world.caller = reason
  const lines: string[] = []
  const log = windowedLog(
    () => 0,
    (line) => void lines.push(line),
  )
  const key = mintVirtualKey('live', (length) => new Uint8Array(length).map((_, at) => (at * 7) % 62))
  const presented = formatVirtualKey(key)
  for (let at = 0; at < 3; at += 1) {
    const headers = { authorization: `Bearer ${presented}`, 'cf-connecting-ip': '203.0.113.7' }
    const request = new Request('https://gateway.test/v1/chat/completions', { method: 'POST', headers, body: '{}' })
    const answer = await serve(request, protocols.chat, { ...servicesOf(world), log }, () => undefined)
    expect(answer.status).toBe(401)
  }
  expect(lines).toHaveLength(count)
  for (const line of lines) {
    expect(JSON.parse(line)).toMatchObject({ event: 'key-refused', key: key.kid, reason, address: '203.0.113.7' })
    expect(line).not.toContain(key.secret)
  }
})

test.each(['tide\n', 'tide\u0000', '\u007f', ' '])('%j is no name of a model', (model) => {
  for (const protocol of [protocols.chat, protocols.messages, protocols.responses, protocols.completions]) {
    const body = { model, max_tokens: 9, prompt: 'Hi', input: 'Hi', messages: [{ role: 'user', content: 'Hi' }] }
    const facts = protocol.facts(body)
    expect([facts.ok, facts.ok ? null : facts.error.message]).toEqual([false, expect.stringContaining('model')])
    expect(protocol.facts({ ...body, model: 'größe/tide 7b' }).ok).toBe(true)
  }
})
