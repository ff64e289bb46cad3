// What is written to a provider of the chat wire for a client of another one.
import { describe, expect, test } from 'vitest'
import type { NeutralPart, NeutralRequest } from '../../src/core/neutral.ts'
import { dialects } from '../support/registries.ts'
import { BASE, foreign, writtenChat } from '../support/chat-writing.ts'
import { TARGET } from '../support/target.ts'

const dialect = dialects['openai-chat']

describe('a client of another wire', () => {
  const signature = { maker: 'anthropic', value: 'c2ln' }
  const turn = (role: 'user' | 'assistant', ...parts: readonly NeutralPart[]) => ({ role, parts })

  test('reasoning, signatures and marks stay away from providers that know none', () => {
    const history = [
      turn(
        'assistant',
        { kind: 'reasoning', text: 'Hm.', signature },
        { kind: 'text', text: 'Six.', cacheMark: { ttl: '1h' } },
      ),
      turn('assistant', {
        kind: 'tool-call',
        id: 'a',
        name: 'tide',
        argumentsText: '{}',
        signature: { maker: 'gemini', value: 'Zw==' },
      }),
    ]
    const request = foreign({ messages: history })
    const call = { id: 'a', type: 'function', function: { name: 'tide', arguments: '{}' } }
    const plain = { role: 'assistant', content: 'Six.' }
    expect(writtenChat(request)['messages']).toEqual([plain, { role: 'assistant', content: null, tool_calls: [call] }])
    expect(writtenChat(request, 'reasoning-content')['messages']).toMatchObject([
      { ...plain, reasoning_content: 'Hm.' },
      {},
    ])
    const marked = [{ type: 'text', text: 'Six.', cache_control: { type: 'ephemeral', ttl: '1h' } }]
    const details = [
      { type: 'reasoning.text', text: 'Hm.', signature: 'c2ln', format: 'anthropic-claude-v1', index: 0 },
    ]
    const sealed = [{ type: 'reasoning.encrypted', data: 'Zw==', id: 'a', format: 'google-gemini-v1', index: 1 }]
    expect(writtenChat(request, 'reasoning-details', 'cache-control')['messages']).toEqual([
      { role: 'assistant', content: marked, reasoning_details: details },
      { role: 'assistant', content: null, tool_calls: [call], reasoning_details: sealed },
    ])
    const extra_content = { google: { thought_signature: 'Zw==' } }
    expect(writtenChat(request, 'extra-content')['messages']).toMatchObject([
      {},
      { tool_calls: [{ ...call, extra_content }] },
    ])
  })

  test('pictures among results follow as the user’s, behind all results', () => {
    const result = (callId: string, ...content: readonly NeutralPart[]): NeutralPart => ({
      kind: 'tool-result',
      callId,
      content,
      isError: false,
    })
    const picture: NeutralPart = { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data: 'aGk=' } }
    const request = foreign({
      messages: [
        turn('user', result('a', { kind: 'text', text: 'High' }, picture), result('b'), { kind: 'text', text: 'So?' }),
      ],
    })
    expect(writtenChat(request)['messages']).toEqual([
      { role: 'tool', tool_call_id: 'a', content: 'High' },
      { role: 'tool', tool_call_id: 'b', content: '' },
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: 'data:image/png;base64,aGk=' } },
          { type: 'text', text: 'So?' },
        ],
      },
    ])
  })

  test('documents: files as files, text as text under its title', () => {
    const pdf: NeutralPart = {
      kind: 'document',
      source: { kind: 'base64', mediaType: 'application/pdf', data: 'aGk=' },
      context: 'Of 1921',
    }
    const text: NeutralPart = { kind: 'document', source: { kind: 'text', text: 'High at six.' }, title: 'Tides' }
    const parts: NeutralPart = {
      kind: 'document',
      source: { kind: 'parts', parts: [{ kind: 'text', text: 'Low.' }] },
      title: 'Ebb',
    }
    expect(writtenChat(foreign({}, pdf, text, parts))['messages']).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Of 1921' },
          { type: 'file', file: { filename: 'document.pdf', file_data: 'data:application/pdf;base64,aGk=' } },
          { type: 'text', text: 'Tides\n\nHigh at six.' },
          { type: 'text', text: 'Ebb' },
          { type: 'text', text: 'Low.' },
        ],
      },
    ])
  })

  test.each<readonly [NeutralRequest['reasoning'], string | undefined]>([
    [{ effort: 'high' }, 'high'],
    [{ effort: 'max' }, 'high'],
    [{ mode: 'off' }, 'none'],
    [{ mode: 'on', maxTokens: 1024 }, 'low'],
    [{ mode: 'on', maxTokens: 8000 }, 'medium'],
    [{ mode: 'on', maxTokens: 32_000 }, 'high'],
    [{ mode: 'on' }, 'medium'],
    [{ mode: 'adaptive' }, undefined],
    [{ summary: 'auto' }, undefined],
  ])('%j is an effort of %s', (reasoning, effort) => {
    expect(writtenChat(foreign(reasoning === undefined ? {} : { reasoning }))['reasoning_effort']).toBe(effort)
  })

  test('tools of other wires, where this one has words for them', () => {
    const search = {
      kind: 'web-search' as const,
      wire: 'openai-responses' as const,
      type: 'web_search',
      value: { type: 'web_search', search_context_size: 'low', user_location: { type: 'approximate', city: 'Brest' } },
    }
    const grammar = { type: 'grammar', syntax: 'lark', definition: 'start: "a"' }
    const custom = {
      kind: 'other' as const,
      wire: 'openai-responses' as const,
      type: 'custom',
      value: { type: 'custom', name: 'code', description: 'Runs', format: grammar },
    }
    const body = writtenChat(
      foreign({
        wire: 'openai-responses',
        hostedTools: [search, custom],
        toolChoice: { kind: 'tool', name: 'code' },
        parallelToolCalls: true,
      }),
    )
    expect(body).toEqual({
      ...BASE,
      web_search_options: {
        search_context_size: 'low',
        user_location: { type: 'approximate', approximate: { city: 'Brest' } },
      },
      tools: [
        {
          type: 'custom',
          custom: {
            name: 'code',
            description: 'Runs',
            format: { type: 'grammar', grammar: { syntax: 'lark', definition: 'start: "a"' } },
          },
        },
      ],
      tool_choice: { type: 'custom', custom: { name: 'code' } },
      parallel_tool_calls: true,
    })
    expect(writtenChat(foreign({ parallelToolCalls: true }))).toEqual(BASE)
  })

  test.each<readonly [string, Partial<NeutralRequest>, readonly NeutralPart[], readonly string[]]>([
    ['what only its own wire knows', { extra: { container: 'c', min_p: 1 } }, [], ['container', 'min_p']],
    [
      'a part of its own wire',
      {},
      [{ kind: 'other', type: 'search_result', value: {}, wire: 'anthropic-messages' }],
      ['messages.content.search_result'],
    ],
    [
      'a file that another provider keeps',
      {},
      [{ kind: 'document', source: { kind: 'file', id: 'f' } }],
      ['messages.content.document'],
    ],
    [
      'a document by its address',
      {},
      [{ kind: 'document', source: { kind: 'url', url: 'https://a.example' } }],
      ['messages.content.document'],
    ],
    [
      'citations',
      {},
      [{ kind: 'document', source: { kind: 'text', text: 'x' }, isCited: true }],
      ['messages.content.document'],
    ],
    [
      'a search with bounds',
      {
        hostedTools: [
          { kind: 'web-search', wire: 'anthropic-messages', type: 'web_search_20250305', value: { max_uses: 1 } },
        ],
      },
      [],
      ['tools'],
    ],
    [
      'a tool of another kind',
      { hostedTools: [{ kind: 'other', wire: 'anthropic-messages', type: 'bash', value: {} }] },
      [],
      ['tools'],
    ],
    ['a document that stays', { topK: 5 }, [{ kind: 'document', source: { kind: 'text', text: 'x' } }], []],
  ])('%s: %j %j lacks %j', (_, fields, parts, gaps) => {
    expect(dialect.gaps(foreign(fields, ...parts), TARGET).map(({ field }) => field)).toEqual(gaps)
  })

  test('what the target is known not to do is a gap, what nobody knows is none', () => {
    const picture: NeutralPart = { kind: 'image', source: { kind: 'url', url: 'https://a.example' } }
    const format = { kind: 'json-schema' as const, name: 'x', schema: {}, strict: true }
    const request = foreign({ tools: [{ name: 'tide', parameters: null }], responseFormat: format }, picture)
    const capabilities = { vision: false, tools: false, jsonSchema: false }
    const fields = dialect.gaps(request, { ...TARGET, capabilities }).map(({ field }) => field)
    expect(fields).toEqual(['response_format', 'tools', 'messages.content.image'])
    expect(dialect.gaps(request, TARGET)).toEqual([])
  })
})
