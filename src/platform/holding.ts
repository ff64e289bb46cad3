// What one attempt holds of the leases that cover it, from its admission to its settlement.
import { type Amounts, type Counts, counted, each, minus, plus } from '../core/limits/amounts.ts'
import { type HeldLease, extend, giveBackTail, hasLostSlots, retract, settle } from '../core/limits/lease.ts'
import type { UsageEvent } from '../core/money/usage-event.ts'

interface Part {
  readonly lease: HeldLease
  amounts: Counts
  untoldNanoUsd: number
}

/** What one attempt reserved: first under one lease, then perhaps more, under that or a later one. */
export class Holding {
  readonly #parts: Part[]
  /** Where the latest extension is. */
  #extended: Part | null = null
  isSettled = false

  constructor(lease: HeldLease, amounts: Counts) {
    this.#parts = [{ lease, amounts, untoldNanoUsd: 0 }]
  }

  get amounts(): Amounts {
    const [only] = this.#parts
    if (this.#parts.length === 1 && only !== undefined) return only.amounts
    return this.#parts.map((part) => part.amounts).reduce(plus)
  }

  /** The lease that it was extended under last, or admitted under. */
  get lease(): HeldLease | undefined {
    return this.#parts.at(-1)?.lease
  }

  /** Whether the slot that it runs in may be somebody else's by now. */
  hasLostSlot(nowMs: number): boolean {
    const first = this.#parts[0]
    return first !== undefined && first.amounts.slots > 0 && hasLostSlots(first.lease, nowMs)
  }

  /** Reserves more under `lease`; false when it hasn't as much. */
  extend(lease: HeldLease, more: Counts, nowMs: number): boolean {
    if (this.isSettled || !extend(lease, more, nowMs)) return false
    const part = this.#parts.find((known) => known.lease === lease)
    if (part === undefined) {
      lease.open += 1
      this.#extended = { lease, amounts: more, untoldNanoUsd: more.nanoUsd }
      this.#parts.push(this.#extended)
    } else {
      part.amounts = plus(part.amounts, more)
      part.untoldNanoUsd += more.nanoUsd
      this.#extended = part
    }
    return true
  }

  /** Gives the latest extension back, which was by `more`. */
  retract(more: Counts): void {
    const part = this.#extended
    if (this.isSettled || part === null) return
    retract(part.lease, more)
    part.amounts = minus(part.amounts, more)
    part.untoldNanoUsd -= more.nanoUsd
    this.#extended = null
  }

  /** Replaces what was reserved by what was used: each part pays what it can, the last what remains. */
  settle(actual: Counts): void {
    this.isSettled = true
    let rest = actual
    for (const [at, { lease, amounts, untoldNanoUsd }] of this.#parts.entries()) {
      const isLast = at === this.#parts.length - 1
      const paid = isLast ? rest : each((resource) => Math.min(rest[resource], amounts[resource]))
      rest = minus(rest, paid)
      settle(lease, amounts, paid, untoldNanoUsd)
      giveBackTail(lease)
    }
  }
}

/** What an attempt needs that has its request and its slot already. */
export function extension(more: Amounts): Counts {
  return { ...counted(more), requests: 0, slots: 0 }
}

/** What an attempt is called where it is told of. */
export function idOf({ requestId, attempt }: UsageEvent): string {
  return `${requestId}#${attempt}`
}
