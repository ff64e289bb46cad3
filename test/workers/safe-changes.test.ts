// Changing traffic safely, on real D1, KV and limiter objects: kill switches reach the limiters past KV, every change is in
// the audit log, a key gets another secret while the old one still works, and a canary that fails is rolled back on the strength of the ledger's own events.
import { applyD1Migrations, runInDurableObject } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TenantLimiter } from '../../durable-objects/tenant-limiter.ts'
import { rollBack } from '../../src/control-plane/routes/canary.ts'
import type { CanaryFinding } from '../../src/core/routing/canary.ts'
import { type KeyRecord, type RoutingSnapshot, secretMark } from '../../src/core/directory.ts'
import { LIMITS_VERSION, type LimiterCall, type LimiterReply, NOTHING } from '../../src/core/limits/limits.ts'
import { type UsageEvent, packEvent } from '../../src/core/money/usage-event.ts'
import { parseVirtualKey } from '../../src/core/virtual-key.ts'
import { forgetCounted } from '../../src/ledger/canary-watch.ts'
import { hmacHex } from '../../src/platform/key-digest.ts'
import { consumeQueue } from '../../src/usage-consumer.ts'
import { adminApi, emptied } from '../support/admin-api.ts'
import { usageEvent } from '../support/usage-events.ts'

interface AuditEntry {
  readonly id: number
  readonly who: string
  readonly what: string
  readonly subject: string
  readonly before: unknown
  readonly after: unknown
  readonly reason: string | null
  readonly requests: number | null
  readonly detail: unknown
}

interface Body {
  readonly id: string
  readonly key: string
  readonly kid: string
  readonly status: string
  readonly tenant_id: string
  readonly created_at_ms: number
  readonly expires_at_ms: number | null
  readonly rotated_at_ms: number
  readonly old_secrets: readonly unknown[]
  readonly rows: readonly AuditEntry[]
  readonly next: string | null
  readonly group: unknown
  readonly error: { readonly code: string; readonly field: string | null }
}

const call = adminApi<Body>()
const published = () => env.DIRECTORY.get<RoutingSnapshot>('routing', 'json')

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(async () => {
  const configuration = ['routes', 'targets', 'virtual_keys', 'tenants', 'switches']
  await emptied(...configuration, 'route_minutes', 'applied', 'usage_events', 'usage_hourly')
  await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o', id: 'main' })
  await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o-mini', id: 'canary' })
})

/** What the tenant's limiter says to an isolate that knows of this revision of the switches. */
async function reply(tenantId: string, switchesSeen?: number, more: Partial<LimiterCall> = {}): Promise<LimiterReply> {
  const empty = { reports: [], admissions: [], chunks: [], wants: [] }
  const seen = switchesSeen === undefined ? {} : { switchesSeen }
  const message: LimiterCall = { v: LIMITS_VERSION, tenantId, holder: 'isolate', number: 1, ...empty, ...seen, ...more }
  return env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId)).call(message)
}

/** The newest entries about something. */
async function audit(subject: string): Promise<readonly AuditEntry[]> {
  return (await call('GET', `/audit?subject=${encodeURIComponent(subject)}`)).body.rows
}

describe('a kill switch', () => {
  it('reaches KV and every limiter, whose replies tell isolates that know less, and only those', async () => {
    const tenants = await Promise.all(
      ['a', 'b'].map(async (name) => (await call('POST', '/tenants', { name })).body.id),
    )
    const off = await call('PUT', '/switches/provider/openai', { off: true, reason: 'they leak' })
    expect(off).toMatchObject({ status: 200, body: { kind: 'provider', id: 'openai', off: true, reason: 'they leak' } })
    expect((await published())?.switches).toMatchObject({ off: { provider: ['openai'] } })
    for (const tenant of tenants) {
      const { switches } = await reply(tenant, 0)
      expect(switches?.off).toEqual({ provider: ['openai'] })
      expect((await reply(tenant, switches?.revision)).switches, 'knows as much').toBeUndefined()
      expect((await reply(tenant)).switches, 'an isolate of before').toBeUndefined()
    }
    const on = await call('PUT', '/switches/provider/openai', { off: false })
    expect(on).toMatchObject({ status: 200, body: { kind: 'provider', id: 'openai', off: false } })
    for (const tenant of tenants) expect((await reply(tenant, 0)).switches?.off).toEqual({})
    expect((await published())?.switches?.off).toEqual({})
    expect((await call('GET', '/switches')).body.rows).toEqual([])
  })

  it('of a tenant or a key reaches its own limiter, and is listed with its reason', async () => {
    const tenant = (await call('POST', '/tenants', { name: 'acme' })).body.id
    const key = (await call('POST', '/keys', { tenant: 'acme', name: 'k' })).body.id
    expect((await call('PUT', '/switches/tenant/acme', { off: true, reason: 'unpaid' })).status).toBe(200)
    expect((await call('PUT', `/switches/key/${key}`, { off: true, reason: 'leaked' })).status).toBe(200)
    expect((await reply(tenant, 0)).switches?.off).toEqual({ tenant: [tenant], key: [key] })
    expect((await call('GET', '/switches')).body.rows).toMatchObject([
      { kind: 'tenant', id: tenant, off: true, reason: 'unpaid' },
      { kind: 'key', id: key, reason: 'leaked' },
    ])
    await call('POST', '/tenants', { name: 'late' }).then(async ({ body }) => {
      expect((await reply(body.id, 0)).switches?.off, 'a tenant that came later').toMatchObject({ key: [key] })
    })
  })

  it('that names nothing is refused, a model by any name is not', async () => {
    const on = { off: true, reason: 'r' }
    for (const path of ['provider/nobody', 'target/none', 'tenant/none', 'key/none', 'planet/earth']) {
      expect(await call('PUT', `/switches/${path}`, on), path).toMatchObject({ status: 404 })
    }
    expect((await call('PUT', '/switches/model/meta%2Fllama-*', on)).body).toMatchObject({ id: 'meta/llama-*' })
    expect(await call('PUT', '/switches/target/main', { off: true })).toMatchObject({
      status: 422,
      body: { error: { field: 'reason' } },
    })
  })
})

describe('the audit log', () => {
  it('has every change with who, what, before and after, and no secret', async () => {
    const { id: tenant } = (await call('POST', '/tenants', { name: 'acme' })).body
    const minted = (await call('POST', '/keys', { tenant: 'acme', name: 'first' })).body
    await call('PATCH', `/tenants/${tenant}`, { name: 'acme 2' })
    await call('PUT', '/switches/target/main', { off: true, reason: 'it lies' })
    await call('DELETE', '/targets/canary')
    expect(await audit(tenant)).toMatchObject([
      { who: 'ADMIN_TOKEN', what: 'tenants.change', before: { name: 'acme' }, after: { name: 'acme 2' } },
      { who: 'ADMIN_TOKEN', what: 'tenants.create', before: null, after: { name: 'acme', cache_mode: 'off' } },
    ])
    const [created] = await audit(minted.id)
    expect(created).toMatchObject({ what: 'virtual_keys.create', after: { name: 'first', tags: [] } })
    const told = JSON.stringify(created)
    expect(told).not.toContain('hmacHex')
    expect(told).not.toContain(minted.key)
    expect(await audit('target:main')).toMatchObject([{ what: 'switches.create', reason: 'it lies' }])
    expect((await audit('canary'))[0]).toMatchObject({
      what: 'targets.delete',
      before: { model: 'gpt-4o-mini' },
      after: null,
    })
  })

  it('has nothing of what was refused, and keeps what it has', async () => {
    const { id: tenant } = (await call('POST', '/tenants', { name: 'acme' })).body
    await call('POST', '/keys', { tenant: 'acme', name: 'first' })
    expect((await call('DELETE', `/tenants/${tenant}`)).status).toBe(409)
    expect((await call('POST', '/targets', { provider: 'openai', model: 'gpt-4o', id: 'main' })).status).toBe(409)
    expect(await audit(tenant)).toMatchObject([{ what: 'tenants.create' }])
    for (const statement of ['DELETE FROM audit', `UPDATE audit SET who = 'nobody'`]) {
      await expect(env.DB.prepare(statement).run()).rejects.toThrow('append-only')
    }
  })

  it('is read page by page, newest first, without repeating or skipping', async () => {
    for (const name of ['p1', 'p2', 'p3', 'p4', 'p5']) await call('POST', '/tenants', { name })
    const all = (await call('GET', '/audit?limit=5')).body.rows.map(({ id }) => id)
    const paged: number[] = []
    for (let before = ''; paged.length < 5;) {
      const { rows, next } = (await call('GET', `/audit?limit=2${before}`)).body
      paged.push(...rows.map(({ id }) => id))
      before = `&before=${next}`
    }
    expect(paged.slice(0, 5)).toEqual(all)
    expect(all).toEqual(all.toSorted((a, b) => b - a))
    expect((await call('GET', '/audit?limit=0')).body.error).toMatchObject({ field: 'limit' })
  })
})

describe('the secret of a key', () => {
  const mint = async (more: object = {}) => {
    await call('POST', '/tenants', { name: 'acme' })
    return (await call('POST', '/keys', { tenant: 'acme', name: 'web', ...more })).body
  }
  const rotate = (id: string, body: object = {}, ask = call) => ask('POST', `/keys/${id}/rotate`, body)
  const recordOf = (kid: string, mark = '') => env.DIRECTORY.get<KeyRecord>(`key:${kid}${mark}`, 'json')
  const digestOf = (text: string) => {
    const parsed = parseVirtualKey(text)
    if (!parsed.ok) throw new Error(parsed.error)
    return hmacHex('pepper-of-the-tests', parsed.value.secret)
  }
  const markOf = async (text: string) => secretMark(await digestOf(text))
  /** What isolates that serve the key are told. */
  const told = async (tenantId: string, id: string) => reply(tenantId, undefined, { unleasedKeyIds: [id] })

  it('is replaced by another one of the same key, and works for as long as was asked', async () => {
    const { key: old, ...before } = await mint({ tags: ['a'], limits: { tokens_per_minute: 5 } })
    const rotated = await rotate(before.id)
    const { key: secret, ...view } = rotated.body
    const untilMs = view.rotated_at_ms + 86_400_000
    expect(rotated).toMatchObject({ status: 200, body: { kid: before.kid } })
    expect(view).toEqual({
      ...before,
      ends_in: secret.slice(-4),
      rotated_at_ms: expect.any(Number),
      old_secrets: [{ ends_in: old.slice(-4), made_at_ms: before.created_at_ms, until_ms: untilMs }],
    })
    const shownOld = async () => (await call('GET', `/keys/${before.id}`)).body
    const [given, former] = [await digestOf(secret), await digestOf(old)]
    expect(await shownOld()).toEqual({ ...view, old_secrets: [{ ...Object(view.old_secrets[0]), last_used_ms: null }] })
    await env.DIRECTORY.put(`used:${before.kid}:${secretMark(former)}`, '1234')
    expect((await shownOld()).old_secrets).toMatchObject([{ until_ms: untilMs, last_used_ms: 1234 }])
    const record = await recordOf(before.kid)
    expect(record).toMatchObject({ keyId: before.id, tags: ['a'], revokedAtMs: null })
    expect(record?.hashes).toEqual([
      { pepperVersion: 1, hmacHex: given },
      { pepperVersion: 1, hmacHex: former, untilMs },
    ])
    expect(await recordOf(before.kid, `:${secretMark(given)}`), 'for edges that know it as it was').toEqual(record)
    const { secretEnds } = await told(before.tenant_id, before.id)
    expect(secretEnds, 'of an end tomorrow every isolate will have read').toBeUndefined()
    const [entry] = await audit(before.id)
    expect(entry).toMatchObject({
      what: 'virtual_keys.rotate',
      who: 'ADMIN_TOKEN',
      before: { secrets: [{ ends_in: old.slice(-4), until_ms: null }] },
      after: { secrets: [{ ends_in: secret.slice(-4), until_ms: null }, { until_ms: untilMs }] },
    })
    const shown = JSON.stringify([view, entry, (await call('GET', '/keys/lines')).body])
    for (const hidden of [given, former, secret, old]) expect(shown).not.toContain(hidden)
  })

  it('ends at once where no overlap is wanted, or where that is ended: isolates hear it from the limiter', async () => {
    const { id, tenant_id: tenantId, key: old } = await mint()
    const first = (await rotate(id, { overlap_seconds: 0 })).body
    expect(first.old_secrets).toEqual([])
    const ended = { keyId: id, mark: await markOf(old), untilMs: first.rotated_at_ms }
    expect((await told(tenantId, id)).secretEnds).toEqual([ended])
    const second = (await rotate(id, { overlap_seconds: 604_800 })).body
    expect(second.old_secrets).toHaveLength(1)
    const finished = await call('POST', `/keys/${id}/rotate/finish`)
    expect(finished).toMatchObject({ status: 200, body: { id, old_secrets: [], rotated_at_ms: second.rotated_at_ms } })
    expect(await call('POST', `/keys/${id}/rotate/finish`)).toEqual(finished)
    const both = [{ keyId: id, mark: await markOf(first.key), untilMs: expect.any(Number) }, ended]
    expect(await told(tenantId, id)).toMatchObject({ secretEnds: both, revokedKeyIds: [] })
    expect((await audit(id)).map(({ what }) => what)).toEqual(
      ['change', 'rotate', 'rotate', 'create'].map((verb) => `virtual_keys.${verb}`),
    )
    await call('POST', `/keys/${id}/revoke`)
    const revoked = await told(tenantId, id)
    expect([revoked.revokedKeyIds, revoked.secretEnds], 'all of them end with their key').toEqual([[id], undefined])
  })

  it('is lost to nothing that happens at the same time, and there are three at most', async () => {
    const { id, kid } = await mint()
    const tags = ['a', 'b', 'c'].map((tag) => call('PATCH', `/keys/${id}`, { tags: [tag] }))
    const answers = await Promise.all([rotate(id), rotate(id), rotate(id), ...tags])
    const [refused, ...others] = answers.slice(0, 3).toSorted((a, b) => b.status - a.status)
    expect(refused).toMatchObject({ status: 409, body: { error: { code: 'too_many_secrets' } } })
    const hashes = (await recordOf(kid))?.hashes.map(({ hmacHex: digest }) => digest)
    for (const { body } of others) expect(hashes, 'whose secret was told').toContain(await digestOf(body.key))
    expect((await rotate(id)).status).toBe(409)
    const ahead = { overlap_seconds: 0, expires_at: '2099-01-31T00:00:00Z' }
    expect((await rotate(id, ahead)).body).toMatchObject({ expires_at_ms: Date.UTC(2099, 0, 31), old_secrets: [] })
  })

  it('is not replaced where nothing could come of it, nor by what is wrong', async () => {
    const { id } = await mint()
    for (const [body, field] of [
      [{ overlap_seconds: -1 }, 'overlap_seconds'],
      [{ overlap_seconds: 604_801 }, 'overlap_seconds'],
      [{ overlap_seconds: 1.5 }, 'overlap_seconds'],
      [{ expires_at: '2020-01-01T00:00:00Z' }, 'expires_at'],
      [{ overlap: 5 }, 'overlap'],
    ] as const) {
      expect(await rotate(id, body), field).toMatchObject({ status: 422, body: { error: { field } } })
    }
    await env.DB.exec(`UPDATE virtual_keys SET expires_at_ms = 1`)
    expect(await rotate(id)).toMatchObject({ status: 409, body: { error: { code: 'expired', field: 'expires_at' } } })
    expect(await rotate(id, { expires_at: null })).toMatchObject({ status: 200, body: { status: 'active' } })
    await call('POST', `/keys/${id}/revoke`)
    expect(await rotate(id, { expires_at: null })).toMatchObject({ status: 409, body: { error: { code: 'revoked' } } })
    expect((await rotate('none')).status).toBe(404)
    expect((await call('POST', '/keys/none/rotate/finish')).status).toBe(404)
    expect(await rotate(id, {}, adminApi<Body>({ KEY_PEPPER: '' }))).toMatchObject({
      ...{ status: 503, body: { error: { code: 'pepper_missing' } } },
    })
  })

  it('that can’t be told everywhere stands beside the error, and the old one ends with the next word', async () => {
    const { id, kid, tenant_id: tenantId } = await mint()
    const overloaded = () => Promise.reject(new Error('overloaded'))
    const gone = { idFromName: String, get: () => ({ hasLimits: overloaded, configure: overloaded }) }
    const answer = await rotate(id, { overlap_seconds: 0 }, adminApi<Body>({ TENANT_LIMITER: gone }))
    expect(answer).toMatchObject({ status: 503, body: { error: { code: 'publish_failed' } } })
    expect((await recordOf(kid))?.hashes[0]?.hmacHex).toBe(await digestOf(answer.body.key))
    expect((await call('POST', `/keys/${id}/rotate/finish`)).status).toBe(200)
    expect((await told(tenantId, id)).secretEnds).toMatchObject([{ keyId: id }])
  })
})

describe('a canary', () => {
  const WATCH = { max_error_rate: 0.1, min_requests: 10, window_minutes: 5 }
  const members = [
    { target: 'main', weight: 99 },
    { target: 'canary', ramp: { to: 50, from: 1, over_minutes: 60 }, watch: WATCH },
  ]

  /** Events of calls through the route, `failing` of them failed; through the consumer, as the queue brings them. */
  let outboxId = 0
  async function happened(
    route: string,
    calls: readonly (readonly [target: string, count: number, failing: number])[],
    failure: 'server' | 'client' = 'server',
  ) {
    const events = calls.flatMap(([targetId, count, failing]) =>
      Array.from({ length: count }, (_, at): UsageEvent => {
        const outcome = at < failing ? ({ ending: 'failed', failure, isFinal: at === 0 } as const) : {}
        const requestId = `${targetId}-${outboxId}-${at}`
        return usageEvent(requestId, { route, targetId, tenantId: 'ten_x', startedAtMs: Date.now(), ...outcome })
      }),
    )
    outboxId += 1
    const body = { v: 1, tenantId: 'ten_x', outboxId, events: JSON.stringify(events) }
    const message = { id: `m${outboxId}`, body, attempts: 1, ack: () => {}, retry: () => expect.fail('retried') }
    const findings: CanaryFinding[] = []
    const CONTROL = {
      refreshPrices: () => Promise.resolve(),
      async rollBack(finding: CanaryFinding) {
        findings.push(finding)
        return rollBack({ ...env, SIDE_LIMITER: env.SIDE_LIMITER }, finding, Date.now())
      },
      takeBack: () => expect.fail('no revision is watched'),
    }
    const bindings = { DB: env.DB, TENANT_LIMITER: env.TENANT_LIMITER, CONTROL }
    await consumeQueue(batchOf([message]), bindings)
    return findings
  }

  function batchOf(messages: readonly object[]): MessageBatch<unknown> {
    const all: unknown = { queue: 'tidegate-usage', messages }
    if (!isBatch(all)) throw new Error('no batch')
    return all
  }
  const isBatch = (value: unknown): value is MessageBatch<unknown> => typeof value === 'object' && value !== null

  async function canaryRoute(): Promise<string> {
    const made = await call('POST', '/routes', { model: `m${outboxId}`, group: { strategy: 'weighted', members } })
    expect(made.status).toBe(201)
    return made.body.id
  }

  it('is kept, shown and published with its ramp and its watch', async () => {
    const route = await canaryRoute()
    const { group } = (await call('GET', `/routes/${route}`)).body
    const starts_at: unknown = expect.any(Number)
    expect(group).toMatchObject({
      members: [members[0], { target: 'canary', ramp: { from: 1, to: 50, over_minutes: 60, starts_at }, watch: WATCH }],
    })
    const again = await call('PATCH', `/routes/${route}`, { group })
    expect(again.body.group, 'what is shown can be written back').toEqual(group)
    expect((await published())?.routes[0]?.group?.members[1]).toMatchObject({ ramp: { overMinutes: 60 } })
  })

  it.each([
    ['a ramp where weights mean nothing', { strategy: 'cheapest', members }],
    [
      'a weight beside a ramp',
      { strategy: 'weighted', members: [{ target: 'main', weight: 1, ramp: { to: 2, over_minutes: 1 } }] },
    ],
    [
      'a watch that would never speak',
      { strategy: 'weighted', members: [{ target: 'main', watch: { ...WATCH, max_error_rate: 1 } }] },
    ],
  ])('refuses %s', async (_, group) => {
    expect(await call('POST', '/routes', { model: 'x', group })).toMatchObject({ status: 422 })
  })

  it('that fails more than it may is rolled back, published and told in the audit log, with how many saw it', async () => {
    const route = await canaryRoute()
    expect(
      await happened(route, [
        ['main', 300, 3],
        ['canary', 9, 9],
      ]),
      'too few to say',
    ).toEqual([])
    const [finding] = await happened(route, [
      ['main', 300, 3],
      ['canary', 11, 3],
    ])
    expect(finding).toMatchObject({ target: 'canary', own: { requests: 20, failures: 12 }, others: { requests: 600 } })
    const zero = {
      members: [
        { target: 'main', weight: 99 },
        { target: 'canary', weight: 0 },
      ],
    }
    expect((await call('GET', `/routes/${route}`)).body.group).toMatchObject(zero)
    expect((await published())?.routes[0]?.group).toMatchObject(zero)
    expect((await audit(route))[0]).toMatchObject({
      who: 'canary watch',
      what: 'routes.change',
      before: {
        choice: { group: { members: [{ target: 'main' }, { target: 'canary', watch: { minRequests: 10 } }] } },
      },
      after: { choice: { group: { members: [{ target: 'main' }, { target: 'canary', weight: 0 }] } } },
      requests: 20,
      detail: { window: { error_rate: 0.6 }, since_watched: { failures: 12, seen_by_clients: 2 } },
    })
    expect(await happened(route, [['canary', 50, 50]]), 'nobody is watched any more').toEqual([])
  })

  it('is refused where a hundred are watched already: a watch that nobody keeps would be worse than none', async () => {
    await env.DB.prepare(
      `WITH RECURSIVE generated (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM generated WHERE n < 100)
       INSERT INTO routes (id, model, tenant_id, targets, allowed_gaps, watched_since_ms, created_at_ms)
       SELECT 'r' || n, 'm' || n, '', '[]', '[]', 1, 1 FROM generated`,
    ).run()
    const group = { strategy: 'weighted', members }
    expect(await call('POST', '/routes', { model: 'x', group })).toMatchObject({
      status: 409,
      body: { error: { code: 'full' } },
    })
    expect((await call('POST', '/routes', { model: 'x', targets: ['main'] })).status, 'without a watch').toBe(201)
  })

  it('stays where the others fail as much, and where its clients are to blame', async () => {
    const route = await canaryRoute()
    expect(
      await happened(route, [
        ['main', 30, 12],
        ['canary', 20, 8],
      ]),
    ).toEqual([])
    expect(await happened(route, [['canary', 20, 20]], 'client'), 'mistakes of its clients').toEqual([])
    expect(await happened(route, [['canary', 20, 20]]), 'its own').toMatchObject([
      { own: { requests: 60, failures: 28 } },
    ])
  })

  it('is counted anew when it is written anew, and a finding about what it was before does nothing', async () => {
    const route = await canaryRoute()
    await happened(route, [
      ['main', 50, 0],
      ['canary', 9, 9],
    ])
    await new Promise((resolve) => setTimeout(resolve, 5))
    await call('PATCH', `/routes/${route}`, {
      group: { strategy: 'weighted', members: [members[0], { ...members[1], ramp: { to: 9, over_minutes: 1 } }] },
    })
    expect(
      await happened(route, [
        ['main', 50, 0],
        ['canary', 9, 9],
      ]),
      'nine of nine, twice',
    ).toEqual([])
    const stale: CanaryFinding = {
      routeId: route,
      target: 'canary',
      sinceMs: 1,
      own: { requests: 1, failures: 1 },
      others: { requests: 0, failures: 0 },
      ownErrorRate: 1,
      othersErrorRate: 0,
      all: { requests: 1, failures: 1, seen: 0 },
    }
    expect(await rollBack(env, stale, Date.now())).toBe(false)
    const rows = async () => (await env.DB.prepare('SELECT count(*) AS n FROM route_minutes').first<{ n: number }>())?.n
    const before = await rows()
    await forgetCounted(env.DB, Date.now())
    expect(await rows(), 'what was counted before is forgotten').toBeLessThan(before ?? 0)
  })
})

describe('requests in flight', () => {
  async function admitted(tenantId: string, requestId: string) {
    const event = packEvent(
      usageEvent(requestId, { tenantId, keyId: 'key_1', targetId: 'main', startedAtMs: 5, streamed: true }),
    )
    const record = { id: `${requestId}#1`, leaseId: 'l', reserved: { ...NOTHING, nanoUsd: 1_500 }, event }
    return tell(tenantId, { admissions: [record] })
  }

  let number = 10
  function tell(tenantId: string, more: Partial<LimiterCall>): Promise<LimiterReply> {
    const message: LimiterCall = {
      v: LIMITS_VERSION,
      tenantId,
      holder: 'isolate',
      number: (number += 1),
      reports: [],
      admissions: [],
      chunks: [],
      wants: [],
    }
    return env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId)).call({ ...message, ...more })
  }

  it('are listed with what is known of them, and one is cancelled by its holder until it has ended', async () => {
    const tenant = (await call('POST', '/tenants', { name: 'busy' })).body.id
    for (const id of ['req-1', 'req-2']) expect((await admitted(tenant, id)).cancelled).toBeUndefined()
    const { body } = await call('GET', '/requests/in-flight?tenant=busy')
    expect(body.rows).toMatchObject([
      { request_id: 'req-1', attempt: 1, key: 'key_1', target: 'main', since_ms: 5, streamed: true, cancelled: false },
      { request_id: 'req-2', reserved: { nano_usd: '1500' } },
    ])
    expect(await call('POST', '/requests/req-2/cancel')).toMatchObject({ status: 202, body: { cancelled: true } })
    expect((await tell(tenant, {})).cancelled).toEqual(['req-2#1'])
    expect((await admitted(tenant, 'req-2')).cancelled, 'told again, and cancelled still').toEqual(['req-2#1'])
    expect((await call('GET', '/requests/in-flight?tenant=busy')).body.rows).toMatchObject([{}, { cancelled: true }])
    const settled = { from: 1, to: 1, events: '[]', settles: ['req-2#1'] }
    expect((await tell(tenant, { chunks: [settled] })).cancelled).toBeUndefined()
    expect(await call('POST', '/requests/req-2/cancel?tenant=busy')).toMatchObject({ status: 404 })
    expect(await call('GET', '/requests/in-flight?tenant=nobody')).toMatchObject({ status: 404 })
    expect(await audit('req-2')).toMatchObject([{ who: 'ADMIN_TOKEN', what: 'requests.cancel' }])
  })

  it('that are cancelled are so for an object that starts anew', async () => {
    const tenant = (await call('POST', '/tenants', { name: 'restarted' })).body.id
    await admitted(tenant, 'req-9')
    await call('POST', '/requests/req-9/cancel?tenant=restarted')
    await runInDurableObject(env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenant)), async (_, state) => {
      const again = new TenantLimiter(state, env)
      expect(await again.inFlight(5)).toMatchObject([{ id: 'req-9#1', isCancelled: true }])
    })
  })
})
