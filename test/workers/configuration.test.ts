// The configuration as one document, on real D1, KV and limiter objects: applied wholly or not at all, gone back to, and taken
// back by itself where it fails.
import { applyD1Migrations } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createAdmin } from '../../src/control-plane/admin.ts'
import { takeBack } from '../../src/control-plane/configuration/watch.ts'
import type { RevisionFinding } from '../../src/core/canary.ts'
import type { KeyRecord, RoutingSnapshot } from '../../src/core/directory.ts'
import type { UsageEvent } from '../../src/core/usage-event.ts'
import { endWatches } from '../../src/ledger/configuration-watch.ts'
import { consumeQueue } from '../../src/usage-consumer.ts'
import { emptied } from '../support/admin-api.ts'
import { usageEvent } from '../support/usage-events.ts'

const TOKEN = 'admin-token-of-the-tests'

/** As much of the admin API's answers as is looked at. */
interface Body {
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
const app = new Hono().route('/admin', createAdmin({ services: [], nowMs: Date.now, probe }))

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
beforeEach(() =>
  emptied(
    ...['routes', 'targets', 'virtual_keys', 'teams', 'prices', 'alert_rules', 'alert_channels', 'switches', 'tenants'],
    ...['configuration_revisions', 'configuration_revision_parts', 'configuration_watches', 'alerts', 'applied'],
    ...['usage_events', 'usage_hourly'],
  ),
)

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
    const [, , kid = ''] = (keys[0]?.key ?? '').split('_')
    const names = (await env.DIRECTORY.list({ prefix: 'key:' })).keys.map(({ name }) => name)
    expect(names.some((name) => kid.startsWith(name.slice(4)) || name.includes(kid.slice(0, 8)))).toBe(true)
    const record = await env.DIRECTORY.get<KeyRecord>(names.at(-1) ?? '', 'json')
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
