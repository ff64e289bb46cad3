// Takes back what one revision changed, where it is still as that revision left it: what somebody has changed since is theirs.
import { brokenRoutes, missingCredentials } from './links.ts'
import { readTexts } from '../store.ts'
import { type AnyRow, type State, TABLES, draftOf, isSameRow, rowChanges, rowsOf, stateOf } from './state.ts'

/** The present state without what led `from` one kept state `to` another. `left` says in words what was left as it is. */
export function undone(
  { from, to }: { readonly from: State; readonly to: State },
  present: State,
): { readonly state: State; readonly left: readonly string[] } {
  const left: string[] = []
  const tables: Record<string, Map<string, AnyRow>> = {}
  for (const table of TABLES) tables[table] = new Map(rowsOf(present, table))
  for (const { table, id, before, after } of rowChanges(from, to)) {
    const rows = tables[table]
    const now = rows?.get(id)
    if (rows === undefined || table === 'switches') continue
    // What is stored is in no revision.
    if (table === 'credentials' && [before, after, now].some(isStored)) {
      left.push(`credentials: ${id} is stored: it stays as it is.`)
      continue
    }
    const name = `${table}: ${id}`
    if (!isStill(after, now)) left.push(`${name} was changed since: it is left as it is.`)
    else if (table === 'virtual_keys' && (before === null || isRevoked(after))) {
      left.push(`${name}: keys that were made or revoked stay so.`)
    } else if (before === null) rows.delete(id)
    else if (now === undefined && table === 'alert_channels' && !isOpen(before)) {
      left.push(`${name}: its secret is gone.`)
    } else rows.set(id, restoredRow(table, before, now))
  }
  const state = stateOf(Object.fromEntries(TABLES.map((table) => [table, [...(tables[table] ?? new Map()).values()]])))
  return { state: withNeeded(withPayable(state, present, left), present, left), left }
}

/** A credential that another target uses by now stays, and so does a target whose credential somebody has deleted since. */
function withPayable(state: State, present: State, left: string[]): State {
  const draft = draftOf(state)
  for (const row of state.targets.values()) {
    const target = present.targets.get(row.id)
    for (const name of missingCredentials(row, draft.credentials)) {
      const credential = present.credentials.get(name)
      if (credential !== undefined) {
        draft.credentials.set(name, credential)
        left.push(`credentials: ${name} is needed by a target: it stays.`)
      } else if (target !== undefined) {
        draft.targets.set(row.id, target)
        left.push(`targets: ${row.id} had a credential that is gone since: it is left as it is.`)
      }
    }
  }
  return draft
}

/** Puts back what something else needs by now. */
function withNeeded(state: State, present: State, left: string[]): State {
  if (brokenRoutes(state).length === 0) return withOwners(state, present, left)
  const draft = draftOf(state)
  for (const row of state.routes.values()) {
    for (const id of readTexts(row.targets)) {
      const needed = present.targets.get(id)
      if (draft.targets.has(id) || needed === undefined) continue
      draft.targets.set(id, needed)
      left.push(`targets: ${id} is needed by another route since: it stays.`)
    }
  }
  return withOwners(whereLeading(draft, present, left), present, left)
}

/** A route that would lead to what somebody has taken away since stays as it is. */
function whereLeading(state: State, present: State, left: string[]): State {
  const draft = draftOf(state)
  for (const row of state.routes.values()) {
    if (brokenRoutes(stateOf({ routes: [row], targets: [...state.targets.values()] })).length === 0) continue
    const now = present.routes.get(row.id)
    if (now === undefined) draft.routes.delete(row.id)
    else draft.routes.set(row.id, now)
    left.push(`routes: ${row.model} led to a target that is gone since: it is left as it is.`)
  }
  return draft
}

/** Tenants and teams that were made and have keys or routes by now stay. */
function withOwners(state: State, present: State, left: string[]): State {
  const draft = draftOf(state)
  const keys = [...draft.virtual_keys.values()]
  for (const row of present.teams.values()) {
    if (draft.teams.has(row.id) || !keys.some((key) => key.team_id === row.id)) continue
    draft.teams.set(row.id, row)
    left.push(`teams: ${row.id} has keys: it stays.`)
  }
  const owning = new Set(
    [...keys, ...draft.teams.values(), ...draft.routes.values(), ...draft.prices.values()].map((row) => row.tenant_id),
  )
  for (const row of present.tenants.values()) {
    if (draft.tenants.has(row.id) || !owning.has(row.id)) continue
    draft.tenants.set(row.id, row)
    left.push(`tenants: ${row.id} has keys, teams or routes: it stays.`)
  }
  return draft
}

/** Whether a row is as a kept revision has it, which lacks secrets. */
function isStill(kept: AnyRow | null, now: AnyRow | undefined): boolean {
  if (kept === null || now === undefined) return kept === null && now === undefined
  return isSameRow({ ...now, ...kept }, now)
}

function isStored(row: AnyRow | null | undefined): boolean {
  return row != null && 'kind' in row && row.kind === 'stored'
}

function isRevoked(row: AnyRow | null): boolean {
  return row !== null && 'revoked_at_ms' in row && row.revoked_at_ms !== null
}

function isOpen(row: AnyRow): boolean {
  return ('kind' in row && row.kind === 'email') || ('secret_name' in row && row.secret_name !== null)
}

function restoredRow(table: string, before: AnyRow, now: AnyRow | undefined): AnyRow {
  const secrets = table === 'targets' ? { probe: null } : table === 'alert_channels' ? { sealed: null } : {}
  return { ...secrets, ...now, ...before }
}
