// One budget, four gateway instances in processes of their own, five hundred streams at a time: what the providers' own books
// say was spent, against the budget. Then the same while instances are killed with streams running. What is not as in
// production is the way from an instance to the limiter (HTTP) and that each has a copy of the directory.
import { setTimeout as wait } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as z from 'zod/mini'
import { ask, createRoute, createTenant, says } from '../support/account.ts'
import { type Instance, type SharedLimiter, startSharedLimiter } from '../support/shared-limiter.ts'

const INSTANCES = 4
const CLIENTS = 500
const BUDGET_USD = '0.50'
const BUDGET_NANO_USD = 500_000_000
const LEAST_SHARE = 0.97
const LEASE_TTL_MS = 2_000
/** After a lease has expired, what its dead holder can't have spent is free again; and a little for the alarm. */
const RECONCILED_MS = 20_000 + 1_000
/** Nothing was served for so long: nothing is left, also of leases that ran out since the machine was busy. */
const QUIET_MS = LEASE_TTL_MS + RECONCILED_MS
/** On a machine that has other things to do. */
const END_MS_MAX = 240_000

/** Output prices in USD per million tokens; input costs a tenth. */
const MODELS = {
  calm: { name: 'sim-gpt-4o-tokens150-lumps15-calm', outputUsd: 8 },
  struck: { name: 'sim-gpt-4o-tokens60-lumps20-struck', outputUsd: 1 },
} as const

let shared: SharedLimiter
let instances: Instance[]
let keys: Record<keyof typeof MODELS, string>

beforeAll(async () => {
  shared = await startSharedLimiter({ LEASE_TTL_MS: String(LEASE_TTL_MS) })
  const { system } = shared
  const limits = { rules: [{ kind: 'budget', amount_usd: BUDGET_USD, period: 'month' }] }
  const keyOf = async (tenant: string): Promise<string> => (await createTenant(system, tenant, { limits })).key
  keys = { calm: await keyOf('calm'), struck: await keyOf('struck') }
  for (const { name: model, outputUsd } of Object.values(MODELS)) {
    const price = { input_usd_per_million: String(outputUsd / 10), output_usd_per_million: String(outputUsd) }
    const target = {
      id: model,
      provider: 'custom',
      dialect: 'openai-chat',
      base_url: `${system.simulatedUrl}/openai/v1`,
      credential: 'SIMULATED_API_KEY',
      model,
      max_retries: 0,
      max_output_tokens: 4_000,
      capabilities: { reasoning: false },
      price,
    }
    await createRoute(system, model, [target])
  }
  instances = []
  while (instances.length < INSTANCES) instances.push(await shared.startInstance())
  // Targets are probed when they are registered, at nobody's expense.
  await fetch(`${system.simulatedUrl}/books/reset`, { method: 'POST' })
})
afterAll(() => shared.dispose())

const TOTALS = z.object({ totals: z.array(z.object({ model: z.string(), calls: z.number(), nanoUsd: z.number() })) })

/** What the providers would bill for a model. */
async function billed(model: keyof typeof MODELS): Promise<{ readonly calls: number; readonly nanoUsd: number }> {
  const { name, outputUsd } = MODELS[model]
  const query = `input=${outputUsd * 100_000}&output=${outputUsd * 1_000_000}`
  const { totals } = TOTALS.parse(await (await fetch(`${shared.system.simulatedUrl}/books/totals?${query}`)).json())
  return totals.find((total) => total.model === name) ?? { calls: 0, nanoUsd: 0 }
}

/** What the limiter takes for used. */
async function usedNanoUsd(model: keyof typeof MODELS): Promise<number> {
  const response = await fetch(`${shared.system.url}/v1/limits`, {
    headers: { authorization: `Bearer ${keys[model]}` },
  })
  const { data } = z.object({ data: z.array(z.object({ used_usd: z.string() })) }).parse(await response.json())
  return Math.round(Number(data[0]?.used_usd) * 1e9)
}

/** Clients that ask again and again until nobody was served for a while. */
class Crowd {
  served = 0
  refused = 0
  /** Streams that broke off, or instances that didn't answer. */
  broken = 0
  open = 0
  readonly statuses = new Set<number>()
  #lastServedMs = Date.now()
  readonly #model: keyof typeof MODELS
  readonly #maxTokens: (client: number) => object

  constructor(model: keyof typeof MODELS, maxTokens: (client: number) => object) {
    this.#model = model
    this.#maxTokens = maxTokens
  }

  async run(): Promise<void> {
    const endMs = Date.now() + END_MS_MAX
    const isOver = (): boolean => {
      const nowMs = Date.now()
      if (nowMs > endMs) throw new Error('the budget was never used up')
      return this.open === 0 && nowMs - this.#lastServedMs > QUIET_MS
    }
    await Promise.all(Array.from({ length: CLIENTS }, (_, client) => this.#client(client, isOver)))
  }

  async #client(client: number, isOver: () => boolean): Promise<void> {
    for (let turn = client; !isOver(); turn++) {
      const instance = instances[turn % INSTANCES]
      const isServed = instance !== undefined && (await this.#ask(instance, client).catch(() => this.#fail()))
      if (!isServed) await wait(1_500)
    }
  }

  async #ask({ url }: Instance, client: number): Promise<boolean> {
    const { name: model } = MODELS[this.#model]
    const body = { model, stream: true, messages: says('Count the waves'), ...this.#maxTokens(client) }
    const response = await ask({ url, admin: shared.system.admin }, keys[this.#model], body)
    this.statuses.add(response.status)
    if (response.status !== 200) {
      await response.arrayBuffer()
      this.refused += 1
      return false
    }
    this.open += 1
    try {
      await response.text()
      this.served += 1
      this.#lastServedMs = Date.now()
      return true
    } finally {
      this.open -= 1
    }
  }

  #fail(): boolean {
    this.broken += 1
    return false
  }
}

describe('a budget that four instances share', { timeout: END_MS_MAX + 30_000 }, () => {
  test('is used to at least 97 %, and never passed, by five hundred streams at a time', async () => {
    const crowd = new Crowd('calm', (client) => (client % 3 === 0 ? {} : { max_tokens: 160 }))
    await crowd.run()
    const { calls, nanoUsd } = await billed('calm')
    const used = await usedNanoUsd('calm')
    expect(crowd.broken).toBe(0)
    expect([...crowd.statuses].sort()).toEqual([200, 402])
    expect(nanoUsd).toBeLessThanOrEqual(BUDGET_NANO_USD)
    expect(nanoUsd).toBeGreaterThanOrEqual(BUDGET_NANO_USD * LEAST_SHARE)
    expect(calls).toBe(crowd.served)
    expect(used).toBe(nanoUsd)
  })

  test('is so, too, when instances are killed while their streams run', async () => {
    const crowd = new Crowd('struck', () => ({ max_tokens: 60 }))
    const running = crowd.run()
    for (const [at, afterMs] of [2_000, 1_500].entries()) {
      await wait(afterMs)
      expect(crowd.open).toBeGreaterThan(0)
      await instances[at]?.kill()
      instances[at] = await shared.startInstance()
    }
    await running
    const { calls, nanoUsd } = await billed('struck')
    const used = await usedNanoUsd('struck')
    expect(crowd.broken).toBeGreaterThan(0)
    expect(nanoUsd).toBeLessThanOrEqual(BUDGET_NANO_USD)
    expect(nanoUsd).toBeGreaterThanOrEqual(BUDGET_NANO_USD * LEAST_SHARE)
    expect(calls).toBeGreaterThan(crowd.served)
    // Of a dead instance's streams, what was reserved counts.
    expect(used).toBeGreaterThanOrEqual(nanoUsd)
    expect(used).toBeLessThanOrEqual(BUDGET_NANO_USD)
  })
})
