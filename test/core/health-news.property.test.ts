// What isolates tell each other of targets by way of a limiter: whatever is lost, doubled or overtaken, the latest word wins and
// every word ends.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type HealthNews,
  type HealthTalk,
  HealthBoard,
  HealthLink,
  breakerNews,
} from '../../src/core/health/health-news.ts'
import { REGIONS, type Region } from '../../src/core/region.ts'

const NOW_MS = Date.UTC(2026, 4, 4, 12)
const TARGETS = ['a', 'b', 'c']

const opening = (targetId: string, epoch: number, region: Region = 'eu', forMs = 5_000): HealthNews =>
  breakerNews(targetId, region, { kind: 'open', untilMs: NOW_MS + forMs, epoch }, NOW_MS)

const epochsOf = (board: HealthBoard, nowMs = NOW_MS): readonly number[] =>
  TARGETS.map((id) => Math.max(0, ...board.about(id, nowMs).map(({ epoch }) => epoch)))

/** An isolate in front of a limiter. */
function isolateOf(region: Region = 'eu') {
  const board = new HealthBoard(NOW_MS)
  return { board, link: new HealthLink(board), region }
}
type Isolate = ReturnType<typeof isolateOf>

function exchange({ link, region }: Isolate, limiter: HealthBoard, nowMs = NOW_MS): HealthTalk {
  const talk = link.talk(region, nowMs)
  link.take(limiter.answer(talk, nowMs) ?? undefined, nowMs)
  return talk
}

const STEP = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('finds' as const), who: fc.nat(3), target: fc.nat(2) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('talks' as const),
      who: fc.nat(3),
      fate: fc.constantFrom('arrives', 'is lost', 'its answer is lost', 'comes twice', 'comes late'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('limiter restarts' as const) }) },
)

describe('what isolates find out', () => {
  test('is known to all when all have talked, the latest of each, whatever was lost, doubled or late before', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 60 }), (steps) => {
        const isolates = Array.from({ length: 4 }, () => isolateOf())
        let limiter = new HealthBoard(NOW_MS)
        let nowMs = NOW_MS
        let epoch = NOW_MS
        const latest = [0, 0, 0]
        const late: HealthTalk[] = []
        for (const step of steps) {
          nowMs += 1
          if (step.kind === 'limiter restarts') {
            limiter = new HealthBoard(nowMs)
            continue
          }
          const isolate = isolates[step.who % isolates.length]
          if (isolate === undefined) continue
          const before = isolates.map(({ board }) => epochsOf(board))
          if (step.kind === 'finds') {
            epoch += 1
            latest[step.target] = epoch
            isolate.board.take([opening(TARGETS[step.target] ?? '', epoch)], nowMs)
          } else {
            const talk = isolate.link.talk(isolate.region, nowMs)
            if (step.fate === 'comes late') late.push(talk)
            else if (step.fate !== 'is lost') {
              const answer = limiter.answer(talk, nowMs)
              if (step.fate === 'comes twice') limiter.answer(talk, nowMs)
              for (const old of late.splice(0)) limiter.answer(old, nowMs)
              if (step.fate !== 'its answer is lost') isolate.link.take(answer ?? undefined, nowMs)
            }
          }
          // Nobody ever goes back to an earlier word.
          const after = isolates.map(({ board }) => epochsOf(board))
          for (const [who, epochs] of after.entries()) {
            for (const [target, known] of epochs.entries()) {
              expect(known).toBeGreaterThanOrEqual(before[who]?.[target] ?? 0)
            }
          }
        }
        for (let round = 0; round < 3; round++) for (const isolate of isolates) exchange(isolate, limiter, (nowMs += 1))
        for (const { board } of isolates) expect(epochsOf(board)).toEqual(latest)
      }),
    )
  })

  test('is told of by nobody who has just been told it, and by nobody twice', () => {
    const [one, other] = [isolateOf(), isolateOf()]
    const limiter = new HealthBoard(NOW_MS)
    one.board.take([opening('a', NOW_MS + 1)], NOW_MS)
    expect(exchange(one, limiter).news).toHaveLength(1)
    expect(limiter.answer(one.link.talk('eu', NOW_MS), NOW_MS)).toBeNull()
    expect(exchange(other, limiter).news).toEqual([])
    expect(epochsOf(other.board)[0]).toBe(NOW_MS + 1)
    for (const isolate of [one, other]) expect(exchange(isolate, limiter).news).toEqual([])
  })

  test('costs nothing on a day when all is well', () => {
    const isolate = isolateOf()
    const limiter = new HealthBoard(NOW_MS)
    for (let count = 0; count < 3; count++) {
      const talk = isolate.link.talk('eu', NOW_MS)
      expect(talk).toEqual({ region: 'eu', seen: 0, news: [] })
      expect(limiter.answer(talk, NOW_MS)).toBeNull()
    }
  })

  test('is told in the region that it is about; what is about an account, everywhere', () => {
    const limiter = new HealthBoard(NOW_MS)
    const untilMs = NOW_MS + 9_000
    const paused = {
      finding: { kind: 'pause', targetId: 'b', model: 'm' },
      region: null,
      epoch: untilMs,
      untilMs,
    } as const
    limiter.take([opening('a', NOW_MS + 1, 'eu'), paused], NOW_MS)
    for (const region of REGIONS) {
      const isolate = isolateOf(region)
      exchange(isolate, limiter)
      expect(isolate.board.about('a', NOW_MS)).toHaveLength(region === 'eu' ? 1 : 0)
      expect(isolate.board.about('b', NOW_MS)).toHaveLength(1)
    }
  })
})

describe('a word that isn’t followed by another', () => {
  test('ends by itself, a while after the time that it names', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1_000_000, max: 1e15 }), fc.nat(1_000_000), (forMs, laterMs) => {
        const limiter = new HealthBoard(NOW_MS)
        limiter.take([opening('a', NOW_MS + 1, 'eu', forMs)], NOW_MS)
        const isolate = isolateOf()
        exchange(isolate, limiter, NOW_MS + laterMs)
        const known = isolate.board.about('a', NOW_MS + laterMs)
        // Whatever a clock has said, nobody waits for longer than a breaker opens at most.
        const lastMs = Math.min(forMs + 30_000, 400_000)
        expect(known).toHaveLength(laterMs < lastMs ? 1 : 0)
        for (const { finding } of known) {
          expect(
            finding.kind === 'breaker' && finding.told.kind === 'open' && finding.told.untilMs,
          ).toBeLessThanOrEqual(NOW_MS + 400_000)
        }
        expect(isolate.board.about('a', NOW_MS + 400_000 + laterMs)).toEqual([])
      }),
    )
  })

  test('doesn’t keep what comes after its end from being heard, whatever its epoch was', () => {
    const board = new HealthBoard(NOW_MS)
    board.take([opening('a', 1e15)], NOW_MS)
    const laterMs = NOW_MS + 60_000
    const later = breakerNews('a', 'eu', { kind: 'open', untilMs: laterMs + 5_000, epoch: laterMs }, laterMs)
    expect(board.take([later], laterMs)).toHaveLength(1)
  })
})

describe('however much there is', () => {
  test('a board and a message stay small, and all that is kept arrives message by message', () => {
    const limiter = new HealthBoard(NOW_MS)
    for (let count = 0; count < 1_000; count++) limiter.take([opening(`t${count}`, NOW_MS + count)], NOW_MS)
    const isolate = isolateOf()
    let messages = 0
    for (let serial = -1; serial < isolate.board.serial; messages++) {
      serial = isolate.board.serial
      const talk = isolate.link.talk('eu', NOW_MS)
      const answer = limiter.answer(talk, NOW_MS)
      expect(answer?.news.length ?? 0).toBeLessThanOrEqual(24)
      expect(JSON.stringify(answer).length).toBeLessThan(5_000)
      isolate.link.take(answer ?? undefined, NOW_MS)
    }
    const known = Array.from({ length: 1_000 }, (_, id) => isolate.board.about(`t${id}`, NOW_MS).length)
    expect(known.indexOf(1)).toBe(800)
    expect(known.reduce((sum, one) => sum + one)).toBe(200)
    expect(messages).toBe(Math.ceil(200 / 24) + 1)
  })
})
