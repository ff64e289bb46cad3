// What the chat protocol accepts, what it says of the rest, and what may be answered from the cache.
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { protocols } from '../support/registries.ts'

const MESSAGES = [{ role: 'user', content: 'Hello' }]
const BODY = { model: 'gpt', messages: MESSAGES }

function factsOf(body: JsonObject) {
  const facts = protocols.chat.facts(body)
  if (!facts.ok) throw new Error(facts.error.message)
  return facts.value
}

describe('facts of a chat request', () => {
  test('the plainest request', () => {
    const { promptText, promptExtras, ...facts } = factsOf(BODY)
    expect(facts).toEqual({
      model: 'gpt',
      isStreamed: false,
      wantsUsage: false,
      maxOutputTokens: null,
      choices: 1,
      endUser: null,
      cacheability: 'cacheable',
    })
    expect(promptText()).toBe('Hello')
    expect(promptExtras?.()).toEqual({ turns: 1, hasTools: false, media: [], isSpoken: false })
  })

  test('everything that is asked for', () => {
    const body = {
      ...BODY,
      stream: true,
      stream_options: { include_usage: true },
      max_tokens: 50,
      max_completion_tokens: 40,
      n: 2,
      user: 'ann',
    }
    expect(factsOf(body)).toMatchObject({
      isStreamed: true,
      wantsUsage: true,
      maxOutputTokens: 40,
      choices: 2,
      endUser: 'ann',
    })
  })

  test('null is not given', () => {
    const body = {
      ...BODY,
      stream: null,
      stream_options: null,
      max_tokens: null,
      n: null,
      temperature: null,
      tools: null,
    }
    expect(factsOf(body)).toMatchObject({ isStreamed: false, choices: 1, maxOutputTokens: null })
  })

  test('the prompt text holds every text and every tool, and no picture', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Look' },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
        ],
      },
      { role: 'assistant', content: null, tool_calls: [{ id: 'c', function: { name: 'tide', arguments: '{}' } }] },
    ]
    const text = factsOf({ ...BODY, messages, tools: [{ type: 'function', function: { name: 'wind' } }] }).promptText()
    for (const part of ['Be brief.', 'Look', 'tide', 'wind']) expect(text).toContain(part)
    expect(text).not.toContain('AAAA')
  })

  test.each<readonly [string, JsonObject, string]>([
    ['a missing model', { messages: MESSAGES }, 'model'],
    ['an empty model', { ...BODY, model: ' ' }, 'model'],
    ['a model that is no string', { ...BODY, model: 4 }, 'model'],
    ['missing messages', { model: 'gpt' }, 'messages'],
    ['messages that are no array', { ...BODY, messages: 'Hello' }, 'messages'],
    ['no messages', { ...BODY, messages: [] }, 'messages'],
    ['a message that is no object', { ...BODY, messages: [...MESSAGES, 'x'] }, 'messages[1]'],
    [
      'a message without a role',
      { ...BODY, messages: [...MESSAGES, ...MESSAGES, { content: 'x' }] },
      'messages[2].role',
    ],
    ['a role that is no string', { ...BODY, messages: [{ role: 7 }] }, 'messages[0].role'],
    ['a stream that is no boolean', { ...BODY, stream: 'yes' }, 'stream'],
    ['stream options that are no object', { ...BODY, stream_options: [] }, 'stream_options'],
    [
      'an include_usage that is no boolean',
      { ...BODY, stream_options: { include_usage: 1 } },
      'stream_options.include_usage',
    ],
    ['a bound of 0', { ...BODY, max_tokens: 0 }, 'max_tokens'],
    ['a fractional bound', { ...BODY, max_completion_tokens: 1.5 }, 'max_completion_tokens'],
    ['too many choices', { ...BODY, n: 129 }, 'n'],
    ['a temperature that is no number', { ...BODY, temperature: 'hot' }, 'temperature'],
  ])('%s is refused and named', (_, body, field) => {
    expect(protocols.chat.facts(body)).toMatchObject({ ok: false, error: { kind: 'invalid-request', field } })
  })

  test.each<readonly [string, JsonObject, string]>([
    ['a plain question', {}, 'cacheable'],
    ['temperature 0', { temperature: 0 }, 'deterministic'],
    ['a seed', { seed: 7 }, 'deterministic'],
    ['tools', { temperature: 0, tools: [{ type: 'function', function: { name: 'x' } }] }, 'never'],
    ['no tools after all', { temperature: 0, tools: [] }, 'deterministic'],
    ['several choices', { temperature: 0, n: 2 }, 'never'],
    ['audio', { temperature: 0, modalities: ['text', 'audio'] }, 'never'],
    ['text only', { temperature: 0, modalities: ['text'] }, 'deterministic'],
    ['logprobs', { temperature: 0, logprobs: true }, 'never'],
    ['storing', { temperature: 0, store: true }, 'never'],
    ['web search', { temperature: 0, web_search_options: {} }, 'never'],
    [
      'a picture by address',
      withContent({ type: 'image_url', image_url: { url: 'https://example.com/a.png' } }),
      'never',
    ],
    [
      'a picture by value',
      withContent({ type: 'image_url', image_url: { url: 'data:image/png;base64,AA' } }),
      'deterministic',
    ],
    ['a file', withContent({ type: 'file', file: { file_id: 'f' } }), 'never'],
  ])('%s: %s', (_, body, cacheability) => {
    expect(factsOf({ ...BODY, ...body }).cacheability).toBe(cacheability)
  })
})

function withContent(part: Json): JsonObject {
  return { temperature: 0, messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }, part] }] }
}
