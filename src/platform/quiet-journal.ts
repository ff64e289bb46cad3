// The journal of a holder whose limits are beside the tenant's: those of an end user, of a target. Events are the tenant's
// alone, so this tells only which attempts under limited money are in flight and which no longer are: what the object has
// to know to release the money of a dead lease. It goes by the rules of the tenant's journal: numbered, sent again until
// acknowledged.
import type { AdmissionRecord, EventChunk } from '../core/limits/limits.ts'
import type { UsageEvent } from '../core/money/usage-event.ts'
import type { Journal, OpenAdmission } from './event-journal.ts'

/** Attempts that may be on record at once. */
const ADMISSIONS_MAX = 10_000
const NO_EVENTS = '[]'

export class QuietJournal implements Journal {
  readonly #unshipped = new Map<string, OpenAdmission>()
  readonly #shipped = new Set<string>()
  #settles: string[] = []
  #chunks: EventChunk[] = []
  #resend: AdmissionRecord[] = []
  #sequence = 0

  get isFull(): boolean {
    return this.#unshipped.size + this.#shipped.size >= ADMISSIONS_MAX || this.#chunks.length >= ADMISSIONS_MAX
  }

  get isEmpty(): boolean {
    return this.#unshipped.size + this.#shipped.size + this.#settles.length + this.#chunks.length === 0
  }

  get hasNews(): boolean {
    return this.#unshipped.size > 0 || this.#settles.length > 0
  }

  /** Notes an attempt, where there is money to account for. */
  admit(id: string, admission: OpenAdmission): void {
    if (admission.limitsMoney) this.#unshipped.set(id, admission)
  }

  settle(id: string, _event: UsageEvent): void {
    if (!this.#unshipped.delete(id) && this.#shipped.delete(id)) this.#settles.push(id)
  }

  add(_event: UsageEvent): void {}

  outgoing(): { readonly chunks: readonly EventChunk[]; readonly admissions: readonly AdmissionRecord[] } {
    if (this.#settles.length > 0) {
      this.#sequence += 1
      this.#chunks.push({ from: this.#sequence, to: this.#sequence, events: NO_EVENTS, settles: this.#settles })
      this.#settles = []
    }
    const admissions = this.#resend.filter(({ id }) => this.#shipped.has(id))
    this.#resend = []
    for (const [id, { leaseId, reserved }] of this.#unshipped) {
      admissions.push({ id, leaseId, reserved, event: '' })
      this.#shipped.add(id)
    }
    this.#unshipped.clear()
    return { chunks: [...this.#chunks], admissions }
  }

  unsent(admissions: readonly AdmissionRecord[]): void {
    this.#resend.push(...admissions)
  }

  acknowledge(sequence: number): void {
    if (this.#chunks.length > 0) this.#chunks = this.#chunks.filter((chunk) => chunk.to > sequence)
  }
}
