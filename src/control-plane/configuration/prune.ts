// Takes away what a document doesn't declare, in the sections that it has. Keys are revoked rather than deleted; what is
// switched off stays so: a file that doesn't know of an emergency must not end it.
import { readTexts } from '../store.ts'
import type { Declaring } from './declaring.ts'
import type { ConfigurationDocument } from './schemas.ts'
import type { TableName } from './state.ts'

/** Removes from the draft what isn't declared. What is still needed is a problem. */
export function prune(declaring: Declaring, document: ConfigurationDocument): void {
  const { draft, context } = declaring
  const hasModels = document.models !== undefined
  const others = (table: TableName): readonly string[] =>
    [...draft[table].keys()].filter((id) => !declaring.isDeclared(table, id))
  if (document.routes !== undefined || hasModels) for (const id of others('routes')) draft.routes.delete(id)
  if (document.targets !== undefined || hasModels) for (const id of others('targets')) draft.targets.delete(id)
  if (document.credentials !== undefined) for (const id of others('credentials')) draft.credentials.delete(id)
  if (document.presets !== undefined) for (const id of others('presets')) draft.presets.delete(id)
  if (document.prices !== undefined) for (const id of others('prices')) draft.prices.delete(id)
  if (document.alert_channels !== undefined) {
    for (const id of others('alert_channels')) draft.alert_channels.delete(id)
  }
  if (document.alert_rules !== undefined) for (const id of others('alert_rules')) draft.alert_rules.delete(id)
  if (document.keys !== undefined) {
    for (const id of others('virtual_keys')) {
      const row = draft.virtual_keys.get(id)
      if (row === undefined || row.revoked_at_ms !== null) continue
      draft.virtual_keys.set(id, { ...row, revoked_at_ms: context.ports.nowMs() })
    }
  }
  if (document.teams !== undefined) pruneTeams(declaring, others('teams'))
  if (document.tenants !== undefined) pruneTenants(declaring, others('tenants'))
}

function pruneTeams({ draft, problems }: Declaring, ids: readonly string[]): void {
  const used = new Set([...draft.virtual_keys.values()].map((row) => row.team_id))
  for (const id of ids) {
    if (!used.has(id)) draft.teams.delete(id)
    else problems.push(needed('team', draft.teams.get(id)?.name ?? id, 'keys, maybe revoked ones: delete those first'))
  }
}

function pruneTenants({ draft, problems }: Declaring, ids: readonly string[]): void {
  const of = (rows: Iterable<{ readonly tenant_id: string }>) => new Set([...rows].map((row) => row.tenant_id))
  const [keys, teams] = [of(draft.virtual_keys.values()), of(draft.teams.values())]
  const routes = of(draft.routes.values())
  for (const id of ids) {
    const name = draft.tenants.get(id)?.name ?? id
    if (keys.has(id) || teams.has(id) || routes.has(id)) {
      problems.push(needed('tenant', name, 'teams, keys (maybe revoked ones) or routes: delete those first'))
      continue
    }
    draft.tenants.delete(id)
    draft.alert_rules.delete(id)
    for (const row of [...draft.presets.values()]) if (row.tenant_id === id) draft.presets.delete(row.id)
    for (const row of [...draft.prices.values()]) if (row.tenant_id === id) draft.prices.delete(row.id)
    for (const row of [...draft.alert_channels.values()]) {
      const left = readTexts(row.tenants).filter((tenant) => tenant !== id)
      // A channel for nobody else would become one for everybody.
      if (left.length > 0) draft.alert_channels.set(row.id, { ...row, tenants: JSON.stringify(left) })
    }
  }
}

function needed(kind: string, name: string, by: string) {
  return {
    field: null,
    code: 'referenced',
    message: `The ${kind} ${JSON.stringify(name)} isn't declared and can't go: it still has ${by}.`,
  }
}
