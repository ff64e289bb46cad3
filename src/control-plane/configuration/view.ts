// A state as a document: what a file would have to say for it. Things are named by their names, what is as usual is left out,
// and no secret is in it. Built from what the admin API shows of each thing, so that whatever that learns to show is here, too.
import { fillAddress } from '../../catalog/address.ts'
import { findProvider } from '../../catalog/providers.ts'
import type { Target } from '../../core/directory.ts'
import { type Json, isJsonObject, parseJson } from '../../core/json.ts'
import type { ChannelRow } from '../../ledger/alerts/channel.ts'
import type { RulesRow } from '../../ledger/alerts/rules.ts'
import { EVERYBODY } from '../../ledger/alerts/rules.ts'
import { writeUsd } from '../prices/amount.ts'
import type { CredentialRow } from '../credentials/credential-record.ts'
import { BLANK_KEY, viewKey } from '../keys/key-record.ts'
import { viewPreset } from '../routes/presets.ts'
import { defaultPriceOf, priceOfRow } from '../prices/price-record.ts'
import { readCompiled } from '../publish/publish.ts'
import { viewRoute } from '../routes/routes.ts'
import type { KeyRow, PresetRow, PriceRow, RouteRow, SwitchRow, TargetRow, TeamRow, TenantRow } from '../store.ts'
import { readTexts } from '../store.ts'
import { providerOptions, viewOptions } from '../targets/target-options.ts'
import { viewTarget } from '../targets/targets.ts'
import { viewTeam } from '../tenants/teams.ts'
import { BLANK_TENANT, viewTenant } from '../tenants/tenants.ts'
import { NO_LIMITS } from '../tenants/limits-record.ts'
import { priceText } from './price-text.ts'
import type { SectionName } from './schemas.ts'
import type { State } from './state.ts'

/** One thing of a document. */
export type Item = Readonly<Record<string, unknown>>

/** A document as it is written. `models` is never: what they make is told as targets and routes. */
export type DocumentView = { readonly [Section in Exclude<SectionName, 'models'>]: readonly Item[] }

/** Prices that a document gave rather than the list. */
export const CONFIGURED = 'configured#'

/** Everything. Keys that are revoked are history. */
export function documentOf(state: State): DocumentView {
  const sorted = (items: readonly Item[]) => items.toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1))
  const keys = [...state.virtual_keys.values()].filter((row) => row.revoked_at_ms === null)
  return {
    tenants: sorted([...state.tenants.values()].map(tenantItem)),
    teams: sorted([...state.teams.values()].map((row) => teamItem(row, state))),
    credentials: sorted([...state.credentials.values()].map(credentialItem)),
    targets: sorted([...state.targets.values()].map(targetItem)),
    keys: sorted(keys.map((row) => keyItem(row, state))),
    routes: sorted([...state.routes.values()].map((row) => routeItem(row, state))),
    presets: sorted([...state.presets.values()].map((row) => presetItem(row, state))),
    prices: sorted([...state.prices.values()].map((row) => priceItem(row, state))),
    alert_channels: sorted([...state.alert_channels.values()].map((row) => channelItem(row, state))),
    alert_rules: sorted([...state.alert_rules.values()].map((row) => rulesItem(row, state))),
    switches: sorted([...state.switches.values()].map((row) => switchItem(row, state))),
  }
}

function sortKey(item: Item): string {
  const { tenant, name, id, model, provider, from, kind } = item
  return JSON.stringify([tenant, provider, kind, name, id, model, from].map((part) => part ?? ''))
}

/** A tenant's name; its id where it is gone. */
export function tenantName(id: string, state: State): string {
  return state.tenants.get(id)?.name ?? id
}

export function tenantItem(row: TenantRow): Item {
  const { name, ...said } = shown(viewTenant(row))
  const { name: _name, ...usual } = shown(viewTenant({ ...BLANK_TENANT, id: '', name: '', created_at_ms: 0 }))
  const price = defaultPriceOf(row)
  return { name, ...unlessUsual({ ...said, default_price: price === null ? null : priceText(price) }, usual) }
}

export function teamItem(row: TeamRow, state: State): Item {
  const { name, tenant_id: _tenant, ...said } = shown(viewTeam(row))
  return { tenant: tenantName(row.tenant_id, state), name, ...unlessUsual(said, USUAL_TEAM) }
}

export function keyItem(row: KeyRow, state: State): Item {
  const {
    name,
    tenant_id: _tenant,
    team_id: _team,
    kid: _kid,
    status: _status,
    ends_in: _endsIn,
    rotated_at_ms: _rotated,
    old_secrets: _oldSecrets,
    expires_at_ms,
    ...said
  } = shown(viewKey(row, 0))
  const team = row.team_id === null ? null : (state.teams.get(row.team_id)?.name ?? row.team_id)
  const expires_at = typeof expires_at_ms === 'number' ? new Date(expires_at_ms).toISOString() : null
  return { tenant: tenantName(row.tenant_id, state), name, ...unlessUsual({ team, ...said, expires_at }, USUAL_KEY) }
}

const USUAL_KEY: Item = {
  ...viewKey(
    {
      ...BLANK_KEY,
      id: '',
      kid: '',
      tenant_id: '',
      team_id: null,
      name: '',
      hashes: '[]',
      created_at_ms: 0,
      revoked_at_ms: null,
    },
    0,
  ),
  team: null,
  expires_at: null,
}

/** Where a credential is; what it is stands in no document. */
export function credentialItem({ id, provider, kind, reference }: CredentialRow): Item {
  const where = kind === 'stored' ? { stored: true } : { secret: reference }
  return { name: id, ...unlessUsual({ provider }, { provider: null }), ...where }
}

export function targetItem(row: TargetRow): Item {
  const target = readCompiled(row)
  const { id, price: _price, probe: _probe, price_version, is_unpriced: _unpriced, ...rest } = viewTarget(row)
  const { provider, model, created_at_ms: _at, ...said } = rest
  const isConfigured = target.price !== null && String(price_version).startsWith(CONFIGURED)
  const price = isConfigured && target.price !== null ? { price: priceText(target.price) } : {}
  const only = said.credentials === null ? { ...said, credentials: null } : { ...said, credential: undefined }
  return {
    id,
    provider,
    model,
    ...unlessUsual({ ...only, settings: settingsOf(target) }, usualTarget(target)),
    ...price,
  }
}

/** Settings of the catalogue that a target doesn't have are taken away by name. */
function settingsOf(target: Target): Readonly<Record<string, unknown>> {
  const own = viewOptions(target).settings
  const usual = viewOptions(usualOptions(target)).settings
  const missing = Object.keys(usual).filter((name) => !(name in own))
  return { ...own, ...Object.fromEntries(missing.map((name) => [name, null])) }
}

function usualOptions(target: Target) {
  const provider = findProvider(target.provider)
  return provider === undefined ? {} : providerOptions(provider, target.dialect)
}

/** What a target of this provider says where nothing is said. */
function usualTarget(target: Target): Item {
  const provider = findProvider(target.provider)
  const filled = fillAddress(provider?.baseUrl ?? '', target.settings)
  return {
    ...viewOptions(usualOptions(target)),
    name: null,
    dialect: provider?.dialect,
    base_url: filled.ok ? filled.value : undefined,
    credential: provider?.credential ?? null,
    limits: [],
    max_retries: 1,
    max_output_tokens: 4096,
    timeouts: { connect_ms: null, first_content_ms: 120_000, idle_ms: 60_000, total_ms: 600_000 },
    cost_center: null,
  }
}

export function routeItem(row: RouteRow, state: State): Item {
  const { model, tenant_id, targets, shadow, ...rest } = shown(viewRoute(row))
  const said: Record<string, unknown> = { ...rest, shadow: shadowOf(shadow, state) }
  const tenant = typeof tenant_id === 'string' ? { tenant: tenantName(tenant_id, state) } : {}
  const listed = said.group === null ? { targets } : {}
  const {
    model: _model,
    tenant_id: _tenant,
    targets: _targets,
    ...usual
  } = shown(viewRoute({ ...row, ...BLANK_ROUTE }))
  return { model, ...tenant, ...listed, ...unlessUsual(said, usual) }
}

/** A shadow that leads to another route names it by its model. */
function shadowOf(shadow: unknown, state: State): unknown {
  if (!isItem(shadow) || typeof shadow.route !== 'string') return shadow
  return { ...shadow, route: state.routes.get(shadow.route)?.model ?? shadow.route }
}

const BLANK_ROUTE = { choice: '{}', allowed_gaps: '[]' }

export function presetItem(row: PresetRow, state: State): Item {
  const { name, tenant_id, ...said } = shown(viewPreset(row))
  const tenant = typeof tenant_id === 'string' ? { tenant: tenantName(tenant_id, state) } : {}
  return { name, ...tenant, ...unlessUsual(said, { parameters: {}, system: null }) }
}

export function priceItem(row: PriceRow, state: State): Item {
  const price = priceOfRow(row)
  return unlessUsual(
    {
      provider: row.provider,
      model: row.model,
      tenant: row.tenant_id === null ? null : tenantName(row.tenant_id, state),
      from: new Date(row.from_ms).toISOString(),
      price: price === null ? null : priceText(price),
      adjust_percent: price === null ? String(row.basis_points / 100) : null,
      note: row.note,
    },
    { tenant: null, price: null, adjust_percent: null, note: null },
  )
}

export function channelItem(row: ChannelRow, state: State): Item {
  const named = (ids: string, rows: ReadonlyMap<string, { readonly tenant_id: string; readonly name: string }>) =>
    readTexts(ids).map((id) => {
      const found = rows.get(id)
      return found === undefined ? id : `${tenantName(found.tenant_id, state)}/${found.name}`
    })
  const said = {
    url: row.kind === 'webhook' ? row.address : null,
    address: row.kind === 'email' ? row.address : null,
    secret_name: row.secret_name,
    kinds: readTexts(row.kinds),
    tenants: readTexts(row.tenants).map((id) => tenantName(id, state)),
    teams: named(row.teams, state.teams),
    keys: named(row.keys, state.virtual_keys),
    on: row.is_on === 1,
  }
  const usual = { url: null, address: null, secret_name: null, kinds: [], tenants: [], teams: [], keys: [], on: true }
  return { kind: row.kind, name: row.name, ...unlessUsual(said, usual) }
}

export function rulesItem(row: RulesRow, state: State): Item {
  const { unknown_price, anomaly, ...rest } = objectOf(row.rules)
  const tenant = row.id === EVERYBODY ? {} : { tenant: tenantName(row.id, state) }
  const { factor, min_nano_usd } = isJsonObject(anomaly) ? anomaly : {}
  return {
    ...tenant,
    ...rest,
    ...(unknown_price === undefined ? {} : { unknown_price: unknown_price !== null }),
    ...(anomaly === undefined
      ? {}
      : { anomaly: anomaly === null ? null : { factor, min_usd: writeUsd(Number(min_nano_usd)) } }),
  }
}

export function switchItem(row: SwitchRow, state: State): Item {
  const { kind, subject, reason } = row
  const key = kind === 'key' ? state.virtual_keys.get(subject) : undefined
  const keyName = key === undefined ? subject : `${tenantName(key.tenant_id, state)}/${key.name}`
  const id = kind === 'tenant' ? tenantName(subject, state) : kind === 'key' ? keyName : subject
  return { kind, id, off: true, reason }
}

const USUAL_TEAM = shown(
  viewTeam({ id: '', tenant_id: '', name: '', ...NO_LIMITS, end_user_limits: null, created_at_ms: 0 }),
)

/** What the API shows, without what it made up itself. */
function shown(view: object): Record<string, unknown> {
  const { id: _id, created_at_ms: _at, ...rest } = { id: null, created_at_ms: null, ...view }
  return rest
}

/** Without the members that are as usual; within limits, each by itself. */
function unlessUsual(said: Item, usual: Item): Item {
  const kept = Object.entries(said).flatMap(([name, value]): readonly (readonly [string, unknown])[] => {
    if (value === undefined || isSame(value, usual[name])) return []
    const below = usual[name]
    const isParted = (name === 'limits' || name === 'timeouts') && isItem(value) && isItem(below)
    return [[name, isParted ? unlessUsual(value, below) : value]]
  })
  return Object.fromEntries(kept)
}

function isItem(value: unknown): value is Item {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether two values are the same JSON, in whatever order their members are. */
export function isSame(a: unknown, b: unknown): boolean {
  return a === b || canonical(a) === canonical(b)
}

/** JSON text with members in order. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, one: unknown) =>
    isItem(one) ? Object.fromEntries(Object.entries(one).toSorted(([x], [y]) => (x < y ? -1 : 1))) : one,
  )
}

function objectOf(text: string): Readonly<Record<string, Json | undefined>> {
  const value = parseJson(text)
  return isJsonObject(value) ? value : {}
}
