// Targets with several credentials: which of them pays for the next call. The one that was throttled least comes first, and
// among equals the one that was used least. What a provider says of a credential is no fault of the target: one that is
// throttled rests, one that is refused is left out, and the next is tried at once. Credentials are names here, never secrets.
import type { Target } from '../core/directory.ts'
import { isFormer } from '../core/held-credential.ts'
import { HealthBoard } from '../core/health/health-news.ts'
import type { CredentialPools, Log } from '../ports.ts'

interface Member {
  readonly name: string
  calls: number
  /** Refusals of late, fading. */
  throttles: number
  throttledAtMs: number
  /** By model: a provider limits each of them apart. */
  readonly restsUntilMs: Map<string, number>
  disabledUntilMs: number
  disabledTimes: number
  /** Until when it was said to be out of use, here or elsewhere: what is heard again says nothing new. */
  saidUntilMs: number
}

interface Pool {
  readonly names: string
  /** What others have found out is heard up to here. */
  heard: number
  readonly members: readonly Member[]
}

/** After a 429 that names no delay. */
const REST_MS = 1_000
const REST_MS_MAX = 60_000
/** A throttle counts half after this. */
const FADING_MS = 30_000
/** A refused credential is tried again after this, doubling. */
const DISABLED_MS = 60_000
const DISABLED_MS_MAX = 3_600_000
/** A shorter rest is over before others hear of it. */
const TOLD_REST_MS = 2_000
const POOLS_MAX = 1_000
const MODELS_MAX = 100

/** The credentials of this isolate's targets, as far as it has heard, also from others. */
export function credentialPools(nowMs: () => number, log: Log, board = new HealthBoard(0)): CredentialPools {
  const pools = new Pools(nowMs, board)
  const membersOf = (target: Target): readonly Member[] => pools.membersOf(target)

  return {
    choose(target, tried) {
      const atMs = nowMs()
      const left = membersOf(target).filter(({ name }) => !tried.includes(name))
      const ready = left.filter((member) => isReady(member, target.model, atMs))
      // Once a credential was tried for this request, those that are refused aren't.
      const fallback = tried.length > 0 ? null : leastRefused(left, target.model, atMs)
      const best = ready.length === 0 ? fallback : leastThrottled(presentOf(ready), atMs)
      if (best === null) return tried.length > 0 ? null : { retryAfterMs: restMs(left, target.model, atMs) }
      best.calls += 1
      return variantOf(target, best.name)
    },
    throttled(target, retryAfterMs) {
      const member = find(membersOf(target), target.credential)
      if (member === undefined) return
      const atMs = nowMs()
      const forMs = Math.min(retryAfterMs ?? REST_MS, REST_MS_MAX)
      rest(member, target.model, atMs + forMs)
      if (forMs >= TOLD_REST_MS) pools.tell(target, member.name, target.model, atMs + forMs)
      member.throttles = fading(member, atMs) + 1
      member.throttledAtMs = atMs
      log.warn('credential-throttled', { target: target.id, credential: member.name, forMs })
    },
    refused(target) {
      const member = find(membersOf(target), target.credential)
      const atMs = nowMs()
      if (member === undefined || atMs < member.disabledUntilMs) return
      const forMs = Math.min(DISABLED_MS * 2 ** member.disabledTimes, DISABLED_MS_MAX)
      member.disabledTimes += 1
      member.disabledUntilMs = atMs + forMs
      member.saidUntilMs = Math.max(member.saidUntilMs, member.disabledUntilMs)
      pools.tell(target, member.name, null, atMs + forMs)
      log.warn('credential-disabled', { target: target.id, credential: member.name, forMs })
    },
    served(target) {
      const member = find(membersOf(target), target.credential)
      if (member === undefined) return
      member.disabledTimes = 0
      member.disabledUntilMs = 0
    },
    standing(target) {
      const atMs = nowMs()
      return membersOf(target).map((member) => {
        const isRefused = atMs < member.disabledUntilMs
        const untilMs = isRefused ? member.disabledUntilMs : (member.restsUntilMs.get(target.model) ?? 0)
        const state = isRefused ? 'disabled' : atMs < untilMs ? 'resting' : 'ready'
        return {
          credential: member.name,
          state,
          retryAfterMs: atMs < untilMs ? untilMs - atMs : null,
          calls: member.calls,
        }
      })
    },
  }
}

/** The credentials of each target, with what others have found out about them. */
class Pools {
  readonly #pools = new Map<string, Pool>()
  readonly #nowMs: () => number
  readonly #board: HealthBoard

  constructor(nowMs: () => number, board: HealthBoard) {
    this.#nowMs = nowMs
    this.#board = board
  }

  membersOf(target: Target): readonly Member[] {
    const names = (target.credentials ?? []).join('\n')
    const known = this.#pools.get(target.id)
    const pool = known?.names === names ? known : { names, heard: 0, members: (target.credentials ?? []).map(memberOf) }
    if (pool !== known) {
      if (this.#pools.size >= POOLS_MAX) this.#pools.clear()
      this.#pools.set(target.id, pool)
    }
    if (pool.heard < this.#board.serial) this.#hear(target.id, pool)
    return pool.members
  }

  /** Others are to hear of it. `model`: it is out of use for that one; null for all. */
  tell({ id: targetId }: Target, credential: string, model: string | null, untilMs: number): void {
    const finding = { kind: 'credential', targetId, credential, model } as const
    this.#board.take([{ finding, region: null, epoch: untilMs, untilMs }], this.#nowMs())
  }

  #hear(targetId: string, pool: Pool): void {
    pool.heard = this.#board.serial
    for (const { finding, untilMs } of this.#board.about(targetId, this.#nowMs())) {
      const member = finding.kind === 'credential' ? find(pool.members, finding.credential) : undefined
      if (finding.kind !== 'credential' || member === undefined) continue
      const { model } = finding
      if (model === null) hearDisabled(member, untilMs)
      else rest(member, model, Math.max(member.restsUntilMs.get(model) ?? 0, untilMs))
    }
  }
}

function memberOf(name: string): Member {
  return {
    name,
    calls: 0,
    throttles: 0,
    throttledAtMs: 0,
    restsUntilMs: new Map(),
    disabledUntilMs: 0,
    disabledTimes: 0,
    saidUntilMs: 0,
  }
}

function find(members: readonly Member[], name: string | null): Member | undefined {
  return members.find((member) => member.name === name)
}

function isReady(member: Member, model: string, atMs: number): boolean {
  return atMs >= member.disabledUntilMs && !isResting(member, model, atMs)
}

function isResting({ restsUntilMs }: Member, model: string, atMs: number): boolean {
  return restsUntilMs.size > 0 && atMs < (restsUntilMs.get(model) ?? 0)
}

function hearDisabled(member: Member, untilMs: number): void {
  if (untilMs <= member.saidUntilMs) return
  member.saidUntilMs = untilMs
  member.disabledUntilMs = untilMs
}

function rest(member: Member, model: string, untilMs: number): void {
  if (member.restsUntilMs.size >= MODELS_MAX) member.restsUntilMs.clear()
  member.restsUntilMs.set(model, untilMs)
}

function fading({ throttles, throttledAtMs }: Member, atMs: number): number {
  return throttles === 0 ? 0 : throttles * 2 ** (-Math.max(0, atMs - throttledAtMs) / FADING_MS)
}

/** Those that count; where there is none, what they were before they were replaced. */
function presentOf(members: readonly Member[]): readonly Member[] {
  const present = members.filter(({ name }) => !isFormer(name))
  return present.length === 0 ? members : present
}

/** Throttles that are about as many count as equal: they fade all the time. */
function leastThrottled(members: readonly Member[], atMs: number): Member | null {
  let best: Member | null = null
  for (const member of members) {
    if (best === null) {
      best = member
      continue
    }
    const [own, others] = [Math.round(fading(member, atMs)), Math.round(fading(best, atMs))]
    if (own < others || (own === others && member.calls < best.calls)) best = member
  }
  return best
}

/** Where all are refused, the one that is tried again soonest is asked: its refusal is the truth to be told. */
function leastRefused(members: readonly Member[], model: string, atMs: number): Member | null {
  const awake = members.filter((member) => !isResting(member, model, atMs))
  return awake.toSorted((a, b) => a.disabledUntilMs - b.disabledUntilMs)[0] ?? null
}

function restMs(members: readonly Member[], model: string, atMs: number): number {
  return Math.min(...members.map(({ restsUntilMs }) => Math.max(0, (restsUntilMs.get(model) ?? 0) - atMs)))
}

const variants = new WeakMap<Target, Map<string, Target>>()

/** The target with this credential: the same object every time, since others remember things by it. */
function variantOf(target: Target, credential: string): Target {
  const ofTarget = variants.get(target) ?? new Map<string, Target>()
  variants.set(target, ofTarget)
  const known = ofTarget.get(credential)
  if (known !== undefined) return known
  const variant = { ...target, credential }
  ofTarget.set(credential, variant)
  return variant
}
