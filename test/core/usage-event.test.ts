// Packing a usage event for its way to the ledger: smaller, and nothing lost.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { adjusted, lost } from '../../src/core/limits/booking.ts'
import { type UsageEvent, USAGE_EVENT_VERSION, packEvent, unpackEvent } from '../../src/core/money/usage-event.ts'
import { NO_USAGE, SERVICE_TIERS } from '../../src/core/money/usage.ts'

const count = fc.nat({ max: 1_000_000 })
const textOrNull = fc.option(fc.string(), { nil: null })
const anyEvent: fc.Arbitrary<UsageEvent> = fc.record({
  v: fc.constant(USAGE_EVENT_VERSION),
  kind: fc.constantFrom('cost' as const, 'adj' as const),
  requestId: fc.uuid(),
  attempt: fc.nat({ max: 6 }),
  startedAtMs: count,
  tenantId: fc.string(),
  teamId: textOrNull,
  keyId: fc.string(),
  costCenter: textOrNull,
  endUser: textOrNull,
  tags: fc.array(fc.string()),
  traceId: textOrNull,
  protocol: fc.string(),
  streamed: fc.boolean(),
  requestedModel: fc.string(),
  route: fc.string(),
  targetId: textOrNull,
  provider: textOrNull,
  model: textOrNull,
  status: count,
  ending: fc.constantFrom('finished' as const, 'lost' as const),
  failure: textOrNull,
  cache: fc.constantFrom('hit' as const, 'off' as const),
  isFinal: fc.boolean(),
  isEstimated: fc.boolean(),
  costNanoUsd: count,
  savedNanoUsd: count,
  priceVersion: textOrNull,
  isUnpriced: fc.boolean(),
  credential: textOrNull,
  plan: textOrNull,
  parentSpan: textOrNull,
  afterMs: count,
  latencyMs: count,
  ttftMs: fc.option(count, { nil: null }),
  usage: fc
    .record(
      {
        input: count,
        output: count,
        cacheRead: count,
        units: fc.record({ images: count }),
        tier: fc.constantFrom(...SERVICE_TIERS),
      },
      { requiredKeys: ['input', 'output'] },
    )
    .map((some) => ({ ...NO_USAGE, ...some })),
})

describe('packing an event', () => {
  it('loses nothing', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        expect(unpackEvent(JSON.parse(packEvent(event)))).toEqual(event)
      }),
    )
  })

  it('leaves out what is at its default', () => {
    const [event] = fc.sample(anyEvent, { numRuns: 1, seed: 1 })
    if (event === undefined) throw new Error('no sample')
    const plain = {
      ...event,
      kind: 'cost' as const,
      tags: [],
      traceId: null,
      ttftMs: null,
      usage: { ...NO_USAGE, input: 3 },
    }
    expect(JSON.parse(packEvent(plain))).not.toHaveProperty('tags')
    expect(JSON.parse(packEvent(plain)).usage).toEqual({ input: 3, output: 0 })
  })
})

describe('a lost attempt', () => {
  it('costs what was reserved until its true event comes, and then what it cost: the sum is exact', () => {
    fc.assert(
      fc.property(anyEvent, count, count, (event, reserved, now) => {
        const template: UsageEvent = { ...event, kind: 'cost', costNanoUsd: 0 }
        const admission = {
          id: `${event.requestId}#${event.attempt}`,
          reservedNanoUsd: reserved,
          event: packEvent(template),
          bookedAtMs: now,
        }
        const [booked] = JSON.parse(lost([admission], now)).map(unpackEvent)
        const truth: UsageEvent = { ...event, kind: 'cost' }
        const [correction] = JSON.parse(adjusted(`[${packEvent(truth)}]`, [admission])).map(unpackEvent)
        expect(booked).toMatchObject({ kind: 'cost', ending: 'lost', isEstimated: true, costNanoUsd: reserved })
        expect(correction.kind).toBe('adj')
        expect(booked.costNanoUsd + correction.costNanoUsd).toBe(truth.costNanoUsd)
        expect(booked.usage.output + correction.usage.output).toBe(truth.usage.output)
      }),
    )
  })
})
