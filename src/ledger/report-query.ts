// What a report can be asked for: metrics, groups and filters.
import type { GROUP_DIMENSIONS } from './columns.ts'
import type { FacetName } from './report-facets.ts'

/** What can be asked for. */
export const METRICS = ['spend', 'tokens', 'requests', 'errors', 'latency', 'savings', 'feedback'] as const
export type Metric = (typeof METRICS)[number]

/** What rows can be grouped by, and which column that is. Hours are of UTC; days of each tenant's own calendar. */
export const DIMENSION_COLUMNS = {
  tenant: 'tenant_id',
  team: 'team_id',
  key: 'key_id',
  cost_center: 'cost_center',
  provider: 'provider',
  model: 'model',
  route: 'route',
} as const satisfies Readonly<Record<string, keyof typeof GROUP_DIMENSIONS>>
export type Dimension = keyof typeof DIMENSION_COLUMNS
export type Group = Dimension | FacetName | 'hour' | 'day' | 'traffic'
export const DIMENSIONS = ['tenant', 'team', 'key', 'cost_center', 'provider', 'model', 'route'] as const
export const FACETS = ['end_user', 'tag'] as const
export const GROUPS: readonly Group[] = ['hour', 'day', ...DIMENSIONS, 'traffic', ...FACETS]

/** Only rows of one of these values; '' for rows that have none. `traffic`: `live`, unless it is a group or a filter. */
export type Filters = Readonly<Partial<Record<Dimension | FacetName | 'traffic', readonly string[]>>>

export interface ReportQuery {
  readonly fromMs: number
  readonly toMs: number
  readonly metrics: readonly Metric[]
  readonly groupBy: readonly Group[]
  readonly filters: Filters
  /** As many rows, those with most of the first metric. */
  readonly limit: number
  /** Whether each row says what it was in the stretch of the same length before; then rows come by how much they moved. */
  readonly isCompared: boolean
}

export const REPORT_ROWS_MAX = 20_000
