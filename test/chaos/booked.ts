// The ledger's rows as attempts: each charge with its correction, and whose request it was.
import { SHADOW_KEY_ID } from '../../src/core/routing/shadow.ts'
import type { Evidence, LedgerRow } from './evidence.ts'
import type { TenantName } from './features.ts'
import { sum } from './objects.ts'

/** An attempt, as the ledger has it: its charge, with its correction where there is one. */
export interface Booked {
  readonly id: string
  readonly reference: string
  readonly tenant: TenantName
  readonly model: string
  readonly ending: string
  readonly isEstimated: boolean
  readonly isCorrected: boolean
  readonly nanoUsd: number
  readonly units: string | null
  /** A mirror of the request with that reference. */
  readonly isShadow: boolean
  readonly endUser: string | null
  readonly targetId: string | null
  readonly startedAtMs: number
}

export function bookedOf({ rows, tenantOf, asked }: Evidence): readonly Booked[] {
  const referenceOf = new Map(rows.map((row) => [requestOf(row), referenceIn(row)]))
  for (const { requestId, reference } of asked) if (requestId !== null) referenceOf.set(requestId, reference)
  return [...groups(rows, ({ id }) => id).values()].flatMap((own) => {
    const last = own.find(({ kind }) => kind === 'adj') ?? own[0]
    const tenant = tenantOf.get(last?.tenant_id ?? '')
    if (last === undefined || tenant === undefined) return []
    // A mirror has no tags: it names the request that it is of.
    const reference = isShadow(last) ? (referenceOf.get(last.trace_id ?? '') ?? '') : referenceIn(last)
    return [{ ...bookedAs(last, own, tenant), reference }]
  })
}

function isShadow({ key_id: key }: LedgerRow): boolean {
  return key === SHADOW_KEY_ID
}

function requestOf({ id }: LedgerRow): string {
  return id.slice(0, id.indexOf('#'))
}

function referenceIn({ tags }: LedgerRow): string {
  const all: readonly string[] = JSON.parse(tags)
  return all.find((tag) => tag.startsWith('ref-')) ?? ''
}

function bookedAs(last: LedgerRow, own: readonly LedgerRow[], tenant: TenantName): Omit<Booked, 'reference'> {
  return {
    id: last.id,
    tenant,
    model: last.model ?? '',
    ending: last.ending,
    isEstimated: last.is_estimated === 1,
    isCorrected: own.length > 1,
    nanoUsd: sum(own.map(({ cost }) => cost)),
    units: last.units,
    isShadow: isShadow(last),
    endUser: last.end_user,
    targetId: last.target_id,
    startedAtMs: last.started_at_ms,
  }
}

/** In groups by name. */
export function groups<T>(items: readonly T[], nameOf: (item: T) => string): Map<string, T[]> {
  const all = new Map<string, T[]>()
  for (const item of items) {
    const group = all.get(nameOf(item))
    if (group === undefined) all.set(nameOf(item), [item])
    else group.push(item)
  }
  return all
}
