// What a simulated tenant's world is made of: attempts, the isolates they run in, and messages on their way.
import type { Counts } from '../../src/core/amounts.ts'
import type { HeldLease } from '../../src/core/lease.ts'
import type { EventChunk, LimiterCall, LimiterReply } from '../../src/core/limits.ts'

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
