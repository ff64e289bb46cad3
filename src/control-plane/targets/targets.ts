// Targets: what can be called. Register (with a probe), list, read, change (with a probe), delete.
import { Hono, type Context } from 'hono'
import type { Target } from '../../core/directory.ts'
import { parseJson } from '../../core/json.ts'
import { err, ok, type Result } from '../../core/result.ts'
import { announce } from '../publish/announce.ts'
import { changeTarget, compileTarget, needsProbe } from './compile-target.ts'
import { entryBy } from '../access/caller.ts'
import { PAGE, paged } from '../http/paging.ts'
import type { AdminPorts, AdminTypes, ProbeResult } from '../ports.ts'
import { viewPrice } from '../prices/price-record.ts'
import { NO_PROBE_MODEL, probeRefusal, probeTarget, viewProbe } from './probe-target.ts'
import { publishRouting, readCompiled } from '../publish/publish.ts'
import { pushTargetLimits } from '../publish/publish-side.ts'
import { exists, notFound, notStored, referenced, refuse, type Refusal } from '../http/refusal.ts'
import { NEW_TARGET, TARGET_CHANGE } from '../schemas.ts'
import { changeRules, readRules, rulesProblem } from '../tenants/side-limits-record.ts'
import { commit, deleteRow, findRow, insertRow, listRows, updateRow, type TargetRow } from '../store.ts'
import { viewOptions } from './target-options.ts'
import { jsonBody, query } from '../http/validate.ts'

/** The admin API's `/targets`. */
export function targetEndpoints(ports: AdminPorts) {
  return new Hono<AdminTypes>()
    .post('/', jsonBody(NEW_TARGET), async (c) => {
      const body = c.req.valid('json')
      const limitProblem = rulesProblem('limits', body.limits)
      if (limitProblem !== null) return refuse(c, limitProblem)
      const compiled = await compileTarget(body, { ...ports, env: c.env })
      if (!compiled.ok) return refuse(c, compiled.error)
      const target = compiled.value
      if ((await findRow(c.env.DB, 'targets', target.id)) !== null) return refuse(c, idTaken(target.id))
      const probed = await probeFor(target, body, c, ports)
      if (!probed.ok) return refuse(c, probed.error.refusal, probed.error.more)
      const limits = changeRules(null, body.limits)
      const row = rowOf(
        target,
        { name: body.name ?? null, created_at_ms: ports.nowMs(), limit_rules: limits },
        probed.value,
      )
      const committed = await commit(c.env.DB, insertRow(c.env.DB, 'targets', row), entryBy(c))
      if (!committed.ok) return refuse(c, notStored(committed.error, idTaken(target.id)))
      const problem = await announceTarget(c.env, row)
      return problem === null ? c.json(viewTarget(row), 201) : refuse(c, problem)
    })
    .get('/', query(PAGE), async (c) => {
      return c.json(paged(c.req.valid('query'), await listRows<TargetRow>(c.env.DB, 'targets'), viewTarget))
    })
    .get('/:id', async (c) => {
      const row = await findRow<TargetRow>(c.env.DB, 'targets', c.req.param('id'))
      return row === null ? refuse(c, notFound('target', c.req.param('id'))) : c.json(viewTarget(row))
    })
    .patch('/:id', jsonBody(TARGET_CHANGE), async (c) => {
      const body = c.req.valid('json')
      const before = await findRow<TargetRow>(c.env.DB, 'targets', c.req.param('id'))
      if (before === null) return refuse(c, notFound('target', c.req.param('id')))
      const limitProblem = rulesProblem('limits', body.limits)
      if (limitProblem !== null) return refuse(c, limitProblem)
      const compiled = await changeTarget(readCompiled(before), body, { ...ports, env: c.env })
      if (!compiled.ok) return refuse(c, compiled.error)
      const target = compiled.value
      const isCalledOtherwise = needsProbe(readCompiled(before), target)
      const probed = isCalledOtherwise ? await probeFor(target, body, c, ports) : ok(readProbe(before))
      if (!probed.ok) return refuse(c, probed.error.refusal, probed.error.more)
      const limits = changeRules(before.limit_rules, body.limits)
      const row = rowOf(target, { ...before, name: body.name ?? before.name, limit_rules: limits }, probed.value)
      await commit(c.env.DB, updateRow(c.env.DB, 'targets', row), entryBy(c))
      const problem = await announceTarget(c.env, row)
      return problem === null ? c.json(viewTarget(row)) : refuse(c, problem)
    })
    .delete('/:id', async (c) => {
      const row = await findRow<TargetRow>(c.env.DB, 'targets', c.req.param('id'))
      if (row === null) return refuse(c, notFound('target', c.req.param('id')))
      const routes = await routesTo(c.env.DB, row.id)
      if (routes.length > 0) {
        return refuse(c, referenced(`The target serves the routes ${routes.join(', ')}: change or delete those first.`))
      }
      await commit(c.env.DB, deleteRow(c.env.DB, 'targets', row.id), entryBy(c))
      const problem = await announceTarget(c.env, row)
      return problem === null ? c.body(null, 204) : refuse(c, problem)
    })
}

/** A target as the API shows it, with what its last probe saw. */
export function viewTarget(row: TargetRow) {
  const target = readCompiled(row)
  const probe = readProbe(row)
  return {
    id: target.id,
    name: row.name,
    provider: target.provider,
    dialect: target.dialect,
    base_url: target.baseUrl,
    model: target.model,
    credential: target.credential,
    ...viewOptions(target),
    max_retries: target.maxRetries,
    timeouts: {
      connect_ms: target.timeouts.connectMs ?? null,
      first_content_ms: target.timeouts.firstContentMs,
      idle_ms: target.timeouts.idleMs,
      total_ms: target.timeouts.totalMs,
    },
    max_output_tokens: target.maxOutputTokens,
    limits: readRules(row.limit_rules),
    cost_center: target.costCenter,
    price: target.price === null ? null : viewPrice(target.price),
    price_version: target.priceVersion,
    // What passes every model on has the price of each.
    is_unpriced: target.price === null && target.model !== '*',
    created_at_ms: row.created_at_ms,
    probe: probe === null ? null : viewProbe(probe),
  }
}

interface ProbeOptions {
  readonly force?: boolean | undefined
  readonly probe_model?: string | undefined
}

interface FailedProbe {
  readonly refusal: Refusal
  readonly more: Readonly<Record<string, unknown>>
}

/** Probes a target; with `force` it is probed, too, but accepted whatever the probe sees. */
async function probeFor(
  target: Target,
  options: ProbeOptions,
  c: Context<AdminTypes>,
  ports: AdminPorts,
): Promise<Result<ProbeResult | null, FailedProbe>> {
  const result = await probeTarget(target, options.probe_model, c.env, ports)
  if (options.force === true || result?.ok === true) return ok(result)
  if (result === null) return err({ refusal: NO_PROBE_MODEL, more: {} })
  return err({ refusal: probeRefusal(result), more: { probe: viewProbe(result) } })
}

/** Its place in the routing snapshot, and what limits it where it has or had any. */
function announceTarget(env: AdminTypes['Bindings'], row: TargetRow): Promise<Refusal | null> {
  const ofLimits = row.limit_rules === null ? [] : [() => pushTargetLimits(env, row.id)]
  return announce(() => publishRouting(env), ...ofLimits)
}

/** A target's row, with what its probe saw. */
export function rowOf(
  target: Target,
  kept: Pick<TargetRow, 'name' | 'created_at_ms' | 'limit_rules'>,
  probe: ProbeResult | null,
): TargetRow {
  return {
    id: target.id,
    name: kept.name,
    provider: target.provider,
    model: target.model,
    compiled: JSON.stringify(target),
    created_at_ms: kept.created_at_ms,
    limit_rules: kept.limit_rules,
    probe: probe === null ? null : JSON.stringify(probe),
  }
}

/** What the last probe saw. */
export function readProbe(row: TargetRow): ProbeResult | null {
  if (row.probe === null || parseJson(row.probe) === undefined) return null
  const probe: ProbeResult = JSON.parse(row.probe)
  return probe
}

async function routesTo(db: D1Database, targetId: string): Promise<readonly string[]> {
  const found = await db
    .prepare(
      `SELECT DISTINCT model FROM routes
       WHERE choice ->> '$.shadow.target' = ?1 OR EXISTS (SELECT 1 FROM json_each(targets) WHERE value = ?1) LIMIT 10`,
    )
    .bind(targetId)
    .all<{ model: string }>()
  return found.results.map((route) => route.model)
}

function idTaken(id: string): Refusal {
  return exists('id', `There is a target ${JSON.stringify(id)} already: give another id.`)
}
