// The meter of the responses wire takes only the length of most deltas: that must come to what the reader reads, whatever
// stands between them and however they are told.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Frame } from '../../src/dialects/dialect.ts'
import { dialects } from '../support/registries.ts'
import { TARGET } from '../support/target.ts'

const dialect = dialects['openai-responses']

/** Events of few items, so that they often go on where others were, in any order. */
const anyFrame: fc.Arbitrary<Frame> = fc
  .record({
    type: fc.constantFrom(
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.refusal.delta',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.done',
      'response.reasoning_text.delta',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.custom_tool_call_input.delta',
      'response.output_item.added',
      'response.output_item.done',
      'response.content_part.done',
      'response.output_text.annotation.added',
    ),
    output_index: fc.constantFrom<unknown>(0, 0, 0, 1, 12, null, undefined),
    content_index: fc.constantFrom<unknown>(0, 0, 1, undefined),
    summary_index: fc.constantFrom<unknown>(0, 0, 1, undefined),
    item_id: fc.constantFrom('msg_1', 'fc_1', undefined),
    delta: fc.oneof(fc.string(), fc.constantFrom<unknown>('"', '\\', 'line\n', '\ud800', '', null, 5, { delta: 'x' })),
    text: fc.constantFrom('whole', ''),
    arguments: fc.constantFrom('{}', undefined),
    item: fc.constantFrom<unknown>(
      { id: 'msg_1', type: 'message', content: [{ type: 'output_text', text: 'whole' }] },
      { id: 'fc_1', type: 'function_call', call_id: 'call', name: 'f', arguments: '{"a":1}' },
      { id: 'rs_1', type: 'reasoning', summary: [{ type: 'summary_text', text: 'thought' }] },
      undefined,
    ),
    part: fc.constantFrom<unknown>({ type: 'output_text', text: 'whole', annotations: [{ type: 'x' }] }, undefined),
    isNamed: fc.boolean(),
    isSpaced: fc.boolean(),
  })
  .map(({ isNamed, isSpaced, ...event }) => ({
    event: isNamed ? event.type : '',
    data: JSON.stringify(event, null, isSpaced ? 1 : 0),
  }))

test('the meter agrees with the reader on any run of deltas', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 30 }), (frames) => {
      const reader = dialect.reader(TARGET)
      const meter = dialect.meter(TARGET)
      let chars = 0
      for (const frame of frames) {
        const seen = reader.push(frame)
        for (const event of seen) if (event.type === 'part-delta') chars += event.text.length
        const kind = meter.push(frame)
        if (seen.some((event) => event.type === 'part-delta')) expect(kind).toBe('content')
        expect(meter.visibleChars).toBe(chars)
      }
    }),
    { numRuns: 500 },
  )
})
