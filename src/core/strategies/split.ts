// An experiment: who takes part stays with the member that it was assigned to, by weight, so that the members can be
// compared.
import { unitHash } from '../unit-hash.ts'
import type { AffinityKind, Strategy } from './strategy.ts'
import { subjectOf } from './sticky.ts'
import { memberAt } from './weighted.ts'

const DEFAULT_BY: readonly AffinityKind[] = ['user', 'session', 'key']

/** The assigned member first, the others behind it in the group's order. Shares move at their borders only: raising one
 *  from 10 to 20 leaves the first 10 where they are. */
export const split: Strategy = {
  name: 'split',
  order: (members, situation, options) => {
    const subject = subjectOf(situation, options, DEFAULT_BY)
    const point = subject === null ? situation.draw() : unitHash(`${options.experiment ?? ''}\n${subject}`)
    const assigned = memberAt(members, point)
    return assigned === undefined ? members : [assigned, ...members.filter((member) => member !== assigned)]
  },
}
