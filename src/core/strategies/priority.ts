// The group's own order: the first member serves, the others stand behind it.
import type { Strategy } from './strategy.ts'

/** Keeps the order in which the group names its members. */
export const priority: Strategy = {
  name: 'priority',
  order: (members) => members,
}
