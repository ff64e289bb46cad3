// The fewest calls under way for what a member can take: for pools of one's own hardware. A member's weight is its
// capacity.
import { type Strategy, sortedBy } from './strategy.ts'

/** From the least to the most busy, equals by chance; a member without capacity comes last. */
export const leastBusy: Strategy = {
  name: 'least-busy',
  order: (members, { draw, inFlight }) =>
    sortedBy(members, ({ candidates: [first], weight }) =>
      weight <= 0 ? Infinity : (inFlight(first.target) + draw()) / weight,
    ),
}
