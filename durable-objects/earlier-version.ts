// What an earlier version of the gateway left behind or still says, in today's terms: rows of the first shape (one token
// rate and one budget a node), and messages of isolates that are older than this object. Nothing spent is forgotten: what
// such a lease holds stays presumed spent until its holder accounts for it.
import { type Counts, NOTHING } from '../src/core/limits/amounts.ts'
import type { GrantedLease } from '../src/core/limits/authority.ts'
import type { CalendarPeriod, LimitScope } from '../src/core/failure.ts'
import { type Gauge, gaugeId, nodeId } from '../src/core/limits/gauge.ts'
import {
  ALERTS_PERCENT,
  type AdmissionRecord,
  type EventChunk,
  LIMITS_VERSION,
  type Limit,
  type LimiterCall,
  type LimiterConfig,
  type LimiterNode,
  type LimiterReply,
} from '../src/core/limits/limits.ts'
import type { Bucket } from '../src/core/limits/token-bucket.ts'
import type { Window } from '../src/core/limits/window.ts'

interface EarlierAmounts {
  readonly tokens: number
  readonly nanoUsd: number
}

interface EarlierNode {
  readonly scope: LimitScope
  readonly id: string
  readonly tokensPerMinute: number | null
  readonly burstTokens: number | null
  readonly budget: { readonly amountNanoUsd: number; readonly period: CalendarPeriod } | null
}

export interface EarlierConfig {
  readonly v?: undefined
  readonly revision: number
  readonly timeZone: string
  readonly nodes: readonly EarlierNode[]
  readonly revokedKeyIds: readonly string[]
}

export interface EarlierNodeState {
  readonly node: EarlierNode
  readonly bucket: Bucket | null
  readonly window: Window | null
  readonly spentNanoUsd: number
  readonly heldNanoUsd: number
}

export interface EarlierLease {
  readonly id: string
  readonly holder: string
  readonly keyId: string
  readonly bucketNodes: readonly string[]
  readonly budgetNodes: Readonly<Record<string, number>>
  readonly granted: EarlierAmounts
  readonly settled: EarlierAmounts
  readonly returned: EarlierAmounts
  readonly state: 'open' | 'expired'
  readonly expiresAtMs: number
  readonly isStale: boolean
}

export interface EarlierCall {
  readonly v?: undefined
  readonly tenantId: string
  readonly holder: string
  readonly number: number
  readonly reports: readonly {
    readonly leaseId: string
    readonly keyId: string
    readonly settled: EarlierAmounts
    readonly returned: EarlierAmounts
    readonly isDone: boolean
  }[]
  readonly admissions: readonly (Omit<AdmissionRecord, 'reserved'> & { readonly reserved: EarlierAmounts })[]
  readonly chunks: readonly EventChunk[]
  readonly wants: readonly {
    readonly leaseId: string
    readonly isNew: boolean
    readonly path: { readonly tenantId: string; readonly teamId: string | null; readonly keyId: string }
    readonly need: EarlierAmounts
    readonly target: EarlierAmounts
    readonly first: EarlierAmounts
  }[]
}

/** Its holder never agreed to tell what it reserves. */
const BLIND_NANO_USD = Number.MAX_SAFE_INTEGER

export function configOf(config: LimiterConfig | EarlierConfig): LimiterConfig {
  if (config.v === LIMITS_VERSION) return config
  return { ...config, v: LIMITS_VERSION, nodes: config.nodes.map(nodeOf) }
}

/** The limits of an earlier node's row, with all that was lent and spent. */
export function gaugesOf(state: EarlierNodeState): readonly Gauge[] {
  const node = nodeOf(state.node)
  const owner = { scope: node.scope, ownerId: node.id, model: null }
  return node.limits.flatMap((limit): readonly Gauge[] => {
    const id = gaugeId(node, limit)
    if (limit.kind === 'rate' && state.bucket !== null) {
      return [{ kind: 'rate', id, ...owner, limit, bucket: state.bucket }]
    }
    if (limit.kind !== 'budget' || state.window === null) return []
    const { window, spentNanoUsd, heldNanoUsd } = state
    return [{ kind: 'budget', id, ...owner, limit, window, spentNanoUsd, heldNanoUsd, alertedPercent: [] }]
  })
}

/** A lease's row, charged to those of `gauges` that stand for what it was charged to. */
export function leaseOf(lease: EarlierLease, gauges: readonly Gauge[]): GrantedLease {
  const charged: Record<string, number> = {}
  for (const gauge of gauges) {
    const owner = nodeId(gauge.scope, gauge.ownerId, null)
    const startMs = lease.budgetNodes[owner]
    if (gauge.kind === 'rate' && lease.bucketNodes.includes(owner)) charged[gauge.id] = 0
    if (gauge.kind === 'budget' && startMs !== undefined) charged[gauge.id] = startMs
  }
  const { id, holder, keyId, state, expiresAtMs, isStale } = lease
  return {
    id,
    holder,
    keyId,
    charged,
    granted: countsOf(lease.granted),
    settled: countsOf(lease.settled),
    returned: countsOf(lease.returned),
    state,
    expiresAtMs,
    slotsUntilMs: null,
    isStale,
    blindNanoUsd: BLIND_NANO_USD,
    knownNanoUsd: 0,
    reconcileAtMs: null,
  }
}

export function callOf(call: LimiterCall | EarlierCall): LimiterCall {
  if (call.v === LIMITS_VERSION) return call
  return {
    ...call,
    v: LIMITS_VERSION,
    reports: call.reports.map((report) => ({
      ...report,
      settled: countsOf(report.settled),
      returned: countsOf(report.returned),
    })),
    admissions: call.admissions.map((record) => ({ ...record, reserved: countsOf(record.reserved) })),
    wants: call.wants.map((want) => ({
      ...want,
      path: { ...want.path, model: null },
      need: countsOf(want.need),
      target: countsOf(want.target),
      first: countsOf(want.first),
      unheardNanoUsd: BLIND_NANO_USD,
    })),
  }
}

/** A reply that isolates of the earlier version understand, too: everything is limited, and little is left. */
export function replyTo(call: LimiterCall | EarlierCall, reply: LimiterReply): LimiterReply {
  if (call.v === LIMITS_VERSION) return reply
  const grants = reply.grants.map((grant) => ({ ...grant, limitsTokens: true, limitsMoney: true, isTail: true }))
  return { ...reply, grants }
}

function nodeOf({ scope, id, tokensPerMinute, burstTokens, budget }: EarlierNode): LimiterNode {
  const limits: Limit[] = []
  if (tokensPerMinute !== null) {
    limits.push({ kind: 'rate', unit: 'tokens', perMinute: tokensPerMinute, burst: burstTokens, increase: null })
  }
  if (budget !== null) limits.push({ kind: 'budget', ...budget, alertsPercent: ALERTS_PERCENT, increase: null })
  return { scope, id, model: null, limits }
}

function countsOf({ tokens, nanoUsd }: EarlierAmounts): Counts {
  return { ...NOTHING, tokens, nanoUsd }
}
