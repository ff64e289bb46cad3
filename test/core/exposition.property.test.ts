// What is written for scrapers is what a strict reader of the format reads, whatever names clients chose.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Family, exposition, usdOf } from '../../src/ledger/metrics/exposition.ts'
import { readExposition } from '../support/exposition-reader.ts'

const labels = fc.record({ model: fc.string({ unit: 'binary' }), provider: fc.constantFrom('a', 'b\n"\\', '') })
const distinct = { selector: (sample: { labels: object }) => JSON.stringify(sample.labels), minLength: 1 }
const counter = fc.uniqueArray(fc.record({ labels, value: fc.nat() }), distinct)
const histogram = fc.uniqueArray(
  fc.record({ labels, counts: fc.array(fc.nat(1000), { minLength: 3, maxLength: 3 }), sum: fc.nat() }),
  distinct,
)

describe('the text', () => {
  it('says what it was given', () => {
    fc.assert(
      fc.property(counter, histogram, (counts, times) => {
        const families: Family[] = [
          { name: 'tidegate_things_total', help: 'Back\\slash\nand line.', type: 'counter', samples: counts },
          { name: 'tidegate_nothing', help: 'None.', type: 'gauge', samples: [] },
          { name: 'tidegate_time_seconds', help: 'Times.', type: 'histogram', bounds: [0.1, 2], samples: times },
        ]
        const [things, time, ...others] = readExposition(exposition(families))
        expect(others).toEqual([])
        expect(things?.samples.map((sample) => [sample.labels, sample.value])).toEqual(
          counts.map((sample) => [sample.labels, sample.value]),
        )
        const all = times.map(({ counts: [a = 0, b = 0, c = 0] }) => [a, a + b, a + b + c])
        const buckets = time?.samples.filter(({ name }) => name.endsWith('_bucket')) ?? []
        expect(buckets.map(({ value }) => value)).toEqual(all.flat())
        expect(time?.samples.filter(({ name }) => name.endsWith('_count')).map(({ value }) => value)).toEqual(
          all.map((row) => row.at(-1)),
        )
      }),
    )
  })

  it.each([
    ['0', '0.000000000'],
    ['1', '0.000000001'],
    ['-1500000000', '-1.500000000'],
    ['9007199254740993000000001', '9007199254740993.000000001'],
  ])('has money exactly: %s', (nano, usd) => {
    expect(usdOf(nano)).toBe(usd)
  })
})

describe('the reader refuses', () => {
  const family = '# HELP a_total x\n# TYPE a_total counter\n'
  const h = (lines: string) => `# HELP t_seconds x\n# TYPE t_seconds histogram\n${lines}`
  it.each([
    ['no end of line', `${family}a_total 1`],
    ['a sample without a family', 'a_total 1\n'],
    ['a type without help', '# TYPE a_total counter\na_total 1\n'],
    ['a family twice', `${family}a_total 1\n${family}a_total{b="c"} 1\n`],
    ['a series twice', `${family}a_total{b="c"} 1\na_total{b="c"} 2\n`],
    ['a counter that is not named so', '# HELP a x\n# TYPE a counter\na 1\n'],
    ['a broken escape', `${family}a_total{b="\\x"} 1\n`],
    ['an open quote', `${family}a_total{b="c} 1\n`],
    ['other labels', `${family}a_total{b="c"} 1\na_total{d="c"} 2\n`],
    ['a unit that is none', '# HELP a_ms x\n# TYPE a_ms gauge\na_ms 1\n'],
    ['no +Inf', h('t_seconds_bucket{le="1"} 1\nt_seconds_sum 1\nt_seconds_count 1\n')],
    [
      'a shrinking histogram',
      h('t_seconds_bucket{le="1"} 2\nt_seconds_bucket{le="+Inf"} 1\nt_seconds_sum 1\nt_seconds_count 1\n'),
    ],
    ['a count that differs', h('t_seconds_bucket{le="+Inf"} 1\nt_seconds_sum 1\nt_seconds_count 2\n')],
  ])('%s', (_, text) => {
    expect(() => readExposition(text)).toThrow()
  })
})
