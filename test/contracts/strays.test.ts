// No member of a request is dropped in silence: wherever a client puts one that nobody knows, a provider of any wire either
// gets it, or the client is told of it by its path.
import { describe, expect, test } from 'vitest'
import type { ProtocolName } from '../../src/core/directory.ts'
import { parseJson } from '../../src/core/json.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { NeutralRequest } from '../../src/core/neutral.ts'
import { clientsGaps } from '../../src/data-plane/dropped.ts'
import type { Dialect } from '../../src/dialects/dialect.ts'
import type { Protocol } from '../../src/protocols/protocol.ts'
import { objectOf } from '../../src/wire/read.ts'
import { targetOf } from '../fixtures/replies.ts'
import { FULL_REQUESTS, memberAt, objectsIn, pathOf, type Way, withMember } from '../support/full-requests.ts'
import { dialects, protocols } from '../support/registries.ts'

const NO_EDITS = { model: null, forceUsage: false, maxOutputTokens: null }
const SAID = 'a member of nobody'

/** Data of the client's, read as a whole. */
const DATA = new Set(['parameters', 'schema', 'input_schema', 'metadata', 'logit_bias'])
/** Flags, numbers and short texts. */
const FORMS = [
  ...[
    'name',
    'description',
    'strict',
    'title',
    'context',
    'enabled',
    'effort',
    'summary',
    'verbosity',
    'budget_tokens',
  ],
  ...['display', 'disable_parallel_tool_use', 'is_error', 'filename', 'detail', 'format', 'include_usage'],
  'media_type',
]
/** Where a mark for the cache stands. */
const HINTS = new Set(['cache_control', 'prompt_cache_breakpoint'])
/** Where a conversation stands. */
const TURNS = new Set(['messages', 'input', 'system'])

function isData(way: Way): boolean {
  return way.some((step, at) => DATA.has(String(step)) || (step === 'input' && at > 0))
}

function isHint(way: Way): boolean {
  return way.some((step) => typeof step === 'string' && HINTS.has(step))
}

/** Whether it stands in what a reply said: a turn of the assistant's, or an item that is one. */
function isEcho(body: JsonObject, [list = '', at = 0]: Way): boolean {
  const items = body[String(list)]
  const item = Array.isArray(items) ? objectOf(items[Number(at)]) : {}
  return item['role'] === 'assistant' || item['type'] === 'reasoning' || item['type'] === 'function_call'
}

function read(protocol: Protocol, body: JsonObject): NeutralRequest {
  const request = protocol.read(body)
  if (!request.ok) throw new Error(`${request.error.field}: ${request.error.message}`)
  return request.value
}

/** What a client hears that a model of that dialect can't be told, as paths. */
function told(request: NeutralRequest, dialect: Dialect): readonly string[] {
  return clientsGaps(dialect, request, targetOf(dialect.wire)).map(({ field, path }) => path ?? field)
}

/** Whether `gap` names `path`, or something that it is a part of; with places in lists or without. */
function isNamed(gap: string, path: string): boolean {
  return [path, path.replaceAll(/\[\d+\]/g, '')].some((name) => name === gap || name.startsWith(`${gap}.`))
}

const places = Object.values(protocols).flatMap((protocol) =>
  FULL_REQUESTS[protocol.name].flatMap((body, at) =>
    objectsIn(body)
      .filter((way) => !isData(way))
      .map((way) => [`${protocol.name} ${at + 1}: ${pathOf([...way, 'zz'])}`, { protocol, body, way }] as const),
  ),
)
const asked = places.filter(([, { body, way }]) => !isHint(way) && !isEcho(body, way))
const untold = places.filter(([, { body, way }]) => isHint(way) || isEcho(body, way))

test('there is something to ask for at every kind of place', () => {
  expect(asked.length).toBeGreaterThan(80)
  expect(untold.length).toBeGreaterThan(12)
})

describe('a member that nobody knows', () => {
  test.each(asked)('%s is carried, or named', (_, { protocol, body, way }) => {
    const path = pathOf([...way, 'zz'])
    const request = read(protocol, objectOf(withMember(body, way, 'zz', SAID)))
    for (const dialect of Object.values(dialects)) {
      const target = targetOf(dialect.wire)
      const written = dialect.write(request, target, NO_EDITS).body
      const isCarried = written.includes(SAID)
      expect(Object.keys(objectOf(parseJson(written))).filter((name) => /[.[]/.test(name))).toEqual([])
      const before = told(read(protocol, body), dialect)
      const gaps = told(request, dialect).filter((gap) => !before.includes(gap))
      expect([dialect.name, isCarried || gaps.some((gap) => isNamed(gap, path)), gaps]).toEqual([
        dialect.name,
        true,
        gaps,
      ])
    }
  })

  test.each(asked)('%s is nothing where it says nothing', (_, { protocol, body, way }) => {
    for (const nothing of TURNS.has(String(way[0])) ? [null, '', []] : [null]) {
      const request = read(protocol, objectOf(withMember(body, way, 'zz', nothing)))
      for (const dialect of Object.values(dialects)) {
        expect([dialect.name, told(request, dialect)]).toEqual([dialect.name, told(read(protocol, body), dialect)])
      }
    }
  })

  test.each(untold)('%s is no complaint: a hint, or what a reply said', (_, { protocol, body, way }) => {
    const request = read(protocol, objectOf(withMember(body, way, 'zz', SAID)))
    for (const dialect of Object.values(dialects)) {
      expect([dialect.name, told(request, dialect)]).toEqual([dialect.name, told(read(protocol, body), dialect)])
    }
  })
})

/** What a client of a protocol hears, for a provider of a wire that is none of its own. */
function paths(name: ProtocolName, body: JsonObject): readonly string[] {
  const minimal = name === 'responses' ? { model: 'asked' } : { model: 'asked', max_tokens: 9 }
  return told(read(protocols[name], { ...minimal, ...body }), dialects['bedrock-converse'])
}

test('what stands in many places is named once, where it stands first', () => {
  const content = [
    { type: 'text', text: 'a' },
    { type: 'text', text: 'b', zz: 1 },
    { type: 'text', text: 'c', zz: 2, yy: 1 },
  ]
  const messages = [
    { role: 'user', content },
    { role: 'user', content, zz: 1 },
  ]
  expect(paths('chat', { messages })).toEqual([
    'messages[0].content[1].zz',
    'messages[0].content[2].yy',
    'messages[1].zz',
  ])
})

test.each([
  [
    'chat',
    'messages[0].content[0].image_url.format',
    {
      messages: [
        { role: 'user', content: [{ type: 'image_url', image_url: { url: 'https://a.test/a.png', format: 'x' } }] },
      ],
    },
  ],
  ['chat', 'messages[0].tool_calls', { messages: [{ role: 'user', content: 'a', tool_calls: [{ id: 'x' }] }] }],
  [
    'chat',
    'response_format.schema',
    { messages: [{ role: 'user', content: 'a' }], response_format: { type: 'json_object', schema: {} } },
  ],
  [
    'chat',
    'stream_options.continuous_usage_stats',
    { messages: [{ role: 'user', content: 'a' }], stream_options: { continuous_usage_stats: true } },
  ],
  [
    'chat',
    'messages[1].prefix',
    {
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b', prefix: true },
      ],
    },
  ],
  [
    'messages',
    'messages[0].content[0].source.zz',
    {
      messages: [
        { role: 'user', content: [{ type: 'image', source: { type: 'url', url: 'https://a.test/a.png', zz: 1 } }] },
      ],
    },
  ],
  [
    'messages',
    'messages[0].content[0].source.bucket',
    { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 's3', bucket: 'b' } }] }] },
  ],
  [
    'responses',
    'input[0].content[0].zz',
    { input: [{ role: 'user', content: [{ type: 'input_text', text: 'a', zz: 1 }] }] },
  ],
  [
    'responses',
    'tools[0].search_content_types',
    { input: 'a', tools: [{ type: 'web_search', search_content_types: ['image'] }] },
  ],
] as const)('a client of %s hears of %s by its path', (name, path, body) => {
  expect(paths(name, body)).toContain(path)
})

test.each([
  [
    'chat',
    { messages: [{ role: 'user', content: [{ type: 'text', text: 'a', image_url: null }], tool_calls: [], id: 'm1' }] },
  ],
  [
    'chat',
    {
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b', prefix: false, zz: { yy: 1 } },
      ],
    },
  ],
  [
    'chat',
    {
      messages: [{ role: 'user', content: 'a' }],
      stream_options: { include_usage: true, continuous_usage_stats: false },
    },
  ],
  [
    'chat',
    {
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'a', providerOptions: { a: 1 }, constructor: null }] },
      ],
    },
  ],
  [
    'messages',
    {
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: [{ type: 'text', text: 'b', zz: 1 }], stop_reason: 'end_turn' },
      ],
    },
  ],
  [
    'responses',
    {
      input: [
        {
          type: 'message',
          role: 'user',
          content: 'a',
          id: 'msg_1',
          status: 'completed',
          internal_chat_message_metadata_passthrough: { turn_id: 'a' },
        },
      ],
    },
  ],
  [
    'responses',
    {
      input: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b', phase: 'commentary' },
        { role: 'user', content: 'c' },
      ],
    },
  ],
] as const)('a client of %s is left alone with what asks for nothing: %j', (name, body) => {
  expect(paths(name, body)).toEqual([])
})

test('that a reply is to be continued is no complaint where that is done unasked', () => {
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: 'b', prefix: true },
  ]
  const request = read(protocols.chat, { model: 'asked', messages })
  expect(told(request, dialects['anthropic-messages'])).toEqual([])
  expect(told(request, dialects.gemini)).toEqual(['messages[1].prefix'])
})

/** A member in a form that nobody can read, for each place of a full request that holds a flag, a number or a short text. */
const forms = Object.values(protocols).flatMap((protocol) =>
  FULL_REQUESTS[protocol.name].flatMap((body, at) =>
    objectsIn(body)
      .filter((way) => !isData(way) && !isHint(way) && !isEcho(body, way))
      .flatMap((way) => FORMS.map((name) => [...way, name]))
      .filter((way) => memberAt(body, way) !== undefined)
      .map((way) => [`${protocol.name} ${at + 1}: ${pathOf(way)}`, { protocol, body, way }] as const),
  ),
)

test('there is something to say in another form at many places', () => {
  expect(forms.length).toBeGreaterThan(25)
})

test.each(forms)('%s in a form that nobody can read is an error, or named', (_, { protocol, body, way }) => {
  const changed = objectOf(withMember(body, way.slice(0, -1), String(way.at(-1)), { zz: 1 }))
  const request = protocol.read(changed)
  if (!request.ok) {
    expect(request.error.field).toContain(String(way.at(-1)))
    return
  }
  for (const dialect of Object.values(dialects)) {
    if (dialect.write(request.value, targetOf(dialect.wire), NO_EDITS).body.includes('{"zz":1}')) continue
    const gaps = told(request.value, dialect)
    expect([dialect.name, gaps.some((gap) => isNamed(gap, pathOf(way))), gaps]).toEqual([dialect.name, true, gaps])
  }
})
