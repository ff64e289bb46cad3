// Admission with what its refusal may mean: to wait, or to go on unchecked while the limiter is away. Both are rare, and
// whoever is admitted at once notices neither.
import type { Caller } from '../../core/directory.ts'
import { late } from '../../core/late.ts'
import type { Amounts, LimiterPath } from '../../core/limits/limits.ts'
import { type Limiter, type Refusal, type Reservation, type Services, isAdmitted } from '../../ports.ts'
import type { Client } from '../client.ts'

/** An attempt that wants to be admitted. */
export interface Asked {
  readonly services: Pick<Services, 'limiter' | 'nowMs' | 'sleep'>
  readonly client: Pick<Client, 'hasLeft' | 'onLeave'>
  readonly caller: Pick<Caller, 'admitsUnchecked'>
  readonly path: LimiterPath
  readonly amounts: Amounts
  /** The tenant's own limits are all that have a say. */
  readonly isAlone: boolean
  /** Asks for it; as often as needed. */
  readonly ask: () => Reservation | Promise<Reservation | Refusal>
}

const waiting = late(() => import('./wait-in-line.ts'))

/** A limiter that didn't answer isn't asked for the like again for so long, where requests go on without it. */
const AWAY_MS = 10_000
const AWAY_MAX = 1_000
const away = new WeakMap<Limiter, Map<string, number>>()

/** Admits from what is in hand, or after what the caller's limits allow has been tried. */
export function admitAtLimit(asked: Asked): Reservation | Promise<Reservation | Refusal> {
  const queue = waiting.now()
  const behind = queue?.mustWaitBehind(asked) ?? null
  if (queue !== null && behind !== null) return orUnchecked(asked, queue.waitInLine(asked, behind, false))
  if (isUncheckable(asked) && isAway(asked)) return unchecked(asked)
  const answer = asked.ask()
  return answer instanceof Promise ? orUnchecked(asked, orWaiting(asked, answer)) : answer
}

/** Waits where the refusal's policy says so. */
async function orWaiting(asked: Asked, answer: Promise<Reservation | Refusal>): Promise<Reservation | Refusal> {
  const said = await answer
  if (isAdmitted(said) || !('policy' in said) || said.policy?.kind !== 'wait') return said
  const { isWaitable, waitInLine } = waiting.now() ?? (await waiting.load())
  return isWaitable(said) ? waitInLine(asked, said, true) : said
}

/** Goes on without the limiter where it is away and that is wanted. */
async function orUnchecked(asked: Asked, answer: Promise<Reservation | Refusal>): Promise<Reservation | Refusal> {
  const said = await answer
  if (isAdmitted(said) || said.kind !== 'unavailable' || said.isFull === true || !isUncheckable(asked)) return said
  noteAway(asked)
  return unchecked(asked)
}

function isUncheckable({ caller, isAlone }: Asked): boolean {
  return caller.admitsUnchecked === true && isAlone
}

function isAway({ services, path }: Asked): boolean {
  const untilMs = away.get(services.limiter)?.get(nameOf(path))
  return untilMs !== undefined && services.nowMs() < untilMs
}

function noteAway({ services, path }: Asked): void {
  const known = away.get(services.limiter) ?? new Map<string, number>()
  if (known.size >= AWAY_MAX) known.clear()
  known.set(nameOf(path), services.nowMs() + AWAY_MS)
  away.set(services.limiter, known)
}

/** Others may have a lease in hand. */
function nameOf({ keyId, model }: LimiterPath): string {
  return `${keyId} ${model}`
}

/** Nothing is held, nothing is limited; what it comes to is in the ledger as soon as the limiter is back. */
function unchecked({ services, amounts }: Asked): Reservation {
  let isSettled = false
  return {
    amounts,
    limitsMoney: false,
    limitsTokens: false,
    settle(_actual, event, later) {
      if (isSettled) return
      isSettled = true
      services.limiter.record(event, later)
    },
    extend: () => true,
    keepAliveMs: AWAY_MS,
    keepAlive: () => {},
    hasLostSlot: () => false,
    isRevoked: () => false,
  }
}
