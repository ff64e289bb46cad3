// What a simulated tenant's world is made of: attempts, the isolates they run in, and messages on their way.
import type { Counts } from '../../src/core/limits/amounts.ts'
import type * as leases from '../../src/core/limits/lease.ts'
import type { HeldLease } from '../../src/core/limits/lease.ts'
import type { EventChunk, LimiterCall, LimiterReply } from '../../src/core/limits/limits.ts'

/** The holder's half of the machinery under test. */
export type HolderMachine = typeof leases

export interface Attempt {
  readonly id: string
  readonly lease: HeldLease
  reserved: Counts
  untoldNanoUsd: number
  readonly actual: Counts
}

export interface Isolate {
  readonly name: string
  /** Its clock minus the true one. */
  readonly offsetMs: number
  readonly leases: Map<string, HeldLease>
  readonly closing: Set<HeldLease>
  attempts: Attempt[]
  attemptCount: number
  leaseCount: number
  messageCount: number
  /** Attempts that the limiter hasn't said it knows of. */
  untold: Set<string>
  chunks: EventChunk[]
  chunkCount: number
  /** When its latest message left, on the true clock; null when that was answered. One is out at a time. */
  waitingSinceMs: number | null
  isCrashed: boolean
}

/** A message with the leases that it reports. */
export interface Sent {
  readonly message: LimiterCall
  readonly sentAtMs: number
  readonly leases: readonly HeldLease[]
}

export type Packet =
  | { readonly kind: 'call'; readonly isolate: Isolate; readonly sent: Sent }
  | { readonly kind: 'reply'; readonly isolate: Isolate; readonly sent: Sent; readonly reply: LimiterReply }

/** An isolate that knows nothing yet. */
export function newIsolate(name: string, offsetMs: number): Isolate {
  return {
    name,
    offsetMs,
    leases: new Map(),
    closing: new Set(),
    attempts: [],
    attemptCount: 0,
    leaseCount: 0,
    messageCount: 0,
    untold: new Set(),
    chunks: [],
    chunkCount: 0,
    waitingSinceMs: null,
    isCrashed: false,
  }
}

/** It admits nothing more; it is done for good when nothing runs under it. */
export function closeLease(isolate: Isolate, lease: HeldLease): void {
  lease.isClosing = true
  for (const [name, held] of isolate.leases) if (held === lease) isolate.leases.delete(name)
  isolate.closing.add(lease)
}

/** What an isolate makes of an answer. `heardAtMs`: on its own clock; of no interest to an isolate without faults. */
export function takeReply(
  holder: HolderMachine,
  isolate: Isolate,
  reply: LimiterReply,
  { message, sentAtMs, leases: told }: Sent,
  heardAtMs: number,
): void {
  void heardAtMs
  for (const lease of told) {
    if (!reply.slotsLost.includes(lease.id)) holder.heard(lease, sentAtMs, reply.ttlMs)
  }
  for (const { id } of message.admissions) isolate.untold.delete(id)
  isolate.chunks = isolate.chunks.filter((chunk) => chunk.to > reply.acknowledged)
  for (const { leaseId, isDone } of message.reports) {
    for (const lease of isolate.closing) if (isDone && lease.id === leaseId) isolate.closing.delete(lease)
  }
  for (const grant of reply.grants) {
    for (const lease of isolate.leases.values()) if (lease.id === grant.leaseId) holder.accept(lease, grant, sentAtMs)
  }
  for (const { leaseId, denial } of reply.denials) {
    if (denial.kind !== 'stale-lease') continue
    for (const lease of [...isolate.leases.values()]) if (lease.id === leaseId) closeLease(isolate, lease)
  }
}
