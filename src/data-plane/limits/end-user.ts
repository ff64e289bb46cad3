// Who is behind a request, as its client says: the limits of each end user go by it, and so do the ledger's reports.
import type { Target } from '../../core/directory.ts'
import type { Failure } from '../../core/failure.ts'
import type { Beside } from '../../ports.ts'
import type { Speaker } from '../../protocols/protocol.ts'
import type { ReadExchange } from '../exchange.ts'

/** The header that names the end user, whatever the body says. */
export const END_USER_HEADER = 'x-tidegate-user'
/** Of its name, so many characters count. */
export const END_USER_CHARS_MAX = 256

/** The end user; null where the request names none. */
export function endUserOf({ options, facts }: Pick<ReadExchange<Speaker>, 'options' | 'facts'>): string | null {
  const named = options.endUser ?? facts.endUser
  return named === '' ? null : named
}

/** Whose limits an attempt on `target` needs leave of besides the tenant's; null, for most, for nobody's. */
export function besideOf(exchange: ReadExchange<Speaker>, target: Target): Beside | null {
  const isUserLimited = exchange.caller.endUsers?.isLimited === true
  if (!isUserLimited && target.hasLimits !== true) return null
  const endUser = isUserLimited ? endUserOf(exchange) : null
  const limited = isLimited(target) ? { id: target.id, model: target.model } : null
  if (endUser === null && limited === null) return null
  const within = endUser === null ? undefined : exchange.caller.endUsers?.within
  return { endUser, target: limited, ...(within === undefined ? {} : { within }) }
}

/** Calls that run no model (files and the like) go by an id that no target can have: its limits aren't about them. */
function isLimited({ id, hasLimits }: Target): boolean {
  return hasLimits === true && !id.includes('~')
}

/** Why a request that names no end user isn't served; null where it is. */
export function endUserMissing(exchange: ReadExchange<Speaker>): Failure | null {
  if (exchange.caller.endUsers?.isRequired !== true || endUserOf(exchange) !== null) return null
  const field = exchange.protocol.name === 'messages' ? 'metadata.user_id' : 'user'
  const message = `Requests with this key have to name their end user: send \`${field}\`, or the header ${END_USER_HEADER}.`
  return { kind: 'invalid-request', field, message }
}
