// What each quirk of a target changes in what is written to it: in the translation and in the client's own text.
import { describe, expect, test } from 'vitest'
import { parseJson } from '../../src/core/json.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { Quirk } from '../../src/core/quirk.ts'
import { dialects } from '../support/registries.ts'
import { BASE, HELLO, NO_EDITS, editedChat, foreign, quirky, readChat, writtenChat } from '../support/chat-writing.ts'
import { TARGET } from '../support/target.ts'

const dialect = dialects['openai-chat']

describe('quirks, translated and native', () => {
  const schema = { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' }, strict: true } }

  test.each<readonly [Quirk, JsonObject, JsonObject]>([
    ['max-tokens', { max_completion_tokens: 9 }, { max_tokens: 9 }],
    ['max-tokens', { max_completion_tokens: 9, max_tokens: 7 }, { max_tokens: 7 }],
    ['max-completion-tokens', { max_tokens: 9 }, { max_completion_tokens: 9 }],
    ['random-seed', { seed: 7 }, { random_seed: 7 }],
    ['no-stream-options', { stream: true, stream_options: { include_usage: true } }, { stream: true }],
    ['no-parallel-tool-calls', { parallel_tool_calls: true }, {}],
    [
      'no-developer-role',
      { messages: [{ role: 'developer', content: 'x' }] },
      { messages: [{ role: 'system', content: 'x' }] },
    ],
    ['no-json-schema', { response_format: schema }, { response_format: { type: 'json_object' } }],
    ['thinking-type', { reasoning_effort: 'none' }, { thinking: { type: 'disabled' } }],
    ['enable-thinking', { reasoning_effort: 'high' }, { enable_thinking: true }],
    ['enable-thinking', { reasoning_effort: 'minimal' }, { enable_thinking: false }],
    [
      'strict-fields',
      { user: 'u', prompt_cache_key: 'k', store: false, safety_identifier: 'u', tools: [], logprobs: null },
      {},
    ],
  ])('%s: %j becomes %j', (quirk, body, expected) => {
    expect(editedChat(body, quirk)).toEqual({ messages: HELLO, ...expected })
    const written_ = writtenChat(readChat(body), quirk)
    for (const [name, value] of Object.entries(expected)) if (name !== 'stream') expect(written_[name]).toEqual(value)
    for (const name of Object.keys(body)) if (!(name in expected)) expect(written_).not.toHaveProperty([name])
  })

  test('a bound of ours goes under the name that the provider knows', () => {
    const body = { model: 'asked', messages: HELLO }
    const bound = { ...NO_EDITS, maxOutputTokens: 5 }
    const sent = dialect.edit(JSON.stringify(body), body, bound, quirky('max-tokens')).body
    expect(parseJson(sent)).toEqual({ ...body, max_tokens: 5 })
    const both = { ...body, max_tokens: 9, max_completion_tokens: 3 }
    expect(parseJson(dialect.edit(JSON.stringify(both), both, bound, quirky('max-tokens')).body)).toEqual({
      ...body,
      max_tokens: 3,
    })
  })

  test('usage is asked for only where that may be asked', () => {
    const body = { model: 'asked', messages: HELLO, stream: true }
    const forced = { ...NO_EDITS, forceUsage: true }
    expect(dialect.edit(JSON.stringify(body), body, forced, quirky('no-stream-options')).body).toBe(
      JSON.stringify(body),
    )
    expect(parseJson(dialect.edit(JSON.stringify(body), body, forced, TARGET).body)).toEqual({
      ...body,
      stream_options: { include_usage: true },
    })
  })

  test('reasoning as an object, by effort or by tokens', () => {
    expect(writtenChat(foreign({ reasoning: { effort: 'high' } }), 'reasoning-object')).toEqual({
      ...BASE,
      reasoning: { effort: 'high' },
    })
    expect(
      writtenChat(foreign({ reasoning: { effort: 'high', maxTokens: 99, mode: 'on' } }), 'reasoning-object'),
    ).toEqual({
      ...BASE,
      reasoning: { max_tokens: 99, enabled: true },
    })
    expect(writtenChat(foreign({ reasoning: { mode: 'on' } }), 'thinking-type')).toEqual({
      ...BASE,
      thinking: { type: 'enabled' },
    })
    expect(writtenChat(foreign({ reasoning: { mode: 'on', maxTokens: 99 } }), 'enable-thinking')).toEqual({
      ...BASE,
      enable_thinking: true,
      thinking_budget: 99,
    })
  })

  test('ids of calls become nine letters and digits, the same in a call and its result, and fitting ones stay', () => {
    const call = (id: string) => ({ id, type: 'function', function: { name: 'tide', arguments: '{}' } })
    const messages = [
      ...HELLO,
      { role: 'assistant', content: null, tool_calls: [call('functions.tide:1'), call('abcDEF123')] },
      { role: 'tool', tool_call_id: 'abcDEF123', content: 'Low' },
      { role: 'tool', tool_call_id: 'functions.tide:1', content: 'High' },
    ]
    for (const body of [editedChat({ messages }, 'tool-ids-9'), writtenChat(readChat({ messages }), 'tool-ids-9')]) {
      const text = JSON.stringify(body['messages'])
      const [id] = /(?<="id":")[^"]*/.exec(text) ?? []
      expect(id).toMatch(/^[a-zA-Z0-9]{9}$/)
      expect(body['messages']).toMatchObject([
        {},
        { tool_calls: [{ id }, { id: 'abcDEF123' }] },
        { tool_call_id: 'abcDEF123' },
        { tool_call_id: id },
      ])
    }
  })

  test('strict providers get no reasoning of other ones', () => {
    const assistant = { role: 'assistant', content: 'Six.', reasoning_content: 'Hm.', annotations: [] }
    const expected = [{ role: 'assistant', content: 'Six.' }]
    expect(editedChat({ messages: [assistant] }, 'strict-fields')['messages']).toEqual(expected)
    expect(writtenChat(readChat({ messages: [assistant] }), 'strict-fields')['messages']).toEqual(expected)
  })

  test.each<readonly [Quirk, JsonObject, readonly string[]]>([
    ['no-json-schema', { response_format: schema }, ['response_format']],
    ['no-json-schema', { response_format: { type: 'json_object' } }, []],
    ['no-parallel-tool-calls', { parallel_tool_calls: false }, ['parallel_tool_calls']],
    ['no-parallel-tool-calls', { parallel_tool_calls: true }, []],
    ['strict-fields', { metadata: { a: 'b' } }, []],
    ['strict-fields', { store: true }, ['store']],
    ['no-top-k', { top_k: 5 }, ['top_k']],
    ['max-tokens', { metadata: { a: 'b' }, top_k: 5, response_format: schema, parallel_tool_calls: false }, []],
  ])('%s: %j lacks %j, on both lanes', (quirk, body, expected) => {
    expect(dialect.gaps(readChat(body), quirky(quirk)).map(({ field }) => field)).toEqual(expected)
    expect(dialect.nativeGaps?.(body, quirky(quirk)).map(({ field }) => field)).toEqual(expected)
  })

  test('Azure: the deployment in the path and the version behind it, whatever the names; else the usual path', () => {
    const azure = (settings?: Record<string, string>, model = 'model-of-target') => {
      const { path } = dialect.probe({
        ...TARGET,
        model,
        quirks: ['azure-deployments'],
        ...(settings === undefined ? {} : { settings }),
      })
      return path
    }
    expect(azure({ deployment: 'harbour', apiVersion: '2025-04-01-preview' })).toBe(
      '/deployments/harbour/chat/completions?api-version=2025-04-01-preview',
    )
    expect(azure()).toBe('/deployments/model-of-target/chat/completions?api-version=2024-10-21')
    for (const name of ['../..', 'a/b?c#d', '..', '%2e%2e']) {
      const { pathname, search } = new URL(`https://provider.test/openai${azure(undefined, name)}`)
      expect(pathname).toMatch(/^\/openai\/deployments\/[^/]+\/chat\/completions$/)
      expect(search).toBe('?api-version=2024-10-21')
    }
    expect(dialect.probe(TARGET).path).toBe('/chat/completions')
  })
})
