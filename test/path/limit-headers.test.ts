// What answers tell of limits: what a lease knows of them and how that ages, without another call, and the forms in which
// clients read it.
import { describe, expect, test } from 'vitest'
import { putLimitHeaders, duration, refusalHeaders } from '../../src/data-plane/limits/limit-headers.ts'
import type { ToldStandings } from '../../src/core/limits/standing.ts'
import { heldTenant } from '../support/held-tenant.ts'
import { budget, configOf, node, rate } from '../support/limiter-receiver.ts'

const NOW_MS = Date.UTC(2026, 4, 4, 12)
const OPENAI = { wire: 'openai-chat' } as const
const ANTHROPIC = { wire: 'anthropic-messages' } as const

function headersOf(protocol: typeof OPENAI | typeof ANTHROPIC, standings: ToldStandings): Record<string, string> {
  const headers: Record<string, string> = {}
  putLimitHeaders(
    (name, value) => {
      headers[name] = value
    },
    protocol,
    standings,
    NOW_MS,
  )
  return headers
}

describe('a lease knows how limits stand', () => {
  test('from its latest grant, and counts what it uses and what is refilled, without a call', async () => {
    const world = heldTenant(configOf([node('key', 'k', { more: [rate('requests', 60), rate('tokens', 6_000)] })]))
    const first = await world.admitted('r1', { tokens: 1_000 })
    expect(first.standings?.()).toEqual({
      rates: {
        requests: { limit: 60, left: 59, resetAfterMs: 1_000 },
        tokens: { limit: 6_000, left: 5_000, resetAfterMs: 10_000 },
      },
    })
    world.finish(first, 'r1', { tokens: 400 })
    expect(first.standings?.()?.rates.tokens).toMatchObject({ left: 5_600 })
    await world.clock.advance(2_000)
    const calls = world.messages.filter(({ wants }) => wants.length > 0).length
    const second = await world.admitted('r2', { tokens: 100 })
    expect(second.standings?.()?.rates.tokens).toMatchObject({ limit: 6_000, left: 5_700, resetAfterMs: 3_000 })
    expect(second.standings?.()?.rates.requests).toMatchObject({ left: 59 })
    expect(world.messages.filter(({ wants }) => wants.length > 0).length).toBe(calls)
  })

  test('of each resource the one with least left, at whatever level', async () => {
    const world = heldTenant(
      configOf([
        node('tenant', 't', { more: [rate('requests', 600), budget(5e9, 'day')] }),
        node('key', 'k', { more: [rate('requests', 1_000, 20), budget(9e9, 'month')] }),
      ]),
    )
    const standings = (await world.admitted('r1', { nanoUsd: 1e9 })).standings?.()
    expect(standings?.rates.requests).toMatchObject({ limit: 20, left: 19 })
    expect(standings?.budget).toEqual({ limitNanoUsd: 5e9, leftNanoUsd: 4e9, resetsAtMs: Date.UTC(2026, 4, 5) })
  })

  test('and nothing where there are none, or only slots', async () => {
    const world = heldTenant(configOf([node('key', 'k')]))
    expect((await world.admitted('r1', { tokens: 5 })).standings?.()).toBeNull()
  })

  test('never more than there can be, nor less than nothing', async () => {
    const world = heldTenant(configOf([node('key', 'k', { more: [rate('tokens', 600, 50)] })]))
    const first = await world.admitted('r1', { tokens: 10 })
    world.finish(first, 'r1', { tokens: 400 })
    expect(first.standings?.()?.rates.tokens).toMatchObject({ limit: 50, left: 0 })
    await world.clock.advance(600_000)
    expect(first.standings?.()?.rates.tokens).toMatchObject({ limit: 50, left: 50, resetAfterMs: 0 })
  })
})

describe('answers tell it', () => {
  const standings: ToldStandings = {
    rates: {
      requests: { limit: 60, left: 59, resetAfterMs: 1_000 },
      tokens: { limit: 90_000, left: 54_000, resetAfterMs: 360_000 },
      inputTokens: { limit: 10, left: 9, resetAfterMs: 1_500 },
    },
    budget: { limitNanoUsd: 5e9, leftNanoUsd: 1_250_000_001, resetsAtMs: Date.UTC(2026, 4, 5) },
  }

  test("under OpenAI's names, money under ours", () => {
    expect(headersOf(OPENAI, standings)).toEqual({
      'x-ratelimit-limit-requests': '60',
      'x-ratelimit-remaining-requests': '59',
      'x-ratelimit-reset-requests': '1s',
      'x-ratelimit-limit-tokens': '90000',
      'x-ratelimit-remaining-tokens': '54000',
      'x-ratelimit-reset-tokens': '6m0s',
      'x-ratelimit-limit-input-tokens': '10',
      'x-ratelimit-remaining-input-tokens': '9',
      'x-ratelimit-reset-input-tokens': '1.5s',
      'x-tidegate-budget-limit-usd': '5.000000000',
      'x-tidegate-budget-remaining-usd': '1.250000001',
      'x-tidegate-budget-reset': '2026-05-05T00:00:00Z',
    })
  })

  test("to Anthropic's clients under its names, with instants in place of waits", () => {
    const { budget: _, ...rates } = standings
    expect(headersOf(ANTHROPIC, rates)).toEqual({
      'anthropic-ratelimit-requests-limit': '60',
      'anthropic-ratelimit-requests-remaining': '59',
      'anthropic-ratelimit-requests-reset': '2026-05-04T12:00:01Z',
      'anthropic-ratelimit-tokens-limit': '90000',
      'anthropic-ratelimit-tokens-remaining': '54000',
      'anthropic-ratelimit-tokens-reset': '2026-05-04T12:06:00Z',
      'anthropic-ratelimit-input-tokens-limit': '10',
      'anthropic-ratelimit-input-tokens-remaining': '9',
      'anthropic-ratelimit-input-tokens-reset': '2026-05-04T12:00:02Z',
    })
  })

  test('refusals only of the limit that refuses', () => {
    const failure = {
      kind: 'rate-limited',
      scope: 'key',
      unit: 'tokens',
      limitPerMinute: 60,
      requested: 9,
      left: 4,
      size: 30,
      resetAfterMs: 26_000,
      retryAfterMs: 5_000,
    } as const
    expect(refusalHeaders(OPENAI, failure, NOW_MS)).toEqual({
      'x-ratelimit-limit-tokens': '30',
      'x-ratelimit-remaining-tokens': '4',
      'x-ratelimit-reset-tokens': '26s',
    })
    expect(refusalHeaders(OPENAI, { kind: 'limiter-unavailable' }, NOW_MS)).toEqual({})
  })

  test.each([
    [0, '0ms'],
    [120, '120ms'],
    [1_000, '1s'],
    [7_660, '7.66s'],
    [60_000, '1m0s'],
    [89_999, '1m30s'],
    [360_000, '6m0s'],
    [3_600_000, '1h0m0s'],
    [90_061_000, '25h1m1s'],
  ])('a wait of %d ms as %s', (ms, text) => {
    expect(duration(ms)).toBe(text)
  })
})
