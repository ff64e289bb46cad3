// Laws of what is reserved: never less than what may be spent, no more where less is needed, and estimates that follow what
// providers report without ever running away.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Calibration } from '../../src/core/estimate/calibration.ts'
import {
  type Demand,
  type Sizing,
  UNSIZED,
  demand,
  outputNanoUsd,
  payableOutput,
} from '../../src/core/estimate/estimate.ts'
import { type Price, costNanoUsd } from '../../src/core/money/price.ts'
import { PLAIN, type PromptMedia, extraTokens } from '../../src/core/estimate/prompt-extras.ts'
import { NO_USAGE } from '../../src/core/money/usage.ts'
import { costingPicoUsd, someTarget } from '../support/targets.ts'

const tokens = fc.integer({ min: 0, max: 500_000 })
const picoUsd = fc.integer({ min: 0, max: 100_000_000 })
const price: fc.Arbitrary<Price> = fc.record({
  input: picoUsd,
  cacheRead: picoUsd,
  cacheWrite: picoUsd,
  cacheWriteLong: picoUsd,
  output: picoUsd,
  reasoning: picoUsd,
  audioInput: picoUsd,
  audioOutput: picoUsd,
})
const asked = fc.record({
  maxOutputTokens: fc.option(fc.integer({ min: 1, max: 100_000 })),
  choices: fc.integer({ min: 1, max: 8 }),
})
const sizing = fc.record({
  factor: fc.double({ min: 0.5, max: 4, noNaN: true }),
  extras: fc.record({ overhead: fc.integer({ min: 0, max: 600 }), media: tokens, audio: tokens }),
  isSpoken: fc.boolean(),
  mayExtend: fc.boolean(),
  mayClamp: fc.boolean(),
})

describe('what is reserved', () => {
  test('pays for the prompt as this model counts, however it is cached, and for every token of the bound', () => {
    fc.assert(
      fc.property(
        tokens,
        asked,
        price,
        sizing,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (prompt, request, at, known, share) => {
          const need = demand(prompt, request, someTarget('a', { price: at, maxOutputTokens: 4_096 }), {
            ...known,
            mayExtend: false,
          })
          const input = Math.floor(prompt * known.factor) + known.extras.overhead + known.extras.media
          const written = Math.floor(input * share)
          const output = need.maxOutputTokens * request.choices
          const thought = Math.floor(output * share)
          const used = {
            ...NO_USAGE,
            input: input - written,
            cacheWriteLong: written,
            output: output - thought,
            reasoning: thought,
            audioInput: known.extras.audio,
          }
          const audible = known.isSpoken ? { ...used, output: 0, reasoning: 0, audioOutput: output } : used
          expect(need.amounts.nanoUsd).toBeGreaterThanOrEqual(costNanoUsd(used, at))
          expect(need.amounts.nanoUsd).toBeGreaterThanOrEqual(costNanoUsd(audible, at))
        },
      ),
    )
  })

  test('is nothing where nothing costs anything', () => {
    for (const free of [null, costingPicoUsd(0, 0)]) {
      const need = demand(5_000, { maxOutputTokens: null, choices: 1 }, someTarget('a', { price: free }), {
        ...UNSIZED,
        mayExtend: true,
        mayClamp: true,
      })
      expect(need).toMatchObject({ amounts: { nanoUsd: 0, requests: 1 }, isElastic: false, leastNanoUsd: null })
      expect(need.amounts.inputTokens).toBeGreaterThanOrEqual(5_000)
    }
  })

  test('what less money than that pays for is paid for by it', () => {
    fc.assert(
      fc.property(
        tokens,
        asked,
        price,
        sizing,
        fc.double({ min: 0, max: 1, noNaN: true }),
        (prompt, request, at, known, share) => {
          const need = demand(prompt, request, someTarget('a', { price: at }), { ...known, mayClamp: true })
          const nanoUsd = Math.floor(need.promptNanoUsd + share * (need.amounts.nanoUsd - need.promptNanoUsd))
          const output = payableOutput(need, nanoUsd)
          if (output === Infinity) return expect(need.outputPicoUsd).toBe(0)
          expect(need.promptNanoUsd + outputNanoUsd(need, output)).toBeLessThanOrEqual(nanoUsd)
          if (need.leastNanoUsd !== null) expect(payableOutput(need, need.leastNanoUsd)).toBeGreaterThanOrEqual(1)
        },
      ),
    )
  })
})

const PRICED = { price: costingPicoUsd(1_000_000, 2_000_000), maxOutputTokens: 8_000 }
const BOTH: Sizing = { ...UNSIZED, mayExtend: true, mayClamp: true }
const OPEN = { maxOutputTokens: null, choices: 1 }

function paid(fields: object, sized: Sizing = BOTH, request: object = {}): Demand {
  return demand(100, { ...OPEN, ...request }, someTarget('a', { ...PRICED, ...fields }), sized)
}

describe('only likely output is paid for beforehand', () => {
  test.each([
    ['a model that shows all it says', { capabilities: { reasoning: false } }, {}, 1_024],
    ['a model that is known, and not to think', { capabilities: { contextTokens: 128_000 } }, {}, 1_024],
    ['several replies', { capabilities: { reasoning: false } }, { choices: 3 }, 3_072],
    ['a model that thinks unseen', { capabilities: { reasoning: true, contextTokens: 128_000 } }, {}, 8_000],
    ['a model that nothing is known of', {}, {}, 8_000],
    ['a lower bound', { capabilities: { reasoning: false } }, { maxOutputTokens: 500 }, 500],
  ])('%s', (_, fields, request, output) => {
    const need = paid(fields, BOTH, request)
    expect(need.paidOutputTokens).toBe(output)
    expect(need.isElastic).toBe(output % 1_024 === 0)
    expect(need.amounts.nanoUsd).toBe(need.promptNanoUsd + outputNanoUsd(need, output))
  })

  test('and all of it where the reply is spoken, or not metered', () => {
    const fields = { capabilities: { reasoning: false } }
    expect(paid(fields, { ...BOTH, isSpoken: true }).paidOutputTokens).toBe(8_000)
    expect(paid(fields, { ...BOTH, mayExtend: false }).paidOutputTokens).toBe(8_000)
  })
})

describe('a request makes do with', () => {
  test.each([
    ['a short answer', {}, {}, 64],
    ['its own bound where that is lower', {}, { maxOutputTokens: 20, choices: 4 }, null],
    ['a thought and an answer', { capabilities: { reasoning: true } }, {}, 1_024],
    ['its budget of thinking', {}, { leastOutputTokens: 2_049, maxOutputTokens: 4_000 }, 2_049],
  ])('%s', (_, fields, request, output) => {
    const need = paid(fields, BOTH, request)
    const least = output === null ? null : need.promptNanoUsd + outputNanoUsd(need, output)
    expect(need.leastNanoUsd).toBe(least)
    expect(paid(fields, { ...BOTH, mayClamp: false }, request).leastNanoUsd).toBeNull()
  })
})

test('no prompt is longer than what the model reads', () => {
  const media = { ...UNSIZED.extras, media: 900_000 }
  const need = paid({ capabilities: { contextTokens: 128_000 } }, { ...BOTH, extras: media })
  expect(need.promptNanoUsd).toBe(128_000_000)
})

describe('calibration', () => {
  test('never leaves its bounds, whatever is reported', () => {
    const report = fc.tuple(fc.integer({ min: -5, max: 1_000_000 }), fc.integer({ min: -5, max: 100_000_000 }))
    fc.assert(
      fc.property(fc.array(report), (reports) => {
        const calibration = new Calibration()
        for (const [estimated, actual] of reports) {
          calibration.learnPrompt('m', estimated, actual)
          calibration.learnReply('m', estimated, actual)
        }
        expect(calibration.promptFactor('m')).toBeGreaterThanOrEqual(0.5)
        expect(calibration.promptFactor('m')).toBeLessThanOrEqual(4)
        const chars = calibration.charsPerToken('m')
        if (chars !== null) expect(chars).toBeGreaterThanOrEqual(0.5)
        if (chars !== null) expect(chars).toBeLessThanOrEqual(8)
      }),
    )
  })

  test('comes to what a model keeps reporting, and leaves other models alone', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.6, max: 3.9, noNaN: true }),
        fc.double({ min: 1, max: 7, noNaN: true }),
        (factor, chars) => {
          const calibration = new Calibration()
          for (let count = 0; count < 100; count += 1) {
            calibration.learnPrompt('m', 10_000, Math.round(10_000 * factor))
            calibration.learnReply('m', Math.round(10_000 * chars), 10_000)
          }
          expect(Math.abs(calibration.promptFactor('m') - factor)).toBeLessThan(0.01)
          expect(Math.abs((calibration.charsPerToken('m') ?? 0) - chars)).toBeLessThan(0.001)
          expect([calibration.promptFactor('n'), calibration.charsPerToken('n')]).toEqual([1, null])
        },
      ),
    )
  })

  test('learns nothing from what is mostly overhead or rounding', () => {
    const calibration = new Calibration()
    calibration.learnPrompt('m', 63, 200)
    calibration.learnReply('m', 10, 31)
    expect([calibration.promptFactor('m'), calibration.charsPerToken('m')]).toEqual([1, null])
  })

  test('forgets the oldest of too many models', () => {
    const calibration = new Calibration()
    for (let model = 0; model <= 500; model += 1) calibration.learnPrompt(`m${model}`, 100, 200)
    expect(calibration.promptFactor('m0')).toBe(1)
    expect(calibration.promptFactor('m1')).toBe(1.5)
  })

  test('raises what is paid for a prompt, and never lowers it', () => {
    const at = (factor: number): number => paid({}, { ...BOTH, factor }).promptNanoUsd
    expect(at(0.5)).toBe(at(1))
    expect(at(3)).toBeGreaterThan(2 * at(1))
  })
})

describe('what is no text', () => {
  const of = (model: string, ...media: readonly PromptMedia[]) =>
    extraTokens({ ...PLAIN, media }, model, (data) => data.length)
  const base64 = (bytes: number): string => 'A'.repeat((bytes * 4) / 3)

  test.each([
    ['gpt-4o', false, 1_445],
    ['gpt-4o', true, 85],
    ['gpt-4o-mini-2024-07-18', false, 48_169],
    ['gpt-4.1-nano', false, 3_779],
    ['anthropic/claude-sonnet-4-5', false, 1_600],
    ['gemini-3-pro', false, 1_548],
    ['pixtral-12b', false, 4_160],
  ])('a picture at %s (small: %s) is %i tokens at most', (model, isLow, most) => {
    expect(of(model, { kind: 'image', data: null, isLow }).media).toBe(most)
  })

  test('sound is counted apart, by its length', () => {
    expect(of('m', { kind: 'audio', data: base64(60_000) })).toMatchObject({ media: 0, audio: 30 * 32 })
    expect(of('m', { kind: 'audio', data: base64(480_000), isRaw: true }).audio).toBe(30 * 32)
    expect(of('m', { kind: 'audio', data: null }).audio).toBe(600 * 32)
  })

  test('a document is counted by its pages, text and picture, a hundred at most', () => {
    const pages = (bytes: number): number => of('claude-3', { kind: 'document', data: base64(bytes) }).media / 4_600
    expect([pages(900), pages(30_000), pages(9_000_000)]).toEqual([1, 3, 100])
    expect(of('claude-3', { kind: 'document', data: null }).media).toBe(46_000)
  })

  test('turns and tools have their words around them', () => {
    const overhead = (turns: number, hasTools: boolean, model = 'm'): number =>
      extraTokens({ ...PLAIN, turns, hasTools }, model, () => 0).overhead
    expect([overhead(1, false), overhead(3, false), overhead(13, false)]).toEqual([16, 16, 56])
    expect([overhead(1, true), overhead(1, true, 'claude-3')]).toEqual([48, 546])
  })
})
