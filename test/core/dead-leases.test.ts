// What stays held of a lease whose holder died: never less than what the holder may have spent. Chance alone hardly ever tells
// these stories, so they are told one by one, with the real machines and with one that has the fault they are about.
import { describe, expect, test } from 'vitest'
import { type Counts, NOTHING, counted } from '../../src/core/limits/amounts.ts'
import { advance, roomOf } from '../../src/core/limits/gauge.ts'
import type { HeldLease } from '../../src/core/limits/lease.ts'
import {
  type AdmissionRecord,
  type EventChunk,
  LIMITS_VERSION,
  type LimiterCall,
  type LimiterReply,
} from '../../src/core/limits/limits.ts'
import { budget, configOf, node, receiver } from '../support/limiter-receiver.ts'
import { type Fault, mutant } from '../support/mutant.ts'

const START_MS = Date.UTC(2026, 4, 4, 12)
const LIMIT = 1_000_000
const PATH = { tenantId: 't', teamId: null, keyId: 'k', model: null }

/** A holder, its lease and its limiter, step by step. */
class Story {
  readonly #machines: ReturnType<typeof mutant>
  readonly #end: ReturnType<typeof receiver>
  readonly #lease: HeldLease
  #number = 0
  #admissions: AdmissionRecord[] = []
  #chunks: EventChunk[] = []
  #heldBack: LimiterCall[] = []
  /** Money that the holder has reserved: its provider may be paid all of it. */
  reserved = 0

  constructor(faults: readonly Fault[]) {
    this.#machines = mutant(faults)
    const config = configOf([node('tenant', 't', { more: [budget(LIMIT, 'month')] })])
    this.#end = receiver(config, START_MS, 30_000, this.#machines.authority)
    this.#lease = this.#machines.holder.emptyLease('h:1', PATH, START_MS)
  }

  /** Reserves if it can; to be told with the next message. */
  reserve(nanoUsd: number): boolean {
    const amounts = money(nanoUsd)
    if (!this.#machines.holder.reserve(this.#lease, amounts, START_MS)) return false
    this.reserved += nanoUsd
    this.#admissions.push({ id: `of-${nanoUsd}`, leaseId: 'h:1', reserved: amounts, event: '{}' })
    return true
  }

  /** What was reserved with `nanoUsd`, and told, has cost nothing. */
  release(nanoUsd: number): void {
    this.#machines.holder.settle(this.#lease, money(nanoUsd), NOTHING)
    this.reserved -= nanoUsd
    this.#chunks.push({ from: 1, to: 1, events: '[]', settles: [`of-${nanoUsd}`] })
  }

  extend(nanoUsd: number): boolean {
    if (!this.#machines.holder.extend(this.#lease, money(nanoUsd), START_MS)) return false
    this.reserved += nanoUsd
    return true
  }

  /** Sends what there is to tell, asking for `waiting` unless that is null; `meanwhile` happens before the answer comes. */
  exchange(
    waiting: readonly number[] | null,
    { isLost = false, isHeldBack = false, meanwhile = (): void => {} } = {},
  ): void {
    const { holder } = this.#machines
    const wants = waiting === null ? [] : [holder.want(this.#lease, waiting.map(money), START_MS)]
    holder.tell(this.#lease)
    const admissions = this.#admissions
    this.#admissions = []
    this.#number += 1
    const head = { v: LIMITS_VERSION, tenantId: 't', holder: 'h', number: this.#number } as const
    const message = { ...head, reports: [holder.report(this.#lease)], admissions, chunks: this.#chunks, wants }
    // Told again until there is an answer.
    if (isLost || isHeldBack) this.#admissions = [...admissions]
    if (isHeldBack) return void this.#heldBack.push(structuredClone(message))
    const reply: LimiterReply = this.#end.call(structuredClone(message), START_MS)
    meanwhile()
    if (isLost) return
    holder.heard(this.#lease, START_MS, reply.ttlMs)
    for (const grant of reply.grants) holder.accept(this.#lease, grant, START_MS)
  }

  /** What was held back arrives after all that was sent since. */
  arriveLate(): void {
    for (const message of this.#heldBack) this.#end.call(message, START_MS)
  }

  /** The limiter takes the lease for dead, and has reconciled it if that is so; its holder goes on. */
  writeOff(isReconciled: boolean): void {
    this.#end.expire(START_MS + 30_000)
    if (isReconciled) this.#end.expire(START_MS + 60_000)
  }

  /** What is held for the holder long after its death. */
  heldAfterDeath(): number {
    this.#end.expire(START_MS + 30_000)
    this.#end.expire(START_MS + 60_000)
    return this.#end.standing('tenant:t').heldNanoUsd
  }
}

function money(nanoUsd: number): Counts {
  return counted({ ...NOTHING, requests: 1, nanoUsd })
}

type Teller = (story: Story) => void

const STORIES: readonly (readonly [string, Teller, Fault])[] = [
  [
    'it lowers what it may reserve unheard of, and the answer to that never reaches it',
    (story) => {
      story.exchange([1_000, 10_000])
      story.reserve(1_000)
      story.exchange(null, { isLost: true })
      all(() => story.reserve(100))
    },
    {
      file: 'lease.ts',
      from: 'Math.min(blindNanoUsd, blindThenNanoUsd + tellingNanoUsd)',
      to: 'blindNanoUsd',
    },
  ],
  [
    'it says twice that it lowers that, and nobody answers',
    (story) => {
      story.exchange([1_000, 2_000])
      story.reserve(1_000)
      story.exchange(null, { isLost: true })
      story.reserve(600)
      story.exchange(null, { isHeldBack: true })
      all(() => story.reserve(100))
    },
    {
      file: 'lease.ts',
      from: 'Math.min(lease.blindNanoUsd, lease.blindThenNanoUsd)\n',
      to: 'lease.blindNanoUsd\n',
    },
  ],
  [
    'a message that was overtaken says what it needed before',
    (story) => {
      story.exchange([1_000])
      story.reserve(1_000)
      story.exchange(null, { isHeldBack: true })
      story.exchange([5_000])
      story.arriveLate()
      story.reserve(5_000)
    },
    {
      file: 'exchange.ts',
      from: '    takeReport(authority, report, time)',
      to: '    takeReport(authority, report, time); noteBlind(authority, report)',
    },
  ],
  [
    'a grant that lowers what it may reserve unheard of never reaches it',
    (story) => {
      story.exchange([100])
      story.exchange([1_000])
      story.exchange([], { isLost: true })
      all(() => story.reserve(100))
    },
    {
      file: 'grant.ts',
      from: 'lease.blindNanoUsd = Math.max(lease.blindNanoUsd, blindNanoUsd)',
      to: 'lease.blindNanoUsd = want.unheardNanoUsd',
    },
  ],
  [
    'it extends what it had reserved while it is granted nothing ahead',
    (story) => {
      story.exchange([100])
      story.reserve(100)
      story.exchange(null)
      story.exchange([], { meanwhile: () => all(() => story.extend(100)) })
      story.exchange(null)
    },
    {
      file: 'lease.ts',
      from: 'blindNanoUsd: Math.max(lease.blindThenNanoUsd, lease.untoldNanoUsd)',
      to: 'blindNanoUsd: 0',
    },
  ],
  [
    'it extends twice, and one that it had reserved much for cost nothing',
    (story) => {
      story.exchange([1_000])
      story.reserve(1_000)
      story.exchange([])
      story.release(1_000)
      story.exchange(null)
      all(() => story.extend(100))
      story.exchange(null)
      all(() => story.extend(100))
    },
    { file: 'lease.ts', from: 'return lease.unheardNanoUsd - lease.untoldNanoUsd', to: 'return lease.unheardNanoUsd' },
  ],
]

/** Again and again, as long as it can be. */
function all(step: () => boolean): void {
  for (let steps = 0; step(); steps++) if (steps > LIMIT) throw new Error('without end')
}

describe('of a lease whose holder dies, what it may have spent stays held when', () => {
  test.each(STORIES)('%s', (_, tell, fault) => {
    const story = new Story([])
    tell(story)
    expect(story.reserved).toBeGreaterThan(100)
    expect(story.heldAfterDeath()).toBeGreaterThanOrEqual(story.reserved)
    const faulty = new Story([fault])
    tell(faulty)
    expect(faulty.heldAfterDeath(), 'the fault shows').toBeLessThan(faulty.reserved)
  })
})

describe('of a lease that was written off, nothing stays held for an attempt whose end was told after all', () => {
  test.each([false, true])('though its holder dies with another (reconciled before: %s)', (isReconciled) => {
    const heldAfter = (isTold: boolean): number => {
      const story = new Story([])
      story.exchange([2_000, 3_000])
      for (const nanoUsd of [2_000, 3_000]) expect(story.reserve(nanoUsd)).toBe(true)
      story.exchange(null)
      story.writeOff(isReconciled)
      if (isTold) {
        story.release(2_000)
        story.exchange(null)
      }
      return story.heldAfterDeath()
    }
    expect(heldAfter(true)).toBeGreaterThanOrEqual(3_000)
    expect(heldAfter(false) - heldAfter(true)).toBe(2_000)
  })
})

describe('of a lease that has expired, a bucket forgets what it held, and', () => {
  /** What a bucket of 600 tokens a minute has at the time of a report on a lease of 100 that expired a second before. */
  function levelAfter(settled: number, reserved: number): number | undefined {
    const limits = { tokensPerMinute: 600, budget: { amountNanoUsd: LIMIT, period: 'month' as const } }
    const end = receiver(configOf([node('tenant', 't', limits)]), START_MS, 30_000)
    const weight = (tokens: number): Counts => counted({ ...NOTHING, inputTokens: tokens, nanoUsd: tokens })
    const head = { v: LIMITS_VERSION, tenantId: 't', holder: 'h', admissions: [], chunks: [] } as const
    const need = weight(100)
    const blind = { unheardNanoUsd: 0, blindNanoUsd: 0 }
    const want = { leaseId: 'h:1', isNew: true, path: PATH, need, target: need, first: need, ...blind }
    end.call({ ...head, number: 1, reports: [], wants: [want] }, START_MS)
    const told = { settled: weight(settled), returned: NOTHING, reserved: weight(reserved) }
    const report = { leaseId: 'h:1', keyId: 'k', isDone: false, ...told }
    end.expire(START_MS + 30_000)
    for (const number of [2, 3]) end.call({ ...head, number, reports: [report], wants: [] }, START_MS + 31_000)
    const bucket = end.authority.gauges.get('tenant:t#tokens')
    if (bucket === undefined) return undefined
    advance(bucket, 'UTC', START_MS + 31_000)
    return roomOf(bucket, START_MS + 31_000)
  }

  // Since then 10 were refilled.
  test.each([
    ['is told of no more than that: nothing is owed', 60, 40, 510],
    ['an attempt has used more than that: the rest is owed', 170, 0, 440],
    ['an attempt has used what another runs on: that is owed', 100, 40, 470],
    ['both', 150, 40, 420],
  ])('%s', (_, settled, reserved, level) => {
    expect(levelAfter(settled, reserved)).toBe(level)
  })
})
