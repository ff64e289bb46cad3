// Admission where more than the tenant's limits have a say: the leases that this isolate holds of end users' and targets'
// limits, and one reservation out of them and the tenant's. Loaded with the first request that needs it.
import { NOTHING } from '../core/limits/limits.ts'
import type { LimiterCall, LimiterPath, LimiterReply } from '../core/limits/limits.ts'
import {
  shadowObjectName,
  shardOf,
  sidePath,
  targetObjectName,
  userPath,
  userShardName,
  userText,
} from '../core/limits/side-limits.ts'
import type { LimitState } from '../core/limits/standing.ts'
import type { UsageEvent } from '../core/money/usage-event.ts'
import type { Amounts } from '../core/limits/limits.ts'
import { type Beside, type Later, type Refusal, type Reservation, type ShadowAsk, isAdmitted } from '../ports.ts'
import { type Answer, type Ask, admitJointly } from './joint.ts'
import { type HeldReservation, type HolderManner, LeaseHolder } from './lease-holder.ts'
import { QuietJournal } from './quiet-journal.ts'

export interface BesidePorts {
  /** Takes a message to the side limiter of that name. */
  readonly sendBeside: (objectName: string, message: LimiterCall) => Promise<LimiterReply>
  /** How the limits of an owner stand, by its object's name. Missing: nobody can say. */
  readonly limitsBeside?: (objectName: string, path: LimiterPath) => Promise<readonly LimitState[]>
  /** A keyed digest, in hex. */
  readonly digest: (text: string) => Promise<string>
  readonly nowMs: () => number
  readonly sleep: (ms: number) => Promise<void>
  readonly newId: () => string
}

/** One attempt, as every authority is asked about it. */
export interface Asked {
  readonly path: LimiterPath
  readonly amounts: Amounts
  readonly template: UsageEvent
  readonly later: Later
  readonly leastNanoUsd: number | undefined
}

export interface BesideLimits {
  /** Admission by the tenant, whom `tenant` asks, and by all that `beside` names. */
  admit(asked: Asked, beside: Beside, tenant: Ask): Reservation | Promise<Reservation | Refusal>
  /** How the limits of all that `beside` names stand. */
  limits(tenantId: string, model: string | null, beside: Beside): Promise<readonly LimitState[]>
  /** Admission by a shadow's budget in the tenant's place, whose books are told. */
  admitShadow(asked: ShadowAsk, later: Later, books: Books): Reservation | Promise<Reservation | Refusal>
}

/** Who has to know what becomes of an attempt that nobody there admitted. */
export interface Books {
  /** Tells from then on whether an operator wants it to end. */
  readonly admitted: (amounts: Amounts) => () => boolean
  /** Once for each that was admitted. */
  readonly settled: (event: UsageEvent) => void
}

/** An end user's requests are few, and there are many users: next to nothing is held ahead. */
const AHEAD_OF_USER = 2
const AHEAD_OF_TARGET = 8
/** A shadow's budget is small beside what it mirrors. */
const AHEAD_OF_SHADOW = 1
/** What little there was of goes back after this. */
const FLUSH_DELAY_MS = 100
const HOLDERS_MAX = 5_000
const DIGESTS_MAX = 10_000

export function besideLimits(ports: BesidePorts): BesideLimits {
  const holders = new Map<string, LeaseHolder>()
  /** Of users met lately. */
  const digests = new Map<string, string>()

  function holderOf(objectName: string, aheadRequests: number): LeaseHolder {
    const known = holders.get(objectName)
    if (known !== undefined) return known
    if (holders.size >= HOLDERS_MAX) forgetIdle(holders)
    const manner: HolderManner = { journal: new QuietJournal(), aheadRequests, flushDelayMs: FLUSH_DELAY_MS }
    const { nowMs, sleep } = ports
    const send = (message: LimiterCall): Promise<LimiterReply> => ports.sendBeside(objectName, message)
    const holder = new LeaseHolder(objectName, ports.newId(), { send, nowMs, sleep, onRevoked: () => {} }, manner)
    holders.set(objectName, holder)
    return holder
  }

  function admitUser(asked: Asked, user: string, within: readonly string[] | undefined): Answer<HeldReservation> {
    const { tenantId } = asked.path
    const text = userText(tenantId, user)
    const known = digests.get(text)
    if (known !== undefined) return admitUserBy(known, asked, within)
    return ports.digest(text).then((digest) => {
      if (digests.size >= DIGESTS_MAX) digests.clear()
      digests.set(text, digest)
      return admitUserBy(digest, asked, within)
    })
  }

  function admitUserBy(digest: string, asked: Asked, within: readonly string[] | undefined): Answer<HeldReservation> {
    const { path, amounts, template, later, leastNanoUsd } = asked
    const holder = holderOf(userShardName(path.tenantId, shardOf(digest)), AHEAD_OF_USER)
    return holder.admit(userPath(digest, within, path.model), amounts, template, later, leastNanoUsd)
  }

  function admitTarget(asked: Asked, { id, model }: NonNullable<Beside['target']>): Answer<HeldReservation> {
    const { amounts, template, later, leastNanoUsd } = asked
    const holder = holderOf(targetObjectName(id), AHEAD_OF_TARGET)
    const answer = holder.admit(sidePath(id, model), amounts, template, later, leastNanoUsd)
    return answer instanceof Promise ? answer.then(asTargets) : answer
  }

  return {
    admit(asked, beside, tenant) {
      const { endUser, within, target } = beside
      const asks: Ask<HeldReservation>[] = []
      if (endUser !== null) asks.push(() => admitUser(asked, endUser, within))
      if (target !== null) asks.push(() => admitTarget(asked, target))
      return admitJointly(asks, tenant, (granted) => granted.settle(NOTHING, asked.template, asked.later))
    },
    limits: (tenantId, model, beside) => standing(ports, tenantId, model, beside),
    admitShadow({ budgetOf, path, amounts, template, beside }, later, books) {
      const asked: Asked = { path, amounts, template, later, leastNanoUsd: undefined }
      const target = beside?.target ?? null
      const asks: Ask<HeldReservation>[] = target === null ? [] : [() => admitTarget(asked, target)]
      const own: Ask = () => {
        if (budgetOf === null) return unbounded(amounts)
        const holder = holderOf(shadowObjectName(budgetOf), AHEAD_OF_SHADOW)
        return holder.admit(sidePath(budgetOf, null), amounts, template, later)
      }
      const granted = admitJointly(asks, own, (held) => held.settle(NOTHING, template, later))
      if (!(granted instanceof Promise)) return recorded(granted, books)
      return granted.then((answer) => (isAdmitted(answer) ? recorded(answer, books) : answer))
    },
  }
}

async function standing(
  { digest, limitsBeside }: BesidePorts,
  tenantId: string,
  model: string | null,
  { endUser, within, target }: Beside,
): Promise<readonly LimitState[]> {
  if (limitsBeside === undefined) throw new Error('nobody can say how limits stand')
  const ofUser = async (user: string): Promise<readonly LimitState[]> => {
    const hex = await digest(userText(tenantId, user))
    return limitsBeside(userShardName(tenantId, shardOf(hex)), userPath(hex, within, model))
  }
  const all = await Promise.all([
    endUser === null ? [] : ofUser(endUser),
    target === null ? [] : limitsBeside(targetObjectName(target.id), sidePath(target.id, target.model)),
  ])
  return all.flat()
}

/** Nothing bounds it. */
function unbounded(amounts: Amounts): Reservation {
  return {
    amounts,
    limitsMoney: false,
    limitsTokens: false,
    settle: () => {},
    extend: () => true,
    keepAliveMs: 60_000,
    keepAlive: () => {},
    hasLostSlot: () => false,
    isRevoked: () => false,
  }
}

/** The same reservation, of which `books` are told: those of end users and targets have no journal of their own. */
function recorded(held: Reservation, books: Books): Reservation {
  let isSettled = false
  const isCancelled = books.admitted(held.amounts)
  return {
    get amounts() {
      return held.amounts
    },
    limitsMoney: held.limitsMoney,
    limitsTokens: held.limitsTokens,
    settle(actual, event, later) {
      if (isSettled) return
      isSettled = true
      held.settle(actual, event, later)
      books.settled(event)
    },
    extend: (more, later) => held.extend(more, later),
    keepAliveMs: held.keepAliveMs,
    keepAlive: (later) => held.keepAlive(later),
    hasLostSlot: () => held.hasLostSlot(),
    isRevoked: () => held.isRevoked(),
    isCancelled,
  }
}

/** A target whose limits can't be asked is passed over, as one without room is. */
function asTargets(answer: HeldReservation | Refusal): HeldReservation | Refusal {
  return 'kind' in answer && answer.kind === 'unavailable' ? { ...answer, scope: 'target' } : answer
}

function forgetIdle(holders: Map<string, LeaseHolder>): void {
  for (const [name, holder] of holders) {
    if (!holder.isIdle) continue
    holders.delete(name)
    return
  }
}
