// The ledger on a real D1: each event counted once, roll-ups equal to the events, nothing lost, nothing half written.
import { applyD1Migrations, type D1Migration } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import fc from 'fast-check'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { TenantLimiter } from '../../durable-objects/tenant-limiter.ts'
import { NO_USAGE, type Usage } from '../../src/core/money/usage.ts'
import type { UsageBatch, UsageEvent } from '../../src/core/money/usage-event.ts'
import type { ApiRequests, ApiUsage } from '../../src/dashboard/api-types.ts'
import { applyBatch } from '../../src/ledger/apply-batch.ts'
import { consume, retryDelaySeconds, type Delivery, type LedgerPorts } from '../../src/ledger/consume.ts'
import { listDeadLetters } from '../../src/ledger/dead-letters.ts'
import { breakerStates, noteBreaker } from '../../src/ledger/breaker-states.ts'
import { orderOf, textAt } from '../../src/ledger/event-times.ts'
import { findRequests, type RequestFilter } from '../../src/ledger/find-requests.ts'
import { latestRequests, readCursor, type RequestCursor } from '../../src/ledger/latest-requests.ts'
import { metricsText } from '../../src/ledger/metrics.ts'
import { PAIRS_MAX } from '../../src/ledger/metrics/totals.ts'
import { exportersHealth, noteRuns } from '../../src/ledger/telemetry/health.ts'
import { readBatch } from '../../src/ledger/read-batch.ts'
import { reconcile } from '../../src/ledger/reconcile.ts'
import { usageReport, type UsageQuery, type UsageReport } from '../../src/ledger/usage-report.ts'
import { expectedReport } from '../support/expected-report.ts'
import { readExposition } from '../support/exposition-reader.ts'
import { answerOperator, consumeQueue, recheckLedger, type ConsumerEnv } from '../../src/usage-consumer.ts'

declare global {
  // oxlint-disable-next-line typescript/no-namespace -- how the platform types its bindings
  namespace Cloudflare {
    interface Env {
      DB: D1Database
      DIRECTORY: KVNamespace
      TENANT_LIMITER: DurableObjectNamespace<TenantLimiter>
      TEST_MIGRATIONS: D1Migration[]
    }
  }
}

const HOUR_MS = 3_600_000
const NOON_MS = Date.UTC(2026, 10, 20, 12)
const TABLES = [
  'applied',
  'usage_events',
  'usage_hourly',
  'usage_daily',
  'usage_zones',
  'usage_late',
  'dead_letters',
  'exporters',
  'breakers',
]

beforeAll(() => applyD1Migrations(env.DB, env.TEST_MIGRATIONS))
beforeEach(async () => {
  await env.DB.batch(TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
})

describe('consume', () => {
  it('keeps every field of an event', async () => {
    const event = usageEvent({
      requestId: 'r1',
      teamId: 'team_1',
      costCenter: 'growth',
      endUser: 'u7',
      tags: ['a', 'b"c'],
      traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
      streamed: true,
      failure: 'server',
      usage: {
        input: 1,
        cacheRead: 2,
        cacheWrite: 3,
        cacheWriteLong: 4,
        output: 5,
        reasoning: 6,
        audioInput: 7,
        audioOutput: 8,
        units: { images: 2 },
        tier: 'flex',
      },
      isUnpriced: true,
      isEstimated: true,
      costNanoUsd: Number.MAX_SAFE_INTEGER,
      savedNanoUsd: 9,
      priceVersion: 'p1',
      ttftMs: 42,
      afterMs: 17,
      credential: 'ONE_API_KEY',
      plan: 'weighted: a > b',
    })
    await deliver([message(1, [event])])
    const row = await env.DB.prepare(`SELECT * FROM usage_events`).first()
    expect(row).toEqual({
      request_id: 'r1',
      attempt: 1,
      kind: 'cost',
      started_at_ms: NOON_MS,
      tenant_id: 'ten_a',
      team_id: 'team_1',
      key_id: 'key_1',
      cost_center: 'growth',
      end_user: 'u7',
      tags: JSON.stringify(['a', 'b"c']),
      trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
      protocol: 'chat',
      streamed: 1,
      requested_model: 'fast',
      route: 'route_1',
      target_id: 'target_1',
      provider: 'openai',
      model: 'gpt-4o',
      status: 200,
      ending: 'finished',
      failure: 'server',
      cache: 'miss',
      is_final: 1,
      input_tokens: 1,
      cache_read_tokens: 2,
      cache_write_tokens: 3,
      cache_write_long_tokens: 4,
      output_tokens: 5,
      reasoning_tokens: 6,
      audio_input_tokens: 7,
      audio_output_tokens: 8,
      is_estimated: 1,
      is_unpriced: 1,
      units: '{"images":2}',
      service_tier: 'flex',
      cost_nano_usd: Number.MAX_SAFE_INTEGER,
      saved_nano_usd: 9,
      price_version: 'p1',
      latency_ms: 100,
      ttft_ms: 42,
      after_ms: 17,
      credential: 'ONE_API_KEY',
      plan: 'weighted: a > b',
    })
  })

  it('counts a message once, however often it comes', async () => {
    const first = await deliver([message(1, [usageEvent({ requestId: 'r1' }), usageEvent({ requestId: 'r2' })])])
    const again = await deliver([message(1, [usageEvent({ requestId: 'r1' }), usageEvent({ requestId: 'r2' })])])
    expect([first.acked, again.acked]).toEqual([['m1'], ['m1']])
    expect(again.confirmed).toEqual([['ten_a', [1]]])
    expect(await totals()).toMatchObject({ requests: 2, cost_nano_usd: '2000' })
  })

  it('counts a message once when it comes many times at once', async () => {
    const events = [usageEvent({ requestId: 'r1' })]
    const all = await Promise.all(Array.from({ length: 8 }, () => deliver([message(1, events)])))
    expect(all.every((one) => one.acked.length === 1 && one.retried.length === 0)).toBe(true)
    expect(await totals()).toMatchObject({ requests: 1, cost_nano_usd: '1000' })
  })

  it('takes the same outbox number for another message when a limiter began anew', async () => {
    await deliver([message(1, [usageEvent({ requestId: 'r1' })])])
    await deliver([message(1, [usageEvent({ requestId: 'r2' })])])
    expect(await totals()).toMatchObject({ requests: 2 })
  })

  it('writes nothing when one statement fails, keeps the message as a dead letter and goes on with the others', async () => {
    await deliver([message(1, [usageEvent({ requestId: 'r1' })])])
    const clash = message(2, [usageEvent({ requestId: 'r9' }), usageEvent({ requestId: 'r1' })])
    const outcome = await deliver([clash, message(3, [usageEvent({ requestId: 'r3' })])])
    expect(outcome).toMatchObject({ acked: ['m2', 'm3'], retried: [], confirmed: [['ten_a', [2, 3]]] })
    expect(await totals()).toMatchObject({ requests: 2 })
    expect(await env.DB.prepare(`SELECT request_id FROM usage_events ORDER BY 1`).raw()).toEqual([['r1'], ['r3']])
    expect(await env.DB.prepare(`SELECT outbox_id FROM applied ORDER BY 1`).raw()).toEqual([[1], [3]])
    expect(await listDeadLetters(env.DB)).toMatchObject([
      { outbox_id: 2, times: 1, reason: expect.stringContaining('UNIQUE') },
    ])
  })

  it('applies what comes together in one transaction, as much as may be', async () => {
    let batches = 0
    const db = failingBatches(() => ++batches === 0)
    await deliver(
      [1, 2, 3].map((id) => message(id, [usageEvent({ requestId: `r${id}` })])),
      { db },
    )
    expect(batches).toBe(1)
    const long = 'u'.repeat(200_000)
    await deliver(
      [4, 5, 6].map((id) => message(id, [usageEvent({ requestId: `r${id}`, endUser: long })])),
      { db },
    )
    // Two of them, and the third.
    expect(batches).toBe(3)
    expect(await totals()).toMatchObject({ requests: 6, cost_nano_usd: '6000' })
    expect(await env.DB.prepare(`SELECT outbox_id FROM applied ORDER BY 1`).raw()).toEqual(
      [1, 2, 3, 4, 5, 6].map((id) => [id]),
    )
  })

  it('counts each once when some of those that come together came before', async () => {
    const messages = [1, 2, 3].map((id) => message(id, [usageEvent({ requestId: `r${id}` })]))
    await deliver(messages.slice(0, 1))
    const outcome = await deliver([...messages, ...messages.slice(1)])
    expect(outcome).toMatchObject({ acked: ['m1', 'm2', 'm3', 'm2', 'm3'], retried: [] })
    expect(outcome.confirmed).toEqual([['ten_a', [1, 2, 3, 2, 3]]])
    expect(await totals()).toMatchObject({ requests: 3, cost_nano_usd: '3000' })
  })

  it('retries later, with growing delays, while the database fails, and then counts the message once', async () => {
    const broken = await deliver([message(1, [usageEvent({ requestId: 'r1' })])], { db: brokenDatabase(), attempts: 3 })
    expect(broken).toMatchObject({ acked: [], retried: [8], confirmed: [] })
    await deliver([message(1, [usageEvent({ requestId: 'r1' })])])
    expect(await totals()).toMatchObject({ requests: 1 })
    expect([1, 2, 3, 11, 12, 100].map(retryDelaySeconds)).toEqual([2, 4, 8, 2048, 3600, 3600])
  })

  it('acknowledges though the limiter can not be told', async () => {
    const outcome = await deliver([message(1, [usageEvent({ requestId: 'r1' })])], {
      confirm: () => Promise.reject(new Error('gone')),
    })
    expect(outcome).toMatchObject({ acked: ['m1'], logged: ['usage-unconfirmed'] })
  })

  it('confirms once per tenant', async () => {
    const other = usageEvent({ requestId: 'r3', tenantId: 'ten_b' })
    const outcome = await deliver([
      message(1, [usageEvent({ requestId: 'r1' })]),
      message(2, [usageEvent({ requestId: 'r2' })]),
      message(1, [other], 'ten_b'),
    ])
    expect(outcome.confirmed).toEqual([
      ['ten_a', [1, 2]],
      ['ten_b', [1]],
    ])
  })

  it.each([
    ['not an object', 'nonsense', 'not an object'],
    ['no version', { tenantId: 't', outboxId: 1, events: '[]' }, 'v is undefined'],
    ['a later version', { v: 2, tenantId: 't', outboxId: 1, events: '[]' }, 'v is 2'],
    ['no tenant', { v: 1, outboxId: 1, events: '[]' }, 'tenantId'],
    ['events that are no JSON', { v: 1, tenantId: 't', outboxId: 1, events: '[{' }, 'not a JSON array'],
    ['no events', { v: 1, tenantId: 't', outboxId: 1, events: '[]' }, '0 events'],
    ['a foreign event', message(1, [usageEvent({ tenantId: 'ten_b' })]).body, 'events[0].tenantId'],
    ['half a nano-dollar', message(1, [usageEvent({ costNanoUsd: 0.5 })]).body, 'events[0].costNanoUsd is 0.5'],
    ['a negative charge', message(1, [usageEvent({ costNanoUsd: -1 })]).body, 'events[0].costNanoUsd is -1'],
    [
      'tokens that are no number',
      message(1, [{ ...usageEvent({}), usage: { ...NO_USAGE, output: null } }]).body,
      'usage.output is null',
    ],
    [
      'a missing field',
      message(1, [{ ...usageEvent({}), latencyMs: undefined }]).body,
      'events[0].latencyMs is missing',
    ],
  ])('buries a message with %s, once, and never loops', async (_, body, reason) => {
    for (const attempts of [1, 2]) {
      const outcome = await deliver([{ id: 'bad', body }], { attempts })
      expect(outcome).toMatchObject({ acked: ['bad'], retried: [] })
    }
    expect(await listDeadLetters(env.DB)).toMatchObject([{ times: 2, reason: expect.stringContaining(reason) }])
    expect(await totals()).toMatchObject({ requests: 0 })
  })

  it('applies a correction to the money and counts no request for it', async () => {
    const booked = usageEvent({ requestId: 'r1', ending: 'lost', isEstimated: true, costNanoUsd: 5000 })
    const correction = usageEvent({
      requestId: 'r1',
      kind: 'adj',
      costNanoUsd: -3000,
      usage: { ...NO_USAGE, output: -7 },
    })
    await deliver([message(1, [booked]), message(2, [correction])])
    expect(await totals()).toMatchObject({ requests: 1, cost_nano_usd: '2000', output_tokens: 13 })
    const page = await latestRequests(env.DB, { limit: 10, before: null })
    expect(page.rows).toMatchObject([{ request_id: 'r1', cost_nano_usd: '2000', output_tokens: 13 }])
  })
})

describe('dead-letter queue', () => {
  it('is applied after all when that works now', async () => {
    const outcome = await deliver([message(1, [usageEvent({ requestId: 'r1' })])], { source: 'dead' })
    expect(outcome).toMatchObject({ acked: ['m1'], confirmed: [['ten_a', [1]]] })
    expect(await totals()).toMatchObject({ requests: 1 })
  })

  it('is kept unconfirmed when the ledger still fails, so that the limiter sends it again', async () => {
    let batches = 0
    const db = failingBatches(() => ++batches <= 1)
    const outcome = await deliver([message(1, [usageEvent({ requestId: 'r1' })])], { source: 'dead', db })
    expect(outcome).toMatchObject({ acked: ['m1'], confirmed: [] })
    expect(await listDeadLetters(env.DB)).toHaveLength(1)
  })
})

describe('roll-ups', () => {
  const optional = (...names: string[]) => fc.constantFrom(null, ...names)
  const event = fc.record({
    startedAtMs: fc.integer({ min: NOON_MS - 3 * HOUR_MS, max: NOON_MS + 3 * HOUR_MS - 1 }),
    tenantId: fc.constantFrom('ten_a', 'ten_b'),
    teamId: optional('team_1', 'team_2'),
    keyId: fc.constantFrom('key_1', 'key_2'),
    costCenter: optional('cc'),
    provider: optional('openai', 'anthropic'),
    model: optional('m1', 'm2'),
    status: fc.constantFrom(0, 200, 400, 429, 502),
    ending: fc.constantFrom('finished', 'client-left', 'provider-cut', 'timed-out', 'failed', 'lost'),
    cache: fc.constantFrom('hit', 'miss', 'off'),
    isFinal: fc.boolean(),
    costNanoUsd: fc.nat(Number.MAX_SAFE_INTEGER),
    savedNanoUsd: fc.nat(1000),
    output: fc.nat(100_000),
  })

  it('equal the events, for every grouping and every cut of time', async () => {
    const groups = fc.subarray(['hour', 'day', 'tenant', 'team', 'key', 'model', 'provider', 'cost_center'] as const)
    const instant = fc.integer({ min: NOON_MS - 4 * HOUR_MS, max: NOON_MS + 4 * HOUR_MS })
    await fc.assert(
      fc.asyncProperty(
        fc.array(event, { minLength: 1, maxLength: 40 }),
        groups,
        instant,
        instant,
        async (drawn, groupBy, a, b) => {
          await env.DB.batch(TABLES.map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
          const events = drawn.map(({ output, ...rest }, at) =>
            usageEvent({ ...rest, requestId: `r${at}`, usage: { ...NO_USAGE, output } }),
          )
          await deliver(messagesOf(events))
          const query: UsageQuery = { fromMs: Math.min(a, b), toMs: Math.max(a, b) + 1, groupBy }
          expect(await report(query)).toEqual(expectedReport(events, query))
          expect(await reconcile(env.DB, 8, NOON_MS + 3 * HOUR_MS)).toMatchObject({ mismatches: 0 })
        },
      ),
      { numRuns: 40 },
    )
  })

  it('that differ from the events are found and logged in one line', async () => {
    await deliver([message(1, [usageEvent({ requestId: 'r1' }), usageEvent({ requestId: 'r2', keyId: 'key_2' })])])
    expect(await reconcile(env.DB, 24, NOON_MS)).toMatchObject({ groups: 2, mismatches: 0 })
    await env.DB.prepare(`UPDATE usage_hourly SET cost_nano_usd = cost_nano_usd + 1 WHERE key_id = 'key_1'`).run()
    expect(await reconcile(env.DB, 24, NOON_MS)).toMatchObject({ groups: 2, mismatches: 1 })
    await env.DB.prepare(`DELETE FROM usage_hourly WHERE key_id = 'key_2'`).run()
    expect(await reconcile(env.DB, 24, NOON_MS)).toMatchObject({ groups: 2, mismatches: 2 })
    const lines = await linesOf(() => recheckLedger(consumerEnv(), NOON_MS))
    expect(lines).toEqual([expect.stringContaining('"event":"ledger-mismatch"')])
  })

  it('of a large sum are exact beyond what a JS number holds', async () => {
    const events = Array.from({ length: 3 }, (_, at) =>
      usageEvent({ requestId: `r${at}`, costNanoUsd: Number.MAX_SAFE_INTEGER }),
    )
    await deliver([message(1, events)])
    expect(await totals()).toMatchObject({ cost_nano_usd: String(3n * BigInt(Number.MAX_SAFE_INTEGER)) })
  })

  it('are one row for all events of an hour and group', async () => {
    const events = Array.from({ length: 50 }, (_, at) => usageEvent({ requestId: `r${at}` }))
    const readable = readBatch(message(1, events).body)
    expect(readable.ok && (await applyBatch(env.DB, readable.value, 0)).kind).toBe('applied')
    expect(await env.DB.prepare(`SELECT count(*) FROM usage_hourly`).raw()).toEqual([[1]])
  })
})

describe('latest requests', () => {
  it('come newest first, in pages that neither repeat nor skip', async () => {
    const events = Array.from({ length: 25 }, (_, at) =>
      usageEvent({ requestId: `r${at % 10}`, attempt: Math.floor(at / 10), startedAtMs: NOON_MS + (at % 3) }),
    )
    await deliver([message(1, events)])
    const seen: string[] = []
    let before: string | null = null
    do {
      const page: ApiRequests = await latestRequests(env.DB, {
        limit: 4,
        before: before === null ? null : readCursor(before),
      })
      seen.push(...page.rows.map((row) => `${row.started_at_ms}/${row.request_id}/${row.attempt}`))
      before = page.next
    } while (before !== null)
    expect(seen).toEqual(
      events
        .map((one) => `${one.startedAtMs}/${one.requestId}/${one.attempt}`)
        .sort()
        .reverse(),
    )
  })

  it('are found by what they were, in pages that look through so many each, and neither repeat nor skip', async () => {
    const startedAtMs = (at: number): number => NOON_MS + Math.floor(at / 3)
    const events = Array.from({ length: 40 }, (_, at) => {
      const isStray = at % 10 === 9
      const ofIdMs = isStray ? NOON_MS - HOUR_MS : startedAtMs(at)
      return usageEvent({
        requestId: `${textAt(ofIdMs)}-7000-8000-0000000000${String(at).padStart(2, '0')}`,
        startedAtMs: startedAtMs(at),
        keyId: at % 4 === 1 ? 'key_b' : 'key_a',
        tags: at % 7 === 1 ? ['odd', `x${at}`] : [],
        requestedModel: at % 5 === 1 ? 'asked' : 'm',
        ...(at % 6 === 1 ? { status: 502, failure: 'server', ending: 'failed' } : {}),
      })
    })
    await deliver([message(1, events)])
    const find = async (filter: RequestFilter, limit = 3): Promise<readonly (readonly string[])[]> => {
      const pages: (readonly string[])[] = []
      let before: string | null = null
      do {
        const cursor: RequestCursor | null = before === null ? null : readCursor(before)
        const page: ApiRequests = await findRequests(env.DB, { filter, limit, before: cursor, lookedThroughMax: 6 })
        pages.push(page.rows.map((row) => row.request_id))
        before = page.next
      } while (before !== null && pages.length < 60)
      return pages
    }
    const wanted = (is: (event: UsageEvent) => boolean): readonly string[] =>
      events
        .filter(is)
        .sort((a, b) => (orderOf(a) < orderOf(b) ? 1 : -1))
        .map(({ requestId }) => requestId)
    const byKey = await find({ keyId: 'key_b' })
    expect(byKey.flat()).toEqual(wanted(({ keyId }) => keyId === 'key_b'))
    expect(byKey.every((page) => page.length <= 3)).toBe(true)
    expect((await find({ tag: 'x36' })).flat()).toEqual(wanted(({ tags }) => tags.includes('x36')))
    expect((await find({ model: 'asked' })).flat()).toEqual(wanted((one) => one.requestedModel === 'asked'))
    expect((await find({ outcome: 'failed' })).flat()).toEqual(wanted((one) => one.failure !== null))
    expect((await find({ outcome: 'ok', tenantId: 'ten_b' })).flat()).toEqual([])
    const span = { fromMs: NOON_MS + 3, toMs: NOON_MS + 9 }
    const within = wanted((one) => one.startedAtMs >= span.fromMs && one.startedAtMs < span.toMs)
    expect((await find(span, 4)).flat()).toEqual(within)
    const [first = ''] = within
    expect(await find({ requestId: first })).toEqual([[first]])
  })

  it('refuse a cursor they did not write', () => {
    for (const text of ['', 'x', '1-2', '1--r', 'x-1-r', '1-x-r', '-1-1-r']) expect(readCursor(text)).toBeNull()
    expect(readCursor('17-2-r-1')).toEqual({ startedAtMs: 17, attempt: 2, requestId: 'r-1' })
  })
})

describe('usage consumer', () => {
  const token = 'operator-token-0123456789'
  const ask = (path: string, init: RequestInit = {}, adminToken: string | undefined = token) =>
    answerOperator(new Request(`https://usage${path}`, init), {
      ...consumerEnv(),
      ...(adminToken === undefined ? {} : { ADMIN_TOKEN: adminToken }),
    })
  const asOperator = { headers: { authorization: `Bearer ${token}` } }

  it('answers its health to anyone and all else only to the operator', async () => {
    expect((await ask('/healthz')).status).toBe(200)
    for (const path of ['/metrics', '/dead-letters', '/nothing']) {
      expect((await ask(path)).status).toBe(401)
      expect((await ask(path, { headers: { authorization: `Bearer ${token}x` } })).status).toBe(401)
      expect((await ask(path, asOperator, '')).status).toBe(503)
      expect((await ask(path, asOperator, 'short')).status).toBe(503)
    }
    expect((await ask('/nothing', asOperator)).status).toBe(404)
  })

  it('shows how everything stands as Prometheus text, as strictly as its format is written', async () => {
    await deliver([
      message(1, [
        usageEvent({ requestId: 'r1', latencyMs: 1200, ttftMs: 250 }),
        usageEvent({ requestId: 'r2', model: 'a"b', cache: 'hit', status: 500 }),
      ]),
    ])
    await deliver([{ id: 'bad', body: 'x' }])
    const ran = { exporter: 'traces', sent: 3, dropped: 1, failed: 2, error: 'away' } as const
    for (const error of ['away', null]) await noteRuns(env.DB, [{ ...ran, error }], NOON_MS)
    await env.DB.prepare(
      `INSERT OR IGNORE INTO targets (id, provider, model, compiled, created_at_ms)
      VALUES ('told', 'p', 'm', '{}', 0)`,
    ).run()
    const noted = { name: 'eu/told', state: 'open', hasOpened: true, atMs: 2 } as const
    for (const name of ['eu/told', 'eu/gone']) await noteBreaker(env.DB, { ...noted, name })
    // A note that comes late.
    await noteBreaker(env.DB, { ...noted, state: 'closed', hasOpened: false, atMs: 1 })
    // One whose target is gone is told of no more.
    const told = { target: 'told', region: 'eu', state: 'open', opened: 1, at_ms: 2 }
    expect(await breakerStates(env.DB)).toEqual([told])
    const node = { scope: 'tenant', id: 'ten_a', model: null, period: 'day', windowStartMs: 0, windowEndMs: 1 } as const
    const budget = { ...node, spentNanoUsd: 1_500_000_001, heldNanoUsd: 5, limitNanoUsd: 4_000_000_000 }
    const live = async () => ({ nodes: [budget], unconfirmed: 3, oldestUnconfirmedMs: NOON_MS + 60_000 - 7_000 })
    const text = await metricsText(env.DB, live, NOON_MS + 60_000)
    const families = new Map(readExposition(text).map((family) => [family.name, family]))
    const valueOf = (name: string, labels: Record<string, string> = {}, suffix = ''): number | undefined =>
      families
        .get(name)
        ?.samples.find(
          (sample) =>
            sample.name === name + suffix &&
            Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
        )?.value
    const [served, failed] = [
      { provider: 'openai', model: 'gpt-4o' },
      { provider: 'openai', model: 'a"b' },
    ]
    expect(valueOf('tidegate_requests_total', { ...served, outcome: 'answered' })).toBe(1)
    expect(valueOf('tidegate_requests_total', { ...failed, outcome: 'failed' })).toBe(1)
    expect(valueOf('tidegate_requests_total', { ...failed, outcome: 'cached' })).toBe(0)
    expect(valueOf('tidegate_tokens_total', { ...served, type: 'output' })).toBe(20)
    expect(text).toContain('tidegate_cost_usd_total{provider="openai",model="gpt-4o"} 0.000001000\n')
    const buckets = ['1', '1.5', '+Inf'].map((le) =>
      valueOf('tidegate_request_duration_seconds', { ...served, le }, '_bucket'),
    )
    expect(buckets).toEqual([0, 1, 1])
    expect(valueOf('tidegate_request_duration_seconds', served, '_sum')).toBe(1.2)
    expect(valueOf('tidegate_time_to_first_content_seconds', { ...served, le: '0.3' }, '_bucket')).toBe(1)
    expect(valueOf('tidegate_dead_letters')).toBe(1)
    expect(valueOf('tidegate_exporter_failures_total', { exporter: 'traces' })).toBe(4)
    expect(valueOf('tidegate_exporter_dropped_total', { exporter: 'traces' })).toBe(2)
    expect(valueOf('tidegate_breaker_state', { target: 'told', region: 'eu', state: 'open' })).toBe(1)
    expect(valueOf('tidegate_breaker_opened_total', { target: 'told', region: 'eu' })).toBe(1)
    expect(families.get('tidegate_breaker_opened_total')?.samples).toHaveLength(1)
    expect(text).toContain(
      'tidegate_budget_spent_usd{tenant="ten_a",scope="tenant",id="ten_a",model="",period="day"} 1.500000001\n',
    )
    expect(valueOf('tidegate_budget_limit_usd', { tenant: 'ten_a' })).toBe(4)
    expect([valueOf('tidegate_outbox_rows'), valueOf('tidegate_outbox_age_seconds')]).toEqual([3, 7])
    expect(valueOf('tidegate_newest_event_age_seconds')).toBeGreaterThan(0)
    const away = await metricsText(env.DB, () => Promise.reject(new Error('away')), NOON_MS)
    expect(away).toContain('tidegate_limiters_silent 1\n')
    expect((await ask('/metrics', asOperator)).headers.get('content-type')).toContain('version=0.0.4')
  })

  it('tells a bounded number of models apart, and all others together', async () => {
    const events = Array.from({ length: PAIRS_MAX + 3 }, (_, at) =>
      usageEvent({ requestId: `r${at}`, model: `m${at}` }),
    )
    await deliver([message(1, events)])
    const [requests] = readExposition(await metricsText(env.DB, async () => null, NOON_MS))
    const answered = requests?.samples.filter(({ labels }) => labels['outcome'] === 'answered') ?? []
    expect(answered).toHaveLength(PAIRS_MAX + 1)
    expect(answered.find(({ labels }) => labels['model'] === 'other')?.value).toBe(3)
  })

  it('lists dead letters and replays one when it can be applied', async () => {
    const good = message(1, [usageEvent({ requestId: 'r1' })])
    await deliver([good], { source: 'dead', db: failingBatches(() => true) })
    await deliver([{ id: 'bad', body: 'x' }])
    const listed: { rows: { id: number; outbox_id: number | null }[] } = await (
      await ask('/dead-letters', asOperator)
    ).json()
    expect(listed.rows).toHaveLength(2)
    const statuses = new Map<number | null, number>()
    for (const row of listed.rows) {
      statuses.set(row.outbox_id, (await ask(`/replay/${row.id}`, { method: 'POST', ...asOperator })).status)
    }
    expect(statuses).toEqual(
      new Map([
        [1, 200],
        [null, 409],
      ]),
    )
    expect(await totals()).toMatchObject({ requests: 1 })
    expect(await listDeadLetters(env.DB)).toHaveLength(1)
    expect((await ask('/replay/999999', { method: 'POST', ...asOperator })).status).toBe(404)
    expect((await ask('/replay/abc', { method: 'POST', ...asOperator })).status).toBe(404)
  })

  it('confirms to the real limiter object', async () => {
    const lines = await linesOf(async () => {
      const { delivery, acked } = deliveryOf(message(1, [usageEvent({ requestId: 'r1' })]), 1)
      const batch = { queue: 'tidegate-usage', messages: [delivery] } as unknown as MessageBatch<unknown>
      await consumeQueue(batch, { DB: env.DB, TENANT_LIMITER: env.TENANT_LIMITER })
      expect(acked).toEqual(['m1'])
    }, 'warn')
    expect(lines).toEqual([])
  })

  it('tells of what it has booked: again where nobody took it, once where the limiter sends it twice', async () => {
    const points: unknown[] = []
    const taken: unknown[] = []
    let isAway = true
    const sendBatch = async (messages: readonly unknown[]) => {
      if (isAway) throw new Error('away')
      taken.push(...messages)
    }
    const telling = {
      OTLP_ENDPOINT: 'https://collector.example',
      TELEMETRY: { sendBatch },
      ATTEMPTS: { writeDataPoint: (point: unknown) => void points.push(point) },
    }
    const sent = message(1, [usageEvent({ requestId: 'r1' })])
    const deliveredFor = async (attempts: number) => {
      const { delivery, acked, retried } = deliveryOf(sent, attempts)
      const batch = { queue: 'tidegate-usage', messages: [delivery] } as unknown as MessageBatch<unknown>
      await consumeQueue(batch, { ...consumerEnv(), ...telling })
      return [acked.length, retried.length]
    }
    const lines = await linesOf(async () => {
      expect(await deliveredFor(1)).toEqual([0, 1])
      expect(await totals()).toMatchObject({ requests: 1 })
      // Booked by another delivery, which is told of by that one.
      expect(await deliveredFor(1)).toEqual([1, 0])
      expect(await deliveredFor(8)).toEqual([1, 0])
    }, 'warn')
    expect(lines.map((line) => line.includes('telemetry-not-forwarded'))).toEqual([true, true])
    isAway = false
    expect(await deliveredFor(2)).toEqual([1, 0])
    expect(taken).toEqual([{ body: sent.body }])
    expect(points).toHaveLength(1)
    expect(await totals()).toMatchObject({ requests: 1 })
    expect(await exportersHealth(env.DB)).toMatchObject([{ name: 'queue', dropped: 1, failed: 2 }])
  })

  it('takes batches of both queues', async () => {
    const confirmed: unknown[] = []
    for (const queue of ['tidegate-usage', 'tidegate-usage-dead']) {
      const { delivery, acked } = deliveryOf(message(queue.length, [usageEvent({ requestId: queue })]), 1)
      const batch = { queue, messages: [delivery] } as unknown as MessageBatch<unknown>
      await consumeQueue(batch, consumerEnv(confirmed))
      expect(acked).toHaveLength(1)
    }
    expect(confirmed).toEqual([
      ['ten_a', [14]],
      ['ten_a', [19]],
    ])
    expect(await totals()).toMatchObject({ requests: 2 })
  })
})

function usageEvent(fields: Partial<UsageEvent>): UsageEvent {
  return {
    v: 1,
    kind: 'cost',
    requestId: 'r',
    attempt: 1,
    startedAtMs: NOON_MS,
    tenantId: 'ten_a',
    teamId: null,
    keyId: 'key_1',
    costCenter: null,
    endUser: null,
    tags: [],
    traceId: null,
    protocol: 'chat',
    streamed: false,
    requestedModel: 'fast',
    route: 'route_1',
    targetId: 'target_1',
    provider: 'openai',
    model: 'gpt-4o',
    status: 200,
    ending: 'finished',
    failure: null,
    cache: 'miss',
    isFinal: true,
    usage: { ...NO_USAGE, input: 10, output: 20 } satisfies Usage,
    isEstimated: false,
    costNanoUsd: 1000,
    savedNanoUsd: 0,
    priceVersion: null,
    latencyMs: 100,
    ttftMs: null,
    ...fields,
  }
}

interface Sent {
  readonly id: string
  readonly body: unknown
}

function message(outboxId: number, events: readonly unknown[], tenantId = 'ten_a'): Sent {
  const body: UsageBatch = { v: 1, tenantId, outboxId, events: JSON.stringify(events) }
  return { id: `m${outboxId}`, body }
}

/** One message per run of events of one tenant, as a limiter would send them. */
function messagesOf(events: readonly UsageEvent[]): Sent[] {
  const tenants = [...new Set(events.map((event) => event.tenantId))]
  return tenants.flatMap((tenantId) => {
    const own = events.filter((event) => event.tenantId === tenantId)
    const half = Math.ceil(own.length / 2)
    return [own.slice(0, half), own.slice(half)]
      .filter((part) => part.length > 0)
      .map((part, at) => message(at, part, tenantId))
  })
}

function deliveryOf(sent: Sent, attempts: number): { delivery: Delivery; acked: string[]; retried: number[] } {
  const acked: string[] = []
  const retried: number[] = []
  const delivery: Delivery = {
    ...sent,
    attempts,
    ack: () => void acked.push(sent.id),
    retry: ({ delaySeconds }) => void retried.push(delaySeconds),
  }
  return { delivery, acked, retried }
}

async function deliver(
  sent: readonly Sent[],
  options: { attempts?: number; source?: 'usage' | 'dead'; db?: D1Database; confirm?: LedgerPorts['confirm'] } = {},
) {
  const confirmed: [string, readonly number[]][] = []
  const logged: unknown[] = []
  const deliveries = sent.map((one) => deliveryOf(one, options.attempts ?? 1))
  await consume(
    deliveries.map((one) => one.delivery),
    options.source ?? 'usage',
    {
      db: options.db ?? env.DB,
      nowMs: () => NOON_MS,
      confirm: options.confirm ?? (async (tenantId, ids) => void confirmed.push([tenantId, ids])),
      log: (line) => void logged.push(line.event),
    },
  )
  return {
    acked: deliveries.flatMap((one) => one.acked),
    retried: deliveries.flatMap((one) => one.retried),
    confirmed,
    logged,
  }
}

/** The real database, except that some `batch` calls fail as they do when D1 is overloaded. */
function failingBatches(fails: () => boolean): D1Database {
  return new Proxy(env.DB, {
    get(target, property) {
      if (property === 'batch' && fails()) return () => Promise.reject(new Error('D1_ERROR: overloaded'))
      const value: unknown = Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

function brokenDatabase(): D1Database {
  return failingBatches(() => true)
}

function consumerEnv(confirmed: unknown[] = []): ConsumerEnv {
  return {
    DB: env.DB,
    TENANT_LIMITER: {
      idFromName: (name) => ({ name, toString: () => name, equals: (other) => other.name === name }),
      get: (id) => ({ confirm: async (outboxIds) => void confirmed.push([id.name, outboxIds]) }),
    },
  }
}

async function report(query: UsageQuery): Promise<UsageReport> {
  const found = await usageReport(env.DB, query)
  if (!found.ok) throw new Error(found.error)
  const contract: ApiUsage = found.value
  expect(contract.from).toBe(query.fromMs)
  return found.value
}

async function totals() {
  return (await report({ fromMs: 0, toMs: NOON_MS + 10 * HOUR_MS, groupBy: [] })).total
}

async function linesOf(work: () => Promise<void>, level: 'warn' | 'error' = 'error'): Promise<string[]> {
  const lines: string[] = []
  const original = console[level]
  console[level] = (line: string) => void lines.push(line)
  try {
    await work()
  } finally {
    console[level] = original
  }
  return lines
}
