// The buckets of what a reply reports: each token is in one of them, and they sum to what was reported, whatever the wire and
// wherever it puts parts beside or inside their wholes.
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Usage, NO_USAGE, USAGE_BUCKETS, completionTokens, promptTokens } from '../../src/core/money/usage.ts'
import { readMessagesUsage, writeMessagesUsage } from '../../src/wire/anthropic-messages.ts'
import { readGeminiUsage } from '../../src/wire/gemini.ts'
import { readChatUsage, writeChatUsage } from '../../src/wire/openai-chat.ts'
import { readResponsesUsage, writeResponsesUsage } from '../../src/wire/openai-responses.ts'

const count = fc.oneof(fc.constant(0), fc.nat(50), fc.nat(1_000_000))
/** Of any reply, without what some wires have no word for. */
const usages: fc.Arbitrary<Usage> = fc
  .record({
    input: count,
    cacheRead: count,
    cacheWrite: count,
    cacheWriteLong: count,
    output: count,
    reasoning: count,
    audioInput: count,
    audioOutput: count,
  })
  .filter((usage) => promptTokens(usage) > 0 && completionTokens(usage) > 0)

function expectWhole(usage: Usage | null, prompt: number, completion: number): void {
  expect(usage).not.toBeNull()
  if (usage === null) return
  for (const bucket of USAGE_BUCKETS) {
    expect(Number.isSafeInteger(usage[bucket])).toBe(true)
    expect(usage[bucket]).toBeGreaterThanOrEqual(0)
  }
  expect([promptTokens(usage), completionTokens(usage)]).toEqual([prompt, completion])
}

describe('the buckets', () => {
  test('are those that were written, on OpenAI’s wires', () => {
    fc.assert(
      fc.property(usages, (usage) => {
        expect(readChatUsage(writeChatUsage(usage))).toEqual(usage)
        // This one doesn't tell for how long something is kept.
        const { cacheWrite, cacheWriteLong } = usage
        const told = { ...usage, cacheWrite: cacheWrite + cacheWriteLong, cacheWriteLong: 0 }
        expect(readResponsesUsage(writeResponsesUsage(usage))).toEqual(told)
      }),
    )
  })

  test('are those that were written, on Anthropic’s, which has no word for sound', () => {
    fc.assert(
      fc.property(usages, (some) => {
        const usage = { ...some, audioInput: 0, audioOutput: 0 }
        if (promptTokens(usage) + completionTokens(usage) === 0) return
        expect(readMessagesUsage(writeMessagesUsage(usage))).toEqual(usage)
      }),
    )
  })

  test('are those of Google’s counts, where thoughts stand beside what was said and what was cached inside the prompt', () => {
    fc.assert(
      fc.property(usages, (some) => {
        const usage = { ...some, cacheWrite: 0, cacheWriteLong: 0 }
        const prompt = promptTokens(usage)
        fc.pre(prompt + completionTokens(usage) > 0)
        const read = readGeminiUsage({
          promptTokenCount: prompt,
          cachedContentTokenCount: usage.cacheRead,
          candidatesTokenCount: usage.output + usage.audioOutput,
          thoughtsTokenCount: usage.reasoning,
          totalTokenCount: prompt + completionTokens(usage),
          promptTokensDetails: [{ modality: 'AUDIO', tokenCount: usage.audioInput }],
          candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: usage.audioOutput }],
        })
        expect(read).toEqual(usage)
      }),
    )
  })

  test('sum to the totals whatever the details claim, also where those exceed their wholes', () => {
    const part = fc.option(count, { nil: undefined })
    fc.assert(
      fc.property(count, count, fc.tuple(part, part, part, part, part), (prompt, completion, parts) => {
        fc.pre(prompt + completion > 0)
        const [cached, audio, reasoning, spoken, written] = parts
        const usage = readChatUsage({
          prompt_tokens: prompt,
          completion_tokens: completion,
          total_tokens: prompt + completion,
          prompt_tokens_details: { cached_tokens: cached ?? null, audio_tokens: audio ?? null },
          completion_tokens_details: { reasoning_tokens: reasoning ?? null, audio_tokens: spoken ?? null },
          cache_creation_input_tokens: written ?? null,
        })
        expectWhole(usage, prompt, completion)
      }),
    )
  })

  test('beside which something is counted that is no token have it apart', () => {
    const usage = readChatUsage({ ...writeChatUsage({ ...NO_USAGE, input: 3, output: 4 }), num_search_queries: 2 })
    expect(usage).toEqual({ ...NO_USAGE, input: 3, output: 4, units: { searches: 2 } })
    const details = { server_tool_use_details: { web_search_requests: 1 } }
    expect(readChatUsage({ prompt_tokens: 1, completion_tokens: 1, ...details })?.units).toEqual({ searches: 1 })
  })
})
