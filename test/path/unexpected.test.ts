// What a client hears of what nobody expected: never the error itself, always something to ask about it by.
import { afterEach, expect, test, vi } from 'vitest'
import { createApp } from '../../src/app.ts'

const ENV: unknown = { ENVIRONMENT: 'local', DIRECTORY: {} }
const CONTEXT: unknown = { waitUntil: () => undefined, passThroughOnException: () => undefined }

type Fetch = ReturnType<typeof createApp>['fetch']

function isEnv(value: unknown): value is Parameters<Fetch>[1] {
  return typeof value === 'object' && value !== null && 'DIRECTORY' in value
}

function isContext(value: unknown): value is Parameters<Fetch>[2] {
  return typeof value === 'object' && value !== null && 'waitUntil' in value
}

/** Posts to a gateway that fails with `error` as soon as it looks who is there. */
async function askWith(error: Error, place: string): Promise<readonly [number, unknown]> {
  if (!isEnv(ENV) || !isContext(CONTEXT)) throw new Error('not an environment')
  const request = new Request(`https://gateway.test${place}`, { method: 'POST', body: '{}' })
  Object.defineProperty(request, 'signal', {
    get() {
      throw error
    },
  })
  const response = await createApp().fetch(request, ENV, CONTEXT)
  return [response.status, await response.json()]
}

afterEach(() => vi.restoreAllMocks())

test('is a 500 in the words of the protocol, and a line in the log that has the reason', async () => {
  const log = vi.spyOn(console, 'error').mockReturnValue(undefined)
  const [status, body] = await askWith(new Error('the cat sat on it'), '/v1/chat/completions?api-version=1')
  expect([status, body]).toMatchObject([500, { error: { type: expect.any(String) } }])
  expect(JSON.stringify(body)).not.toContain('cat')
  expect(log.mock.calls.flat().join()).toContain('the cat sat on it')
})

test('is a 400 where the body is nested too deeply to be walked', async () => {
  const deep = new RangeError('Maximum call stack size exceeded')
  const [status, body] = await askWith(deep, '/v1/chat/completions')
  expect([status, body]).toMatchObject([400, { error: { message: 'The request is nested too deeply.' } }])
})
