// The configuration as one document, on real D1, KV and limiter objects: applied wholly or not at all, gone back to, and taken
// back by itself where it fails.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { takeBack } from '../../src/control-plane/configuration/watch.ts'
import type { RevisionFinding } from '../../src/core/routing/canary.ts'
import { type KeyRecord, type RoutingSnapshot, directoryKeyName } from '../../src/core/directory.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { parseVirtualKey } from '../../src/core/virtual-key.ts'
import { endWatches } from '../../src/ledger/configuration-watch.ts'
import { consumeQueue } from '../../src/usage-consumer.ts'
import { emptied } from '../support/admin-api.ts'
import { usageEvent } from '../support/usage-events.ts'

const TOKEN = 'admin-token-of-the-tests'

/** As much of the admin API's answers as is looked at. */
interface Body {
  readonly id: string
  readonly revision: number
  readonly document: Readonly<Record<string, unknown>>
  readonly changes: readonly {
    readonly action: string
    readonly section: string
    readonly name: string
    readonly fields: unknown
  }[]
  readonly problems: readonly { readonly field: string | null; readonly code: string }[]
  readonly keys: readonly { readonly id: string; readonly key: string }[]
  readonly rows: readonly Readonly<Record<string, unknown>>[]
  readonly error: { readonly code: string; readonly field: string | null }
  readonly [more: string]: unknown
}

const probe = async ({ baseUrl }: { readonly baseUrl: string }) => {
  const isThere = !baseUrl.includes('nowhere')
  return { ok: isThere, status: isThere ? 200 : 0, latencyMs: 1, saw: isThere ? 'ok' : 'refused' }
}
let laterMs = 0
const app = new Hono().route('/admin', createAdmin({ services: [], nowMs: () => Date.now() + laterMs, probe }))

async function call(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ readonly status: number; readonly body: Body }> {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }
  const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) }
  const response = await app.request(`/admin${path}`, init, { ...env, OPENAI_API_KEY: 'sk-provider' })
  const text = await response.text()
  return { status: response.status, body: JSON.parse(text === '' ? 'null' : text) }
}

const at = async () => (await call('GET', '/configuration')).body.revision
const exported = async () => (await call('GET', '/configuration')).body.document
const plan = (document: unknown, more: object = {}) => call('POST', '/configuration/plan', { document, ...more })

/** Applies a document to the present revision; throws with the answer where it isn't taken. */
async function apply(document: unknown, more: object = {}): Promise<Body> {
  const answer = await call('POST', '/configuration/apply', { document, expected_revision: await at(), ...more })
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
  return answer.body
}

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(() => {
  laterMs = 0
  return emptied(
    ...[
      'routes',
      'targets',
      'credentials',
      'virtual_keys',
      'teams',
      'prices',
      'alert_rules',
      'alert_channels',
      'switches',
      'tenants',
    ],
    ...['configuration_revisions', 'configuration_revision_parts', 'configuration_watches', 'alerts', 'applied'],
    ...['configuration_watch_targets'],
    ...['usage_events', 'usage_hourly', 'end_users', 'presets', 'api_tokens', 'idempotent_answers'],
  )
})

const WHOLE = {
  tenants: [{ name: 'acme', limits: { budget: { amount_usd: '100.00', period: 'month' } }, cache: { mode: 'all' } }],
  teams: [{ tenant: 'acme', name: 'search', limits: { tokens_per_minute: 1000 } }],
  keys: [{ tenant: 'acme', team: 'search', name: 'app', tags: ['web'], models: ['chat'] }],
  targets: [
    { id: 'main', provider: 'openai', model: 'gpt-4o', max_retries: 2 },
    {
      id: 'canary',
      provider: 'openai',
      model: 'gpt-4o-mini',
      price: { input_usd_per_million: '1.50', output_usd_per_million: '6' },
    },
  ],
  routes: [
    {
      model: 'chat',
      group: {
        strategy: 'weighted',
        members: [
          { target: 'main', weight: 9 },
          { target: 'canary', ramp: { to: 1, over_minutes: 60 } },
        ],
      },
    },
  ],
  prices: [
    { provider: 'openai', model: 'gpt-4o', tenant: 'acme', from: '2026-01-01T00:00:00Z', adjust_percent: '-12.5' },
  ],
  alert_channels: [
    { kind: 'email', name: 'ops', address: 'ops@example.com', tenants: ['acme'], teams: ['acme/search'] },
  ],
  alert_rules: [
    { error_rate: { percent: 20, min_calls: 5 } },
    { tenant: 'acme', anomaly: { factor: 3, min_usd: '2.00' } },
  ],
  switches: [{ kind: 'model', id: 'old-model', off: true, reason: 'gone' }],
}

describe('a document', () => {
  it('is applied as one revision, and applied again changes nothing', async () => {
    const before = await at()
    const applied = await apply(WHOLE)
    expect(applied).toMatchObject({ revision: before + 1, is_published: true })
    expect(await at()).toBe(before + 1)
    expect(applied.changes.map(({ action, section, name }) => `${action} ${section} ${name}`)).toEqual([
      'create tenants acme',
      'create teams acme/search',
      'create targets canary',
      'create targets main',
      'create keys acme/app',
      'create routes chat',
      'create prices openai/gpt-4o (acme) 2026-01-01T00:00:00.000Z',
      'create alert_channels ops',
      'create alert_rules everybody',
      'create alert_rules acme',
      'create switches model old-model',
    ])
    const snapshot = await env.DIRECTORY.get<RoutingSnapshot>('routing', 'json')
    expect(snapshot).toMatchObject({ revision: before + 1, switches: { off: { model: ['old-model'] } } })
    expect(Object.keys(snapshot?.targets ?? {}).toSorted()).toEqual(['canary', 'main'])
    expect((await plan(WHOLE)).body.changes).toEqual([])
    expect(await apply(WHOLE)).toMatchObject({ revision: before + 1, changes: [] })
    // A ramp that is under way goes on.
    const choice = () => env.DB.prepare(`SELECT choice FROM routes`).first('choice')
    const begun = await choice()
    await apply({ ...WHOLE, routes: [{ ...WHOLE.routes[0], allowed_gaps: ['tools'] }] })
    expect(await choice()).toBe(begun)
    // Each thing has its entry, and each change of them all one more.
    const { rows } = (await call('GET', '/audit?limit=20')).body
    expect(rows.map(({ what }) => what)).toContain('configuration.apply')
    expect(rows.map(({ what }) => what)).toContain('tenants.create')
    expect(rows.filter(({ what }) => what === 'configuration.apply')).toHaveLength(2)
  })

  it('mints the keys that it names, whose secrets are told once and are nowhere else', async () => {
    const { keys } = await apply(WHOLE)
    expect(keys).toMatchObject([{ tenant: 'acme', name: 'app' }])
    const minted = parseVirtualKey(keys[0]?.key ?? '')
    if (!minted.ok) throw new Error(minted.error)
    const record = await env.DIRECTORY.get<KeyRecord>(directoryKeyName(minted.value.kid), 'json')
    expect(record?.keyId).toBe(keys[0]?.id)
    const told = JSON.stringify([
      await exported(),
      (await call('GET', '/configuration/revisions/' + (await at()))).body,
    ])
    expect(told).not.toContain(keys[0]?.key)
    expect(told).not.toContain('hmac')
    expect((await apply(WHOLE)).keys).toEqual([])
  })
})

describe('what a file leaves out', () => {
  it('of a thing is as usual, of a section is left alone, and goes only where it is pruned', async () => {
    await apply(WHOLE)
    const smaller = {
      tenants: [{ name: 'acme' }],
      targets: WHOLE.targets.slice(0, 1),
      routes: [{ model: 'chat', targets: ['main'] }],
    }
    const { changes } = (await plan(smaller)).body
    expect(changes.map(({ action, section, name }) => `${action} ${section} ${name}`)).toEqual([
      'update tenants acme',
      'update routes chat',
    ])
    expect(changes[0]?.fields).toEqual([
      { field: 'limits', before: { budget: { amount_usd: '100.00', period: 'month' } } },
      { field: 'cache', before: { mode: 'all', ttl_seconds: 3600 } },
    ])
    const pruned = (await plan(smaller, { prune: true })).body.changes
    expect(pruned.filter(({ action }) => action === 'delete').map(({ name }) => name)).toEqual(['canary'])
    const { changes: made } = await apply({ ...smaller, keys: [], prune: true })
    expect(made.filter(({ action }) => action === 'delete').map(({ name }) => name)).toEqual(['canary', 'acme/app'])
    expect((await call('GET', '/switches')).body.rows, 'what is switched off stays so').toHaveLength(1)
    expect((await call('GET', '/keys')).body.rows).toMatchObject([{ name: 'app', status: 'revoked' }])
    const needed = await plan({ tenants: [] }, { prune: true })
    expect(needed).toMatchObject({ status: 422, body: { problems: [{ code: 'referenced' }] } })
  })

  it('is enough in six lines for a model, which is a target and a route', async () => {
    const model = { name: 'llama 70b', backend: 'vllm', endpoint: 'https://models.example/v1' }
    const more = { max_batch_size: 32, cost_center: '4711', max_retries: 0 }
    await apply({ models: [{ ...model, ...more }] })
    expect(await exported()).toMatchObject({
      targets: [
        { id: 'llama-70b', provider: 'vllm', model: 'llama 70b', base_url: 'https://models.example/v1', ...more },
      ],
      routes: [{ model: 'llama 70b', targets: ['llama-70b'] }],
    })
    const wrong = await plan({ models: [{ ...model, endpoint: 'https://10.0.0.1/v1?a' }] })
    expect(wrong.body.problems).toMatchObject([{ field: 'models[0].endpoint', code: 'invalid_endpoint' }])
  })
})

describe('a document that is wrong', () => {
  it('changes nothing at all, and every problem has its field', async () => {
    await apply(WHOLE)
    const [before, published] = [await exported(), await env.DIRECTORY.get('routing')]
    const revision = await at()
    const wrong = [
      [
        'in its fields, each of them',
        { targets: [{ ...WHOLE.targets[0], max_retries: 9 }], routes: [{ model: 'x', target: 'main' }] },
        ['targets[0].max_retries invalid_field', 'routes[0].target unknown_field'],
      ],
      [
        'in what it refers to',
        { routes: [{ model: 'x', group: { members: ['main', 'gone'] } }], teams: [{ tenant: 'who', name: 'x' }] },
        ['teams[0].tenant unknown_tenant', 'routes[0].group.members[1] unknown_target'],
      ],
      [
        'in a target that does not answer',
        {
          targets: [WHOLE.targets[0], { id: 'far', provider: 'vllm', model: 'm', base_url: 'https://nowhere.example' }],
        },
        ['targets[1].base_url probe_failed'],
      ],
      [
        'in a secret that is not there',
        { targets: [{ provider: 'mistral', model: 'm' }] },
        ['targets[0].credential unknown_credential'],
      ],
      [
        'in a target alone, not in the routes that lead to it',
        {
          targets: [{ id: 'new', provider: 'mistral', model: 'm' }],
          models: [{ name: 'own', backend: 'mistral' }],
          routes: [
            { model: 'x', targets: ['new', 'main'] },
            { model: 'y', targets: ['main'], shadow: { target: 'new', percent: 5 } },
          ],
        },
        ['models[0].credential unknown_credential', 'targets[0].credential unknown_credential'],
      ],
      ['by saying a thing twice', { tenants: [{ name: 'acme' }, { name: 'acme' }] }, ['tenants[1] declared_twice']],
    ] as const
    for (const [what, part, problems] of wrong) {
      const answer = await call('POST', '/configuration/apply', { document: part, expected_revision: revision })
      expect(answer.status, what).toBe(422)
      expect(
        answer.body.problems.map(({ field, code }) => `${field} ${code}`),
        what,
      ).toEqual(problems)
    }
    expect([await exported(), await env.DIRECTORY.get('routing'), await at()]).toEqual([before, published, revision])
  })

  it('by its revision, or because it comes second of two at once, changes nothing', async () => {
    await apply(WHOLE)
    const revision = await at()
    const late = { document: { tenants: [{ name: 'late' }] }, expected_revision: revision - 1 }
    expect(await call('POST', '/configuration/apply', late)).toMatchObject({
      status: 409,
      body: { error: { code: 'moved_on' } },
    })
    const both = await Promise.all(
      ['one', 'two'].map((name) =>
        call('POST', '/configuration/apply', { document: { tenants: [{ name }] }, expected_revision: revision }),
      ),
    )
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 409])
    expect(await at()).toBe(revision + 1)
    expect((await call('GET', '/tenants')).body.rows).toHaveLength(2)
  })
})

describe('going back', () => {
  it('restores everything but keys, and names what it leaves', async () => {
    const { revision } = await apply(WHOLE)
    const before = await exported()
    await apply({
      routes: [],
      targets: [],
      prices: [],
      alert_rules: [],
      keys: [{ tenant: 'acme', name: 'second' }],
      prune: true,
    })
    expect((await exported()).routes).toBeUndefined()
    const shown = await call('POST', '/configuration/rollback', {
      revision,
      expected_revision: await at(),
      dry_run: true,
    })
    expect(shown.body.changes.length).toBeGreaterThan(4)
    const back = await call('POST', '/configuration/rollback', {
      revision,
      expected_revision: await at(),
      reason: 'it was better',
    })
    expect(back).toMatchObject({ status: 200, body: { is_published: true } })
    expect(back.body.left).toEqual([
      'The key "app" was revoked since: it stays so. Make another one.',
      'The key "second" was made since: it stays.',
    ])
    const { keys: _were, ...others } = before
    const { keys, ...after } = await exported()
    expect(after).toEqual(others)
    expect(keys).toMatchObject([{ name: 'second' }])
    expect((await env.DIRECTORY.get<RoutingSnapshot>('routing', 'json'))?.routes).toHaveLength(1)
    const { rows } = (await call('GET', '/configuration/revisions')).body
    expect(rows[0]).toMatchObject({
      made_by: 'rollback',
      from_revision: revision,
      reason: 'it was better',
      who: 'ADMIN_TOKEN',
    })
    const against = (await call('GET', `/configuration/revisions/${revision}?against=present`)).body
    expect(against.changes.map(({ section }) => section)).toEqual(['keys', 'keys'])
  })
})

describe('a key that was rotated', () => {
  it('is as its document says, and keeps its secrets when somebody goes back', async () => {
    const { revision, keys } = await apply(WHOLE)
    const id = keys[0]?.id
    const path = `/keys/${id}/rotate`
    const under = { body: { overlap_seconds: 3600 }, headers: { 'idempotency-key': 'k-rotate' } }
    const tag = (await ask('GET', `/keys/${id}`)).headers.get('etag')
    const [first, second] = [await ask('POST', path, under), await ask('POST', path, under)]
    expect([first.status, second.headers.get('idempotent-replayed')]).toEqual([200, 'true'])
    expect(second.text, 'the same secret, not another one').toBe(first.text)
    expect(first.body['key']).toMatch(/^tg_/)
    expect(first.body['old_secrets']).toHaveLength(1)
    const read = await ask('GET', `/keys/${id}`)
    expect(read.headers.get('etag')).not.toBe(tag)
    expect((await plan(WHOLE)).body.changes).toEqual([])
    const back = await call('POST', '/configuration/rollback', { revision, expected_revision: await at() })
    expect(back.body).toMatchObject({ changes: [], left: [] })
    expect((await ask('GET', `/keys/${id}`)).body).toEqual(read.body)
  })
})

describe('a watched revision', () => {
  let outboxId = 0
  const watch = { minutes: 10, max_error_rate: 0.2, min_requests: 10 }

  /** Has the ledger take calls of these targets, some failed, and the gateway do what the consumer finds. What was taken back. */
  async function happened(
    ...calls: readonly (readonly [target: string, all: number, failed: number])[]
  ): Promise<readonly number[]> {
    outboxId += 1
    const events = calls.flatMap(([targetId, all, failed]) =>
      Array.from({ length: all }, (_, index): UsageEvent => {
        const fields = { tenantId: 'ten_x', route: 'other', targetId, startedAtMs: Date.now() }
        return usageEvent(`r${outboxId}-${targetId}-${index}`, {
          ...fields,
          ...(index < failed ? { ending: 'failed', failure: 'server', status: 502 } : {}),
        })
      }),
    )
    const body = { v: 1, tenantId: 'ten_x', outboxId, events: JSON.stringify(events) }
    const message = { id: `m${outboxId}`, body, attempts: 1, ack: () => undefined, retry: () => undefined }
    const batch: unknown = { queue: 'tidegate-usage', messages: [message] }
    if (!isBatch(batch)) throw new Error('no batch')
    const takenBack: number[] = []
    const control = {
      rollBack: async () => false,
      refreshPrices: async () => undefined,
      takeBack: async (finding: RevisionFinding) => {
        takenBack.push(finding.revision)
        return takeBack(env, finding, Date.now())
      },
    }
    await consumeQueue(batch, { ...env, CONTROL: control })
    return takenBack
  }
  const isBatch = (value: unknown): value is MessageBatch<unknown> => typeof value === 'object' && value !== null
  const changed = { targets: [{ ...WHOLE.targets[0], max_retries: 0 }], routes: [{ model: 'chat', targets: ['main'] }] }
  const states = async () => (await call('GET', '/configuration/revisions')).body.rows.map(({ watch: one }) => one)

  it('that fails more than it may, and more than before, is taken back by itself, audited and told', async () => {
    await apply(WHOLE)
    await call('POST', '/alert-channels', {
      kind: 'webhook',
      name: 'hook',
      url: 'https://example.com/x',
      secret_name: 'X_WEBHOOK_SECRET',
    })
    const withChannel = await exported()
    const applied = await apply(changed, { watch })
    expect(applied).toMatchObject({ watch: { minutes: 10, routes: 1, targets: 1 } })
    expect(await happened(['main', 9, 9]), 'too few to say').toEqual([])
    expect(await happened(['other', 50, 50]), 'nothing that it touched').toEqual([])
    // Somebody makes a change of their own meanwhile: it stays.
    await call('POST', '/tenants', { name: 'meanwhile' })
    expect(await happened(['main', 30, 3])).toEqual([applied.revision])
    const { tenants, ...others } = await exported()
    const { tenants: _before, ...was } = withChannel
    expect(others).toEqual(was)
    expect(tenants).toMatchObject([{ name: 'acme' }, { name: 'meanwhile' }])
    expect((await env.DIRECTORY.get<RoutingSnapshot>('routing', 'json'))?.targets.main?.maxRetries).toBe(2)
    const { rows } = (await call('GET', `/audit?subject=revision:${await at()}`)).body
    expect(rows).toMatchObject([
      {
        who: 'configuration watch',
        what: 'configuration.rollback',
        requests: 39,
        detail: { taken_back: applied.revision },
      },
    ])
    expect(rows[0]?.reason).toContain('30.8 % of 39 calls')
    expect((await call('GET', '/alerts')).body.rows).toMatchObject([
      { kind: 'rolled-back', title: `Revision ${applied.revision} of the configuration failed and was taken back` },
    ])
    expect(await states()).toContainEqual(expect.objectContaining({ state: 'rolled-back', requests: 39, failures: 12 }))
    expect(await happened(['main', 50, 50]), 'nobody is watched any more').toEqual([])
  })

  it('of which one target fails is taken back, however much another serves in its place', async () => {
    await apply(WHOLE)
    const { revision } = await apply(changed, { watch })
    expect(await happened(['main', 9, 9]), 'too few to say').toEqual([])
    await env.DB.prepare(`UPDATE configuration_watches SET routes = '["other"]' WHERE revision = ?1`)
      .bind(revision)
      .run()
    expect(await happened(['spare', 900, 0])).toEqual([])
    expect(await happened(['spare', 900, 0], ['main', 1, 1])).toEqual([revision])
    const { rows } = (await call('GET', `/audit?subject=revision:${await at()}`)).body
    expect(rows).toMatchObject([{ detail: { target: 'main' } }])
    expect(rows[0]?.reason).toContain('100.0 % of 10 calls of main, which')
  })

  it('stays where it was as bad before, and is no longer looked at when its time is over', async () => {
    await apply(WHOLE)
    await happened(['main', 20, 12])
    await apply(changed, { watch })
    expect(await happened(['main', 20, 10])).toEqual([])
    await endWatches(env.DB, Date.now() + 13 * 60_000)
    expect(await states()).toContainEqual(expect.objectContaining({ state: 'kept', requests: 20, failures: 10 }))
    expect(await happened(['main', 90, 90])).toEqual([])
  })

  it('of which somebody has changed everything since is left, and people are told', async () => {
    await apply(WHOLE)
    const { revision } = await apply({ targets: [{ ...WHOLE.targets[0], max_retries: 0 }] }, { watch })
    await call('PATCH', '/targets/main', { max_retries: 1 })
    expect(await happened(['main', 20, 20])).toEqual([revision])
    expect((await call('GET', '/targets/main')).body.max_retries).toBe(1)
    expect((await call('GET', '/alerts')).body.rows).toMatchObject([
      { title: `Revision ${revision} of the configuration failed` },
    ])
    expect(await states()).toContainEqual(expect.objectContaining({ state: 'failed' }))
  })

  it('that touches nothing with calls is said not to be watched', async () => {
    expect(await apply({ tenants: [{ name: 'acme' }] }, { watch })).toMatchObject({
      watch: null,
      warnings: [expect.any(String)],
    })
  })
})

interface Asked {
  readonly token?: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** One call, with the headers of its answer. */
async function ask(method: string, path: string, { token = TOKEN, body, headers = {} }: Asked = {}) {
  const sent = { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers }
  const init = { method, headers: sent, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
  const response = await app.request(`/admin${path}`, init, { ...env, OPENAI_API_KEY: 'sk-provider' })
  const text = await response.text()
  const answer: Body = JSON.parse(text === '' ? 'null' : text)
  return { status: response.status, headers: response.headers, text, body: answer }
}

async function made(path: string, body: unknown): Promise<Body> {
  const answer = await ask('POST', path, { body })
  expect(answer.status, answer.text).toBe(201)
  return answer.body
}

describe('a change of what was seen', () => {
  it('is made while it is still that, and refused once it is another, whatever is changed', async () => {
    const tenant = await made('/tenants', { name: 'acme' })
    const team = await made('/teams', { tenant: 'acme', name: 'search' })
    await made('/targets', { provider: 'openai', model: 'gpt-4o', id: 'main' })
    const route = await made('/routes', { model: 'gpt-4o', targets: ['main'] })
    const key = await made('/keys', { tenant: 'acme', name: 'app' })
    await ask('PUT', '/tenants/acme/end-users/ann', { body: { limits: [] } })
    const changes: readonly (readonly [string, string, unknown])[] = [
      [`/tenants/acme`, 'PATCH', { name: 'acme', time_zone: 'Europe/Berlin' }],
      [`/teams/${team.id}`, 'PATCH', { name: 'ads' }],
      [`/targets/main`, 'PATCH', { name: 'The main one' }],
      [`/routes/${route.id}`, 'PATCH', { allowed_gaps: ['thinking'] }],
      [`/keys/${key.id}`, 'PATCH', { name: 'web' }],
      ['/tenants/acme/end-users/ann', 'PUT', { limits: [{ kind: 'concurrency', most: 3 }] }],
      [`/alert-rules/${tenant.id}`, 'PUT', { unknown_price: false }],
      ['/alert-rules', 'PUT', { unknown_price: false }],
    ]
    for (const [path, method, body] of changes) {
      const tag = (await ask('GET', path)).headers.get('etag') ?? ''
      expect(tag, path).toMatch(/^"[0-9a-f]{32}"$/)
      const headers = { 'if-match': `"other", W/${tag}` }
      const changed = await ask(method, path, { body, headers })
      expect(changed.status, changed.text).toBe(200)
      expect(await ask(method, path, { body, headers }), path).toMatchObject({
        status: 412,
        body: { error: { code: 'moved_on', field: 'If-Match' } },
      })
      expect((await ask('GET', path)).headers.get('etag')).not.toBe(tag)
    }
    expect((await ask('DELETE', `/keys/${key.id}`, { headers: { 'if-match': '"old"' } })).status).toBe(412)
    expect((await ask('PATCH', '/teams/none', { body: {}, headers: { 'if-match': '*' } })).status).toBe(412)
    expect((await ask('PATCH', '/tenants/acme', { body: {}, headers: { 'if-match': '*' } })).status).toBe(200)
    const untagged = await ask('PUT', '/prices/pin', { body: { version: null }, headers: { 'if-match': '*' } })
    expect(untagged).toMatchObject({ status: 412, body: { error: { code: 'no_etag' } } })
  })

  it('is made once of several at the same time: the comparison is in the transaction of the change', async () => {
    await made('/tenants', { name: 'acme' })
    const headers = { 'if-match': (await ask('GET', '/tenants/acme')).headers.get('etag') ?? '' }
    const zones = ['Europe/Berlin', 'Asia/Tokyo', 'America/Lima', 'Africa/Cairo']
    const answers = await Promise.all(
      zones.map((zone) => ask('PATCH', '/tenants/acme', { body: { time_zone: zone }, headers })),
    )
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 412, 412, 412])
  })
})

describe('a POST with an Idempotency-Key', () => {
  const body = { name: 'acme' }
  const under = (key: string) => ({ headers: { 'idempotency-key': key } })
  it('is done once, and told again, the secret that it made with it', async () => {
    await made('/tenants', body)
    const asked = { body: { tenant: 'acme', name: 'app' }, ...under('k-1') }
    const [first, second] = [await ask('POST', '/keys', asked), await ask('POST', '/keys', asked)]
    expect([first.status, first.headers.get('idempotent-replayed')]).toEqual([201, null])
    expect([second.status, second.headers.get('idempotent-replayed')]).toEqual([201, 'true'])
    expect(second.text).toBe(first.text)
    expect(first.text).toMatch(/"key":"tg[^"]{20,}"/)
    expect((await ask('GET', '/keys')).body.rows).toHaveLength(1)
    const kept = JSON.stringify((await env.DB.prepare(`SELECT * FROM idempotent_answers`).all()).results)
    expect(kept).not.toContain('k-1')
    expect(kept).not.toContain('acme')
    const other = await ask('POST', '/tenants', { body: { name: 'globex' }, ...under('k-1') })
    expect(other).toMatchObject({ status: 422, body: { error: { code: 'idempotency_key_reused' } } })
  })

  it('is the caller’s own, and another one a day later', async () => {
    const { token } = await made('/access/tokens', { name: 'ci', role: 'admin' })
    expect((await ask('POST', '/tenants', { body, ...under('k') })).status).toBe(201)
    expect((await ask('POST', '/tenants', { body, token: String(token), ...under('k') })).status).toBe(409)
    laterMs = 86_400_000
    expect(await ask('POST', '/tenants', { body, ...under('k') })).toMatchObject({
      status: 409,
      body: { error: { code: 'exists' } },
    })
  })

  it('that was refused may be sent again with the same key', async () => {
    expect((await ask('POST', '/teams', { body: { tenant: 'acme', name: 'a' }, ...under('k') })).status).toBe(422)
    await made('/tenants', body)
    expect((await ask('POST', '/teams', { body: { tenant: 'acme', name: 'a' }, ...under('k') })).status).toBe(201)
    expect((await ask('POST', '/tenants', { body, ...under('not one') })).status).toBe(422)
  })

  it('is refused while the first is under way, and says when nobody knows how that ended', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => ask('POST', '/tenants', { body, ...under('k') })))
    expect(answers.filter(({ headers, status }) => status === 201 && !headers.has('idempotent-replayed'))).toHaveLength(
      1,
    )
    expect((await ask('GET', '/tenants')).body.rows).toHaveLength(1)
    await env.DB.exec(`UPDATE idempotent_answers SET status = NULL, answer = NULL`)
    const codeOf = async () => (await ask('POST', '/tenants', { body, ...under('k') })).body.error.code
    expect(await codeOf()).toBe('in_progress')
    laterMs = 300_000
    expect(await codeOf()).toBe('outcome_unknown')
  })
})

describe('a list', () => {
  it('comes page by page, in its order, also when the row before a page is gone', async () => {
    for (const name of ['a', 'b', 'c', 'd']) {
      laterMs += 1
      await made('/tenants', { name })
    }
    const page = async (query: string) => {
      const { rows, next } = (await ask('GET', `/tenants?${query}`)).body
      return { names: rows.map((row) => row['name']).join(''), next: typeof next === 'string' ? next : '' }
    }
    const first = await page('limit=2')
    expect(first.names).toBe('ab')
    await ask('DELETE', '/tenants/b')
    const second = await page(`limit=1&cursor=${encodeURIComponent(first.next)}`)
    expect(second.names).toBe('c')
    expect(await page(`cursor=${encodeURIComponent(second.next)}`)).toEqual({ names: 'd', next: '' })
    expect((await page('')).names).toBe('acd')
  })

  it.each(['tenants', 'teams', 'keys', 'targets', 'routes', 'presets', 'prices', 'switches', 'alert-channels'])(
    'of %s takes a limit and a cursor and nothing else',
    async (kind) => {
      expect((await ask('GET', `/${kind}?limit=1`)).body).toMatchObject({ rows: [], next: null })
      for (const query of ['limit=0', 'limit=1001', 'cursor=x', 'offset=1']) {
        expect((await ask('GET', `/${kind}?${query}`)).status, query).toBe(422)
      }
    },
  )
})

describe('credentials in a document', () => {
  const VALUE = 'sk-live-0123456789-abcdWXYZ'
  const DOCUMENT = {
    credentials: [
      { name: 'kept', stored: true },
      { name: 'by-name', provider: 'openai', secret: 'OPENAI_API_KEY' },
    ],
    targets: [
      { id: 'one', provider: 'openai', model: 'gpt-4o', credential: 'by-name' },
      { id: 'two', provider: 'openai', model: 'gpt-4o', credentials: ['kept', 'by-name'] },
    ],
  }
  const store = async () => call('POST', '/credentials', { name: 'kept', value: VALUE })
  const snapshot = async () => (await env.DIRECTORY.get<RoutingSnapshot>('routing', 'json'))?.credentials

  it('are named, made and used in one go, but for a value: that has to be stored before, and is in no answer', async () => {
    const refused = await plan(DOCUMENT)
    expect(refused).toMatchObject({
      status: 422,
      body: { problems: [{ field: 'credentials[0].stored' }, { field: 'targets[1].credential' }] },
    })
    await store()
    const planned = await plan(DOCUMENT)
    expect(planned.body.changes).toMatchObject([
      { action: 'create', section: 'credentials', name: 'by-name' },
      { action: 'create', section: 'targets', name: 'one' },
      { action: 'create', section: 'targets', name: 'two' },
    ])
    const applied = await apply(DOCUMENT)
    expect(await snapshot()).toEqual({
      'by-name': { is: { secret: 'OPENAI_API_KEY' } },
      kept: { is: { sealed: expect.stringMatching(/^v1\./), version: 1 } },
    })
    const written = await exported()
    expect(written['credentials']).toEqual(DOCUMENT.credentials)
    expect((await plan(written, { prune: true })).body.changes).toEqual([])
    const kept = await env.DB.prepare(`SELECT content FROM configuration_revision_parts`).all<{ content: string }>()
    const inflated = await Promise.all(kept.results.map(({ content }) => inflate(content)))
    expect(inflated.join('')).toContain('by-name')
    for (const secret of [VALUE.slice(0, 9), 'WXYZ', 'v1.']) {
      expect(JSON.stringify([refused, planned, applied, written, inflated])).not.toContain(secret)
    }
  })

  it('go with prune unless a target needs them, and a rollback brings back all but what was stored', async () => {
    await store()
    const first = await apply(DOCUMENT)
    const needed = await plan({ ...DOCUMENT, credentials: [] }, { prune: true })
    expect(needed.body.problems.map(({ code }) => code)).toEqual(['referenced', 'referenced', 'referenced'])
    const without = { credentials: [], targets: [{ id: 'one', provider: 'openai', model: 'gpt-4o' }] }
    await apply(without, { prune: true })
    expect((await call('GET', '/credentials')).body.rows).toEqual([])
    const back = async () =>
      call('POST', '/configuration/rollback', { revision: first.revision, expected_revision: await at() })
    expect(await back()).toMatchObject({ status: 422, body: { problems: [{ code: 'referenced' }] } })
    await store()
    expect(await back()).toMatchObject({ status: 200 })
    expect((await call('GET', '/credentials')).body.rows).toMatchObject([
      { name: 'by-name', targets: ['one', 'two'] },
      { name: 'kept' },
    ])
  })

  it.each([
    [{ name: 'x' }, 'credentials[0].secret'],
    [{ name: 'x', secret: 'MISSING_API_KEY' }, 'credentials[0].secret'],
    [{ name: 'x', secret: 'OPENAI_API_KEY', stored: true }, 'credentials[0].secret'],
    [{ name: 'x', value: 'sk-1' }, 'credentials[0].value'],
  ])('are refused with the field that is wrong: %j', async (credential, field) => {
    expect((await plan({ credentials: [credential] })).body.problems).toMatchObject([{ field }])
  })
})

async function inflate(base64: string): Promise<string> {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).text()
}
