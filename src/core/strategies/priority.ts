// The route's own order: the first target serves, the others stand behind it.
import type { Strategy } from './strategy.ts'

/** Keeps the order in which the route names its targets. */
export const priority: Strategy = {
  name: 'priority',
  order: (candidates) => candidates,
}
