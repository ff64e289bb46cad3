// Hints, wire by wire: whatever a client hints at is in what the provider is sent, or is told as left out, never neither and
// never both. And what is no hint is carried or a gap.
import { describe, expect, test } from 'vitest'
import type { Target, Wire } from '../../src/core/directory.ts'
import { inClientsWords } from '../../src/core/reply/gap-names.ts'
import { lostHints } from '../../src/core/reply/hints.ts'
import { parseJson } from '../../src/core/json.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { Citation, NeutralRequest } from '../../src/core/neutral.ts'
import type { Dialect } from '../../src/dialects/dialect.ts'
import { objectOf } from '../../src/wire/read.ts'
import { dialects, protocols } from '../support/registries.ts'
import { TARGET } from '../support/target.ts'

const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }
const PIXEL = 'data:image/png;base64,iVBORw0KGgo='
const SCHEMA = { type: 'object', properties: {}, required: [], additionalProperties: false }

/** Each hint with how a provider's body shows it; `detail` by the word, which is nobody else's. */
const MARKS: Readonly<Record<string, string>> = {
  user: 'end-user-4711',
  prompt_cache_key: 'cache-key-4712',
  metadata: 'note-4716',
  'messages.content.image_url.detail': '"detail":"high"',
  'response_format.json_schema.name': 'schema-name-4713',
  'response_format.json_schema.description': 'schema-description-4714',
  'messages.annotations': 'cited-4715.example',
}

const HINTING: JsonObject = {
  model: 'asked',
  user: 'end-user-4711',
  prompt_cache_key: 'cache-key-4712',
  metadata: { note: 'note-4716' },
  messages: [
    { role: 'user', content: 'Hello.' },
    {
      role: 'assistant',
      content: 'Hello to you.',
      annotations: [
        {
          type: 'url_citation',
          url_citation: { url: 'https://cited-4715.example/', title: 'A', start_index: 0, end_index: 5 },
        },
      ],
    },
    {
      role: 'user',
      content: [
        { type: 'text', text: 'And this?' },
        { type: 'image_url', image_url: { url: PIXEL, detail: 'high' } },
      ],
    },
  ],
  response_format: {
    type: 'json_schema',
    json_schema: { name: 'schema-name-4713', description: 'schema-description-4714', strict: true, schema: SCHEMA },
  },
}

const MODELS: Readonly<Partial<Record<Wire, string>>> = {
  'bedrock-converse': 'anthropic.claude-sonnet-4-5-20250929-v1:0',
  gemini: 'gemini-3-pro',
  'anthropic-messages': 'claude-sonnet-4-5',
}

const DECLARED: JsonObject = {
  path: '/',
  body: { turns: '$messages.openai', who: '$user', schema: '$json_schema' },
  reply: { text: 'text' },
}

function targetOf(dialect: Dialect, more: Partial<Target> = {}): Target {
  const described = dialect.name === 'declared' ? { declared: DECLARED } : {}
  return { ...TARGET, dialect: dialect.name, model: MODELS[dialect.wire] ?? TARGET.model, ...described, ...more }
}

function read(body: JsonObject, protocol: 'chat' | 'responses' | 'messages' = 'chat'): NeutralRequest {
  const request = protocols[protocol].read(body)
  if (!request.ok) throw new Error(request.error.message)
  return request.value
}

function sent(dialect: Dialect, request: NeutralRequest, target: Target): string {
  return dialect.write(request, target, NO_EDITS).body
}

const ALL: readonly Dialect[] = Object.values(dialects)

/** By the letter, so that a change shows what is told less. */
const LOST: Readonly<Record<string, readonly string[]>> = {
  'openai-chat': [],
  'openai-responses': ['messages.annotations'],
  'openai-completions': Object.keys(MARKS).filter((name) => name !== 'user'),
  'anthropic-messages': Object.keys(MARKS).filter((name) => name !== 'user'),
  'bedrock-converse': ['user', 'prompt_cache_key', 'messages.content.image_url.detail', 'messages.annotations'],
  gemini: Object.keys(MARKS),
  cohere: Object.keys(MARKS).filter((name) => name !== 'messages.content.image_url.detail'),
  ollama: Object.keys(MARKS),
  tgi: Object.keys(MARKS),
  'workers-ai': Object.keys(MARKS),
  declared: [
    'prompt_cache_key',
    'metadata',
    'response_format.json_schema.name',
    'response_format.json_schema.description',
  ],
}

describe.each(ALL.map((dialect) => [dialect.name, dialect] as const))('%s', (name, dialect) => {
  const target = targetOf(dialect)

  test('a hint is sent or told, not neither and not both', () => {
    const request = read(HINTING)
    const lost = lostHints(request, dialect.wire, target)
    const body = sent(dialect, request, target)
    expect(Object.keys(MARKS).filter((hint) => !body.includes(MARKS[hint] ?? ''))).toEqual(lost.toSorted(byPlace))
    expect(lost.toSorted(byPlace)).toEqual(LOST[name])
  })

  test('a hint is never a gap', () => {
    const gaps = inClientsWords(read(HINTING), dialect.gaps(read(HINTING), target)).map(({ field }) => field)
    expect(gaps.filter((field) => field in MARKS)).toEqual([])
  })

  test('what was not hinted at is not told', () => {
    const plain = read({
      model: 'asked',
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: PIXEL, detail: 'auto' } }] }],
    })
    expect(lostHints(plain, dialect.wire, target)).toEqual([])
  })

  test('one call at a time, and calls by the schema, are sent or a gap', () => {
    const parameters = {
      type: 'object',
      properties: { port: { type: 'string' } },
      required: ['port'],
      additionalProperties: false,
    }
    const tools = (strict: boolean) => [
      { type: 'function', function: { name: 'tide', parameters, ...(strict ? { strict } : {}) } },
    ]
    const ask = (more: JsonObject) => read({ model: 'asked', messages: [{ role: 'user', content: 'Hi' }], ...more })
    const fieldsOf = (request: NeutralRequest) => dialect.gaps(request, target).map(({ field }) => field)
    const plain = ask({ tools: tools(false) })
    const single = ask({ tools: tools(false), parallel_tool_calls: false })
    const strict = ask({ tools: tools(true) })
    if (fieldsOf(plain).includes('tools')) return
    const isSingle = sent(dialect, single, target) !== sent(dialect, plain, target)
    expect(fieldsOf(single).includes('parallel_tool_calls')).toBe(!isSingle)
    const isStrict = sent(dialect, strict, target) !== sent(dialect, plain, target)
    expect(fieldsOf(strict).includes('tools.function.strict')).toBe(!isStrict)
  })
})

function byPlace(one: string, other: string): number {
  const names = Object.keys(MARKS)
  return names.indexOf(one) - names.indexOf(other)
}

test('Bedrock is told metadata of short plain texts, and no other', () => {
  const lost = (metadata: JsonObject) => {
    const request = read({ model: 'asked', messages: [{ role: 'user', content: 'Hi' }], metadata })
    const told = sent(dialects['bedrock-converse'], request, targetOf(dialects['bedrock-converse']))
    expect(told.includes('requestMetadata')).toBe(lostHints(request, 'bedrock-converse', TARGET).length === 0)
    return lostHints(request, 'bedrock-converse', TARGET)
  }
  expect([lost({ env: 'prod' }), lost({ env: '<prod>' }), lost({ env: 1 })]).toEqual([[], ['metadata'], ['metadata']])
})

describe('sources in the words of the wire itself go back', () => {
  test.each([
    [
      'openai-responses',
      { type: 'url_citation', url: 'https://own.example/', title: 'A', start_index: 0, end_index: 5 },
    ],
    [
      'anthropic-messages',
      {
        type: 'char_location',
        cited_text: 'own.example',
        document_index: 0,
        document_title: null,
        start_char_index: 0,
        end_char_index: 5,
      },
    ],
    ['bedrock-converse', { title: 'own.example', location: { documentChar: { documentIndex: 0, start: 0, end: 5 } } }],
  ] as const)('to %s', (wire, value) => {
    const dialect = dialects[wire]
    const citation = (of: Wire): Citation => ({ url: 'https://own.example/', wire: of, value })
    const request = (of: Wire): NeutralRequest => ({
      ...read({ model: 'asked', messages: [{ role: 'user', content: 'Hi' }] }),
      messages: [
        { role: 'user', parts: [{ kind: 'text', text: 'Hi' }] },
        { role: 'assistant', parts: [{ kind: 'text', text: 'Hello', citations: [citation(of)] }] },
        { role: 'user', parts: [{ kind: 'text', text: 'Go on' }] },
      ],
    })
    expect(sent(dialect, request(wire), targetOf(dialect))).toContain('own.example')
    expect(lostHints(request(wire), wire, targetOf(dialect))).toEqual([])
    expect(sent(dialect, request('gemini'), targetOf(dialect))).not.toContain('own.example')
    expect(lostHints(request('gemini'), wire, targetOf(dialect))).toEqual(['messages.annotations'])
  })
})

test('what has no place in the neutral form may be a hint, too', () => {
  const more = { user: 'u', safety_identifier: 's', prompt_cache_retention: '24h', prediction: { type: 'content' } }
  const chat = read({ model: 'asked', messages: [{ role: 'user', content: 'Hi' }], ...more })
  const fieldsOf = (name: 'gemini' | 'anthropic-messages' | 'openai-responses', request: NeutralRequest) =>
    dialects[name].gaps(request, targetOf(dialects[name])).map(({ field }) => field)
  expect(fieldsOf('gemini', chat)).toEqual([])
  expect(lostHints(chat, 'gemini', TARGET)).toEqual(Object.keys(more))
  expect(fieldsOf('anthropic-messages', chat)).toEqual([])
  expect(lostHints(chat, 'anthropic-messages', TARGET)).toEqual(Object.keys(more).slice(1))
  expect(fieldsOf('openai-responses', chat)).toEqual([])
  expect(lostHints(chat, 'openai-responses', TARGET)).toEqual(['prediction'])
  const body = objectOf(parseJson(sent(dialects['openai-responses'], chat, TARGET)))
  expect(body).toMatchObject({ user: 'u', safety_identifier: 's', prompt_cache_retention: '24h' })
})

test('an end user is named as the client named it', () => {
  const chat = read({ model: 'asked', messages: [{ role: 'user', content: 'Hi' }], safety_identifier: 's' })
  expect(lostHints(chat, 'gemini', TARGET)).toEqual(['safety_identifier'])
  const item = read({ model: 'asked', input: 'Hi', safety_identifier: 's' }, 'responses')
  expect(lostHints(item, 'gemini', TARGET)).toEqual(['safety_identifier'])
  const both = read({ model: 'asked', input: 'Hi', user: 'u', safety_identifier: 's' }, 'responses')
  expect(lostHints(both, 'gemini', TARGET)).toEqual(['user', 'safety_identifier'])
})

describe('each client is told in its own words', () => {
  test('of responses', () => {
    const { messages: _, response_format: __, ...rest } = HINTING
    const request = read(
      {
        ...rest,
        input: [
          {
            type: 'message',
            role: 'assistant',
            phase: 'commentary',
            content: [
              {
                type: 'output_text',
                text: 'Hello',
                annotations: [
                  { type: 'url_citation', url: 'https://a.example/', title: 'A', start_index: 0, end_index: 5 },
                ],
              },
            ],
          },
          { role: 'user', content: [{ type: 'input_image', image_url: PIXEL, detail: 'low' }] },
        ],
        text: { format: { type: 'json_schema', name: 'n', schema: SCHEMA, strict: true, description: 'd' } },
      },
      'responses',
    )
    expect(lostHints(request, 'gemini', TARGET).toSorted()).toEqual([
      'input.content.annotations',
      'input.content.input_image.detail',
      'input.phase',
      'metadata',
      'prompt_cache_key',
      'text.format.description',
      'text.format.name',
      'user',
    ])
  })

  test('of messages, whose schemas have no names', () => {
    const request = read(
      {
        model: 'asked',
        max_tokens: 100,
        metadata: { user_id: 'u' },
        messages: [{ role: 'user', content: 'Hi' }],
        output_config: { format: { type: 'json_schema', schema: SCHEMA } },
      },
      'messages',
    )
    expect(lostHints(request, 'gemini', TARGET)).toEqual(['metadata.user_id'])
  })
})

test('what was said on the way goes back as such, and apart from the answer', () => {
  const input = [
    { role: 'user', content: 'When is high tide?' },
    { type: 'message', role: 'assistant', phase: 'commentary', content: [{ type: 'output_text', text: 'A moment.' }] },
    { type: 'message', role: 'assistant', phase: 'final_answer', content: [{ type: 'output_text', text: 'At six.' }] },
    { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Anything else?' }] },
    { role: 'user', content: 'And low tide?' },
  ]
  const request = read({ model: 'asked', input }, 'responses')
  const body = objectOf(parseJson(sent(dialects['openai-responses'], request, TARGET)))
  expect(body['input']).toEqual([
    { role: 'user', content: 'When is high tide?' },
    { type: 'message', role: 'assistant', phase: 'commentary', content: 'A moment.' },
    { type: 'message', role: 'assistant', phase: 'final_answer', content: 'At six.' },
    { role: 'assistant', content: 'Anything else?' },
    { role: 'user', content: 'And low tide?' },
  ])
  expect(lostHints(request, 'openai-responses', TARGET)).toEqual([])
  expect(lostHints(request, 'openai-chat', TARGET)).toEqual(['input.phase'])
})
