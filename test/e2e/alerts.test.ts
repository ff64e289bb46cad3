// A key's spending crosses a share of its budget, settled by many isolates at once, while messages repeat: one alert, one
// webhook, signed. Through the real limiter object, its outbox, the queue, D1 and the consumer, to a server that listens.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { LIMITS_VERSION, type LimiterCall, NOTHING } from '../../src/core/limits/limits.ts'
import { packEvent } from '../../src/core/money/usage-event.ts'
import { ask, create, createTenant, eventually, mintKey, routeSimulated, says, usageBy } from '../support/account.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'
import { usageEvent } from '../support/usage-events.ts'
import { WEBHOOK, objectionToWebhook } from '../support/webhook-receiver.ts'

const ISOLATES = 100
const SETTLEMENTS_OF_EACH = 100
const SETTLED_TOGETHER = 5
const COST_NANO_USD = 90_000

let system: TestSystem
let server: Server
let url: string
/** Answers of the next requests, then 200. */
const answers: number[] = []
const received: { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }[] = []

beforeAll(async () => {
  server = createServer((request, response) => {
    void (async () => {
      const parts: string[] = []
      for await (const part of request.setEncoding('utf8')) parts.push(String(part))
      received.push({ path: request.url ?? '', headers: request.headers, body: parts.join('') })
      if (request.url !== '/silent') response.writeHead(answers.shift() ?? 200).end('noted')
    })()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  system = await startTestSystem()
})
afterAll(async () => {
  await system.dispose()
  server.closeAllConnections()
  server.close()
})

const MADE = z.object({ id: z.string(), secret: z.string() })
const TESTED = z.object({ ok: z.boolean(), status: z.number(), saw: z.string() })
const HISTORY = z.object({
  rows: z.array(
    z.object({
      id: z.string(),
      kind: z.string(),
      subject_name: z.nullable(z.string()),
      facts: z.record(z.string(), z.unknown()),
      deliveries: z.array(z.object({ state: z.string(), attempts: z.number() })),
    }),
  ),
})

const receivedAt = (path: string) => received.filter((one) => one.path === path)

async function history(tenant: string) {
  return HISTORY.parse((await system.admin('GET', `/admin/alerts?kind=key-budget&tenant=${tenant}`)).body).rows
}

async function makeChannel(name: string, more: object) {
  return MADE.parse(
    await create(system, '/admin/alert-channels', { kind: 'webhook', name, url: `${url}/${name}`, ...more }),
  )
}

/** One isolate's life: a lease, then its settlements with their events, some messages sent twice. */
async function settle(
  limiter: { call(message: LimiterCall): Promise<unknown> },
  key: { id: string; tenantId: string },
  holder: string,
) {
  const path = { tenantId: key.tenantId, teamId: null, keyId: key.id, model: 'm' }
  const need = { ...NOTHING, nanoUsd: SETTLEMENTS_OF_EACH * COST_NANO_USD }
  const leaseId = `${holder}:1`
  const base: Omit<LimiterCall, 'number'> = {
    v: LIMITS_VERSION,
    tenantId: key.tenantId,
    holder,
    admissions: [],
    chunks: [],
    reports: [],
    wants: [],
  }
  const want = { leaseId, isNew: true, path, need, target: need, first: need, unheardNanoUsd: 0 }
  const granted = await limiter.call({ ...base, number: 1, wants: [want] })
  expect(granted).toMatchObject({ grants: [{ leaseId }] })
  for (let done = 0; done < SETTLEMENTS_OF_EACH; done += SETTLED_TOGETHER) {
    const to = done + SETTLED_TOGETHER
    const events = Array.from({ length: SETTLED_TOGETHER }, (_, at) =>
      packEvent(
        usageEvent(`${holder}-${done + at}`, {
          tenantId: key.tenantId,
          keyId: key.id,
          startedAtMs: Date.now(),
          costNanoUsd: COST_NANO_USD,
        }),
      ),
    )
    const settled = { ...NOTHING, nanoUsd: to * COST_NANO_USD }
    const message: LimiterCall = {
      ...base,
      number: 2 + done / SETTLED_TOGETHER,
      chunks: [{ from: done + 1, to, events: `[${events.join(',')}]`, settles: [] }],
      reports: [{ leaseId, keyId: key.id, settled, returned: NOTHING, isDone: to === SETTLEMENTS_OF_EACH }],
    }
    await limiter.call(message)
    if (done % 25 === 0) await limiter.call(message)
  }
}

describe('ten thousand settlements of a hundred isolates', () => {
  test('across a share of a key’s budget are one alert, told once and signed', async () => {
    await create(system, '/admin/tenants', { name: 'busy' })
    const rules = [{ kind: 'budget', amount_usd: '1', period: 'month', alerts_percent: [80] }]
    const key = await mintKey(system, 'busy', 'lab', { limits: { rules } })
    const { secret } = await makeChannel('busy', { keys: [key.id], kinds: ['key-budget'] })
    const other = await makeChannel('elsewhere', { kinds: ['runaway'] })
    expect(other.secret).not.toBe(secret)
    const namespace = await system.mf.getDurableObjectNamespace('TENANT_LIMITER', 'tidegate')
    const stub = namespace.get(namespace.idFromName(key.tenantId))
    const limiter = {
      call: async (message: LimiterCall): Promise<unknown> => Reflect.apply(Reflect.get(stub, 'call'), stub, [message]),
    }
    const isolates = Array.from({ length: ISOLATES }, (_, at) => settle(limiter, key, `isolate-${at}`))
    await Promise.all(isolates)
    const total = ISOLATES * SETTLEMENTS_OF_EACH
    await eventually(
      () => usageBy(system, 'key'),
      ({ rows }) => rows.some((row) => row.key === key.id && row.requests === total),
      30_000,
    )
    const [alert] = await eventually(
      () => history('busy'),
      (rows) => rows[0]?.deliveries[0]?.state === 'delivered',
    )
    await system.runSchedule()
    await system.runSchedule('* * * * *')
    expect(await history('busy')).toHaveLength(1)
    expect(alert).toMatchObject({
      kind: 'key-budget',
      subject_name: 'lab',
      facts: { percent: 80, limit_nano_usd: 1_000_000_000 },
      deliveries: [{ attempts: 1 }],
    })
    const hooks = receivedAt('/busy')
    expect(hooks).toHaveLength(1)
    const headers = new Headers(Object.entries(hooks[0]?.headers ?? {}).map(([name, value]) => [name, String(value)]))
    const body = hooks[0]?.body ?? ''
    expect(await objectionToWebhook(secret, headers, body, Date.now())).toBeNull()
    expect(await objectionToWebhook(other.secret, headers, body, Date.now())).toBe('no signature fits')
    expect(headers.get('webhook-id')).toBe(alert?.id)
    const { data } = WEBHOOK.parse(JSON.parse(body))
    expect(data).toMatchObject({ id: alert?.id, subject: { scope: 'key', id: key.id, name: 'lab' } })
    const spent = Number(data.facts['spent_nano_usd'])
    expect(spent).toBeGreaterThanOrEqual(800_000_000)
    expect(spent).toBeLessThanOrEqual(1_000_000_000)
    expect(receivedAt('/elsewhere')).toEqual([])
  }, 120_000)
})

describe('a client’s own requests', () => {
  test('reach a channel within seconds of the share they cross, and a receiver that was away after all', async () => {
    await routeSimulated(system)
    const { tenantId } = await createTenant(system, 'asking')
    const rules = [{ kind: 'budget', amount_usd: '0.01', period: 'month', alerts_percent: [1] }]
    const key = await mintKey(system, 'asking', 'small', { limits: { rules } })
    await makeChannel('asking', { tenants: ['asking'] })
    answers.push(503)
    const body = { model: 'sim-gpt-4o-fast', messages: says('Hello') }
    for (let asked = 0; asked < 3; asked++) await (await ask(system, key.key, body)).text()
    await eventually(
      async () => receivedAt('/asking'),
      (hooks) => hooks.length === 1,
    )
    const [alert] = await eventually(
      () => history('asking'),
      (rows) => rows[0]?.deliveries[0]?.state === 'pending',
    )
    expect(alert).toMatchObject({ kind: 'key-budget', deliveries: [{ state: 'pending', attempts: 1 }] })
    // As if its pause were over.
    const db = await system.mf.getD1Database('DB', 'tidegate')
    await db.batch([
      db.prepare(`UPDATE alert_deliveries SET next_at_ms = 0 WHERE state = 'pending'`),
      db.prepare(`UPDATE alert_channel_health SET next_at_ms = 0`),
    ])
    await system.runSchedule('* * * * *')
    expect(await history('asking')).toMatchObject([{ deliveries: [{ state: 'delivered', attempts: 2 }] }])
    expect(receivedAt('/asking').map(({ headers }) => headers['webhook-id'])).toEqual([alert?.id, alert?.id])
    expect(JSON.parse(receivedAt('/asking')[0]?.body ?? '')).toMatchObject({ data: { tenant: { id: tenantId } } })
  })
})

describe('calls that fail', () => {
  test('are told of within a minute, by key, model and provider', async () => {
    const { key, id } = await createTenant(system, 'failing')
    await makeChannel('failing', { kinds: ['error-rate'] })
    // Calls are fewer than requests: the target is left alone once it has failed often enough.
    const rules = { error_rate: { percent: 50, min_calls: 10 } }
    expect((await system.admin('PUT', '/admin/alert-rules', rules)).status).toBe(200)
    const model = 'sim-gpt-failing-fast-e500'
    const asked = Array.from({ length: 25 }, async () => {
      return (await ask(system, key, { model, messages: says('Hello') })).arrayBuffer()
    })
    await Promise.all(asked)
    await eventually(
      () => usageBy(system, 'key'),
      ({ rows }) => rows.some((row) => row.key === id && row.errors === 25),
    )
    const told = await eventually(
      async () => {
        await system.runSchedule('* * * * *')
        return receivedAt('/failing').map(({ body }) => WEBHOOK.parse(JSON.parse(body)).data)
      },
      (alerts) => [id, model].every((of) => alerts.some(({ subject }) => subject.id === of)),
    )
    await system.runSchedule('* * * * *')
    expect(receivedAt('/failing')).toHaveLength(told.length)
    const ofKey = told.filter(({ subject }) => subject.id === id)
    expect(ofKey).toMatchObject([{ kind: 'error-rate', title: '100 % of the calls of key first fail' }])
    expect(told.filter(({ subject }) => subject.id === model)).toHaveLength(1)
    expect(system.logs.filter(({ message }) => message.includes('alert-watch-failed'))).toEqual([])
  })
})

describe('trying a channel out', () => {
  test('delivers a test, signed as alerts are, and says what came back', async () => {
    const { id, secret } = await makeChannel('tried', {})
    const good = TESTED.parse((await system.admin('POST', `/admin/alert-channels/${id}/test`)).body)
    expect(good).toEqual({ ok: true, status: 200, saw: 'HTTP 200: noted' })
    const [hook] = receivedAt('/tried')
    const headers = new Headers(Object.entries(hook?.headers ?? {}).map(([name, value]) => [name, String(value)]))
    expect(await objectionToWebhook(secret, headers, hook?.body ?? '', Date.now())).toBeNull()
    answers.push(500)
    const bad = TESTED.parse((await system.admin('POST', `/admin/alert-channels/${id}/test`)).body)
    expect(bad).toEqual({ ok: false, status: 500, saw: 'HTTP 500: noted' })
    await system.admin('PATCH', `/admin/alert-channels/${id}`, { url: 'http://127.0.0.1:1/closed' })
    const none = TESTED.parse((await system.admin('POST', `/admin/alert-channels/${id}/test`)).body)
    expect(none).toEqual({ ok: false, status: 0, saw: 'There was no connection.' })
    await system.admin('PATCH', `/admin/alert-channels/${id}`, { url: `${url}/silent` })
    const late = TESTED.parse((await system.admin('POST', `/admin/alert-channels/${id}/test`)).body)
    expect(late).toEqual({ ok: false, status: 0, saw: 'There was no answer within 10 seconds.' })
    expect(await system.admin('DELETE', `/admin/alert-channels/${id}`)).toMatchObject({ status: 204 })
  })
})
