// What a client hears when a part of the gateway that is loaded late can't be, and when it can be again.
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createApp } from '../../src/app.ts'
import { protocols } from '../../src/protocols/index.ts'

const ENV: unknown = { ENVIRONMENT: 'local', DIRECTORY: {} }
const CONTEXT: unknown = { waitUntil: () => undefined, passThroughOnException: () => undefined }

type Fetch = ReturnType<typeof createApp>['fetch']

function isEnv(value: unknown): value is Parameters<Fetch>[1] {
  return typeof value === 'object' && value !== null && 'DIRECTORY' in value
}

function isContext(value: unknown): value is Parameters<Fetch>[2] {
  return typeof value === 'object' && value !== null && 'waitUntil' in value
}

/** Asks a gateway that knows no key. */
async function ask(pathname: string): Promise<readonly [number, unknown]> {
  if (!isEnv(ENV) || !isContext(CONTEXT)) throw new Error('not an environment')
  const request = new Request(`https://gateway.test${pathname}`, { method: 'POST', body: '{}' })
  const response = await createApp().fetch(request, ENV, CONTEXT)
  return [response.status, await response.json()]
}

afterEach(() => vi.restoreAllMocks())

describe('a protocol that cannot be loaded', () => {
  test('is a 503 that may be tried again, and a line in the log; with the next request it is loaded', async () => {
    const protocol = protocols.of('responses')
    const now = vi.spyOn(protocol, 'now').mockReturnValue(null)
    const load = vi.spyOn(protocol, 'load').mockRejectedValue(new Error('away'))
    const log = vi.spyOn(console, 'warn').mockReturnValue(undefined)
    expect(await ask('/v1/responses')).toMatchObject([503, { error: { code: 'not_loaded' } }])
    expect(log.mock.calls.flat().join()).toContain('"event":"not-loaded"')
    load.mockRestore()
    now.mockRestore()
    expect(await ask('/v1/responses')).toMatchObject([401, { error: { code: 'invalid_api_key' } }])
  })

  test('leaves errors at its endpoint to the chat protocol', async () => {
    vi.spyOn(protocols.of('messages'), 'load').mockRejectedValue(new Error('away'))
    expect(await ask('/v1/messages/nowhere')).toMatchObject([404, { error: { code: 'unknown_url' } }])
  })
})
