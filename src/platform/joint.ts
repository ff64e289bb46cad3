// Admission by more than one authority: the tenant's limiter and, beside it, the limits of an end user and of a target. An
// attempt takes from all of them or from none. The tenant is asked last: its reservation alone has an event to ship, so that
// what has to be given back is always beside it, and giving back leaves no trace in the ledger.
import type { Amounts } from '../core/limits/limits.ts'
import type { UsageEvent } from '../core/money/usage-event.ts'
import { type Later, type Refusal, type Reservation, isAdmitted } from '../ports.ts'
import type { HeldReservation } from './lease-holder.ts'

/** What an authority answers: at once where it has a lease in hand. */
export type Answer<R extends Reservation = Reservation> = R | Promise<R | Refusal>

/** Asks an authority. */
export type Ask<R extends Reservation = Reservation> = () => Answer<R>

/**
 * Admission by all: `beside` at the same time, then the tenant. At once if every answer is. Of several refusals the first
 * in the order of `beside` is told. What others had granted is given back through `giveBack`.
 */
export function admitJointly(
  beside: readonly Ask<HeldReservation>[],
  tenant: Ask,
  giveBack: (granted: Reservation) => void,
): Reservation | Promise<Reservation | Refusal> {
  const asked = beside.map((ask) => ask())
  const held = asked.filter(isAtHand)
  if (held.length < asked.length) return whenAllAnswered(asked, tenant, giveBack)
  const own = tenant()
  return own instanceof Promise ? whenTenantAnswered(own, held, giveBack) : joint(own, held)
}

async function whenAllAnswered(
  asked: readonly Answer<HeldReservation>[],
  tenant: Ask,
  giveBack: (granted: Reservation) => void,
): Promise<Reservation | Refusal> {
  const answers = await Promise.all(asked.map(answered))
  const held = answers.filter(isHeld)
  const refusal = answers.find((answer) => !isHeld(answer))
  if (refusal === undefined) {
    const own = tenant()
    return own instanceof Promise ? whenTenantAnswered(own, held, giveBack) : joint(own, held)
  }
  for (const granted of held) giveBack(granted)
  return isHeld(refusal) ? { kind: 'unavailable' } : refusal
}

async function whenTenantAnswered(
  own: Promise<Reservation | Refusal>,
  held: readonly HeldReservation[],
  giveBack: (granted: Reservation) => void,
): Promise<Reservation | Refusal> {
  const answer = await answered(own)
  if (isAdmitted(answer)) return joint(answer, held)
  for (const granted of held) giveBack(granted)
  return answer
}

/** An authority that fails instead of answering refuses. */
async function answered<R extends Reservation>(answer: Answer<R>): Promise<R | Refusal> {
  try {
    return await answer
  } catch {
    return { kind: 'unavailable' }
  }
}

function isAtHand(answer: Answer<HeldReservation>): answer is HeldReservation {
  return !(answer instanceof Promise)
}

function isHeld(answer: HeldReservation | Refusal): answer is HeldReservation {
  return isAdmitted(answer)
}

/** One reservation out of the tenant's and those beside it. */
export function joint(own: Reservation, beside: readonly HeldReservation[]): Reservation {
  if (beside.length === 0) return own
  const all = [own, ...beside]
  return {
    get amounts() {
      return beside.reduce((least, { amounts }) => lesser(least, amounts), own.amounts)
    },
    limitsMoney: all.some(({ limitsMoney }) => limitsMoney),
    limitsTokens: all.some(({ limitsTokens }) => limitsTokens),
    settle(actual: Amounts, event: UsageEvent, later: Later) {
      for (const part of all) part.settle(actual, event, later)
    },
    extend: (more, later) => extendFrom(0, [...beside, own], more, later),
    keepAliveMs: Math.min(...all.map(({ keepAliveMs }) => keepAliveMs)),
    keepAlive(later) {
      for (const part of all) part.keepAlive(later)
    },
    hasLostSlot: () => all.some((part) => part.hasLostSlot()),
    isRevoked: () => own.isRevoked(),
    isCancelled: () => own.isCancelled?.() === true,
    standings: () => own.standings?.() ?? null,
  }
}

/** Less money where one of them has reserved less of it. */
function lesser(a: Amounts, b: Amounts): Amounts {
  return b.nanoUsd < a.nanoUsd ? { ...a, nanoUsd: b.nanoUsd } : a
}

/** Extends the parts from `at` on, in order; where one has no more, those before are as they were. The tenant's is last,
 *  so it never has anything to take back. */
function extendFrom(
  at: number,
  parts: readonly HeldReservation[],
  more: Amounts,
  later: Later,
): boolean | Promise<boolean> {
  for (let index = at; index < parts.length; index++) {
    const answer = parts[index]?.extend(more, later) ?? false
    if (answer instanceof Promise) return extendOn(answer, index, parts, more, later)
    if (answer) continue
    for (const part of parts.slice(0, index)) part.retract?.(more)
    return false
  }
  return true
}

async function extendOn(
  answer: Promise<boolean>,
  index: number,
  parts: readonly HeldReservation[],
  more: Amounts,
  later: Later,
): Promise<boolean> {
  if (await answer.catch(() => false)) return extendFrom(index + 1, parts, more, later)
  for (const part of parts.slice(0, index)) part.retract?.(more)
  return false
}
