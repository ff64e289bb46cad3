// A provider dies in the middle of its stream: in every way, on every wire, for every client, after some of its bytes or after
// each. None may get a wrong text. Two files run it: a few places with all other tests, every byte by `npm run test:kill`.
import type { Wire } from '../../src/core/directory.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
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
  kill,
  parrot,
  recordings,
  replyIn,
  simulated,
  simulatedBytes,
  withExpected,
} from './kill-matrix.ts'
import { CLIENTS, type ClientName, type Verdict, expectedOf } from './kill-verdict.ts'
import { holdTime } from './path-world.ts'

export interface KillSuite {
  readonly clients: readonly ClientName[]
  /** A stream of up to so many bytes dies after each of them; a longer one after so many. */
  readonly offsets: number
  /** Every death at every offset; else they take turns, for each client others. */
  readonly isExhaustive?: boolean
  /** Whether the table is printed. */
  readonly isTold?: boolean
}

type Counts = Record<Verdict, number>

/** Deaths of somebody who goes on are left out where nobody else could go on after that. */
const RECORDED_DEATHS = DEATHS.indexOf('twice')

/** Declares the tests. Call once in a file. */
export function killSuite({ clients, offsets, isExhaustive = false, isTold = false }: KillSuite): void {
  const tables = { stream: new Map<string, Counts>(), death: new Map<string, Counts>() }
  const reasons = new Map<string, number>()

  // It is loaded late, and the test's clock runs meanwhile.
  beforeAll(() => import('../../src/data-plane/continue.ts'))
  beforeEach(holdTime)
  afterEach(() => vi.useRealTimers())
  afterAll(() => {
    if (!isTold) return
    const total = sumOf([...tables.stream.values()])
    console.table(Object.fromEntries([...tables.stream, ['all', total]]))
    console.table(Object.fromEntries(tables.death))
    for (const [reason, count] of reasons) console.log(`declared ${count} times: ${reason}`)
    console.log(`${Object.values(total).reduce((sum, count) => sum + count)} kills`)
  })

  /** `unhelped`: what was declared although somebody could have gone on. */
  async function killEverywhere(name: string, one: Kill, deaths: number = DEATHS.length): Promise<Counts> {
    const counts = tables.stream.get(name) ?? sumOf([])
    tables.stream.set(name, counts)
    const here = sumOf([])
    const wrong: string[] = []
    const turn = CLIENTS.indexOf(one.asking.client)
    for (const [at, offset] of offsetsOf(one.bytes.length, offsets).entries()) {
      const turns = isExhaustive ? DEATHS.slice(0, deaths) : [DEATHS[(at + turn) % deaths] ?? 'reset']
      for (const death of turns) {
        const outcome = await kill(one, offset, death)
        const { verdict, detail, text } = outcome
        const byDeath = tables.death.get(death) ?? sumOf([])
        tables.death.set(death, byDeath)
        for (const each of [counts, byDeath, here]) each[verdict] += 1
        if (
          verdict === 'wrong' ||
          (verdict === 'declared' && deaths === DEATHS.length && !isBeyondHelp(outcome, death))
        )
          wrong.push(`${one.source.dialect} to ${one.heir.dialect}, ${death} after ${offset}: ${detail}\n${text}`)
        if (verdict === 'declared') reasons.set(detail, (reasons.get(detail) ?? 0) + 1)
      }
    }
    if (wrong.length > 0) expect.soft(wrong.slice(0, 2), `${name}: ${wrong.length} wrong`).toEqual([])
    return here
  }

  describe.each(clients)('a simulated stream for a client of %s', (client) => {
    test.each(SIMULATED_WIRES)('over %s', async (from) => {
      for (const to of heirsOf(from)) {
        const counts = await killEverywhere(`${client} over ${from}`, await simulatedKill({ client }, from, to))
        expect(counts.recovered).toBeGreaterThan(0)
      }
    })
  })

  const withTools = clients.filter((client) => client !== 'completions')
  describe.each(withTools)('a simulated stream with tool calls for a client of %s', (client) => {
    test.each(SIMULATED_WIRES)('over %s', async (wire) => {
      const one = await simulatedKill({ client, hasTool: true }, wire, wire)
      expect(one.expected.calls.length).toBeGreaterThan(0)
      const counts = await killEverywhere(`${client} with tools over ${wire}`, one)
      expect(counts.recovered).toBeGreaterThan(0)
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

function sumOf(all: readonly Counts[]): Counts {
  const total = { whole: 0, recovered: 0, declared: 0, wrong: 0 }
  for (const counts of all) {
    for (const verdict of ['whole', 'recovered', 'declared', 'wrong'] as const) total[verdict] += counts[verdict]
  }
  return total
}

/** Who goes on: two others for each. */
function heirsOf(from: SimulatedWire): readonly SimulatedWire[] {
  const at = SIMULATED_WIRES.indexOf(from)
  return [...SIMULATED_WIRES, ...SIMULATED_WIRES].slice(at, at + 2)
}

function offsetsOf(length: number, most: number): readonly number[] {
  if (length <= most) return Array.from({ length: length + 1 }, (_, at) => at)
  // Odd steps, so that no place in an event is always missed.
  return Array.from({ length: most }, (_, at) =>
    Math.floor(((at + 0.5 + 0.37 * Math.sin(at * 7 + length)) * length) / most),
  )
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
