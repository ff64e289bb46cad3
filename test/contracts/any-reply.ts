// Replies of every shape that a wire can carry there and back: for laws that hold for all of them.
import fc from 'fast-check'
import type { FinishReason, NeutralChoice, NeutralPart, NeutralReply } from '../../src/core/neutral.ts'
import type { Usage } from '../../src/core/money/usage.ts'

const anyText = fc.string({ minLength: 1, unit: 'grapheme' })

const reasoning: fc.Arbitrary<NeutralPart> = fc.oneof(
  anyText.map((text): NeutralPart => ({ kind: 'reasoning', text })),
  fc.tuple(anyText, anyText).map(([text, signature]): NeutralPart => ({
    kind: 'reasoning',
    text,
    signature: { maker: null, value: signature },
  })),
)

const calls: fc.Arbitrary<readonly NeutralPart[]> = fc
  .array(fc.tuple(fc.stringMatching(/^[a-z_]{1,12}$/), fc.jsonValue()), { maxLength: 3 })
  .map((list) =>
    list.map(([name, input], index): NeutralPart => {
      return { kind: 'tool-call', id: `call_${index}`, name, argumentsText: JSON.stringify({ input }) }
    }),
  )

const choice: fc.Arbitrary<NeutralChoice> = fc
  .tuple(
    fc.option(reasoning, { nil: null }),
    fc.option(
      anyText.map((text): NeutralPart => ({ kind: 'text', text })),
      { nil: null },
    ),
    calls,
    fc.constantFrom<FinishReason>('stop', 'length', 'filtered'),
  )
  .map(([thought, text, tools, reason]) => {
    const parts = [thought, text, ...tools].filter((part) => part !== null)
    return { parts, finish: reason === 'stop' && tools.length > 0 ? 'tool-calls' : reason }
  })

const count = fc.nat(1_000_000)

const usage: fc.Arbitrary<Usage> = fc.record({
  input: count.map((tokens) => tokens + 1),
  cacheRead: count,
  cacheWrite: count,
  cacheWriteLong: fc.constant(0),
  output: count,
  reasoning: count,
  audioInput: count,
  audioOutput: count,
})

/** A whole reply with one to three choices: reasoning, then text, then tool calls, each possibly absent. */
export const anyReply: fc.Arbitrary<NeutralReply> = fc.record({
  id: fc.constant('provider-reply'),
  model: fc.constant('provider-model'),
  createdSeconds: fc.option(count, { nil: null }),
  choices: fc.array(choice, { minLength: 1, maxLength: 3 }),
  usage: fc.option(usage, { nil: null }),
  failure: fc.constant(null),
})
