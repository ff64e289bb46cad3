// A document on its way to a state: what is declared so far, and what is wrong with it. Every problem is told, each with the
// field of the document that it is about.
import type { GatewayEnv } from '../../env.ts'
import type { AdminPorts } from '../ports.ts'
import type { Refusal } from '../http/refusal.ts'
import type { KeyRow, TeamRow, TenantRow } from '../store.ts'
import { type AnyRow, type Draft, type State, type TableName, draftOf } from './state.ts'
import { type Item, isSame } from './view.ts'

/** Why a document can't be taken. */
export interface Problem {
  /** As in `targets[2].base_url`; null where it is about all of it. */
  readonly field: string | null
  readonly code: string
  readonly message: string
}

/** A key that a document made: its secret is told once. */
export interface MintedKey {
  readonly tenant: string
  readonly name: string
  readonly id: string
  readonly key: string
}

/** A target that is called otherwise than before. */
export interface ToProbe {
  readonly id: string
  readonly at: string
  readonly renamed: Renamed
  readonly probeModel: string | undefined
  readonly isForced: boolean
}

export interface DeclareContext {
  readonly env: GatewayEnv
  readonly ports: AdminPorts
  /** What isn't declared in a section that is there goes. */
  readonly prune: boolean
}

/** Names of fields where a short form calls them otherwise. */
export type Renamed = Readonly<Record<string, string>>

/** A state that a document is being made into. */
export class Declaring {
  readonly problems: Problem[] = []
  readonly minted: MintedKey[] = []
  readonly toProbe: ToProbe[] = []
  readonly draft: Draft
  /** Targets that were declared wrongly: what refers to them isn't wrong for that. */
  readonly unfitTargets = new Set<string>()
  /** Ids that were declared, by table. */
  readonly #declared = new Map<TableName, Set<string>>()
  readonly before: State
  readonly context: DeclareContext

  /** Rows by their names: a tenant's, and of teams and keys that aren't revoked `<tenant id>/<name>`. */
  readonly #tenants = new Map<string, TenantRow>()
  readonly #teams = new Map<string, TeamRow>()
  readonly #keys = new Map<string, KeyRow>()

  constructor(before: State, context: DeclareContext) {
    this.before = before
    this.context = context
    this.draft = draftOf(before)
    for (const row of before.tenants.values()) this.#tenants.set(row.name, row)
    for (const row of before.teams.values()) this.#teams.set(`${row.tenant_id}/${row.name}`, row)
    for (const row of before.virtual_keys.values()) {
      if (row.revoked_at_ms === null) this.#keys.set(`${row.tenant_id}/${row.name}`, row)
    }
  }

  putTenant(row: TenantRow): void {
    this.draft.tenants.set(row.id, row)
    this.#tenants.set(row.name, row)
    this.note('tenants', row.id)
  }

  putTeam(row: TeamRow): void {
    this.draft.teams.set(row.id, row)
    this.#teams.set(`${row.tenant_id}/${row.name}`, row)
    this.note('teams', row.id)
  }

  putKey(row: KeyRow): void {
    this.draft.virtual_keys.set(row.id, row)
    this.#keys.set(`${row.tenant_id}/${row.name}`, row)
    this.note('virtual_keys', row.id)
  }

  /** A team by its name. */
  team(tenantId: string, name: string): TeamRow | undefined {
    return this.#teams.get(`${tenantId}/${name}`)
  }

  /** A key that isn't revoked, by its name. */
  key(tenantId: string, name: string): KeyRow | undefined {
    return this.#keys.get(`${tenantId}/${name}`)
  }

  /** Notes what is wrong with what stands at `at`. */
  refuse(
    at: string,
    { field, code, message }: Pick<Refusal, 'field' | 'code' | 'message'>,
    renamed: Renamed = {},
  ): void {
    const name = field === null ? null : (renamed[field] ?? field)
    const told = field !== null && name !== null ? message.replaceAll(field, name) : message
    this.problems.push({ field: name === null ? at : `${at}.${name}`, code, message: told })
  }

  /** Notes that something is declared; false, and a problem, where it was before. */
  once(table: TableName, id: string, at: string, name: string): boolean {
    const ids = this.#declared.get(table) ?? new Set()
    this.#declared.set(table, ids)
    if (ids.has(id)) {
      this.problems.push({ field: at, code: 'declared_twice', message: `${JSON.stringify(name)} is declared twice.` })
      return false
    }
    ids.add(id)
    return true
  }

  /** Notes that a row is what was declared. */
  note(table: TableName, id: string): void {
    this.#declared.set(table, (this.#declared.get(table) ?? new Set()).add(id))
  }

  isDeclared(table: TableName, id: string): boolean {
    return this.#declared.get(table)?.has(id) === true
  }

  /** The row that holds: the one of before where a document would say the same of both. */
  settled<Row extends AnyRow>(before: Row | undefined, after: Row, item: (row: Row, state: State) => Item): Row {
    return before !== undefined && isSame(item(before, this.before), item(after, this.draft)) ? before : after
  }

  /** A tenant by its name or id; a name wins, as files say names. Undefined, and a problem, for none. */
  tenant(reference: string, at: string): TenantRow | undefined {
    const found = this.findTenant(reference)
    if (found === undefined) {
      const message = `tenant must be a tenant that is declared or there; there is no ${JSON.stringify(reference)}.`
      this.refuse(at, { field: 'tenant', code: 'unknown_tenant', message })
    }
    return found
  }

  findTenant(reference: string): TenantRow | undefined {
    return this.#tenants.get(reference) ?? this.draft.tenants.get(reference)
  }
}
