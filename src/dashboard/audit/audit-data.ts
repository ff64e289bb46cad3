// What the admin API says of changes, and how they are told.

type Side = Readonly<Record<string, unknown>> | null

export interface ApiAuditEntry {
  readonly id: number
  readonly at_ms: number
  readonly who: string
  /** Null for whom that is nobody's business. */
  readonly address: string | null
  /** `<table>.<verb>` */
  readonly what: string
  readonly subject: string
  /** The whole row, or of one that stays what is different. */
  readonly before: Side
  readonly after: Side
  readonly reason: string | null
  readonly detail: Side
}

/** `GET /admin/audit`, newest first. */
export interface ApiAudit {
  readonly rows: readonly ApiAuditEntry[]
  /** For `before`; null at the end. */
  readonly next: string | null
}

/** What may be changed, as the log names it. */
export const AUDIT_KINDS = [
  { value: 'tenants', text: 'Tenants' },
  { value: 'teams', text: 'Teams' },
  { value: 'virtual_keys', text: 'Keys' },
  { value: 'end_users', text: 'End users' },
  { value: 'credentials', text: 'Credentials' },
  { value: 'targets', text: 'Targets' },
  { value: 'routes', text: 'Routes' },
  { value: 'presets', text: 'Presets' },
  { value: 'switches', text: 'Switches' },
  { value: 'prices', text: 'Prices' },
  { value: 'alert_channels', text: 'Alert channels' },
  { value: 'alert_rules', text: 'Alert rules' },
  { value: 'api_tokens', text: 'API tokens' },
  { value: 'role_rules', text: 'Rules for roles' },
  { value: 'sessions', text: 'Sessions' },
  { value: 'configuration', text: 'Configuration' },
] as const

const VERBS: Readonly<Record<string, string>> = {
  create: 'created',
  change: 'changed',
  delete: 'deleted',
  begin: 'began',
  end: 'ended',
  revoke: 'revoked',
  rotate: 'rotated',
  reseal: 'encrypted anew',
  cancel: 'cancelled',
  apply: 'applied',
  rollback: 'took back',
}

/** `virtual_keys.create` is `created keys`. */
export function whatText(what: string): string {
  const [table = '', verb = ''] = what.split('.')
  const kind = AUDIT_KINDS.find(({ value }) => value === table)?.text ?? table.replaceAll('_', ' ')
  return `${VERBS[verb] ?? verb} ${/^[A-Z]{2}/.test(kind) ? kind : kind.toLowerCase()}`
}

export interface AuditChange {
  readonly name: string
  /** Null where there was none, or is none now. */
  readonly before: string | null
  readonly after: string | null
}

/** The values that an entry is about, by name. What an entry says besides stands as what came of it. */
export function changesOf({ before, after, detail }: ApiAuditEntry): readonly AuditChange[] {
  const then = before ?? {}
  const now = { ...after, ...detail }
  const names = [...new Set([...Object.keys(then), ...Object.keys(now)])]
  return names
    .map((name) => ({ name, before: textOf(then[name]), after: textOf(now[name]) }))
    .filter((change) => change.before !== null || change.after !== null)
}

function textOf(value: unknown): string | null {
  if (value === undefined || value === null) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}
