// Changing traffic safely, and stopping it at once, on a whole running system: a canary that fails is taken back by itself,
// and what is switched off or cancelled ends within seconds, streams under way included.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, create, createTenant, eventually, idOf, mintKey, says, simulatedTarget } from '../support/account.ts'
import { type RawProvider, startRawProvider } from '../support/raw-provider.ts'
import { whole } from '../support/scripted-provider.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

let system: TestSystem
let key: string
let steady: RawProvider
let shaky: RawProvider

beforeAll(async () => {
  system = await startTestSystem()
  key = (await createTenant(system, 'careful')).key
  steady = await startRawProvider((response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(whole('Steady.', 'stop')))
  })
  // Three calls of ten fail, in no particular place.
  shaky = await startRawProvider((response) => {
    const status = [2, 5, 8].includes(shaky.calls % 10) ? 500 : 200
    const body = status === 200 ? whole('Shaky.', 'stop') : { error: { message: 'no', type: 'server_error' } }
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  const local = { provider: 'custom', dialect: 'openai-chat', auth: 'none', max_retries: 0, force: true }
  await create(system, '/admin/targets', { ...local, id: 'steady', base_url: steady.url, model: 'one' })
  await create(system, '/admin/targets', { ...local, id: 'shaky', base_url: shaky.url, model: 'two' })
  await create(system, '/admin/targets', {
    force: true,
    ...simulatedTarget('slow', 'sim-gpt-4o-tokens9000', { probe_model: 'sim-gpt-fast' }),
  })
  await create(system, '/admin/routes', { model: 'slow', targets: ['slow'] })
})
afterAll(async () => {
  await Promise.all([system.dispose(), steady.close(), shaky.close()])
})

const body = (model: string, more: object = {}): object => ({ model, messages: says('Hello'), max_tokens: 16, ...more })

interface AuditEntry {
  readonly who: string
  readonly what: string
  readonly reason: string
  readonly requests: number
  readonly detail: { readonly since_watched: { readonly requests: number; readonly seen_by_clients: number } }
}

async function audit(subject: string): Promise<readonly AuditEntry[]> {
  const { body: told } = await system.admin('GET', `/admin/audit?subject=${subject}`)
  return rowsOf<AuditEntry>(told)
}

function rowsOf<Row>(told: unknown): readonly Row[] {
  const isListed = (value: unknown): value is { readonly rows: readonly Row[] } =>
    typeof value === 'object' && value !== null && 'rows' in value
  if (!isListed(told)) throw new Error(`no rows: ${JSON.stringify(told)}`)
  return told.rows
}

describe('a canary', () => {
  test('with 1 % of the traffic that fails 30 % of its calls is taken back by itself, and hardly anybody saw it', async () => {
    const route = idOf(
      await create(system, '/admin/routes', {
        model: 'careful',
        group: {
          strategy: 'weighted',
          members: [
            { target: 'steady', weight: 99 },
            {
              target: 'shaky',
              weight: 1,
              watch: { max_error_rate: 0.1, min_requests: 10, window_minutes: 5 },
            },
          ],
        },
      }),
    )
    await eventually(
      async () => (await ask(system, key, body('careful'))).status,
      (status) => status === 200,
    )
    let asked = 0
    const statuses: number[] = []
    let entry: AuditEntry | undefined
    while (entry === undefined && asked < 20_000) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(system, key, body('careful'))))
      for (const answer of answers) {
        await answer.arrayBuffer()
        statuses.push(answer.status)
      }
      asked += answers.length
      if (asked % 250 === 0) entry = (await audit(route)).find(({ who }) => who === 'canary watch')
    }
    const failed = statuses.filter((status) => status !== 200).length
    expect(entry).toMatchObject({ what: 'routes.change', requests: entry?.detail.since_watched.requests })
    expect(entry?.reason).toContain('calls to shaky failed')
    // Whatever failed there, somebody else answered.
    expect(entry?.detail.since_watched.seen_by_clients).toBe(failed)
    expect(entry?.requests).toBeGreaterThanOrEqual(10)
    expect(entry?.requests).toBeLessThanOrEqual(shaky.calls)
    console.log(`${asked} requests, ${shaky.calls} at the canary, ${failed} failures seen; ${entry?.reason}`)
    // Isolates learn of it as of any other route; from then on nobody is sent there any more.
    const calls = await eventually(
      async () => {
        const before = shaky.calls
        const answers = await Promise.all(Array.from({ length: 300 }, () => ask(system, key, body('careful'))))
        for (const answer of answers) await answer.arrayBuffer()
        return shaky.calls - before
      },
      (more) => more === 0,
      20_000,
    )
    expect(calls).toBe(0)
  })
})

/** A stream that would take a minute and a half. */
async function openStream(ofKey: string): Promise<{ readonly id: string; readonly text: Promise<string> }> {
  const response = await ask(system, ofKey, body('slow', { stream: true, max_tokens: 9_000 }))
  expect(response.status).toBe(200)
  return { id: response.headers.get('x-tidegate-request-id') ?? '', text: response.text() }
}

describe('a stream under way', () => {
  test('is listed and cancelled: it ends in order and says why, and then is not there any more', async () => {
    const { id, text } = await openStream(key)
    const rows = await eventually(
      async () =>
        rowsOf<{ request_id: string }>((await system.admin('GET', '/admin/requests/in-flight?tenant=careful')).body),
      (found) => found.some((row) => row.request_id === id),
    )
    expect(rows).toMatchObject([{ request_id: id, target: 'slow', streamed: true, cancelled: false }])
    expect((await system.admin('POST', `/admin/requests/${id}/cancel`)).status).toBe(202)
    const cancelledAtMs = Date.now()
    const said = await text
    expect(said).toContain('"reason":"cancelled_by_operator"')
    expect(said.trimEnd().endsWith('data: [DONE]')).toBe(true)
    console.log(`cancelled: ended after ${Date.now() - cancelledAtMs} ms`)
    await eventually(
      async () => (await system.admin('POST', `/admin/requests/${id}/cancel`)).status,
      (status) => status === 404,
    )
  })

  test('of a key that is switched off is cut, and the key serves nobody until it is on again', async () => {
    const minted = await mintKey(system, 'careful', 'leaked')
    const { text } = await openStream(minted.key)
    const path = `/admin/switches/key/${minted.id}`
    expect((await system.admin('PUT', path, { off: true, reason: 'it leaked' })).status).toBe(200)
    const offAtMs = Date.now()
    const refused = await eventually(
      async () => (await ask(system, minted.key, body('careful'))).json(),
      (said) => JSON.stringify(said).includes('key_switched_off'),
    )
    expect(refused).toMatchObject({ error: { code: 'key_switched_off', type: 'invalid_request_error' } })
    expect(await text).toContain('"reason":"switched_off"')
    console.log(`switched off: cut after ${Date.now() - offAtMs} ms`)
    expect((await system.admin('PUT', path, { off: false, reason: 'rotated' })).status).toBe(200)
    const served = await eventually(
      () => ask(system, minted.key, body('careful')),
      ({ status }) => status === 200,
      20_000,
    )
    await served.arrayBuffer()
  })
})
