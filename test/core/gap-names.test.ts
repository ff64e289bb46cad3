// Whoever is refused something hears of it in the words of the protocol that he speaks.
import { describe, expect, test } from 'vitest'
import type { ProtocolName } from '../../src/core/directory.ts'
import { inClientsWords, toolMemberGaps } from '../../src/core/reply/gap-names.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { dialects, protocols } from '../support/registries.ts'
import { targetOf } from '../fixtures/replies.ts'

const PICTURE = 'data:image/png;base64,iVBORw0KGgo='
const SOUND = { data: 'UklGRg==', format: 'wav' }
const CALL = { name: 'tide_at', arguments: '[1]' }

/** A request with every kind of part, and a tool that keeps to its schema. */
const ASKED: Readonly<Partial<Record<ProtocolName, JsonObject>>> = {
  chat: {
    model: 'm',
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: PICTURE } },
          { type: 'input_audio', input_audio: SOUND },
          { type: 'video_url', video_url: { url: 'https://pier.test/a.mp4' } },
          { type: 'file', file: { file_id: 'file_1' } },
        ],
      },
      { role: 'assistant', tool_calls: [{ id: 'c1', type: 'function', function: CALL }] },
      { role: 'tool', tool_call_id: 'c1', content: 'noon' },
    ],
    tools: [{ type: 'function', function: { name: 'tide_at', strict: true } }],
  },
  responses: {
    model: 'm',
    input: [
      {
        role: 'user',
        content: [
          { type: 'input_image', image_url: PICTURE },
          { type: 'input_audio', input_audio: SOUND },
          { type: 'input_file', file_id: 'file_1' },
        ],
      },
      { type: 'item_reference', id: 'msg_1' },
      { type: 'function_call', call_id: 'c1', ...CALL },
      { type: 'function_call_output', call_id: 'c1', output: 'noon' },
    ],
    tools: [{ type: 'function', name: 'tide_at', strict: true }],
  },
  messages: {
    model: 'm',
    max_tokens: 9,
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image', source: { type: 'file', file_id: 'file_1' } },
          { type: 'document', source: { type: 'url', url: 'https://pier.test/a.pdf' } },
          { type: 'container_upload', file_id: 'file_1' },
        ],
      },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'c1', name: 'tide_at', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'c1', content: 'noon' }] },
    ],
    tools: [{ name: 'tide_at', input_schema: { type: 'object' }, strict: true }],
  },
}

describe.each(Object.entries(ASKED))('a client of %s', (name, body) => {
  test.each(Object.values(dialects))('is told by $name of nothing that it did not write', (dialect) => {
    const request = Object.values(protocols)
      .find((protocol) => protocol.name === name)
      ?.read(body)
    if (request?.ok !== true) throw new Error('unreadable')
    const gaps = inClientsWords(request.value, dialect.gaps(request.value, targetOf(dialect.wire)))
    const text = JSON.stringify(body)
    for (const { field } of gaps) {
      const [top = '', ...steps] = field.split('.')
      expect(Object.keys(body)).toContain(top)
      for (const step of steps) expect(text).toMatch(new RegExp(`"(?:type":")?${step}"`))
    }
    expect(new Set(gaps.map(({ field }) => field)).size).toBe(gaps.length)
  })
})

test.each([
  ['chat', { type: 'function', zz: 1, function: { name: 'tide_at', yy: 1 } }, ['tools.zz', 'tools.function.yy']],
  ['responses', { type: 'function', name: 'tide_at', zz: 1, defer_loading: true }, ['tools.zz']],
  [
    'messages',
    { type: 'custom', name: 'tide_at', input_schema: {}, allowed_callers: ['x'], input_examples: [{}] },
    ['tools.allowed_callers'],
  ],
] as const)(
  'what a client of %s says of a tool in words of its own is a gap elsewhere, unless it is a hint',
  (name, tool, fields) => {
    const request = protocols[name].read({ ...ASKED[name], tools: [tool] })
    if (!request.ok) throw new Error('unreadable')
    expect(toolMemberGaps(request.value, 'gemini').map(({ field }) => field)).toEqual(fields)
    expect(toolMemberGaps(request.value, request.value.wire ?? 'gemini')).toEqual([])
  },
)
