// Every strategy, by name.
import { priority } from './priority.ts'
import type { Strategy } from './strategy.ts'

export const strategies = { priority } as const satisfies Record<string, Strategy>
