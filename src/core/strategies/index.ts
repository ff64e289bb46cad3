// Every strategy, by name.
import { cheapest } from './cheapest.ts'
import { fastest } from './fastest.ts'
import { leastBusy } from './least-busy.ts'
import { priority } from './priority.ts'
import { split } from './split.ts'
import { sticky } from './sticky.ts'
import type { Strategy } from './strategy.ts'
import { weighted } from './weighted.ts'

export const strategies = {
  priority,
  weighted,
  cheapest,
  fastest,
  'least-busy': leastBusy,
  sticky,
  split,
} as const satisfies Record<string, Strategy>

export type StrategyName = keyof typeof strategies

/** Every name that a group may have. */
export const STRATEGY_NAMES = ['priority', 'weighted', 'cheapest', 'fastest', 'least-busy', 'sticky', 'split'] as const
