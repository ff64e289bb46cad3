// Fills an empty local system with demo data, by the ways that everything takes: tenants, keys and routes through the admin
// API, events through the usage queue into the ledger, spending into the limiters as leases report it, opinions as clients
// send them. Sums by day are then made by the consumer's own schedule.
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunningSystem } from '../system.ts'
import { findPrice } from '../../catalog/price-catalogue.ts'
import {
  packEvent,
  runawayEvents,
  thresholdEvents,
  USAGE_EVENT_VERSION,
  type UsageBatch,
  type UsageEvent,
} from '../../core/money/usage-event.ts'
import { Problem } from '../problem.ts'
import { call, field, type SeedAccess } from '../seed.ts'
import { crossingsOf, monthOf, runawaysOf, spentIn } from './budgets.ts'
import { DEMO_ROUTES, DEMO_TARGETS, DEMO_TENANTS, type DemoTarget, type DemoTenant } from './cast.ts'
import { pushSpending } from './spending.ts'
import { type DemoIds, demoTraffic } from './traffic.ts'

const SEED = 20_261_121
const EVENTS_A_MESSAGE = 50
/** The queue takes 256 KB at once. */
const BATCH_CHARS_MAX = 200_000
const WAIT_MS = 120_000
/** Messages of a limiter count from 1: these are never taken for one of them. */
const FIRST_MESSAGE = 1_000_000_000
const OPINIONS = 20

/** Throws a Problem where anything is there already. To be asked before anything else is put in. */
export async function requireEmpty({ mf }: RunningSystem, folder: string): Promise<void> {
  const db = await mf.getD1Database('DB', 'tidegate')
  const found = await db
    .prepare(`SELECT EXISTS (SELECT 1 FROM tenants) OR EXISTS (SELECT 1 FROM usage_events) AS has`)
    .first()
  if (field(found, 'has') === 0) return
  throw new Problem(
    `--demo fills an empty state, and ${folder} has data. Choose another with --state, or start without --demo.`,
  )
}

/** Fills the system; returns how many requests it has seen. */
export async function fillDemo(system: RunningSystem, access: SeedAccess, nowMs: number): Promise<number> {
  const prices = new Map<
    DemoTarget,
    { price: NonNullable<Awaited<ReturnType<typeof findPrice>>>['price']; priceVersion: string }
  >()
  for (const [name, { provider, model }] of Object.entries(DEMO_TARGETS)) {
    const found = await findPrice(provider, model)
    if (found !== null && isTarget(name)) prices.set(name, found)
  }
  const routes = new Map<string, string>()
  for (const { model, body } of DEMO_ROUTES) routes.set(model, await made(access, '/admin/routes', { model, ...body }))
  let requests = 0
  const messages: UsageBatch[] = []
  const later: (() => Promise<unknown>)[] = []
  for (const [at, tenant] of DEMO_TENANTS.entries()) {
    const { ids, secrets } = await enrol(access, tenant, { prices, routes })
    const events = demoTraffic(tenant, ids, SEED + at, nowMs)
    requests += events.filter(({ isFinal }) => isFinal).length
    const crossings = thresholdEvents(ids.tenantId, crossingsOf(tenant, ids, events))
    messages.push(
      ...messagesOf(ids.tenantId, events, [crossings, runawayEvents(ids.tenantId, runawaysOf(ids, events, nowMs))]),
    )
    const month = spentIn(events, monthOf(tenant, nowMs))
    later.push(
      () => pushSpending(system, ids, month, nowMs),
      () => giveOpinions(access, events, secrets),
    )
  }
  await deliver(system, messages)
  await Promise.all(later.map((one) => one()))
  await system.runSchedule()
  return requests
}

function isTarget(name: string): name is DemoTarget {
  return Object.hasOwn(DEMO_TARGETS, name)
}

/** Makes a thing by the admin API; returns its id. */
async function made(access: SeedAccess, pathname: string, body: object): Promise<string> {
  const id = field(await make(access, pathname, body), 'id')
  if (typeof id !== 'string') throw new Problem(`The demo data can't be made: ${pathname} answered without an id.`)
  return id
}

async function make(access: SeedAccess, pathname: string, body: object): Promise<unknown> {
  const answer = await call(access, pathname, body)
  if (answer.status < 300) return answer.body
  throw new Problem(`The demo data can't be made: ${pathname} says ${String(field(answer.body, 'error', 'message'))}`)
}

interface Enrolled {
  readonly ids: DemoIds
  /** Secrets by the ids of keys. */
  readonly secrets: ReadonlyMap<string, string>
}

async function enrol(
  access: SeedAccess,
  tenant: DemoTenant,
  shared: Pick<DemoIds, 'prices' | 'routes'>,
): Promise<Enrolled> {
  const { name, timeZone } = tenant
  const tenantId = await made(access, '/admin/tenants', {
    ...{ name, time_zone: timeZone, cache: { mode: 'all', ttl_seconds: 3600 } },
    ...limits(tenant.budgetUsd),
  })
  const keys = new Map<string, { keyId: string; teamId: string; spentOn: DemoTarget }>()
  const secrets = new Map<string, string>()
  for (const team of tenant.teams) {
    const teamId = await made(access, '/admin/teams', { tenant: name, name: team.name, ...limits(team.budgetUsd) })
    for (const { name: keyName, model, costCenter: cost_center, tags, budgetUsd } of team.keys) {
      const body = { tenant: name, team: team.name, name: keyName, cost_center, tags, ...limits(budgetUsd) }
      const key = await make(access, '/admin/keys', body)
      const [keyId, secret] = [field(key, 'id'), field(key, 'key')]
      if (typeof keyId !== 'string' || typeof secret !== 'string') throw new Problem('A key came without its secret.')
      keys.set(keyName, { keyId, teamId, spentOn: firstTarget(model) })
      secrets.set(keyId, secret)
    }
  }
  return { ids: { tenantId, keys, ...shared }, secrets }
}

function firstTarget(model: string): DemoTarget {
  return DEMO_ROUTES.find((route) => route.model === model)?.targets[0]?.target ?? 'sim-gpt-4o'
}

function limits(budgetUsd: number | undefined): object {
  return budgetUsd === undefined ? {} : { limits: { budget: { amount_usd: String(budgetUsd), period: 'month' } } }
}

function messagesOf(tenantId: string, events: readonly UsageEvent[], alerts: readonly string[]): UsageBatch[] {
  const texts = alerts.filter((text) => text !== '[]')
  for (let at = 0; at < events.length; at += EVENTS_A_MESSAGE) {
    texts.push(
      `[${events
        .slice(at, at + EVENTS_A_MESSAGE)
        .map(packEvent)
        .join(',')}]`,
    )
  }
  return texts.map((text, at) => ({ v: USAGE_EVENT_VERSION, tenantId, outboxId: FIRST_MESSAGE + at, events: text }))
}

/** Sends messages by the usage queue, and waits until all are in the ledger. */
async function deliver({ mf }: RunningSystem, messages: readonly UsageBatch[]): Promise<void> {
  const queue = await mf.getQueueProducer<UsageBatch>('USAGE', 'tidegate')
  let batch: { body: UsageBatch }[] = []
  let chars = 0
  for (const body of messages) {
    if (batch.length > 0 && chars + body.events.length > BATCH_CHARS_MAX) {
      await queue.sendBatch(batch)
      batch = []
      chars = 0
    }
    batch.push({ body })
    chars += body.events.length
  }
  await queue.sendBatch(batch)
  const db = await mf.getD1Database('DB', 'tidegate')
  const deadlineMs = Date.now() + WAIT_MS
  for (;;) {
    const found = await db.prepare(`SELECT count(*) AS count FROM applied WHERE outbox_id >= ${FIRST_MESSAGE}`).first()
    if (field(found, 'count') === messages.length) return
    if (Date.now() > deadlineMs)
      throw new Problem('The demo data is still not in the ledger: move the state away and try again.')
    await sleep(100)
  }
}

/** What some clients thought of their latest answers. */
async function giveOpinions(
  { url }: SeedAccess,
  events: readonly UsageEvent[],
  secrets: ReadonlyMap<string, string>,
): Promise<void> {
  const answered = events.filter(({ isFinal, ending, attempt }) => isFinal && ending === 'finished' && attempt > 0)
  const step = Math.max(1, Math.floor(answered.length / OPINIONS))
  for (const [at, { requestId, keyId }] of answered.filter((_, index) => index % step === 0).entries()) {
    const response = await fetch(`${url}/v1/feedback`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secrets.get(keyId) ?? ''}`, 'content-type': 'application/json' },
      body: JSON.stringify({ request_id: requestId, score: at % 5 === 3 ? 'thumbs_down' : 'thumbs_up' }),
    })
    await response.body?.cancel()
  }
}
