// What was really spent, kept apart from the books that claim to know it: money by budget and window, tokens by bucket.
// Objects when a limit is passed, or when the books say more or less than what happened.
import { strict as assert } from 'node:assert'
import type { Authority, GrantedLease, NodeState } from '../../src/core/authority.ts'
import type { HeldLease } from '../../src/core/lease.ts'

/** One budget in one of its windows: what was spent, and the most that it ever allowed. */
interface Budget {
  spentNanoUsd: number
  limitNanoUsd: number
}

const PARTS_PER_TOKEN = 60_000

export class Truth {
  readonly #authority: Authority
  readonly #budgets = new Map<string, Budget>()
  /** A budget that ends and begins again is another one. */
  readonly #eras = new Map<string, number>()
  /** Where a lease's money is charged, as it was granted. */
  readonly #charged = new Map<string, readonly string[]>()
  /** Leaky buckets: more in one than the capacity means that some stretch of time admitted too much. */
  readonly #fill = new Map<string, { parts: number; atMs: number }>()

  constructor(authority: Authority) {
    this.#authority = authority
  }

  /** A lease was granted something: what is spent under it counts against these budgets. */
  charge(leaseId: string): void {
    const lease = this.#authority.leases.get(leaseId)
    if (lease === undefined) return
    const names = Object.entries(lease.budgetNodes).map(([id, startMs]) => {
      const name = this.#name(id, startMs)
      if (!this.#budgets.has(name)) this.#budgets.set(name, { spentNanoUsd: 0, limitNanoUsd: this.#limitOf(id) })
      return name
    })
    this.#charged.set(leaseId, names)
  }

  spend(leaseId: string, nanoUsd: number): void {
    for (const name of this.#charged.get(leaseId) ?? []) {
      const budget = this.#budgets.get(name)
      if (budget !== undefined) budget.spentNanoUsd += nanoUsd
    }
  }

  /** Holds every bucket on the key's path to its bound: capacity + rate × t in any stretch of length t. */
  admitTokens(keyId: string, tokens: number, nowMs: number): void {
    for (const { scope, id, tokensPerMinute, burstTokens } of this.#authority.config.nodes) {
      const isOnPath = scope === 'tenant' || (scope === 'key' && id === keyId) || (scope === 'team' && keyId !== 'k3')
      if (tokensPerMinute === null || !isOnPath) continue
      const fill = this.#fill.get(id) ?? { parts: 0, atMs: nowMs }
      fill.parts = Math.max(0, fill.parts - (nowMs - fill.atMs) * tokensPerMinute) + tokens * PARTS_PER_TOKEN
      fill.atMs = nowMs
      this.#fill.set(id, fill)
      const capacity = burstTokens ?? tokensPerMinute
      assert(fill.parts <= capacity * PARTS_PER_TOKEN, `${id} admits more tokens than its bucket allows`)
    }
  }

  beginAnew(id: string): void {
    this.#eras.set(id, (this.#eras.get(id) ?? 0) + 1)
  }

  /** After a change of limits: a window is held to the highest that it ever had. */
  raiseLimits(): void {
    for (const [id, { window }] of this.#authority.nodes) {
      const budget = window === null ? undefined : this.#budgets.get(this.#name(id, window.startMs))
      if (budget !== undefined) budget.limitNanoUsd = Math.max(budget.limitNanoUsd, this.#limitOf(id))
    }
  }

  /** Holds a node's books against the truth, and both against the limit if `isBounded`. */
  check({ id, window, spentNanoUsd, heldNanoUsd }: NodeState, isBounded: boolean): void {
    assert(spentNanoUsd >= 0 && heldNanoUsd >= 0, `${id} has negative balances`)
    const budget = window === null ? undefined : this.#budgets.get(this.#name(id, window.startMs))
    if (budget === undefined) return
    assert(spentNanoUsd <= budget.spentNanoUsd, `${id} booked more than was spent`)
    if (!isBounded) return
    assert(spentNanoUsd + heldNanoUsd <= budget.limitNanoUsd, `${id} granted more than its limit (I1)`)
    assert(budget.spentNanoUsd <= spentNanoUsd + heldNanoUsd, `${id}: money was spent that nobody holds`)
    assert(budget.spentNanoUsd <= budget.limitNanoUsd, `${id} overshot`)
  }

  #name(id: string, startMs: number): string {
    return `${id} ${this.#eras.get(id) ?? 0} ${startMs}`
  }

  #limitOf(id: string): number {
    return this.#authority.nodes.get(id)?.node.budget?.amountNanoUsd ?? 0
  }
}

/** Holds the two halves of a lease against each other: what each knows of the other may be old, never ahead of it. */
export function checkLease(held: HeldLease, granted: GrantedLease | undefined, isBounded: boolean): void {
  for (const kind of ['tokens', 'nanoUsd'] as const) {
    const isLimited = kind === 'tokens' ? held.limitsTokens : held.limitsMoney
    const used = held.settled[kind] + held.reserved[kind] + held.returned[kind]
    if (isBounded && isLimited) assert(used <= held.granted[kind], `${held.id} promised more than it has (I2)`)
    if (granted === undefined) continue
    assert(granted.settled[kind] <= held.settled[kind], `${held.id}: a settlement is known before it happened (I4)`)
    assert(granted.returned[kind] <= held.returned[kind], `${held.id}: a return is known before it happened (I4)`)
    assert(held.granted[kind] <= granted.granted[kind], `${held.id}: a grant is known before it happened (I4)`)
  }
}
