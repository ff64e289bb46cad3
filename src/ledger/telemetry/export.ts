// Takes messages of the telemetry queue to a collector: bounded requests, each message until it was taken or has been tried
// for about an hour. Spans come before metrics: a span that is sent twice is the same span, a delta would count twice.
import type { UsageEvent } from '../../core/money/usage-event.ts'
import { unpackOwnEvent } from '../../core/money/usage-event.ts'
import { isJsonObject } from '../../core/json.ts'
import { type Delivery, retryDelaySeconds } from '../consume.ts'
import { readBatch } from '../read-batch.ts'
import type { Ran } from './health.ts'
import { type KnownNames, measure, metricsOf } from './measures.ts'
import { type OtlpAttribute, metricsBody, tracesBody } from './otlp.ts'
import { type Fetch, type Posted, postOtlp } from './post.ts'
import type { OtlpSettings } from './settings.ts'
import { spansOf } from './spans.ts'

export interface ExportPorts {
  readonly fetch: Fetch
  readonly nowMs: () => number
  readonly log: (line: Readonly<Record<string, string | number>>) => void
  readonly resource: readonly OtlpAttribute[]
  readonly known: KnownNames
  /** When this isolate last sent metrics: where its next deltas begin. */
  sinceMs: number
}

/** Events of one request, unless one message alone has more. */
const EVENTS_MAX = 500
/** With waits of 2, 4, 8 … s between them: a bit more than an hour. */
const ATTEMPTS_MAX = 12

interface Group {
  readonly messages: Delivery[]
  readonly events: UsageEvent[]
}

type Tried = { readonly runs: readonly Ran[]; readonly later: (Posted & { readonly kind: 'later' }) | null }

/** Exports every message and acknowledges or retries it. Returns what came of it, for the counts. Never throws. */
export async function exportMessages(
  messages: readonly Delivery[],
  settings: OtlpSettings,
  ports: ExportPorts,
): Promise<readonly Ran[]> {
  const runs: Ran[] = []
  let later: Tried['later'] = null
  for (const group of groups(messages)) {
    // Whoever is away for some is away for all.
    if (later === null) {
      const tried = await exportGroup(group.events, settings, ports)
      runs.push(...tried.runs)
      later = tried.later
    }
    for (const message of group.messages) runs.push(...settle(message, later, settings, ports))
  }
  return runs
}

function settle(message: Delivery, later: Tried['later'], settings: OtlpSettings, ports: ExportPorts): readonly Ran[] {
  if (later === null) {
    message.ack()
    return []
  }
  if (message.attempts < ATTEMPTS_MAX) {
    message.retry({ delaySeconds: Math.max(retryDelaySeconds(message.attempts), later.retryAfterSeconds ?? 0) })
    return []
  }
  message.ack()
  const dropped = eventsOf(message).length
  ports.log({ event: 'telemetry-dropped', message: message.id, events: dropped, reason: later.reason })
  return [...settings.signals].map((exporter) => ({ exporter, sent: 0, dropped, failed: 0, error: null }))
}

/** In their order, as many together as may be. */
function groups(messages: readonly Delivery[]): readonly Group[] {
  const all: Group[] = []
  for (const message of messages) {
    const events = eventsOf(message)
    const last = all.at(-1)
    if (last !== undefined && last.events.length + events.length <= EVENTS_MAX) {
      last.messages.push(message)
      last.events.push(...events)
    } else all.push({ messages: [message], events: [...events] })
  }
  return all
}

/** The events that count. What isn't a message of ours has none. */
function eventsOf({ body }: Delivery): readonly UsageEvent[] {
  if (!readBatch(body).ok || !isJsonObject(body)) return []
  const events: readonly UsageEvent[] = JSON.parse(String(body['events']))
  return events.map(unpackOwnEvent).filter(({ kind }) => kind === 'cost' || kind === 'adj')
}

async function exportGroup(events: readonly UsageEvent[], settings: OtlpSettings, ports: ExportPorts): Promise<Tried> {
  const runs: Ran[] = []
  const send = async (exporter: 'traces' | 'metrics', count: number, body: () => string): Promise<Tried['later']> => {
    if (count === 0 || !settings.signals.has(exporter)) return null
    const posted = await postOtlp(ports.fetch, `${settings.endpoint}/v1/${exporter}`, settings.headers, body())
    runs.push(ranOf(exporter, count, posted))
    if (posted.kind === 'sent' && posted.rejected === 0) return null
    const reason = posted.kind === 'sent' ? `${posted.rejected} rejected` : posted.reason
    ports.log({ event: 'telemetry-failed', exporter, outcome: posted.kind, reason })
    return posted.kind === 'later' ? posted : null
  }
  const spans = settings.signals.has('traces') ? events.flatMap((event) => spansOf(event, settings.samplePercent)) : []
  const failedSpans = await send('traces', spans.length, () => tracesBody(ports.resource, spans))
  if (failedSpans !== null) return { runs, later: failedSpans }
  const [fromMs, toMs] = [ports.sinceMs, Math.max(ports.nowMs(), ports.sinceMs + 1)]
  const metrics = settings.signals.has('metrics') ? metricsOf(measure(events, ports.known), fromMs, toMs) : []
  const later = await send('metrics', metrics.length, () => metricsBody(ports.resource, metrics))
  if (later === null && metrics.length > 0) ports.sinceMs = toMs
  return { runs, later }
}

function ranOf(exporter: Ran['exporter'], count: number, posted: Posted): Ran {
  switch (posted.kind) {
    case 'sent':
      return { exporter, sent: count - posted.rejected, dropped: posted.rejected, failed: 0, error: null }
    case 'refused':
      return { exporter, sent: 0, dropped: count, failed: 1, error: posted.reason }
    case 'later':
      return { exporter, sent: 0, dropped: 0, failed: 1, error: posted.reason }
  }
}
