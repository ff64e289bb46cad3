// The admin API as the dashboard reads it: types only, no code, so that the control plane may import and satisfy them.
// Money is integer nano-USD in decimal strings (too large for a JS number over a year); times are epoch ms; durations ms.

export type BudgetPeriod = 'hour' | 'day' | 'week' | 'month'

/** Money allowed per calendar window. */
export interface ApiBudget {
  /** Decimal USD, as it was configured, e.g. `"25"` or `"0.50"`. */
  readonly amount_usd: string
  readonly period: BudgetPeriod
  /** Spent in the window that is running; absent where the limiter was not asked. */
  readonly spent_nano_usd?: string
}

/** Days from a date on, over and over. */
export interface EveryDays {
  readonly every_days: number
  readonly from: string
}

/** A limit beyond the usual two; about the models that it names, or all. */
export type ApiRule = { readonly model?: string | null | undefined } & (
  | {
      readonly kind: 'rate'
      readonly unit: 'requests' | 'tokens' | 'input_tokens' | 'output_tokens'
      readonly per_minute: number
      readonly burst?: number | null | undefined
      readonly increase?: { readonly by: number; readonly until: string } | null | undefined
    }
  | {
      readonly kind: 'concurrency'
      readonly most: number
      readonly increase?: { readonly by: number; readonly until: string } | null | undefined
    }
  | {
      readonly kind: 'budget'
      readonly amount_usd: string
      readonly period: BudgetPeriod | EveryDays
      /** Shares that are announced; left out: 50, 80 and 100 per cent. */
      readonly alerts_percent?: readonly number[] | undefined
      readonly increase?: { readonly by_usd: string; readonly until: string } | null | undefined
    }
)

export interface ApiLimits {
  readonly tokens_per_minute: number | null
  readonly burst_tokens?: number | null
  readonly budget: ApiBudget | null
  readonly rules?: readonly ApiRule[]
}

export interface ApiTenant {
  readonly id: string
  readonly name: string
  readonly limits: ApiLimits
  readonly cache: unknown
}

export interface ApiTeam {
  readonly id: string
  readonly tenant_id: string
  readonly name: string
  readonly limits: ApiLimits
  /** What each end user is held to by itself. */
  readonly end_user_limits?: readonly ApiRule[]
  readonly created_at_ms?: number
}

export type ApiKeyStatus = 'active' | 'revoked' | 'expired'

/** A virtual key; never its secret. */
export interface ApiKey {
  readonly id: string
  readonly kid: string
  readonly tenant_id: string
  readonly team_id: string | null
  readonly name: string
  readonly cost_center: string | null
  readonly tags?: readonly string[]
  /** Allowed models; empty or left out for all. */
  readonly models?: readonly string[]
  readonly status: ApiKeyStatus
  readonly end_user_limits?: readonly ApiRule[]
  readonly created_at_ms: number
  readonly expires_at_ms: number | null
  /** What its secret ends in; null where nobody knows. */
  readonly ends_in?: string | null
  /** Null: never. */
  readonly rotated_at_ms?: number | null
  /** Those of before that still work, the newest first. */
  readonly old_secrets?: readonly ApiOldSecret[]
  readonly limits: ApiLimits
}

export interface ApiOldSecret {
  readonly ends_in: string | null
  readonly made_at_ms: number | null
  readonly until_ms: number
  /** To within ten minutes; null: never since it was replaced. Left out in lists. */
  readonly last_used_ms?: number | null
}

/** Per token, in pico-USD. */
export interface ApiPrice {
  readonly input_pico_usd_per_token: number
  readonly cache_read_pico_usd_per_token: number
  readonly output_pico_usd_per_token: number
}

/** What the page needs of a target; the API sends more. */
export interface ApiTarget {
  readonly id: string
  readonly provider: string
  readonly model: string
  readonly name?: string | null
  readonly dialect?: string
  readonly credential?: string | null
  readonly price?: ApiPrice | null
  readonly price_version?: string | null
  readonly probe?: { readonly ok: boolean; readonly status: number; readonly saw: string } | null
}

/** A member of a route's group: a target by its id, or with its weight, or a group of its own. */
export type ApiMember =
  | string
  | {
      readonly target?: string
      readonly group?: ApiGroup
      readonly weight?: number | undefined
      readonly ramp?: ApiRamp | undefined
      readonly watch?: ApiCanaryWatch | undefined
    }

/** A weight that grows; `starts_at` in epoch ms. */
export interface ApiRamp {
  readonly to: number
  readonly over_minutes: number
  readonly from?: number | undefined
  readonly starts_at?: number | undefined
}

/** Beyond this share of failed calls, of so many at least, a member is taken out of traffic. */
export interface ApiCanaryWatch {
  readonly max_error_rate: number
  readonly min_requests: number
  readonly window_minutes: number
}

export interface ApiGroup {
  readonly strategy?: string | undefined
  readonly members: readonly ApiMember[]
}

/** What the page needs of a route; the API sends more. */
export interface ApiRoute {
  readonly id: string
  /** Exact model name, or `prefix*`. */
  readonly model: string
  /** Null: everybody's. */
  readonly tenant_id?: string | null
  /** Ids, in order. */
  readonly targets?: readonly string[]
  /** Null: the targets in their order. */
  readonly group?: ApiGroup | null
  readonly rules?: readonly { readonly name: string }[]
}

/** A budget as it stands, whether it was set by itself or among the rules. */
export interface ApiBudgetStand {
  readonly scope: 'tenant' | 'team' | 'key' | 'user' | 'target'
  readonly id: string
  /** Null for all. */
  readonly model: string | null
  readonly period: BudgetPeriod | EveryDays
  /** As large as it is at present, an increase included. */
  readonly limit_usd: string
  readonly used_usd: string
  readonly resets_at_ms: number
}

export interface ApiKeyCount {
  readonly tenant_id: string
  readonly team_id: string | null
  /** With those that ended. */
  readonly count: number
  readonly active: number
}

/** A key's name and whose it is. */
export interface ApiKeyName {
  readonly id: string
  readonly name: string
  readonly tenant_id: string
  readonly team_id: string | null
}

/** `GET /admin/keys/names`, by ids or by a search: 200 at most, and how many there are in all. */
export interface ApiKeyNames {
  readonly rows: readonly ApiKeyName[]
  readonly count: number
}

/** A key with what it spent today and this month (UTC), and how its budgets stand. */
export interface ApiKeyLine extends ApiKey {
  readonly today_nano_usd: string
  readonly month_nano_usd: string
  /** Null for none in the last 30 days. */
  readonly last_used: { readonly from_ms: number; readonly to_ms: number } | null
  readonly budgets: readonly ApiBudgetStand[]
}

/** `GET /admin/keys/lines` */
export interface ApiKeyLines {
  /** How many there are on all pages. */
  readonly count: number
  /** The page that this is: the last one, where the one asked for is beyond it. */
  readonly page: number
  readonly rows: readonly ApiKeyLine[]
}

/** `GET /admin/overview` */
export interface ApiOverview {
  readonly environment: string
  readonly revision: number
  readonly tenants: readonly ApiTenant[]
  readonly teams: readonly ApiTeam[]
  /** How many keys each team has, and each tenant without one. */
  readonly key_counts: readonly ApiKeyCount[]
  readonly targets: readonly ApiTarget[]
  /** Whether any provider's credential is kept by name. Missing: the caller may not know. */
  readonly has_credentials?: boolean
  readonly routes: readonly ApiRoute[]
  /** Those whose limiter was asked and answered; of keys, those used most. */
  readonly budgets: readonly ApiBudgetStand[]
  /** Of all budgets: used to 80 per cent or more, and wholly. */
  readonly budget_counts: { readonly all: number; readonly high: number; readonly exhausted: number }
}

export type UsageDimension = 'tenant' | 'team' | 'key' | 'model' | 'provider' | 'cost_center'
export type UsageBucket = 'hour' | 'day'

/** Sums over the rows of one group. */
export interface ApiUsageCounters {
  readonly requests: number
  readonly errors: number
  readonly cache_hits: number
  readonly input_tokens: number
  readonly cache_read_tokens: number
  readonly cache_write_tokens?: number
  readonly output_tokens: number
  readonly reasoning_tokens: number
  readonly cost_nano_usd: string
  readonly saved_nano_usd: string
}

/** One group: only the fields named in `group_by` are present. */
export interface ApiUsageRow extends ApiUsageCounters {
  /** Start of the bucket, epoch ms. */
  readonly hour?: number
  readonly day?: number
  readonly tenant?: string
  readonly team?: string | null
  readonly key?: string
  /** Null for a request that reached no model. */
  readonly model?: string | null
  readonly provider?: string | null
  readonly cost_center?: string | null
}

/** `GET /admin/usage?from=&to=&group_by=` */
export interface ApiUsage {
  readonly from: number
  readonly to: number
  readonly group_by: readonly string[]
  readonly rows: readonly ApiUsageRow[]
  readonly total: ApiUsageCounters
}

/** One line of a table; null for requests that had none. */
export interface ApiSummaryRow extends ApiUsageCounters {
  readonly id: string | null
}

/** `GET /admin/summary?from=&to=&tables=` */
export interface ApiSummary {
  readonly from: number
  readonly to: number
  readonly total: ApiUsageCounters
  /** Of those asked for the dearest of each, and how many there are in all. */
  readonly tables: Readonly<
    Partial<Record<SummaryDimension, { readonly rows: readonly ApiSummaryRow[]; readonly count: number }>>
  >
}

export type SummaryDimension = 'model' | 'key' | 'team' | 'tenant'

/** `GET /admin/summary/history?from=&to=&by=&bucket=` */
export interface ApiHistory {
  readonly from: number
  readonly to: number
  readonly by: SummaryDimension
  readonly bucket: UsageBucket
  readonly rows: readonly {
    readonly at_ms: number
    readonly id: string | null
    /** All but the dearest together. */
    readonly is_rest: boolean
    readonly cost_nano_usd: string
  }[]
}

/** One attempt; a request with retries or a fallback has several rows with the same `request_id`. */
export interface ApiRequestRow {
  readonly request_id: string
  /** 0 for a request served without calling a provider. */
  readonly attempt: number
  readonly started_at_ms: number
  readonly tenant: string
  readonly team: string | null
  readonly key: string
  readonly cost_center: string | null
  readonly tags: readonly string[]
  readonly trace_id: string | null
  readonly protocol: string
  readonly streamed: boolean
  readonly requested_model: string
  readonly route: string
  readonly target: string | null
  readonly provider: string | null
  readonly model: string | null
  readonly status: number
  readonly ending: string
  readonly failure: string | null
  readonly cache: string
  /** True for the attempt whose answer (or failure) went to the client. */
  readonly is_final: boolean
  readonly input_tokens: number
  readonly cache_read_tokens: number
  readonly cache_write_tokens: number
  readonly output_tokens: number
  readonly reasoning_tokens: number
  readonly is_estimated: boolean
  readonly cost_nano_usd: string
  readonly saved_nano_usd: string
  readonly price_version: string | null
  readonly latency_ms: number
  readonly ttft_ms: number | null
  /** From the request's beginning, as the two above; null where nobody noted it. */
  readonly after_ms: number | null
  /** How the targets were chosen, in a line; null where there was no choice. */
  readonly plan: string | null
}

/** `GET /admin/requests?limit=&before=`, newest first. */
export interface ApiRequests {
  readonly rows: readonly ApiRequestRow[]
  /** Cursor for `before`; null at the end. */
  readonly next: string | null
}

/** Body of every answer that isn't 2xx. */
export interface ApiErrorBody {
  readonly error: { readonly message: string; readonly code: string; readonly field?: string }
}
