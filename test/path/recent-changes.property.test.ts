// What changed lately, over tables that are behind: together they are what was put, whenever the tables were written and whenever
// somebody began anew with what was saved.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Change, type Kind, RecentChanges } from '../../durable-objects/recent-changes.ts'

const KINDS = ['gauge', 'lease', 'flight'] as const

type Step =
  | { readonly what: 'put'; readonly change: Change }
  | { readonly what: 'write'; readonly kinds: readonly Kind[] }
  | { readonly what: 'restart' }

const ROW = fc.dictionary(fc.string(), fc.integer(), { maxKeys: 2 }).map((row) => JSON.stringify(row))

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      what: fc.constant('put' as const),
      change: fc.record({
        kind: fc.constantFrom(...KINDS),
        id: fc.constantFrom('b\n#1', '"c"'),
        state: fc.option(ROW, { freq: 3 }),
      }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('write' as const), kinds: fc.subarray([...KINDS]) }) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('restart' as const) }) },
)

const nameOf = ({ kind, id }: Pick<Change, 'kind' | 'id'>): string => `${kind} ${id}`
const normal = (text: string): string => JSON.stringify(JSON.parse(text))

test('recent changes over the tables are what was put, and leave no trace of what the tables never had', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
      const model = new Map<string, string>()
      const tables = new Map<string, Change>()
      let recent = new RecentChanges()
      for (const one of steps) {
        if (one.what === 'put') {
          recent.put(one.change)
          if (one.change.state === null) model.delete(nameOf(one.change))
          else model.set(nameOf(one.change), normal(one.change.state))
        } else if (one.what === 'write') {
          for (const change of recent.all()) {
            if (!one.kinds.includes(change.kind)) continue
            if (change.state === null) tables.delete(nameOf(change))
            else tables.set(nameOf(change), change)
          }
          recent.settle(one.kinds)
        } else {
          const text = recent.text()
          recent = new RecentChanges()
          for (const { kind, id } of tables.values()) recent.noteStored(kind, id)
          recent.read(text)
        }
        const found = new Map([...tables].map(([name, { state }]) => [name, normal(state ?? 'null')]))
        for (const change of recent.all()) {
          if (change.state !== null) found.set(nameOf(change), normal(change.state))
          else expect(found.delete(nameOf(change)), 'gone from the tables').toBe(true)
        }
        expect(new Map([...found].toSorted())).toEqual(new Map([...model].toSorted()))
        expect(recent.chars === 0).toBe([...recent.all()].length === 0)
      }
    }),
  )
})
