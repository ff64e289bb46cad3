// The same member for requests that belong together, so that the provider's own prompt cache is warm for them. Rendezvous
// hashing: when a member goes or comes, only the requests that were, or are to be, its own move (Thaler and Ravishankar,
// 1998).
import { unitHash } from '../unit-hash.ts'
import { type AffinityKind, type Situation, type Strategy, type StrategyOptions, sortedBy } from './strategy.ts'

const DEFAULT_BY: readonly AffinityKind[] = ['session', 'user', 'prefix']

/** In an order of the request's own, the same for all that have its session, user or prefix; by weight for each of them.
 *  The group's order where the request has none. */
export const sticky: Strategy = {
  name: 'sticky',
  order: (members, situation, options) => {
    const subject = subjectOf(situation, options, DEFAULT_BY)
    if (subject === null) return members
    return sortedBy(members, ({ name, weight }) =>
      weight <= 0 ? Infinity : -Math.log(1 - unitHash(`${subject}\n${name}`)) / weight,
    )
  },
}

/** What a request is told apart by: the first kind that it has, under the kind's own name. */
export function subjectOf(
  situation: Situation,
  options: StrategyOptions,
  otherwise: readonly AffinityKind[],
): string | null {
  for (const kind of options.by ?? otherwise) {
    const subject = situation.affinity(kind)
    if (subject !== null) return `${kind}\n${subject}`
  }
  return null
}
