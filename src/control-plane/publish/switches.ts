// Kill switches: takes a provider, a target, a model, a tenant or a key out of service, and puts it back. What is off is
// published to KV and to the limiters, whose replies bring it to every isolate with traffic.
import { Hono } from 'hono'
import { findProvider } from '../../catalog/providers.ts'
import { SWITCH_KINDS, type SwitchKind } from '../../core/switches.ts'
import { announce } from './announce.ts'
import { entryBy } from '../access/caller.ts'
import { PAGE, type Place, pagedBy } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { publishRouting } from './publish.ts'
import { pushSwitches } from './publish-switches.ts'
import { type Refusal, notFound, refuse } from '../http/refusal.ts'
import { SWITCH } from '../schemas.ts'
import {
  type KeyRow,
  type SwitchRow,
  type TargetRow,
  commit,
  deleteRow,
  findRow,
  findTenant,
  listRows,
  putRow,
} from '../store.ts'
import { jsonBody, query } from '../http/validate.ts'

/** The admin API's `/switches`. */
export function switchEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .get('/', query(PAGE), async (c) => {
      const rows = await listRows<SwitchRow>(c.env.DB, 'switches')
      const show = { show: viewSwitch, placeOf: (row: SwitchRow): Place => [row.since_ms, row.id] }
      return c.json(pagedBy(c.req.valid('query'), rows, show))
    })
    .put('/:kind/:id{.+}', jsonBody(SWITCH), async (c) => {
      const asked = c.req.valid('json')
      const kind = kindOf(c.req.param('kind'))
      if (kind === undefined) return refuse(c, notFound('kind of switch', c.req.param('kind')))
      const subject = await subjectOf(c.env.DB, kind, c.req.param('id'))
      const id = `${kind}:${subject?.id ?? c.req.param('id')}`
      const before = await findRow<SwitchRow>(c.env.DB, 'switches', id)
      // What is gone by now can still be switched on again.
      if (subject === null && before === null) return refuse(c, notFound(kind, c.req.param('id')))
      const owner = { tenantId: subject?.tenantId ?? null, teamId: subject?.teamId ?? null }
      const entry = { ...entryBy(c), owner, ...(asked.reason === undefined ? {} : { reason: asked.reason }) }
      if (asked.off) {
        const row: SwitchRow = {
          id,
          kind,
          subject: subject?.id ?? c.req.param('id'),
          reason: asked.reason,
          since_ms: before?.since_ms ?? ports.nowMs(),
        }
        const committed = await commit(c.env.DB, putRow(c.env.DB, 'switches', row), entry)
        if (!committed.ok) return refuse(c, TOO_MANY)
      } else if (before !== null) {
        await commit(c.env.DB, deleteRow(c.env.DB, 'switches', id), entry)
      }
      const problem = await announce(
        () => pushSwitches(c.env, subject?.tenantId ?? null),
        () => publishRouting(c.env),
      )
      if (problem !== null) return refuse(c, problem)
      const row = await findRow<SwitchRow>(c.env.DB, 'switches', id)
      return c.json(row === null ? { kind, id: subject?.id ?? c.req.param('id'), off: false } : viewSwitch(row))
    })
}

function viewSwitch({ kind, subject, reason, since_ms }: SwitchRow) {
  return { kind, id: subject, off: true, reason, since_ms }
}

const TOO_MANY: Refusal = {
  status: 409,
  code: 'full',
  field: null,
  message: 'Too much is switched off: switch something on again first.',
}

/** What a switch is about; `tenantId` where it is about one tenant alone. */
interface Subject {
  readonly id: string
  readonly tenantId: string | null
  /** Where it is about one of its teams. */
  readonly teamId?: string | null
}

function kindOf(name: string): SwitchKind | undefined {
  return SWITCH_KINDS.find((kind) => kind === name)
}

/** Null for what doesn't exist: a misspelt switch would be none. A model's name may be anything. */
async function subjectOf(db: D1Database, kind: SwitchKind, reference: string): Promise<Subject | null> {
  switch (kind) {
    case 'model':
      return { id: reference, tenantId: null }
    case 'provider':
      return (await isProvider(db, reference)) ? { id: reference, tenantId: null } : null
    case 'target':
      return (await findRow<TargetRow>(db, 'targets', reference)) === null ? null : { id: reference, tenantId: null }
    case 'tenant': {
      const tenant = await findTenant(db, reference)
      return tenant === null ? null : { id: tenant.id, tenantId: tenant.id }
    }
    case 'key': {
      const key = await findRow<KeyRow>(db, 'virtual_keys', reference)
      return key === null ? null : { id: key.id, tenantId: key.tenant_id, teamId: key.team_id }
    }
  }
}

async function isProvider(db: D1Database, name: string): Promise<boolean> {
  if (findProvider(name) !== undefined) return true
  return (await db.prepare(`SELECT 1 FROM targets WHERE provider = ?1 LIMIT 1`).bind(name).first()) !== null
}
