// Holds the books against the ledger, attempt by attempt, and the limiter against both. What differs has to have a reason that can
// be told from the outside; whatever hasn't is a problem.
import type { Asked } from './clients.ts'
import { type Booked, bookedOf, groups } from './booked.ts'
import { type Evidence, type LimiterBooks, type ProviderCall, isAtRest } from './evidence.ts'
import { HARDWARE_NANO_USD_PER_MS, TARGETS, type TenantName, priceOf } from './features.ts'
import { type HeardCall, whyNotMissing } from './law.ts'
import { sum } from './objects.ts'
import { type Dead, type SideLine, sideLines } from './side-reckoning.ts'

/** Attempts of one kind on both sides. */
export interface Pile {
  attempts: number
  booksNanoUsd: number
  ledgerNanoUsd: number
}

/** Why books and ledger say the same of an attempt, or don't. */
export const PILES = {
  reported: 'usage told by the provider',
  seen: 'usage not told: what was seen',
  timed: 'own hardware, by its time',
  shared: 'calls made together: the sum of their shares',
  stopped: 'ended early: what was still under way is not seen',
  lost: 'died with its gateway: at its reservation',
  unheard: 'died before the limiter heard of it: held, not booked',
} as const

export type PileName = keyof typeof PILES

export interface LimiterLine {
  readonly tenant: TenantName
  readonly spentNanoUsd: number
  /** The ledger, without what was lost. */
  readonly ledgerNanoUsd: number
  readonly heldNanoUsd: number
  /** Of that, for attempts that the limiter knew of; the ledger's charges for them. */
  readonly knownNanoUsd: number
  readonly lostNanoUsd: number
  /** What providers bill for attempts it never heard of. */
  readonly unheardNanoUsd: number
  readonly holds: number
}

export interface Reckoning {
  readonly piles: Readonly<Record<PileName, Pile>>
  readonly limiters: readonly LimiterLine[]
  readonly booked: readonly Booked[]
  readonly corrected: number
  readonly sides: readonly SideLine[]
  /** Ids or references, each with what is wrong with it. Empty where all is well. */
  readonly problems: readonly string[]
  /** Of what died with a gateway, that which the limiter should have heard of before. Empty where all is well. */
  readonly untold: readonly string[]
}

/** Of our own making: the provider may have gone on for a moment. Or it broke off, with its last word under way. */
const STOPPED = /^(?:client-left|cut-by-limit|overtaken|provider-cut)$/
/** What a provider may say for that long, in tokens of ten milliseconds. */
const UNSEEN_TOKENS_MAX = 300

export function reckon(evidence: Evidence): Reckoning {
  const reckoner = new Reckoner(evidence)
  reckoner.compareAttempts()
  reckoner.compareLimiters()
  reckoner.compareSides()
  reckoner.compareSums()
  return reckoner.result
}

class Reckoner {
  readonly #evidence: Evidence
  readonly #booked: readonly Booked[]
  readonly #askedBy: ReadonlyMap<string, readonly Asked[]>
  readonly #piles: Record<PileName, Pile> = {
    reported: newPile(),
    seen: newPile(),
    timed: newPile(),
    shared: newPile(),
    stopped: newPile(),
    lost: newPile(),
    unheard: newPile(),
  }
  readonly #unheard = new Map<TenantName, number>()
  readonly #dead: Dead[] = []
  readonly #untold: string[] = []
  #sides: readonly SideLine[] = []
  readonly #problems: string[] = []
  #lines: readonly LimiterLine[] = []

  constructor(evidence: Evidence) {
    this.#evidence = evidence
    this.#booked = bookedOf(evidence)
    this.#askedBy = groups(evidence.asked, ({ reference }) => reference)
  }

  get result(): Reckoning {
    return {
      piles: this.#piles,
      limiters: this.#lines,
      booked: this.#booked,
      corrected: this.#booked.filter(({ isCorrected }) => isCorrected).length,
      sides: this.#sides,
      problems: this.#problems,
      untold: this.#untold,
    }
  }

  compareAttempts(): void {
    const named = this.#evidence.calls.filter(({ reference }) => reference !== null)
    const calls = groups(named.filter(isAlone), ({ reference, model }) => `${reference} ${model}`)
    const called = this.#booked.filter(({ id }) => !id.endsWith('#0'))
    const booked = groups(called.filter(isAlone), ({ reference, model }) => `${reference} ${model}`)
    for (const call of named) if (!isAlone(call)) this.#compareTogether(call)
    for (const name of new Set([...calls.keys(), ...booked.keys()])) {
      this.#compareGroup(calls.get(name) ?? [], booked.get(name) ?? [])
    }
    const ids = new Set(this.#booked.map(({ id }) => id))
    for (const [id, { isAnnounced, isReported }] of this.#evidence.told) {
      if ((isAnnounced || isReported) && !ids.has(id)) this.#problem(id, 'the limiter had it, the ledger has not')
    }
  }

  /** Calls and attempts of one reference to one model: those that cost the same are each other's. */
  #compareGroup(calls: readonly ProviderCall[], booked: readonly Booked[]): void {
    const left = [...booked]
    const unequal: ProviderCall[] = []
    for (const call of calls) {
      const at = left.findIndex((one) => isEqual(call, one))
      const [equal] = at === -1 ? [] : left.splice(at, 1)
      if (equal === undefined) unequal.push(call)
      else this.#pile(equal.isEstimated ? 'seen' : 'reported', billedNanoUsd(call, equal.tenant), equal.nanoUsd)
    }
    for (const call of unequal) {
      const one = left.shift()
      if (one === undefined) this.#missing(call)
      else this.#differs(call, one)
    }
    for (const one of left) this.#unasked(one)
  }

  /** A call that requests made together: their shares are all of it. */
  #compareTogether(call: ProviderCall): void {
    const shares = this.#booked.filter(
      ({ model, reference }) => model === call.model && call.references.includes(reference),
    )
    const missing = call.references.filter((reference) => !shares.some((one) => one.reference === reference))
    const billed = billedNanoUsd(call, shares[0]?.tenant ?? 'wide')
    const booked = sum(shares.map(({ nanoUsd }) => nanoUsd))
    const lost = shares.filter(({ ending }) => ending === 'lost')
    const stopped = shares.filter(({ ending }) => STOPPED.test(ending))
    for (const one of lost) this.#lost(one, 0, call)
    const left = booked - sum(lost.map(({ nanoUsd }) => nanoUsd))
    for (const [at, reference] of missing.entries()) {
      this.#missing({ ...call, reference }, at === 0 && lost.length === 0 ? billed - left : 0)
    }
    const isWhole = missing.length + lost.length + stopped.length === 0
    if (left > billed || (isWhole && left !== billed)) {
      this.#problem(shares[0]?.id ?? '', `${shares.length} shares of ${billed} come to ${left}`)
    }
    if (isWhole) this.#pile('shared', billed, left)
  }

  #differs(call: ProviderCall, one: Booked): void {
    const billed = billedNanoUsd(call, one.tenant)
    if (one.ending === 'lost') return this.#lost(one, billed, call)
    if (one.model === TARGETS.hardware.model) return this.#timed(one)
    const unseenMax = (priceOf(one.tenant, one.model).output * UNSEEN_TOKENS_MAX) / 1_000
    const isStopped = STOPPED.test(one.ending) && one.nanoUsd <= billed && billed - one.nanoUsd <= unseenMax
    if (isStopped) return this.#pile('stopped', billed, one.nanoUsd)
    this.#problem(one.id, `${one.ending}: billed ${billed}, booked ${one.nanoUsd} (${JSON.stringify(call)})`)
  }

  #timed(one: Booked): void {
    const { busyMilliseconds = 0 }: { readonly busyMilliseconds?: number } = JSON.parse(one.units ?? '{}')
    const due = busyMilliseconds * HARDWARE_NANO_USD_PER_MS
    if (due !== one.nanoUsd || due === 0) this.#problem(one.id, `${due} for its time, booked ${one.nanoUsd}`)
    this.#pile('timed', due, one.nanoUsd)
  }

  /** A charge that no provider's book explains. */
  #unasked(one: Booked): void {
    if (one.ending === 'lost') this.#lost(one, 0, null)
    else if (one.nanoUsd !== 0) this.#problem(one.id, `${one.ending}: booked ${one.nanoUsd}, and nobody was called`)
  }

  #lost(one: Booked, billed: number, call: ProviderCall | null): void {
    this.#pile('lost', billed, one.nanoUsd)
    this.#dead.push({ model: one.model, endUser: one.endUser, nanoUsd: billed })
    this.#judge(one.reference, call, one.id)
    const told = this.#evidence.told.get(one.id)
    if (told === undefined || told.reservedNanoUsd !== one.nanoUsd) {
      this.#problem(one.id, `lost at ${one.nanoUsd}, reserved were ${told?.reservedNanoUsd}`)
    }
    if (told !== undefined && !this.#evidence.killed.has(told.serial)) this.#problem(one.id, 'lost, but nobody died')
  }

  /** A call that the ledger has nothing of. It may be unheard of only where its gateway was killed. */
  #missing(call: ProviderCall, share: number | null = null): void {
    const asked = this.#askedBy.get(call.reference ?? '') ?? []
    const victim = asked.find(({ serial }) => this.#evidence.killed.has(serial))
    const billed = share ?? billedNanoUsd(call, asked[0]?.tenant ?? 'wide')
    if (victim === undefined) return this.#problem(call.reference ?? '', `not in the ledger: ${JSON.stringify(call)}`)
    this.#pile('unheard', billed, 0)
    this.#dead.push({ model: call.model, endUser: victim.endUser, nanoUsd: billed })
    this.#judge(call.reference ?? '', call, call.reference ?? '')
    // A mirror's money is not the tenant's.
    if (call.model === TARGETS.mirror.model) return
    this.#unheard.set(victim.tenant, (this.#unheard.get(victim.tenant) ?? 0) + billed)
  }

  /** Whether what died with a gateway was under way when that was killed, or couldn't be told of before. */
  #judge(reference: string, call: ProviderCall | null, name: string): void {
    const reasons: string[] = []
    for (const asked of this.#askedBy.get(reference) ?? []) {
      const killedAtMs = this.#evidence.killed.get(asked.serial)
      if (killedAtMs === undefined) continue
      const why = whyNotMissing({ endedByMs: this.#endedByMs(asked, call), killedAtMs }, this.#callsFor(asked))
      if (why === null) return
      reasons.push(why)
    }
    this.#untold.push(`${name}: ${reasons[0] ?? 'nobody was killed who was asked for it'}`)
  }

  /** When an attempt was over, and its gateway knew. */
  #endedByMs(asked: Asked, call: ProviderCall | null): number {
    const isShared = (this.#askedBy.get(asked.reference)?.length ?? 0) > 1
    if (call === null) return asked.endedAtMs
    const overMs = call.endedAtMs ?? Infinity
    // The next attempt begins when the one before is settled.
    const next = this.#evidence.calls.find(
      ({ reference, model, startedAtMs }) =>
        reference === asked.reference && model !== TARGETS.mirror.model && startedAtMs > overMs,
    )
    const isFollowed = !isShared && isAlone(call) && call.model !== TARGETS.mirror.model && next !== undefined
    return isFollowed ? next.startedAtMs : Math.max(overMs, asked.endedAtMs)
  }

  #callsFor({ serial, tenant }: Asked): readonly (readonly HeardCall[])[] {
    const { holders, tenantOf } = this.#evidence
    return [...holders.values()]
      .filter((holder) => holder.serial === serial && tenantOf.get(holder.name) === tenant)
      .map(({ calls }) => calls)
  }

  compareLimiters(): void {
    this.#lines = this.#evidence.limiters
      .filter(({ tenant }) => tenant !== 'admitted')
      .map((books) => this.#lineOf(books))
    for (const books of this.#evidence.limiters) {
      if (!isAtRest(books))
        this.#problem(
          books.tenant,
          `is not at rest: ${books.outbox} rows in its outbox, ${JSON.stringify(books.holds).slice(0, 400)}`,
        )
      for (const { holder } of books.holds) {
        const serial = this.#evidence.holders.get(holder)?.serial ?? -1
        if (!this.#evidence.killed.has(serial)) this.#problem(books.tenant, `holds for ${serial}, which lives`)
      }
    }
    for (const line of this.#lines) {
      const { tenant, spentNanoUsd, ledgerNanoUsd, heldNanoUsd, knownNanoUsd, lostNanoUsd, unheardNanoUsd } = line
      if (spentNanoUsd !== ledgerNanoUsd) {
        this.#problem(tenant, `the limiter has spent ${spentNanoUsd}, the ledger ${ledgerNanoUsd}`)
      }
      if (knownNanoUsd !== lostNanoUsd) this.#problem(tenant, `known ${knownNanoUsd}, booked as lost ${lostNanoUsd}`)
      if (heldNanoUsd < knownNanoUsd + unheardNanoUsd)
        this.#problem(tenant, `holds too little: ${JSON.stringify(line)}`)
    }
  }

  #lineOf({ tenant, spentNanoUsd, heldNanoUsd, holds }: LimiterBooks): LimiterLine {
    const own = this.#booked.filter((one) => one.tenant === tenant && !one.isShadow)
    const costOf = (isLost: boolean): number =>
      sum(own.filter(({ ending }) => (ending === 'lost') === isLost).map(({ nanoUsd }) => nanoUsd))
    return {
      tenant,
      spentNanoUsd,
      ledgerNanoUsd: costOf(false),
      heldNanoUsd,
      knownNanoUsd: sum(holds.map(({ knownNanoUsd }) => knownNanoUsd)),
      lostNanoUsd: costOf(true),
      unheardNanoUsd: this.#unheard.get(tenant) ?? 0,
      holds: holds.length,
    }
  }

  compareSides(): void {
    this.#sides = sideLines(this.#evidence, this.#booked, this.#dead)
    for (const { problems } of this.#sides) this.#problems.push(...problems)
  }

  compareSums(): void {
    const { rows, summedNanoUsd, deadLetters } = this.#evidence
    const nanoUsd = sum(rows.map(({ cost }) => cost))
    if (nanoUsd !== summedNanoUsd) this.#problem('hours', `come to ${summedNanoUsd}, the events to ${nanoUsd}`)
    if (deadLetters > 0) this.#problem('dead letters', String(deadLetters))
  }

  #pile(name: PileName, booksNanoUsd: number, ledgerNanoUsd: number): void {
    const pile = this.#piles[name]
    pile.attempts += 1
    pile.booksNanoUsd += booksNanoUsd
    pile.ledgerNanoUsd += ledgerNanoUsd
  }

  #problem(what: string, why: string): void {
    this.#problems.push(`${what}: ${why}`)
  }
}

/** Not shared with other requests. */
function isAlone({ model }: { readonly model: string }): boolean {
  return model !== TARGETS.together.model
}

function newPile(): Pile {
  return { attempts: 0, booksNanoUsd: 0, ledgerNanoUsd: 0 }
}

function isEqual(call: ProviderCall, one: Booked): boolean {
  return one.ending !== 'lost' && billedNanoUsd(call, one.tenant) === one.nanoUsd
}

/** What the provider asks for a call, by our catalogue: nothing for one that failed before its first token. */
function billedNanoUsd({ model, tokensIn, tokensOut, ending }: ProviderCall, tenant: TenantName): number {
  if (ending === 'errors' && tokensOut === 0) return 0
  const { input, output } = priceOf(tenant, model)
  return Math.ceil((tokensIn * input + tokensOut * output) / 1_000)
}
