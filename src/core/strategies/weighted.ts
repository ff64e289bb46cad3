// Shares of the traffic. Who comes first is drawn by weight, who comes second is drawn among the rest, and so on: so the
// traffic of a member that fails goes to the others by their weights, too.
import { type Member, type Strategy, sortedBy } from './strategy.ts'

/** First with a probability of its weight over the sum of the weights. Weight 0 comes last, in the group's order. */
export const weighted: Strategy = {
  name: 'weighted',
  order: (members, { draw }) => sortedBy(members, ({ weight }) => lateness(weight, draw)),
}

/** The first of several clocks to ring, each at its own rate, is one of theirs in proportion to the rates: exponential
 *  waiting times (Efraimidis and Spirakis, 2006). */
function lateness(weight: number, draw: () => number): number {
  return weight <= 0 ? Infinity : -Math.log(1 - draw()) / weight
}

/** Where on the line of weights, each as long as its share, `point` in [0, 1) lies; undefined when all weights are 0. */
export function memberAt(members: readonly Member[], point: number): Member | undefined {
  const sum = members.reduce((total, { weight }) => total + Math.max(0, weight), 0)
  let left = point * sum
  return members.find(({ weight }) => {
    if (weight <= 0) return false
    left -= weight
    return left < 0
  })
}
