// What a reply costs, held against the provider's own arithmetic: wherever a recorded reply states a cost, ours is the same
// to the nano-dollar, at the listed price, or at another one for a reason that stands here. And in every recorded reply the
// buckets hold each token once. The table that is printed is the result.
import { afterAll, describe, expect, test } from 'vitest'
import { findPrice } from '../../src/catalog/price-catalogue.ts'
import { type UsdPerMillion, priceOf } from '../../src/catalog/price-units.ts'
import { fold } from '../../src/core/reply/fold.ts'
import { type Price, costNanoUsd } from '../../src/core/money/price.ts'
import { type Usage, USAGE_BUCKETS, completionTokens, promptTokens, withUnits } from '../../src/core/money/usage.ts'
import { type Exchange, loadExchanges, missingCorpus, recordedApis } from './exchanges.ts'
import { expectedOf } from './naive.ts'
import { eventsOf, readingOf } from './readers.ts'
import { type StatedCost, statedCost } from './stated-costs.ts'

if (missingCorpus !== null) {
  console.warn(`recorded costs: ${missingCorpus}`)
  test.skip(`recorded costs: ${missingCorpus}`, () => {})
}

interface Explained {
  readonly why: string
  readonly usdPerMillion: UsdPerMillion
  readonly units?: NonNullable<Price['units']>
}

const ANOTHER_HOST = 'OpenRouter has the model from several hosts, and this one asks another price than is listed'
const SEARCHED = 'the list has no price of searches: OpenRouter asks $0.007 for one, on top of the host’s own tokens'
const REQUEST_FEE =
  'the list has no price of the call (Perplexity asks $0.005 for one with a small search context), and parts are rounded'
const NOT_LISTED = 'the list lacks the model at this provider'
const ONE_SONAR_CALL = { requests: 5_000_000_000 }

/** By the end of the exchange's id: what the provider charged by, where that isn't the listed price. */
const EXPLAINED: Readonly<Record<string, Explained>> = {
  '19ec71a1c5': { why: NOT_LISTED, usdPerMillion: { input: 0, output: 0 } },
  '63a01c62b7': { why: ANOTHER_HOST, usdPerMillion: { input: 0.18, output: 0.68 } },
  '7a80c3dd72': {
    why: SEARCHED,
    usdPerMillion: { input: 0.2574, output: 1.0287 },
    units: { searches: 7_000_000_000 },
  },
  '3514da7823': { why: ANOTHER_HOST, usdPerMillion: { input: 0.14, output: 0.86 } },
  '935805b977': { why: ANOTHER_HOST, usdPerMillion: { input: 0.77, output: 0.77 } },
  '55e9e3e389': { why: ANOTHER_HOST, usdPerMillion: { input: 0.27, output: 1 } },
  '6ef2a4fb1a': {
    why: 'the list lacks the price of sound',
    usdPerMillion: { input: 0.3, output: 2.5, audioInput: 1 },
  },
  d164ec2179: { why: NOT_LISTED, usdPerMillion: { input: 3, cacheRead: 0.75, output: 15 } },
  b5d3311840: { why: ANOTHER_HOST, usdPerMillion: { input: 5, cacheRead: 0.5, output: 30 } },
  b296f99baa: {
    why: 'it was served by another model than was asked for, moonshotai/kimi-k2 at Novita',
    usdPerMillion: { input: 0.57, output: 2.3 },
  },
  '9853d9aad0': { why: REQUEST_FEE, usdPerMillion: { input: 1, output: 1 }, units: ONE_SONAR_CALL },
  '7090a34f29': { why: REQUEST_FEE, usdPerMillion: { input: 1, output: 1 }, units: ONE_SONAR_CALL },
}

/** A catalogue's name of the provider and its name of the model, where a gateway of gateways passes prices on. */
function listedAs({ provider, model }: Exchange): readonly [string, string] {
  if (provider !== 'vercel-gateway') return [provider, model]
  return model.startsWith('google/') ? ['gemini', model.slice('google/'.length)] : ['vercel', model]
}

type Verdict = 'equal' | 'explained' | 'different'
const table = new Map<string, Record<Verdict, number>>()

function note(row: string, verdict: Verdict): void {
  const counts = table.get(row) ?? { equal: 0, explained: 0, different: 0 }
  counts[verdict] += 1
  table.set(row, counts)
}

afterAll(() => {
  if (missingCorpus !== null) return
  const rows = [...table].toSorted().map(([row, { equal, explained, different }]) => {
    return `| ${row} | ${equal} | ${explained} | ${different} |`
  })
  console.log(['| who states a cost | equal | explained | different |', '|---|--:|--:|--:|', ...rows].join('\n'))
})

interface Costed {
  readonly exchange: Exchange
  readonly stated: StatedCost
  readonly usage: Usage
}

const conversations = recordedApis()
  .flatMap((api) => loadExchanges(api))
  .filter((exchange) => exchange.status === 200 && typeof readingOf(exchange) !== 'string')

function usageOf(exchange: Exchange): Usage | null {
  const reading = readingOf(exchange)
  return typeof reading === 'string' ? null : fold(eventsOf(reading, exchange, [exchange.bytes])).usage
}

const costed: readonly Costed[] = conversations.flatMap((exchange) => {
  const stated = statedCost(exchange)
  const usage = stated === null ? null : usageOf(exchange)
  return stated === null || usage === null ? [] : [{ exchange, stated, usage }]
})

describe.runIf(costed.length > 0)('a stated cost', () => {
  test.each(costed.map((one) => [one.exchange.id, one] as const))('%s', async (id, { exchange, stated, usage }) => {
    const name = id.slice(id.lastIndexOf('-') + 1)
    const row = `${exchange.api} ${exchange.provider}`
    const explained = EXPLAINED[name]
    const listed = await findPrice(...listedAs(exchange))
    // A fraction of a nano-dollar is rounded up.
    const theirs = Math.ceil(stated.nanoUsd)
    if (explained === undefined) {
      expect(listed).not.toBeNull()
      const ours = listed === null ? null : costNanoUsd(usage, listed.price)
      note(row, ours === theirs ? 'equal' : 'different')
      expect(ours).toBe(theirs)
      return
    }
    const { usdPerMillion, units } = explained
    const price: Price = { ...priceOf(usdPerMillion), ...(units === undefined ? {} : { units }) }
    const counted = units?.requests === undefined ? usage : withUnits(usage, { requests: 1 })
    const ours = costNanoUsd(counted, price)
    const isSame = exchange.provider === 'perplexity' ? isRounded(usage, price, stated) : ours === theirs
    note(row, isSame ? 'explained' : 'different')
    expect(isSame ? theirs : ours).toBe(theirs)
    // An explanation that is no longer needed has to go.
    expect(listed === null ? null : costNanoUsd(usage, listed.price)).not.toBe(theirs)
  })

  test('is stated often enough for this to mean something', () => {
    expect(costed.length).toBeGreaterThanOrEqual(40)
  })
})

/** Perplexity states each part in steps of $0.00001: ours are the same within half a step, and the fee is exact. */
function isRounded(usage: Usage, { units, ...price }: Price, stated: StatedCost): boolean {
  const prompt = costNanoUsd({ ...usage, output: 0, reasoning: 0, audioOutput: 0 }, price)
  const output = costNanoUsd(usage, price) - prompt
  const isNear = (ours: number, theirs: number | null): boolean => Math.abs(ours - (theirs ?? Infinity)) <= 5_000
  const fee = (units?.requests ?? 0) / 1_000
  return isNear(prompt, stated.promptNanoUsd) && isNear(output, stated.outputNanoUsd) && fee === stated.otherNanoUsd
}

describe.runIf(conversations.length > 0)('the buckets of a recorded reply', () => {
  test.each(recordedApis().map((api) => [api] as const))('%s: hold each reported token once', (api) => {
    for (const exchange of conversations.filter((one) => one.api === api)) {
      const usage = usageOf(exchange)
      const { usage: reported, isError } = expectedOf(exchange)
      // What hides its reasoning reports less than it charges for: its stated costs, above, are what it is held to.
      if (usage === null || reported === null || isError || exchange.provider === 'vercel-gateway') continue
      for (const bucket of USAGE_BUCKETS) {
        expect(Number.isSafeInteger(usage[bucket]) && usage[bucket] >= 0, `${exchange.id} ${bucket}`).toBe(true)
      }
      expect([exchange.id, promptTokens(usage), completionTokens(usage)]).toEqual([
        exchange.id,
        reported.prompt,
        reported.completion,
      ])
    }
  })
})
