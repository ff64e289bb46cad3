// The law by which the chaos run judges what died with a gateway: it excuses what nobody could have told, and nothing else.
import { expect, test } from 'vitest'
import { type HeardCall, whyNotMissing } from '../chaos/law.ts'

/** Calls one after the other, each answered after 10 ms, the first at `fromMs`. */
function answered(count: number, fromMs: number, everyMs = 20): HeardCall[] {
  return Array.from({ length: count }, (_, at) => {
    const endedAtMs = fromMs + at * everyMs + 10
    return { number: at + 1, endedAtMs, takenAtMs: endedAtMs - 5 }
  })
}

const killedAtMs = 1_000

test('an attempt under way when its gateway is killed may be missing', () => {
  expect(whyNotMissing({ endedByMs: killedAtMs, killedAtMs }, [answered(40, 100)])).toBeNull()
})

test('one that was over, with calls after it that arrived, must not be', () => {
  expect(whyNotMissing({ endedByMs: 500, killedAtMs }, [answered(40, 100)])).toContain('over 500 ms before')
})

test('one that ended in an outage which lasted to the kill may be missing, however long that was', () => {
  const away = answered(40, 100).map((call) => (call.number < 15 ? call : { ...call, takenAtMs: null }))
  expect(whyNotMissing({ endedByMs: 500, killedAtMs }, [away])).toBeNull()
})

test('an outage that was over excuses nothing', () => {
  const back = answered(40, 100).map((call) =>
    call.number < 15 || call.number > 30 ? call : { ...call, takenAtMs: null },
  )
  expect(whyNotMissing({ endedByMs: 500, killedAtMs }, [back])).not.toBeNull()
})

test('the call that was made up as it ended doesn’t count, nor the next of a slow machine, whose arrival says nothing', () => {
  // Two were under way: what comes after them was made up when the first of them was answered, before 500.
  const slow: HeardCall[] = [
    { number: 1, endedAtMs: 490, takenAtMs: 480 },
    { number: 2, endedAtMs: 700, takenAtMs: 690 },
    { number: 3, endedAtMs: 900, takenAtMs: 890 },
    { number: 4, endedAtMs: 950, takenAtMs: 940 },
  ]
  expect(whyNotMissing({ endedByMs: 500, killedAtMs }, [slow])).toBeNull()
  expect(whyNotMissing({ endedByMs: 450, killedAtMs }, [slow])).not.toBeNull()
})
