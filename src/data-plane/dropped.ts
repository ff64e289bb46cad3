// What of a request is left out because the route allows it for a target that can't carry it. The same answer decides what is
// sent and what the client is told.
import { inClientsWords } from '../core/gap-names.ts'
import type { Speaker } from '../protocols/protocol.ts'
import type { Attempt } from './attempt.ts'
import { settingsOf } from './exchange.ts'

const NONE: readonly string[] = []

/** Fields that are left out in this attempt, each once, by the client's own names. On the native lane only whole members of
 *  the body can be. */
export function droppedFields({ exchange, plan, dialect, isNative }: Attempt<Speaker>): readonly string[] {
  const { allowedGaps } = plan.route
  if (allowedGaps.length === 0) return NONE
  const { neutral, target } = plan
  const isKnown = (field: string): boolean => allowedGaps.includes(field)
  if (!isNative) {
    const gaps = neutral === null ? [] : inClientsWords(neutral, dialect.gaps(neutral, target))
    return [...new Set(gaps.map(({ field }) => field).filter(isKnown))]
  }
  if (target.quirks === undefined || dialect.nativeGaps === undefined) return NONE
  const body = settingsOf(exchange)
  const fields = dialect.nativeGaps(body, target).map(({ field }) => field)
  return [...new Set(fields.filter((field) => isKnown(field) && Object.hasOwn(body, field)))]
}
