// What the admin API says of the configuration's revisions, and how it is told.

export interface ApiWatch {
  readonly state: 'watching' | 'kept' | 'rolled-back' | 'failed'
  readonly requests: number
  readonly failures: number
  readonly until_ms: number
}

export interface ApiRevision {
  readonly revision: number
  readonly at_ms: number
  readonly who: string
  readonly made_by: 'found' | 'apply' | 'rollback'
  readonly from_revision: number
  readonly reason: string | null
  readonly changes: number
  readonly watch: ApiWatch | null
}

/** `GET /admin/configuration/revisions`, newest first. */
export interface ApiRevisions {
  /** The present one. */
  readonly revision: number
  readonly rows: readonly ApiRevision[]
}

export interface ApiItemChange {
  readonly action: 'create' | 'update' | 'delete'
  readonly section: string
  readonly name: string
  readonly fields: readonly { readonly field: string; readonly before?: unknown; readonly after?: unknown }[]
}

/** `GET /admin/configuration/revisions/<n>` */
export interface ApiRevisionShown {
  /** Null where the one before isn't kept. */
  readonly changes: readonly ApiItemChange[] | null
}

/** `POST /admin/configuration/rollback` */
export interface ApiRolledBack {
  readonly revision: number
  readonly changes: readonly ApiItemChange[]
  readonly left?: readonly string[]
}

const MADE = { found: 'as it was found', apply: 'applied by', rollback: 'taken back by' } as const

/** How a revision came about. */
export function madeText({ made_by, who, from_revision }: ApiRevision): string {
  if (made_by === 'found') return MADE.found
  return `${MADE[made_by]} ${who}${made_by === 'rollback' ? `, to ${from_revision}` : ''}`
}

const WATCHED = {
  watching: 'is looked after',
  kept: 'was looked after, and kept',
  'rolled-back': 'failed, and was taken back',
  failed: 'failed, and had been changed since',
} as const

/** What became of looking after it. */
export function watchText({ state, requests, failures }: ApiWatch): string {
  return `It ${WATCHED[state]}: ${failures} of ${requests} calls failed.`
}

const VERBS = { create: 'made', update: 'changed', delete: 'taken away' } as const

/** `tenants acme, changed` */
export function changeText({ section, name, action }: ApiItemChange): string {
  return `${section.replaceAll('_', ' ')} ${name}, ${VERBS[action]}`
}

/** A value as it stands in a file; what has parts has a line for each. */
export function valueText(value: unknown): string {
  if (typeof value === 'string') return value
  const short = JSON.stringify(value) ?? ''
  return short.length > LINE_CHARS ? JSON.stringify(value, null, 2) : short
}

const LINE_CHARS = 60

/** The same changes the other way round. */
export function turnedRound(changes: readonly ApiItemChange[]): readonly ApiItemChange[] {
  return changes.map(({ action, section, name, fields }) => ({
    ...{ section, name },
    action: action === 'create' ? 'delete' : action === 'delete' ? 'create' : action,
    fields: fields.map(({ field, before, after }) => ({
      field,
      ...(after === undefined ? {} : { before: after }),
      ...(before === undefined ? {} : { after: before }),
    })),
  }))
}

/** `1 made, 2 changed` */
export function countText(changes: readonly ApiItemChange[]): string {
  if (changes.length === 0) return 'They are the same.'
  const counts = (['create', 'update', 'delete'] as const).map((action) => ({
    action,
    count: changes.filter((change) => change.action === action).length,
  }))
  return counts
    .filter(({ count }) => count > 0)
    .map(({ action, count }) => `${count} ${VERBS[action]}`)
    .join(', ')
}
