// The month's forecast as the API tells it, and which providers ail: from the last hour's answers, from breakers and switches.
// Pure.
import type { ApiTarget } from '../api-types.ts'
import type { ApiBreakers, ApiSwitches } from '../models/models-data.ts'

/** `GET /admin/forecast` */
export interface ApiForecast {
  readonly time_zone: string
  readonly from: number
  readonly to: number
  readonly spent_nano_usd: string
  /** Null where too little is known. */
  readonly expected_nano_usd: string | null
  readonly low_nano_usd: string | null
  readonly high_nano_usd: string | null
  readonly likelihood: number
  readonly days_known: number
}

export interface ApiProviderRow {
  readonly provider?: string | null
  readonly requests: number
  readonly errors: number
}

export interface ProviderHealth {
  /** Those that a target or an answer names. */
  readonly count: number
  /** `openai: circuit open` */
  readonly ailing: readonly string[]
}

interface Known {
  readonly rows: readonly ApiProviderRow[]
  readonly targets: readonly ApiTarget[]
  readonly breakers: ApiBreakers | null
  readonly switches: ApiSwitches | null
}

/** A provider of which so many of at least so many requests failed ails. */
const ERROR_RATE_AILING = 0.2
const REQUESTS_TELLING = 5

export function providerHealth({ rows, targets, breakers, switches }: Known): ProviderHealth {
  const asked = new Map(rows.flatMap((row) => (row.provider == null ? [] : [[row.provider, row] as const])))
  const names = [...new Set([...targets.map(({ provider }) => provider), ...asked.keys()])].toSorted()
  const open = new Set(breakers?.rows.flatMap(({ target, state }) => (state === 'open' ? [target] : [])))
  const off = new Set(switches?.rows.flatMap(({ kind, id }) => (kind === 'provider' ? [id] : [])))
  const ailing = names.flatMap((name) => {
    if (off.has(name)) return [`${name}: switched off`]
    if (targets.some(({ id, provider }) => provider === name && open.has(id))) return [`${name}: circuit open`]
    const { requests = 0, errors = 0 } = asked.get(name) ?? {}
    const isFailing = requests >= REQUESTS_TELLING && errors / requests > ERROR_RATE_AILING
    return isFailing ? [`${name}: ${errors} of ${requests} failed in an hour`] : []
  })
  return { count: names.length, ailing }
}
