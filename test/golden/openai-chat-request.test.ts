// What a client of the chat wire said, as a provider of the same wire gets it: all of it, in the one spelling that the
// neutral form has.
import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../src/core/json.ts'
import type { NeutralPart } from '../../src/core/neutral.ts'
import { dialects } from '../support/registries.ts'
import { BASE, readChat, writtenChat } from '../support/chat-writing.ts'
import { TARGET } from '../support/target.ts'

const dialect = dialects['openai-chat']

describe('a client of the same wire', () => {
  test.each<readonly [string, JsonObject]>([
    [
      'pictures, files and sound',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'Which?' },
              { type: 'image_url', image_url: { url: 'https://lighthouse.example/a.png', detail: 'low' } },
              { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } },
              { type: 'file', file: { filename: 'tides.pdf', file_data: 'data:application/pdf;base64,aGk=' } },
              { type: 'file', file: { file_id: 'file-7' } },
              { type: 'input_audio', input_audio: { data: 'aGk=', format: 'wav' } },
              { type: 'video_url', video_url: { url: 'https://lighthouse.example/a.mp4' } },
              { type: 'unheard_of', unheard_of: { a: 1 } },
            ],
          },
        ],
      },
    ],
    [
      'settings that only this wire has',
      {
        frequency_penalty: 0.5,
        presence_penalty: -0.5,
        logit_bias: { '7': -100 },
        logprobs: true,
        top_logprobs: 2,
        seed: 7,
        n: 2,
        verbosity: 'low',
        service_tier: 'flex',
        metadata: { port: 'Brest' },
        prompt_cache_key: 'k',
        user: 'u',
        stop: ['END'],
        top_k: 40,
        temperature: 0.5,
        top_p: 0.9,
        modalities: ['text', 'audio'],
        audio: { voice: 'alloy', format: 'wav' },
        prediction: { type: 'content', content: 'x' },
        store: true,
        min_p: 0.1,
        provider: { order: ['a'] },
        max_completion_tokens: 9,
        parallel_tool_calls: false,
        reasoning_effort: 'high',
      },
    ],
    [
      'tools of every kind',
      {
        tools: [
          {
            type: 'function',
            function: { name: 'tide', description: 'Tides', parameters: { type: 'object' }, strict: true },
            cache_control: { type: 'ephemeral', ttl: '1h' },
          },
          { type: 'custom', custom: { name: 'code', format: { type: 'text' } } },
          { type: 'openrouter:web_search', parameters: { max_results: 1 } },
        ],
        tool_choice: { type: 'custom', custom: { name: 'code' } },
        web_search_options: { search_context_size: 'low' },
      },
    ],
    [
      'a choice among some tools',
      { tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [] } } },
    ],
    [
      'a schema with a description',
      {
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'tide', description: 'A tide', schema: { type: 'object' }, strict: true },
        },
      },
    ],
    [
      'marks for the prompt cache',
      {
        messages: [
          { role: 'system', content: [{ type: 'text', text: 'Long.', cache_control: { type: 'ephemeral' } }] },
          {
            role: 'assistant',
            content: [
              { type: 'text', text: 'One' },
              { type: 'text', text: 'Two', cache_control: { type: 'ephemeral' } },
            ],
          },
          { role: 'tool', tool_call_id: 'a', content: 'High', cache_control: { type: 'ephemeral', ttl: '5m' } },
        ],
      },
    ],
    [
      'calls and results',
      {
        messages: [
          {
            role: 'assistant',
            content: null,
            tool_calls: [
              {
                id: 'a',
                type: 'function',
                function: { name: 'tide', arguments: '{"port":"Brest"}' },
                extra_content: { google: { thought_signature: 'c2ln' } },
              },
              { id: 'b', type: 'custom', custom: { name: 'code', input: 'print 1' } },
            ],
          },
          {
            role: 'tool',
            tool_call_id: 'a',
            name: 'tide',
            content: [
              { type: 'text', text: 'High' },
              { type: 'image_url', image_url: { url: 'https://lighthouse.example/b.png' } },
            ],
          },
          { role: 'tool', tool_call_id: 'b', content: '1' },
        ],
      },
    ],
    [
      'reasoning and what seals it',
      {
        messages: [
          {
            role: 'assistant',
            content: 'Six.',
            reasoning_content: 'Hm.',
            reasoning_details: [
              { type: 'reasoning.text', text: 'Hm.', signature: 'c2ln', format: 'anthropic-claude-v1', index: 0 },
            ],
          },
          {
            role: 'assistant',
            content: 'Six.',
            reasoning_details: [
              { type: 'reasoning.encrypted', data: 'ZW5j', id: 'rs_1', format: 'openai-responses-v1', index: 0 },
            ],
          },
          { role: 'assistant', content: null, audio: { id: 'audio_1' } },
          { role: 'assistant', content: null, refusal: 'No.' },
        ],
      },
    ],
  ])('%s: what it said is what the provider gets', (_, body) => {
    expect(writtenChat(readChat(body))).toEqual({ ...BASE, ...body })
    expect(dialect.gaps(readChat(body), TARGET)).toEqual([])
  })

  test.each<readonly [JsonObject, JsonObject]>([
    [{ reasoning: { effort: 'high', exclude: true } }, { reasoning: { effort: 'high', exclude: true } }],
    [{ reasoning: { max_tokens: 2000 } }, { reasoning: { max_tokens: 2000 } }],
    [{ reasoning: { enabled: false } }, { reasoning: { enabled: false } }],
    [{ thinking: { type: 'enabled', budget_tokens: 2000 } }, { reasoning: { max_tokens: 2000, enabled: true } }],
    [
      { thinking: { type: 'adaptive' }, reasoning_effort: 'low' },
      { thinking: { type: 'adaptive' }, reasoning_effort: 'low' },
    ],
    [{ enable_thinking: false }, { reasoning: { enabled: false } }],
    [{ include_reasoning: false }, { reasoning: { exclude: true } }],
    [{ reasoning: { effort: 'low' } }, { reasoning_effort: 'low' }],
    [{ random_seed: 7 }, { seed: 7 }],
    [{ tool_choice: 'any' }, { tool_choice: 'required' }],
    [{ safety_identifier: 'u' }, { user: 'u' }],
    [
      { user: 'u', safety_identifier: 's' },
      { user: 'u', safety_identifier: 's' },
    ],
    [{ store: false, service_tier: 'auto', logit_bias: {}, metadata: {}, frequency_penalty: 0, logprobs: false }, {}],
  ])('%j in another spelling: %j', (body, expected) => {
    expect(writtenChat(readChat(body))).toEqual({ ...BASE, ...expected })
  })

  test.each<readonly [Json, NeutralPart]>([
    [
      { type: 'input_audio', input_audio: 'UklGRhi' },
      { kind: 'audio', source: { kind: 'base64', mediaType: 'audio/wav', data: 'UklGRhi' } },
    ],
    [
      { type: 'input_audio', input_audio: '//NkxAA' },
      { kind: 'audio', source: { kind: 'base64', mediaType: 'audio/mp3', data: '//NkxAA' } },
    ],
    [
      { type: 'input_audio', input_audio: 'https://a.example/b.mp3' },
      { kind: 'audio', source: { kind: 'url', url: 'https://a.example/b.mp3' } },
    ],
    [
      { type: 'file', file: { file_data: 'JVBERi0' } },
      { kind: 'document', source: { kind: 'base64', mediaType: 'application/pdf', data: 'JVBERi0' } },
    ],
    [
      { type: 'file', file: { file_data: 'https://a.example/b.pdf' } },
      { kind: 'document', source: { kind: 'url', url: 'https://a.example/b.pdf' } },
    ],
  ])('%j is read as %j', (content, part) => {
    expect(readChat({ messages: [{ role: 'user', content: [content] }] }).messages[0]?.parts).toEqual([part])
  })

  test('reasoning of every client: in plain words, in blocks of another gateway, in pieces', () => {
    const parts = (message: JsonObject) =>
      readChat({ messages: [{ role: 'assistant', content: 'Six.', ...message }] }).messages[0]?.parts.slice(0, -1)
    expect(parts({ reasoning: 'Hm.' })).toEqual([{ kind: 'reasoning', text: 'Hm.' }])
    expect(parts({ thinking: 'Hm.' })).toEqual([{ kind: 'reasoning', text: 'Hm.' }])
    expect(
      parts({
        thinking_blocks: [
          { type: 'thinking', thinking: 'Hm.', signature: 'c2ln' },
          { type: 'redacted_thinking', data: 'ZW5j' },
        ],
      }),
    ).toEqual([
      { kind: 'reasoning', text: 'Hm.', signature: { maker: 'anthropic', value: 'c2ln' } },
      { kind: 'reasoning', text: '', redacted: { maker: 'anthropic', value: 'ZW5j' } },
    ])
    expect(
      parts({
        reasoning_details: [
          { type: 'reasoning.text', text: 'H', index: 0 },
          { type: 'reasoning.text', text: 'm.', index: 0 },
          { type: 'reasoning.text', text: 'So', index: 1 },
        ],
      }),
    ).toEqual([
      { kind: 'reasoning', text: 'Hm.' },
      { kind: 'reasoning', text: 'So' },
    ])
    expect(
      parts({
        reasoning_details: [
          { type: 'reasoning.summary', summary: 'In short.', index: 0 },
          { type: 'reasoning.encrypted', data: 'ZW5j', id: 'rs_1', format: 'openai-responses-v1', index: 0 },
        ],
      }),
    ).toEqual([
      {
        kind: 'reasoning',
        text: 'In short.',
        isSummary: true,
        redacted: { maker: 'openai-responses', value: 'ZW5j', itemId: 'rs_1' },
      },
    ])
  })

  test('a signature that names a call is that call’s, and nobody else’s', () => {
    const seal = (id: string) => ({
      type: 'reasoning.encrypted',
      data: 'ZW5j',
      id,
      format: 'google-gemini-v1',
      index: 0,
    })
    const call = { id: 'a', type: 'function', function: { name: 'tide', arguments: '{}' } }
    const signature = { maker: 'gemini', value: 'ZW5j' }
    const message = { role: 'assistant', content: null, reasoning_details: [seal('a'), seal('z')], tool_calls: [call] }
    expect(readChat({ messages: [message] }).messages[0]?.parts).toEqual([
      { kind: 'reasoning', text: '', redacted: signature },
      { kind: 'tool-call', id: 'a', name: 'tide', argumentsText: '{}', signature },
    ])
  })
})
