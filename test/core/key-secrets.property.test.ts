// What rotating does to a key's secrets, over any sequence of rotations and endings: which of them are taken at every moment, who
// decides when each ends, and that nothing of a digest is shown.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type KeptSecret,
  OLD_SECRETS_MAX,
  endOldSecrets,
  endsToTell,
  freshMark,
  listSecrets,
  oldSecrets,
  publishedHashes,
  readSecrets,
  replaceSecret,
  viewSecrets,
} from '../../src/control-plane/keys/key-secrets.ts'

const START_MS = Date.UTC(2026, 10, 22)
const HOUR_MS = 3_600_000

function secret(number: number, madeAtMs: number): KeptSecret {
  const hmacHex = number.toString(16).padStart(64, '0')
  return { pepperVersion: 1, hmacHex, madeAtMs, endsIn: String(number).padStart(4, 'e') }
}

function rotated(before: readonly KeptSecret[], number: number, nowMs: number, overlapMs: number) {
  const result = replaceSecret(before, secret(number, nowMs), { nowMs, overlapMs })
  if (!result.ok) throw new Error(result.error.code)
  return result.value
}

const STEP = fc.record({
  waitMs: fc.constantFrom(0, 1, 1000, 60_000, 700_000, HOUR_MS, 30 * HOUR_MS),
  overlapMs: fc.constantFrom(0, 1000, 60_000, HOUR_MS, 24 * HOUR_MS, 168 * HOUR_MS),
  what: fc.constantFrom('rotate', 'rotate', 'rotate', 'finish'),
})

describe('the secrets of a key', () => {
  test('are taken until the least end that any rotation since gave them, and never again after it', () => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 12 }), (steps) => {
        let nowMs = START_MS
        let secrets: readonly KeptSecret[] = [secret(0, nowMs)]
        const ends = new Map<string, number>([[secret(0, 0).hmacHex, Infinity]])
        for (const [index, { waitMs, overlapMs, what }] of steps.entries()) {
          nowMs += waitMs
          const isFinish = what === 'finish'
          const given = secret(index + 1, nowMs)
          const result = isFinish ? null : replaceSecret(secrets, given, { nowMs, overlapMs })
          const present = secrets[0]?.hmacHex
          const wouldEnd = (name: string, endMs: number) =>
            isFinish && name === present ? endMs : Math.min(endMs, nowMs + (isFinish ? 0 : overlapMs))
          if (result !== null && !result.ok) {
            expect(result.error).toMatchObject({ status: 409, code: 'too_many_secrets' })
            continue
          }
          secrets = result?.value ?? endOldSecrets(secrets, nowMs)
          expect(new Set(secrets.map(({ hmacHex }) => hmacHex)).size).toBe(secrets.length)
          for (const [name, endMs] of ends) ends.set(name, wouldEnd(name, endMs))
          if (!isFinish) ends.set(given.hmacHex, Infinity)
          for (const atMs of [nowMs, nowMs + Math.max(0, overlapMs - 1), nowMs + overlapMs]) {
            const taken = [...ends].filter(([, endMs]) => atMs < endMs).map(([name]) => name)
            const kept = secrets.filter(({ untilMs = Infinity }) => atMs < untilMs).map(({ hmacHex }) => hmacHex)
            expect(kept.toSorted()).toEqual(taken.toSorted())
            expect(taken.length).toBeLessThanOrEqual(1 + OLD_SECRETS_MAX)
          }
        }
      }),
    )
  })

  test('end at the millisecond: a moment before it one is taken, at it no more', () => {
    const secrets = rotated([secret(1, 0)], 2, START_MS, 1000)
    expect(oldSecrets(secrets, START_MS + 999).map(({ untilMs }) => untilMs)).toEqual([START_MS + 1000])
    expect(oldSecrets(secrets, START_MS + 1000)).toEqual([])
    expect(oldSecrets(rotated([secret(1, 0)], 2, START_MS, 0), START_MS)).toEqual([])
  })

  test('of which one was lost before anybody had it: another rotation leaves the one in use its end', () => {
    const lost = rotated([secret(1, 0)], 2, START_MS, 24 * HOUR_MS)
    const again = rotated(lost, 3, START_MS + 60_000, 24 * HOUR_MS)
    expect(oldSecrets(again, START_MS + 60_000).map(({ endsIn, untilMs }) => [endsIn, untilMs])).toEqual([
      ['eee2', START_MS + 60_000 + 24 * HOUR_MS],
      ['eee1', START_MS + 24 * HOUR_MS],
    ])
    const third = replaceSecret(again, secret(4, START_MS), { nowMs: START_MS + 61_000, overlapMs: HOUR_MS })
    expect(third).toMatchObject({ ok: false, error: { message: expect.stringContaining('rotate/finish') } })
    expect(oldSecrets(rotated(again, 4, START_MS + 61_000, 0), START_MS + 61_000)).toEqual([])
  })

  test('are not forgotten while the directory still has one by its own name', () => {
    let secrets: readonly KeptSecret[] = [secret(0, START_MS)]
    for (let count = 1; count <= 4; count++) secrets = rotated(secrets, count, START_MS + count, 0)
    const fifth = (nowMs: number) => replaceSecret(secrets, secret(5, nowMs), { nowMs, overlapMs: 0 })
    expect(fifth(START_MS + 600_000)).toMatchObject({ ok: false, error: { code: 'too_many_secrets' } })
    const later = fifth(START_MS + 600_001)
    expect(later.ok ? later.value.map(({ endsIn }) => endsIn) : later).toEqual(['eee5', 'eee4', 'eee3', 'eee2', 'eee1'])
  })

  test('are told to the limiter about their end, and are fresh for five minutes', () => {
    const secrets = rotated([secret(1, 0)], 2, START_MS, HOUR_MS)
    const text = JSON.stringify(secrets)
    const end = { keyId: 'key_1', mark: '0'.repeat(16), untilMs: START_MS + HOUR_MS }
    const told = (atMs: number) => endsToTell('key_1', text, START_MS + atMs)
    expect(told(0)).toEqual([])
    expect(told(HOUR_MS - 300_001)).toEqual([])
    expect([told(HOUR_MS - 300_000), told(HOUR_MS + 300_000)]).toEqual([[end], [end]])
    expect(told(HOUR_MS + 300_001)).toEqual([])
    expect([freshMark(secrets, START_MS + 300_000), freshMark(secrets, START_MS + 300_001)]).toEqual([
      '0'.repeat(16),
      null,
    ])
    expect(freshMark([secret(1, START_MS)], START_MS), 'nobody asked for the key before').toBeNull()
  })

  test('are shown by what they end in, and nothing of their digests', () => {
    const secrets = rotated([{ pepperVersion: 1, hmacHex: 'ab'.repeat(32) }], 2, START_MS, HOUR_MS)
    const text = JSON.stringify(secrets)
    expect(viewSecrets(text, START_MS)).toEqual({
      ends_in: 'eee2',
      rotated_at_ms: START_MS,
      old_secrets: [{ ends_in: null, made_at_ms: null, until_ms: START_MS + HOUR_MS }],
    })
    expect(viewSecrets(JSON.stringify([secret(1, 5)]), START_MS)).toEqual({
      ...{ ends_in: 'eee1', rotated_at_ms: null, old_secrets: [] },
    })
    const shown = JSON.stringify([viewSecrets(text, START_MS), listSecrets(text)])
    for (const { hmacHex } of secrets) expect(shown).not.toContain(hmacHex.slice(0, 8))
    expect(publishedHashes(readSecrets(text))).toEqual(
      secrets.map(({ madeAtMs: _made, endsIn: _endsIn, ...hash }) => hash),
    )
  })
})
