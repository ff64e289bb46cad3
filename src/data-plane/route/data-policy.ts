// Keeps the data of a request where its tenant, its key and its route want it, on every way that leads to a provider.
import { breachOf } from '../../core/routing/data-policy.ts'
import type { Caller, Route, Target } from '../../core/directory.ts'
import type { Failure } from '../../core/failure.ts'
import type { Exclusion } from '../../core/routing/plan.ts'

type Breach = Extract<Exclusion, { reason: 'data-policy' }>

/** Why a caller's data may not go to `target` by `route`; null where it may. */
export function outOfBounds({ dataPolicies }: Caller, { dataPolicy }: Route, target: Target): Breach | null {
  const breach =
    (dataPolicies === undefined ? null : breachOf(dataPolicies, target)) ??
    (dataPolicy === undefined ? null : breachOf([{ of: 'route', policy: dataPolicy }], target))
  return breach === null ? null : { targetId: target.id, reason: 'data-policy', ...breach }
}

/** What to tell where a policy is in the way of all that is left; null where none is. */
export function dataFailure(model: string, excluded: readonly Exclusion[]): Failure | null {
  for (const exclusion of excluded) {
    if (exclusion.reason === 'data-policy')
      return { kind: 'data-policy', model, of: exclusion.of, need: exclusion.need }
  }
  return null
}
