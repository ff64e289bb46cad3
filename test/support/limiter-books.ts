// What a tenant's limiter has stored, as it would read it if it started now.
import { LimiterStorage } from '../../durable-objects/storage.ts'
import { type GrantedLease, newAuthority } from '../../src/core/limits/authority.ts'
import type { Gauge } from '../../src/core/limits/gauge.ts'
import { LIMITS_VERSION } from '../../src/core/limits/limits.ts'

interface Books {
  readonly gauges: readonly Gauge[]
  readonly leases: readonly GrantedLease[]
  readonly holders: readonly object[]
  /** Usage events that the ledger hasn't confirmed, in the order in which they came. */
  readonly events: readonly object[]
  /** Runs of them. */
  readonly unconfirmed: number
}

export function booksOf(sql: SqlStorage): Books {
  const storage = new LimiterStorage(sql)
  const authority = newAuthority({ v: LIMITS_VERSION, revision: 0, timeZone: 'UTC', nodes: [], revokedKeyIds: [] })
  const holders = storage.load(authority)
  const rows = [...sql.exec<{ events: string }>('SELECT events FROM outbox ORDER BY id')].map(({ events }) => events)
  return {
    gauges: [...authority.gauges.values()],
    leases: [...authority.leases.values()],
    holders: [...holders.values()],
    events: [...rows, `[${storage.open.events}]`].flatMap((text): object[] => JSON.parse(text)),
    unconfirmed: storage.unconfirmed(),
  }
}
