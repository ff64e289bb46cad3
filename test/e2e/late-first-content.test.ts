// A provider that says nothing for longer than the gateway holds back its status.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, createRoute, createTenant, says } from '../support/account.ts'
import { type RawProvider, contentEvent, endEvents, startRawProvider } from '../support/raw-provider.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

/** After this the client asks why there is no status. The gateway has given one after 10 s. */
const STATUS_MS_MAX = 20_000

let system: TestSystem
let key: string
let provider: RawProvider
/** Lets the provider answer. */
let goOn: () => void

beforeAll(async () => {
  system = await startTestSystem({ simulated: false })
  key = (await createTenant(system, 'acme')).key
  const { promise, resolve } = Promise.withResolvers<void>()
  goOn = resolve
  provider = await startRawProvider(async (response, body) => {
    if (body.includes('"probe"')) return void response.end('{}')
    await promise
    const isGood = body.includes('late-good')
    response.writeHead(isGood ? 200 : 500, { 'content-type': isGood ? 'text/event-stream' : 'application/json' })
    response.end(isGood ? contentEvent('at last') + endEvents(1, 2) : '{"error":{"message":"no"}}')
  })
  const target = { id: 'late', provider: 'custom', model: '*', probe_model: 'probe', max_retries: 0 }
  await createRoute(system, 'late*', [{ ...target, base_url: provider.url }])
})
afterAll(async () => {
  await provider.close()
  await system.dispose()
})

test('the client gets a status and a sign of life before the first content, then what there is', async () => {
  const signal = AbortSignal.timeout(STATUS_MS_MAX)
  const asked = ['late-good', 'late-bad'].map((model) =>
    ask(system, key, { model, stream: true, messages: says('Go on') }, { signal }),
  )
  const responses = await Promise.all(asked)
  expect(responses.map(({ status }) => status)).toEqual([200, 200])
  goOn()
  const [good, bad] = await Promise.all(responses.map((response) => response.text()))
  expect(good).toMatch(/^: ping\n\n/)
  expect(good).toContain(contentEvent('at last'))
  expect(good).toMatch(/data: \[DONE\]\n\n$/)
  expect(bad).toMatch(/^: ping\n\ndata: \{"error":\{[^\n]*"provider_error"[^\n]*\}\n\n$/)
})
