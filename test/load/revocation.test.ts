// How long a revoked key still opens anything: four gateway instances in processes of their own, each with the key's leases warm, its
// answers cached and its streams running, under load. The key is revoked by the admin API, as the dashboard does it. What is told
// is the time from the admin's answer to the last request that an instance accepted, and to the end of its last stream. The
// instances' copies of the directory never hear of the revocation, as if KV's edges stayed behind for ever.
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type MintedKey, ask, createRoute, createTenant, mintKey, says } from '../support/account.ts'
import { type Instance, type SharedLimiter, startSharedLimiter } from '../support/shared-limiter.ts'

const INSTANCES = 4
const BUSY_ROUNDS = 5
const QUIET_ROUNDS = 4
const LONELY_ROUNDS = 3
/** Clients of an instance, of each kind, and how soon one that was answered asks again. */
const CLIENTS = 4
const PACE_MS = 10
const WARM_MS = 1_500
/** For so long after the revocation requests are tried. */
const WATCHED_MS = 6_000
/** On a quiet instance nobody asks from before the revocation until so long after it. */
const PAUSES_MS = [500, 3_000, 6_500, 9_000] as const

/** What the README says: of an instance that is in use, of any, and of streams. */
const BUSY_MS_MAX = 1_000
const ANY_MS_MAX = 10_000
const STREAM_MS_MAX = 5_000

const FAST = 'sim-gpt-4o-fast'
/** Runs for half a minute, unless it is ended. */
const LONG = 'sim-gpt-4o-tokens3000-lumps10'

let shared: SharedLimiter
let instances: Instance[]
let keys: MintedKey[]

beforeAll(async () => {
  shared = await startSharedLimiter({})
  const { system } = shared
  for (const model of [FAST, LONG]) {
    const target = {
      id: model,
      provider: 'custom',
      dialect: 'openai-chat',
      base_url: `${system.simulatedUrl}/openai/v1`,
      credential: 'SIMULATED_API_KEY',
      model,
      max_retries: 0,
      capabilities: { reasoning: false },
      price: { input_usd_per_million: '1', output_usd_per_million: '1' },
    }
    await createRoute(system, model, [target])
  }
  const limits = { rules: [{ kind: 'budget', amount_usd: '100', period: 'month' }] }
  keys = [await createTenant(system, 'acme', { cache: { mode: 'all' }, limits })]
  while (keys.length < BUSY_ROUNDS + QUIET_ROUNDS + LONELY_ROUNDS)
    keys.push(await mintKey(system, 'acme', `key ${keys.length}`))
  instances = []
  while (instances.length < INSTANCES) instances.push(await shared.startInstance())
})
afterAll(() => shared.dispose())

/** `fresh` is never in the cache, `cached` always once it was asked. */
type Kind = 'fresh' | 'cached'
let asked = 0

/** Whether a request was accepted. */
async function isServed({ url }: Instance, { key }: MintedKey, kind: Kind): Promise<boolean> {
  const body = { model: FAST, messages: says(kind === 'cached' ? `Once more, ${key}` : `Number ${(asked += 1)}`) }
  const response = await ask({ url, admin: shared.system.admin }, key, body)
  await response.arrayBuffer()
  if (response.status === 200 && kind === 'cached') hits += response.headers.get('x-tidegate-cache') === 'hit' ? 1 : 0
  if (response.status !== 200 && response.status !== 401) throw new Error(`answered with ${response.status}`)
  return response.status === 200
}
let hits = 0

/** When the key was revoked: the admin API had answered. */
async function revoke({ id }: MintedKey): Promise<number> {
  const { status } = await shared.system.admin('POST', `/admin/keys/${id}/revoke`)
  expect(status).toBe(200)
  return performance.now()
}

/** Asks again and again until told to stop; when the last of the requests was sent that were accepted. */
async function keepAsking(instance: Instance, key: MintedKey, kind: Kind, isOver: () => boolean): Promise<number> {
  let lastMs = 0
  while (!isOver()) {
    const sentMs = performance.now()
    if (await isServed(instance, key, kind)) lastMs = sentMs
    await wait(PACE_MS)
  }
  return lastMs
}

/** When a stream under the key came to its end, which says why. */
async function stream({ url }: Instance, { key }: MintedKey): Promise<number> {
  const body = { model: LONG, stream: true, messages: says('Count the waves') }
  const response = await ask({ url, admin: shared.system.admin }, key, body)
  const text = await response.text()
  const endedMs = performance.now()
  expect(text).toContain('key_revoked')
  return endedMs
}

interface Delays {
  readonly fresh: number[]
  readonly cached: number[]
}

/** Delays of each instance, in ms: 0 for one that accepted nothing after the answer. */
async function busyRound(key: MintedKey, delays: Delays & { readonly streams: number[] }): Promise<void> {
  let revokedMs = Infinity
  const isOver = (): boolean => performance.now() > revokedMs + WATCHED_MS
  const running = instances.map(async (instance) => {
    const streamed = stream(instance, key)
    const lasts = (kind: Kind) =>
      Promise.all(Array.from({ length: CLIENTS }, () => keepAsking(instance, key, kind, isOver)))
    const [fresh, cached, endedMs] = await Promise.all([lasts('fresh'), lasts('cached'), streamed])
    return { fresh: Math.max(...fresh), cached: Math.max(...cached), endedMs }
  })
  await wait(WARM_MS)
  revokedMs = await revoke(key)
  for (const { fresh, cached, endedMs } of await Promise.all(running)) {
    delays.fresh.push(Math.max(0, fresh - revokedMs))
    delays.cached.push(Math.max(0, cached - revokedMs))
    delays.streams.push(Math.max(0, endedMs - revokedMs))
  }
}

/** The same where an instance has heard nothing since before the revocation, until somebody asks there again. */
async function quietRound(key: MintedKey, kind: Kind, delays: Delays): Promise<void> {
  for (const instance of instances) {
    for (let turn = 0; turn < 2; turn++) expect(await isServed(instance, key, kind)).toBe(true)
  }
  const revokedMs = await revoke(key)
  await Promise.all(
    instances.map(async (instance, at) => {
      await wait(PAUSES_MS[at] ?? 0)
      const isOver = (): boolean => performance.now() > revokedMs + (PAUSES_MS[at] ?? 0) + 1_500
      delays[kind].push(Math.max(0, (await keepAsking(instance, key, kind, isOver)) - revokedMs))
    }),
  )
}

/** Of streams beside which nothing runs: their isolates talk to the limiter on their behalf alone. */
async function lonelyRound(key: MintedKey, delays: number[]): Promise<void> {
  const running = instances.map((instance) => stream(instance, key))
  await wait(WARM_MS)
  const revokedMs = await revoke(key)
  for (const endedMs of await Promise.all(running)) delays.push(Math.max(0, endedMs - revokedMs))
}

function told(name: string, delays: readonly number[]): string {
  const sorted = delays.toSorted((a, b) => a - b)
  const at = (share: number): string => (sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN).toFixed(0)
  return `${name.padEnd(24)} p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, at most ${at(1)} ms (${sorted.length})`
}

test('a revoked key opens nothing more, within the bound, on any instance', { timeout: 300_000 }, async () => {
  const busy = { fresh: [], cached: [], streams: [] }
  const quiet = { fresh: [], cached: [] }
  for (const key of keys.slice(0, BUSY_ROUNDS)) await busyRound(key, busy)
  const hitsOfBusy = hits
  const lonely: number[] = []
  for (const key of keys.slice(BUSY_ROUNDS + QUIET_ROUNDS)) await lonelyRound(key, lonely)
  for (const [at, key] of keys.slice(BUSY_ROUNDS, BUSY_ROUNDS + QUIET_ROUNDS).entries()) {
    await quietRound(key, at % 2 === 0 ? 'fresh' : 'cached', quiet)
  }
  console.log(
    [
      `requests: ${asked} fresh, ${hits} from the cache, on ${INSTANCES} instances`,
      told('busy, calls', busy.fresh),
      told('busy, from the cache', busy.cached),
      told('busy, running streams', busy.streams),
      told('streams alone', lonely),
      told('quiet before, calls', quiet.fresh),
      told('quiet before, cache', quiet.cached),
    ].join('\n'),
  )
  expect(hitsOfBusy).toBeGreaterThan(BUSY_ROUNDS * INSTANCES)
  expect(Math.max(...busy.fresh, ...busy.cached)).toBeLessThanOrEqual(BUSY_MS_MAX)
  expect(Math.max(...busy.streams, ...lonely)).toBeLessThanOrEqual(STREAM_MS_MAX)
  expect(Math.max(...quiet.fresh, ...quiet.cached)).toBeLessThanOrEqual(ANY_MS_MAX)
})
