// What a region passes on of its isolates, under their own names and numbers: admissions and runs of events. Runs are not kept
// but in memory, and acknowledged only when the tenant's limiter has: until then the isolate sends them again. Admissions are
// kept until it has them, or what settles them, since the isolate tells them once. Mutable plain data.
import { type AdmissionRecord, type EventChunk, LIMITS_VERSION, type LimiterCall, type LimiterReply } from './limits.ts'

/** An isolate as its region knows it. */
export interface KnownIsolate {
  readonly id: string
  /** Latest message. */
  number: number
  seenAtMs: number
  /** Highest event number that the tenant's limiter is known to have. */
  acknowledged: number
  /** Attempts that run, and what of money they may spend. */
  readonly inFlight: Map<string, { readonly leaseId: string; readonly nanoUsd: number }>
  /** Admissions that the tenant's limiter isn't known to have. */
  readonly unconfirmed: Map<string, AdmissionRecord>
  /** Runs that it isn't known to have, in order: as the latest message brought them. In memory only. */
  chunks: readonly EventChunk[]
  /** Its attempts that an operator wants to end. In memory only. */
  cancelled: readonly string[]
  /** When it was last passed on, and whether it has spoken since. In memory only. */
  relayedAtMs: number
  hasSpoken: boolean
}

/** Characters of events in memory, of all isolates: what is beyond stays with its isolate. */
export const PENDING_CHARS_MAX = 16_000_000
/** Characters of events in one message. */
const RELAY_CHARS_MAX = 4_000_000
/** While something of an isolate's runs, the tenant's limiter hears of it so often: it may have cancelled some, and takes the
 *  silent for dead. */
const HEARTBEAT_MS = 2_500

export function newIsolate(id: string): KnownIsolate {
  return {
    id,
    number: 0,
    seenAtMs: 0,
    acknowledged: 0,
    inFlight: new Map(),
    unconfirmed: new Map(),
    chunks: [],
    cancelled: [],
    relayedAtMs: 0,
    hasSpoken: false,
  }
}

/** Takes an isolate's message in, if no later one was before; for another time, if it comes again. Returns the admissions that are news. `roomChars`: so many
 *  characters of events may be kept of it. */
export function takeMessage(
  isolate: KnownIsolate,
  message: LimiterCall,
  roomChars: number,
  nowMs: number,
): readonly AdmissionRecord[] {
  isolate.seenAtMs = nowMs
  isolate.hasSpoken = true
  if (message.number < isolate.number) return []
  isolate.number = message.number
  const owed = message.chunks.filter(({ to }) => to > isolate.acknowledged)
  isolate.chunks = firstOf(owed, roomChars, 0)
  for (const { settles } of isolate.chunks) for (const id of settles) isolate.inFlight.delete(id)
  const news = message.admissions.filter(({ id }) => !isolate.inFlight.has(id) && !isolate.unconfirmed.has(id))
  for (const record of news) {
    isolate.inFlight.set(record.id, { leaseId: record.leaseId, nanoUsd: record.reserved.nanoUsd })
    isolate.unconfirmed.set(record.id, record)
  }
  return news
}

/** Whether there is something of an isolate's to be passed on. */
export function isToRelay(isolate: KnownIsolate, nowMs: number): boolean {
  if (isolate.chunks.length + isolate.unconfirmed.size > 0) return true
  return isolate.hasSpoken && isolate.inFlight.size > 0 && nowMs >= isolate.relayedAtMs + HEARTBEAT_MS
}

/** What there is to be passed on, a message an isolate: of events as much as one message may carry, the rest with the next. */
export function relayOf(isolates: Iterable<KnownIsolate>, tenantId: string, nowMs: number): readonly LimiterCall[] {
  let roomChars = RELAY_CHARS_MAX
  const due = [...isolates].filter((isolate) => isToRelay(isolate, nowMs))
  return due
    .sort((a, b) => a.relayedAtMs - b.relayedAtMs)
    .map((isolate): LimiterCall => {
      const chunks = firstOf(isolate.chunks, roomChars, roomChars === RELAY_CHARS_MAX ? 1 : 0)
      roomChars -= charsOf(chunks)
      // What is over isn't in flight: its event says more.
      const settled = new Set(isolate.chunks.flatMap(({ settles }) => settles))
      const admissions = [...isolate.unconfirmed.values()].filter(({ id }) => !settled.has(id))
      isolate.relayedAtMs = nowMs
      isolate.hasSpoken = false
      const { id: holder, number } = isolate
      return { v: LIMITS_VERSION, tenantId, holder, number, reports: [], admissions, chunks, wants: [] }
    })
}

/** Takes in what the tenant's limiter answered to what was passed on. */
export function takeRelayed(isolate: KnownIsolate, relayed: LimiterCall, reply: LimiterReply): void {
  isolate.acknowledged = Math.max(isolate.acknowledged, reply.acknowledged)
  isolate.cancelled = reply.cancelled ?? []
  for (const { id } of relayed.admissions) isolate.unconfirmed.delete(id)
  for (const { to, settles } of isolate.chunks) {
    if (to <= isolate.acknowledged) for (const id of settles) isolate.unconfirmed.delete(id)
  }
  isolate.chunks = isolate.chunks.filter(({ to }) => to > isolate.acknowledged)
}

export function charsOf(chunks: readonly EventChunk[]): number {
  return chunks.reduce((chars, { events }) => chars + events.length, 0)
}

/** So many of them, from the first, as have room: `atLeast` so many in any case. */
function firstOf(chunks: readonly EventChunk[], roomChars: number, atLeast: number): readonly EventChunk[] {
  let chars = 0
  const end = chunks.findIndex(({ events }, index) => {
    chars += events.length
    return index >= atLeast && chars > roomChars
  })
  return end === -1 ? chunks : chunks.slice(0, end)
}
