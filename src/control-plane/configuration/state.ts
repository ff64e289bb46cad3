// The configuration as a whole: all rows of all its tables, as of one revision. What a document declares, what a revision
// keeps and what is compared are such states.
import type { ChannelRow } from '../../ledger/alerts/channel.ts'
import type { RulesRow } from '../../ledger/alerts/rules.ts'
import type { CredentialRow } from '../credentials/credential-record.ts'
import type { KeyRow, PresetRow, PriceRow, RouteRow, SwitchRow, TargetRow, TeamRow, TenantRow } from '../store.ts'

/** The tables, in an order in which rows can be added: what is referred to comes first. */
export const TABLES = [
  'tenants',
  'presets',
  'teams',
  'credentials',
  'targets',
  'virtual_keys',
  'routes',
  'prices',
  'alert_channels',
  'alert_rules',
  'switches',
] as const
export type TableName = (typeof TABLES)[number]

/** What all rows have. */
export interface AnyRow {
  readonly id: string
}

/** The rows of a state, each under its id. */
export interface State {
  readonly tenants: ReadonlyMap<string, TenantRow>
  readonly presets: ReadonlyMap<string, PresetRow>
  readonly teams: ReadonlyMap<string, TeamRow>
  readonly credentials: ReadonlyMap<string, CredentialRow>
  readonly targets: ReadonlyMap<string, TargetRow>
  readonly virtual_keys: ReadonlyMap<string, KeyRow>
  readonly routes: ReadonlyMap<string, RouteRow>
  readonly prices: ReadonlyMap<string, PriceRow>
  readonly alert_channels: ReadonlyMap<string, ChannelRow>
  readonly alert_rules: ReadonlyMap<string, RulesRow>
  readonly switches: ReadonlyMap<string, SwitchRow>
}

/** A state that is being made. */
export type Draft = {
  readonly [Table in TableName]: State[Table] extends ReadonlyMap<string, infer Row> ? Map<string, Row> : never
}

/** A state with its number. */
export interface Revised {
  readonly revision: number
  readonly state: State
}

/** What a row was and is; null for no row. */
export interface RowChange {
  readonly table: TableName
  readonly id: string
  readonly before: AnyRow | null
  readonly after: AnyRow | null
}

/** The present state, read in one transaction. */
export async function readState(db: D1Database): Promise<Revised> {
  const [revised, ...listed] = await db.batch<AnyRow | { revision: number }>([
    db.prepare(`SELECT revision FROM configuration WHERE id = 1`),
    ...TABLES.map((table) => db.prepare(`SELECT * FROM ${table} ORDER BY id`)),
  ])
  const revision = revised?.results.find((row) => 'revision' in row)?.revision ?? 0
  const rows = TABLES.map((table, at) => [table, listed[at]?.results.filter((row) => 'id' in row) ?? []] as const)
  return { revision, state: stateOf(Object.fromEntries(rows)) }
}

/** A state of these rows by table; a table that is missing is empty. Rows are what this control plane wrote. */
export function stateOf(rows: Readonly<Record<string, readonly AnyRow[]>>): State {
  const tables = TABLES.map((table) => [table, new Map((rows[table] ?? []).map((row) => [row.id, row]))])
  const state: State = Object.assign(Object.create(null), Object.fromEntries(tables))
  return state
}

/** The rows of a table, whatever they are. */
export function rowsOf(state: State, table: TableName): ReadonlyMap<string, AnyRow> {
  return state[table]
}

/** A copy to be changed. */
export function draftOf(state: State): Draft {
  const draft: Draft = Object.assign(
    Object.create(null),
    Object.fromEntries(TABLES.map((table) => [table, new Map<string, AnyRow>(state[table])])),
  )
  return draft
}

/** The rows that are different, table by table. */
export function rowChanges(before: State, after: State): readonly RowChange[] {
  return TABLES.flatMap((table) => {
    const [then, now] = [rowsOf(before, table), rowsOf(after, table)]
    const ids = new Set([...then.keys(), ...now.keys()])
    return [...ids].flatMap((id) => {
      const [was, is] = [then.get(id) ?? null, now.get(id) ?? null]
      return isSameRow(was, is) ? [] : [{ table, id, before: was, after: is }]
    })
  })
}

/** Whether all columns are the same. */
export function isSameRow(a: object | null, b: object | null): boolean {
  if (a === b) return true
  if (a === null || b === null) return false
  const [left, right] = [new Map(Object.entries(a)), new Map(Object.entries(b))]
  return left.size === right.size && [...left].every(([name, value]) => right.get(name) === value)
}
