// What the usage consumer tells of what it has booked: to a collector by way of a queue of its own, to Analytics Engine. Loaded
// where either is configured. Beside the ledger, which must not wait for it nor fail with it.
import { isJsonObject } from './core/json.ts'
import { type UsageEvent, unpackOwnEvent } from './core/money/usage-event.ts'
import type { Booked, Delivery } from './ledger/consume.ts'
import { type Dataset, writeDataPoints } from './ledger/telemetry/data-points.ts'
import { type ExportPorts, exportMessages } from './ledger/telemetry/export.ts'
import { type TelemetryQueue, forward } from './ledger/telemetry/forward.ts'
import { type Ran, noteRuns } from './ledger/telemetry/health.ts'
import { knownNames } from './ledger/telemetry/measures.ts'
import { attributesOf } from './ledger/telemetry/otlp.ts'
import { type TelemetryEnv, otlpSettings } from './ledger/telemetry/settings.ts'

/** What telemetry needs of the consumer's environment. */
export type TellingEnv = TelemetryEnv & {
  readonly DB: D1Database
  readonly ENVIRONMENT?: string
  readonly TELEMETRY?: TelemetryQueue
  readonly ATTEMPTS?: Dataset
}

/** Deliveries after which a message is let go of although the telemetry queue didn't take it: six minutes or so. */
const FORWARD_ATTEMPTS_MAX = 8

/** Whether a message may be let go of: the telemetry queue has it, or it has been tried often enough. */
export async function tellOf(booked: readonly Booked[], env: TellingEnv): Promise<(message: Delivery) => boolean> {
  const fresh = booked.filter(({ isNew }) => isNew).map(({ message }) => message)
  if (env.ATTEMPTS !== undefined) quietly(() => env.ATTEMPTS && writeDataPoints(env.ATTEMPTS, fresh.flatMap(eventsOf)))
  const settings = otlpSettings(env)
  if (settings === null || settings.problems.includes('OTLP_ENDPOINT') || env.TELEMETRY === undefined) {
    if (settings !== null) warn({ event: 'telemetry-setting', names: settings.problems.join(', ') || 'TELEMETRY' })
    return () => true
  }
  // What was booked before and comes for the first time is a copy: its first is told of, or will be.
  const told = booked.filter(({ message, isNew }) => isNew || message.attempts > 1).map(({ message }) => message)
  try {
    await forward(env.TELEMETRY, told)
    return () => true
  } catch (error) {
    const given = told.filter(({ attempts }) => attempts >= FORWARD_ATTEMPTS_MAX)
    const dropped = given.flatMap(eventsOf).length
    warn({ event: 'telemetry-not-forwarded', messages: told.length, dropped, reason: String(error) })
    await note(env.DB, [{ exporter: 'queue', sent: 0, dropped, failed: 1, error: String(error).slice(0, 200) }])
    const waiting = new Set(told.filter(({ attempts }) => attempts < FORWARD_ATTEMPTS_MAX))
    return (message) => !waiting.has(message)
  }
}

/** Of this isolate: whose series are whose, and since when. */
let ports: ExportPorts | null = null

/** Takes a batch of the telemetry queue to the collector. */
export async function exportBatch(messages: readonly Delivery[], env: TellingEnv): Promise<void> {
  const settings = otlpSettings(env)
  if (settings === null) {
    for (const message of messages) message.ack()
    return
  }
  if (settings.problems.length > 0) warn({ event: 'telemetry-setting', names: settings.problems.join(', ') })
  ports ??= {
    fetch: (url, init) => fetch(url, init),
    nowMs: () => Date.now(),
    log: warn,
    known: knownNames(),
    resource: attributesOf({
      'service.name': 'tidegate',
      'service.instance.id': crypto.randomUUID(),
      'deployment.environment.name': env.ENVIRONMENT,
    }),
    sinceMs: Date.now() - 1,
  }
  await note(env.DB, await exportMessages(messages, settings, ports))
}

/** Counts are worth less than what they count: where D1 doesn't take them, nothing else fails. */
async function note(db: D1Database, runs: readonly Ran[]): Promise<void> {
  try {
    await noteRuns(db, runs, Date.now())
  } catch (error) {
    warn({ event: 'telemetry-uncounted', reason: String(error) })
  }
}

function quietly(work: () => void): void {
  try {
    work()
  } catch (error) {
    warn({ event: 'data-points-failed', reason: String(error) })
  }
}

function eventsOf({ body }: Delivery): readonly UsageEvent[] {
  if (!isJsonObject(body)) return []
  const events: readonly UsageEvent[] = JSON.parse(String(body['events']))
  return events.map(unpackOwnEvent)
}

function warn(line: Readonly<Record<string, string | number>>): void {
  console.warn(JSON.stringify(line))
}
