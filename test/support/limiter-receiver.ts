// The receiving end of lease messages without a platform: the real authority, driven in the order in which the tenant's
// object drives it, and the events that became durable, each once by its sequence number.
import { takeCrossings, type ThresholdCrossing } from '../../src/core/money/alert.ts'
import {
  type Authority,
  type GrantedLease,
  configure,
  expireDue,
  exposure,
  newAuthority,
  noteInFlight,
  noteSettled,
} from '../../src/core/limits/authority.ts'
import { answer, takeReports } from '../../src/core/limits/exchange.ts'
import type { CalendarPeriod } from '../../src/core/failure.ts'
import { type BudgetGauge, type Gauge, resourceOf } from '../../src/core/limits/gauge.ts'
import {
  ALERTS_PERCENT,
  type AdmissionRecord,
  LIMITS_VERSION,
  type Limit,
  type LimiterCall,
  type LimiterConfig,
  type LimiterNode,
  type LimiterReply,
} from '../../src/core/limits/limits.ts'
import type { Bucket } from '../../src/core/limits/token-bucket.ts'

/** The machines that a simulation runs; mutants come in their place. */
export interface AuthorityMachine {
  readonly newAuthority: typeof newAuthority
  readonly configure: typeof configure
  readonly expireDue: typeof expireDue
  readonly noteInFlight: typeof noteInFlight
  readonly noteSettled: typeof noteSettled
  readonly takeReports: typeof takeReports
  readonly answer: typeof answer
}

export const AUTHORITY: AuthorityMachine = {
  newAuthority,
  configure,
  expireDue,
  noteInFlight,
  noteSettled,
  takeReports,
  answer,
}

interface KnownHolder {
  acknowledged: number
  number: number
}

/** A node's money, and its bucket of tokens. */
export interface Standing {
  readonly spentNanoUsd: number
  readonly heldNanoUsd: number
  readonly bucket: Bucket | null
}

export interface Receiver {
  readonly authority: Authority
  /** JSON texts of the event runs, in order of arrival, none twice. */
  readonly runs: string[]
  /** Admissions that are durable and not settled, by id. */
  readonly inFlight: Map<string, AdmissionRecord>
  /** Alerts that were given. */
  readonly crossings: ThresholdCrossing[]
  call(message: LimiterCall, nowMs: number): LimiterReply
  configure(config: LimiterConfig, nowMs: number): void
  expire(nowMs: number): void
  /** Of a node for all models, e.g. `tenant:t`. */
  standing(nodeId: string): Standing
}

/** A receiver that enforces `config` from `nowMs` on. */
export function receiver(config: LimiterConfig, nowMs: number, ttlMs = 30_000, machine = AUTHORITY): Receiver {
  const authority = machine.newAuthority(configOf([], 0))
  machine.configure(authority, config, nowMs)
  const holders = new Map<string, KnownHolder>()
  const runs: string[] = []
  const inFlight = new Map<string, AdmissionRecord>()
  const booked = new Map<string, AdmissionRecord>()
  const crossings: ThresholdCrossing[] = []

  function takeChunks(message: LimiterCall, holder: KnownHolder, atMs: number): void {
    for (const chunk of message.chunks) {
      if (chunk.to <= holder.acknowledged) continue
      runs.push(chunk.events)
      for (const id of chunk.settles) {
        const record = inFlight.get(id) ?? booked.get(id)
        if (record === undefined) continue
        machine.noteSettled(authority, record.leaseId, record.reserved.nanoUsd, atMs)
        inFlight.delete(id)
        booked.delete(id)
      }
      holder.acknowledged = chunk.to
    }
  }

  /** What was in flight under them is booked. */
  function bookLost(expired: readonly GrantedLease[]): void {
    for (const lease of expired) {
      for (const [id, record] of inFlight) {
        if (record.leaseId !== lease.id) continue
        inFlight.delete(id)
        booked.set(id, record)
        machine.noteInFlight(authority, lease.id, record.reserved.nanoUsd)
      }
    }
  }

  return {
    authority,
    runs,
    inFlight,
    crossings,
    configure: (next, atMs) => machine.configure(authority, next, atMs),
    expire: (atMs) => bookLost(machine.expireDue(authority, atMs)),
    standing: (nodeId) => standingOf(authority, nodeId),
    call(message, atMs) {
      const holder = holders.get(message.holder) ?? { acknowledged: 0, number: 0 }
      holders.set(message.holder, holder)
      const isStraggler = message.number <= holder.number
      const time = { nowMs: atMs, ttlMs }
      takeChunks(message, holder, atMs)
      bookLost(machine.takeReports(authority, message, isStraggler, time))
      const isNews = ({ id }: AdmissionRecord): boolean => !isStraggler && !inFlight.has(id) && !booked.has(id)
      const admissions = message.admissions.filter(isNews)
      for (const record of admissions) inFlight.set(record.id, record)
      holder.number = Math.max(holder.number, message.number)
      const said = machine.answer(authority, { ...message, admissions }, isStraggler, time)
      crossings.push(...takeCrossings(authority))
      authority.dirty.gauges.clear()
      authority.dirty.leases.clear()
      return { acknowledged: holder.acknowledged, ttlMs, ...said }
    },
  }
}

export function configOf(nodes: readonly LimiterNode[], revision = 1, timeZone = 'UTC'): LimiterConfig {
  return { v: LIMITS_VERSION, revision, timeZone, nodes, revokedKeyIds: [] }
}

/** What a node may be limited by, in short. */
export interface NodeLimits {
  readonly tokensPerMinute?: number | null
  readonly burstTokens?: number | null
  readonly budget?: { readonly amountNanoUsd: number; readonly period: CalendarPeriod } | null
  readonly more?: readonly Limit[]
  readonly model?: string
}

/** A node with the limits given and no others. */
export function node(scope: LimiterNode['scope'], id: string, limits: NodeLimits = {}): LimiterNode {
  const { tokensPerMinute = null, burstTokens = null, budget: money = null, more = [], model = null } = limits
  const list: Limit[] = []
  if (tokensPerMinute !== null) list.push(rate('tokens', tokensPerMinute, burstTokens))
  if (money !== null) list.push(budget(money.amountNanoUsd, money.period))
  return { scope, id, model, limits: [...list, ...more] }
}

export function rate(
  unit: Extract<Limit, { kind: 'rate' }>['unit'],
  perMinute: number,
  burst: number | null = null,
): Limit & { readonly kind: 'rate' } {
  return { kind: 'rate', unit, perMinute, burst, increase: null }
}

export function slots(most: number): Limit & { readonly kind: 'slots' } {
  return { kind: 'slots', most, increase: null }
}

export function budget(
  amountNanoUsd: number,
  period: Extract<Limit, { kind: 'budget' }>['period'],
): Limit & { readonly kind: 'budget' } {
  return { kind: 'budget', amountNanoUsd, period, alertsPercent: ALERTS_PERCENT, increase: null }
}

/** What is out of each limit, as its leases have it: the books must say the same. */
export function exposures(authority: Authority): ReadonlyMap<string, number> {
  const out = new Map<string, number>()
  for (const lease of authority.leases.values()) {
    const left = exposure(lease)
    for (const [id, startMs] of Object.entries(lease.charged)) {
      const gauge = authority.gauges.get(id)
      if (gauge === undefined || !isOut(gauge, lease, startMs)) continue
      out.set(id, (out.get(id) ?? 0) + left[resourceOf(gauge)])
    }
  }
  return out
}

function isOut(gauge: Gauge, lease: GrantedLease, startMs: number): boolean {
  if (gauge.kind === 'rate') return lease.state === 'open'
  return gauge.kind === 'slots' ? lease.slotsUntilMs !== null : startMs === gauge.window.startMs
}

/** What the limit's own books say is out. */
export function outOf(gauge: Gauge): number {
  if (gauge.kind === 'rate') return gauge.bucket.outstanding
  return gauge.kind === 'slots' ? gauge.held : gauge.heldNanoUsd
}

function standingOf(authority: Authority, nodeId: string): Standing {
  const gauges = [...authority.gauges.values()].filter((gauge) => gauge.id.startsWith(`${nodeId}#`))
  const money = gauges.find((gauge): gauge is BudgetGauge => gauge.kind === 'budget')
  const tokens = gauges.find((gauge) => gauge.id === `${nodeId}#tokens`)
  return {
    spentNanoUsd: money?.spentNanoUsd ?? 0,
    heldNanoUsd: money?.heldNanoUsd ?? 0,
    bucket: tokens?.kind === 'rate' ? tokens.bucket : null,
  }
}
