// A provider dies in the middle of its stream: after every byte (or some of them: `npm run test:kill` takes all), in every way, on
// every wire, for every client. None may get a wrong text.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  type Asking,
  DEATHS,
  type Death,
  type Kill,
  type Outcome,
  PARROT,
  RECORDED_WIRES,
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
} from '../support/kill-matrix.ts'
import { CLIENTS, type Verdict, expectedOf } from '../support/kill-verdict.ts'
import { holdTime } from '../support/path-world.ts'

/** Of each stream, at most so many offsets; all for 0. */
const OFFSETS = Number(process.env['KILL_OFFSETS'] ?? 6)

// It is loaded late, and the test's clock runs meanwhile.
beforeAll(() => import('../../src/data-plane/continue.ts'))
beforeEach(holdTime)
afterEach(() => vi.useRealTimers())

const table = new Map<string, Record<Verdict, number>>()
const reasons = new Map<string, Set<string>>()

afterAll(() => {
  const rows = [...table].map(([name, counts]) => ({ name, ...counts }))
  const total = { whole: 0, recovered: 0, declared: 0, wrong: 0 }
  for (const row of rows)
    for (const verdict of ['whole', 'recovered', 'declared', 'wrong'] as const) total[verdict] += row[verdict]
  if (process.env['KILL_TABLE'] !== undefined) {
    console.table(Object.fromEntries([...table, ['all', total]]))
    for (const [name, details] of reasons) for (const detail of details) console.log(`${name}: ${detail}`)
  }
})

/** Who goes on: everyone where all is tried, else two. */
function heirsOf(from: SimulatedWire): readonly SimulatedWire[] {
  const at = SIMULATED_WIRES.indexOf(from)
  return OFFSETS === 0 ? SIMULATED_WIRES : [...SIMULATED_WIRES, ...SIMULATED_WIRES].slice(at, at + 2)
}

function offsetsOf(length: number): readonly number[] {
  if (OFFSETS === 0 || length <= OFFSETS) return Array.from({ length: length + 1 }, (_, at) => at)
  // Odd steps, so that no place in an event is always missed.
  return Array.from({ length: OFFSETS }, (_, at) =>
    Math.floor(((at + 0.5 + 0.37 * Math.sin(at * 7 + length)) * length) / OFFSETS),
  )
}

/** An error behind a whole reply, or everyone dead before a word was said: there is nothing to go on with. */
function isBeyondHelp({ isTold, detail }: Outcome, death: Death): boolean {
  return death === 'twice' ? detail.startsWith('status') : isTold && (death === 'error' || death === 'garbage')
}

/** `beyondHelp`: how many of those that were declared. */
async function killEverywhere(
  name: string,
  one: Kill,
  deaths: number = DEATHS.length,
): Promise<Record<Verdict | 'beyondHelp', number>> {
  const counts = table.get(name) ?? { whole: 0, recovered: 0, declared: 0, wrong: 0 }
  table.set(name, counts)
  const wrong: string[] = []
  let beyondHelp = 0
  for (const [at, offset] of offsetsOf(one.bytes.length).entries()) {
    // Every death at every offset takes too long where there are many: they take turns.
    const turns = OFFSETS === 0 && one.bytes.length < 3_000 ? DEATHS.slice(0, deaths) : [DEATHS[at % deaths] ?? 'reset']
    for (const death of turns) {
      const outcome = await kill(one, offset, death)
      counts[outcome.verdict] += 1
      if (outcome.verdict === 'declared' && isBeyondHelp(outcome, death)) beyondHelp += 1
      if (outcome.verdict === 'wrong') wrong.push(`${death} after ${offset}: ${outcome.detail}\n${outcome.text}`)
      if (outcome.verdict === 'declared')
        (reasons.get(name) ?? reasons.set(name, new Set()).get(name))?.add(outcome.detail)
    }
  }
  expect(wrong.slice(0, 2)).toEqual([])
  return { ...counts, beyondHelp }
}

async function simulatedKill(asking: Asking, from: SimulatedWire, to: SimulatedWire, prefix = true): Promise<Kill> {
  const source = simulated(from, 'source')
  const heir = simulated(to, 'heir', prefix ? { capabilities: { prefix: true } } : {})
  const { bytes, contentType } = await simulatedBytes(source, asking)
  return withExpected({ asking, bytes, contentType, source, heir, answer: answerSimulated, again: answerSimulated })
}

describe.each(CLIENTS)('a simulated stream for a client of %s', (client) => {
  test.each(SIMULATED_WIRES)('over %s', async (from) => {
    for (const to of heirsOf(from)) {
      const counts = await killEverywhere(`${client} over ${from}`, await simulatedKill({ client }, from, to))
      expect(counts.recovered).toBeGreaterThan(0)
      expect(counts.declared).toBe(counts.beyondHelp)
    }
  })
})

describe.each(['chat', 'messages', 'responses'] as const)(
  'a simulated stream with tool calls for a client of %s',
  (client) => {
    test.each(SIMULATED_WIRES)('over %s', async (wire) => {
      const one = await simulatedKill({ client, hasTool: true }, wire, wire)
      expect(one.expected.calls.length).toBeGreaterThan(0)
      const counts = await killEverywhere(`${client} with tools over ${wire}`, one)
      expect(counts.recovered).toBeGreaterThan(0)
      expect(counts.declared).toBe(counts.beyondHelp)
    })
  },
)

describe.each(CLIENTS)('a recorded stream for a client of %s', (client) => {
  const wires = RECORDED_WIRES.filter((wire) => recordings(wire).length > 0)
  test.each(wires)('over %s', async (wire) => {
    for (const { target, bytes, contentType, name } of recordings(wire)) {
      const source = { ...target, id: 'source', timeouts: PARROT.timeouts, dialect: wire }
      const reply = replyIn(source, bytes, contentType ?? '')
      const answer = isSayable(reply) ? parrot(expectedOf(reply)) : () => new Response('{}', { status: 503 })
      const one = await withExpected({
        asking: { client },
        bytes,
        contentType: contentType ?? '',
        source,
        heir: PARROT,
        answer,
      })
      await killEverywhere(`${client} over recorded ${wire} ${name}`, one, DEATHS.indexOf('twice'))
    }
  })
})
