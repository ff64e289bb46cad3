// A stream of the responses wire that breaks off: its events are numbered to the end, ours among them, whoever wrote those
// before. And what the body says of its letters: nothing but UTF-8 is read.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { DialectName } from '../../src/core/directory.ts'
import { parseJson } from '../../src/core/json.ts'
import { readRequest } from '../../src/data-plane/read-request.ts'
import { serve } from '../../src/data-plane/serve.ts'
import { numberOf, objectOf } from '../../src/wire/read.ts'
import { fixturesOf } from '../fixtures/replies.ts'
import { ended, holdTime, pathWorld } from '../support/path-world.ts'
import { protocols } from '../support/registries.ts'
import { streamed } from '../support/scripted-provider.ts'
import { someTarget } from '../support/targets.ts'

beforeEach(holdTime)
afterEach(() => vi.useRealTimers())

/** The first `events` events of a provider's stream. */
function beginningOf(wire: DialectName, events: number): string {
  const stream = fixturesOf(wire).find(({ name }) => name === 'basic')?.stream ?? ''
  const all = stream.split('\n\n').slice(0, -1)
  expect(all.length).toBeGreaterThan(events)
  return all
    .slice(0, events)
    .map((event) => `${event}\n\n`)
    .join('')
}

/** What a client of `/v1/responses` gets of a provider's stream that breaks off. */
async function brokenOff(dialect: DialectName, beginning: string, headers: Record<string, string> = {}) {
  const world = pathWorld([someTarget('a', { dialect, maxRetries: 0 })])
  world.upstream = (call) => streamed(call, [beginning], 'breaks')
  const body = JSON.stringify({ model: 'asked', input: 'Hello?', stream: true })
  const request = new Request('https://gateway.test/v1/responses', {
    method: 'POST',
    headers: { authorization: 'Bearer tg_test_of_the_client', 'content-type': 'application/json', ...headers },
    body,
  })
  const response = await world.serve((services, later) => serve(request, protocols.responses, services, later))
  const text = await ended(world, response)
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => objectOf(parseJson(line.slice('data: '.length))))
}

describe('a stream that breaks off is numbered to its end', () => {
  test.each([
    ['the provider wrote what came before', 'openai-responses', 7, {}],
    ['we wrote what came before', 'openai-chat', 5, {}],
    ['we wrote it, evenly', 'openai-chat', 5, { 'x-tidegate-smooth': '200' }],
  ] as const)('when %s', async (_, dialect, events, headers) => {
    const told = await brokenOff(dialect, beginningOf(dialect, events), headers)
    expect(told.length).toBeGreaterThan(4)
    const first = numberOf(told[0]?.['sequence_number']) ?? NaN
    expect(told.map((event) => event['sequence_number'])).toEqual(told.map((_event, at) => first + at))
    expect(told.slice(-2).map((event) => event['type'])).toEqual(['error', 'response.failed'])
  })
})

describe('the letters of a body', () => {
  const read = (type: string) => {
    const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hi' }] })
    const request = new Request('https://gateway.test/', { method: 'POST', headers: { 'content-type': type }, body })
    return readRequest(request, protocols.chat)
  }

  test.each([
    'application/json',
    'application/json; charset=utf-8',
    'application/json;charset=UTF-8',
    'application/json; charset="utf8"',
    'application/json; charset=us-ascii',
    'application/json; charset=',
    'application/json; profile="x"',
  ])('%s is read', async (type) => {
    expect((await read(type)).ok).toBe(true)
  })

  test.each(['utf-16', 'UTF-16LE', '"utf-16"', 'utf-32', 'iso-8859-1', 'utf-80'])(
    '%s is refused by its name',
    async (charset) => {
      const received = `application/json; charset=${charset}`
      const refused = await read(received)
      if (refused.ok) throw new Error('read')
      expect(refused.error).toEqual({ kind: 'unsupported-media-type', received, expected: 'application/json in UTF-8' })
      const { status, body } = protocols.chat.fail(refused.error, 'req_1')
      expect(status).toBe(415)
      expect(JSON.stringify(body)).toContain('Send the request as application/json in UTF-8.')
    },
  )
})
