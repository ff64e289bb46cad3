// What the dashboard makes of figures, without a browser: money to the last digit, shares, buckets, stable colours. And how
// much of it a browser has to load first.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  formatDuration,
  formatShare,
  formatUsd,
  formatUsdAxis,
  formatUsdExact,
  readDecimalUsd,
  readNanoUsd,
} from '../../src/dashboard/parts/format.ts'
import { attemptBars } from '../../src/dashboard/requests/attempt-bars.ts'
import {
  bodyOf,
  canaryOf,
  groupOf,
  moved,
  targetsOf,
  withMember,
  withTarget,
  withoutMember,
  promoted,
  rolledBack,
  sharesOf,
  withCanary,
  withoutCanary,
} from '../../src/dashboard/routes/route-edit.ts'
import {
  type ApiModelReport,
  changePercent,
  compareModels,
  modelLines,
} from '../../src/dashboard/models/models-data.ts'
import { stepsDone } from '../../src/dashboard/overview/first-steps.ts'
import { assignSlots, SERIES_MAX, spendHistory } from '../../src/dashboard/overview/usage-data.ts'
import { attempt, OVERVIEW } from './dashboard-data.ts'

/** Built before the run. */
const BUILT = path.resolve(import.meta.dirname, '../../dist/assets/dashboard')
const FIRST_SCRIPT_BYTES_MAX = 90 * 1_024

test('the first script stays within its size, and pages that aren’t open aren’t in it', () => {
  const page = readFileSync(path.join(BUILT, 'index.html'), 'utf8')
  const first = [...page.matchAll(/(?:src|href)="\/dashboard\/(assets\/[^"]+\.js)"/g)].map(([, file = '']) => file)
  const bytes = first.reduce((sum, file) => sum + gzipSync(readFileSync(path.join(BUILT, file))).length, 0)
  const all = readdirSync(path.join(BUILT, 'assets')).filter((file) => file.endsWith('.js'))
  console.info(`first scripts: ${first.length} of ${all.length}, ${(bytes / 1_024).toFixed(1)} KB gzip`)
  expect(first.length).toBeGreaterThan(0)
  expect(first.some((file) => /keys-page|key-page|routes-page|alerts-page|spend-plot/.test(file))).toBe(false)
  expect(bytes).toBeLessThanOrEqual(FIRST_SCRIPT_BYTES_MAX)
})

describe('money', () => {
  test.each([
    ['0', '$0.00', '$0.00'],
    ['5', '$0.000000005', '$0.000000005'],
    ['123456', '$0.000123', '$0.000123456'],
    ['9994999', '$0.00999', '$0.009994999'],
    ['9995000', '$0.0100', '$0.009995'],
    ['23400000', '$0.0234', '$0.0234'],
    ['999949999', '$0.9999', '$0.999949999'],
    ['999950000', '$1.00', '$0.99995'],
    ['12345678901', '$12.35', '$12.345678901'],
    ['12345678901234567890', '$12,345,678,901.23', '$12,345,678,901.23456789'],
    ['-123456', '−$0.000123', '−$0.000123456'],
  ])('%s nano-USD reads %s, exactly %s', (nano, short, exact) => {
    expect(formatUsd(readNanoUsd(nano))).toBe(short)
    expect(formatUsdExact(readNanoUsd(nano))).toBe(exact)
  })

  test('the exact form gives back every nano-dollar, and no amount but zero reads as zero', () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 10n ** 18n), (nano) => {
        expect(readDecimalUsd(formatUsdExact(nano).replace(/[$,]/g, ''))).toBe(nano)
        expect(/[1-9]/.test(formatUsd(nano))).toBe(nano !== 0n)
      }),
    )
  })

  test('what is not an amount is an error, never zero', () => {
    expect(() => readNanoUsd('1.5')).toThrow('not an integer')
    expect(() => readNanoUsd('')).toThrow('not an integer')
    expect(readDecimalUsd('abc')).toBeNull()
  })

  test('axis labels have the decimals that their step needs', () => {
    expect([0.05, 0.1].map((usd) => formatUsdAxis(usd, 0.05))).toEqual(['$0.05', '$0.10'])
    expect(formatUsdAxis(0.000004, 0.000002)).toBe('$0.000004')
    expect(formatUsdAxis(0.75, 0.25)).toBe('$0.75')
    expect(formatUsdAxis(12_500, 2_500)).toBe('$12.5K')
  })
})

test('shares and durations say neither too much nor too little', () => {
  expect([
    formatShare(0, 0),
    formatShare(1, 100_000),
    formatShare(1, 3),
    formatShare(5, 5),
    formatShare(51, 50),
  ]).toEqual(['–', '<0.1 %', '33.3 %', '100 %', '102.0 %'])
  expect([null, 85, 1_240, 59_990, 125_000].map(formatDuration)).toEqual([
    '–',
    '85 ms',
    '1.24 s',
    '1 min 0 s',
    '2 min 5 s',
  ])
})

test('a history loses no money: the series add up to the points inside the window, whatever their number', () => {
  const point = fc.record({
    atMs: fc.integer({ min: 0, max: 100_000 }),
    id: fc.constantFrom(null, ...'abcdefghijkl'),
    isRest: fc.boolean(),
    costNanoUsd: fc.bigInt(0n, 10n ** 15n),
  })
  fc.assert(
    fc.property(fc.array(point), (points) => {
      const { series, starts } = spendHistory(points, { fromMs: 0, toMs: 100_000, widthMs: 7_000 })
      const drawn = series.reduce((sum, line) => sum + line.totalNanoUsd, 0n)
      expect(drawn).toBe(points.reduce((sum, { costNanoUsd }) => sum + costNanoUsd, 0n))
      expect(series.length).toBeLessThanOrEqual(SERIES_MAX + 1)
      expect(series.every((line) => line.costs.length === starts.length)).toBe(true)
    }),
  )
})

test('a series keeps its colour when others come and go', () => {
  const first = assignSlots(new Map(), ['a', 'b', 'c'])
  const second = assignSlots(first, ['c', 'd', 'a'])
  expect([...second].toSorted()).toEqual([
    ['a', 0],
    ['c', 2],
    ['d', 1],
  ])
})

test('steps to the first request are ticked off as the configuration says, and a failed probe ticks nothing', () => {
  const target = { id: 't', provider: 'openai', model: 'm' }
  const failing = { ...target, probe: { ok: false, status: 401, saw: '' } }
  const [route, key] = [OVERVIEW.routes.slice(0, 1), OVERVIEW.key_counts.slice(0, 1)]
  const done = (overview: Parameters<typeof stepsDone>[0]): string => [...stepsDone(overview)].join()
  expect(done({ targets: [], routes: [], key_counts: [] })).toBe('')
  expect(done({ targets: [failing], routes: [], key_counts: [] })).toBe('')
  expect(done({ targets: [], has_credentials: true, routes: [], key_counts: [] })).toBe('credential')
  expect(done({ targets: [failing, target], routes: [], key_counts: [] })).toBe('credential')
  expect(done({ targets: [failing], routes: route, key_counts: key })).toBe('model,key')
  expect(done({ targets: [], routes: route, key_counts: key.map((one) => ({ ...one, active: 0 })) })).toBe(
    'credential,model',
  )
})

describe('the bars of a request', () => {
  const barsOf = (...rows: Parameters<typeof attempt>[0][]) =>
    attemptBars(rows.map((fields, at) => attempt({ attempt: at + 1, ttft_ms: null, ...fields })))
  const spans = ({ bars }: ReturnType<typeof attemptBars>) =>
    bars.map(({ fromMs, firstMs, endMs, isBeside }) => [fromMs, firstMs, endMs, isBeside])

  test('a hedge lies beside the attempt that was late, from its own beginning', () => {
    const both = barsOf({ after_ms: 2, latency_ms: 460 }, { after_ms: 200, ttft_ms: 450, latency_ms: 900 })
    expect(spans(both)).toEqual([
      [2, null, 460, false],
      [200, 450, 900, true],
    ])
    expect(both.isGuessed).toBe(false)
  })

  test('a retry begins where it began: what passed before it is a gap', () => {
    expect(spans(barsOf({ after_ms: 0, latency_ms: 100 }, { after_ms: 350, latency_ms: 500 }))).toEqual([
      [0, null, 100, false],
      [350, null, 500, false],
    ])
  })

  test('without a noted beginning, an attempt is put at the end of what was over before, and that is said', () => {
    const old = barsOf({ after_ms: null, latency_ms: 100 }, { after_ms: null, ttft_ms: 300, latency_ms: 500 })
    expect(spans(old)).toEqual([
      [0, null, 100, false],
      [100, 300, 500, false],
    ])
    expect(old.isGuessed).toBe(true)
  })

  test('no bar ends before it begins, whatever the clocks said', () => {
    expect(spans(barsOf({ after_ms: 90, ttft_ms: 20, latency_ms: 80 }))).toEqual([[80, 80, 80, false]])
  })
})

test('a canary gets the share that was asked for, beside any route; rolled back it gets nothing, and off it the route is as before', () => {
  const target = fc.constantFrom('a', 'b', 'c', 'd')
  const targets = fc.uniqueArray(target, { minLength: 1 })
  const weighted = fc
    .uniqueArray(target, { minLength: 2 })
    .chain((names) =>
      fc
        .tuple(...names.map((name) => fc.integer({ min: 1, max: 90 }).map((weight) => ({ target: name, weight }))))
        .map((members) => ({ strategy: 'weighted', members })),
    )
  const route = fc.oneof(
    targets.map((names) => ({ id: 'r', model: 'm', targets: names, group: null })),
    weighted.map((group) => ({ id: 'r', model: 'm', targets: [], group })),
  )
  fc.assert(
    fc.property(route, fc.integer({ min: 1, max: 99 }), fc.integer({ min: 0, max: 60 }), (before, percent, minutes) => {
      const plan = { target: 'e', share: percent / 100, overMinutes: minutes, watch: null }
      const group = withCanary(before, plan, 1_000)
      const endMs = 1_000 + minutes * 60_000
      expect(sharesOf(group, endMs)?.at(-1)).toBeCloseTo(percent / 100, 4)
      // Without a watch, a ramp or a weight of 0 a member is one like the others.
      const watched = { ...plan, watch: { max_error_rate: 0.2, min_requests: 50, window_minutes: 15 } }
      const route = { ...before, group: withCanary(before, watched, 1_000) }
      const canary = canaryOf(route, endMs)
      if (canary === null) throw new Error('there is no canary')
      expect(canary).toMatchObject({ target: 'e', isOut: false, grows: null })
      const back = { ...route, group: rolledBack(route, canary) }
      expect(canaryOf(back, endMs)).toMatchObject({ target: 'e', isOut: true, share: 0 })
      expect(bodyOf(withoutCanary(route, canary))).toEqual(bodyOf(groupOf(before)))
      expect(promoted(route, canary).members[0]).toBe('e')
    }),
  )
})

test('a line that is moved is where it was put, and the others keep their order', () => {
  const places = fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 5 }))
  fc.assert(
    fc.property(places, ([from, to]) => {
      const after = moved([...'abcdef'], from, to)
      const one = 'abcdef'[from]
      expect(after[to]).toBe(one)
      expect(after.filter((name) => name !== one)).toEqual([...'abcdef'].filter((name) => name !== one))
    }),
  )
})

test('a target that is added to a group is its last; taken away again, the route is as before, in groups within groups too', () => {
  const strategy = fc.constantFrom('priority', 'weighted', 'sticky')
  const chain = fc.record({ strategy, members: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }) })
  const nested = fc
    .tuple(strategy, chain)
    .map(([outer, group]) => ({ strategy: outer, members: ['d', { group, weight: 3 }] }))
  fc.assert(
    fc.property(fc.oneof(chain, nested), (before) => {
      const after = withTarget(before, 'e')
      expect(targetsOf(after)).toEqual([...targetsOf(before), 'e'])
      expect(sharesOf(after, 0)?.every((share) => share > 0)).not.toBe(false)
      expect(withoutMember(after, before.members.length)).toEqual(before)
      const lighter = withMember(after, before.members.length, { target: 'e', weight: 0 })
      expect(sharesOf(lighter, 0)?.at(-1) ?? 0).toBe(0)
    }),
  )
})

describe('models', () => {
  const row: ApiModelReport['rows'][number] = {
    ...{ provider: 'p', model: 'm', requests: 90, errors: 9, attempts: 100, cache_hits: 10 },
    ...{ ttft_p50_ms: 200, ttft_p95_ms: 900, latency_p50_ms: 1_000, latency_p95_ms: 4_000, tokens_per_second: 50 },
    ...{ input_tokens: 1_500, cache_read_tokens: 300, cache_write_tokens: 100, output_tokens: 100 },
    ...{ cost_nano_usd: '5000000', feedback_count: 3, feedback_mean: 0.5 },
  }
  const target = { id: 't', provider: 'p', model: 'm', probe: { ok: true, status: 200, saw: '' } }
  const known = { report: { rows: [row] }, targets: [target], breakers: null, switches: null }
  const stateOf = (more: Partial<Parameters<typeof modelLines>[0]>) => modelLines({ ...known, ...more })[0]?.state.text

  test('tell the worst that is known of them', () => {
    const breaker = { target: 't', region: 'eu', state: 'open', at_ms: 0 } as const
    const off = { kind: 'provider', id: 'p', reason: 'broken', since_ms: 0 } as const
    const calm = { report: { rows: [{ ...row, errors: 1 }] } }
    const failing = { ...target, probe: { ok: false, status: 401, saw: 'no' } }
    expect(stateOf(calm)).toBe('healthy')
    expect(stateOf({})).toBe('failing')
    expect(stateOf({ report: { rows: [] } })).toBe('no traffic')
    expect(stateOf({ ...calm, targets: [failing] })).toBe('probe failed')
    expect(stateOf({ breakers: { rows: [{ ...breaker, state: 'ramping' }] } })).toBe('coming back')
    expect(stateOf({ breakers: { rows: [breaker] } })).toBe('circuit open')
    expect(stateOf({ breakers: { rows: [breaker] }, switches: { rows: [off] } })).toBe('switched off')
    // Of another target, of another provider.
    expect(stateOf({ ...calm, breakers: { rows: [{ ...breaker, target: 'u' }] } })).toBe('healthy')
    expect(stateOf({ ...calm, switches: { rows: [{ ...off, id: 'q' }] } })).toBe('healthy')
  })

  test('cost what their tokens of every kind did, and say which of two is better', () => {
    const other = { ...row, provider: 'q', requests: 10, errors: 0, ttft_p50_ms: 400, cost_nano_usd: '1000000' }
    const [a, b] = modelLines({ ...known, report: { rows: [row, other] } })
    if (a === undefined || b === undefined) throw new Error('a model is missing')
    expect([a.id, a.perThousandNanoUsd, a.otherCalls, a.errorRate]).toEqual(['p/m', 2_500_000n, 20, 0.1])
    const rows = compareModels(a, b)
    const better = (name: string) => rows.find((one) => one.name === name)?.better
    expect([better('Errors'), better('First token'), better('Requests')]).toEqual(['second', 'first', null])
    expect(better('Cost per 1K tokens')).toBe('second')
    expect(rows.filter(({ name }) => name === 'First token').map(changePercent)).toEqual([100, 0])
    expect(changePercent({ first: 0, second: 4 })).toBeNull()
  })
})
