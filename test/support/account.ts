// What an end-to-end test sets up through the admin API before it asks anything: tenants, keys, targets, routes. And how
// it asks, and waits for what arrives later. Every wait has a deadline.
import OpenAI from 'openai'
import * as z from 'zod/mini'
import type { RequestRow } from '../../src/ledger/latest-requests.ts'
import type { UsageReport } from '../../src/ledger/usage-report.ts'
import type { ModelBook } from '../../src/simulated/books.ts'
import { WAIT_MS } from './patience.ts'
import type { TestSystem } from './system.ts'

/** A system to ask, wherever it runs. */
export type Gateway = Pick<TestSystem, 'url' | 'admin'>

/** A virtual key as it was minted. */
export interface MintedKey {
  readonly id: string
  /** What the client sends. */
  readonly key: string
  readonly tenantId: string
}

const MADE = z.object({ id: z.string() })
const MINTED = z.object({ id: z.string(), key: z.string(), tenant_id: z.string() })

/** Creates something; throws with the answer when it isn't accepted. */
export async function create(gateway: Gateway, pathname: string, body: unknown): Promise<unknown> {
  const answer = await gateway.admin('POST', pathname, body)
  if (answer.status !== 201) throw new Error(`${pathname}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

/** Creates a tenant and mints its first key. */
export async function createTenant(gateway: Gateway, name: string, tenant: object = {}): Promise<MintedKey> {
  await create(gateway, '/admin/tenants', { name, ...tenant })
  return mintKey(gateway, name, 'first')
}

/** Mints a key of a tenant. */
export async function mintKey(gateway: Gateway, tenant: string, name: string, key: object = {}): Promise<MintedKey> {
  const minted = MINTED.parse(await create(gateway, '/admin/keys', { tenant, name, ...key }))
  return { id: minted.id, key: minted.key, tenantId: minted.tenant_id }
}

/** Registers targets without probing them, and a route to them in this order. Each target has `id` and what it needs. What a
 *  provider does is to be seen as it is: nobody goes on with a stream that breaks off, unless `route` says so. */
export async function createRoute(
  gateway: Gateway,
  model: string,
  targets: readonly ({ readonly id: string } & Readonly<Record<string, unknown>>)[],
  route: Readonly<Record<string, unknown>> = { mid_stream_failover: false },
): Promise<void> {
  for (const target of targets) await create(gateway, '/admin/targets', { force: true, ...target })
  await create(gateway, '/admin/routes', { model, targets: targets.map(({ id }) => id), ...route })
}

/** Routes every simulated model of both wires, as `npm start` does: the model's name chooses its behaviour. */
export async function routeSimulated(gateway: Gateway): Promise<void> {
  const settings = { model: '*', max_retries: 0 }
  await createRoute(gateway, 'sim-gpt*', [{ id: 'gpt', provider: 'simulated-openai', ...settings }])
  await createRoute(gateway, 'sim-claude*', [{ id: 'claude', provider: 'simulated-anthropic', ...settings }])
}

/** A target on a simulated provider of its own model, so that its faults are no other test's. */
export function simulatedTarget(id: string, model: string, settings: object = {}) {
  const provider = model.startsWith('sim-claude') ? 'simulated-anthropic' : 'simulated-openai'
  return { id, provider, model, max_retries: 0, ...settings }
}

/** The official client with this key, without retries of its own. */
export function clientOf(gateway: Gateway, key: string): OpenAI {
  return new OpenAI({ apiKey: key, baseURL: `${gateway.url}/v1`, maxRetries: 0, logLevel: 'off' })
}

/** Asks the chat endpoint without an SDK. */
export function ask(
  gateway: Gateway,
  key: string,
  body: object,
  init: { readonly headers?: Readonly<Record<string, string>>; readonly signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(`${gateway.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...init.headers },
    body: JSON.stringify(body),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
  })
}

/** One message of the user. */
export function says(content: string): { readonly role: 'user'; readonly content: string }[] {
  return [{ role: 'user', content }]
}

/** Reads again and again until it is as it should be; throws with what was read last after `withinMs`. */
export async function eventually<T>(
  read: () => T | Promise<T>,
  isRight: (value: T) => boolean,
  withinMs = WAIT_MS,
): Promise<T> {
  const deadlineMs = Date.now() + withinMs
  for (;;) {
    const value = await read()
    if (isRight(value)) return value
    if (Date.now() > deadlineMs) {
      throw new Error(`not so within ${withinMs} ms; the last was ${JSON.stringify(value)?.slice(0, 2_000)}`)
    }
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

/** The latest 500 attempts, newest first. */
export async function latestAttempts(gateway: Gateway): Promise<readonly RequestRow[]> {
  const { body } = await gateway.admin('GET', '/admin/requests?limit=500')
  return z.object({ rows: z.array(z.custom<RequestRow>(isRow)) }).parse(body).rows
}

/** Usage of the last 24 hours. */
export async function usageBy(gateway: Gateway, groupBy: string): Promise<UsageReport> {
  const { body } = await gateway.admin('GET', `/admin/usage?group_by=${groupBy}`)
  return z.custom<UsageReport>((value) => isRow(value) && 'total' in value).parse(body)
}

/** What the simulated provider counted for a model; null when it was never called. */
export async function bookOf(simulatedUrl: string | undefined, model: string): Promise<ModelBook | null> {
  const response = await fetch(`${simulatedUrl}/books`)
  const { models } = z.object({ models: z.record(z.string(), z.custom<ModelBook>(isRow)) }).parse(await response.json())
  return models[model] ?? null
}

function isRow(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

/** The id of something that was created. */
export function idOf(made: unknown): string {
  return MADE.parse(made).id
}
