// One isolate's lease holder in front of a real authority, with a sender between them that a test can slow down, cut, or
// let lose replies. Time is virtual.
import type {
  Amounts,
  LimiterCall,
  LimiterConfig,
  LimiterPath,
  LimiterReply,
  SecretEnd,
} from '../../src/core/limits/limits.ts'
import { SwitchBoard } from '../../src/core/switches.ts'
import { LeaseHolder } from '../../src/platform/lease-holder.ts'
import { type Refusal, type Reservation, isAdmitted } from '../../src/ports.ts'
import { type Receiver, receiver } from './limiter-receiver.ts'
import { usageEvent } from './usage-events.ts'
import { type VirtualClock, virtualClock } from './virtual-clock.ts'

/** What befalls the next exchange. */
export type Fate = 'arrives' | 'request-lost' | 'reply-lost' | 'refused'

export interface HeldTenant {
  readonly clock: VirtualClock
  readonly receiver: Receiver
  readonly holder: LeaseHolder
  /** Every message sent, lost or not. */
  readonly messages: LimiterCall[]
  readonly revoked: string[]
  readonly secretEnds: SecretEnd[]
  /** What the holder has heard is switched off. */
  readonly switches: SwitchBoard
  /** What the limiter's replies say besides; changed by the test. */
  news: Partial<LimiterReply>
  /** Fates of the exchanges to come, in order; `usualFate` for all after them. */
  readonly fates: Fate[]
  usualFate: Fate
  rttMs: number
  /** The most messages that were ever under way at once. */
  mostAtOnce: number
  /** Background work that failed: there must be none. */
  readonly failures: unknown[]
  later(work: Promise<void>): void
  /** Asks for admission; `requestId` names the attempt. */
  ask(requestId: string, weight: Weight, keyId?: string, model?: string): Reservation | Promise<Reservation | Refusal>
  /** The same, admitted by all means. */
  admitted(requestId: string, weight: Weight, keyId?: string, model?: string): Promise<Reservation>
  /** Settles at what was reserved, or at `actual`. */
  finish(reservation: Reservation, requestId: string, actual?: Weight): void
}

/** What an attempt weighs; `tokens` is all input. One request and no slot unless it says otherwise. */
export interface Weight extends Partial<Amounts> {
  readonly tokens?: number
}

/** The whole vector. */
export function weigh({ tokens = 0, ...rest }: Weight): Amounts {
  return { requests: 1, inputTokens: tokens, outputTokens: 0, slots: 0, nanoUsd: 0, ...rest }
}

const RTT_MS = 4
const TTL_MS = 30_000

export function heldTenant(config: LimiterConfig, ttlMs = TTL_MS, clock = virtualClock()): HeldTenant {
  const end = receiver(config, clock.nowMs(), ttlMs)
  const messages: LimiterCall[] = []
  const revoked: string[] = []
  const secretEnds: SecretEnd[] = []
  const switches = new SwitchBoard()
  const failures: unknown[] = []
  let atOnce = 0
  const world: HeldTenant = {
    clock,
    receiver: end,
    messages,
    revoked,
    secretEnds,
    switches,
    news: {},
    failures,
    fates: [],
    usualFate: 'arrives',
    rttMs: RTT_MS,
    mostAtOnce: 0,
    holder: new LeaseHolder('t', 'holder', {
      nowMs: clock.nowMs,
      sleep: clock.sleep,
      onRevoked: (keyIds) => revoked.push(...keyIds),
      onSecretEnds: (ends) => secretEnds.push(...ends),
      switches,
      async send(message) {
        messages.push(structuredClone(message))
        atOnce += 1
        world.mostAtOnce = Math.max(world.mostAtOnce, atOnce)
        const fate = world.fates.shift() ?? world.usualFate
        await clock.sleep(world.rttMs / 2)
        if (fate === 'refused') throw new Error('the object is overloaded')
        if (fate === 'request-lost') return new Promise(() => {})
        const reply = end.call(structuredClone(message), clock.nowMs())
        await clock.sleep(world.rttMs / 2)
        atOnce -= 1
        return fate === 'reply-lost' ? new Promise(() => {}) : { ...reply, ...world.news }
      },
    }),
    later: (work) => void work.catch((error: unknown) => failures.push(error)),
    ask: (requestId, weight, keyId = 'k', model = 'm') => {
      const path: LimiterPath = { tenantId: 't', teamId: null, keyId, model }
      return world.holder.admit(path, weigh(weight), usageEvent(requestId, { keyId }), world.later)
    },
    async admitted(requestId, weight, keyId, model) {
      const answer = world.ask(requestId, weight, keyId, model)
      const result = await (answer instanceof Promise ? clock.until(answer) : answer)
      if (!isAdmitted(result)) throw new Error(`${requestId} was refused: ${JSON.stringify(result)}`)
      return result
    },
    finish: (reservation, requestId, actual) =>
      reservation.settle(
        actual === undefined ? reservation.amounts : weigh(actual),
        usageEvent(requestId),
        world.later,
      ),
  }
  return world
}
