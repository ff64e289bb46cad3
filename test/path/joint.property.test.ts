// Admission by several authorities: from all or from none, whoever answers when and how; everything taken is given back once.
// First with authorities that do what a schedule says, then with real ones, leases and all.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Amounts, type Limit, NOTHING, type LimiterPath } from '../../src/core/limits/limits.ts'
import type { UsageEvent } from '../../src/core/money/usage-event.ts'
import { besideLimits } from '../../src/platform/beside.ts'
import { type Answer, admitJointly } from '../../src/platform/joint.ts'
import { type HeldReservation, LeaseHolder } from '../../src/platform/lease-holder.ts'
import { type Beside, type Refusal, type Reservation, isAdmitted } from '../../src/ports.ts'
import { chance } from '../support/chance.ts'
import { budget, configOf, node, rate, receiver, slots } from '../support/limiter-receiver.ts'
import { sideConfig, sideReceiver } from '../support/side-receiver.ts'
import { usageEvent } from '../support/usage-events.ts'
import { settled, virtualClock } from '../support/virtual-clock.ts'

const ASKED: Amounts = { requests: 1, inputTokens: 10, outputTokens: 20, slots: 1, nanoUsd: 500 }
const MORE: Amounts = { requests: 0, inputTokens: 0, outputTokens: 20, slots: 0, nanoUsd: 100 }
const EVENT = usageEvent('r')
const REFUSED: Refusal = { kind: 'slots', scope: 'user', model: null, left: 0, most: 1, retryAfterMs: 1_000 }
const later = (): void => {}

type Word = 'yes' | 'no' | 'fails'
interface Manner {
  readonly admits: Word
  readonly extends: Word
  readonly isLate: boolean
  /** How many turns an answer takes. */
  readonly turns: number
}
const manner: fc.Arbitrary<Manner> = fc.record({
  admits: fc.constantFrom<Word[]>('yes', 'yes', 'yes', 'no', 'fails'),
  extends: fc.constantFrom<Word[]>('yes', 'yes', 'no', 'fails'),
  isLate: fc.boolean(),
  turns: fc.nat(3),
})

/** An authority that keeps book of one attempt. */
function authority({ admits, extends: grows, isLate, turns }: Manner) {
  const book = { asked: 0, heldNanoUsd: 0, settled: [] as { actual: Amounts; event: UsageEvent }[], kept: 0 }
  async function afterTurns<T>(answer: () => T): Promise<T> {
    for (let turn = 0; turn < turns; turn++) await Promise.resolve()
    return answer()
  }
  const said = (word: Word): boolean => {
    if (word === 'fails') throw new Error('out of order')
    return word === 'yes'
  }
  const extend = (): boolean => {
    if (!said(grows)) return false
    book.heldNanoUsd += MORE.nanoUsd
    return true
  }
  const reservation: HeldReservation = {
    get amounts() {
      return { ...ASKED, nanoUsd: book.heldNanoUsd }
    },
    limitsMoney: true,
    limitsTokens: turns === 2,
    settle: (actual, event) => {
      book.settled.push({ actual, event })
      book.heldNanoUsd = 0
    },
    extend: () => (isLate || grows === 'fails' ? afterTurns(extend) : extend()),
    retract: (more) => void (book.heldNanoUsd -= more.nanoUsd),
    keepAliveMs: 1_000 + turns,
    keepAlive: () => void (book.kept += 1),
    hasLostSlot: () => turns === 3,
    isRevoked: () => false,
  }
  const answer = (): HeldReservation | Refusal => {
    if (!said(admits)) return REFUSED
    book.heldNanoUsd = ASKED.nanoUsd
    return reservation
  }
  return {
    book,
    ask(): Answer<HeldReservation> {
      book.asked += 1
      return admits === 'yes' && !isLate ? givenAtOnce() : afterTurns(answer)
    },
  }

  function givenAtOnce(): HeldReservation {
    book.heldNanoUsd = ASKED.nanoUsd
    return reservation
  }
}

describe('admission by several', () => {
  test('takes from all or from none, and gives back once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(manner, { maxLength: 3 }), manner, async (others, own) => {
        const beside = others.map(authority)
        const tenant = authority(own)
        const given: Reservation[] = []
        const giveBack = (granted: Reservation): void => {
          given.push(granted)
          granted.settle(NOTHING, EVENT, later)
        }
        const answer = admitJointly(
          beside.map(({ ask }) => ask),
          tenant.ask,
          giveBack,
        )
        const areAllAtHand = [...others, own].every(({ admits, isLate }) => admits === 'yes' && !isLate)
        expect(answer instanceof Promise).toBe(!areAllAtHand)
        const result = await answer
        const all = [...beside, tenant]
        expect(isAdmitted(result)).toBe([...others, own].every(({ admits }) => admits === 'yes'))
        // Who was asked was asked once; the tenant only where nobody else said no.
        for (const { book } of beside) expect(book.asked).toBe(1)
        expect(tenant.book.asked).toBe(others.every(({ admits }) => admits === 'yes') ? 1 : 0)
        if (!isAdmitted(result)) {
          for (const { book } of all) expect(book.heldNanoUsd).toBe(0)
          expect(given.length).toBe(beside.filter(({ book }) => book.settled.length === 1).length)
          expect(tenant.book.settled).toEqual([])
          return
        }
        for (const { book } of all) expect(book.heldNanoUsd).toBe(ASKED.nanoUsd)
        result.keepAlive(later)
        expect(all.map(({ book }) => book.kept)).toEqual(all.map(() => 1))
        expect(result.limitsTokens).toBe([...others, own].some(({ turns }) => turns === 2))
        expect(result.hasLostSlot()).toBe([...others, own].some(({ turns }) => turns === 3))
        result.settle(ASKED, EVENT, later)
        for (const { book } of all) expect(book.settled).toEqual([{ actual: ASKED, event: EVENT }])
      }),
      { numRuns: 3_000 },
    )
  })

  test('extends all or none', async () => {
    const admitting = manner.map((each): Manner => ({ ...each, admits: 'yes' }))
    await fc.assert(
      fc.asyncProperty(fc.array(admitting, { minLength: 1, maxLength: 3 }), admitting, async (others, own) => {
        const all = [...others, own].map(authority)
        const tenant = all.at(-1)
        if (tenant === undefined) return
        const result = await admitJointly(
          all.slice(0, -1).map(({ ask }) => ask),
          tenant.ask,
          () => {},
        )
        if (!isAdmitted(result)) throw new Error('refused')
        const isExtended = await result.extend(MORE, later)
        expect(isExtended).toBe([...others, own].every((each) => each.extends === 'yes'))
        const held = ASKED.nanoUsd + (isExtended ? MORE.nanoUsd : 0)
        for (const { book } of all) expect(book.heldNanoUsd).toBe(held)
        expect(result.amounts.nanoUsd).toBe(held)
      }),
      { numRuns: 2_000 },
    )
  })
})

const PATH: LimiterPath = { tenantId: 't', teamId: null, keyId: 'k', model: 'm' }
const LIMITS: readonly Limit[] = [
  rate('requests', 600, 30),
  rate('tokens', 60_000, 2_000),
  slots(6),
  budget(60_000, 'day'),
]
const USER_LIMITS: readonly Limit[] = [rate('requests', 60, 10), slots(3), budget(20_000, 'day')]
const TARGET_LIMITS: readonly Limit[] = [rate('tokens', 20_000, 1_500), slots(4)]

test('a tenant, its end users and a target, with leases, hold nothing once everything has ended, and charge alike', async () => {
  const refusing = new Set<string>()
  for (let seed = 1; seed <= 12; seed++) for (const scope of await simulated(seed)) refusing.add(scope)
  expect([...refusing].sort()).toEqual(['target', 'tenant', 'user'])
})

/** Random traffic from `seed`, checked at its end. Returns who refused. */
async function simulated(seed: number): Promise<Iterable<string>> {
  const { below, pick } = chance(seed)
  const clock = virtualClock()
  const tenantEnd = receiver(configOf([node('tenant', 't', { more: LIMITS })]), clock.nowMs())
  const users = sideConfig([{ model: null, limits: USER_LIMITS }])
  const target = sideConfig([{ model: null, limits: TARGET_LIMITS }], { scope: 'target' })
  const ends = new Map<string, ReturnType<typeof sideReceiver>>()
  const endOf = (name: string): ReturnType<typeof sideReceiver> => {
    const known = ends.get(name) ?? sideReceiver(name.startsWith('target/') ? target : users, clock.nowMs())
    ends.set(name, known)
    return known
  }
  const failures: unknown[] = []
  const keep = (work: Promise<void>): void => void work.catch((error: unknown) => failures.push(error))
  const { nowMs, sleep } = clock
  let ids = 0
  const newId = (): string => `id${(ids += 1)}`
  const holder = new LeaseHolder('t', 'h', {
    nowMs,
    sleep,
    onRevoked: () => {},
    async send(message) {
      await sleep(3)
      return tenantEnd.call(structuredClone(message), nowMs())
    },
  })
  const limits = besideLimits({
    nowMs,
    sleep,
    newId,
    digest: async (text) => `${text.length % 7}${text.at(-1)}ab`,
    async sendBeside(name, message) {
      await sleep(below(8))
      return endOf(name).call(structuredClone(message), nowMs())
    },
  })
  const open: { readonly reservation: Reservation; readonly id: string }[] = []
  let charged = 0
  let admittedCount = 0
  const refusals = new Map<string, number>()
  for (let step = 0; step < 400; step++) {
    await clock.advance(pick([0, 5, 60, 400, 1_500]))
    if (open.length > 0 && below(2) === 0) {
      const [ended] = open.splice(below(open.length), 1)
      if (ended === undefined) continue
      const more = ended.reservation.extend({ ...MORE, outputTokens: 5, nanoUsd: 20 }, keep)
      await (more instanceof Promise ? clock.until(more) : more)
      const nanoUsd = below(ended.reservation.amounts.nanoUsd + 1)
      charged += nanoUsd
      ended.reservation.settle(
        { ...NOTHING, requests: 1, outputTokens: below(20), nanoUsd },
        usageEvent(ended.id),
        keep,
      )
      continue
    }
    const id = `r${step}`
    const amounts: Amounts = {
      requests: 1,
      inputTokens: below(60),
      outputTokens: below(60),
      slots: 1,
      nanoUsd: below(500),
    }
    const asked = { path: PATH, amounts, template: usageEvent(id), later: keep, leastNanoUsd: undefined }
    const beside = { endUser: pick(['a', 'b', null]), target: pick([{ id: 'x', model: 'm' }, null]) }
    const answer = limits.admit(asked, beside, () => holder.admit(PATH, amounts, asked.template, keep))
    const result = await (answer instanceof Promise ? clock.until(answer) : answer)
    if (isAdmitted(result)) {
      admittedCount += 1
      open.push({ reservation: result, id })
    } else {
      const by = 'scope' in result ? (result.scope ?? '') : result.kind
      refusals.set(by, (refusals.get(by) ?? 0) + 1)
    }
  }
  for (const { reservation, id } of open) reservation.settle(NOTHING, usageEvent(id), keep)
  await clock.advance(30_000)
  await settled()
  expect(failures).toEqual([])
  expect(admittedCount).toBeGreaterThan(50)
  expect(tenantEnd.standing('tenant:t')).toMatchObject({ spentNanoUsd: charged, heldNanoUsd: 0 })
  expect(tenantEnd.runs.length).toBeGreaterThan(0)
  for (const { side, rows, inFlight } of ends.values()) {
    expect(side.authority.leases.size).toBe(0)
    expect(inFlight.size).toBe(0)
    for (const { restsAtMs } of rows.values()) expect(restsAtMs).not.toBeNull()
  }
  const ofUsers = [...ends.values()].flatMap(({ rows }) => [...rows.values()].map(({ state }) => spentIn(state)))
  expect(ofUsers.reduce((a, b) => a + b, 0)).toBeLessThanOrEqual(charged)
  // Nothing of the sides reached the ledger: one event an attempt, all of them the tenant's.
  const events = tenantEnd.runs.flatMap((text): unknown[] => JSON.parse(text))
  expect(events).toHaveLength(admittedCount)
  return refusals.keys()
}

test('an extension that one of them refuses is given back by the others, to the last nano-USD', async () => {
  const clock = virtualClock()
  const { nowMs, sleep } = clock
  const user = sideReceiver(sideConfig([{ model: null, limits: [budget(1_000, 'day')] }]), nowMs())
  const tokens = [{ model: null, limits: [rate('outputTokens', 1, 30)] }]
  const target = sideReceiver(sideConfig(tokens, { scope: 'target' }), nowMs())
  const limits = besideLimits({
    nowMs,
    sleep,
    newId: () => 'h',
    digest: async () => '0123',
    async sendBeside(name, message) {
      await sleep(2)
      return (name.startsWith('target/') ? target : user).call(structuredClone(message), nowMs())
    },
  })
  const tenant = authority({ admits: 'yes', extends: 'yes', isLate: false, turns: 0 })
  const ask = async (beside: Beside) => {
    const asked = { path: PATH, amounts: ASKED, template: EVENT, later, leastNanoUsd: undefined }
    const result = await clock.until(Promise.resolve(limits.admit(asked, beside, tenant.ask)))
    if (!isAdmitted(result)) throw new Error(JSON.stringify(result))
    return result
  }
  const first = await ask({ endUser: 'u', target: { id: 'x', model: 'm' } })
  // Of the target's 30 tokens 20 are taken.
  expect(await clock.until(Promise.resolve(first.extend(MORE, later)))).toBe(false)
  expect(tenant.book.heldNanoUsd).toBe(ASKED.nanoUsd)
  await expect(ask({ endUser: 'u', target: null })).resolves.toBeDefined()
})

test('whose object is away refuses: a user’s the request, a target’s only the target', async () => {
  const clock = virtualClock()
  const { nowMs, sleep } = clock
  const limits = besideLimits({
    nowMs,
    sleep,
    newId: () => 'h',
    digest: async () => '0123',
    sendBeside: () => Promise.reject(new Error('overloaded')),
  })
  const asked = { path: PATH, amounts: ASKED, template: EVENT, later, leastNanoUsd: undefined }
  const tenant = authority({ admits: 'yes', extends: 'yes', isLate: false, turns: 0 })
  const answerTo = async (beside: Beside) => {
    const answer = limits.admit(asked, beside, tenant.ask)
    return answer instanceof Promise ? clock.until(answer) : answer
  }
  const target = { id: 'x', model: 'm' }
  expect(await answerTo({ endUser: 'u', target: null })).toEqual({ kind: 'unavailable' })
  expect(await answerTo({ endUser: null, target })).toEqual({ kind: 'unavailable', scope: 'target' })
  expect(await answerTo({ endUser: 'u', target })).toEqual({ kind: 'unavailable' })
  expect(tenant.book.asked).toBe(0)
})

function spentIn(state: string): number {
  const stored: { gauges: { kind: string; spentNanoUsd: number; heldNanoUsd: number }[] } = JSON.parse(state)
  return stored.gauges.reduce((sum, gauge) => {
    if (gauge.kind !== 'budget') return sum
    expect(gauge.heldNanoUsd).toBe(0)
    return sum + gauge.spentNanoUsd
  }, 0)
}
