// Presets: members of requests by name, for one tenant or for everybody. Create, list, read, change, delete. They travel to
// the edge within the routing snapshot, so there are only so many and none is large.
import { Hono } from 'hono'
import * as z from 'zod/mini'
import { type JsonObject, isJsonObject } from '../../core/json.ts'
import { readModels, readPreferences } from '../../core/routing/preferences.ts'
import { NOT_PRESET } from '../../core/routing/preset.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { randomBase62 } from '../../core/virtual-key.ts'
import { announce } from '../publish/announce.ts'
import { entryBy } from '../access/caller.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes } from '../ports.ts'
import { type StoredPreset, storedPreset } from './preset-record.ts'
import { publishRouting } from '../publish/publish.ts'
import { type Refusal, exists, notFound, notStored, refuse, unacceptable } from '../http/refusal.ts'
import { NAME, OBJECT, SLUG } from '../schemas.ts'
import { type PresetRow, commit, deleteRow, findRow, findTenant, insertRow, listRows, updateRow } from '../store.ts'
import { unknownTenant } from '../tenants/teams.ts'
import { jsonBody, query } from '../http/validate.ts'

/** Presets of all tenants. */
export const PRESETS_MAX = 500
/** Of one preset's JSON. */
const PRESET_CHARS_MAX = 16_384

const PARAMETERS_ALLOWED = 'must be a JSON object'
const PARAMETERS = z.custom<JsonObject>(isJsonObject, PARAMETERS_ALLOWED)
const SYSTEM_ALLOWED = `must be null or text of 1 to ${PRESET_CHARS_MAX} characters`
const SYSTEM = z
  .string(SYSTEM_ALLOWED)
  .check(z.minLength(1, SYSTEM_ALLOWED), z.maxLength(PRESET_CHARS_MAX, SYSTEM_ALLOWED))
const FIELDS = { parameters: z.optional(PARAMETERS), system: z.optional(z.nullable(SYSTEM)) }
export const NEW_PRESET = z.strictObject({ name: SLUG, tenant: z.optional(z.nullable(NAME)), ...FIELDS }, OBJECT)
const PRESET_CHANGE = z.strictObject(FIELDS, OBJECT)
type PresetChange = z.infer<typeof PRESET_CHANGE>

/** The admin API's `/presets`. */
export function presetEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .post('/', jsonBody(NEW_PRESET), async (c) => {
      const body = c.req.valid('json')
      const tenant = body.tenant == null ? null : await findTenant(c.env.DB, body.tenant)
      if (body.tenant != null && tenant === null) return refuse(c, unknownTenant(body.tenant))
      const preset = readPreset(body, { members: {} })
      if (!preset.ok) return refuse(c, preset.error)
      if ((await listRows(c.env.DB, 'presets')).length >= PRESETS_MAX) return refuse(c, TOO_MANY)
      const row: PresetRow = {
        id: `preset_${randomBase62(14, ports.randomBytes)}`,
        tenant_id: tenant?.id ?? '',
        name: body.name,
        preset: JSON.stringify(preset.value),
        created_at_ms: ports.nowMs(),
      }
      const committed = await commit(c.env.DB, insertRow(c.env.DB, 'presets', row), entryBy(c))
      if (!committed.ok) return refuse(c, notStored(committed.error, nameTaken(row.name)))
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.json(viewPreset(row), 201) : refuse(c, problem)
    })
    .get('/', query(PAGE), async (c) => {
      return c.json(paged(c.req.valid('query'), await listRows<PresetRow>(c.env.DB, 'presets'), viewPreset))
    })
    .get('/:id', async (c) => {
      const row = await findRow<PresetRow>(c.env.DB, 'presets', c.req.param('id'))
      return row === null ? refuse(c, notFound('preset', c.req.param('id'))) : c.json(viewPreset(row))
    })
    .patch('/:id', jsonBody(PRESET_CHANGE), async (c) => {
      const before = await findRow<PresetRow>(c.env.DB, 'presets', c.req.param('id'))
      if (before === null) return refuse(c, notFound('preset', c.req.param('id')))
      const preset = readPreset(c.req.valid('json'), storedPreset(before))
      if (!preset.ok) return refuse(c, preset.error)
      const row: PresetRow = { ...before, preset: JSON.stringify(preset.value) }
      await commit(c.env.DB, updateRow(c.env.DB, 'presets', row), entryBy(c))
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.json(viewPreset(row)) : refuse(c, problem)
    })
    .delete('/:id', async (c) => {
      const row = await findRow<PresetRow>(c.env.DB, 'presets', c.req.param('id'))
      if (row === null) return refuse(c, notFound('preset', c.req.param('id')))
      await commit(c.env.DB, deleteRow(c.env.DB, 'presets', row.id), entryBy(c))
      const problem = await announce(() => publishRouting(c.env))
      return problem === null ? c.body(null, 204) : refuse(c, problem)
    })
}

/** What is left out stays; parameters are replaced as a whole, a system prompt is taken away by null. */
export function readPreset(body: PresetChange, before: StoredPreset): Result<StoredPreset, Refusal> {
  const members = body.parameters ?? before.members
  const system = body.system === undefined ? before.system : (body.system ?? undefined)
  const own = Object.keys(members).find((name) => NOT_PRESET.has(name))
  if (own !== undefined) return wrong(`parameters.${own}`, `parameters.${own} must be left to the request itself.`)
  const { model, provider, models } = members
  if (model !== undefined && (typeof model !== 'string' || model === '' || model.includes('@preset/'))) {
    return wrong('parameters.model', 'parameters.model must be the name of a model.')
  }
  for (const read of [readPreferences(provider), readModels(models)]) {
    if (!read.ok) return wrong(`parameters.${read.error.field}`, `parameters.${read.error.message}`)
  }
  const preset = { members, ...(system === undefined ? {} : { system }) }
  if (JSON.stringify(preset).length <= PRESET_CHARS_MAX) return ok(preset)
  return wrong('parameters', `parameters and system must not have more than ${PRESET_CHARS_MAX} characters together.`)
}

function wrong(field: string, message: string): Result<never, Refusal> {
  return err(unacceptable(field, 'invalid_field', message))
}

const TOO_MANY: Refusal = {
  status: 409,
  code: 'full',
  field: null,
  message: `There are ${PRESETS_MAX} presets, which is the most: delete another one first.`,
}

function nameTaken(name: string): Refusal {
  return exists('name', `There is a preset ${JSON.stringify(name)} already: change that one.`)
}

/** A preset as the API shows it. */
export function viewPreset(row: PresetRow) {
  const { members, system } = storedPreset(row)
  return {
    id: row.id,
    name: row.name,
    tenant_id: row.tenant_id === '' ? null : row.tenant_id,
    parameters: members,
    system: system ?? null,
    created_at_ms: row.created_at_ms,
  }
}
