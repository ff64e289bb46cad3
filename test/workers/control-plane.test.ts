// The admin API on real D1, KV and limiter objects: closed to strangers, exact about mistakes, and published when it is done.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { findCapabilities } from '../../src/catalog/models.ts'
import type { KeyRecord, RoutingSnapshot, Target, TenantRecord } from '../../src/core/directory.ts'
import type { LimiterConfig } from '../../src/core/limits/limits.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'
import { parseVirtualKey } from '../../src/core/virtual-key.ts'
import { createAdmin } from '../../src/control-plane/admin.ts'
import type { ProbeResult } from '../../src/control-plane/ports.ts'
import type { ApiOverview, ApiRequests, ApiUsage } from '../../src/dashboard/api-types.ts'
import { applyBatch } from '../../src/ledger/apply-batch.ts'
import { readBatch } from '../../src/ledger/read-batch.ts'
import { usageEvent } from '../support/usage-events.ts'

const TOKEN = 'admin-token-of-the-tests'
const PEPPER = 'pepper-of-the-tests'
const TABLES = ['routes', 'targets', 'virtual_keys', 'teams', 'tenants', 'applied', 'usage_events', 'usage_hourly']
const GOOD: ProbeResult = { ok: true, status: 200, latencyMs: 12, saw: 'ok' }

let probed: Target[]
let probeAnswer: ProbeResult | Error
let limiterCalls: { readonly tenantId: string; readonly call: string; readonly value: unknown }[]
let limiterFails: boolean
let variables: Record<string, unknown>
let laterMs: number

const admin = createAdmin({
  services: ['SIMULATED'],
  nowMs: () => Date.now() + laterMs,
  probe: async (target) => {
    probed.push(target)
    if (probeAnswer instanceof Error) throw probeAnswer
    return probeAnswer
  },
})
const app = new Hono().route('/admin', admin)

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(async () => {
  await env.DB.batch(TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
  const { keys } = await env.DIRECTORY.list()
  await Promise.all(keys.map(({ name }) => env.DIRECTORY.delete(name)))
  probed = []
  probeAnswer = GOOD
  limiterCalls = []
  limiterFails = false
  laterMs = 0
  variables = {
    ADMIN_TOKEN: TOKEN,
    KEY_PEPPER: PEPPER,
    ENVIRONMENT: 'local',
    OPENAI_API_KEY: 'sk-provider',
    SIMULATED_API_KEY: 'any',
  }
})

describe('access', () => {
  it('is closed until a token of at least 16 characters is set', async () => {
    for (const ADMIN_TOKEN of [undefined, '', 'fifteen-letters']) {
      variables = { ...variables, ADMIN_TOKEN }
      const answer = await call('GET', '/overview', undefined, { authorization: `Bearer ${ADMIN_TOKEN ?? ''}` })
      expect(answer).toMatchObject({ status: 503, body: { error: { code: 'admin_closed' } } })
    }
  })

  it('answers every wrong token alike', async () => {
    const wrong = [
      '',
      'Bearer',
      'Bearer x',
      `Bearer ${TOKEN}x`,
      `Bearer ${TOKEN.slice(0, -1)}`,
      `Basic ${TOKEN}`,
      TOKEN,
    ]
    const answers = await Promise.all(
      wrong.map((authorization) => call('POST', '/tenants', { name: 'a' }, { authorization })),
    )
    for (const answer of answers) expect(answer).toEqual(answers[0])
    expect(answers[0]).toMatchObject({ status: 401, body: { error: { code: 'unauthorized', field: null } } })
  })

  it('knows what it does not have', async () => {
    expect(await call('GET', '/nothing')).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })
    for (const what of ['tenants', 'teams', 'keys', 'targets', 'routes']) {
      expect(await call('GET', `/${what}/none`)).toMatchObject({ status: 404, body: { error: { code: 'not_found' } } })
      expect(await call('DELETE', `/${what}/none`)).toMatchObject({ status: 404 })
    }
  })

  it('refuses a body over one MiB, one that is no JSON, and one not declared as JSON', async () => {
    const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
    expect(await send('POST', '/tenants', JSON.stringify({ name: 'x'.repeat(1_048_576) }), headers)).toMatchObject({
      status: 413,
    })
    expect(await send('POST', '/tenants', '{"name":', headers)).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_json' } },
    })
    expect(await send('POST', '/tenants', '{"name":"a"}', { ...headers, 'content-type': 'text/plain' })).toMatchObject({
      status: 415,
    })
  })
})

describe('validation', () => {
  const tenant = { tenant: 't', name: 'n' }
  const target = { provider: 'openai', model: 'gpt-4o' }
  it.each([
    ['/tenants', {}, 'name'],
    ['/tenants', { name: '' }, 'name'],
    ['/tenants', { name: 'a\nb' }, 'name'],
    ['/tenants', { name: 'a', color: 'red' }, 'color'],
    ['/tenants', { name: 'a', limits: { tokens_per_minuet: 5 } }, 'limits.tokens_per_minuet'],
    ['/tenants', { name: 'a', limits: { tokens_per_minute: 0 } }, 'limits.tokens_per_minute'],
    ['/tenants', { name: 'a', limits: { tokens_per_minute: 1.5 } }, 'limits.tokens_per_minute'],
    ['/tenants', { name: 'a', limits: { burst_tokens: 10 } }, 'limits.burst_tokens'],
    ['/tenants', { name: 'a', limits: { budget: { amount_usd: 12.5, period: 'day' } } }, 'limits.budget.amount_usd'],
    ['/tenants', { name: 'a', limits: { budget: { amount_usd: '-1', period: 'day' } } }, 'limits.budget.amount_usd'],
    ['/tenants', { name: 'a', limits: { budget: { amount_usd: '1e3', period: 'day' } } }, 'limits.budget.amount_usd'],
    [
      '/tenants',
      { name: 'a', limits: { budget: { amount_usd: '9000000.01', period: 'day' } } },
      'limits.budget.amount_usd',
    ],
    ['/tenants', { name: 'a', limits: { budget: { amount_usd: '1', period: 'year' } } }, 'limits.budget.period'],
    ['/tenants', { name: 'a', limits: { budget: { amount_usd: '1' } } }, 'limits.budget.period'],
    ['/tenants', { name: 'a', cache: { mode: 'sometimes' } }, 'cache.mode'],
    ['/tenants', { name: 'a', cache: { mode: 'all', ttl_seconds: 5 } }, 'cache.ttl_seconds'],
    ['/tenants', { name: 'a', time_zone: 'Mars/Olympus' }, 'time_zone'],
    ['/teams', { name: 'a' }, 'tenant'],
    ['/teams', { tenant: 'none', name: 'a' }, 'tenant'],
    ['/keys', { ...tenant, tenant: 'none' }, 'tenant'],
    ['/keys', { ...tenant, tags: ['a', 5] }, 'tags[1]'],
    ['/keys', { ...tenant, models: ['gpt*4'] }, 'models[0]'],
    ['/keys', { ...tenant, expires_at: 'tomorrow' }, 'expires_at'],
    ['/keys', { ...tenant, expires_at: '2027-01-31' }, 'expires_at'],
    ['/targets', { ...target, provider: 'nobody' }, 'provider'],
    ['/targets', { provider: 'openai' }, 'model'],
    ['/targets', { ...target, model: 'gpt-*' }, 'model'],
    ['/targets', { ...target, id: '../x' }, 'id'],
    ['/targets', { ...target, max_retries: 6 }, 'max_retries'],
    ['/targets', { ...target, dialect: 'morse' }, 'dialect'],
    ['/targets', { ...target, timeouts: { idle_ms: 0 } }, 'timeouts.idle_ms'],
    ['/targets', { ...target, timeouts: { total_ms: 10 } }, 'timeouts.total_ms'],
    ['/targets', { ...target, credential: 'ADMIN_TOKEN' }, 'credential'],
    ['/targets', { ...target, credential: 'KEY_PEPPER' }, 'credential'],
    ['/targets', { ...target, credential: 'MISSING_API_KEY' }, 'credential'],
    ['/targets', { ...target, credential: 'UPSTASH_REDIS_REST_TOKEN' }, 'credential'],
    ['/targets', { ...target, credential: 'MISSING_CREDENTIALS' }, 'credential'],
    ['/targets', { ...target, auth: 'basic' }, 'auth'],
    ['/targets', { ...target, auth: 'aws-sigv4', credential: null }, 'credential'],
    ['/targets', { ...target, settings: { regoin: 'eu-west-1' } }, 'settings.regoin'],
    ['/targets', { ...target, settings: { region: 'eu/../x' } }, 'settings.region'],
    ['/targets', { ...target, settings: { api_version: 'a..b' } }, 'settings.api_version'],
    ['/targets', { ...target, settings: { host: 'a@b' } }, 'settings.host'],
    ['/targets', { ...target, provider: 'bedrock-anthropic' }, 'settings.region'],
    ['/targets', { ...target, quirks: ['left-handed'] }, 'quirks[0]'],
    ['/targets', { ...target, capabilities: { vision: 'yes' } }, 'capabilities.vision'],
    ['/targets', { ...target, capabilities: { context_tokens: 0 } }, 'capabilities.context_tokens'],
    ['/targets', { ...target, capabilities: { smell: true } }, 'capabilities.smell'],
    ['/targets', { ...target, max_batch_size: 0 }, 'max_batch_size'],
    ['/targets', { ...target, price: { input_usd_per_million: '1' } }, 'price.output_usd_per_million'],
    [
      '/targets',
      { ...target, price: { input_usd_per_million: '1', output_usd_per_million: '0.0000001' } },
      'price.output_usd_per_million',
    ],
    ['/targets', { ...target, base_url: 'not a url' }, 'base_url'],
    ['/targets', { provider: 'vllm', model: 'x' }, 'base_url'],
    ['/targets', { provider: 'custom', base_url: 'https://llm.example.com/v1', model: '*' }, 'probe_model'],
    ['/routes', { model: 'm' }, 'targets'],
    ['/routes', { model: 'm', targets: [] }, 'targets'],
    ['/routes', { model: 'm', targets: ['none'] }, 'targets[0]'],
    ['/routes', { model: 'a*b', targets: ['t'] }, 'model'],
    ['/routes', { model: 'm', targets: ['t'], tenant: 'none' }, 'tenant'],
  ])('of POST %s %j names %s', async (path, body, field) => {
    const answer = await call('POST', path, body)
    expect(answer).toMatchObject({ status: 422, body: { error: { field } } })
    expect(answer.body.error.message).toContain(field)
    expect(probed).toEqual([])
  })

  it.each([
    ['/usage?from=x', 'from'],
    ['/usage?from=20&to=10', 'from'],
    ['/usage?from=0&to=99999999999999', 'from'],
    ['/usage?group_by=planet', 'group_by'],
    ['/usage?group_by=day,day', 'group_by'],
    ['/usage?groupby=day', 'groupby'],
    ['/requests?limit=0', 'limit'],
    ['/requests?limit=501', 'limit'],
    ['/requests?before=x', 'before'],
    ['/requests?outcome=good', 'outcome'],
    ['/requests?key=', 'key'],
    ['/requests?colour=red', 'colour'],
  ])('of GET %s names %s', async (path, field) => {
    expect(await call('GET', path)).toMatchObject({ status: 422, body: { error: { field } } })
  })

  it('of a body that is no object says so', async () => {
    expect(await call('POST', '/tenants', [])).toMatchObject({
      status: 422,
      body: { error: { field: null, message: 'The body must be a JSON object.' } },
    })
  })
})

describe('tenants and teams', () => {
  it('are made, found by id or name, changed, and deleted when nothing needs them', async () => {
    const limits = { tokens_per_minute: 1000, burst_tokens: 2000, budget: { amount_usd: '12.50', period: 'month' } }
    const made = await call('POST', '/tenants', {
      name: 'acme',
      limits,
      cache: { mode: 'all' },
      time_zone: 'Europe/Berlin',
    })
    expect(made).toMatchObject({
      status: 201,
      body: { name: 'acme', limits, cache: { mode: 'all', ttl_seconds: 3600 }, time_zone: 'Europe/Berlin' },
    })
    expect(await call('POST', '/tenants', { name: 'acme' })).toMatchObject({
      status: 409,
      body: { error: { code: 'exists', field: 'name' } },
    })
    const team = await call('POST', '/teams', { tenant: 'acme', name: 'search' })
    expect(team).toMatchObject({
      status: 201,
      body: { tenant_id: made.body.id, limits: { tokens_per_minute: null, budget: null } },
    })
    expect(await call('POST', '/teams', { tenant: made.body.id, name: 'search' })).toMatchObject({
      status: 409,
      body: { error: { code: 'exists' } },
    })

    const changed = await call('PATCH', '/tenants/acme', {
      name: 'acme inc',
      limits: { budget: null },
      cache: { mode: 'off' },
    })
    expect(changed.body).toMatchObject({
      name: 'acme inc',
      limits: { tokens_per_minute: 1000, budget: null },
      cache: { mode: 'off', ttl_seconds: 3600 },
    })
    expect(await call('GET', `/tenants/${made.body.id}`)).toEqual({ status: 200, body: changed.body })
    expect((await call('GET', '/tenants')).body).toEqual({ rows: [changed.body], next: null })

    expect(await call('DELETE', `/tenants/${made.body.id}`)).toMatchObject({
      status: 409,
      body: { error: { code: 'referenced' } },
    })
    expect(await call('DELETE', `/teams/${team.body.id}`)).toMatchObject({ status: 204 })
    expect(await call('DELETE', `/tenants/${made.body.id}`)).toMatchObject({ status: 204 })
    expect(await directory(`tenant:${made.body.id}`)).toBeNull()
  })

  it('are published to the directory and their whole tree to the limiter, with growing revisions', async () => {
    const tenant = await call('POST', '/tenants', {
      name: 'acme',
      limits: { tokens_per_minute: 100 },
      cache: { mode: 'deterministic', ttl_seconds: 60 },
    })
    const team = await call('POST', '/teams', {
      tenant: 'acme',
      name: 'search',
      limits: { budget: { amount_usd: '0.000000001', period: 'hour' } },
    })
    await call('POST', '/teams', { tenant: 'acme', name: 'unlimited' })
    const record: TenantRecord = {
      v: 1,
      tenantId: tenant.body.id,
      name: 'acme',
      cache: { mode: 'deterministic', ttlSeconds: 60 },
      timeZone: 'UTC',
    }
    expect(await directory(`tenant:${tenant.body.id}`)).toEqual(record)
    const configs = limiterConfigs()
    expect(configs.at(-1)).toMatchObject({
      timeZone: 'UTC',
      nodes: [
        { scope: 'tenant', id: tenant.body.id, limits: [{ kind: 'rate', unit: 'tokens', perMinute: 100 }] },
        { scope: 'team', id: team.body.id, limits: [{ kind: 'budget', amountNanoUsd: 1, period: 'hour' }] },
      ],
      revokedKeyIds: [],
    })
    const revisions = configs.map((config) => config.revision)
    expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b))
  })
})

describe('virtual keys', () => {
  beforeEach(async () => {
    await call('POST', '/tenants', { name: 'acme' })
    await call('POST', '/teams', { tenant: 'acme', name: 'search' })
  })

  it('are shown once, and kept only as a digest that proves them', async () => {
    const made = await call('POST', '/keys', {
      tenant: 'acme',
      team: 'search',
      name: 'web',
      cost_center: 'growth',
      tags: ['a'],
      models: ['gpt-4o', 'claude*'],
      expires_at: '2099-01-31T00:00:00+01:00',
    })
    expect(made).toMatchObject({ status: 201, body: { status: 'active', expires_at_ms: Date.UTC(2099, 0, 30, 23) } })
    const key = parseVirtualKey(made.body.key)
    if (!key.ok) throw new Error(key.error)
    expect(key.value).toMatchObject({ mode: 'test', kid: made.body.kid })
    const record = await directory<KeyRecord>(`key:${key.value.kid}`)
    expect(record).toEqual({
      v: 1,
      keyId: made.body.id,
      kid: key.value.kid,
      tenantId: made.body.tenant_id,
      teamId: made.body.team_id,
      hashes: [{ pepperVersion: 1, hmacHex: await hmac(key.value.secret) }],
      costCenter: 'growth',
      tags: ['a'],
      allowedModels: ['gpt-4o', 'claude*'],
      hasNoBudget: true,
      expiresAtMs: made.body.expires_at_ms,
      revokedAtMs: null,
    })
    const { key: secret, ...view } = made.body
    expect(await call('GET', `/keys/${made.body.id}`)).toEqual({ status: 200, body: view })
    const stored = JSON.stringify([
      await env.DB.prepare('SELECT * FROM virtual_keys').all(),
      (await call('GET', '/overview')).body,
      record,
    ])
    expect(stored).not.toContain(key.value.secret)
    expect(stored).not.toContain(secret)
  })

  it('are live keys in production, and none without a pepper', async () => {
    variables = { ...variables, ENVIRONMENT: 'production' }
    const made = await call('POST', '/keys', { tenant: 'acme', name: 'web' })
    expect(made.body.key).toMatch(/^tg_live_[0-9A-Za-z]{10}_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}$/)
    variables = { ...variables, KEY_PEPPER: '' }
    expect(await call('POST', '/keys', { tenant: 'acme', name: 'web2' })).toMatchObject({
      status: 503,
      body: { error: { code: 'pepper_missing' } },
    })
  })

  it('have a name of their own among the active ones, a known team, and an end in the future', async () => {
    await call('POST', '/keys', { tenant: 'acme', name: 'web' })
    expect(await call('POST', '/keys', { tenant: 'acme', name: 'web' })).toMatchObject({
      status: 409,
      body: { error: { code: 'exists', field: 'name' } },
    })
    expect(await call('POST', '/keys', { tenant: 'acme', name: 'b', team: 'none' })).toMatchObject({
      status: 422,
      body: { error: { field: 'team' } },
    })
    expect(
      await call('POST', '/keys', { tenant: 'acme', name: 'b', expires_at: '2020-01-01T00:00:00Z' }),
    ).toMatchObject({ status: 422, body: { error: { field: 'expires_at' } } })
  })

  it('are changed in the directory and at the limiter', async () => {
    const made = await call('POST', '/keys', { tenant: 'acme', name: 'web', models: ['a'] })
    const changed = await call('PATCH', `/keys/${made.body.id}`, {
      models: [],
      tags: ['x'],
      limits: { tokens_per_minute: 5 },
    })
    expect(changed).toMatchObject({ status: 200, body: { models: [], tags: ['x'], limits: { tokens_per_minute: 5 } } })
    expect(await directory(`key:${made.body.kid}`)).toMatchObject({ allowedModels: [], tags: ['x'] })
    expect(limiterConfigs().at(-1)).toMatchObject({
      nodes: [{ scope: 'key', id: made.body.id, model: null, limits: [{ unit: 'tokens', perMinute: 5 }] }],
    })
  })

  it('are revoked for good: at the limiter, in the directory, under a name that is free again', async () => {
    const made = await call('POST', '/keys', { tenant: 'acme', name: 'web' })
    expect(await call('DELETE', `/keys/${made.body.id}`)).toMatchObject({
      status: 409,
      body: { error: { code: 'active' } },
    })
    const revoked = await call('POST', `/keys/${made.body.id}/revoke`)
    expect(revoked).toMatchObject({ status: 200, body: { status: 'revoked' } })
    expect(limiterCalls).toContainEqual({ tenantId: made.body.tenant_id, call: 'revoke', value: made.body.id })
    expect(limiterConfigs().at(-1)?.revokedKeyIds).toEqual([made.body.id])
    const record = await directory<KeyRecord>(`key:${made.body.kid}`)
    expect(record?.revokedAtMs).toEqual(expect.any(Number))
    await call('POST', `/keys/${made.body.id}/revoke`)
    expect(await directory(`key:${made.body.kid}`)).toEqual(record)
    expect((await call('POST', '/keys', { tenant: 'acme', name: 'web' })).status).toBe(201)
    expect((await call('DELETE', `/keys/${made.body.id}`)).status).toBe(409)
    laterMs = 600_001
    expect((await call('DELETE', `/keys/${made.body.id}`)).status).toBe(204)
    expect(await directory(`key:${made.body.kid}`)).toBeNull()
  })

  it('that can not be published are not created; a revocation is, and says that it has to be published', async () => {
    const made = await call('POST', '/keys', { tenant: 'acme', name: 'web' })
    limiterFails = true
    expect(await call('POST', '/keys', { tenant: 'acme', name: 'b' })).toMatchObject({
      status: 503,
      body: { error: { code: 'publish_failed' } },
    })
    expect((await call('GET', '/keys')).body.rows).toHaveLength(1)
    expect(await call('POST', `/keys/${made.body.id}/revoke`)).toMatchObject({
      status: 503,
      body: { error: { code: 'publish_failed' } },
    })
    expect(await directory(`key:${made.body.kid}`)).toMatchObject({ revokedAtMs: expect.any(Number) })
    limiterFails = false
    expect(await call('POST', '/publish')).toMatchObject({ status: 200, body: { revision: expect.any(Number) } })
    expect(limiterConfigs().at(-1)?.revokedKeyIds).toEqual([made.body.id])
  })
})

describe('targets', () => {
  it('are accepted after a probe, with their price, and published', async () => {
    const made = await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o' })
    expect(made).toMatchObject({
      status: 201,
      body: { id: 'openai-gpt-4o', probe: { ok: true, status: 200, saw: 'ok' } },
    })
    const target: Target = {
      id: 'openai-gpt-4o',
      provider: 'openai',
      dialect: 'openai-chat',
      baseUrl: 'https://api.openai.com/v1',
      model: 'gpt-4o',
      credential: 'OPENAI_API_KEY',
      maxRetries: 1,
      timeouts: { firstContentMs: 120_000, idleMs: 60_000, totalMs: 600_000 },
      maxOutputTokens: 4096,
      price: {
        input: 2_500_000,
        cacheRead: 1_250_000,
        cacheWrite: 2_500_000,
        cacheWriteLong: 2_500_000,
        output: 10_000_000,
        reasoning: 10_000_000,
        audioInput: 2_500_000,
        audioOutput: 10_000_000,
      },
      priceVersion: made.body.price_version,
      costCenter: null,
      quirks: ['no-top-k'],
    }
    expect(probed).toEqual([target])
    const published = { ...target, capabilities: findCapabilities('gpt-4o') }
    expect((await directory<RoutingSnapshot>('routing'))?.targets).toEqual({ 'openai-gpt-4o': published })
    expect(await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o' })).toMatchObject({
      status: 409,
      body: { error: { code: 'exists', field: 'id' } },
    })
    expect((await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o', id: 'second' })).status).toBe(201)
  })

  it.each([
    [{ ok: false, status: 0, latencyMs: 3, saw: 'connection refused' }, 'base_url'],
    [{ ok: false, status: 401, latencyMs: 3, saw: 'Incorrect API key' }, 'credential'],
    [{ ok: false, status: 404, latencyMs: 3, saw: 'The model does not exist' }, 'model'],
    [{ ok: false, status: 500, latencyMs: 3, saw: 'oops' }, null],
    [{ ok: false, status: 0, latencyMs: 3, saw: 'no such key', field: 'credential' }, 'credential'],
    [new Error('Network connection lost.'), 'base_url'],
  ])('are refused with what the probe saw, unless forced: %j', async (answer, field) => {
    probeAnswer = answer
    const refused = await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o' })
    expect(refused).toMatchObject({ status: 422, body: { error: { code: 'probe_failed', field } } })
    expect(refused.body.error.message).toContain(answer instanceof Error ? answer.message : answer.saw)
    expect((await call('GET', '/targets')).body.rows).toEqual([])
    expect(await directory('routing')).toBeNull()
    const forced = await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o', force: true })
    expect(forced).toMatchObject({ status: 201, body: { probe: { ok: false } } })
  })

  it('for every model are probed with one that exists', async () => {
    await call('POST', '/targets', { provider: 'openai', model: '*' })
    await call('POST', '/targets', {
      provider: 'custom',
      base_url: 'https://llm.example.com/v1/',
      model: '*',
      probe_model: 'mine',
    })
    expect(probed.map((target) => target.model)).toEqual(['gpt-4o-mini', 'mine'])
    const snapshot = await directory<RoutingSnapshot>('routing')
    expect(snapshot?.targets).toMatchObject({
      'openai-any': { model: '*', baseUrl: 'https://api.openai.com/v1' },
      'custom-any': { model: '*', baseUrl: 'https://llm.example.com/v1' },
    })
  })

  it.each([
    'http://api.example.com/v1',
    'https://localhost/v1',
    'https://127.0.0.1/v1',
    'https://0x7f000001/v1',
    'https://[::ffff:169.254.169.254]/latest',
    'https://metadata.google.internal/',
    'https://key@api.example.com/v1',
    'service://DB/v1',
    'file:///etc/passwd',
  ])('may not point at %s', async (base_url) => {
    const answer = await call('POST', '/targets', { provider: 'custom', model: 'x', base_url, force: true })
    expect(answer).toMatchObject({ status: 422, body: { error: { code: 'invalid_endpoint', field: 'base_url' } } })
    expect(probed).toEqual([])
  })

  it('may point at private addresses where that is allowed, and at services that are', async () => {
    expect((await call('POST', '/targets', { provider: 'simulated-anthropic', model: 'sim-claude' })).status).toBe(201)
    variables = { ...variables, ALLOW_PRIVATE_ENDPOINTS: 'true' }
    const local = { provider: 'vllm', model: 'qwen', base_url: 'http://127.0.0.1:8000/v1' }
    expect((await call('POST', '/targets', local)).body).toMatchObject({
      price: null,
      price_version: null,
      credential: null,
    })
  })

  it('are probed again when what is called changes, not when only a setting does', async () => {
    await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o', id: 't' })
    probeAnswer = { ok: false, status: 404, latencyMs: 1, saw: 'no such model' }
    const price = { input_usd_per_million: '1', output_usd_per_million: '2.5', cache_read_usd_per_million: '0.1' }
    const settings = await call('PATCH', '/targets/t', {
      max_retries: 0,
      name: 'main',
      price,
      timeouts: { idle_ms: 5 },
    })
    expect(settings).toMatchObject({
      status: 200,
      body: {
        name: 'main',
        max_retries: 0,
        timeouts: { idle_ms: 5, total_ms: 600_000 },
        price: {
          input_pico_usd_per_token: 1_000_000,
          output_pico_usd_per_token: 2_500_000,
          cache_read_pico_usd_per_token: 100_000,
          cache_write_pico_usd_per_token: 1_000_000,
        },
        price_version: expect.stringMatching(/^configured#[0-9a-f]{8}$/),
      },
    })
    expect(probed).toHaveLength(1)
    expect(await call('PATCH', '/targets/t', { model: 'gpt-5' })).toMatchObject({
      status: 422,
      body: { error: { code: 'probe_failed' } },
    })
    expect((await call('GET', '/targets/t')).body.model).toBe('gpt-4o')
    const forced = await call('PATCH', '/targets/t', { model: 'gpt-4o-mini', force: true })
    expect(forced.body).toMatchObject({ model: 'gpt-4o-mini', price: { input_pico_usd_per_token: 150_000 } })
  })
})

describe('routes', () => {
  beforeEach(async () => {
    await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o', id: 'a' })
    await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o-mini', id: 'b' })
  })

  it('are made, changed, published in order, and keep their targets from being deleted', async () => {
    const made = await call('POST', '/routes', { model: 'fast', targets: ['b', 'a'], allowed_gaps: ['seed'] })
    expect(made).toMatchObject({
      status: 201,
      body: { model: 'fast', tenant_id: null, targets: ['b', 'a'], allowed_gaps: ['seed'] },
    })
    expect(await call('POST', '/routes', { model: 'fast', targets: ['a'] })).toMatchObject({
      status: 409,
      body: { error: { code: 'exists', field: 'model' } },
    })
    const doubled = await call('POST', '/routes', { model: 'x', targets: ['a', 'a'] })
    expect(doubled).toMatchObject({ status: 422, body: { error: { field: 'targets' } } })
    const snapshot = await directory<RoutingSnapshot>('routing')
    expect(snapshot?.routes).toEqual([
      { id: made.body.id, model: 'fast', tenantId: null, targets: ['b', 'a'], allowedGaps: ['seed'] },
    ])
    expect(snapshot?.revision).toBe((await call('GET', '/overview')).body.revision)
    expect(await call('DELETE', '/targets/b')).toMatchObject({ status: 409, body: { error: { code: 'referenced' } } })
    expect((await call('PATCH', `/routes/${made.body.id}`, { targets: ['a'] })).body.targets).toEqual(['a'])
    expect((await call('DELETE', '/targets/b')).status).toBe(204)
    expect((await call('DELETE', `/routes/${made.body.id}`)).status).toBe(204)
    expect(await directory('routing')).toMatchObject({ routes: [], targets: { a: {} } })
  })

  it('may be of one tenant beside the one of all', async () => {
    const tenant = await call('POST', '/tenants', { name: 'acme' })
    expect((await call('POST', '/routes', { model: 'fast', targets: ['a'] })).status).toBe(201)
    expect((await call('POST', '/routes', { model: 'fast', targets: ['b'], tenant: 'acme' })).body.tenant_id).toBe(
      tenant.body.id,
    )
    const refused = await call('DELETE', '/tenants/acme')
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'referenced' } } })
  })

  it('made at the same time are all in the last snapshot', async () => {
    const models = Array.from({ length: 8 }, (_, at) => `m${at}`)
    await Promise.all(models.map((model) => call('POST', '/routes', { model, targets: ['a'] })))
    const snapshot = await directory<RoutingSnapshot>('routing')
    expect(snapshot?.routes.map((route) => route.model).sort()).toEqual(models)
  })
})

describe('publishing', () => {
  it('brings everything back into an empty directory', async () => {
    await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o', id: 'a' })
    await call('POST', '/tenants', { name: 'acme', limits: { tokens_per_minute: 7 } })
    for (const name of ['k1', 'k2']) await call('POST', '/keys', { tenant: 'acme', name })
    const names = (await env.DIRECTORY.list()).keys.map(({ name }) => name)
    const values = await Promise.all(names.map((name) => directory<object>(name)))
    expect(names).toHaveLength(4)
    await Promise.all(names.map((name) => env.DIRECTORY.delete(name)))
    const { next, revision } = (await call('POST', '/publish')).body
    expect({ next, revision }).toEqual({ revision: expect.any(Number), next: null })
    const present = { revision, switches: { revision, off: {} } }
    const expected = values.map((value) => (Object.hasOwn(value ?? {}, 'targets') ? { ...value, ...present } : value))
    expect(await Promise.all(names.map((name) => directory(name)))).toEqual(expected)
    expect(limiterConfigs().at(-1)).toMatchObject({ revision, nodes: [{ limits: [{ perMinute: 7 }] }] })
  })

  it('goes on where a page ended', async () => {
    const row = `'Europe/Berlin', 0 FROM generated`
    await env.DB.prepare(
      `WITH RECURSIVE generated (n) AS (SELECT 100 UNION ALL SELECT n + 1 FROM generated WHERE n < 200)
       INSERT INTO tenants (id, name, cache_mode, cache_ttl_seconds, time_zone, created_at_ms) SELECT 'ten_' || n, n, 'off', 60, ${row}`,
    ).run()
    let after: string | null = ''
    for (let page = 0; after !== null && page < 5; page++)
      after = (await call('POST', `/publish?after=${after}`)).body.next
    expect(after).toBeNull()
    expect(limiterConfigs()).toHaveLength(101)
    expect(await directory('tenant:ten_200')).toMatchObject({ timeZone: 'Europe/Berlin' })
  })
})

describe('reports', () => {
  it('show the configuration with live spend, and without it when the limiter is silent', async () => {
    const tenant = await call('POST', '/tenants', {
      name: 'acme',
      limits: { budget: { amount_usd: '5', period: 'day' } },
    })
    await call('POST', '/keys', { tenant: 'acme', name: 'web' })
    const overview = (await call<ApiOverview>('GET', '/overview')).body
    expect(overview).toMatchObject({
      environment: 'local',
      tenants: [
        {
          id: tenant.body.id,
          limits: { tokens_per_minute: null, budget: { amount_usd: '5.00', period: 'day', spent_nano_usd: '0' } },
        },
      ],
      teams: [],
      key_counts: [{ tenant_id: tenant.body.id, team_id: null, count: 1, active: 1 }],
      budget_counts: { all: 1, high: 0, exhausted: 0 },
      targets: [],
      routes: [],
    })
    limiterFails = true
    expect((await call<ApiOverview>('GET', '/overview')).body.tenants[0]?.limits.budget).toEqual({
      amount_usd: '5.00',
      period: 'day',
    })
  })

  it('show usage and requests as the ledger has them', async () => {
    await book(Date.now() - 1000, 1500)
    const usage = (await call<ApiUsage>('GET', '/usage?group_by=day,tenant,model')).body
    expect(usage.rows).toMatchObject([
      { tenant: 'ten_a', model: 'gpt-4o', requests: 1, input_tokens: 10, cost_nano_usd: '1500', saved_nano_usd: '0' },
    ])
    expect(usage.total).toMatchObject({ requests: 1, errors: 0, cache_hits: 0, cost_nano_usd: '1500' })
    const page = (await call<ApiRequests>('GET', '/requests')).body
    expect(page).toMatchObject({
      next: null,
      rows: [
        {
          request_id: 'r1',
          tags: ['t'],
          streamed: false,
          is_final: true,
          cost_nano_usd: '1500',
          ttft_ms: null,
          after_ms: 0,
        },
      ],
    })
    const found = async (query: string) => (await call<ApiRequests>('GET', `/requests?${query}`)).body.rows.length
    expect(await found('tenant=ten_a&tag=t&model=gpt-4o&outcome=ok')).toBe(1)
    expect([await found('tag=u'), await found('outcome=failed'), await found('tenant=ten_b')]).toEqual([0, 0, 0])
  })
})

interface Answer<Body> {
  readonly status: number
  readonly body: Body
}

/** The fields of the API's answers that tests look at one by one. Which of them there are differs by endpoint. */
interface AnyBody {
  readonly error: { readonly message: string; readonly code: string; readonly field: string | null }
  readonly id: string
  readonly kid: string
  readonly key: string
  readonly model: string
  readonly tenant_id: string
  readonly team_id: string | null
  readonly expires_at_ms: number
  readonly price_version: string
  readonly revision: number
  readonly next: string | null
  readonly targets: readonly string[]
  readonly rows: readonly unknown[]
}

function call<Body = AnyBody>(
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer<Body>> {
  const all = {
    authorization: `Bearer ${TOKEN}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...headers,
  }
  return send(method, path, body === undefined ? null : JSON.stringify(body), all)
}

async function send<Body = AnyBody>(
  method: string,
  path: string,
  body: string | null,
  headers: Record<string, string>,
): Promise<Answer<Body>> {
  const bindings = { DB: env.DB, DIRECTORY: env.DIRECTORY, TENANT_LIMITER: limiterNamespace(), ...variables }
  const response = await app.request(`/admin${path}`, { method, headers, body }, bindings)
  const text = await response.text()
  return { status: response.status, body: text === '' ? null : JSON.parse(text) }
}

/** The real limiter objects, with a note of what they are told, and a switch that makes them unreachable. */
function limiterNamespace() {
  const tell = async <T>(tenantId: string, name: string, value: unknown, ask: () => Promise<T>): Promise<T> => {
    if (limiterFails) throw new Error('object is overloaded')
    limiterCalls.push({ tenantId, call: name, value })
    return ask()
  }
  return {
    idFromName: (name: string) => name,
    get: (tenantId: string) => {
      const object = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId))
      return {
        hasLimits: () => object.hasLimits(),
        configure: (config: LimiterConfig) => tell(tenantId, 'configure', config, () => object.configure(config)),
        revoke: (keyId: string) => tell(tenantId, 'revoke', keyId, () => object.revoke(keyId)),
        live: () => tell(tenantId, 'live', null, () => object.live()),
      }
    },
  }
}

function limiterConfigs(): LimiterConfig[] {
  return limiterCalls.flatMap(({ call: name, value }) => (name === 'configure' ? [value as LimiterConfig] : []))
}

function directory<Record>(name: string): Promise<Record | null> {
  return env.DIRECTORY.get<Record>(name, 'json')
}

async function hmac(secret: string): Promise<string> {
  const text = new TextEncoder()
  const algorithm = { name: 'HMAC', hash: 'SHA-256' }
  const key = await crypto.subtle.importKey('raw', text.encode(PEPPER), algorithm, false, ['sign'])
  const digest = new Uint8Array(await crypto.subtle.sign('HMAC', key, text.encode(secret)))
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

async function book(startedAtMs: number, costNanoUsd: number): Promise<void> {
  const event = usageEvent('r1', {
    startedAtMs,
    tenantId: 'ten_a',
    keyId: 'key_1',
    tags: ['t'],
    requestedModel: 'fast',
    route: 'route_1',
    targetId: 't',
    provider: 'openai',
    model: 'gpt-4o',
    cache: 'miss',
    usage: { ...NO_USAGE, input: 10 },
    costNanoUsd,
    latencyMs: 5,
  })
  const message = readBatch({ v: 1, tenantId: 'ten_a', outboxId: 1, events: JSON.stringify([event]) })
  if (!message.ok) throw new Error(message.error)
  expect(await applyBatch(env.DB, message.value, 0)).toEqual({ kind: 'applied' })
}
