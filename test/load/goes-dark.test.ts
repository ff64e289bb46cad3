// A provider goes dark under load and comes back: 200 requests a second over two targets, whatever that costs told by the
// books of both. What clients see of it is nothing but a little time.
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { ask, create, createTenant, says } from '../support/account.ts'
import { type RawProvider, contentEvent, endEvents, startRawProvider } from '../support/raw-provider.ts'
import { type TestSystem, startTestSystem } from '../support/system.ts'

const PER_SECOND = 200
const BATCH_MS = 50
const CALM_MS = 3_000
const DARK_MS = 10_000
/** A provider's time to answer. */
const ANSWER_MS = 30
/** Opened twice by then, for at most 6 and 12 s, and half-way up: the rest of its time is the ramp, and then a little. */
const RETURN_MS = 20_000
/** Half of the traffic is its own. */
const OWN_SHARE = 0.5

interface Call {
  readonly fromMs: number
  toMs: number
}

interface Provider {
  readonly raw: RawProvider
  readonly book: Call[]
  isDark: boolean
}

interface Asked {
  readonly atMs: number
  readonly tookMs: number
  readonly isServed: boolean
}

let system: TestSystem
let key: string
let providers: { readonly a: Provider; readonly b: Provider }

beforeAll(async () => {
  system = await startTestSystem()
  key = (await createTenant(system, 'acme')).key
  providers = { a: await provider(), b: await provider() }
  for (const [id, { raw }] of Object.entries(providers)) {
    await create(system, '/admin/targets', { id, provider: 'custom', model: 'm', base_url: raw.url, force: true })
  }
  await create(system, '/admin/routes', { model: 'm', targets: ['a', 'b'], strategy: 'weighted' })
})
afterAll(async () => {
  await system.dispose()
  await Promise.all([providers.a.raw.close(), providers.b.raw.close()])
})

/** A provider that keeps a book of its calls. In the dark it takes a call and hangs up. */
async function provider(): Promise<Provider> {
  const book: Call[] = []
  const state = { isDark: false }
  const raw = await startRawProvider(async (response, body) => {
    const call = { fromMs: performance.now(), toMs: Infinity }
    book.push(call)
    response.on('close', () => (call.toMs = performance.now()))
    if (state.isDark) return void response.destroy()
    await sleep(ANSWER_MS)
    if (!body.includes('"stream":true')) return void response.end(WHOLE)
    response.writeHead(200, { 'content-type': 'text/event-stream' }).end(contentEvent('lit') + endEvents(1, 1))
  })
  return Object.assign(state, { raw, book })
}

const WHOLE = JSON.stringify({
  id: 'chatcmpl-raw',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'lit' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
})

/** Asks at that rate for so long, whether or not there are answers; half of it streamed. */
async function load(forMs: number): Promise<readonly Asked[]> {
  const asked: Promise<Asked>[] = []
  const sinceMs = performance.now()
  const perBatch = (PER_SECOND * BATCH_MS) / 1000
  for (let batch = 1; (batch - 1) * BATCH_MS < forMs; batch++) {
    for (let at = 0; at < perBatch; at++) asked.push(one(at % 2 === 0))
    await sleep(Math.max(0, sinceMs + batch * BATCH_MS - performance.now()))
  }
  return Promise.all(asked)
}

async function one(stream: boolean): Promise<Asked> {
  const atMs = performance.now()
  const isServed = await answered(stream).catch(() => false)
  return { atMs, tookMs: performance.now() - atMs, isServed }
}

async function answered(stream: boolean): Promise<boolean> {
  const response = await ask(system, key, { model: 'm', stream, messages: says('Light?') })
  const text = await response.text()
  return response.status === 200 && /"finish_reason": ?"stop"/.test(text) && text.includes('lit')
}

function p99(asked: readonly Asked[]): number {
  const sorted = asked.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN
}

function callsIn(book: readonly Call[], fromMs: number, toMs: number): readonly Call[] {
  return book.filter((call) => call.fromMs >= fromMs && call.fromMs < toMs)
}

/** Of what would be its own, the share that it got. */
function shareIn(book: readonly Call[], fromMs: number, toMs: number): number {
  return callsIn(book, fromMs, toMs).length / ((PER_SECOND * OWN_SHARE * (toMs - fromMs)) / 1000)
}

test('a provider that goes dark under load is noticed by nobody', { timeout: 60_000 }, async () => {
  const { a, b } = providers
  await load(1_000)
  const calm = await load(CALM_MS)
  const darkFromMs = performance.now()
  a.isDark = true
  const dark = await load(DARK_MS)
  const darkHealth = await healthOfA()
  const litFromMs = performance.now()
  a.isDark = false
  const lit = await load(RETURN_MS)

  const inTheDark = callsIn(a.book, darkFromMs, litFromMs)
  const attempts = inTheDark.length + callsIn(b.book, darkFromMs, litFromMs).length
  const [probe, ...later] = callsIn(a.book, litFromMs, Infinity)
  const rampMs = probe?.toMs ?? Number.NaN
  const shares = [
    [rampMs + 50, rampMs + 4_900],
    [rampMs + 5_300, rampMs + 9_800],
    [rampMs + 10_500, performance.now() - 500],
  ].map(([fromMs = 0, toMs = 0]) => shareIn(a.book, fromMs, toMs))
  const failed = [...calm, ...dark, ...lit].filter(({ isServed }) => !isServed).length
  console.log(
    [
      `requests: ${calm.length} calm, ${dark.length} in the dark, ${lit.length} after; failed: ${failed}`,
      `p99: ${p99(calm).toFixed(0)} ms calm, ${p99(dark).toFixed(0)} ms in the first ${DARK_MS / 1000} s of the dark, ${(p99(dark) - p99(calm)).toFixed(0)} ms added`,
      `attempts in the dark: ${attempts}, ${(attempts / dark.length).toFixed(3)} for each request; at the dark target: ${inTheDark.length}`,
      `probes in the dark, seconds after: ${probesOf(inTheDark, darkFromMs).join(', ')}`,
      `found alive ${((rampMs - litFromMs) / 1000).toFixed(1)} s after it came back; shares: ${shares.map((share) => share.toFixed(2)).join(', ')}`,
    ].join('\n'),
  )

  expect(failed).toBe(0)
  expect(['open', 'probing']).toContain(darkHealth?.state)
  expect(darkHealth?.share).toBe(0)
  expect(await healthOfA()).toMatchObject({ state: 'closed', share: 1 })
  expect(attempts / dark.length).toBeLessThanOrEqual(1.1)
  // One at a time: nobody else called before the probe was answered, and in the dark they came seconds apart.
  expect(later.every(({ fromMs }) => fromMs >= rampMs)).toBe(true)
  const probes = probesOf(inTheDark, darkFromMs)
  expect(probes.length).toBeGreaterThanOrEqual(1)
  expect(probes.length).toBeLessThanOrEqual(2)
  const [first = 0, second = 0, all = 0] = shares
  expect(first).toBeLessThan(0.15)
  expect(second).toBeGreaterThan(first)
  expect(second).toBeLessThan(0.45)
  expect(all).toBeGreaterThan(0.8)
  expect(system.logs.filter(({ message }) => message.includes('target-opened')).length).toBeLessThanOrEqual(2)
})

const EXPLANATION = z.object({
  candidates: z.array(z.object({ target: z.string(), health: z.object({ state: z.string(), share: z.number() }) })),
})

/** How the gateway explains the first target's health. */
async function healthOfA() {
  const response = await fetch(`${system.url}/v1/route/explain`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'm', messages: says('Light?') }),
  })
  const { candidates } = EXPLANATION.parse(await response.json())
  return candidates.find(({ target }) => target === 'a')?.health
}

/** When the dark target was called after its breaker had opened. */
function probesOf(calls: readonly Call[], darkFromMs: number): readonly string[] {
  return calls
    .filter(({ fromMs }) => fromMs > darkFromMs + 2_000)
    .map(({ fromMs }) => ((fromMs - darkFromMs) / 1000).toFixed(1))
}
