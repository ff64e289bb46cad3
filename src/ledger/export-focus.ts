// Cost and usage by FOCUS 1.2 (https://focus.finops.org/focus-specification/v1-2/, read 2026-11-21): a row for each hour,
// key, cost centre, provider, model and route. Columns that FOCUS makes mandatory, those it recommends that a gateway knows,
// and the gateway's own with `x_` in front. All money is in USD: what is billed is what the gateway booked.
import type { Cell, TablePage } from './table-text.ts'

const HOUR_MS = 3_600_000
const PAGE_ROWS = 1000

interface FocusSource {
  readonly hour_ms: number
  readonly tenant_id: string
  readonly tenant: string | null
  readonly team_id: string
  readonly key_id: string
  readonly cost_center: string
  readonly provider: string
  readonly model: string
  readonly route: string
  readonly requests: number
  readonly tokens: number
  readonly cost: string
}

/** Where a page begins: after this row of the roll-ups. */
export type FocusPlace = readonly (string | number)[]

export interface FocusQuery {
  /** Whole hours. */
  readonly fromMs: number
  readonly toMs: number
  /** Only this tenant's, or only this team's; null for everybody's. */
  readonly tenantId: string | null
  readonly teamId?: string | null
}

const KEY = ['hour_ms', 'tenant_id', 'team_id', 'key_id', 'cost_center', 'provider', 'model', 'route'] as const
export const FOCUS_START: FocusPlace = [-1, '', '', '', '', '', '', '']

const PAGE = `SELECT ${KEY.map((name) => `u.${name}`).join(', ')}, tenants.name AS tenant, requests,
    input_tokens + cache_read_tokens + cache_write_tokens + cache_write_long_tokens + output_tokens
      + audio_input_tokens + audio_output_tokens AS tokens,
    CAST(cost_nano_usd AS TEXT) AS cost
  FROM usage_hourly AS u LEFT JOIN tenants ON tenants.id = u.tenant_id
  WHERE hour_ms >= ?1 AND hour_ms < ?2 AND (?3 IS NULL OR tenant_id = ?3) AND (?4 IS NULL OR team_id = ?4)
    AND (${KEY.map((name) => `u.${name}`).join(', ')}) > (${KEY.map((_, at) => `?${at + 5}`).join(', ')})
  ORDER BY ${KEY.map((name) => `u.${name}`).join(', ')} LIMIT ${PAGE_ROWS}`

type Column = readonly [name: string, value: (row: FocusSource) => Cell]

const COLUMNS: readonly Column[] = [
  ['BilledCost', (row) => usd(row.cost)],
  ['BillingAccountId', () => 'tidegate'],
  ['BillingAccountName', () => 'Tidegate'],
  ['BillingAccountType', () => 'Gateway'],
  ['BillingCurrency', () => 'USD'],
  ['BillingPeriodEnd', (row) => monthOf(row.hour_ms, 1)],
  ['BillingPeriodStart', (row) => monthOf(row.hour_ms, 0)],
  ['ChargeCategory', () => 'Usage'],
  ['ChargeClass', () => null],
  ['ChargeDescription', (row) => `${row.requests} requests to ${row.model === '' ? 'no model' : row.model}`],
  ['ChargeFrequency', () => 'Usage-Based'],
  ['ChargePeriodEnd', (row) => time(row.hour_ms + HOUR_MS)],
  ['ChargePeriodStart', (row) => time(row.hour_ms)],
  ['ConsumedQuantity', (row) => row.tokens],
  ['ConsumedUnit', () => 'Tokens'],
  ['ContractedCost', (row) => usd(row.cost)],
  ['EffectiveCost', (row) => usd(row.cost)],
  ['InvoiceIssuerName', (row) => provider(row)],
  ['ListCost', (row) => usd(row.cost)],
  ['PricingCategory', () => 'Standard'],
  ['PricingQuantity', (row) => row.tokens],
  ['PricingUnit', () => 'Tokens'],
  ['ProviderName', (row) => provider(row)],
  ['PublisherName', (row) => provider(row)],
  ['RegionId', () => null],
  ['ResourceId', (row) => row.key_id],
  ['ResourceType', () => 'Virtual key'],
  ['ServiceCategory', () => 'AI and Machine Learning'],
  ['ServiceName', (row) => (row.model === '' ? 'None' : row.model)],
  ['ServiceSubcategory', () => 'Generative AI'],
  ['SkuId', (row) => `${row.provider}/${row.model}`],
  ['SubAccountId', (row) => row.tenant_id],
  ['SubAccountName', (row) => row.tenant],
  ['SubAccountType', () => 'Tenant'],
  ['Tags', (row) => JSON.stringify({ team: row.team_id, cost_center: row.cost_center })],
  ['x_Requests', (row) => row.requests],
  ['x_Route', (row) => row.route],
]

export const FOCUS_COLUMNS: readonly string[] = COLUMNS.map(([name]) => name)

/** The page that begins at `place`. Throws when D1 fails. */
export async function focusPage(db: D1Database, query: FocusQuery, place: FocusPlace): Promise<TablePage<FocusPlace>> {
  const found = await db
    .prepare(PAGE)
    .bind(query.fromMs, query.toMs, query.tenantId, query.teamId ?? null, ...place)
    .all<FocusSource>()
  const last = found.results.at(-1)
  const rows = found.results.map((row) => COLUMNS.map(([, value]) => value(row)))
  const isFull = last !== undefined && found.results.length === PAGE_ROWS
  return { rows, next: isFull ? KEY.map((name) => last[name]) : null }
}

/** Nano-USD in decimal as USD, exact. */
export function usd(nano: string): string {
  const sign = nano.startsWith('-') ? '-' : ''
  const digits = nano.slice(sign.length).padStart(10, '0')
  return `${sign}${digits.slice(0, -9)}.${digits.slice(-9)}`
}

function provider(row: FocusSource): string {
  return row.provider === '' ? 'Tidegate' : row.provider
}

function time(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

function monthOf(ms: number, later: number): string {
  const date = new Date(ms)
  return time(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + later, 1))
}
