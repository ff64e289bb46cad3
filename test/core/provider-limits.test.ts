// What providers say of their own limits: each family of headers as its provider documents it or was seen to send it, and
// for which requests that is too little.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ProviderLimit, shortageOf, withRequest } from '../../src/core/health/provider-limits.ts'
import { type HeaderFamily, familyOf, readProviderLimits } from '../../src/dialects/provider-limit-headers.ts'

const NOW_MS = Date.UTC(2026, 10, 21, 12)

type Said = readonly [unit: string, left: number, size: number | null, inMs: number]

const EXAMPLES: readonly (readonly [string, HeaderFamily, Readonly<Record<string, string>>, readonly Said[]])[] = [
  [
    'OpenAI',
    'openai',
    {
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-limit-tokens': '150000',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-remaining-tokens': '149984',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-reset-tokens': '6m0s',
    },
    [
      ['requests', 59, 60, 1_000],
      ['tokens', 149_984, 150_000, 360_000],
    ],
  ],
  [
    'OpenAI, in milliseconds',
    'openai',
    {
      'x-ratelimit-limit-requests': '3000',
      'x-ratelimit-limit-tokens': '250000',
      'x-ratelimit-remaining-requests': '2999',
      'x-ratelimit-remaining-tokens': '249989',
      'x-ratelimit-reset-requests': '20ms',
      'x-ratelimit-reset-tokens': '2ms',
    },
    [
      ['requests', 2_999, 3_000, 20],
      ['tokens', 249_989, 250_000, 2],
    ],
  ],
  [
    'OpenAI, of a project',
    'openai',
    {
      'x-ratelimit-remaining-requests': '9',
      'x-ratelimit-limit-project-tokens': '1000',
      'x-ratelimit-remaining-project-tokens': '10',
      'x-ratelimit-reset-project-tokens': '30s',
    },
    [
      ['requests', 9, null, 60_000],
      ['tokens', 10, 1_000, 30_000],
    ],
  ],
  [
    'Azure, without resets',
    'openai',
    { 'x-ratelimit-remaining-requests': '299', 'x-ratelimit-remaining-tokens': '239984' },
    [
      ['requests', 299, null, 60_000],
      ['tokens', 239_984, null, 60_000],
    ],
  ],
  [
    'Groq',
    'openai',
    {
      'x-ratelimit-limit-requests': '14400',
      'x-ratelimit-limit-tokens': '18000',
      'x-ratelimit-remaining-requests': '14370',
      'x-ratelimit-remaining-tokens': '17997',
      'x-ratelimit-reset-requests': '2m59.56s',
      'x-ratelimit-reset-tokens': '7.66s',
    },
    [
      ['requests', 14_370, 14_400, 179_560],
      ['tokens', 17_997, 18_000, 7_660],
    ],
  ],
  [
    'Anthropic',
    'anthropic',
    {
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '49',
      'anthropic-ratelimit-requests-reset': '2026-11-21T12:00:01Z',
      'anthropic-ratelimit-tokens-limit': '60000',
      'anthropic-ratelimit-tokens-remaining': '58000',
      'anthropic-ratelimit-tokens-reset': '2026-11-21T12:00:02Z',
      'anthropic-ratelimit-input-tokens-limit': '50000',
      'anthropic-ratelimit-input-tokens-remaining': '49000',
      'anthropic-ratelimit-input-tokens-reset': '2026-11-21T12:00:02Z',
      'anthropic-ratelimit-output-tokens-limit': '10000',
      'anthropic-ratelimit-output-tokens-remaining': '9000',
      'anthropic-ratelimit-output-tokens-reset': '2026-11-21T12:00:06Z',
    },
    [
      ['requests', 49, 50, 1_000],
      ['tokens', 58_000, 60_000, 2_000],
      ['inputTokens', 49_000, 50_000, 2_000],
      ['outputTokens', 9_000, 10_000, 6_000],
    ],
  ],
  [
    'Mistral',
    'minute',
    {
      'x-ratelimit-limit-req-minute': '60',
      'x-ratelimit-limit-tokens-minute': '50000',
      'x-ratelimit-limit-tokens-month': '4000000',
      'x-ratelimit-remaining-req-minute': '59',
      'x-ratelimit-remaining-tokens-minute': '47196',
      'x-ratelimit-tokens-query-cost': '2804',
    },
    [
      ['tokens', 47_196, 50_000, 60_000],
      ['requests', 59, 60, 60_000],
    ],
  ],
  [
    'Mistral by size',
    'by-size',
    {
      'ratelimitbysize-reset': '13',
      'x-ratelimitbysize-limit-minute': '2000000',
      'x-ratelimitbysize-limit-month': '10000000000',
      'x-ratelimitbysize-remaining-minute': '1999968',
      'x-ratelimitbysize-remaining-month': '9996943216',
    },
    [
      ['tokens', 1_999_968, 2_000_000, 13_000],
      ['tokens', 9_996_943_216, 10_000_000_000, 86_400_000],
    ],
  ],
  [
    'Cerebras',
    'minute',
    {
      'x-ratelimit-limit-requests-day': '14400',
      'x-ratelimit-limit-tokens-minute': '60000',
      'x-ratelimit-remaining-requests-day': '14399',
      'x-ratelimit-remaining-tokens-minute': '59919',
      'x-ratelimit-reset-requests-day': '33011.382867',
      'x-ratelimit-reset-tokens-minute': '11.38',
    },
    [
      ['tokens', 59_919, 60_000, 11_380],
      ['requests', 14_399, 14_400, 33_011_383],
    ],
  ],
  [
    'the IETF draft',
    'ietf',
    {
      ratelimit: '"burst";r=50;t=30, "daily-tokens";r=900;t=3600',
      'ratelimit-policy': '"burst";q=100;w=60, "daily-tokens";q=1000;w=86400',
    },
    [
      ['requests', 50, 100, 30_000],
      ['tokens', 900, 1_000, 3_600_000],
    ],
  ],
  [
    'the IETF draft, with units',
    'ietf',
    {
      ratelimit: '"a";r=5, "b";r=7;t=1',
      'ratelimit-policy': '"a";q=10;w=20;qu="requests", "b";q=9;w=1;qu="content-bytes"',
    },
    [['requests', 5, 10, 20_000]],
  ],
  [
    'the IETF draft before, in one field',
    'ietf',
    { ratelimit: 'limit=100, remaining=50, reset=30', 'ratelimit-policy': '100;w=60' },
    [['requests', 50, 100, 30_000]],
  ],
  [
    'the IETF draft before, in fields of their own',
    'ietf-apart',
    { 'ratelimit-limit': '10', 'ratelimit-remaining': '0', 'ratelimit-reset': '50' },
    [['requests', 0, 10, 50_000]],
  ],
]

describe.each(EXAMPLES)('%s', (_, family, headers, said) => {
  const read = (name: string): string | null => headers[name] ?? null

  test('is recognised', () => {
    expect(familyOf(read)).toBe(family)
  })

  test('is read', () => {
    const limits = readProviderLimits(family, read, NOW_MS) ?? []
    expect(limits.map(({ unit, left, size, resetsAtMs }) => [unit, left, size, resetsAtMs - NOW_MS])).toEqual(said)
  })
})

test('an answer without the headers costs one look', () => {
  const looked: string[] = []
  const read = (name: string): null => {
    looked.push(name)
    return null
  }
  expect(readProviderLimits('openai', read, NOW_MS)).toBeNull()
  expect(looked).toHaveLength(1)
})

test('whatever the headers say, nothing that is read is no number', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('', '-1', 'NaN', 'Infinity', '1e999', '9'.repeat(400), '"a";r=;t=', 'remaining=x'),
  )
  const families = fc.constantFrom<HeaderFamily[]>('openai', 'anthropic', 'minute', 'by-size', 'ietf', 'ietf-apart')
  fc.assert(
    fc.property(families, text, text, (family, first, second) => {
      let count = 0
      const limits = readProviderLimits(family, () => ((count += 1) % 2 === 0 ? second : first), NOW_MS) ?? []
      for (const { left, size, resetsAtMs } of limits) {
        expect(left).toBeGreaterThanOrEqual(0)
        expect(Number.isFinite(size ?? 0)).toBe(true)
        expect(resetsAtMs).toBeGreaterThanOrEqual(NOW_MS)
        expect(resetsAtMs).toBeLessThanOrEqual(NOW_MS + 86_400_000)
      }
    }),
    { numRuns: 2_000 },
  )
})

const limit = (fields: Partial<ProviderLimit>): ProviderLimit => ({
  unit: 'tokens',
  left: 0,
  size: 6_000,
  atMs: NOW_MS,
  resetsAtMs: NOW_MS + 60_000,
  isGradual: true,
  ...fields,
})
const asks = (tokens: number) => ({ requests: 1, inputTokens: tokens, outputTokens: 0, slots: 1, nanoUsd: 0 })

describe('too little for a request', () => {
  test.each([
    ['is less than it needs', limit({ left: 99 }), 0, 'tokens'],
    ['is what it needs and next to nothing more', limit({ left: 200 }), 0, 'tokens'],
    ['is not what leaves a margin', limit({ left: 220 }), 0, undefined],
    ['has come back since, bit by bit', limit({ left: 99 }), 1_300, undefined],
    ['has not come back before its window ends', limit({ left: 99, isGradual: false }), 59_999, 'tokens'],
    ['is over with its window', limit({ left: 99, isGradual: false }), 60_000, undefined],
    [
      'is not less than the limit has ever: that is the provider’s to refuse',
      limit({ left: 50, size: 90 }),
      0,
      undefined,
    ],
    ['may be requests', limit({ unit: 'requests', left: 0, size: 60 }), 0, 'requests'],
    ['may be output, of which this needs none', limit({ unit: 'outputTokens', left: 0, size: null }), 0, undefined],
  ])('%s', (_, said, afterMs, unit) => {
    expect(shortageOf([said], asks(100), NOW_MS + afterMs)?.unit).toBe(unit)
  })

  test('names the one that lacks it longest', () => {
    const both = [limit({}), limit({ unit: 'requests', size: 10, resetsAtMs: NOW_MS + 90_000 })]
    expect(shortageOf(both, asks(1), NOW_MS)).toEqual({ unit: 'requests', left: 0, resetsAtMs: NOW_MS + 90_000 })
  })

  test('comes sooner when requests go out in between', () => {
    const said = [limit({ left: 500 })]
    expect(shortageOf(said, asks(150), NOW_MS)).toBeNull()
    const after = withRequest(withRequest(said, asks(150), NOW_MS), asks(150), NOW_MS)
    expect(shortageOf(after, asks(150), NOW_MS)).toMatchObject({ unit: 'tokens', left: 200 })
    expect(withRequest(said, asks(150), NOW_MS + 60_000)).toEqual([])
  })
})
