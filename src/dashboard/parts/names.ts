// What ids are called: the overview's names for tenants and teams, and those of keys, which are asked for. An id that nobody
// knows (deleted since, say) is shown as it is; names are text and never markup.
import type { ApiOverview } from '../api-types.ts'
import type { KeyNameOf } from '../keys/key-names.ts'
import type { SpendDimension } from './ranges.ts'

export interface Label {
  readonly text: string
  /** What tells apart things of the same name; null where there is nothing to add. */
  readonly context: string | null
}

export interface Names {
  tenant(id: string): string
  team(id: string | null): string
  key(id: string): string
  label(dimension: SpendDimension, id: string | null): Label
}

/** Looks names up in `overview`, those of keys in `keyOf`; before they have arrived every id is its own name. */
export function namesFrom(overview: ApiOverview | null, keyOf: KeyNameOf): Names {
  const tenants = new Map(overview?.tenants.map((tenant) => [tenant.id, tenant]))
  const teams = new Map(overview?.teams.map((team) => [team.id, team]))
  const tenant = (id: string): string => tenants.get(id)?.name ?? id
  const team = (id: string | null): string => (id === null ? 'No team' : (teams.get(id)?.name ?? id))
  const key = (id: string): string => keyOf(id)?.name ?? id

  function label(dimension: SpendDimension, id: string | null): Label {
    if (dimension === 'model') return { text: id ?? 'No model reached', context: null }
    if (dimension === 'team') return { text: team(id), context: tenantOf(teams.get(id ?? '')?.tenant_id) }
    if (dimension === 'tenant') return { text: tenant(id ?? ''), context: null }
    return { text: key(id ?? ''), context: ownerOf(keyOf(id ?? '')) }
  }
  function ownerOf(found: { tenant_id: string; team_id: string | null } | null): string | null {
    if (found === null) return null
    return found.team_id === null ? tenant(found.tenant_id) : `${tenant(found.tenant_id)} / ${team(found.team_id)}`
  }
  function tenantOf(id: string | undefined): string | null {
    return id === undefined ? null : tenant(id)
  }
  return { tenant, team, key, label }
}
