// Ways of holding many isolates to one budget, each as it would be built: ours (the real authority and the real lease
// holder), and three others that are common.
import { LEASE_TTL_MS, type LimiterCall } from '../../src/core/limits/limits.ts'
import { LeaseHolder } from '../../src/platform/lease-holder.ts'
import { type Reservation, isAdmitted } from '../../src/ports.ts'
import { budget, configOf, node, receiver } from '../support/limiter-receiver.ts'
import { usageEvent } from '../support/usage-events.ts'
import type { EventLoop } from './event-loop.ts'
import { regionalEnd } from './regional-end.ts'

/** One request, in nano-USD. */
export interface Ask {
  readonly id: string
  /** At most. */
  readonly reservedNanoUsd: number
  readonly inputTokens: number
  readonly outputTokens: number
}

/** An admitted request. */
export interface Admitted {
  finish(actualNanoUsd: number): void
}

/** One isolate's view of the limit; gone with the isolate. */
export interface Gate {
  admit(ask: Ask): Admitted | null | Promise<Admitted | null>
}

export interface Strategy {
  readonly name: string
  /** `near`: the isolate's region, and how an object there is called. */
  gate(isolate: string, call: Caller, near: { readonly region: number; readonly call: Caller }): Gate
}

/** A call to the object: `work` runs there, the promise resolves with its answer; rejects when a message was lost. */
export type Caller = <T>(work: () => T) => Promise<Awaited<T>>

export interface Setting {
  readonly loop: EventLoop
  readonly limitNanoUsd: number
  readonly startMs: number
  readonly isAlive: (isolate: string) => boolean
  /** How each region's object calls the tenant's. */
  readonly regions: readonly Caller[]
}

/** Leases from the object: what the gateway does. */
export function leased(setting: Setting): Strategy {
  return leasing(setting, false)
}

/** Leases from an object of the region, which has leases from the object. */
export function leasedByRegion(setting: Setting): Strategy {
  return leasing(setting, true)
}

function leasing({ loop, limitNanoUsd, startMs, regions }: Setting, isByRegion: boolean): Strategy {
  const config = configOf([node('tenant', 't', { more: [budget(limitNanoUsd, 'month')] })])
  const nowMs = (): number => startMs + loop.nowMs()
  const end = receiver(config, nowMs(), LEASE_TTL_MS)
  const expire = (): void => {
    end.expire(nowMs())
    loop.after(1_000, expire)
  }
  loop.after(1_000, expire)
  const between = regions.map((call, region) =>
    regionalEnd(`region-${region}`, { loop, nowMs, send: (message) => call(() => end.call(message, nowMs())) }),
  )
  return {
    name: isByRegion ? 'leases by region' : 'leases',
    gate(isolate, call, near) {
      const regional = between[near.region]
      const holder = new LeaseHolder('t', isolate, {
        nowMs,
        sleep: loop.sleep,
        onRevoked: () => undefined,
        send: (message: LimiterCall) =>
          isByRegion && regional !== undefined
            ? near.call(() => regional.call(message))
            : call(() => end.call(message, nowMs())),
      })
      const later = (work: Promise<void>): void => void work
      const path = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
      const admitted = (reservation: Reservation, ask: Ask): Admitted => ({
        finish: (nanoUsd) =>
          reservation.settle({ ...reservation.amounts, slots: 0, nanoUsd }, usageEvent(ask.id), later),
      })
      return {
        admit(ask) {
          const { reservedNanoUsd: nanoUsd, inputTokens, outputTokens } = ask
          const amounts = { requests: 1, inputTokens, outputTokens, slots: 1, nanoUsd }
          const answer = holder.admit(path, amounts, usageEvent(ask.id), later)
          if (!(answer instanceof Promise)) return admitted(answer, ask)
          return answer.then((result) => (isAdmitted(result) ? admitted(result, ask) : null))
        },
      }
    },
  }
}

/** Every request reserves at the object and settles there. */
export function central({ limitNanoUsd }: Setting): Strategy {
  let taken = 0
  return {
    name: 'central reserve and settle',
    gate: (_, call) => ({
      async admit({ reservedNanoUsd }) {
        const fits = await call(() => {
          if (taken + reservedNanoUsd > limitNanoUsd) return false
          taken += reservedNanoUsd
          return true
        })
        const finish = (actual: number): void => void call(() => (taken -= reservedNanoUsd - actual)).catch(() => 0)
        return fits ? { finish } : null
      },
    }),
  }
}

/** Every request looks whether anything is left, and is charged when it is over. */
export function checkThenCharge({ limitNanoUsd }: Setting): Strategy {
  let spent = 0
  return {
    name: 'check, then charge',
    gate: (_, call) => ({
      async admit() {
        const isLeft = await call(() => spent < limitNanoUsd)
        return isLeft ? { finish: (actual) => void call(() => (spent += actual)).catch(() => 0) } : null
      },
    }),
  }
}

/** Every isolate counts for itself and exchanges counts now and then. */
export function eventual({ loop, limitNanoUsd, isAlive }: Setting, everyMs: number): Strategy {
  let total = 0
  return {
    name: `counters exchanged every ${everyMs / 1_000} s`,
    gate(isolate, call) {
      let known = total
      let own = 0
      const exchange = async (): Promise<void> => {
        if (!isAlive(isolate)) return
        const told = own
        try {
          known = await call(() => (total += told))
          own -= told
        } catch {
          // Told again the next time.
        }
        loop.after(everyMs, () => void exchange())
      }
      loop.after(everyMs, () => void exchange())
      return {
        admit: () => (known + own < limitNanoUsd ? { finish: (actual) => void (own += actual) } : null),
      }
    },
  }
}
