// SIGKILL in the middle of fifty streams. After a restart every request that had an answer is in the ledger, once, and
// what was reserved for it still counts against its budget.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import type { RequestRow } from '../../src/ledger/latest-requests.ts'
import {
  type MintedKey,
  ask,
  createTenant,
  eventually,
  latestAttempts,
  routeSimulated,
  says,
  usageBy,
} from '../support/account.ts'
import { type KillableSystem, startKillableSystem } from '../support/killable-system.ts'

const STREAMS = 50
/** Of those, this many belong to a tenant whose budget they use up, but for less than is worth asking for. */
const TIGHT_STREAMS = 15
const TIGHT_USD = '0.151'
const FINISHED = 10
/** Output bound of every stream, whose length it is: at ten milliseconds a token, none ends by itself. */
const TOKENS = 1_000
/** Nano-USD per output token of the simulated models on OpenAI's wire. */
const OUTPUT_PRICE = 10_000
const LEASE_TTL_MS = 3_000

let folder: string
let system: KillableSystem
let wide: MintedKey
let tight: MintedKey

const start = (): Promise<KillableSystem> =>
  startKillableSystem({ stateDir: folder, vars: { LEASE_TTL_MS: String(LEASE_TTL_MS) } })

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'tidegate-crash-'))
  system = await start()
  wide = await createTenant(system, 'wide', { limits: { budget: { amount_usd: '100', period: 'month' } } })
  tight = await createTenant(system, 'tight', { limits: { budget: { amount_usd: TIGHT_USD, period: 'month' } } })
  await routeSimulated(system)
})
afterAll(async () => {
  await system.kill()
  await rm(folder, { recursive: true, force: true })
})

interface OpenStream {
  readonly requestId: string
  /** Content events that have come. */
  contents: number
  readonly ended: Promise<void>
}

/** Opens a stream and goes on reading it. */
async function open(key: string, model: string): Promise<OpenStream> {
  const response = await ask(system, key, { model, stream: true, max_tokens: TOKENS, messages: says('Go on') })
  const requestId = response.headers.get('x-tidegate-request-id') ?? ''
  const decoder = new TextDecoder()
  const read = async (): Promise<void> => {
    for await (const chunk of response.body ?? []) {
      stream.contents += decoder.decode(chunk, { stream: true }).match(/"content":"[^"]/g)?.length ?? 0
    }
  }
  const stream: OpenStream = { requestId, contents: 0, ended: Promise.resolve() }
  return Object.assign(stream, { ended: read().catch(() => {}) })
}

const OVERVIEW = z.object({
  tenants: z.array(
    z.object({ id: z.string(), limits: z.object({ budget: z.object({ spent_nano_usd: z.string() }) }) }),
  ),
})

/** What a tenant has spent of its budget, as admission sees it. */
async function spentNanoUsd(tenantId: string): Promise<number> {
  const { tenants } = OVERVIEW.parse((await system.admin('GET', '/admin/overview')).body)
  return Number(tenants.find(({ id }) => id === tenantId)?.limits.budget.spent_nano_usd)
}

describe('SIGKILL in the middle of fifty streams', () => {
  let cut: readonly OpenStream[]
  let finished: readonly OpenStream[]
  let rows: readonly RequestRow[]

  test('the streams are under way, and others have just ended, when it strikes', async () => {
    cut = await Promise.all(
      Array.from({ length: STREAMS }, (_, n) =>
        open((n < TIGHT_STREAMS ? tight : wide).key, `sim-gpt-4o-tokens${TOKENS}`),
      ),
    )
    finished = await Promise.all(Array.from({ length: FINISHED }, () => open(wide.key, 'sim-gpt-4o-tokens10')))
    await Promise.all(finished.map((stream) => stream.ended))
    await eventually(
      () => cut.filter((stream) => stream.contents > 0).length,
      (count) => count === STREAMS,
    )
    await system.kill()
    await Promise.all(cut.map((stream) => stream.ended))
    for (const { contents } of cut) expect(contents).toBeLessThan(TOKENS)
    for (const { contents } of finished) expect(contents).toBe(10)
    system = await start()
  })

  test('every one of them is in the ledger, once', async () => {
    const ids = [...cut, ...finished].map(({ requestId }) => requestId)
    expect(new Set(ids).size).toBe(STREAMS + FINISHED)
    rows = await eventually(
      () => latestAttempts(system),
      (found) => ids.every((id) => found.some((row) => row.request_id === id)),
      20_000,
    )
    expect(rows.map((row) => row.request_id).toSorted()).toEqual(ids.toSorted())
    const cost = rows.reduce((sum, row) => sum + Number(row.cost_nano_usd), 0)
    // Sums are added up as events arrive: one that arrived twice would show here.
    const { total } = await usageBy(system, 'tenant')
    expect(total).toMatchObject({ requests: STREAMS + FINISHED, cost_nano_usd: String(cost) })
  })

  test('those that were cut are charged what was reserved for them, as an estimate', () => {
    const lost = rows.filter((row) => cut.some(({ requestId }) => requestId === row.request_id))
    for (const row of lost) {
      expect(row).toMatchObject({ ending: 'lost', is_estimated: true, is_final: true, streamed: true, attempt: 1 })
      expect(Number(row.cost_nano_usd)).toBeGreaterThanOrEqual(TOKENS * OUTPUT_PRICE)
    }
    expect(lost).toHaveLength(STREAMS)
  })

  test('no budget forgets what the ledger knows, and reservations still count', async () => {
    for (const { tenantId } of [wide, tight]) {
      const own = rows.filter((row) => row.tenant === tenantId)
      const cost = own.reduce((sum, row) => sum + Number(row.cost_nano_usd), 0)
      expect(await spentNanoUsd(tenantId)).toBeGreaterThanOrEqual(cost)
    }
    const body = { model: 'sim-gpt-4o-fast', messages: says('One more?'), max_tokens: 8 * TOKENS }
    const refused = await ask(system, tight.key, body)
    expect(refused.status).toBe(402)
    expect(await refused.json()).toMatchObject({ error: { code: 'budget_exceeded' } })
    const served = await ask(system, wide.key, body)
    expect(served.status).toBe(200)
    await served.body?.cancel()
  })

  test('nothing more comes of them later', async () => {
    const id = await eventually(
      async () =>
        (await latestAttempts(system)).find(
          (row) => row.tenant === wide.tenantId && row.ending === 'finished' && row.output_tokens > 10,
        ),
      (row) => row !== undefined,
    )
    expect(id?.status).toBe(200)
    const after = await latestAttempts(system)
    expect(after.filter((row) => row.request_id !== id?.request_id)).toEqual(rows)
  })
})

describe('SIGKILL while usage events are in the queue', () => {
  const REQUESTS = 10

  test('the queue forgets them, the outbox does not: each arrives once', async () => {
    const state = await mkdtemp(path.join(tmpdir(), 'tidegate-queue-'))
    const settings = { stateDir: state, vars: { LEASE_TTL_MS: String(LEASE_TTL_MS) } }
    // The consumer is handed nothing before the strike.
    let queued = await startKillableSystem({ ...settings, queueBatchSeconds: 60 })
    try {
      const { key } = await createTenant(queued, 'acme')
      await routeSimulated(queued)
      const ids: string[] = []
      // One after the other, so that the first have long been sent when the last ends.
      for (let n = 0; n < REQUESTS; n++) ids.push(await answered(queued, key))
      expect(await latestAttempts(queued)).toEqual([])
      await queued.kill()
      queued = await startKillableSystem(settings)
      ids.push(await answered(queued, key))
      const rows = await eventually(
        () => latestAttempts(queued),
        (found) => ids.every((id) => found.some((row) => row.request_id === id)),
        20_000,
      )
      expect(rows.map((row) => row.request_id).toSorted()).toEqual(ids.toSorted())
      // What the last one came to may have died with the process: then it is known from its admission alone.
      const early = rows.filter((row) => ids.indexOf(row.request_id) < REQUESTS - 1)
      expect(early.filter((row) => row.ending !== 'finished')).toEqual([])
      const cost = rows.reduce((sum, row) => sum + Number(row.cost_nano_usd), 0)
      const { total } = await usageBy(queued, 'tenant')
      expect(total).toMatchObject({ requests: REQUESTS + 1, cost_nano_usd: String(cost) })
    } finally {
      await queued.kill()
      await rm(state, { recursive: true, force: true })
    }
  })

  /** Asks, reads the whole answer, tells the request's id. */
  async function answered(gateway: KillableSystem, key: string): Promise<string> {
    const response = await ask(gateway, key, { model: 'sim-gpt-4o-tokens5', messages: says('Count me') })
    expect(response.status).toBe(200)
    await response.text()
    return response.headers.get('x-tidegate-request-id') ?? ''
  }
})
