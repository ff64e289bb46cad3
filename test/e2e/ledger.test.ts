// Every request is in the ledger within five seconds, with what it was and what it cost to the nano-dollar, whichever way
// it went; and still there after a restart. A collector is told of it all, from behind the ledger.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import type { RequestRow } from '../../src/ledger/latest-requests.ts'
import {
  type MintedKey,
  ask,
  bookOf,
  create,
  createRoute,
  createTenant,
  eventually,
  idOf,
  latestAttempts,
  mintKey,
  routeSimulated,
  says,
  simulatedTarget,
  usageBy,
} from '../support/account.ts'
import { readExposition } from '../support/exposition-reader.ts'
import { type Collector, startCollector } from '../support/otlp-collector.ts'
import { type ReadSpan, readMetrics, readSpans } from '../support/otlp-reader.ts'
import { TEST_ADMIN_TOKEN, type TestSystem, startTestSystem } from '../support/system.ts'

let folder: string
let system: TestSystem
let key: MintedKey
let teamId: string

let collector: Collector

const start = (): Promise<TestSystem> => {
  const otlp = { OTLP_ENDPOINT: collector.url, OTLP_HEADERS: 'authorization=Bearer%20let-me-in' }
  const secrets = { BODIES_KEY: 'bodies-key-of-the-tests' }
  return startTestSystem({ stateDir: folder, vars: { LEASE_TTL_MS: '3000', ...otlp }, secrets })
}

beforeAll(async () => {
  collector = await startCollector(503)
  folder = await mkdtemp(path.join(tmpdir(), 'tidegate-ledger-'))
  system = await start()
  await create(system, '/admin/tenants', { name: 'acme', cache: { mode: 'all' } })
  teamId = idOf(await create(system, '/admin/teams', { tenant: 'acme', name: 'research' }))
  key = await mintKey(system, 'acme', 'lab', { team: 'research', cost_center: 'cc-key', tags: ['lab'] })
  await routeSimulated(system)
})
afterAll(async () => {
  await system.dispose()
  collector.close()
  await rm(folder, { recursive: true, force: true })
})

/** Nano-USD per token, as the simulated providers charge. */
const PRICES = { gpt: { input: 2_500, output: 10_000 }, claude: { input: 3_000, output: 15_000 } } as const

/** Asks, reads to the end however it ends, and tells the request's id. */
async function served(body: object, headers: Record<string, string> = {}): Promise<string> {
  const response = await ask(system, key.key, { messages: says('For the books'), ...body }, { headers })
  await response.text().catch(() => '')
  return response.headers.get('x-tidegate-request-id') ?? ''
}

/** The attempts of a request, in order, once the last of them is there. */
async function attemptsOf(requestId: string): Promise<readonly RequestRow[]> {
  const rowsOf = async () => (await latestAttempts(system)).filter((row) => row.request_id === requestId)
  const rows = await eventually(rowsOf, (found) => found.some((row) => row.is_final))
  return rows.toSorted((a, b) => a.attempt - b.attempt)
}

const WIRES = [
  ['OpenAI wire', 'sim-gpt-4o-fast', PRICES.gpt],
  ['Anthropic wire', 'sim-claude-fast', PRICES.claude],
] as const

describe.concurrent.each(WIRES)('%s', (_, model, price) => {
  test.each([true, false])(
    'a request is there with its tokens, its cost and its names; streamed: %s',
    async (stream) => {
      const own = `${model}-named-${stream}`
      const traceId = '0af7651916cd43dd8448eb211c80319c'
      const id = await served(
        { model: own, stream },
        { traceparent: `00-${traceId}-b7ad6b7169203331-01`, 'x-tidegate-tags': 'night, batch' },
      )
      const book = await bookOf(system.simulatedUrl, own)
      const [row, ...others] = await attemptsOf(id)
      expect(others).toEqual([])
      expect(book).toMatchObject({ calls: 1, completed: 1 })
      const cost = (book?.tokensIn ?? 0) * price.input + (book?.tokensOut ?? 0) * price.output
      expect(row).toMatchObject({
        tenant: key.tenantId,
        team: teamId,
        key: key.id,
        cost_center: 'cc-key',
        tags: ['lab', 'night', 'batch'],
        trace_id: traceId,
        streamed: stream,
        requested_model: own,
        model: own,
        attempt: 1,
        status: 200,
        ending: 'finished',
        failure: null,
        cache: 'miss',
        is_estimated: false,
        input_tokens: book?.tokensIn,
        output_tokens: book?.tokensOut,
        cost_nano_usd: String(cost),
        saved_nano_usd: '0',
      })
      expect(row?.ttft_ms === null).toBe(!stream)
    },
  )

  test('a cache hit costs nothing and tells what it saved', async () => {
    const body = { model: `${model}-kept` }
    const first = await attemptsOf(await served(body))
    const hit = await eventually(
      async () => (await attemptsOf(await served(body)))[0],
      (row) => row?.cache === 'hit',
    )
    expect(hit).toMatchObject({ attempt: 0, status: 200, ending: 'finished', input_tokens: 0, cost_nano_usd: '0' })
    expect(hit?.saved_nano_usd).toBe(first[0]?.cost_nano_usd)
  })

  test('a request that its client left is charged for what was seen, as an estimate', async () => {
    const own = `${model}-tokens20000-left`
    const leaving = new AbortController()
    const body = { model: own, stream: true, messages: says('For the books') }
    const response = await ask(system, key.key, body, { signal: leaving.signal })
    await response.body?.getReader().read()
    leaving.abort()
    const [row] = await attemptsOf(response.headers.get('x-tidegate-request-id') ?? '')
    expect(row).toMatchObject({ status: 200, ending: 'client-left', failure: null, is_estimated: true })
    const book = await eventually(
      () => bookOf(system.simulatedUrl, own),
      (found) => found?.aborted === 1,
    )
    expect(row?.output_tokens).toBeGreaterThan(0)
    expect(row?.output_tokens).toBeLessThanOrEqual(book?.tokensOut ?? 0)
    const cost = (row?.input_tokens ?? 0) * price.input + (row?.output_tokens ?? 0) * price.output
    expect(row?.cost_nano_usd).toBe(String(cost))
  })

  test('a reply that breaks off is charged for what was seen, as an estimate', async () => {
    const id = await served({ model: `${model}-tokens100-cut20`, stream: true })
    const [row] = await attemptsOf(id)
    expect(row).toMatchObject({ status: 200, ending: 'provider-cut', failure: 'stream', is_estimated: true })
    const cost = (row?.input_tokens ?? 0) * price.input + 20 * price.output
    expect(row).toMatchObject({ output_tokens: 20, cost_nano_usd: String(cost) })
  })
})

describe.concurrent('requests that need several attempts', () => {
  test('a failed over request is two attempts, one of them final and paid', async () => {
    await createRoute(system, 'failing-over', [
      simulatedTarget('over-1', 'sim-gpt-fast-e500'),
      simulatedTarget('over-2', 'sim-claude-fast', { cost_center: 'cc-target' }),
    ])
    const rows = await attemptsOf(await served({ model: 'failing-over' }, { 'x-tidegate-cost-center': 'cc-header' }))
    expect(rows).toMatchObject([
      { attempt: 1, target: 'over-1', is_final: false, status: 500, failure: 'server', cost_nano_usd: '0' },
      { attempt: 2, target: 'over-2', is_final: true, status: 200, failure: null, ending: 'finished' },
    ])
    expect(rows.map((row) => row.cost_center)).toEqual(['cc-header', 'cc-header'])
    expect(Number(rows[1]?.cost_nano_usd)).toBeGreaterThan(0)
  })

  test('a failure is there with the status that its client got', async () => {
    const own = 'sim-gpt-fast-e500-alone'
    await createRoute(system, own, [simulatedTarget('alone', own, { max_retries: 1 })])
    const rows = await attemptsOf(await served({ model: own }))
    expect(rows).toMatchObject([
      { attempt: 1, is_final: false, status: 500, ending: 'failed', cost_nano_usd: '0' },
      { attempt: 2, is_final: true, status: 502, ending: 'failed', failure: 'server', cost_nano_usd: '0' },
    ])
  })
})

describe('the sums', () => {
  test('are those of the rows, in every grouping', async () => {
    const rows = (await latestAttempts(system)).filter((row) => row.tenant === key.tenantId)
    const sum = (of: (row: RequestRow) => number): number => rows.reduce((total, row) => total + of(row), 0)
    const expected = {
      requests: rows.filter((row) => row.is_final).length,
      cache_hits: rows.filter((row) => row.cache === 'hit').length,
      errors: 3,
      input_tokens: sum((row) => row.input_tokens),
      output_tokens: sum((row) => row.output_tokens),
      cost_nano_usd: String(sum((row) => Number(row.cost_nano_usd))),
      saved_nano_usd: String(sum((row) => Number(row.saved_nano_usd))),
    }
    for (const group of ['key', 'tenant', 'team']) {
      expect((await usageBy(system, group)).rows).toMatchObject([expected])
    }
    const byModel = await usageBy(system, 'model,cost_center')
    expect(byModel.total).toMatchObject(expected)
    expect(byModel.rows.reduce((total, row) => total + Number(row.cost_nano_usd), 0)).toBe(
      Number(expected.cost_nano_usd),
    )
  })
})

describe('a collector', () => {
  const bodiesAt = (path: string) => collector.told.flatMap((one) => (one.path === path ? [one.body] : []))

  test('has a span of every attempt and request in the ledger, though it was away at first', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`
    const id = await served({ model: 'failing-over' }, { traceparent, 'x-tidegate-cache': 'off' })
    const rows = await attemptsOf(id)
    const rowsAll = (await latestAttempts(system)).filter((row) => row.tenant === key.tenantId)
    const spans = await eventually(
      async () => {
        const all = new Map(
          bodiesAt('/v1/traces')
            .flatMap(readSpans)
            .map((span) => [span.spanId, span]),
        )
        return [...all.values()]
      },
      (found) => {
        const told = new Set(
          found.map(({ kind, attributes: a }) =>
            [a['tidegate.request.id'], a['tidegate.attempt'], kind].map(String).join(' '),
          ),
        )
        const isTold = ({ request_id: one, attempt, is_final: isFinal }: RequestRow): boolean =>
          (attempt === 0 || told.has(`${one} ${attempt} 3`)) && (!isFinal || told.has(`${one} undefined 2`))
        return rowsAll.every(isTold)
      },
      20_000,
    )
    const ofRequest = (requestId: string, kind: number): readonly ReadSpan[] =>
      spans.filter((span) => span.kind === kind && span.attributes['tidegate.request.id'] === requestId)
    for (const row of rowsAll.filter((one) => one.attempt > 0)) {
      const span = ofRequest(row.request_id, 3).find(
        ({ attributes }) => attributes['tidegate.attempt'] === String(row.attempt),
      )
      expect(Math.round(Number(span?.attributes['tidegate.cost.usd']) * 1e9)).toBe(Number(row.cost_nano_usd))
    }
    const [request, ...others] = ofRequest(id, 2)
    expect(others).toEqual([])
    expect(request).toMatchObject({ traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16) })
    const attempts = ofRequest(id, 3).toSorted((a, b) => (a.startTimeUnixNano < b.startTimeUnixNano ? -1 : 1))
    expect(attempts.map(({ parentSpanId }) => parentSpanId)).toEqual(rows.map(() => request?.spanId))
    for (const span of attempts) expect(BigInt(span.endTimeUnixNano) >= BigInt(span.startTimeUnixNano)).toBe(true)
    expect(collector.told.every(({ authorization }) => authorization === 'Bearer let-me-in')).toBe(true)
    expect(system.logs.filter(({ message }) => message.includes('telemetry-failed'))).toHaveLength(1)
  })

  test('has metrics that add up to the ledger', async () => {
    const rows = (await latestAttempts(system)).filter((row) => row.tenant === key.tenantId)
    const cost = rows.reduce((sum, row) => sum + Number(row.cost_nano_usd), 0)
    const sumOf = (name: string): number =>
      bodiesAt('/v1/metrics')
        .flatMap(readMetrics)
        .filter((metric) => metric.name === name)
        .flatMap((metric) => metric.sum?.dataPoints ?? metric.histogram?.dataPoints ?? [])
        .reduce((sum, point) => sum + (point.asDouble ?? point.sum ?? 0), 0)
    const found = await eventually(
      async () => Math.round(sumOf('tidegate.cost') * 1e9),
      (sum) => sum >= cost,
    )
    expect(found).toBe(cost)
    const tokens = rows.reduce((sum, row) => sum + row.input_tokens + row.output_tokens, 0)
    expect(sumOf('gen_ai.client.token.usage')).toBe(tokens)
  })
})

describe('a scraper', () => {
  test('reads the sums of the ledger, and nothing that its format forbids', async () => {
    const headers = { authorization: `Bearer ${TEST_ADMIN_TOKEN}` }
    const rows = (await latestAttempts(system)).filter((row) => row.tenant === key.tenantId)
    const families = readExposition(await (await fetch(`${system.usageUrl}/metrics`, { headers })).text())
    const sumOf = (name: string): number =>
      families.find((family) => family.name === name)?.samples.reduce((sum, { value }) => sum + value, 0) ?? NaN
    const cost = rows.reduce((sum, row) => sum + Number(row.cost_nano_usd), 0)
    expect(Math.round(sumOf('tidegate_cost_usd_total') * 1e9)).toBe(cost)
    expect(sumOf('tidegate_requests_total')).toBe(rows.filter((row) => row.is_final).length)
    expect(sumOf('tidegate_exporter_failures_total')).toBe(1)
    expect(sumOf('tidegate_limiters_silent')).toBe(0)
    expect(families.map(({ name }) => name)).toContain('tidegate_outbox_age_seconds')
  })
})

describe('a restart', () => {
  test('loses nothing: neither what was recorded nor what was on its way', async () => {
    const before = await latestAttempts(system)
    const usage = await usageBy(system, 'key,model')
    const last = await served({ model: 'sim-gpt-4o-last', stream: true })
    await system.dispose()
    system = await start()
    const rows = await eventually(
      () => latestAttempts(system),
      (found) => found.some((row) => row.request_id === last),
      10_000,
    )
    expect(rows.filter((row) => row.request_id !== last)).toEqual(before)
    expect(rows.filter((row) => row.request_id === last)).toHaveLength(1)
    const after = await usageBy(system, 'key,model')
    expect(after.rows.filter((row) => row.model !== 'sim-gpt-4o-last')).toEqual(usage.rows)
    expect(await attemptsOf(await served({ model: 'sim-claude-fast' }))).toMatchObject([{ ending: 'finished' }])
  })
})

describe('prompts and replies', () => {
  const KEPT = z.object({
    prompt: z.object({ messages: z.array(z.object({ content: z.string() })) }),
    reply: z.object({ choices: z.array(z.unknown()) }),
    reply_is_whole: z.boolean(),
  })
  const secretOf = (text: string) => `${text} sk-Ab12Cd34Ef56Gh78, joe@example.com`
  const policy = { sample_percent: 100, redact: ['keys', 'emails'], ttl_days: 1 }
  let keeping: MintedKey
  let store: Awaited<ReturnType<TestSystem['mf']['getKVNamespace']>>

  const read = (id: string) => system.admin('GET', `/admin/requests/${id}/bodies`)
  const kept = async (id: string) => {
    const { body } = await eventually(
      () => read(id),
      ({ status }) => status === 200,
    )
    return KEPT.parse(body)
  }
  async function asked(body: object, headers: Record<string, string> = {}, by = keeping): Promise<[string, string]> {
    const messages = says(secretOf('Hello'))
    const response = await ask(system, by.key, { model: 'sim-gpt-4o-fast', messages, ...body }, { headers })
    return [response.headers.get('x-tidegate-request-id') ?? '', await response.text()]
  }

  beforeAll(async () => {
    keeping = await createTenant(system, 'keeping', { bodies: policy })
    store = await system.mf.getKVNamespace('REPLIES', 'tidegate')
  })

  test.each([true, false])(
    'are kept without what is to be hidden, and whoever reads them is noted; streamed: %s',
    async (stream) => {
      const [id, answered] = await asked({ stream })
      const found = await kept(id)
      expect(found.prompt.messages.map(({ content }) => content)).toEqual(['Hello [redacted], [redacted]'])
      expect(found.reply_is_whole).toBe(true)
      // The answer quotes the prompt, streamed in many pieces.
      if (!stream) expect(answered).toContain('sk-Ab12Cd34Ef56Gh78')
      expect(JSON.stringify(found.reply)).toContain('[redacted]')
      expect(JSON.stringify(found.reply)).not.toMatch(/sk-Ab12|example/)
      const entries = JSON.stringify((await system.admin('GET', `/admin/audit?subject=${id}`)).body)
      expect(entries).toContain('bodies.read')
      expect(entries).not.toContain('Hello')
    },
  )

  test('are sealed where they lie', async () => {
    const [id] = await asked({})
    await kept(id)
    const { value, metadata } = await store.getWithMetadata(`body:${id}`, 'arrayBuffer')
    const lies = Buffer.from(value ?? new ArrayBuffer(0)).toString('latin1')
    expect(lies.length).toBeGreaterThan(100)
    expect(lies).not.toMatch(/Hello|messages|choices/)
    expect(metadata).toEqual({ tenantId: keeping.tenantId, teamId: null })
  })

  test('of a client that leaves are what it saw, and its leaving is noticed', async () => {
    const leaving = new AbortController()
    const body = { model: 'sim-gpt-tokens20000-left', stream: true, messages: says('Hello') }
    const response = await ask(system, keeping.key, body, { signal: leaving.signal })
    await response.body?.getReader().read()
    leaving.abort()
    const id = response.headers.get('x-tidegate-request-id') ?? ''
    expect((await kept(id)).reply_is_whole).toBe(false)
    expect((await attemptsOf(id))[0]).toMatchObject({ ending: 'client-left' })
  })

  test('are not kept of who does not want that', async () => {
    const [optedOut] = await asked({}, { 'x-tidegate-bodies': 'off' })
    const [others] = await asked({}, { 'x-tidegate-cache': 'off' }, key)
    const [id] = await asked({})
    await kept(id)
    for (const none of [optedOut, others]) expect((await read(none)).status).toBe(404)
  })
})
