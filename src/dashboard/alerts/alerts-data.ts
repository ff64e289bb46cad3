// What the admin API says of alerts: their history and the channels that are told.

export const ALERT_KINDS = [
  { value: 'key-budget', text: 'Budget of a key' },
  { value: 'team-budget', text: 'Budget of a team' },
  { value: 'tenant-budget', text: 'Budget of a tenant' },
  { value: 'runaway', text: 'Runaway spending' },
  { value: 'error-rate', text: 'Many errors' },
  { value: 'provider-down', text: 'Provider down' },
  { value: 'unknown-price', text: 'Unknown price' },
  { value: 'forecast', text: 'Forecast' },
  { value: 'anomaly', text: 'Unusual spend' },
  { value: 'rolled-back', text: 'Revision taken back' },
] as const

export interface ApiDelivery {
  readonly channel_id: string
  readonly channel_name: string | null
  readonly state: 'pending' | 'delivered' | 'given-up'
  readonly attempts: number
  readonly next_at_ms: number | null
  readonly settled_at_ms: number | null
  readonly last_error: string | null
}

export interface ApiAlert {
  readonly id: string
  readonly kind: string
  readonly key_id: string | null
  readonly scope: string
  /** As it was called then. */
  readonly subject_name: string | null
  /** One line. */
  readonly title: string
  readonly text: string
  readonly at_ms: number
  readonly deliveries: readonly ApiDelivery[]
}

/** `GET /admin/alerts`, newest first. */
export interface ApiAlerts {
  readonly rows: readonly ApiAlert[]
  /** For `before`; null at the end. */
  readonly next: string | null
}

export interface ApiChannel {
  readonly id: string
  readonly name: string
  readonly kind: 'webhook' | 'slack' | 'email'
  readonly url?: string
  readonly address?: string
  readonly host?: string
  /** Empty for everything. */
  readonly kinds: readonly string[]
  readonly tenants: readonly string[]
  readonly teams: readonly string[]
  readonly keys: readonly string[]
  readonly on: boolean
  readonly failing_since_ms: number | null
  readonly last_delivered_at_ms: number | null
  readonly last_error: string | null
}

/** `GET /admin/alert-channels` */
export interface ApiChannels {
  readonly rows: readonly ApiChannel[]
}

/** `POST /admin/alert-channels/:id/test` */
export interface ApiChannelTest {
  readonly ok: boolean
  readonly status: number
  readonly saw: string
  readonly latency_ms: number
}

export function kindText(kind: string): string {
  return ALERT_KINDS.find((one) => one.value === kind)?.text ?? kind
}
