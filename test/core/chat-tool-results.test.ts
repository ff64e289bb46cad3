// Whose result a tool's message is, where it doesn't say.
import { describe, expect, test } from 'vitest'
import { readMessages } from '../../src/protocols/chat/messages.ts'
import type { JsonObject } from '../../src/core/json.ts'

const call = (id: string, name: string): JsonObject => ({ id, type: 'function', function: { name, arguments: '{}' } })
const CALLS = {
  role: 'assistant',
  content: null,
  tool_calls: [call('a', 'tide'), call('b', 'moon'), call('c', 'tide')],
}

function answered(results: readonly JsonObject[]): readonly string[] | string | null {
  const read = readMessages([CALLS, ...results.map((result) => ({ role: 'tool', content: 'x', ...result }))])
  if (!read.ok) return read.error.field
  return read.value.flatMap(({ parts }) => parts.flatMap((part) => (part.kind === 'tool-result' ? [part.callId] : [])))
}

describe("a tool's result", () => {
  test('is of the call that it names', () => {
    expect(answered([{ tool_call_id: 'b' }, { tool_call_id: 'a' }])).toEqual(['b', 'a'])
    expect(answered([{ tool_call_id: 'unheard-of' }])).toEqual(['unheard-of'])
  })

  test('is of the next call that waits, where it names none', () => {
    expect(answered([{}, {}, {}])).toEqual(['a', 'b', 'c'])
    expect(answered([{ tool_call_id: 'a' }, {}])).toEqual(['a', 'b'])
  })

  test('is of the next call of that name, where it has only a name', () => {
    expect(answered([{ name: 'tide' }, { name: 'tide' }, { name: 'moon' }])).toEqual(['a', 'c', 'b'])
    expect(answered([{ name: 'stars' }])).toEqual(['stars'])
  })

  test('without a call that waits is refused by its field', () => {
    expect(answered([{}, {}, {}, {}])).toBe('messages[4].tool_call_id')
    expect(readMessages([{ role: 'tool', content: 'x' }])).toMatchObject({
      ok: false,
      error: { field: 'messages[0].tool_call_id' },
    })
  })
})
