// Prices, channels and rules of alerts, and switches of a document. A price row is never changed: another one takes its place.
import { EVERYBODY, type RulesRow } from '../../ledger/alerts/rules.ts'
import type { ChannelRow } from '../../ledger/alerts/channel.ts'
import { findProvider } from '../../catalog/providers.ts'
import { randomBase62 } from '../../core/virtual-key.ts'
import { blankChannel, changeSecret } from '../alerts/alert-channels.ts'
import { keptRules } from '../alerts/alert-rules.ts'
import { readBasisPoints } from '../prices/amount.ts'
import { readPreset } from '../routes/presets.ts'
import { priceOfRow, readPrice } from '../prices/price-record.ts'
import { type NewPrice, chargeOf } from '../prices/prices.ts'
import { unacceptable } from '../http/refusal.ts'
import { readInstant } from '../schemas.ts'
import type { PresetRow, PriceRow, SwitchRow } from '../store.ts'
import type { Declaring } from './declaring.ts'
import type { ConfigurationDocument, RulesEntry, SwitchEntry } from './schemas.ts'
import { channelItem, isSame, presetItem, rulesItem } from './view.ts'

export function declarePresets(declaring: Declaring, entries: NonNullable<ConfigurationDocument['presets']>): void {
  const rows = new Map([...declaring.before.presets.values()].map((row) => [`${row.tenant_id}/${row.name}`, row]))
  for (const [index, body] of entries.entries()) {
    const at = `presets[${index}]`
    const tenant = body.tenant == null ? null : declaring.tenant(body.tenant, at)
    if (tenant === undefined) continue
    const name = `${tenant?.id ?? ''}/${body.name}`
    const before = rows.get(name)
    if (!declaring.once('presets', before?.id ?? name, at, body.name)) continue
    const preset = readPreset(body, { members: {} })
    if (!preset.ok) {
      declaring.refuse(at, preset.error)
      continue
    }
    const row: PresetRow = {
      id: before?.id ?? `preset_${randomBase62(14, declaring.context.ports.randomBytes)}`,
      tenant_id: tenant?.id ?? '',
      name: body.name,
      preset: JSON.stringify(preset.value),
      created_at_ms: before?.created_at_ms ?? declaring.context.ports.nowMs(),
    }
    declaring.draft.presets.set(row.id, declaring.settled(before, row, presetItem))
    declaring.note('presets', row.id)
    rows.set(name, row)
  }
}

export function declarePrices(declaring: Declaring, entries: readonly NewPrice[]): void {
  const claimed = new Set<string>()
  for (const [index, body] of entries.entries()) {
    const at = `prices[${index}]`
    if ((body.price === undefined) === (body.adjust_percent === undefined)) {
      declaring.refuse(at, unacceptable('price', 'invalid_field', 'price or adjust_percent is needed, and not both.'))
      continue
    }
    const tenant = body.tenant == null ? null : declaring.tenant(body.tenant, at)
    if (tenant === undefined) continue
    const subject = `${body.provider}/${body.model}`
    // Of a price and of a margin on it each the latest counts.
    const kind = body.price === undefined ? 'margin' : 'price'
    const isDated = body.from !== undefined
    if (!isDated && !declaring.once('prices', `${subject}/${tenant?.id ?? ''}/${kind}`, at, subject)) continue
    declarePrice(declaring, body, tenant?.id ?? null, claimed)
  }
}

function declarePrice(
  declaring: Declaring,
  body: NewPrice,
  tenantId: string | null,
  /** Rows that are what an entry before this one says. */
  claimed: Set<string>,
): void {
  const { ports } = declaring.context
  const fromMs = body.from === undefined ? null : readInstant(body.from)
  const ofSubject = [...declaring.before.prices.values()].filter(
    (row) =>
      row.provider === body.provider &&
      row.model === body.model &&
      row.tenant_id === tenantId &&
      (row.price === null) === (body.price === undefined),
  )
  const free = ofSubject.filter((row) => !claimed.has(row.id))
  const sameTime =
    fromMs === null
      ? free
          .filter((row) => row.from_ms <= ports.nowMs())
          .toSorted((a, b) => b.from_ms - a.from_ms)
          .slice(0, 1)
      : free.filter((row) => row.from_ms === fromMs)
  const same = sameTime.find((row) => isCharged(row, body))
  if (same !== undefined) {
    declaring.note('prices', same.id)
    claimed.add(same.id)
    // What held before what is said without a date is history.
    if (fromMs === null) for (const row of ofSubject) declaring.note('prices', row.id)
    return
  }
  const replaced = fromMs === null ? undefined : sameTime[0]
  if (replaced !== undefined) {
    declaring.draft.prices.delete(replaced.id)
    claimed.add(replaced.id)
  } else if (fromMs === null) for (const row of ofSubject) declaring.note('prices', row.id)
  const id = `prc_${randomBase62(14, ports.randomBytes)}`
  const from = fromMs ?? ports.nowMs()
  declaring.draft.prices.set(id, {
    id,
    provider: body.provider,
    model: body.model,
    tenant_id: tenantId,
    from_ms: from,
    ...chargeOf(id, from, body),
    note: body.note ?? null,
    created_at_ms: ports.nowMs(),
  })
  declaring.note('prices', id)
}

function isCharged(row: PriceRow, body: NewPrice): boolean {
  if (row.note !== (body.note ?? null)) return false
  const price = priceOfRow(row)
  if (body.price !== undefined) return isSame(price, readPrice(body.price))
  return price === null && row.basis_points === (readBasisPoints(body.adjust_percent ?? '0') ?? 0)
}

export async function declareChannels(
  declaring: Declaring,
  entries: NonNullable<ConfigurationDocument['alert_channels']>,
  origin: string,
): Promise<void> {
  const { env, ports } = declaring.context
  const byName = new Map([...declaring.before.alert_channels.values()].map((row) => [row.name, row]))
  for (const [index, body] of entries.entries()) {
    const at = `alert_channels[${index}]`
    const named = byName.get(body.name)
    const before = named?.kind === body.kind ? named : undefined
    if (!declaring.once('alert_channels', before?.id ?? body.name, at, body.name)) continue
    if (named !== undefined && before === undefined) declaring.draft.alert_channels.delete(named.id)
    const made = { id: `chan_${randomBase62(14, ports.randomBytes)}`, origin, created_at_ms: ports.nowMs() }
    const blank = before ?? blankChannel(body, made)
    const context = { db: env.DB, master: env.ALERT_KEY, allowPrivate: env.ALLOW_PRIVATE_ENDPOINTS === 'true' }
    const secret = await changeSecret(blank, body, context)
    if (!secret.ok) {
      declaring.refuse(at, secret.error)
      continue
    }
    const wanted = {
      kinds: JSON.stringify([...new Set(body.kinds ?? [])]),
      tenants: JSON.stringify(idsOf(declaring, at, 'tenants', body.tenants ?? [])),
      teams: JSON.stringify(idsOf(declaring, at, 'teams', body.teams ?? [])),
      keys: JSON.stringify(idsOf(declaring, at, 'keys', body.keys ?? [])),
    }
    const row: ChannelRow = { ...blank, ...secret.value, ...wanted, is_on: body.on === false ? 0 : 1 }
    declaring.draft.alert_channels.set(row.id, declaring.settled(before, row, channelItem))
    declaring.note('alert_channels', row.id)
  }
}

type Wanted = 'tenants' | 'teams' | 'keys'
const WORDS = { tenants: 'tenant', teams: 'team', keys: 'key' } as const

/** The ids behind names: of teams and keys `<tenant>/<name>`. */
function idsOf(declaring: Declaring, at: string, field: Wanted, names: readonly string[]): readonly string[] {
  const ids = names.map((name, index) => {
    const id = idOf(declaring, field, name)
    if (id !== undefined) return id
    const place = `${field}[${index}]`
    const message = `${place} must be a ${WORDS[field]}; there is no ${JSON.stringify(name)}.`
    declaring.refuse(at, unacceptable(place, `unknown_${WORDS[field]}`, message))
    return name
  })
  return [...new Set(ids)]
}

/** The id of a tenant, or of a team or key `<tenant>/<name>`; ids name themselves. */
function idOf(declaring: Declaring, field: Wanted, name: string): string | undefined {
  if (field === 'tenants') return declaring.findTenant(name)?.id
  const rows = field === 'teams' ? declaring.draft.teams : declaring.draft.virtual_keys
  for (let slash = name.indexOf('/'); slash !== -1; slash = name.indexOf('/', slash + 1)) {
    const tenant = declaring.findTenant(name.slice(0, slash))
    const below = name.slice(slash + 1)
    const found =
      tenant === undefined
        ? undefined
        : field === 'teams'
          ? declaring.team(tenant.id, below)
          : declaring.key(tenant.id, below)
    if (found !== undefined) return found.id
  }
  return rows.has(name) ? name : undefined
}

export function declareRules(declaring: Declaring, entries: readonly RulesEntry[]): void {
  for (const [index, { tenant: reference, ...rules }] of entries.entries()) {
    const at = `alert_rules[${index}]`
    const tenant = reference == null ? null : declaring.tenant(reference, at)
    if (tenant === undefined) continue
    if (tenant !== null && rules.provider_down !== undefined) {
      const message = 'provider_down concerns everybody: it stands with the rules without a tenant.'
      declaring.refuse(at, unacceptable('provider_down', 'invalid_field', message))
      continue
    }
    const id = tenant?.id ?? EVERYBODY
    if (!declaring.once('alert_rules', id, at, tenant?.name ?? 'everybody')) continue
    const before = declaring.before.alert_rules.get(id)
    const created_at_ms = before?.created_at_ms ?? declaring.context.ports.nowMs()
    const row: RulesRow = { id, rules: JSON.stringify(keptRules(rules)), created_at_ms }
    declaring.draft.alert_rules.set(id, declaring.settled(before, row, rulesItem))
  }
}

export function declareSwitches(declaring: Declaring, entries: readonly SwitchEntry[]): void {
  for (const [index, { kind, id: name, off, reason }] of entries.entries()) {
    const at = `switches[${index}]`
    const subject = subjectOf(declaring, kind, name)
    const id = `${kind}:${subject ?? name}`
    const before = declaring.before.switches.get(id)
    if (subject === undefined && before === undefined) {
      const message = `id must be a ${kind}; there is no ${JSON.stringify(name)}.`
      declaring.refuse(at, unacceptable('id', `unknown_${kind}`, message))
      continue
    }
    if (!declaring.once('switches', id, at, `${kind} ${name}`)) continue
    if (!off) declaring.draft.switches.delete(id)
    else {
      const since_ms = before?.since_ms ?? declaring.context.ports.nowMs()
      const why = reason ?? before?.reason ?? 'by file'
      const row: SwitchRow = { id, kind, subject: subject ?? name, reason: why, since_ms }
      declaring.draft.switches.set(id, before?.reason === row.reason ? before : row)
    }
  }
}

function subjectOf(declaring: Declaring, kind: SwitchEntry['kind'], name: string): string | undefined {
  switch (kind) {
    case 'model':
      return name
    case 'provider': {
      const isUsed = [...declaring.draft.targets.values()].some(({ provider }) => provider === name)
      return findProvider(name) !== undefined || isUsed ? name : undefined
    }
    case 'target':
      return declaring.draft.targets.has(name) ? name : undefined
    case 'tenant':
      return declaring.findTenant(name)?.id
    case 'key':
      return idOf(declaring, 'keys', name)
  }
}
