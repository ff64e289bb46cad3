// Channels of alerts: whom to tell of what. Create, list, read, change, delete, try out. Secrets go in and never come out,
// but for a webhook's signing secret that was made here, which is shown once.
import { Hono } from 'hono'
import { err, ok, type Result } from '../../core/result.ts'
import { randomBase62 } from '../../core/virtual-key.ts'
import type { AlertRow } from '../../ledger/alerts/alert.ts'
import { type ChannelRow, urlObjection } from '../../ledger/alerts/channel.ts'
import { MASTER_LENGTH_MIN, seal } from '../../ledger/alerts/seal.ts'
import { sendAlert } from '../../ledger/alerts/send.ts'
import { sendPortsOf } from '../../ledger/alerts/send-ports.ts'
import { writeSigningSecret } from '../../ledger/alerts/sign.ts'
import { CHANNEL_CHANGE, type ChannelChange, NEW_CHANNEL, type NewChannel } from './alert-schemas.ts'
import { entryBy } from '../access/caller.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { exists, notFound, notStored, refuse, type Refusal, unacceptable } from '../http/refusal.ts'
import { commit, deleteRow, findRow, findTenant, insertRow, listRows, readTexts, updateRow } from '../store.ts'
import { jsonBody, query } from '../http/validate.ts'

const SECRET_BYTES = 32

interface HealthRow {
  readonly channel_id: string
  readonly failing_since_ms: number | null
  readonly last_delivered_at_ms: number | null
  readonly last_error: string | null
}

interface Context {
  readonly db: D1Database
  readonly master: string | undefined
  readonly allowPrivate: boolean
}

/** The admin API's `/alert-channels`. */
export function alertChannelEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .post('/', jsonBody(NEW_CHANNEL), async (c) => {
      const body = c.req.valid('json')
      const blank = blankChannel(body, {
        id: `chan_${randomBase62(14, ports.randomBytes)}`,
        origin: new URL(c.req.url).origin,
        created_at_ms: ports.nowMs(),
      })
      const isMade = body.kind === 'webhook' && body.secret === undefined && body.secret_name === undefined
      const secret = isMade ? writeSigningSecret(ports.randomBytes(SECRET_BYTES)) : undefined
      const changed = await change(blank, secret === undefined ? body : { ...body, secret }, contextOf(c.env))
      if (!changed.ok) return refuse(c, changed.error)
      const row = changed.value
      const committed = await commit(c.env.DB, insertRow(c.env.DB, 'alert_channels', row), entryBy(c))
      if (!committed.ok) return refuse(c, notStored(committed.error, nameTaken(row.name)))
      return c.json({ ...viewChannel(row, undefined), ...(secret === undefined ? {} : { secret }) }, 201)
    })
    .get('/', query(PAGE), async (c) => {
      const health = await c.env.DB.prepare(`SELECT * FROM alert_channel_health`).all<HealthRow>()
      const ofChannel = new Map(health.results.map((row) => [row.channel_id, row]))
      const rows = await listRows<ChannelRow>(c.env.DB, 'alert_channels')
      return c.json(paged(c.req.valid('query'), rows, (row) => viewChannel(row, ofChannel.get(row.id))))
    })
    .get('/:id', async (c) => {
      const row = await findRow<ChannelRow>(c.env.DB, 'alert_channels', c.req.param('id'))
      if (row === null) return refuse(c, notFound('alert channel', c.req.param('id')))
      return c.json(viewChannel(row, await healthOf(c.env.DB, row.id)))
    })
    .patch('/:id', jsonBody(CHANNEL_CHANGE), async (c) => {
      const before = await findRow<ChannelRow>(c.env.DB, 'alert_channels', c.req.param('id'))
      if (before === null) return refuse(c, notFound('alert channel', c.req.param('id')))
      const changed = await change(before, c.req.valid('json'), contextOf(c.env))
      if (!changed.ok) return refuse(c, changed.error)
      const committed = await commit(c.env.DB, updateRow(c.env.DB, 'alert_channels', changed.value), entryBy(c))
      if (!committed.ok) return refuse(c, nameTaken(changed.value.name))
      return c.json(viewChannel(changed.value, await healthOf(c.env.DB, before.id)))
    })
    .delete('/:id', async (c) => {
      const row = await findRow<ChannelRow>(c.env.DB, 'alert_channels', c.req.param('id'))
      if (row === null) return refuse(c, notFound('alert channel', c.req.param('id')))
      await commit(c.env.DB, deleteRow(c.env.DB, 'alert_channels', row.id), entryBy(c))
      await c.env.DB.prepare(`DELETE FROM alert_channel_health WHERE channel_id = ?1`).bind(row.id).run()
      return c.body(null, 204)
    })
    .post('/:id/test', async (c) => {
      const row = await findRow<ChannelRow>(c.env.DB, 'alert_channels', c.req.param('id'))
      if (row === null) return refuse(c, notFound('alert channel', c.req.param('id')))
      const nowMs = ports.nowMs()
      const alert = testAlert(`alert_test_${randomBase62(14, ports.randomBytes)}`, nowMs)
      const sent = await sendAlert(row, alert, sendPortsOf(c.env, ports.nowMs))
      return c.json({ ok: sent.ok, status: sent.status, saw: sent.saw, latency_ms: ports.nowMs() - nowMs })
    })
}

function contextOf(env: AdminTypes['Bindings']): Context {
  return { db: env.DB, master: env.ALERT_KEY, allowPrivate: env.ALLOW_PRIVATE_ENDPOINTS === 'true' }
}

/** A channel for everything, without its secret. */
export function blankChannel(
  { name, kind }: NewChannel,
  made: Pick<ChannelRow, 'id' | 'origin' | 'created_at_ms'>,
): ChannelRow {
  const everything = { kinds: '[]', tenants: '[]', teams: '[]', keys: '[]' }
  return { ...made, name, kind, address: '', sealed: null, secret_name: null, ...everything, is_on: 1 }
}

/** The row with what the body says; what it leaves out stays. */
async function change(
  row: ChannelRow,
  body: NewChannel | ChannelChange,
  context: Context,
): Promise<Result<ChannelRow, Refusal>> {
  const secret = await changeSecret(row, body, context)
  if (!secret.ok) return secret
  const wanted = await changeWanted(row, body, context.db)
  if (!wanted.ok) return wanted
  const isOn = body.on === undefined ? row.is_on : body.on ? 1 : 0
  return ok({ ...row, ...secret.value, ...wanted.value, name: body.name ?? row.name, is_on: isOn })
}

type SecretColumns = Pick<ChannelRow, 'address' | 'sealed' | 'secret_name'>

/** Where the channel leads, and its secret, after a change. */
export async function changeSecret(
  row: ChannelRow,
  body: Pick<ChannelChange, 'url' | 'address' | 'secret' | 'secret_name'>,
  context: Context,
): Promise<Result<SecretColumns, Refusal>> {
  const given = { url: body.url, address: body.address, secret: body.secret, secret_name: body.secret_name }
  const foreign = FOREIGN[row.kind].find((field) => given[field] !== undefined)
  if (foreign !== undefined) {
    return err(unacceptable(foreign, 'invalid_field', `${foreign} is not a field of a channel of kind ${row.kind}.`))
  }
  const objection = body.url === undefined ? null : urlObjection(body.url, context.allowPrivate)
  if (objection !== null) return err(unacceptable('url', 'invalid_url', `url ${objection}.`))
  if (row.kind === 'email') return ok({ address: body.address ?? row.address, sealed: null, secret_name: null })
  // Slack's URL is its secret; of a webhook both stand for themselves.
  const plain = row.kind === 'slack' ? body.url : body.secret
  const field = row.kind === 'slack' ? 'url' : 'secret'
  const address =
    row.kind === 'webhook' ? (body.url ?? row.address) : body.url === undefined ? row.address : hostOf(body.url)
  if (plain !== undefined && body.secret_name !== undefined) {
    return err(unacceptable('secret_name', 'invalid_field', `secret_name must be left out where ${field} is given.`))
  }
  if (body.secret_name !== undefined) {
    return ok({ address: row.kind === 'slack' ? '' : address, sealed: null, secret_name: body.secret_name })
  }
  if (plain !== undefined) {
    const { master = '' } = context
    if (master.length < MASTER_LENGTH_MIN) return err(NO_MASTER)
    return ok({ address, sealed: await seal(master, row.id, plain), secret_name: null })
  }
  if (row.sealed === null && row.secret_name === null) {
    return err(unacceptable(field, 'invalid_field', `${field} or secret_name must be given.`))
  }
  return ok({ address, sealed: row.sealed, secret_name: row.secret_name })
}

/** What a channel of a kind doesn't have. */
const FOREIGN = {
  webhook: ['address'],
  slack: ['address', 'secret'],
  email: ['url', 'secret', 'secret_name'],
} as const

const NO_MASTER: Refusal = {
  status: 503,
  code: 'no_alert_key',
  field: null,
  message: `Secrets of channels can't be kept until the secret ALERT_KEY (${MASTER_LENGTH_MIN} characters or more) is set, the same for the gateway and the usage consumer. Or name a secret by secret_name.`,
}

type WantedColumns = Pick<ChannelRow, 'kinds' | 'tenants' | 'teams' | 'keys'>

async function changeWanted(
  row: ChannelRow,
  body: Pick<ChannelChange, 'kinds' | 'tenants' | 'teams' | 'keys'>,
  db: D1Database,
): Promise<Result<WantedColumns, Refusal>> {
  const tenantIds: string[] = []
  for (const [at, reference] of (body.tenants ?? []).entries()) {
    const tenant = await findTenant(db, reference)
    if (tenant === null) return err(unknown(`tenants[${at}]`, 'tenant', reference))
    tenantIds.push(tenant.id)
  }
  for (const [field, table, what] of REFERENCES) {
    for (const [at, id] of (body[field] ?? []).entries()) {
      if ((await findRow(db, table, id)) === null) return err(unknown(`${field}[${at}]`, what, id))
    }
  }
  const written = (list: readonly string[] | undefined, before: string) =>
    list === undefined ? before : JSON.stringify([...new Set(list)])
  return ok({
    kinds: written(body.kinds, row.kinds),
    tenants: body.tenants === undefined ? row.tenants : written(tenantIds, row.tenants),
    teams: written(body.teams, row.teams),
    keys: written(body.keys, row.keys),
  })
}

const REFERENCES = [
  ['teams', 'teams', 'team'],
  ['keys', 'virtual_keys', 'key'],
] as const

function unknown(field: string, what: string, reference: string): Refusal {
  return unacceptable(field, `unknown_${what}`, `${field} must be a ${what}; there is no ${JSON.stringify(reference)}.`)
}

function healthOf(db: D1Database, id: string): Promise<HealthRow | undefined> {
  const statement = db.prepare(`SELECT * FROM alert_channel_health WHERE channel_id = ?1`).bind(id)
  return statement.first<HealthRow>().then((row) => row ?? undefined)
}

function viewChannel(row: ChannelRow, health: HealthRow | undefined) {
  const address = row.kind === 'webhook' ? { url: row.address } : row.kind === 'email' ? { address: row.address } : {}
  return {
    id: row.id,
    name: row.name,
    kind: row.kind,
    ...address,
    ...(row.kind === 'slack' && row.address !== '' ? { host: row.address } : {}),
    secret_name: row.secret_name,
    kinds: readTexts(row.kinds),
    tenants: readTexts(row.tenants),
    teams: readTexts(row.teams),
    keys: readTexts(row.keys),
    on: row.is_on === 1,
    failing_since_ms: health?.failing_since_ms ?? null,
    last_delivered_at_ms: health?.last_delivered_at_ms ?? null,
    last_error: health?.last_error ?? null,
    created_at_ms: row.created_at_ms,
  }
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? ''
}

function nameTaken(name: string): Refusal {
  return exists('name', `There is an alert channel ${JSON.stringify(name)} already.`)
}

/** As if a key had used four fifths of its budget of the hour. */
function testAlert(id: string, nowMs: number): AlertRow {
  return {
    seq: 0,
    id,
    kind: 'key-budget',
    tenant_id: 'test',
    tenant_name: 'a test',
    team_id: null,
    key_id: 'test',
    scope: 'key',
    subject_id: 'test',
    subject_name: 'test (this is only a test)',
    what: 'test',
    window_start_ms: nowMs - (nowMs % 3_600_000),
    window_end_ms: nowMs - (nowMs % 3_600_000) + 3_600_000,
    at_ms: nowMs,
    noted_at_ms: nowMs,
    facts: JSON.stringify({
      percent: 80,
      limit_nano_usd: 10_000_000_000,
      spent_nano_usd: 8_000_000_000,
      period: 'hour',
      model: null,
      is_test: true,
    }),
  }
}
