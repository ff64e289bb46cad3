// A tool that failed, told to providers whose wire has no word for it.
import { expect, test } from 'vitest'
import type { NeutralPart, NeutralRequest } from '../../src/core/neutral.ts'
import { parseJson } from '../../src/core/json.ts'
import { arrayOf, objectOf } from '../../src/wire/read.ts'
import { dialects } from '../support/registries.ts'
import { TARGET } from '../support/target.ts'

const EDITS = { model: null, forceUsage: false, maxOutputTokens: null }

function asked(isError: boolean, content: readonly NeutralPart[]): NeutralRequest {
  return {
    model: 'm',
    stream: false,
    includeUsage: false,
    messages: [
      { role: 'user', parts: [{ kind: 'text', text: 'When is high water?' }] },
      { role: 'assistant', parts: [{ kind: 'tool-call', id: 'a', name: 'tide', argumentsText: '{}' }] },
      { role: 'user', parts: [{ kind: 'tool-result', callId: 'a', isError, content }] },
    ],
    tools: [],
    extra: {},
  }
}

const WIRES = [
  ['openai-chat', 'messages', 'content'],
  ['openai-responses', 'input', 'output'],
] as const

test.each(WIRES)('on the wire %s the result says it, once', (name, list, member) => {
  const told = (isError: boolean, text: string): unknown => {
    const { body } = dialects[name].write(asked(isError, [{ kind: 'text', text }]), TARGET, EDITS)
    return objectOf(arrayOf(objectOf(parseJson(body))[list]).at(-1))[member]
  }
  expect(told(true, 'no such station')).toBe('Error: no such station')
  expect(told(true, 'Error 404')).toBe('Error 404')
  expect(told(false, 'six')).toBe('six')
})

test.each(WIRES)('on the wire %s a failure without a word is one, too', (name) => {
  expect(dialects[name].write(asked(true, []), TARGET, EDITS).body).toContain('Error:')
})
