// Targets of a document, each declared whole: what isn't said is as the catalogue has it, but for its price, which stays what
// it was when the target was registered. And models in a few lines, which are a target and a route.
import { needsProbe, compileTarget, defaultId } from '../targets/compile-target.ts'
import { readCompiled } from '../publish/publish.ts'
import type { NewTarget } from '../schemas.ts'
import { changeRules, rulesProblem } from '../tenants/side-limits-record.ts'
import type { TargetRow } from '../store.ts'
import { readProbe, rowOf } from '../targets/targets.ts'
import type { Target } from '../../core/directory.ts'
import type { Declaring, Renamed } from './declaring.ts'
import type { ConfigurationDocument, ModelEntry } from './schemas.ts'
import { CONFIGURED, targetItem } from './view.ts'

type NewRoute = NonNullable<ConfigurationDocument['routes']>[number]

/** One thing of a document, with where it stands there. */
export interface Placed<Body> {
  readonly body: Body
  readonly at: string
  readonly renamed?: Renamed
}

/** What a model's line calls what a target calls otherwise. */
const RENAMED: Renamed = { provider: 'backend', base_url: 'endpoint', id: 'name', targets: 'name' }

/** The target and the route that a model's few lines are. */
export function expandModel(entry: ModelEntry, at: string): { target: Placed<NewTarget>; route: Placed<NewRoute> } {
  const { name, backend, endpoint, model, ...rest } = entry
  const id = targetIdOf(name)
  const body: NewTarget = {
    id,
    provider: backend,
    model: model ?? name,
    ...(endpoint === undefined ? {} : { base_url: endpoint }),
    ...rest,
  }
  return {
    target: { body, at, renamed: RENAMED },
    route: { body: { model: name, targets: [id] }, at, renamed: RENAMED },
  }
}

function targetIdOf(model: string): string {
  const id = model.replace(/[^A-Za-z0-9._-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '')
  return (id === '' ? 'model' : id).slice(0, 100)
}

export async function declareTargets(declaring: Declaring, entries: readonly Placed<NewTarget>[]): Promise<void> {
  const { env, ports } = declaring.context
  for (const { body, at, renamed } of entries) {
    const id = body.id ?? defaultId(body.provider, body.model)
    const limitProblem = rulesProblem('limits', body.limits)
    if (limitProblem !== null) {
      declaring.refuse(at, limitProblem, renamed)
      declaring.unfitTargets.add(id)
      continue
    }
    const compiled = await compileTarget(body, { ...ports, env, declared: declaring.draft.credentials })
    if (!compiled.ok) {
      declaring.refuse(at, compiled.error, renamed)
      declaring.unfitTargets.add(id)
      continue
    }
    const before = declaring.before.targets.get(compiled.value.id)
    if (!declaring.once('targets', compiled.value.id, at, compiled.value.id)) continue
    const target = priced(compiled.value, body, before)
    const isCalledOtherwise = before === undefined || needsProbe(readCompiled(before), target)
    if (isCalledOtherwise) {
      const probe = { probeModel: body.probe_model, isForced: body.force === true }
      declaring.toProbe.push({ id: target.id, at, renamed: renamed ?? {}, ...probe })
    }
    const kept = {
      name: body.name ?? null,
      created_at_ms: before?.created_at_ms ?? ports.nowMs(),
      limit_rules: changeRules(before?.limit_rules ?? null, body.limits ?? []),
    }
    const row = rowOf(target, kept, before === undefined || isCalledOtherwise ? null : readProbe(before))
    declaring.draft.targets.set(row.id, declaring.settled(before, row, targetItem))
  }
}

/** A listed price counts as of when a target was registered, until its model changes. */
function priced(target: Target, body: NewTarget, before: TargetRow | undefined): Target {
  if (body.price !== undefined || before === undefined) return target
  const { provider, model, price, priceVersion } = readCompiled(before)
  const isListed = priceVersion?.startsWith(CONFIGURED) !== true
  return isListed && provider === target.provider && model === target.model && price !== null
    ? { ...target, price, priceVersion }
    : target
}
