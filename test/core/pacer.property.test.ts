// Laws of letting go evenly: nothing is lost, nothing overtakes, nothing waits for long, and lumps are evened out.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Pacer } from '../../src/core/reply/pacer.ts'

const LAG_MS = 400
const LUMPS = fc.array(
  fc.record({ afterMs: fc.integer({ min: 0, max: 2_000 }), pieces: fc.integer({ min: 0, max: 40 }) }),
  {
    maxLength: 30,
  },
)

/** Plays lumps of pieces, asking as often as something is due; when each piece came and when it left. */
function played(lumps: readonly { readonly afterMs: number; readonly pieces: number }[], lagMsMax = LAG_MS) {
  const pacer = new Pacer(lagMsMax)
  const came: number[] = []
  const left: number[] = []
  let nowMs = 1_000
  const letGoUntil = (untilMs: number): void => {
    for (let dueMs = pacer.nextMs; dueMs !== null && dueMs <= untilMs; dueMs = pacer.nextMs) {
      const atMs = Math.max(dueMs, nowMs)
      for (let count = pacer.take(atMs); count > 0; count -= 1) left.push(atMs)
    }
  }
  for (const { afterMs, pieces } of lumps) {
    letGoUntil(nowMs + afterMs)
    nowMs += afterMs
    pacer.add(nowMs, pieces)
    for (let i = 0; i < pieces; i += 1) came.push(nowMs)
    letGoUntil(nowMs)
  }
  const endMs = nowMs
  const atEnd = pacer.takeAll()
  for (let i = 0; i < atEnd; i += 1) left.push(endMs)
  return { came, left, waiting: pacer.waiting }
}

test('every piece leaves once, in order, not before it came and within the bound', () => {
  fc.assert(
    fc.property(LUMPS, fc.integer({ min: 1, max: LAG_MS }), (lumps, lagMs) => {
      const { came, left, waiting } = played(lumps, lagMs)
      expect([left.length, waiting]).toEqual([came.length, 0])
      left.forEach((leftMs, i) => {
        expect(leftMs).toBeGreaterThanOrEqual(came[i] ?? 0)
        expect(leftMs - (came[i] ?? 0)).toBeLessThanOrEqual(lagMs)
        expect(leftMs).toBeGreaterThanOrEqual(left[i - 1] ?? 0)
      })
    }),
  )
})

test('a piece that finds nobody waiting leaves at once', () => {
  fc.assert(
    fc.property(LUMPS, (lumps) => {
      const { came, left } = played(lumps)
      came.forEach((cameMs, i) => {
        const isAlone = left.slice(0, i).every((leftMs) => leftMs < cameMs) && came[i - 1] !== cameMs
        if (isAlone) expect(left[i]).toBe(cameMs)
      })
    }),
  )
})

test('a steady stream is not touched', () => {
  const { came, left } = played(Array.from({ length: 50 }, () => ({ afterMs: 10, pieces: 1 })))
  expect(left).toEqual(came)
})

test('lumps that come evenly leave as if they had never been lumps', () => {
  const { left } = played(Array.from({ length: 20 }, () => ({ afterMs: 200, pieces: 10 })))
  const gaps = left.slice(30, -10).map((leftMs, i) => leftMs - (left[29 + i] ?? 0))
  expect(Math.max(...gaps)).toBeLessThanOrEqual(40)
  expect(Math.min(...gaps)).toBeGreaterThan(0)
})

test('a clock that goes back holds nothing longer', () => {
  const pacer = new Pacer(LAG_MS)
  pacer.add(10_000, 5)
  pacer.add(9_000, 5)
  expect(pacer.take(9_000 + 10_000)).toBe(10)
})
