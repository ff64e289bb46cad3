// Live updates on a real object with real sockets: who is let in, who hears of what, through hibernation; and how soon nobody
// hears anything who may not.
import { applyD1Migrations, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LiveUpdates } from '../../durable-objects/live-updates.ts'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { LONGEST_MS, startSession } from '../../src/control-plane/sign-in/session-record.ts'
import { LIVE_CLOSED, LIVE_PROTOCOL, LIVE_TOKEN_PREFIX, LIVE_UPDATES_NAME } from '../../src/core/live.ts'
import type { NewAlert } from '../../src/ledger/alerts/alert.ts'
import { noteAlerts } from '../../src/ledger/alerts/note-alerts.ts'
import { SocketRoom } from '../../src/platform/live-room.ts'
import { consumeQueue } from '../../src/usage-consumer.ts'
import { emptied } from '../support/admin-api.ts'
import { eventAt, messagesOf } from '../support/ledger-events.ts'
import { WAIT_MS } from '../support/patience.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env {
      LIVE_UPDATES: DurableObjectNamespace<LiveUpdates>
    }
  }
}

const ORIGIN = 'http://localhost'
const OWNER = 'admin-token-of-the-tests'

const probe = async () => ({ ok: true, status: 200, latencyMs: 1, saw: 'ok' })
const app = new Hono().route('/admin', createAdmin({ probe }))
const object = () => env.LIVE_UPDATES.get(env.LIVE_UPDATES.idFromName(LIVE_UPDATES_NAME))

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(() => emptied('teams', 'tenants', 'api_tokens', 'role_rules', 'sessions', 'applied', 'usage_events'))
afterEach(async () => {
  vi.useRealTimers()
  for (const { socket } of opened.splice(0)) socket.close()
  await evictDurableObject(object(), { webSockets: 'close' }).catch(() => undefined)
})

interface Body {
  readonly id: string
  readonly token: string
  readonly error: { readonly code: string }
}

async function call(method: string, path: string, body?: unknown): Promise<Body> {
  const headers = { authorization: `Bearer ${OWNER}`, 'content-type': 'application/json' }
  const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) }
  const response = await app.request(`${ORIGIN}/admin${path}`, init, env)
  expect(response.ok, path).toBe(true)
  const told: Body = JSON.parse((await response.text()) || 'null')
  return told
}

/** What came over a socket, in order; `closed` is the code with which it ended. */
interface Line {
  readonly socket: WebSocket
  readonly heard: string[]
  readonly closed: Promise<number>
  next(): Promise<string>
}
const opened: Line[] = []

const ask = (headers: Readonly<Record<string, string>>) => app.request(`${ORIGIN}/admin/live`, { headers }, env)
const upgrade = { upgrade: 'websocket' }

async function listen(headers: Readonly<Record<string, string>>): Promise<Line> {
  const response = await ask({ ...upgrade, ...headers })
  const { webSocket: socket } = response
  if (response.status !== 101 || socket === null) throw new Error(`${response.status}: ${await response.text()}`)
  const heard: string[] = []
  const waiting: ((text: string) => void)[] = []
  let read = 0
  const { promise: closed, resolve } = Promise.withResolvers<number>()
  socket.addEventListener('message', ({ data }) => {
    heard.push(String(data))
    waiting.shift()?.(heard[read++] ?? '')
  })
  socket.addEventListener('close', ({ code }) => resolve(code))
  socket.accept()
  const next = () =>
    new Promise<string>((told) => {
      const text = heard[read]
      if (text === undefined) waiting.push(told)
      else told((read++, text))
    })
  const line = { socket, heard, closed, next }
  opened.push(line)
  return line
}

const byToken = (token: string) => listen({ authorization: `Bearer ${token}` })
const mint = (name: string, role: string, of: object = {}) => call('POST', '/access/tokens', { name, role, ...of })

/** Somebody who signed in just now. */
async function signedIn(sub: string) {
  const claims = { email: `${sub}@example.com` }
  const person = { source: 'oidc', subject: sub, who: sub, claims } as const
  const randomBytes = (count: number) => crypto.getRandomValues(new Uint8Array(count))
  const { row, secret } = await startSession(env.DB, {
    ...{ person, address: null, nowMs: Date.now(), randomBytes, replaced: null },
  })
  return { id: row.id, headers: { cookie: `tidegate-session=${secret}`, origin: ORIGIN } }
}

/** Notes alerts as the ledger does, and says so. */
async function noted(alerts: readonly NewAlert[]): Promise<void> {
  await noteAlerts(env.DB, alerts, Date.now())
  await object().noted()
}

const rule = () => call('POST', '/access/rules', { claim: 'email', value: '*@example.com', role: 'viewer' })
const everybody = () => object().changed([{ kind: 'configuration', of: 'everybody' }])
const CONFIGURATION = '{"v":1,"changed":["configuration"]}'
const REQUESTS = '{"v":1,"changed":["requests"]}'

describe('who asks for live updates', () => {
  it('is let in by token or session as for any call, and needs the page of its own origin with a session', async () => {
    await rule()
    const { headers } = await signedIn('ann')
    const status = async (own: Readonly<Record<string, string>>) => (await ask({ ...upgrade, ...own })).status
    expect(await status({})).toBe(401)
    expect(await status({ ...headers, origin: 'https://elsewhere.test' })).toBe(403)
    expect(await status({ cookie: headers.cookie })).toBe(403)
    expect(await status({ 'sec-websocket-protocol': `${LIVE_PROTOCOL}, ${LIVE_TOKEN_PREFIX}bm9uc2Vuc2U` })).toBe(401)
    expect((await ask({ authorization: `Bearer ${OWNER}` })).status).toBe(426)
    await listen(headers)
    const said = `${LIVE_PROTOCOL}, ${LIVE_TOKEN_PREFIX}${btoa(OWNER).replaceAll('=', '')}`
    const offered = await ask({ ...upgrade, 'sec-websocket-protocol': said })
    expect([offered.status, offered.headers.get('sec-websocket-protocol')]).toEqual([101, LIVE_PROTOCOL])
    offered.webSocket?.accept()
    offered.webSocket?.close()
  })

  it('comes in fifty times at most, and is shown out for saying anything', async () => {
    const first = await byToken(OWNER)
    for (let more = 1; more < 50; more++) await byToken(OWNER)
    const refused = await ask({ ...upgrade, authorization: `Bearer ${OWNER}` })
    expect([refused.status, (await refused.json<Body>()).error.code]).toEqual([503, 'live_unavailable'])
    first.socket.send('x'.repeat(1_000))
    expect(await first.closed).toBe(LIVE_CLOSED.unexpected)
    await byToken(OWNER)
  })
})

describe('who listens', () => {
  it('hears, through hibernation, that there is more in the ledger of what is theirs, and of nothing else', async () => {
    const tenants = await Promise.all(['acme', 'globex'].map((name) => call('POST', '/tenants', { name })))
    const [acme = '', globex = ''] = tenants.map(({ id }) => id)
    const [search, ads] = await Promise.all(
      ['search', 'ads'].map((name) => call('POST', '/teams', { tenant: 'acme', name })),
    )
    const minted = [
      await mint('v', 'viewer', { tenant: acme }),
      await mint('l', 'lead', { tenant: acme, team: search?.id }),
      await mint('o', 'lead', { tenant: acme, team: ads?.id }),
      await mint('g', 'viewer', { tenant: globex }),
    ]
    const owner = await byToken(OWNER)
    const [viewer, lead, ...others] = await Promise.all(minted.map(({ token }) => byToken(token)))
    const event = eventAt(Date.now(), 1, { tenantId: acme, teamId: search?.id ?? '' })
    const messages = messagesOf([event], 1).map((body) => {
      return { id: '1', timestamp: new Date(), body, attempts: 1, ack() {}, retry() {} }
    })
    const done: Promise<unknown>[] = []
    const batch = {
      ...{ queue: 'tidegate-usage', messages, ackAll() {}, retryAll() {} },
      metadata: { metrics: { backlogCount: 0, backlogBytes: 0 } },
    }
    await consumeQueue(batch, { ...env, ADMIN_TOKEN: OWNER }, { waitUntil: (work) => void done.push(work) })
    await Promise.all(done)
    expect([await viewer?.next(), await lead?.next()]).toEqual([REQUESTS, REQUESTS])
    await evictDurableObject(object())
    await everybody()
    expect(await Promise.all(others.map(({ next }) => next()))).toEqual([CONFIGURATION, CONFIGURATION])
    expect([await viewer?.next(), await lead?.next()]).toEqual([CONFIGURATION, CONFIGURATION])
    owner.socket.send('ping')
    await vi.waitFor(() => expect(owner.heard).toContain('pong'), WAIT_MS)
    expect(owner.heard.filter((text) => text !== 'pong')).toEqual([REQUESTS, CONFIGURATION])
  })

  it('hears of what comes within a second in one word, and of a tenant’s changes where they are theirs', async () => {
    const acme = (await call('POST', '/tenants', { name: 'acme' })).id
    await call('POST', '/tenants', { name: 'globex' })
    const admin = (await mint('a', 'admin', { tenant: acme })).token
    const outside = (await mint('g', 'viewer', { tenant: 'globex' })).token
    const owner = await byToken(OWNER)
    const stranger = await byToken(outside)
    await everybody()
    expect([await owner.next(), await stranger.next()]).toEqual([CONFIGURATION, CONFIGURATION])
    await object().changed([{ kind: 'health', of: 'deployment' }])
    const body = JSON.stringify({ tenant: acme, name: 'team' })
    const headers = { authorization: `Bearer ${admin}`, 'content-type': 'application/json' }
    expect((await app.request(`${ORIGIN}/admin/teams`, { method: 'POST', headers, body }, env)).status).toBe(201)
    expect(await owner.next()).toBe('{"v":1,"changed":["health","audit","configuration"]}')
    expect(stranger.heard).toHaveLength(1)
  })

  it('is shown out before the answer to who ended their session, token, or the rule that let them in', async () => {
    const { id: ruleId } = await rule()
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((sub) => signedIn(sub)))
    const lines = await Promise.all([ann, bob].map((one) => listen(one?.headers ?? {})))
    const tokens = await Promise.all(['rotated', 'revoked'].map((name) => mint(name, 'viewer')))
    const [rotated, revoked] = await Promise.all(tokens.map(({ token }) => byToken(token)))
    const owner = await byToken(OWNER)
    await call('DELETE', `/access/sessions/${ann?.id}`)
    expect(await lines[0]?.closed).toBe(LIVE_CLOSED.signedOut)
    await call('POST', `/access/tokens/${tokens[0]?.id}/rotate`, { overlap_seconds: 0 })
    expect(await rotated?.closed).toBe(LIVE_CLOSED.signedOut)
    await call('POST', `/access/tokens/${tokens[1]?.id}/revoke`)
    expect(await revoked?.closed).toBe(LIVE_CLOSED.signedOut)
    await call('DELETE', `/access/rules/${ruleId}`)
    expect(await lines[1]?.closed).toBe(LIVE_CLOSED.signedOut)
    // Every one of these was a change that the owner may read of.
    expect(await owner.next()).toBe('{"v":1,"changed":["audit","access"]}')
  })

  it('hears of an entry of the audit log and of an alert who may read it, and nobody else', async () => {
    const tenants = await Promise.all(['acme', 'globex'].map((name) => call('POST', '/tenants', { name })))
    const [acme = '', globex = ''] = tenants.map(({ id }) => id)
    const teams = await Promise.all(['search', 'ads'].map((name) => call('POST', '/teams', { tenant: 'acme', name })))
    const [search = '', ads = ''] = teams.map(({ id }) => id)
    const minted = {
      looker: await mint('d', 'viewer'),
      acme: await mint('v', 'viewer', { tenant: acme }),
      search: await mint('l', 'lead', { tenant: acme, team: search }),
      ads: await mint('o', 'lead', { tenant: acme, team: ads }),
      globex: await mint('g', 'viewer', { tenant: globex }),
    }
    const lines = await Promise.all(
      Object.entries(minted).map(async ([name, { token }]) => ({ name, line: await byToken(token) })),
    )
    const owner = await byToken(OWNER)
    const alert: NewAlert = {
      kind: 'team-budget',
      ...{ tenantId: acme, scope: 'team', subjectId: search, what: `budget team ${search}` },
      ...{ windowStartMs: 0, windowEndMs: null, atMs: Date.now(), facts: {} },
    }
    const steps: readonly [change: () => Promise<unknown>, kinds: string, who: readonly string[]][] = [
      [() => call('PATCH', `/teams/${search}`, { name: 'find' }), 'audit,configuration', ['acme', 'search']],
      [() => call('PATCH', `/tenants/${globex}`, { name: 'globe' }), 'audit,configuration', ['globex']],
      [() => mint('n', 'viewer', { tenant: globex }), 'audit,access', ['globex']],
      [() => mint('m', 'viewer'), 'audit,access', []],
      [() => noted([alert]), 'alerts', ['acme', 'search']],
      [() => noted([{ ...alert, tenantId: '', scope: 'provider', subjectId: 'openai' }]), 'alerts', []],
    ]
    const expected = new Map<string, string[]>(lines.map(({ name }) => [name, []]))
    for (const [change, kinds, who] of steps) {
      const hint = JSON.stringify({ v: 1, changed: kinds.split(',') })
      await change()
      expect(await owner.next()).toBe(hint)
      for (const name of ['looker', ...who]) expected.get(name)?.push(hint)
      // What was told is known to be told where this wakes up again.
      await evictDurableObject(object())
    }
    await everybody()
    await owner.next()
    for (const { name, line } of lines) {
      await vi.waitFor(() => expect(line.heard.at(-1)).toBe(CONFIGURATION), WAIT_MS)
      expect(line.heard.slice(0, -1), name).toEqual(expected.get(name))
    }
  })

  it('is told that they may do something else by now', async () => {
    const tenant = (await call('POST', '/tenants', { name: 'acme' })).id
    await call('POST', '/access/rules', { claim: 'email', value: 'ann@example.com', role: 'viewer', tenant })
    const ann = await listen((await signedIn('ann')).headers)
    await call('POST', '/access/rules', { claim: 'email', value: 'ann@example.com', role: 'admin', tenant })
    expect(await ann.next()).toBe('{"v":1,"changed":["access"]}')
  })

  it('whose session ends by itself is shown out then, and hears nothing of what comes later', async () => {
    await rule()
    const [ann, bob] = await Promise.all(['ann', 'bob'].map((sub) => signedIn(sub)))
    const lines = await Promise.all([ann, bob].map((one) => listen(one?.headers ?? {})))
    const owner = await byToken(OWNER)
    const alarmAtMs = await runInDurableObject(object(), (_, { storage }) => storage.getAlarm())
    expect(alarmAtMs).toBeLessThanOrEqual(Date.now() + 600_000)
    const end = (id: string | undefined) =>
      env.DB.prepare(`UPDATE sessions SET expires_at_ms = ?2 WHERE id = ?1`)
        .bind(id, Date.now() - LONGEST_MS)
        .run()
    await end(ann?.id)
    expect(await runDurableObjectAlarm(object())).toBe(true)
    expect(await lines[0]?.closed).toBe(LIVE_CLOSED.signedOut)
    expect(await runInDurableObject(object(), (_, { storage }) => storage.getAlarm()), 'others listen').not.toBeNull()
    // Nobody told of this end: who is looked at before they are told hears nothing.
    await end(bob?.id)
    await evictDurableObject(object())
    await everybody()
    expect([await lines[1]?.closed, lines[1]?.heard]).toEqual([LIVE_CLOSED.signedOut, []])
    expect(await owner.next()).toBe(CONFIGURATION)
  })

  it('is told nothing, and shown out to come again, where nobody can say what they may see', async () => {
    const owner = await byToken(OWNER)
    const nobodyKnows = () => Promise.reject(new Error('D1 is away'))
    await runInDurableObject(object(), async (_, ctx) => {
      const ports = { ctx, nowMs: Date.now, sleep: async () => {}, standingsOf: nobodyKnows, changesNoted: nobodyKnows }
      const room = new SocketRoom(ports)
      room.tell([{ kind: 'configuration', of: 'everybody' }])
    })
    expect([await owner.closed, owner.heard]).toEqual([LIVE_CLOSED.unverified, []])
  })

  it('who says nothing for long is let go of, and with nobody there no alarm is left', async () => {
    const silent = await byToken(OWNER)
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 140_000 })
    const other = await byToken(OWNER)
    vi.setSystemTime(Date.now() + 11_000)
    await everybody()
    expect([await silent.closed, silent.heard]).toEqual([LIVE_CLOSED.silent, []])
    expect(await other.next()).toBe(CONFIGURATION)
    other.socket.close()
    await vi.waitFor(async () => {
      await runDurableObjectAlarm(object())
      expect(await runInDurableObject(object(), (_, { storage }) => storage.getAlarm())).toBeNull()
    }, WAIT_MS)
  })
})
