// Who gets in, and what they then may see and change, on real D1, KV and limiter objects: every endpoint asked by every role,
// what is others' looked for in everything that a tenant or a team can read, tokens, sessions, and sign-in with a provider
// that is real in its protocol.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { WRONG_MAX, WRONG_MAX_OF_ALL, forgetAttempts } from '../../src/control-plane/access/attempts.ts'
import { type Grant, type Role, type Scope, mayCall, permissionOf } from '../../src/control-plane/access/permissions.ts'
import { IDLE_MS, LONGEST_MS } from '../../src/control-plane/sign-in/session-record.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'
import { answerOperator } from '../../src/usage-consumer.ts'
import { emptied } from '../support/admin-api.ts'
import { QUERIES, pathTo } from '../support/endpoint-paths.ts'
import { deliverAll, eventAt, messagesOf } from '../support/ledger-events.ts'
import { ACCESS_AUDIENCE, CLIENT_ID, CLIENT_SECRET, type Fault, OidcProvider } from '../support/oidc-provider.ts'

const ADMIN_TOKEN = 'admin-token-of-the-tests'
const ORIGIN = 'http://localhost'
const ISSUER = 'http://login.test'

interface Body {
  readonly id: string
  readonly token: string
  readonly csrf: string
  readonly role: Role
  readonly prefix: string
  readonly status: string
  readonly may: readonly string[]
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly methods: readonly unknown[]
  readonly next: string | null
  readonly error: { readonly code: string; readonly message: string; readonly field: string | null }
}

interface Answer {
  readonly status: number
  readonly body: Body
  readonly text: string
  readonly headers: Headers
}

const NOON_MS = Date.UTC(2026, 10, 21, 12)
let nowMs = NOON_MS
let provider: OidcProvider
let variables: Record<string, unknown> = {}

const admin = createAdmin({
  nowMs: () => nowMs,
  probe: async () => ({ ok: true, status: 200, latencyMs: 1, saw: 'ok' }),
  fetch: (url, init) => provider.handle(new Request(url, init)),
})
const app = new Hono().route('/admin', admin)
const endpoints = [
  ...new Set(admin.routes.filter(({ method }) => method !== 'ALL').map(({ method, path }) => `${method} ${path}`)),
]

interface Ask {
  readonly token?: string | null
  readonly body?: unknown
  readonly cookie?: string
  readonly headers?: Readonly<Record<string, string>>
}

async function ask(
  method: string,
  path: string,
  { token = ADMIN_TOKEN, body, cookie, headers = {} }: Ask = {},
): Promise<Answer> {
  const sent = new Headers({ 'cf-connecting-ip': '203.0.113.1', ...headers })
  if (token !== null && cookie === undefined) sent.set('authorization', `Bearer ${token}`)
  if (cookie !== undefined) sent.set('cookie', cookie)
  if (body !== undefined) sent.set('content-type', 'application/json')
  const bindings = {
    DB: env.DB,
    DIRECTORY: env.DIRECTORY,
    TENANT_LIMITER: env.TENANT_LIMITER,
    SIDE_LIMITER: env.SIDE_LIMITER,
    ADMIN_TOKEN,
    KEY_PEPPER: 'pepper-of-the-tests',
    ENVIRONMENT: 'local',
    OPENAI_API_KEY: 'sk-provider',
    ...variables,
  }
  const init = { method, headers: sent, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
  const response = await app.request(`${ORIGIN}/admin${path}`, init, bindings)
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.includes('json') === true && !text.includes('\n{')
  return { status: response.status, text, headers: response.headers, body: JSON.parse(isJson ? text : 'null') }
}

async function made(path: string, body: unknown): Promise<Body> {
  const answer = await ask('POST', path, { body })
  expect(answer.status, answer.text).toBe(201)
  return answer.body
}

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
afterEach(() => {
  nowMs = NOON_MS
})

/** As if nothing had ever been set up, and this isolate had just started. */
async function fresh(): Promise<void> {
  forgetAttempts()
  variables = {}
  await emptied('routes', 'targets', 'virtual_keys', 'end_users', 'teams', 'tenants', 'api_tokens', 'role_rules')
  await emptied('sessions', 'sign_in_attempts', 'alerts', 'applied', 'usage_events', 'usage_hourly')
}

/** A tenant with two teams, keys and requests, another tenant with the same, and a token for everybody. */
async function world() {
  const parts: Record<string, string> = {}
  const events = []
  await made('/targets', { provider: 'openai', model: 'gpt-4o', id: 'main' })
  for (const tenant of ['acme', 'globex']) {
    parts[tenant] = (
      await made('/tenants', { name: tenant, limits: { budget: { amount_usd: '10', period: 'day' } } })
    ).id
    await ask('PUT', `/tenants/${tenant}/end-users/${tenant}-user`, { body: { limits: [] } })
    await made('/routes', { model: `${tenant}-route`, tenant, targets: ['main'] })
    await ask('PUT', `/alert-rules/${tenant}`, { body: { unknown_price: true } })
    for (const team of ['search', 'ads']) {
      const name = `${tenant}-${team}`
      parts[name] = (await made('/teams', { tenant, name, limits: { budget: { amount_usd: '5', period: 'day' } } })).id
      parts[`${name}-key`] = (await made('/keys', { tenant, team: name, name: `${name}-key` })).id
      await made('/access/tokens', { name: `${name}-token`, role: 'lead', tenant, team: name })
      events.push(
        eventAt(nowMs - 60_000, events.length, {
          ...{ tenantId: parts[tenant], teamId: parts[name], keyId: parts[`${name}-key`] ?? '' },
          ...{
            requestedModel: `${name}-model`,
            model: `${name}-model`,
            costCenter: `${name}-center`,
            tags: [`${name}-tag`],
          },
          ...{ endUser: `${name}-user`, usage: { ...NO_USAGE, input: 10 } },
        }),
      )
    }
  }
  await deliverAll(env.DB, messagesOf(events, 100), nowMs)
  await env.DB.batch(
    ['acme', 'globex'].flatMap((tenant) =>
      ['search', 'ads'].map((team) =>
        env.DB.prepare(
          `INSERT INTO alerts (id, kind, tenant_id, tenant_name, team_id, scope, subject_id, what, window_start_ms, at_ms,
            noted_at_ms, facts) VALUES (?1, 'key-budget', ?2, ?3, ?4, 'team', ?4, ?1, 0, 0, 0, '{"percent": 80,
            "limit_nano_usd": 1, "spent_nano_usd": 1, "period": "day", "model": null}')`,
        ).bind(`alert-${tenant}-${team}`, parts[tenant], tenant, parts[`${tenant}-${team}`]),
      ),
    ),
  )
  const token = async (name: string, role: Role, tenant?: string, team?: string) =>
    (await made('/access/tokens', { name, role, tenant, team })).token
  const tokens = {
    owner: await token('an owner', 'owner'),
    admin: await token('an admin', 'admin'),
    viewer: await token('a viewer', 'viewer'),
    tenantAdmin: await token('acme admin', 'admin', 'acme'),
    tenantViewer: await token('acme viewer', 'viewer', 'acme'),
    lead: await token('acme lead', 'lead', 'acme', 'acme-search'),
  }
  return { id: (name: string) => parts[name] ?? name, tokens }
}

type World = Awaited<ReturnType<typeof world>>
const WHO = ['viewer', 'tenantAdmin', 'tenantViewer', 'lead', 'admin', 'owner'] as const
const DEPLOYMENT: Scope = { kind: 'deployment' }

function grantsOf({ id }: World): Readonly<Record<keyof World['tokens'], Grant>> {
  const acme: Scope = { kind: 'tenant', tenantId: id('acme') }
  return {
    owner: { role: 'owner', scope: DEPLOYMENT },
    admin: { role: 'admin', scope: DEPLOYMENT },
    viewer: { role: 'viewer', scope: DEPLOYMENT },
    tenantAdmin: { role: 'admin', scope: acme },
    tenantViewer: { role: 'viewer', scope: acme },
    lead: { role: 'lead', scope: { kind: 'team', tenantId: id('acme'), teamId: id('acme-search') } },
  }
}

/** Everything that can be read, of what is acme's where something has to be named. */
function readsOf({ id }: World): readonly string[] {
  const named = { keys: id('acme-search-key'), teams: id('acme-search'), tenants: 'acme', 'alert-rules': 'acme' }
  return endpoints.flatMap((endpoint) => {
    if (!endpoint.startsWith('GET ') || permissionOf(endpoint) === 'open') return []
    const own = Object.entries(named).find(([start]) => endpoint.startsWith(`GET /${start}/`))?.[1]
    const paths = (QUERIES[endpoint] ?? ['']).map((query) => pathTo(endpoint, own).path + query)
    return endpoint.includes('/exports/') ? [...paths, '/exports/focus'] : paths
  })
}

describe('every endpoint', () => {
  let all: World
  beforeAll(async () => {
    await fresh()
    all = await world()
  })

  it('answers whom the table names, refuses all others, and everybody without a token', async () => {
    const grants = grantsOf(all)
    const wrong: string[] = []
    for (const endpoint of endpoints) {
      const permission = permissionOf(endpoint)
      const { method, path } = pathTo(endpoint)
      const init = method === 'GET' ? {} : { body: {} }
      const stranger = await ask(method, path, { ...init, token: null })
      if ((permission === 'open') === (stranger.status === 401)) wrong.push(`${endpoint}: ${stranger.status}`)
      if (permission === 'open') continue
      // Of those whom it lets in, the first: all others' refusals cost little.
      const first = WHO.find((who) => mayCall(grants[who], permission))
      for (const who of WHO.filter((one) => one === first || !mayCall(grants[one], permission))) {
        const { status, body } = await ask(method, path, { ...init, token: all.tokens[who] })
        const isRefused = status === 403 && body.error.code === 'forbidden'
        if (isRefused === mayCall(grants[who], permission) || status === 500)
          wrong.push(`${endpoint} ${who}: ${status}`)
      }
    }
    expect(wrong).toEqual([])
  }, 60_000)

  it('that is read shows a tenant or a team nothing of others', async () => {
    const { id, tokens } = all
    const globex = ['globex', 'globex-search', 'globex-ads', 'globex-search-key', 'globex-ads-key']
    const foreign = globex.flatMap((name) => [name, id(name)])
    const ofAds = ['acme-ads', id('acme-ads'), id('acme-ads-key')]
    let seen = 0
    for (const who of ['tenantViewer', 'tenantAdmin', 'lead'] as const) {
      const hidden = who === 'lead' ? [...foreign, ...ofAds] : foreign
      for (const path of readsOf(all)) {
        const { status, text } = await ask('GET', path, { token: tokens[who] })
        expect(status, `${who} ${path} ${text}`).not.toBe(500)
        expect(
          hidden.filter((marker) => text.includes(marker)),
          `${who} ${path} ${text}`,
        ).toEqual([])
        if (text.includes(id('acme-search'))) seen++
      }
    }
    // What is theirs is there: an empty answer hides everything.
    expect(seen).toBeGreaterThan(30)
    const teamsSeen = async (token: string) => (await ask('GET', '/usage?group_by=team', { token })).body.rows.length
    expect(await Promise.all([tokens.viewer, tokens.tenantViewer, tokens.lead].map(teamsSeen))).toEqual([4, 2, 1])
  }, 60_000)

  it('that names what is others’ answers as for what isn’t there, and changes nothing', async () => {
    const { id, tokens } = all
    const latest = async () => (await ask('GET', '/audit?limit=1')).body.rows[0]?.['id']
    const before = await latest()
    const named = {
      tenantAdmin: { tenant: ['globex', id('globex')], team: [id('globex-search')], key: [id('globex-search-key')] },
      lead: { tenant: [], team: [id('globex-ads'), id('acme-ads')], key: [id('globex-ads-key'), id('acme-ads-key')] },
    }
    for (const who of ['tenantAdmin', 'lead'] as const) {
      for (const endpoint of endpoints) {
        const permission = permissionOf(endpoint)
        const reach = permission === 'open' ? 'own' : permission.reach
        if (reach !== 'tenant' && reach !== 'team' && reach !== 'key') continue
        const answerTo = async (name: string) => {
          const { method, path } = pathTo(endpoint, name)
          return ask(method, path, { token: tokens[who], ...(method === 'GET' ? {} : { body: {} }) })
        }
        const nothing = await answerTo('nothing')
        expect(who === 'lead' ? [403, 404] : [404], `${who} ${endpoint}`).toContain(nothing.status)
        for (const name of named[who][reach]) {
          const answer = await answerTo(name)
          expect(answer.text.replaceAll(name, 'nothing'), `${who} ${endpoint}`).toBe(nothing.text)
        }
      }
    }
    for (const [path, body, who] of [
      ['/keys', { tenant: 'globex', name: 'k' }, 'tenantAdmin'],
      ['/keys', { tenant: 'globex', team: 'globex-search', name: 'k' }, 'lead'],
      ['/keys', { tenant: 'acme', team: 'acme-ads', name: 'k' }, 'lead'],
      ['/keys', { tenant: 'acme', name: 'k' }, 'lead'],
      ['/teams', { tenant: 'globex', name: 't' }, 'tenantAdmin'],
      ['/access/tokens', { name: 't', role: 'viewer', tenant: 'globex' }, 'tenantAdmin'],
      ['/access/tokens', { name: 't', role: 'viewer' }, 'tenantAdmin'],
      ['/access/tokens', { name: 't', role: 'owner' }, 'admin'],
    ] as const) {
      const { status, text } = await ask('POST', path, { body, token: tokens[who] })
      expect([403, 422], `${who} ${path} ${text}`).toContain(status)
    }
    const { rows } = (await ask('GET', '/access/tokens')).body
    for (const [name, who] of [
      ['globex-search-token', 'tenantAdmin'],
      ['an owner', 'admin'],
    ] as const) {
      const token = String(rows.find((row) => row['name'] === name)?.['id'])
      for (const verb of ['rotate', 'revoke']) {
        const answer = await ask('POST', `/access/tokens/${token}/${verb}`, { body: {}, token: tokens[who] })
        expect(answer.status, `${who} ${verb} ${name}`).toBe(404)
      }
    }
    expect(await latest(), 'nothing was changed').toBe(before)
  }, 60_000)

  it('that lists requests leaves others’ out, page by page', async () => {
    const { id, tokens } = all
    const many = Array.from({ length: 7 }, (_, at) =>
      eventAt(nowMs - 7_200_000 * at - 1_000, 100 + at, {
        tenantId: id('acme'),
        teamId: id(at % 2 === 0 ? 'acme-search' : 'acme-ads'),
        keyId: id('acme-search-key'),
      }),
    )
    await deliverAll(env.DB, messagesOf(many, 100, 100), nowMs)
    const seen: unknown[] = []
    let next: string | null = null
    do {
      const before: string = next === null ? '' : `&before=${next}`
      const { body } = await ask('GET', `/requests?limit=2${before}`, { token: tokens.lead })
      seen.push(...body.rows.map((row) => row['started_at_ms']))
      next = body.next
    } while (next !== null)
    const expected = [...many.filter((_, at) => at % 2 === 0).map(({ startedAtMs }) => startedAtMs), nowMs - 60_000]
    expect(seen).toEqual(expected.toSorted((a, b) => b - a))
    expect((await ask('GET', `/requests?team=${id('acme-ads')}`, { token: tokens.lead })).body.rows).toEqual([])
  })

  it('keeps nobody from their own, and the log says who it was', async () => {
    const { id, tokens } = all
    const mine = { tenant: 'acme', team: 'acme-search', name: 'mine' }
    const minted = await ask('POST', '/keys', { body: mine, token: tokens.lead })
    expect(minted.status, minted.text).toBe(201)
    const limits = { limits: { tokens_per_minute: 5 } }
    expect((await ask('PATCH', `/keys/${minted.body.id}`, { body: limits, token: tokens.lead })).status).toBe(200)
    for (const verb of ['rotate', 'revoke']) {
      expect((await ask('POST', `/keys/${minted.body.id}/${verb}`, { body: {}, token: tokens.lead })).status).toBe(200)
    }
    expect((await ask('PATCH', `/teams/${id('acme-search')}`, { body: limits, token: tokens.lead })).status).toBe(200)
    const team = { body: { tenant: 'acme', name: 'new' }, token: tokens.tenantAdmin }
    expect((await ask('POST', '/teams', team)).status).toBe(201)
    const own = { body: { name: 'reader', role: 'viewer', tenant: 'acme' }, token: tokens.tenantAdmin }
    expect((await ask('POST', '/access/tokens', own)).status).toBe(201)
    // The log says who of them it was.
    const audit = await ask('GET', `/audit?subject=${minted.body.id}`, { token: tokens.lead })
    expect(audit.body.rows).toMatchObject([
      { who: 'token acme lead', actor: expect.stringMatching(/^tok_/), what: 'virtual_keys.change', address: null },
      { who: 'token acme lead', what: 'virtual_keys.rotate' },
      { who: 'token acme lead', what: 'virtual_keys.change' },
      { who: 'token acme lead', what: 'virtual_keys.create', team_id: id('acme-search'), tenant_id: id('acme') },
    ])
    const ofMany = await ask('GET', `/audit?who=acme%20LEAD&what=virtual_keys&from=0&to=9999999999999&limit=1`)
    expect(ofMany.body).toMatchObject({ rows: [{ address: '203.0.113.1' }], next: expect.any(String) })
    expect((await ask('GET', `/audit?who=nobody`)).body.rows).toEqual([])
    expect((await ask('GET', `/audit?what=virtual_key`)).body.rows).toEqual([])
    expect((await ask('GET', `/audit?to=1`)).body.rows).toEqual([])
  })
})

describe('an API token', () => {
  beforeEach(fresh)

  it('is shown once, kept as a digest, found by what it begins with, and says when it was last used', async () => {
    const token = await made('/access/tokens', { name: 'ci', role: 'admin' })
    expect(token).toMatchObject({
      role: 'admin',
      scope: { kind: 'deployment' },
      status: 'active',
      expires_at_ms: nowMs + 90 * 86_400_000,
    })
    expect(token.token.startsWith(`${token.prefix}_`)).toBe(true)
    const secret = token.token.split('_')[2] ?? ''
    const kept = JSON.stringify((await env.DB.prepare(`SELECT * FROM api_tokens`).all()).results)
    const audit = await ask('GET', '/audit?what=api_tokens')
    for (const text of [kept, audit.text, (await ask('GET', '/access/tokens')).text]) expect(text).not.toContain(secret)
    expect(audit.text).not.toContain('digest')
    expect((await ask('GET', '/me', { token: token.token })).body).toMatchObject({
      who: 'token ci',
      by: 'token',
      role: 'admin',
      csrf: null,
    })
    expect((await ask('GET', '/access/tokens')).body.rows).toMatchObject([
      { last_used_hour_ms: nowMs - (nowMs % 3_600_000) },
    ])
  })

  it('that is revoked or over opens nothing, at once', async () => {
    const token = await made('/access/tokens', { name: 'ci', role: 'viewer', expires_at: '2026-12-01T00:00:00Z' })
    const forEver = await made('/access/tokens', { name: 'ever', role: 'viewer', expires_at: null })
    expect(forEver).toMatchObject({ expires_at_ms: null })
    expect((await ask('GET', '/keys', { token: token.token })).status).toBe(200)
    nowMs = Date.UTC(2026, 11, 1)
    expect((await ask('GET', '/keys', { token: token.token })).status).toBe(401)
    expect((await ask('GET', '/keys', { token: forEver.token })).status).toBe(200)
    expect((await ask('POST', `/access/tokens/${forEver.id}/revoke`)).body).toMatchObject({ status: 'revoked' })
    expect((await ask('GET', '/keys', { token: forEver.token })).status).toBe(401)
    expect((await ask('POST', `/access/tokens/${forEver.id}/rotate`, { body: {} })).status).toBe(409)
    expect(
      await ask('POST', '/access/tokens', { body: { name: 'x', role: 'viewer', expires_at: '2020-01-01T00:00:00Z' } }),
    ).toMatchObject({ status: 422 })
  })

  it('is rotated: both secrets hold until the overlap is over, then the newer', async () => {
    const token = await made('/access/tokens', { name: 'ci', role: 'viewer' })
    const rotated = await ask('POST', `/access/tokens/${token.id}/rotate`, { body: { overlap_seconds: 60 } })
    expect(rotated.body).toMatchObject({ id: token.id, prefix: token.prefix, previous_until_ms: nowMs + 60_000 })
    for (const one of [token.token, rotated.body.token])
      expect((await ask('GET', '/keys', { token: one })).status).toBe(200)
    nowMs += 60_000
    expect((await ask('GET', '/keys', { token: token.token })).status).toBe(401)
    expect((await ask('GET', '/keys', { token: rotated.body.token })).status).toBe(200)
  })

  it('has a role and a scope that go together', async () => {
    await made('/tenants', { name: 'acme' })
    for (const body of [
      { role: 'owner', tenant: 'acme' },
      { role: 'lead', tenant: 'acme' },
      { role: 'lead' },
      { role: 'viewer', team: 'x' },
      { role: 'viewer', tenant: 'nobody' },
      { role: 'king' },
    ]) {
      expect((await ask('POST', '/access/tokens', { body: { name: 'x', ...body } })).status, JSON.stringify(body)).toBe(
        422,
      )
    }
  })
})

describe('wrong tokens', () => {
  beforeEach(fresh)

  const wrong = (at: number, address = '203.0.113.9') =>
    ask('GET', '/keys', { token: `wrong-token-number-${at}`, headers: { 'cf-connecting-ip': address } })

  it('are bounded for each address, however many come at once, until the window is over', async () => {
    const answers = await Promise.all(Array.from({ length: WRONG_MAX + 15 }, (_, at) => wrong(at)))
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(WRONG_MAX)
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(15)
    expect(Number(answers.find(({ status }) => status === 429)?.headers.get('retry-after'))).toBe(600)
    const right = { headers: { 'cf-connecting-ip': '203.0.113.9' } }
    expect((await ask('GET', '/keys', right)).status, 'a right guess tells nothing either').toBe(429)
    forgetAttempts()
    expect((await ask('GET', '/keys', right)).status, 'nor in another isolate').toBe(429)
    expect((await ask('GET', '/keys')).status, 'from elsewhere').toBe(200)
    nowMs += 600_001
    expect((await ask('GET', '/keys', right)).status).toBe(200)
  })

  it('that are one and the same are one try, and the right one at once from everywhere is none', async () => {
    const many = await Promise.all(Array.from({ length: WRONG_MAX + 10 }, () => wrong(1)))
    expect(new Set(many.map(({ status }) => status))).toEqual(new Set([401]))
    const right = { headers: { 'cf-connecting-ip': '203.0.113.9' } }
    const all = await Promise.all(Array.from({ length: WRONG_MAX + 10 }, () => ask('GET', '/me', right)))
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]))
    const counted = () =>
      env.DB.prepare(`SELECT wrong FROM sign_in_attempts WHERE address = '203.0.113.9'`).first('wrong')
    expect(await counted()).toBe(1)
    // Known by now, and still no more than a try.
    await Promise.all(Array.from({ length: WRONG_MAX }, () => wrong(2)))
    expect(await counted()).toBe(2)
  })

  it('are bounded for all strangers together, and who has been right before isn’t one', async () => {
    const known = { headers: { 'cf-connecting-ip': '198.51.100.7' } }
    expect((await ask('GET', '/keys', known)).status).toBe(200)
    await env.DB.prepare(`INSERT OR REPLACE INTO sign_in_attempts (address, until_ms, wrong) VALUES ('', ?1, ?2)`)
      .bind(nowMs + 1_000, WRONG_MAX_OF_ALL - 2)
      .run()
    const statuses = []
    for (let at = 0; at < 4; at++) statuses.push((await wrong(at, `192.0.2.${at}`)).status)
    expect(statuses).toEqual([401, 401, 429, 429])
    forgetAttempts()
    expect((await ask('GET', '/keys', known)).status).toBe(200)
    nowMs += 1_001
    expect((await wrong(9, '192.0.2.9')).status).toBe(401)
  })

  it('of one address shut nobody else out, and who sends none is not counted', async () => {
    for (let at = 0; at < WRONG_MAX; at++) expect((await ask('GET', '/keys', { token: null })).status).toBe(401)
    await Promise.all(Array.from({ length: WRONG_MAX + 50 }, (_, at) => wrong(at)))
    const all = await env.DB.prepare(`SELECT wrong FROM sign_in_attempts WHERE address = ''`).first<{ wrong: number }>()
    expect(all?.wrong).toBe(WRONG_MAX)
  })

  it('are counted at the usage consumer’s door as well', async () => {
    const at = (token: string) => {
      const headers = { authorization: `Bearer ${token}`, 'cf-connecting-ip': '203.0.113.20' }
      return answerOperator(new Request('https://usage.test/dead-letters', { headers }), { ...env, ADMIN_TOKEN })
    }
    const statuses = []
    for (let count = 0; count <= WRONG_MAX; count++) statuses.push((await at(`wrong-${count}`)).status)
    expect(statuses.slice(-2)).toEqual([401, 429])
    expect((await at(ADMIN_TOKEN)).status).toBe(429)
  })

  it('get nobody in while D1 is away', async () => {
    const away = async () => Promise.reject(new Error('D1 is away'))
    variables = { DB: { prepare: (sql: string) => env.DB.prepare(sql), batch: away } }
    expect((await ask('GET', '/keys')).status).toBe(500)
  })
})

const OIDC = {
  OIDC_ISSUER: ISSUER,
  OIDC_CLIENT_ID: CLIENT_ID,
  OIDC_CLIENT_SECRET: CLIENT_SECRET,
  OIDC_NAME: 'Login',
  ALLOW_PRIVATE_ENDPOINTS: 'true',
}
const ACCESS = { ACCESS_TEAM_DOMAIN: ISSUER, ACCESS_AUD: ACCESS_AUDIENCE, ALLOW_PRIVATE_ENDPOINTS: 'true' }

/** What an answer sets a cookie to: `name=value`, and how. */
function cookieIn({ headers }: Answer, name: string): { readonly pair: string; readonly attributes: string } {
  const set = headers.getSetCookie().find((one) => one.startsWith(`${name}=`)) ?? ''
  const [pair = '', ...attributes] = set.split('; ')
  return { pair, attributes: attributes.join('; ') }
}

/** As a browser: to the provider and back. */
async function signIn(
  change: (back: URL, cookie: string) => readonly [URL, string] = (back, cookie) => [back, cookie],
) {
  const begun = await ask('GET', '/sign-in/oidc', { token: null })
  const cookie = cookieIn(begun, 'tidegate-sign-in').pair
  const answer = await provider.handle(new Request(begun.headers.get('location') ?? ''))
  const [back, sent] = change(new URL(answer.headers.get('location') ?? ''), cookie)
  const ended = await ask('GET', `${back.pathname.replace('/admin', '')}${back.search}`, { cookie: sent })
  return { begun, ended, back, place: ended.headers.get('location'), session: cookieIn(ended, 'tidegate-session') }
}

describe('sign-in with an OpenID Connect provider', () => {
  beforeEach(async () => {
    await fresh()
    provider = await OidcProvider.at(ISSUER, () => nowMs)
    variables = OIDC
    await made('/access/rules', { claim: 'email', value: '*@example.com', role: 'viewer' })
    await made('/access/rules', { claim: 'groups', value: 'platform', role: 'admin' })
  })

  it('is offered where it is set up, and not over plain http in production', async () => {
    const methods = async () => (await ask('GET', '/sign-in', { token: null })).body.methods
    expect(await methods()).toEqual([{ source: 'oidc', name: 'Login', url: '/admin/sign-in/oidc' }])
    variables = { ...OIDC, ALLOW_PRIVATE_ENDPOINTS: 'false' }
    expect(await methods()).toEqual([])
    expect((await ask('GET', '/sign-in/oidc', { token: null })).status).toBe(404)
    variables = { ...OIDC, ...ACCESS }
    expect(await methods()).toHaveLength(2)
  })

  it('leads to a session with the role that the rules give', async () => {
    provider.claims = { ...provider.claims, groups: ['dev', 'platform'] }
    const { place, session } = await signIn()
    expect(place).toBe('/dashboard/')
    expect(session.attributes).toBe(`Max-Age=${LONGEST_MS / 1000}; Path=/; HttpOnly; SameSite=Strict`)
    const me = await ask('GET', '/me', { cookie: session.pair })
    expect(me.body).toMatchObject({
      who: 'ann@example.com',
      by: 'session',
      role: 'admin',
      scope: { kind: 'deployment' },
    })
    expect((await ask('GET', '/audit?what=sessions.begin')).body.rows[0]).toMatchObject({
      who: 'ann@example.com',
      actor: 'oidc:user-1',
      address: '203.0.113.1',
    })
    const kept = JSON.stringify((await env.DB.prepare(`SELECT * FROM sessions`).all()).results)
    expect(kept).not.toContain(session.pair.split('=')[1])
  })

  it('in production binds the cookies to the host and to https', async () => {
    variables = { ...OIDC, ENVIRONMENT: 'production' }
    const begun = await ask('GET', '/sign-in/oidc', { token: null })
    expect(begun.headers.getSetCookie().join()).toMatch(
      /^__Host-tidegate-sign-in=\S+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    )
  })

  it.each<Fault>([
    'alg-none',
    'another-client',
    'another-issuer',
    'expired',
    'foreign-key',
    'of-the-future',
    'secret-signed',
    'several-clients',
    'wrong-aud',
    'wrong-nonce',
  ])('takes no token that is %s', async (fault) => {
    provider.fault = fault
    const { place, session } = await signIn()
    expect(place).toBe('/dashboard/?sign-in=unverified')
    expect(session.pair).toBe('')
    provider.fault = null
    expect((await signIn()).place).toBe('/dashboard/')
  })

  it('knows a key that the provider has changed to, and no longer the one before', async () => {
    const old = await signIn()
    expect(old.place).toBe('/dashboard/')
    await provider.rotateKeys()
    expect((await signIn()).place).toBe('/dashboard/')
  })

  it('takes an answer only for what this browser asked, once, from that provider', async () => {
    expect((await signIn((back) => [back, ''])).place).toBe('/dashboard/?sign-in=expired')
    expect(
      (await signIn((back, cookie) => (back.searchParams.set('state', 'x'.repeat(43)), [back, cookie]))).place,
    ).toBe('/dashboard/?sign-in=expired')
    expect(
      (await signIn((back, cookie) => (back.searchParams.set('iss', 'http://evil.test'), [back, cookie]))).place,
    ).toBe('/dashboard/?sign-in=unverified')
    expect(
      (
        await signIn(
          (back, cookie) => (
            back.searchParams.delete('code'),
            back.searchParams.set('error', 'access_denied'),
            [back, cookie]
          ),
        )
      ).place,
    ).toBe('/dashboard/?sign-in=denied')
    // Somebody else's code, with a verifier that isn't its own.
    let stolen: URL | null = null
    await signIn((back, cookie) => ((stolen = back), [new URL(back.href.replace(/code=[^&]*/, 'code=none')), cookie]))
    const other = stolen === null ? '' : new URL(stolen).searchParams.get('code')
    expect((await signIn((back, cookie) => (back.searchParams.set('code', other ?? ''), [back, cookie]))).place).toBe(
      '/dashboard/?sign-in=unavailable',
    )
    // The same answer again.
    const once = await signIn()
    const cookie = cookieIn(once.begun, 'tidegate-sign-in').pair
    const again = await ask('GET', `/sign-in/callback${once.back.search}`, { cookie })
    expect(again.headers.get('location')).toBe('/dashboard/?sign-in=unavailable')
    expect(cookieIn(once.ended, 'tidegate-sign-in').attributes).toContain('Max-Age=0')
  })

  it('turns away who has no role, and believes no address that nobody has verified', async () => {
    for (const claims of [
      { email: 'eve@evil.com', email_verified: true },
      { email: 'ann@example.com' },
      { email: 'ann@example.com', email_verified: false },
    ]) {
      provider.claims = { sub: 'user-2', ...claims }
      expect((await signIn()).place, JSON.stringify(claims)).toBe('/dashboard/?sign-in=no-role')
    }
    variables = { ...OIDC, OIDC_TRUST_EMAIL: 'true' }
    expect((await signIn()).place, 'said to be false').toBe('/dashboard/?sign-in=no-role')
    provider.claims = { sub: 'user-2', email: 'ann@example.com' }
    expect((await signIn()).place).toBe('/dashboard/')
    expect((await env.DB.prepare(`SELECT count(*) AS n FROM sessions`).first<{ n: number }>())?.n).toBe(1)
  })

  it('tells when the provider can’t be asked, or is another than it was', async () => {
    variables = { ...OIDC, OIDC_ISSUER: `${ISSUER}/` }
    expect((await ask('GET', '/sign-in/oidc', { token: null })).headers.get('location')).toBe(
      '/dashboard/?sign-in=unavailable',
    )
    variables = { ...OIDC, OIDC_CLIENT_SECRET: 'another' }
    expect((await signIn()).place).toBe('/dashboard/?sign-in=unavailable')
  })
})

describe('a session', () => {
  let cookie: string
  let csrf: string
  beforeEach(async () => {
    await fresh()
    provider = await OidcProvider.at(ISSUER, () => nowMs)
    variables = OIDC
    await made('/access/rules', { claim: 'email', value: 'ann@example.com', role: 'admin' })
    cookie = (await signIn()).session.pair
    csrf = (await ask('GET', '/me', { cookie })).body.csrf
  })
  const change = (headers: Readonly<Record<string, string>>) => ask('POST', '/publish', { cookie, headers })

  it('changes something only from the dashboard’s own origin, and with its word', async () => {
    const word = { 'x-tidegate-csrf': csrf }
    expect((await change({ origin: ORIGIN, ...word })).status).toBe(200)
    for (const headers of [
      {},
      { origin: ORIGIN },
      word,
      { origin: 'https://evil.test', ...word },
      { origin: 'null', ...word },
      { origin: ORIGIN, 'x-tidegate-csrf': 'x' },
    ]) {
      expect(await change(headers), JSON.stringify(headers)).toMatchObject({
        status: 403,
        body: { error: { code: 'forged' } },
      })
    }
    expect((await ask('GET', '/keys', { cookie })).status, 'reading needs none').toBe(200)
  })

  it('ends an hour after its last use, and twelve hours after it began', async () => {
    nowMs += IDLE_MS - 1
    expect((await ask('GET', '/me', { cookie })).status).toBe(200)
    nowMs += IDLE_MS - 1
    expect((await ask('GET', '/me', { cookie })).status, 'its use was noted').toBe(200)
    nowMs += IDLE_MS
    expect((await ask('GET', '/me', { cookie })).status).toBe(401)
    cookie = (await signIn()).session.pair
    const begunMs = nowMs
    for (; nowMs < begunMs + LONGEST_MS; nowMs += IDLE_MS / 2)
      expect((await ask('GET', '/me', { cookie })).status).toBe(200)
    expect((await ask('GET', '/me', { cookie })).status).toBe(401)
  })

  it('has nothing more the moment that its rule is gone or it is revoked', async () => {
    const [rule] = (await ask('GET', '/access/rules')).body.rows
    expect((await ask('DELETE', `/access/rules/${String(rule?.['id'])}`)).status).toBe(204)
    expect((await ask('GET', '/keys', { cookie })).status).toBe(401)
    await made('/access/rules', { claim: 'email', value: 'ann@example.com', role: 'viewer' })
    expect((await ask('GET', '/me', { cookie })).body).toMatchObject({ role: 'viewer' })
    const [session] = (await ask('GET', '/access/sessions')).body.rows
    expect(session).toMatchObject({ who: 'ann@example.com', role: 'viewer', is_own: false, address: '203.0.113.1' })
    expect((await ask('DELETE', `/access/sessions/${String(session?.['id'])}`)).status).toBe(204)
    expect((await ask('GET', '/keys', { cookie })).status).toBe(401)
  })

  it('is another one after every sign-in, whatever the browser had before, and is over when its reader leaves', async () => {
    const begun = await ask('GET', '/sign-in/oidc', { cookie })
    expect(begun.status).toBe(303)
    expect((await ask('GET', '/me', { cookie })).status, 'over with the next sign-in').toBe(401)
    const planted = `tidegate-session=${'a'.repeat(43)}`
    const { session } = await signIn((back, own) => [back, `${own}; ${planted}`])
    expect(session.pair).not.toBe(planted)
    expect((await ask('GET', '/me', { cookie: planted })).status).toBe(401)
    const word = (await ask('GET', '/me', { cookie: session.pair })).body.csrf
    const left = await ask('POST', '/sign-out', {
      cookie: session.pair,
      headers: { origin: ORIGIN, 'x-tidegate-csrf': word },
    })
    expect(left.status).toBe(204)
    expect(cookieIn(left, 'tidegate-session').attributes).toContain('Max-Age=0')
    expect((await ask('GET', '/me', { cookie: session.pair })).status).toBe(401)
  })

  it('of others is seen and ended by those who look after everything, and by nobody with less than it', async () => {
    await made('/access/rules', { claim: 'email', value: 'own@example.com', role: 'owner' })
    provider.claims = { sub: 'user-9', email: 'own@example.com', email_verified: true }
    await signIn()
    const listed = async (token: string) =>
      (await ask('GET', '/access/sessions', { token })).body.rows.map((row) => row['who'])
    const tokenOf = async (role: Role) => (await made('/access/tokens', { name: role, role })).token
    expect((await listed(ADMIN_TOKEN)).toSorted()).toEqual(['ann@example.com', 'own@example.com'])
    expect(await listed(await tokenOf('admin'))).toEqual(['ann@example.com'])
    expect(await listed(await tokenOf('viewer'))).toEqual([])
    expect((await ask('GET', '/access/sessions', { cookie })).body.rows).toMatchObject([{ is_own: true }])
    const owners = await env.DB.prepare(`SELECT id FROM sessions WHERE who = 'own@example.com'`).first<{ id: string }>()
    const admins = { token: await tokenOf('admin') }
    expect((await ask('DELETE', `/access/sessions/${owners?.id ?? ''}`, admins)).status).toBe(404)
  })
})

describe('sign-in with Cloudflare Access', () => {
  beforeEach(async () => {
    await fresh()
    provider = await OidcProvider.at(ISSUER, () => nowMs)
    variables = ACCESS
    await made('/tenants', { name: 'acme' })
    await made('/access/rules', {
      claim: 'email',
      value: '*@example.com',
      role: 'viewer',
      tenant: 'acme',
      source: 'access',
    })
    await made('/access/rules', { claim: 'groups', value: 'platform', role: 'owner', source: 'access' })
  })
  const enter = async (assertion: string | null) =>
    ask('GET', '/sign-in/access', {
      token: null,
      headers: assertion === null ? {} : { 'cf-access-jwt-assertion': assertion },
    })

  it('leads to a session with the role that the rules give', async () => {
    const entered = await enter(await provider.assertion({ sub: 'u', email: 'ann@example.com' }))
    expect(entered.headers.get('location')).toBe('/dashboard/')
    const me = await ask('GET', '/me', { cookie: cookieIn(entered, 'tidegate-session').pair })
    expect(me.body).toMatchObject({ who: 'ann@example.com', role: 'viewer', scope: { kind: 'tenant' } })
    const owner = await enter(await provider.assertion({ sub: 'u', email: 'x@y.z', custom: { groups: ['platform'] } }))
    expect((await ask('GET', '/me', { cookie: cookieIn(owner, 'tidegate-session').pair })).body.role).toBe('owner')
  })

  it('takes nothing that Access hasn’t signed for this application, and no service', async () => {
    const person = { sub: 'u', email: 'ann@example.com' }
    expect((await enter(null)).headers.get('location')).toBe('/dashboard/?sign-in=not-behind-access')
    expect((await enter('a.b.c')).headers.get('location')).toBe('/dashboard/?sign-in=unverified')
    expect((await enter(await provider.assertion({ sub: '', common_name: 'service' }))).headers.get('location')).toBe(
      '/dashboard/?sign-in=unverified',
    )
    for (const fault of ['wrong-aud', 'expired', 'foreign-key', 'alg-none', 'another-issuer'] as const) {
      provider.fault = fault
      expect((await enter(await provider.assertion(person))).headers.get('location'), fault).toBe(
        '/dashboard/?sign-in=unverified',
      )
    }
  })
})
