// The receiving end of lease messages without a platform: the real authority, driven in the order in which the tenant's
// object drives it, and the events that became durable, each once by its sequence number.
import { type Authority, configure, expireDue, newAuthority, takeReport } from '../../src/core/authority.ts'
import { grant } from '../../src/core/grant.ts'
import type { LimiterCall, LimiterConfig, LimiterNode, LimiterReply } from '../../src/core/limits.ts'

/** The three machines that a simulation runs; mutants come in their place. */
export interface AuthorityMachine {
  readonly newAuthority: typeof newAuthority
  readonly configure: typeof configure
  readonly expireDue: typeof expireDue
  readonly takeReport: typeof takeReport
  readonly grant: typeof grant
}

export const AUTHORITY: AuthorityMachine = { newAuthority, configure, expireDue, takeReport, grant }

interface KnownHolder {
  acknowledged: number
  number: number
}

export interface Receiver {
  readonly authority: Authority
  /** JSON texts of the event runs, in order of arrival, none twice. */
  readonly runs: string[]
  /** Ids of the admissions that are durable and not settled. */
  readonly inFlight: Set<string>
  call(message: LimiterCall, nowMs: number): LimiterReply
  configure(config: LimiterConfig, nowMs: number): void
  expire(nowMs: number): void
}

/** A receiver that enforces `config` from `nowMs` on. */
export function receiver(config: LimiterConfig, nowMs: number, ttlMs = 30_000, machine = AUTHORITY): Receiver {
  const authority = machine.newAuthority({ revision: 0, timeZone: 'UTC', nodes: [], revokedKeyIds: [] })
  machine.configure(authority, config, nowMs)
  const holders = new Map<string, KnownHolder>()
  const runs: string[] = []
  const inFlight = new Set<string>()

  function takeChunks(message: LimiterCall, holder: KnownHolder): void {
    for (const chunk of message.chunks) {
      if (chunk.to <= holder.acknowledged) continue
      runs.push(chunk.events)
      for (const id of chunk.settles) inFlight.delete(id)
      holder.acknowledged = chunk.to
    }
  }

  return {
    authority,
    runs,
    inFlight,
    configure: (next, atMs) => machine.configure(authority, next, atMs),
    expire: (atMs) => void machine.expireDue(authority, atMs),
    call(message, atMs) {
      const holder = holders.get(message.holder) ?? { acknowledged: 0, number: 0 }
      holders.set(message.holder, holder)
      const isStraggler = message.number <= holder.number
      takeChunks(message, holder)
      for (const report of message.reports) machine.takeReport(authority, report, atMs)
      machine.expireDue(authority, atMs)
      if (!isStraggler) for (const record of message.admissions) inFlight.add(record.id)
      holder.number = Math.max(holder.number, message.number)
      const time = { nowMs: atMs, ttlMs }
      const answers = (isStraggler ? [] : message.wants).map((want) => ({
        leaseId: want.leaseId,
        ...machine.grant(authority, message.holder, want, time),
      }))
      const revoked = authority.config.revokedKeyIds
      return {
        acknowledged: holder.acknowledged,
        ttlMs,
        grants: answers.flatMap((answer) => ('grant' in answer ? [answer.grant] : [])),
        denials: answers.flatMap((answer) =>
          'denial' in answer ? [{ leaseId: answer.leaseId, denial: answer.denial }] : [],
        ),
        revokedKeyIds: message.reports.map((report) => report.keyId).filter((keyId) => revoked.includes(keyId)),
      }
    },
  }
}

/** A node with the limits given and no others. */
export function node(
  scope: LimiterNode['scope'],
  id: string,
  limits: Partial<Pick<LimiterNode, 'tokensPerMinute' | 'burstTokens' | 'budget'>> = {},
): LimiterNode {
  return { scope, id, tokensPerMinute: null, burstTokens: null, budget: null, ...limits }
}

/** What is held of a node's budget and lent of its bucket, as its leases have it: the books must say the same. */
export function exposures(
  authority: Authority,
  id: string,
): { readonly heldNanoUsd: number; readonly outstanding: number } {
  const windowStartMs = authority.nodes.get(id)?.window?.startMs
  let heldNanoUsd = 0
  let outstanding = 0
  for (const lease of authority.leases.values()) {
    const tokens = lease.granted.tokens - lease.settled.tokens - lease.returned.tokens
    const nanoUsd = lease.granted.nanoUsd - lease.settled.nanoUsd - lease.returned.nanoUsd
    if (lease.state === 'open' && lease.bucketNodes.includes(id)) outstanding += tokens
    if (windowStartMs !== undefined && lease.budgetNodes[id] === windowStartMs) heldNanoUsd += nanoUsd
  }
  return { heldNanoUsd, outstanding }
}
