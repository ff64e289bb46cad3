// A provider dies in the middle of its stream: in every way, on every wire, for every client, after some of its bytes or after
// each. None may get a wrong text. Two files run it: a few places with all other tests, every byte by `npm run test:kill`.
import type { Wire } from '../../src/core/directory.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { KillTally, killInClasses, killInPlaces } from './kill-everywhere.ts'
import {
  type Asking,
  DEATHS,
  type Death,
  type Kill,
  type Outcome,
  PARROT,
  RECORDED_WIRES,
  type Recording,
  SIMULATED_WIRES,
  type SimulatedWire,
  answerSimulated,
  isSayable,
  parrot,
  recordings,
  replyIn,
  simulated,
  simulatedBytes,
  withExpected,
} from './kill-matrix.ts'
import { type ClientName, type Verdict, expectedOf } from './kill-verdict.ts'
import { holdTime } from './path-world.ts'

export interface KillSuite {
  readonly clients: readonly ClientName[]
  /** How many of a stream's places it dies in, each in the next way; everywhere and in every way where that isn't said. */
  readonly places?: number
  /** One of so many parts of everywhere. Missing: all of it. */
  readonly part?: { readonly number: number; readonly of: number }
}

type Counts = Record<Verdict, number>

/** Deaths of somebody who goes on are left out where nobody else could go on after that. */
const RECORDED_DEATHS = DEATHS.indexOf('twice')

/** Declares the tests. Call once in a file. */
export function killSuite({ clients, places, part = { number: 0, of: 1 } }: KillSuite): void {
  const tally = new KillTally()

  // It is loaded late, and the test's clock runs meanwhile.
  beforeAll(() => import('../../src/data-plane/answer/continue.ts'))
  beforeEach(holdTime)
  afterEach(() => vi.useRealTimers())
  afterAll(() => {
    if (places === undefined) tally.print()
  })

  /** Fails for what is wrong, and for what was declared although somebody could have gone on. */
  async function killEverywhere(name: string, one: Kill, deaths: number = DEATHS.length): Promise<Counts> {
    const ways = DEATHS.slice(0, deaths)
    const isObjection = (outcome: Outcome, death: Death): boolean =>
      outcome.verdict === 'wrong' ||
      (outcome.verdict === 'declared' && deaths === DEATHS.length && !isBeyondHelp(outcome, death))
    const here = tally.of(name, one, isObjection)
    if (places === undefined) for (const death of ways) await killInClasses(one, death, part, here)
    else await killInPlaces(one, ways, places, here)
    expect.soft(here.objections.slice(0, 2), `${name}: ${here.objections.length} wrong`).toEqual([])
    return here.counts
  }

  describe.each(clients)('a simulated stream for a client of %s', (client) => {
    test.each(SIMULATED_WIRES)('over %s', async (from) => {
      for (const to of heirsOf(from)) {
        const counts = await killEverywhere(`${client} over ${from}`, await simulatedKill({ client }, from, to))
        if (part.of === 1) expect(counts.recovered).toBeGreaterThan(0)
      }
    })
  })

  const withTools = clients.filter((client) => client !== 'completions')
  describe.each(withTools)('a simulated stream with tool calls for a client of %s', (client) => {
    test.each(SIMULATED_WIRES)('over %s', async (wire) => {
      const one = await simulatedKill({ client, hasTool: true }, wire, wire)
      expect(one.expected.calls.length).toBeGreaterThan(0)
      const counts = await killEverywhere(`${client} with tools over ${wire}`, one)
      if (part.of === 1) expect(counts.recovered).toBeGreaterThan(0)
    })
  })

  describe.each(clients)('a recorded stream for a client of %s', (client) => {
    const wires = RECORDED_WIRES.filter((wire) => recordings(wire).length > 0)
    test.each(wires)('over %s', async (wire) => {
      for (const recording of recordings(wire)) {
        const one = await recordedKill({ client }, wire, recording)
        await killEverywhere(`${client} over recorded ${wire}`, one, RECORDED_DEATHS)
      }
    })
  })
}

/** Who goes on: two others for each. */
function heirsOf(from: SimulatedWire): readonly SimulatedWire[] {
  const at = SIMULATED_WIRES.indexOf(from)
  return [...SIMULATED_WIRES, ...SIMULATED_WIRES].slice(at, at + 2)
}

/** An error behind a whole reply, or everyone dead before a word was said: there is nothing to go on with. */
function isBeyondHelp({ isTold, detail }: Outcome, death: Death): boolean {
  return death === 'twice' ? detail.startsWith('status') : isTold && (death === 'error' || death === 'garbage')
}

/** A recorded stream, and somebody who knows its text. */
export function recordedKill(asking: Asking, wire: Wire, recording: Recording): Promise<Kill> {
  const { target, bytes, contentType } = recording
  const source = { ...target, id: 'source', timeouts: PARROT.timeouts, dialect: wire }
  const reply = replyIn(source, bytes, contentType ?? '')
  const { length: n } = reply.choices
  const several = n > 1 ? { ...asking, more: { ...asking.more, n } } : asking
  const answer = isSayable(reply) ? parrot(expectedOf(reply)) : () => new Response('{}', { status: 503 })
  return withExpected({ asking: several, bytes, contentType: contentType ?? '', source, heir: PARROT, answer })
}

async function simulatedKill(asking: Asking, from: SimulatedWire, to: SimulatedWire): Promise<Kill> {
  const source = simulated(from, 'source')
  const heir = simulated(to, 'heir', { capabilities: { prefix: true } })
  const { bytes, contentType } = await simulatedBytes(source, asking)
  return withExpected({ asking, bytes, contentType, source, heir, answer: answerSimulated, again: answerSimulated })
}
