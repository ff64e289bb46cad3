// The lowest price for this very request: its prompt and its output bound at each target's own prices.
import { type Strategy, sortedBy } from './strategy.ts'

/** From the cheapest to the dearest; a target without a price comes last, since nobody knows what it costs. */
export const cheapest: Strategy = {
  name: 'cheapest',
  order: (members, { costNanoUsd }) =>
    sortedBy(members, ({ candidates: [first] }) => costNanoUsd(first.target) ?? Infinity),
}
