// What an attempt holds under a lease, as the data plane sees it. A class of its own since one is made for every request: its
// methods are shared, where closures would be made anew each time.
import { type Amounts, type Counts, counted } from '../core/limits/amounts.ts'
import { type HeldLease, standingsNow } from '../core/limits/lease.ts'
import type { LimiterPath } from '../core/limits/limits.ts'
import type { ToldStandings } from '../core/limits/standing.ts'
import type { UsageEvent } from '../core/money/usage-event.ts'
import type { Later, Reservation } from '../ports.ts'
import { Holding, extension } from './holding.ts'

/** What a holder does for the reservations under its leases. */
export interface ReservationDesk {
  nowMs(): number
  /** How often a reservation wants to be kept alive. */
  keepAliveMs(): number
  settled(reservation: LeasedReservation, event: UsageEvent, later: Later): void
  extend(holding: Holding, path: LimiterPath, more: Counts, later: Later): boolean | Promise<boolean>
  keepAlive(lease: HeldLease, later: Later): void
  isRevoked(keyId: string): boolean
  isCancelled(id: string): boolean
}

export class LeasedReservation implements Reservation {
  readonly id: string
  readonly lease: HeldLease
  readonly hasSlots: boolean
  readonly limitsMoney: boolean
  readonly limitsTokens: boolean
  readonly keepAliveMs: number
  protected readonly holding: Holding
  readonly #desk: ReservationDesk
  readonly #path: LimiterPath

  constructor(desk: ReservationDesk, id: string, lease: HeldLease, path: LimiterPath, counts: Counts) {
    this.id = id
    this.lease = lease
    this.hasSlots = counts.slots > 0
    this.limitsMoney = lease.limited.nanoUsd
    this.limitsTokens = lease.limited.tokens || lease.limited.outputTokens
    this.keepAliveMs = desk.keepAliveMs()
    this.holding = new Holding(lease, counts)
    this.#desk = desk
    this.#path = path
  }

  get amounts(): Amounts {
    return this.holding.amounts
  }

  settle(actual: Amounts, event: UsageEvent, later: Later): void {
    if (this.holding.isSettled) return
    this.holding.settle(counted(actual))
    this.#desk.settled(this, event, later)
  }

  extend(more: Amounts, later: Later): boolean | Promise<boolean> {
    return this.#desk.extend(this.holding, this.#path, extension(more), later)
  }

  keepAlive(later: Later): void {
    this.#desk.keepAlive(this.lease, later)
  }

  hasLostSlot(): boolean {
    return this.holding.hasLostSlot(this.#desk.nowMs())
  }

  isRevoked(): boolean {
    return this.#desk.isRevoked(this.#path.keyId)
  }

  isCancelled(): boolean {
    return this.#desk.isCancelled(this.id)
  }

  standings(): ToldStandings | null {
    return standingsNow(this.lease, this.#desk.nowMs())
  }
}

/** One whose extension can be taken back, where others have to agree to it. */
export class RetractableReservation extends LeasedReservation {
  retract(more: Amounts): void {
    this.holding.retract(extension(more))
  }
}
