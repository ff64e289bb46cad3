// What a client says in a form that nobody can read is a gap by its name for a provider of another wire, never gone.
import { describe, expect, test } from 'vitest'
import type { ProtocolName } from '../../src/core/directory.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { clientsGaps } from '../../src/data-plane/dropped.ts'
import { dialects, protocols } from '../support/registries.ts'
import { TARGET } from '../support/target.ts'

const PLAIN: Readonly<Record<ProtocolName, JsonObject>> = {
  chat: { model: 'm', messages: [{ role: 'user', content: 'When is high tide?' }] },
  responses: { model: 'm', input: 'When is high tide?' },
  messages: { model: 'm', max_tokens: 9, messages: [{ role: 'user', content: 'When is high tide?' }] },
  completions: { model: 'm', prompt: 'When is high tide?' },
}

const NO_TEXT: readonly Json[] = [true, 1, ['x'], { zz: 1 }]
const NO_NUMBER: readonly Json[] = [true, 'x', '5', [5], { zz: 1 }, Infinity]
const NO_FLAG: readonly Json[] = [1, 'true', [], {}]
const NO_OBJECT: readonly Json[] = [true, 1, 'x', ['x']]
const NO_TEXTS: readonly Json[] = [true, 1, { zz: 1 }, [5], ['x', null]]

const FIELDS: Readonly<Record<ProtocolName, Readonly<Record<string, readonly Json[]>>>> = {
  chat: {
    stop: NO_TEXTS,
    seed: NO_NUMBER,
    temperature: [Infinity],
    top_k: NO_NUMBER,
    frequency_penalty: NO_NUMBER,
    logit_bias: NO_OBJECT,
    logprobs: NO_FLAG,
    top_logprobs: [...NO_NUMBER, -1],
    verbosity: NO_TEXT,
    reasoning_effort: NO_TEXT,
    reasoning: NO_OBJECT,
    thinking: [...NO_OBJECT, { type: 'zz' }],
    enable_thinking: NO_FLAG,
    service_tier: NO_TEXT,
    metadata: NO_OBJECT,
    tool_choice: [...NO_OBJECT, { type: 'zz' }],
    parallel_tool_calls: NO_FLAG,
    response_format: [...NO_OBJECT, { type: 'zz' }],
    web_search_options: NO_OBJECT,
    user: NO_TEXT,
  },
  responses: { top_logprobs: NO_NUMBER, parallel_tool_calls: NO_FLAG, service_tier: NO_TEXT, user: NO_TEXT },
  messages: {
    tool_choice: [{ type: 'zz' }, { type: 'tool' }, {}],
    stop_sequences: [[5], ['x', null]],
    service_tier: NO_TEXT,
    output_format: [true, { type: 'zz' }],
    output_config: [{ effort: 5 }, { format: { type: 'zz' } }],
    metadata: [{ user_id: 5 }],
  },
  completions: { stop: NO_TEXTS, seed: NO_NUMBER, logit_bias: NO_OBJECT, metadata: NO_OBJECT, user: NO_TEXT },
}

function read(name: ProtocolName, body: JsonObject) {
  const request = protocols[name].read({ ...PLAIN[name], ...body })
  if (!request.ok) throw new Error(request.error.message)
  return request.value
}

function gapsOf(name: ProtocolName, body: JsonObject): readonly string[] {
  return clientsGaps(dialects.ollama, read(name, body), TARGET).map(({ field }) => field)
}

describe.each(['chat', 'responses', 'messages', 'completions'] as const)('a client of %s', (name) => {
  test.each(Object.entries(FIELDS[name]))('hears that its %s went nowhere', (field, values) => {
    expect(gapsOf(name, {})).toEqual([])
    for (const value of values) expect(gapsOf(name, { [field]: value })).toContain(field)
  })
})

test('a member of a setting that nobody knows is named with its setting', () => {
  expect(gapsOf('chat', { reasoning: { effort: 'none', zz: 1 } })).toContain('reasoning.zz')
  expect(gapsOf('responses', { reasoning: { effort: 'none', zz: 1 } })).toContain('reasoning.zz')
})

test("a model of Anthropic's own wire is left to judge it", () => {
  const request = read('messages', { tool_choice: { type: 'zz' }, output_config: { effort: 5 }, stop_sequences: [5] })
  const call = dialects['anthropic-messages'].write(request, TARGET, {
    model: null,
    forceUsage: false,
    maxOutputTokens: null,
  })
  expect(JSON.parse(call.body)).toMatchObject({
    tool_choice: { type: 'zz' },
    output_config: { effort: 5 },
    stop_sequences: [5],
  })
})
