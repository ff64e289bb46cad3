// Admission where more than the tenant's limits have a say: the leases that this isolate holds of end users' and targets'
// limits, and one reservation out of them and the tenant's. Loaded with the first request that needs it.
import { NOTHING } from '../core/limits.ts'
import type { LimiterCall, LimiterPath, LimiterReply } from '../core/limits.ts'
import { shardOf, sidePath, targetObjectName, userShardName, userText } from '../core/side-limits.ts'
import type { UsageEvent } from '../core/usage-event.ts'
import type { Amounts } from '../core/limits.ts'
import type { Beside, Later, Refusal, Reservation } from '../ports.ts'
import { type Answer, type Ask, admitJointly } from './joint.ts'
import { type HeldReservation, type HolderManner, LeaseHolder } from './lease-holder.ts'
import { QuietJournal } from './quiet-journal.ts'

export interface BesidePorts {
  /** Takes a message to the side limiter of that name. */
  readonly sendBeside: (objectName: string, message: LimiterCall) => Promise<LimiterReply>
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
}

/** An end user's requests are few, and there are many users: next to nothing is held ahead. */
const AHEAD_OF_USER = 2
const AHEAD_OF_TARGET = 8
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

  function admitUser(asked: Asked, user: string): Answer<HeldReservation> {
    const { tenantId } = asked.path
    const text = userText(tenantId, user)
    const known = digests.get(text)
    if (known !== undefined) return admitUserBy(known, asked)
    return ports.digest(text).then((digest) => {
      if (digests.size >= DIGESTS_MAX) digests.clear()
      digests.set(text, digest)
      return admitUserBy(digest, asked)
    })
  }

  function admitUserBy(digest: string, asked: Asked): Answer<HeldReservation> {
    const { path, amounts, template, later, leastNanoUsd } = asked
    const holder = holderOf(userShardName(path.tenantId, shardOf(digest)), AHEAD_OF_USER)
    return holder.admit(sidePath(digest, path.model), amounts, template, later, leastNanoUsd)
  }

  function admitTarget(asked: Asked, { id, model }: NonNullable<Beside['target']>): Answer<HeldReservation> {
    const { amounts, template, later, leastNanoUsd } = asked
    const holder = holderOf(targetObjectName(id), AHEAD_OF_TARGET)
    const answer = holder.admit(sidePath(id, model), amounts, template, later, leastNanoUsd)
    return answer instanceof Promise ? answer.then(asTargets) : answer
  }

  return {
    admit(asked, beside, tenant) {
      const { endUser, target } = beside
      const asks: Ask<HeldReservation>[] = []
      if (endUser !== null) asks.push(() => admitUser(asked, endUser))
      if (target !== null) asks.push(() => admitTarget(asked, target))
      return admitJointly(asks, tenant, (granted) => granted.settle(NOTHING, asked.template, asked.later))
    },
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
