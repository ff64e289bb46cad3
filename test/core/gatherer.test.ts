// What waits for company: who is sent with whom and when, and that nobody is forgotten.
import { describe, expect, test } from 'vitest'
import { Gatherer } from '../../src/core/gatherer.ts'
import { virtualClock } from '../support/virtual-clock.ts'

interface Entry {
  readonly inputs: readonly string[]
  readonly chars: number
}

const BOUNDS = { inputs: 4, chars: 100, waitMs: 10 }
const entry = (...inputs: string[]): Entry => ({ inputs, chars: inputs.join('').length })

function world(send: (inputs: readonly string[]) => void = () => undefined) {
  const clock = virtualClock()
  const sent: string[][] = []
  const kept: Promise<void>[] = []
  const gatherer = new Gatherer<Entry, string>()
  const adder = {
    sleep: clock.sleep,
    keep: (work: Promise<void>) => void kept.push(work),
    async send(entries: readonly Entry[]) {
      const inputs = entries.flatMap((each) => each.inputs)
      sent.push(inputs)
      send(inputs)
      return entries.map((each) => each.inputs.join('+').toUpperCase())
    },
  }
  const add = (key: string, entries: readonly Entry[], isGone = () => false) =>
    gatherer.add(key, { entries, isGone }, BOUNDS, adder)
  return { clock, sent, kept, add }
}

describe('a group', () => {
  test('is sent when its time is over, and everybody gets their own answers in their order', async () => {
    const { clock, sent, add } = world()
    const all = [add('k', [entry('a')]), add('k', [entry('b'), entry('c')])]
    expect(sent).toEqual([])
    expect(await clock.until(Promise.all(all))).toEqual([['A'], ['B', 'C']])
    expect(sent).toEqual([['a', 'b', 'c']])
    expect(clock.nowMs() % 1_000).toBe(10)
  })

  test('is sent at once when it is full, and never grows beyond its bounds', async () => {
    const { clock, sent, add } = world()
    const all = [
      add('k', [entry('a', 'b')]),
      add('k', [entry('c', 'd', 'e')]),
      add('k', [entry('f')]),
      add('k', [entry('x'.repeat(99))]),
    ]
    await clock.until(Promise.all(all))
    expect(sent).toEqual([['a', 'b'], ['c', 'd', 'e', 'f'], ['x'.repeat(99)]])
    const more = [add('k', [entry('y'.repeat(60))]), add('k', [entry('z'.repeat(60))])]
    await clock.until(Promise.all(more))
    expect(sent.slice(3)).toEqual([['y'.repeat(60)], ['z'.repeat(60)]])
  })

  test('has nobody of another key in it, and nobody who has gone', async () => {
    const { clock, sent, kept, add } = world()
    let hasLeft = false
    void add('k', [entry('gone')], () => hasLeft)
    const all = [add('k', [entry('a')]), add('other', [entry('b')])]
    hasLeft = true
    await clock.until(Promise.all(all))
    void add('k', [entry('gone, too')], () => true)
    await clock.until(Promise.all(kept))
    expect(sent).toEqual([['a'], ['b']])
  })

  test('that fails fails for each, and for nobody after', async () => {
    let isDown = true
    const { clock, add } = world(() => {
      if (isDown) throw new Error('down')
    })
    const all = [add('k', [entry('a')]), add('k', [entry('b')])].map((each) => each.catch(String))
    expect(await clock.until(Promise.all(all))).toEqual(['Error: down', 'Error: down'])
    isDown = false
    expect(await clock.until(add('k', [entry('c')]))).toEqual(['C'])
  })
})
