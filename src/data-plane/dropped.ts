// What of a request is left out because the route allows it for a target that can't carry it. The same answer decides what is
// sent and what the client is told.
import type { Target } from '../core/directory.ts'
import type { Gap } from '../core/failure.ts'
import { inClientsWords, strayGaps, toolMemberGaps } from '../core/reply/gap-names.ts'
import { lostHints, strictHints } from '../core/reply/hints.ts'
import type { NeutralRequest } from '../core/neutral.ts'
import type { Dialect } from '../dialects/dialect.ts'
import { ROUTING_MEMBERS } from '../core/routing/preferences.ts'
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
    const gaps = neutral === null ? [] : clientsGaps(dialect, neutral, target)
    return [...new Set(gaps.filter(({ field }) => isKnown(field)).map(({ field, path }) => path ?? field))]
  }
  if (target.quirks === undefined || dialect.nativeGaps === undefined) return NONE
  const body = settingsOf(exchange)
  const fields = dialect.nativeGaps(body, target).map(({ field }) => field)
  return [...new Set(fields.filter((field) => isKnown(field) && Object.hasOwn(body, field)))]
}

/** What an attempt goes without: what its route allows to be dropped, and hints that its target has no word for. */
export function omittedFields(attempt: Attempt<Speaker>): readonly string[] {
  const dropped = droppedFields(attempt)
  const hints = omittedHints(attempt)
  return hints.length === 0 ? dropped : [...new Set([...dropped, ...hints])]
}

function omittedHints({ exchange, plan, dialect, isNative }: Attempt<Speaker>): readonly string[] {
  const { neutral, target } = plan
  if (!isNative) return neutral === null ? NONE : lostHints(neutral, dialect.wire, target)
  if (target.quirks === undefined || dialect.wire !== 'openai-chat') return NONE
  return strictHints(() => settingsOf(exchange), target)
}

/** What of a translated request the target can't carry, by the client's own names. */
export function clientsGaps(dialect: Dialect, request: NeutralRequest, target: Target): readonly Gap[] {
  const gaps = [...dialect.gaps(request, target), ...toolMemberGaps(request, dialect.wire)]
  const all = [...inClientsWords(request, gaps), ...strayGaps(request, dialect.wire)]
  return all.filter(({ field }) => !ROUTING_MEMBERS.includes(field))
}
