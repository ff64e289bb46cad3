// Worker 2, the usage consumer: takes usage events from the Queue into the ledger, re-checks the ledger every hour, and
// answers its operator. It holds no provider credential and serves no client.
import { Router, type IRequest } from 'itty-router'
import { type AlertingEnv, deliverAlerts, watchLedger } from './alerting.ts'
import { tellListeners, tellNoted } from './control-plane/live/tell-listeners.ts'
import { operatorAccess } from './control-plane/access/operator-token.ts'
import type { Change } from './core/live.ts'
import type { ControlPlane, UsageEnv } from './env.ts'
import { findBeyond, forgetCounted, whatIsWatched } from './ledger/canary-watch.ts'
import { endWatches, findWorse } from './ledger/configuration-watch.ts'
import { consume, type LedgerPorts } from './ledger/consume.ts'
import type { ReadableBatch } from './ledger/read-batch.ts'
import { listDeadLetters, replayDeadLetter } from './ledger/dead-letters.ts'
import { reconcile } from './ledger/reconcile.ts'
import { type Auditable, type UpkeepEnv, upkeep } from './ledger/upkeep.ts'
import type { TellingEnv } from './telemetry.ts'

/** What the consumer needs; narrower than the Worker's whole environment, so that one Worker can be both. */
export type ConsumerEnv = AlertingEnv &
  TellingEnv &
  Omit<UpkeepEnv, 'TENANT_LIMITER'> &
  Pick<UsageEnv, 'ADMIN_TOKEN' | 'LIVE_UPDATES'> & {
    readonly TENANT_LIMITER: {
      idFromName(name: string): DurableObjectId
      get(id: DurableObjectId): Auditable & { confirm(outboxIds: readonly number[]): Promise<unknown> }
    }
    /** The gateway, for what its control plane has to do. */
    readonly CONTROL?: ControlPlane
  }

/** As wrangler.toml has it. */
const EVERY_MINUTE = '* * * * *'
/** How far back the hourly check looks: late events are counted to the hour of their request. */
const RECHECKED_HOURS = 26

/** Takes a batch of the usage queue, or of its dead-letter queue (whose name ends in `-dead`), into the ledger; one of the
 *  telemetry queue to a collector. */
export async function consumeQueue(
  batch: MessageBatch<unknown>,
  env: ConsumerEnv,
  context?: Pick<ExecutionContext, 'waitUntil'>,
): Promise<void> {
  if (batch.queue.endsWith('-telemetry')) return (await import('./telemetry.ts')).exportBatch(batch.messages, env)
  const watched = await watchedQuietly(env)
  const ports = {
    ...portsOf(env),
    countsWatched: watched.routes.length > 0 || watched.hasRevisions,
    noteBooked: (batches: readonly ReadableBatch[]) => inBackground(tellListeners(env, [changeOf(batches)]), context),
  }
  const hasAlerts = await consume(batch.messages, batch.queue.endsWith('-dead') ? 'dead' : 'usage', ports)
  if (hasAlerts) context?.waitUntil(Promise.all([tellNoted(env), deliverAlerts(env)]))
  const hasTakenBack = ports.countsWatched && (await lookAfter(watched, env))
  if (hasTakenBack) context?.waitUntil(deliverAlerts(env))
}

function inBackground(work: Promise<void>, context: Pick<ExecutionContext, 'waitUntil'> | undefined): void {
  if (context === undefined) void work
  else context.waitUntil(work)
}

function changeOf(batches: readonly ReadableBatch[]): Change {
  const of = batches.flatMap(({ tenantId, teamIds }) => teamIds.map((teamId) => ({ tenantId, teamId })))
  return { kind: 'requests', of }
}

type Watched = Awaited<ReturnType<typeof whatIsWatched>>

/** Where nobody can tell, nothing is counted: the database that can't tell won't take the events either. */
async function watchedQuietly(env: ConsumerEnv): Promise<Watched> {
  try {
    return await whatIsWatched(env.DB)
  } catch (error) {
    console.warn(JSON.stringify({ event: 'watch-unavailable', reason: String(error) }))
    return { routes: [], hasRevisions: false }
  }
}

/** Has taken back what fails too much; whether a revision was. What goes wrong here is tried again with the next batch. */
async function lookAfter(watched: Watched, env: ConsumerEnv): Promise<boolean> {
  try {
    const found = await findBeyond(env.DB, watched.routes, Date.now())
    for (const finding of found) await env.CONTROL?.rollBack(finding)
    const worse = watched.hasRevisions ? await findWorse(env.DB) : null
    return worse !== null && (await env.CONTROL?.takeBack(worse)) === true
  } catch (error) {
    console.error(JSON.stringify({ event: 'watch-failed', reason: String(error) }))
    return false
  }
}

/** Compares the roll-ups of the last hours with their events; logs one line if they differ. */
export async function recheckLedger(env: ConsumerEnv, nowMs: number): Promise<void> {
  await upkeep(env, nowMs)
  const found = await reconcile(env.DB, RECHECKED_HOURS, nowMs)
  if (found.mismatches > 0) console.error(JSON.stringify({ event: 'ledger-mismatch', ...found }))
  await forgetCounted(env.DB, nowMs)
}

/** What the clock has the consumer do: every minute alerts, every hour the ledger too. */
export async function runSchedule(controller: ScheduledController, env: ConsumerEnv): Promise<void> {
  const isHourly = controller.cron !== EVERY_MINUTE
  await endWatches(env.DB, controller.scheduledTime)
  if ((await watchLedger(env.DB, controller.scheduledTime, isHourly)) > 0) await tellNoted(env)
  await deliverAlerts(env)
  if (isHourly) await recheckLedger(env, controller.scheduledTime)
  if (isHourly) await refreshPrices(env)
}

/** The list of before goes on to count where this fails. */
async function refreshPrices(env: ConsumerEnv): Promise<void> {
  try {
    await env.CONTROL?.refreshPrices()
  } catch (error) {
    console.error(JSON.stringify({ event: 'price-list-unavailable', reason: String(error) }))
  }
}

/** `GET /healthz`, open; `GET /metrics`, `GET /dead-letters`, `POST /replay/:id` with the admin token. */
export function answerOperator(request: Request, env: ConsumerEnv): Promise<Response> {
  return operatorRoutes.fetch(request, env)
}

export default {
  fetch: answerOperator,
  queue: consumeQueue,
  scheduled: runSchedule,
} satisfies ExportedHandler<UsageEnv>

function portsOf(env: ConsumerEnv): LedgerPorts {
  return {
    db: env.DB,
    nowMs: () => Date.now(),
    confirm: async (tenantId, outboxIds) => {
      await env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId)).confirm(outboxIds)
    },
    log: (line) => console.warn(JSON.stringify(line)),
    ...(isTelling(env) ? { tell: async (booked) => (await import('./telemetry.ts')).tellOf(booked, env) } : {}),
  }
}

function isTelling({ OTLP_ENDPOINT: endpoint = '', ATTEMPTS: dataset }: ConsumerEnv): boolean {
  return endpoint !== '' || dataset !== undefined
}

const operatorRoutes = Router<IRequest, [ConsumerEnv]>({
  catch: (error) => {
    console.error(JSON.stringify({ event: 'operator-error', reason: String(error) }))
    return refusal(500, 'internal', 'The ledger could not be read.')
  },
})
  .get('/healthz', () => Response.json({ ok: true }))
  .all('*', refuseStrangers)
  .get('/metrics', async (_, env) => {
    const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }
    const { metricsText } = await import('./ledger/metrics.ts')
    const standing = async (tenantId: string) => {
      const limiter = env.TENANT_LIMITER.get(env.TENANT_LIMITER.idFromName(tenantId))
      return (await limiter.live?.()) ?? null
    }
    return new Response(await metricsText(env.DB, standing, Date.now()), { headers })
  })
  .get('/dead-letters', async (_, env) => Response.json({ rows: await listDeadLetters(env.DB) }))
  .post('/replay/:id', replay)
  .all('*', () => refusal(404, 'not_found', 'Not one of /healthz, /metrics, /dead-letters, /replay/:id.'))

async function refuseStrangers(request: IRequest, env: ConsumerEnv): Promise<Response | undefined> {
  const door = { db: env.DB, adminToken: env.ADMIN_TOKEN, nowMs: Date.now() }
  switch (await operatorAccess(request.headers, door)) {
    case 'granted':
      return undefined
    case 'denied':
      return refusal(401, 'unauthorized', 'Send the admin token as "Authorization: Bearer …".')
    case 'shut':
      return refusal(429, 'too_many_attempts', 'Too many wrong tokens were tried: wait before the next one.')
    case 'closed':
      return refusal(503, 'admin_closed', 'Closed until the secret ADMIN_TOKEN (16 characters or more) is set.')
  }
}

async function replay(request: IRequest, env: ConsumerEnv): Promise<Response> {
  const id = Number(request.params?.id)
  if (!Number.isSafeInteger(id)) return refusal(404, 'not_found', 'There is no such dead letter.')
  const applied = await replayDeadLetter(env.DB, id, Date.now())
  if (applied === null) return refusal(404, 'not_found', 'There is no such dead letter.')
  const didWork = applied.kind === 'applied' || applied.kind === 'already-applied'
  return Response.json({ id, outcome: applied }, { status: didWork ? 200 : 409 })
}

function refusal(status: number, code: string, message: string): Response {
  return Response.json({ error: { message, code } }, { status })
}
