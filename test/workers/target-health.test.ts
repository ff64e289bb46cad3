// The shared breaker of a target on a real object: one probe, a ramp, checks by alarm that never throw; and what an operator
// says of checks, credentials and lateness.
import {
  applyD1Migrations,
  type D1Migration,
  evictDurableObject,
  runDurableObjectAlarm,
  runInDurableObject,
} from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { TargetBreaker } from '../../durable-objects/target-breaker.ts'
import type { RoutingSnapshot, Target } from '../../src/core/directory.ts'
import { REGIONS, type Region, breakerName } from '../../src/core/region.ts'
import { seal } from '../../src/ledger/credentials/seal.ts'
import { type GatewayServices, servicesOf } from '../../src/platform/services.ts'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { someTarget } from '../support/targets.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env {
      DB: D1Database
      DIRECTORY: KVNamespace
      TARGET_BREAKER: DurableObjectNamespace<TargetBreaker>
      CREDENTIAL_KEY: string
      TEST_MIGRATIONS: D1Migration[]
    }
  }
}

let ids = 0
/** A target of its own for each test, and its object. */
function checked(fields: Partial<Target> = {}) {
  const target = someTarget(`t${(ids += 1)}`, { healthCheck: 'models', baseUrl: 'https://provider.test/v1', ...fields })
  const object = env.TARGET_BREAKER.get(env.TARGET_BREAKER.idFromName(target.id))
  const alarmAtMs = () => runInDurableObject(object, (_, { storage }) => storage.getAlarm())
  return { target, object, alarmAtMs }
}

/** Provider calls from now on; each is answered by `answer`. */
function provider(
  answer: () => Response | Promise<Response>,
): { readonly method: string; readonly url: string; readonly body: string }[] {
  const calls: { method: string; url: string; body: string }[] = []
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (input, init) => {
    const { method, url } = new Request(input, { method: init?.method ?? 'GET' })
    calls.push({ method, url, body: typeof init?.body === 'string' ? init.body : '' })
    return answer()
  })
  return calls
}

const well = (): Response => Response.json({ data: [] })
const badly = (): Response => Response.json({ error: { message: 'down' } }, { status: 500 })

function at(ms: number): void {
  vi.setSystemTime(START_MS + ms)
}
/** Far ahead, so that no alarm goes off by itself. */
const START_MS = Date.UTC(2036, 0, 5, 12)

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: START_MS })
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('a shared breaker', () => {
  it('hands out one probe at a time, then lets the traffic back by steps, through an eviction', async () => {
    const { object } = checked()
    expect(await object.permit()).toMatchObject({ kind: 'closed' })
    await object.tripped(START_MS + 5_000)
    expect(await object.permit()).toMatchObject({ kind: 'open', untilMs: START_MS + 5_000 })
    at(5_000)
    const answers = await Promise.all(Array.from({ length: 10 }, () => object.permit()))
    expect(answers.filter(({ kind }) => kind === 'probe')).toHaveLength(1)
    expect(answers.filter(({ kind }) => kind === 'open')).toHaveLength(9)
    await object.report('success')
    expect(await object.permit()).toMatchObject({ kind: 'ramp', step: 0, untilMs: START_MS + 10_000 })
    await evictDurableObject(object)
    at(10_000)
    expect(await object.permit()).toMatchObject({ kind: 'ramp', step: 1, untilMs: START_MS + 15_000 })
    at(15_000)
    expect(await object.permit()).toMatchObject({ kind: 'closed' })
  })

  it('closes again for longer when it is told of a failure on the way back', async () => {
    const { object } = checked()
    await object.tripped(START_MS)
    await object.permit()
    await object.report('success')
    await object.tripped(START_MS + 9_000)
    expect(await object.permit()).toMatchObject({ kind: 'open', untilMs: START_MS + 9_000 })
    at(9_000)
    expect(await object.permit()).toMatchObject({ kind: 'probe' })
    await object.report({ weight: 3 })
    const told = await object.permit()
    // The third opening: 20 s, give or take a fifth.
    expect(told).toMatchObject({ kind: 'open' })
    if (told.kind !== 'open') return
    expect(told.untilMs - START_MS - 9_000).toBeGreaterThanOrEqual(16_000)
    expect(told.untilMs - START_MS - 9_000).toBeLessThanOrEqual(24_000)
  })
})

describe('a region', () => {
  /** An isolate of its own, with a request from there. */
  function isolateIn(continent: string | null): GatewayServices {
    const services = servicesOf({ ...env })
    services.comesFrom(new Request('https://gateway.test', continent === null ? {} : { cf: { continent } }))
    return services
  }

  it('finds a target broken for its own isolates alone', async () => {
    const { target } = checked()
    const inRegion = (region: Region) =>
      env.TARGET_BREAKER.get(env.TARGET_BREAKER.idFromName(breakerName(region, target.id)))
    const europe = isolateIn('EU')
    // Later requests don't move it.
    europe.comesFrom(new Request('https://gateway.test', { cf: { continent: 'NA' } }))
    const told: Promise<void>[] = []
    for (let count = 0; count < 5; count += 1) {
      const permit = await europe.breakers.permit(target)
      if ('done' in permit) permit.done('connection', null, (work) => told.push(work))
    }
    await Promise.all(told)
    expect(europe.breakers.standing(target)).toMatchObject({ state: 'open' })
    const stands = async (region: Region) => (await inRegion(region).permit()).kind
    expect(await Promise.all(REGIONS.map(stands))).toEqual(['closed', 'open', 'closed', 'closed'])
    for (const continent of ['SA', 'OC', 'AF', null]) {
      expect(await isolateIn(continent).breakers.permit(target)).toMatchObject({ isProbe: false })
    }
  })

  it('is asked about a target by the isolates that are there', async () => {
    const { target } = checked()
    for (const [continent, region] of [
      ['NA', 'am'],
      ['EU', 'eu'],
      ['OC', 'ap'],
      [null, 'other'],
    ] as const) {
      const shared = env.TARGET_BREAKER.get(env.TARGET_BREAKER.idFromName(breakerName(region, target.id)))
      // Broken there for longer than an isolate finds by itself.
      await shared.tripped(START_MS + 120_000)
      const { breakers } = isolateIn(continent)
      for (let count = 0; count < 5; count += 1) {
        const permit = await breakers.permit(target)
        if ('done' in permit) permit.done('connection', null, () => undefined)
      }
      at(7_000)
      expect(await breakers.permit(target)).toEqual({ retryAfterMs: 113_000 })
      at(0)
    }
  })
})

describe('what a region knows of speed', () => {
  it('is the average of its isolates, and is known to the next', async () => {
    const { target } = checked()
    const told: Promise<void>[] = []
    const isolateIn = (continent: string) => {
      const services = servicesOf({ ...env })
      services.comesFrom(new Request('https://gateway.test', { cf: { continent } }))
      return services.speeds
    }
    const measured = async (speeds: GatewayServices['speeds'], ttftMs: number, calls: number) => {
      for (let count = 0; count < calls; count += 1) {
        speeds.of(target)
        const call = { isStreamed: true, ttftMs, outputTokens: 100, writingMs: 1_000 }
        at(count * 30_000)
        speeds.note(target, call, (work) => told.push(work))
        await Promise.all(told)
      }
    }
    await measured(isolateIn('EU'), 200, 1)
    at(30_000)
    await measured(isolateIn('EU'), 400, 1)
    const [third, elsewhere] = [isolateIn('EU'), isolateIn('NA')]
    await measured(third, 300, 1)
    await measured(elsewhere, 9_000, 1)
    expect(third.of(target)).toEqual({ ttftMs: 300, tokensPerSecond: 100 })
    expect(elsewhere.of(target)).toEqual({ ttftMs: 9_000, tokensPerSecond: 100 })
  })
})

describe('a check', () => {
  it('is made by alarm while there is traffic, every half minute, and ends ten minutes after', async () => {
    const { target, object, alarmAtMs } = checked()
    const calls = provider(well)
    expect(await object.watch(target)).toMatchObject({ kind: 'closed' })
    const first = await alarmAtMs()
    expect(first).toBeGreaterThanOrEqual(START_MS + 27_000)
    expect(first).toBeLessThanOrEqual(START_MS + 33_000)
    await object.watch(target)
    expect(await alarmAtMs()).toBe(first)
    at(30_000)
    await runDurableObjectAlarm(object)
    expect(calls.map(({ method, url }) => [method, url])).toEqual([['GET', 'https://provider.test/v1/models']])
    expect(await alarmAtMs()).toBeGreaterThanOrEqual(START_MS + 57_000)
    at(600_001)
    await runDurableObjectAlarm(object)
    expect(calls).toHaveLength(1)
    expect(await alarmAtMs()).toBeNull()
  })

  it('that fails twice opens the breaker, and one that is answered leads it back: no client has to probe', async () => {
    const { target, object, alarmAtMs } = checked()
    let answer = badly
    const calls = provider(() => answer())
    await object.watch(target)
    await runDurableObjectAlarm(object)
    expect(calls).toHaveLength(2)
    const told = await object.watch(target)
    expect(told).toMatchObject({ kind: 'open' })
    const untilMs = told.kind === 'open' ? told.untilMs : 0
    expect(untilMs).toBeGreaterThanOrEqual(START_MS + 4_000)
    expect(await alarmAtMs()).toBe(untilMs + 1)
    answer = well
    at(untilMs - START_MS + 1)
    await runDurableObjectAlarm(object)
    expect(await object.permit()).toMatchObject({ kind: 'ramp', step: 0 })
  })

  it('that fails once says nothing', async () => {
    const { target, object } = checked()
    let calls = 0
    provider(() => ((calls += 1) === 1 ? badly() : well()))
    await object.watch(target)
    await runDurableObjectAlarm(object)
    expect(await object.permit()).toMatchObject({ kind: 'closed' })
  })

  it.each([
    ['no connection', () => Promise.reject(new Error('refused')), 'open'],
    ['a refusal of the call itself', () => new Response('{}', { status: 404 }), 'closed'],
    ['a credential that is not accepted', () => new Response('{}', { status: 401 }), 'closed'],
    ['a secret that is not there', well, 'closed'],
  ] as const)('never throws: %s', async (what, answer, kind) => {
    const credential = what.startsWith('a secret') ? 'MISSING_API_KEY' : null
    const { target, object, alarmAtMs } = checked({ credential })
    provider(answer)
    await object.watch(target)
    await runDurableObjectAlarm(object)
    expect(await object.watch(target)).toMatchObject({ kind })
    expect(await alarmAtMs()).not.toBeNull()
  })

  it('opens the credential that the target brings along', async () => {
    const text = await seal(env, { id: 'main', version: 1 }, 'sk-of-the-check')
    if (!text.ok) throw new Error(text.error)
    const held = { main: { sealed: text.value, version: 1 } }
    const { target, object } = checked({ credential: 'main', held })
    const sent: (string | null)[] = []
    vi.spyOn(globalThis, 'fetch').mockImplementation(async (_, init) => {
      sent.push(new Headers(init?.headers).get('authorization'))
      return well()
    })
    await object.watch(target)
    await runDurableObjectAlarm(object)
    expect(sent).toEqual(['Bearer sk-of-the-check'])
    expect(
      await runInDurableObject(object, (_, { storage }) => JSON.stringify(storage.kv.get('watched'))),
    ).not.toContain('sk-of')
  })

  it('asks for one token where that is wanted', async () => {
    const { target, object } = checked({ healthCheck: 'token', model: 'gpt' })
    const calls = provider(well)
    await object.watch(target)
    await runDurableObjectAlarm(object)
    expect(calls.map(({ method, url }) => [method, url])).toEqual([
      ['POST', 'https://provider.test/v1/chat/completions'],
    ])
    expect(JSON.parse(calls[0]?.body ?? '')).toMatchObject({ model: 'gpt' })
  })
})

const SECRETS = {
  ADMIN_TOKEN: 'admin-token-of-the-tests',
  KEY_PEPPER: 'pepper-of-the-tests',
  ENVIRONMENT: 'local',
  ONE_API_KEY: 'sk-one',
  TWO_API_KEY: 'sk-two',
}

describe('the admin API', () => {
  let refused: string | null
  let probed: (string | null)[]
  const admin = createAdmin({
    services: [],
    nowMs: Date.now,
    probe: async ({ credential }) => {
      probed.push(credential)
      return { ok: credential !== refused, status: credential === refused ? 401 : 200, latencyMs: 1, saw: 'it' }
    },
  })
  const app = new Hono().route('/admin', admin)

  beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
  beforeEach(async () => {
    await env.DB.batch(['routes', 'targets'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
    refused = null
    probed = []
  })

  async function call(method: string, path: string, body: object): Promise<{ status: number; body: unknown }> {
    const headers = { authorization: `Bearer ${SECRETS.ADMIN_TOKEN}`, 'content-type': 'application/json' }
    const bindings = { ...env, ...SECRETS }
    const response = await app.request(`/admin${path}`, { method, headers, body: JSON.stringify(body) }, bindings)
    return { status: response.status, body: await response.json() }
  }
  const snapshot = async (): Promise<RoutingSnapshot> => JSON.parse((await env.DIRECTORY.get('routing')) ?? '{}')
  const target = { id: 'p', provider: 'openai', model: 'gpt-4o' }
  const both = ['ONE_API_KEY', 'TWO_API_KEY']

  it('takes several credentials, tries each, and publishes their names', async () => {
    const made = await call('POST', '/targets', { ...target, credentials: both, health_check: 'token' })
    expect(made).toMatchObject({
      status: 201,
      body: { credential: 'ONE_API_KEY', credentials: both, health_check: 'token' },
    })
    expect(probed).toEqual(both)
    expect((await snapshot()).targets['p']).toMatchObject({ credentials: both, healthCheck: 'token' })
    const one = await call('PATCH', '/targets/p', { credential: 'TWO_API_KEY', health_check: 'off' })
    expect(one.body).toMatchObject({ credential: 'TWO_API_KEY', credentials: null, health_check: 'off' })
    expect((await snapshot()).targets['p']).not.toHaveProperty('credentials')
    expect((await snapshot()).targets['p']).not.toHaveProperty('healthCheck')
  })

  it('refuses credentials that are not there, not accepted, twice there, or beside another', async () => {
    const refusals: readonly (readonly [object, number, string])[] = [
      [{ credentials: ['ONE_API_KEY', 'THREE_API_KEY'] }, 422, 'THREE_API_KEY is not set'],
      [{ credentials: ['ONE_API_KEY', 'ONE_API_KEY'] }, 422, 'different names'],
      [{ credentials: both, credential: 'ONE_API_KEY' }, 422, 'left out beside credential'],
      [{ credentials: [] }, 422, '1 to 16'],
      [{ credentials: ['ADMIN_TOKEN'] }, 422, 'must be'],
      [{ health_check: 'ping' }, 422, 'off, models, token'],
    ]
    for (const [body, status, message] of refusals) {
      const answer = await call('POST', '/targets', { ...target, ...body })
      expect(answer.status).toBe(status)
      expect(JSON.stringify(answer.body)).toContain(message)
    }
    refused = 'TWO_API_KEY'
    const answer = await call('POST', '/targets', { ...target, credentials: both })
    expect(answer.status).toBe(422)
    expect(JSON.stringify(answer.body)).toContain('with TWO_API_KEY')
  })

  it('takes a time to connect, a deadline and a second attempt, shows, keeps, changes and drops them', async () => {
    await call('POST', '/targets', { ...target, credentials: both, timeouts: { connect_ms: 900 } })
    expect((await snapshot()).targets['p']?.timeouts).toMatchObject({ connectMs: 900 })
    const route = { model: 'm', targets: ['p'], timeout_ms: 20_000, hedge: { after_ms: 'p95', max: 1 } }
    const made = await call('POST', '/routes', route)
    expect(made).toMatchObject({ status: 201, body: { timeout_ms: 20_000, hedge: { after_ms: 'p95', max: 1 } } })
    const { id } = made.body !== null && typeof made.body === 'object' && 'id' in made.body ? made.body : { id: '' }
    expect((await snapshot()).routes[0]).toMatchObject({ timeoutMs: 20_000, hedge: { afterMs: 'p95' } })
    const kept = await call('PATCH', `/routes/${String(id)}`, { allowed_gaps: [] })
    expect(kept.body).toMatchObject({ timeout_ms: 20_000, hedge: { after_ms: 'p95' } })
    const changed = await call('PATCH', `/routes/${String(id)}`, { timeout_ms: null, hedge: { after_ms: 300 } })
    expect(changed.body).toMatchObject({ timeout_ms: null, hedge: { after_ms: 300, max: 1 } })
    expect((await snapshot()).routes[0]).not.toHaveProperty('timeoutMs')
    for (const wrong of [{ timeout_ms: 10 }, { hedge: { after_ms: 'p50' } }, { hedge: { after_ms: 300, max: 2 } }]) {
      expect((await call('PATCH', `/routes/${String(id)}`, wrong)).status).toBe(422)
    }
  })

  it('takes, shows, keeps and drops whether somebody goes on with a stream that breaks off', async () => {
    await call('POST', '/targets', { ...target, credentials: both })
    const route = { model: 'm', targets: ['p'], mid_stream_failover: false }
    const made = await call('POST', '/routes', route)
    expect(made).toMatchObject({ status: 201, body: { mid_stream_failover: false } })
    const { id } = made.body !== null && typeof made.body === 'object' && 'id' in made.body ? made.body : { id: '' }
    expect((await snapshot()).routes[0]).toMatchObject({ midStreamFailover: false })
    const kept = await call('PATCH', `/routes/${String(id)}`, { timeout_ms: 900 })
    expect(kept.body).toMatchObject({ timeout_ms: 900, mid_stream_failover: false })
    const changed = await call('PATCH', `/routes/${String(id)}`, { mid_stream_failover: true })
    expect(changed.body).toMatchObject({ timeout_ms: 900, mid_stream_failover: true })
    expect((await snapshot()).routes[0]).not.toHaveProperty('midStreamFailover')
    for (const wrong of [null, 'off', 1]) {
      const refused = await call('PATCH', `/routes/${String(id)}`, { mid_stream_failover: wrong })
      expect(refused).toMatchObject({ status: 422, body: { error: { field: 'mid_stream_failover' } } })
    }
  })
})
