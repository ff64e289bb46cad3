// The plan of a request: which targets may serve it, in which order, and why the others may not. The same plan that is
// followed can be told, so that "why did this go there?" has one answer.
import type { Route, Target } from './directory.ts'
import type { Gap } from './failure.ts'
import { strategies } from './strategies/index.ts'
import type { Candidate } from './strategies/strategy.ts'

export interface Exclusion {
  readonly targetId: string
  readonly reason: 'gap'
  readonly gaps: readonly Gap[]
}

export interface Plan {
  readonly route: Route
  /** The first serves; the rest is the fallback chain. */
  readonly candidates: readonly Candidate[]
  readonly excluded: readonly Exclusion[]
}

/**
 * Orders `targets` for one request. `gaps` tells what of the request a target can't carry; a target with a gap that the
 * route doesn't allow by name is excluded.
 */
export function plan(
  route: Route,
  targets: readonly Target[],
  gaps: (target: Target) => readonly Gap[],
  draw: () => number,
): Plan {
  const candidates: Candidate[] = []
  const excluded: Exclusion[] = []
  for (const target of targets) {
    const open = gaps(target).filter((gap) => !route.allowedGaps.includes(gap.field))
    if (open.length === 0) candidates.push({ target })
    else excluded.push({ targetId: target.id, reason: 'gap', gaps: open })
  }
  return { route, candidates: strategies.priority.order(candidates, draw), excluded }
}
